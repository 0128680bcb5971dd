//! Programs that every engine of the comparison can run: no helpers, and
//! neither 32-bit arithmetic nor 32-bit jumps, which mean something else to one
//! of them.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::text::assemble;
use bpf_profile::ActiveProfile;

/// One program, and the bytes it works on: R1 is their address.
pub struct Workload {
    pub name: &'static str,
    memory: usize,
    text: &'static str,
}

pub const WORKLOADS: &[Workload] = &[
    Workload { name: "enter", memory: 8, text: "r0 = 7\nexit" },
    Workload {
        name: "count",
        memory: 8,
        text: "r0 = 0
            r2 = 0
        next:
            r0 += r2
            r2 += 1
            if r2 < 10000 goto next
            exit",
    },
    Workload {
        name: "fnv1a",
        memory: 1024,
        text: "r0 = 0xcbf29ce484222325 ll
            r3 = 0x100000001b3 ll
            r4 = r1
            r4 += 1024
        next:
            r5 = *(u8 *)(r1 +0)
            r0 ^= r5
            r0 *= r3
            r1 += 1
            if r1 != r4 goto next
            exit",
    },
    Workload {
        name: "checksum",
        memory: 1500,
        text: "r0 = 0
            r4 = r1
            r4 += 1500
        next:
            r5 = *(u16 *)(r1 +0)
            r5 = be16 r5
            r0 += r5
            r1 += 2
            if r1 < r4 goto next
            r2 = r0
            r2 >>= 16
            r0 &= 0xffff
            r0 += r2
            r2 = r0
            r2 >>= 16
            r0 += r2
            r0 &= 0xffff
            r0 ^= 0xffff
            exit",
    },
    Workload {
        name: "sort",
        memory: 8,
        // Insertion sort of 32 numbers on the stack.
        text: "r1 = r10
            r1 += -256
            r2 = 12345
            r3 = r1
        fill:
            r2 *= 1103515245
            r2 += 12345
            r2 &= 0x7fffffff
            *(u64 *)(r3 +0) = r2
            r3 += 8
            if r3 < r10 goto fill
            r3 = r1
            r3 += 8
        outer:
            r4 = r3
            r5 = *(u64 *)(r3 +0)
        inner:
            if r4 == r1 goto place
            r6 = *(u64 *)(r4 -8)
            if r6 <= r5 goto place
            *(u64 *)(r4 +0) = r6
            r4 += -8
            goto inner
        place:
            *(u64 *)(r4 +0) = r5
            r3 += 8
            if r3 < r10 goto outer
            r0 = *(u64 *)(r10 -8)
            exit",
    },
];

impl Workload {
    /// The program's slots.
    pub fn slots(&self) -> Vec<BpfInsn> {
        let slots = assemble::<ActiveProfile>(self.text).expect("a workload assembles");
        <[BpfInsn]>::to_vec(&slots)
    }

    /// The program in its wire form.
    pub fn bytes(&self) -> Vec<u8> {
        self.slots().into_iter().flat_map(BpfInsn::to_bytes).collect()
    }

    /// The bytes it works on.
    pub fn memory(&self) -> Vec<u8> {
        (0..self.memory).map(|index| u8::try_from(index % 251).unwrap_or_default()).collect()
    }
}
