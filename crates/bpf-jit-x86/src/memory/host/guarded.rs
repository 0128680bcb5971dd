//! Executable memory of a host with `mmap`.

extern crate std;

use alloc::boxed::Box;
use core::ptr::NonNull;
use core::slice;
use std::sync::Mutex;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use rustix::param::page_size;

use super::{CodeMemory, CodeMemoryError, ExecutableCode, WritableCode};

/// Executable memory of the host's operating system: pages for every program, writable
/// until they are sealed and executable from then on, between two pages that nobody
/// may access.
///
/// Pages of a program that was dropped are no longer executable. A few, of the programs that
/// were dropped last, are kept for those to come, as mapping and first touching
/// pages takes longer than compiling a small program; all others go back.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostMemory;

impl CodeMemory for HostMemory {
    fn allocate(&self, bytes: usize) -> Result<Box<dyn WritableCode>, CodeMemoryError> {
        let pages = Pages::writable(bytes).ok_or(CodeMemoryError::Exhausted { bytes })?;
        Ok(Box::new(Writable(pages)))
    }
}

/// How many mappings are kept.
const SPARES: usize = 4;

/// The most bytes that one has that is kept.
const SPARE_BYTES: usize = 64 * 1024;

/// Mappings that no program uses, and whose pages may be written, not executed.
static SPARE: Mutex<Spares> = Mutex::new(Spares { kept: [const { None }; SPARES], next: 0 });

/// A ring of mappings.
struct Spares {
    kept: [Option<Mapping>; SPARES],
    /// Where the next one is put; what is there has waited longest.
    next: usize,
}

impl Spares {
    /// One with as many bytes between its guards.
    fn take(&mut self, len: usize) -> Option<Mapping> {
        let fits = |spare: &&mut Option<Mapping>| spare.as_ref().is_some_and(|own| own.len == len);
        self.kept.iter_mut().find(fits)?.take()
    }

    /// Keeps one, and gives what it takes the place of.
    fn put(&mut self, new: Mapping) -> Option<Mapping> {
        let free = self.kept.iter().position(Option::is_none).unwrap_or(self.next);
        self.next = free.wrapping_add(1) % SPARES;
        self.kept.get_mut(free)?.replace(new)
    }
}

/// A mapping that a program has, and that is kept when the program is dropped, or
/// goes back.
struct Pages(Option<Mapping>);

impl Pages {
    /// Pages that may be written, with room for `bytes` bytes.
    fn writable(bytes: usize) -> Option<Self> {
        let page = page_size();
        let len = bytes.max(1).checked_next_multiple_of(page)?;
        let spare = SPARE.lock().ok().and_then(|mut spares| spares.take(len));
        if let Some(spare) = spare {
            return Some(Self(Some(spare)));
        }
        let new = Mapping::reserve(len, page)?;
        new.protect(MprotectFlags::READ | MprotectFlags::WRITE)?;
        Some(Self(Some(new)))
    }

    /// Takes the right to write away, and gives the right to execute.
    fn seal(&self) -> Option<()> {
        self.0.as_ref()?.protect(MprotectFlags::READ | MprotectFlags::EXEC)
    }

    /// The first byte between the guards, and the bytes there.
    fn span(&self) -> (NonNull<u8>, usize) {
        self.0.as_ref().map_or((NonNull::dangling(), 0), |own| (own.base, own.len))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let Some(own) = self.0.take().filter(|own| own.len <= SPARE_BYTES) else { return };
        if own.protect(MprotectFlags::READ | MprotectFlags::WRITE).is_some() {
            let replaced = SPARE.lock().ok().and_then(|mut spares| spares.put(own));
            // Unmapped when nobody waits for the lock any more.
            drop(replaced);
        }
    }
}

/// Pages that this value alone owns, and one more at each end.
struct Mapping {
    /// Between the guards, as is all that is spoken of.
    base: NonNull<u8>,
    /// A multiple of `page`.
    len: usize,
    page: usize,
}

// SAFETY: the mapping belongs to this value and to no thread.
unsafe impl Send for Mapping {}
// SAFETY: by reference it is only read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `len` bytes that nobody may access yet.
    fn reserve(len: usize, page: usize) -> Option<Self> {
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

impl Drop for Mapping {
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
        let (base, len) = self.0.span();
        // SAFETY: the pages are mapped and writable, hold zeros or what an earlier program
        // left, and are lent as `self` is.
        unsafe { slice::from_raw_parts_mut(base.as_ptr(), len) }
    }

    fn seal(self: Box<Self>) -> Result<Box<dyn ExecutableCode>, CodeMemoryError> {
        let Self(pages) = *self;
        pages.seal().ok_or(CodeMemoryError::Protection)?;
        Ok(Box::new(Executable(pages)))
    }
}

/// Pages that may be read and executed.
struct Executable(Pages);

// SAFETY: the mapping is private to this value, is read-only and executable since
// `seal`, and is neither written nor unmapped before the value is dropped.
unsafe impl ExecutableCode for Executable {
    fn base(&self) -> NonNull<u8> {
        self.0.span().0
    }

    fn bytes(&self) -> &[u8] {
        let (base, len) = self.0.span();
        // SAFETY: the pages are mapped and readable, and nobody writes them.
        unsafe { slice::from_raw_parts(base.as_ptr(), len) }
    }
}
