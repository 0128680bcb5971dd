//! What Linux declares: more helpers than this project's engines have.
//!
//! For verification on behalf of a kernel that has them. Programs that were
//! verified against these do not run on the engines here.

use super::{ArgKind, HelperSig, RetKind};

mod common;
mod kernel;
mod packet;
mod sets;
mod socket;
mod tracing;

/// Linux's helpers, in several tables; each is sorted by number. Where several
/// have a number, the first that a program may call counts.
pub static LINUX: &[&[HelperSig]] = &[
    SPECIAL,
    common::SIGNATURES,
    packet::SIGNATURES,
    socket::SIGNATURES,
    tracing::SIGNATURES,
    kernel::SIGNATURES,
    super::STANDARD,
];

/// For each number a bit for each table that has it, the first one lowest.
static HOLDERS: [u8; 256] = {
    let mut holders = [0; 256];
    let (mut tables, mut bit) = (LINUX, 1_u8);
    while let [table, others @ ..] = tables {
        let mut rows = *table;
        while let [row, more @ ..] = rows {
            assert!(row.id < 256 && bit != 0, "there are more than the bits tell apart");
            #[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
            {
                holders[row.id as usize] |= bit;
            }
            rows = more;
        }
        tables = others;
        bit = bit.wrapping_shl(1);
    }
    holders
};

/// The tables of [`LINUX`] that have a helper, by number: a bit for each, the first one
/// lowest.
pub fn tables_with(id: u32) -> u8 {
    HOLDERS.get(id as usize).copied().unwrap_or(0)
}

/// Helpers that are declared otherwise for programs of some types.
static SPECIAL: &[HelperSig] = &[
    // Where sockets may be put into maps.
    row(
        2,
        "map_update_elem",
        &[ArgKind::Map, ArgKind::MapKey, ArgKind::MapValue, ArgKind::Anything],
        RetKind::Integer,
    )
    .for_types(sets::PUTTING_SOCKETS)
    .on_maps(sets::KEYED_OR_SOCKETS)
    .with_packet_memory(),
    row(3, "map_delete_elem", &[ArgKind::Map, ArgKind::MapKey], RetKind::Integer)
        .for_types(sets::TAKING_SOCKETS)
        .on_maps(sets::KEYED_OR_SOCKETS)
        .with_packet_memory(),
    row(17, "get_cgroup_classid", &[ArgKind::Context], RetKind::Integer)
        .for_types(sets::CLASSIFIED),
    // Where the context is no socket, but has one.
    row(46, "get_socket_cookie", &[ArgKind::SocketCommon], RetKind::Integer)
        .for_types(sets::REUSEPORT_TYPE),
    row(
        49,
        "setsockopt",
        &[
            ArgKind::SocketCommon,
            ArgKind::Anything,
            ArgKind::Anything,
            ArgKind::MemRead,
            ArgKind::Size,
        ],
        RetKind::Integer,
    )
    .for_types(sets::SOCKOPT),
    row(
        57,
        "getsockopt",
        &[
            ArgKind::SocketCommon,
            ArgKind::Anything,
            ArgKind::Anything,
            ArgKind::MemWrite,
            ArgKind::Size,
        ],
        RetKind::Integer,
    )
    .for_types(sets::SOCKOPT),
    row(
        107,
        "sk_storage_get",
        &[ArgKind::Map, ArgKind::Context, ArgKind::MapValueOrNull, ArgKind::Anything],
        RetKind::MapValueOrNull,
    )
    .for_types(&[crate::abi::prog_type::BpfProgType::SockCreate])
    .on_maps(sets::SK_STORAGE),
    row(
        124,
        "sk_assign",
        &[ArgKind::Context, ArgKind::SocketOrNull, ArgKind::Anything],
        RetKind::Integer,
    )
    .for_types(&[crate::abi::prog_type::BpfProgType::SkLookup]),
    // Not where nothing can be refused.
    row(186, "get_retval", &[], RetKind::Integer)
        .for_types(sets::ADDRESSES)
        .attached(sets::REFUSING_ADDRESSES),
    row(187, "set_retval", &[ArgKind::Anything], RetKind::Integer)
        .for_types(sets::ADDRESSES)
        .attached(sets::REFUSING_ADDRESSES),
];

/// A signature with as many arguments as are given.
const fn row(id: u32, name: &'static str, args: &[ArgKind], ret: RetKind) -> HelperSig {
    let mut all = [ArgKind::None; 5];
    let (mut to, mut from): (&mut [ArgKind], &[ArgKind]) = (&mut all, args);
    while let ([slot, later @ ..], [arg, more @ ..]) = (to, from) {
        (*slot, to, from) = (*arg, later, more);
    }
    HelperSig::new(id, name, all, ret).not_in_interrupts()
}
