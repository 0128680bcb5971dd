//! Other engines in user space. They are given the same bytecode, with R1 at an
//! `xdp_md` whose 32-bit addresses are real ones: context and packet lie in the
//! lowest four gigabytes.
#![allow(unsafe_code, reason = "memory at a low address, and raw accesses by the engines")]

use std::ops::Range;
use std::ptr;

use anyhow::{Context, Result, ensure};
use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf_benches::{Program, Workload};

pub mod rbpf;
pub mod sbpf;

/// Context and packet at a low address, for as long as the process lives.
#[derive(Clone, Copy)]
pub struct Low {
    base: *mut u8,
    len: usize,
}

/// Where the packet begins, behind the context.
const PACKET_AT: usize = 64;

impl Low {
    fn new(workload: &Workload) -> Result<Self> {
        let packet = workload.packet();
        let len = PACKET_AT + packet.len();
        // SAFETY: new memory, at an address of the system's choice.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
                -1,
                0,
            )
        };
        ensure!(base != libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
        let low = Self { base: base.cast(), len };
        let address = u32::try_from(low.address()).context("not a low address")?;
        let data = address + u32::try_from(PACKET_AT)?;
        let end = address + u32::try_from(len)?;
        let bytes = low.bytes();
        bytes[..4].copy_from_slice(&data.to_ne_bytes());
        bytes[4..8].copy_from_slice(&end.to_ne_bytes());
        bytes[PACKET_AT..].copy_from_slice(&packet);
        Ok(low)
    }

    fn address(self) -> u64 {
        self.base.expose_provenance() as u64
    }

    fn bytes(self) -> &'static mut [u8] {
        // SAFETY: the memory is never given back, and whoever asked for it before
        // has returned: engines keep no reference between two runs.
        unsafe { std::slice::from_raw_parts_mut(self.base, self.len) }
    }
}

/// An array map as the helper below knows it.
#[repr(C)]
struct Cells {
    values: *mut u8,
    value_size: usize,
    entries: u32,
}

/// `bpf_map_lookup_elem` for [`Cells`].
fn lookup(map: u64, key: u64, _: u64, _: u64, _: u64) -> u64 {
    // SAFETY: the programs pass what `relocate` put there, and the address of a
    // key on their stack.
    let (cells, key) = unsafe {
        let cells = ptr::with_exposed_provenance::<Cells>(usize::try_from(map).unwrap_or_default());
        let key = ptr::with_exposed_provenance::<u32>(usize::try_from(key).unwrap_or_default());
        (&*cells, key.read_unaligned())
    };
    if key >= cells.entries {
        return 0;
    }
    let offset = usize::try_from(key).unwrap_or_default() * cells.value_size;
    cells.values.wrapping_add(offset).expose_provenance() as u64
}

/// A program's bytes with addresses in the place of maps, and the memory of
/// their values.
fn relocate(program: &Program) -> Result<(Vec<BpfInsn>, Vec<Range<u64>>)> {
    let mut insns = program.insns.clone();
    let (mut maps, mut ranges) = (Vec::new(), Vec::new());
    for (def, contents) in program.maps.iter().zip(&program.contents) {
        let value_size = usize::try_from(def.value_size)?.next_multiple_of(8);
        let mut values = vec![0_u64; value_size / 8 * usize::try_from(def.max_entries)?];
        for (word, chunk) in values.iter_mut().zip(contents.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_ne_bytes(bytes);
        }
        let range = values.leak().as_mut_ptr_range();
        let (start, end) = (range.start.expose_provenance(), range.end.expose_provenance());
        ranges.push(start as u64..end as u64);
        let cells = Cells { values: range.start.cast(), value_size, entries: def.max_entries };
        let cells: *const Cells = Box::leak(Box::new(cells));
        maps.push((cells.expose_provenance() as u64, start as u64));
    }
    let mut at = 0;
    while at < insns.len() {
        let insn = insns[at];
        if insn.code() != LD_IMM64 {
            at += 1;
            continue;
        }
        let map = || maps.get(usize::try_from(insn.imm()).unwrap_or(usize::MAX)).context("a map");
        let value = match insn.src() {
            MAP => Some(map()?.0),
            MAP_VALUE => Some(map()?.1 + u64::from(insns[at + 1].imm().cast_unsigned())),
            _ => None,
        };
        if let Some(value) = value {
            insns[at..at + 2].copy_from_slice(&BpfInsn::ld_imm64(insn.dst(), value));
        }
        at += 2;
    }
    Ok((insns, ranges))
}

/// The instruction that takes two slots.
const LD_IMM64: u8 = 0x18;
/// Its source field for a map by index, and for the address of a map's value.
const MAP: u8 = 5;
const MAP_VALUE: u8 = 6;
/// `bpf_map_lookup_elem`.
const LOOKUP: u32 = 1;

fn bytes(insns: &[BpfInsn]) -> Vec<u8> {
    insns.iter().flat_map(|insn| insn.to_bytes()).collect()
}
