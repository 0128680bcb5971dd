//! Operations that do what the one behind them does, too: a way from handler to handler
//! less. The second one stays where it is, for who jumps there.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{Instruction, Operand};
use bpf_bytecode::opcode::{AluOp, Width};

use super::translate::{Access, Select, access};
use super::{Translated, choose};
use crate::interpreter::threaded::dispatch::Handler;
use bpf_verifier::InsnFact;

/// An instruction, and what was proven of it.
pub(super) type Proven = (Instruction, InsnFact);

/// The handler of two instructions, the second one right behind the first, if they have
/// one: the packet's two addresses, as most programs begin, and a number as the result.
pub(super) fn choose(
    select: &Select,
    first: Proven,
    second: Proven,
) -> Option<Handler<Translated>> {
    if let (Some((end, to)), Some((other, next))) = (packet(first), packet(second)) {
        let places = (select.place(to), select.place(next));
        return (end != other).then(|| choose::packet_addresses(end, places));
    }
    let (Instruction::Alu { op: AluOp::Mov, width, dst: Register::R0, src: Operand::Imm(_) }, _) =
        first
    else {
        return None;
    };
    let ends = matches!(second, (Instruction::Exit, _));
    ends.then(|| choose::exit_with(width == Width::W64, select.place(Register::R0)))
}

/// Whether it is the packet's end that is loaded, and the register, if it is such a load.
const fn packet((insn, fact): Proven) -> Option<(bool, Register)> {
    match (insn, access(fact)) {
        (Instruction::Load { dst, .. }, Access::PacketAddress { end }) => Some((end, dst)),
        _ => None,
    }
}
