//! What instructions read and write that are nothing but their fields.
//!
//! Most instructions of proven code are: what they do to registers follows from the opcode
//! and the registers' numbers, and what they do is put into words where it is looked at
//! ([`Lowered::op`](super::Lowered::op)).

use bpf_bytecode::opcode::{AluOp, Source};
use bpf_bytecode::table::{Form, INSTRUCTION_SET};
use bpf_bytecode::{BpfInsn, Register};
use bpf_verifier::InsnFact;

use super::effect::{Named, Share};
use super::{Address, Effect};

/// An opcode's meaning and its effect, where both are the same in all of its slots, or in
/// those whose offset is 0. The second half of an instruction has one without a meaning.
#[derive(Clone, Copy, Debug)]
// So that one is found by a shift.
#[repr(align(16))]
pub(super) struct Shape {
    /// What does not depend on registers; special of what has no shape.
    effect: Effect,
    /// Bits of the offset that must not be set: all, or none.
    unset: i16,
    /// What is done to the registers that its slots name.
    on: &'static Named,
}

/// What an opcode means, and whether all instructions with it mean this.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    form: Form,
    only: bool,
}

impl Shape {
    const NONE: Self = Self { effect: Effect::SPECIALLY, unset: 0, on: Share::Nothing.named() };

    /// Of the second half of an instruction.
    const SECOND_HALF: Self = Self { effect: Effect::SECOND_HALF, ..Self::NONE };

    /// Whether it turns or has no shape, or its slot begins a loop.
    #[inline(always)]
    pub(super) const fn is_notable(&self, begins: Effect) -> bool {
        self.effect.with(begins).is_notable()
    }

    /// Whether it does nothing but turn where this is known of its slot.
    #[inline(always)]
    pub(super) const fn leads_on(&self, begins: Effect, fact: InsnFact) -> bool {
        self.effect.turns() && !begins.is_looped() && is_ordinary(fact)
    }

    /// Whether an instruction with the opcode has it, if any has one.
    #[inline(always)]
    pub(super) fn fits(&self, insn: BpfInsn) -> bool {
        self.unset & insn.off() == 0
    }

    /// The effect with the registers of a slot.
    #[inline(always)]
    pub(super) fn effect(&self, insn: BpfInsn) -> Effect {
        self.effect.and_to(self.on, insn)
    }

    const fn of(form: Form) -> Self {
        let (effect, on) = match form {
            Form::Alu(AluOp::Mov, _, Source::Reg) | Form::Load(..) => (Effect::PURELY, Share::Copy),
            Form::Alu(AluOp::Mov, _, Source::Imm) => (Effect::PURELY, Share::Write),
            Form::Alu(_, _, Source::Reg) => (Effect::PURELY, Share::ChangeBy),
            Form::Alu(_, _, Source::Imm) | Form::Neg(_) => (Effect::PURELY, Share::Change),
            Form::Store(_, Source::Reg) => (Effect::NONE, Share::ReadBoth),
            Form::Store(_, Source::Imm) => (Effect::NONE, Share::Read),
            Form::JumpIf(_, _, Source::Reg) => (Effect::TO_SLOT, Share::ReadBoth),
            Form::JumpIf(_, _, Source::Imm) => (Effect::TO_SLOT, Share::Read),
            Form::Ja | Form::Gotol => (Effect::TO_SLOT, Share::Nothing),
            Form::Exit => (Effect::RETURNS, Share::Nothing),
            _ => return Self::NONE,
        };
        Self { effect, unset: 0, on: on.named() }
    }
}

/// The shape of a slot's instruction, if it has one.
#[inline(always)]
pub(super) fn find(insn: BpfInsn) -> Option<&'static Shape> {
    let shape = SHAPES.get(usize::from(insn.code()))?;
    (!shape.effect.is_special() && shape.fits(insn)).then_some(shape)
}

/// The shape of all instructions with an opcode that have one.
#[inline(always)]
pub(super) fn of(insn: BpfInsn) -> Option<&'static Shape> {
    SHAPES.get(usize::from(insn.code()))
}

/// Whether an instruction does what it says where this is known of its slot.
#[inline(always)]
pub(super) const fn is_ordinary(fact: InsnFact) -> bool {
    !matches!(fact, InsnFact::Unreached | InsnFact::ContextPointer(_) | InsnFact::ContextField)
}

/// Whether two instructions shift registers by numbers, one to the left and one to the right.
#[inline(always)]
pub(super) fn shift_apart(one: BpfInsn, two: BpfInsn) -> bool {
    matches!(one.code(), 0x64 | 0x67 | 0x74 | 0x77) && one.code() ^ two.code() == 0x10
}

/// By how many bits to the left a register is rotated, if a copy of it and it are
/// [shifted apart](shift_apart) and then joined.
#[inline(always)]
pub(super) fn rotation(copy: BpfInsn, [one, two, join]: [BpfInsn; 3]) -> Option<u8> {
    let class = copy.code() & 0x07;
    let bits = if class == 0x07 { 64 } else { 32 };
    let left = if one.code() & 0xf0 == 0x60 { one } else { two };
    let whole = one.imm().checked_add(two.imm()) == Some(bits) && (1..bits).contains(&left.imm());
    let joins = matches!(join.code() & 0xf8, 0x08 | 0x48 | 0xa8);
    let alike = one.code() & 0x07 == class && join.code() & 0x07 == class;
    if whole && joins && alike { u8::try_from(left.imm()).ok() } else { None }
}

/// Whether a slot is the second half of an instruction.
#[inline]
pub(super) const fn is_second_half(insn: BpfInsn) -> bool {
    insn.code() == 0
}

/// The meaning of an instruction that has a shape.
#[inline(always)]
pub(super) fn form(insn: BpfInsn) -> Form {
    MEANINGS.get(usize::from(insn.code())).map_or(Form::MayGoto, |meaning| meaning.form)
}

/// The same of an opcode that is known at build time.
#[cfg(not(debug_assertions))]
#[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
pub(super) const fn form_of(code: u8) -> Form {
    ALL.1[code as usize].form
}

/// The meaning of all instructions with an opcode, if it is one.
pub(super) fn only_form(insn: BpfInsn) -> Option<Form> {
    let meaning = MEANINGS.get(usize::from(insn.code()));
    meaning.filter(|meaning| meaning.only).map(|meaning| meaning.form)
}

/// The opcode of all that loads 64 bits and takes two slots.
const LOAD_IMM64: u8 = 0x18;

/// Whether an instruction loads a number of 64 bits, as most do that load as many.
#[inline(always)]
pub(super) fn is_number(insn: BpfInsn) -> bool {
    insn.code() == LOAD_IMM64 && insn.src() == 0
}

/// The effect of such an instruction.
#[inline(always)]
pub(super) fn number(insn: BpfInsn) -> Effect {
    Effect::PURELY.and_to(Share::Write.named(), insn)
}

/// The effect of an instruction that computes, whatever its opcode means with this offset and
/// number.
#[inline(always)]
pub(super) fn arithmetic(insn: BpfInsn) -> Option<Effect> {
    let by_register = insn.code() & 0x08 != 0;
    let share = match (insn.code() & 0x07, insn.code() & 0xf0) {
        // A move that extends a sign; bytes in another order.
        (0x04 | 0x07, 0xb0) if by_register => Share::Copy,
        (0x04 | 0x07, 0xd0) => Share::Change,
        (0x04 | 0x07, 0xb0) => Share::Write,
        (0x04 | 0x07, _) if by_register => Share::ChangeBy,
        (0x04 | 0x07, _) => Share::Change,
        _ => return None,
    };
    Some(Effect::PURELY.and_to(share.named(), insn))
}

/// Whether an instruction calls a function of the program.
#[inline(always)]
pub(super) const fn is_local_call(insn: BpfInsn) -> bool {
    insn.code() == 0x85 && insn.src() == 1
}

/// Whether an instruction is an exit.
pub(super) fn is_exit(insn: BpfInsn) -> bool {
    insn.code() == 0x95
}

/// Whether an instruction is a load. This and its like ask the opcode itself, of which few bits
/// say so.
#[inline(always)]
pub(super) const fn is_load(insn: BpfInsn) -> bool {
    insn.code() & 0x07 == 0x01
}

/// The place of which an instruction loads, or in which it stores the register that is given.
pub(super) fn place(insn: BpfInsn) -> Option<(Address, Option<Register>)> {
    let (base, stored) = match form(insn) {
        Form::Load(..) => (insn.src(), None),
        Form::Store(_, Source::Reg) => (insn.dst(), Some(Register::new(insn.src())?)),
        _ => return None,
    };
    Some((Address { base: Register::new(base)?, off: insn.off() }, stored))
}

/// Whether an instruction is a move.
#[inline(always)]
pub(super) const fn is_move(insn: BpfInsn) -> bool {
    matches!(insn.code(), 0xb4 | 0xb7 | 0xbc | 0xbf)
}

/// Whether an instruction multiplies.
#[inline(always)]
pub(super) const fn is_product(insn: BpfInsn) -> bool {
    matches!(insn.code(), 0x24 | 0x27 | 0x2c | 0x2f)
}

/// Whether an instruction loads more from `base`, or moves or shifts what is in `loaded`.
pub(super) fn may_go_on(insn: BpfInsn, loaded: Register, base: Register) -> bool {
    match insn.code() {
        // Without their signs.
        0x61 | 0x69 | 0x71 | 0x79 => insn.src() == base.number(),
        0xbc | 0xbf => insn.src() == loaded.number(),
        0x64 | 0x67 => insn.dst() == loaded.number(),
        _ => false,
    }
}

/// For each opcode its shape, and what it means.
static SHAPES: [Shape; 256] = ALL.0;
static MEANINGS: [Meaning; 256] = ALL.1;

#[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
const ALL: ([Shape; 256], [Meaning; 256]) = {
    let none = Meaning { form: Form::MayGoto, only: false };
    let (mut shapes, mut meanings) = ([Shape::NONE; 256], [none; 256]);
    let mut rows = [0_u8; 256];
    shapes[0] = Shape::SECOND_HALF;
    let mut rest = INSTRUCTION_SET;
    while let [def, behind @ ..] = rest {
        rest = behind;
        let (code, shape) = (def.code as usize, Shape::of(def.form));
        // Rows with other offsets have no shape.
        if !shape.effect.is_special() && (def.operands.has_off() || def.fixed.off() == 0) {
            let unset = if def.operands.has_off() { 0 } else { -1 };
            shapes[code] = Shape { unset, ..shape };
            meanings[code].form = def.form;
        }
        rows[code] += 1;
        if rows[code] == 1 || matches!(def.form, Form::LoadImm64) {
            meanings[code] = Meaning { form: def.form, only: true };
        } else {
            meanings[code].only = false;
        }
    }
    (shapes, meanings)
};

/// Whether an instruction that gives a register a value divides.
pub(super) const fn is_division(insn: BpfInsn) -> bool {
    matches!(insn.code() & 0x07, 0x04 | 0x07) && matches!(insn.code() & 0xf0, 0x30 | 0x90)
}

#[cfg(test)]
mod tests {
    use bpf_bytecode::opcode::{AluOp, Source};
    use bpf_bytecode::table::{Form, INSTRUCTION_SET, find as row_of};
    use bpf_bytecode::{BpfInsn, Register};

    use super::{
        arithmetic, find, form, is_exit, is_load, is_local_call, is_move, is_product, may_go_on,
        only_form,
    };
    use crate::lower::{Effect, translate};

    #[test]
    fn shapes_have_the_effects_of_their_operations() {
        let mut found = 0;
        for def in INSTRUCTION_SET {
            for (dst, src) in (0..=10).flat_map(|dst| (0..=10).map(move |src| (dst, src))) {
                for off in [0, 1, 8, -3] {
                    let insn = def.with_operands(dst, src, off, 7);
                    let Some(shape) = find(insn) else { continue };
                    assert_eq!(Ok(form(insn)), row_of(insn).map(|row| row.form), "{}", def.name);
                    let effect = Effect::of(translate::by_itself(5, form(insn), insn));
                    assert_eq!(shape.effect(insn), effect, "{}", def.name);
                    found += 1;
                }
            }
        }
        assert!(found > 10_000, "{found}");
    }

    #[test]
    fn opcodes_say_what_is_computed_and_called() {
        let mut found = 0;
        for def in INSTRUCTION_SET {
            let insn = def.with_operands(3, 4, 0, 7);
            let effect = Effect::of(translate::by_itself(5, def.form, insn));
            let computes = matches!(insn.code() & 0x07, 0x04 | 0x07);
            assert_eq!(arithmetic(insn), computes.then_some(effect), "{}", def.name);
            assert_eq!(is_local_call(insn), def.form == Form::CallLocal, "{}", def.name);
            found += u32::from(computes && find(insn).is_none());
        }
        assert!(found > 10, "{found}");
    }

    #[test]
    fn opcodes_say_what_instructions_are() {
        let (loaded, base) = (Register::R1, Register::R2);
        for def in INSTRUCTION_SET {
            let insn = def.with_operands(1, 2, 0, 7);
            if find(insn).is_none() {
                continue;
            }
            let form = form(insn);
            assert_eq!(is_load(insn), matches!(form, Form::Load(..)), "{}", def.name);
            assert_eq!(is_move(insn), matches!(form, Form::Alu(AluOp::Mov, ..)), "{}", def.name);
            assert_eq!(is_product(insn), matches!(form, Form::Alu(AluOp::Mul, ..)), "{}", def.name);
            assert_eq!(is_exit(insn), form == Form::Exit, "{}", def.name);
            let goes_on = match form {
                Form::Load(_, signed) => !signed,
                Form::Alu(AluOp::Lsh, _, Source::Imm) => true,
                _ => false,
            };
            assert_eq!(may_go_on(insn, loaded, base), goes_on, "{}", def.name);
            let copies = matches!(form, Form::Alu(AluOp::Mov, _, Source::Reg));
            let goes_on = copies || matches!(form, Form::Load(_, false));
            assert_eq!(may_go_on(insn, base, base), goes_on, "{}", def.name);
        }
    }

    #[test]
    fn what_is_the_only_meaning_of_an_opcode_is_that_of_its_slots() {
        let only = |code| only_form(BpfInsn::new(code, 0, 0, 0, 0));
        for def in INSTRUCTION_SET {
            let found = only(def.code);
            let others = INSTRUCTION_SET.iter().filter(|row| row.code == def.code);
            let agree = others.clone().all(|row| row.form == def.form);
            assert_eq!(found, found.filter(|form| agree && *form == def.form), "{}", def.name);
        }
        assert_eq!(only(0x95), Some(Form::Exit));
        assert_eq!(only(super::LOAD_IMM64), Some(Form::LoadImm64));
        // A local function or a helper; and no instruction.
        assert_eq!([only(0x85), only(0)], [None, None]);
    }
}
