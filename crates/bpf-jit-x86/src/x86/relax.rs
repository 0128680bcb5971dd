//! Short jumps where they reach.

use alloc::vec::Vec;

use bpf_profile::OutOfMemory;

use super::buffer::{CodeBuffer, Fixup, Kind, Label, PAD, Place, index};
use crate::error::CompileError;

/// Bytes of a short jump.
const SHORT: u32 = 2;

/// How often distances are looked at again because code moved together. What a
/// further look would find is left long.
const ROUNDS: usize = 3;

impl CodeBuffer {
    /// Takes short forms, moves the code together, and fills the distances in.
    pub(super) fn relax(&mut self) {
        let mut saved = core::mem::take(&mut self.saved);
        let wanted = self.fixups.len().saturating_add(1);
        saved.clear();
        if saved.try_reserve(wanted).is_err() {
            return self.fail(OutOfMemory { requested: wanted }.into());
        }
        // For each fixup, how many bytes are saved in front of it.
        saved.resize(wanted, 0_u32);
        self.take_short(&mut saved);
        if self.padded {
            self.align_loops(&mut saved);
        }
        self.move_together(&saved);
        self.saved = saved;
    }

    /// Takes short forms, in loops at the places that they have now.
    fn take_short(&self, saved: &mut [u32]) {
        if self.padded {
            self.leave_out(saved);
        }
        for _ in 0..ROUNDS {
            if !self.shorten(saved) {
                break;
            }
        }
    }

    /// Has loops begin where that spares a line. Jumps that become long by that move loops
    /// behind them, which are looked at again then.
    fn align_loops(&mut self, saved: &mut [u32]) {
        self.find_ends();
        for round in 1..=ROUNDS {
            if !self.align(saved) {
                return;
            }
            match self.keep_short(saved) {
                Some(true) if round < ROUNDS => self.put_back(saved),
                Some(_) => return,
                None => return self.take_short(saved),
            }
        }
    }

    /// Keeps the short forms that reach now that loops have moved. Whether any became long;
    /// nothing where that came to no end.
    fn keep_short(&self, saved: &mut [u32]) -> Option<bool> {
        self.move_loops(saved);
        let before = saved.last().copied();
        let ends = (0..ROUNDS).any(|_| !self.lengthen(saved));
        ends.then(|| saved.last().copied() != before)
    }

    /// Looks at every short jump's distance. Whether one became long.
    fn lengthen(&self, saved: &mut [u32]) -> bool {
        // What is saved in front of a jump, as it was and as it is now.
        let (mut old, mut new) = (0_u32, 0_u32);
        for (number, fixup) in self.fixups.iter().enumerate() {
            let next = number.saturating_add(1);
            let old_next = saved.get(next).copied().unwrap_or(0);
            let saves = old_next.saturating_sub(old);
            let is_jump = matches!(fixup.kind, Kind::Jump | Kind::JumpIf(_));
            let stays =
                !is_jump || saves == 0 || self.reaches(fixup, number, (old, new), saved, SHORT);
            new = new.saturating_add(if stays { saves } else { 0 });
            if let Some(entry) = saved.get_mut(next) {
                *entry = new;
            }
            old = old_next;
        }
        old != new
    }

    /// Where slots are once the code has moved together, or a number behind the code.
    pub(super) fn places(&self) -> Result<Vec<u32>, CompileError> {
        let mut places = Vec::new();
        let requested = self.slots.len().saturating_mul(size_of::<u32>());
        places.try_reserve_exact(self.slots.len()).map_err(|_| OutOfMemory { requested })?;
        // Of a slot without a place no fixup is in front, and its number stays as it is.
        let saved = |fixups| index(fixups).and_then(|fixups| self.saved.get(fixups));
        places.extend(
            self.slots
                .iter()
                .map(|place| place.at.wrapping_sub(saved(place.fixups).copied().unwrap_or(0))),
        );
        Ok(places)
    }

    /// Where a label is once the code has moved together.
    pub(super) fn moved_place(&self, label: Label) -> Option<usize> {
        index(moved(self.place(label)?, &self.saved)?)
    }

    /// Looks at every jump's distance as it is now. Whether a jump became
    /// short; a short one never becomes long again, as distances only shrink.
    fn shorten(&self, saved: &mut [u32]) -> bool {
        // The savings in front of a jump, as the last look and as this one has
        // them.
        let (mut old, mut new, mut changed) = (0_u32, 0_u32, false);
        for (number, fixup) in self.fixups.iter().enumerate() {
            let next = number.saturating_add(1);
            let old_next = saved.get(next).copied().unwrap_or(0);
            let was_short = old_next != old;
            let can_be = matches!(fixup.kind, Kind::Jump | Kind::JumpIf(_));
            if let Kind::Pad { bytes, .. } = fixup.kind {
                new = new.saturating_add(PAD.saturating_sub(bytes.into()));
            } else if was_short
                || can_be && self.reaches(fixup, number, (old, new), saved, fixup.kind.long())
            {
                new = new.saturating_add(fixup.kind.long().saturating_sub(SHORT));
                changed |= !was_short;
            }
            if let Some(entry) = saved.get_mut(next) {
                *entry = new;
            }
            old = old_next;
        }
        changed
    }

    /// Whether a short jump would reach. `saved` is new up to this fixup and old
    /// behind it, where the jump has `len` bytes.
    fn reaches(
        &self,
        fixup: &Fixup,
        number: usize,
        (old, new): (u32, u32),
        saved: &[u32],
        len: u32,
    ) -> bool {
        let Some(place) = self.place(fixup.label) else { return false };
        let Some(target) = moved(place, saved) else { return false };
        if index(place.fixups).is_some_and(|before| before > number) {
            let end = fixup.at.saturating_add(len).saturating_sub(old);
            return target.saturating_sub(end) <= 127;
        }
        let end = fixup.at.saturating_add(SHORT).saturating_sub(new);
        end.saturating_sub(target) <= 128
    }

    fn move_together(&mut self, saved: &[u32]) {
        let fixups = core::mem::take(&mut self.fixups);
        let (mut from, mut to) = (0, 0);
        for (number, fixup) in fixups.iter().enumerate() {
            let Some(at) = index(fixup.at) else { return self.fail(CompileError::TooLarge) };
            to = self.copy_down(from, at, to);
            from = at.saturating_add(index(fixup.kind.long()).unwrap_or(0));
            if let Kind::Pad { bytes, .. } = fixup.kind {
                to = self.do_nothing(to, bytes);
                continue;
            }
            let short = saved.get(number) != saved.get(number.saturating_add(1));
            let end = to.saturating_add(if short { 2 } else { from.saturating_sub(at) });
            let target = self.place(fixup.label).and_then(|place| moved(place, saved));
            if self.write(fixup, at, to..end, short, target).is_none() {
                return self.fail(CompileError::TooLarge);
            }
            to = end;
        }
        self.len = self.copy_down(from, self.len, to);
        self.fixups = fixups;
    }

    /// Moves bytes to where they belong, and says where they end.
    fn copy_down(&mut self, from: usize, end: usize, to: usize) -> usize {
        if from != to && end <= self.bytes.len() && from <= end {
            self.bytes.copy_within(from..end, to);
        }
        to.saturating_add(end.saturating_sub(from))
    }

    /// Writes an instruction with a distance; `None` where it is too far.
    fn write(
        &mut self,
        fixup: &Fixup,
        at: usize,
        range: core::ops::Range<usize>,
        short: bool,
        target: Option<u32>,
    ) -> Option<()> {
        let distance = i64::from(target?).checked_sub(i64::try_from(range.end).ok()?)?;
        if short {
            let code = match fixup.kind {
                Kind::JumpIf(flag) => 0x70 | flag as u8,
                _ => 0xeb,
            };
            let distance = i8::try_from(distance).ok()?;
            self.bytes.get_mut(range)?.copy_from_slice(&[code, distance.cast_unsigned()]);
            return Some(());
        }
        let distance = i32::try_from(distance).ok()?;
        let (start, field) = (range.start, range.end.checked_sub(4)?);
        let end = at.checked_add(range.len())?;
        (end <= self.bytes.len()).then_some(())?;
        self.bytes.copy_within(at..end, start);
        self.bytes.get_mut(field..range.end)?.copy_from_slice(&distance.to_le_bytes());
        Some(())
    }
}

/// Where a label is once the savings are made.
fn moved(place: Place, saved: &[u32]) -> Option<u32> {
    let before = saved.get(index(place.fixups)?)?;
    Some(place.at.saturating_sub(*before))
}
