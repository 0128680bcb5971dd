//! Plain loads, stores and copies.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

use portable_atomic::{AtomicU8, AtomicU16, AtomicU32};

/// Bytes that [`copy_in`] and its siblings move at once.
const WORD: usize = 8;

/// Loads one byte.
///
/// # Safety
/// `at` must be valid for reads and writes of 1 byte; nobody else may access it other than
/// through atomics.
#[inline]
pub unsafe fn load_u8(at: NonNull<u8>) -> u8 {
    // SAFETY: valid by contract, and a byte has no alignment.
    unsafe { AtomicU8::from_ptr(at.as_ptr()) }.load(Relaxed)
}

/// Stores one byte.
///
/// # Safety
/// `at` must be valid for reads and writes of 1 byte; nobody else may access it other
/// than through atomics.
#[inline]
pub unsafe fn store_u8(at: NonNull<u8>, value: u8) {
    // SAFETY: valid by contract, and a byte has no alignment.
    unsafe { AtomicU8::from_ptr(at.as_ptr()) }.store(value, Relaxed);
}

macro_rules! plain {
    ($(#[$gate:meta])* $load:ident, $store:ident: $ty:ident over $half_load:ident,
     $half_store:ident: $half:ident, $atomic:ident, $bytes:literal, $bits:literal) => {
        /// Loads a number in native byte order, from an address of any
        /// alignment.
        ///
        /// # Safety
        #[doc = concat!("`at` must be valid for reads and writes of ", $bytes, " bytes; nobody else may")]
        /// access them other than through atomics.
        #[inline]
        pub unsafe fn $load(at: NonNull<u8>) -> $ty {
            $(#[$gate])*
            if at.cast::<$ty>().is_aligned() {
                // SAFETY: valid by contract, aligned as just seen.
                return unsafe { $atomic::from_ptr(at.as_ptr().cast()) }.load(Relaxed);
            }
            // SAFETY: both halves lie within the bytes of the contract.
            let first = unsafe { $half_load(at) };
            // SAFETY: as above.
            let second = unsafe { $half_load(at.add(size_of::<$half>())) };
            if cfg!(target_endian = "little") {
                $ty::from(second) << $bits | $ty::from(first)
            } else {
                $ty::from(first) << $bits | $ty::from(second)
            }
        }

        /// Stores a number in native byte order, to an address of any
        /// alignment.
        ///
        /// # Safety
        #[doc = concat!("`at` must be valid for reads and writes of ", $bytes, " bytes; nobody else may")]
        /// access them other than through atomics.
        #[inline]
        #[allow(clippy::cast_possible_truncation, reason = "the halves are wanted")]
        pub unsafe fn $store(at: NonNull<u8>, value: $ty) {
            $(#[$gate])*
            if at.cast::<$ty>().is_aligned() {
                // SAFETY: valid by contract, aligned as just seen.
                return unsafe { $atomic::from_ptr(at.as_ptr().cast()) }.store(value, Relaxed);
            }
            let (low, high) = (value as $half, (value >> $bits) as $half);
            let (first, second) =
                if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
            // SAFETY: both halves lie within the bytes of the contract.
            unsafe {
                $half_store(at, first);
                $half_store(at.add(size_of::<$half>()), second);
            }
        }
    };
}

#[cfg(target_has_atomic = "64")]
use portable_atomic::AtomicU64;

plain!(load_u16, store_u16: u16 over load_u8, store_u8: u8, AtomicU16, "2", 8);
plain!(load_u32, store_u32: u32 over load_u16, store_u16: u16, AtomicU32, "4", 16);
plain!(#[cfg(target_has_atomic = "64")] load_u64, store_u64: u64 over load_u32, store_u32: u32,
    AtomicU64, "8", 32);

/// Copies bytes out of shared memory.
///
/// # Safety
/// `from` must be valid for reads and writes of `to.len()` bytes, which lie apart from
/// `to`; nobody else may access them other than through atomics.
pub unsafe fn copy_out(from: NonNull<u8>, to: &mut [u8]) {
    let (words, rest) = to.as_chunks_mut::<WORD>();
    let mut at = from;
    for word in words {
        // SAFETY: `at` is less than `to.len()` bytes in, a word at least from
        // the end.
        unsafe {
            *word = load_u64(at).to_ne_bytes();
            at = at.add(WORD);
        }
    }
    for byte in rest {
        // SAFETY: as above, a byte at least from the end.
        unsafe {
            *byte = load_u8(at);
            at = at.add(1);
        }
    }
}

/// Copies bytes into shared memory.
///
/// # Safety
/// `to` must be valid for reads and writes of `from.len()` bytes; nobody else may access
/// them other than through atomics.
pub unsafe fn copy_in(to: NonNull<u8>, from: &[u8]) {
    let (words, rest) = from.as_chunks::<WORD>();
    let mut at = to;
    for word in words {
        // SAFETY: `at` is less than `from.len()` bytes in, a word at least from
        // the end.
        unsafe {
            store_u64(at, u64::from_ne_bytes(*word));
            at = at.add(WORD);
        }
    }
    for byte in rest {
        // SAFETY: as above, a byte at least from the end.
        unsafe {
            store_u8(at, *byte);
            at = at.add(1);
        }
    }
}

/// Copies bytes within shared memory, from the lowest address up.
///
/// # Safety
/// `from` and `to` must be valid for reads and writes of `len` bytes; nobody
/// else may access them other than through atomics.
pub unsafe fn copy(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    let mut done = 0_usize;
    while let Some(next) = done.checked_add(WORD).filter(|&next| next <= len) {
        // SAFETY: a word fits between `done` and `len`.
        unsafe { store_u64(to.add(done), load_u64(from.add(done))) };
        done = next;
    }
    for offset in done..len {
        // SAFETY: `offset` is less than `len`.
        unsafe { store_u8(to.add(offset), load_u8(from.add(offset))) };
    }
}

/// Sets `len` bytes of shared memory to `byte`.
///
/// # Safety
/// `to` must be valid for reads and writes of `len` bytes; nobody else may access them
/// other than through atomics.
pub unsafe fn fill(to: NonNull<u8>, byte: u8, len: usize) {
    let mut done = 0_usize;
    while let Some(next) = done.checked_add(WORD).filter(|&next| next <= len) {
        // SAFETY: a word fits between `done` and `len`.
        unsafe { store_u64(to.add(done), u64::from_ne_bytes([byte; WORD])) };
        done = next;
    }
    for offset in done..len {
        // SAFETY: `offset` is less than `len`.
        unsafe { store_u8(to.add(offset), byte) };
    }
}

/// Whether shared memory holds `bytes`.
///
/// # Safety
/// `at` must be valid for reads and writes of `bytes.len()` bytes; nobody else may access
/// them other than through atomics.
#[inline]
pub unsafe fn equal(at: NonNull<u8>, bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let mut at = at;
    for word in words {
        // SAFETY: `at` is less than `bytes.len()` bytes in, a word at least
        // from the end.
        unsafe {
            if load_u64(at).to_ne_bytes() != *word {
                return false;
            }
            at = at.add(WORD);
        }
    }
    for byte in rest {
        // SAFETY: as above, a byte at least from the end.
        unsafe {
            if load_u8(at) != *byte {
                return false;
            }
            at = at.add(1);
        }
    }
    true
}
