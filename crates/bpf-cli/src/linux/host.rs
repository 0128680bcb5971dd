//! Linux as the machine has it.

mod bpf;
mod kernel;
mod log;
mod types;

use std::borrow::Cow;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use kernel_bpf::bytecode::abi::kfunc::Kfunc;
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::{BpfInsn, BpfProgram};
use kernel_bpf::profile::ActiveProfile;

use self::types::Types;
use super::{LinuxShape, Verdict};
use crate::clock::Clock;
use crate::object::{LoadedFile, MapUnit, Unit};

/// Log level at which only statistics and errors are logged.
const LOG_STATS: u32 = 4;
/// Bytes for the log.
const LOG_BYTES: usize = 1 << 18;
/// How often a program is loaded, for the best time, and how long at the most.
const RUNS: u32 = 5;
const PATIENCE: Duration = Duration::from_millis(50);

/// The types and maps of a file, as far as Linux has them.
pub struct Maps {
    types: Result<LoadedTypes, Option<String>>,
    maps: Vec<Result<OwnedFd, String>>,
}

/// Types that Linux has taken.
struct LoadedTypes {
    fd: OwnedFd,
    numbers: Types,
}

impl Maps {
    /// Creates the maps of `file`.
    pub fn create(file: &LoadedFile) -> Self {
        let types = load_types(&file.object);
        let maps = file.maps.iter().map(|map| {
            create(file, map, types.as_ref().ok())
                .map_err(|error| format!("map {}: {error}", map.name))
        });
        let maps = maps.collect();
        Self { types, maps }
    }

    /// Has Linux verify a program of the file whose maps these are.
    pub fn verify(&self, unit: &Unit, license: &str) -> LinuxShape {
        let bytes = match self.insns(unit) {
            Ok(bytes) => bytes,
            Err(reason) => return LinuxShape::without(Verdict::NotLoaded, reason),
        };
        let Ok(program) = &unit.program else {
            return LinuxShape::without(Verdict::NotLoaded, "kbpf could not read it".to_owned());
        };
        let types = self.types.as_ref().ok();
        let functions = types.map(|types| functions(unit, &types.numbers)).unwrap_or_default();
        let program = bpf::Program {
            prog_type: program.prog_type().number(),
            attach_type: attach_type(&unit.section),
            flags: flags(&unit.section),
            name: &unit.name,
            license: if license.is_empty() { "GPL" } else { license },
            insns: &bytes,
            types: types.map(|types| (&types.fd, &*functions)),
        };
        let mut shape = best(&program);
        // What Linux misses of a program whose types it refused is no verdict on it.
        if let (Err(Some(error)), Some(reason)) = (&self.types, &mut shape.reason) {
            reason.push_str(error);
        }
        shape
    }

    /// The program's slots, with descriptors of maps in the place of indices and Linux's
    /// numbers of kernel functions.
    fn insns(&self, unit: &Unit) -> Result<Vec<u8>, String> {
        let program = unit.program.as_ref().map_err(Clone::clone)?;
        let mut bytes = Vec::with_capacity(program.len() * 8);
        let mut second = false;
        for insn in program.insns() {
            let insn = match insn.code() {
                _ if second => *insn,
                LD_IMM64 => self.with_descriptor(*insn)?,
                CALL if insn.src() == CALL_KERNEL => kernel_call(program, *insn),
                _ => *insn,
            };
            second = !second && insn.code() == LD_IMM64;
            bytes.extend(insn.to_bytes());
        }
        Ok(bytes)
    }

    fn with_descriptor(&self, insn: BpfInsn) -> Result<BpfInsn, String> {
        if !matches!(insn.src(), MAP_INDEX | MAP_INDEX_VALUE) {
            return Ok(insn);
        }
        let index = usize::try_from(insn.imm()).map_err(|error| error.to_string())?;
        let map = self.maps.get(index).ok_or("reference to a map that does not exist")?;
        let fd = map.as_ref().map_err(Clone::clone)?.as_raw_fd();
        let src = if insn.src() == MAP_INDEX { MAP_FD } else { MAP_FD_VALUE };
        Ok(insn.with_src(src).with_imm(fd))
    }
}

/// The types of an object, or why Linux does not take them, if there are any.
fn load_types(object: &[u8]) -> Result<LoadedTypes, Option<String>> {
    let numbers = Types::of(object).ok_or(None)?;
    let loaded = numbers.and_then(|numbers| {
        let mut log = vec![0; LOG_BYTES];
        let loaded = bpf::load_types(&numbers.bytes, &mut log);
        let fd = loaded.map_err(|error| match text(&log).trim_end().lines().next_back() {
            Some(line) => line.to_owned(),
            None => error.to_string(),
        })?;
        Ok(LoadedTypes { fd, numbers })
    });
    loaded.map_err(|error| Some(format!(" (loaded without the object's BTF: {error})")))
}

/// Creates a map of a file and fills it.
fn create(file: &LoadedFile, map: &MapUnit, types: Option<&LoadedTypes>) -> io::Result<OwnedFd> {
    let typed = |map: &MapUnit, inner: Option<&OwnedFd>| {
        let types = types.map(|types| bpf::MapTypes {
            types: &types.fd,
            key: types.numbers.number(map.types.0),
            value: types.numbers.number(map.types.1),
        });
        let types = types.filter(|types| types.value != 0);
        bpf::create_map(&map.def, inner, types.as_ref())
            // Some kinds of map have no use for types, and refuse them.
            .or_else(|_| bpf::create_map(&map.def, inner, None))
            .or_else(|error| match map.def.max_entries {
                0 => bpf::create_map(&sized(map.def), inner, types.as_ref()),
                _ => Err(error),
            })
    };
    let inner = map.def.inner.and_then(|inner| file.maps.get(usize::from(inner)));
    // What an outer map holds need not exist for longer than it is created.
    let inner = inner.map(|inner| typed(inner, None)).transpose()?;
    let fd = typed(map, inner.as_ref())?;
    if !map.contents.is_empty() || !map.def.is_writable() {
        bpf::fill_map(&fd, &map.def, &map.contents)?;
    }
    Ok(fd)
}

/// A map whose size is left to who loads it, with the least that it can have.
fn sized(def: MapDef) -> MapDef {
    let max_entries = if def.map_type == MapType::RingBuf { PAGE_BYTES } else { 1 };
    MapDef { max_entries, ..def }
}

/// Bytes of a page, at the least.
const PAGE_BYTES: u32 = 4096;

/// The first slot and the type of each function, as far as all have one.
fn functions(unit: &Unit, types: &Types) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (at, name) in &unit.functions {
        let (Ok(at), Some(number)) = (u32::try_from(*at), types.function(name)) else {
            return Vec::new();
        };
        bytes.extend(at.to_ne_bytes());
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

/// A call of a kernel function by the number that it has in this Linux; of one that it
/// does not have, a call of a helper that does not exist, which is refused where it can
/// be reached.
fn kernel_call(program: &BpfProgram<ActiveProfile>, insn: BpfInsn) -> BpfInsn {
    let known = Kfunc::from_number(insn.imm()).map(Kfunc::name);
    let mut unknown = program.unknown_kfuncs().iter();
    let name = known.or_else(|| {
        let found = unknown.find(|kfunc| kfunc.number == insn.imm())?;
        Some(found.name.as_str())
    });
    match name.and_then(kernel::function).and_then(|number| i32::try_from(number).ok()) {
        Some(number) => insn.with_imm(number),
        None => insn.with_src(0).with_imm(i32::MAX),
    }
}

/// What Linux says of a program at its quickest.
fn best(program: &bpf::Program<'_>) -> LinuxShape {
    let begun = Instant::now();
    let mut best: Option<LinuxShape> = None;
    for _ in 0..RUNS {
        let shape = load(program);
        let measured = shape.measured();
        if best.as_ref().is_none_or(|best| shape.time_us < best.time_us) {
            best = Some(shape);
        }
        if !measured || begun.elapsed() > PATIENCE {
            break;
        }
    }
    best.unwrap_or_else(|| LinuxShape::without(Verdict::NotLoaded, String::new()))
}

/// Opcode of a 64-bit immediate load.
const LD_IMM64: u8 = 0x18;
/// Opcode of a call, and the source field of one of a kernel function.
const CALL: u8 = 0x85;
const CALL_KERNEL: u8 = 2;
/// What the source field of a 64-bit immediate load says.
const MAP_FD: u8 = 1;
const MAP_FD_VALUE: u8 = 2;
const MAP_INDEX: u8 = 5;
const MAP_INDEX_VALUE: u8 = 6;

/// A log up to its end.
fn text(log: &[u8]) -> Cow<'_, str> {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end])
}

fn load(program: &bpf::Program<'_>) -> LinuxShape {
    let mut log = vec![0; LOG_BYTES];
    let begun = Clock::start();
    let result = bpf::load_program(program, LOG_STATS, &mut log);
    let busy = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let log = text(&log);
    let Some(figures) = log::figures(&log) else {
        let reason = match (&result, log::reason(&log)) {
            (Err(error), None) => error.to_string(),
            (_, line) => line.unwrap_or("no statistics in the log").to_owned(),
        };
        let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let verdict = match &result {
            Err(error) if denied(error) => Verdict::NotPermitted,
            _ => Verdict::NotLoaded,
        };
        return LinuxShape::without(verdict, reason);
    };
    let (verdict, reason) = match result {
        Ok(()) => (Verdict::Accepted, None),
        Err(error) => {
            let line = log::reason(&log).map_or_else(|| error.to_string(), str::to_owned);
            (Verdict::Rejected, Some(line))
        }
    };
    LinuxShape {
        verdict,
        reason,
        // Linux measures the time that passes, other threads' included.
        time_us: figures.time_us.min(busy),
        processed: figures.processed,
        total_states: figures.total_states,
        peak_states: figures.peak_states,
    }
}

/// Programs for functions that may sleep.
const SLEEPABLE: u32 = 1 << 4;
/// XDP programs for packets in several buffers.
const XDP_HAS_FRAGS: u32 = 1 << 5;

/// How the section's name says that a program is to be loaded.
fn flags(section: &str) -> u32 {
    let kind = section.trim_start_matches('?').split('/').next().unwrap_or_default();
    match kind {
        "xdp.frags" => XDP_HAS_FRAGS,
        "syscall" => SLEEPABLE,
        _ if kind.rsplit_once('.').is_some_and(|(_, end)| end == "s") => SLEEPABLE,
        _ => 0,
    }
}

/// Sections whose programs are verified for what they are to be attached to, and
/// Linux's numbers for that.
const ATTACH_TYPES: &[(&str, u32)] = &[
    ("cgroup_skb/egress", 1),
    ("cgroup/sock_create", 2),
    ("cgroup/sock", 2),
    ("sockops", 3),
    ("sk_skb/stream_parser", 4),
    ("sk_skb/stream_verdict", 5),
    ("cgroup/dev", 6),
    ("sk_msg", 7),
    ("cgroup/bind4", 8),
    ("cgroup/bind6", 9),
    ("cgroup/connect4", 10),
    ("cgroup/connect6", 11),
    ("cgroup/post_bind4", 12),
    ("cgroup/post_bind6", 13),
    ("cgroup/sendmsg4", 14),
    ("cgroup/sendmsg6", 15),
    ("lirc_mode2", 16),
    ("flow_dissector", 17),
    ("cgroup/sysctl", 18),
    ("cgroup/recvmsg4", 19),
    ("cgroup/recvmsg6", 20),
    ("cgroup/getsockopt", 21),
    ("cgroup/setsockopt", 22),
    ("cgroup/getpeername4", 29),
    ("cgroup/getpeername6", 30),
    ("cgroup/getsockname4", 31),
    ("cgroup/getsockname6", 32),
    ("xdp.frags/devmap", 33),
    ("xdp/devmap", 33),
    ("cgroup/sock_release", 34),
    ("xdp.frags/cpumap", 35),
    ("xdp/cpumap", 35),
    ("sk_lookup", 36),
    ("sk_reuseport/migrate", 40),
    ("sk_reuseport", 39),
    ("kprobe.multi", 42),
    ("kretprobe.multi", 42),
    ("netfilter", 45),
    ("uprobe.multi", 48),
    ("uretprobe.multi", 48),
    ("cgroup/connect_unix", 49),
    ("cgroup/sendmsg_unix", 50),
    ("cgroup/recvmsg_unix", 51),
    ("cgroup/getpeername_unix", 52),
    ("cgroup/getsockname_unix", 53),
    ("kprobe.session", 56),
];

fn attach_type(section: &str) -> u32 {
    let section = section.trim_start_matches('?');
    let fits = |prefix: &str| {
        section.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ATTACH_TYPES.iter().find(|(prefix, _)| fits(prefix)).map_or(0, |(_, number)| *number)
}
