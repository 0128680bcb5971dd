//! The structure of a program: functions, edges, join points, live registers.
//!
//! All of it is found before any path is walked, in time linear in the
//! program's length, and kept in half a word per slot, a few words per function, and
//! one or two for each place where paths join. The passes read the fields of slots, which
//! is several times as fast as to decode these: every program was decoded as it was built,
//! and whatever a path comes to is decoded again.

mod calls;
mod edges;
// Whether bytes of the stack that nobody reads any longer are forgotten: where memory is fixed.
#[cfg(feature = "embedded-profile")]
mod frames;
#[cfg(feature = "cloud-profile")]
#[path = "cfg/no_frames.rs"]
mod frames;
mod functions;
mod global;
mod liveness;
mod loops;
mod slots;

use bpf_bytecode::abi::global::GlobalFunction;
use bpf_bytecode::instruction::{DecodeError, Instruction, jump_target};
use bpf_bytecode::{BpfInsn, BpfProgType};

use crate::HelperTable;
use crate::arena::{Arena, At, Halves, NONE, NoRoom, high, low, pair};
use crate::error::{VerifyError, VerifyErrorKind};
use crate::meter::Meter;
use crate::policy::StackPolicy;
use crate::verified::InsnFact;

pub(crate) use calls::Chain;
pub(crate) use global::{Effects, Progress};
pub(crate) use loops::{Differences, Loop};
pub(crate) use slots::Known;
use slots::bit;

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
    slots: Halves,
    /// A word for each slot, until it is known what is live; see [`liveness`].
    flow: At,
    functions: At,
    function_count: u32,
    points: At,
    point_count: u32,
    /// The first point of each run of slots.
    runs: Halves,
    /// The record of the innermost loop around each point, where there are loops.
    nests: Halves,
    loops: At,
    loop_count: u32,
    frames: frames::Frames,
    /// Whether some edge leads backwards.
    turns_back: bool,
    /// Instructions that lead elsewhere: jumps, calls, and loads of functions' addresses.
    turns: usize,
    /// Whether some instruction names a function of the program.
    names_functions: bool,
    /// Whether a loop passes somewhere whose rounds no number in the program bounds.
    has_rounds: bool,
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
        let mut code = Self::unexplored(insns, prog_type, globals, arena)?;
        code.find_functions(arena, helpers)?;
        code.mark_globals(arena);
        code.walk_edges(arena)?;
        code.find_liveness(arena);
        code.find_stacks(arena, helpers)?;
        code.make_points(arena)?;
        code.find_loops(arena)?;
        Ok(code)
    }

    /// The code, of which nothing is known yet.
    fn unexplored(
        insns: &'p [BpfInsn],
        prog_type: BpfProgType,
        globals: &'p [GlobalFunction],
        arena: &mut Arena<'_>,
    ) -> Result<Self, NoRoom> {
        let slots = Halves::new(arena, insns.len())?;
        let flow = arena.alloc(insns.len())?;
        arena.slice_mut(flow, insns.len()).fill(0);
        Ok(Self {
            insns,
            prog_type,
            globals,
            slots,
            flow,
            functions: NONE,
            function_count: 0,
            points: NONE,
            point_count: 0,
            runs: Halves::EMPTY,
            nests: Halves::EMPTY,
            loops: NONE,
            loop_count: 0,
            frames: frames::Frames::EMPTY,
            turns_back: false,
            turns: 0,
            names_functions: false,
            has_rounds: false,
        })
    }

    /// The fields of a slot; behind the last one, those of an end.
    fn slot(&self, pc: usize) -> BpfInsn {
        self.insns.get(pc).copied().unwrap_or(END)
    }

    /// Where the jump at a slot leads; behind the slot, where it is none.
    pub fn jump_target(&self, pc: usize) -> usize {
        let target = self.slot(pc).jump_offset().and_then(|off| jump_target(pc, off));
        target.unwrap_or(pc.saturating_add(1))
    }

    /// The instruction at a slot.
    #[inline(never)]
    pub fn insn(&self, pc: usize) -> Result<Instruction, DecodeError> {
        Instruction::decode(self.insns, pc)
    }

    /// Whether a loop passes here in every round, and what bounds the rounds is
    /// no number in the program.
    pub fn is_round_head(&self, arena: &Arena<'_>, pc: usize) -> bool {
        self.has(arena, pc, bit::ROUND)
    }

    /// Whether there is such a place at all.
    pub const fn has_rounds(&self) -> bool {
        self.has_rounds
    }

    /// Every place where states are kept.
    pub fn points(&self) -> core::ops::Range<At> {
        self.points..self.points.saturating_add(self.point_count)
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
