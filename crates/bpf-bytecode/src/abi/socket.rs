//! What programs read of sockets, as `struct bpf_sock` and its like show them.

use super::context::{CtxField, Sizes};

/// Bytes of `struct bpf_sock`.
pub const SOCK_SIZE: u16 = 80;
/// Bytes of `struct bpf_tcp_sock`.
pub const TCP_SOCK_SIZE: u16 = 112;
/// Bytes of `struct bpf_xdp_sock`.
pub const XDP_SOCK_SIZE: u16 = 4;
/// Bytes of `struct bpf_flow_keys`.
pub const FLOW_KEYS_SIZE: u16 = 56;

/// The interface that the socket is bound to.
pub(crate) const INTERFACE: CtxField = CtxField::scalars(0, 4, Sizes::ONLY_4);
/// Address family.
pub(crate) const FAMILY: CtxField = CtxField::number(4);
/// Type and protocol.
pub(crate) const TYPE: [CtxField; 2] = [CtxField::number(8), CtxField::number(12)];
/// Mark and priority.
pub(crate) const MARK: CtxField = CtxField::scalars(16, 24, Sizes::ONLY_4);
/// IPv4 address of this side.
pub(crate) const SOURCE4: CtxField = CtxField::scalars(24, 28, Sizes::UP_TO_4);
/// IPv6 address of this side.
pub(crate) const SOURCE6: CtxField = CtxField::scalars(28, 44, Sizes::UP_TO_4);
/// Port of this side.
pub(crate) const SOURCE_PORT: CtxField = CtxField::number(44);
/// Port of the other side: two bytes, which loads of four also read.
pub(crate) const PORT: [CtxField; 2] =
    [CtxField::scalars(48, 50, Sizes::UP_TO_2), CtxField::scalars(48, 52, Sizes::ONLY_4)];
/// Addresses of the other side.
pub(crate) const PEER: CtxField = CtxField::scalars(52, 72, Sizes::UP_TO_4);
/// State and receive queue.
pub(crate) const STATE: [CtxField; 2] = [CtxField::number(72), CtxField::number(76)];

/// What may be read of a full socket.
pub const SOCK: &[CtxField] = &[
    INTERFACE,
    FAMILY,
    TYPE[0],
    TYPE[1],
    MARK,
    SOURCE4,
    SOURCE6,
    SOURCE_PORT,
    PORT[0],
    PORT[1],
    PEER,
    STATE[0],
    STATE[1],
];

/// What may be read of a socket of any kind.
pub const SOCK_COMMON: &[CtxField] =
    &[INTERFACE, FAMILY, SOURCE4, SOURCE6, SOURCE_PORT, PORT[0], PORT[1], PEER, STATE[0], STATE[1]];

/// What may be read of an XDP socket: its queue.
pub const XDP_SOCK: &[CtxField] = &[CtxField::scalars(0, XDP_SOCK_SIZE, Sizes::ONLY_4)];

/// What may be read of a TCP socket, as `struct bpf_tcp_sock`.
pub const TCP_SOCK: &[CtxField] = &[
    CtxField::scalars(0, 80, Sizes::ONLY_4),
    CtxField::scalars(80, 96, Sizes::ONLY_8),
    CtxField::scalars(96, TCP_SOCK_SIZE, Sizes::ONLY_4),
];
