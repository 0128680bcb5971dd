//! Comparisons whose flags, or outcomes, are asked for again, and signs of low bits.

use std::format;
use std::string::String;

use super::choice::CONDITIONS;
use super::gives;

const PAIRS: [(u64, u64); 7] = [
    (3, 3),
    (3, 4),
    (4, 3),
    (u64::MAX, 1),
    (1, u64::MAX),
    (0x1_0000_0005, 5),
    (0x8000_0000, 0x7fff_ffff),
];

/// Two conditions on the same numbers, the second with or without the flags of the first.
#[test]
fn conditions_in_a_row() {
    let between = ["", "r5 = r2\n", "w5 = w6\n", "r6 += 8\n", "r2 = r6\nr2 += r3\n"];
    for (number, (first, long, short)) in CONDITIONS.into_iter().enumerate() {
        for (second, other_long, other_short) in CONDITIONS {
            let (a, b) = *PAIRS.iter().cycle().nth(number).unwrap();
            for ((a, b), put) in
                PAIRS.into_iter().zip(between.into_iter().cycle()).chain([((a, b), "")])
            {
                let low = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap();
                let changed = if put.starts_with("r2") { 9_u64.wrapping_add(b) } else { a };
                for (class, one, two) in [
                    ('r', long(a, b), other_long(changed, b)),
                    ('w', short(low(a), low(b)), other_short(low(changed), low(b))),
                ] {
                    let text = format!(
                        "r2 = {a:#x} ll\nr3 = {b:#x} ll\nr6 = 9\nr0 = 1
                         if {class}2 {first} {class}3 goto end\nr0 = 2\n{put}if {class}2 {second} {class}3 goto end
                         r0 = 3\nend: exit"
                    );
                    gives(
                        &text,
                        if one {
                            1
                        } else if two {
                            2
                        } else {
                            3
                        },
                    );
                }
            }
        }
    }
}

/// Low bits with their sign are compared with numbers beside 0, read again or not.
#[test]
fn signs_of_low_bits() {
    let values =
        [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff_8000, 1 << 31, u64::MAX - 5, 1 << 40];
    for (bits, class, wide) in
        [(8, 'r', 64), (16, 'r', 64), (32, 'r', 64), (8, 'w', 32), (16, 'w', 32)]
    {
        let shifts = wide - bits;
        let forms = [
            format!("{class}3 = {class}2\n{class}3 <<= {shifts}\n{class}3 s>>= {shifts}"),
            format!("{class}3 = (s{bits}){class}2"),
        ];
        for (form, value) in forms.iter().flat_map(|form| values.map(|value| (form, value))) {
            let signed = (value << (64 - bits)).cast_signed() >> (64 - bits);
            let signed = if wide == 64 {
                signed.cast_unsigned()
            } else {
                signed.cast_unsigned() & 0xffff_ffff
            };
            for (sign, number) in [
                ("s>", -1),
                ("s<=", -1),
                ("s<", 0),
                ("s>=", 0),
                ("==", 0),
                ("!=", 0),
                ("s>", 0),
                ("s<=", 0),
                ("s<", 1),
                (">", 0),
            ] {
                let (_, long, short) = *CONDITIONS.iter().find(|(name, ..)| *name == sign).unwrap();
                for (compared, holds) in [
                    ('r', long(signed, i64::from(number).cast_unsigned())),
                    ('w', short((signed & 0xffff_ffff) as u32, i32::cast_unsigned(number))),
                ] {
                    for (again, more) in [("", 0), ("r0 += r3\n", signed)] {
                        gives(
                            &text(value, form, &format!("{compared}3 {sign} {number}"), again),
                            if holds { more.wrapping_add(1) } else { more },
                        );
                    }
                }
            }
        }
    }
}

/// Half of a shifted number is zero where all of it is, if it has no upper half; not by one bit
/// less.
#[test]
fn shifted_down() {
    let values = [0, 1, 1 << 30, 1 << 31, 1 << 32, 1 << 33, 1 << 62, 1 << 63, u64::MAX];
    for (by, value) in
        [1, 30, 31, 32, 33, 40, 63].into_iter().flat_map(|by| values.map(|v| (by, v)))
    {
        let shifted = value >> by;
        for (form, result) in [
            (format!("r3 = r2\nr3 >>= {by}"), shifted),
            (format!("r2 >>= {by}\nr3 = r2"), shifted),
            (format!("r3 = r2\nr3 >>= {by}\nr3 += 1"), shifted.wrapping_add(1)),
            (format!("r3 = r2\nr3 >>= {by}\nr3 <<= 4"), shifted << 4),
        ] {
            let lower = result & 0xffff_ffff;
            for (sign, class, holds) in [
                ("==", 'r', result == 0),
                ("!=", 'r', result != 0),
                ("==", 'w', lower == 0),
                ("!=", 'w', lower != 0),
                ("s<", 'w', lower >> 31 == 1),
                ("s>=", 'w', lower >> 31 == 0),
            ] {
                for (again, more) in [("", 0), ("r0 += r3\n", result)] {
                    gives(
                        &text(value, &form, &format!("{class}3 {sign} 0"), again),
                        more.wrapping_add(holds.into()),
                    );
                }
            }
        }
    }
}

fn text(value: u64, form: &str, condition: &str, again: &str) -> String {
    format!(
        "r2 = {value:#x} ll\nr0 = 0\n{form}\nr4 = 1\nif {condition} goto +1\nr4 = 0
         if {condition} goto on\nr4 += 0\non: {again}r0 += r4\nexit"
    )
}

/// A jump to what is next anyway.
#[test]
fn nowhere() {
    gives("r0 = 7\nr2 = 9\nr2 <<= 3\nif r2 > 8 goto +0\nr0 += r2\nif r0 == 3 goto +0\nexit", 79);
    gives(
        "r0 = 7\n*(u64 *)(r10 -8) = r0\nr2 = *(u64 *)(r10 -8)\nif r2 > 8 goto +0\nr0 += 1\nexit",
        8,
    );
}
