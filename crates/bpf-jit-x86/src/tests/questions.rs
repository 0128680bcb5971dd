//! Comparisons one behind the other, and what lies between them: moves, which leave the CPU's
//! flags as they are, and all else, which does not.

use std::vec;
use std::vec::Vec;

use bpf_bytecode::BpfInsn;
use bpf_bytecode::text::Listing;
use bpf_interp::{BpfContext, BpfExecutor, Environment, Interpreter};
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;

use super::generator::{Dice, Item, lay_out};
use super::{Compiled, Program, checked, from_insns, hardened, proven, proven_old};
use crate::{CompiledProgram, HostMemory, JitExecutor};

/// Of eight seeds that whose programs the verifier is asked for.
const VERIFIED: u64 = 3;

const MOVE: u8 = 0xb0;
const COUNT: u8 = 9;

/// A condition on a register.
#[derive(Clone, Copy)]
struct Question {
    /// With its class and source.
    code: u8,
    lhs: u8,
    rhs: u8,
    imm: i32,
}

impl Question {
    fn insn(self) -> BpfInsn {
        BpfInsn::new(self.code, self.lhs, self.rhs, 0, self.imm)
    }
}

struct Maker {
    dice: Dice,
    items: Vec<Item>,
    /// Those that there is most to do with.
    registers: Vec<u8>,
    last: Question,
    /// The item at which the body ends.
    end: usize,
    /// Whether there are jumps back without a condition. What is behind one may not be reached,
    /// which the verifier refuses.
    jumps: bool,
}

const ALL: [u8; 8] = [0, 1, 2, 3, 4, 5, 7, 8];
const CONDITIONS: [u8; 11] = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];

impl Maker {
    fn register(&mut self) -> u8 {
        self.dice.pick(&self.registers)
    }

    fn push(&mut self, insn: BpfInsn) {
        self.items.push(Item::plain(insn));
    }

    fn op(&mut self, code: u8, dst: u8, src: u8, imm: i32) {
        self.push(BpfInsn::new(code, dst, src, 0, imm));
    }

    fn number(&mut self) -> i32 {
        self.dice.pick(&[0, 0, 0, 1, 1, -1, 2, -2, 0x7f, 0x7e, 0x80, i32::MAX, i32::MIN, 0xff])
    }

    /// Often nearly the same as the last.
    fn question(&mut self) -> Question {
        let [lhs, rhs] = [0; 2].map(|_| self.register());
        let mut new = Question {
            code: self.dice.pick(&CONDITIONS) | self.dice.pick(&[5, 6]),
            lhs,
            rhs: 0,
            imm: self.number(),
        };
        if self.dice.one_in(2) {
            (new.code, new.rhs, new.imm) = (new.code | 8, rhs, 0);
        }
        let last = self.last;
        match self.dice.below(8) {
            0..=2 => new = Question { code: last.code & 0x0f | new.code & 0xf0, ..last },
            3 => new = last,
            4 => new = Question { code: last.code ^ 3, ..last },
            5 if last.code & 8 != 0 => {
                new = Question { lhs: last.rhs, rhs: last.lhs, ..last };
            }
            _ => {}
        }
        self.last = new;
        new
    }

    fn branch(&mut self, target: usize) {
        let insn = self.question().insn();
        self.items.push(Item { target: Some(target), ..Item::plain(insn) });
    }

    fn class(&mut self) -> u8 {
        self.dice.pick(&[4, 7, 7])
    }

    /// What leaves the flags alone, mostly.
    fn moved(&mut self) {
        let [dst, src] = [0; 2].map(|_| self.register());
        let class = self.class();
        if self.dice.one_in(2) {
            self.op(MOVE | class | 8, dst, src, 0);
        } else {
            let number = self.number();
            self.op(MOVE | class, dst, 0, number);
        }
    }

    /// Whether a condition holds, as a number, and perhaps what asks for that.
    fn outcome(&mut self) {
        let [dst, other] = [0; 2].map(|_| self.register());
        let (class, more, one) = (self.class(), self.class(), i32::from(self.dice.one_in(2)));
        self.op(MOVE | class, dst, 0, one);
        let behind = self.items.len() + 2;
        self.branch(behind);
        self.op(MOVE | more, dst, 0, 1 - one);
        for _ in 0..self.dice.below(4) {
            self.moved();
        }
        let code = self.dice.pick(&[0x15, 0x55, 0x16, 0x56, 0x15, 0x55, 0x16, 0x56, 0x65, 0x25]);
        let asked = if self.dice.one_in(6) { other } else { dst };
        let number = self.dice.pick(&[0, 0, 1, 1, -1, 2]);
        let target = self.ahead();
        if !self.dice.one_in(5) {
            let insn = BpfInsn::new(code, asked, 0, 0, number);
            self.items.push(Item { target: Some(target), ..Item::plain(insn) });
        }
        // Often of no use behind that.
        if self.dice.one_in(2) {
            self.op(MOVE | 7 | 8, dst, other, 0);
        }
    }

    /// A move over which a branch leads.
    fn chosen(&mut self) {
        if self.dice.one_in(3) {
            self.moved();
        }
        let over = self.dice.one_in(5);
        let behind = self.items.len() + 2 + usize::from(over);
        self.branch(behind);
        self.moved();
        if over {
            let jump = Item::plain(BpfInsn::new(0x05, 0, 0, 0, 0));
            let target = if self.dice.one_in(2) { behind } else { self.ahead() };
            self.items.push(Item { target: Some(target), ..jump });
        }
    }

    /// Low bits with their sign, or nearly, and what they are compared with.
    fn signed(&mut self) {
        let [dst, src, other] = [0; 3].map(|_| self.register());
        let class = self.class();
        let bits = if class == 7 { 64 } else { 32 };
        if self.dice.one_in(2) {
            let from = self.dice.pick(if class == 7 { &[8, 16, 32] } else { &[8, 16] });
            self.push(BpfInsn::new(MOVE | class | 8, dst, src, from, 0));
        } else {
            let by = bits - self.dice.pick(&[8, 16, 32, 8, 16, 24, 31]);
            let class = if by <= 0 { 7 } else { class };
            let by = by.max(3);
            if self.dice.one_in(2) {
                let class = self.dice.pick(&[4, 7]);
                self.op(MOVE | 8 | class, dst, src, 0);
            }
            let down = if self.dice.one_in(8) { by - 1 } else { by };
            self.op(0x60 | class, dst, 0, by);
            self.op(0xc0 | class, dst, 0, down);
        }
        match self.dice.below(6) {
            0 => self.moved(),
            1 => self.op(0x07, src, 0, 0x7f),
            2 => self.op(0xaf, other, dst, 0),
            _ => {}
        }
        let code = self.dice.pick(&CONDITIONS) | self.dice.pick(&[5, 6]);
        let number = self.dice.pick(&[0, 0, 0, -1, -1, 1]);
        self.last = Question { code, lhs: dst, rhs: 0, imm: number };
        let insn = self.last.insn();
        let target = self.ahead();
        match self.dice.below(3) {
            0 => {
                let target = Some(self.items.len() + 2);
                self.items.push(Item { target, ..Item::plain(insn) });
                self.moved();
            }
            _ => self.items.push(Item { target: Some(target), ..Item::plain(insn) }),
        }
    }

    fn ahead(&mut self) -> usize {
        (self.items.len() + 1 + self.dice.below(7)).min(self.end)
    }

    /// What gives the CPU other flags, or may.
    fn computed(&mut self) {
        let [dst, src] = [0; 2].map(|_| self.register());
        let class = self.class();
        let at = -8 * i16::try_from(1 + self.dice.below(4)).unwrap_or(1);
        let number = self.number();
        match self.dice.below(14) {
            0..=2 => {
                let op = self.dice.pick(&[0x00, 0x10, 0x40, 0x50, 0xa0, 0x20]);
                self.op(op | 8 | class, dst, src, 0);
            }
            3 | 4 => {
                let op = self.dice.pick(&[0x00, 0x10, 0x40, 0x50, 0xa0, 0x20]);
                self.op(op | class, dst, 0, number);
            }
            5 => self.op(0xa8 | class, dst, dst, 0),
            6 => {
                let op = self.dice.pick(&[0x60, 0x70, 0xc0]);
                self.op(op | class, dst, 0, number & 31);
            }
            7 | 8 => {
                let op = self.dice.pick(&[0x68, 0x78, 0xc8, 0x38, 0x98]);
                self.op(op | class, dst, src, 0);
            }
            9 => self.op(0x80 | class, dst, 0, 0),
            10 => {
                let (code, size) =
                    (self.dice.pick(&[0xd4, 0xdc, 0xd7]), self.dice.pick(&[16, 32, 64]));
                self.op(code, dst, 0, size);
            }
            11 => {
                let code = self.dice.pick(&[0x61, 0x69, 0x71, 0x79, 0x81, 0x89, 0x91]);
                let (base, at) = if self.dice.one_in(3) { (10, at) } else { (6, at + 48) };
                self.push(BpfInsn::new(code, dst, base, at, 0));
            }
            12 => {
                let code = self.dice.pick(&[0x63, 0x6b, 0x73, 0x7b]);
                self.push(BpfInsn::new(code, 10, src, at, 0));
            }
            _ => {
                let (code, what) =
                    (self.dice.pick(&[0xdb, 0xc3]), self.dice.pick(&[0, 1, 0x50, 0xa0, 0xe1]));
                self.push(BpfInsn::new(code, 10, src, at, what));
            }
        }
    }

    /// A call, behind which registers have values.
    fn call(&mut self) {
        self.items.push(Item::plain(BpfInsn::mov64_reg(1, 6)));
        let insn = if self.dice.one_in(2) { BpfInsn::call_local(0) } else { BpfInsn::call(8) };
        self.items.push(Item { bound: true, ..Item::plain(insn) });
        for register in 1..=5 {
            let insn = BpfInsn::mov64_reg(register, self.dice.pick(&[0, 7, 8]));
            self.items.push(Item { bound: true, ..Item::plain(insn) });
        }
    }

    /// Back to where it was, a few times.
    fn back(&mut self, top: usize) {
        let to = top + self.dice.below(self.items.len() + 1 - top).min(self.items.len() - 1 - top);
        self.push(BpfInsn::sub64_imm(COUNT, 1));
        let leave = BpfInsn::new(0xd5, COUNT, 0, 0, 0);
        self.items.push(Item { bound: true, target: Some(self.end), ..Item::plain(leave) });
        if self.jumps && self.dice.one_in(2) {
            let jump = BpfInsn::new(0x05, 0, 0, 0, 0);
            self.items.push(Item { bound: true, target: Some(to), ..Item::plain(jump) });
        } else {
            let insn = self.question().insn();
            self.items.push(Item { bound: true, target: Some(to), ..Item::plain(insn) });
        }
    }

    fn step(&mut self, top: usize, calls: bool) {
        match self.dice.below(24) {
            0..=6 => {
                let target = if self.dice.one_in(9) { self.items.len() + 1 } else { self.ahead() };
                self.branch(target);
            }
            7..=9 => self.moved(),
            10..=12 => self.outcome(),
            13..=15 => self.chosen(),
            16..=18 => self.signed(),
            19 if calls && self.dice.one_in(3) => self.call(),
            20 if calls && self.items.len() > top => self.back(top),
            _ => self.computed(),
        }
    }

    fn body(&mut self, count: usize, calls: bool) {
        let top = self.items.len();
        // What is made at once is no longer than this.
        self.end = top + count + 16;
        while self.items.len() < top + count {
            self.step(top, calls);
        }
        while self.items.len() < self.end {
            let [dst, src] = [0; 2].map(|_| self.dice.pick(&ALL));
            self.op(0xaf, dst, src, 0);
        }
    }

    /// Makes one number of all.
    fn together(&mut self) {
        for register in [1, 2, 3, 4, 5, 7, 8] {
            self.push(BpfInsn::mul64_imm(0, 31));
            self.push(BpfInsn::add64_reg(0, register));
        }
        self.push(BpfInsn::exit());
    }
}

/// A program that is right by construction, over 64 bytes of context, from which come the
/// numbers it compares.
fn asking(seed: u64) -> Vec<BpfInsn> {
    let mut dice = Dice::new(seed);
    let count = 2 + dice.below(3);
    let registers = (0..count).map(|_| dice.pick(&ALL)).collect();
    let last = Question { code: 0x15, lhs: 0, rhs: 0, imm: 0 };
    let mut maker =
        Maker { dice, items: Vec::new(), registers, last, end: 0, jumps: seed % 8 != VERIFIED };
    maker.push(BpfInsn::mov64_reg(6, 1));
    for (at, register) in (8..).step_by(8).zip([0, 2, 3, 4, 5, 7, 8]) {
        maker.push(BpfInsn::ldx_dw(register, 6, at));
        maker.push(BpfInsn::stx_dw(10, -8 * i16::from(register) - 8, register));
    }
    maker.push(BpfInsn::stx_dw(10, -16, 7));
    maker.push(BpfInsn::ldx_dw(1, 6, 0));
    maker.push(BpfInsn::mov64_imm(COUNT, 6));
    let top = maker.items.len();
    let count = 3 + maker.dice.below(22);
    maker.body(count, true);
    if maker.dice.one_in(2) {
        maker.push(BpfInsn::sub64_imm(COUNT, 1));
        let back = BpfInsn::new(0x65, COUNT, 0, 0, 0);
        maker.items.push(Item { target: Some(top), ..Item::plain(back) });
    }
    maker.together();
    let calls = |item: &Item| item.insn.code() == BpfInsn::call(0).code() && item.insn.src() == 1;
    if !maker.items.iter().any(calls) {
        return lay_out(&maker.items);
    }
    let function = maker.items.len();
    maker.push(BpfInsn::mov64_reg(6, 1));
    for (at, register) in (8..).step_by(8).zip([0, 2, 3, 4, 5, 7, 8]) {
        maker.push(BpfInsn::ldx_dw(register, 1, at));
    }
    for slot in 1..=4 {
        maker.push(BpfInsn::stx_dw(10, -8 * slot, 7));
    }
    maker.push(BpfInsn::ldx_dw(1, 1, 0));
    let count = 1 + maker.dice.below(6);
    maker.body(count, false);
    maker.together();
    for item in maker.items.iter_mut().filter(|item| calls(item)) {
        item.target = Some(function);
    }
    lay_out(&maker.items)
}

/// Numbers near to each other, and to where a sign or a half ends.
fn numbers(dice: &mut Dice) -> [u8; 64] {
    let base = match dice.below(4) {
        0 => dice.next(),
        1 => dice.pick(&[0x80, 0x8000, 0x8000_0000, 1 << 63, 1 << 32]),
        _ => 0,
    };
    let mut memory = [0; 64];
    for bytes in memory.chunks_exact_mut(8) {
        let number = match dice.below(8) {
            0 => dice.next(),
            1 => dice.next() & 0xffff_ffff,
            2 => u64::MAX,
            3 => base ^ 1 << dice.below(64),
            4 => base,
            _ => base.wrapping_add(dice.below(4) as u64).wrapping_sub(2),
        };
        bytes.copy_from_slice(&number.to_ne_bytes());
    }
    memory
}

/// Runs a program in all ways over several inputs.
fn same_in_all_ways(seed: u64) {
    let program = from_insns(&asking(seed));
    // All come to an end, whatever the verifier says how soon.
    let env = Environment::new().with_budget(u64::MAX);
    let (interp, jit) = (Interpreter::<ActiveProfile>::with_env(env), JitExecutor::with_env(env));
    let ways = ways(seed, &program);
    let mut dice = Dice::new(!seed);
    for _ in 0..8 {
        let input = numbers(&mut dice);
        let mut memory = input;
        let expected = interp.execute(&program, &BpfContext::bytes(&mut memory));
        let listing = || Listing::new(program.insns());
        assert!(expected.is_ok(), "{seed}: {expected:?}\n{}", listing());
        for (way, compiled) in &ways {
            let mut other = input;
            let result = jit.execute(compiled, &BpfContext::bytes(&mut other));
            assert_eq!(result, expected, "{seed}, {way}, over {input:?}:\n{}", listing());
            assert_eq!(other, memory, "{seed}, {way}");
        }
    }
}

/// The kinds of code there are, in turn.
fn ways(seed: u64, program: &Program) -> Vec<(&'static str, Compiled)> {
    match seed % 8 {
        0 => vec![("proven", proven(program)), ("checked", checked(program))],
        1 => hardened::ways(program).into(),
        2 => vec![("proven, old CPU", proven_old(program))],
        VERIFIED => verified(program).map(|compiled| ("verified", compiled)).into_iter().collect(),
        _ => vec![("proven", proven(program))],
    }
}

/// With what the verifier knows of it, if it accepts the program.
fn verified(program: &Program) -> Option<Compiled> {
    let verified = Verifier::<ActiveProfile>::new().verify_program(program).ok()?;
    Some(CompiledProgram::compile(&verified, &HostMemory).unwrap())
}

/// As many programs as `KBPF_FUZZ_TRIES` says, if it does.
#[test]
fn questions_are_answered_as_by_the_interpreter() {
    let tries = std::env::var("KBPF_FUZZ_TRIES").ok().and_then(|text| text.parse().ok());
    for seed in 0..tries.unwrap_or(8_000) {
        same_in_all_ways(seed);
    }
}
