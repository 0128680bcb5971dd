//! Executable memory of a host with `mmap`.

use alloc::boxed::Box;
use core::ptr::NonNull;
use core::slice;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use rustix::param::page_size;

use super::{CodeMemory, CodeMemoryError, ExecutableCode, WritableCode};

/// Executable memory of the host's operating system: fresh pages for every
/// program, writable until they are sealed and executable from then on, between
/// two pages that nobody may access.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostMemory;

impl CodeMemory for HostMemory {
    fn allocate(&self, bytes: usize) -> Result<Box<dyn WritableCode>, CodeMemoryError> {
        let pages = Pages::reserve(bytes).ok_or(CodeMemoryError::Exhausted { bytes })?;
        let writable = MprotectFlags::READ | MprotectFlags::WRITE;
        pages.protect(writable).ok_or(CodeMemoryError::Exhausted { bytes })?;
        Ok(Box::new(Writable(pages)))
    }
}

/// Pages that this value alone owns, and one more at each end.
struct Pages {
    /// Between the guards, as is all that is spoken of.
    base: NonNull<u8>,
    /// A multiple of `page`.
    len: usize,
    page: usize,
}

// SAFETY: the mapping belongs to this value and to no thread.
unsafe impl Send for Pages {}
// SAFETY: by reference it is only read.
unsafe impl Sync for Pages {}

impl Pages {
    /// Room for `bytes` bytes that nobody may access yet.
    fn reserve(bytes: usize) -> Option<Self> {
        let page = page_size();
        let len = bytes.max(1).checked_next_multiple_of(page)?;
        let whole = len.checked_add(page.checked_mul(2)?)?;
        let (nothing, anywhere) = (ProtFlags::empty(), core::ptr::null_mut());
        // SAFETY: the mapping is a new one, where there was none.
        let start = unsafe { mmap_anonymous(anywhere, whole, nothing, MapFlags::PRIVATE) }.ok()?;
        Some(Self { base: NonNull::new(start.cast::<u8>().wrapping_add(page))?, len, page })
    }

    /// Gives the pages these rights, and no others.
    fn protect(&self, rights: MprotectFlags) -> Option<()> {
        // SAFETY: the pages are this value's own. A reference to their bytes exists
        // while they are `Writable` or `Executable` alone.
        unsafe { mprotect(self.base.as_ptr().cast(), self.len, rights) }.ok()
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let start = self.base.as_ptr().wrapping_sub(self.page);
        let whole = self.len.saturating_add(self.page.saturating_mul(2));
        // SAFETY: what was mapped, and nobody refers to it any more.
        let unmapped = unsafe { munmap(start.cast(), whole) };
        debug_assert!(unmapped.is_ok(), "a mapping of this process");
    }
}

/// Pages that may be read and written.
struct Writable(Pages);

impl WritableCode for Writable {
    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the pages are mapped, zeroed and writable, and lent as `self` is.
        unsafe { slice::from_raw_parts_mut(self.0.base.as_ptr(), self.0.len) }
    }

    fn seal(self: Box<Self>) -> Result<Box<dyn ExecutableCode>, CodeMemoryError> {
        let Self(pages) = *self;
        let executable = MprotectFlags::READ | MprotectFlags::EXEC;
        pages.protect(executable).ok_or(CodeMemoryError::Protection)?;
        Ok(Box::new(Executable(pages)))
    }
}

/// Pages that may be read and executed.
struct Executable(Pages);

// SAFETY: the mapping is private to this value, is read-only and executable since
// `seal`, and is unmapped when the value is dropped.
unsafe impl ExecutableCode for Executable {
    fn base(&self) -> NonNull<u8> {
        self.0.base
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the pages are mapped and readable, and nobody writes them.
        unsafe { slice::from_raw_parts(self.0.base.as_ptr(), self.0.len) }
    }
}
