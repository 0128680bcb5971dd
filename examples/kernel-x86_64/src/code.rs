//! Executable memory for the JIT compiler: runs of pages of the arena, each
//! writable until it is sealed and executable from then on, never both.
#![expect(unsafe_code, reason = "pages are handed out as slices")]

use alloc::boxed::Box;
use core::ptr::NonNull;
use core::slice;

use kernel_bpf::execution::jit::memory::{ExecutableCode, WritableCode};
use kernel_bpf::execution::jit::{CodeMemory, CodeMemoryError};
use spin::Mutex;

use crate::paging::{self, ARENA_LENGTH, ARENA_START, Access, PAGE};

/// Pages of the arena.
const PAGES: usize = ARENA_LENGTH / PAGE;

/// Whether a page belongs to somebody.
static TAKEN: Mutex<[bool; PAGES]> = Mutex::new([false; PAGES]);

/// The kernel's executable memory.
pub struct Arena;

/// A run of pages that this value alone owns.
struct Pages {
    first: usize,
    count: usize,
    /// Bytes that were asked for.
    length: usize,
}

/// Pages that are not executable yet.
struct Writable(Pages);

/// Pages that are executable, and not writable any more.
struct Executable(Pages);

impl CodeMemory for Arena {
    fn allocate(&self, bytes: usize) -> Result<Box<dyn WritableCode>, CodeMemoryError> {
        let exhausted = CodeMemoryError::Exhausted { bytes };
        let count = bytes.div_ceil(PAGE).max(1);
        let mut taken = TAKEN.lock();
        let first = taken.windows(count).position(|run| !run.contains(&true)).ok_or(exhausted)?;
        taken[first..first + count].fill(true);
        drop(taken);
        let pages = Pages { first, count, length: bytes };
        paging::set_access(pages.address(), count * PAGE, Access::ReadWrite);
        Ok(Box::new(Writable(pages)))
    }
}

impl Pages {
    fn address(&self) -> usize {
        ARENA_START + self.first * PAGE
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        paging::set_access(self.address(), self.count * PAGE, Access::ReadWrite);
        TAKEN.lock()[self.first..self.first + self.count].fill(false);
    }
}

impl WritableCode for Writable {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the pages are RAM that is mapped, writable, outside of every
        // Rust object and owned by `self` alone; `&mut self` guards the slice.
        unsafe { slice::from_raw_parts_mut(self.0.address() as *mut u8, self.0.length) }
    }

    fn seal(self: Box<Self>) -> Result<Box<dyn ExecutableCode>, CodeMemoryError> {
        let Self(pages) = *self;
        paging::set_access(pages.address(), pages.count * PAGE, Access::ReadExecute);
        Ok(Box::new(Executable(pages)))
    }
}

// SAFETY: `seal` took the right to write away from the only mapping there is;
// nothing gives it back before `Pages` is dropped.
unsafe impl ExecutableCode for Executable {
    fn base(&self) -> NonNull<u8> {
        // SAFETY: the arena does not begin at 0.
        unsafe { NonNull::new_unchecked(self.0.address() as *mut u8) }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the pages are mapped and nobody writes them while `self` lives.
        unsafe { slice::from_raw_parts(self.0.address() as *const u8, self.0.length) }
    }
}
