//! Which bytes of its frame a function may still read.
//!
//! Bytes that are accessed by way of R10 itself are *tracked*, eight at a time: what
//! spills registers is of this kind. Of every other register it is found from where on in
//! the frame it may point, at the lowest; an access by way of it, or a call that it is
//! handed to, reads all from there on. What is found says which cells of a state need not
//! be kept. Nothing else rests on it: a state without a cell says less, and whoever reads
//! bytes that are not in a state finds them unwritten.

mod addresses;

use bpf_bytecode::BpfInsn;
use bpf_bytecode::opcode::Class;

use super::{Code, bit, edges};
use crate::HelperTable;
use crate::arena::{Arena, At, Halves, NONE, NoRoom, high, low, pair};
use addresses::Addresses;

/// Bytes of a frame that may be tracked, those next to R10.
const DEPTH: u32 = 512;
/// Bytes of a slot of the stack.
const SLOT: u32 = 8;
/// Slots of the stack of which it is said whether they are live: the lowest ones.
const LIVE_SLOTS: u32 = u32::BITS;
/// Passes over a function before all of its frame is live.
const PASSES: usize = 24;
/// In a slot's word, below the slots of the stack that are live before it: its instruction
/// may access the frame.
const ACCESSES: u64 = 1;
const STACK: u32 = 32;
/// Words of what is kept of a function.
const FRAME_WORDS: u32 = 2;

pub(super) const R10: u8 = 10;
/// The mode of an opcode.
const MODE: u8 = 0xe0;
const ATOMIC: u8 = 0xc0;

/// Bytes that an access has.
const fn size_of_access(code: u8) -> u32 {
    match code & 0x18 {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    }
}

pub(super) const fn is_atomic(code: u8) -> bool {
    matches!(Class::of(code), Class::Stx) && code & MODE == ATOMIC
}

/// Whether an instruction accesses memory by way of R10.
pub(super) const fn accesses_frame(insn: BpfInsn) -> bool {
    match Class::of(insn.code()) {
        Class::Ldx => insn.src() == R10,
        Class::St | Class::Stx => insn.dst() == R10,
        _ => false,
    }
}

/// Half slots, one bit each, of `size` bytes at `off` from R10: those in which some of the
/// bytes lie, and those that they fill. None, where they are too far away.
fn halves_at(off: i32, size: u32) -> Option<(u128, u128)> {
    let from = u32::try_from(off.saturating_add_unsigned(DEPTH)).ok()?;
    let to = from.saturating_add(size);
    if to > DEPTH {
        return None;
    }
    let below = |half: u32| 1_u128.checked_shl(half).map_or(u128::MAX, |bit| bit.wrapping_sub(1));
    let between = |from: u32, to: u32| below(to) & !below(from);
    Some((between(from / 4, to.div_ceil(4)), between(from.div_ceil(4), to / 4)))
}

/// One bit for each pair of bits.
#[allow(clippy::cast_possible_truncation, reason = "the half that is meant")]
const fn pairs(bits: u64) -> u32 {
    let mut bits = (bits | bits.wrapping_shr(1)) & 0x5555_5555_5555_5555;
    bits = (bits | bits.wrapping_shr(1)) & 0x3333_3333_3333_3333;
    bits = (bits | bits.wrapping_shr(2)) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits.wrapping_shr(4)) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits.wrapping_shr(8)) & 0x0000_ffff_0000_ffff;
    (bits | bits.wrapping_shr(16)) as u32
}

/// The tracked bytes of a function's frame.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Frame {
    /// Half slots of which bytes are accessed by way of R10, the lowest one first.
    halves: u128,
    /// Slots of the stack that have such.
    slots: u64,
}

impl Frame {
    #[allow(clippy::cast_possible_truncation, reason = "the half that is meant")]
    fn new(halves: u128) -> Self {
        let (low, high) = (pairs(halves as u64), pairs(halves.wrapping_shr(64) as u64));
        Self { halves, slots: u64::from(low) | u64::from(high).wrapping_shl(32) }
    }

    fn load(arena: &Arena<'_>, at: At) -> Self {
        let (low, high) = (arena.word(at), arena.word(at.saturating_add(1)));
        Self::new(u128::from(low) | u128::from(high).wrapping_shl(64))
    }

    fn store(self, arena: &mut Arena<'_>, at: At) {
        let halves = self.halves.to_le_bytes();
        let (words, _) = halves.as_chunks::<8>();
        for (word, bytes) in arena.slice_mut(at, FRAME_WORDS as usize).iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
    }

    /// The bits of all live slots from the one at `off` from R10 on.
    fn from(self, off: i32) -> u32 {
        let slot = u32::try_from(off.saturating_add_unsigned(DEPTH)).unwrap_or(0) / SLOT;
        let below = self.slots & !u64::MAX.checked_shl(slot).unwrap_or(0);
        u32::MAX.checked_shl(below.count_ones()).unwrap_or(0)
    }

    /// The bits of the slots that have bytes among these half slots.
    #[allow(clippy::cast_possible_truncation, reason = "the half that is meant")]
    fn among(self, halves: u128) -> u32 {
        let (mut rest, mut bits) = (halves & self.halves, 0);
        while rest != 0 {
            let slot = rest.trailing_zeros() / 2;
            let below = self.slots & !u64::MAX.wrapping_shl(slot);
            bits |= 1_u32.checked_shl(below.count_ones()).unwrap_or(0);
            rest &= !3_u128.wrapping_shl(slot.wrapping_mul(2));
        }
        bits
    }

    /// Whether all of `len` bytes at `off` from R10 are tracked, and not `live`.
    pub fn is_dead(self, live: u32, off: i32, len: u32) -> bool {
        let Some((halves, _)) = halves_at(off, len) else { return false };
        if halves & !self.halves != 0 {
            return false;
        }
        let (mut rest, mut dead) = (halves, true);
        while rest != 0 && dead {
            let slot = rest.trailing_zeros() / 2;
            let below = self.slots & !u64::MAX.wrapping_shl(slot);
            let bit = below.count_ones();
            dead = bit < LIVE_SLOTS && live.wrapping_shr(bit) & 1 == 0;
            rest &= !3_u128.wrapping_shl(slot.wrapping_mul(2));
        }
        dead
    }
}

/// What a function does with its frame, as long as it is looked for what is live.
#[derive(Clone, Copy, Default)]
pub(super) struct Flow {
    frame: Frame,
    /// What it accesses by way of other registers than R10.
    used: Addresses,
}

impl Flow {
    /// Slots of the stack that are live before an instruction that may access the frame,
    /// those that are `after` it being live.
    pub fn before(&self, insn: BpfInsn, after: u32) -> u32 {
        let code = insn.code();
        match Class::of(code) {
            Class::Ldx => after | self.read(insn.src(), insn),
            Class::Stx if is_atomic(code) => {
                after | self.read(insn.dst(), insn) | self.read(insn.src(), insn)
            }
            Class::St | Class::Stx if insn.dst() == R10 => {
                let found = halves_at(insn.off().into(), size_of_access(code));
                let filled = found.map_or(0, |(_, filled)| filled);
                // What is written in part alone still is what it was.
                let left = self.frame.among(self.frame.halves & !filled);
                after & !(self.frame.among(filled) & !left)
            }
            // What is written anywhere is not read.
            Class::St | Class::Stx => after,
            _ => after | self.handed(),
        }
    }

    /// What an access by way of a register may read.
    fn read(&self, base: u8, insn: BpfInsn) -> u32 {
        if base == R10 {
            let found = halves_at(insn.off().into(), size_of_access(insn.code()));
            return found.map_or(0, |(touched, _)| self.frame.among(touched));
        }
        self.used.lowest_by(base).map_or(0, |lowest| self.frame.from(lowest))
    }

    /// What a call may read.
    pub fn handed(&self) -> u32 {
        self.used.lowest_handed().map_or(0, |lowest| self.frame.from(lowest))
    }
}

/// What is found of a program.
#[derive(Clone, Copy)]
pub(super) struct Frames {
    /// What is tracked of each function's frame.
    tracked: At,
    /// Beside each point, which slots of the stack are live there.
    live: Halves,
    /// Whether some instruction accesses memory by way of R10.
    used: bool,
}

impl Frames {
    pub const EMPTY: Self = Self { tracked: NONE, live: Halves::EMPTY, used: false };

    /// The program has these slots.
    pub fn note(&mut self, insns: &[BpfInsn]) {
        self.used = insns.iter().any(|insn| accesses_frame(*insn));
    }
}

impl Code<'_> {
    fn frame_at(&self, function: u32) -> At {
        self.frames.tracked.saturating_add(function.saturating_mul(FRAME_WORDS))
    }

    /// Finds which slots of the stack are live where paths join. The words of all slots of the
    /// program serve for that, and are given back, but for those of what was found.
    pub(super) fn find_stacks(
        &mut self,
        arena: &mut Arena<'_>,
        helpers: &HelperTable<'_>,
    ) -> Result<(), NoRoom> {
        let words = self.insns.len();
        if self.frames.used {
            let frames = (self.function_count as usize).saturating_mul(FRAME_WORDS as usize);
            self.frames.tracked = arena.alloc_for_good(frames)?;
            arena.slice_mut(self.flow, words).fill(0);
            for function in 0..self.function_count {
                let extent =
                    (self.function_start(arena, function), self.function_end(arena, function));
                let (halves, used) = self.find_addresses(arena, helpers, extent);
                let flow = Flow { frame: Frame::new(halves), used };
                self.settle_stacks(arena, &flow, extent);
                flow.frame.store(arena, self.frame_at(function));
            }
            self.frames.live = self.keep_stacks(arena);
        }
        arena.cut(self.flow, words, self.frames.live.words());
        Ok(())
    }

    /// Goes backwards over a function until nothing changes; where that takes too long, all
    /// is live.
    fn settle_stacks(&self, arena: &mut Arena<'_>, flow: &Flow, extent: (usize, usize)) {
        let found = (0..PASSES).any(|_| !self.stack_pass(arena, flow, extent));
        let (mut from, end) = extent;
        while let Some(pc) = self.next_with(arena, from, bit::JOIN).filter(|pc| *pc < end) {
            let word = arena.word(self.flow_at(pc));
            // What a call was handed is kept as long as it lasts.
            let call = pc.checked_sub(1).filter(|call| self.slot(*call).is_call());
            let is_handed = |call| arena.word(self.flow_at(call)) & ACCESSES != 0;
            let handed = if call.is_some_and(is_handed) { flow.handed() } else { 0 };
            let live = if found { handed } else { u32::MAX };
            arena.set(self.flow_at(pc), word | u64::from(live).wrapping_shl(STACK));
            from = pc.saturating_add(1);
        }
    }

    /// One pass; whether anything changed.
    fn stack_pass(&self, arena: &mut Arena<'_>, flow: &Flow, extent: (usize, usize)) -> bool {
        let (start, end) = extent;
        let (mut changed, mut live) = (false, 0);
        for pc in (start..end).rev() {
            if self.has(arena, pc, bit::SECOND) {
                continue;
            }
            let (insn, word) = (self.slot(pc), arena.word(self.flow_at(pc)));
            if insn.is_jump_class() {
                let (first, second) = edges::successors(pc, insn);
                let after = |pc: Option<usize>| pc.map_or(0, |pc| self.stack_before(arena, pc));
                live = after(first) | after(second);
            }
            if word & ACCESSES != 0 {
                live = flow.before(insn, live);
            }
            if high(word) != live {
                arena.set(self.flow_at(pc), pair(low(word), live));
                changed = true;
            }
        }
        changed
    }

    /// Slots of the stack that are live before a slot.
    fn stack_before(&self, arena: &Arena<'_>, pc: usize) -> u32 {
        if pc >= self.insns.len() { u32::MAX } else { high(arena.word(self.flow_at(pc))) }
    }

    /// The instruction at a slot may access the frame of its function.
    fn note_frame_access(&self, arena: &mut Arena<'_>, pc: usize) {
        let word = arena.word(self.flow_at(pc));
        arena.set(self.flow_at(pc), word | ACCESSES);
    }

    /// Puts what is live where states are compared into the place of the words of all slots,
    /// one behind the other.
    fn keep_stacks(&self, arena: &mut Arena<'_>) -> Halves {
        let kept = Halves::at(self.flow, self.count_with(arena, bit::JOIN));
        let (mut from, mut index) = (0, 0_usize);
        while let Some(pc) = self.next_with(arena, from, bit::JOIN) {
            let live = self.stack_before(arena, pc);
            kept.set(arena, index, live);
            (from, index) = (pc.saturating_add(1), index.saturating_add(1));
        }
        kept
    }

    /// The tracked bytes of the frame of the function that a slot belongs to, and which of
    /// them are live where states are compared there.
    pub fn frame(&self, arena: &Arena<'_>, pc: usize) -> Option<(Frame, u32)> {
        if self.frames.live.is_empty() {
            return None;
        }
        let point = self.point(arena, pc)?;
        let live = self.frames.live.get(arena, point.saturating_sub(self.points) as usize);
        if live == u32::MAX {
            return None;
        }
        Some((Frame::load(arena, self.frame_at(self.function_of(arena, pc))), live))
    }
}
