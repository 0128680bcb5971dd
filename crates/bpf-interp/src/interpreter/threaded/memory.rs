//! Access to memory.
//!
//! The verifier has proven each of these accesses: the address is one that the
//! run gave the program, with as many bytes behind it as are accessed, in memory
//! that may be accessed so. Whoever gives a program an address exposes the
//! pointer's provenance.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use bpf_bytecode::opcode::Size;
use bpf_maps::memory;

use super::dispatch::{self, handler};
use super::form::{Form, Hand};
use super::machine::Machine;
use super::slow;
use crate::semantics::{self, immediate};

/// Sizes by the number of bytes that handlers have as a parameter.
const fn size(bytes: u8) -> Size {
    match bytes {
        1 => Size::B,
        2 => Size::H,
        4 => Size::W,
        _ => Size::Dw,
    }
}

/// The memory at a program's address.
///
/// # Safety
/// The program was given the address.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the machine's addresses fit")]
unsafe fn place(addr: u64) -> NonNull<u8> {
    // SAFETY: nothing that a program is given is at address 0.
    unsafe { NonNull::new_unchecked(core::ptr::with_exposed_provenance_mut(addr as usize)) }
}

/// Reads memory, which others may write at the same time if it is `SHARED`.
///
/// # Safety
/// The read was proven.
#[inline(always)]
unsafe fn read<const BYTES: u8, const SHARED: bool>(addr: u64) -> u64 {
    // SAFETY: valid for reads of so many bytes by contract; what is not shared
    // this run alone accesses.
    unsafe {
        let at = place(addr);
        match (size(BYTES), SHARED) {
            (Size::B, _) => u64::from(memory::load_u8(at)),
            (Size::H, true) => u64::from(memory::load_u16(at)),
            (Size::W, true) => u64::from(memory::load_u32(at)),
            (Size::Dw, true) => memory::load_u64(at),
            (Size::H, false) => u64::from(at.cast::<u16>().read_unaligned()),
            (Size::W, false) => u64::from(at.cast::<u32>().read_unaligned()),
            (Size::Dw, false) => at.cast::<u64>().read_unaligned(),
        }
    }
}

/// Writes the low bytes of `value` to memory, which others may access at the same
/// time if it is `SHARED`.
///
/// # Safety
/// The write was proven.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the low bytes are written")]
unsafe fn write<const BYTES: u8, const SHARED: bool>(addr: u64, value: u64) {
    // SAFETY: valid for writes of so many bytes by contract; what is not shared
    // this run alone accesses.
    unsafe {
        let at = place(addr);
        match (size(BYTES), SHARED) {
            (Size::B, _) => memory::store_u8(at, value as u8),
            (Size::H, true) => memory::store_u16(at, value as u16),
            (Size::W, true) => memory::store_u32(at, value as u32),
            (Size::Dw, true) => memory::store_u64(at, value),
            (Size::H, false) => at.cast::<u16>().write_unaligned(value as u16),
            (Size::W, false) => at.cast::<u32>().write_unaligned(value as u32),
            (Size::Dw, false) => at.cast::<u64>().write_unaligned(value),
        }
    }
}

handler! {
    /// `dst = *(size *)(src + off)`.
    fn load<const BYTES: u8, const SIGNED: bool, const SHARED: bool, const D: u8, const S: u8>(op, m, hand, ip) {
        if !F::is_plain(m, op) {
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        }
        let base = hand.get::<S>(&m.regs, F::src(op));
        let addr = base.wrapping_add(immediate(F::displacement(op)));
        // SAFETY: the verifier has proven it.
        let value = unsafe { read::<BYTES, SHARED>(addr) };
        let value =
            if SIGNED { semantics::sign_extend(const { size(BYTES) }, value) } else { value };
        hand.set::<D>(&mut m.regs, F::dst(op), value);
        // SAFETY: a load is no program's last instruction.
        unsafe { dispatch::next(ip.add(1), m, hand) }
    }
}

handler! {
    /// `*(size *)(dst + off) = src`.
    fn store<const BYTES: u8, const SHARED: bool, const D: u8, const S: u8>(op, m, hand, ip) {
        if !F::is_plain(m, op) {
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        }
        let base = hand.get::<D>(&m.regs, F::dst(op));
        let addr = base.wrapping_add(immediate(F::displacement(op)));
        let value = hand.get::<S>(&m.regs, F::src(op));
        // SAFETY: the verifier has proven it.
        unsafe { write::<BYTES, SHARED>(addr, value) };
        // SAFETY: a store is no program's last instruction.
        unsafe { dispatch::next(ip.add(1), m, hand) }
    }
}

handler! {
    /// `*(size *)(dst + off) = imm`.
    fn store_imm<const BYTES: u8, const SHARED: bool, const D: u8>(op, m, hand, ip) {
        if !F::is_plain(m, op) {
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        }
        let base = hand.get::<D>(&m.regs, F::dst(op));
        let addr = base.wrapping_add(immediate(F::displacement(op)));
        // SAFETY: the verifier has proven it.
        unsafe { write::<BYTES, SHARED>(addr, immediate(F::imm(op))) };
        // SAFETY: a store is no program's last instruction.
        unsafe { dispatch::next(ip.add(1), m, hand) }
    }
}
