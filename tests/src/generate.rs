//! Cases for every arithmetic instruction and every condition, over operands at
//! the edges. What must come out is computed here in wide integers, apart from
//! any engine.

use kernel_bpf::bytecode::opcode::{AluOp, Cond, Source, Width};
use kernel_bpf::bytecode::table::{Form, INSTRUCTION_SET, InsnDef};
use kernel_bpf::bytecode::{BpfInsn, BpfProgType};

use crate::case::{Case, Input, Verdict};

/// Operands at the edges of the number ranges.
const EDGES: [u64; 13] = [
    0,
    1,
    2,
    31,
    0x7f,
    0xff80,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// An encoded instruction of `def` on R1 and R2, or on R1 and an immediate.
fn encode(def: &InsnDef, off: i16, imm: i32) -> BpfInsn {
    let (fixed, ops) = (def.fixed, def.operands);
    BpfInsn::new(
        def.code,
        if ops.has_dst() { 1 } else { fixed.dst() },
        if ops.has_src() { 2 } else { fixed.src() },
        if ops.has_off() { off } else { fixed.off() },
        if ops.has_imm() { imm } else { fixed.imm() },
    )
}

fn case(name: String, insns: Vec<BpfInsn>, expect: u64, verdict: Verdict) -> Case {
    Case {
        name,
        prog_type: BpfProgType::SocketFilter,
        insns,
        maps: Vec::new(),
        input: Input::Empty,
        expect: format!("{expect:#x}"),
        verdict,
        budget: None,
    }
}

/// One case for every arithmetic instruction and pair of operands.
pub fn arithmetic() -> Vec<Case> {
    let mut cases = Vec::new();
    for def in INSTRUCTION_SET {
        for (i, &a) in EDGES.iter().enumerate() {
            for (j, &b) in EDGES.iter().enumerate() {
                let imm = b as u32 as i32;
                let Some(expect) = evaluate(def.form, a, b, imm) else { continue };
                let binary = matches!(def.form, Form::Alu(..));
                if !binary && j > 0 && !def.operands.has_src() {
                    continue;
                }
                let verdict = refused_immediate(def.form, imm);
                let mut insns = Vec::new();
                insns.extend(BpfInsn::ld_imm64(1, a));
                insns.extend(BpfInsn::ld_imm64(2, b));
                insns.extend([encode(def, 0, imm), BpfInsn::mov64_reg(0, 1), BpfInsn::exit()]);
                cases.push(case(format!("{}-{i}-{j}", def.name), insns, expect, verdict));
            }
        }
    }
    cases
}

/// Whether Linux refuses the immediate: a divisor of zero, a shift out of range.
fn refused_immediate(form: Form, imm: i32) -> Verdict {
    let refused = match form {
        Form::Alu(op, _, Source::Imm) if op.is_division() => imm == 0,
        Form::Alu(op, width, Source::Imm) if op.is_shift() => {
            imm < 0 || imm.cast_unsigned() >= width.bits()
        }
        _ => false,
    };
    if refused { Verdict::Reject } else { Verdict::Accept }
}

/// R1 after the instruction, if it is arithmetic.
fn evaluate(form: Form, a: u64, b: u64, imm: i32) -> Option<u64> {
    match form {
        Form::Alu(op, width, source) => {
            let b = match source {
                Source::Reg => b,
                Source::Imm => i64::from(imm).cast_unsigned(),
            };
            Some(alu(op, width, a, b))
        }
        Form::Neg(width) => Some(cut(width, -i128::from(a))),
        Form::MovSx(width, from) => {
            let shift = 64 - from.bits();
            Some(cut(width, i128::from((b << shift).cast_signed() >> shift)))
        }
        Form::ByteSwap(order, size) => {
            use kernel_bpf::bytecode::opcode::ByteOrder;
            let low = &a.to_le_bytes()[..size.bytes()];
            // The corpus is written for little-endian hosts.
            let swapped = order != ByteOrder::Little;
            let fold = |acc: u64, byte: &u8| acc << 8 | u64::from(*byte);
            Some(if swapped { low.iter().fold(0, fold) } else { low.iter().rev().fold(0, fold) })
        }
        _ => None,
    }
}

/// A result cut to the width and zero-extended.
fn cut(width: Width, wide: i128) -> u64 {
    let low = wide as u64;
    match width {
        Width::W64 => low,
        Width::W32 => u64::from(low as u32),
    }
}

/// Arithmetic as RFC 9669 defines it, in 128 bits.
fn alu(op: AluOp, width: Width, a: u64, b: u64) -> u64 {
    let unsigned = |v: u64| i128::from(cut(width, i128::from(v)));
    let signed = |v: u64| match width {
        Width::W64 => i128::from(v.cast_signed()),
        Width::W32 => i128::from((v as u32).cast_signed()),
    };
    let (ua, ub, sa, sb) = (unsigned(a), unsigned(b), signed(a), signed(b));
    let count = ub.rem_euclid(i128::from(width.bits())) as u32;
    let wide = match op {
        AluOp::Add => ua + ub,
        AluOp::Sub => ua - ub,
        AluOp::Mul => i128::from((ua as u64).wrapping_mul(ub as u64)),
        AluOp::Div => ua.checked_div(ub).unwrap_or(0),
        AluOp::Sdiv => sa.checked_div(sb).unwrap_or(0),
        AluOp::Mod => ua.checked_rem(ub).unwrap_or(ua),
        AluOp::Smod => sa.checked_rem(sb).unwrap_or(sa),
        AluOp::Or => ua | ub,
        AluOp::And => ua & ub,
        AluOp::Xor => ua ^ ub,
        AluOp::Lsh => ua << count,
        AluOp::Rsh => ua >> count,
        AluOp::Arsh => sa >> count,
        AluOp::Mov => ub,
    };
    cut(width, wide)
}

/// One case for every condition and pair of operands.
pub fn conditions() -> Vec<Case> {
    let mut cases = Vec::new();
    for def in INSTRUCTION_SET {
        let Form::JumpIf(cond, width, source) = def.form else { continue };
        for (i, &a) in EDGES.iter().enumerate() {
            for (j, &b) in EDGES.iter().enumerate() {
                let imm = b as u32 as i32;
                let second = match source {
                    Source::Reg => b,
                    Source::Imm => i64::from(imm).cast_unsigned(),
                };
                let expect = u64::from(holds(cond, width, a, second));
                let mut insns = Vec::new();
                insns.extend(BpfInsn::ld_imm64(1, a));
                insns.extend(BpfInsn::ld_imm64(2, b));
                insns.extend([
                    BpfInsn::mov64_imm(0, 1),
                    encode(def, 1, imm),
                    BpfInsn::mov64_imm(0, 0),
                    BpfInsn::exit(),
                ]);
                let name = format!("{}-{i}-{j}", def.name);
                cases.push(case(name, insns, expect, Verdict::Accept));
            }
        }
    }
    cases
}

fn holds(cond: Cond, width: Width, a: u64, b: u64) -> bool {
    let (ua, ub) = match width {
        Width::W64 => (a, b),
        Width::W32 => (u64::from(a as u32), u64::from(b as u32)),
    };
    let (sa, sb) = match width {
        Width::W64 => (a.cast_signed(), b.cast_signed()),
        Width::W32 => (i64::from((a as u32).cast_signed()), i64::from((b as u32).cast_signed())),
    };
    match cond {
        Cond::Eq => ua == ub,
        Cond::Ne => ua != ub,
        Cond::Set => ua & ub != 0,
        Cond::Gt => ua > ub,
        Cond::Ge => ua >= ub,
        Cond::Lt => ua < ub,
        Cond::Le => ua <= ub,
        Cond::Sgt => sa > sb,
        Cond::Sge => sa >= sb,
        Cond::Slt => sa < sb,
        Cond::Sle => sa <= sb,
    }
}
