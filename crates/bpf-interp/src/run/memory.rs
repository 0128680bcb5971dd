//! From a program's address to memory.
#![allow(unsafe_code)]

use core::hint::cold_path;
use core::num::NonZero;
use core::ptr::NonNull;

use bpf_bytecode::abi::context::{CtxLayout, FieldKind, Sizes};
use bpf_bytecode::opcode::{AtomicOp, Size, Width};
use bpf_maps::memory::{self, Cells, Misaligned, Rmw, View};

use super::Run;
use crate::context::{self, ContextKind, Taken};
use crate::error::Fault;
use crate::semantics;

/// The packet's addresses as a program sees them; 0 where there is no packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub data: u64,
    pub end: u64,
    pub meta: u64,
}

impl Bounds {
    #[inline(always)]
    pub fn of(packet: &context::View) -> Self {
        let base = address(packet.base);
        let at = |offset| base.wrapping_add(u64::try_from(offset).unwrap_or(u64::MAX));
        Self { data: at(packet.data), end: at(packet.end), meta: at(packet.meta) }
    }
}

/// What `queue_mapping` does not hold: Linux stores nothing from here on.
const NO_QUEUE: u64 = 0xffff;

/// What a program wants to do with memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Memory that may be accessed as asked.
enum Place {
    /// Only this run accesses it.
    Own(NonNull<u8>),
    /// Others may access it at the same time, atomically.
    Shared(NonNull<u8>),
    /// Not memory: a field of the context that reads as this address.
    Address(u64),
    /// A word of the context that keeps 16 bits, and whether it refuses the
    /// highest number.
    Narrow(NonNull<u8>, bool),
}

/// What R1 and R2 hold at a program's entry: the address of the context, or 0 where there
/// is none, and its length if it has no structure. And the packet's addresses.
#[inline(always)]
pub(super) fn at_entry(context: &Taken<'_>) -> ([u64; 2], Bounds) {
    let kind = context.kind();
    if kind.has_packet() {
        let (structure, _) = context.structure();
        return ([address(structure), 0], Bounds::of(&context.view()));
    }
    cold_path();
    let (bytes, len) = context.structure();
    let r1 = if kind == ContextKind::Empty { 0 } else { address(bytes) };
    ([r1, u64::try_from(len).unwrap_or(u64::MAX)], Bounds::default())
}

/// A pointer as a program sees it. Its provenance is exposed: who knows that an
/// access is proven makes a pointer of the number again.
#[inline]
pub(crate) fn address(at: NonNull<u8>) -> u64 {
    u64::try_from(at.as_ptr().expose_provenance()).unwrap_or(u64::MAX)
}

/// Whether a context of plain bytes may be written: where programs of the type
/// may write anything in theirs, or where the bytes stand in for a packet.
fn writable(layout: &CtxLayout) -> bool {
    layout.has_packet() || layout.fields.iter().any(|field| field.writes != Sizes::NONE)
}

fn fault(addr: u64, len: usize) -> Fault {
    Fault::Memory { addr, size: u32::try_from(len).unwrap_or(u32::MAX) }
}

impl Run<'_> {
    /// Resolves an access of the program.
    #[inline]
    fn resolve(&self, addr: u64, len: usize, access: Access) -> Result<Place, Fault> {
        let place = usize::try_from(addr).ok().and_then(|at| {
            if let Some(at) = self.stack.resolve(at, len) {
                return Some(Place::Own(at));
            }
            if let Some(at) = self.resolve_packet(at, len) {
                let allowed = access == Access::Read || self.layout.packet_writable;
                return allowed.then_some(Place::Own(at));
            }
            if let Some((at, offset)) = self.resolve_context(at, len) {
                return self.context_place(at, offset, len, access);
            }
            self.value_at(at, len, access).map(Place::Shared).or_else(|| {
                if let Some(at) = self.records.resolve(at, len) {
                    return Some(Place::Shared(at));
                }
                let key = self.callbacks.resolve(at, len)?;
                (access == Access::Read).then_some(Place::Own(key))
            })
        });
        place.ok_or_else(|| fault(addr, len))
    }

    /// The `len` bytes at `address` if the packet and its metadata hold all of
    /// them. Where there is no packet, nothing is below its end.
    #[inline]
    fn resolve_packet(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        let (from, end) = (u64::try_from(at).ok()?, self.hot.data_end);
        let inside =
            from >= self.hot.data_meta && from.checked_add(u64::try_from(len).ok()?)? <= end;
        let address = NonZero::new(at).filter(|_| inside)?;
        Some(self.buffer().base.with_addr(address))
    }

    /// The `len` bytes at `address` if they are in what R1 points to, and their offset there.
    #[inline]
    fn resolve_context(&self, at: usize, len: usize) -> Option<(NonNull<u8>, usize)> {
        let (structure, bytes) = self.context.as_ref()?.structure();
        let offset = at.checked_sub(structure.addr().get())?;
        let inside = offset.checked_add(len)? <= bytes;
        // SAFETY: the bytes are there.
        inside.then(|| (unsafe { structure.add(offset) }, offset))
    }

    /// An access to what R1 points to, by its layout.
    fn context_place(
        &self,
        at: NonNull<u8>,
        offset: usize,
        len: usize,
        access: Access,
    ) -> Option<Place> {
        if !self.has_packet() {
            let allowed = access == Access::Read || writable(self.layout);
            return allowed.then_some(Place::Own(at));
        }
        let (offset, len) = (u16::try_from(offset).ok()?, u16::try_from(len).ok()?);
        let field = self.layout.access(offset, len, access == Access::Write)?;
        Some(match field {
            FieldKind::Half | FieldKind::Queue if access == Access::Write => {
                Place::Narrow(at, field == FieldKind::Queue)
            }
            FieldKind::Scalar | FieldKind::Half | FieldKind::Queue => Place::Own(at),
            FieldKind::PacketData | FieldKind::PacketEnd | FieldKind::PacketMeta => {
                Place::Address(self.packet_address(field))
            }
            // What only Linux has behind a context.
            FieldKind::Socket
            | FieldKind::SocketOrNull
            | FieldKind::SocketCommonOrNull
            | FieldKind::FlowKeys
            | FieldKind::KernelStruct => return None,
        })
    }

    /// Loads `size` bytes, zero-extended. A load of one of the context's
    /// addresses gives all 64 bits of it.
    ///
    /// # Errors
    /// [`Fault::Memory`].
    #[inline]
    pub fn load(&self, addr: u64, size: Size) -> Result<u64, Fault> {
        let place = self.resolve(addr, size.bytes(), Access::Read)?;
        // SAFETY: `resolve` gives memory that is valid for reads of that many
        // bytes; what is not `Shared` this run alone accesses.
        Ok(unsafe {
            match (place, size) {
                (Place::Address(pointer), _) => pointer,
                // Only stores come upon these.
                (Place::Narrow(..), _) => return Err(fault(addr, size.bytes())),
                (Place::Own(at), Size::B) => u64::from(at.read()),
                (Place::Own(at), Size::H) => u64::from(at.cast::<u16>().read_unaligned()),
                (Place::Own(at), Size::W) => u64::from(at.cast::<u32>().read_unaligned()),
                (Place::Own(at), Size::Dw) => at.cast::<u64>().read_unaligned(),
                (Place::Shared(at), Size::B) => u64::from(memory::load_u8(at)),
                (Place::Shared(at), Size::H) => u64::from(memory::load_u16(at)),
                (Place::Shared(at), Size::W) => u64::from(memory::load_u32(at)),
                (Place::Shared(at), Size::Dw) => memory::load_u64(at),
            }
        })
    }

    /// Loads `size` bytes, sign-extended. The context's addresses cannot be
    /// loaded so.
    ///
    /// # Errors
    /// [`Fault::Memory`].
    pub fn load_signed(&self, addr: u64, size: Size) -> Result<u64, Fault> {
        if let Place::Address(_) = self.resolve(addr, size.bytes(), Access::Read)? {
            return Err(fault(addr, size.bytes()));
        }
        Ok(semantics::sign_extend(size, self.load(addr, size)?))
    }

    /// Stores the low `size` bytes of a register.
    ///
    /// # Errors
    /// [`Fault::Memory`].
    #[inline]
    pub fn store(&mut self, addr: u64, size: Size, value: u64) -> Result<(), Fault> {
        self.store_value(addr, size, value, value >= NO_QUEUE)
    }

    /// Stores the low `size` bytes of a sign-extended immediate. It differs from
    /// [`store`](Self::store) at one field of a `__sk_buff` alone: Linux compares
    /// what goes to `queue_mapping` with sign here and without sign there.
    ///
    /// # Errors
    /// [`Fault::Memory`].
    #[inline]
    pub fn store_immediate(&mut self, addr: u64, size: Size, imm: u64) -> Result<(), Fault> {
        self.store_value(addr, size, imm, imm.cast_signed() >= NO_QUEUE.cast_signed())
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the low bytes are stored")]
    fn store_value(
        &mut self,
        addr: u64,
        size: Size,
        value: u64,
        no_queue: bool,
    ) -> Result<(), Fault> {
        let place = self.resolve(addr, size.bytes(), Access::Write)?;
        // SAFETY: `resolve` gives memory that is valid for writes of that many
        // bytes; what is not `Shared` this run alone accesses.
        unsafe {
            match (place, size) {
                (Place::Address(_), _) => return Err(fault(addr, size.bytes())),
                (Place::Narrow(_, true), _) if no_queue => {}
                (Place::Narrow(at, _), _) => {
                    at.cast::<u32>().write_unaligned(u32::from(value as u16));
                }
                (Place::Own(at), Size::B) => at.write(value as u8),
                (Place::Own(at), Size::H) => at.cast::<u16>().write_unaligned(value as u16),
                (Place::Own(at), Size::W) => at.cast::<u32>().write_unaligned(value as u32),
                (Place::Own(at), Size::Dw) => at.cast::<u64>().write_unaligned(value),
                (Place::Shared(at), Size::B) => memory::store_u8(at, value as u8),
                (Place::Shared(at), Size::H) => memory::store_u16(at, value as u16),
                (Place::Shared(at), Size::W) => memory::store_u32(at, value as u32),
                (Place::Shared(at), Size::Dw) => memory::store_u64(at, value),
            }
        }
        Ok(())
    }

    /// Memory for an atomic access.
    fn atomic_place(&self, addr: u64, len: usize) -> Result<NonNull<u8>, Fault> {
        match self.resolve(addr, len, Access::Write)? {
            Place::Own(at) | Place::Shared(at) => Ok(at),
            Place::Address(_) | Place::Narrow(..) => Err(fault(addr, len)),
        }
    }

    /// Atomically combines memory with `src` and gives what was there before,
    /// zero-extended; `expected` is R0, for a compare-and-exchange.
    ///
    /// # Errors
    /// [`Fault::Memory`], also when the address is not a multiple of the width.
    #[allow(clippy::cast_possible_truncation, reason = "32-bit operations take the low half")]
    pub fn atomic(
        &mut self,
        op: AtomicOp,
        width: Width,
        addr: u64,
        src: u64,
        expected: u64,
    ) -> Result<u64, Fault> {
        let len = match width {
            Width::W32 => 4,
            Width::W64 => 8,
        };
        let at = self.atomic_place(addr, len)?;
        let rmw = match op {
            AtomicOp::Add => Rmw::Add,
            AtomicOp::Or => Rmw::Or,
            AtomicOp::And => Rmw::And,
            AtomicOp::Xor => Rmw::Xor,
            AtomicOp::Xchg | AtomicOp::Cmpxchg => Rmw::Exchange,
        };
        // SAFETY: `resolve` gives memory that is valid for writes of `len`
        // bytes; others, if any, access it atomically.
        let old: Result<u64, Misaligned> = unsafe {
            match (width, op) {
                (Width::W32, AtomicOp::Cmpxchg) => {
                    memory::compare_exchange_u32(at, expected as u32, src as u32).map(u64::from)
                }
                (Width::W64, AtomicOp::Cmpxchg) => memory::compare_exchange_u64(at, expected, src),
                (Width::W32, _) => memory::rmw_u32(at, rmw, src as u32).map(u64::from),
                (Width::W64, _) => memory::rmw_u64(at, rmw, src),
            }
        };
        old.map_err(|Misaligned| fault(addr, len))
    }

    /// Loads with acquire order, zero-extended.
    ///
    /// # Errors
    /// [`Fault::Memory`], also when the address is not a multiple of the size.
    pub fn load_acquire(&self, addr: u64, size: Size) -> Result<u64, Fault> {
        let at = match self.resolve(addr, size.bytes(), Access::Read)? {
            Place::Own(at) | Place::Shared(at) => at,
            Place::Address(_) | Place::Narrow(..) => return Err(fault(addr, size.bytes())),
        };
        // SAFETY: `resolve` gives memory that is valid for reads of that many
        // bytes; others, if any, access it atomically.
        let value = unsafe {
            match size {
                Size::B => memory::load_acquire_u8(at).map(u64::from),
                Size::H => memory::load_acquire_u16(at).map(u64::from),
                Size::W => memory::load_acquire_u32(at).map(u64::from),
                Size::Dw => memory::load_acquire_u64(at),
            }
        };
        value.map_err(|Misaligned| fault(addr, size.bytes()))
    }

    /// Stores the low `size` bytes of `value` with release order.
    ///
    /// # Errors
    /// [`Fault::Memory`], also when the address is not a multiple of the size.
    #[allow(clippy::cast_possible_truncation, reason = "the low bytes are stored")]
    pub fn store_release(&mut self, addr: u64, size: Size, value: u64) -> Result<(), Fault> {
        let at = self.atomic_place(addr, size.bytes())?;
        // SAFETY: `resolve` gives memory that is valid for writes of that many
        // bytes; others, if any, access it atomically.
        let stored = unsafe {
            match size {
                Size::B => memory::store_release_u8(at, value as u8),
                Size::H => memory::store_release_u16(at, value as u16),
                Size::W => memory::store_release_u32(at, value as u32),
                Size::Dw => memory::store_release_u64(at, value),
            }
        };
        stored.map_err(|Misaligned| fault(addr, size.bytes()))
    }

    /// The `len` bytes at a program's address, to read.
    ///
    /// # Errors
    /// [`Fault::Memory`].
    pub fn view(&self, addr: u64, len: usize) -> Result<View<'_>, Fault> {
        if len == 0 {
            return Ok(View::from(&[][..]));
        }
        match self.resolve(addr, len, Access::Read)? {
            // SAFETY: `resolve` gives memory that is valid for reads of `len`
            // bytes for as long as the run lasts; the view borrows the run, so
            // that nobody writes but through atomics.
            Place::Own(at) | Place::Shared(at) => Ok(unsafe { View::new(at, len) }),
            Place::Address(_) | Place::Narrow(..) => Err(fault(addr, len)),
        }
    }

    /// The `len` bytes at a program's address, to read and write.
    ///
    /// # Errors
    /// [`Fault::Memory`].
    pub fn cells(&mut self, addr: u64, len: usize) -> Result<Cells<'_>, Fault> {
        if len == 0 {
            // SAFETY: no bytes are accessed.
            return Ok(unsafe { Cells::new(NonNull::dangling(), 0) });
        }
        let at = self.atomic_place(addr, len)?;
        // SAFETY: `resolve` gives memory that is valid for writes of `len` bytes
        // for as long as the run lasts; the cells borrow the run.
        Ok(unsafe { Cells::new(at, len) })
    }
}
