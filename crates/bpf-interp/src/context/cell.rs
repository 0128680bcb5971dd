//! The part of a context that a run and its caller share.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::hint::cold_path;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use bpf_bytecode::abi::context::{sk_buff, xdp_md};
use portable_atomic::{AtomicBool, Ordering};

use super::ContextKind;

/// 32-bit words of the larger structure, `__sk_buff`.
const WORDS: usize = sk_buff::SIZE as usize / 4;

/// Bytes of an Ethernet header, with which a packet begins unless said
/// otherwise.
const ETH_HLEN: usize = 14;

/// Memory borrowed for `'a`, and the flag that says who may touch it.
pub(super) struct Cell<'a> {
    kind: ContextKind,
    /// Bytes behind R1.
    len: usize,
    /// Whether a run or a reader has taken the state. Whoever sets it has
    /// exclusive access to `view`, `words` and the bytes behind `view.base`.
    taken: AtomicBool,
    view: UnsafeCell<View>,
    words: UnsafeCell<Words>,
    memory: PhantomData<&'a mut [u8]>,
}

#[repr(align(8))]
struct Words([u32; WORDS]);

/// A buffer and the packet in it, as offsets with
/// `meta <= data <= end <= len`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// First byte of the buffer.
    pub base: NonNull<u8>,
    /// Bytes of the buffer.
    pub len: usize,
    /// First byte of the metadata in front of the packet.
    pub meta: usize,
    /// First byte of the packet.
    pub data: usize,
    /// Behind the packet's last byte.
    pub end: usize,
    /// First byte of the link-layer header.
    pub link: usize,
    /// First byte of the network header; it may be behind the packet's end.
    pub network: usize,
}

impl View {
    /// Of no buffer.
    pub const NONE: Self =
        Self { base: NonNull::dangling(), len: 0, meta: 0, data: 0, end: 0, link: 0, network: 0 };
}

// SAFETY: the memory behind `view.base` is borrowed exclusively for `'a`, and a
// `&mut [u8]` may be sent.
unsafe impl Send for Cell<'_> {}
// SAFETY: through a shared reference the state is reached only by whoever has
// set `taken`, one at a time, with acquire and release order between them.
unsafe impl Sync for Cell<'_> {}

impl<'a> Cell<'a> {
    pub const fn empty() -> Self {
        Self {
            kind: ContextKind::Empty,
            len: 0,
            taken: AtomicBool::new(false),
            view: UnsafeCell::new(View::NONE),
            words: UnsafeCell::new(Words([0; WORDS])),
            memory: PhantomData,
        }
    }

    /// The caller has checked that `packet` is within `buffer`.
    pub fn new(kind: ContextKind, buffer: &'a mut [u8], packet: Range<usize>) -> Self {
        let (start, end) = (packet.start, packet.end);
        let len = buffer.len();
        let shown = match kind {
            ContextKind::Empty | ContextKind::Bytes => len,
            ContextKind::Xdp => xdp_md::SIZE as usize,
            ContextKind::Socket => size_of::<Words>(),
        };
        let base = NonNull::from(buffer).cast();
        let network = start.saturating_add(ETH_HLEN);
        let view = View { base, len, meta: start, data: start, end, link: start, network };
        Self { kind, len: shown, view: UnsafeCell::new(view), ..Self::empty() }
    }

    pub const fn kind(&self) -> ContextKind {
        self.kind
    }

    /// Bytes behind R1.
    pub const fn len(&self) -> usize {
        self.len
    }

    pub fn view_mut(&mut self) -> &mut View {
        self.view.get_mut()
    }

    pub fn set_field(&mut self, offset: u16, value: u32) {
        if let Some(word) = word(self.kind, offset).and_then(|i| self.words.get_mut().0.get_mut(i))
        {
            *word = value;
        }
    }

    pub fn into_buffer(mut self) -> (&'a mut [u8], Range<usize>) {
        let view = *self.view.get_mut();
        // SAFETY: base and length are those of the `&'a mut [u8]` that `new`
        // took (or dangling and 0); no run is under way, as `self` is not
        // borrowed, and the cell ends here.
        let buffer = unsafe { slice::from_raw_parts_mut(view.base.as_ptr(), view.len) };
        (buffer, view.data..view.end)
    }

    /// Exclusive access, if nobody has it.
    #[inline]
    pub fn take(&self) -> Option<Taken<'_>> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        Some(Taken { cell: self })
    }

    /// The same where nobody else can ask for it.
    #[inline]
    pub fn take_mut(&mut self) -> Option<Taken<'_>> {
        let taken = self.taken.get_mut();
        if *taken {
            cold_path();
            return None;
        }
        *taken = true;
        Some(Taken { cell: self })
    }
}

/// The word at `offset`, if the structure has a number there.
fn word(kind: ContextKind, offset: u16) -> Option<usize> {
    let is_number = match kind {
        ContextKind::Empty | ContextKind::Bytes => false,
        ContextKind::Xdp => (xdp_md::INGRESS_IFINDEX..xdp_md::SIZE).contains(&offset),
        ContextKind::Socket => {
            !matches!(offset, sk_buff::DATA | sk_buff::DATA_END | sk_buff::DATA_META)
        }
    };
    (is_number && offset.is_multiple_of(4)).then_some(usize::from(offset / 4))
}

/// Exclusive access to a context's state, given back when it is dropped.
pub(crate) struct Taken<'r> {
    cell: &'r Cell<'r>,
}

impl Taken<'_> {
    /// The same access, whatever its borrow lasts.
    ///
    /// # Safety
    /// It is dropped before the borrow ends.
    #[inline]
    pub unsafe fn held<'l>(self) -> Taken<'l> {
        let this = ManuallyDrop::new(self);
        // SAFETY: the cell is there until the borrow ends, by contract; its type
        // differs in a lifetime alone.
        Taken { cell: unsafe { &*core::ptr::from_ref(this.cell).cast() } }
    }

    pub const fn kind(&self) -> ContextKind {
        self.cell.kind
    }

    /// Address of what R1 points to, and its length in bytes.
    #[inline]
    pub fn structure(&self) -> (NonNull<u8>, usize) {
        let base = match self.cell.kind {
            ContextKind::Empty | ContextKind::Bytes => self.view().base,
            // SAFETY: the pointer to a field is not null.
            _ => unsafe { NonNull::new_unchecked(self.cell.words.get()) }.cast(),
        };
        (base, self.cell.len())
    }

    /// The buffer and where the packet is.
    #[inline]
    pub fn view(&self) -> View {
        // SAFETY: `self` has exclusive access to the state.
        unsafe { *self.cell.view.get() }
    }

    /// Records where the packet is now.
    pub fn set_packet(&mut self, meta: usize, data: usize, end: usize) {
        let view = self.view();
        if meta <= data && data <= end && end <= view.len {
            // SAFETY: `self` has exclusive access to the state.
            unsafe { *self.cell.view.get() = View { meta, data, end, ..view } };
        }
    }

    /// The packet's bytes.
    pub fn packet(&self) -> &[u8] {
        let view = self.view();
        // SAFETY: base and length are those of the memory borrowed for `'a`;
        // `self` has exclusive access, and the slice borrows `self`.
        let buffer = unsafe { slice::from_raw_parts(view.base.as_ptr(), view.len) };
        buffer.get(view.data..view.end).unwrap_or_default()
    }

    /// A number of the structure.
    pub fn field(&self, offset: u16) -> Option<u32> {
        let index = word(self.cell.kind, offset)?;
        // SAFETY: `self` has exclusive access to the state.
        let words = unsafe { &*self.cell.words.get() };
        words.0.get(index).copied()
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        self.cell.taken.store(false, Ordering::Release);
    }
}
