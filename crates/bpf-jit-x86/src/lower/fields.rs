//! What few bits of an opcode say of an instruction that has a [shape](super::shape).

#[cfg(any(test, not(debug_assertions)))]
use bpf_bytecode::opcode::Size;
use bpf_bytecode::opcode::{Cond, Width};

/// The condition of each jump that has one, by the upper half of its opcode.
static CONDS: [Cond; 16] = [
    Cond::Eq,
    Cond::Eq,
    Cond::Gt,
    Cond::Ge,
    Cond::Set,
    Cond::Ne,
    Cond::Sgt,
    Cond::Sge,
    Cond::Eq,
    Cond::Eq,
    Cond::Lt,
    Cond::Le,
    Cond::Slt,
    Cond::Sle,
    Cond::Eq,
    Cond::Eq,
];

/// The condition of a jump.
#[inline(always)]
pub(super) fn cond(code: u8) -> Cond {
    CONDS.get(usize::from(code >> 4)).copied().unwrap_or(Cond::Eq)
}

/// The width of arithmetic, or of what a jump compares.
#[inline(always)]
pub(super) const fn width(code: u8) -> Width {
    if code & 0x01 == 0 { Width::W32 } else { Width::W64 }
}

/// Whether the second operand of arithmetic or of a comparison is a register.
#[inline(always)]
pub(super) const fn by_register(code: u8) -> bool {
    code & 0x08 != 0
}

/// Whether what does not turn is arithmetic; all else loads or stores.
#[cfg(any(test, not(debug_assertions)))]
#[inline(always)]
pub(super) const fn computes(code: u8) -> bool {
    code & 0x04 != 0
}

/// Whether what is stored is in a register.
#[cfg(any(test, not(debug_assertions)))]
#[inline(always)]
pub(super) const fn stores_register(code: u8) -> bool {
    code & 0x01 != 0
}

/// Whether what is loaded has a sign.
#[cfg(any(test, not(debug_assertions)))]
#[inline(always)]
pub(super) const fn is_signed(code: u8) -> bool {
    code & 0x80 != 0
}

/// How much is loaded or stored.
#[cfg(any(test, not(debug_assertions)))]
#[inline(always)]
pub(super) fn size(code: u8) -> Size {
    const SIZES: [Size; 4] = [Size::W, Size::H, Size::B, Size::Dw];
    SIZES.get(usize::from(code >> 3 & 3)).copied().unwrap_or(Size::Dw)
}

#[cfg(test)]
mod tests {
    use bpf_bytecode::BpfInsn;
    use bpf_bytecode::opcode::{AluOp, Source};
    use bpf_bytecode::table::{Form, INSTRUCTION_SET};

    use super::super::shape;
    use super::{by_register, computes, cond, is_signed, size, stores_register, width};

    #[test]
    fn few_bits_say_what_the_meaning_says() {
        let source = |code| if by_register(code) { Source::Reg } else { Source::Imm };
        let mut found = 0;
        for def in INSTRUCTION_SET {
            let insn = def.with_operands(1, 2, 0, 7);
            if shape::find(insn).is_none() {
                continue;
            }
            let (code, form) = (insn.code(), shape::form(insn));
            let said = match form {
                Form::Alu(op, ..) => Form::Alu(op, width(code), source(code)),
                Form::Load(..) => Form::Load(size(code), is_signed(code)),
                Form::Store(..) if stores_register(code) => Form::Store(size(code), Source::Reg),
                Form::Store(..) => Form::Store(size(code), Source::Imm),
                Form::JumpIf(..) => Form::JumpIf(cond(code), width(code), source(code)),
                form => form,
            };
            assert_eq!(said, form, "{}", def.name);
            let turns = matches!(form, Form::JumpIf(..) | Form::Ja | Form::Gotol | Form::Exit);
            let accesses = matches!(form, Form::Load(..) | Form::Store(..));
            assert!(turns || computes(code) != accesses, "{}", def.name);
            found += 1;
        }
        assert!(found > 80, "{found}");
    }

    #[test]
    fn the_upper_half_of_an_opcode_is_the_operation() {
        for def in INSTRUCTION_SET {
            let op = match def.form {
                Form::Alu(AluOp::Add, ..) => 0x00,
                Form::Alu(AluOp::Or, ..) => 0x40,
                Form::Alu(AluOp::Lsh, ..) => 0x60,
                Form::Alu(AluOp::Rsh, ..) => 0x70,
                Form::Alu(AluOp::Xor, ..) => 0xa0,
                Form::Alu(AluOp::Mov, ..) => 0xb0,
                _ => continue,
            };
            let insn = BpfInsn::new(def.code, 1, 2, 0, 7);
            assert_eq!(insn.code() & 0xf0, op, "{}", def.name);
        }
    }
}
