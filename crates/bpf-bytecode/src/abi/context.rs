//! What a program of each type finds behind R1 at its entry.

use crate::program::BpfProgType;

/// What a field of a context holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// A number in the context's own bytes.
    Scalar,
    /// 32 bits that read as the address of the packet's first byte.
    PacketData,
    /// 32 bits that read as the address behind the packet's last byte.
    PacketEnd,
    /// 32 bits that read as the address of the packet's metadata.
    PacketMeta,
}

/// One field of a context, or a run of equal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxField {
    /// First byte.
    pub offset: u16,
    /// Bytes.
    pub size: u16,
    /// Meaning.
    pub kind: FieldKind,
    /// Whether programs may write it.
    pub writable: bool,
    /// Whether an aligned part of it may be read (a scalar only).
    pub narrow: bool,
}

impl CtxField {
    const fn scalar(offset: u16) -> Self {
        Self { offset, size: 4, kind: FieldKind::Scalar, writable: false, narrow: true }
    }

    const fn run(offset: u16, size: u16) -> Self {
        Self { size, ..Self::scalar(offset) }
    }

    const fn rw(self) -> Self {
        Self { writable: true, ..self }
    }

    const fn packet(offset: u16, kind: FieldKind) -> Self {
        Self { offset, size: 4, kind, writable: false, narrow: false }
    }
}

/// The context of a program type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxLayout {
    /// Bytes; an access beyond is refused.
    pub size: u16,
    /// The fields that may be accessed. An opaque context has none: its bytes
    /// may be read anywhere, and written if `writable`.
    pub fields: &'static [CtxField],
    /// Whether an opaque context may be written.
    pub writable: bool,
    /// Whether programs of this type may write packet bytes.
    pub packet_writable: bool,
}

impl CtxLayout {
    /// Whether the bytes have no structure known here.
    pub const fn is_opaque(&self) -> bool {
        self.fields.is_empty()
    }

    /// The field that holds the `size` bytes at `offset`.
    pub fn field(&self, offset: u16, size: u16) -> Option<&'static CtxField> {
        let end = offset.checked_add(size)?;
        self.fields.iter().find(|f| f.offset <= offset && end <= f.offset.saturating_add(f.size))
    }

    /// Whether a load of 4 bytes at `offset` yields an address, and which.
    pub fn pointer_at(&self, offset: u16) -> Option<FieldKind> {
        let field = self.fields.iter().find(|f| f.offset == offset)?;
        (field.kind != FieldKind::Scalar).then_some(field.kind)
    }
}

/// Offsets in `struct xdp_md`, in bytes.
pub mod xdp_md {
    /// Address of the packet.
    pub const DATA: u16 = 0;
    /// Address behind the packet.
    pub const DATA_END: u16 = 4;
    /// Address of the metadata in front of the packet.
    pub const DATA_META: u16 = 8;
    /// Interface the packet came in by.
    pub const INGRESS_IFINDEX: u16 = 12;
    /// Queue the packet came in by.
    pub const RX_QUEUE_INDEX: u16 = 16;
    /// Interface the packet leaves by.
    pub const EGRESS_IFINDEX: u16 = 20;
    /// Bytes of the structure.
    pub const SIZE: u16 = 24;
}

/// Offsets in `struct __sk_buff`, in bytes.
pub mod sk_buff {
    /// Length of the packet.
    pub const LEN: u16 = 0;
    /// Kind of packet.
    pub const PKT_TYPE: u16 = 4;
    /// Mark.
    pub const MARK: u16 = 8;
    /// `EtherType`, in network order.
    pub const PROTOCOL: u16 = 16;
    /// Priority.
    pub const PRIORITY: u16 = 32;
    /// Interface.
    pub const IFINDEX: u16 = 40;
    /// Traffic-control index.
    pub const TC_INDEX: u16 = 44;
    /// Five words for the program.
    pub const CB: u16 = 48;
    /// Flow hash.
    pub const HASH: u16 = 68;
    /// Traffic-control class.
    pub const TC_CLASSID: u16 = 72;
    /// Address of the packet.
    pub const DATA: u16 = 76;
    /// Address behind the packet.
    pub const DATA_END: u16 = 80;
    /// Address of the metadata in front of the packet.
    pub const DATA_META: u16 = 140;
    /// Bytes of the structure.
    pub const SIZE: u16 = 192;
}

const XDP: CtxLayout = CtxLayout {
    size: xdp_md::SIZE,
    fields: &[
        CtxField::packet(xdp_md::DATA, FieldKind::PacketData),
        CtxField::packet(xdp_md::DATA_END, FieldKind::PacketEnd),
        CtxField::packet(xdp_md::DATA_META, FieldKind::PacketMeta),
        CtxField::scalar(xdp_md::INGRESS_IFINDEX),
        CtxField::scalar(xdp_md::RX_QUEUE_INDEX),
        CtxField::scalar(xdp_md::EGRESS_IFINDEX),
    ],
    writable: false,
    packet_writable: true,
};

/// Socket filters read scalars, write `cb`, and reach the packet by helper and
/// legacy loads only.
const SOCKET_FILTER: CtxLayout = CtxLayout {
    size: sk_buff::SIZE,
    fields: &[
        CtxField::run(sk_buff::LEN, 4),
        CtxField::scalar(sk_buff::PKT_TYPE),
        CtxField::scalar(sk_buff::MARK),
        CtxField::scalar(12),
        CtxField::scalar(sk_buff::PROTOCOL),
        CtxField::scalar(20),
        CtxField::scalar(24),
        CtxField::scalar(28),
        CtxField::scalar(sk_buff::PRIORITY),
        CtxField::scalar(36),
        CtxField::scalar(sk_buff::IFINDEX),
        CtxField::scalar(sk_buff::TC_INDEX),
        CtxField::scalar(sk_buff::CB).rw(),
        CtxField::scalar(52).rw(),
        CtxField::scalar(56).rw(),
        CtxField::scalar(60).rw(),
        CtxField::scalar(64).rw(),
        CtxField::scalar(sk_buff::HASH),
        CtxField::scalar(84),
    ],
    writable: false,
    packet_writable: false,
};

const SCHED_CLS: CtxLayout = CtxLayout {
    size: sk_buff::SIZE,
    fields: &[
        CtxField::scalar(sk_buff::LEN),
        CtxField::scalar(sk_buff::PKT_TYPE),
        CtxField::scalar(sk_buff::MARK).rw(),
        CtxField::scalar(12).rw(),
        CtxField::scalar(sk_buff::PROTOCOL),
        CtxField::scalar(20),
        CtxField::scalar(24),
        CtxField::scalar(28),
        CtxField::scalar(sk_buff::PRIORITY).rw(),
        CtxField::scalar(36),
        CtxField::scalar(sk_buff::IFINDEX),
        CtxField::scalar(sk_buff::TC_INDEX).rw(),
        CtxField::scalar(sk_buff::CB).rw(),
        CtxField::scalar(52).rw(),
        CtxField::scalar(56).rw(),
        CtxField::scalar(60).rw(),
        CtxField::scalar(64).rw(),
        CtxField::scalar(sk_buff::HASH),
        CtxField::scalar(sk_buff::TC_CLASSID).rw(),
        CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
        CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
        CtxField::scalar(84),
        CtxField::scalar(88),
        CtxField::scalar(92),
        CtxField::scalar(96),
        CtxField::run(100, 16),
        CtxField::run(116, 16),
        CtxField::scalar(132),
        CtxField::scalar(136),
        CtxField::packet(sk_buff::DATA_META, FieldKind::PacketMeta),
    ],
    writable: false,
    packet_writable: true,
};

/// Cgroup programs see the packet read-only.
const CGROUP_SKB: CtxLayout = CtxLayout { packet_writable: false, ..SCHED_CLS };

/// `bytes` bytes without structure, read-only.
const fn opaque(bytes: u16) -> CtxLayout {
    CtxLayout { size: bytes, fields: &[], writable: false, packet_writable: false }
}

/// What programs of type `prog_type` find behind R1.
pub const fn layout(prog_type: BpfProgType) -> &'static CtxLayout {
    const PT_REGS: CtxLayout = opaque(168);
    const RECORD: CtxLayout = opaque(4096);
    const RAW_ARGS: CtxLayout = opaque(96);
    const RAW_ARGS_WRITABLE: CtxLayout = CtxLayout { writable: true, ..opaque(96) };
    const SYSCALL: CtxLayout = CtxLayout { writable: true, ..opaque(4096) };
    match prog_type {
        BpfProgType::Xdp => &XDP,
        BpfProgType::SocketFilter => &SOCKET_FILTER,
        BpfProgType::SchedCls | BpfProgType::SchedAct => &SCHED_CLS,
        BpfProgType::CgroupSkb => &CGROUP_SKB,
        BpfProgType::Kprobe => &PT_REGS,
        BpfProgType::Tracepoint | BpfProgType::PerfEvent => &RECORD,
        BpfProgType::RawTracepoint => &RAW_ARGS,
        BpfProgType::RawTracepointWritable => &RAW_ARGS_WRITABLE,
        BpfProgType::Syscall => &SYSCALL,
    }
}
