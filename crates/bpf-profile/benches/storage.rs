//! What a block of bytes costs to take and give back, and a sequence to fill.
//!
//! The same code runs under both profiles: the heap answers on cloud, the
//! static pool on embedded. Beside them a `Vec` of the standard library.

use std::hint::black_box;

use bpf_profile::{ActiveProfile, MemoryBlock, MemoryStrategy, PhysicalProfile, Sequence};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

type Memory = <ActiveProfile as PhysicalProfile>::Memory;
type Sequences<T, const N: usize> = <Memory as MemoryStrategy>::Vec<T, N>;

fn block(bytes: usize) -> <Memory as MemoryStrategy>::Block {
    Memory::allocate(bytes).expect("the pool has as much")
}

/// Takes a zeroed block and gives it back.
fn blocks(c: &mut Criterion) {
    let mut group = c.benchmark_group("block");
    for bytes in [64_usize, 4 << 10, 256 << 10] {
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new(ActiveProfile::NAME, bytes), |b| {
            b.iter(|| black_box(block(black_box(bytes))).len());
        });
        group.bench_function(BenchmarkId::new("std Vec", bytes), |b| {
            b.iter(|| black_box(vec![0_u8; black_box(bytes)]).len());
        });
    }
    group.finish();
}

/// Takes a block while others lie scattered: every second one of many small
/// ones was given back, so that a pool has to look for a place.
fn scattered(c: &mut Criterion) {
    let mut group = c.benchmark_group("block among holes");
    for holes in [16_usize, 256] {
        let mut kept: Vec<_> = (0..2 * holes).map(|_| Some(block(64))).collect();
        for slot in kept.iter_mut().step_by(2) {
            *slot = None;
        }
        group.bench_function(BenchmarkId::new(ActiveProfile::NAME, holes), |b| {
            b.iter(|| black_box(block(black_box(128))).len());
        });
    }
    group.finish();
}

/// Asks for more than there is: the answer is an error, and it should come soon.
fn refusals(c: &mut Criterion) {
    let mut group = c.benchmark_group("refusal");
    group.bench_function(ActiveProfile::NAME, |b| {
        b.iter(|| Memory::allocate(black_box(usize::MAX / 2)).is_err());
    });
    group.finish();
}

fn sequences(c: &mut Criterion) {
    let mut group = c.benchmark_group("fill 256 words");
    group.throughput(Throughput::Elements(256));
    group.bench_function(ActiveProfile::NAME, |b| {
        b.iter(|| {
            let mut words = Sequences::<u64, 256>::default();
            for word in 0..256 {
                words.try_push(black_box(word)).expect("room");
            }
            black_box(words.len())
        });
    });
    group.bench_function("std Vec", |b| {
        b.iter(|| {
            let mut words = Vec::new();
            for word in 0..256_u64 {
                words.push(black_box(word));
            }
            black_box(words.len())
        });
    });
    group.finish();
}

criterion_group!(benches, blocks, scattered, refusals, sequences);
criterion_main!(benches);
