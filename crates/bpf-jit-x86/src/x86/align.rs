//! Where loops begin.
//!
//! A CPU fetches code, and keeps what it has decoded, by lines of 64 bytes. A loop
//! that lies in more of them than it needs can take half as long again or twice as
//! long, depending on nothing but what stands in front of it. So it begins at the
//! next line where that spares one.
//!
//! Compilers put a loop's body in front of what enters it, and an inner loop in front of
//! the rest of the outer one. Then the last jump back is the way in, and the first one is
//! the loop's own; so behind a jump a line that is spared up to the first one counts, too.
//!
//! A loop that divides waits for that wherever it is, and is not moved.

use super::buffer::{CodeBuffer, Kind, PAD, index};
use super::relax::Jump;

/// Bytes that a CPU fetches together.
const LINE: u32 = 64;

/// So many lines a loop may take that is moved: of a longer one, a line more is less
/// than half as much again.
const LINES: u32 = 3;

/// Bytes that may be executed in front of a loop of one line whenever it is entered, two
/// instructions: more would cost short loops what they gain, and longer ones gain less. Behind
/// a jump none is executed.
const EXECUTED: u32 = 18;

/// Instructions that do nothing, by their length.
const NOTHING: [&[u8]; 9] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

impl CodeBuffer {
    /// Notes what is saved where no loop is moved further than it is, and no jump is
    /// short.
    pub(super) fn leave_out(&self, saved: &mut [u32]) {
        let mut all = 0_u32;
        for (fixup, entry) in self.fixups.iter().zip(saved.iter_mut().skip(1)) {
            if let Kind::Pad { bytes, .. } = fixup.kind {
                all = all.saturating_add(PAD.saturating_sub(bytes.into()));
            }
            *entry = all;
        }
    }

    /// Notes what is saved where loops are moved by as much as has been said since, and the
    /// same jumps are short.
    pub(super) fn move_loops(&self, saved: &mut [u32]) {
        let (mut old, mut new) = (0_u32, 0_u32);
        for (fixup, entry) in self.fixups.iter().zip(saved.iter_mut().skip(1)) {
            new = new.saturating_add(match fixup.kind {
                Kind::Pad { bytes, .. } => PAD.saturating_sub(bytes.into()),
                _ => entry.saturating_sub(old),
            });
            old = core::mem::replace(entry, new);
        }
    }

    /// Moves no loop, and notes what is saved then, where the same jumps are short.
    pub(super) fn put_back(&mut self, saved: &mut [u32]) {
        for fixup in &mut self.fixups {
            if let Kind::Pad { bytes, .. } = &mut fixup.kind {
                *bytes = 0;
            }
        }
        self.move_loops(saved);
    }

    /// Says where loops begin, by what is saved as long as none is moved. Whether any
    /// is moved. Their ends are known.
    pub(super) fn align(&mut self, saved: &[u32]) -> bool {
        let now = |at: u32, number: usize| {
            at.saturating_sub(saved.get(number.saturating_add(1)).copied().unwrap_or(0))
        };
        let mut added = 0_u32;
        for number in 0..self.fixups.len() {
            let Some(fixup) = self.fixups.get(number) else { continue };
            let Kind::Pad { first, last, .. } = fixup.kind else { continue };
            let start = now(fixup.at.saturating_add(PAD), number);
            let padding_to = |jump: usize| {
                let end = self.fixups.get(jump).filter(|_| jump > number)?;
                let len = now(end.at.saturating_add(end.kind.long()), jump).saturating_sub(start);
                let bytes = padding(start.saturating_add(added), len);
                Some((if self.divides_between(number, jump) { 0 } else { bytes }, len))
            };
            let Some((bytes, len)) = index(last).and_then(padding_to) else { continue };
            let cheap = bytes <= EXECUTED && len <= LINE;
            let bytes = if self.is_behind_jump(number) {
                // A loop's first jump back may be that of one in it, or of all that is not
                // the way into it from behind.
                let inner = padding_to(number.saturating_add(first.into()));
                bytes.max(inner.map_or(0, |(bytes, _)| bytes))
            } else if cheap {
                bytes
            } else {
                0
            };
            let Some(fixup) = self.fixups.get_mut(number) else { continue };
            if let (Kind::Pad { bytes: pad, .. }, Ok(bytes)) =
                (&mut fixup.kind, u8::try_from(bytes))
            {
                *pad = bytes;
            }
            added = added.saturating_add(bytes);
        }
        added != 0
    }

    /// Whether there is a division between two fixups.
    fn divides_between(&self, number: usize, jump: usize) -> bool {
        let at = |number: usize| self.fixups.get(number).map_or(0, |fixup| fixup.at);
        let from = self.divisions.partition_point(|division| *division < at(number));
        self.divisions.get(from).is_some_and(|division| *division < at(jump))
    }

    /// Whether the code in front of a fixup jumps elsewhere whatever holds.
    fn is_behind_jump(&self, number: usize) -> bool {
        let before = number.checked_sub(1).and_then(|before| self.fixups.get(before));
        let here = self.fixups.get(number).map(|fixup| fixup.at);
        before.is_some_and(|jump| {
            jump.kind == Kind::Jump && here == jump.at.checked_add(jump.kind.long())
        })
    }

    /// Finds the first and the last jump back to the start of each loop.
    pub(super) fn find_ends(&mut self, jumps: &[Jump]) {
        for (number, jump) in jumps.iter().enumerate().filter(|(_, jump)| jump.spares != 0) {
            let pad = index(jump.before).and_then(|behind| behind.checked_sub(1));
            let Some(pad) = pad.filter(|pad| *pad < number) else { continue };
            if let Some(Kind::Pad { first, last, .. }) =
                self.fixups.get_mut(pad).map(|pad| &mut pad.kind)
            {
                *last = u32::try_from(number).unwrap_or(0);
                if *first == 0 {
                    *first = u16::try_from(number.wrapping_sub(pad)).unwrap_or(0);
                }
            }
        }
    }

    /// Writes instructions that do nothing, and says where they end.
    pub(super) fn do_nothing(&mut self, at: usize, bytes: u8) -> usize {
        let end = at.saturating_add(bytes.into());
        if let Some(room) = self.bytes.get_mut(at..end) {
            for part in room.chunks_mut(NOTHING.len()) {
                if let Some(nothing) = NOTHING.get(part.len().wrapping_sub(1)) {
                    part.copy_from_slice(nothing);
                }
            }
        }
        end
    }
}

/// Bytes in front of a loop that is at `start` and of `len` bytes; fewer than a line.
const fn padding(start: u32, len: u32) -> u32 {
    let into = start % LINE;
    let needed = LINE.saturating_sub(into);
    let lines = len.div_ceil(LINE);
    let more = into.saturating_add(len) > lines.saturating_mul(LINE);
    if more && lines <= LINES { needed } else { 0 }
}
