//! Handlers by operation, and by the places of operands.

use bpf_bytecode::opcode::{AluOp, ByteOrder, Cond, Size, Width};

use super::{Translated, own};
use crate::interpreter::threaded::dispatch::Handler;
use crate::interpreter::threaded::form::MEMORY;
use crate::interpreter::threaded::{alu, call, jump, memory};

/// The handler for operands at these places, one or two.
macro_rules! at {
    ($family:ident :: $handler:ident<$($param:tt),*>, ($place:expr)) => {{
        let handler: Handler<Translated> = match $place {
            0 => $family::$handler::<$($param,)* 0>,
            1 => $family::$handler::<$($param,)* 1>,
            2 => $family::$handler::<$($param,)* 2>,
            3 => $family::$handler::<$($param,)* 3>,
            _ => $family::$handler::<$($param,)* MEMORY>,
        };
        handler
    }};
    ($family:ident :: $handler:ident<$($param:tt),*>, ($first:expr, $second:expr)) => {
        match $first {
            0 => at!($family::$handler<$($param,)* 0>, ($second)),
            1 => at!($family::$handler<$($param,)* 1>, ($second)),
            2 => at!($family::$handler<$($param,)* 2>, ($second)),
            3 => at!($family::$handler<$($param,)* 3>, ($second)),
            _ => at!($family::$handler<$($param,)* MEMORY>, ($second)),
        }
    };
}

/// The handler of an exit, with R0 at this place.
pub(super) fn exit(r0: u8) -> Handler<Translated> {
    at!(call::exit<Translated>, (r0))
}

/// The handler of a constant.
pub(super) fn constant(dst: u8) -> Handler<Translated> {
    at!(alu::constant<Translated>, (dst))
}

/// The handler of a negation.
pub(super) fn neg(width: Width, dst: u8) -> Handler<Translated> {
    match width {
        Width::W64 => at!(alu::neg<Translated, true>, (dst)),
        Width::W32 => at!(alu::neg<Translated, false>, (dst)),
    }
}

/// The handler of a sign-extending move, if there is one.
pub(super) fn extend(width: Width, from: Size, dst: u8, src: u8) -> Option<Handler<Translated>> {
    Some(match (from, width) {
        (Size::B, Width::W64) => at!(alu::extend<Translated, 1, true>, (dst, src)),
        (Size::B, Width::W32) => at!(alu::extend<Translated, 1, false>, (dst, src)),
        (Size::H, Width::W64) => at!(alu::extend<Translated, 2, true>, (dst, src)),
        (Size::H, Width::W32) => at!(alu::extend<Translated, 2, false>, (dst, src)),
        (Size::W, Width::W64) => at!(alu::extend<Translated, 4, true>, (dst, src)),
        _ => return None,
    })
}

/// The handler of a change of byte order, if there is one.
pub(super) fn bytes(order: ByteOrder, size: Size, dst: u8) -> Option<Handler<Translated>> {
    let reversed = match order {
        ByteOrder::Little => cfg!(target_endian = "big"),
        ByteOrder::Big => cfg!(target_endian = "little"),
        ByteOrder::Swap => true,
    };
    Some(match (reversed, size) {
        (false, Size::H) => at!(alu::bytes<Translated, false, 2>, (dst)),
        (false, Size::W) => at!(alu::bytes<Translated, false, 4>, (dst)),
        (false, Size::Dw) => at!(alu::bytes<Translated, false, 8>, (dst)),
        (true, Size::H) => at!(alu::bytes<Translated, true, 2>, (dst)),
        (true, Size::W) => at!(alu::bytes<Translated, true, 4>, (dst)),
        (true, Size::Dw) => at!(alu::bytes<Translated, true, 8>, (dst)),
        (_, Size::B) => return None,
    })
}

/// One arm for each operation that has handlers.
macro_rules! each_op {
    ($op:expr, $wide:expr, $family:ident :: $handler:ident $places:tt) => {
        each_op!($op, $wide, $family::$handler $places, Add 0, Sub 1, Mul 2, Or 3, And 4, Xor 5, Lsh 6,
            Rsh 7, Arsh 8, Mov 9, Div 10, Mod 11)
    };
    ($op:expr, $wide:expr, $family:ident :: $handler:ident $places:tt, $($name:ident $number:literal),+) => {
        match ($op, $wide) {
            $(
                (AluOp::$name, true) => Some(at!($family::$handler<Translated, $number, true>, $places)),
                (AluOp::$name, false) => Some(at!($family::$handler<Translated, $number, false>, $places)),
            )+
            _ => None,
        }
    };
}

/// The handler of `dst op= imm`, if there is one.
pub(super) fn alu_imm(op: AluOp, width: Width, dst: u8) -> Option<Handler<Translated>> {
    each_op!(op, width == Width::W64, alu::with_imm(dst))
}

/// The handler of `dst op= src`, if there is one.
pub(super) fn alu_reg(op: AluOp, width: Width, dst: u8, src: u8) -> Option<Handler<Translated>> {
    each_op!(op, width == Width::W64, alu::with_reg(dst, src))
}

/// One arm for each condition.
macro_rules! each_cond {
    ($cond:expr, $wide:expr, $family:ident :: $handler:ident $places:tt) => {
        each_cond!($cond, $wide, $family::$handler $places,
            Eq 0, Ne 1, Set 2, Gt 3, Ge 4, Lt 5, Le 6, Sgt 7, Sge 8, Slt 9, Sle 10)
    };
    ($cond:expr, $wide:expr, $family:ident :: $handler:ident $places:tt, $($name:ident $number:literal),+) => {
        match ($cond, $wide) {
            $(
                (Cond::$name, true) => at!($family::$handler<Translated, $number, true>, $places),
                (Cond::$name, false) => at!($family::$handler<Translated, $number, false>, $places),
            )+
        }
    };
}

/// The handler of a jump that compares with an immediate.
pub(super) fn jump_imm(cond: Cond, width: Width, dst: u8) -> Handler<Translated> {
    each_cond!(cond, width == Width::W64, jump::if_imm(dst))
}

/// The handler of a jump that compares two registers.
pub(super) fn jump_reg(cond: Cond, width: Width, dst: u8, src: u8) -> Handler<Translated> {
    each_cond!(cond, width == Width::W64, jump::if_reg(dst, src))
}

/// The handler of a load.
pub(super) fn load(
    size: Size,
    signed: bool,
    shared: bool,
    dst: u8,
    src: u8,
) -> Handler<Translated> {
    match (size, signed, shared) {
        (Size::B, false, _) => at!(memory::load<Translated, 1, false, false>, (dst, src)),
        (Size::B, true, _) => at!(memory::load<Translated, 1, true, false>, (dst, src)),
        (Size::H, false, false) => at!(memory::load<Translated, 2, false, false>, (dst, src)),
        (Size::H, false, true) => at!(memory::load<Translated, 2, false, true>, (dst, src)),
        (Size::H, true, false) => at!(memory::load<Translated, 2, true, false>, (dst, src)),
        (Size::H, true, true) => at!(memory::load<Translated, 2, true, true>, (dst, src)),
        (Size::W, false, false) => at!(memory::load<Translated, 4, false, false>, (dst, src)),
        (Size::W, false, true) => at!(memory::load<Translated, 4, false, true>, (dst, src)),
        (Size::W, true, false) => at!(memory::load<Translated, 4, true, false>, (dst, src)),
        (Size::W, true, true) => at!(memory::load<Translated, 4, true, true>, (dst, src)),
        (Size::Dw, _, false) => at!(memory::load<Translated, 8, false, false>, (dst, src)),
        (Size::Dw, _, true) => at!(memory::load<Translated, 8, false, true>, (dst, src)),
    }
}

/// The handler of a store of a register.
pub(super) fn store(size: Size, shared: bool, dst: u8, src: u8) -> Handler<Translated> {
    match (size, shared) {
        (Size::B, _) => at!(memory::store<Translated, 1, false>, (dst, src)),
        (Size::H, false) => at!(memory::store<Translated, 2, false>, (dst, src)),
        (Size::H, true) => at!(memory::store<Translated, 2, true>, (dst, src)),
        (Size::W, false) => at!(memory::store<Translated, 4, false>, (dst, src)),
        (Size::W, true) => at!(memory::store<Translated, 4, true>, (dst, src)),
        (Size::Dw, false) => at!(memory::store<Translated, 8, false>, (dst, src)),
        (Size::Dw, true) => at!(memory::store<Translated, 8, true>, (dst, src)),
    }
}

/// The handler of a store of an immediate.
pub(super) fn store_imm(size: Size, shared: bool, dst: u8) -> Handler<Translated> {
    match (size, shared) {
        (Size::B, _) => at!(memory::store_imm<Translated, 1, false>, (dst)),
        (Size::H, false) => at!(memory::store_imm<Translated, 2, false>, (dst)),
        (Size::H, true) => at!(memory::store_imm<Translated, 2, true>, (dst)),
        (Size::W, false) => at!(memory::store_imm<Translated, 4, false>, (dst)),
        (Size::W, true) => at!(memory::store_imm<Translated, 4, true>, (dst)),
        (Size::Dw, false) => at!(memory::store_imm<Translated, 8, false>, (dst)),
        (Size::Dw, true) => at!(memory::store_imm<Translated, 8, true>, (dst)),
    }
}

/// The handler of a load of the packet's address, or of its end's.
pub(super) fn packet(end: bool, dst: u8) -> Handler<Translated> {
    if end {
        at!(own::packet_address<Translated, true>, (dst))
    } else {
        at!(own::packet_address<Translated, false>, (dst))
    }
}

/// The handler of the packet's address and its end's, or the other way around.
pub(super) fn packet_addresses(end: bool, (first, second): (u8, u8)) -> Handler<Translated> {
    if end {
        at!(own::packet_addresses<Translated, true>, (first, second))
    } else {
        at!(own::packet_addresses<Translated, false>, (first, second))
    }
}

/// The handler of an exit with a number as the result, which is at this place.
pub(super) fn exit_with(wide: bool, r0: u8) -> Handler<Translated> {
    if wide {
        at!(own::exit_with<Translated, true>, (r0))
    } else {
        at!(own::exit_with<Translated, false>, (r0))
    }
}

/// The handler of the address of a byte in a map's value.
pub(super) fn value(dst: u8) -> Handler<Translated> {
    at!(own::value_address<Translated>, (dst))
}
