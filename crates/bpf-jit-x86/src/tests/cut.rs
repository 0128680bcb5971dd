//! Masks of the upper bits of 32, shifted to the lowest.

use std::format;

use super::gives;

const MASK: u64 = 0xfff8_0000;

/// In a loop a register is a mask for good only if nothing writes it there, and control comes
/// by no other way.
#[test]
fn masks_are_those_of_the_round() {
    let changes = [
        "",
        "r4 = 0x80000000 ll",
        "r4 = -1",
        "r4 <<= 1",
        "if r5 != 2 goto next\nr4 = 0xff00000 ll\nnext: r4 |= r5",
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for first in [MASK, u64::MAX, 0x8000_0000] {
            let (mut r0, mut r1, mut mask) = (0_u64, 0x1234_5678_9abc_def0_u64, first);
            for r5 in (1..4).rev() {
                r0 = r0.wrapping_add((r1 & mask) >> 19);
                r1 = r1.wrapping_mul(7);
                mask = match (number, r5) {
                    (0, _) => mask,
                    (1, _) => 0x8000_0000,
                    (2, _) => u64::MAX,
                    (3, _) => mask << 1,
                    (_, 2) => 0x0ff0_0000 | r5,
                    _ => mask | r5,
                };
            }
            // Where it is another mask, the step that gives the usual one is led around.
            let around = if first == MASK { "" } else { "goto again" };
            gives(
                &format!(
                    "r1 = 0x123456789abcdef0 ll\nr0 = 0\nr5 = 3\nr4 = {first:#x} ll\n{around}
                     r4 = {MASK:#x} ll
                     again: r2 = r1\nr2 &= r4\nr2 >>= 19\nr0 += r2\n{change}
                     r1 *= 7\nr5 += -1\nif r5 != 0 goto again\nexit"
                ),
                r0,
            );
        }
    }
}
