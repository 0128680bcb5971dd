//! From bytecode to operations.

use alloc::vec::Vec;

use bpf_bytecode::Register;
use bpf_bytecode::abi::context::FieldKind;
use bpf_bytecode::instruction::{CallTarget, Imm64, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::{AluOp, Width};
use bpf_profile::{OutOfMemory, PhysicalProfile, Sequence};
use bpf_verifier::{InsnFact, VerifiedProgram};

use super::{Op, choose, own, pairs};
use crate::interpreter::threaded::form::{HAND, MEMORY};
use crate::interpreter::threaded::{call, jump, slow};
use crate::run::Run;

/// Operations between two marks at which code that only goes forward asks the
/// driver.
const MARK_EVERY: usize = 256;

/// Translates a program: its operations, and for each slot the index of its
/// operation.
pub(super) fn translate<P: PhysicalProfile>(
    program: &VerifiedProgram<P>,
    hand: [u8; HAND],
) -> Result<(Vec<Op>, Vec<u32>), OutOfMemory> {
    let (mut ops, mut starts) = (Vec::new(), Vec::new());
    let insns = program.insns();
    let marks = insns.len().checked_div(MARK_EVERY - 1).unwrap_or(0);
    let most = insns.len().saturating_add(marks).saturating_add(1);
    Sequence::try_reserve(&mut ops, most)?;
    Sequence::try_reserve(&mut starts, insns.len())?;
    let select = Select { hand };
    let (mut behind, mut before) = (0, None);
    for pc in 0..insns.len() {
        if ops.len() % MARK_EVERY == MARK_EVERY - 1 {
            ops.push(Op::of(own::mark));
            before = None;
        }
        starts.push(u32::try_from(ops.len()).unwrap_or(u32::MAX));
        // The second half of an instruction has no operation of its own.
        if pc < behind {
            continue;
        }
        let insn = Instruction::decode(insns, pc);
        let op = insn.map_or(left(pc), |insn| select.op(pc, insn, program.fact(pc)));
        behind = pc.saturating_add(insn.map_or(1, |insn| insn.slots()));
        let this = insn.ok().map(|insn| (insn, program.fact(pc)));
        let both = before.zip(this).and_then(|(before, this)| pairs::choose(&select, before, this));
        if let (Some(handler), Some(before)) = (both, ops.last_mut()) {
            before.handler = handler;
        }
        before = this;
        ops.push(op);
    }
    for (index, op) in ops.iter_mut().enumerate().filter(|(_, op)| op.jumps) {
        // Until here the target's slot.
        let target = starts.get(op.off.cast_unsigned() as usize).copied();
        match target.and_then(|target| distance(index, target)) {
            Some(off) => op.off = off,
            None => *op = left(op.extra.cast_unsigned() as usize),
        }
    }
    Ok((ops, starts))
}

/// Bytes from one operation to another.
fn distance(from: usize, to: u32) -> Option<i32> {
    let ops = i64::from(to).checked_sub(i64::try_from(from).ok()?)?;
    i32::try_from(ops.checked_mul(i64::try_from(size_of::<Op>()).ok()?)?).ok()
}

/// The operation for what is left to the checked step.
fn left(pc: usize) -> Op {
    Op { extra: slot(pc), ..Op::of(slow::slow) }
}

/// A slot as operations hold it.
fn slot(pc: usize) -> i32 {
    u32::try_from(pc).unwrap_or(u32::MAX).cast_signed()
}

/// Selects operations, given which registers are in the hand.
pub(super) struct Select {
    hand: [u8; HAND],
}

impl Select {
    /// The place of a register.
    pub(super) fn place(&self, register: Register) -> u8 {
        let held = self.hand.iter().position(|held| *held == register.number());
        held.and_then(|place| u8::try_from(place).ok()).unwrap_or(MEMORY)
    }

    /// The operation of the instruction at `pc`.
    fn op(&self, pc: usize, insn: Instruction, fact: InsnFact) -> Op {
        self.handled(pc, insn, fact).unwrap_or(left(pc))
    }

    /// The same, if there is a handler.
    fn handled(&self, pc: usize, insn: Instruction, fact: InsnFact) -> Option<Op> {
        Some(match insn {
            Instruction::Alu { op, width, dst, src } => self.alu(op, width, dst, src)?,
            Instruction::Neg { width, dst } => {
                Op { dst: dst.number(), ..Op::of(choose::neg(width, self.place(dst))) }
            }
            Instruction::MovSx { width, from, dst, src } => {
                let handler = choose::extend(width, from, self.place(dst), self.place(src))?;
                Op { dst: dst.number(), src: src.number(), ..Op::of(handler) }
            }
            Instruction::ByteSwap { order, size, dst } => {
                let handler = choose::bytes(order, size, self.place(dst))?;
                Op { dst: dst.number(), ..Op::of(handler) }
            }
            Instruction::LoadImm64 { dst, value } => self.constant(pc, dst, value)?,
            Instruction::Load { size, signed, dst, base, off } => {
                let (to, at) = (self.place(dst), self.place(base));
                let handler = match access(fact) {
                    Access::Plain { shared } => choose::load(size, signed, shared, to, at),
                    Access::PacketAddress { end } => choose::packet(end, to),
                    Access::Other => return None,
                };
                let (dst, src) = (dst.number(), base.number());
                Op { dst, src, off: off.into(), ..Op::of(handler) }
            }
            Instruction::Store { size, base, off, src } => {
                let Access::Plain { shared } = access(fact) else { return None };
                let at = self.place(base);
                let op = Op { dst: base.number(), off: off.into(), ..Op::of(slow::slow) };
                match src {
                    Operand::Reg(src) => {
                        let handler = choose::store(size, shared, at, self.place(src));
                        Op { handler, src: src.number(), ..op }
                    }
                    Operand::Imm(imm) => {
                        Op { handler: choose::store_imm(size, shared, at), imm, ..op }
                    }
                }
            }
            Instruction::Exit => {
                Op { extra: slot(pc), ..Op::of(choose::exit(self.place(Register::R0))) }
            }
            Instruction::Call(CallTarget::Local(off)) => {
                Self::jump(pc, off, Op::of(call::function))?
            }
            Instruction::Call(CallTarget::Helper(id)) if call::is_plain(id) => {
                Op { imm: id.cast_signed(), extra: slot(pc), ..Op::of(call::helper) }
            }
            Instruction::Jump { off } => Self::jump(pc, off, Op::of(jump::always))?,
            Instruction::JumpIf { cond, width, dst, src, off } => {
                let at = self.place(dst);
                let op = match src {
                    Operand::Reg(src) => {
                        let handler = choose::jump_reg(cond, width, at, self.place(src));
                        Op { src: src.number(), ..Op::of(handler) }
                    }
                    Operand::Imm(imm) => Op { imm, ..Op::of(choose::jump_imm(cond, width, at)) },
                };
                Self::jump(pc, off.into(), Op { dst: dst.number(), ..op })?
            }
            _ => return None,
        })
    }

    fn alu(&self, op: AluOp, width: Width, dst: Register, src: Operand) -> Option<Op> {
        let to = self.place(dst);
        let dst = dst.number();
        Some(match src {
            Operand::Imm(imm) => Op { imm, dst, ..Op::of(choose::alu_imm(op, width, to)?) },
            Operand::Reg(src) => {
                let handler = choose::alu_reg(op, width, to, self.place(src))?;
                Op { dst, src: src.number(), ..Op::of(handler) }
            }
        })
    }

    fn constant(&self, pc: usize, dst: Register, value: Imm64) -> Option<Op> {
        let to = self.place(dst);
        let dst = dst.number();
        let value = match value {
            Imm64::Value(value) => value,
            Imm64::MapIdx(index) => Run::map_handle(index),
            Imm64::Code(off) => Run::function_handle(u32::try_from(jump_target(pc, off)?).ok()?),
            Imm64::MapIdxValue(index, offset) => {
                let (imm, off, extra) = (index.cast_signed(), offset.cast_signed(), slot(pc));
                return Some(Op { imm, extra, off, dst, ..Op::of(choose::value(to)) });
            }
            Imm64::MapFd(_) | Imm64::MapFdValue(..) | Imm64::Var(_) => return None,
        };
        #[allow(clippy::cast_possible_truncation, reason = "one half each")]
        let (imm, extra) = (value as i32, (value >> 32) as i32);
        Some(Op { imm, extra, dst, ..Op::of(choose::constant(to)) })
    }

    /// The jump at `pc`, with the target's slot in place of the distance.
    fn jump(pc: usize, off: i32, op: Op) -> Option<Op> {
        let off = slot(jump_target(pc, off)?);
        Some(Op { off, extra: slot(pc), jumps: true, ..op })
    }
}

/// How memory is accessed.
pub(super) enum Access {
    /// At the address; others may access it at the same time if it is shared.
    Plain { shared: bool },
    /// Not at all: the packet's first byte or its end is asked for.
    PacketAddress { end: bool },
    /// As the checked step does.
    Other,
}

pub(super) const fn access(fact: InsnFact) -> Access {
    match fact {
        InsnFact::Stack | InsnFact::Context | InsnFact::Packet => Access::Plain { shared: false },
        InsnFact::MapValue | InsnFact::Reserved | InsnFact::Memory => {
            Access::Plain { shared: true }
        }
        InsnFact::ContextPointer(FieldKind::PacketData) => Access::PacketAddress { end: false },
        InsnFact::ContextPointer(FieldKind::PacketEnd) => Access::PacketAddress { end: true },
        _ => Access::Other,
    }
}
