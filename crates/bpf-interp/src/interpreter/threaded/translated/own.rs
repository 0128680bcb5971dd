//! Handlers that only translations have.
#![allow(unsafe_code)]

use bpf_bytecode::abi::context::FieldKind;

use crate::interpreter::threaded::dispatch::{self, handler, straight};
use crate::interpreter::threaded::form::{Form, Hand};
use crate::interpreter::threaded::machine::Machine;
use crate::interpreter::threaded::slow;

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
