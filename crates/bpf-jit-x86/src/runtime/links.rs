//! Where maps have their values.
#![allow(unsafe_code)]

use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::abi::map::MapType;
use bpf_interp::{Environment, Refusal};
use bpf_maps::memory::{self, View};
use bpf_maps::{BpfMap, MAX_KEY_SIZE};
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

/// Keys up to this size take the short way.
const SMALL_KEY: usize = 64;

/// The value of a key of at most `N` bytes.
///
/// # Safety
/// `size` bytes may be read at `key`, as a program may read them.
unsafe fn copied<const N: usize>(
    map: &dyn BpfMap,
    key: NonNull<u8>,
    size: usize,
    cpu: u32,
) -> Option<NonNull<u8>> {
    let mut buffer = [0; N];
    let copy = buffer.get_mut(..size)?;
    // SAFETY: the caller's promise; nobody writes through the view.
    unsafe { View::new(key, size) }.read(0, copy)?;
    map.lookup_ptr(copy, cpu)
}

/// The address of the value of the key of `size` bytes at `key` for a program on `cpu`, or 0.
///
/// # Safety
/// So many bytes may be read at `key`, as a program may read them.
#[inline]
pub(super) unsafe fn lookup(map: &dyn BpfMap, size: u32, key: u64, cpu: u32) -> u64 {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let at = usize::try_from(key).ok().map(core::ptr::with_exposed_provenance_mut);
    let Some(at) = at.and_then(NonNull::new) else { return 0 };
    let value = match size {
        // SAFETY: the caller's promise.
        4 => map.lookup_ptr(&unsafe { memory::load_u32(at) }.to_ne_bytes(), cpu),
        // SAFETY: as above.
        8 => map.lookup_ptr(&unsafe { memory::load_u64(at) }.to_ne_bytes(), cpu),
        // SAFETY: as above.
        ..=SMALL_KEY => unsafe { copied::<SMALL_KEY>(map, at, size, cpu) },
        // SAFETY: as above.
        _ => unsafe { copied::<MAX_KEY_SIZE>(map, at, size, cpu) },
    };
    value.and_then(|value| number(value.as_ptr())).unwrap_or_default()
}
