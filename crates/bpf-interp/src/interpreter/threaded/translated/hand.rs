//! Which registers are passed on in registers of the CPU: those that are named
//! most often, where what is in a loop counts more.

use alloc::vec::Vec;

use bpf_bytecode::instruction::{Instruction, Operand, jump_target};
use bpf_bytecode::{BpfInsn, Register};
use bpf_profile::{OutOfMemory, Sequence};

use crate::interpreter::threaded::form::HAND;

/// Registers that can be in the hand: R0 to R9.
const CANDIDATES: usize = 10;

/// How many loops around an instruction are looked at, at the most.
const LOOPS: u32 = 4;

/// A loop counts for eight rounds.
const ROUNDS_LOG2: u32 = 3;

/// Chooses for a program.
pub(super) fn choose(insns: &[BpfInsn]) -> Result<[u8; HAND], OutOfMemory> {
    let edges = edges(insns)?;
    let mut uses = [Some(0_u64); CANDIDATES];
    let mut loops = 0_i32;
    for (pc, edge) in edges.iter().enumerate() {
        loops = loops.saturating_add(*edge);
        let Ok(insn) = Instruction::decode(insns, pc) else { continue };
        let weight = 1_u64 << loops.cast_unsigned().min(LOOPS).saturating_mul(ROUNDS_LOG2);
        for register in named(insn).into_iter().flatten() {
            if let Some(Some(count)) = uses.get_mut(register.index()) {
                *count = count.saturating_add(weight);
            }
        }
    }
    let mut chosen = [0; HAND];
    for place in &mut chosen {
        // Of equals the last one; what is chosen is none of them any more.
        let most = (0_u8..).zip(&mut uses).max_by_key(|(_, count)| **count);
        if let Some((register, count)) = most {
            (*place, *count) = (register, None);
        }
    }
    arrange(&mut chosen);
    Ok(chosen)
}

/// Puts R2 at the last place, or R1 at another one: there the entry has them.
fn arrange(chosen: &mut [u8; HAND]) {
    let second = chosen.iter().position(|register| *register == Register::R2.number());
    match (second, *chosen) {
        (Some(place), _) => chosen.swap(place, HAND - 1),
        (None, [.., last]) if last == Register::R1.number() => chosen.swap(0, HAND - 1),
        _ => {}
    }
}

/// For each slot, how many more loops it is in than the one before. A loop is
/// what lies between a backward jump and its target.
fn edges(insns: &[BpfInsn]) -> Result<Vec<i32>, OutOfMemory> {
    let mut edges = Vec::new();
    Sequence::try_reserve(&mut edges, insns.len())?;
    edges.resize(insns.len(), 0_i32);
    for pc in 0..insns.len() {
        let off = match Instruction::decode(insns, pc) {
            Ok(Instruction::Jump { off }) => off,
            Ok(Instruction::JumpIf { off, .. } | Instruction::MayGoto { off }) => off.into(),
            _ => continue,
        };
        let Some(target) = jump_target(pc, off).filter(|target| *target <= pc) else { continue };
        if let Some(edge) = edges.get_mut(target) {
            *edge = edge.saturating_add(1);
        }
        if let Some(edge) = edges.get_mut(pc.saturating_add(1)) {
            *edge = edge.saturating_sub(1);
        }
    }
    Ok(edges)
}

/// The registers that handlers take from their places for an instruction.
fn named(insn: Instruction) -> [Option<Register>; 2] {
    let register = |operand| match operand {
        Operand::Reg(register) => Some(register),
        Operand::Imm(_) => None,
    };
    match insn {
        Instruction::Alu { dst, src, .. } | Instruction::JumpIf { dst, src, .. } => {
            [Some(dst), register(src)]
        }
        Instruction::MovSx { dst, src, .. } => [Some(dst), Some(src)],
        Instruction::Load { dst, base, .. } => [Some(dst), Some(base)],
        Instruction::Store { base, src, .. } => [Some(base), register(src)],
        Instruction::Neg { dst, .. }
        | Instruction::ByteSwap { dst, .. }
        | Instruction::LoadImm64 { dst, .. } => [Some(dst), None],
        _ => [None, None],
    }
}
