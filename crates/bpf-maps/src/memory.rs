//! Access to memory that others may write at the same time.
//!
//! Programs on other CPUs write map values whenever they like, so no reference
//! to such memory may exist. It is read and written through the functions here:
//! relaxed atomics of the access's own size where the address is aligned, and
//! several smaller ones where it is not (such an access may be seen half done,
//! as on hardware).
//!
//! Programs choose the sizes of their accesses. Where two of them meet in
//! different sizes at the same time, Rust's own model of memory says nothing;
//! the machine, and LLVM's model, say that every byte is the one or the other.
//! The maps' own records are always accessed in one size.
//!
//! All of it wants memory that may be written, also where it only reads: that is
//! what atomics are defined for.
//!
//! [`View`] and [`Cells`] are checked ranges over such memory: whoever makes one
//! vouches for it once, and every access through it is safe.
//!
//! # Atomic operations of 64 bits on 32-bit cores
//! They come from `portable-atomic`. Without further ado it takes a short spin
//! lock on cores that have no such instruction. A firmware in which an
//! interrupt runs programs that share such a counter with the interrupted
//! program enables its feature `critical-section`.

mod access;
mod cells;
mod rmw;

pub use access::{
    copy, copy_in, copy_out, equal, fill, load_u8, load_u16, load_u32, load_u64, store_u8,
    store_u16, store_u32, store_u64,
};
pub use cells::{Cells, View};
pub use rmw::{
    Misaligned, Rmw, compare_exchange_u32, compare_exchange_u64, load_acquire_u8, load_acquire_u16,
    load_acquire_u32, load_acquire_u64, rmw_u32, rmw_u64, store_release_u8, store_release_u16,
    store_release_u32, store_release_u64,
};
