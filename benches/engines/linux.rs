//! Linux's own engine, by `BPF_PROG_TEST_RUN`: the kernel runs the program over a
//! packet, as often as asked, and says how long a run took. Nothing is attached to
//! anything.
#![allow(unsafe_code, reason = "the C library has no safe form of this system call")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf_benches::{Program, Workload};

use crate::runner::Runner;

const MAP_CREATE: i32 = 0;
const MAP_UPDATE_ELEM: i32 = 2;
const PROG_LOAD: i32 = 5;
const PROG_TEST_RUN: i32 = 10;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const MAP_FREEZE: i32 = 22;

/// `BPF_PROG_TYPE_XDP`.
const XDP: u32 = 6;

/// The argument of a call: a union in C, fields by their offset here.
struct Attr([u8; 144]);

impl Attr {
    const fn new() -> Self {
        Self([0; 144])
    }

    fn int(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    /// The address of memory that lives until the call is over.
    fn address(mut self, offset: usize, memory: *const u8) -> Self {
        let address = memory.expose_provenance() as u64;
        self.0[offset..offset + 8].copy_from_slice(&address.to_ne_bytes());
        self
    }

    fn read(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[offset..offset + 4]);
        u32::from_ne_bytes(bytes)
    }

    /// # Safety
    /// Every address in the argument must be valid for what the command does
    /// with it, over the length that the command takes it to have.
    unsafe fn call(&mut self, command: i32) -> io::Result<RawFd> {
        // SAFETY: the argument is as long as is said; what it points to is the
        // caller's promise.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), self.0.len()) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        RawFd::try_from(result).map_err(io::Error::other)
    }

    /// # Safety
    /// As [`call`](Self::call), for a command that gives a new descriptor.
    unsafe fn open(mut self, command: i32) -> io::Result<OwnedFd> {
        // SAFETY: the caller's promise.
        let fd = unsafe { self.call(command)? };
        // SAFETY: the kernel has just given this descriptor to us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// A descriptor as a field of an argument.
fn number(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// A program in the kernel, with its maps.
struct Loaded {
    program: OwnedFd,
    _maps: Vec<OwnedFd>,
}

fn load(program: &Program) -> Result<Loaded> {
    load_logged(program, &mut [])
}

/// `BPF_LOG_STATS`: a line about what verifying took.
const LOG_STATS: u32 = 4;

/// Loads a program, and has the kernel write what it says to `log`, if that has room.
fn load_logged(program: &Program, log: &mut [u8]) -> Result<Loaded> {
    let maps: Vec<OwnedFd> =
        (0..program.maps.len()).map(|at| map(program, at)).collect::<Result<_>>()?;
    let mut insns = program.insns.clone();
    let mut at = 0;
    while at < insns.len() {
        let insn = insns[at];
        let wide = insn.code() == 0x18;
        // By index (5, or 6 for a value) becomes by descriptor (1, or 2).
        if wide && matches!(insn.src(), 5 | 6) {
            let map = maps.get(usize::try_from(insn.imm())?).context("a map")?;
            insns[at] = insn.with_src(insn.src() - 4).with_imm(map.as_raw_fd());
        }
        at += 1 + usize::from(wide);
    }
    let bytes: Vec<u8> = insns.into_iter().flat_map(BpfInsn::to_bytes).collect();
    let attr = Attr::new()
        .int(0, XDP)
        .int(4, u32::try_from(bytes.len() / 8)?)
        .address(8, bytes.as_ptr())
        .address(16, c"GPL".as_ptr().cast());
    let attr = match log.len() {
        0 => attr,
        len => attr.int(24, LOG_STATS).int(28, u32::try_from(len)?).address(32, log.as_mut_ptr()),
    };
    // SAFETY: instructions and log are as long as is said, the licence ends with a zero.
    let program = unsafe { attr.open(PROG_LOAD) }.context("BPF_PROG_LOAD")?;
    Ok(Loaded { program, _maps: maps })
}

fn map(program: &Program, at: usize) -> Result<OwnedFd> {
    let (def, contents) = (&program.maps[at], program.contents[at]);
    let attr = Attr::new()
        .int(0, def.map_type.number())
        .int(4, def.key_size)
        .int(8, def.value_size)
        .int(12, def.max_entries)
        .int(16, def.flags);
    // SAFETY: there is no address in it.
    let map = unsafe { attr.open(MAP_CREATE) }.context("BPF_MAP_CREATE")?;
    if !contents.is_empty() {
        ensure!(contents.len() == usize::try_from(def.value_size)?, "contents of another size");
        let key = [0_u8; 4];
        let mut attr = Attr::new()
            .int(0, number(&map))
            .address(8, key.as_ptr())
            .address(16, contents.as_ptr());
        // SAFETY: an array's key has four bytes, its value as many as defined.
        unsafe { attr.call(MAP_UPDATE_ELEM) }.context("BPF_MAP_UPDATE_ELEM")?;
    }
    if program.frozen(at).is_some() {
        // SAFETY: there is no address in it.
        unsafe { Attr::new().int(0, number(&map)).call(MAP_FREEZE) }.context("BPF_MAP_FREEZE")?;
    }
    Ok(map)
}

impl Loaded {
    /// Runs the program over a copy of the packet: what the last run returned,
    /// and the time of one.
    fn run(&self, packet: &[u8], times: u32) -> Result<(u32, Duration)> {
        let mut attr = Attr::new()
            .int(0, number(&self.program))
            .int(8, u32::try_from(packet.len())?)
            .address(16, packet.as_ptr())
            .int(32, times);
        // SAFETY: the packet is as long as is said.
        unsafe { attr.call(PROG_TEST_RUN) }.context("BPF_PROG_TEST_RUN")?;
        Ok((attr.read(4), Duration::from_nanos(u64::from(attr.read(36)))))
    }

    /// Bytes of machine code, 0 where the kernel interprets.
    fn code_bytes(&self) -> Result<u32> {
        let mut info = [0_u8; 256];
        let mut attr = Attr::new()
            .int(0, number(&self.program))
            .int(4, u32::try_from(info.len())?)
            .address(8, info.as_mut_ptr());
        // SAFETY: the structure is as long as is said, and ours alone.
        unsafe { attr.call(OBJ_GET_INFO_BY_FD) }.context("BPF_OBJ_GET_INFO_BY_FD")?;
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&info[16..20]);
        Ok(u32::from_ne_bytes(bytes))
    }
}

/// Whether the machine lets this process run programs in the kernel, and compiles
/// them.
pub fn permitted() -> Result<()> {
    static ANSWER: LazyLock<Result<(), String>> = LazyLock::new(|| {
        let try_it = || -> Result<()> {
            let program = Workload::ENTER.program()?;
            ensure!(code_bytes(&program)? > 0, "the kernel's JIT compiler is off");
            load(&program)?.run(&Workload::ENTER.packet(), 1)?;
            Ok(())
        };
        try_it().map_err(|error| format!("{error:#}"))
    });
    ANSWER.clone().map_err(|why| anyhow!("not measured here: {why}"))
}

/// Bytes of machine code that the kernel makes of a program.
pub fn code_bytes(program: &Program) -> Result<u32> {
    load(program)?.code_bytes()
}

/// What loading a program without maps takes beyond verifying it, which the kernel tells in
/// whole microseconds: compiling, and all else that a load is made of. Of a program that
/// calls functions of its own nothing follows, as these are compiled within.
pub fn unverifying_load(program: &Program) -> Result<Duration> {
    let mut log = [0_u8; 1024];
    let start = Instant::now();
    let loaded = load_logged(program, &mut log)?;
    let whole = start.elapsed();
    drop(loaded);
    let text = String::from_utf8_lossy(&log);
    let took = text.split_once("verification time ").map(|(_, behind)| behind);
    let took = took.and_then(|behind| behind.split(' ').next()?.parse().ok());
    let verifying = Duration::from_micros(took.context("no time in the kernel's log")?);
    Ok(whole.saturating_sub(verifying))
}

struct InKernel {
    loaded: Loaded,
    packet: Vec<u8>,
}

impl Runner for InKernel {
    fn result(&mut self) -> Result<u32> {
        Ok(self.loaded.run(&self.packet, 1)?.0)
    }

    /// The kernel tells whole nanoseconds of one run.
    fn batch(&mut self, times: u32) -> Result<Duration> {
        Ok(self.loaded.run(&self.packet, times)?.1 * times)
    }
}

/// The program, in the kernel.
pub fn runner(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    Ok(Box::new(InKernel { loaded: load(program)?, packet: workload.packet() }))
}
