//! Numbers that a loop compares, and never goes beyond.
//!
//! Where a loop goes on until one number *is* another (`j != i`), or two come nearer from both
//! sides (`low < high`), what bounds them is how they lie to each other, and bounds of each alone
//! do not say it. Where no guess without comes to anything, a guess says of two numbers that the
//! loop compares, and that its head names, that the one is more than the other, or not less, or
//! less by one at the most, if that is so where the loop begins. That is an entry of the state at
//! the head ([`difference`](crate::state::State::difference)), and so it is checked as the rest
//! is: of what enters the loop, and of all that comes back. On the way, comparisons of the two tell
//! how far they are apart, and what they are then.
//!
//! If what comes back is no such state, the next guess says less of the two, until it says nothing.

use bpf_bytecode::Register;
use bpf_bytecode::opcode::{AluOp, Cond, Width};

use super::carried::{Place, place_of, place_of_cell};
use super::node::Node;
use super::trial::{Change, Phase, Trial};
use super::{Explorer, Step};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::cfg::{Differences, Loop};
use crate::domain::{Scalar, alu, one_side};
use crate::state::difference::Difference;
use crate::state::snapshot::Snapshot;
use crate::state::{Kind, Value};

/// Pairs of numbers that are noted for a loop, at the most.
const MAX_PAIRS: u32 = 2;
/// Words of each: how the two were named when they were compared last, and where they lie.
const WORDS: u32 = 2;
/// Words of all, and what is guessed of them.
pub(super) const DIFFERENCE_WORDS: u32 = 1 + MAX_PAIRS * WORDS;

/// Differences are guessed.
const GUESSED: u64 = 1;
/// Above that, what is guessed of a pair: which of [`SAID`].
const SAID_BITS: u32 = 8;

/// What may be said of two numbers, one after the other: whether of the second and the first
/// instead, and by how much the one is more than the other, at least.
const SAID: [(bool, i64); 6] =
    [(false, 1), (true, 1), (false, 0), (true, 0), (false, -1), (true, -1)];

/// How far from 0 differences of numbers are numbers themselves, and do not wrap.
const NEAR: i64 = 1 << 62;

/// What is guessed of two numbers: where the greater lies, and the lesser, and by how much that is
/// more, at least.
#[derive(Clone, Copy, Debug)]
struct Guess {
    places: (Place, Place),
    least: i64,
}

impl Trial {
    fn pair_at(self, index: u32) -> At {
        self.differences_field().saturating_add(1).saturating_add(index.saturating_mul(WORDS))
    }

    pub(super) fn clear_pairs(self, arena: &mut Arena<'_>) {
        arena.slice_mut(self.differences_field(), DIFFERENCE_WORDS as usize).fill(0);
    }

    /// Whether guesses say how far numbers are apart.
    pub(super) fn guesses_differences(self, arena: &Arena<'_>) -> bool {
        arena.word(self.differences_field()) & GUESSED != 0
    }

    /// Nothing came of guesses that do not say so. Whether there is anything to be said; it is
    /// from here on.
    fn begin_differences(self, arena: &mut Arena<'_>) -> bool {
        let word = arena.word(self.differences_field());
        let has = word & GUESSED == 0 && arena.word(self.pair_at(0).saturating_add(1)) != 0;
        if has {
            arena.set(self.differences_field(), word | GUESSED);
        }
        has
    }

    /// What is guessed of a pair; none, if there is none, or nothing.
    fn guess_of(self, arena: &Arena<'_>, index: u32) -> Option<Guess> {
        let word = arena.word(self.pair_at(index).saturating_add(1));
        let said = arena.word(self.differences_field()).wrapping_shr(Self::said_shift(index));
        let (turned, least) = *SAID.get((said & 0xff) as usize)?;
        let places = if turned { (high(word), low(word)) } else { (low(word), high(word)) };
        (word != 0).then_some(Guess { places, least })
    }

    const fn said_shift(index: u32) -> u32 {
        index.saturating_add(1).saturating_mul(SAID_BITS)
    }

    /// What was guessed of a pair is not so.
    fn say_less(self, arena: &mut Arena<'_>, index: u32) {
        let word = arena.word(self.differences_field());
        let more = 1_u64.wrapping_shl(Self::said_shift(index));
        arena.set(self.differences_field(), word.wrapping_add(more));
    }
}

/// How far two numbers that are compared lie apart, and the comparison of that with 0 which says
/// the same.
#[derive(Clone, Copy)]
pub(super) struct Apart {
    pub said: Difference,
    cond: Cond,
}

impl Apart {
    /// How far apart they are where the comparison holds, or does not; none, if that cannot be.
    pub fn side(&self, holds: bool) -> Option<Scalar> {
        let zero = Scalar::constant(0);
        one_side(holds, self.cond, Width::W64, self.said.number, zero).map(|(apart, _)| apart)
    }

    /// Which sides of those that bounds leave are possible, if one is: whether the comparison may
    /// hold, and whether it may not.
    pub fn sides(&self, (holds, fails): (bool, bool)) -> (bool, bool) {
        let sides = (holds && self.side(true).is_some(), fails && self.side(false).is_some());
        if sides == (false, false) { (holds, fails) } else { sides }
    }
}

/// The comparison of `a - b` with 0 that says the same as one of these numbers.
fn with_zero(cond: Cond, width: Width, a: &Scalar, b: &Scalar) -> Option<Cond> {
    let most = a.umax().max(b.umax());
    let signed = match cond {
        Cond::Eq | Cond::Ne => {
            let whole = width == Width::W64 || most <= u32::MAX.into();
            return whole.then_some(cond);
        }
        Cond::Set => return None,
        Cond::Gt => Cond::Sgt,
        Cond::Ge => Cond::Sge,
        Cond::Lt => Cond::Slt,
        Cond::Le => Cond::Sle,
        _ => cond,
    };
    let near = |number: &Scalar| NEAR.wrapping_neg() < number.smin() && number.smax() < NEAR;
    let same = match width {
        // Below zero, numbers with a sign are other ones without.
        Width::W64 if signed == cond => near(a) && near(b),
        Width::W64 => most <= NEAR.unsigned_abs(),
        Width::W32 if signed == cond => most <= i32::MAX.unsigned_abs().into(),
        Width::W32 => most <= u32::MAX.into(),
    };
    same.then_some(signed)
}

impl Explorer<'_> {
    /// Two numbers are compared: if both are named at the head of a loop that is being summarised,
    /// and one of them there first, that is noted.
    pub(super) fn note_pair(&mut self, a: &Value, b: &Value) {
        let Some(((first, _), (second, _))) = a.name().zip(b.name()) else { return };
        let mut trial = self.walker.active;
        while trial.0 != NONE && first.max(second) <= trial.first_id(&self.arena) {
            trial = trial.outer(&self.arena);
        }
        if trial.0 == NONE || first == second || first.max(second) > trial.head_id(&self.arena) {
            return;
        }
        let names = pair(first, second);
        for index in 0..MAX_PAIRS {
            let at = trial.pair_at(index);
            let (named, places) = (self.arena.word(at), self.arena.word(at.saturating_add(1)));
            if places != 0 && named == names {
                return;
            }
        }
        let node = trial.node(&self.arena);
        if node.0 == NONE {
            return;
        }
        let guess = node.snapshot(&self.arena);
        self.charge_parts(guess.weight(&self.arena));
        let place = |id| self.entry_named(guess, id).map(|(place, ..)| place);
        let Some((first, second)) = place(first).zip(place(second)) else { return };
        let places = pair(first, second);
        for index in 0..MAX_PAIRS {
            let at = trial.pair_at(index);
            let known = self.arena.word(at.saturating_add(1));
            if known == 0 || known == places || known == pair(second, first) {
                self.arena.set(at, names);
                if known == 0 {
                    self.arena.set(at.saturating_add(1), places);
                }
                return;
            }
        }
    }

    /// Where a guess has a number of this name, that may be compared as a whole, which entry that
    /// is, and its value.
    fn entry_named(&self, guess: Snapshot, id: u32) -> Option<(Place, u32, Value)> {
        let named = |value: &Value| value.name().is_some_and(|name| name.0 == id);
        let (mask, mut entries) = (guess.reg_mask(&self.arena), guess.read(&self.arena));
        let listed = |register: &Register| mask.wrapping_shr(register.number().into()) & 1 == 1;
        for (entry, register) in (0_u32..).zip(Register::all().filter(listed)) {
            let value = entries.value(&self.arena);
            if named(&value) {
                return Some((place_of(register), entry, value));
            }
        }
        for entry in (guess.regs(&self.arena)..).take(guess.cells(&self.arena) as usize) {
            let cell = entries.cell(&self.arena);
            if cell.len == 8 && named(&cell.value) {
                return Some((place_of_cell(cell.addr), entry, cell.value));
            }
        }
        None
    }

    /// Nothing came of a loop. Whether it is guessed at anew, so that guesses say how far numbers
    /// are apart.
    pub(super) fn try_differences(&mut self, trial: Trial) -> Step<bool> {
        let guessed = matches!(trial.phase(&self.arena), Phase::Body | Phase::Full | Phase::Narrow);
        if !guessed {
            return Ok(false);
        }
        let subject = trial.subject(&self.arena);
        if trial.guesses_differences(&self.arena) {
            subject.note_differences(&mut self.arena, false);
            return Ok(false);
        }
        let due = subject.differences(&self.arena) == Differences::Late;
        if !due || trial.is_hinted(&self.arena) || !trial.begin_differences(&mut self.arena) {
            return Ok(false);
        }
        self.differences = self.differences.saturating_add(1);
        trial.clear_attempts(&mut self.arena);
        self.unwind(trial);
        self.begin_once(trial)?;
        Ok(true)
    }

    /// A loop is guessed at: from the first guess on that says how far numbers are apart, where
    /// that has helped before.
    pub(super) fn expect_differences(&mut self, trial: Trial, subject: Loop) {
        if subject.differences(&self.arena) == Differences::First {
            self.arena.set(trial.differences_field(), GUESSED);
        }
    }

    /// A phase begins with the state as the guess: says how far numbers are apart, where that is
    /// so in the state that the loop begins with.
    pub(super) fn hold_differences(&mut self, trial: Trial, phase: Phase) -> Step {
        if !trial.guesses_differences(&self.arena) {
            return Ok(());
        }
        let first = trial.first_id(&self.arena);
        self.state.drop_differences(&mut self.arena, first);
        if matches!(phase, Phase::Once | Phase::Probe) {
            return Ok(());
        }
        trial.first(&self.arena).load(&mut self.arena, &mut self.scratch)?;
        for index in 0..MAX_PAIRS {
            while let Some(guess) = trial.guess_of(&self.arena, index) {
                let numbers = |state| {
                    let at = |place| self.whole_at(state, place).filter(Value::is_scalar);
                    at(guess.places.0).zip(at(guess.places.1))
                };
                let (Some((a, b)), Some(start)) = (numbers(&self.state), numbers(&self.scratch))
                else {
                    break;
                };
                let begins = self.scratch.apart(&self.arena, &start.0, &start.1).0;
                if begins.smin() < guess.least {
                    trial.say_less(&mut self.arena, index);
                    continue;
                }
                let all = Scalar::signed_between(guess.least, NEAR);
                let apart = alu(AluOp::Sub, Width::W64, a.number, b.number).meet(all);
                if let Some(apart) = apart {
                    let outer = self.scratch.difference(&self.arena, &start.0, &start.1);
                    let deps = a.deps | b.deps | outer.map_or(0, |outer| outer.deps);
                    self.state.add_difference(&mut self.arena, (&a, &b), apart, deps)?;
                }
                break;
            }
        }
        Ok(())
    }

    /// The state comes back to the head: whether numbers are as far apart as was guessed. If not,
    /// the next guess says less of them.
    pub(super) fn keep_differences(&mut self, trial: Trial) -> bool {
        if !trial.guesses_differences(&self.arena) {
            return true;
        }
        let mut all = true;
        for index in 0..MAX_PAIRS {
            let Some(guess) = trial.guess_of(&self.arena, index) else { continue };
            let at = |place| self.whole_at(&self.state, place).filter(Value::is_scalar);
            let Some((a, b)) = at(guess.places.0).zip(at(guess.places.1)) else { continue };
            if self.state.apart(&self.arena, &a, &b).0.smin() < guess.least {
                trial.say_less(&mut self.arena, index);
                all = false;
            }
        }
        all
    }

    /// By how much two numbers of which a guess says how far they are apart came nearer in a round
    /// or went further apart.
    pub(super) fn change_of_difference(&self, trial: Trial, said: &Value) -> Change {
        let (first, second) = said.compared();
        let guess = trial.node(&self.arena).snapshot(&self.arena);
        let moved = |id: u32| {
            let (place, _, before) = self.entry_named(guess, id)?;
            let (before, after) = (before.name()?, self.whole_at(&self.state, place)?.name()?);
            (before.0 == after.0).then(|| after.1.wrapping_sub(before.1))
        };
        let by = moved(first).zip(moved(second)).map(|(a, b)| a.wrapping_sub(b));
        let by = by.and_then(|by| i32::try_from(by).ok());
        by.map_or(Change::Other, |by| Change::Sum(by, by))
    }

    /// A proof rests on what is named so at an open node, and how far that is from others.
    pub(super) fn mark_named(&mut self, node: Node, id: u32) {
        let guess = node.snapshot(&self.arena);
        let (regs, mut entries) = (guess.regs(&self.arena), guess.read(&self.arena));
        for entry in 0..regs.saturating_add(guess.cells(&self.arena)) {
            let value = if entry < regs {
                entries.value(&self.arena)
            } else {
                entries.cell(&self.arena).value
            };
            let (first, second) = value.compared();
            let said = value.kind == Kind::Difference && (first == id || second == id);
            if value.id == id || said {
                self.mark_entry(node, entry);
                self.mark_entry_read(node, entry);
            }
        }
    }

    /// The loop ends as two numbers come nearer: that rests on where they lie.
    pub(super) fn mark_difference(&mut self, trial: Trial, said: &Value) {
        let (first, second) = said.compared();
        let node = trial.node(&self.arena);
        let guess = node.snapshot(&self.arena);
        for id in [first, second] {
            let Some((place, entry, _)) = self.entry_named(guess, id) else { continue };
            let after = self.whole_at(&self.state, place);
            self.mark_precise(after.map_or(0, |after| after.deps));
            self.mark_read(self.bytes_at(place));
            self.mark_entry(node, entry);
            self.mark_entry_read(node, entry);
        }
    }

    /// How far two numbers that are compared lie apart, where the state says it.
    #[inline]
    pub(super) fn said_apart(
        &self,
        cond: Cond,
        width: Width,
        a: &Value,
        b: &Value,
    ) -> Option<Apart> {
        if self.differences > 0 { self.look_apart(cond, width, a, b) } else { None }
    }

    #[inline(never)]
    fn look_apart(&self, cond: Cond, width: Width, a: &Value, b: &Value) -> Option<Apart> {
        let said = self.state.difference(&self.arena, a, b)?;
        let cond = with_zero(cond, width, &a.number, &b.number)?;
        Some(Apart { said, cond })
    }

    /// Two numbers were compared of which the state does not say how far they are apart: from here
    /// on it does, in a loop of which guesses do.
    pub(super) fn say_apart(
        &mut self,
        (cond, width): (Cond, Width),
        (a, b): (&Value, &Value),
        holds: bool,
    ) -> Step {
        let trial = self.walker.active;
        if trial.0 == NONE || !trial.guesses_differences(&self.arena) {
            return Ok(());
        }
        let named = a.name().zip(b.name()).is_some_and(|(a, b)| a.0 != b.0);
        let Some(cond) = with_zero(cond, width, &a.number, &b.number).filter(|_| named) else {
            return Ok(());
        };
        let all = alu(AluOp::Sub, Width::W64, a.number, b.number);
        let side = one_side(holds, cond, Width::W64, all, Scalar::constant(0));
        match side {
            Some((number, _)) if number != all => {
                Ok(self.state.add_difference(&mut self.arena, (a, b), number, a.deps | b.deps)?)
            }
            _ => Ok(()),
        }
    }

    /// A number is `a - b`: what the state says of that.
    pub(super) fn meet_difference(&self, width: Width, (a, b): (&Value, &Value), out: &mut Value) {
        let Some(said) = self.state.difference(&self.arena, a, b) else { return };
        let number = match width {
            Width::W64 => said.number,
            Width::W32 => said.number.low_half(),
        };
        if let Some(both) = out.number.meet(number).filter(|both| *both != out.number) {
            (out.number, out.deps) = (both, out.deps | a.deps | b.deps | said.deps);
        }
    }
}
