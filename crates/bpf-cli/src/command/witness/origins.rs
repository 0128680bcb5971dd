//! What each register points to, as far as an execution shows it: what was added to
//! the address in it, and of which map's value it is.

use std::ops::Range;

use kernel_bpf::bytecode::Register;
use kernel_bpf::bytecode::instruction::{Instruction, Operand};
use kernel_bpf::bytecode::opcode::{AluOp, Width};

/// Where the address in a register comes from.
#[derive(Clone, Default)]
struct Origin {
    /// The last number that was added to it.
    added: Option<i64>,
    /// The value of a map that was looked up.
    value: Option<Range<u64>>,
}

/// Where the addresses in the registers come from.
#[derive(Default)]
pub struct Origins([Origin; 11]);

/// An access that leaves the value of a map that its address comes from. Where the
/// map keeps its values side by side, this is no fault of memory.
#[derive(Clone, Copy, Debug)]
pub struct Outside {
    /// Where it begins, from the value's first byte.
    pub offset: i64,
    /// Bytes of the access.
    pub size: usize,
    /// Bytes of the value.
    pub limit: u64,
}

impl Origins {
    /// An instruction is about to be executed over these registers.
    pub fn step(&mut self, insn: Instruction, registers: &[u64; 11]) {
        let value = |register: Register| {
            registers.get(usize::from(register.number())).copied().unwrap_or(0).cast_signed()
        };
        match insn {
            Instruction::Alu { op: AluOp::Add, width: Width::W64, dst, src: Operand::Reg(src) } => {
                // Of an address and a number, the number is the smaller one.
                let (first, second) = (value(dst), value(src));
                let address = first.unsigned_abs() > second.unsigned_abs();
                let (from, added) = if address { (dst, second) } else { (src, first) };
                let value = self.of(from).value;
                self.set(dst, Origin { added: Some(added), value });
            }
            Instruction::Alu { op: AluOp::Add, src: Operand::Imm(_), .. } => {}
            Instruction::Alu { op: AluOp::Mov, width: Width::W64, dst, src: Operand::Reg(src) } => {
                self.set(dst, self.of(src));
            }
            Instruction::Alu { dst, .. }
            | Instruction::Neg { dst, .. }
            | Instruction::MovSx { dst, .. }
            | Instruction::ByteSwap { dst, .. }
            | Instruction::LoadImm64 { dst, .. }
            | Instruction::Load { dst, .. }
            | Instruction::LoadAcquire { dst, .. }
            | Instruction::Atomic { src: dst, .. } => {
                self.set(dst, Origin::default());
            }
            // The caller's registers are back.
            Instruction::Exit => self.0[1..].fill(Origin::default()),
            Instruction::Call(_) => self.0[..6].fill(Origin::default()),
            _ => {}
        }
    }

    /// A lookup has found a value of so many bytes.
    pub fn found(&mut self, address: u64, bytes: u32) {
        let value = Some(address..address.saturating_add(u64::from(bytes)));
        self.0[0] = Origin { added: None, value };
    }

    /// How the access of `insn` leaves the value that it is to.
    pub fn outside(&self, insn: Instruction, registers: &[u64; 11]) -> Option<Outside> {
        let (base, off, size) = access(insn)?;
        let value = self.of(base).value?;
        let address = registers.get(usize::from(base.number()))?;
        let first = address.wrapping_add_signed(i64::from(off));
        let offset = first.wrapping_sub(value.start).cast_signed();
        let limit = value.end - value.start;
        let inside = u64::try_from(offset).is_ok_and(|at| at + size as u64 <= limit);
        (!inside).then_some(Outside { offset, size, limit })
    }

    /// What was added to the address that `insn` accesses; of a call, the greatest
    /// number among its arguments.
    pub fn accessed(&self, insn: Instruction, registers: &[u64; 11]) -> Option<i64> {
        if let Instruction::Call(_) = insn {
            let arguments = registers.get(1..6)?.iter();
            let numbers = arguments.filter_map(|argument| u32::try_from(*argument).ok());
            return numbers.max().map(i64::from);
        }
        let (base, ..) = access(insn)?;
        self.of(base).added
    }

    fn of(&self, register: Register) -> Origin {
        self.0.get(usize::from(register.number())).cloned().unwrap_or_default()
    }

    fn set(&mut self, register: Register, origin: Origin) {
        if let Some(slot) = self.0.get_mut(usize::from(register.number())) {
            *slot = origin;
        }
    }
}

/// The memory that an instruction accesses: register, offset and bytes.
fn access(insn: Instruction) -> Option<(Register, i16, usize)> {
    match insn {
        Instruction::Load { base, off, size, .. }
        | Instruction::Store { base, off, size, .. }
        | Instruction::LoadAcquire { base, off, size, .. }
        | Instruction::StoreRelease { base, off, size, .. } => Some((base, off, size.bytes())),
        Instruction::Atomic { base, off, width, .. } => {
            Some((base, off, if width == Width::W64 { 8 } else { 4 }))
        }
        _ => None,
    }
}
