//! Atomic read-modify-write operations, and ordered loads and stores.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Release, SeqCst};

use portable_atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64};

/// An atomic operation at an address that is no multiple of its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("misaligned atomic access")]
pub struct Misaligned;

/// What an atomic operation does with the memory and its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rmw {
    /// Adds, wrapping.
    Add,
    /// Bitwise or.
    Or,
    /// Bitwise and.
    And,
    /// Bitwise exclusive or.
    Xor,
    /// Replaces.
    Exchange,
}

macro_rules! ordered {
    ($load:ident, $store:ident: $ty:ident, $atomic:ident, $bytes:literal) => {
        /// Loads with acquire ordering.
        ///
        /// # Errors
        /// [`Misaligned`] where the address is no multiple of the size.
        ///
        /// # Safety
        #[doc = concat!("`at` must be valid for reads and writes of ", $bytes, " bytes; nobody else may")]
        /// access them other than through atomics.
        pub unsafe fn $load(at: NonNull<u8>) -> Result<$ty, Misaligned> {
            if !at.cast::<$atomic>().is_aligned() {
                return Err(Misaligned);
            }
            // SAFETY: valid by contract, aligned as just seen.
            Ok(unsafe { $atomic::from_ptr(at.as_ptr().cast()) }.load(Acquire))
        }

        /// Stores with release ordering.
        ///
        /// # Errors
        /// [`Misaligned`] where the address is no multiple of the size.
        ///
        /// # Safety
        #[doc = concat!("`at` must be valid for reads and writes of ", $bytes, " bytes; nobody else may")]
        /// access them other than through atomics.
        pub unsafe fn $store(at: NonNull<u8>, value: $ty) -> Result<(), Misaligned> {
            if !at.cast::<$atomic>().is_aligned() {
                return Err(Misaligned);
            }
            // SAFETY: valid by contract, aligned as just seen.
            unsafe { $atomic::from_ptr(at.as_ptr().cast()) }.store(value, Release);
            Ok(())
        }
    };
}

macro_rules! rmw {
    ($rmw:ident, $exchange:ident: $ty:ident, $atomic:ident, $bytes:literal) => {
        /// Combines the memory with `operand` in one step, fully ordered;
        /// gives what was there before.
        ///
        /// # Errors
        /// [`Misaligned`] where the address is no multiple of the size.
        ///
        /// # Safety
        #[doc = concat!("`at` must be valid for reads and writes of ", $bytes, " bytes; nobody")]
        /// else may access them other than through atomics.
        pub unsafe fn $rmw(at: NonNull<u8>, op: Rmw, operand: $ty) -> Result<$ty, Misaligned> {
            if !at.cast::<$atomic>().is_aligned() {
                return Err(Misaligned);
            }
            // SAFETY: valid by contract, aligned as just seen.
            let cell = unsafe { $atomic::from_ptr(at.as_ptr().cast()) };
            Ok(match op {
                Rmw::Add => cell.fetch_add(operand, SeqCst),
                Rmw::Or => cell.fetch_or(operand, SeqCst),
                Rmw::And => cell.fetch_and(operand, SeqCst),
                Rmw::Xor => cell.fetch_xor(operand, SeqCst),
                Rmw::Exchange => cell.swap(operand, SeqCst),
            })
        }

        /// Replaces `expected` by `new` in one step, fully ordered, and leaves
        /// anything else alone; gives what was there before.
        ///
        /// # Errors
        /// [`Misaligned`] where the address is no multiple of the size.
        ///
        /// # Safety
        #[doc = concat!("`at` must be valid for reads and writes of ", $bytes, " bytes; nobody")]
        /// else may access them other than through atomics.
        pub unsafe fn $exchange(
            at: NonNull<u8>,
            expected: $ty,
            new: $ty,
        ) -> Result<$ty, Misaligned> {
            if !at.cast::<$atomic>().is_aligned() {
                return Err(Misaligned);
            }
            // SAFETY: valid by contract, aligned as just seen.
            let cell = unsafe { $atomic::from_ptr(at.as_ptr().cast()) };
            let (Ok(old) | Err(old)) = cell.compare_exchange(expected, new, SeqCst, SeqCst);
            Ok(old)
        }
    };
}

ordered!(load_acquire_u8, store_release_u8: u8, AtomicU8, "1");
ordered!(load_acquire_u16, store_release_u16: u16, AtomicU16, "2");
ordered!(load_acquire_u32, store_release_u32: u32, AtomicU32, "4");
ordered!(load_acquire_u64, store_release_u64: u64, AtomicU64, "8");
rmw!(rmw_u32, compare_exchange_u32: u32, AtomicU32, "4");
rmw!(rmw_u64, compare_exchange_u64: u64, AtomicU64, "8");
