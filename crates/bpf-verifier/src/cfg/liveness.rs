//! Which registers still matter.

use bpf_bytecode::Register;
use bpf_bytecode::abi::kfunc::Kfunc;
use bpf_bytecode::instruction::{CallTarget, Instruction, Operand};
use bpf_bytecode::opcode::{AluOp, AtomicOp};

use super::functions::function_named;
use super::{ALL_LIVE, Code, bit, edges, slot_number};
use crate::HelperTable;
use crate::arena::{Arena, At};

/// Passes over a program before liveness is given up: one more than loops are
/// nested suffices where compilers order the code.
const PASSES: usize = 24;

const R0: u16 = 1;
/// R1 to R5.
const ARGUMENTS: u16 = 0x3e;

const fn one(register: Register) -> u16 {
    1_u16.wrapping_shl(register.number() as u32) & ALL_LIVE
}

/// The first `count` of R1 to R5.
fn arguments(count: usize) -> u16 {
    [0, 0x2, 0x6, 0xe, 0x1e].get(count).copied().unwrap_or(ARGUMENTS)
}

const fn operand(operand: Operand) -> u16 {
    match operand {
        Operand::Imm(_) => 0,
        Operand::Reg(register) => one(register),
    }
}

/// In an instruction's word, beside its [`RegisterEffects`]: it begins here.
const BEGINS: u64 = 1 << 20;
/// Ten bits: the registers that are live before it.
const LIVE: u32 = 32;

/// Registers that an instruction reads, and those that it writes or leaves
/// without a value. What a local call and the end of a function read lies
/// elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RegisterEffects {
    read: u16,
    written: u16,
}

impl RegisterEffects {
    /// Twenty bits.
    fn to_bits(self) -> u64 {
        u64::from(self.read) | u64::from(self.written).wrapping_shl(10)
    }

    #[allow(clippy::cast_possible_truncation, reason = "masked")]
    const fn from_bits(word: u64) -> Self {
        let written = word.wrapping_shr(10) as u16 & ALL_LIVE;
        Self { read: word as u16 & ALL_LIVE, written }
    }
}

/// See [`RegisterEffects`].
fn effects(insn: &Instruction, helpers: &HelperTable<'_>) -> RegisterEffects {
    let (read, written) = match *insn {
        Instruction::Alu { op: AluOp::Mov, dst, src, .. } => (operand(src), one(dst)),
        Instruction::Alu { dst, src, .. } => (one(dst) | operand(src), one(dst)),
        Instruction::Neg { dst, .. } | Instruction::ByteSwap { dst, .. } => (one(dst), one(dst)),
        Instruction::MovSx { dst, src, .. } => (one(src), one(dst)),
        Instruction::LoadImm64 { dst, .. } => (0, one(dst)),
        Instruction::Load { dst, base, .. } | Instruction::LoadAcquire { dst, base, .. } => {
            (one(base), one(dst))
        }
        Instruction::Store { base, src, .. } => (one(base) | operand(src), 0),
        Instruction::StoreRelease { base, src, .. } => (one(base) | one(src), 0),
        Instruction::Atomic { op: AtomicOp::Cmpxchg, base, src, .. } => {
            (one(base) | one(src) | R0, R0)
        }
        Instruction::Atomic { fetch, base, src, .. } => {
            (one(base) | one(src), if fetch { one(src) } else { 0 })
        }
        Instruction::LegacyPacket { index, .. } => {
            (one(Register::R6) | index.map_or(0, one), R0 | ARGUMENTS)
        }
        Instruction::JumpIf { dst, src, .. } => (one(dst) | operand(src), 0),
        Instruction::Jump { .. } | Instruction::MayGoto { .. } | Instruction::Exit => (0, 0),
        Instruction::Call(CallTarget::Helper(id)) => {
            (arguments(helpers.argument_count(id)), R0 | ARGUMENTS)
        }
        Instruction::Call(CallTarget::Kfunc(number)) => {
            (arguments(Kfunc::from_number(number).map_or(5, Kfunc::arguments)), R0 | ARGUMENTS)
        }
        Instruction::Call(CallTarget::Local(_)) => (ARGUMENTS, R0 | ARGUMENTS),
    };
    RegisterEffects { read, written }
}

impl Code<'_> {
    /// The word of a slot, which there is as long as it is not known what is live.
    fn flow_at(&self, pc: usize) -> At {
        self.flow.saturating_add(slot_number(pc))
    }

    pub(super) fn note_effects(
        &self,
        arena: &mut Arena<'_>,
        pc: usize,
        insn: &Instruction,
        helpers: &HelperTable<'_>,
    ) {
        arena.set(self.flow_at(pc), effects(insn, helpers).to_bits() | BEGINS);
    }

    /// Finds what is live where paths join.
    pub(super) fn find_liveness(&self, arena: &mut Arena<'_>) {
        let found = self.settle_liveness(arena);
        let mut from = 0;
        while let Some(pc) = self.next_with(arena, from, bit::JOIN) {
            let live = if found { self.live_before(arena, pc) } else { ALL_LIVE };
            self.set_live(arena, pc, live);
            from = pc.saturating_add(1);
        }
    }

    /// Goes backwards over the program until nothing changes; not, where that takes too
    /// long.
    fn settle_liveness(&self, arena: &mut Arena<'_>) -> bool {
        self.mark_results(arena);
        // What lies behind an instruction is known when it is come to.
        let once = self.function_count == 1 && !self.turns_back;
        (0..PASSES).any(|_| !self.liveness_pass(arena) || once)
    }

    #[allow(clippy::cast_possible_truncation, reason = "masked")]
    fn live_before(&self, arena: &Arena<'_>, pc: usize) -> u16 {
        if pc >= self.insns.len() {
            return ALL_LIVE;
        }
        arena.word(self.flow_at(pc)).wrapping_shr(LIVE) as u16 & ALL_LIVE
    }

    /// Marks the functions whose results matter whoever calls them: the program
    /// itself, what is verified apart, and what helpers call.
    fn mark_results(&self, arena: &mut Arena<'_>) {
        for function in 0..self.function_count {
            if function == 0 || self.global(arena, function).is_some() {
                self.mark(arena, self.function_start(arena, function), bit::RESULT);
            }
        }
        let all = if self.names_functions { self.insns } else { &[] };
        for (pc, insn) in all.iter().enumerate() {
            // The second half of an instruction has no opcode.
            if let Some(target) = function_named(pc, *insn)
                && !insn.is_jump_class()
            {
                self.mark(arena, target, bit::RESULT);
            }
        }
    }

    /// One pass; whether anything changed.
    fn liveness_pass(&self, arena: &mut Arena<'_>) -> bool {
        let mut changed = false;
        let mut next = ALL_LIVE;
        for pc in (0..self.insns.len()).rev() {
            let word = arena.word(self.flow_at(pc));
            if word & BEGINS == 0 {
                continue;
            }
            let (insn, mut effects) = (self.slot(pc), RegisterEffects::from_bits(word));
            let mut after = next;
            if insn.is_jump_class() {
                let (first, second) = edges::successors(pc, insn);
                after = first.map_or(0, |pc| self.live_before(arena, pc));
                after |= second.map_or(0, |pc| self.live_before(arena, pc));
                if let Some(function) = function_named(pc, insn) {
                    effects.read = self.read_by_callee(arena, function);
                    changed |= after & R0 != 0 && self.is_new_result(arena, function);
                } else if first.is_none() {
                    let function = self.function_of(arena, pc);
                    let start = self.function_start(arena, function);
                    effects.read = if self.has(arena, start, bit::RESULT) { R0 } else { 0 };
                }
            }
            next = (after & !effects.written) | effects.read;
            let live = u64::from(next).wrapping_shl(LIVE);
            let known = u64::from(ALL_LIVE).wrapping_shl(LIVE) & word;
            if live != known {
                arena.set(self.flow_at(pc), word ^ known | live);
                changed = true;
            }
        }
        changed
    }

    /// The callee reads what it reads, or what its signature names.
    fn read_by_callee(&self, arena: &Arena<'_>, function: usize) -> u16 {
        let read = match self.global_at(arena, function) {
            Some((_, global)) => arguments(global.arity()),
            None => self.live_before(arena, function),
        };
        read & ARGUMENTS
    }

    /// What a function returns is read somewhere. Whether that was not known.
    fn is_new_result(&self, arena: &mut Arena<'_>, function: usize) -> bool {
        let new = !self.has(arena, function, bit::RESULT);
        self.mark(arena, function, bit::RESULT);
        new
    }
}
