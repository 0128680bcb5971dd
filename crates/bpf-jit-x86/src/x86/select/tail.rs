//! Copies of the ends of loops, in place of jumps to them. What is put off in front of the
//! jump may stay so.

use super::super::buffer::Place;
use super::Selector;

use crate::lower::{TAIL, Tail};

/// Steps that are gone through at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The first.
    pub(super) first: u32,
    /// That behind the last.
    pub(super) end: u32,
    /// Whether they have their places elsewhere, and control comes from in front alone.
    pub(super) copied: bool,
}

impl Selector<'_, '_> {
    /// Selects the end of a loop in place of a jump to it. It keeps the places that it has.
    pub(super) fn copy_tail(&mut self, places: &mut [Place], tail: &Tail) {
        let Tail { jump, first, end, ends } = *tail;
        if self.lowered.step(jump).is_some_and(|step| step.effect.is_joined()) {
            self.join(jump);
        }
        let at = |slot: u32| usize::try_from(slot).unwrap_or(usize::MAX);
        if let Some(place) = places.get_mut(at(jump)) {
            *place = self.out.code.here();
        }
        let mut own = [Place::UNBOUND; TAIL];
        exchange(places.get_mut(at(first)..at(end)), &mut own);
        self.pass(places, Part { first, end, copied: true });
        exchange(places.get_mut(at(first)..at(end)), &mut own);
        if ends {
            self.needed = self.lowered.live_at(end);
            self.settle();
            self.go_on_at(end);
        }
    }
}

fn exchange(places: Option<&mut [Place]>, others: &mut [Place]) {
    for (place, other) in places.into_iter().flatten().zip(others) {
        core::mem::swap(place, other);
    }
}
