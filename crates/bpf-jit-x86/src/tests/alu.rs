//! Every arithmetic instruction, in every arrangement of registers, against
//! values computed here.

use core::fmt::Write;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::{checked, execute, gives, program, proven};
use bpf_bytecode::opcode::AluOp;
use bpf_interp::BpfContext;

const OPS: [(AluOp, &str); 13] = [
    (AluOp::Add, "+="),
    (AluOp::Sub, "-="),
    (AluOp::Mul, "*="),
    (AluOp::Div, "/="),
    (AluOp::Sdiv, "s/="),
    (AluOp::Mod, "%="),
    (AluOp::Smod, "s%="),
    (AluOp::Or, "|="),
    (AluOp::And, "&="),
    (AluOp::Xor, "^="),
    (AluOp::Lsh, "<<="),
    (AluOp::Rsh, ">>="),
    (AluOp::Arsh, "s>>="),
];

const VALUES: [u64; 12] = [
    0,
    1,
    2,
    7,
    31,
    64,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1234_5678_9abc_def0,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// What RFC 9669 says, in 64 bits.
fn alu64(op: AluOp, a: u64, b: u64) -> u64 {
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => a.checked_div(b).unwrap_or(0),
        AluOp::Mod => a.checked_rem(b).unwrap_or(a),
        AluOp::Sdiv if b == 0 => 0,
        AluOp::Sdiv => sa.wrapping_div(sb).cast_unsigned(),
        AluOp::Smod if b == 0 => a,
        AluOp::Smod => sa.wrapping_rem(sb).cast_unsigned(),
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Xor => a ^ b,
        AluOp::Lsh => a << (b & 63),
        AluOp::Rsh => a >> (b & 63),
        AluOp::Arsh => (sa >> (b & 63)).cast_unsigned(),
        AluOp::Mov => b,
    }
}

#[allow(clippy::cast_possible_truncation)]
fn alu32(op: AluOp, a: u64, b: u64) -> u64 {
    let (a, b) = (a as u32, b as u32);
    let (sa, sb) = (a.cast_signed(), b.cast_signed());
    u64::from(match op {
        AluOp::Sdiv if b == 0 => 0,
        AluOp::Sdiv => sa.wrapping_div(sb).cast_unsigned(),
        AluOp::Smod if b == 0 => a,
        AluOp::Smod => sa.wrapping_rem(sb).cast_unsigned(),
        AluOp::Lsh => a << (b & 31),
        AluOp::Rsh => a >> (b & 31),
        AluOp::Arsh => (sa >> (b & 31)).cast_unsigned(),
        _ => alu64(op, a.into(), b.into()) as u32,
    })
}

/// A program that fills R0 to R9 (R10 is left alone), executes `line`, and
/// folds every register into R0, so that a clobbered one shows.
fn around(values: [u64; 10], line: &str) -> String {
    let mut text = String::new();
    for (register, value) in values.iter().enumerate() {
        writeln!(text, "r{register} = {value:#x} ll").unwrap();
    }
    text += line;
    text += "\n";
    for register in 1..10 {
        writeln!(text, "r0 *= 31\nr0 += r{register}").unwrap();
    }
    text + "exit\n"
}

fn folded(values: [u64; 10]) -> u64 {
    let [first, rest @ ..] = values;
    rest.iter().fold(first, |sum, value| sum.wrapping_mul(31).wrapping_add(*value))
}

fn registers(dst: usize, a: u64, src: usize, b: u64) -> [u64; 10] {
    let mut values = core::array::from_fn(|i| 0x0101_0101_0101_0101_u64.wrapping_mul(i as u64 + 3));
    values[dst] = a;
    values[src] = b;
    values
}

#[test]
fn every_operation_on_every_pair_of_registers() {
    for (op, sign) in OPS {
        for dst in 0..10 {
            for src in 0..10 {
                let (a, b) = (0xfedc_ba98_7654_3210, 0x8000_0000_0000_0003);
                for (reg, value) in [('r', alu64 as fn(_, _, _) -> _), ('w', alu32)] {
                    let mut values = registers(dst, a, src, b);
                    let text = around(values, &format!("{reg}{dst} {sign} {reg}{src}"));
                    values[dst] = value(op, values[dst], values[src]);
                    gives(&text, folded(values));
                }
            }
        }
    }
}

#[test]
fn every_operation_on_edge_values() {
    for (op, sign) in OPS {
        for (dst, src) in [(0, 3), (3, 0), (2, 6), (4, 2), (2, 4)] {
            for a in VALUES {
                for b in VALUES {
                    for (reg, value) in [('r', alu64 as fn(_, _, _) -> _), ('w', alu32)] {
                        let mut values = registers(dst, a, src, b);
                        let text = around(values, &format!("{reg}{dst} {sign} {reg}{src}"));
                        values[dst] = value(op, a, b);
                        let program = program(&text);
                        let result = execute(&proven(&program), &BpfContext::empty());
                        assert_eq!(result, Ok(folded(values)), "{a:#x} {b:#x}\n{text}");
                    }
                }
            }
        }
    }
}

#[test]
#[allow(clippy::cast_sign_loss)]
fn every_operation_with_an_immediate() {
    let immediates = [0, 1, -1, 7, 127, 128, -128, -129, 31, 32, 63, i32::MAX, i32::MIN];
    for (op, sign) in OPS {
        for dst in [0, 3, 4, 5, 6, 7] {
            for imm in immediates {
                let (long, short) = (i64::from(imm) as u64, u64::from(imm as u32));
                for a in [0x8000_0000_8000_0000, 0x1234_5678_9abc_def0, 5] {
                    let cases: [(_, fn(_, _, _) -> _, _); 2] =
                        [('r', alu64, long), ('w', alu32, short)];
                    for (reg, value, b) in cases {
                        let mut values = registers(dst, a, dst, a);
                        let text = around(values, &format!("{reg}{dst} {sign} {imm}"));
                        values[dst] = value(op, a, b);
                        let program = program(&text);
                        let result = execute(&proven(&program), &BpfContext::empty());
                        assert_eq!(result, Ok(folded(values)), "{a:#x}\n{text}");
                    }
                }
            }
        }
    }
}

#[test]
#[allow(clippy::cast_sign_loss)]
fn division_by_every_kind_of_number() {
    let numbers = (1..15).chain([19, 28, 60, 641, 1000, 1461, 65_537, 1_000_003, 1 << 30]);
    for divisor in numbers.chain([i32::MAX - 1, i32::MAX]) {
        for (dst, others) in [(0, [3, 6]), (3, [0, 6]), (6, [0, 3])] {
            let mut text = String::new();
            let mut expected = 0_u64;
            let multiples = [u64::MAX, 0xffff_ffff, 0x8000_0000, 0x7fff_ffff]
                .map(|most| most / divisor as u64)
                .into_iter()
                .chain([1, 2, 1 << 20]);
            for value in multiples
                .flat_map(|n| {
                    let multiple = n.wrapping_mul(divisor as u64);
                    [multiple, multiple.wrapping_sub(1), multiple.wrapping_add(1)]
                })
                .flat_map(|value| [value, value.wrapping_neg()])
                .chain(VALUES)
            {
                let divides =
                    |alu| matches!(alu, AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod);
                for (alu, op) in OPS.into_iter().filter(|(alu, _)| divides(*alu)) {
                    for (reg, result) in [('r', alu64 as fn(_, _, _) -> _), ('w', alu32)] {
                        writeln!(
                            text,
                            "r{dst} = {value:#x} ll\n{reg}{dst} {op} {divisor}\nr7 *= 31\nr7 += r{dst}"
                        )
                        .unwrap();
                        let result = result(alu, value, divisor as u64);
                        expected = expected.wrapping_mul(31).wrapping_add(result);
                    }
                }
            }
            if dst == 6 {
                gives(&format!("r7 = 0\n{text}r0 = r7\nexit"), expected);
            }
            // What else the registers hold stays as it was.
            let [one, two] = others;
            gives(
                &format!(
                    "r7 = 0\nr{one} = 0x123456789 ll\nr{two} = 0xabcdef012 ll\n{text}r7 ^= r{one}
                     r{two} *= 3\nr7 ^= r{two}\nr0 = r7\nexit"
                ),
                expected ^ 0x1_2345_6789 ^ (0xa_bcde_f012 * 3),
            );
        }
    }
}

/// A line with `D` and `S` for registers, and what it makes of the source.
type Case = (&'static str, fn(u64) -> u64);

#[test]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn moves_extensions_and_byte_orders() {
    let value = 0x8182_8384_85f6_87f8_u64;
    let one: [Case; 17] = [
        ("rD = -rD", |v| v.wrapping_neg()),
        ("wD = -wD", |v| u64::from((v as u32).wrapping_neg())),
        ("rD = le16 rD", |v| u64::from(v as u16)),
        ("rD = le32 rD", |v| u64::from(v as u32)),
        ("rD = le64 rD", |v| v),
        ("rD = be16 rD", |v| u64::from((v as u16).swap_bytes())),
        ("rD = be32 rD", |v| u64::from((v as u32).swap_bytes())),
        ("rD = be64 rD", u64::swap_bytes),
        ("rD = bswap16 rD", |v| u64::from((v as u16).swap_bytes())),
        ("rD = bswap32 rD", |v| u64::from((v as u32).swap_bytes())),
        ("rD = bswap64 rD", u64::swap_bytes),
        ("rD = 0", |_| 0),
        ("rD = -5", |_| -5_i64 as u64),
        ("wD = -5", |_| u64::from(-5_i32 as u32)),
        ("wD = wD", |v| u64::from(v as u32)),
        ("rD = 0x80000000 ll", |_| 0x8000_0000),
        ("rD = 0xffffffff80000000 ll", |_| 0xffff_ffff_8000_0000),
    ];
    for dst in 0..10 {
        for (line, expected) in one {
            let mut values = registers(dst, value, dst, value);
            let line = line.replace('D', &format!("{dst}"));
            let text = around(values, &line);
            values[dst] = expected(value);
            gives(&text, folded(values));
        }
    }
    let two: [Case; 7] = [
        ("rD = rS", |v| v),
        ("wD = wS", |v| u64::from(v as u32)),
        ("rD = (s8)rS", |v| i64::from(v as i8) as u64),
        ("rD = (s16)rS", |v| i64::from(v as i16) as u64),
        ("rD = (s32)rS", |v| i64::from(v as i32) as u64),
        ("wD = (s8)wS", |v| u64::from(i32::from(v as i8) as u32)),
        ("wD = (s16)wS", |v| u64::from(i32::from(v as i16) as u32)),
    ];
    let pairs: Vec<_> = (0..10).flat_map(|dst| (0..10).map(move |src| (dst, src))).collect();
    for (dst, src) in pairs {
        for (line, expected) in two {
            let mut values = registers(dst, 1, src, value);
            let line = line.replace('D', &format!("{dst}")).replace('S', &format!("{src}"));
            let text = around(values, &line);
            values[dst] = expected(values[src]);
            gives(&text, folded(values));
        }
    }
}

#[test]
fn r10_can_be_read_by_every_operation() {
    for (_, sign) in OPS {
        let text = format!(
            "r1 = r10\nr2 = 7\nr3 = 7\nr2 {sign} r1\nr3 {sign} r10\nr0 = 1\nif r2 == r3 goto +1\nr0 = 0\nexit"
        );
        let program = program(&text);
        for compiled in [proven(&program), checked(&program)] {
            assert_eq!(execute(&compiled, &BpfContext::empty()), Ok(1), "{text}");
        }
    }
}
