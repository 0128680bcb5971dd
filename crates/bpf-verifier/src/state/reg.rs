//! What a register or a stack slot holds.

use bpf_bytecode::abi::kfunc::ITER_NUM_MOST;
use bpf_bytecode::opcode::Width;

use super::class::Class;
use crate::arena::{high, low, pair};
use crate::domain::{Range, Scalar, Tnum};

/// The kind of a value.
// As wide as other fields: copies of a single byte and of what pads it overlap, for which the
// CPU waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kind {
    /// Nothing that may be read.
    NotInit = 0,
    /// A number.
    Scalar,
    /// The program's context.
    Context,
    /// The stack of a frame.
    Stack,
    /// A map.
    Map,
    /// A value of a map.
    MapValue,
    /// A value of a map, or null.
    MapValueOrNull,
    /// The packet.
    Packet,
    /// The packet's metadata.
    PacketMeta,
    /// The end of the packet.
    PacketEnd,
    /// Memory that a helper reserved.
    Reserved,
    /// Memory that a helper reserved, or null.
    ReservedOrNull,
    /// Not a value: where a frame returns to.
    Return,
    /// Not a value: memory that is to be released.
    Reference,
    /// A function of the program.
    Function,
    /// A key of a map, which a helper shows to a function that it calls.
    MapKey,
    /// Not a value: a helper that calls a function again and again, and how
    /// often it has.
    Rounds,
    /// Not a value: the helper to which a frame returns.
    ReturnToHelper,
    /// Not a value that may be read: an iterator, how often it was asked, and
    /// what numbers it gives.
    Iterator,
    /// Memory that may be read as long as an iterator lives.
    Memory,
    /// Memory of its caller that a function verified apart was given.
    Given,
    /// The same, or null.
    GivenOrNull,
    /// Not a value: a spin lock that is held, in which map's values, at which offset,
    /// and found by which lookup.
    Lock,
    /// Not a value: preemption is disabled.
    NoPreemption,
    /// Not a value: a read section of RCU.
    RcuSection,
    /// Not a value that may be read: half of a dynptr. Its index says which half, and
    /// of what; its identity is the dynptr's. Or bytes that are lent to a slice.
    Dynptr,
    /// Part of a dynptr's memory; the index is the dynptr's identity and what kind of
    /// part it is.
    Slice,
    /// The same, or null.
    SliceOrNull,
    /// A dynptr of its caller that a function verified apart was given; the identity is the
    /// dynptr's.
    GivenDynptr,
    /// Not a value: how far two numbers are apart. Its index is the identity of the one, its
    /// range that of the other, and its number what the one is more than the other, modulo 2^64.
    Difference,
    /// A map of a map of maps, or null.
    MapOrNull = 40,
    /// A socket of any kind.
    SocketCommon,
    /// A socket of any kind, or null.
    SocketCommonOrNull,
    /// A full socket.
    Socket,
    /// A full socket, or null.
    SocketOrNull,
    /// A TCP socket.
    TcpSocket,
    /// A TCP socket, or null.
    TcpSocketOrNull,
    /// An XDP socket.
    XdpSocket,
    /// An XDP socket, or null.
    XdpSocketOrNull,
    /// The keys of a packet's flow.
    FlowKeys,
}

impl Kind {
    pub(super) const fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Scalar,
            2 => Self::Context,
            3 => Self::Stack,
            4 => Self::Map,
            5 => Self::MapValue,
            6 => Self::MapValueOrNull,
            7 => Self::Packet,
            8 => Self::PacketMeta,
            9 => Self::PacketEnd,
            10 => Self::Reserved,
            11 => Self::ReservedOrNull,
            12 => Self::Return,
            13 => Self::Reference,
            14 => Self::Function,
            15 => Self::MapKey,
            16 => Self::Rounds,
            17 => Self::ReturnToHelper,
            18 => Self::Iterator,
            19 => Self::Memory,
            20 => Self::Given,
            21 => Self::GivenOrNull,
            22 => Self::Lock,
            23 => Self::NoPreemption,
            24 => Self::RcuSection,
            25 => Self::Dynptr,
            26 => Self::Slice,
            27 => Self::SliceOrNull,
            28 => Self::GivenDynptr,
            29 => Self::Difference,
            40 => Self::MapOrNull,
            41 => Self::SocketCommon,
            42 => Self::SocketCommonOrNull,
            43 => Self::Socket,
            44 => Self::SocketOrNull,
            45 => Self::TcpSocket,
            46 => Self::TcpSocketOrNull,
            47 => Self::XdpSocket,
            48 => Self::XdpSocketOrNull,
            49 => Self::FlowKeys,
            _ => Self::NotInit,
        }
    }

    /// Whether the value is an address.
    pub const fn is_pointer(self) -> bool {
        !matches!(
            self,
            Self::NotInit
                | Self::Scalar
                | Self::Return
                | Self::ReturnToHelper
                | Self::Reference
                | Self::Rounds
                | Self::Iterator
                | Self::Lock
                | Self::NoPreemption
                | Self::RcuSection
                | Self::Dynptr
                | Self::Difference
        )
    }

    /// Whether the bytes are an object that only the kernel looks into.
    pub const fn is_opaque(self) -> bool {
        matches!(self, Self::Iterator | Self::Dynptr)
    }

    /// Whether the value is an address or null, which is not known yet.
    pub const fn is_nullable(self) -> bool {
        self.not_null().is_some()
    }

    /// What the value is once it is known not to be null, if it might be null.
    pub const fn not_null(self) -> Option<Self> {
        Some(match self {
            Self::MapValueOrNull => Self::MapValue,
            Self::ReservedOrNull => Self::Reserved,
            Self::GivenOrNull => Self::Given,
            Self::SliceOrNull => Self::Slice,
            Self::MapOrNull => Self::Map,
            Self::SocketCommonOrNull => Self::SocketCommon,
            Self::SocketOrNull => Self::Socket,
            Self::TcpSocketOrNull => Self::TcpSocket,
            Self::XdpSocketOrNull => Self::XdpSocket,
            _ => return None,
        })
    }

    /// Whether the value is a socket, or may be one.
    pub const fn is_socket(self) -> bool {
        matches!(
            self,
            Self::SocketCommon
                | Self::SocketCommonOrNull
                | Self::Socket
                | Self::SocketOrNull
                | Self::TcpSocket
                | Self::TcpSocketOrNull
        )
    }

    /// Whether the value is an address that a change of the packet invalidates.
    pub const fn is_packet(self) -> bool {
        matches!(self, Self::Packet | Self::PacketMeta | Self::PacketEnd)
    }

    /// The name in the field's notation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotInit => "uninitialized value",
            Self::Scalar => "scalar",
            Self::Context => "ctx",
            Self::Stack => "fp",
            Self::Map => "map_ptr",
            Self::MapValue => "map_value",
            Self::MapValueOrNull => "map_value_or_null",
            Self::Packet => "pkt",
            Self::PacketMeta => "pkt_meta",
            Self::PacketEnd => "pkt_end",
            Self::Reserved => "ringbuf_mem",
            Self::ReservedOrNull => "ringbuf_mem_or_null",
            Self::Return => "return address",
            Self::Reference => "reference",
            Self::Function => "func",
            Self::MapKey => "map_key",
            Self::Rounds => "rounds",
            Self::ReturnToHelper => "return to a helper",
            Self::Iterator => "iter_num",
            Self::Memory => "rdonly_mem",
            Self::Given | Self::Slice => "mem",
            Self::GivenOrNull | Self::SliceOrNull => "mem_or_null",
            Self::Lock => "spin lock",
            Self::NoPreemption => "disabled preemption",
            Self::RcuSection => "RCU read section",
            Self::Dynptr => "dynptr",
            Self::GivenDynptr => "dynptr_ptr",
            Self::Difference => "difference",
            Self::MapOrNull => "map_ptr_or_null",
            Self::SocketCommon => "sock_common",
            Self::SocketCommonOrNull => "sock_common_or_null",
            Self::Socket => "sock",
            Self::SocketOrNull => "sock_or_null",
            Self::TcpSocket => "tcp_sock",
            Self::TcpSocketOrNull => "tcp_sock_or_null",
            Self::XdpSocket => "xdp_sock",
            Self::XdpSocketOrNull => "xdp_sock_or_null",
            Self::FlowKeys => "flow_keys",
        }
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// The abstract value of a register or of bytes on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Kind.
    pub kind: Kind,
    /// Frame of a stack pointer, or index of a map's definition. Of a packet pointer: what
    /// a comparison told of this very address, not to lie before the end. Of a number with an
    /// identity: how many bytes the packet is known to have at least behind as many as the number
    /// that it names; 0 where nothing is known.
    pub index: u32,
    /// Values of one kind with the same identity (not 0) are related: numbers
    /// are the same one but for what was added since, pointers are null
    /// together, packet pointers have the same unknown part, reserved memory is
    /// released together.
    pub id: u32,
    /// Constant part of a pointer's offset, in bytes. Of a number with an
    /// identity: what was added, modulo 2^64, to the number that it names.
    pub off: i32,
    /// Of a packet pointer: how far behind its start and unknown part the packet
    /// is known to reach at least, in bytes; negative where it is known only
    /// that it ends no earlier than that. Of reserved or given memory: its bytes. Of a
    /// value of a map with locks: which lookup found it. Of a
    /// number with an identity: how much more than the offset may have been added
    /// in a loop, or what else it is instead, in which case it is no copy of others.
    pub range: i32,
    /// The number, or the unknown part of a pointer's offset.
    pub number: Scalar,
    /// Which values of the last checkpoint the knowledge of this number rests
    /// on, one bit each.
    pub(crate) deps: u64,
}

/// The range of a packet pointer of which nothing is known.
pub(crate) const NO_RANGE: i32 = i32::MIN;

/// The index of a packet pointer that was found not to lie before the packet's end.
pub(crate) const FROM_END: u32 = 1;
/// The same, to lie behind it.
pub(crate) const BEYOND_END: u32 = 2;

/// In the place of what may have been added: the number that is named plus the
/// offset is not 0, and this is half of that at the most.
pub(crate) const HALVED: i32 = -1;
/// The same, twice that at the least.
pub(crate) const DOUBLED: i32 = -2;
/// The same, 2^32 times that, which fits into 32 bits without a sign.
pub(crate) const RAISED: i32 = -3;
/// The same, 2^32 times that, which fits into 32 bits with a sign.
pub(crate) const RAISED_SIGNED: i32 = -4;
/// In the same place, but whatever that is: the number that is named plus the offset,
/// modulo 2^32, where that sum fits into 32 bits with a sign. So extending the sign gives it.
pub(crate) const WRAPPED_SIGNED: i32 = -6;
/// The same, whether the sum fits or not: every 32-bit sum of a copy and a constant is that.
pub(crate) const WRAPPED: i32 = -7;
/// So many less than this, 1 to 63: that number and this one are the same modulo 2 to the power of
/// that many, whatever else they are.
pub(crate) const MODULO: i32 = -8;
/// So many less than this, 1 to 63: what is left in 64 bits of that number, so many bits higher.
pub(crate) const SHIFTED: i32 = MODULO - 64;
/// The same in 32 bits, 1 to 31.
pub(crate) const SHIFTED_HALF: i32 = SHIFTED - 64;

/// In the place of an iterator's offset: it gives nothing.
pub(crate) const NOTHING_GIVEN: i32 = 1;
/// The index of what an iterator has given: it may have nothing more to give by now, and
/// what was given is 0 then.
pub(crate) const OVER: u32 = 1;

/// In the low bits of a slice's index: it may only be read.
pub(crate) const READ_ONLY_SLICE: u32 = 1;
/// It is part of the packet.
pub(crate) const PACKET_SLICE: u32 = 2;
/// It may be bytes of the stack that were lent to it.
pub(crate) const LENT_SLICE: u32 = 4;
/// Low bits of a slice's index.
pub(crate) const SLICE_BITS: u32 = 3;

/// The index of bytes of the stack that are lent to a slice.
pub(crate) const LENT: u32 = 4;

/// Words of a packed [`Value`].
pub(crate) const VALUE_WORDS: usize = 11;

impl Value {
    /// Nothing that may be read.
    pub const NOT_INIT: Self = Self {
        kind: Kind::NotInit,
        index: 0,
        id: 0,
        off: 0,
        range: 0,
        number: Scalar::constant(0),
        deps: 0,
    };

    /// An unknown number.
    pub const UNKNOWN: Self = Self::scalar(Scalar::UNKNOWN);

    /// A number.
    pub const fn scalar(number: Scalar) -> Self {
        Self { kind: Kind::Scalar, number, ..Self::NOT_INIT }
    }

    /// A pointer to the start of something.
    pub const fn pointer(kind: Kind, index: u32, id: u32) -> Self {
        Self { kind, index, id, ..Self::NOT_INIT }
    }

    /// Whether the value may be read.
    pub const fn is_init(&self) -> bool {
        !matches!(self.kind, Kind::NotInit)
    }

    /// Whether the value is a number.
    pub const fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::Scalar)
    }

    /// The number, if it is one and known.
    pub fn as_constant(&self) -> Option<u64> {
        if self.is_scalar() { self.number.as_constant() } else { None }
    }

    /// Whether the identity is that of the unknown part of a pointer's offset.
    pub(crate) const fn names_offset(&self) -> bool {
        let kind = self.kind;
        self.id != 0
            && matches!(kind, Kind::Stack | Kind::MapValue | Kind::Packet | Kind::PacketMeta)
    }

    /// The number that the identity names, in terms of another value: which
    /// identity, and what it is larger than that. A constant is related to 0.
    /// None, if nothing is known.
    pub(crate) fn base(&self) -> Option<(u32, i64)> {
        match self.as_constant() {
            Some(number) => Some((0, number.cast_signed())),
            None if self.id != 0 && self.range == 0 => Some((self.id, self.off.into())),
            None => None,
        }
    }

    /// Of a number with an identity: how many of its low bits are those of the number that it
    /// names plus the offset; 64 for all, 0 where none are known to be.
    pub(crate) const fn same_bits(&self) -> u32 {
        match self.range {
            _ if self.id == 0 => 0,
            0 => 64,
            WRAPPED | WRAPPED_SIGNED => 32,
            range => match MODULO.saturating_sub(range) {
                // What fewer are of is a hint, and nothing is learned by them.
                bits @ 16..64 => bits.unsigned_abs(),
                _ => 0,
            },
        }
    }

    /// Of a number with an identity: whether low bits of it are those of the number that it names
    /// plus the offset, so few that it is a hint at that.
    pub(crate) const fn hints(&self) -> bool {
        self.id != 0 && matches!(MODULO.saturating_sub(self.range), 1..16)
    }

    /// Of a number that is another one some bits higher: in how many bits, and by how many.
    pub(crate) const fn shift(&self) -> Option<(Width, u32)> {
        match self.range {
            RAISED | RAISED_SIGNED => Some((Width::W64, 32)),
            range => match (SHIFTED.saturating_sub(range), SHIFTED_HALF.saturating_sub(range)) {
                (by @ 1..64, _) => Some((Width::W64, by.unsigned_abs())),
                (_, by @ 1..32) => Some((Width::W32, by.unsigned_abs())),
                _ => None,
            },
        }
    }

    /// Whether the value points into the packet, or into what is in front of it.
    pub(crate) const fn is_in_packet(&self) -> bool {
        matches!(self.kind, Kind::Packet | Kind::PacketMeta)
    }

    /// Whether it counts the rounds that what has this identity grants.
    pub(crate) const fn counts_rounds_of(&self, id: u32) -> bool {
        self.id == id && matches!(self.kind, Kind::Rounds | Kind::Iterator)
    }

    /// Whether it says how far a packet reaches behind it, or how it lies to the packet's end.
    /// An address in a packet rests on what that does, and on nothing else.
    pub(crate) const fn says_reach(&self) -> bool {
        self.is_in_packet() && (self.range != NO_RANGE || self.index != 0)
    }

    /// Whether a pointer into a packet may lie `at` bytes behind the start of one that has
    /// `len` bytes, as far as it was found not to lie before the end.
    pub const fn lies_by_end(&self, at: i64, len: i64) -> bool {
        match self.index {
            FROM_END => at >= len,
            BEYOND_END => at > len,
            _ => true,
        }
    }

    /// Of a socket: the reference by which it is held, or 0.
    pub(crate) const fn holder(&self) -> u32 {
        self.range.cast_unsigned()
    }

    /// Of an iterator: how many numbers it gives at the most. They lie within its own one,
    /// and each is another, unless there are none at all.
    pub(crate) fn gives(&self) -> u32 {
        let more = self.number.smax().saturating_sub(self.number.smin());
        let all = u32::try_from(more).map_or(u32::MAX, |more| more.saturating_add(1));
        if self.off == NOTHING_GIVEN { 0 } else { all.min(ITER_NUM_MOST) }
    }

    /// Of a map's value: the lookup that found it, where that matters; 0 otherwise.
    pub(crate) const fn lookup(&self) -> u32 {
        match self.kind {
            Kind::MapValue | Kind::MapValueOrNull => self.range.cast_unsigned(),
            _ => 0,
        }
    }

    /// Of a slice: the dynptr that it is part of.
    pub(crate) const fn dynptr(&self) -> u32 {
        self.index.wrapping_shr(SLICE_BITS)
    }

    /// Of a slice: what kind of part it is.
    pub(crate) const fn slice_flags(&self) -> u32 {
        self.index & ((1 << SLICE_BITS) - 1)
    }

    /// Whether the value is a slice of the packet, or may be one.
    pub(crate) const fn is_packet_slice(&self) -> bool {
        matches!(self.kind, Kind::Slice | Kind::SliceOrNull) && self.index & PACKET_SLICE != 0
    }

    /// Whether the value is a slice that may be a buffer on the stack.
    pub(crate) const fn is_lent_slice(&self) -> bool {
        matches!(self.kind, Kind::Slice | Kind::SliceOrNull) && self.index & LENT_SLICE != 0
    }

    /// Whether the bytes are lent to a slice, whose identity this is.
    pub(crate) const fn is_lent(&self) -> bool {
        is_lent(self.kind, self.index)
    }

    /// The same socket, held by a reference.
    pub(crate) const fn held_by(self, id: u32) -> Self {
        Self { range: id.cast_signed(), ..self }
    }

    /// Least offset of a pointer.
    pub fn min_offset(&self) -> i64 {
        i64::from(self.off).saturating_add(self.number.smin())
    }

    /// Greatest offset of a pointer.
    pub fn max_offset(&self) -> i64 {
        i64::from(self.off).saturating_add(self.number.smax())
    }

    /// The offset of a pointer, where it is known.
    pub fn known_offset(&self) -> Option<i64> {
        let number = self.number.as_constant()?.cast_signed();
        i64::from(self.off).checked_add(number)
    }

    /// Whether the pointer is as it was handed out, nothing added.
    pub fn is_unmodified(&self) -> bool {
        self.off == 0 && self.number.as_constant() == Some(0)
    }

    /// Its first two words, with how snapshots keep its number.
    #[inline]
    pub(super) fn pack_head(&self, class: Class) -> (u64, u64) {
        let head = head(self.kind, self.index, self.id);
        let place = pair(self.off.cast_unsigned(), self.range.cast_unsigned());
        (head | (class as u64).wrapping_shl(FREE_BITS), place)
    }

    /// Its words, with how snapshots keep its number.
    pub(super) fn pack(&self, class: Class) -> [u64; VALUE_WORDS] {
        let (head, place) = self.pack_head(class);
        let [value, mask, umin, umax, smin, smax, half_u, half_s] = pack_number(&self.number);
        [head, place, value, mask, umin, umax, smin, smax, half_u, half_s, self.deps]
    }

    pub(crate) fn unpack(words: &[u64; VALUE_WORDS]) -> Self {
        let [head, place, number @ .., deps] = *words;
        Self::unpack_with(head, place, unpack_number(number), deps)
    }

    /// A value of these words and this number.
    #[inline]
    pub(super) const fn unpack_with(head: u64, place: u64, number: Scalar, deps: u64) -> Self {
        let (kind, index, id) = split_head(head);
        let (off, range) = (low(place).cast_signed(), high(place).cast_signed());
        Self { kind, index, id, off, range, number, deps }
    }
}

/// Whether bytes with a value of this kind and index are lent to a slice.
pub(super) const fn is_lent(kind: Kind, index: u32) -> bool {
    matches!(kind, Kind::Dynptr) && index == LENT
}

pub(super) const fn pack_number(number: &Scalar) -> [u64; 8] {
    let (bits, full, half) = (number.bits(), number.full(), number.half());
    [
        bits.value(),
        bits.mask(),
        full.umin,
        full.umax,
        full.smin.cast_unsigned(),
        full.smax.cast_unsigned(),
        pair(low(half.umin), low(half.umax)),
        pair(low(half.smin.cast_unsigned()), low(half.smax.cast_unsigned())),
    ]
}

pub(crate) fn unpack_number(words: [u64; 8]) -> Scalar {
    let [value, mask, umin, umax, smin, smax, half_u, half_s] = words;
    let full = Range { umin, umax, smin: smin.cast_signed(), smax: smax.cast_signed() };
    let half = Range {
        umin: low(half_u).into(),
        umax: high(half_u).into(),
        smin: low(half_s).cast_signed().into(),
        smax: high(half_s).cast_signed().into(),
    };
    Scalar::from_parts(Tnum::new(value, mask), full, half)
}

/// Bits of an index that are kept.
pub(crate) const INDEX_BITS: u32 = 22;
/// The first of them in a [`head`].
pub(super) const INDEX_SHIFT: u32 = u32::BITS - INDEX_BITS;

/// Kind in six bits, four that are free, index in 22, identity in the high half.
pub(crate) const fn head(kind: Kind, index: u32, id: u32) -> u64 {
    pair((kind as u32) | index.wrapping_shl(INDEX_SHIFT), id)
}

/// The bits of a kind in a [`head`].
pub(crate) const KIND_BITS: u32 = 0x3f;

/// The first of the free bits of a [`head`].
pub(crate) const FREE_BITS: u32 = 6;

pub(crate) const fn split_head(word: u64) -> (Kind, u32, u32) {
    (Kind::from_bits(low(word) & KIND_BITS), low(word).wrapping_shr(INDEX_SHIFT), high(word))
}
