//! A way to a map on which neither its type nor the size of its keys is asked for.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::ptr::NonNull;

use crate::BpfMap;
use crate::memory::{View, load_u32};

/// What a map does for programs where the size of its keys is known at build time.
pub(crate) trait ByKey: BpfMap + Sized {
    /// As [`BpfMap::lookup_ptr`].
    fn find<const SIZE: usize>(&self, key: &[u8; SIZE], cpu: u32) -> Option<NonNull<u8>>;
}

type Find = unsafe fn(NonNull<()>, NonNull<u8>, u32) -> Option<NonNull<u8>>;
type Set = unsafe fn(NonNull<()>, NonNull<u8>, NonNull<u8>, u64, u32) -> i64;

/// A map as compiled code asks for entries, over and over: functions for its type and for
/// keys of its size, chosen once.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'m> {
    map: NonNull<()>,
    find: Find,
    set: Set,
    lives: PhantomData<&'m ()>,
}

// SAFETY: it is used as a reference to the map, which any thread may use.
unsafe impl Send for Direct<'_> {}
// SAFETY: as above.
unsafe impl Sync for Direct<'_> {}

impl<'m> Direct<'m> {
    /// The way to a map whose keys have 4, 8 or 16 bytes.
    pub(crate) fn to<M: ByKey>(map: &'m M) -> Option<Self> {
        match map.def().key_size {
            4 => Self::by::<4, M>(map),
            8 => Self::by::<8, M>(map),
            16 => Self::by::<16, M>(map),
            _ => None,
        }
    }

    /// The way to a map whose keys have so many bytes.
    pub(crate) fn by<const SIZE: usize, M: ByKey>(map: &'m M) -> Option<Self> {
        let (find, set): (Find, Set) = (find::<M, SIZE>, set::<M, SIZE>);
        let fits = map.def().key_size as usize == SIZE;
        let map = NonNull::from_ref(map).cast();
        fits.then_some(Self { map, find, set, lives: PhantomData })
    }

    /// As [`BpfMap::lookup_ptr`].
    ///
    /// # Safety
    /// `key` must be valid for reads and writes of as many bytes as the map's keys have;
    /// nobody else may access them other than through atomics.
    #[inline(always)]
    pub unsafe fn find(&self, key: NonNull<u8>, cpu: u32) -> Option<NonNull<u8>> {
        // SAFETY: the function was made for this map; of the key speaks the contract.
        unsafe { (self.find)(self.map, key, cpu) }
    }

    /// As [`BpfMap::update_from`], with the addresses of a key and a value; 0, or a negative
    /// [`errno`](crate::MapError::errno).
    ///
    /// # Safety
    /// Both must be valid for reads and writes of as many bytes as the map's keys and values
    /// have; nobody else may access them other than through atomics.
    #[inline(always)]
    pub unsafe fn set(&self, key: NonNull<u8>, value: NonNull<u8>, flags: u64, cpu: u32) -> i64 {
        // SAFETY: the function was made for this map; of the rest speaks the contract.
        unsafe { (self.set)(self.map, key, value, flags, cpu) }
    }
}

/// A key, read in pieces of four bytes: those of most are stored so, and a CPU has what was
/// stored at hand only for a load of no more than that. The copy is written in words, as it is
/// hashed in words.
///
/// # Safety
/// As for [`Direct::find`], of `SIZE` bytes.
#[inline(always)]
unsafe fn copied<const SIZE: usize>(at: NonNull<u8>) -> [u8; SIZE] {
    let mut key = [0; SIZE];
    // SAFETY: both offsets are those of pieces of the key.
    let load = |offset: usize| unsafe { load_u32(at.add(offset)) };
    let (words, rest) = key.as_chunks_mut::<8>();
    for (word, offset) in words.iter_mut().zip((0_usize..).step_by(8)) {
        let [first, second] = [load(offset), load(offset | 4)].map(u64::from);
        let whole = if cfg!(target_endian = "little") {
            second << u32::BITS | first
        } else {
            first << u32::BITS | second
        };
        *word = whole.to_ne_bytes();
    }
    if let Some(piece) = rest.first_chunk_mut() {
        *piece = load(SIZE & !7).to_ne_bytes();
    }
    key
}

/// # Safety
/// As for [`Direct::find`]; `map` was made of a reference to such a map that still lives.
unsafe fn find<M: ByKey, const SIZE: usize>(
    map: NonNull<()>,
    key: NonNull<u8>,
    cpu: u32,
) -> Option<NonNull<u8>> {
    // SAFETY: the caller's promise.
    let (map, key) = unsafe { (map.cast::<M>().as_ref(), copied::<SIZE>(key)) };
    map.find(&key, cpu)
}

/// # Safety
/// As for [`Direct::set`]; `map` was made of a reference to such a map that still lives.
unsafe fn set<M: ByKey, const SIZE: usize>(
    map: NonNull<()>,
    key: NonNull<u8>,
    value: NonNull<u8>,
    flags: u64,
    cpu: u32,
) -> i64 {
    // SAFETY: the caller's promise.
    let (map, key) = unsafe { (map.cast::<M>().as_ref(), copied::<SIZE>(key)) };
    // SAFETY: as above; nobody writes through the view.
    let value = unsafe { View::new(value, map.def().value_size as usize) };
    let result = map.update_from(&key, value, flags, cpu);
    result.map_or_else(|error| error.errno().wrapping_neg(), |()| 0)
}
