//! The contexts of program types: what Linux 6.18 accepts, found by loading a
//! program for each access.

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::context::FieldKind;

/// Offsets up to which accesses were tried.
const TRIED: u16 = 264;

type Ranges = &'static [(u16, u16)];

/// Loads and stores of numbers of 1, 2, 4 and 8 bytes, and the addresses.
struct Accesses {
    prog_type: BpfProgType,
    loads: [Ranges; 4],
    stores: [Ranges; 4],
    addresses: &'static [(u16, u16, FieldKind)],
}

#[rustfmt::skip]
const LINUX: &[Accesses] = &[
    Accesses {
        prog_type: BpfProgType::SocketFilter,
        loads: [&[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(48, 64)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(48, 68)], &[(48, 64)]],
        addresses: &[(168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::Kprobe,
        loads: [&[(0, 168)], &[(0, 168)], &[(0, 168)], &[(0, 168)]],
        stores: [&[], &[], &[], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::SchedCls,
        loads: [&[(0, 76), (84, 88), (160, 168), (176, 181)], &[(0, 76), (84, 88), (160, 168), (176, 180)], &[(0, 76), (84, 88), (160, 168), (176, 180)], &[(48, 64), (152, 160), (184, 192)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 16), (32, 36), (44, 68), (72, 76)], &[(48, 64), (152, 160)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (140, 4, FieldKind::PacketMeta), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::SchedAct,
        loads: [&[(0, 76), (84, 88), (160, 168), (176, 181)], &[(0, 76), (84, 88), (160, 168), (176, 180)], &[(0, 76), (84, 88), (160, 168), (176, 180)], &[(48, 64), (152, 160), (184, 192)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 16), (32, 36), (44, 68), (72, 76)], &[(48, 64), (152, 160)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (140, 4, FieldKind::PacketMeta), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::Xdp,
        loads: [&[], &[], &[(12, 20)], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[(0, 4, FieldKind::PacketData), (4, 4, FieldKind::PacketEnd), (8, 4, FieldKind::PacketMeta)],
    },
    Accesses {
        prog_type: BpfProgType::PerfEvent,
        loads: [&[(168, 184)], &[(168, 184)], &[(168, 184)], &[(0, 184)]],
        stores: [&[], &[], &[], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::CgroupSkb,
        loads: [&[(0, 72), (84, 92), (132, 140), (164, 168), (176, 180)], &[(0, 72), (84, 92), (132, 140), (164, 168), (176, 180)], &[(0, 72), (84, 140), (164, 168), (176, 180)], &[(48, 64), (152, 160), (184, 192)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 12), (32, 36), (48, 68)], &[(48, 64), (152, 160)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::CgroupEgress,
        loads: [&[(0, 72), (84, 92), (132, 140), (164, 168), (176, 180)], &[(0, 72), (84, 92), (132, 140), (164, 168), (176, 180)], &[(0, 72), (84, 140), (164, 168), (176, 180)], &[(48, 64), (152, 160), (184, 192)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 12), (32, 36), (48, 68)], &[(48, 64), (152, 160)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::SockCreate,
        loads: [&[(4, 5), (8, 9), (12, 13), (48, 50), (52, 73), (76, 77)], &[(4, 6), (8, 10), (12, 14), (48, 50), (52, 74), (76, 78)], &[(0, 24), (48, 80)], &[]],
        stores: [&[], &[], &[(0, 4), (16, 24)], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::SockRelease,
        loads: [&[(4, 5), (8, 9), (12, 13), (48, 50), (52, 73), (76, 77)], &[(4, 6), (8, 10), (12, 14), (48, 50), (52, 74), (76, 78)], &[(0, 24), (48, 80)], &[]],
        stores: [&[], &[], &[(0, 4), (16, 24)], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::PostBind4,
        loads: [&[(4, 5), (8, 9), (12, 13), (24, 28), (44, 45), (48, 50), (52, 73), (76, 77)], &[(4, 6), (8, 10), (12, 14), (24, 28), (44, 46), (48, 50), (52, 74), (76, 78)], &[(4, 16), (24, 28), (44, 80)], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::PostBind6,
        loads: [&[(4, 5), (8, 9), (12, 13), (28, 45), (48, 50), (52, 73), (76, 77)], &[(4, 6), (8, 10), (12, 14), (28, 46), (48, 50), (52, 74), (76, 78)], &[(4, 16), (28, 80)], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::LwtIn,
        loads: [&[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(48, 64)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 12), (32, 36), (48, 68)], &[(48, 64)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::LwtOut,
        loads: [&[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(48, 64)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 12), (32, 36), (48, 68)], &[(48, 64)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::LwtXmit,
        loads: [&[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(48, 64)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 12), (32, 36), (48, 68)], &[(48, 64)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::SockOps,
        loads: [&[(212, 213)], &[(212, 214)], &[(0, 168), (208, 216)], &[(168, 184), (216, 224)]],
        stores: [&[], &[], &[(4, 8), (164, 168)], &[]],
        addresses: &[(184, 8, FieldKind::SocketOrNull), (192, 8, FieldKind::PacketData), (200, 8, FieldKind::PacketEnd)],
    },
    Accesses {
        prog_type: BpfProgType::SkSkb,
        loads: [&[(0, 8), (12, 72), (84, 92), (132, 140), (164, 168), (176, 180)], &[(0, 8), (12, 72), (84, 92), (132, 140), (164, 168), (176, 180)], &[(0, 8), (12, 72), (84, 140), (164, 168), (176, 180)], &[(48, 64)]],
        stores: [&[], &[], &[(32, 36), (44, 48)], &[]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::CgroupDevice,
        loads: [&[(0, 4)], &[(0, 4)], &[(0, 12)], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::SkMsg,
        loads: [&[], &[], &[(16, 72)], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[(0, 8, FieldKind::PacketData), (8, 8, FieldKind::PacketEnd), (72, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::RawTracepoint,
        loads: [&[(0, 96)], &[(0, 96)], &[(0, 96)], &[(0, 96)]],
        stores: [&[], &[], &[], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::Bind4,
        loads: [&[(4, 8), (24, 28)], &[(4, 8), (24, 28)], &[(0, 8), (24, 40)], &[]],
        stores: [&[], &[], &[(4, 8), (24, 28)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Bind6,
        loads: [&[(8, 28)], &[(8, 28)], &[(0, 4), (8, 40)], &[(8, 24)]],
        stores: [&[], &[], &[(8, 28)], &[(8, 24)]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Connect4,
        loads: [&[(4, 8), (24, 28)], &[(4, 8), (24, 28)], &[(0, 8), (24, 40)], &[]],
        stores: [&[], &[], &[(4, 8), (24, 28)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Connect6,
        loads: [&[(8, 28)], &[(8, 28)], &[(0, 4), (8, 40)], &[(8, 24)]],
        stores: [&[], &[], &[(8, 28)], &[(8, 24)]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Sendmsg4,
        loads: [&[(4, 8), (24, 28), (40, 44)], &[(4, 8), (24, 28), (40, 44)], &[(0, 8), (24, 44)], &[]],
        stores: [&[], &[], &[(4, 8), (24, 28), (40, 44)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Sendmsg6,
        loads: [&[(8, 28), (44, 60)], &[(8, 28), (44, 60)], &[(0, 4), (8, 40), (44, 60)], &[(8, 24), (48, 56)]],
        stores: [&[], &[], &[(8, 28), (44, 60)], &[(8, 24), (48, 56)]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Recvmsg4,
        loads: [&[(4, 8), (24, 28)], &[(4, 8), (24, 28)], &[(0, 8), (24, 40)], &[]],
        stores: [&[], &[], &[(4, 8), (24, 28)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Recvmsg6,
        loads: [&[(8, 28)], &[(8, 28)], &[(0, 4), (8, 40)], &[(8, 24)]],
        stores: [&[], &[], &[(8, 28)], &[(8, 24)]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Getpeername4,
        loads: [&[(4, 8), (24, 28)], &[(4, 8), (24, 28)], &[(0, 8), (24, 40)], &[]],
        stores: [&[], &[], &[(4, 8), (24, 28)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Getpeername6,
        loads: [&[(8, 28)], &[(8, 28)], &[(0, 4), (8, 40)], &[(8, 24)]],
        stores: [&[], &[], &[(8, 28)], &[(8, 24)]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Getsockname4,
        loads: [&[(4, 8), (24, 28)], &[(4, 8), (24, 28)], &[(0, 8), (24, 40)], &[]],
        stores: [&[], &[], &[(4, 8), (24, 28)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::Getsockname6,
        loads: [&[(8, 28)], &[(8, 28)], &[(0, 4), (8, 40)], &[(8, 24)]],
        stores: [&[], &[], &[(8, 28)], &[(8, 24)]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::ConnectUnix,
        loads: [&[(24, 28)], &[(24, 28)], &[(0, 4), (24, 40)], &[]],
        stores: [&[], &[], &[(24, 28)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::SendmsgUnix,
        loads: [&[(24, 28)], &[(24, 28)], &[(0, 4), (24, 40)], &[]],
        stores: [&[], &[], &[(24, 28)], &[]],
        addresses: &[(64, 8, FieldKind::Socket)],
    },
    Accesses {
        prog_type: BpfProgType::LwtSeg6local,
        loads: [&[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(0, 72), (84, 88), (164, 168), (176, 180)], &[(48, 64)]],
        stores: [&[(48, 68)], &[(48, 68)], &[(8, 12), (32, 36), (48, 68)], &[(48, 64)]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (168, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::SkReuseport,
        loads: [&[(16, 20), (24, 32)], &[(16, 32)], &[(16, 36)], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[(0, 8, FieldKind::PacketData), (8, 8, FieldKind::PacketEnd), (40, 8, FieldKind::Socket), (48, 8, FieldKind::SocketCommonOrNull)],
    },
    Accesses {
        prog_type: BpfProgType::FlowDissector,
        loads: [&[], &[], &[], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[(76, 4, FieldKind::PacketData), (80, 4, FieldKind::PacketEnd), (144, 8, FieldKind::FlowKeys)],
    },
    Accesses {
        prog_type: BpfProgType::CgroupSysctl,
        loads: [&[(0, 8)], &[(0, 8)], &[(0, 8)], &[]],
        stores: [&[], &[], &[(4, 8)], &[]],
        addresses: &[],
    },
    Accesses {
        prog_type: BpfProgType::CgroupGetsockopt,
        loads: [&[], &[], &[(24, 40)], &[]],
        stores: [&[], &[], &[(32, 40)], &[]],
        addresses: &[(0, 8, FieldKind::Socket), (8, 8, FieldKind::PacketData), (16, 8, FieldKind::PacketEnd)],
    },
    Accesses {
        prog_type: BpfProgType::CgroupSetsockopt,
        loads: [&[], &[], &[(24, 36)], &[]],
        stores: [&[], &[], &[(24, 36)], &[]],
        addresses: &[(0, 8, FieldKind::Socket), (8, 8, FieldKind::PacketData), (16, 8, FieldKind::PacketEnd)],
    },
    Accesses {
        prog_type: BpfProgType::SkLookup,
        loads: [&[(8, 68)], &[(8, 68)], &[(8, 68)], &[]],
        stores: [&[], &[], &[], &[]],
        addresses: &[(0, 8, FieldKind::SocketOrNull)],
    },
];

#[test]
fn accesses_are_those_that_linux_accepts() {
    for Accesses { prog_type, loads, stores, addresses } in LINUX {
        let within = |ranges: Ranges, at: u16, end: u16| {
            ranges.iter().any(|(from, to)| *from <= at && end <= *to)
        };
        for (power, (loads, stores)) in loads.iter().zip(stores).enumerate() {
            let bytes = 1_u16 << power;
            for at in (0..TRIED).step_by(bytes.into()) {
                let address =
                    addresses.iter().find(|(from, size, _)| (at, bytes) == (*from, *size));
                let number = within(loads, at, at + bytes).then_some(FieldKind::Scalar);
                let load = address.map(|(.., kind)| *kind).or(number);
                let store = within(stores, at, at + bytes).then_some(FieldKind::Scalar);
                let context = prog_type.context();
                let (size, found) = (context.size, context.access(at, bytes, false));
                let found = found.filter(|_| at + bytes <= size);
                assert_eq!(found, load, "{prog_type}: load of {bytes} at {at}");
                let found = context.access(at, bytes, true);
                let found =
                    found.map(|kind| if kind.is_number() { FieldKind::Scalar } else { kind });
                assert_eq!(found, store, "{prog_type}: store of {bytes} at {at}");
            }
        }
    }
}

#[test]
fn types_have_names_and_sections_of_their_own() {
    for (at, one) in BpfProgType::ALL.iter().enumerate() {
        for other in &BpfProgType::ALL[at + 1..] {
            assert_ne!(one.name(), other.name());
            let (a, b) = (one.def(), other.def());
            assert_ne!((a.number, a.attach), (b.number, b.attach), "{one} and {other}");
            let shared = a.sections.iter().find(|section| b.sections.contains(section));
            assert_eq!(shared, None, "{one} and {other}");
        }
    }
    for standard in BpfProgType::STANDARD {
        assert_eq!(BpfProgType::from_number(standard.number()), Some(*standard));
    }
}
