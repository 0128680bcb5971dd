//! Which registers still matter.

use bpf_bytecode::abi::kfunc::Kfunc;
use bpf_bytecode::instruction::{CallTarget, Instruction, Operand};
use bpf_bytecode::opcode::{AluOp, AtomicOp};
use bpf_bytecode::{BpfInsn, Register};

use super::functions::function_named;
use super::{ALL_LIVE, Code, bit, edges};
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

/// In a slot's word, beside [`RegisterEffects`]: an instruction begins here.
const BEGINS: u64 = 1 << 20;
/// And it leads elsewhere: a jump, a call, or a load of a function's address.
const TURNS: u64 = 1 << 21;
/// Ten bits: the registers that are live before it, where a block begins.
const LIVE: u32 = 32;
/// Where a block ends, the other bits: how far before it begins.
const LENGTH: u32 = 42;
/// What these can say. Longer blocks are taken for several.
const LONGEST: usize = (1 << (u64::BITS - LENGTH)) - 1;

/// Registers that an instruction reads, and those that it writes or leaves
/// without a value, or several one after the other. What a local call and the end of a
/// function read lies elsewhere.
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

    /// Those of both, `next` behind this one.
    const fn then(self, next: Self) -> Self {
        let read = (next.read & !self.written) | self.read;
        Self { read, written: self.written | next.written }
    }
}

/// Whether an instruction ends a block: what is live behind it is not what is live before
/// the next one, or what it reads lies elsewhere.
fn ends_block(insn: BpfInsn) -> bool {
    insn.jump_offset().is_some() || is_local(insn)
}

/// Whether it calls a function of the program or leaves one: what it reads lies elsewhere.
fn is_local(insn: BpfInsn) -> bool {
    insn.is_jump_class()
        && (insn.function_offset().is_some() || !insn.falls_through())
        && insn.jump_offset().is_none()
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
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "slots of a program fit")]
    pub(super) const fn flow_at(&self, pc: usize) -> At {
        self.flow.wrapping_add(pc as u32)
    }

    pub(super) fn note_effects(
        &self,
        arena: &mut Arena<'_>,
        pc: usize,
        (insn, turns): (&Instruction, bool),
        helpers: &HelperTable<'_>,
    ) {
        let turns = if turns { TURNS } else { 0 };
        arena.set(self.flow_at(pc), effects(insn, helpers).to_bits() | turns | BEGINS);
    }

    /// Whether an instruction leads elsewhere: a jump, a call, or a load of a function's
    /// address; behind the last slot as at an end.
    pub(super) fn turns(&self, arena: &Arena<'_>, pc: usize) -> bool {
        pc >= self.insns.len() || arena.word(self.flow_at(pc)) & TURNS != 0
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
        self.make_blocks(arena);
        // What lies behind an instruction is known when it is come to.
        let once = self.function_count == 1 && !self.turns_back;
        (0..PASSES).any(|_| !self.liveness_pass(arena) || once)
    }

    /// Finds blocks: instructions of which each but the last goes on at the next one, and
    /// that nothing leads into. A block's first word has the effects of all of them, its last
    /// one how long it is. What is live where paths join or a function begins is asked for;
    /// jumps lead there, or to behind other jumps.
    fn make_blocks(&self, arena: &mut Arena<'_>) {
        let mut end = self.insns.len();
        while end > 0 {
            // The last instruction of a block.
            let mut pc = self.instruction_before(arena, end);
            let last = pc;
            let mut effects = RegisterEffects::from_bits(arena.word(self.flow_at(pc)));
            while pc > 0 && !self.begins_block(arena, pc, last) {
                let before = self.instruction_before(arena, pc);
                let word = arena.word(self.flow_at(before));
                if word & TURNS != 0 && ends_block(self.slot(before)) {
                    break;
                }
                pc = before;
                effects = RegisterEffects::from_bits(word).then(effects);
            }
            let first = arena.word(self.flow_at(pc));
            arena.set(self.flow_at(pc), effects.to_bits() | first & (BEGINS | TURNS));
            let length = (last.saturating_sub(pc) as u64).wrapping_shl(LENGTH);
            let word = arena.word(self.flow_at(last));
            arena.set(self.flow_at(last), word | length);
            end = pc;
        }
    }

    /// Where the instruction in front of a slot begins.
    fn instruction_before(&self, arena: &Arena<'_>, pc: usize) -> usize {
        let before = pc.saturating_sub(1);
        if arena.word(self.flow_at(before)) & BEGINS == 0 {
            before.saturating_sub(1)
        } else {
            before
        }
    }

    /// Whether a block that ends with the instruction at `last` begins at `pc` for certain.
    fn begins_block(&self, arena: &Arena<'_>, pc: usize, last: usize) -> bool {
        self.has(arena, pc, bit::JOIN | bit::FUNCTION)
            || last.saturating_sub(pc) >= LONGEST
            || pc == last && self.turns(arena, pc) && is_local(self.slot(pc))
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
        let mut end = self.insns.len();
        while end > 0 {
            let last = self.instruction_before(arena, end);
            let word_of_last = arena.word(self.flow_at(last));
            let length = word_of_last.wrapping_shr(LENGTH);
            let start = last.saturating_sub(usize::try_from(length).unwrap_or(0));
            let word = arena.word(self.flow_at(start));
            let (insn, mut effects) = (self.slot(last), RegisterEffects::from_bits(word));
            let mut after = next;
            if word_of_last & TURNS != 0 && ends_block(insn) {
                let (first, second) = edges::successors(last, insn);
                after = first.map_or(0, |pc| self.live_before(arena, pc));
                after |= second.map_or(0, |pc| self.live_before(arena, pc));
                if let Some(function) = function_named(last, insn) {
                    effects.read = self.read_by_callee(arena, function);
                    changed |= after & R0 != 0 && self.is_new_result(arena, function);
                } else if first.is_none() {
                    let function = self.function_of(arena, last);
                    let start = self.function_start(arena, function);
                    effects.read = if self.has(arena, start, bit::RESULT) { R0 } else { 0 };
                }
            }
            next = (after & !effects.written) | effects.read;
            let live = u64::from(next).wrapping_shl(LIVE);
            let known = u64::from(ALL_LIVE).wrapping_shl(LIVE) & word;
            if live != known {
                arena.set(self.flow_at(start), word ^ known | live);
                changed = true;
            }
            end = start;
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
