//! Where maps have their values.
#![allow(unsafe_code)]

use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_interp::run::Run;
use bpf_interp::{Environment, Refusal};
use bpf_maps::memory::{self, View};
use bpf_maps::{BpfMap, Direct, MAX_KEY_SIZE, MapError};
use bpf_profile::PhysicalProfile;

use crate::compiled::CompiledProgram;
use crate::lower::MAX_LINKS;

/// Where an array has its values. A run finds that out before compiled code
/// begins, and the environment keeps the map where it is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Link {
    /// Address of the first value.
    base: u64,
    /// Address of the number below which indices are found so, of 32 bits.
    bound: u64,
    /// Address of the number below which there are indices at all, of 32 bits; 0
    /// where the host is to be asked.
    end: u64,
}

/// A bound below which there is no index.
static NONE: u32 = 0;

impl Link {
    pub(super) const BASE: usize = offset_of!(Self, base);
    pub(super) const BOUND: usize = offset_of!(Self, bound);
    pub(super) const END: usize = offset_of!(Self, end);

    /// The link to a map of an environment, for a program on `cpu`.
    fn to(env: &Environment<'_>, index: u32, cpu: u32) -> Option<Self> {
        let map = env.map(index)?;
        let none = number(core::ptr::from_ref(&NONE))?;
        let Some(elements) = map.elements(cpu) else {
            // The array has no values for this CPU, which the host is to say.
            let per_cpu = map.def().map_type == MapType::PerCpuArray;
            return per_cpu.then_some(Self { base: 0, bound: none, end: 0 });
        };
        let base = number(elements.base().as_ptr())?;
        if env.replaces(id::MAP_LOOKUP_ELEM) {
            return Some(Self { base, bound: none, end: 0 });
        }
        let [bound, end] = [elements.bound(), elements.end()].map(number);
        Some(Self { base, bound: bound?, end: end? })
    }
}

/// An address that code makes a pointer of again.
fn number<T>(at: *const T) -> Option<u64> {
    u64::try_from(at.expose_provenance()).ok()
}

/// The links of the programs that a run has come to, by their maps' indices.
#[repr(transparent)]
pub(super) struct Links([MaybeUninit<Link>; MAX_LINKS]);

impl Default for Links {
    fn default() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_LINKS])
    }
}

impl Links {
    /// Finds out where the maps have their values that a program on `cpu` has links to.
    pub(super) fn find<P: PhysicalProfile>(
        &mut self,
        env: &Environment<'_>,
        program: &CompiledProgram<P>,
        cpu: u32,
    ) -> Result<(), Refusal> {
        let mut rest = program.links();
        while rest != 0 {
            let index = rest.trailing_zeros();
            let found = Link::to(env, index, cpu).ok_or(Refusal::MapMismatch { index })?;
            if let Some(link) = self.0.get_mut(index as usize) {
                *link = MaybeUninit::new(found);
            }
            rest &= rest - 1;
        }
        Ok(())
    }
}

/// Short ways to the maps with the lowest indices of an environment, each found when a program
/// first takes it.
pub(super) struct Ways<'r> {
    /// A bit for each that is there.
    known: u16,
    ways: [MaybeUninit<Direct<'r>>; MAX_LINKS],
}

impl Default for Ways<'_> {
    fn default() -> Self {
        Self { known: 0, ways: [const { MaybeUninit::uninit() }; MAX_LINKS] }
    }
}

impl<'r> Ways<'r> {
    /// The way to the map that a value of the program's stands for, if it was found.
    #[inline(always)]
    pub(super) fn to(&self, handle: u64) -> Option<Direct<'r>> {
        let index = Run::map_index(handle)?;
        let bit = 1_u16.checked_shl(index)?;
        let way = self.ways.get(index as usize).filter(|_| self.known & bit != 0)?;
        // SAFETY: it is written before its bit is set.
        Some(unsafe { way.assume_init() })
    }

    /// Finds it, if there is one. All runs of a session are in the same environment.
    #[cold]
    pub(super) fn find(&mut self, env: &'r Environment<'r>, handle: u64) -> Option<Direct<'r>> {
        let index = Run::map_index(handle)?;
        let bit = 1_u16.checked_shl(index)?;
        let way = env.map(index)?.direct()?;
        *self.ways.get_mut(index as usize)? = MaybeUninit::new(way);
        self.known |= bit;
        Some(way)
    }
}

/// Keys up to this size take the short way.
const SMALL_KEY: usize = 64;

/// 16 bytes.
///
/// # Safety
/// They may be read at `at`, as a program may read them.
#[inline(always)]
unsafe fn two_words(at: NonNull<u8>) -> [u8; 16] {
    // SAFETY: the caller's promise.
    let [first, second] = unsafe { [memory::load_u64(at), memory::load_u64(at.add(8))] };
    let mut bytes = [0; 16];
    let (low, high) = bytes.split_at_mut(8);
    low.copy_from_slice(&first.to_ne_bytes());
    high.copy_from_slice(&second.to_ne_bytes());
    bytes
}

/// Calls `then` with a copy of a key of at most `N` bytes. By itself, so that keys of usual
/// sizes need no room for it.
///
/// # Safety
/// `size` bytes may be read at `key`, as a program may read them.
#[inline(never)]
unsafe fn copied<const N: usize, R>(
    key: NonNull<u8>,
    size: usize,
    then: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    let mut buffer = [0; N];
    let copy = buffer.get_mut(..size)?;
    // SAFETY: the caller's promise; nobody writes through the view.
    unsafe { View::new(key, size) }.read(0, copy)?;
    Some(then(copy))
}

/// Calls `then` with a copy of the key at `key` in a map that is like this.
///
/// # Safety
/// As many bytes as the map's keys have may be read at `key`, as a program may
/// read them.
#[inline(always)]
unsafe fn with_key<R>(def: &MapDef, key: u64, then: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let (size, at) = (usize::try_from(def.key_size).ok()?, pointer(key)?);
    match size {
        // SAFETY: the caller's promise.
        4 => Some(then(&unsafe { memory::load_u32(at) }.to_ne_bytes())),
        // SAFETY: as above.
        8 => Some(then(&unsafe { memory::load_u64(at) }.to_ne_bytes())),
        // SAFETY: as above.
        16 => Some(then(&unsafe { two_words(at) })),
        // SAFETY: as above.
        ..=SMALL_KEY => unsafe { copied::<SMALL_KEY, R>(at, size, then) },
        // SAFETY: as above.
        _ => unsafe { copied::<MAX_KEY_SIZE, R>(at, size, then) },
    }
}

/// What a program has as a number.
pub(super) fn pointer(address: u64) -> Option<NonNull<u8>> {
    let address = usize::try_from(address).ok()?;
    NonNull::new(core::ptr::with_exposed_provenance_mut(address))
}

/// The address of the value of the key at `key` for a program on `cpu`, or 0.
///
/// # Safety
/// The map is like `def`; as many bytes as its keys have may be read at `key`, as a program
/// may read them.
#[inline]
pub(super) unsafe fn lookup(map: &dyn BpfMap, def: &MapDef, key: u64, cpu: u32) -> u64 {
    // SAFETY: the caller's promise.
    let value = unsafe { with_key(def, key, move |key| map.lookup_ptr(key, cpu)) };
    address(value.flatten())
}

/// What R0 is when a value was looked up.
#[inline(always)]
pub(super) fn address(value: Option<NonNull<u8>>) -> u64 {
    value.and_then(|value| number(value.as_ptr())).unwrap_or_default()
}

/// Sets the value of a key, both by their addresses, for a program on `cpu`; what R0 is then.
///
/// # Safety
/// The map is like `def`; as many bytes as its keys and values have may be read there, as a
/// program may read them.
pub(super) unsafe fn update(
    map: &dyn BpfMap,
    def: &MapDef,
    [key, value]: [u64; 2],
    flags: u64,
    cpu: u32,
) -> u64 {
    let set = move |key: &[u8]| {
        let size = usize::try_from(def.value_size).ok();
        let Some((at, size)) = pointer(value).zip(size) else { return Err(MapError::InvalidValue) };
        // SAFETY: the caller's promise; nobody writes through the view.
        map.update_from(key, unsafe { View::new(at, size) }, flags, cpu)
    };
    // SAFETY: the caller's promise.
    let result = unsafe { with_key(def, key, set) }.unwrap_or(Err(MapError::InvalidKey));
    result.map_or_else(|error| error.errno().wrapping_neg().cast_unsigned(), |()| 0)
}
