//! The packet: where it is, and how its bounds move.
#![allow(unsafe_code)]

use bpf_bytecode::opcode::Size;
use bpf_maps::memory::{Cells, View};

use super::Run;
use super::memory::Bounds;
use crate::context;
use crate::error::Fault;

/// Legacy loads from here on, up to -1, count from the network header.
const SKF_NET_OFF: i32 = -0x10_0000;
/// Legacy loads from here on, up to `SKF_NET_OFF`, count from the link-layer
/// header.
const SKF_LL_OFF: i32 = -0x20_0000;

/// Bytes of an Ethernet header: no packet may become shorter.
const ETH_HLEN: usize = 14;

impl Run<'_> {
    /// The packet's buffer. All offsets in it were checked by who set them.
    #[inline]
    pub(super) fn buffer(&self) -> context::View {
        self.context.as_ref().map_or(context::View::NONE, context::Taken::view)
    }

    /// Whether there is one.
    #[inline]
    pub(super) fn has_packet(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.kind().has_packet())
    }

    /// Brings the addresses that the program sees up to date.
    #[inline(always)]
    pub(super) const fn publish(&mut self, packet: Bounds) {
        let Bounds { data, end, meta } = packet;
        (self.hot.data, self.hot.data_end, self.hot.data_meta) = (data, end, meta);
    }

    /// The packet's bytes; none where there is no packet.
    pub fn packet(&self) -> View<'_> {
        let packet = self.buffer();
        if !self.has_packet() {
            return View::from(&[][..]);
        }
        let len = packet.end.saturating_sub(packet.data);
        // SAFETY: `data..end` is within the buffer, which this run has taken;
        // the view borrows the run, so nobody writes meanwhile.
        unsafe { View::new(packet.base.add(packet.data), len) }
    }

    /// The legacy load of `size` bytes at position `at`, given as
    /// [`legacy_position`]: the big-endian number there. `None` where the packet
    /// is shorter or there is none: the program ends with 0.
    ///
    /// From 0 on, positions are in the packet. From `SKF_NET_OFF` on they are
    /// behind the start of the network header, from `SKF_LL_OFF` on behind the
    /// start of the link-layer header.
    pub fn legacy_load(&self, at: i32, size: Size) -> Option<u64> {
        let packet = self.buffer();
        let (start, distance) = match at {
            0.. => (packet.data, at),
            SKF_NET_OFF.. => (packet.network, at.wrapping_sub(SKF_NET_OFF)),
            SKF_LL_OFF.. => (packet.link, at.wrapping_sub(SKF_LL_OFF)),
            _ => return None,
        };
        let start = start.checked_add(usize::try_from(distance).ok()?)?;
        let inside = start.checked_add(size.bytes())? <= packet.end;
        if !inside || !self.has_packet() {
            return None;
        }
        let mut bytes = [0; 8];
        let (_, wanted) = bytes.split_at_mut_checked(8_usize.checked_sub(size.bytes())?)?;
        // SAFETY: the bytes end within `0..end` of the buffer, which this run
        // has taken.
        let found = unsafe { View::new(packet.base.add(start), size.bytes()) };
        found.read(0, wanted)?;
        Some(u64::from_be_bytes(bytes))
    }

    /// Copies `len` bytes of the packet from `offset` on to a program's address;
    /// zeroes the memory there and gives false where the packet does not have
    /// all of them.
    pub(crate) fn copy_packet(
        &mut self,
        offset: usize,
        to: u64,
        len: usize,
    ) -> Result<bool, Fault> {
        let source = self.packet().part(offset, len).map(|bytes| bytes.as_ptr());
        let cells = self.cells(to, len)?;
        let Some(source) = source else {
            cells.fill(0);
            return Ok(false);
        };
        // SAFETY: the `len` bytes are in the packet's buffer, which this run has
        // taken; the cells, which may overlap them, write atomically.
        let bytes = unsafe { View::new(source, len) };
        Ok(cells.write_view(0, bytes).is_some())
    }

    /// Moves the packet's first byte, and its metadata with it; false where it
    /// would leave the headroom or less than an Ethernet header would be left.
    pub(crate) fn adjust_head(&mut self, delta: i32) -> bool {
        let packet = self.buffer();
        let metadata = packet.data.saturating_sub(packet.meta);
        let (Some(data), Some(meta)) = (shifted(packet.data, delta), shifted(packet.meta, delta))
        else {
            return false;
        };
        let longest = packet.end.checked_sub(ETH_HLEN);
        if !self.has_packet() || longest.is_none_or(|longest| data > longest) {
            return false;
        }
        // SAFETY: both runs of `metadata` bytes are in the buffer, which this
        // run has taken: the old one as it is, the new one as `meta` was not
        // negative and `data` is below `end`.
        unsafe {
            packet.base.add(packet.meta).copy_to(packet.base.add(meta), metadata);
        }
        self.set_packet(meta, data, packet.end);
        true
    }

    /// Moves the packet's end; false where it would leave the tailroom or less
    /// than an Ethernet header would be left. What is added is zeroed.
    pub(crate) fn adjust_tail(&mut self, delta: i32) -> bool {
        let packet = self.buffer();
        let Some(end) = shifted(packet.end, delta).filter(|&end| end <= packet.len) else {
            return false;
        };
        let shortest = packet.data.checked_add(ETH_HLEN);
        if !self.has_packet() || shortest.is_none_or(|shortest| end < shortest) {
            return false;
        }
        let added = end.saturating_sub(packet.end);
        // SAFETY: the `added` bytes behind `end` are in the buffer, which this
        // run has taken.
        unsafe { Cells::new(packet.base.add(packet.end), added) }.fill(0);
        self.set_packet(packet.meta, packet.data, end);
        true
    }

    fn set_packet(&mut self, meta: usize, data: usize, end: usize) {
        let Some(context) = &mut self.context else { return };
        context.set_packet(meta, data, end);
        let packet = context.view();
        self.publish(Bounds::of(&packet));
    }
}

/// The position of a legacy load: the constant, and in the indirect form the
/// register's low half.
#[allow(clippy::cast_possible_truncation, reason = "the low half is what counts")]
pub const fn legacy_position(off: i32, index: Option<u64>) -> i32 {
    match index {
        Some(index) => (index as i32).wrapping_add(off),
        None => off,
    }
}

fn shifted(offset: usize, delta: i32) -> Option<usize> {
    offset.checked_add_signed(isize::try_from(delta).ok()?)
}
