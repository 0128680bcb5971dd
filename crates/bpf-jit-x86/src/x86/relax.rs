//! Short jumps where they reach.

use core::cell::Cell;

use bpf_profile::OutOfMemory;

use super::buffer::{CHUNK, CodeBuffer, Fixup, Kind, Label, Place, index};
use crate::error::CompileError;

/// Bytes of a short jump.
const SHORT: u32 = 2;

/// How often distances are looked at again because code moved together. What a
/// further look would find is left long.
const ROUNDS: usize = 3;

// Places are below 2^32, and what is saved in front of one is less than its distance from the
// start: nothing wraps around here that is said to.

/// What is looked at again and again of an instruction with a distance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Jump {
    /// Its first byte.
    at: u32,
    /// Where it leads to, and how many fixups are in front of that; more than there are
    /// where it leads nowhere.
    to: u32,
    before: u32,
    /// Bytes that its short form spares; 0 of what has none.
    spares: u16,
    /// How many loops begin in front of it, behind the fixup before.
    pub(super) loops: u16,
}

impl Jump {
    const fn new(fixup: &Fixup, place: Option<Place>) -> Self {
        let (to, before) = match place {
            Some(place) => (place.at(), place.fixups()),
            None => (0, u32::MAX),
        };
        let spares = match fixup.kind {
            Kind::Jump => 3,
            Kind::JumpIf(_) => 4,
            Kind::Long(_) => 0,
        };
        Self { at: fixup.at, to, before, spares, loops: 0 }
    }

    /// If it, the fixup of a number, leads back, the number of the first fixup there.
    pub(super) fn begin_of_loop(self, number: usize) -> Option<usize> {
        index(self.before).filter(|before| self.spares != 0 && *before <= number)
    }

    pub(super) fn enter_loop(&mut self) {
        self.loops = self.loops.saturating_add(1);
    }

    /// Where it leads to.
    pub(super) fn target(self, saved: &[u32]) -> u32 {
        let before = index(self.before).and_then(|before| saved.get(before));
        self.to.wrapping_sub(before.copied().unwrap_or(0))
    }

    /// Where it ends.
    pub(super) fn end(self, fixup: &Fixup, saved_behind: u32) -> u32 {
        self.at.wrapping_add(fixup.kind.long()).wrapping_sub(saved_behind)
    }

    /// Whether its short form would reach. `saved` is new up to this fixup and old
    /// behind it, where the jump has `len` bytes.
    #[inline]
    fn reaches(self, number: usize, (old, new): (u32, u32), saved: &[Cell<u32>], len: u32) -> bool {
        let Some(before) = index(self.before) else { return false };
        let Some(target) = saved.get(before).map(|saved| self.to.wrapping_sub(saved.get())) else {
            return false;
        };
        if before > number {
            let end = self.at.wrapping_add(len).wrapping_sub(old);
            return target.wrapping_sub(end) <= 127;
        }
        let end = self.at.wrapping_add(SHORT).wrapping_sub(new);
        end.wrapping_sub(target) <= 128
    }
}

impl CodeBuffer {
    /// Takes short forms, moves the code together, and fills the distances in.
    pub(super) fn relax(&mut self) {
        let (mut saved, mut jumps) =
            (core::mem::take(&mut self.saved), core::mem::take(&mut self.jumps));
        let wanted = self.fixups.len().saturating_add(1);
        saved.clear();
        jumps.clear();
        if saved.try_reserve(wanted).is_err() || jumps.try_reserve(wanted).is_err() {
            return self.fail(OutOfMemory { requested: wanted }.into());
        }
        // For each fixup, how many bytes are saved in front of it.
        saved.resize(wanted, 0_u32);
        jumps.extend(self.fixups.iter().map(|fixup| Jump::new(fixup, self.place(fixup.label))));
        for _ in 0..ROUNDS {
            if !shorten(&jumps, &mut saved) {
                break;
            }
        }
        self.start = self.best_start(&mut jumps, &saved);
        self.move_together(&jumps, &saved);
        (self.saved, self.jumps) = (saved, jumps);
    }

    /// Where a label is once the code has moved together.
    pub(super) fn moved_place(&self, label: Label) -> Option<usize> {
        index(moved(self.place(label)?, &self.saved)?)
    }

    fn move_together(&mut self, jumps: &[Jump], saved: &[u32]) {
        let fixups = core::mem::take(&mut self.fixups);
        let (mut from, mut to) = (0, 0);
        let differences = saved.iter().zip(saved.iter().skip(1));
        for ((fixup, jump), (before, behind)) in fixups.iter().zip(jumps).zip(differences) {
            let Some(at) = index(fixup.at) else { return self.fail(CompileError::TooLarge) };
            to = self.copy_down(from, at, to);
            let len = fixup.kind.long();
            from = at.wrapping_add(index(len).unwrap_or(0));
            let target = jump.target(saved);
            let written = if before == behind {
                self.write_long(fixup.kind, at, to, target)
            } else {
                self.write_short(fixup.kind, to, target)
            };
            let Some(end) = written.filter(|_| jump.before != u32::MAX) else {
                return self.fail(CompileError::TooLarge);
            };
            to = end;
        }
        let end = self.copy_down(from, self.end(), to);
        self.cut(end);
        self.fixups = fixups;
    }

    /// Moves bytes to where they belong, and says where they end.
    fn copy_down(&mut self, from: usize, end: usize, to: usize) -> usize {
        let len = end.wrapping_sub(from);
        let room = end.saturating_add(CHUNK) <= self.bytes.len();
        if from.wrapping_sub(to) < CHUNK || len > 8 * CHUNK || !room {
            if from != to && end <= self.bytes.len() && from <= end {
                self.bytes.copy_within(from..end, to);
            }
            return to.wrapping_add(len);
        }
        // More is overwritten, but nothing that is still to be moved.
        let (mut read, mut write) = (from, to);
        while read < end {
            let chunk = self.bytes.get(read..).and_then(<[u8]>::first_chunk::<CHUNK>).copied();
            let room = self.bytes.get_mut(write..).and_then(<[u8]>::first_chunk_mut::<CHUNK>);
            if let (Some(chunk), Some(room)) = (chunk, room) {
                *room = chunk;
            }
            (read, write) = (read.wrapping_add(CHUNK), write.wrapping_add(CHUNK));
        }
        to.wrapping_add(len)
    }

    /// Writes a jump in its short form at a place, and says where it ends; `None` where it is
    /// too far.
    #[inline(always)]
    fn write_short(&mut self, kind: Kind, to: usize, target: u32) -> Option<usize> {
        let code = match kind {
            Kind::JumpIf(flag) => 0x70 | flag as u8,
            _ => 0xeb,
        };
        let end = to.wrapping_add(2);
        let distance = i8::try_from(distance(target, end)?).ok()?;
        let room: &mut [u8; 2] = self.bytes.get_mut(to..)?.first_chunk_mut()?;
        *room = [code, distance.cast_unsigned()];
        Some(end)
    }

    /// Moves an instruction with a distance from `at` to where it belongs.
    #[inline(always)]
    fn write_long(&mut self, kind: Kind, at: usize, to: usize, target: u32) -> Option<usize> {
        let end = to.wrapping_add(index(kind.long())?);
        let distance = distance(target, end)?;
        // None has more bytes than that.
        let whole = *self.bytes.get(at..)?.first_chunk::<8>()?;
        let room: &mut [u8; 4] = self.bytes.get_mut(to..)?.first_chunk_mut()?;
        let [head @ .., _, _, _, _] = whole;
        *room = head;
        let room: &mut [u8; 4] = self.bytes.get_mut(end.wrapping_sub(4)..)?.first_chunk_mut()?;
        *room = distance.to_le_bytes();
        Some(end)
    }
}

/// From the end of an instruction to a place.
#[inline(always)]
fn distance(target: u32, end: usize) -> Option<i32> {
    let distance = i64::from(target).wrapping_sub(i64::try_from(end).ok()?);
    i32::try_from(distance).ok()
}

/// Looks at every jump's distance as it is now. Whether a jump became
/// short; a short one never becomes long again, as distances only shrink.
fn shorten(jumps: &[Jump], saved: &mut [u32]) -> bool {
    let saved = Cell::from_mut(saved).as_slice_of_cells();
    // The savings in front of a jump, as the last look and as this one has
    // them.
    let (mut old, mut new, mut changed) = (0_u32, 0_u32, false);
    for (number, (jump, entry)) in jumps.iter().zip(saved.iter().skip(1)).enumerate() {
        let old_next = entry.get();
        let mut spares = old_next.wrapping_sub(old);
        let most = u32::from(jump.spares);
        let len = most.wrapping_add(SHORT);
        if spares == 0 && most != 0 && jump.reaches(number, (old, new), saved, len) {
            (spares, changed) = (most, true);
        }
        new = new.wrapping_add(spares);
        entry.set(new);
        old = old_next;
    }
    changed
}

/// Where a label is once the savings are made.
fn moved(place: Place, saved: &[u32]) -> Option<u32> {
    let before = saved.get(index(place.fixups())?)?;
    Some(place.at().saturating_sub(*before))
}
