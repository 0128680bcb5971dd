//! From the bytes of an object to programs: parsing alone, parsing and linking
//! every program, and the same for the flat image that lies beside the object.
//!
//! No peer runs beside it: the well-known loader of the field asks for a newer
//! compiler than this workspace does, and the ELF crates stop where the work of
//! a BPF loader begins.

use std::hint::black_box;

use bpf_loader::{FlatImage, Object};
use bpf_profile::{ActiveProfile, PhysicalProfile};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

macro_rules! examples {
    ($($name:literal),*) => {
        [$((
            $name,
            include_bytes!(concat!("../../../examples/programs/", $name, ".bpf.o")).as_slice(),
            include_bytes!(concat!("../../../examples/programs/", $name, ".bpf.kbi")).as_slice(),
        )),*]
    };
}

/// Name, object and flat image of the examples that both profiles load.
const EXAMPLES: [(&str, &[u8], &[u8]); 4] =
    examples!("sensor_filter", "dispatcher", "rate_limiter", "xdp_firewall");

fn parse(bytes: &[u8]) -> Object<'_, ActiveProfile> {
    Object::parse(bytes).expect("an example")
}

/// Links and builds every program of an object; slots of all together.
fn build_object(bytes: &[u8]) -> usize {
    let object = parse(bytes);
    let slots = |linked: bpf_loader::Linked<'_, '_, ActiveProfile>| {
        linked.build().expect("an example").len()
    };
    object.programs().map(|program| slots(program.link().expect("an example"))).sum()
}

/// Builds every program of a flat image; slots of all together.
fn build_image(bytes: &[u8]) -> usize {
    let image = FlatImage::parse(bytes).expect("an example");
    let slots = |program: bpf_loader::flat::FlatProgram<'_>| {
        program.builder::<ActiveProfile>().build().expect("an example").len()
    };
    image.programs().map(slots).sum()
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("{}/load", ActiveProfile::NAME));
    for (name, object, image) in EXAMPLES {
        assert_eq!(build_object(object), build_image(image), "{name}");
        group.throughput(Throughput::Bytes(object.len() as u64));
        group.bench_function(BenchmarkId::new("parse object", name), |b| {
            b.iter(|| parse(black_box(object)).maps().len());
        });
        group.bench_function(BenchmarkId::new("parse and link object", name), |b| {
            b.iter(|| build_object(black_box(object)));
        });
        group.throughput(Throughput::Bytes(image.len() as u64));
        group.bench_function(BenchmarkId::new("flat image", name), |b| {
            b.iter(|| build_image(black_box(image)));
        });
    }
    group.finish();
}

criterion_group!(benches, load);
criterion_main!(benches);
