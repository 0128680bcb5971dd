//! Memory that machine code lives in, as a kernel hands it out.
//!
//! The compiler writes a whole program into a [`WritableCode`], once, and seals
//! it; only then is it executed. What implements these traits keeps the rule
//! that a page is never writable and executable at once.
//!
//! A kernel hands out pages of its own: [`CodeMemory::allocate`] maps some for
//! writing, [`WritableCode::seal`] takes the right to write away, flushes the
//! translations of every CPU, and only then gives the right to execute, and the
//! drop of the [`ExecutableCode`] unmaps them. Code may lie anywhere: it holds no
//! address of its own and none of the kernel. Where the memory begins at a multiple of 64, as
//! pages do, loops lie across as few ends of the CPU's cache lines as can be: for that the
//! compiler asks for up to 63 bytes more than it has code, and leaves them in front of it.
//!
//! # Guards
//! In front of the pages and behind them should be one each that nobody may access,
//! from `allocate` to the drop. Such a guard catches what runs or reads on from one program's code
//! into what is next to it, and who writes on from a buffer beside code that is not sealed
//! yet. In front of the code and behind it, up to the end of what `bytes` gave, the compiler leaves
//! instructions that trap, so that no place in the pages is executed that is no code.
//! Guards catch no access that is far away; against these the rights of the
//! pages stand. `HostMemory` has guards where the host has `mmap`.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ptr::NonNull;

#[cfg(feature = "std")]
#[cfg_attr(unix, path = "memory/host/guarded.rs")]
#[cfg_attr(not(unix), path = "memory/host/plain.rs")]
mod host;

#[cfg(feature = "std")]
pub use host::HostMemory;

/// Executable memory was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeMemoryError {
    /// There is not as much in one piece.
    #[error("no executable memory: {bytes} bytes wanted")]
    Exhausted {
        /// Bytes that were asked for.
        bytes: usize,
    },
    /// The pages could not be made executable.
    #[error("pages could not be made executable")]
    Protection,
}

/// Hands out memory for machine code.
pub trait CodeMemory {
    /// Memory for `bytes` bytes of code, writable and not executable.
    ///
    /// # Errors
    /// [`CodeMemoryError::Exhausted`] when there is none.
    fn allocate(&self, bytes: usize) -> Result<Box<dyn WritableCode>, CodeMemoryError>;
}

/// Memory that takes machine code and is not executable yet. Dropping it gives
/// it back.
pub trait WritableCode {
    /// The bytes to fill, as many as were asked for or more; best up to the end of the
    /// last page. They hold anything.
    fn bytes(&mut self) -> &mut [u8];

    /// Takes the right to write away and gives the right to execute, in this
    /// order.
    ///
    /// # Errors
    /// [`CodeMemoryError::Protection`] when the pages' rights could not be
    /// changed; the memory is then given back.
    fn seal(self: Box<Self>) -> Result<Box<dyn ExecutableCode>, CodeMemoryError>;
}

/// Memory with machine code that may be executed. Dropping it gives it back.
///
/// # Safety
/// From the return of [`WritableCode::seal`] until the drop, the bytes behind
/// `base()` are those that were written, at the same address, executable, and
/// writable by nobody through any mapping.
pub unsafe trait ExecutableCode: Send + Sync {
    /// First byte.
    fn base(&self) -> NonNull<u8>;

    /// The bytes that were written.
    fn bytes(&self) -> &[u8];
}
