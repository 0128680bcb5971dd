//! Numbers that a loop moves in a fixed ratio to another.
//!
//! Where C counts `j` down and reads `a[j]`, compilers often move a pointer by four bytes as
//! `j` moves by one. Where the counter is compared, its bounds are the pointer's: at the head of
//! the loop that is `4 * j + c` in every round, if it is so where the loop begins, and every way
//! round changes the one by four times as much as the other. How many rounds there are does not
//! matter, unlike with what is [carried](super::carried): an insertion sort's inner loop begins
//! wherever the outer one is.
//!
//! A guess that holds such a relation says it of two places, and the bounds of the one follow
//! from those of the other. It is proven of the state that enters the loop, and of each that
//! comes back:
//!
//! - Both are known; or both are named by the head of this loop, or of one around it, whose own
//!   relation says how those two numbers are related. An identity names one number as long as
//!   the path does not come to that head again, so what was said of the numbers there holds
//!   wherever they are named.
//! - All of this is modulo 2^64, as sums and products of registers are. Only bounds are not: where
//!   the product of a bound, and the sum, do not fit, none are told.
//!
//! What is named outside of the loop may be added as well: an address that begins at `v + i` and
//! goes back as `j` goes on is `v + i - j`. The identity of `i` stands for one number throughout;
//! where the state says how far `i` and `j` are apart, that bounds the address.
//!
//! A place is a register, or eight bytes of the stack that were written at once: compilers keep
//! there what they have no register for.
//!
//! What bounds the other number may be how many rounds there are, if it is carried itself. So what
//! is related to one bounds no rounds.
//!
//! As with what is carried, such a guess speaks of the first round and of those that follow from
//! it, so its node serves no comparison later. Neither do the nodes between two heads where the
//! relation of the outer one proves that of the inner one: what they stand for are numbers
//! within bounds, and not how these are related. Where grants bound rounds, open nodes close
//! loops; there, nothing of the kind is guessed.

use bpf_bytecode::opcode::{AluOp, Width};

use super::Explorer;
use super::carried::{Changes, Place, is_one_address};
use super::node::Node;
use super::trial::{Change, Trial};
use crate::arena::{Arena, At, NONE, high, low, pair};
use crate::domain::{Scalar, alu};
use crate::state::Value;
use crate::state::cover::plus;
use crate::state::snapshot::Snapshot;

/// Relations that a guess may hold.
pub(super) const MAX_LINEAR: u32 = 2;
/// Words of each.
const WORDS: u32 = 5;
/// Words of all.
pub(super) const LINEAR_WORDS: u32 = MAX_LINEAR * WORDS;

/// What lies at a place is so many times what lies at another, and so much more; and, where that
/// is so, what is named outside of the loop more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Linear {
    pub place: Place,
    pub of: Place,
    times: i32,
    more: i32,
    /// The identity of the number that is added as well; 0 for none.
    base: u32,
    /// What names the two at the head, and what was added to that: 0 for what is not at the head
    /// yet.
    names: [(u32, i32); 2],
}

impl Linear {
    fn load(arena: &Arena<'_>, at: At) -> Option<Self> {
        let word = |index: u32| arena.word(at.saturating_add(index));
        let (place, of) = (low(word(0)), high(word(0)));
        let (times, more) = (low(word(1)).cast_signed(), high(word(1)).cast_signed());
        let name = |word: u64| (low(word), high(word).cast_signed());
        let (names, base) = ([name(word(2)), name(word(3))], low(word(4)));
        (place != 0).then_some(Self { place, of, times, more, base, names })
    }

    fn store(self, arena: &mut Arena<'_>, at: At) {
        let name = |(id, off): (u32, i32)| pair(id, off.cast_unsigned());
        let [first, second] = self.names.map(name);
        let line = pair(self.times.cast_unsigned(), self.more.cast_unsigned());
        let words = [pair(self.place, self.of), line, first, second, self.base.into()];
        for (index, word) in (0..).zip(words) {
            arena.set(at.saturating_add(index), word);
        }
    }

    /// What lies at its place, a number or an address's offset, where the other number is `of`;
    /// none, where that may wrap.
    fn whole(&self, of: &Scalar) -> Option<Scalar> {
        let (times, more) = (i64::from(self.times), i64::from(self.more));
        let end = |end: i64| end.checked_mul(times)?.checked_add(more);
        let (a, b) = (end(of.smin())?, end(of.smax())?);
        let product = alu(AluOp::Mul, Width::W64, *of, Scalar::signed_constant(times));
        plus(product, self.more).meet(Scalar::signed_between(a.min(b), a.max(b)))
    }

    /// The number that a value at its place is then, or the unknown part of its offset.
    fn number(&self, value: &Value, of: &Value) -> Option<Scalar> {
        let whole = self.whole(&of.number)?;
        if value.is_scalar() { Some(whole) } else { Some(plus(whole, value.off.checked_neg()?)) }
    }

    /// How much more the first of two values is than so many times the second, which are
    /// named so.
    fn apart(&self, a: (u32, i64), b: (u32, i64), times: i32) -> Option<More> {
        let [(first, first_off), (second, second_off)] = self.names;
        if (first, second, self.times) != (a.0, b.0, times) || first == 0 || second == 0 {
            return None;
        }
        let ends = a.1.wrapping_sub(first_off.into());
        let by = b.1.wrapping_sub(second_off.into());
        let more = i64::from(self.more).wrapping_add(ends);
        Some((more.wrapping_sub(by.wrapping_mul(times.into())), self.base))
    }
}

/// How much more a value is than a multiple of another: so much, and what has this identity; 0
/// for nothing.
type More = (i64, u32);

impl Trial {
    fn linear_at(self, index: u32) -> At {
        self.linear_field().saturating_add(index.saturating_mul(WORDS))
    }

    /// The relations that the guess holds.
    pub(super) fn linear(self, arena: &Arena<'_>) -> impl Iterator<Item = Linear> + use<> {
        let all: [Option<Linear>; MAX_LINEAR as usize] =
            [0, 1].map(|index| Linear::load(arena, self.linear_at(index)));
        all.into_iter().flatten()
    }

    pub(super) fn clear_linear(self, arena: &mut Arena<'_>) {
        arena.slice_mut(self.linear_field(), LINEAR_WORDS as usize).fill(0);
    }

    /// One more, or the same place's anew, if there is room.
    fn add_linear(self, arena: &mut Arena<'_>, more: Linear) -> bool {
        for index in 0..MAX_LINEAR {
            let at = self.linear_at(index);
            if Linear::load(arena, at).is_none_or(|known| known.place == more.place) {
                more.store(arena, at);
                return true;
            }
        }
        false
    }
}

/// What a number, or an address's offset, is named, and what it is more than that.
fn name(value: &Value) -> Option<(u32, i64)> {
    let offset = || value.names_offset().then(|| (value.id, value.off.into()));
    value.name().or_else(offset)
}

/// A number, or an address's offset, that is known.
fn known(value: &Value) -> Option<i64> {
    let number = value.number.as_constant()?.cast_signed();
    Some(if value.is_scalar() { number } else { number.wrapping_add(value.off.into()) })
}

/// By how many times as much a value changes as another does.
fn ratio(change: (i32, i32), of: (i32, i32)) -> Option<i32> {
    let times = if of.1 == 0 { change.0.checked_div(of.0) } else { change.1.checked_div(of.1) }
        .filter(|times| *times != 0)?;
    let (a, b) = (of.0.checked_mul(times)?, of.1.checked_mul(times)?);
    (change == (a.min(b), a.max(b))).then_some(times)
}

impl Explorer<'_> {
    /// How much more a value is than so many times another, modulo 2^64, where that is known by
    /// what the summaries from `trial` outwards say; and the one of them that says it.
    fn apart(&self, trial: Trial, (a, b): (&Value, &Value), times: i32) -> Option<(More, Trial)> {
        let multiple = known(b).map(|b| b.wrapping_mul(times.into()));
        if let (Some(a), Some(multiple)) = (known(a), multiple) {
            return Some(((a.wrapping_sub(multiple), 0), Trial(NONE)));
        }
        let a = name(a)?;
        if let Some(multiple) = multiple {
            return Some(((a.1.wrapping_sub(multiple), a.0), Trial(NONE)));
        }
        let b = name(b)?;
        if times == 1 && a.0 == b.0 {
            return Some(((a.1.wrapping_sub(b.1), 0), Trial(NONE)));
        }
        let mut trial = trial;
        while trial.0 != NONE {
            let found = trial.linear(&self.arena).find_map(|line| line.apart(a, b, times));
            if let Some(apart) = found {
                return Some((apart, trial));
            }
            trial = trial.outer(&self.arena);
        }
        None
    }

    /// The same, where a proof rests on it: so does what follows from the nodes between `from` and
    /// the head that says it.
    fn proven_apart(
        &mut self,
        trial: Trial,
        pair: (&Value, &Value),
        times: i32,
        from: At,
    ) -> Option<More> {
        let (more, by) = self.apart(trial, pair, times)?;
        self.rest_on_linear(by, from);
        Some(more)
    }

    /// The state is a guess, beside it the one that the loop begins with: where what changed has
    /// no bounds but those of something that changed in a fixed ratio to it, and is known to be so
    /// much more than that, the guess says so.
    pub(super) fn guess_linear(&mut self, trial: Trial, changes: &Changes) {
        if self.code.has_rounds() || trial.refuses_linear(&self.arena) {
            return;
        }
        for (place, change, resets) in changes {
            let (&Change::Sum(least, most), None, 1..) = (change, resets, *place) else { continue };
            let value = self.whole_at(&self.state, *place);
            let start = self.whole_at(&self.scratch, *place);
            let (Some(value), Some(start)) = (value, start) else { continue };
            let numbers = value.is_scalar() && start.is_scalar();
            if !numbers && !is_one_address(&value, &start) {
                continue;
            }
            for (of, by, resets) in changes {
                let (&Change::Sum(down, up), None) = (by, resets) else { continue };
                if *of == *place {
                    continue;
                }
                let Some(times) = ratio((least, most), (down, up)) else { continue };
                let found = self.whole_at(&self.state, *of).filter(Value::is_scalar);
                let began = self.whole_at(&self.scratch, *of).filter(Value::is_scalar);
                let (Some(found), Some(began)) = (found, began) else { continue };
                // What moves alike has one name.
                if found.id == value.id {
                    continue;
                }
                let outer = trial.outer(&self.arena);
                let Some(((more, base), _)) = self.apart(outer, (&start, &began), times) else {
                    continue;
                };
                let Ok(more) = i32::try_from(more) else { continue };
                if base != 0 && !trial.guesses_differences(&self.arena) {
                    continue;
                }
                let names = [(0, 0); 2];
                let line = Linear { place: *place, of: *of, times, more, base, names };
                let Some((number, _)) = self.number_by(&line, &value, &found) else { continue };
                let ends = value.number.smin()..=value.number.smax();
                let within = ends.contains(&number.smin()) && ends.contains(&number.smax());
                // How far that is from what is named besides may yet be said.
                let narrower = base != 0 || !number.covers(&value.number);
                if !within || !narrower {
                    continue;
                }
                if value.is_scalar() && !trial.carries_numbers(&self.arena) {
                    trial.note_that_numbers_help(&mut self.arena);
                    continue;
                }
                if trial.add_linear(&mut self.arena, line) {
                    self.set_number(*place, number);
                    break;
                }
            }
        }
    }

    /// The number that a value at a relation's place is in the state, or the unknown part of its
    /// offset, where the other one is `of`, and what that rests on beside the two.
    fn number_by(&self, line: &Linear, value: &Value, of: &Value) -> Option<(Scalar, u64)> {
        if line.base == 0 {
            return Some((line.number(value, of)?, 0));
        }
        let base = self.state.named(&self.arena, line.base)?;
        let (whole, deps) = match line.times {
            // How far the two are apart may be known better than each of them.
            -1 => self.state.apart(&self.arena, &base, of),
            times => {
                let times = Scalar::signed_constant(times.into());
                let product = alu(AluOp::Mul, Width::W64, of.number, times);
                (alu(AluOp::Add, Width::W64, base.number, product), base.deps)
            }
        };
        let off = if value.is_scalar() { 0 } else { value.off };
        Some((plus(plus(whole, line.more), off.checked_neg()?), deps))
    }

    /// A phase begins with the state as the guess: says how numbers are named that are related,
    /// and what bounds follow.
    pub(super) fn hold_linear(&mut self, trial: Trial) {
        let lines = trial.linear(&self.arena);
        trial.clear_linear(&mut self.arena);
        for line in lines {
            let value = self.whole_at(&self.state, line.place);
            let of = self.whole_at(&self.state, line.of).filter(Value::is_scalar);
            if let (Some(value), Some(of)) = (value, of)
                && let (Some(a), Some(b)) = (name(&value), name(&of))
                && a.0 != b.0
                && let Some((number, _)) = self.number_by(&line, &value, &of)
            {
                self.set_number(line.place, number);
                let names = [(value.id, value.off), (of.id, of.off)];
                trial.add_linear(&mut self.arena, Linear { names, ..line });
            }
        }
    }

    /// The proof begins, beside the state that the loop begins with: whether the numbers are
    /// related there. Bounds of that follow, too.
    pub(super) fn enter_linear(&mut self, trial: Trial) -> bool {
        let (outer, from) = (trial.outer(&self.arena), trial.start(&self.arena).parent);
        for line in trial.linear(&self.arena) {
            let value = self.whole_at(&self.scratch, line.place);
            let of = self.whole_at(&self.scratch, line.of);
            let (Some(value), Some(of)) = (value, of) else { return false };
            let more = self.proven_apart(outer, (&value, &of), line.times, from);
            if more != Some((line.more.into(), line.base)) {
                return false;
            }
            core::mem::swap(&mut self.state, &mut self.scratch);
            if let Some((number, _)) = self.number_by(&line, &value, &of)
                && let Some(number) = value.number.meet(number)
            {
                self.set_number(line.place, number);
            }
            core::mem::swap(&mut self.state, &mut self.scratch);
        }
        true
    }

    /// What follows from a node rests on a relation at the head of a summary, if there is one:
    /// whoever comes to a node between the two with numbers of other names may not have related
    /// ones.
    fn rest_on_linear(&mut self, trial: Trial, from: At) {
        if trial.0 == NONE {
            return;
        }
        let (mut node, level) = (Node(from), trial.level(&self.arena));
        while node.0 != NONE && node != trial.node(&self.arena) {
            node.rest_within(&mut self.arena, level);
            self.work(1);
            node = Node(node.parent(&self.arena));
        }
    }

    /// Something was learned of the number that has this identity: so it is of what is related
    /// to it.
    #[inline]
    pub(super) fn learn_linear(&mut self, id: u32) {
        let mut trial = self.walker.active;
        while trial.0 != NONE {
            for line in trial.linear(&self.arena) {
                if line.names[1].0 == id {
                    self.learn_line(trial, &line);
                }
            }
            trial = trial.outer(&self.arena);
        }
    }

    fn learn_line(&mut self, trial: Trial, line: &Linear) {
        let [(id, off), (other, more)] = line.names;
        let named = |value: &&Value| value.is_scalar() && value.id == other && value.range == 0;
        let Some(of) = self.state.regs().iter().find(named).copied() else { return };
        let Some(by) = more.checked_sub(of.off) else { return };
        let of = Value { number: plus(of.number, by), off: more, ..of };
        let number = self.number_by(line, &Value::UNKNOWN, &of);
        let (Some((whole, deps)), Some(off)) = (number, off.checked_neg()) else { return };
        // What is named, without what was added at the head.
        let number = plus(whole, off);
        let deps = of.deps | deps;
        let (mut learned, mut pointers) = (false, false);
        self.state.for_each_named(&mut self.arena, id, |copy| {
            if name(copy).is_none() {
                return false;
            }
            let own = if copy.is_scalar() { plus(number, copy.off) } else { number };
            let Some(both) = copy.number.meet(own).filter(|both| *both != copy.number) else {
                return false;
            };
            (copy.number, copy.deps) = (both, copy.deps | deps);
            learned = true;
            pointers |= !copy.is_scalar();
            true
        });
        if pointers {
            self.mark_precise(deps);
        }
        if learned {
            self.rest_on_linear(trial, self.walker.parent);
        }
    }

    /// The state comes back to the head: whether the numbers are still related. Bounds follow.
    pub(super) fn keep_linear(&mut self, trial: Trial) -> bool {
        for line in trial.linear(&self.arena) {
            let value = self.whole_at(&self.state, line.place);
            let of = self.whole_at(&self.state, line.of);
            let (Some(value), Some(of)) = (value, of) else { return false };
            let live = self.bytes_at(line.place) | self.bytes_at(line.of);
            let more = self.proven_apart(trial, (&value, &of), line.times, self.walker.parent);
            if more != Some((line.more.into(), line.base)) {
                return false;
            }
            // All ways are to be seen, and not one that stands for another.
            self.mark_precise(value.deps | of.deps);
            self.mark_read(live);
            if let Some((number, deps)) = self.number_by(&line, &value, &of)
                && let Some(number) = value.number.meet(number)
            {
                self.set_number(line.place, number);
                self.mark_precise(deps);
            }
        }
        true
    }

    /// The entries of a guess whose bounds are those of others.
    pub(super) fn linear_entries(
        &self,
        trial: Trial,
        guess: Snapshot,
    ) -> [Option<u32>; MAX_LINEAR as usize] {
        let mut out = [None; MAX_LINEAR as usize];
        for (slot, line) in out.iter_mut().zip(trial.linear(&self.arena)) {
            *slot = self.entry_at(guess, line.place).map(|(entry, _)| entry);
        }
        out
    }

    /// All ways round were walked: the proof rests on what the loop began with.
    pub(super) fn mark_linear(&mut self, trial: Trial) {
        let node = trial.node(&self.arena);
        let guess = node.snapshot(&self.arena);
        for line in trial.linear(&self.arena) {
            for place in [line.place, line.of] {
                if let Some((entry, _)) = self.entry_at(guess, place) {
                    self.mark_entry(node, entry);
                    self.mark_entry_read(node, entry);
                }
            }
            if line.base != 0 {
                self.mark_named(node, line.base);
            }
        }
    }
}
