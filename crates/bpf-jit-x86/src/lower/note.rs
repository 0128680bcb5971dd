//! What each slot of a program does to registers that was verified, and which of them are
//! read behind it.
//!
//! One pass from the last slot to the first. What leads back to the start of a loop is told
//! what is read there when it is known, and so are those in front of it.

use core::cell::Cell;
use core::mem;

use bpf_bytecode::BpfInsn;
use bpf_verifier::InsnFact;

use super::{Effect, Lowered, Op, Registers, Step, Transfer, Turn, index, reserve};
use super::{shape, translate};
use crate::error::CompileError;

/// What is known of a slot.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// What it reads and writes, and how control comes there.
    pub effect: Effect,
    /// Registers that are read at it or behind it. Of a slot to come, this and `behind` are the
    /// two halves of the number of the first transfer there, all bits where there is none.
    live: u16,
    /// Registers that are read behind it.
    behind: u16,
}

/// Where a loop begins, and the number of the transfer to it that was noted first: what comes
/// behind that in the list is in the loop, or in front of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    slot: usize,
    first: usize,
}

/// How often a slot is told of more that is read, in the mean, before all registers count as
/// read everywhere.
const VISITS: usize = 12;

impl Note {
    /// Of a slot to come.
    const TO_COME: Self = Self { effect: Effect::NONE, live: u16::MAX, behind: u16::MAX };

    #[inline(always)]
    pub(super) fn new(effect: Effect, live: Registers, behind: Registers) -> Self {
        Self { effect, live: to_u16(live), behind: to_u16(behind) }
    }

    /// Registers that are read at the slot or behind it.
    #[inline(always)]
    pub fn live(&self) -> Registers {
        Registers(self.live.into())
    }

    /// Registers that are read behind it.
    #[inline(always)]
    pub fn behind(&self) -> Registers {
        Registers(self.behind.into())
    }

    /// With more that is read at the slot or behind it, and behind it.
    #[inline(always)]
    fn and_read(self, live: Registers, behind: Registers) -> Self {
        Self::new(self.effect, self.live().with(live), self.behind().with(behind))
    }

    /// Of one to come, with a transfer that leads there, of a number.
    #[inline(always)]
    fn with_transfer(self, effect: Effect, number: usize) -> Self {
        let known = self.first();
        let first = if known == u32::MAX { low(number) } else { known };
        let [l0, l1, b0, b1] = first.to_le_bytes();
        let (live, behind) = (u16::from_le_bytes([l0, l1]), u16::from_le_bytes([b0, b1]));
        Self { effect: self.effect.with(effect), live, behind }
    }

    /// Of one to come the number of the first transfer there.
    #[inline(always)]
    fn first(self) -> u32 {
        let [l0, l1] = self.live.to_le_bytes();
        let [b0, b1] = self.behind.to_le_bytes();
        u32::from_le_bytes([l0, l1, b0, b1])
    }
}

/// The first slot that is noted, the effects of those that were last, and what is read at it.
type Front = (usize, Effect, Registers);

/// What is noted so far.
struct Noted<'n> {
    notes: &'n [Cell<Note>],
    /// The first slot that is.
    first: usize,
    /// How often slots may be told of more.
    visits: usize,
}

impl Noted<'_> {
    fn at(&self, slot: usize) -> Note {
        self.notes
            .get(slot)
            .map_or(Note::new(Effect::NONE, Registers::ALL, Registers::ALL), Cell::get)
    }

    /// Registers that are read at or behind a slot, as far as it is known.
    fn live_at(&self, slot: u32) -> Registers {
        let slot = index(slot);
        if slot < self.first { Registers::NONE } else { self.at(slot).live() }
    }

    /// Notes that control comes to a slot from another, by a transfer of this number. What is
    /// read there, as far as it is known.
    #[inline(always)]
    fn join(&self, from: usize, to: u32, number: usize) -> Registers {
        let Some(own) = self.notes.get(index(to)) else { return Registers::ALL };
        let (note, joined) = (own.get(), Effect::joined(from, index(to)));
        if joined.is_looped() {
            own.set(note.with_transfer(joined, number));
            return Registers::NONE;
        }
        own.set(Note { effect: note.effect.and_joined(joined), ..note });
        note.live()
    }

    /// What is read behind a slot from which control goes and at it, where `next` is read at
    /// the next one.
    fn around(&self, effect: Effect, turn: Turn, next: Registers) -> (Registers, Registers) {
        let behind = match turn {
            Turn::Jump(target) => self.live_at(target),
            Turn::Perhaps(target) => next.with(self.live_at(target)),
            Turn::End => Registers::NONE,
            Turn::On | Turn::Call(_) => next,
        };
        let live = match turn {
            // What it writes is not what is read by what it calls.
            Turn::Call(target) => behind.without(effect.writes()).with(self.live_at(target)),
            Turn::On => behind.without(effect.writes()),
            Turn::Jump(_) | Turn::Perhaps(_) | Turn::End => behind,
        };
        (behind, live.with(effect.reads()))
    }

    fn set(&self, slot: usize, note: Note) {
        if let Some(own) = self.notes.get(slot) {
            own.set(note);
        }
    }
}

impl Lowered<'_> {
    /// Notes all slots of a program that was verified.
    pub(super) fn proven(&mut self) -> Result<(), CompileError> {
        let insns = self.insns;
        reserve(&mut self.notes, insns.len())?;
        let mut notes = mem::take(&mut self.notes);
        notes.resize(insns.len(), Note::TO_COME);
        let cells = Cell::from_mut(notes.as_mut_slice()).as_slice_of_cells();
        let visits = insns.len().saturating_mul(VISITS);
        let mut noted = Noted { notes: cells, first: insns.len(), visits };
        let (mut next, mut together) = (Registers::ALL, Effect::NONE);
        loop {
            let (slot, effect, all);
            (slot, next, all) = self.note_plain(&noted, next);
            noted.first = slot;
            let Some(slot) = slot.checked_sub(1) else {
                together = together.with(all);
                break;
            };
            (noted.first, effect, next) = if let Some(found) = self.note_turn(&noted, slot, next)? {
                found
            } else if let Some(found) = self.note_number(&noted, slot, next) {
                found
            } else {
                self.note(&mut noted, slot, next)?
            };
            together = together.with(all).with(effect);
        }
        if noted.visits == 0 {
            // There is no end to it: everything counts as read.
            for own in cells {
                own.set(Note::new(own.get().effect, Registers::ALL, Registers::ALL));
            }
        }
        (self.notes, self.together) = (notes, together);
        self.transfers.reverse();
        self.find_tails()
    }

    /// Notes slots in front of those that are, up to one that turns, has no shape or begins a
    /// loop, where `next` are the registers that are read behind the last: how many are left,
    /// what is read behind these, and all effects. Nothing is called here, so that all is at
    /// hand.
    #[inline(always)]
    fn note_plain(&self, noted: &Noted<'_>, mut next: Registers) -> (usize, Registers, Effect) {
        let (first, mut together) = (noted.first, Effect::NONE);
        let (Some(insns), Some(facts), Some(own)) =
            (self.insns.get(..first), self.facts.get(..first), noted.notes.get(..first))
        else {
            return (first, next, together);
        };
        let mut left = first;
        for ((insn, fact), own) in insns.iter().zip(facts).zip(own).rev() {
            let Some(shape) = shape::of(*insn) else { break };
            // Nothing else than a loop that begins there is known yet.
            let begins = own.get().effect;
            if shape.is_notable(begins) || !shape.fits(*insn) || !shape::is_ordinary(*fact) {
                break;
            }
            let effect = shape.effect(*insn);
            let live = effect.in_front(next);
            own.set(Note::new(effect, live, next));
            (next, together) = (live, together.with(effect));
            left = left.wrapping_sub(1);
        }
        (left, next, together)
    }

    /// Notes the slot in front of those that are, if all that it does is to lead on, as most do
    /// that turn.
    #[inline(always)]
    fn note_turn(
        &mut self,
        noted: &Noted<'_>,
        slot: usize,
        next: Registers,
    ) -> Result<Option<Front>, CompileError> {
        let (Some(insn), Some(fact), Some(own)) =
            (self.insns.get(slot), self.facts.get(slot), noted.notes.get(slot))
        else {
            return Ok(None);
        };
        let Some(shape) = shape::of(*insn).filter(|shape| shape.leads_on(own.get().effect, *fact))
        else {
            return Ok(None);
        };
        let effect = shape.effect(*insn);
        let mut behind = Registers::NONE;
        if effect.names_slot() {
            let from = low(slot);
            let to = translate::named(from, *insn);
            if to == from {
                return Ok(None);
            }
            let there = noted.join(slot, to, self.transfers.len());
            self.note_transfer(Transfer { from, to, calls: false })?;
            // A branch compares.
            behind = if effect.reads().is_empty() { there } else { next.with(there) };
        }
        // What turns writes nothing.
        let note = Note::new(effect, behind.with(effect.reads()), behind);
        own.set(note);
        Ok(Some((slot, effect, note.live())))
    }

    /// Notes the two slots in front of those that are, if they load a number of 64 bits and no
    /// loop begins with that.
    #[inline(always)]
    fn note_number(&self, noted: &Noted<'_>, second: usize, next: Registers) -> Option<Front> {
        let slot = second.checked_sub(1)?;
        let [insn, half] = *self.insns.get(slot..)?.first_chunk()?;
        let [own, behind] = noted.notes.get(slot..)?.first_chunk()?;
        let known = shape::is_second_half(half) && shape::is_number(insn);
        let reached = *self.facts.get(slot)? != InsnFact::Unreached;
        if !known || !reached || own.get().effect.is_looped() {
            return None;
        }
        behind.set(Note::new(Effect::SECOND_HALF, next, next));
        let effect = shape::number(insn).with(Effect::SPECIALLY);
        let live = effect.in_front(next);
        own.set(Note::new(effect, live, next));
        Some((slot, effect.with(Effect::SECOND_HALF), live))
    }

    /// Notes the slot in front of those that are.
    #[inline(always)]
    fn note(
        &mut self,
        noted: &mut Noted<'_>,
        slot: usize,
        next: Registers,
    ) -> Result<Front, CompileError> {
        let insn = self.insns.get(slot).copied().unwrap_or_default();
        let fact = self.facts.get(slot).copied().unwrap_or(InsnFact::Unreached);
        let (effect, behind, live) = match shape::find(insn) {
            Some(shape) if shape::is_ordinary(fact) => {
                let effect = shape.effect(insn);
                let behind = self.behind(noted, slot, (insn, effect), next)?;
                // What turns writes nothing.
                (effect, behind, effect.in_front(behind))
            }
            _ if shape::is_second_half(insn) => (Effect::SECOND_HALF, next, next),
            _ => self.note_special(noted, slot, next)?,
        };
        // It may lead to itself.
        let known = noted.at(slot);
        let note = Note::new(effect.with(known.effect), live, behind);
        noted.set(slot, note);
        noted.first = slot;
        if !note.effect.is_looped() {
            return Ok((slot, effect, live));
        }
        reserve(&mut self.heads, 1)?;
        let first = index(known.first());
        self.heads.push(Head { slot, first });
        self.tell_loop(noted, first);
        Ok((slot, effect, noted.at(slot).live()))
    }

    /// What is read behind a slot that has a shape, where `next` is read at the next one.
    #[inline(always)]
    fn behind(
        &mut self,
        noted: &Noted<'_>,
        slot: usize,
        (insn, effect): (BpfInsn, Effect),
        next: Registers,
    ) -> Result<Registers, CompileError> {
        if !effect.turns() {
            return Ok(next);
        }
        if !effect.names_slot() {
            return Ok(Registers::NONE);
        }
        let to = translate::named(to_u32(slot), insn);
        self.leads(noted, slot, to, false)?;
        let there = noted.live_at(to);
        // A branch compares.
        Ok(if effect.reads().is_empty() { there } else { next.with(there) })
    }

    /// The effect of a slot that has no shape, and what is read behind it and at it.
    #[inline(never)]
    fn note_special(
        &mut self,
        noted: &Noted<'_>,
        slot: usize,
        next: Registers,
    ) -> Result<(Effect, Registers, Registers), CompileError> {
        let fact = self.facts.get(slot).copied().unwrap_or(InsnFact::Unreached);
        let (effect, op) = self.special_effect(slot, fact);
        if let Op::FunctionReference { slot: to, .. } = op {
            self.leads(noted, slot, to, true)?;
        }
        let turn = op.turn();
        match turn {
            Turn::Jump(to) | Turn::Perhaps(to) => self.leads(noted, slot, to, false)?,
            Turn::Call(to) => self.leads(noted, slot, to, true)?,
            Turn::On | Turn::End => {}
        }
        let (behind, live) = noted.around(effect, turn, next);
        Ok((effect, behind, live))
    }

    /// The effect and the operation of a slot of which it takes more than the instruction to
    /// say what it does.
    fn special_effect(&mut self, at: usize, fact: InsnFact) -> (Effect, Op) {
        let pc = to_u32(at);
        let insn = self.insns.get(at).copied().unwrap_or_default();
        if shape::is_second_half(insn) {
            return (Effect::SECOND_HALF, Op::Nothing);
        }
        // What most of these are is told from the opcode, and what they do is asked later.
        if fact != InsnFact::Unreached {
            if let Some(effect) = shape::arithmetic(insn) {
                return (effect.with(Effect::SPECIALLY), Op::Nothing);
            }
            if shape::is_local_call(insn) {
                let target = translate::target(pc, insn.imm());
                return (Effect::CALLS.with(Effect::SPECIALLY), Op::Call { target });
            }
            if shape::is_number(insn) {
                return (shape::number(insn).with(Effect::SPECIALLY), Op::Nothing);
            }
        }
        if matches!(fact, InsnFact::ContextPointer(_)) && shape::is_load(insn) {
            self.addressed = self.addressed.max(at.saturating_add(1));
            return (shape::number(insn).with(Effect::SPECIALLY), Op::Nothing);
        }
        let mut op = translate::proven(pc, insn, self.insns, fact, &self.maps);
        match op {
            Op::MapReference { index, .. } => self.maps.make_link(index),
            Op::MapValueAddress { index, off, .. } => {
                self.maps.make_link_to_byte(index, off);
                op = translate::proven(pc, insn, self.insns, fact, &self.maps);
            }
            _ => {}
        }
        (Effect::of(op).with(Effect::SPECIALLY), op)
    }

    /// Notes which slot an instruction names, and whether a function begins there.
    #[inline(always)]
    fn leads(
        &mut self,
        noted: &Noted<'_>,
        from: usize,
        to: u32,
        calls: bool,
    ) -> Result<(), CompileError> {
        noted.join(from, to, self.transfers.len());
        self.note_transfer(Transfer { from: to_u32(from), to, calls })
    }

    #[inline(always)]
    fn note_transfer(&mut self, transfer: Transfer) -> Result<(), CompileError> {
        if self.transfers.len() == self.transfers.capacity() {
            reserve(&mut self.transfers, 1)?;
        }
        self.transfers.push(transfer);
        Ok(())
    }

    /// Tells what is read at the start of a loop to those that lead there, to those in front of
    /// them, and so on.
    #[inline(never)]
    fn tell_loop(&self, noted: &mut Noted<'_>, first: usize) {
        let mut number = first;
        while let Some(transfer) = self.transfers.get(number).filter(|_| noted.visits != 0) {
            number = number.wrapping_add(1);
            if let Some(first) = self.tell(noted, *transfer) {
                number = number.min(first);
            }
        }
    }

    /// The number of the transfer to the start of a loop that was noted first.
    fn first_of(&self, head: usize) -> Option<usize> {
        let known = self.heads.partition_point(|known| known.slot > head);
        self.heads.get(known).map(|head| head.first)
    }

    /// Tells what is read at a slot to an instruction that names it, and to those in front. The
    /// first transfer of the loops at whose start this is more than was known.
    #[inline(always)]
    fn tell(&self, noted: &mut Noted<'_>, Transfer { from, to, calls }: Transfer) -> Option<usize> {
        let there = noted.live_at(to);
        let (own, in_front) = noted.notes.get(noted.first..=index(from))?.split_last()?;
        let note = own.get();
        if calls && !note.effect.turns() {
            // A reference.
            return None;
        }
        // What a call writes is not what is read by what it calls.
        let behind = if calls { Registers::NONE } else { there };
        let (mut more, mut first) = (there.without(note.live()), None);
        own.set(note.and_read(there, behind));
        noted.visits = noted.visits.saturating_sub(1);
        let (mut slot, mut in_front, mut looped) = (index(from), in_front, note.effect.is_looped());
        while !more.is_empty() && noted.visits != 0 {
            if looped {
                first = first.into_iter().chain(self.first_of(slot)).min();
            }
            (in_front, more) = tell_straight(in_front, more);
            let Some((own, others)) = in_front.split_last() else { break };
            let left = noted.first.wrapping_add(others.len());
            let note = own.get();
            noted.visits = noted.visits.saturating_sub(slot.wrapping_sub(left));
            (slot, in_front, looped) = (left, others, note.effect.is_looped());
            if note.effect.turns() && !self.goes_on(slot, note.effect) {
                break;
            }
            more = own_more(own, more);
        }
        first
    }

    /// Whether control goes on behind a slot.
    fn goes_on(&self, slot: usize, effect: Effect) -> bool {
        let insn = self.insns.get(slot).copied().unwrap_or_default();
        let turn = self.turn(&Step::new(to_u32(slot), effect, insn));
        !matches!(turn, Turn::Jump(_) | Turn::End)
    }
}

/// Tells the slots in front of others that more is read behind the last of them, up to one that
/// turns or begins a loop: those that are left, and what is read more behind the last of these.
fn tell_straight(notes: &[Cell<Note>], mut more: Registers) -> (&[Cell<Note>], Registers) {
    let mut left = notes;
    while let [others @ .., own] = left
        && !more.is_empty()
        && own.get().effect.is_straight()
    {
        (left, more) = (others, own_more(own, more));
    }
    (left, more)
}

/// Tells a slot that more is read behind it: what is read at it more, then.
#[inline(always)]
fn own_more(own: &Cell<Note>, more: Registers) -> Registers {
    let note = own.get();
    let live = more.without(note.effect.writes());
    own.set(note.and_read(live, more));
    live.without(note.live())
}

/// There are no more than 11 registers.
#[allow(clippy::cast_possible_truncation, reason = "what it says")]
const fn to_u16(registers: Registers) -> u16 {
    registers.0 as u16
}

/// No program has 2^32 slots.
#[allow(clippy::cast_possible_truncation, reason = "what it says")]
const fn low(slot: usize) -> u32 {
    slot as u32
}

fn to_u32(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test panics where something is wrong")]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
    use bpf_profile::ActiveProfile;
    use bpf_verifier::InsnFact;

    use super::super::{Lists, Lowered, Registers, Turn, index, lower};

    /// What is read at each slot, found by going over all slots until nothing changes.
    fn slowly(lowered: &Lowered<'_>, slots: u32) -> Vec<Registers> {
        let mut live = vec![Registers::NONE; index(slots)];
        let at = |live: &[Registers], slot| live.get(index(slot)).copied();
        loop {
            let before = live.clone();
            for slot in (0..slots).rev() {
                let step = lowered.step(slot).expect("a slot");
                let next = at(&live, slot + 1).unwrap_or(Registers::ALL);
                let there = |to| at(&live, to).unwrap_or(Registers::ALL);
                let (kept, behind) = (next.without(step.effect.writes()), step.effect.reads());
                let ahead = match lowered.turn(&step) {
                    Turn::On => kept,
                    Turn::Jump(to) => there(to),
                    Turn::Perhaps(to) => next.with(there(to)),
                    Turn::Call(to) => kept.with(there(to)),
                    Turn::End => Registers::NONE,
                };
                if let Some(own) = live.get_mut(index(slot)) {
                    *own = ahead.with(behind);
                }
            }
            if live == before {
                return live;
            }
        }
    }

    fn with_notes(insns: &[BpfInsn], check: impl FnOnce(&Lowered<'_>)) {
        let builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp);
        let program = insns.iter().fold(builder, |builder, insn| builder.insn(*insn)).build();
        let program = program.expect("jumps to slots");
        let facts = vec![InsnFact::Plain; insns.len()];
        check(&lower(&program, Some(&facts), Lists::default()).expect("memory"));
    }

    #[test]
    fn what_is_read_behind_slots_is_what_a_slow_search_finds() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) % bound
        };
        let (mut loops, mut all) = (0, 0);
        for _ in 0..2000 {
            let slots = 3 + below(38);
            let mut insns = Vec::new();
            for slot in 0..slots - 1 {
                let [dst, src] = [0; 2].map(|_| u8::try_from(below(10)).expect("a register"));
                let to = |target: u64| i16::try_from(target.cast_signed() - slot.cast_signed() - 1);
                let off = to(below(slots)).expect("near");
                insns.push(match below(12) {
                    0 => BpfInsn::new(0x05, 0, 0, off, 0),
                    1 | 2 => BpfInsn::new(0x1d, dst, src, off, 0),
                    3 => BpfInsn::new(0x85, 0, 1, 0, off.into()),
                    4 => BpfInsn::exit(),
                    5 | 6 => BpfInsn::mov64_imm(dst, 7),
                    7 => BpfInsn::new(0x07, dst, 0, 0, 1),
                    _ => BpfInsn::new(0xbf, dst, src, 0, 0),
                });
            }
            insns.push(BpfInsn::exit());
            with_notes(&insns, |lowered| {
                let slots = u32::try_from(slots).expect("few");
                let live = slowly(lowered, slots);
                for (slot, live) in (0..).zip(&live) {
                    let step = lowered.step(slot).expect("a slot");
                    let next = lowered.live_at(slot + 1);
                    assert_eq!(lowered.live_at(slot), *live, "{slot} of {insns:?}");
                    let behind = match lowered.turn(&step) {
                        Turn::Jump(to) => lowered.live_at(to),
                        Turn::Perhaps(to) => next.with(lowered.live_at(to)),
                        Turn::End => Registers::NONE,
                        Turn::On | Turn::Call(_) => next,
                    };
                    assert_eq!(lowered.live_behind(&step), behind, "{slot} of {insns:?}");
                    loops += u32::from(step.effect.is_looped());
                    all += u32::from(lowered.live_at(slot) == Registers::ALL);
                }
            });
        }
        assert!(loops > 5000 && all < 1000, "{loops} {all}");
    }

    /// Where so many slots lead back that it would take too long, what is read is more than
    /// what a slow search finds, and no less.
    #[test]
    fn what_is_looked_at_too_often_counts_as_read() {
        let mut state = 1_u64;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) % bound
        };
        let mut given_up = 0;
        for slots in (4..60_u64).flat_map(|slots| [slots; 10]) {
            let mut insns = Vec::new();
            for slot in 0..slots - 1 {
                let dst = u8::try_from(below(10)).expect("a register");
                let back = i16::try_from(below(slot + 1)).expect("near");
                insns.push(match below(12) {
                    0 => BpfInsn::new(0x05, 0, 0, -1 - back, 0),
                    1 | 2 => BpfInsn::mov64_imm(dst, 7),
                    _ => BpfInsn::new(0x15, dst, 0, -1 - back, 0),
                });
            }
            insns.push(BpfInsn::exit());
            with_notes(&insns, |lowered| {
                let live = slowly(lowered, u32::try_from(slots).expect("few"));
                let noted: Vec<_> =
                    (0..).zip(&live).map(|(slot, _)| lowered.live_at(slot)).collect();
                let (all, exact) = (noted.iter().all(|n| *n == Registers::ALL), noted == live);
                assert!(all || exact, "{insns:?}");
                given_up += u32::from(!exact);
            });
        }
        assert!((100..500).contains(&given_up), "{given_up}");
    }
}
