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
        memory: 8,
        // Over 256 bytes of stack, eight times.
        text: "r1 = r10
            r1 += -256
            r2 = 0
            r3 = 1
        fill:
            r3 *= 1103515245
            r3 += 12345
            r4 = r10
            r4 += -256
            r4 += r2
            r5 = r3
            r5 >>= 16
            *(u8 *)(r4 +0) = r5
            r2 += 1
            if r2 < 256 goto fill
            r0 = 0xcbf29ce484222325 ll
            r3 = 0x100000001b3 ll
            r6 = 0
        again:
            r2 = 0
        next:
            r4 = r1
            r4 += r2
            r5 = *(u8 *)(r4 +0)
            r0 ^= r5
            r0 *= r3
            r2 += 1
            if r2 < 256 goto next
            r6 += 1
            if r6 < 8 goto again
            exit",
    },
    Workload {
        name: "checksum",
        memory: 8,
        // Over 256 bytes of stack, eight times.
        text: "r2 = 0
            r3 = 7
        fill:
            r4 = r10
            r4 += -256
            r4 += r2
            *(u64 *)(r4 +0) = r3
            r3 *= 31
            r2 += 8
            if r2 < 256 goto fill
            r0 = 0
            r6 = 0
        again:
            r2 = 0
        next:
            r4 = r10
            r4 += r2
            r5 = *(u16 *)(r4 -256)
            r5 = be16 r5
            r0 += r5
            r2 += 2
            if r2 < 256 goto next
            r6 += 1
            if r6 < 8 goto again
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
        text: "r2 = 12345
            r3 = 0
        fill:
            r2 *= 1103515245
            r2 += 12345
            r2 &= 0x7fffffff
            r4 = r10
            r4 += r3
            *(u64 *)(r4 -256) = r2
            r3 += 8
            if r3 < 256 goto fill
            r3 = 8
        outer:
            r1 = r10
            r1 += r3
            r5 = *(u64 *)(r1 -256)
            r4 = r3
        inner:
            if r4 < 8 goto place
            if r4 > 248 goto place
            r1 = r10
            r1 += r4
            r6 = *(u64 *)(r1 -264)
            if r6 <= r5 goto place
            *(u64 *)(r1 -256) = r6
            r4 += -8
            goto inner
        place:
            if r4 > 248 goto done
            r1 = r10
            r1 += r4
            *(u64 *)(r1 -256) = r5
            r3 += 8
            if r3 < 256 goto outer
        done:
            r0 = *(u64 *)(r10 -8)
            exit",
    },
    Workload {
        name: "parser",
        memory: 8,
        // Walks records of a type, a length and a value, on the stack.
        text: "r2 = 0
            r3 = 3
        fill:
            r4 = r10
            r4 += r2
            r3 *= 13
            r3 += 5
            r5 = r3
            r5 >>= 3
            r5 &= 7
            r5 += 2
            *(u8 *)(r4 -256) = r3
            *(u8 *)(r4 -255) = r5
            r2 += 1
            if r2 < 255 goto fill
            r0 = 0
            r6 = 0
        again:
            r2 = r6
            r7 = 0
        record:
            if r2 > 254 goto end
            r4 = r10
            r4 += r2
            r5 = *(u8 *)(r4 -256)
            r3 = *(u8 *)(r4 -255)
            r5 &= 3
            if r5 == 0 goto pad
            if r5 == 1 goto value
            r0 ^= r3
            goto skip
        pad:
            r0 += 1
            r3 = 1
            goto skip
        value:
            r0 <<= 1
            r0 ^= r5
        skip:
            r3 &= 15
            r2 += r3
            r7 += 1
            if r7 < 200 goto record
        end:
            r6 += 1
            if r6 < 16 goto again
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
