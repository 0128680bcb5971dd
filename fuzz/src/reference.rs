//! A reference interpreter: what RFC 9669 and Linux's helpers say, put down so
//! that it can be read and checked, at whatever cost.
//!
//! It shares with the engines what the bytecode *is* (decoded [`Instruction`]s,
//! the tables of contexts and map definitions) and nothing of what it *does*: no
//! arithmetic, no memory, no maps, no helpers. Its memory is a list of objects at
//! addresses of its own, so that what a program computes from addresses differs
//! from what it computes elsewhere.
//!
//! It declines what it does not model ([`Ended::Declined`]): legacy packet loads,
//! ring buffers, checksums, trace messages, tail calls, callbacks, kernel
//! functions, `__sk_buff`'s fields, and looking at what lies beside a hash map's
//! values.

use kernel_bpf::bytecode::instruction::{CallTarget, Imm64, Operand};
use kernel_bpf::bytecode::opcode::{Size, Width};
use kernel_bpf::bytecode::{BpfProgram, Instruction, Register};
use kernel_bpf::execution::{BpfError, BpfResult, Fault};
use kernel_bpf::profile::ActiveProfile;

mod helpers;
mod memory;
pub(crate) mod number;

use crate::place::{Outcome, Place};
use memory::{Addresses, Memory};

/// Frames of a call chain at the most, as Linux has it.
const FRAMES: usize = 8;
/// How often `may_goto` goes on.
const MAY_GOTO: u32 = 8_388_608;

/// How a run ended.
pub(crate) enum Ended {
    /// With this outcome, after so many instructions.
    With(Outcome, u64),
    /// At something that is not modelled.
    Declined,
}

/// Why a run does not go on.
enum Stop {
    Fault(Fault),
    Declined,
}

/// What a step gives, if the run goes on.
type Step<T> = Result<T, Stop>;

fn fault<T>(fault: Fault) -> Step<T> {
    Err(Stop::Fault(fault))
}

/// What is kept of a caller.
struct Caller {
    registers: [u64; 4],
    frame_pointer: u64,
    returns_to: usize,
}

struct Machine<'p> {
    program: &'p BpfProgram<ActiveProfile>,
    registers: [u64; 11],
    memory: Memory,
    callers: Vec<Caller>,
    may_goto: u32,
}

/// Runs a program over the input and the maps of a place, for at most `budget`
/// instructions, with its memory at addresses that follow from `seed`.
pub(crate) fn run(
    program: &BpfProgram<ActiveProfile>,
    place: &mut Place,
    budget: u64,
    seed: u64,
) -> Ended {
    let mut memory = Memory::new(program, place, Addresses::new(seed));
    let mut registers = [0; 11];
    (registers[1], registers[2]) = memory.entry();
    registers[10] = memory.push_frame();
    let mut machine = Machine { program, registers, memory, callers: Vec::new(), may_goto: 0 };
    let mut executed = 0;
    let mut pc = 0;
    let result: BpfResult = loop {
        let stopped = if executed == budget {
            Stop::Fault(Fault::Budget)
        } else {
            executed += 1;
            match machine.step(pc) {
                Ok(Some(next)) => {
                    pc = next;
                    continue;
                }
                Ok(None) => break Ok(machine.registers[0]),
                Err(stopped) => stopped,
            }
        };
        match stopped {
            Stop::Declined => return Ended::Declined,
            Stop::Fault(fault) => {
                break Err(BpfError::Fault { pc: u32::try_from(pc).expect("a slot"), fault });
            }
        }
    };
    let (memory, maps) = machine.memory.finish();
    Ended::With(Outcome { result, memory, maps }, executed)
}

impl Machine<'_> {
    fn get(&self, register: Register) -> u64 {
        self.registers[usize::from(register.number())]
    }

    fn operand(&self, operand: Operand) -> u64 {
        match operand {
            Operand::Reg(register) => self.get(register),
            Operand::Imm(imm) => number::sign_extend(imm.cast_unsigned().into(), 32),
        }
    }

    fn set(&mut self, register: Register, value: u64) -> Step<()> {
        if register.number() == 10 {
            return fault(Fault::FramePointerWrite);
        }
        self.registers[usize::from(register.number())] = value;
        Ok(())
    }

    fn address(&self, base: Register, off: i16) -> u64 {
        self.get(base).wrapping_add(number::sign_extend(off.cast_unsigned().into(), 16))
    }

    /// Executes the instruction at `pc`: the slot to go on at, or none at the
    /// program's end.
    fn step(&mut self, pc: usize) -> Step<Option<usize>> {
        let insns = self.program.insns();
        if pc >= insns.len() {
            return fault(Fault::JumpOutOfRange);
        }
        let Ok(insn) = Instruction::decode(insns, pc) else {
            return fault(Fault::InvalidInstruction);
        };
        let next = pc + insn.slots();
        match insn {
            Instruction::Alu { op, width, dst, src } => {
                let value = number::alu(op, width, self.get(dst), self.operand(src));
                self.set(dst, value)?;
            }
            Instruction::Neg { width, dst } => {
                let value = number::cut(0_u64.wrapping_sub(self.get(dst)), width.bits());
                self.set(dst, value)?;
            }
            Instruction::MovSx { width, from, dst, src } => {
                let value = number::sign_extend(self.get(src), from.bits());
                self.set(dst, number::cut(value, width.bits()))?;
            }
            Instruction::ByteSwap { order, size, dst } => {
                self.set(dst, number::reordered(order, size, self.get(dst)))?;
            }
            Instruction::LoadImm64 { dst, value } => {
                let value = self.wide(value)?;
                self.set(dst, value)?;
            }
            Instruction::Load { size, signed, dst, base, off } => {
                let address = self.address(base, off);
                let value = self.memory.load(address, size, signed)?;
                let value = if signed { number::sign_extend(value, size.bits()) } else { value };
                self.set(dst, value)?;
            }
            Instruction::Store { size, base, off, src } => {
                let (address, value) = (self.address(base, off), self.operand(src));
                self.memory.store(address, size, value)?;
            }
            Instruction::LoadAcquire { size, dst, base, off } => {
                let address = aligned(self.address(base, off), size);
                let value = self.memory.load_number(address?, size)?;
                self.set(dst, value)?;
            }
            Instruction::StoreRelease { size, base, off, src } => {
                let address = aligned(self.address(base, off), size);
                self.memory.store_number(address?, size, self.get(src))?;
            }
            Instruction::Atomic { op, fetch, width, base, off, src } => {
                let gets = if number::compares(op) { Register::R0 } else { src };
                if fetch && gets.number() == 10 {
                    return fault(Fault::FramePointerWrite);
                }
                let size = if width == Width::W64 { Size::Dw } else { Size::W };
                let address = aligned(self.address(base, off), size)?;
                // A compare-and-exchange that finds another value stores that.
                let old = self.memory.exchangeable(address, size)?;
                let new = number::atomic(op, width, old, self.get(src), self.registers[0]);
                self.memory.store_number(address, size, new)?;
                if fetch {
                    self.set(gets, old)?;
                }
            }
            Instruction::Jump { off } => return Ok(Some(target(next, off)?)),
            Instruction::JumpIf { cond, width, dst, src, off } => {
                if number::holds(cond, width, self.get(dst), self.operand(src)) {
                    return Ok(Some(target(next, off.into())?));
                }
            }
            Instruction::MayGoto { off } => {
                if self.may_goto == MAY_GOTO {
                    return Ok(Some(target(next, off.into())?));
                }
                self.may_goto += 1;
            }
            Instruction::Call(CallTarget::Local(off)) => {
                if self.callers.len() + 1 == FRAMES {
                    return fault(Fault::CallDepth);
                }
                let mut registers = [0; 4];
                registers.copy_from_slice(&self.registers[6..10]);
                let frame_pointer = self.registers[10];
                self.callers.push(Caller { registers, frame_pointer, returns_to: next });
                self.registers[10] = self.memory.push_frame();
                return Ok(Some(target(next, off)?));
            }
            Instruction::Call(CallTarget::Helper(id)) => {
                let arguments = std::array::from_fn(|at| self.registers[1 + at]);
                self.registers[0] = self.memory.call(id, arguments)?;
            }
            Instruction::LegacyPacket { .. } | Instruction::Call(CallTarget::Kfunc(_)) => {
                return Err(Stop::Declined);
            }
            Instruction::Exit => {
                let Some(caller) = self.callers.pop() else { return Ok(None) };
                self.memory.pop_frame();
                self.registers[6..10].copy_from_slice(&caller.registers);
                self.registers[10] = caller.frame_pointer;
                return Ok(Some(caller.returns_to));
            }
        }
        Ok(Some(next))
    }

    fn wide(&self, value: Imm64) -> Step<u64> {
        match value {
            Imm64::Value(value) => Ok(value),
            Imm64::MapIdx(index) => Ok(memory::handle(index)),
            Imm64::MapIdxValue(index, offset) => self.memory.value_address(index, offset),
            Imm64::MapFd(_) | Imm64::MapFdValue(..) | Imm64::Var(_) | Imm64::Code(_) => {
                Err(Stop::Declined)
            }
        }
    }
}

/// The slot `off` behind `next`.
fn target(next: usize, off: i32) -> Step<usize> {
    let off = isize::try_from(off).expect("hosts have at least 32 bits");
    next.checked_add_signed(off).ok_or(Stop::Fault(Fault::JumpOutOfRange))
}

/// The address, if it is a multiple of the size.
fn aligned(address: u64, size: Size) -> Step<u64> {
    if address.is_multiple_of(size.bytes() as u64) {
        return Ok(address);
    }
    fault(Fault::Memory { addr: address, size: bytes(size) })
}

fn bytes(size: Size) -> u32 {
    size.bits() / 8
}
