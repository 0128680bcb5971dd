//! One instruction to one operation.

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::{Imm64, Instruction, Operand};
use bpf_bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Size, Source, Width};
use bpf_bytecode::table::{self, Form};
use bpf_bytecode::{BpfInsn, Register};
use bpf_interp::run::Run;
use bpf_verifier::InsnFact;

use super::Maps;
use super::op::{Address, Op, Order, Step, Trap};

/// An instruction: the row that it belongs to, its first slot, and what is behind.
#[derive(Clone, Copy)]
struct Found<'a> {
    pc: u32,
    form: Form,
    insn: BpfInsn,
    behind: &'a [BpfInsn],
}

impl Found<'_> {
    /// The instruction at a slot; `None` for the second half of one.
    #[inline]
    fn at(pc: u32, insn: BpfInsn, behind: &[BpfInsn]) -> Option<Found<'_>> {
        let form = table::find(insn).ok()?.form;
        Some(Found { pc, form, insn, behind })
    }

    /// The destination; R0 where the instruction has none.
    #[inline]
    fn dst(&self) -> Register {
        Register::new(self.insn.dst()).unwrap_or(Register::R0)
    }

    /// The source; R0 where the instruction has none.
    #[inline]
    fn src(&self) -> Register {
        Register::new(self.insn.src()).unwrap_or(Register::R0)
    }

    #[inline]
    fn operand(&self, source: Source) -> Operand {
        match source {
            Source::Imm => Operand::Imm(self.insn.imm()),
            Source::Reg => Operand::Reg(self.src()),
        }
    }

    fn imm64(&self) -> Option<Imm64> {
        match Instruction::decode(&[self.insn, *self.behind.first()?], 0) {
            Ok(Instruction::LoadImm64 { value, .. }) => Some(value),
            _ => None,
        }
    }

    /// The slot that a jump leads to; checked when the program was built.
    #[inline]
    fn target(&self, off: i32) -> u32 {
        self.pc.wrapping_add(1).wrapping_add_signed(off)
    }
}

/// The step for a slot of a program that the verifier accepted.
#[inline(always)]
pub(super) fn proven(
    pc: u32,
    insn: BpfInsn,
    behind: &[BpfInsn],
    fact: InsnFact,
    maps: &mut Maps<'_>,
    step: &mut Step,
) {
    let Some(found) = Found::at(pc, insn, behind) else {
        return *step = Step::new(pc, Op::Nothing);
    };
    if matches!(fact, InsnFact::Unreached | InsnFact::ContextPointer(_) | InsnFact::ContextField) {
        special(found, fact, step);
    } else if found.form == Form::LoadImm64 {
        *step = Step::new(pc, linked(found, maps));
    } else {
        plain(found, step);
    }
}

/// The step for an instruction of which the verifier found out something that matters
/// here.
#[inline(never)]
fn special(found: Found<'_>, fact: InsnFact, step: &mut Step) {
    let op = match (fact, found.form) {
        (InsnFact::Unreached, _) => Op::Trap(Trap::Unreached),
        (InsnFact::ContextPointer(kind), Form::Load(..)) => {
            Op::PacketAddress { dst: found.dst(), kind }
        }
        (InsnFact::ContextField, Form::Store(size, source)) => {
            let at = Address { base: found.dst(), off: found.insn.off() };
            Op::StoreField { size, at, src: found.operand(source) }
        }
        _ => return plain(found, step),
    };
    *step = Step::new(found.pc, op);
}

/// The steps for a slot of which nothing is known; none for the second half of an
/// instruction. Loads of the context's addresses are recognised when they happen.
pub(super) fn checked(pc: u32, insn: BpfInsn, behind: &[BpfInsn]) -> Option<(Step, Option<Step>)> {
    let found = Found::at(pc, insn, behind)?;
    let mut step = Step::NOTHING;
    plain(found, &mut step);
    if !writes_frame_pointer(found) {
        return Some((step, None));
    }
    let trap = Step::new(pc, Op::Trap(Trap::FramePointerWrite));
    Some(match found.form {
        // What is wrong with the access counts first.
        Form::Load(..) | Form::LoadAcquire(_) | Form::LoadImm64 => (step, Some(trap)),
        _ => (trap, None),
    })
}

#[inline(always)]
fn plain(found: Found<'_>, out: &mut Step) {
    let (insn, dst, src) = (found.insn, found.dst(), found.src());
    let (off, imm) = (insn.off(), insn.imm());
    let mut step = |op| *out = Step::new(found.pc, op);
    match found.form {
        Form::Alu(AluOp::Mov, width, Source::Reg) => step(Op::Move { width, dst, src }),
        Form::Alu(AluOp::Mov, width, Source::Imm) => {
            step(Op::Const { dst, value: extend(width, imm) });
        }
        Form::Alu(op, width, Source::Reg) => {
            step(Op::Alu { op, width, dst, src: Operand::Reg(src) });
        }
        Form::Alu(op, width, Source::Imm) => {
            let mask = width.bits().wrapping_sub(1).cast_signed();
            let imm = if op.is_shift() { imm & mask } else { imm };
            step(Op::Alu { op, width, dst, src: Operand::Imm(imm) });
        }
        Form::Neg(width) => step(Op::Neg { width, dst }),
        Form::MovSx(width, from) => step(Op::SignExtend { width, from, dst, src }),
        Form::ByteSwap(order, size) => step(byte_swap(order, size, dst)),
        Form::LoadImm64 => step(load_imm64(found)),
        Form::Load(size, signed) => {
            let (order, at) = (Order::Relaxed, Address { base: src, off });
            step(Op::Load { size, signed, order, dst, at });
        }
        Form::LoadAcquire(size) => {
            let (order, at) = (Order::Ordered, Address { base: src, off });
            step(Op::Load { size, signed: false, order, dst, at });
        }
        Form::Store(size, source) => {
            let (at, src) = (Address { base: dst, off }, found.operand(source));
            step(Op::Store { size, order: Order::Relaxed, at, src });
        }
        Form::StoreRelease(size) => {
            let (at, src) = (Address { base: dst, off }, Operand::Reg(src));
            step(Op::Store { size, order: Order::Ordered, at, src });
        }
        Form::Atomic(op, width, fetch) => {
            step(Op::Atomic { op, fetch, width, at: Address { base: dst, off }, src });
        }
        Form::LegacyAbs(size) => step(Op::PacketLoad { size, index: None, off: imm }),
        Form::LegacyInd(size) => step(Op::PacketLoad { size, index: Some(src), off: imm }),
        Form::Ja => step(Op::Jump { target: found.target(off.into()) }),
        Form::Gotol => step(Op::Jump { target: found.target(imm) }),
        Form::JumpIf(cond, width, source) => {
            let (rhs, target) = (found.operand(source), found.target(off.into()));
            step(Op::Branch { cond, width, lhs: dst, rhs, target });
        }
        Form::MayGoto => step(Op::MayGoto { target: found.target(off.into()) }),
        Form::CallLocal => step(Op::Call { target: found.target(imm) }),
        Form::CallHelper => step(helper(imm.cast_unsigned())),
        Form::CallKfunc => step(Op::Kfunc { number: imm }),
        Form::Exit => step(Op::Exit),
    }
}

fn helper(id: u32) -> Op {
    match id {
        id::TAIL_CALL => Op::TailCall,
        id if Run::calls_back(id) => Op::CallBack { id },
        id => Op::Helper { id },
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

/// A 64-bit immediate load in proven code, which finds values of arrays by itself.
fn linked(found: Found<'_>, maps: &mut Maps<'_>) -> Op {
    let dst = found.dst();
    match found.imm64() {
        Some(Imm64::MapIdx(map)) => {
            maps.make_link(map);
            Op::MapReference { dst, index: map }
        }
        Some(Imm64::MapIdxValue(map, off)) => match maps.make_link_to_byte(map, off) {
            Some(link) => Op::LinkedValue { dst, map, link, off },
            None => Op::MapValueAddress { dst, index: map, off },
        },
        _ => load_imm64(found),
    }
}

fn load_imm64(found: Found<'_>) -> Op {
    let dst = found.dst();
    match found.imm64() {
        Some(Imm64::Value(value)) => Op::Const { dst, value },
        Some(Imm64::MapIdx(index)) => Op::MapReference { dst, index },
        Some(Imm64::MapIdxValue(index, off)) => Op::MapValueAddress { dst, index, off },
        Some(Imm64::MapFd(_) | Imm64::MapFdValue(..)) => Op::Trap(Trap::MapDescriptor),
        Some(Imm64::Var(_)) => Op::Trap(Trap::Variable),
        Some(Imm64::Code(off)) => Op::FunctionReference { dst, slot: found.target(off) },
        // No program has one.
        None => Op::Trap(Trap::Unreached),
    }
}

/// Whether an instruction names R10 as what it writes.
fn writes_frame_pointer(found: Found<'_>) -> bool {
    let written = match found.form {
        Form::Alu(..)
        | Form::Neg(_)
        | Form::MovSx(..)
        | Form::ByteSwap(..)
        | Form::LoadImm64
        | Form::Load(..)
        | Form::LoadAcquire(_) => found.dst(),
        Form::Atomic(op, _, true) if op != AtomicOp::Cmpxchg => found.src(),
        _ => return false,
    };
    written == Register::R10
}
