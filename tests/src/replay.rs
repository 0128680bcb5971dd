//! Runs that find their memory at the same addresses, one after the other.
//!
//! A program may compute with addresses, and what comes out then depends on
//! where the stack, the maps and the packet are. Where a test binary has
//! [`Arena`] as its allocator, everything that an execution is given lies in the
//! arena, allocated from its start on, so that engines differ only if one of
//! them is wrong.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::sync::Mutex;

use kernel_bpf::bytecode::abi::map::MapDef;
use kernel_bpf::maps::MapError;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::StackPolicy;

use crate::engine::Outcome;

/// What running a case gives.
type Ran = Result<Outcome, (MapDef, MapError)>;

/// Bytes of the arena; what does not fit is elsewhere, and differs.
const SIZE: usize = 1 << 20;

#[repr(align(4096))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: the bytes are given out once each while `ALONE` is held, so that no two
// threads have the same.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));

/// Held by the thread that allocates from the arena.
static ALONE: Mutex<()> = Mutex::new(());

thread_local! {
    /// Bytes of the arena that are in use, while this thread allocates from it.
    static USED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// An allocator that takes memory from the arena while a case runs, and
/// from the system otherwise.
#[derive(Debug)]
pub struct Arena;

impl Arena {
    fn bump(layout: Layout) -> Option<*mut u8> {
        let start = USED.get()?.checked_next_multiple_of(layout.align())?;
        let end = start.checked_add(layout.size()).filter(|end| *end <= SIZE)?;
        // Alignment beyond the arena's own is not to be had from it.
        if layout.align() > align_of::<Memory>() {
            return None;
        }
        USED.set(Some(end));
        // SAFETY: `start` is at most `SIZE`.
        Some(unsafe { MEMORY.0.get().cast::<u8>().add(start) })
    }
}

// SAFETY: blocks of the arena are aligned and do not overlap while they are in
// use: `same_place` lets nothing out that lies in the arena, and only its end
// makes room anew. All other blocks are the system's.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        Self::bump(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match Self::bump(layout) {
            Some(block) => {
                // SAFETY: the block has as many bytes.
                unsafe { block.write_bytes(0, layout.size()) };
                block
            }
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let within = block.addr().wrapping_sub(MEMORY.0.get().addr());
        if within >= SIZE {
            // SAFETY: the block is not of the arena, so it is the system's.
            unsafe { System.dealloc(block, layout) };
        }
    }
}

/// Ends the use of the arena, also where a test fails.
struct Turn;

impl Drop for Turn {
    fn drop(&mut self) {
        USED.set(None);
    }
}

/// What `run` gives; its allocations are where those of every other call are, if
/// the binary's allocator is [`Arena`]. Calls are not nested, and `run` keeps
/// nothing that it allocates.
pub(crate) fn same_place(run: impl FnOnce() -> Ran) -> Ran {
    // What a panic left in the arena is still in use.
    let Ok(_alone) = ALONE.lock() else { return run() };
    let inside = {
        let _turn = Turn;
        USED.set(Some(0));
        run()
    };
    // The copy is the system's, and outlives the arena's next use.
    inside.clone()
}

/// Whether this thread allocates from the arena, which it can be told from only
/// where the binary has chosen it.
pub(crate) fn in_arena() -> bool {
    let used = USED.get();
    used.is_some() && {
        drop(std::hint::black_box(Box::new(0_u8)));
        USED.get() != used
    }
}

/// Linux's policy and a frame more, which engines do not keep on the host's stack.
pub(crate) fn stack_policy() -> StackPolicy {
    StackPolicy::new::<ActiveProfile>(
        StackPolicy::LINUX.frame_bytes(),
        StackPolicy::LINUX.chain_bytes(),
        StackPolicy::LINUX.frames() + 1,
    )
    .expect("nine frames fit")
}
