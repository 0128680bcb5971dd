//! Programs at sockets, over contexts that only Linux has.

use super::ProgTypeDef;
use crate::abi::context::{CtxField, CtxForm, CtxLayout, FieldKind, Sizes};

pub(super) const WORD: Sizes = Sizes::ONLY_4;
pub(super) const NARROW: Sizes = Sizes::UP_TO_4;

pub(super) const fn foreign(size: u16, fields: &'static [CtxField]) -> CtxLayout {
    CtxLayout::bytes(size, fields).of_form(CtxForm::Foreign)
}

pub(super) const fn words(offset: u16, end: u16) -> CtxField {
    CtxField::scalars(offset, end, WORD)
}

const OPS: &[CtxField] = &[
    words(4, 8).written(WORD),
    words(164, 168).written(WORD),
    words(0, 168),
    CtxField::scalars(168, 184, Sizes::ONLY_8),
    CtxField::pointer(184, FieldKind::SocketOrNull),
    CtxField::pointer(192, FieldKind::PacketData),
    CtxField::pointer(200, FieldKind::PacketEnd),
    words(208, 212),
    CtxField::number(212),
    CtxField::scalars(216, 224, Sizes::ONLY_8),
];

pub(super) static SOCK_OPS: ProgTypeDef =
    ProgTypeDef::new(13, "sock_ops", foreign(224, OPS).named(&["bpf_sock_ops"]))
        .attached(3)
        .returning(0, 1)
        .in_sections(&["sockops"]);

const MSG: &[CtxField] = &[
    CtxField::pointer(0, FieldKind::PacketData),
    CtxField::pointer(8, FieldKind::PacketEnd),
    words(16, 72),
    CtxField::pointer(72, FieldKind::Socket),
];

pub(super) static SK_MSG: ProgTypeDef =
    ProgTypeDef::new(16, "sk_msg", foreign(80, MSG).named(&["sk_msg_md"]).with_writable_packet())
        .attached(7)
        .in_sections(&["sk_msg"]);

const REUSEPORT: &[CtxField] = &[
    CtxField::pointer(0, FieldKind::PacketData),
    CtxField::pointer(8, FieldKind::PacketEnd),
    CtxField::scalars(16, 20, NARROW),
    // Of the protocol, the two bytes that have it.
    CtxField::scalars(20, 24, Sizes::UP_TO_4.without(1)),
    CtxField::scalars(24, 32, NARROW),
    words(32, 36),
    CtxField::pointer(40, FieldKind::Socket),
    CtxField::pointer(48, FieldKind::SocketCommonOrNull),
];

const fn reuseport(name: &'static str, attach: u32) -> ProgTypeDef {
    ProgTypeDef::new(21, name, foreign(56, REUSEPORT).named(&["sk_reuseport_md"])).attached(attach)
}

pub(super) static SK_REUSEPORT: ProgTypeDef =
    reuseport("sk_reuseport", 39).in_sections(&["sk_reuseport"]);

pub(super) static SK_REUSEPORT_MIGRATE: ProgTypeDef =
    reuseport("sk_reuseport_select_or_migrate", 40).in_sections(&["sk_reuseport/migrate"]);

const LOOKUP: &[CtxField] =
    &[CtxField::pointer(0, FieldKind::SocketOrNull), CtxField::scalars(8, 68, NARROW)];

pub(super) static SK_LOOKUP: ProgTypeDef =
    ProgTypeDef::new(30, "sk_lookup", foreign(72, LOOKUP).named(&["bpf_sk_lookup"]))
        .attached(36)
        .returning(0, 1)
        .in_sections(&["sk_lookup"]);

/// The hook's state and the packet, as Linux itself has them.
const HOOK: &[CtxField] =
    &[CtxField::pointer(0, FieldKind::KernelStruct), CtxField::pointer(8, FieldKind::KernelStruct)];

pub(super) static NETFILTER: ProgTypeDef =
    ProgTypeDef::new(32, "netfilter", foreign(16, HOOK).named(&["bpf_nf_ctx"]))
        .attached(45)
        .returning(0, 1)
        .in_sections(&["netfilter"]);
