//! How far an execution goes along a path, and what it sees there.

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::bytecode::instruction::{CallTarget, Instruction, Operand, jump_target};
use kernel_bpf::bytecode::opcode::{Size, Width};
use kernel_bpf::execution::{Observer, Step};
use kernel_bpf::maps::BpfMap;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::Event;

use super::fields;
use super::origins::{Origins, Outside};
use crate::command::run::frame::Form;

/// Fields of the context that are remembered.
const FIELDS: usize = 16;
/// Numbers that were loaded and are remembered.
const LOADS: usize = 24;
/// The number of `bpf_map_lookup_elem`.
const MAP_LOOKUP: u32 = 1;
/// Bytes of a key that is remembered, at the most.
const KEY_BYTES: u32 = 64;

/// A branch that went another way than the path.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch {
    pub first: u64,
    pub second: u64,
    /// Whether both operands are 64-bit.
    pub wide: bool,
}

/// A number that was loaded from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub value: u64,
    pub size: usize,
}

/// Whether an execution goes along the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Along {
    On,
    /// Behind a stretch of which it is not known how it went.
    Vague,
    Lost,
}

/// What an execution showed.
pub struct Trace {
    instructions: Vec<Option<Instruction>>,
    path: Vec<Event>,
    maps: Vec<usize>,
    wanted: usize,
    /// Events of the path that were met.
    matched: usize,
    along: Along,
    branch: Option<(usize, Mismatch)>,
    load: Option<(usize, Size)>,
    /// Where it went another way.
    pub mismatch: Option<Mismatch>,
    /// Keys that were looked up, and in which map.
    pub lookups: Vec<(usize, Vec<u8>)>,
    /// The last numbers that were loaded.
    pub loads: Vec<Loaded>,
    /// Fields of the context that were loaded, by offset.
    pub fields: Vec<u16>,
    form: Form,
    context: Option<u64>,
    origins: Origins,
    /// Bytes of the value that a lookup, just called, may find.
    lookup: Option<u32>,
    /// How the access at fault leaves the value that it is to.
    pub outside: Option<Outside>,
    /// What was added to the address that is accessed at fault.
    pub offset: Option<i64>,
    /// Registers at the instruction at fault.
    pub at_fault: Option<[u64; 11]>,
    /// Whether the instruction at fault was reached.
    pub reached: bool,
    /// Whether a reservation was held there.
    pub held: bool,
    pub executed: u64,
}

impl Trace {
    pub fn new(
        program: &BpfProgram<ActiveProfile>,
        path: &[Event],
        maps: &[&dyn BpfMap],
        wanted: usize,
    ) -> Self {
        let mut instructions = vec![None; program.len()];
        for (pc, insn) in program.instructions() {
            if let Some(slot) = instructions.get_mut(pc) {
                *slot = Some(insn);
            }
        }
        let keep = |event: &Event| matches!(event, Event::Branch { .. } | Event::Skipped { .. });
        Self {
            instructions,
            path: path.iter().copied().filter(keep).collect(),
            maps: maps.iter().map(|map| address(*map)).collect(),
            wanted,
            matched: 0,
            along: Along::On,
            branch: None,
            load: None,
            mismatch: None,
            lookups: Vec::new(),
            loads: Vec::new(),
            fields: Vec::new(),
            form: Form::of(program.prog_type()),
            context: None,
            origins: Origins::default(),
            lookup: None,
            outside: None,
            offset: None,
            at_fault: None,
            reached: false,
            held: false,
            executed: 0,
        }
    }

    /// The branch that was executed last, if nothing was behind it yet.
    #[cfg(feature = "embedded-profile")]
    pub const fn branch(&self) -> Option<(usize, Mismatch)> {
        self.branch
    }

    /// The instruction at a slot.
    pub fn instruction(&self, pc: usize) -> Option<Instruction> {
        self.instructions.get(pc).copied().flatten()
    }

    /// How good the input was.
    pub fn progress(&self) -> (usize, bool) {
        (self.matched, self.reached)
    }

    /// A branch went one way.
    fn branched(&mut self, pc: usize, taken: bool, operands: Mismatch) {
        if self.along == Along::Lost {
            return;
        }
        while let Some(Event::Skipped { .. }) = self.path.get(self.matched) {
            self.matched += 1;
            self.along = Along::Vague;
        }
        match self.path.get(self.matched) {
            Some(Event::Branch { pc: wanted, taken: way }) if *wanted == pc && *way == taken => {
                self.matched += 1;
                self.along = Along::On;
            }
            Some(Event::Branch { pc: wanted, .. }) if self.along == Along::On => {
                self.along = Along::Lost;
                if *wanted == pc {
                    self.mismatch = Some(operands);
                }
            }
            _ => {}
        }
    }

    fn remember(&mut self, step: &Step<'_, '_>, insn: Instruction) {
        let reg = |register: kernel_bpf::bytecode::Register| {
            step.registers.get(usize::from(register.number())).copied().unwrap_or(0)
        };
        match insn {
            Instruction::JumpIf { width, dst, src, .. } => {
                let wide = width == Width::W64;
                let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
                let second = match src {
                    Operand::Reg(src) => reg(src),
                    Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
                };
                let operands = Mismatch { first: cut(reg(dst)), second: cut(second), wide };
                self.branch = Some((step.pc, operands));
            }
            Instruction::Load { size, dst, base, off, .. } => {
                self.load = Some((usize::from(dst.number()), size));
                self.remember_field(reg(base).wrapping_add_signed(i64::from(off)));
            }
            Instruction::Call(CallTarget::Helper(MAP_LOOKUP)) => self.remember_key(step),
            _ => {}
        }
    }

    /// A field of the context is loaded, if there is one at `address`.
    fn remember_field(&mut self, address: u64) {
        let Some(context) = self.context else { return };
        if let Ok(offset) = u16::try_from(address.wrapping_sub(context) & !3)
            && fields::name(self.form, offset).is_some()
            && !self.fields.contains(&offset)
            && self.fields.len() < FIELDS
        {
            self.fields.push(offset);
        }
    }

    fn remember_key(&mut self, step: &Step<'_, '_>) {
        let [_, handle, key, ..] = step.registers;
        let Some(map) = step.run.map(*handle) else { return };
        self.lookup = Some(map.def().value_size);
        let Some(index) = self.maps.iter().position(|known| *known == address(map)) else { return };
        let size = map.def().key_size.min(KEY_BYTES);
        let bytes = (0..u64::from(size)).map(|at| step.run.load(key.wrapping_add(at), Size::B));
        let bytes: Result<Vec<u8>, _> =
            bytes.map(|byte| byte.map(|b| b.to_le_bytes()[0])).collect();
        if let Ok(bytes) = bytes
            && !self.lookups.contains(&(index, bytes.clone()))
        {
            self.lookups.push((index, bytes));
        }
    }
}

impl Observer for Trace {
    fn step(&mut self, step: &Step<'_, '_>) {
        if step.tail_called.is_some() {
            return;
        }
        self.executed += 1;
        self.context.get_or_insert(step.registers[1]);
        let (pc, insn) = (step.pc, self.instruction(step.pc));
        if let Some((from, operands)) = self.branch.take() {
            let target = self.instruction(from);
            let off = target.and_then(|insn| insn.jump_offset());
            let taken = off.and_then(|off| jump_target(from, off)) == Some(pc);
            self.branched(from, taken, operands);
        }
        if let Some((dst, size)) = self.load.take() {
            let value = step.registers.get(dst).copied().unwrap_or(0);
            let loaded = Loaded { value, size: size.bytes() };
            self.loads.retain(|known| *known != loaded);
            self.loads.insert(0, loaded);
            self.loads.truncate(LOADS);
        }
        if let Some(bytes) = self.lookup.take()
            && step.registers[0] != 0
        {
            self.origins.found(step.registers[0], bytes);
        }
        if pc == self.wanted {
            self.reached = true;
            self.held |= step.run.held_records() > 0;
            self.at_fault = Some(*step.registers);
        }
        if let Some(insn) = insn {
            if pc == self.wanted {
                self.offset = self.origins.accessed(insn, step.registers);
                self.outside = self.outside.or(self.origins.outside(insn, step.registers));
            }
            self.origins.step(insn, step.registers);
            self.remember(step, insn);
        }
    }
}

/// What tells one map from another.
fn address(map: &dyn BpfMap) -> usize {
    std::ptr::from_ref(map).addr()
}
