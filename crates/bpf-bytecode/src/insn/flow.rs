//! Where control goes from a slot, told by its fields alone.
//!
//! What is said here holds for slots that begin an instruction: of others it
//! says something, which means nothing. Passes over a program that was decoded
//! once ask here, as decoding again costs several times as much.

use super::BpfInsn;

/// Class of jumps with 64-bit operands, calls and exits.
const JMP: u8 = 0x05;
/// Class of jumps with 32-bit operands.
const JMP32: u8 = 0x06;
const LD_IMM64: u8 = 0x18;
const JA: u8 = 0x05;
const GOTOL: u8 = 0x06;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;
const MAY_GOTO: u8 = 0xe5;

impl BpfInsn {
    /// Slots of the instruction: 2 for a 64-bit immediate load, else 1.
    #[inline]
    pub const fn slots(self) -> usize {
        if self.code == LD_IMM64 { 2 } else { 1 }
    }

    /// Whether it is a jump, a call or an exit.
    #[inline]
    pub const fn is_jump_class(self) -> bool {
        matches!(self.code & 7, JMP | JMP32)
    }

    /// Distance of a jump in slots from the next instruction; none, if it is
    /// no jump.
    #[inline]
    pub const fn jump_offset(self) -> Option<i32> {
        if !self.is_jump_class() {
            return None;
        }
        match self.code {
            CALL | EXIT => None,
            GOTOL => Some(self.imm),
            _ => Some(self.off as i32),
        }
    }

    /// Whether control may go on at the next instruction.
    #[inline]
    pub const fn falls_through(self) -> bool {
        !matches!(self.code, JA | GOTOL | EXIT)
    }

    /// Whether it calls something, a function of the same program or any other.
    #[inline]
    pub const fn is_call(self) -> bool {
        self.code == CALL
    }

    /// Whether it jumps when the allowance is used up.
    #[inline]
    pub const fn is_may_goto(self) -> bool {
        self.code == MAY_GOTO
    }

    /// Distance in slots, from the slot behind this one, of the function of the
    /// same program that it calls or takes the address of; none, if it names no
    /// such function.
    #[inline]
    pub const fn function_offset(self) -> Option<i32> {
        match (self.code, self.src()) {
            (CALL, 1) | (LD_IMM64, 4) => Some(self.imm),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    use super::*;
    use crate::Instruction;
    use crate::instruction::{CallTarget, Imm64};

    /// Every slot that decodes says of itself what the decoded instruction says.
    #[test]
    fn agrees_with_the_decoder() {
        let mut decoded_ones = 0;
        for code in 0..=u8::MAX {
            for fields in 0..0x400_u16 {
                let [low, _] = fields.to_le_bytes();
                let (src, off) = (low & 0xf, [0, 1, -3, 5][usize::from(fields >> 8)]);
                let imm = [0, 1, 2, 3, 16, -7, 0x11, 0xf1][usize::from(low >> 4) % 8];
                let insns = [BpfInsn::new(code, 0, src, off, imm), BpfInsn::default()];
                let Ok(insn) = Instruction::decode(&insns, 0) else { continue };
                decoded_ones += 1;
                let slot = insns[0];
                assert_eq!(slot.slots(), insn.slots(), "{insn:?}");
                assert_eq!(slot.jump_offset(), insn.jump_offset(), "{insn:?}");
                let ends = matches!(insn, Instruction::Exit | Instruction::Jump { .. });
                assert_eq!(slot.falls_through(), !ends, "{insn:?}");
                let named = match insn {
                    Instruction::Call(CallTarget::Local(off))
                    | Instruction::LoadImm64 { value: Imm64::Code(off), .. } => Some(off),
                    _ => None,
                };
                assert_eq!(slot.function_offset(), named, "{insn:?}");
                let calls = matches!(insn, Instruction::Call(_));
                assert_eq!(slot.is_call(), calls, "{insn:?}");
                let may_go = matches!(insn, Instruction::MayGoto { .. });
                assert_eq!(slot.is_may_goto(), may_go, "{insn:?}");
            }
        }
        assert!(decoded_ones > 1000, "{decoded_ones}");
    }
}
