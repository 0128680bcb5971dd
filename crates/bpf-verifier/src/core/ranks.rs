//! Which entries of a head's state a loop may count by.
//!
//! Of a few entries it is noted how every way round changes them: by that rounds are bounded, and
//! what a loop carries along. Where there are more of them, those come first that the guess does
//! not say to be what they were before the loop: no way round can change another one and come
//! back to the guess. Of these an address comes before what else lies on the stack, as nothing may
//! be accessed by it whose bounds are not known.
//!
//! Any choice would do, as long as it is one for the whole of a phase: every way round notes all
//! entries that have a rank, and one without has changed in a way that is not known.

use super::Explorer;
use super::trial::{MAX_RANKS, Trial};
use crate::arena::Arena;
use crate::state::snapshot::Snapshot;
use crate::state::{Kind, Value};

/// Words for the entries that have a rank, each in a quarter of one.
pub(super) const RANKED_WORDS: u32 = MAX_RANKS / LANES;
const LANES: u32 = 4;
const LANE_SHIFT: u32 = 4;
const _: () = assert!(64 / LANES == 1 << LANE_SHIFT && MAX_RANKS.is_multiple_of(LANES));
/// The lowest bit of each quarter.
const EACH: u64 = 0x0001_0001_0001_0001;
/// No entry.
const FREE: u16 = u16::MAX;

/// The order in which entries are given ranks, if there are too few.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// It may change, and is a register or no number.
    First,
    /// It may change.
    Second,
    /// It is as before the loop.
    Last,
}

/// When a value of a guess is given a rank, where identities up to `own` are older than the loop.
fn order(value: &Value, own: u32, is_register: bool) -> Order {
    let changes = value.id > own || matches!(value.kind, Kind::Iterator | Kind::Difference);
    match changes {
        true if is_register || !value.is_scalar() => Order::First,
        true => Order::Second,
        false => Order::Last,
    }
}

impl Trial {
    /// The rank of an entry of the head's state; none, if it has none.
    pub(super) fn rank(self, arena: &Arena<'_>, entry: u32) -> Option<u32> {
        let entry = u16::try_from(entry).ok().filter(|entry| *entry != FREE)?;
        let all = u64::from(entry).wrapping_mul(EACH);
        (0..RANKED_WORDS).find_map(|index| {
            let apart = arena.word(self.ranked_field().saturating_add(index)) ^ all;
            // The lowest of the bits that are set here is in the first quarter that is 0.
            let same = apart.wrapping_sub(EACH) & !apart & EACH.wrapping_shl(15);
            let lane = same.trailing_zeros().wrapping_shr(LANE_SHIFT);
            (same != 0).then(|| index.saturating_mul(LANES).saturating_add(lane))
        })
    }

    fn set_ranks(self, arena: &mut Arena<'_>, entries: &[u16; MAX_RANKS as usize]) {
        for (index, four) in (0..RANKED_WORDS).zip(entries.chunks(LANES as usize)) {
            let word = four
                .iter()
                .rev()
                .fold(0, |word: u64, entry| word.wrapping_shl(u16::BITS) | u64::from(*entry));
            arena.set(self.ranked_field().saturating_add(index), word);
        }
    }
}

impl Explorer<'_> {
    /// Gives the entries of a guess their ranks.
    pub(super) fn rank_entries(&mut self, trial: Trial, guess: Snapshot) {
        let mut ranked = [FREE; MAX_RANKS as usize];
        let mut free = ranked.iter_mut();
        let (regs, cells) = (guess.regs(&self.arena), guess.cells(&self.arena));
        let all = regs.saturating_add(cells);
        if all <= MAX_RANKS {
            for (slot, entry) in free.zip(0..all) {
                *slot = u16::try_from(entry).unwrap_or(FREE);
            }
            trial.set_ranks(&mut self.arena, &ranked);
            return;
        }
        let own = trial.first_id(&self.arena);
        for wanted in [Order::First, Order::Second, Order::Last] {
            let mut entries = guess.read(&self.arena);
            for entry in 0..all {
                let value = if entry < regs {
                    entries.value(&self.arena)
                } else {
                    entries.cell(&self.arena).value
                };
                if order(&value, own, entry < regs) == wanted
                    && let Ok(entry) = u16::try_from(entry)
                    && let Some(slot) = free.next()
                {
                    *slot = entry;
                }
            }
        }
        self.charge_parts(guess.weight(&self.arena));
        trial.set_ranks(&mut self.arena, &ranked);
    }
}
