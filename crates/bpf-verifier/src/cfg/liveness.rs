//! Which registers still matter.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::Register;
use bpf_bytecode::abi::kfunc::Kfunc;
use bpf_bytecode::insn::RegisterUse;
use bpf_bytecode::instruction::{CallTarget, Instruction};
use bpf_bytecode::opcode::AtomicOp;

use super::functions::function_named;
use super::{ALL_LIVE, CfgError, Code, bit, edges, reject};
use crate::HelperTable;
use crate::arena::{Arena, At};
use crate::core::iterator::asks;

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

/// In a slot's word, beside [`RegisterEffects`]: the instruction leads elsewhere. It is a jump, a
/// call, or a load of a function's address. The second slot of an instruction has no bit set but
/// what is live.
const TURNS: u64 = 1 << 21;
/// It is the head of loops whose rounds it bounds: a call of what calls back, or of what is
/// asked for a further round.
const ROUNDS: u64 = 1 << 22;
/// Flow comes back here, from a slot that is not before it: what is live here decides what is
/// live there in the next pass.
const BACK: u64 = 1 << 23;
/// Ten bits: the registers that are live before it.
const LIVE: u32 = 32;

/// Registers that an instruction reads, and those that it writes or leaves
/// without a value. What a local call and the end of a function read lies elsewhere.
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

/// Notes in a slot's word what is live before it. Bits that are set where another pass would
/// find that something else is, besides.
#[inline]
fn set_live(word: &mut u64, live: u16) -> u64 {
    let rest = *word & !u64::from(ALL_LIVE).wrapping_shl(LIVE);
    let before = core::mem::replace(word, rest | u64::from(live).wrapping_shl(LIVE));
    if rest & BACK == 0 { 0 } else { before ^ *word }
}

impl From<RegisterUse> for RegisterEffects {
    #[inline]
    fn from(RegisterUse { read, written }: RegisterUse) -> Self {
        Self { read: read & ALL_LIVE, written: written & ALL_LIVE }
    }
}

/// What is noted of an instruction whose fields alone do not say what it reads and writes.
fn hidden_effects(insn: &Instruction, helpers: &HelperTable<'_>) -> u64 {
    let mut flags = 0;
    let (read, written) = match *insn {
        Instruction::LoadAcquire { dst, base, .. } => (one(base), one(dst)),
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
        Instruction::Exit => (0, 0),
        Instruction::Call(CallTarget::Helper(id)) => {
            let (count, calls_back) = helpers.takes(id);
            flags = if calls_back { ROUNDS } else { 0 };
            (arguments(count), R0 | ARGUMENTS)
        }
        Instruction::Call(CallTarget::Kfunc(number)) => {
            flags = if asks(number) { ROUNDS } else { 0 };
            (arguments(Kfunc::from_number(number).map_or(5, Kfunc::arguments)), R0 | ARGUMENTS)
        }
        Instruction::Call(CallTarget::Local(_)) => (ARGUMENTS, R0 | ARGUMENTS),
        // The fields say it.
        _ => (ALL_LIVE, 0),
    };
    RegisterEffects { read, written }.to_bits() | flags
}

impl Code<'_> {
    /// The word of a slot, which there is as long as it is not known what is live.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "slots of a program fit")]
    pub(super) const fn flow_at(&self, pc: usize) -> At {
        self.flow.wrapping_add(pc as u32)
    }

    /// Notes what the instructions from a slot on read and write, up to the first that leads
    /// elsewhere, takes two slots or has to be decoded: where that is.
    pub(super) fn note_straight(&self, arena: &mut Arena<'_>, from: usize) -> usize {
        let (words, insns) = (arena.slice_mut(self.flow, self.insns.len()), self.insns);
        let words = words.get_mut(from..).unwrap_or_default().iter_mut();
        let slots = words.zip(insns.get(from..).unwrap_or_default());
        let mut count = 0_usize;
        for (word, insn) in slots {
            if insn.is_jump_class() || insn.slots() == 2 {
                break;
            }
            let Some(used) = insn.register_use() else { break };
            *word = RegisterEffects::from(used).to_bits();
            count = count.wrapping_add(1);
        }
        from.saturating_add(count)
    }

    /// Notes what an instruction reads and writes, and whether it leads elsewhere.
    pub(super) fn note_effects(
        &self,
        arena: &mut Arena<'_>,
        (pc, slot): (usize, BpfInsn),
        turns: bool,
        helpers: &HelperTable<'_>,
    ) -> Result<(), CfgError> {
        let noted = match slot.register_use() {
            Some(used) => RegisterEffects::from(used).to_bits(),
            None => match &self.insn(pc) {
                Ok(insn) => hidden_effects(insn, helpers),
                Err(error) => return reject((*error).into(), pc),
            },
        };
        arena.set(self.flow_at(pc), noted | if turns { TURNS } else { 0 });
        Ok(())
    }

    /// Whether a call is the head of loops whose rounds it bounds.
    pub(super) fn calls_in_rounds(&self, arena: &Arena<'_>, pc: usize) -> bool {
        arena.word(self.flow_at(pc)) & ROUNDS != 0
    }

    /// Whether an instruction leads elsewhere: a jump, a call, or a load of a function's
    /// address; behind the last slot as at an end.
    pub(super) fn turns(&self, arena: &Arena<'_>, pc: usize) -> bool {
        pc >= self.insns.len() || arena.word(self.flow_at(pc)) & TURNS != 0
    }

    /// Finds what is live where paths join.
    pub(super) fn find_liveness(&self, arena: &mut Arena<'_>) {
        let Some(first) = self.next_with(arena, 0, bit::JOIN) else { return };
        // Whoever calls a function has to know what is live where it begins. Elsewhere nobody
        // asks what is live in front of the first join.
        let start = if self.function_count == 1 { first } else { 0 };
        let found = self.settle_liveness(arena, start);
        let mut from = first;
        while let Some(pc) = self.next_with(arena, from, bit::JOIN) {
            let live = if found { self.live_before(arena, pc) } else { ALL_LIVE };
            self.set_live(arena, pc, live);
            from = pc.saturating_add(1);
        }
    }

    /// Goes backwards over the program, down to a slot, until nothing changes where flow comes
    /// back to; not, where that takes too long. All else was known in the pass that it was
    /// asked for.
    fn settle_liveness(&self, arena: &mut Arena<'_>, start: usize) -> bool {
        self.mark_results(arena);
        // What lies behind an instruction is known when it is come to.
        let once = self.function_count == 1 && !self.turns_back;
        (0..PASSES).any(|_| !self.liveness_pass(arena, start) || once)
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

    /// One pass; whether anything changed that was asked for before it was come to.
    fn liveness_pass(&self, arena: &mut Arena<'_>, start: usize) -> bool {
        let (mut changed, mut live, mut end) = (0, ALL_LIVE, self.insns.len());
        while end > start {
            // Most instructions lead to the next one.
            let words = arena.slice_mut(self.flow, end).get_mut(start..).unwrap_or_default();
            let turn = words.iter().rposition(|word| word & TURNS != 0);
            let straight = words.get_mut(turn.map_or(0, |turn| turn.saturating_add(1))..);
            for word in straight.unwrap_or_default().iter_mut().rev() {
                let effects = RegisterEffects::from_bits(*word);
                live = (live & !effects.written) | effects.read;
                changed |= set_live(word, live);
            }
            let Some(turn) = turn.map(|turn| start.saturating_add(turn)) else { break };
            let new_result;
            (live, new_result) = self.before_turn(arena, turn, live);
            let mut word = arena.word(self.flow_at(turn));
            changed |= set_live(&mut word, live) | u64::from(new_result);
            arena.set(self.flow_at(turn), word);
            end = turn;
        }
        changed != 0
    }

    /// What is live before an instruction that leads elsewhere, where `next` is before the one
    /// behind it; whether it turned out that the result of a function matters.
    fn before_turn(&self, arena: &mut Arena<'_>, pc: usize, next: u16) -> (u16, bool) {
        let insn = self.slot(pc);
        let mut effects = RegisterEffects::from_bits(arena.word(self.flow_at(pc)));
        let (mut after, mut new_result) = (next, false);
        if insn.jump_offset().is_some() {
            let (first, second) = edges::successors(pc, insn);
            after = first.map_or(0, |to| self.live_at_target(arena, pc, to));
            after |= second.map_or(0, |to| self.live_at_target(arena, pc, to));
        } else if !insn.falls_through() {
            let start = self.function_start(arena, self.function_of(arena, pc));
            after = if self.has(arena, start, bit::RESULT) { R0 } else { 0 };
        } else if let Some(function) = function_named(pc, insn).filter(|_| insn.is_call()) {
            effects.read = self.read_by_callee(arena, pc, function);
            new_result = after & R0 != 0 && self.is_new_result(arena, function);
        }
        ((after & !effects.written) | effects.read, new_result)
    }

    /// What is live before a slot that flow leads to from another. Where it leads back, that is
    /// of the pass before.
    fn live_at_target(&self, arena: &mut Arena<'_>, from: usize, to: usize) -> u16 {
        if to <= from {
            let word = arena.word(self.flow_at(to));
            arena.set(self.flow_at(to), word | BACK);
        }
        self.live_before(arena, to)
    }

    /// The callee reads what it reads, or what its signature names.
    fn read_by_callee(&self, arena: &mut Arena<'_>, from: usize, function: usize) -> u16 {
        let read = match self.global_at(arena, function) {
            Some((_, global)) => arguments(global.arity()),
            None => self.live_at_target(arena, from, function),
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

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "tests may panic")]
mod tests {
    extern crate std;

    use bpf_bytecode::{BpfInsn, BpfProgType};
    use std::vec::Vec;

    use super::{Code, LIVE, bit};
    use crate::HelperTable;
    use crate::arena::{Arena, Words};

    /// Programs of moves, jumps either way, calls and exits: no further pass finds anything else.
    #[test]
    fn what_is_found_is_all() {
        let mut seed = 1_u64;
        let mut below = |end: u8| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            u8::try_from((seed >> 33) % u64::from(end)).unwrap_or(0)
        };
        let mut words = [0_u64; 1000];
        let (mut several, mut tried) = (0, 0);
        for _ in 0..20_000 {
            let mut insns = [BpfInsn::exit(); 16];
            for (pc, insn) in (0_i16..).zip(&mut insns).take(15) {
                let (dst, src) = (below(10), below(10));
                let off = i16::from(below(16)) - pc - 1;
                *insn = match below(8) {
                    0..3 => BpfInsn::mov64_reg(dst, src),
                    3 => BpfInsn::exit(),
                    4 if pc == 4 => BpfInsn::call_local(3),
                    _ => BpfInsn::jeq_imm(dst, 1, off),
                };
            }
            let mut arena = Arena::new(Words::Given(&mut words), 0);
            let found = Code::unexplored(&insns, BpfProgType::SocketFilter, &[], &mut arena);
            let Ok(mut code) = found else { continue };
            let helpers = HelperTable::standard();
            if code.find_functions(&mut arena, &helpers).is_err()
                || code.walk_edges(&mut arena).is_err()
            {
                continue;
            }
            code.find_liveness(&mut arena);
            let first = code.next_with(&arena, 0, bit::JOIN);
            let Some(first) = first else { continue };
            let start = if code.function_count == 1 { first } else { 0 };
            let live = |arena: &Arena<'_>| {
                let all = (0..16).map(|pc| arena.word(code.flow_at(pc)) >> LIVE);
                all.collect::<Vec<_>>()
            };
            let before = live(&arena);
            code.liveness_pass(&mut arena, start);
            assert_eq!(live(&arena), before, "{insns:?}");
            tried += 1;
            several += u32::from(code.turns_back);
        }
        assert!(tried > 1000 && several > 500, "{tried} {several}");
    }
}
