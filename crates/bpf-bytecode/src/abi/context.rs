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

/// Sizes of access, as the sum of those in bytes that are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes(u8);

impl Sizes {
    /// None.
    pub const NONE: Self = Self(0);
    /// One, two and four bytes.
    pub const UP_TO_4: Self = Self(1 | 2 | 4);
    /// Four bytes only.
    pub const ONLY_4: Self = Self(4);
    /// Eight bytes only.
    pub const ONLY_8: Self = Self(8);
    /// Every size.
    pub const ALL: Self = Self(1 | 2 | 4 | 8);

    /// Whether accesses of `bytes` bytes are allowed.
    pub const fn allows(self, bytes: u16) -> bool {
        bytes.is_power_of_two() && bytes <= 8 && self.0 as u16 & bytes != 0
    }
}

/// One field of a context, or a run of fields with the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxField {
    /// First byte.
    pub offset: u16,
    /// Bytes.
    pub size: u16,
    /// Meaning.
    pub kind: FieldKind,
    /// Sizes of loads, aligned to themselves.
    pub reads: Sizes,
    /// Sizes of stores, aligned to themselves.
    pub writes: Sizes,
}

impl CtxField {
    /// Numbers at `offset` to `end`, read-only.
    const fn scalars(offset: u16, end: u16, reads: Sizes) -> Self {
        let size = end.saturating_sub(offset);
        Self { offset, size, kind: FieldKind::Scalar, reads, writes: Sizes::NONE }
    }

    const fn written(self, writes: Sizes) -> Self {
        Self { writes, ..self }
    }

    const fn packet(offset: u16, kind: FieldKind) -> Self {
        Self { offset, size: 4, kind, reads: Sizes::ONLY_4, writes: Sizes::NONE }
    }

    /// Whether a load, or a store, of `bytes` bytes at `offset` is allowed.
    const fn allows(self, offset: u16, bytes: u16, store: bool) -> bool {
        let sizes = if store { self.writes } else { self.reads };
        let Some(end) = offset.checked_add(bytes) else { return false };
        self.offset <= offset
            && end <= self.offset.saturating_add(self.size)
            && sizes.allows(bytes)
            && offset.is_multiple_of(bytes)
    }
}

/// The context of a program type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtxLayout {
    /// Bytes; an access beyond is refused.
    pub size: u16,
    /// What may be accessed. Where runs overlap, the first that allows an
    /// access decides about it.
    pub fields: &'static [CtxField],
    /// Whether the context stands for a packet.
    pub packet: bool,
    /// Whether programs of this type may write packet bytes.
    pub packet_writable: bool,
    /// The values that R0 may have at the program's end, as a signed 32-bit
    /// number; any, where there are none.
    pub returns: Option<(i32, i32)>,
}

impl CtxLayout {
    /// Whether the context is plain bytes, without a packet.
    pub const fn is_opaque(&self) -> bool {
        !self.packet
    }

    /// What a load, or with `store` a store, of `bytes` bytes at `offset`
    /// accesses; `None` where the access is not allowed.
    pub fn access(&self, offset: u16, bytes: u16, store: bool) -> Option<FieldKind> {
        let field = self.fields.iter().find(|field| field.allows(offset, bytes, store))?;
        Some(field.kind)
    }

    /// Whether a load of 4 bytes at `offset` yields an address, and which.
    pub fn pointer_at(&self, offset: u16) -> Option<FieldKind> {
        self.access(offset, 4, false).filter(|kind| *kind != FieldKind::Scalar)
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
        CtxField::scalars(xdp_md::INGRESS_IFINDEX, xdp_md::EGRESS_IFINDEX, Sizes::ONLY_4),
    ],
    packet: true,
    packet_writable: true,
    returns: None,
};

/// The program's own words of a `__sk_buff`, the last one in halves of eight
/// bytes only where it has a neighbour.
const CB: [CtxField; 2] = [
    CtxField::scalars(sk_buff::CB, 64, Sizes::ALL).written(Sizes::ALL),
    CtxField::scalars(64, sk_buff::HASH, Sizes::UP_TO_4).written(Sizes::UP_TO_4),
];

/// Socket filters read scalars, write `cb`, and reach the packet by helper and
/// legacy loads only.
const SOCKET_FILTER: CtxLayout = CtxLayout {
    size: sk_buff::SIZE,
    fields: &[
        CB[0],
        CB[1],
        CtxField::scalars(sk_buff::LEN, sk_buff::TC_CLASSID, Sizes::UP_TO_4),
        CtxField::scalars(84, 88, Sizes::UP_TO_4),
        CtxField::scalars(164, 168, Sizes::UP_TO_4),
        CtxField::scalars(176, 180, Sizes::UP_TO_4),
    ],
    packet: true,
    packet_writable: false,
    returns: None,
};

const SCHED_CLS: CtxLayout = CtxLayout {
    size: sk_buff::SIZE,
    fields: &[
        CB[0],
        CB[1],
        CtxField::scalars(sk_buff::LEN, sk_buff::DATA, Sizes::UP_TO_4),
        CtxField::scalars(sk_buff::MARK, 16, Sizes::NONE).written(Sizes::ONLY_4),
        CtxField::scalars(sk_buff::PRIORITY, 36, Sizes::NONE).written(Sizes::ONLY_4),
        CtxField::scalars(sk_buff::TC_INDEX, sk_buff::CB, Sizes::NONE).written(Sizes::ONLY_4),
        CtxField::scalars(sk_buff::TC_CLASSID, sk_buff::DATA, Sizes::NONE).written(Sizes::ONLY_4),
        CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
        CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
        CtxField::scalars(84, 88, Sizes::UP_TO_4),
        CtxField::packet(sk_buff::DATA_META, FieldKind::PacketMeta),
        CtxField::scalars(152, 160, Sizes::ONLY_8).written(Sizes::ONLY_8),
        CtxField::scalars(160, 168, Sizes::UP_TO_4),
        CtxField::scalars(176, 180, Sizes::UP_TO_4),
        CtxField::scalars(184, 192, Sizes::ONLY_8),
    ],
    packet: true,
    packet_writable: true,
    returns: None,
};

/// Cgroup programs see the packet read-only, and the socket's addresses.
const CGROUP_SKB: CtxLayout = CtxLayout {
    size: sk_buff::SIZE,
    fields: &[
        CB[0],
        CB[1],
        CtxField::scalars(sk_buff::LEN, sk_buff::TC_CLASSID, Sizes::UP_TO_4),
        CtxField::scalars(sk_buff::MARK, 12, Sizes::NONE).written(Sizes::ONLY_4),
        CtxField::scalars(sk_buff::PRIORITY, 36, Sizes::NONE).written(Sizes::ONLY_4),
        CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
        CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
        CtxField::scalars(84, 92, Sizes::UP_TO_4),
        CtxField::scalars(92, 132, Sizes::ONLY_4),
        CtxField::scalars(132, sk_buff::DATA_META, Sizes::UP_TO_4),
        CtxField::scalars(152, 160, Sizes::ONLY_8).written(Sizes::ONLY_8),
        CtxField::scalars(164, 168, Sizes::UP_TO_4),
        CtxField::scalars(176, 180, Sizes::UP_TO_4),
        CtxField::scalars(184, 192, Sizes::ONLY_8),
    ],
    packet: true,
    packet_writable: false,
    returns: Some((0, 1)),
};

/// Plain bytes of which those of `fields` may be accessed.
const fn opaque(size: u16, fields: &'static [CtxField]) -> CtxLayout {
    CtxLayout { size, fields, packet: false, packet_writable: false, returns: None }
}

/// What programs of type `prog_type` find behind R1.
pub const fn layout(prog_type: BpfProgType) -> &'static CtxLayout {
    const PT_REGS: CtxLayout = opaque(168, &[CtxField::scalars(0, 168, Sizes::ALL)]);
    // The first eight bytes of a record belong to the kernel.
    const RECORD: CtxLayout = opaque(8192, &[CtxField::scalars(8, 8192, Sizes::ALL)]);
    const PERF_EVENT: CtxLayout = opaque(
        184,
        &[CtxField::scalars(0, 168, Sizes::ONLY_8), CtxField::scalars(168, 184, Sizes::ALL)],
    );
    const RAW_ARGS: CtxLayout = opaque(96, &[CtxField::scalars(0, 96, Sizes::ALL)]);
    const SYSCALL: CtxLayout =
        opaque(u16::MAX, &[CtxField::scalars(0, u16::MAX, Sizes::ALL).written(Sizes::ALL)]);
    match prog_type {
        BpfProgType::Xdp => &XDP,
        BpfProgType::SocketFilter => &SOCKET_FILTER,
        BpfProgType::SchedCls | BpfProgType::SchedAct => &SCHED_CLS,
        BpfProgType::CgroupSkb => &CGROUP_SKB,
        BpfProgType::Kprobe => &PT_REGS,
        BpfProgType::Tracepoint => &RECORD,
        BpfProgType::PerfEvent => &PERF_EVENT,
        BpfProgType::RawTracepoint | BpfProgType::RawTracepointWritable => &RAW_ARGS,
        BpfProgType::Syscall => &SYSCALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ranges of offsets at which accesses of a size are allowed.
    fn ranges(layout: &CtxLayout, bytes: u16, store: bool) -> impl Iterator<Item = (u16, u16)> {
        let at = move |offset: u16| {
            offset.is_multiple_of(bytes) && layout.access(offset, bytes, store).is_some()
        };
        let mut offset = 0_u16;
        core::iter::from_fn(move || {
            while !at(offset) {
                offset = offset.checked_add(bytes).filter(|next| *next < layout.size)?;
            }
            let start = offset;
            while at(offset) {
                offset = offset.saturating_add(bytes);
            }
            Some((start, offset))
        })
    }

    /// What Linux 6.18 accepts, found by loading a program for each access.
    #[test]
    fn accesses_are_those_that_linux_accepts() {
        type Ranges = &'static [(u16, u16)];
        let cases: &[(BpfProgType, u16, bool, Ranges)] = &[
            (BpfProgType::SocketFilter, 1, false, &[(0, 72), (84, 88), (164, 168), (176, 180)]),
            (BpfProgType::SocketFilter, 4, false, &[(0, 72), (84, 88), (164, 168), (176, 180)]),
            (BpfProgType::SocketFilter, 8, false, &[(48, 64)]),
            (BpfProgType::SocketFilter, 2, true, &[(48, 68)]),
            (BpfProgType::SocketFilter, 8, true, &[(48, 64)]),
            (BpfProgType::SchedCls, 2, false, &[(0, 76), (84, 88), (160, 168), (176, 180)]),
            (BpfProgType::SchedCls, 4, false, &[(0, 88), (140, 144), (160, 168), (176, 180)]),
            (BpfProgType::SchedCls, 4, true, &[(8, 16), (32, 36), (44, 68), (72, 76)]),
            (BpfProgType::SchedCls, 8, true, &[(48, 64), (152, 160)]),
            (
                BpfProgType::CgroupSkb,
                1,
                false,
                &[(0, 72), (84, 92), (132, 140), (164, 168), (176, 180)],
            ),
            (BpfProgType::CgroupSkb, 4, false, &[(0, 72), (76, 140), (164, 168), (176, 180)]),
            (BpfProgType::CgroupSkb, 4, true, &[(8, 12), (32, 36), (48, 68)]),
            (BpfProgType::Xdp, 4, false, &[(0, 20)]),
            (BpfProgType::Xdp, 2, false, &[]),
            (BpfProgType::Xdp, 4, true, &[]),
            (BpfProgType::Kprobe, 8, false, &[(0, 168)]),
            (BpfProgType::Tracepoint, 8, false, &[(8, 8192)]),
            (BpfProgType::PerfEvent, 4, false, &[(168, 184)]),
            (BpfProgType::PerfEvent, 8, false, &[(0, 184)]),
            (BpfProgType::RawTracepoint, 4, false, &[(0, 96)]),
            (BpfProgType::RawTracepoint, 4, true, &[]),
        ];
        for (prog_type, bytes, store, expected) in cases {
            let found = ranges(layout(*prog_type), *bytes, *store);
            assert!(found.eq(expected.iter().copied()), "{prog_type} {bytes} {store}");
        }
    }
}
