//! Programs made from random numbers.

use std::vec;
use std::vec::Vec;

use bpf_bytecode::BpfInsn;
use bpf_bytecode::opcode::Source;
use bpf_bytecode::table::{Form, INSTRUCTION_SET, InsnDef};

use super::idioms;

/// Numbers drawn from a seed (xorshift), so that a failing program is known by
/// one number.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    #[allow(clippy::cast_possible_truncation)]
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// One instruction; `target` is the index of the item that it jumps to.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) insn: BpfInsn,
    /// Second slot of a 64-bit immediate load.
    pub(super) high: Option<i32>,
    pub(super) target: Option<usize>,
    /// Belongs to the item before; a jump to it goes to the next that does not.
    pub(super) bound: bool,
}

impl Item {
    pub(super) fn plain(insn: BpfInsn) -> Self {
        Self { insn, high: None, target: None, bound: false }
    }
}

/// Lays items out and fills the distances in.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
pub(super) fn lay_out(items: &[Item]) -> Vec<BpfInsn> {
    let mut starts = Vec::new();
    let mut at = 0;
    for item in items {
        starts.push(at);
        at += 1 + usize::from(item.high.is_some());
    }
    let mut out = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut insn = item.insn;
        if let Some(mut target) = item.target {
            while items[target].bound {
                target += 1;
            }
            let distance = starts[target] as i64 - starts[index] as i64 - 1;
            let wide =
                insn.code() == BpfInsn::gotol(0).code() || insn.code() == BpfInsn::call(0).code();
            insn =
                if wide { insn.with_imm(distance as i32) } else { insn.with_off(distance as i16) };
        }
        out.push(insn);
        if let Some(high) = item.high {
            out.push(BpfInsn::new(0, 0, 0, 0, high));
        }
    }
    out
}

const IMMEDIATES: [i32; 12] = [0, 1, -1, 2, 7, 8, 63, 64, 255, 0x7fff_ffff, i32::MIN, 0x1234_5678];

fn immediate(dice: &mut Dice) -> i32 {
    if dice.one_in(4) {
        let [a, b, c, d, ..] = dice.next().to_le_bytes();
        return i32::from_le_bytes([a, b, c, d]);
    }
    dice.pick(&IMMEDIATES)
}

/// Any program that can be built, with memory accesses near what there is to
/// access. R10 is never an operand but as an address: its value differs from
/// run to run.
pub(super) fn any(seed: u64) -> Vec<BpfInsn> {
    let mut dice = Dice::new(seed);
    let count = 2 + dice.below(60);
    let mut items = Vec::new();
    for register in 0..10 {
        if register != 1 && dice.one_in(2) {
            let [low, high] = [immediate(&mut dice), immediate(&mut dice)];
            let insn = BpfInsn::new(0x18, register, 0, 0, low);
            items.push(Item { high: Some(high), ..Item::plain(insn) });
        }
    }
    let all = items.len() + count;
    while items.len() < all {
        let def = &INSTRUCTION_SET[dice.below(INSTRUCTION_SET.len())];
        if let Some(item) = any_item(&mut dice, def, all) {
            items.push(item);
        }
    }
    items.push(Item::plain(BpfInsn::exit()));
    lay_out(&items)
}

fn any_item(dice: &mut Dice, def: &InsnDef, all: usize) -> Option<Item> {
    let (ops, fixed) = (def.operands, def.fixed);
    let number =
        |dice: &mut Dice| u8::try_from(dice.pick(&[0, 0, 2, 3, 4, 5, 6, 7, 8, 9])).unwrap_or(0);
    let mut dst = if ops.has_dst() { number(dice) } else { fixed.dst() };
    let mut src = if ops.has_src() { number(dice) } else { fixed.src() };
    let mut off = fixed.off();
    let mut imm = if ops.has_imm() { immediate(dice) } else { fixed.imm() };
    let (mut target, mut high) = (None, None);
    match def.form {
        Form::CallKfunc => return None,
        Form::Exit if !dice.one_in(8) => return None,
        // Rarely a write to R10.
        Form::Alu(..) | Form::Neg(_) | Form::MovSx(..) if dice.one_in(60) => dst = 10,
        Form::LoadImm64 => high = Some(immediate(dice)),
        Form::Load(..) | Form::LoadAcquire(_) => (src, off) = place(dice, src),
        Form::Store(..) | Form::Atomic(..) | Form::StoreRelease(_) => {
            (dst, off) = place(dice, dst);
        }
        Form::LegacyAbs(_) | Form::LegacyInd(_) => {
            imm = i32::try_from(dice.below(20)).unwrap_or(0);
        }
        Form::CallHelper => imm = dice.pick(&[5, 7, 8, 7, 8, 1, 12, 6, 99_999]),
        Form::CallLocal | Form::Ja | Form::Gotol | Form::JumpIf(..) | Form::MayGoto => {
            target = Some(dice.below(all));
        }
        _ => {}
    }
    let insn = BpfInsn::new(def.code, dst, src, off, imm);
    Some(Item { high, target, ..Item::plain(insn) })
}

/// A base and an offset, mostly of the stack or the context.
fn place(dice: &mut Dice, other: u8) -> (u8, i16) {
    let within = i16::try_from(dice.below(64)).unwrap_or(0);
    let aligned = within & !7;
    match dice.below(16) {
        0..=7 => (10, aligned - 64),
        8..=12 => (1, aligned),
        13 => (10, within - 60),
        14 => (1, within - 8),
        _ => (other, within),
    }
}

/// What a program that is right by construction may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Everything that has a meaning.
    Free,
    /// What the verifier does not refuse on principle.
    Strict,
}

/// A program that is right by construction: arithmetic on initialised
/// registers, accesses within the frame and the 64 bytes of context, forward
/// jumps, a counted loop, calls of a function.
pub(super) fn right(seed: u64, style: Style) -> Vec<BpfInsn> {
    let mut dice = Dice::new(seed);
    let mut items = Vec::new();
    // R6 keeps the context, R9 counts.
    items.push(Item::plain(BpfInsn::mov64_reg(6, 1)));
    prologue(&mut dice, &mut items, &[0, 1, 2, 3, 4, 5, 7, 8]);
    let rounds = if style == Style::Strict { 2 } else { 5 };
    items.push(Item::plain(BpfInsn::mov64_imm(9, rounds)));
    call(&mut items);
    let top = items.len();
    let count = 5 + dice.below(if style == Style::Strict { 15 } else { 40 });
    body(&mut dice, &mut items, count, true, style);
    items.push(Item::plain(BpfInsn::sub64_imm(9, 1)));
    items.push(Item { target: Some(top), ..Item::plain(BpfInsn::jne_imm(9, 0, 0)) });
    for register in [1, 2, 3, 4, 5, 7, 8] {
        items.push(Item::plain(BpfInsn::mul64_imm(0, 31)));
        items.push(Item::plain(BpfInsn::add64_reg(0, register)));
    }
    items.push(Item::plain(BpfInsn::exit()));
    // The function that `body` calls, with the context in R1.
    let function = items.len();
    items.push(Item::plain(BpfInsn::mov64_reg(6, 1)));
    prologue(&mut dice, &mut items, &[0, 1, 2, 3, 4, 5, 7, 8, 9]);
    let count = 5 + dice.below(20);
    body(&mut dice, &mut items, count, false, style);
    items.push(Item::plain(BpfInsn::exit()));
    for item in &mut items {
        if item.insn.code() == BpfInsn::call(0).code() && item.insn.src() == 1 {
            item.target = Some(function);
        }
    }
    lay_out(&items)
}

/// Gives registers and the frame's last 64 bytes values.
fn prologue(dice: &mut Dice, items: &mut Vec<Item>, registers: &[u8]) {
    for &register in registers {
        let [low, high] = [immediate(dice), immediate(dice)];
        let insn = BpfInsn::new(0x18, register, 0, 0, low);
        items.push(Item { high: Some(high), ..Item::plain(insn) });
    }
    for slot in 1..=8 {
        items.push(Item::plain(BpfInsn::stx_dw(10, -8 * slot, dice.pick(registers))));
    }
}

/// Calls the function with the context.
fn call(items: &mut Vec<Item>) {
    items.push(Item::plain(BpfInsn::mov64_reg(1, 6)));
    items.push(Item { bound: true, ..Item::plain(BpfInsn::call_local(0)) });
    // What a call leaves undefined.
    for register in 1..=5 {
        let insn = BpfInsn::mov64_reg(register, 0);
        items.push(Item { bound: true, ..Item::plain(insn) });
    }
}

fn body(dice: &mut Dice, items: &mut Vec<Item>, count: usize, calls: bool, style: Style) {
    let registers = [0, 1, 2, 3, 4, 5, 7, 8];
    let end = items.len() + count;
    while items.len() < end {
        if items.len() + 16 < end && dice.one_in(4) {
            idioms::push(dice, items, style);
            continue;
        }
        let def = &INSTRUCTION_SET[dice.below(INSTRUCTION_SET.len())];
        let (ops, fixed) = (def.operands, def.fixed);
        let mut dst = if ops.has_dst() { dice.pick(&registers) } else { fixed.dst() };
        let mut src = if ops.has_src() { dice.pick(&registers) } else { fixed.src() };
        let mut off = fixed.off();
        let mut imm = if ops.has_imm() { immediate(dice) } else { fixed.imm() };
        let (mut high, mut target) = (None, None);
        let (base, at) = if dice.one_in(3) { (6, dice.below(8)) } else { (10, dice.below(8)) };
        let at = i16::try_from(at * 8).unwrap_or(0) - if base == 10 { 64 } else { 0 };
        match def.form {
            // Would leave unreachable code.
            Form::Ja | Form::Gotol if style == Style::Strict => continue,
            Form::Atomic(..) | Form::StoreRelease(_) | Form::LoadAcquire(_)
                if style == Style::Strict && base == 6 =>
            {
                continue;
            }
            Form::Alu(op, width, Source::Imm) if style == Style::Strict => {
                if op.is_shift() {
                    imm &= width.bits().cast_signed() - 1;
                } else if op.is_division() && imm == 0 {
                    imm = 3;
                }
            }
            Form::Alu(..) | Form::Neg(_) | Form::MovSx(..) | Form::ByteSwap(..) => {}
            Form::LoadImm64 => high = Some(immediate(dice)),
            Form::Load(..) | Form::LoadAcquire(_) => (src, off) = (base, at),
            Form::Store(..) | Form::StoreRelease(_) | Form::Atomic(..) => (dst, off) = (base, at),
            Form::Ja | Form::Gotol | Form::JumpIf(..) => {
                target = Some((items.len() + 1 + dice.below(6)).min(end));
            }
            Form::CallLocal if calls && items.len() + 8 < end => {
                call(items);
                continue;
            }
            _ => continue,
        }
        let insn = BpfInsn::new(def.code, dst, src, off, imm);
        items.push(Item { high, target, ..Item::plain(insn) });
    }
}

/// A program that is right by construction, in which control may go from many places to any
/// other: loops have several entries, and cross one another. R9 counts the jumps back that
/// are left. In between are choices, whose outcome is a matter of chance.
pub(super) fn tangled(seed: u64) -> Vec<BpfInsn> {
    let mut dice = Dice::new(seed);
    let mut items = vec![Item::plain(BpfInsn::mov64_reg(6, 1))];
    prologue(&mut dice, &mut items, &[0, 1, 2, 3, 4, 5, 7, 8]);
    items.push(Item::plain(BpfInsn::mov64_imm(9, 25)));
    let mut open = Vec::new();
    let top = items.len();
    for _ in 0..2 + dice.below(6) {
        match dice.below(4) {
            0 => {
                let count = 2 + dice.below(20);
                body(&mut dice, &mut items, count, true, Style::Free);
            }
            1 => choice(&mut dice, &mut items),
            _ => {
                for _ in 0..dice.below(4) {
                    choice(&mut dice, &mut items);
                }
                let count = dice.below(4);
                body(&mut dice, &mut items, count, false, Style::Free);
            }
        }
        for _ in 0..=dice.below(2) {
            items.push(Item::plain(BpfInsn::sub64_imm(9, 1)));
            open.push((items.len(), true));
            // If R9 is not above 0.
            let leave = BpfInsn::new(0xd5, 9, 0, 0, 0);
            items.push(Item { bound: true, ..Item::plain(leave) });
            open.push((items.len(), false));
            let [a, b] = [0; 2].map(|_| dice.pick(&[0, 1, 2, 3, 4, 5, 7, 8]));
            let jump = match dice.below(6) {
                0 => BpfInsn::new(0x05, 0, 0, 0, 0),
                1 => BpfInsn::new(0x46, a, 0, 0, 0x11),
                2 => BpfInsn::new(0x45, a, 0, 0, 1 << dice.below(9)),
                3 => BpfInsn::new(0xbe, a, b, 0, 0),
                _ => BpfInsn::new(0x2d, a, b, 0, 0),
            };
            items.push(Item { bound: true, ..Item::plain(jump) });
        }
    }
    let end = items.len();
    for (at, leaves) in open {
        items[at].target = Some(if leaves { end } else { top + dice.below(end - top) });
    }
    for register in [1, 2, 3, 4, 5, 7, 8, 9] {
        items.push(Item::plain(BpfInsn::mul64_imm(0, 31)));
        items.push(Item::plain(BpfInsn::add64_reg(0, register)));
    }
    items.push(Item::plain(BpfInsn::exit()));
    let function = items.len();
    prologue(&mut dice, &mut items, &[0, 2, 3, 4, 5, 6, 7, 8, 9]);
    items.push(Item::plain(BpfInsn::mov64_reg(6, 1)));
    let count = 1 + dice.below(8);
    body(&mut dice, &mut items, count, false, Style::Free);
    items.push(Item::plain(BpfInsn::exit()));
    for item in &mut items {
        if item.insn.code() == BpfInsn::call(0).code() && item.insn.src() == 1 {
            item.target = Some(function);
        }
    }
    lay_out(&items)
}

/// A program of nothing but copies, sums, and shifts to the left by so few bits that they are
/// part of an address, in both widths.
pub(super) fn sums(seed: u64) -> Vec<BpfInsn> {
    const NUMBERS: [i32; 8] = [1, -1, 127, -128, 128, i32::MAX, i32::MIN, 0x1234];
    let mut dice = Dice::new(seed);
    let registers: &[u8] = if dice.one_in(2) { &[2, 3, 7, 9] } else { &[0, 2, 3, 4, 5, 7, 8, 9] };
    let mut insns = Vec::new();
    for (at, register) in (0..).step_by(8).zip([0, 2, 3, 4, 5, 7, 8, 9]) {
        insns.push(BpfInsn::ldx_dw(register, 1, at));
        // Many sums have a carry out of the lower half.
        if dice.one_in(2) {
            insns.push(BpfInsn::new(0x47, register, 0, 0, -0x100));
        }
    }
    for _ in 0..4 + dice.below(24) {
        let [dst, src] = [0; 2].map(|_| dice.pick(registers));
        let class = dice.pick(&[4, 7, 7]);
        insns.push(match dice.below(9) {
            0 | 1 => BpfInsn::new(0xb8 | class, dst, src, 0, 0),
            2 | 3 => BpfInsn::new(class, dst, 0, 0, dice.pick(&NUMBERS)),
            4..=6 => BpfInsn::new(0x08 | class, dst, src, 0, 0),
            7 => BpfInsn::new(0x60 | class, dst, 0, 0, dice.pick(&[1, 1, 2, 3, 4])),
            _ => BpfInsn::stx_dw(10, -8 * i16::from(dst) - 8, src),
        });
    }
    for register in [2, 3, 4, 5, 7, 8, 9] {
        insns.push(BpfInsn::mul64_imm(0, 31));
        insns.push(BpfInsn::add64_reg(0, register));
    }
    insns.push(BpfInsn::exit());
    insns
}

/// What is loaded decides over a move, and there are numbers in front of it and behind.
fn choice(dice: &mut Dice, items: &mut Vec<Item>) {
    let registers = [0, 1, 2, 3, 4, 5, 7, 8];
    let [a, b, c, d] = core::array::from_fn(|_| dice.pick(&registers));
    let at = -8 * i16::try_from(1 + dice.below(8)).unwrap_or(1);
    let mut push = |insn| items.push(Item::plain(insn));
    push(BpfInsn::new(dice.pick(&[0x61, 0x69, 0x71, 0x79]), a, 10, at, 0));
    match dice.below(7) {
        0 => push(BpfInsn::new(dice.pick(&[0x54, 0x57]), a, 0, 0, 1 << dice.below(8))),
        1 => push(BpfInsn::new(dice.pick(&[0xbc, 0xbf]), c, d, 0, 0)),
        2 => push(BpfInsn::new(dice.pick(&[0xb4, 0xb7]), c, 0, 0, dice.pick(&[0, 1, 5]))),
        3 => push(BpfInsn::new(dice.pick(&[0x04, 0x07]), c, 0, 0, 3)),
        4 => push(BpfInsn::new(dice.pick(&[0x24, 0x27]), c, 0, 0, dice.pick(&[31, 33, 7, 17]))),
        _ => {}
    }
    let condition = dice.pick(&[0x10, 0x50, 0x20, 0x30, 0x40, 0xa0, 0xb0, 0x60, 0xd0]);
    let class = dice.pick(&[0x05, 0x06]);
    let branch = if dice.one_in(2) {
        let imm = dice.pick(&[0, 0, 0, 1, -1, 0x7f, 0x7e, -2, -129, i32::MAX, i32::MIN]);
        BpfInsn::new(condition | class, a, 0, 0, imm)
    } else {
        BpfInsn::new(condition | 8 | class, a, b, 0, 0)
    };
    let over = dice.one_in(4);
    let behind = items.len() + 2 + usize::from(over);
    items.push(Item { target: Some(behind), ..Item::plain(branch) });
    let mut push = |insn| items.push(Item::plain(insn));
    push(match dice.below(6) {
        0 => BpfInsn::new(dice.pick(&[0xb4, 0xb7]), c, 0, 0, dice.pick(&[0, 1, 5, -1])),
        1 | 2 => BpfInsn::new(0xbf, c, d, 0, 0),
        3 => BpfInsn::new(0xbc, c, a, 0, 0),
        _ => BpfInsn::new(0xbc, c, d, 0, 0),
    });
    if over {
        items.push(Item { target: Some(behind), ..Item::plain(BpfInsn::new(0x05, 0, 0, 0, 0)) });
    }
    let mut push = |insn| items.push(Item::plain(insn));
    match dice.below(4) {
        0 => push(BpfInsn::stx_dw(10, at, c)),
        1 => push(BpfInsn::add64_reg(0, c)),
        _ => {
            // A rotation, or nearly one.
            let class = dice.pick(&[4, 7]);
            let bits = if class == 7 { 64 } else { 32 };
            let by = 1 + i32::try_from(dice.below(31)).unwrap_or(0);
            let turned = dice.one_in(2);
            let [up, down] = if turned { [c, d] } else { [d, c] };
            push(BpfInsn::new(0xb8 | class, c, d, 0, 0));
            push(BpfInsn::new(0x60 | class, up, 0, 0, by));
            push(BpfInsn::new(0x70 | class, down, 0, 0, bits - by));
            let into = if dice.one_in(2) { [c, d] } else { [d, c] };
            let join = dice.pick(&[0x08, 0x48, 0xa8]);
            push(BpfInsn::new(join | class, into[0], into[1], 0, 0));
            if !dice.one_in(4) {
                push(BpfInsn::new(0x79, into[1], 10, at, 0));
            }
        }
    }
}
