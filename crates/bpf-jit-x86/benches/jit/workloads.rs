//! What is measured: bodies of programs that find 1024 bytes behind R1 and 0
//! in R0, in instructions that every engine has.

use bpf_bytecode::BpfInsn;

/// Names and bodies.
pub const WORKLOADS: [(&str, &str); 6] = [
    ("enter", "r0 = 7"),
    (
        "fnv1a",
        "r0 = 0xcbf29ce484222325 ll\nr6 = 0x100000001b3 ll\nr4 = 0
         fnv: r5 = r1\nr5 += r4\nr3 = *(u8 *)(r5 +0)\nr0 ^= r3\nr0 *= r6\nr4 += 1
         if r4 < 1024 goto fnv",
    ),
    (
        "checksum",
        "r4 = 0
         sum: r5 = r1\nr5 += r4\nr3 = *(u16 *)(r5 +0)\nr0 += r3\nr3 = *(u16 *)(r5 +2)\nr0 += r3
         r4 += 4\nif r4 < 1024 goto sum
         r3 = r0\nr3 >>= 16\nr0 &= 0xffff\nr0 += r3\nr3 = r0\nr3 >>= 16\nr0 += r3\nr0 &= 0xffff",
    ),
    (
        "mix",
        "r6 = 0x9e3779b97f4a7c15 ll\nr4 = 1000
         mix: r0 += r6\nr3 = r0\nr3 >>= 30\nr0 ^= r3\nr0 *= r6\nr3 = r0\nr3 >>= 27\nr0 ^= r3
         r3 = r0\nr3 <<= 13\nr5 = r0\nr5 >>= 51\nr3 |= r5\nr0 = r3
         r4 += -1\nif r4 != 0 goto mix",
    ),
    (
        "divide",
        "r4 = 300\nr6 = 1000000007
         next: r6 *= 31\nr6 += r4\nr3 = r6\nr3 %= 1000003\nr5 = r3\nr5 /= r4\nr0 += r3\nr0 ^= r5
         r4 += -1\nif r4 != 0 goto next",
    ),
    (
        "stack",
        "r4 = 200
         round: *(u64 *)(r10 -8) = r4\n*(u64 *)(r10 -16) = r0\nr3 = *(u64 *)(r10 -8)
         r5 = *(u64 *)(r10 -16)\nr3 += r5\n*(u64 *)(r10 -24) = r3\nr0 = *(u64 *)(r10 -24)
         r4 += -1\nif r4 != 0 goto round",
    ),
];

/// A program of about `slots` slots without a loop.
pub fn straight(slots: usize) -> Vec<BpfInsn> {
    let mut insns = vec![BpfInsn::mov64_imm(0, 1), BpfInsn::mov64_imm(3, 2)];
    while insns.len() + 8 < slots {
        insns.extend([
            BpfInsn::add64_reg(0, 3),
            BpfInsn::lsh64_imm(0, 3),
            BpfInsn::xor64_imm(3, 0x55),
            BpfInsn::stx_dw(10, -8, 0),
            BpfInsn::ldx_dw(3, 10, -8),
            BpfInsn::jeq_imm(3, 77, 1),
            BpfInsn::sub64_reg(0, 3),
        ]);
    }
    insns.push(BpfInsn::exit());
    insns
}
