//! The kernel's heap: a fixed span of RAM above the image.
#![expect(unsafe_code, reason = "the heap's span is this machine's")]

use linked_list_allocator::LockedHeap;

/// Start and length of the heap. The machine has 128 MiB, the image ends below
/// 4 MiB and the executable arena below 6 MiB.
const START: usize = 16 << 20;
const LENGTH: usize = 64 << 20;

#[global_allocator]
static HEAP: LockedHeap = LockedHeap::empty();

/// Gives the allocator its memory. Called once, before the first allocation.
pub fn init() {
    // SAFETY: the span is RAM, mapped writable by the boot stub, and outside
    // everything else this kernel uses; this is the only call.
    unsafe { HEAP.lock().init(START as *mut u8, LENGTH) };
}
