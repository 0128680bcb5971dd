//! What a loop compares its numbers with: where they end, as often as not.

use bpf_bytecode::opcode::{Cond, Width};

use super::Explorer;
use super::trial::Trial;
use crate::arena::NONE;
use crate::domain::Scalar;
use crate::state::Value;
use crate::state::threshold::Threshold;

impl Explorer<'_> {
    /// Notes what two numbers are compared with in a loop: their bounds are there, as
    /// often as not.
    #[inline]
    pub(super) fn note_thresholds(&mut self, cond: Cond, width: Width, a: &Value, b: &Value) {
        if self.walker.active.0 != NONE && a.id | b.id != 0 {
            self.note_both(matches!(cond, Cond::Eq | Cond::Ne), width, a, b);
        }
    }

    #[inline(never)]
    fn note_both(&mut self, equal: bool, width: Width, a: &Value, b: &Value) {
        if a.id == 0 || a.id != b.id {
            self.note_pair(a, b);
            self.note_threshold(a, equal, width, &b.number);
            self.note_threshold(b, equal, width, &a.number);
            return;
        }
        // A number and its low bits: they are the same as long as there are no more.
        let (most, least) = (a.same_bits().max(b.same_bits()), a.same_bits().min(b.same_bits()));
        if most == 64 && (1..63).contains(&least) && a.off == b.off {
            let end = Value { range: 0, ..*a };
            let last = 1_u64.wrapping_shl(least).wrapping_sub(1);
            self.note_threshold(&end, false, Width::W64, &Scalar::constant(last));
        }
    }

    fn note_threshold(&mut self, value: &Value, equal: bool, width: Width, with: &Scalar) {
        let bits = if value.hints() { 64 } else { value.same_bits() };
        if !value.is_scalar() || bits == 0 {
            return;
        }
        let mut trial = self.walker.active;
        while trial.0 != NONE && value.id <= trial.first_id(&self.arena) {
            trial = trial.outer(&self.arena);
        }
        if trial.0 == NONE {
            return;
        }
        let (range, all) = match width {
            // What a guess goes up to as far as it may is no bound, either.
            Width::W64 => (with.full(), i64::MIN >> 2..i64::MAX >> 2),
            Width::W32 => (with.half(), i32::MIN.into()..i32::MAX.into()),
        };
        // Of a number that is its low half and goes beyond 31 bits, negative bounds are
        // large ones.
        let full = value.number.full();
        let large = width == Width::W32 && full.smin >= 0 && full.smax > i32::MAX.into();
        let end = range.smin != range.smax;
        for bound in [range.smin, range.smax] {
            if all.start < bound && bound < all.end {
                let bound = if large { bound & i64::from(u32::MAX) } else { bound };
                let at = bound.wrapping_sub(value.off.into());
                let more = Threshold { id: value.id, bits, at, end, equal };
                trial.add_threshold(&mut self.arena, more, end);
            }
        }
    }

    /// Of what the loop compares with, what is not at its head any more makes room: all of it,
    /// where the loop is guessed at anew.
    pub(super) fn keep_thresholds(&mut self, trial: Trial) {
        let (known, count) = trial.thresholds(&self.arena);
        let mut kept = 0;
        for threshold in known.get(..count).unwrap_or_default() {
            let (arena, cells) = (&self.arena, &self.state.cells);
            let named = |value: &Value| value.id == threshold.id;
            if self.state.regs().iter().any(named)
                || (0..cells.len()).any(|index| cells.id(arena, index) == threshold.id)
            {
                trial.set_threshold(&mut self.arena, kept, *threshold);
                kept = kept.saturating_add(1);
            }
        }
        trial.set_thresholds(&mut self.arena, kept);
    }
}
