//! What follows from a place, at the most.
//!
//! Where something else than a number bounds a loop, each of its rounds uses up one of what
//! it *grants*: an iterator gives one more number, `may_goto` one more round, a helper calls
//! its function once more. What a path from a place costs is then at most a sum, with a
//! figure that is the same however often it goes round, and for each grant it uses another
//! one, the costliest *round*. So it does not matter at which of the loop's nodes rounds
//! are closed, nor how many nodes there are: there are as many rounds as grants.
//! [`rounds`](crate::core::rounds) says why that holds.

mod granted;
mod path;

use crate::arena::{Arena, At};
use crate::meter::Meter;
use granted::{NOBODY, Rounds, SEVERAL};
use path::Path;

/// Loops with a summary that one place can lie in.
pub(crate) const MAX_NEST: usize = 8;

/// Where rounds begin: a place that asks for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// What grants.
    pub instance: u32,
    /// How many grants are left at the most.
    pub most: u32,
    /// How many were used before.
    pub had: u32,
    /// Whether one was used since the place before that asked for it.
    pub used: bool,
    /// The node on the way here that asked first, by its serial number: 0, if that is this one
    /// or not known.
    pub first: u32,
}

impl Ask {
    /// Whether no other place on the way here asked the same.
    pub const fn is_first(&self) -> bool {
        self.had == 0 && self.first == 0
    }
}

/// What follows from a place: the costliest paths from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// To the program's end, where no grant was used.
    exit: Meter,
    /// Back to the head of each loop around it that is being summarised, the
    /// outermost first.
    pub back: [Meter; MAX_NEST],
    /// The rounds behind it, by instance; where there are more than two, several share
    /// the last place.
    rounds: [Rounds; 2],
}

impl Tail {
    /// Words that the rounds of one instance take in working memory.
    pub const ROUNDS_WORDS: u32 = Rounds::WORDS;

    /// No path at all.
    pub const NONE: Self =
        Self { exit: Meter::NONE, back: [Meter::NONE; MAX_NEST], rounds: [Rounds::NONE; 2] };

    /// The program's end is here.
    pub const END: Self = Self::ending(Meter::ZERO);

    /// The program's end lies so far behind, and nothing else does.
    pub const fn ending(exit: Meter) -> Self {
        Self { exit, ..Self::NONE }
    }

    /// The loop around this place at `level` goes round here.
    pub fn round(level: usize) -> Self {
        let mut tail = Self::NONE;
        if let Some(back) = tail.back.get_mut(level) {
            *back = Meter::ZERO;
        }
        tail
    }

    /// A loop is closed here at the ancestor of this serial number, which asks.
    pub fn closes(ask: &Ask, serial: u32) -> Self {
        let (instance, most) = (ask.instance, ask.most);
        let at = Rounds { instance, most, outer: serial, inner: serial, ..Rounds::NONE };
        Self { rounds: [Rounds { open: Path::END, ..at }, Rounds::NONE], ..Self::NONE }
    }

    /// That of which this much is kept: the cost of an end without rounds, and those, of so
    /// many instances.
    pub fn load(arena: &Arena<'_>, exit: Meter, at: At, instances: u32) -> Self {
        let mut tail = Self { exit, ..Self::NONE };
        let mut at = at;
        for of in tail.rounds.iter_mut().take(instances as usize) {
            *of = Rounds::load(arena, at);
            at = at.saturating_add(Rounds::WORDS);
        }
        tail
    }

    /// Keeps the rounds of so many instances.
    pub fn store_rounds(&self, arena: &mut Arena<'_>, mut at: At, instances: u32) {
        for of in self.rounds.iter().take(instances as usize) {
            of.store(arena, at);
            at = at.saturating_add(Rounds::WORDS);
        }
    }

    /// Of how many instances there are rounds.
    pub fn instances(&self) -> u32 {
        let [first, last] = self.rounds;
        match (first.is_none(), last.is_none()) {
            (true, true) => 0,
            (false, true) => 1,
            _ => 2,
        }
    }

    /// The innermost ancestor of which a loop is closed behind the place; 0 for none.
    pub fn inner(&self) -> u32 {
        let [first, last] = self.rounds;
        first.inner().max(last.inner())
    }

    /// What grants the rounds behind the place, but for what is not told apart.
    pub fn named(&self) -> [Option<u32>; 2] {
        self.rounds.map(|of| Some(of.instance).filter(|id| *id < NOBODY))
    }

    /// To the program's end, where no grant was used.
    pub const fn exit(&self) -> Meter {
        self.exit
    }

    /// The same behind a stretch of this cost.
    #[must_use]
    pub fn after(&self, before: Meter) -> Self {
        let mut tail = *self;
        tail.exit = before.then(self.exit);
        for back in &mut tail.back {
            *back = before.then(*back);
        }
        for of in tail.rounds.iter_mut().filter(|of| !of.is_none()) {
            (of.open, of.exit) = (of.open.after(before), of.exit.after(before));
        }
        tail
    }

    /// What a round costs at either place.
    fn each(&self) -> [Meter; 2] {
        self.rounds.map(|of| of.each)
    }

    /// The paths of both.
    #[must_use]
    pub fn max(&self, other: &Self) -> Self {
        let (mut one, mut other) = (*self, *other);
        if !one.shares_places(&mut other) {
            let [kept, _] = one.rounds.map(|of| of.instance);
            (one, other) = (one.with_several(kept), other.with_several(kept));
            one.shares_places(&mut other);
        }
        for (back, other) in one.back.iter_mut().zip(&other.back) {
            *back = back.max(*other);
        }
        let ([a, b], [c, d]) = (one.each(), other.each());
        let each = [a.max(c), b.max(d)];
        for (of, more) in one.rounds.iter_mut().zip(other.rounds) {
            if of.is_none() {
                *of = more;
            } else if !more.is_none() {
                *of = of.join(more, each);
            }
        }
        Self { exit: one.exit.max(other.exit), ..one }
    }

    /// Whether the rounds of one instance are at one place in both, which may turn `other`.
    fn shares_places(&self, other: &mut Self) -> bool {
        let fits = |other: &Self| {
            self.rounds
                .iter()
                .zip(&other.rounds)
                .all(|(of, more)| of.is_none() || more.is_none() || of.instance == more.instance)
        };
        // What is alone may stand at the wrong place.
        let [first, last] = self.rounds;
        let twice = |other: &Self| {
            let [other_first, other_last] = other.rounds;
            let same =
                |a: &Rounds, b: &Rounds| !a.is_none() && !b.is_none() && a.instance == b.instance;
            same(&first, &other_last) || same(&last, &other_first)
        };
        if fits(other) && !twice(other) {
            return true;
        }
        *other = other.turned();
        fits(other) && !twice(other)
    }

    /// The places changed.
    fn turned(&self) -> Self {
        let rounds = self.rounds.map(|of| {
            let [open, exit] = [of.open, of.exit].map(Path::turned);
            Rounds { open, exit, ..of }
        });
        let [a, b] = rounds;
        Self { rounds: [b, a], ..*self }
    }

    /// All grants of a place count here and now.
    fn count(&mut self, place: usize) {
        let Some(own) = self.rounds.get_mut(place) else { return };
        let (each, most) = (core::mem::take(&mut own.each), own.most);
        let ends = core::mem::replace(&mut own.exit, Path::NONE).counted(place, each, most);
        let all = each.times(most.into());
        self.exit = all.then(self.exit);
        self.back = self.back.map(|back| all.then(back));
        for of in &mut self.rounds {
            of.open = of.open.counted(place, each, most);
            of.exit = of.exit.counted(place, each, most);
        }
        if let Some(own) = self.rounds.get_mut(place).filter(|own| !own.is_open()) {
            *own = Rounds::NONE;
        }
        self.end(ends);
    }

    /// A path leads to the program's end, too.
    fn end(&mut self, path: Path) {
        let [first, last] = path.used;
        if path.is_none() || (first, last) == (0, 0) {
            self.exit = self.exit.max(path.cost);
            return;
        }
        let each = self.each();
        let place = usize::from(first == 0);
        if let Some(of) = self.rounds.get_mut(place) {
            of.exit = of.exit.max(path, each);
        }
    }

    /// The same, where all instances but one are not told apart any more: at the last place.
    fn with_several(&self, kept: u32) -> Self {
        let mut tail = *self;
        let [first, last] = tail.rounds;
        if first.instance != kept && (last.instance == kept || last.is_none()) {
            tail = tail.turned();
        }
        for place in 0..tail.rounds.len() {
            if tail.rounds.get(place).is_some_and(|of| of.instance != kept) {
                tail.count(place);
            }
        }
        let [first, last] = &mut tail.rounds;
        if first.instance != kept && !first.is_none() {
            *last = if last.is_none() { *first } else { last.join(*first, [Meter::ZERO; 2]) };
            *first = Rounds::NONE;
        }
        if last.instance != kept && !last.is_none() {
            last.instance = SEVERAL;
        }
        tail
    }

    /// The paths from the node of this serial number, if it is a place that asks, where
    /// all of them were walked: what is closed at it is closed behind it alone. `parent` is
    /// the serial number of the node before it, 0 if there is none.
    #[must_use]
    pub fn closed(&self, ask: &Ask, serial: u32, parent: u32) -> Self {
        let mut tail = *self;
        let each = tail.each();
        for place in 0..tail.rounds.len() {
            let Some(of) = tail.rounds.get_mut(place) else { break };
            let here = of.is_open() && of.outer <= serial && serial <= of.inner;
            let mut all = Meter::ZERO;
            if of.instance == ask.instance {
                of.most = ask.most;
                if here {
                    of.each = of.each.max(of.open.without(each, [0; 2]));
                }
            } else if here && of.instance == SEVERAL {
                all = of.open.cost.times(ask.most.into());
            }
            *of = of.without(serial, parent);
            if of.instance == SEVERAL && !of.is_open() {
                *of = Rounds::NONE;
            }
            tail = tail.after(all);
        }
        tail
    }

    /// The same, seen by a path that comes to a place that asks.
    #[must_use]
    pub fn asked(&self, ask: &Ask) -> Self {
        let mut tail = *self;
        let own = |of: &Rounds| !of.is_none() && of.instance == ask.instance;
        let Some(place) = tail.rounds.iter().position(own) else { return tail };
        if let Some(of) = tail.rounds.get_mut(place) {
            of.most = ask.most;
        }
        if ask.is_first() {
            tail.count(place);
            return tail;
        }
        if !ask.used {
            return tail;
        }
        // A round ends here, and the grant that it has used stands for it.
        let each = tail.each();
        for of in &mut tail.rounds {
            let own = of.instance == ask.instance;
            of.most = of.most.saturating_add(own.into());
            if own && of.is_open() {
                of.each = of.each.max(of.open.without(each, [0; 2]));
                of.open = Path::END;
            } else if ask.first > of.inner {
                // All that it grants is counted before that loop is closed. Otherwise others
                // of its rounds may use no grant here, as this one did.
                of.open = of.open.using(place);
            }
            of.exit = of.exit.using(place);
        }
        let exit = core::mem::replace(&mut tail.exit, Meter::NONE);
        tail.end(Path { cost: exit, used: [0; 2] }.using(place));
        tail
    }

    /// The same for a path on which what grants has the names that `now` gives; none, where
    /// that is not known.
    #[must_use]
    pub fn renamed(&self, now: impl Fn(u32) -> Option<u32>) -> Self {
        let mut tail = *self;
        for place in 0..tail.rounds.len() {
            let Some(of) = tail.rounds.get_mut(place) else { break };
            match now(of.instance) {
                Some(instance) => of.instance = instance,
                // There are not more of them left than on the older path.
                None => tail.count(place),
            }
        }
        tail
    }

    /// What all of it costs at the most, from the program's first place.
    pub fn whole(&self) -> Meter {
        self.renamed(|_| None).exit
    }

    /// The innermost loop with a summary that some path goes back to.
    pub fn level(&self) -> Option<usize> {
        self.back.iter().rposition(|back| !back.is_none())
    }

    /// The paths from the head of the loop at `level`, where it goes round
    /// `rounds` times at the most.
    #[must_use]
    pub fn unrolled(&self, level: usize, rounds: u64) -> Self {
        let Some(back) = self.back.get(level) else { return *self };
        let all = if back.is_none() { Meter::ZERO } else { back.times(rounds) };
        self.in_all(level, all)
    }

    /// The same, where all rounds together cost so much at the most.
    #[must_use]
    pub fn in_all(&self, level: usize, all: Meter) -> Self {
        let mut out = *self;
        if let Some(back) = out.back.get_mut(level) {
            *back = Meter::NONE;
        }
        out.after(all)
    }

    /// The same, where each time it uses a grant, of which so many are left at the most.
    #[must_use]
    pub fn granted(&self, level: usize, instance: u32, most: u32) -> Self {
        let mut out = *self;
        let Some(back) = out.back.get_mut(level) else { return out };
        if back.is_none() {
            return out;
        }
        let each = core::mem::replace(back, Meter::NONE);
        let own = Rounds { instance, most, each, ..Rounds::NONE };
        let mut beside = Self { rounds: [own, Rounds::NONE], ..Self::NONE };
        if out.shares_places(&mut beside) {
            return out.max(&beside);
        }
        // There is no place left. The rounds are no paths of their own, on which they might
        // be counted: they lie in front of all that follows.
        out.after(each.times(most.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, Meter, Tail};

    const fn ask(instance: u32, most: u32) -> Ask {
        Ask { instance, most, had: 1, used: true, first: 1 }
    }

    fn cost(insns: u64) -> Meter {
        let mut cost = Meter::ZERO;
        if let Some(first) = cost.0.first_mut() {
            *first = insns;
        }
        cost
    }

    /// What follows from a place that asks, with two grants left: rounds of 25, and 7 to the end.
    fn rounds(instance: u32) -> Tail {
        let ask = ask(instance, 2);
        let round = Tail::closes(&ask, 5).after(cost(25));
        round.max(&Tail::END.after(cost(7))).closed(&ask, 5, 4)
    }

    #[test]
    fn the_grant_that_led_here_is_one_more() {
        let here = rounds(1);
        assert_eq!(here.whole(), cost(2 * 25 + 7));
        // The way to here is no round of these: what it costs is its own.
        let before = here.asked(&ask(1, 2)).after(cost(10));
        assert_eq!(before.whole(), cost(10 + 2 * 25 + 7));
        // A costlier round, known later, takes the place of the way.
        let round = Tail::closes(&ask(1, 3), 3).after(cost(30)).closed(&ask(1, 3), 3, 2);
        assert_eq!(before.max(&round).whole(), cost(10 + 2 * 30 + 7));
    }

    #[test]
    fn what_has_no_place_left_counts_in_front() {
        // A round of 10 of a loop with a summary, and what follows from two instances.
        let back = Tail::round(0).after(cost(10));
        let one = back.max(&rounds(1));
        assert_eq!(one.granted(0, 9, 3).whole(), cost(3 * 10 + 2 * 25 + 7));
        let two = one.max(&rounds(2));
        let without = back.max(&rounds(1)).max(&rounds(2)).unrolled(0, 0).whole();
        assert_eq!(two.granted(0, 9, 3).whole(), cost(3 * 10).then(without));
    }

    #[test]
    fn what_is_not_told_apart_counts_no_less() {
        let paths = [1, 2, 3].map(|instance| rounds(instance).asked(&ask(instance, 2)));
        let all = paths.iter().fold(Tail::NONE, |all, path| all.max(path));
        assert!(all.whole().insns() >= 2 * 25 + 7, "{:?}", all.whole());
        assert!(all.whole().insns() <= 3 * 3 * 25 + 7, "{:?}", all.whole());
    }
}
