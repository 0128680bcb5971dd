//! What instructions read and write that are nothing but their fields.
//!
//! Most instructions of proven code are: what they do to registers follows from the opcode
//! and the registers' numbers, and what they do is put into words where it is looked at
//! ([`Step::op`](super::Step::op)).

use bpf_bytecode::BpfInsn;
use bpf_bytecode::opcode::{AluOp, Source};
use bpf_bytecode::table::{Form, INSTRUCTION_SET};

use super::Effect;

/// An opcode's meaning and its effect, where both are the same in all of its slots, or in
/// those whose offset is 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) form: Form,
    /// Whether the offset must be 0.
    without_offset: bool,
    effect: Effect,
    /// The effect on R0, if that is the destination.
    on_dst: Effect,
    /// The same of the source.
    on_src: Effect,
}

impl Shape {
    /// The effect with the registers of a slot.
    #[inline]
    pub(super) const fn effect(&self, insn: BpfInsn) -> Effect {
        let (dst, src) = (self.on_dst.moved(insn.dst()), self.on_src.moved(insn.src()));
        self.effect.with(dst).with(src)
    }

    const fn of(form: Form) -> Option<Self> {
        let (change, set) = (Effect::READ.with(Effect::WRITE), Effect::WRITE);
        let (none, read) = (Effect::NONE, Effect::READ);
        let (effect, on_dst, on_src) = match form {
            Form::Alu(AluOp::Mov, _, Source::Reg) | Form::Load(..) => (Effect::PURELY, set, read),
            Form::Alu(AluOp::Mov, _, Source::Imm) => (Effect::PURELY, set, none),
            Form::Alu(_, _, Source::Reg) => (Effect::PURELY, change, read),
            Form::Alu(_, _, Source::Imm) | Form::Neg(_) => (Effect::PURELY, change, none),
            Form::Store(_, Source::Reg) => (none, read, read),
            Form::Store(_, Source::Imm) => (none, read, none),
            Form::JumpIf(_, _, Source::Reg) => (Effect::TO_SLOT, read, read),
            Form::JumpIf(_, _, Source::Imm) => (Effect::TO_SLOT, read, none),
            Form::Ja | Form::Gotol => (Effect::TO_SLOT, none, none),
            _ => return None,
        };
        Some(Self { form, without_offset: false, effect, on_dst, on_src })
    }
}

/// The shape of a slot's instruction, if it has one.
#[inline(always)]
pub(super) fn find(insn: BpfInsn) -> Option<&'static Shape> {
    let shape = SHAPES.get(usize::from(insn.code()))?.as_ref()?;
    (!shape.without_offset || insn.off() == 0).then_some(shape)
}

/// For each opcode its shape.
#[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
static SHAPES: [Option<Shape>; 256] = {
    let mut shapes = [None; 256];
    let mut rest = INSTRUCTION_SET;
    while let [def, behind @ ..] = rest {
        rest = behind;
        let code = def.code as usize;
        // Rows with other offsets have no shape.
        let fixed = !def.operands.has_off() && def.fixed.off() == 0;
        if let Some(shape) = Shape::of(def.form)
            && (fixed || def.operands.has_off())
        {
            shapes[code] = Some(Shape { without_offset: fixed, ..shape });
        }
    }
    shapes
};

#[cfg(test)]
mod tests {
    use bpf_bytecode::table::{INSTRUCTION_SET, find as row_of};

    use super::find;
    use crate::lower::{Effect, translate};

    #[test]
    fn shapes_have_the_effects_of_their_operations() {
        let mut found = 0;
        for def in INSTRUCTION_SET {
            for (dst, src) in (0..=10).flat_map(|dst| (0..=10).map(move |src| (dst, src))) {
                for off in [0, 1, 8, -3] {
                    let insn = def.with_operands(dst, src, off, 7);
                    let Some(shape) = find(insn) else { continue };
                    assert_eq!(Ok(shape.form), row_of(insn).map(|row| row.form), "{}", def.name);
                    let op = translate::by_itself(5, shape.form, insn);
                    assert_eq!(shape.effect(insn), Effect::of(op), "{}", def.name);
                    found += 1;
                }
            }
        }
        assert!(found > 10_000, "{found}");
    }
}
