//! Programs from arbitrary bytes.
//!
//! From free to tame: slots as they come; instructions of the table with operands
//! that make sense, between a beginning that gives every register a value and an
//! end; the generated programs of the tests, changed in places; programs that
//! compute with unknown numbers, as they are or changed in places; programs of
//! loops; programs of functions, iterators and helpers that call back; programs of
//! functions that end before their exit; of many branches one behind the other; loops that
//! hand numbers on from round to round; loops that compare low bits of numbers; loops of
//! numbers that go together; and programs that ask for the allowance of `may_goto` again and again.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::instruction::{CallTarget, jump_target};
use kernel_bpf::bytecode::table::{Form, INSTRUCTION_SET, InsnDef};
use kernel_bpf::bytecode::{BpfInsn, BpfProgType, BpfProgram, Instruction, ProgramBuilder};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::profile::config::PROGRAM_CAPACITY;
use kernel_bpf_tests::case::{self, Case, Verdict};
use kernel_bpf_tests::random;

use crate::input::Input;
use crate::place::constants;

mod allowance;
mod change;
mod delayed;
mod functions;
mod held;
mod joins;
mod lines;
mod looping;
mod low_bits;
mod related;
mod rounds;
mod seeds;
mod unknown;

pub use change::change;
pub(crate) use change::{check_changes, seed};
pub(crate) use held::kernel as kernel_case;
pub use seeds::seeds;

/// Slots of a program at the most: what a builder holds on every profile.
pub const MAX_SLOTS: usize = PROGRAM_CAPACITY;

/// Slots as they come, eight bytes each; what is left of the last one is zero.
pub fn raw_slots(input: &mut Input<'_>, limit: usize) -> Vec<BpfInsn> {
    let mut insns = Vec::new();
    while !input.is_empty() && insns.len() < limit {
        insns.push(BpfInsn::from_bytes(input.array()));
    }
    insns
}

/// A program with its input and its maps.
#[must_use]
pub fn case(data: &[u8]) -> Case {
    let mut input = Input::new(data);
    let kind = input.u8();
    let mut case = match kind % 16 {
        0 if kind < 128 => free(&mut input),
        0..3 => tame(&mut input),
        3 => related::case(&mut input),
        4 if kind >= 128 => related::case(&mut input),
        5 if kind >= 128 => low_bits::case(&mut input),
        4..6 => looping::case(&mut input),
        6 if kind < 128 => joins::case(&mut input),
        6 => delayed::case(&mut input),
        7 => generated(&mut input),
        8 => changed(unknowns(&mut input), &mut input),
        9 if kind >= 128 => allowance::case(&mut input),
        9..12 => rounds::case(&mut input),
        12 => held::here(&mut input),
        _ => unknowns(&mut input),
    };
    if kind < 240 {
        repair(&mut case.insns);
    }
    case
}

/// The program of a case, if the builder takes it.
#[must_use]
pub fn build(case: &Case) -> Option<BpfProgram<ActiveProfile>> {
    let builder = ProgramBuilder::new(case.prog_type).insns(&case.insns);
    let map = |builder: ProgramBuilder<ActiveProfile>, def: &MapDef| match constants(def) {
        Some(bytes) => builder.frozen_map(*def, bytes),
        None => builder.map(*def),
    };
    case.maps.iter().fold(builder, map).build().ok()
}

fn maps() -> Vec<MapDef> {
    vec![MapDef::new(MapType::Array, 4, 32, 4), MapDef::new(MapType::Hash, 4, 16, 4)]
}

fn new_case(name: &str, insns: Vec<BpfInsn>, input: &mut Input<'_>) -> Case {
    let (prog_type, kind) = match input.below(4) {
        0 => (BpfProgType::SocketFilter, 0),
        1 => (BpfProgType::SocketFilter, 1),
        2 => (BpfProgType::Xdp, 1),
        _ => (BpfProgType::Tracepoint, 2),
    };
    let len = input.below(64);
    let bytes = input.bytes(len).to_vec();
    Case {
        name: name.to_owned(),
        prog_type,
        insns,
        maps: maps(),
        input: match kind {
            0 => case::Input::Empty,
            1 => case::Input::Packet(bytes),
            _ => case::Input::Bytes(bytes),
        },
        expect: String::new(),
        verdict: Verdict::Accept,
        budget: None,
    }
}

fn free(input: &mut Input<'_>) -> Case {
    let mut header = *input;
    let case = new_case("free", Vec::new(), &mut header);
    let mut insns = raw_slots(&mut header, MAX_SLOTS - 1);
    insns.push(BpfInsn::exit());
    Case { insns, ..case }
}

/// Registers that hold numbers at the beginning; R6 holds the context.
const NUMBERS: [u8; 9] = [0, 1, 2, 3, 4, 5, 7, 8, 9];

/// Instructions of the table between a beginning and an end.
fn tame(input: &mut Input<'_>) -> Case {
    let case = new_case("tame", Vec::new(), input);
    let packet_at = (case.prog_type == BpfProgType::Xdp).then_some((0, 4));
    let insns = vec![BpfInsn::mov64_reg(6, 1)];
    let mut body = Body { insns, calls: Vec::new(), packet_at };
    body.numbers(&NUMBERS);
    body.insns.extend([BpfInsn::stx_dw(10, -8, 7), BpfInsn::stx_dw(10, -16, 8)]);
    while !input.is_empty() && body.insns.len() < MAX_SLOTS - 32 {
        body.step(input);
    }
    body.insns.extend([BpfInsn::mov64_imm(0, 0), BpfInsn::exit()]);
    body.function(input);
    Case { insns: body.insns, ..case }
}

/// A program in the making.
struct Body {
    insns: Vec<BpfInsn>,
    /// Calls of the function that follows the program.
    calls: Vec<usize>,
    /// Where the context has the addresses of the packet and of its end, if it
    /// has.
    packet_at: Option<(i16, i16)>,
}

impl Body {
    /// Gives registers numbers, for instance those that a call took away.
    fn numbers(&mut self, registers: &[u8]) {
        let load = |register: &u8| BpfInsn::mov64_imm(*register, i32::from(*register));
        self.insns.extend(registers.iter().map(load));
    }

    /// A few instructions.
    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() {
            0..12 => self.lookup(input),
            12..24 => self.packet(input),
            24..30 => {
                self.calls.push(self.insns.len());
                self.insns.push(BpfInsn::call_local(0));
                self.numbers(&[1, 2, 3, 4, 5]);
            }
            // A loop that counts down, around one instruction.
            30..38 => {
                let rounds = 1 + i32::from(input.u8() & 15);
                self.insns.push(BpfInsn::mov64_imm(9, rounds));
                self.insns.extend([instruction(input, None), BpfInsn::sub64_imm(9, 1)]);
                self.insns.push(BpfInsn::jne_imm(9, 0, -3));
            }
            _ => self.insns.push(instruction(input, None)),
        }
    }

    /// A look into a map, with the null check or without it.
    fn lookup(&mut self, input: &mut Input<'_>) {
        let (map, key) = (u32::from(input.u8() & 1), i32::from(input.u8() & 7));
        self.insns.extend([BpfInsn::st_w(10, -20, key), BpfInsn::mov64_reg(2, 10)]);
        self.insns.push(BpfInsn::add64_imm(2, -20));
        self.insns.extend(BpfInsn::ld_map(1, map));
        self.insns.push(BpfInsn::call(1));
        if input.u8() < 240 {
            let access = instruction(input, Some(0));
            self.insns.extend([BpfInsn::jeq_imm(0, 0, 1), access]);
        }
        self.numbers(&[0, 1, 2, 3, 4, 5]);
    }

    /// The packet's bounds, and an access that keeps to them or does not.
    fn packet(&mut self, input: &mut Input<'_>) {
        let Some((data, end)) = self.packet_at else { return self.lookup(input) };
        let need = i32::from(input.u8() & 31);
        self.insns.extend([BpfInsn::ldx_w(1, 6, data), BpfInsn::ldx_w(2, 6, end)]);
        self.insns.extend([BpfInsn::mov64_reg(3, 1), BpfInsn::add64_imm(3, need)]);
        let access = instruction(input, Some(1));
        self.insns.extend([BpfInsn::jgt_reg(3, 2, 1), access]);
        self.numbers(&[1, 2, 3]);
    }

    /// The function that the calls go to.
    fn function(&mut self, input: &mut Input<'_>) {
        if self.calls.is_empty() {
            return;
        }
        let start = self.insns.len();
        for at in std::mem::take(&mut self.calls) {
            let distance = i32::try_from(start - at - 1).expect("a short program");
            self.insns[at] = BpfInsn::call_local(distance);
        }
        self.insns.push(BpfInsn::stx_dw(10, -8, 1 + input.u8() % 5));
        self.insns.extend([BpfInsn::ldx_dw(0, 10, -8), BpfInsn::exit()]);
    }
}

/// An instruction of the table, with operands that often make sense; an access
/// to memory goes through `base`, if there is one, and through the stack else.
fn instruction(input: &mut Input<'_>, base: Option<u8>) -> BpfInsn {
    let accesses =
        |def: &&InsnDef| matches!(def.form, Form::Load(..) | Form::Store(..) | Form::Atomic(..));
    let number = usize::from(input.u8());
    let def = if base.is_some() {
        let some: Vec<&InsnDef> = INSTRUCTION_SET.iter().filter(accesses).collect();
        some[number % some.len()]
    } else {
        &INSTRUCTION_SET[number % INSTRUCTION_SET.len()]
    };
    if def.form == Form::LoadImm64 {
        // One slot of two; the step that wants a whole one makes it.
        return BpfInsn::mov64_imm(input.u8() % 10, input.u32().cast_signed());
    }
    let (registers, narrow) = (input.u8(), input.u8());
    // A register that may hold an address, now and then.
    let register =
        |number: u8| if narrow < 16 { number % 11 } else { NUMBERS[usize::from(number) % 9] };
    let (mut dst, mut src) = (register(registers), register(registers >> 4));
    // Small, to both sides.
    let mut off = i16::from(narrow.cast_signed()) / if narrow & 1 == 0 { 1 } else { 8 };
    let imm = match narrow % 4 {
        0 => input.u32().cast_signed(),
        1 => i32::from(input.u8().cast_signed()),
        _ => i32::from(narrow & 31),
    };
    let (fixed, ops) = (def.fixed, def.operands);
    if accesses(&def) {
        let through = base.unwrap_or(10);
        (dst, src) =
            if matches!(def.form, Form::Load(..)) { (dst, through) } else { (through, src) };
        off = match base {
            Some(_) => i16::from(if narrow < 64 { narrow & 0x1f } else { narrow & 0x18 }),
            None if narrow < 224 => -8 * i16::from(1 + (narrow & 1)),
            None => off,
        };
    }
    BpfInsn::new(
        def.code,
        if ops.has_dst() { dst } else { fixed.dst() },
        if ops.has_src() { src } else { fixed.src() },
        if ops.has_off() { off } else { fixed.off() },
        if ops.has_imm() { imm } else { fixed.imm() },
    )
}

/// Makes a program of what is nearly one: a slot that is no instruction becomes
/// one, and a jump to nowhere leads to what follows it.
fn repair(insns: &mut [BpfInsn]) {
    let mut starts = vec![false; insns.len() + 1];
    let mut pc = 0;
    while pc < insns.len() {
        starts[pc] = true;
        pc += Instruction::decode(insns, pc).map_or_else(
            |_| {
                insns[pc] = BpfInsn::mov64_imm(insns[pc].dst() % 10, insns[pc].imm());
                1
            },
            |decoded| decoded.slots(),
        );
    }
    // Nothing may run off the end.
    starts[insns.len()] = false;
    for pc in 0..insns.len() {
        let Ok(decoded) = Instruction::decode(insns, pc) else { continue };
        let distance = match decoded {
            Instruction::Call(CallTarget::Local(distance)) => Some(distance),
            _ => decoded.jump_offset(),
        };
        let lands =
            |distance: i32| jump_target(pc, distance).and_then(|to| starts.get(to).copied());
        let Some(distance) = distance.filter(|_| starts[pc]) else { continue };
        if lands(distance) != Some(true) {
            let insn = insns[pc];
            insns[pc] = match decoded {
                Instruction::Call(_) => BpfInsn::call(5),
                // The long jump has its distance in the immediate.
                Instruction::Jump { .. } => BpfInsn::ja(0),
                _ => insn.with_off(0),
            };
        }
    }
}

/// A program that computes with unknown numbers.
fn unknowns(input: &mut Input<'_>) -> Case {
    let mut case = unknown::case(input);
    case.insns.truncate(MAX_SLOTS);
    case
}

/// A program that the tests generate, with slots changed.
fn generated(input: &mut Input<'_>) -> Case {
    let mut case = random::valid(u64::from(input.u16()));
    case.insns.truncate(MAX_SLOTS);
    changed(case, input)
}

/// A program with a few slots changed.
fn changed(mut case: Case, input: &mut Input<'_>) -> Case {
    for _ in 0..input.below(6) {
        let at = usize::from(input.u16()) % case.insns.len();
        let insn = case.insns[at];
        case.insns[at] = match input.below(16) {
            0..3 => insn.with_imm(input.u32().cast_signed()),
            3..6 => insn.with_off(i16::from(input.u8().cast_signed())),
            6..9 => insn.with_src(input.u8() % 11),
            9..12 => {
                let dst = input.u8() % 11;
                BpfInsn::new(insn.code(), dst, insn.src(), insn.off(), insn.imm())
            }
            12..15 => instruction(input, None),
            _ => BpfInsn::from_bytes(input.array()),
        };
    }
    case
}
