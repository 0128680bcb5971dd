//! The stack frames of a run.
#![allow(unsafe_code)]

use core::hint::cold_path;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use bpf_profile::{MemoryBlock, MemoryStrategy, OutOfMemory, PhysicalProfile};
use bpf_verifier::StackPolicy;

use super::callback::{Active, DEPTH};
use super::memory::address;
use super::pile::Room;
use super::records::{MAX_RECORDS, Record};

/// Bytes behind each frame that no program can reach. The engine keeps there
/// what it saved at the entry of the function.
const GAP: usize = 64;

/// Bytes that Linux's policy takes.
const INLINE: usize = StackPolicy::LINUX.frames() * (StackPolicy::LINUX.frame_bytes() + GAP);

const _: () = assert!(size_of::<Saved>() <= GAP);

/// What an engine keeps while a function is called. [`Run`](super::Run) gives
/// it back and looks at none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Saved {
    /// R6 to R9 of the caller.
    pub registers: [u64; 4],
    /// Slot at which the caller goes on.
    pub pc: u32,
    /// Number of the caller's program, as the engine numbers them.
    pub program: u32,
}

/// Memory for the frames of one run and a few records of it, to be made where the run begins. It is not
/// written before it is needed.
pub struct StackMemory<P: PhysicalProfile> {
    pub(super) frames: Frames<P>,
    pub(super) rooms: Rooms<'static>,
}

/// What a run keeps beside the frames.
pub(super) struct Rooms<'r> {
    pub records: Room<Record<'r>, MAX_RECORDS>,
    pub callbacks: Room<Active<'r>, DEPTH>,
}

impl Rooms<'static> {
    /// The same for a run.
    pub fn for_run<'r>(&'r mut self) -> &'r mut Rooms<'r> {
        // SAFETY: the types differ in a lifetime alone. What a run writes there
        // nobody reads after it: to whoever comes next the memory is uninitialised.
        unsafe { &mut *core::ptr::from_mut(self).cast::<Rooms<'r>>() }
    }
}

/// The frames.
pub(super) struct Frames<P: PhysicalProfile> {
    inline: MaybeUninit<Inline>,
    block: Option<<P::Memory as MemoryStrategy>::Block>,
}

#[repr(C, align(16))]
struct Inline([u8; INLINE]);

impl<P: PhysicalProfile> StackMemory<P> {
    /// Room for the frames of Linux's policy in place. A larger policy takes a
    /// block from the profile's memory when the run begins.
    pub const fn new() -> Self {
        let rooms = Rooms {
            records: [const { MaybeUninit::uninit() }; MAX_RECORDS],
            callbacks: [const { MaybeUninit::uninit() }; DEPTH],
        };
        Self { frames: Frames { inline: MaybeUninit::uninit(), block: None }, rooms }
    }
}

impl<P: PhysicalProfile> Frames<P> {
    /// Memory of at least `bytes` bytes, 8-aligned.
    #[inline]
    fn provide(&mut self, bytes: usize) -> Result<NonNull<u8>, OutOfMemory> {
        if bytes <= INLINE {
            return Ok(NonNull::from(&mut self.inline).cast());
        }
        Ok(self.block.insert(P::Memory::allocate(bytes)?).base())
    }
}

impl<P: PhysicalProfile> Default for StackMemory<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: PhysicalProfile> core::fmt::Debug for StackMemory<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StackMemory").finish_non_exhaustive()
    }
}

/// The live frames: `frame` bytes each, `stride` bytes from one to the next,
/// the outermost at `base`.
#[derive(Debug)]
pub(super) struct Stack<'r> {
    base: NonNull<u8>,
    /// First byte of the newest frame: `depth - 1` times `stride` behind `base`.
    newest: NonNull<u8>,
    /// Bytes of a frame; none before the first one begins, as its memory may not be
    /// written yet.
    frame: usize,
    /// Bytes of a frame, once one has begun.
    full: usize,
    stride: usize,
    limit: usize,
    /// Live frames, at least 1 and at most `limit`.
    depth: usize,
    /// Whether functions begin with a frame of zeros.
    zeroed: bool,
    memory: PhantomData<&'r mut [u8]>,
}

impl<'r> Stack<'r> {
    /// A stack with its first frame, which does not begin before
    /// [`begin`](Self::begin).
    #[inline]
    pub fn new<P: PhysicalProfile>(
        memory: &'r mut Frames<P>,
        policy: StackPolicy,
        zeroed: bool,
    ) -> Result<Self, OutOfMemory> {
        let (frame, limit) = (policy.frame_bytes(), policy.frames());
        let stride = frame.saturating_add(GAP);
        let base = memory.provide(stride.saturating_mul(limit))?;
        let (newest, memory) = (base, PhantomData);
        Ok(Self { base, newest, frame: 0, full: frame, stride, limit, depth: 1, zeroed, memory })
    }

    /// Begins with the first frame, where no other has begun since it was
    /// [made](Self::new) or [reset](Self::reset).
    #[inline(always)]
    pub fn begin(&mut self) {
        self.frame = self.full;
        if self.zeroed {
            cold_path();
            self.begin_frame();
        }
    }

    /// The first frame is the newest one; frames are of zeros if the program may read what
    /// it has not written.
    pub const fn reset(&mut self, zeroed: bool) {
        (self.depth, self.newest, self.zeroed) = (1, self.base, zeroed);
    }

    /// Live frames.
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Live frames beside the first one.
    pub const fn calls(&self) -> usize {
        self.depth.wrapping_sub(1)
    }

    /// Makes this the number of live frames, at least 1 and at most `limit`.
    fn set_depth(&mut self, depth: usize) {
        self.depth = depth;
        let offset = depth.saturating_sub(1).saturating_mul(self.stride);
        // SAFETY: the memory has `limit` times `stride` bytes.
        self.newest = unsafe { self.base.add(offset) };
    }

    /// Bytes from one frame to the next.
    pub const fn stride(&self) -> usize {
        self.stride
    }

    /// Makes the frame that ends at `pointer` the newest; nothing where no frame
    /// can end there. What is in the frames stays.
    ///
    /// # Safety
    /// Of the frames that begin to live by this nobody reads what was not written, and
    /// they do not end by [`pop`](Self::pop).
    #[inline]
    pub unsafe fn set_frame_pointer(&mut self, pointer: u64) {
        // Mostly it is the newest already, which need not be divided for.
        if pointer != self.frame_pointer() {
            self.find_frame(pointer);
        }
    }

    fn find_frame(&mut self, pointer: u64) {
        let base = self.base.addr().get();
        let offset = usize::try_from(pointer).ok().and_then(|pointer| {
            pointer.checked_sub(base)?.checked_sub(self.frame)?.checked_div(self.stride)
        });
        if let Some(index) = offset.filter(|index| *index < self.limit) {
            self.set_depth(index.saturating_add(1));
        }
    }

    /// Another program takes over the newest frame, which begins anew. Functions begin
    /// with a frame of zeros from now on if it, or one before it that may be returned
    /// to, needs that.
    pub fn begin_program(&mut self, zeroed: bool) {
        self.zeroed |= zeroed;
        self.begin_frame();
    }

    /// Zeroes the newest frame, where frames are to be of zeros.
    #[inline]
    fn begin_frame(&mut self) {
        if !self.zeroed {
            return;
        }
        // SAFETY: the frame's bytes are within the memory, which is borrowed
        // exclusively for `'r`.
        unsafe { self.newest.write_bytes(0, self.frame) };
    }

    /// Address behind the newest frame.
    #[inline(always)]
    pub fn frame_pointer(&self) -> u64 {
        // Within the address space.
        address(self.newest).wrapping_add(u64::try_from(self.frame).unwrap_or(u64::MAX))
    }

    /// Address behind the first frame of any run.
    pub fn first_frame_pointer(&self) -> u64 {
        address(self.base).wrapping_add(u64::try_from(self.full).unwrap_or(u64::MAX))
    }

    /// A further frame, and its frame pointer.
    pub fn push(&mut self, saved: Saved) -> Option<u64> {
        if self.depth >= self.limit {
            return None;
        }
        self.set_depth(self.depth.saturating_add(1));
        self.begin_frame();
        // SAFETY: `GAP` bytes lie behind the frame within the memory; a `Saved`
        // fits there.
        unsafe { self.saved().write_unaligned(saved) };
        Some(self.frame_pointer())
    }

    /// Takes the newest frame away; `None` for the first one.
    pub fn pop(&mut self) -> Option<Saved> {
        if self.depth <= 1 {
            return None;
        }
        // SAFETY: `push` has written it, as frames that began otherwise do not end
        // here, and no program can reach it.
        let saved = unsafe { self.saved().read_unaligned() };
        self.set_depth(self.depth.saturating_sub(1));
        Some(saved)
    }

    /// Where the newest frame's `Saved` is kept.
    fn saved(&self) -> NonNull<Saved> {
        // SAFETY: the gap begins behind the frame, within the memory.
        unsafe { self.newest.add(self.frame) }.cast()
    }

    /// The `len` bytes at `address`, if all of them are in one live frame.
    #[inline]
    pub fn resolve(&self, address: usize, len: usize) -> Option<NonNull<u8>> {
        let within = address.wrapping_sub(self.newest.addr().get());
        if len <= self.frame && within <= self.frame.wrapping_sub(len) {
            // SAFETY: `within + len` is at most the frame's size.
            return Some(unsafe { self.newest.add(within) });
        }
        // An older frame lies at a lower address.
        let from_base = address.checked_sub(self.base.addr().get())?;
        if address >= self.newest.addr().get() {
            return None;
        }
        let within = from_base.checked_rem(self.stride)?;
        if within.checked_add(len)? > self.frame {
            return None;
        }
        // SAFETY: `from_base` is in a live frame, with `len` bytes behind it.
        Some(unsafe { self.base.add(from_base) })
    }
}
