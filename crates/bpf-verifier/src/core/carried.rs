//! Pointers that a loop carries along.
//!
//! A pointer that goes four bytes further in every round has no comparison of its
//! own: a counter ends the loop, and the pointer's bounds are where it began and
//! four times the rounds. A guess with these bounds does not cover what comes back
//! to the head, so here the argument is another one. What comes back is the value
//! at the head and a constant, as its identity shows; after `k` rounds that is the
//! value at the start and `k` times the constant. As long as there are no more
//! rounds than the guess was made for, it holds in each, one after the other. The
//! rounds are bounded by other values, whose bounds the guess covers in full.
//!
//! So it is with a number that nothing compares, as how many bytes a loop has put out.
//! Where it also may become another one (an offset that is masked, on one way round only),
//! it is, after `k` rounds, what it was at the start or what it became on such a way, and
//! `k` times the constant at the most: that holds behind either way if it held before, as
//! those bounds only grow with `k`. Where states are covered by others inside of the loop,
//! what those became is more. A guess is made so only after one without has failed.
//!
//! So it is with how far a packet reaches behind an address, which is proven in front of the
//! loop: after `k` rounds that is what it was, less `k` times what is added. That holds as long as
//! the packet does not move. The address being the one at the head and a sum does not show that,
//! as it may have been made anew from a number that moves along, so nothing of the kind is guessed
//! of a loop in which anything moves the packet, on any way. A number that something else bounds is
//! left to that then.
//!
//! Such a guess speaks of the first round and those that follow from it. It covers
//! no other state that comes to the head, so its node serves no comparison later.

use bpf_bytecode::Register;
use bpf_bytecode::opcode::{AluOp, Width};

use super::Explorer;
use super::hint::Hint;
use super::summary::rounds_of;
use super::trial::{Carried, Change, MAX_CARRIED, Trial};
use crate::arena::NONE;
use crate::domain::{Scalar, Tnum, alu};
use crate::state::cells::SAVED;
use crate::state::snapshot::Snapshot;
use crate::state::{NO_RANGE, State, Value};

/// Where a value lies: a register's number, or an address behind those; never 0.
pub(super) type Place = u32;
/// Places from here on are cells.
const CELLS: u32 = 16;

pub(super) const fn place_of_cell(addr: u32) -> Place {
    addr.saturating_add(CELLS)
}

/// Whether a register is at the place.
pub(super) const fn is_register(place: Place) -> bool {
    0 < place && place < CELLS
}

pub(super) fn place_of(register: Register) -> Place {
    u32::from(register.number()).saturating_add(1)
}

/// What the changes of a phase were, by place: by how much, and between which numbers it was
/// where it became another one, if there is such a way.
pub(super) type Changes = [(Place, Change, Option<(i32, i32)>); MAX_CHANGES];
const MAX_CHANGES: usize = 16;

/// Whether a value, and what it was before the loop, are such as are carried along.
pub(super) fn may_be_carried(place: Place, now: &Value, start: &Value) -> bool {
    if now.is_scalar() {
        // Of a cell, another part might have been written.
        return start.is_scalar() && is_register(place);
    }
    is_one_address(now, start)
}

/// Whether both are addresses that differ in their unknown part at most.
pub(super) fn is_one_address(now: &Value, start: &Value) -> bool {
    let same = start.kind == now.kind && start.index == now.index && start.off == now.off;
    now.kind.is_pointer() && same
}

/// What a number may be that was `start` and, where it became another one, between these.
fn with_resets(start: Scalar, resets: Option<(i32, i32)>) -> Scalar {
    match resets {
        Some((least, most)) => {
            let (least, most) = (i64::from(least), i64::from(most));
            Scalar::signed_between(least.min(start.smin()), most.max(start.smax()))
        }
        None => start,
    }
}

/// Whether a guess at a number may hold that ends before what came `back`, at something that
/// the number is compared with. Bits show that a sum comes to be that very number only if
/// its steps are powers of two.
fn may_hold(guess: &Value, back: &Value, change: Change) -> bool {
    let Change::Sum(least, most) = change else { return true };
    guess.number.covers(&back.number) || (least == most && least.unsigned_abs().is_power_of_two())
}

/// Whether a number is such as sizes and parts of addresses are.
fn fits(number: &Scalar) -> bool {
    number.smin() >= i32::MIN.into() && number.smax() <= i32::MAX.into()
}

/// What the unknown part of an offset becomes to which something from `least` to
/// `most` is added `rounds` times at the most; none, where that may wrap.
pub(super) fn drift(start: &Scalar, (least, most): (i32, i32), rounds: u64) -> Option<Scalar> {
    let rounds = i64::try_from(rounds).ok()?;
    let down = i64::from(least.min(0)).checked_mul(rounds)?;
    let up = i64::from(most.max(0)).checked_mul(rounds)?;
    let all =
        Scalar::signed_between(start.smin().checked_add(down)?, start.smax().checked_add(up)?);
    if least != most {
        return Some(all);
    }
    // A constant step keeps the low bits.
    let kept = least.trailing_zeros().min(63);
    let bits = start.bits();
    let bits = Tnum::new(bits.value(), bits.mask() | u64::MAX.wrapping_shl(kept));
    let bits = Tnum::new(bits.value() & !bits.mask(), bits.mask());
    all.meet(Scalar::with_bits(bits))
}

/// How far the packet reaches at least behind an address to which `most` is added `rounds` times
/// at the most, in bytes; [`NO_RANGE`], where nothing is left.
fn reach_after(start: &Value, most: i32, rounds: u64) -> i32 {
    let carried =
        i64::try_from(rounds).ok().and_then(|rounds| i64::from(most.max(0)).checked_mul(rounds));
    let left = carried.and_then(|carried| i64::from(start.range).checked_sub(carried));
    let left = left.filter(|_| start.is_in_packet() && start.range != NO_RANGE);
    left.and_then(|left| left.try_into().ok()).filter(|left| *left > 0).unwrap_or(NO_RANGE)
}

impl Explorer<'_> {
    /// The value of the running state at a place.
    pub(super) fn at_place(&self, state: &State, place: Place) -> Option<Value> {
        let Some(addr) = place.checked_sub(CELLS) else {
            let found = Register::all().find(|register| place_of(*register) == place)?;
            return Some(state.reg(found)).filter(Value::is_init);
        };
        state.cells.at_addr(&self.arena, addr).map(|(_, cell)| cell.value)
    }

    /// The same, where it is a register or a whole one that is kept on the stack.
    pub(super) fn whole_at(&self, state: &State, place: Place) -> Option<Value> {
        let Some(addr) = place.checked_sub(CELLS) else { return self.at_place(state, place) };
        let (_, cell) = state.cells.at_addr(&self.arena, addr)?;
        (cell.len == 8 && cell.addr < SAVED).then_some(cell.value)
    }

    /// What the bytes of the running state at a place on the stack rest on.
    pub(super) fn bytes_at(&self, place: Place) -> u64 {
        let cell = |addr| self.state.cells.at_addr(&self.arena, addr);
        place.checked_sub(CELLS).and_then(cell).map_or(0, |(_, cell)| cell.live)
    }

    pub(super) fn set_number(&mut self, place: Place, number: Scalar) {
        self.change_at(place, |value| value.number = number);
    }

    fn set_range(&mut self, place: Place, range: i32) {
        self.change_at(place, |value| value.range = range);
    }

    fn change_at(&mut self, place: Place, change: impl FnOnce(&mut Value)) {
        let Some(addr) = place.checked_sub(CELLS) else {
            let found = Register::all().find(|register| place_of(*register) == place);
            if let Some(register) = found {
                let mut value = self.state.reg(register);
                change(&mut value);
                self.state.set_reg(register, value);
            }
            return;
        };
        if let Some((index, mut cell)) = self.state.cells.at_addr(&self.arena, addr) {
            change(&mut cell.value);
            self.state.cells.set(&mut self.arena, index, &cell);
        }
    }

    /// Which values changed by a constant sign in the phase, and by how much.
    pub(super) fn changes(&self, trial: Trial, guess: Snapshot) -> Changes {
        let mut found = [(0, Change::Other, None); MAX_CHANGES];
        let mut slots = found.iter_mut();
        let note = |place, entry| {
            let Some(change) = trial.change(&self.arena, entry) else { return };
            let (change, resets) = match (change, trial.sum_and_resets(&self.arena, entry)) {
                (Change::Sum(..), _) => (change, None),
                (_, Some(((least, most), Some(resets)))) => {
                    (Change::Sum(least, most), Some(resets))
                }
                _ => return,
            };
            if change != Change::Sum(0, 0)
                && let Some(slot) = slots.next()
            {
                *slot = (place, change, resets);
            }
        };
        self.each_place(guess, note);
        found
    }

    /// Where each entry of a guess lies, and its index.
    pub(super) fn each_place(&self, guess: Snapshot, mut note: impl FnMut(Place, u32)) {
        self.each_entry(guess, |place, entry, _| note(place, entry));
    }

    /// The same, and what it is.
    pub(super) fn each_entry(&self, guess: Snapshot, mut note: impl FnMut(Place, u32, &Value)) {
        let (mut entry, mut entries) = (0_u32, guess.read(&self.arena));
        let mask = guess.reg_mask(&self.arena);
        for register in Register::all() {
            if mask.wrapping_shr(register.number().into()) & 1 == 1 {
                note(place_of(register), entry, &entries.value(&self.arena));
                entry = entry.saturating_add(1);
            }
        }
        for _ in 0..guess.cells(&self.arena) {
            let cell = entries.cell(&self.arena);
            note(place_of_cell(cell.addr), entry, &cell.value);
            entry = entry.saturating_add(1);
        }
    }

    /// The state is a guess: where nothing else bounds a pointer that `changes` as
    /// the rounds go by, the rounds do. Beside it is what came round before.
    pub(super) fn carry(&mut self, trial: Trial, changes: &Changes) {
        trial.clear_carried(&mut self.arena);
        trial.clear_linear(&mut self.arena);
        // What becomes another number does not bound the rounds.
        let listed = changes.iter().filter(|(place, _, resets)| *place != 0 && resets.is_none());
        let granted = self.granted_ways_round(trial).unwrap_or(u64::MAX);
        let (mut rounds, mut firm) = (granted, granted);
        for (place, change, _) in listed {
            let Some(guess) = self.at_place(&self.state, *place) else { continue };
            let Some(most) = rounds_of(&guess, *change) else { continue };
            rounds = rounds.min(most);
            let back = self.at_place(&self.scratch, *place);
            if back.is_none_or(|back| may_hold(&guess, &back, *change)) {
                firm = firm.min(most);
            }
        }
        self.carry_for(trial, changes, (rounds, firm));
    }

    /// The same for so many rounds, also where that was done for fewer.
    /// If numbers are not carried yet, that might help if there were `firm` ones at the most.
    pub(super) fn carry_for(
        &mut self,
        trial: Trial,
        changes: &Changes,
        (rounds, firm): (u64, u64),
    ) {
        if trial.first(&self.arena).load(&mut self.arena, &mut self.scratch).is_err() {
            return;
        }
        self.guess_linear(trial, changes);
        let moves = trial.refuses_reach(&self.arena);
        for (place, change, resets) in changes.iter().filter(|(place, ..)| *place != 0) {
            let related = trial.linear(&self.arena).any(|line| line.place == *place);
            let now = self.at_place(&self.state, *place);
            let start = self.at_place(&self.scratch, *place);
            let (Some(now), Some(start), Change::Sum(least, most)) = (now, start, *change) else {
                continue;
            };
            if !may_be_carried(*place, &now, &start) || (resets.is_some() && !now.is_scalar()) {
                continue;
            }
            let base = with_resets(start.number, *resets);
            let without = now.is_scalar() && !trial.carries_numbers(&self.arena);
            let rounds = if without { firm } else { rounds };
            let Some(number) = drift(&base, (least, most), rounds) else { continue };
            // The low bits of an unknown step are not kept.
            let ends = now.number.smin()..=now.number.smax();
            let within = if now.is_scalar() {
                now.number.covers(&number)
            } else {
                ends.contains(&number.smin()) && ends.contains(&number.smax())
            };
            let narrower = within && !number.covers(&now.number) && !related;
            if without {
                if narrower && fits(&number) {
                    trial.note_that_numbers_help(&mut self.arena);
                }
                continue;
            }
            let before = trial.carried_as(&self.arena, *place);
            let again = before.number && !related;
            let reach = if moves { NO_RANGE } else { reach_after(&start, most, rounds) };
            // What another value bounds as well may be carried for the packet's sake.
            let what = Carried { number: again || narrower, reach: reach != NO_RANGE };
            let bound = if what.number { number } else { now.number };
            if (what.number || what.reach || before.reach)
                && bound.covers(&start.number)
                && trial.add_carried(&mut self.arena, *place, what)
            {
                self.set_number(*place, bound);
                if what.reach || before.reach {
                    self.set_range(*place, reach);
                }
            }
        }
    }

    /// The state is a guess that held before: what it carried and counted by is so again.
    /// Addresses go as far as then from where they begin now.
    pub(super) fn take_courses(&mut self, trial: Trial, hint: Hint) {
        if hint.carries_numbers(&self.arena) {
            trial.begin_numbers(&mut self.arena);
        }
        let courses = hint.courses(&self.arena);
        trial.set_courses(&mut self.arena, courses);
        let first = trial.first(&self.arena);
        for place in trial.carried(&self.arena).into_iter().filter(|place| *place != 0) {
            let start = self.in_guess(first, place).filter(|start| start.kind.is_pointer());
            let then = self.in_guess(hint.guess(), place);
            if let (Some(start), Some(then)) = (start, then)
                && then.number.covers(&start.number)
            {
                self.set_number(place, then.number);
            }
        }
    }

    /// The state comes back to the head: what is carried is as at the head, but for
    /// the constant that its identity shows.
    pub(super) fn set_back(&mut self, trial: Trial, guess: Snapshot) {
        let own = trial.first_id(&self.arena);
        for place in trial.carried(&self.arena).into_iter().filter(|place| *place != 0) {
            let (Some(before), Some(after)) =
                (self.in_guess(guess, place), self.at_place(&self.state, place))
            else {
                continue;
            };
            let Change::Sum(..) = self.change_in(trial, &before, &after, own) else { continue };
            if before.is_scalar() {
                self.set_number(place, before.number);
                self.mark_precise(after.deps);
                continue;
            }
            if !before.kind.is_pointer() || before.index != after.index {
                continue;
            }
            let what = trial.carried_as(&self.arena, place);
            let by = after.off.saturating_sub(before.off);
            if what.number {
                let back = Scalar::signed_constant(i64::from(by).wrapping_neg());
                let number = alu(AluOp::Add, Width::W64, before.number, back);
                self.set_number(place, number);
            }
            if what.reach && before.range != NO_RANGE {
                self.set_range(place, after.range.max(before.range.saturating_add(by)));
            }
            // That it stays within bounds rests on how it changes.
            self.mark_precise(after.deps);
        }
    }

    pub(super) fn in_guess(&self, guess: Snapshot, place: Place) -> Option<Value> {
        self.entry_at(guess, place).map(|(_, value)| value)
    }

    /// The entry of a snapshot at a place, and its index.
    pub(super) fn entry_at(&self, guess: Snapshot, place: Place) -> Option<(u32, Value)> {
        let mut entries = guess.read(&self.arena);
        let (mask, mut entry) = (guess.reg_mask(&self.arena), 0_u32);
        for register in Register::all() {
            if mask.wrapping_shr(register.number().into()) & 1 == 1 {
                let value = entries.value(&self.arena);
                if place_of(register) == place {
                    return Some((entry, value));
                }
                entry = entry.saturating_add(1);
            }
        }
        for _ in 0..guess.cells(&self.arena) {
            let cell = entries.cell(&self.arena);
            if place_of_cell(cell.addr) == place {
                return Some((entry, cell.value));
            }
            entry = entry.saturating_add(1);
        }
        None
    }

    /// The entries of a guess that the loop carries.
    pub(super) fn carried_entries(
        &self,
        trial: Trial,
        guess: Snapshot,
    ) -> [Option<u32>; MAX_CARRIED] {
        let entry = |place| match place {
            0 => None,
            place => self.entry_at(guess, place).map(|(entry, _)| entry),
        };
        trial.carried(&self.arena).map(entry)
    }

    /// The packet moves: no loop that does so carries how far it reaches.
    pub(super) fn refuse_reach(&mut self) {
        let (mut trial, frame) = (self.walker.active, self.state.frame);
        while trial.0 != NONE {
            let (arena, own) = (&self.arena, trial.frame(&self.arena));
            let inside = || self.code.is_in_loop(arena, self.walker.pc, trial.subject(arena));
            if frame > own || (frame == own && inside()) {
                trial.refuse_reach(&mut self.arena);
            }
            trial = trial.outer(&self.arena);
        }
    }

    /// Whether all that is carried stays within the guess for so many rounds.
    pub(super) fn carries(&mut self, trial: Trial, rounds: u64) -> bool {
        let guess = trial.node(&self.arena).snapshot(&self.arena);
        let first = trial.first(&self.arena);
        for place in trial.carried(&self.arena).into_iter().filter(|place| *place != 0) {
            let (Some((entry, now)), Some(start)) =
                (self.entry_at(guess, place), self.in_guess(first, place))
            else {
                // It is no part of the guess any more.
                continue;
            };
            let (steps, resets) = match trial.change(&self.arena, entry) {
                None => ((0, 0), None),
                Some(Change::Sum(least, most)) => ((least, most), None),
                Some(_) if now.is_scalar() => {
                    let Some(known) = trial.sum_and_resets(&self.arena, entry) else {
                        return false;
                    };
                    known
                }
                Some(_) => return false,
            };
            let held = drift(&with_resets(start.number, resets), steps, rounds);
            let what = trial.carried_as(&self.arena, place);
            let within = !what.number || held.is_some_and(|all| now.number.covers(&all));
            let moves = trial.refuses_reach(&self.arena);
            let reaches =
                !what.reach || (!moves && now.range <= reach_after(&start, steps.1, rounds));
            if !may_be_carried(place, &now, &start) || !within || !reaches {
                return false;
            }
            let node = trial.node(&self.arena);
            self.mark_entry(node, entry);
        }
        true
    }
}
