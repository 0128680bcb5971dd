//! What the name of a section says about the programs in it.
//!
//! The names are those of libbpf, and stand with the program types. Those of
//! types that are Linux's alone are refused by name. What libbpf takes no more and
//! took before its version 1.0 (`xdp_prog`, `socket1`) is taken, too.

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

/// Sections of programs that are made of Linux's own structures, with the type's
/// name.
const LINUX_ONLY: &[(&str, &str)] = &[
    ("tp_btf", "tracing"),
    ("fentry", "tracing"),
    ("fentry.s", "tracing"),
    ("fexit", "tracing"),
    ("fexit.s", "tracing"),
    ("fmod_ret", "tracing"),
    ("fmod_ret.s", "tracing"),
    ("iter", "tracing"),
    ("iter.s", "tracing"),
    ("freplace", "ext"),
    ("lsm", "lsm"),
    ("lsm.s", "lsm"),
    ("lsm_cgroup", "lsm"),
    ("lirc_mode2", "lirc_mode2"),
    ("struct_ops", "struct_ops"),
    ("struct_ops.s", "struct_ops"),
];

/// Whether a section has the name `base`, behind which a `.` and more may follow.
pub(crate) fn is_named(section: &str, base: &str) -> bool {
    section.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Bytes of `section` up to its end or to a `/`, if that is what `prefix` is.
fn fit(section: &str, prefix: &str) -> Option<usize> {
    let rest = section.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

/// The type of the programs in a section, or the name of one that is not
/// supported. The longest name that fits decides.
fn meaning(section: &str, own: &[BpfProgType]) -> Option<Result<BpfProgType, &'static str>> {
    let known = || BpfProgType::ALL.iter().chain(own).rev();
    let whole = known().filter_map(|known| Some((known.section_match(section)?, Ok(*known))));
    let linux = LINUX_ONLY.iter();
    let linux = linux.filter_map(|(prefix, name)| Some((fit(section, prefix)?, Err(*name))));
    let former = known().filter_map(|known| Some((known.section_begin(section)?, Ok(*known))));
    let longest = linux.chain(whole).max_by_key(|(fit, _)| *fit);
    longest.or_else(|| former.max_by_key(|(fit, _)| *fit)).map(|(_, meaning)| meaning)
}

impl<'d> ProgramKind<'d> {
    /// Reads the name of a section, as libbpf does.
    ///
    /// ```
    /// use bpf_loader::{BpfProgType, ProgramKind};
    /// let kind = ProgramKind::of_section("tracepoint/sched/sched_switch").unwrap();
    /// assert_eq!(kind.prog_type, BpfProgType::Tracepoint);
    /// assert_eq!(kind.attach, "sched/sched_switch");
    /// let kind = ProgramKind::of_section("xdp_prog").unwrap();
    /// assert_eq!(kind.prog_type, BpfProgType::Xdp);
    /// assert!(ProgramKind::of_section("xdpfilter").is_err());
    /// assert!(ProgramKind::of_section("lunch").is_err());
    /// ```
    ///
    /// # Errors
    /// [`LoadError::UnknownSection`] for a name that says nothing, and
    /// [`LoadError::UnsupportedProgType`] for a type that is Linux's alone.
    pub fn of_section(section: &'d str) -> Result<Self, LoadError> {
        Self::of_section_among(section, &[])
    }

    /// As [`of_section`](Self::of_section), where a kernel adds program types of
    /// its own. Where names fit a type of Linux and one of the kernel's equally
    /// well, the kernel's decides.
    ///
    /// # Errors
    /// As [`of_section`](Self::of_section).
    pub fn of_section_among(section: &'d str, own: &[BpfProgType]) -> Result<Self, LoadError> {
        let (name, autoload) = match section.strip_prefix('?') {
            Some(name) => (name, false),
            None => (section, true),
        };
        let Some(meaning) = meaning(name, own) else {
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
