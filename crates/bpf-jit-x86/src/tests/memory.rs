//! Loads, stores and atomics, through every pair of registers.

use std::format;

use super::choice::CONDITIONS;
use super::gives;

/// Bytes at `r10-16` to `r10-8`, then `line`.
fn on_stack(base: usize, line: &str) -> std::string::String {
    format!(
        "r{base} = 0x8182838485868788 ll
         *(u64 *)(r10 -16) = r{base}
         r{base} = 0xf1f2f3f4f5f6f7f8 ll
         *(u64 *)(r10 -8) = r{base}
         r{base} = r10
         r{base} += -300
         {line}
         exit"
    )
}

#[test]
fn loads() {
    let cases = [
        ("u8", "B", 0x88),
        ("u16", "B", 0x8788),
        ("u32", "B", 0x8586_8788),
        ("u64", "B", 0x8182_8384_8586_8788),
        ("s8", "B", 0xffff_ffff_ffff_ff88),
        ("s16", "B", 0xffff_ffff_ffff_8788),
        ("s32", "B", 0xffff_ffff_8586_8788),
    ];
    for base in 0..10 {
        for dst in 0..10 {
            for (size, _, expected) in cases {
                let line = format!("r{dst} = *({size} *)(r{base} +284)\nr0 = r{dst}");
                gives(&on_stack(base, &line), expected);
            }
        }
    }
    // Near and bare addresses.
    for base in 0..10 {
        for off in [0, 7, -100, 127, 128, -128, -129] {
            let line = format!("r{base} += {}\nr0 = *(u32 *)(r{base} {off:+})", 284 - off);
            gives(&on_stack(base, &line), 0x8586_8788);
        }
    }
}

/// What is stored in part is computed in part, but for an address, and for what is read again.
#[test]
fn stores_of_lower_halves() {
    const VALUE: u64 = 0xfff1_f2f3_f4f5_f6ff;
    let cases = [
        ("r3 += 1", VALUE.wrapping_add(1)),
        ("r3 += r3", VALUE.wrapping_add(VALUE)),
        ("r3 <<= 5", VALUE << 5),
        ("r3 <<= 33", VALUE << 33),
        ("r3 &= -4", VALUE & !3),
        ("r3 -= r1", VALUE.wrapping_sub(7)),
    ];
    for (line, r3) in cases {
        for (size, mask) in [("u8", 0xff), ("u16", 0xffff), ("u32", 0xffff_ffff_u64)] {
            for again in ["", "r0 ^= r3\n"] {
                let text = format!(
                    "r1 = 7\nr2 = -1\n*(u64 *)(r10 -8) = r2\nr2 = {VALUE:#x} ll\nr3 = r2\n{line}
                     *({size} *)(r10 -8) = r3\nr0 = *(u64 *)(r10 -8)\n{again}exit"
                );
                let stored = r3 & mask | !mask;
                gives(&text, if again.is_empty() { stored } else { stored ^ r3 });
            }
        }
    }
    gives(
        "r2 = 0\n*(u64 *)(r10 -8) = r2\nr1 = r10\nr1 += -8\n*(u32 *)(r1 +0) = r1
         r0 = *(u64 *)(r10 -8)\nr3 = r10\nr3 += -8\nw3 = w3\nr0 -= r3\nexit",
        0,
    );
    gives(
        "r2 = 5\n*(u64 *)(r10 -8) = r2\nr1 = r10\nr1 += -8\nr3 = *(u32 *)(r1 +0)\nr3 += r1
         *(u32 *)(r1 +0) = r3\nr0 = *(u64 *)(r10 -8)\nr3 = r10\nr3 += -3\nw3 = w3\nr0 -= r3\nexit",
        0,
    );
}

/// How a number comes to R3, and what it is there.
type Made = (&'static str, fn(u64) -> u64);

/// What is loaded is compared with a register where it is, on whichever side it stands.
#[test]
fn loads_are_compared() {
    const VALUE: u64 = 0x8182_8384_8586_8788;
    let sizes = [("u8", 0xff), ("u16", 0xffff), ("u32", 0xffff_ffff), ("u64", u64::MAX)];
    let others: [Made; 5] = [
        ("r3 = N ll", |n| n),
        ("r3 = N ll\nr3 &= 255", |n| n & 255),
        ("r5 = N ll\nr3 = r5", |n| n),
        ("r5 = N ll\nw3 = w5", low),
        ("r5 = N ll\nr5 &= 0xffff\nr3 = r5", |n| n & 0xffff),
    ];
    let mut number = 0;
    for (size, mask) in sizes {
        for (sign, long, short) in CONDITIONS {
            for given in [VALUE, VALUE & mask, VALUE + 1, 0x7f, 0x99, u64::MAX] {
                number += 1;
                let (made, other) = others[number % others.len()];
                let (loaded, other) = (VALUE & mask, other(given));
                for (wide, first) in [(true, true), (true, false), (false, true), (false, false)] {
                    let (a, b) = if first { (loaded, other) } else { (other, loaded) };
                    let half = |value| u32::try_from(low(value)).unwrap();
                    let holds = if wide { long(a, b) } else { short(half(a), half(b)) };
                    let class = if wide { 'r' } else { 'w' };
                    let (lhs, rhs) = if first { (4, 3) } else { (3, 4) };
                    let text = format!(
                        "r2 = {VALUE:#x} ll\n*(u64 *)(r10 -8) = r2\nr1 = r10\nr1 += -9\nr0 = 1\n{}
                         r4 = *({size} *)(r1 +1)\nif {class}{lhs} {sign} {class}{rhs} goto +2
                         r0 += 5\nr0 ^= r3\nr0 += 1\nexit",
                        made.replace('N', &format!("{given:#x}"))
                    );
                    gives(&text, if holds { 2 } else { (6 ^ other).wrapping_add(1) });
                }
            }
        }
    }
}

#[test]
fn acquire_and_release() {
    for (size, expected) in
        [("u8", 0x88), ("u16", 0x8788), ("u32", 0x8586_8788), ("u64", 0x8182_8384_8586_8788)]
    {
        let reg = if size == "u64" { "r" } else { "w" };
        let line = format!("{reg}0 = load_acquire(({size} *)(r10 -16))");
        gives(&on_stack(1, &line), expected);
        let line = format!(
            "r1 = 0\n*(u64 *)(r10 -8) = r1\nr2 = 0x8182838485868788 ll
             store_release(({size} *)(r10 -8), {reg}2)\nr0 = *(u64 *)(r10 -8)"
        );
        gives(&on_stack(3, &line), expected);
    }
}

#[test]
fn stores() {
    let cases = [
        ("u8", 0xf1f2_f3f4_f5f6_f709_u64, 0xf1f2_f3f4_f5f6_f7fe_u64),
        ("u16", 0xf1f2_f3f4_f5f6_1009, 0xf1f2_f3f4_f5f6_fffe),
        ("u32", 0xf1f2_f3f4_8070_1009, 0xf1f2_f3f4_ffff_fffe),
        ("u64", 0x1020_3040_8070_1009, 0xffff_ffff_ffff_fffe),
    ];
    for base in 0..10 {
        for src in (0..10).filter(|src| *src != base) {
            for (size, by_register, _) in cases {
                let line = format!(
                    "r{src} = 0x1020304080701009 ll
                     *({size} *)(r{base} +292) = r{src}
                     r0 = *(u64 *)(r10 -8)"
                );
                gives(&on_stack(base, &line), by_register);
            }
        }
        for (size, _, by_immediate) in cases {
            let line = format!("*({size} *)(r{base} +292) = -2\nr0 = *(u64 *)(r10 -8)");
            gives(&on_stack(base, &line), by_immediate);
        }
    }
}

/// Old value, new value at `r10-8` of an operation with 0x00ff00ff00ff00ff.
const OLD: u64 = 0xf1f2_f3f4_f5f6_f7f8;
const WITH: u64 = 0x00ff_00ff_80ff_00ff;

fn low(value: u64) -> u64 {
    value & 0xffff_ffff
}

#[test]
fn atomics() {
    type Op = (&'static str, &'static str, fn(u64, u64) -> u64);
    let ops: [Op; 4] = [
        ("+=", "add", u64::wrapping_add),
        ("|=", "or", |a, b| a | b),
        ("&=", "and", |a, b| a & b),
        ("^=", "xor", |a, b| a ^ b),
    ];
    for base in 0..10 {
        for src in (0..10).filter(|src| *src != base) {
            let fold = format!(
                "r{src} ^= 5\n*(u64 *)(r10 -24) = r{src}
                 r0 = *(u64 *)(r10 -8)\nr0 *= 3\nr1 = *(u64 *)(r10 -24)\nr0 += r1"
            );
            let folded =
                |memory: u64, register: u64| memory.wrapping_mul(3).wrapping_add(register ^ 5);
            for (sign, name, op) in ops {
                let setup = format!("r{src} = {WITH:#x} ll\n");
                let line = format!("{setup}lock *(u64 *)(r{base} +292) {sign} r{src}\n{fold}");
                gives(&on_stack(base, &line), folded(op(OLD, WITH), WITH));
                let line = format!("{setup}lock *(u32 *)(r{base} +292) {sign} w{src}\n{fold}");
                let narrow = OLD & !low(u64::MAX) | low(op(low(OLD), low(WITH)));
                gives(&on_stack(base, &line), folded(narrow, WITH));
                let line = format!(
                    "{setup}r{src} = atomic_fetch_{name}((u64 *)(r{base} +292), r{src})\n{fold}"
                );
                gives(&on_stack(base, &line), folded(op(OLD, WITH), OLD));
                let line = format!(
                    "{setup}w{src} = atomic_fetch_{name}((u32 *)(r{base} +292), w{src})\n{fold}"
                );
                gives(&on_stack(base, &line), folded(narrow, low(OLD)));
            }
            let setup = format!("r{src} = {WITH:#x} ll\n");
            let line = format!("{setup}r{src} = xchg_64(r{base} +292, r{src})\n{fold}");
            gives(&on_stack(base, &line), folded(WITH, OLD));
            let line = format!("{setup}w{src} = xchg32_32(r{base} +292, w{src})\n{fold}");
            let narrow = OLD & !low(u64::MAX) | low(WITH);
            gives(&on_stack(base, &line), folded(narrow, low(OLD)));
        }
    }
}

#[test]
fn fetching_into_the_base() {
    // The base is the source: it is the address first and the old value then.
    for base in 0..10 {
        for name in ["add", "or", "and", "xor"] {
            let line = format!(
                "r{base} += 292\nr{base} = atomic_fetch_{name}((u64 *)(r{base} +0), r{base})
                 r0 = r{base}"
            );
            gives(&on_stack(base, &line), OLD);
        }
    }
}

#[test]
fn compare_and_exchange() {
    for base in 1..10 {
        for src in (1..10).filter(|src| *src != base) {
            let fold = "*(u64 *)(r10 -24) = r0
                        r0 = *(u64 *)(r10 -8)\nr0 *= 3\nr1 = *(u64 *)(r10 -24)\nr0 += r1";
            let folded = |memory: u64, r0: u64| memory.wrapping_mul(3).wrapping_add(r0);
            for (wide, expected, memory, old) in [
                (true, OLD, WITH, OLD),
                (true, OLD ^ 1, OLD, OLD),
                (false, OLD, OLD & !low(u64::MAX) | low(WITH), low(OLD)),
                (false, OLD ^ 1, OLD, low(OLD)),
                (false, low(OLD), OLD & !low(u64::MAX) | low(WITH), low(OLD)),
            ] {
                let insn = if wide {
                    format!("r0 = cmpxchg_64(r{base} +292, r0, r{src})")
                } else {
                    format!("w0 = cmpxchg32_32(r{base} +292, w0, w{src})")
                };
                let line = format!("r{src} = {WITH:#x} ll\nr0 = {expected:#x} ll\n{insn}\n{fold}");
                gives(&on_stack(base, &line), folded(memory, old));
            }
        }
    }
}
