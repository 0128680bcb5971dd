//! Programs over a `__sk_buff` that the engines here have.

use super::ProgTypeDef;
use crate::abi::context::{CtxField, CtxForm, CtxLayout, FieldKind, Sizes, sk_buff};

/// The program's own words of a `__sk_buff`, the last one in halves of eight
/// bytes only where it has a neighbour.
const CB: [CtxField; 2] = [
    CtxField::scalars(sk_buff::CB, 64, Sizes::ALL).written(Sizes::ALL),
    CtxField::scalars(64, sk_buff::HASH, Sizes::UP_TO_4).written(Sizes::UP_TO_4),
];

/// The packet's socket.
const SOCKET: CtxField = CtxField::pointer(168, FieldKind::SocketCommonOrNull);

/// A word that programs may read like any other, and write.
const fn written(offset: u16) -> CtxField {
    CtxField::scalars(offset, offset.saturating_add(4), Sizes::NONE).written(Sizes::ONLY_4)
}

/// The same for a word that keeps less than it is given.
const fn narrow(offset: u16, kind: FieldKind) -> CtxField {
    CtxField { kind, ..written(offset) }
}

const fn layout(fields: &'static [CtxField]) -> CtxLayout {
    CtxLayout::bytes(sk_buff::SIZE, fields).of_form(CtxForm::SkBuff).named(&["__sk_buff"])
}

/// Socket filters read scalars, write `cb`, and reach the packet by helper and
/// legacy loads only.
const FILTER: &[CtxField] = &[
    CB[0],
    CB[1],
    SOCKET,
    CtxField::scalars(sk_buff::LEN, sk_buff::TC_CLASSID, Sizes::UP_TO_4),
    CtxField::scalars(84, 88, Sizes::UP_TO_4),
    CtxField::scalars(164, 168, Sizes::UP_TO_4),
    CtxField::scalars(176, 180, Sizes::UP_TO_4),
];

const TRAFFIC: &[CtxField] = &[
    CB[0],
    CB[1],
    SOCKET,
    CtxField::scalars(sk_buff::LEN, sk_buff::DATA, Sizes::UP_TO_4),
    written(sk_buff::MARK),
    narrow(sk_buff::QUEUE_MAPPING, FieldKind::Queue),
    written(sk_buff::PRIORITY),
    narrow(sk_buff::TC_INDEX, FieldKind::Half),
    narrow(sk_buff::TC_CLASSID, FieldKind::Half),
    CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
    CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
    CtxField::scalars(84, 88, Sizes::UP_TO_4),
    CtxField::packet(sk_buff::DATA_META, FieldKind::PacketMeta),
    CtxField::scalars(152, 160, Sizes::ONLY_8).written(Sizes::ONLY_8),
    CtxField::scalars(160, 168, Sizes::UP_TO_4),
    CtxField::scalars(176, 180, Sizes::UP_TO_4),
    CtxField::scalars(sk_buff::TSTAMP_TYPE, 181, Sizes::ONLY_1),
    CtxField::scalars(184, 192, Sizes::ONLY_8),
];

/// Cgroup programs see the packet read-only, and the socket's addresses.
const CGROUP: &[CtxField] = &[
    CB[0],
    CB[1],
    SOCKET,
    CtxField::scalars(sk_buff::LEN, sk_buff::TC_CLASSID, Sizes::UP_TO_4),
    written(sk_buff::MARK),
    written(sk_buff::PRIORITY),
    CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
    CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
    CtxField::scalars(84, 92, Sizes::UP_TO_4),
    CtxField::scalars(92, 132, Sizes::ONLY_4),
    CtxField::scalars(132, sk_buff::DATA_META, Sizes::UP_TO_4),
    CtxField::scalars(152, 160, Sizes::ONLY_8).written(Sizes::ONLY_8),
    CtxField::scalars(164, 168, Sizes::UP_TO_4),
    CtxField::scalars(176, 180, Sizes::UP_TO_4),
    CtxField::scalars(184, 192, Sizes::ONLY_8),
];

/// Programs at tunnels read the packet, and at its transmission write it.
const TUNNEL: &[CtxField] = &[
    CB[0],
    CB[1],
    SOCKET,
    CtxField::scalars(sk_buff::LEN, sk_buff::TC_CLASSID, Sizes::UP_TO_4),
    written(sk_buff::MARK),
    written(sk_buff::PRIORITY),
    CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
    CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
    CtxField::scalars(84, 88, Sizes::UP_TO_4),
    CtxField::scalars(164, 168, Sizes::UP_TO_4),
    CtxField::scalars(176, 180, Sizes::UP_TO_4),
];

/// Programs at streams read the packet of a socket and its addresses.
const STREAM: &[CtxField] = &[
    SOCKET,
    CtxField::scalars(sk_buff::LEN, sk_buff::MARK, Sizes::UP_TO_4),
    CtxField::scalars(12, sk_buff::TC_CLASSID, Sizes::UP_TO_4),
    CtxField::scalars(sk_buff::CB, 64, Sizes::ONLY_8),
    written(sk_buff::PRIORITY),
    narrow(sk_buff::TC_INDEX, FieldKind::Half),
    CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
    CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
    CtxField::scalars(84, 92, Sizes::UP_TO_4),
    CtxField::scalars(92, 132, Sizes::ONLY_4),
    CtxField::scalars(132, sk_buff::DATA_META, Sizes::UP_TO_4),
    CtxField::scalars(164, 168, Sizes::UP_TO_4),
    CtxField::scalars(176, 180, Sizes::UP_TO_4),
];

const FLOW: &[CtxField] = &[
    CtxField::packet(sk_buff::DATA, FieldKind::PacketData),
    CtxField::packet(sk_buff::DATA_END, FieldKind::PacketEnd),
    CtxField::pointer(144, FieldKind::FlowKeys),
];

pub(super) static SOCKET_FILTER: ProgTypeDef = ProgTypeDef::new(1, "socket_filter", layout(FILTER))
    .with_legacy_loads()
    .in_sections(&["socket+"]);

pub(super) static SCHED_CLS: ProgTypeDef =
    ProgTypeDef::new(3, "sched_cls", layout(TRAFFIC).with_writable_packet())
        .with_legacy_loads()
        .in_sections(&["tc+", "tcx+", "classifier+", "netkit+"]);

pub(super) static SCHED_ACT: ProgTypeDef =
    ProgTypeDef::new(4, "sched_act", layout(TRAFFIC).with_writable_packet())
        .with_legacy_loads()
        .in_sections(&["action+"]);

pub(super) static CGROUP_SKB: ProgTypeDef = ProgTypeDef::new(8, "cgroup_skb", layout(CGROUP))
    .returning(0, 1)
    .in_sections(&["cgroup_skb/ingress", "cgroup/skb", "cgroup_skb+"]);

/// At egress, a result may also tell of congestion.
pub(super) static CGROUP_EGRESS: ProgTypeDef =
    ProgTypeDef::new(8, "cgroup_inet_egress", layout(CGROUP))
        .attached(1)
        .returning(0, 3)
        .in_sections(&["cgroup_skb/egress"]);

pub(super) static LWT_IN: ProgTypeDef =
    ProgTypeDef::new(10, "lwt_in", layout(TUNNEL)).in_sections(&["lwt_in"]);

pub(super) static LWT_OUT: ProgTypeDef =
    ProgTypeDef::new(11, "lwt_out", layout(TUNNEL)).in_sections(&["lwt_out"]);

pub(super) static LWT_XMIT: ProgTypeDef =
    ProgTypeDef::new(12, "lwt_xmit", layout(TUNNEL).with_writable_packet())
        .in_sections(&["lwt_xmit"]);

pub(super) static LWT_SEG6LOCAL: ProgTypeDef =
    ProgTypeDef::new(19, "lwt_seg6local", layout(TUNNEL)).in_sections(&["lwt_seg6local"]);

pub(super) static SK_SKB: ProgTypeDef =
    ProgTypeDef::new(14, "sk_skb", layout(STREAM).with_writable_packet()).in_sections(&["sk_skb+"]);

pub(super) static FLOW_DISSECTOR: ProgTypeDef =
    ProgTypeDef::new(22, "flow_dissector", layout(FLOW).of_form(CtxForm::Foreign))
        .attached(17)
        .in_sections(&["flow_dissector"]);
