//! Programs at devices, settings, options and sockets of a control group.

use super::ProgTypeDef;
use super::socket::{NARROW, WORD, foreign, words};
use crate::abi::context::{CtxField, CtxLayout, FieldKind};
use crate::abi::socket::{
    FAMILY, INTERFACE, MARK, PEER, PORT, SOCK_SIZE, SOURCE_PORT, SOURCE4, SOURCE6, STATE, TYPE,
};

const DEVICE: &[CtxField] = &[CtxField::scalars(0, 4, NARROW), words(4, 12)];

pub(super) static CGROUP_DEVICE: ProgTypeDef = ProgTypeDef::new(
    15,
    "cgroup_device",
    CtxLayout::bytes(12, DEVICE).named(&["bpf_cgroup_dev_ctx"]),
)
.attached(6)
.returning(0, 1)
.in_sections(&["cgroup/dev"]);

const SYSCTL: &[CtxField] = &[CtxField::scalars(0, 8, NARROW), words(4, 8).unread().written(WORD)];

pub(super) static CGROUP_SYSCTL: ProgTypeDef =
    ProgTypeDef::new(23, "cgroup_sysctl", foreign(8, SYSCTL).named(&["bpf_sysctl"]))
        .attached(18)
        .returning(0, 1)
        .in_sections(&["cgroup/sysctl"]);

const OPTION: [CtxField; 3] = [
    CtxField::pointer(0, FieldKind::Socket),
    CtxField::pointer(8, FieldKind::PacketData),
    CtxField::pointer(16, FieldKind::PacketEnd),
];

const fn option(name: &'static str, attach: u32, fields: &'static [CtxField]) -> ProgTypeDef {
    ProgTypeDef::new(25, name, foreign(40, fields).with_writable_packet().named(&["bpf_sockopt"]))
        .attached(attach)
        .returning(0, 1)
}

const GETSOCKOPT: &[CtxField] =
    &[OPTION[0], OPTION[1], OPTION[2], words(24, 32), words(32, 40).written(WORD)];

pub(super) static CGROUP_GETSOCKOPT: ProgTypeDef =
    option("cgroup_getsockopt", 21, GETSOCKOPT).in_sections(&["cgroup/getsockopt"]);

const SETSOCKOPT: &[CtxField] = &[OPTION[0], OPTION[1], OPTION[2], words(24, 36).written(WORD)];

pub(super) static CGROUP_SETSOCKOPT: ProgTypeDef =
    option("cgroup_setsockopt", 22, SETSOCKOPT).in_sections(&["cgroup/setsockopt"]);

const fn sock(name: &'static str, attach: u32, fields: &'static [CtxField]) -> ProgTypeDef {
    ProgTypeDef::new(9, name, foreign(SOCK_SIZE, fields).named(&["bpf_sock"]))
        .attached(attach)
        .returning(0, 1)
}

/// Before a socket has addresses, some words may be written.
const CREATED: &[CtxField] = &[
    INTERFACE.written(WORD),
    FAMILY,
    TYPE[0],
    TYPE[1],
    MARK.written(WORD),
    PORT[0],
    PORT[1],
    PEER,
    STATE[0],
    STATE[1],
];

pub(super) static SOCK_CREATE: ProgTypeDef =
    sock("cgroup_inet_sock_create", 2, CREATED).in_sections(&["cgroup/sock_create", "cgroup/sock"]);

pub(super) static SOCK_RELEASE: ProgTypeDef =
    sock("cgroup_inet_sock_release", 34, CREATED).in_sections(&["cgroup/sock_release"]);

const BOUND4: &[CtxField] =
    &[FAMILY, TYPE[0], TYPE[1], SOURCE4, SOURCE_PORT, PORT[0], PORT[1], PEER, STATE[0], STATE[1]];

pub(super) static POST_BIND4: ProgTypeDef =
    sock("cgroup_inet4_post_bind", 12, BOUND4).in_sections(&["cgroup/post_bind4"]);

const BOUND6: &[CtxField] =
    &[FAMILY, TYPE[0], TYPE[1], SOURCE6, SOURCE_PORT, PORT[0], PORT[1], PEER, STATE[0], STATE[1]];

pub(super) static POST_BIND6: ProgTypeDef =
    sock("cgroup_inet6_post_bind", 13, BOUND6).in_sections(&["cgroup/post_bind6"]);
