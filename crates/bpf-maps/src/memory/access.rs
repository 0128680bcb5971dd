//! Plain loads, stores and copies.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

use portable_atomic::{AtomicU8, AtomicU16, AtomicU32};

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
            if at.cast::<$atomic>().is_aligned() {
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
            if at.cast::<$atomic>().is_aligned() {
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

/// Does the same with every piece of `$len` bytes, the largest first: `$offset`
/// is where it begins. A number that is aligned within the whole is never cut
/// in two, so nobody sees half of it.
macro_rules! pieces {
    ($len:expr, $offset:ident => $do:ident!($($argument:tt)*)) => {
        let mut $offset = 0_usize;
        let len: usize = $len;
        while len.wrapping_sub($offset) >= 8 {
            $do!($($argument)* load_u64, store_u64, u64, 8);
            $offset = $offset.wrapping_add(8);
        }
        if len & 4 != 0 {
            $do!($($argument)* load_u32, store_u32, u32, 4);
            $offset = $offset.wrapping_add(4);
        }
        if len & 2 != 0 {
            $do!($($argument)* load_u16, store_u16, u16, 2);
            $offset = $offset.wrapping_add(2);
        }
        if len & 1 != 0 {
            $do!($($argument)* load_u8, store_u8, u8, 1);
        }
    };
}

/// Copies bytes out of shared memory.
///
/// # Safety
/// `from` must be valid for reads and writes of `to.len()` bytes, which lie
/// apart from `to`; nobody else may access them other than through atomics.
pub unsafe fn copy_out(from: NonNull<u8>, to: &mut [u8]) {
    macro_rules! piece {
        ($offset:ident $load:ident, $store:ident, $ty:ident, $bytes:literal) => {
            if let Some(to) = to.get_mut($offset..).and_then(<[u8]>::first_chunk_mut::<$bytes>) {
                // SAFETY: the piece is within `to.len()` bytes.
                *to = unsafe { $load(from.add($offset)) }.to_ne_bytes();
            }
        };
    }
    pieces!(to.len(), offset => piece!(offset));
}

/// Copies bytes into shared memory.
///
/// # Safety
/// `to` must be valid for reads and writes of `from.len()` bytes; nobody else
/// may access them other than through atomics.
pub unsafe fn copy_in(to: NonNull<u8>, from: &[u8]) {
    macro_rules! piece {
        ($offset:ident $load:ident, $store:ident, $ty:ident, $bytes:literal) => {
            if let Some(from) = from.get($offset..).and_then(<[u8]>::first_chunk::<$bytes>) {
                // SAFETY: the piece is within `from.len()` bytes.
                unsafe { $store(to.add($offset), $ty::from_ne_bytes(*from)) };
            }
        };
    }
    pieces!(from.len(), offset => piece!(offset));
}

/// Copies bytes within shared memory, from the lowest address up.
///
/// # Safety
/// `from` and `to` must be valid for reads and writes of `len` bytes; nobody
/// else may access them other than through atomics.
pub unsafe fn copy(from: NonNull<u8>, to: NonNull<u8>, len: usize) {
    macro_rules! piece {
        ($offset:ident $load:ident, $store:ident, $ty:ident, $bytes:literal) => {
            // SAFETY: the piece is within `len` bytes of either.
            unsafe { $store(to.add($offset), $load(from.add($offset))) }
        };
    }
    pieces!(len, offset => piece!(offset));
}

/// Sets `len` bytes of shared memory to `byte`.
///
/// # Safety
/// `to` must be valid for reads and writes of `len` bytes; nobody else may
/// access them other than through atomics.
pub unsafe fn fill(to: NonNull<u8>, byte: u8, len: usize) {
    macro_rules! piece {
        ($offset:ident $load:ident, $store:ident, $ty:ident, $bytes:literal) => {
            // SAFETY: the piece is within `len` bytes.
            unsafe { $store(to.add($offset), $ty::from_ne_bytes([byte; $bytes])) }
        };
    }
    pieces!(len, offset => piece!(offset));
}

/// Whether shared memory holds `bytes`.
///
/// # Safety
/// `at` must be valid for reads and writes of `bytes.len()` bytes; nobody else
/// may access them other than through atomics.
#[inline(always)]
pub unsafe fn equal(at: NonNull<u8>, bytes: &[u8]) -> bool {
    macro_rules! piece {
        ($offset:ident $load:ident, $store:ident, $ty:ident, $bytes:literal) => {
            let expected = bytes.get($offset..).and_then(<[u8]>::first_chunk::<$bytes>);
            // SAFETY: the piece is within `bytes.len()` bytes.
            if expected != Some(&unsafe { $load(at.add($offset)) }.to_ne_bytes()) {
                return false;
            }
        };
    }
    pieces!(bytes.len(), offset => piece!(offset));
    true
}
