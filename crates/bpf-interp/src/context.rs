//! What a program works on: opaque bytes, or a packet.

use core::fmt;
use core::ops::Range;

use bpf_bytecode::abi::context::{sk_buff, xdp_md};

use crate::error::Refusal;

mod cell;

pub(crate) use cell::{Taken, View};

use cell::Cell;

/// Which kind of input a context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextKind {
    /// Nothing: R1 and R2 are 0 at the program's entry.
    Empty,
    /// Bytes without structure: R1 is their address, R2 their length.
    Bytes,
    /// A packet under a `struct xdp_md`: R1 is the address of the structure.
    Xdp,
    /// A packet under a `struct __sk_buff`: R1 is the address of the structure.
    Socket,
}

impl ContextKind {
    /// Whether there is a packet.
    pub(crate) const fn has_packet(self) -> bool {
        matches!(self, Self::Xdp | Self::Socket)
    }

    /// Every one, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Empty, Self::Bytes, Self::Xdp, Self::Socket];
}

/// A packet does not lie where the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("packet at {start}..{end} of a buffer of {len} bytes")]
pub struct PacketRangeError {
    /// First byte of the packet, or of its metadata.
    pub start: usize,
    /// Behind its last byte.
    pub end: usize,
    /// Bytes of the buffer.
    pub len: usize,
}

/// The input of one execution, borrowed exclusively for `'a`.
///
/// A context is shared by reference with the run that works on it. The run
/// takes it for as long as it lasts; whoever wants it meanwhile, another run or
/// a reader of the packet, gets [`Refusal::ContextBusy`] at once and never
/// waits.
///
/// ```
/// use bpf_interp::BpfContext;
///
/// // A packet of 60 bytes with 64 bytes of headroom and 32 of tailroom.
/// let mut buffer = [0_u8; 64 + 60 + 32];
/// let context = BpfContext::xdp_md(&mut buffer, 64..124)?.with_ifindex(3);
/// assert_eq!(context.with_packet(|packet| packet.len()), Ok(60));
/// # Ok::<(), bpf_interp::context::PacketRangeError>(())
/// ```
pub struct BpfContext<'a> {
    cell: Cell<'a>,
}

impl<'a> BpfContext<'a> {
    /// A context without bytes and without a packet.
    pub const fn empty() -> Self {
        Self { cell: Cell::empty() }
    }

    /// Bytes without structure.
    pub fn bytes(bytes: &'a mut [u8]) -> Self {
        let len = bytes.len();
        Self { cell: Cell::new(ContextKind::Bytes, bytes, 0..len) }
    }

    /// A packet under a `struct xdp_md`, without head- and tailroom.
    pub fn xdp(packet: &'a mut [u8]) -> Self {
        let len = packet.len();
        Self { cell: Cell::new(ContextKind::Xdp, packet, 0..len) }
    }

    /// A packet under a `struct xdp_md`, at `packet` of `buffer`. What lies in
    /// front of it is headroom, what lies behind it tailroom.
    ///
    /// # Errors
    /// [`PacketRangeError`] when the range is not within the buffer.
    pub fn xdp_md(buffer: &'a mut [u8], packet: Range<usize>) -> Result<Self, PacketRangeError> {
        let packet = within(buffer, packet)?;
        Ok(Self { cell: Cell::new(ContextKind::Xdp, buffer, packet) })
    }

    /// A packet under a `struct __sk_buff`.
    pub fn socket(packet: &'a mut [u8]) -> Self {
        let len = packet.len();
        Self::skb(packet, 0..len)
    }

    /// A packet under a `struct __sk_buff`, at `packet` of `buffer`.
    ///
    /// # Errors
    /// [`PacketRangeError`] when the range is not within the buffer.
    pub fn sk_buff(buffer: &'a mut [u8], packet: Range<usize>) -> Result<Self, PacketRangeError> {
        let packet = within(buffer, packet)?;
        Ok(Self::skb(buffer, packet))
    }

    fn skb(buffer: &'a mut [u8], packet: Range<usize>) -> Self {
        let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let cell = Cell::new(ContextKind::Socket, buffer, packet);
        Self { cell }.with_field(sk_buff::LEN, len)
    }

    /// Declares the `bytes` bytes in front of the packet to be its metadata.
    ///
    /// # Errors
    /// [`PacketRangeError`] when the headroom is smaller.
    pub fn with_metadata(mut self, bytes: usize) -> Result<Self, PacketRangeError> {
        let view = self.cell.view_mut();
        match view.data.checked_sub(bytes) {
            Some(meta) => view.meta = meta,
            None => {
                return Err(PacketRangeError { start: 0, end: view.end, len: view.len });
            }
        }
        Ok(self)
    }

    /// Says where in the buffer the link-layer header and the network header
    /// begin: where the deprecated packet loads count from at offsets from
    /// `SKF_LL_OFF` and `SKF_NET_OFF` on. Unless said, the packet begins with an
    /// Ethernet header.
    ///
    /// The link-layer header may lie in front of the packet, as where a socket
    /// filter is given what follows it.
    ///
    /// # Errors
    /// [`PacketRangeError`] when the network header begins before the link-layer
    /// header or behind the buffer.
    pub fn with_headers(mut self, link: usize, network: usize) -> Result<Self, PacketRangeError> {
        let view = self.cell.view_mut();
        if link > network || network > view.len {
            return Err(PacketRangeError { start: link, end: network, len: view.len });
        }
        (view.link, view.network) = (link, network);
        Ok(self)
    }

    /// Sets a 32-bit field of the structure by its offset in bytes, one of
    /// [`xdp_md`] or [`sk_buff`](mod@sk_buff). Fields that read as addresses
    /// and offsets that the context does not have are left alone.
    #[must_use]
    pub fn with_field(mut self, offset: u16, value: u32) -> Self {
        self.cell.set_field(offset, value);
        self
    }

    /// Sets the interface that the packet came in by.
    #[must_use]
    pub fn with_ifindex(self, ifindex: u32) -> Self {
        let offset = match self.kind() {
            ContextKind::Xdp => xdp_md::INGRESS_IFINDEX,
            _ => sk_buff::IFINDEX,
        };
        self.with_field(offset, ifindex)
    }

    /// Sets the queue that the packet came in by.
    #[must_use]
    pub fn with_rx_queue(self, queue: u32) -> Self {
        match self.kind() {
            ContextKind::Xdp => self.with_field(xdp_md::RX_QUEUE_INDEX, queue),
            // `queue_mapping` of `__sk_buff`.
            _ => self.with_field(12, queue),
        }
    }

    /// Sets the `EtherType` that a `__sk_buff` shows, here in the host's order.
    #[must_use]
    pub fn with_protocol(self, ethertype: u16) -> Self {
        self.with_skb_field(sk_buff::PROTOCOL, u32::from(ethertype.to_be()))
    }

    /// Sets the mark of a `__sk_buff`.
    #[must_use]
    pub fn with_mark(self, mark: u32) -> Self {
        self.with_skb_field(sk_buff::MARK, mark)
    }

    /// Sets the priority of a `__sk_buff`.
    #[must_use]
    pub fn with_priority(self, priority: u32) -> Self {
        self.with_skb_field(sk_buff::PRIORITY, priority)
    }

    fn with_skb_field(self, offset: u16, value: u32) -> Self {
        match self.kind() {
            ContextKind::Socket => self.with_field(offset, value),
            _ => self,
        }
    }

    /// Which kind of input this is.
    pub const fn kind(&self) -> ContextKind {
        self.cell.kind()
    }

    /// Bytes that a program finds behind R1.
    pub const fn len(&self) -> usize {
        self.cell.len()
    }

    /// Whether a program finds no bytes behind R1.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A 32-bit field of the structure as it stands now; `None` where there is
    /// no field of numbers at `offset`.
    ///
    /// # Errors
    /// [`Refusal::ContextBusy`] while a run is under way.
    pub fn field(&self, offset: u16) -> Result<Option<u32>, Refusal> {
        Ok(self.take()?.field(offset))
    }

    /// Where the packet (or the opaque bytes) lies in its buffer now.
    ///
    /// # Errors
    /// [`Refusal::ContextBusy`] while a run is under way.
    pub fn packet_range(&self) -> Result<Range<usize>, Refusal> {
        let view = self.take()?.view();
        Ok(view.data..view.end)
    }

    /// Shows the packet (or the opaque bytes) as it stands now.
    ///
    /// # Errors
    /// [`Refusal::ContextBusy`] while a run is under way.
    pub fn with_packet<R>(&self, look: impl FnOnce(&[u8]) -> R) -> Result<R, Refusal> {
        let taken = self.take()?;
        Ok(look(taken.packet()))
    }

    /// Gives the buffer back, and where in it the packet lies.
    pub fn into_buffer(self) -> (&'a mut [u8], Range<usize>) {
        self.cell.into_buffer()
    }

    /// Gives the packet (or the opaque bytes) back.
    pub fn into_packet(self) -> &'a mut [u8] {
        let (buffer, range) = self.into_buffer();
        buffer.get_mut(range).unwrap_or_default()
    }

    /// Takes the context for a run.
    pub(crate) fn take(&self) -> Result<Taken<'_>, Refusal> {
        self.cell.take().ok_or(Refusal::ContextBusy)
    }

    /// The same by a borrow that is exclusive.
    #[inline]
    pub(crate) fn take_mut(&mut self) -> Result<Taken<'_>, Refusal> {
        self.cell.take_mut().ok_or(Refusal::ContextBusy)
    }
}

impl Default for BpfContext<'_> {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for BpfContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("BpfContext");
        out.field("kind", &self.kind());
        match self.packet_range() {
            Ok(range) => out.field("packet", &range),
            Err(_) => out.field("packet", &"in use"),
        };
        out.finish_non_exhaustive()
    }
}

fn within(buffer: &[u8], packet: Range<usize>) -> Result<Range<usize>, PacketRangeError> {
    if packet.start <= packet.end && packet.end <= buffer.len() {
        return Ok(packet);
    }
    Err(PacketRangeError { start: packet.start, end: packet.end, len: buffer.len() })
}
