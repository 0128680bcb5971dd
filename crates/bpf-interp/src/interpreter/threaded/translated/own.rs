//! Handlers that only translations have.
#![allow(unsafe_code)]

use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::opcode::AluOp;

use crate::interpreter::threaded::dispatch::{self, handler, straight};
use crate::interpreter::threaded::form::{Form, Hand, width};
use crate::interpreter::threaded::machine::Machine;
use crate::interpreter::threaded::{call, slow};
use crate::semantics::{self, immediate};

handler! {
    /// A guard in code that only goes forward.
    fn mark<>(op, machine, hand, ip) {
        // SAFETY: a mark is never the last operation.
        unsafe { dispatch::guard(ip.add(1), machine, hand) }
    }
}

straight! {
    /// `dst =` an address of the packet, as the context shows it.
    fn packet_address<const END: bool, const D: u8>(op, m, hand) {
        let kind = const { if END { FieldKind::PacketEnd } else { FieldKind::PacketData } };
        hand.set::<D>(&mut m.regs, F::dst(op), m.run.packet_address(kind));
    }
}

handler! {
    /// `dst =` an address of the packet, and the other one for the operation behind.
    fn packet_addresses<const END: bool, const D: u8, const E: u8>(op, m, hand, ip) {
        let kinds = const {
            let (data, end) = (FieldKind::PacketData, FieldKind::PacketEnd);
            if END { (end, data) } else { (data, end) }
        };
        hand.set::<D>(&mut m.regs, F::dst(op), m.run.packet_address(kinds.0));
        // SAFETY: the other load is there, and it is not the last operation.
        let (other, next) = unsafe { (&*ip.add(1), ip.add(2)) };
        hand.set::<E>(&mut m.regs, F::dst(other), m.run.packet_address(kinds.1));
        // SAFETY: no program ends with a load.
        unsafe { dispatch::next(next, m, hand) }
    }
}

handler! {
    /// `r0 =` a number, and the exit behind.
    fn exit_with<const WIDE: bool, const R0: u8>(op, m, hand, ip) {
        let value = semantics::alu(AluOp::Mov, const { width(WIDE) }, 0, immediate(F::imm(op)));
        hand.set::<R0>(&mut m.regs, 0, value);
        // SAFETY: the exit is there.
        unsafe { call::exit::<F, R0>(ip.add(1), m, hand.a, hand.b, hand.c, hand.d) }
    }
}

handler! {
    /// `dst =` the address of a byte in the only value of an array.
    fn value_address<const D: u8>(op, m, hand, ip) {
        let (index, offset) = (F::imm(op).cast_unsigned(), F::displacement(op).cast_unsigned());
        let Ok(address) = m.run.map_value_address(index, offset) else {
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        };
        hand.set::<D>(&mut m.regs, F::dst(op), address);
        // SAFETY: such a load is no program's last instruction.
        unsafe { dispatch::next(ip.add(F::CONSTANT), m, hand) }
    }
}
