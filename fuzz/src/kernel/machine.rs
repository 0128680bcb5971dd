//! Instructions, functions, and what helpers call.

use kernel_bpf::bytecode::abi::global::GlobalFunction;
use kernel_bpf::bytecode::instruction::{CallTarget, Imm64, Operand, jump_target};
use kernel_bpf::bytecode::opcode::Width;
use kernel_bpf::bytecode::{BpfProgType, Instruction, Register};

use super::dynptr::Dynptrs;
use super::held::Held;
use super::later::{Later, Runs};
use super::memory::{Memory, Object, Step, any};
use super::{FIELDS, LOCKS, MAPS, Program};
use crate::mutate::{self, Rng};
use crate::reference::number;

const FRAME: usize = 512;
/// Bytes around a packet, at the most.
const ROOM: usize = 32;
/// Where a context has its packet, and where that ends.
const XDP_FIELDS: (u64, u64) = (0, 4);
const SKB_FIELDS: (u64, u64) = (76, 80);
const CODE: u64 = 0xc0de_0000_0000_0000;
const MAP: u64 = 0x3a90_0000_0000_0000;

/// What a helper does that calls a function again and again.
#[derive(Clone, Copy)]
pub(super) struct Calls {
    pub function: usize,
    pub context: u64,
    pub done: u64,
    pub all: u64,
    /// The map whose values are shown, and where the key is.
    pub each: Option<(usize, u64)>,
}

/// What a function returns to.
struct Caller {
    registers: [u64; 4],
    frame: u64,
    back: usize,
    calls: Option<Calls>,
}

/// Where a run goes on.
pub(super) enum Flow {
    Next,
    To(usize),
    /// The running function ends.
    Return,
    End,
    /// What follows is not known here.
    Unknown,
}

pub(super) struct Machine<'r> {
    insns: Vec<Option<Instruction>>,
    pub prog_type: BpfProgType,
    pub rng: &'r mut Rng,
    pub registers: [u64; 11],
    pub memory: Memory,
    pub dynptrs: Dynptrs,
    pub held: Held,
    pub later: Later,
    pub catches: Option<usize>,
    callers: Vec<Caller>,
    frame: u64,
    pub context: u64,
    pub packet: u64,
    /// Values of each map, where it has any.
    pub values: [Vec<u64>; 4],
    pub pc: usize,
}

impl<'r> Machine<'r> {
    /// A kernel of its own for each run.
    pub fn new(program: &Program, globals: &[GlobalFunction], rng: &'r mut Rng) -> Self {
        let catches = globals.iter().find(|global| global.catches).map(|global| global.slot);
        let decode = |pc| Instruction::decode(program.insns(), pc).ok();
        let mut machine = Self {
            insns: (0..program.len()).map(decode).collect(),
            prog_type: program.prog_type(),
            rng,
            registers: [0; 11],
            memory: Memory::new(),
            dynptrs: Dynptrs::default(),
            held: Held::default(),
            later: Later::default(),
            catches: catches.and_then(|slot| usize::try_from(slot).ok()),
            callers: Vec::new(),
            frame: 0,
            context: 0,
            packet: 0,
            values: Default::default(),
            pc: 0,
        };
        machine.move_packet(None);
        let size = usize::from(program.prog_type().context().size);
        let bytes = any(machine.rng, size);
        machine.context = machine.memory.add(bytes);
        for (index, def) in MAPS.iter().enumerate() {
            let count = if def.value_size == 64 { def.max_entries } else { 0 };
            for _ in 0..count {
                let bytes = any(machine.rng, 64);
                let fields: &[_] = if index == LOCKS as usize { &FIELDS } else { &[] };
                let at = machine.memory.put(Object { bytes, inside: 0..64, fields });
                machine.values[index].push(at);
            }
        }
        machine.scramble(0..10);
        machine.registers[1] = machine.context;
        machine.push_frame();
        machine
    }

    /// Registers get numbers that nobody knows.
    pub fn scramble(&mut self, registers: std::ops::Range<usize>) {
        for register in registers {
            self.registers[register] = mutate::number(self.rng);
        }
    }

    /// The packet is somewhere else from now on, perhaps with another length.
    pub fn move_packet(&mut self, wanted: Option<usize>) {
        self.memory.remove(self.packet);
        let len = wanted.unwrap_or_else(|| self.rng.below(80));
        let room = self.rng.below(ROOM);
        let bytes = any(self.rng, room + len + room);
        self.packet = self.memory.put(Object { bytes, inside: room..room + len, fields: &[] });
    }

    fn push_frame(&mut self) {
        let bytes = any(self.rng, FRAME);
        self.frame = self.memory.add(bytes);
        self.registers[10] = self.frame + FRAME as u64;
    }

    /// All frames go, and a function begins in one of its own.
    pub fn begin_anew(&mut self, function: usize) {
        for caller in std::mem::take(&mut self.callers) {
            self.memory.remove(caller.frame);
        }
        self.memory.remove(self.frame);
        self.scramble(0..10);
        self.push_frame();
        self.pc = function;
    }

    /// Whether programs of this type return 0 or 1.
    pub fn returns_flag(&self) -> bool {
        self.prog_type == BpfProgType::CgroupSkb
    }

    /// Runs to the end, and then the callbacks of timers: instructions executed in the
    /// longest run, and whether all was right.
    pub fn run(mut self, most: u64) -> (u64, Step) {
        let (mut longest, mut ended) = self.run_once(most);
        while ended == Ok(true) && self.begin_callback() {
            let (steps, after) = self.run_once(most);
            (longest, ended) = (longest.max(steps), after);
        }
        (longest, ended.map(|_| ()))
    }

    /// Runs to the end: instructions executed, and whether it is known what follows.
    fn run_once(&mut self, most: u64) -> (u64, Step<bool>) {
        let mut executed = 0;
        loop {
            if executed == most {
                return (executed, Err("it goes on".to_owned()));
            }
            executed += 1;
            let pc = self.pc;
            let flow = match self.step() {
                Ok(Flow::Return) => Ok(self.leave()),
                flow => flow,
            };
            match flow {
                Ok(Flow::Next) => {}
                Ok(Flow::To(pc)) => self.pc = pc,
                Ok(Flow::Return | Flow::End) => {
                    return (executed, self.may_end().map(|()| true));
                }
                Ok(Flow::Unknown) => return (executed, Ok(false)),
                Err(wrong) => return (executed, Err(format!("insn {pc}: {wrong}"))),
            }
        }
    }

    pub fn get(&self, register: Register) -> u64 {
        self.registers[register.index()]
    }

    fn operand(&self, operand: Operand) -> u64 {
        match operand {
            Operand::Reg(register) => self.get(register),
            Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
        }
    }

    fn address(&self, base: Register, off: i16) -> u64 {
        self.get(base).wrapping_add_signed(off.into())
    }

    fn step(&mut self) -> Step<Flow> {
        let pc = self.pc;
        let insn = self.insns.get(pc).copied().flatten().ok_or("no instruction")?;
        let next = pc + insn.slots();
        self.pc = next;
        match insn {
            Instruction::Alu { op, width, dst, src } => {
                let src = self.operand(src);
                self.set(dst, number::alu(op, width, self.get(dst), src));
            }
            Instruction::Neg { width, dst } => {
                self.set(dst, number::cut(0_u64.wrapping_sub(self.get(dst)), width.bits()));
            }
            Instruction::MovSx { width, from, dst, src } => {
                let value = number::sign_extend(self.get(src), from.bits());
                self.set(dst, number::cut(value, width.bits()));
            }
            Instruction::ByteSwap { order, size, dst } => {
                self.set(dst, number::reordered(order, size, self.get(dst)));
            }
            Instruction::LoadImm64 { dst, value } => {
                let value = self.wide(pc, value)?;
                self.set(dst, value);
            }
            Instruction::Load { size, signed, dst, base, off } => {
                let address = self.address(base, off);
                let value = self.load(address, size.bytes())?;
                let value = if signed { number::sign_extend(value, size.bits()) } else { value };
                self.set(dst, value);
            }
            Instruction::LoadAcquire { size, dst, base, off } => {
                let value = self.memory.load(self.address(base, off), size.bytes())?;
                self.set(dst, value);
            }
            Instruction::Store { size, base, off, src } => {
                let src = self.operand(src);
                self.memory.store(self.address(base, off), size.bytes(), src)?;
            }
            Instruction::StoreRelease { size, base, off, src } => {
                self.memory.store(self.address(base, off), size.bytes(), self.get(src))?;
            }
            Instruction::Atomic { op, fetch, width, base, off, src } => {
                let (at, len) = (self.address(base, off), if width == Width::W64 { 8 } else { 4 });
                let old = self.memory.load(at, len)?;
                let new = number::atomic(op, width, old, self.get(src), self.registers[0]);
                self.memory.store(at, len, new)?;
                if fetch {
                    self.set(if number::compares(op) { Register::R0 } else { src }, old);
                }
            }
            Instruction::LegacyPacket { .. } => return self.legacy_load(),
            Instruction::Jump { off } => return target(pc, off),
            Instruction::JumpIf { cond, width, dst, src, off } => {
                if number::holds(cond, width, self.get(dst), self.operand(src)) {
                    return target(pc, off.into());
                }
            }
            // The allowance may be used up at any time.
            Instruction::MayGoto { off } => {
                if self.rng.below(8) == 0 {
                    return target(pc, off.into());
                }
            }
            Instruction::Call(CallTarget::Local(off)) => {
                let Flow::To(to) = target(pc, off)? else { return Ok(Flow::Next) };
                self.enter(to, next, None);
            }
            Instruction::Call(CallTarget::Helper(id)) => return self.call_helper(id),
            Instruction::Call(CallTarget::Kfunc(number)) => return self.call_kfunc(number),
            Instruction::Exit => return Ok(Flow::Return),
        }
        Ok(Flow::Next)
    }

    fn set(&mut self, register: Register, value: u64) {
        self.registers[register.index()] = value;
    }

    fn wide(&self, pc: usize, value: Imm64) -> Step<u64> {
        match value {
            Imm64::Value(value) => Ok(value),
            Imm64::MapIdx(index) => Ok(map_handle(index)),
            Imm64::MapIdxValue(index, offset) => {
                let first = self.values.get(index as usize).and_then(|values| values.first());
                Ok(first.ok_or("no value")? + u64::from(offset))
            }
            Imm64::Code(off) => match target(pc, off)? {
                Flow::To(to) => Ok(CODE + to as u64),
                _ => Err("no function".to_owned()),
            },
            _ => Err("no such constant".to_owned()),
        }
    }

    /// The map of a handle.
    pub fn map(handle: u64) -> Step<usize> {
        let index = usize::try_from(handle.wrapping_sub(MAP)).ok();
        index.filter(|index| *index < MAPS.len()).ok_or_else(|| "no map".to_owned())
    }

    /// A load, of the context's fields, too.
    fn load(&mut self, address: u64, len: usize) -> Step<u64> {
        let Some(off) = address.checked_sub(self.context).filter(|off| *off < 1024) else {
            return self.memory.load(address, len);
        };
        let (data, end) = if self.prog_type == BpfProgType::Xdp { XDP_FIELDS } else { SKB_FIELDS };
        let object = self.memory.object(self.packet).ok_or("no packet")?;
        let (from, to) = (object.inside.start as u64, object.inside.end as u64);
        match off {
            _ if off == data => Ok(self.packet + from),
            _ if off == end => Ok(self.packet + to),
            _ => self.memory.load(address, len),
        }
    }

    /// Beyond the packet it ends its function, with 0.
    fn legacy_load(&mut self) -> Step<Flow> {
        if self.registers[6] != self.context {
            return Err("no context in R6".to_owned());
        }
        self.held.unlocked()?;
        self.scramble(1..6);
        if mutate::byte(self.rng) & 1 == 0 {
            self.registers[0] = 0;
            return Ok(Flow::Return);
        }
        self.registers[0] = mutate::byte(self.rng).into();
        Ok(Flow::Next)
    }

    fn enter(&mut self, to: usize, back: usize, calls: Option<Calls>) {
        let mut registers = [0; 4];
        registers.copy_from_slice(&self.registers[6..10]);
        self.callers.push(Caller { registers, frame: self.frame, back, calls });
        self.scramble(0..1);
        self.scramble(6..10);
        self.push_frame();
        self.pc = to;
    }

    /// A helper calls a function.
    pub fn call_back(&mut self, calls: Calls) {
        let back = self.pc;
        self.scramble(1..6);
        let mut calls = calls;
        if let Some((map, key)) = &mut calls.each {
            let shown = u32::try_from(calls.done).expect("small");
            *key = self.memory.add(shown.to_ne_bytes().to_vec());
            let value = self.values[*map][usize::try_from(shown).expect("an index")];
            let handle = map_handle(u32::try_from(*map).expect("few maps"));
            let arguments = [handle, *key, value, calls.context];
            self.registers[1..5].copy_from_slice(&arguments);
        } else {
            self.registers[1..3].copy_from_slice(&[calls.done, calls.context]);
        }
        self.enter(calls.function, back, Some(calls));
    }

    /// No helper waits for a function to return, and it is the program that runs.
    pub fn outside_callbacks(&self) -> Step {
        if self.later.runs != Runs::Program
            || self.callers.iter().any(|caller| caller.calls.is_some())
        {
            return Err("an end in a callback".to_owned());
        }
        Ok(())
    }

    /// Whether the first function is running.
    pub const fn is_outermost(&self) -> bool {
        self.callers.is_empty()
    }

    /// The function of a handle.
    pub fn function(handle: u64) -> Step<usize> {
        let slot = usize::try_from(handle.wrapping_sub(CODE)).ok().filter(|slot| *slot < 4096);
        slot.ok_or_else(|| "no function".to_owned())
    }

    /// The running function ends.
    fn leave(&mut self) -> Flow {
        let Some(caller) = self.callers.pop() else { return Flow::End };
        self.memory.remove(self.frame);
        self.frame = caller.frame;
        self.registers[6..10].copy_from_slice(&caller.registers);
        self.registers[10] = self.frame + FRAME as u64;
        self.scramble(1..6);
        self.pc = caller.back;
        if let Some(calls) = caller.calls {
            if let Some((_, key)) = calls.each {
                self.memory.remove(key);
            }
            let calls = Calls { done: calls.done + 1, ..calls };
            if self.registers[0] == 0 && calls.done < calls.all {
                self.call_back(calls);
            } else {
                self.registers[0] = calls.done;
            }
        }
        Flow::Next
    }
}

/// What a program has of a map.
pub(super) fn map_handle(index: u32) -> u64 {
    MAP + u64::from(index)
}

fn target(pc: usize, off: i32) -> Step<Flow> {
    jump_target(pc, off).map(Flow::To).ok_or_else(|| "a jump to nowhere".to_owned())
}
