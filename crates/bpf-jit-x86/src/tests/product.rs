//! Products by numbers that are made of shifts and sums, and the sum behind them.

use std::format;

use super::gives;

const NUMBERS: [i32; 26] = [
    2,
    3,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
    15,
    17,
    18,
    20,
    24,
    31,
    33,
    36,
    40,
    72,
    80,
    127,
    129,
    65_537,
    0x7fff_ffff,
    -1,
    -31,
];

const VALUES: [(u64, u64); 4] =
    [(0, 1), (3, 1000), (0xffff_ffff, 0x1_0000_0007), (0x8000_0000_0000_0001, u64::MAX)];

/// `a * number + b` in either of both registers, with both, one, or none of the operands read
/// again behind it; of 64 and of 32 bits, and of 32 behind 64.
#[test]
fn products_and_sums() {
    for (number, (a, b)) in NUMBERS.into_iter().flat_map(|n| VALUES.map(|pair| (n, pair))) {
        let wide = a.wrapping_mul(i64::from(number).cast_unsigned());
        let low = |value: u64| value & 0xffff_ffff;
        let sums = [
            ("r", "r", wide.wrapping_add(b), wide),
            ("w", "w", low(low(wide).wrapping_add(b)), low(wide)),
            ("r", "w", low(wide.wrapping_add(b)), wide),
        ];
        for (by, plus, sum, product) in sums {
            for (text, expected) in [
                (format!("{by}1 *= {number}\n{plus}1 += {plus}2\nr0 = r1"), sum),
                (format!("{by}1 *= {number}\n{plus}2 += {plus}1\nr0 = r2"), sum),
                (format!("{by}1 *= {number}\n{plus}1 += {plus}2\nr0 = r1\nr0 ^= r2"), sum ^ b),
                (
                    format!("{by}1 *= {number}\n{plus}2 += {plus}1\nr0 = r2\nr0 ^= r1"),
                    sum ^ product,
                ),
                // Both are put off.
                (
                    format!(
                        "r3 = r1\nr4 = r2\n{by}3 *= {number}\n{plus}4 += {plus}3\nr0 = r4\nr0 ^= r1\nr0 ^= r2"
                    ),
                    sum ^ a ^ b,
                ),
                (format!("r3 = r2\nr2 = r1\n{by}2 *= {number}\n{plus}2 += {plus}3\nr0 = r2"), sum),
                (
                    format!("{by}1 *= {number}\n{plus}1 += {plus}1\nr0 = r1"),
                    if plus == "w" { low(product << 1) } else { product << 1 },
                ),
            ] {
                for begin in [
                    "",
                    "*(u64 *)(r10 -8) = r2\nr2 = *(u64 *)(r10 -8)\n",
                    // In a loop that has one round.
                    "*(u64 *)(r10 -8) = r2\nr6 = 1\nagain: r6 += -1\nif r6 s< 0 goto end
                     r2 = *(u64 *)(r10 -8)\n",
                ] {
                    let end = if begin.len() > 60 { "goto again\nend: exit" } else { "exit" };
                    let text = format!("r1 = {a:#x} ll\nr2 = {b:#x} ll\n{begin}{text}\n{end}");
                    gives(&text, expected);
                }
            }
        }
    }
}

/// What the product is made of is zero, or the sum is: flags are those of the sum.
#[test]
fn sums_that_are_compared() {
    for (a, b, zero) in [(1, -31, true), (1, -32, false), (0, 0, true), (-1, 31, true)] {
        for reg in ["r", "w"] {
            let text = format!(
                "r1 = {a}\nr2 = {b}\nr0 = 1\n{reg}1 *= 31\n{reg}1 += {reg}2
                 if {reg}1 == 0 goto +1\nr0 = 0\nexit"
            );
            gives(&text, zero.into());
        }
    }
}
