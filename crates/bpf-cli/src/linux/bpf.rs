//! The few calls of Linux's `bpf(2)` that a comparison needs.
//!
//! Programs are loaded and closed at once; nothing is attached to anything.
#![allow(unsafe_code, reason = "the C library has no safe form of this system call")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread;

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};

const MAP_CREATE: i32 = 0;
const MAP_UPDATE_ELEM: i32 = 2;
const PROG_LOAD: i32 = 5;
const BTF_LOAD: i32 = 18;
const MAP_FREEZE: i32 = 22;

/// The argument of a call: a union in C, fields by their offset here. What no
/// field was put into is zero, which stands for absent.
struct Attr([u8; 144]);

impl Attr {
    const fn new() -> Self {
        Self([0; 144])
    }

    fn bytes(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn int(self, offset: usize, value: u32) -> Self {
        self.bytes(offset, &value.to_ne_bytes())
    }

    /// The address of bytes that the kernel reads during the call.
    fn input(self, offset: usize, bytes: &[u8]) -> Self {
        self.bytes(offset, &(bytes.as_ptr().expose_provenance() as u64).to_ne_bytes())
    }

    /// The address of bytes that the kernel writes during the call.
    fn output(self, offset: usize, bytes: &mut [u8]) -> Self {
        self.bytes(offset, &(bytes.as_mut_ptr().expose_provenance() as u64).to_ne_bytes())
    }

    /// # Safety
    /// Every address in the argument must be valid for what the command does
    /// with it, over the length that is in the argument or that the command
    /// knows.
    unsafe fn call(mut self, command: i32) -> io::Result<RawFd> {
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
    unsafe fn open(self, command: i32) -> io::Result<OwnedFd> {
        // SAFETY: the caller's promise.
        let fd = unsafe { self.call(command)? };
        // SAFETY: the kernel has just given this descriptor to us alone.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// Bytes of a name, its end included.
const NAME_BYTES: usize = 16;

/// A name as the kernel allows it.
fn name(text: &str) -> [u8; NAME_BYTES] {
    let mut out = [0; NAME_BYTES];
    let allowed = text.bytes().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'));
    for (slot, byte) in out[..NAME_BYTES - 1].iter_mut().zip(allowed) {
        *slot = byte;
    }
    out
}

/// Loads types, with what is wrong with them in `log`.
pub fn load_types(bytes: &[u8], log: &mut [u8]) -> io::Result<OwnedFd> {
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let log_bytes = u32::try_from(log.len()).map_err(io::Error::other)?;
    let attr = Attr::new().input(0, bytes).output(8, log).int(16, len).int(20, log_bytes);
    // SAFETY: types and log are as long as is said and live until the call is over.
    unsafe { attr.int(24, LOG_ALL).open(BTF_LOAD) }
}

/// The level at which all is logged.
const LOG_ALL: u32 = 1;

/// Types of a map's keys and values.
pub struct MapTypes<'t> {
    pub types: &'t OwnedFd,
    pub key: u32,
    pub value: u32,
}

/// Bytes of a value that stands for a map.
const DESCRIPTOR_BYTES: u32 = 4;

/// Creates a map of this definition, a map of maps with one like those it holds. Perf
/// event arrays that leave their size open have an entry for each CPU, and values of maps
/// of maps four bytes, as libbpf makes them.
pub fn create_map(
    def: &MapDef,
    inner: Option<&OwnedFd>,
    types: Option<&MapTypes<'_>>,
) -> io::Result<OwnedFd> {
    let max_entries = match def.max_entries {
        0 if def.map_type == MapType::PerfEventArray => {
            u32::try_from(thread::available_parallelism()?.get()).map_err(io::Error::other)?
        }
        entries => entries,
    };
    let attr = Attr::new()
        .int(0, def.map_type.number())
        .int(4, def.key_size)
        .int(8, if inner.is_some() { DESCRIPTOR_BYTES } else { def.value_size })
        .int(12, max_entries)
        .int(16, def.flags)
        .int(20, inner.map_or(0, |inner| inner.as_raw_fd().cast_unsigned()))
        .bytes(28, &name(def.name.as_str()));
    let attr = match types {
        Some(of) => {
            let types = of.types.as_raw_fd().cast_unsigned();
            attr.int(48, types).int(52, of.key).int(56, of.value)
        }
        None => attr,
    };
    // SAFETY: there is no address in it.
    unsafe { attr.open(MAP_CREATE) }
}

/// Sets the only value of an array of one entry, and makes it final for
/// programs that may only read it.
pub fn fill_map(map: &OwnedFd, def: &MapDef, contents: &[u8]) -> io::Result<()> {
    let mut value = contents.to_vec();
    // As many bytes as the kernel reads.
    value.resize(usize::try_from(def.value_size).map_err(io::Error::other)?, 0);
    let key = [0; 4];
    let fd = map.as_raw_fd().cast_unsigned();
    let attr = Attr::new().int(0, fd).input(8, &key).input(16, &value);
    // SAFETY: an array's key has four bytes, its value as many as defined; both
    // live until the call is over.
    unsafe { attr.call(MAP_UPDATE_ELEM)? };
    if !def.is_writable() {
        // SAFETY: there is no address in it.
        unsafe { Attr::new().int(0, fd).call(MAP_FREEZE)? };
    }
    Ok(())
}

/// A program to load.
pub struct Program<'p> {
    /// Linux's number of its type.
    pub prog_type: u32,
    /// What it is to be attached to, as Linux's number; 0 where that says nothing.
    pub attach_type: u32,
    /// `BPF_F_...` of its loading.
    pub flags: u32,
    pub name: &'p str,
    pub license: &'p str,
    /// Eight bytes for each slot, maps as descriptors.
    pub insns: &'p [u8],
    /// The object's types, and for each function its first slot and its type, eight
    /// bytes.
    pub types: Option<(&'p OwnedFd, &'p [u8])>,
}

/// Bytes of a record of a function.
const FUNCTION_BYTES: u32 = 8;

/// Loads a program, with the log at `level` in `log`; the program is closed at
/// once.
pub fn load_program(program: &Program<'_>, level: u32, log: &mut [u8]) -> io::Result<()> {
    let slots = u32::try_from(program.insns.len() / 8).map_err(io::Error::other)?;
    let log_bytes = u32::try_from(log.len()).map_err(io::Error::other)?;
    let license: Vec<u8> = program.license.bytes().filter(|b| *b != 0).chain([0]).collect();
    let attr = Attr::new()
        .int(0, program.prog_type)
        .int(4, slots)
        .input(8, program.insns)
        .input(16, &license)
        .int(24, level)
        .int(28, log_bytes)
        .output(32, log)
        .int(44, program.flags)
        .bytes(48, &name(program.name))
        .int(68, program.attach_type);
    let attr = match program.types {
        Some((types, functions)) => {
            let bytes = u32::try_from(functions.len()).map_err(io::Error::other)?;
            attr.int(72, types.as_raw_fd().cast_unsigned())
                .int(76, FUNCTION_BYTES)
                .input(80, functions)
                .int(88, bytes / FUNCTION_BYTES)
        }
        None => attr,
    };
    // SAFETY: instructions and log are as long as is said, the licence ends with
    // a zero, and all of them live until the call is over.
    unsafe { attr.open(PROG_LOAD).map(drop) }
}
