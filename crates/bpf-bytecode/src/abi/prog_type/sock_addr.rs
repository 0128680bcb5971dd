//! Programs at the addresses of sockets of a control group.

use super::ProgTypeDef;
use super::socket::{NARROW, WORD, foreign, words};
use crate::abi::context::{CtxField, FieldKind, Sizes};

const FAMILY: CtxField = words(0, 4);
const SOCKET: [CtxField; 2] = [words(28, 40), CtxField::pointer(64, FieldKind::Socket)];
const PORT: [CtxField; 2] = address(24, 28);
const USER4: [CtxField; 2] = address(4, 8);
const USER6: [CtxField; 2] = address(8, 24);
const SOURCE4: [CtxField; 2] = address(40, 44);
const SOURCE6: [CtxField; 2] = address(44, 60);

/// Read in parts, and written in words.
const fn address(offset: u16, end: u16) -> [CtxField; 2] {
    [CtxField::scalars(offset, end, NARROW), words(offset, end).unread().written(WORD)]
}

/// Two words of an address at once.
const fn double(offset: u16) -> CtxField {
    CtxField::scalars(offset, offset.saturating_add(8), Sizes::ONLY_8).written(Sizes::ONLY_8)
}

const UNIX: &[CtxField] = &[FAMILY, PORT[0], PORT[1], SOCKET[0], SOCKET[1]];
const V4: &[CtxField] = &[FAMILY, USER4[0], USER4[1], PORT[0], PORT[1], SOCKET[0], SOCKET[1]];
const SEND4: &[CtxField] =
    &[FAMILY, USER4[0], USER4[1], PORT[0], PORT[1], SOURCE4[0], SOURCE4[1], SOCKET[0], SOCKET[1]];
const V6: &[CtxField] =
    &[FAMILY, USER6[0], USER6[1], double(8), double(16), PORT[0], PORT[1], SOCKET[0], SOCKET[1]];
const SEND6: &[CtxField] = &[
    FAMILY,
    USER6[0],
    USER6[1],
    double(8),
    double(16),
    PORT[0],
    PORT[1],
    SOURCE6[0],
    SOURCE6[1],
    double(48),
    SOCKET[0],
    SOCKET[1],
];

const fn at(
    name: &'static str,
    attach: u32,
    fields: &'static [CtxField],
    returns: (i32, i32),
) -> ProgTypeDef {
    ProgTypeDef::new(18, name, foreign(72, fields).named(&["bpf_sock_addr"]))
        .attached(attach)
        .returning(returns.0, returns.1)
}

pub(super) static BIND4: ProgTypeDef =
    at("cgroup_inet4_bind", 8, V4, (0, 3)).in_sections(&["cgroup/bind4"]);
pub(super) static BIND6: ProgTypeDef =
    at("cgroup_inet6_bind", 9, V6, (0, 3)).in_sections(&["cgroup/bind6"]);
pub(super) static CONNECT4: ProgTypeDef =
    at("cgroup_inet4_connect", 10, V4, (0, 1)).in_sections(&["cgroup/connect4"]);
pub(super) static CONNECT6: ProgTypeDef =
    at("cgroup_inet6_connect", 11, V6, (0, 1)).in_sections(&["cgroup/connect6"]);
pub(super) static CONNECT_UNIX: ProgTypeDef =
    at("cgroup_unix_connect", 49, UNIX, (0, 1)).in_sections(&["cgroup/connect_unix"]);
pub(super) static SENDMSG4: ProgTypeDef =
    at("cgroup_udp4_sendmsg", 14, SEND4, (0, 1)).in_sections(&["cgroup/sendmsg4"]);
pub(super) static SENDMSG6: ProgTypeDef =
    at("cgroup_udp6_sendmsg", 15, SEND6, (0, 1)).in_sections(&["cgroup/sendmsg6"]);
pub(super) static SENDMSG_UNIX: ProgTypeDef =
    at("cgroup_unix_sendmsg", 50, UNIX, (0, 1)).in_sections(&["cgroup/sendmsg_unix"]);
pub(super) static RECVMSG4: ProgTypeDef =
    at("cgroup_udp4_recvmsg", 19, V4, (1, 1)).in_sections(&["cgroup/recvmsg4"]);
pub(super) static RECVMSG6: ProgTypeDef =
    at("cgroup_udp6_recvmsg", 20, V6, (1, 1)).in_sections(&["cgroup/recvmsg6"]);
pub(super) static RECVMSG_UNIX: ProgTypeDef =
    at("cgroup_unix_recvmsg", 51, UNIX, (1, 1)).in_sections(&["cgroup/recvmsg_unix"]);
pub(super) static GETPEERNAME4: ProgTypeDef =
    at("cgroup_inet4_getpeername", 29, V4, (1, 1)).in_sections(&["cgroup/getpeername4"]);
pub(super) static GETPEERNAME6: ProgTypeDef =
    at("cgroup_inet6_getpeername", 30, V6, (1, 1)).in_sections(&["cgroup/getpeername6"]);
pub(super) static GETPEERNAME_UNIX: ProgTypeDef =
    at("cgroup_unix_getpeername", 52, UNIX, (1, 1)).in_sections(&["cgroup/getpeername_unix"]);
pub(super) static GETSOCKNAME4: ProgTypeDef =
    at("cgroup_inet4_getsockname", 31, V4, (1, 1)).in_sections(&["cgroup/getsockname4"]);
pub(super) static GETSOCKNAME6: ProgTypeDef =
    at("cgroup_inet6_getsockname", 32, V6, (1, 1)).in_sections(&["cgroup/getsockname6"]);
pub(super) static GETSOCKNAME_UNIX: ProgTypeDef =
    at("cgroup_unix_getsockname", 53, UNIX, (1, 1)).in_sections(&["cgroup/getsockname_unix"]);
