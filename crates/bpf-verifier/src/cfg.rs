//! The structure of a program: functions, edges, join points, live registers.
//!
//! All of it is found before any path is walked, in time linear in the
//! program's length, and kept in one word per slot and a few per function. The
//! first pass decodes every instruction; those behind it read the fields of the
//! slots, which is several times as fast.

mod calls;
mod edges;
mod functions;
mod global;
mod liveness;
mod loops;

use bpf_bytecode::abi::global::GlobalFunction;
use bpf_bytecode::instruction::Instruction;
use bpf_bytecode::{BpfInsn, BpfProgType};

use crate::HelperTable;
use crate::arena::{Arena, At, NONE, NoRoom, high, low, pair};
use crate::error::{VerifyError, VerifyErrorKind};
use crate::meter::Meter;
use crate::policy::StackPolicy;
use crate::verified::InsnFact;

pub(crate) use calls::Chain;
pub(crate) use global::{Effects, Progress};
pub(crate) use loops::Loop;

/// Why the structure could not be found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CfgError {
    Rejected(VerifyError),
    NoRoom(NoRoom),
}

impl From<NoRoom> for CfgError {
    fn from(error: NoRoom) -> Self {
        Self::NoRoom(error)
    }
}

pub(crate) fn reject<T>(kind: VerifyErrorKind, pc: usize) -> Result<T, CfgError> {
    Err(CfgError::Rejected(VerifyError::new(kind, slot_number(pc))))
}

/// A slot's index as it appears in errors.
pub(crate) fn slot_number(pc: usize) -> u32 {
    u32::try_from(pc).unwrap_or(u32::MAX)
}

/// What is known of a slot, as bits of its word above the low half. That names
/// its point; until there are points, it has what the instruction reads in its
/// low ten bits and what it writes in the ten above.
mod bit {
    /// Ten bits: registers that are live before the instruction.
    pub const LIVE: u32 = 32;
    /// The second half of an instruction.
    pub const SECOND: u64 = 1 << 42;
    /// The first slot of a function.
    pub const FUNCTION: u64 = 1 << 43;
    /// Some path of the graph leads here.
    pub const REACHED: u64 = 1 << 44;
    /// An edge leads here.
    pub const ENTERED: u64 = 1 << 45;
    /// States are compared here: several edges, or returns, lead here.
    pub const JOIN: u64 = 1 << 46;
    /// The head of a loop whose rounds are bounded otherwise.
    pub const ROUND: u64 = 1 << 47;
    /// The head of a loop: flow comes back here.
    pub const HEAD: u64 = 1 << 48;
    /// The first slot of a function whose result matters to somebody.
    pub const RESULT: u64 = 1 << 49;
    /// Five bits: what the instruction was found to access.
    pub const FACT: u32 = 52;
}

/// Stands behind the last slot.
const END: BpfInsn = BpfInsn::exit();

/// All registers.
const ALL_LIVE: u16 = 0x3ff;

/// Words of a function's record: first slot and stack depth; bytes and frames
/// of the deepest chain that begins here; two for walks over the call graph; two
/// and a cost for what is verified apart.
const FUNCTION_WORDS: u32 = 6 + Meter::WORDS;

/// A program with what is known of its structure.
pub(crate) struct Code<'p> {
    pub insns: &'p [BpfInsn],
    pub prog_type: BpfProgType,
    /// Functions that are verified apart.
    globals: &'p [GlobalFunction],
    slots: At,
    functions: At,
    function_count: u32,
    points: At,
    point_count: u32,
    /// A word for each point: the head of the loop around it, or its own record.
    nests: At,
    loops: At,
    loop_count: u32,
    /// Whether some edge leads backwards.
    turns_back: bool,
}

impl<'p> Code<'p> {
    /// Finds the structure of a program, or what is wrong with it.
    pub fn new(
        insns: &'p [BpfInsn],
        prog_type: BpfProgType,
        globals: &'p [GlobalFunction],
        helpers: &HelperTable<'_>,
        arena: &mut Arena<'_>,
    ) -> Result<Self, CfgError> {
        let slots = arena.alloc(insns.len())?;
        arena.slice_mut(slots, insns.len()).fill(0);
        let mut code = Self {
            insns,
            prog_type,
            globals,
            slots,
            functions: NONE,
            function_count: 0,
            points: NONE,
            point_count: 0,
            nests: NONE,
            loops: NONE,
            loop_count: 0,
            turns_back: false,
        };
        code.find_functions(arena, helpers)?;
        code.mark_globals(arena);
        code.walk_edges(arena, helpers)?;
        code.find_liveness(arena);
        code.make_points(arena)?;
        code.find_loops(arena)?;
        Ok(code)
    }

    fn at(&self, pc: usize) -> At {
        self.slots.saturating_add(slot_number(pc))
    }

    fn has(&self, arena: &Arena<'_>, pc: usize, flag: u64) -> bool {
        pc < self.insns.len() && arena.word(self.at(pc)) & flag != 0
    }

    fn mark(&self, arena: &mut Arena<'_>, pc: usize, flag: u64) {
        if pc < self.insns.len() {
            let word = arena.word(self.at(pc));
            arena.set(self.at(pc), word | flag);
        }
    }

    /// The first slot from `from` on that has a flag.
    fn next_with(&self, arena: &Arena<'_>, from: usize, flag: u64) -> Option<usize> {
        let rest = arena.slice(self.slots, self.insns.len()).get(from..)?;
        Some(from.saturating_add(rest.iter().position(|word| word & flag != 0)?))
    }

    /// How many slots have a flag.
    fn count_with(&self, arena: &Arena<'_>, flag: u64) -> usize {
        let words = arena.slice(self.slots, self.insns.len());
        words.iter().filter(|word| **word & flag != 0).count()
    }

    /// Whether the slot is the second half of an instruction.
    fn is_second(&self, arena: &Arena<'_>, pc: usize) -> bool {
        self.has(arena, pc, bit::SECOND)
    }

    /// The fields of a slot; behind the last one, those of an end.
    fn slot(&self, pc: usize) -> BpfInsn {
        self.insns.get(pc).copied().unwrap_or(END)
    }

    /// The instruction at a slot.
    pub fn insn(&self, pc: usize) -> Result<Instruction, VerifyErrorKind> {
        Instruction::decode(self.insns, pc).map_err(VerifyErrorKind::InvalidInstruction)
    }

    /// Where states at a slot are kept; none, where they are not compared.
    pub fn point(&self, arena: &Arena<'_>, pc: usize) -> Option<At> {
        if pc >= self.insns.len() {
            return None;
        }
        let point = low(arena.word(self.at(pc)));
        (point != NONE).then_some(point)
    }

    /// Whether a loop passes here in every round, and what bounds the rounds is
    /// no number in the program.
    pub fn is_round_head(&self, arena: &Arena<'_>, pc: usize) -> bool {
        self.has(arena, pc, bit::ROUND)
    }

    /// Every place where states are kept.
    pub fn points(&self) -> core::ops::Range<At> {
        self.points..self.points.saturating_add(self.point_count)
    }

    /// Registers that are live before the instruction at a slot.
    #[allow(clippy::cast_possible_truncation, reason = "masked")]
    pub fn live(&self, arena: &Arena<'_>, pc: usize) -> u16 {
        if pc >= self.insns.len() {
            return ALL_LIVE;
        }
        (arena.word(self.at(pc)).wrapping_shr(bit::LIVE) as u16) & ALL_LIVE
    }

    fn set_live(&self, arena: &mut Arena<'_>, pc: usize, live: u16) {
        let at = self.at(pc);
        let rest = arena.word(at) & !u64::from(ALL_LIVE).wrapping_shl(bit::LIVE);
        arena.set(at, rest | u64::from(live).wrapping_shl(bit::LIVE));
    }

    /// What the instruction at a slot was found to access.
    pub fn fact(&self, arena: &Arena<'_>, pc: usize) -> InsnFact {
        if pc >= self.insns.len() {
            return InsnFact::Unreached;
        }
        InsnFact::from_bits(arena.word(self.at(pc)).wrapping_shr(bit::FACT) & 0x1f)
    }

    /// Notes that the instruction at a slot is reached.
    pub fn reach(&self, arena: &mut Arena<'_>, pc: usize) {
        if pc >= self.insns.len() {
            return;
        }
        let at = self.at(pc);
        let word = arena.word(at);
        if word.wrapping_shr(bit::FACT) & 0x1f == InsnFact::Unreached.to_bits() {
            arena.set(at, word | InsnFact::Plain.to_bits().wrapping_shl(bit::FACT));
        }
    }

    /// Notes what the instruction at a slot was found to access.
    pub fn set_fact(&self, arena: &mut Arena<'_>, pc: usize, fact: InsnFact) {
        if pc < self.insns.len() {
            let at = self.at(pc);
            let rest = arena.word(at) & !0x1f_u64.wrapping_shl(bit::FACT);
            arena.set(at, rest | fact.to_bits().wrapping_shl(bit::FACT));
        }
    }

    fn function_at(&self, index: u32) -> At {
        self.functions.saturating_add(index.saturating_mul(FUNCTION_WORDS))
    }

    /// First slot of a function.
    pub fn function_start(&self, arena: &Arena<'_>, index: u32) -> usize {
        low(arena.word(self.function_at(index))) as usize
    }

    /// The slot behind a function's last.
    fn function_end(&self, arena: &Arena<'_>, index: u32) -> usize {
        let next = index.saturating_add(1);
        if next < self.function_count { self.function_start(arena, next) } else { self.insns.len() }
    }

    /// The function that a slot belongs to.
    pub fn function_of(&self, arena: &Arena<'_>, pc: usize) -> u32 {
        let (mut from, mut to) = (0, self.function_count);
        while from < to {
            let middle = from.midpoint(to);
            if self.function_start(arena, middle) <= pc {
                from = middle.saturating_add(1);
            } else {
                to = middle;
            }
        }
        from.saturating_sub(1)
    }

    /// Whether the function that a slot belongs to takes the address of
    /// `function`; if so, the slots that were looked at.
    pub fn address_taken(&self, arena: &Arena<'_>, pc: usize, function: u32) -> Option<u64> {
        let taker = self.function_of(arena, pc);
        let start = self.function_start(arena, taker);
        let target = self.function_start(arena, function);
        let (mut at, end) = (start, self.function_end(arena, taker));
        while at < end {
            let insn = self.slot(at);
            if functions::function_named(at, insn) == Some(target) {
                return Some(at.saturating_sub(start) as u64);
            }
            at = at.saturating_add(insn.slots());
        }
        None
    }

    /// Notes that a function uses `bytes` bytes of stack.
    pub fn note_depth(&self, arena: &mut Arena<'_>, function: u32, bytes: u32) {
        let at = self.function_at(function);
        let word = arena.word(at);
        if bytes > high(word) {
            arena.set(at, pair(low(word), bytes));
        }
    }

    /// Slots of the program that some path was found to execute.
    pub fn walked(&self, arena: &Arena<'_>) -> usize {
        let all = 0..self.insns.len();
        all.filter(|&pc| self.fact(arena, pc) != InsnFact::Unreached).count()
    }

    /// The deepest chain of calls, checked against the policy.
    pub fn deepest_chain(
        &self,
        arena: &mut Arena<'_>,
        policy: &StackPolicy,
    ) -> Result<Chain, CfgError> {
        self.walk_calls(arena, policy)
    }
}
