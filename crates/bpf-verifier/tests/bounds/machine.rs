//! The longest run of a program, by trying all numbers that chance may give.

use std::collections::{HashMap, HashSet};

use bpf_bytecode::Register;
use bpf_bytecode::instruction::{CallTarget, Imm64, Instruction, Operand, jump_target};
use bpf_bytecode::opcode::AluOp;

use crate::common::Program;
use crate::concrete;

/// Numbers that `get_prandom_u32` gives.
const NUMBERS: u64 = 4;
/// Eight bytes each, of a frame.
const SLOTS: usize = 8;
/// Where frames lie; a map's value, and a packet, both of 64 bytes; and what is known of that.
const FRAME: u64 = 1 << 32;
const VALUE: u64 = 1 << 48;
const PACKET: u64 = 1 << 49;
const CONTEXT: u64 = 1 << 50;
const BYTES: u64 = 64;
/// Instructions of a run at the most, from one place where chance decides to the next.
pub const MOST_STEPS: u64 = 10_000_000;
/// Places where chance decides, with all that is known there, at the most.
const MOST: usize = 60_000;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Frame {
    slots: [u64; SLOTS],
    /// R6 to R9 of the caller, and where it goes on.
    saved: [u64; 4],
    back: usize,
    /// The function that `bpf_loop` calls, with what, how often it did and is to.
    rounds: Option<[u64; 4]>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    pc: usize,
    /// The register that chance decides.
    open: usize,
    regs: [u64; 11],
    frames: Vec<Frame>,
    /// Rounds that `may_goto` grants from here on.
    grants: u32,
}

/// Where a run comes to on its own.
enum Next {
    /// Chance decides what is in a register.
    Chance(State),
    End,
}

pub struct Machine {
    insns: Vec<Option<Instruction>>,
    grants: u32,
    longest: HashMap<State, u64>,
    /// Places on the way to where the walk is.
    open: HashSet<State>,
}

impl Machine {
    /// That of a program to which `may_goto` grants so many rounds.
    pub fn new(program: &Program, grants: u32) -> Self {
        let decode = |pc| Instruction::decode(program.insns(), pc).ok();
        let insns = (0..program.len()).map(decode).collect();
        Self { insns, grants, longest: HashMap::new(), open: HashSet::new() }
    }

    /// Instructions of the longest run, as many as there can be for one that never ends; none,
    /// where there are too many runs.
    pub fn longest(&mut self) -> Option<u64> {
        let (frames, grants) = (Vec::new(), self.grants);
        let mut first = State { pc: 0, open: 0, regs: [0; 11], frames, grants };
        first.enter(0, 0, None);
        first.regs[1] = CONTEXT;
        let (steps, next) = self.walk(first);
        let Next::Chance(first) = next else { return Some(steps) };
        let mut stack = vec![first.clone()];
        while let Some(state) = stack.last() {
            let mut most = Some(0);
            let state = state.clone();
            self.open.insert(state.clone());
            for number in 0..NUMBERS {
                let mut after = state.clone();
                after.regs[state.open] = number;
                let (steps, next) = self.walk(after);
                let rest = match next {
                    Next::End => Some(0),
                    Next::Chance(next) => {
                        let known = self.longest.get(&next).copied();
                        if known.is_none() && self.open.contains(&next) {
                            return Some(u64::MAX);
                        }
                        if known.is_none() {
                            stack.push(next);
                        }
                        known
                    }
                };
                most = most.zip(rest).map(|(most, rest): (u64, u64)| most.max(steps + rest));
            }
            if let Some(most) = most {
                self.open.remove(&state);
                self.longest.insert(state, most);
                stack.pop();
            }
            if self.longest.len() > MOST || stack.len() > MOST {
                return None;
            }
        }
        Some(steps + self.longest[&first])
    }

    /// Instructions up to the next place where chance decides.
    fn walk(&self, mut state: State) -> (u64, Next) {
        let mut steps = 0;
        loop {
            let pc = state.pc;
            let insn = self.insns[pc].expect("an instruction");
            steps += 1;
            state.pc = pc + insn.slots();
            if let Instruction::Call(CallTarget::Helper(7)) = insn {
                state.open = 0;
                return (steps, Next::Chance(state));
            }
            if let Instruction::Load { dst, base, off, .. } = insn
                && state.get(base).wrapping_add_signed(off.into()) >= VALUE
                && state.get(base) < CONTEXT
            {
                check_shared(state.get(base).wrapping_add_signed(off.into()));
                state.open = dst.index();
                return (steps, Next::Chance(state));
            }
            if !state.step(&insn, pc) {
                return (steps, Next::End);
            }
            assert!(steps < MOST_STEPS, "it goes on");
        }
    }
}

impl State {
    fn enter(&mut self, function: usize, back: usize, rounds: Option<[u64; 4]>) {
        let mut saved = [0; 4];
        saved.copy_from_slice(&self.regs[6..10]);
        self.frames.push(Frame { slots: [0; SLOTS], saved, back, rounds });
        self.regs[6..10].fill(0);
        self.regs[10] = self.frames.len() as u64 * FRAME + 8 * SLOTS as u64;
        self.pc = function;
    }

    fn slot(&mut self, address: u64) -> &mut u64 {
        let small = |number: u64| usize::try_from(number).expect("a small number");
        let (frame, off) = (small(address / FRAME - 1), small(address % FRAME / 8));
        &mut self.frames[frame].slots[off]
    }

    fn byte(&mut self, address: u64) -> u64 {
        *self.slot(address) >> (8 * (address % 8)) & 0xff
    }

    fn get(&self, register: Register) -> u64 {
        self.regs[register.index()]
    }

    fn operand(&self, operand: Operand) -> u64 {
        match operand {
            Operand::Reg(register) => self.get(register),
            Operand::Imm(imm) => i64::from(imm).cast_unsigned(),
        }
    }

    /// Whether the program goes on.
    fn step(&mut self, insn: &Instruction, pc: usize) -> bool {
        let target = |off| jump_target(pc, off).expect("inside");
        match *insn {
            Instruction::Alu { op, width, dst, src } => {
                let (a, b) = (self.get(dst), self.operand(src));
                self.regs[dst.index()] = match op {
                    AluOp::Mov => concrete::low(b, width.bits()),
                    _ => concrete::alu(op, a, b, width.bits()),
                };
            }
            Instruction::MovSx { width, from, dst, src } => {
                let moved = concrete::signed(self.get(src), from.bits()).cast_unsigned();
                self.regs[dst.index()] = concrete::low(moved, width.bits());
            }
            Instruction::LoadImm64 { dst, value: Imm64::Value(value) } => {
                self.regs[dst.index()] = value;
            }
            Instruction::LoadImm64 { dst, value: Imm64::Code(off) } => {
                self.regs[dst.index()] = target(off) as u64;
            }
            Instruction::LoadImm64 { dst, value: Imm64::MapIdxValue(_, off) } => {
                self.regs[dst.index()] = VALUE + u64::from(off);
            }
            Instruction::Load { dst, base, off, .. } if self.get(base) == CONTEXT => {
                self.regs[dst.index()] = if off == 0 { PACKET } else { PACKET + BYTES };
            }
            Instruction::Load { size, dst, base, off, .. } => {
                let address = self.get(base).wrapping_add_signed(off.into());
                let bytes = (0..u64::from(size.bits() / 8)).rev();
                self.regs[dst.index()] =
                    bytes.fold(0, |all, at| all << 8 | self.byte(address.wrapping_add(at)));
            }
            Instruction::Store { size, base, off, src } => {
                let value = self.operand(src);
                let address = self.get(base).wrapping_add_signed(off.into());
                if (VALUE / 2..CONTEXT).contains(&address) {
                    check_shared(address);
                    return true;
                }
                for at in 0..u64::from(size.bits() / 8) {
                    let address = address.wrapping_add(at);
                    let (shift, byte) = (8 * (address % 8), value >> (8 * at) & 0xff);
                    let slot = self.slot(address);
                    *slot = *slot & !(0xff << shift) | byte << shift;
                }
            }
            Instruction::MayGoto { off } => match self.grants.checked_sub(1) {
                Some(left) => self.grants = left,
                None => self.pc = target(off.into()),
            },
            Instruction::Jump { off } => self.pc = target(off),
            Instruction::JumpIf { cond, width, dst, src, off } => {
                let src = self.operand(src);
                if concrete::holds(cond, self.get(dst), src, width.bits()) {
                    self.pc = target(off.into());
                }
            }
            Instruction::Call(CallTarget::Local(off)) => self.enter(target(off), self.pc, None),
            Instruction::Call(CallTarget::Helper(181)) => {
                let [all, function, context] = [1, 2, 3].map(|at| self.regs[at]);
                self.regs[0] = 0;
                if all > 0 {
                    self.round([function, context, 0, all]);
                }
            }
            Instruction::Call(CallTarget::Kfunc(1)) => {
                let [at, from, to] = [1, 2, 3].map(|at| self.regs[at]);
                // The end above the number before the next one.
                let none = from > to;
                let all = to << 32 | concrete::low(from.wrapping_sub(1), 32);
                *self.slot(at) = if none { 0 } else { all };
            }
            Instruction::Call(CallTarget::Kfunc(2)) => {
                let at = self.regs[1];
                let (end, next) = (*self.slot(at) >> 32, concrete::low(*self.slot(at) + 1, 32));
                let given = next < end;
                *self.slot(at) = if given { end << 32 | next } else { 0 };
                self.regs[0] = if given { at } else { 0 };
            }
            Instruction::Call(CallTarget::Kfunc(3)) => *self.slot(self.regs[1]) = 0,
            Instruction::Exit => return self.leave(),
            _ => panic!("{insn:?}"),
        }
        if let Instruction::Call(CallTarget::Kfunc(_)) = insn {
            // Nobody reads them any more.
            self.regs[1..6].fill(0);
        }
        true
    }

    fn round(&mut self, rounds: [u64; 4]) {
        let [function, context, done, all] = rounds;
        let (start, back) = (usize::try_from(function).expect("a slot"), self.pc);
        self.enter(start, back, Some([function, context, done + 1, all]));
        (self.regs[1], self.regs[2]) = (done, context);
    }

    fn leave(&mut self) -> bool {
        let Some(frame) = self.frames.pop() else { return false };
        if self.frames.is_empty() {
            return false;
        }
        self.regs[6..10].copy_from_slice(&frame.saved);
        self.regs[10] = self.frames.len() as u64 * FRAME + 8 * SLOTS as u64;
        self.regs[1..6].fill(0);
        self.pc = frame.back;
        if let Some(rounds) = frame.rounds {
            let [_, _, done, all] = rounds;
            if self.regs[0] == 0 && done < all {
                self.round(rounds);
            } else {
                self.regs[0] = done;
            }
        }
        true
    }
}

/// A byte of a value or a packet: what lies there, others may change.
fn check_shared(address: u64) {
    let base = if address < PACKET - BYTES { VALUE } else { PACKET };
    assert!((base..base + BYTES).contains(&address), "{address:#x}");
}
