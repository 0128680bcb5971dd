//! The contexts of program types.

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::context::CtxLayout;

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
        (BpfProgType::SchedCls, 1, false, &[(0, 76), (84, 88), (160, 168), (176, 181)]),
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
        let found = ranges(prog_type.context(), *bytes, *store);
        assert!(found.eq(expected.iter().copied()), "{prog_type} {bytes} {store}");
    }
}
