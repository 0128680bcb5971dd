//! One instruction to one operation.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::{CallTarget, Imm64, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Size, Width};
use bpf_interp::run::Run;
use bpf_verifier::InsnFact;

use super::Maps;
use super::op::{Address, Op, Order, Trap};

/// The operation for an instruction that the verifier accepted.
pub(super) fn proven(pc: usize, insn: Instruction, fact: InsnFact, maps: &mut Maps<'_>) -> Op {
    match (fact, insn) {
        (InsnFact::Unreached, _) => Op::Trap(Trap::Unreached),
        (InsnFact::ContextPointer(kind), Instruction::Load { dst, .. }) => {
            Op::PacketAddress { dst, kind }
        }
        (InsnFact::ContextField, Instruction::Store { size, base, off, src }) => {
            Op::StoreField { size, at: Address { base, off }, src }
        }
        (_, Instruction::LoadImm64 { dst, value: Imm64::MapIdx(map) }) => {
            maps.make_link(map);
            Op::MapReference { dst, index: map }
        }
        (_, Instruction::LoadImm64 { dst, value: Imm64::MapIdxValue(map, off) }) => {
            match maps.make_link_to_byte(map, off) {
                Some(link) => Op::LinkedValue { dst, map, link, off },
                None => Op::MapValueAddress { dst, index: map, off },
            }
        }
        _ => plain(pc, insn),
    }
}

/// The operations for an instruction of which nothing is known. Loads of the
/// context's addresses are recognised when they happen.
pub(super) fn checked(pc: usize, insn: Instruction) -> (Op, Option<Op>) {
    if written(insn) != Some(Register::R10) {
        return (plain(pc, insn), None);
    }
    let trap = Op::Trap(Trap::FramePointerWrite);
    match insn {
        // What is wrong with the access counts first.
        Instruction::Load { .. }
        | Instruction::LoadAcquire { .. }
        | Instruction::LoadImm64 { .. } => (plain(pc, insn), Some(trap)),
        _ => (trap, None),
    }
}

#[inline]
fn plain(pc: usize, insn: Instruction) -> Op {
    // Targets were checked when the program was built.
    let target = |off| jump_target(pc, off).unwrap_or(usize::MAX);
    match insn {
        Instruction::Alu { op, width, dst, src } => alu(op, width, dst, src),
        Instruction::Neg { width, dst } => Op::Neg { width, dst },
        Instruction::MovSx { width, from, dst, src } => Op::SignExtend { width, from, dst, src },
        Instruction::ByteSwap { order, size, dst } => byte_swap(order, size, dst),
        Instruction::LoadImm64 { dst, value } => load_imm64(pc, dst, value),
        Instruction::Load { size, signed, dst, base, off } => {
            Op::Load { size, signed, order: Order::Relaxed, dst, at: Address { base, off } }
        }
        Instruction::LoadAcquire { size, dst, base, off } => {
            let at = Address { base, off };
            Op::Load { size, signed: false, order: Order::Ordered, dst, at }
        }
        Instruction::Store { size, base, off, src } => {
            Op::Store { size, order: Order::Relaxed, at: Address { base, off }, src }
        }
        Instruction::StoreRelease { size, base, off, src } => {
            let (at, src) = (Address { base, off }, Operand::Reg(src));
            Op::Store { size, order: Order::Ordered, at, src }
        }
        Instruction::Atomic { op, fetch, width, base, off, src } => {
            Op::Atomic { op, fetch, width, at: Address { base, off }, src }
        }
        Instruction::LegacyPacket { size, index, off } => Op::PacketLoad { size, index, off },
        Instruction::Jump { off } => Op::Jump { target: target(off) },
        Instruction::JumpIf { cond, width, dst, src, off } => {
            Op::Branch { cond, width, lhs: dst, rhs: src, target: target(off.into()) }
        }
        Instruction::MayGoto { off } => Op::MayGoto { target: target(off.into()) },
        Instruction::Call(CallTarget::Local(off)) => Op::Call { target: target(off) },
        Instruction::Call(CallTarget::Helper(id::TAIL_CALL)) => Op::TailCall,
        Instruction::Call(CallTarget::Helper(id)) if Run::calls_back(id) => Op::CallBack { id },
        Instruction::Call(CallTarget::Helper(id)) => Op::Helper { id },
        Instruction::Call(CallTarget::Kfunc(number)) => Op::Kfunc { number },
        Instruction::Exit => Op::Exit,
    }
}

fn alu(op: AluOp, width: Width, dst: Register, src: Operand) -> Op {
    match (op, src) {
        (AluOp::Mov, Operand::Reg(src)) => Op::Move { width, dst, src },
        (AluOp::Mov, Operand::Imm(imm)) => Op::Const { dst, value: extend(width, imm) },
        (_, Operand::Imm(imm)) if op.is_shift() => {
            let mask = width.bits().wrapping_sub(1).cast_signed();
            Op::Alu { op, width, dst, src: Operand::Imm(imm & mask) }
        }
        _ => Op::Alu { op, width, dst, src },
    }
}

/// An immediate as a register holds it.
fn extend(width: Width, imm: i32) -> u64 {
    match width {
        Width::W32 => u64::from(imm.cast_unsigned()),
        Width::W64 => i64::from(imm).cast_unsigned(),
    }
}

fn byte_swap(order: ByteOrder, size: Size, dst: Register) -> Op {
    let reverses = match order {
        ByteOrder::Little => cfg!(target_endian = "big"),
        ByteOrder::Big => cfg!(target_endian = "little"),
        ByteOrder::Swap => true,
    };
    if reverses { Op::Swap { size, dst } } else { Op::ZeroExtend { from: size, dst } }
}

fn load_imm64(pc: usize, dst: Register, value: Imm64) -> Op {
    match value {
        Imm64::Value(value) => Op::Const { dst, value },
        Imm64::MapIdx(index) => Op::MapReference { dst, index },
        Imm64::MapIdxValue(index, off) => Op::MapValueAddress { dst, index, off },
        Imm64::MapFd(_) | Imm64::MapFdValue(..) => Op::Trap(Trap::MapDescriptor),
        Imm64::Var(_) => Op::Trap(Trap::Variable),
        Imm64::Code(off) => {
            let slot = jump_target(pc, off).and_then(|slot| u32::try_from(slot).ok());
            Op::FunctionReference { dst, slot: slot.unwrap_or(u32::MAX) }
        }
    }
}

/// The register that an instruction writes by name.
fn written(insn: Instruction) -> Option<Register> {
    match insn {
        Instruction::Alu { dst, .. }
        | Instruction::Neg { dst, .. }
        | Instruction::MovSx { dst, .. }
        | Instruction::ByteSwap { dst, .. }
        | Instruction::LoadImm64 { dst, .. }
        | Instruction::Load { dst, .. }
        | Instruction::LoadAcquire { dst, .. } => Some(dst),
        Instruction::Atomic { op, fetch: true, src, .. } if op != AtomicOp::Cmpxchg => Some(src),
        _ => None,
    }
}
