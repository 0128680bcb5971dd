//! What R0 means for each program type.

use kernel_bpf::bytecode::BpfProgType;

/// How the verdict of a program is to be read.
#[derive(Clone, Copy)]
enum Meaning {
    Xdp,
    Traffic,
    /// How many bytes pass.
    Filter,
    /// Whether the packet passes.
    Cgroup,
    Number,
}

impl Meaning {
    fn of(prog_type: BpfProgType) -> Self {
        let is = |types: &[BpfProgType]| types.contains(&prog_type);
        if is(&[BpfProgType::Xdp]) {
            Self::Xdp
        } else if is(&[BpfProgType::SchedCls, BpfProgType::SchedAct]) {
            Self::Traffic
        } else if is(&[BpfProgType::SocketFilter]) {
            Self::Filter
        } else if is(&[BpfProgType::CgroupSkb]) {
            Self::Cgroup
        } else {
            Self::Number
        }
    }
}

/// The part of R0 that is a verdict: its low half.
#[allow(clippy::cast_possible_truncation, reason = "as said")]
pub const fn verdict(r0: u64) -> u32 {
    r0 as u32
}

/// The verdict's name, as the field calls it.
pub fn name(prog_type: BpfProgType, r0: u64) -> &'static str {
    let low = verdict(r0);
    match Meaning::of(prog_type) {
        Meaning::Xdp => match low {
            0 => "XDP_ABORTED",
            1 => "XDP_DROP",
            2 => "XDP_PASS",
            3 => "XDP_TX",
            4 => "XDP_REDIRECT",
            _ => "unknown",
        },
        Meaning::Traffic => match low.cast_signed() {
            -1 => "TC_ACT_UNSPEC",
            0 => "TC_ACT_OK",
            1 => "TC_ACT_RECLASSIFY",
            2 => "TC_ACT_SHOT",
            3 => "TC_ACT_PIPE",
            4 => "TC_ACT_STOLEN",
            5 => "TC_ACT_QUEUED",
            6 => "TC_ACT_REPEAT",
            7 => "TC_ACT_REDIRECT",
            8 => "TC_ACT_TRAP",
            _ => "unknown",
        },
        Meaning::Filter if low == 0 => "drop",
        Meaning::Filter => "accept",
        Meaning::Cgroup if low & 1 == 0 => "drop",
        Meaning::Cgroup => "allow",
        Meaning::Number => "returned",
    }
}

/// How many of the `len` bytes that the program saw its verdict lets through;
/// `None` where it drops the packet.
pub fn passed(prog_type: BpfProgType, r0: u64, len: usize) -> Option<usize> {
    let low = verdict(r0);
    match Meaning::of(prog_type) {
        Meaning::Xdp => matches!(low, 2..=4).then_some(len),
        Meaning::Traffic => (low != 2 && low != 4).then_some(len),
        Meaning::Filter => {
            let bytes = usize::try_from(low).unwrap_or(usize::MAX);
            (bytes > 0).then_some(len.min(bytes))
        }
        Meaning::Cgroup => (low & 1 == 1).then_some(len),
        Meaning::Number => Some(len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_have_the_names_of_the_field() {
        assert_eq!(name(BpfProgType::Xdp, 2), "XDP_PASS");
        assert_eq!(name(BpfProgType::Xdp, 0xffff_ffff_0000_0001), "XDP_DROP");
        assert_eq!(name(BpfProgType::SchedCls, 0xffff_ffff), "TC_ACT_UNSPEC");
        assert_eq!(name(BpfProgType::SocketFilter, 96), "accept");
        assert_eq!(name(BpfProgType::Tracepoint, 0xffff_fffe), "returned");
    }

    #[test]
    fn a_socket_filter_cuts_and_the_others_keep_all_or_nothing() {
        assert_eq!(passed(BpfProgType::SocketFilter, 0, 100), None);
        assert_eq!(passed(BpfProgType::SocketFilter, 60, 100), Some(60));
        assert_eq!(passed(BpfProgType::SocketFilter, 0xffff_ffff, 100), Some(100));
        assert_eq!(passed(BpfProgType::Xdp, 1, 100), None);
        assert_eq!(passed(BpfProgType::Xdp, 3, 100), Some(100));
        assert_eq!(passed(BpfProgType::SchedCls, 2, 100), None);
    }
}
