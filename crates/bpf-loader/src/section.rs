//! What the name of a section says about the programs in it.
//!
//! The names are those of libbpf, including those of program types that this
//! project does not run: these are refused by name.

use bpf_bytecode::BpfProgType;

use crate::LoadError;
use crate::error::Name;

/// What a section's name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramKind<'d> {
    /// Program type.
    pub prog_type: BpfProgType,
    /// Where the program is to be attached: what follows the first `/` of the
    /// section's name, or nothing.
    pub attach: &'d str,
    /// Whether a loader that loads everything should load it; not where the
    /// section's name begins with `?`.
    pub autoload: bool,
}

/// How a section's name has to continue after the prefix of a rule.
#[derive(Clone, Copy)]
enum Rest {
    /// Not at all.
    None,
    /// With a `/` and more, or not at all.
    Optional,
}

/// What a rule says: a type that is known here, or the name of one that is not.
type Meaning = Result<BpfProgType, &'static str>;

/// Prefix, continuation, meaning. The first rule that fits decides.
const RULES: &[(&str, Rest, Meaning)] = {
    use BpfProgType::{
        CgroupSkb, Kprobe, PerfEvent, RawTracepoint, RawTracepointWritable, SchedAct, SchedCls,
        SocketFilter, Syscall, Tracepoint, Xdp,
    };
    use Rest::{None, Optional};
    &[
        ("socket", Optional, Ok(SocketFilter)),
        ("xdp", None, Ok(Xdp)),
        ("xdp.frags", None, Ok(Xdp)),
        ("xdp/devmap", None, Err("xdp (devmap)")),
        ("xdp.frags/devmap", None, Err("xdp (devmap)")),
        ("xdp/cpumap", None, Err("xdp (cpumap)")),
        ("xdp.frags/cpumap", None, Err("xdp (cpumap)")),
        // Not libbpf's, but aya's and iproute2's, who name programs so.
        ("xdp", Optional, Ok(Xdp)),
        ("xdp.frags", Optional, Ok(Xdp)),
        ("tc", Optional, Ok(SchedCls)),
        ("tcx", Optional, Ok(SchedCls)),
        ("classifier", Optional, Ok(SchedCls)),
        ("action", Optional, Ok(SchedAct)),
        ("tracepoint", Optional, Ok(Tracepoint)),
        ("tp", Optional, Ok(Tracepoint)),
        ("raw_tracepoint", Optional, Ok(RawTracepoint)),
        ("raw_tp", Optional, Ok(RawTracepoint)),
        ("raw_tracepoint.w", Optional, Ok(RawTracepointWritable)),
        ("raw_tp.w", Optional, Ok(RawTracepointWritable)),
        ("kprobe", Optional, Ok(Kprobe)),
        ("kretprobe", Optional, Ok(Kprobe)),
        ("kprobe.multi", Optional, Ok(Kprobe)),
        ("kretprobe.multi", Optional, Ok(Kprobe)),
        ("kprobe.session", Optional, Ok(Kprobe)),
        ("ksyscall", Optional, Ok(Kprobe)),
        ("kretsyscall", Optional, Ok(Kprobe)),
        ("uprobe", Optional, Ok(Kprobe)),
        ("uprobe.s", Optional, Ok(Kprobe)),
        ("uretprobe", Optional, Ok(Kprobe)),
        ("uretprobe.s", Optional, Ok(Kprobe)),
        ("uprobe.multi", Optional, Ok(Kprobe)),
        ("uretprobe.multi", Optional, Ok(Kprobe)),
        ("usdt", Optional, Ok(Kprobe)),
        ("perf_event", Optional, Ok(PerfEvent)),
        ("cgroup_skb/ingress", None, Ok(CgroupSkb)),
        ("cgroup_skb/egress", None, Ok(CgroupSkb)),
        ("cgroup/skb", None, Ok(CgroupSkb)),
        ("cgroup_skb", Optional, Ok(CgroupSkb)),
        ("syscall", None, Ok(Syscall)),
        ("sk_reuseport", Optional, Err("sk_reuseport")),
        ("netfilter", None, Err("netfilter")),
        ("netkit", Optional, Err("netkit")),
        ("tp_btf", Optional, Err("tracing")),
        ("fentry", Optional, Err("tracing")),
        ("fentry.s", Optional, Err("tracing")),
        ("fexit", Optional, Err("tracing")),
        ("fexit.s", Optional, Err("tracing")),
        ("fmod_ret", Optional, Err("tracing")),
        ("fmod_ret.s", Optional, Err("tracing")),
        ("iter", Optional, Err("tracing")),
        ("iter.s", Optional, Err("tracing")),
        ("freplace", Optional, Err("ext")),
        ("lsm", Optional, Err("lsm")),
        ("lsm.s", Optional, Err("lsm")),
        ("lsm_cgroup", Optional, Err("lsm")),
        ("lwt_in", None, Err("lwt_in")),
        ("lwt_out", None, Err("lwt_out")),
        ("lwt_xmit", None, Err("lwt_xmit")),
        ("lwt_seg6local", None, Err("lwt_seg6local")),
        ("sockops", None, Err("sock_ops")),
        ("sk_skb", Optional, Err("sk_skb")),
        ("sk_msg", None, Err("sk_msg")),
        ("lirc_mode2", None, Err("lirc_mode2")),
        ("flow_dissector", None, Err("flow_dissector")),
        ("cgroup/dev", None, Err("cgroup_device")),
        ("cgroup/sysctl", None, Err("cgroup_sysctl")),
        ("cgroup/getsockopt", None, Err("cgroup_sockopt")),
        ("cgroup/setsockopt", None, Err("cgroup_sockopt")),
        ("cgroup/sock", None, Err("cgroup_sock")),
        ("cgroup/sock_create", None, Err("cgroup_sock")),
        ("cgroup/sock_release", None, Err("cgroup_sock")),
        ("cgroup/post_bind4", None, Err("cgroup_sock")),
        ("cgroup/post_bind6", None, Err("cgroup_sock")),
        ("cgroup", Optional, Err("cgroup_sock_addr")),
        ("struct_ops", Optional, Err("struct_ops")),
        ("struct_ops.s", Optional, Err("struct_ops")),
        ("sk_lookup", None, Err("sk_lookup")),
    ]
};

fn fits(name: &str, prefix: &str, rest: Rest) -> bool {
    match (name.strip_prefix(prefix), rest) {
        (Some(""), _) => true,
        (Some(more), Rest::Optional) => more.starts_with('/'),
        _ => false,
    }
}

impl<'d> ProgramKind<'d> {
    /// Reads the name of a section, as libbpf does.
    ///
    /// ```
    /// use bpf_loader::{BpfProgType, ProgramKind};
    /// let kind = ProgramKind::of_section("tracepoint/sched/sched_switch").unwrap();
    /// assert_eq!(kind.prog_type, BpfProgType::Tracepoint);
    /// assert_eq!(kind.attach, "sched/sched_switch");
    /// assert!(ProgramKind::of_section("lunch").is_err());
    /// ```
    ///
    /// # Errors
    /// [`LoadError::UnknownSection`] for a name that says nothing, and
    /// [`LoadError::UnsupportedProgType`] for a type that is Linux's alone.
    pub fn of_section(section: &'d str) -> Result<Self, LoadError> {
        let (name, autoload) = match section.strip_prefix('?') {
            Some(name) => (name, false),
            None => (section, true),
        };
        let rule = RULES.iter().find(|(prefix, rest, _)| fits(name, prefix, *rest));
        let Some((_, _, meaning)) = rule else {
            return Err(LoadError::UnknownSection { section: Name::new(section) });
        };
        let prog_type = meaning.map_err(|prog_type| LoadError::UnsupportedProgType {
            section: Name::new(section),
            prog_type,
        })?;
        let attach = name.split_once('/').map_or("", |(_, attach)| attach);
        Ok(Self { prog_type, attach, autoload })
    }
}
