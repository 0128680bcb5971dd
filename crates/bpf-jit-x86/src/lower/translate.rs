//! One instruction to one operation.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::{CallTarget, Imm64, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Size, Width};
use bpf_interp::run::Run;
use bpf_verifier::InsnFact;

use super::Maps;
use super::op::{Address, Op, Order, Step, Trap};

/// The step for an instruction that the verifier accepted.
#[inline]
pub(super) fn proven(pc: usize, insn: Instruction, fact: InsnFact, maps: &mut Maps<'_>) -> Step {
    let op = match (fact, insn) {
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
        _ => return plain(pc, insn),
    };
    Step::new(pc, op)
}

/// The steps for an instruction of which nothing is known. Loads of the context's
/// addresses are recognised when they happen.
pub(super) fn checked(pc: usize, insn: Instruction) -> (Step, Option<Step>) {
    if written(insn) != Some(Register::R10) {
        return (plain(pc, insn), None);
    }
    let trap = Step::new(pc, Op::Trap(Trap::FramePointerWrite));
    match insn {
        // What is wrong with the access counts first.
        Instruction::Load { .. }
        | Instruction::LoadAcquire { .. }
        | Instruction::LoadImm64 { .. } => (plain(pc, insn), Some(trap)),
        _ => (trap, None),
    }
}

#[inline]
fn plain(pc: usize, insn: Instruction) -> Step {
    let step = |op| Step::new(pc, op);
    match insn {
        Instruction::Alu { op, width, dst, src } => alu(pc, op, width, dst, src),
        Instruction::Neg { width, dst } => step(Op::Neg { width, dst }),
        Instruction::MovSx { width, from, dst, src } => {
            step(Op::SignExtend { width, from, dst, src })
        }
        Instruction::ByteSwap { order, size, dst } => step(byte_swap(order, size, dst)),
        Instruction::LoadImm64 { dst, value } => step(load_imm64(pc, dst, value)),
        Instruction::Load { size, signed, dst, base, off } => {
            let (order, at) = (Order::Relaxed, Address { base, off });
            step(Op::Load { size, signed, order, dst, at })
        }
        Instruction::LoadAcquire { size, dst, base, off } => {
            let (order, at) = (Order::Ordered, Address { base, off });
            step(Op::Load { size, signed: false, order, dst, at })
        }
        Instruction::Store { size, base, off, src } => {
            step(Op::Store { size, order: Order::Relaxed, at: Address { base, off }, src })
        }
        Instruction::StoreRelease { size, base, off, src } => {
            let (at, src) = (Address { base, off }, Operand::Reg(src));
            step(Op::Store { size, order: Order::Ordered, at, src })
        }
        Instruction::Atomic { op, fetch, width, base, off, src } => {
            step(Op::Atomic { op, fetch, width, at: Address { base, off }, src })
        }
        Instruction::LegacyPacket { size, index, off } => step(Op::PacketLoad { size, index, off }),
        Instruction::Jump { off } => step(Op::Jump { target: target(pc, off) }),
        Instruction::JumpIf { cond, width, dst, src, off } => {
            let target = target(pc, off.into());
            step(Op::Branch { cond, width, lhs: dst, rhs: src, target })
        }
        Instruction::MayGoto { off } => step(Op::MayGoto { target: target(pc, off.into()) }),
        Instruction::Call(CallTarget::Local(off)) => step(Op::Call { target: target(pc, off) }),
        Instruction::Call(CallTarget::Helper(id::TAIL_CALL)) => step(Op::TailCall),
        Instruction::Call(CallTarget::Helper(id)) if Run::calls_back(id) => {
            step(Op::CallBack { id })
        }
        Instruction::Call(CallTarget::Helper(id)) => step(Op::Helper { id }),
        Instruction::Call(CallTarget::Kfunc(number)) => step(Op::Kfunc { number }),
        Instruction::Exit => step(Op::Exit),
    }
}

/// A jump's target, which was checked when the program was built.
fn target(pc: usize, off: i32) -> u32 {
    jump_target(pc, off).and_then(|slot| u32::try_from(slot).ok()).unwrap_or(u32::MAX)
}

fn alu(pc: usize, op: AluOp, width: Width, dst: Register, src: Operand) -> Step {
    let op = match (op, src) {
        (AluOp::Mov, Operand::Reg(src)) => return Step::new(pc, Op::Move { width, dst, src }),
        (AluOp::Mov, Operand::Imm(imm)) => {
            return Step::new(pc, Op::Const { dst, value: extend(width, imm) });
        }
        (_, Operand::Imm(imm)) if op.is_shift() => {
            let mask = width.bits().wrapping_sub(1).cast_signed();
            Op::Alu { op, width, dst, src: Operand::Imm(imm & mask) }
        }
        _ => Op::Alu { op, width, dst, src },
    };
    Step::new(pc, op)
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
        Imm64::Code(off) => Op::FunctionReference { dst, slot: target(pc, off) },
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
