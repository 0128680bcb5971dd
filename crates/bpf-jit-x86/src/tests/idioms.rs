//! Sequences that the selection looks for, and some that are nearly ones:
//! counts that do not fit, operands that are the same register, temporaries that
//! are read again, other instructions and jumps in between.

use std::vec::Vec;

use bpf_bytecode::BpfInsn;

use super::generator::{Dice, Item, Style};

/// Registers of a body.
const REGISTERS: [u8; 8] = [0, 1, 2, 3, 4, 5, 7, 8];

const ADD: u8 = 0x00;
const SUB: u8 = 0x10;
const MUL: u8 = 0x20;
const OR: u8 = 0x40;
const AND: u8 = 0x50;
const LSH: u8 = 0x60;
const RSH: u8 = 0x70;
const XOR: u8 = 0xa0;
const MOV: u8 = 0xb0;
const ARSH: u8 = 0xc0;

/// `goto`, to be given a target.
const JUMP: BpfInsn = BpfInsn::new(0x05, 0, 0, 0, 0);

/// 32 or 64 bits wide.
#[derive(Clone, Copy)]
struct Wide(bool);

impl Wide {
    fn class(self) -> u8 {
        if self.0 { 7 } else { 4 }
    }

    fn bits(self) -> i32 {
        if self.0 { 64 } else { 32 }
    }

    fn imm(self, op: u8, dst: u8, imm: i32) -> BpfInsn {
        BpfInsn::new(op | self.class(), dst, 0, 0, imm)
    }

    fn reg(self, op: u8, dst: u8, src: u8) -> BpfInsn {
        BpfInsn::new(op | 8 | self.class(), dst, src, 0, 0)
    }
}

/// Appends one of them. The function is called with R10's frame and the context
/// in R6, 64 bytes each.
pub(super) fn push(dice: &mut Dice, items: &mut Vec<Item>, style: Style) {
    let [a, b, c] = core::array::from_fn(|_| dice.pick(&REGISTERS));
    let wide = Wide(dice.one_in(2));
    let near = |dice: &mut Dice| Wide(wide.0 != dice.one_in(8));
    let mut insns = Vec::new();
    match dice.below(20) {
        0 | 1 => address(dice, items, [a, b, c], style),
        2 => rotation(dice, &mut insns, [a, b, c], wide),
        15 | 16 => masked(dice, items, [a, b, c]),
        17..=19 => bits(dice, items, [a, b, c], wide),
        13 | 14 => parts(dice, &mut insns, [a, b, c], wide),
        3 => {
            let up = dice.pick(&[32, 32, 48, 56, 24, 16]);
            let down = if dice.one_in(2) { up } else { dice.pick(&[29, 30, 31, 33, 40, 63]) };
            let right = dice.pick(&[RSH, ARSH]);
            insns.push(near(dice).reg(MOV, a, b));
            let wide = Wide(!dice.one_in(4));
            let again = Wide(wide.0 != dice.one_in(8));
            insns.push(wide.imm(LSH, a, up % wide.bits()));
            insns.push(again.imm(right, a, down % again.bits()));
        }
        4 => {
            // Registers change places.
            insns.push(near(dice).reg(MOV, a, b));
            insns.push(near(dice).reg(MOV, b, c));
            insns.push(near(dice).reg(MOV, c, a));
            insns.push(near(dice).imm(ADD, b, dice.pick(&[1, -1, 8, 1000])));
            insns.push(near(dice).reg(MOV, a, b));
        }
        5 | 6 => memory(dice, items, [a, b], wide),
        11 => bytes(dice, items, [a, b, c], style),
        7 => {
            // Arithmetic, and a comparison of the result with 0.
            let op = dice.pick(&[ADD, SUB, AND, AND, OR, XOR, LSH, RSH]);
            let imm = dice.pick(&[1, 7, 31, 16, 3]);
            insns.push(near(dice).imm(op, a, if op == AND { -imm } else { imm }));
            items.extend(insns.drain(..).map(Item::plain));
            let compared = near(dice);
            branch(dice, items, compared, a, 0);
        }
        8 => {
            insns.push(near(dice).reg(MOV, a, b));
            insns.push(near(dice).imm(MUL, a, dice.pick(&[3, 5, 9, 7, -1, 31, 1000])));
            insns.push(near(dice).reg(ADD, a, c));
        }
        9 => {
            // A sum of up to three and a number.
            insns.push(near(dice).reg(MOV, a, b));
            insns.push(near(dice).imm(LSH, a, dice.pick(&[1, 2, 3, 4])));
            insns.push(near(dice).reg(ADD, a, c));
            insns.push(near(dice).imm(ADD, a, dice.pick(&[0, 1, -128, 128, 4096, i32::MAX])));
            insns.push(near(dice).reg(dice.pick(&[ADD, SUB, MOV]), c, a));
        }
        10 => {
            // Numbers as operands.
            insns.push(near(dice).imm(MOV, a, dice.pick(&[0, 1, -1, 5, 300, i32::MIN])));
            let op = dice.pick(&[ADD, SUB, MUL, OR, AND, XOR, LSH, RSH, ARSH, MOV]);
            insns.push(near(dice).reg(op, b, a));
            insns.push(near(dice).reg(dice.pick(&[ADD, XOR]), a, c));
        }
        _ => {
            // Upper halves that are zero.
            insns.push(Wide(false).reg(MOV, a, b));
            insns.push(near(dice).imm(dice.pick(&[RSH, AND, ADD]), a, dice.pick(&[1, 8, 24])));
            insns.push(near(dice).reg(dice.pick(&[ADD, OR, MUL, SUB]), a, c));
            insns.push(Wide(false).reg(MOV, c, a));
            insns.push(Wide(true).imm(LSH, a, 32));
            insns.push(Wide(true).imm(RSH, a, 32));
        }
    }
    items.extend(insns.into_iter().map(Item::plain));
    // Often what was computed on the way is read no more.
    if dice.one_in(2) {
        let dead = dice.pick(&[a, b, c]);
        items.push(Item::plain(BpfInsn::mov64_imm(dead, dice.pick(&[0, 7, -7]))));
    }
}

/// `a = b << n | b >> m`, in several orders.
fn rotation(dice: &mut Dice, insns: &mut Vec<BpfInsn>, [a, b, c]: [u8; 3], wide: Wide) {
    let left = 1 + i32::try_from(dice.below(31)).unwrap_or(0);
    let right = wide.bits() - left - i32::from(dice.one_in(5));
    let (first, second) =
        if dice.one_in(2) { ((LSH, left), (RSH, right)) } else { ((RSH, right), (LSH, left)) };
    insns.push(wide.reg(MOV, a, b));
    insns.push(wide.imm(first.0, a, first.1));
    // Of the register itself, or of a copy of it.
    let other = if dice.one_in(2) { b } else { c };
    if other != b {
        insns.push(wide.reg(MOV, other, b));
    }
    if dice.one_in(6) {
        insns.push(wide.imm(ADD, b, 1));
    }
    insns.push(wide.imm(second.0, other, second.1 & (wide.bits() - 1)));
    let (into, from) = if dice.one_in(2) { (a, other) } else { (other, a) };
    let op = dice.pick(&[OR, OR, XOR, ADD, SUB]);
    insns.push(Wide(wide.0 != dice.one_in(8)).reg(op, into, from));
}

/// `a = b << n | (b & mask) >> m`, as code has it that rotates without operations of 32 bits.
/// Other steps and jumps may come between the mask and what it is for.
fn masked(dice: &mut Dice, items: &mut Vec<Item>, [a, b, c]: [u8; 3]) {
    let wide = Wide(true);
    let near = |dice: &mut Dice| Wide(!dice.one_in(8));
    let down = 1 + dice.below(31);
    let high = if dice.one_in(8) { 0 } else { dice.pick(&[0, 0, 0, 1, u32::MAX]) };
    let kept = dice.pick(&[0, 0, 0, 1, 4]);
    let mask = u32::MAX.wrapping_shl(u32::try_from(down).unwrap_or(0).saturating_sub(kept));
    let mask = if dice.one_in(6) { mask >> 1 } else { mask };
    let down = i32::try_from(down).unwrap_or(1) - i32::from(dice.one_in(8));
    let number = Item::plain(BpfInsn::new(0x18, c, 0, 0, mask.cast_signed()));
    items.push(Item { high: Some(high.cast_signed()), ..number });
    let mut insns = Vec::new();
    let between = |dice: &mut Dice, insns: &mut Vec<BpfInsn>| {
        for _ in 0..dice.below(3) {
            let [dst, src] = core::array::from_fn(|_| dice.pick(&REGISTERS));
            // Mostly what has no part in it.
            if ![dst, src].contains(&a) && dst != c || dice.one_in(6) {
                insns.push(near(dice).reg(dice.pick(&[MOV, ADD, XOR]), dst, src));
            }
        }
    };
    between(dice, &mut insns);
    if dice.one_in(4) {
        items.extend(insns.drain(..).map(Item::plain));
        let imm = dice.pick(&[0, 1, -1]);
        branch(dice, items, wide, b, imm);
    }
    insns.push(near(dice).reg(MOV, a, b));
    insns.push(near(dice).reg(AND, a, c));
    between(dice, &mut insns);
    insns.push(near(dice).imm(dice.pick(&[RSH, RSH, RSH, RSH, ARSH]), a, down & 31));
    insns.push(near(dice).imm(LSH, b, 32 - down));
    insns.push(near(dice).reg(dice.pick(&[OR, OR, XOR, ADD]), b, a));
    if dice.one_in(3) {
        insns.push(near(dice).reg(dice.pick(&[XOR, MOV]), b, c));
    }
    items.extend(insns.into_iter().map(Item::plain));
}

/// Bits that a register counts, which may be under a mask, and what is done with them.
fn bits(dice: &mut Dice, items: &mut Vec<Item>, [a, b, c]: [u8; 3], wide: Wide) {
    let near = |dice: &mut Dice| Wide(wide.0 != dice.one_in(8));
    let [other, more] = core::array::from_fn(|_| dice.pick(&REGISTERS));
    let mut insns = Vec::new();
    let masked = |dice: &mut Dice, insns: &mut Vec<BpfInsn>, dst, src| {
        if !dice.one_in(4) {
            insns.push(near(dice).reg(MOV, dst, src));
        }
        insns.push(near(dice).imm(AND, dst, dice.pick(&[63, 31, 15, 255, -1, -64, 0x1f_ffff])));
    };
    let count = if dice.one_in(2) { c } else { b };
    if count == c {
        masked(dice, &mut insns, c, b);
    }
    match dice.below(4) {
        0 => insns.push(near(dice).reg(dice.pick(&[LSH, RSH, ARSH]), a, count)),
        1 => {
            masked(dice, &mut insns, a, b);
            insns.push(near(dice).reg(dice.pick(&[MOV, ADD, XOR]), other, more));
            if dice.one_in(3) {
                masked(dice, &mut insns, a, a);
            }
            items.extend(insns.drain(..).map(Item::plain));
            let compared = near(dice);
            branch(dice, items, compared, a, 0);
        }
        _ => {
            insns.push(near(dice).imm(MOV, a, dice.pick(&[1, 1, 1, 2])));
            insns.push(near(dice).reg(LSH, a, count));
            if dice.one_in(3) {
                insns.push(near(dice).imm(XOR, a, -1));
            }
            if dice.one_in(3) {
                insns.push(near(dice).reg(dice.pick(&[MOV, ADD, XOR]), b, more));
            }
            let (into, from) = if dice.one_in(3) { (a, other) } else { (other, a) };
            insns.push(near(dice).reg(dice.pick(&[OR, XOR, AND]), into, from));
            items.extend(insns.drain(..).map(Item::plain));
            if dice.one_in(2) {
                let compared = near(dice);
                branch(dice, items, compared, into, 0);
            }
        }
    }
    items.extend(insns.into_iter().map(Item::plain));
    if dice.one_in(2) {
        let dead = dice.pick(&[a, b, c]);
        items.push(Item::plain(BpfInsn::mov64_imm(dead, 5)));
    }
}

/// `b = (b & mask) + (b >> n)`, with other steps in between.
fn parts(dice: &mut Dice, insns: &mut Vec<BpfInsn>, [a, b, c]: [u8; 3], wide: Wide) {
    let near = |dice: &mut Dice| Wide(wide.0 != dice.one_in(6));
    let between = |dice: &mut Dice, insns: &mut Vec<BpfInsn>| {
        for _ in 0..dice.below(4) {
            if dice.one_in(2) {
                let [dst, src] = core::array::from_fn(|_| dice.pick(&REGISTERS));
                // Mostly what has no part in it.
                let touches = [dst, src].iter().any(|register| [a, b].contains(register));
                if !touches || dice.one_in(4) {
                    let op = dice.pick(&[MOV, ADD, XOR, RSH, SUB]);
                    insns.push(near(dice).reg(op, dst, src));
                }
            }
        }
    };
    insns.push(near(dice).reg(MOV, a, b));
    insns.push(near(dice).imm(
        dice.pick(&[RSH, RSH, RSH, ARSH, LSH]),
        a,
        dice.pick(&[16, 8, 1, 28]),
    ));
    if dice.one_in(4) {
        between(dice, insns);
    }
    match dice.below(4) {
        0 => insns.push(Wide(false).reg(MOV, b, b)),
        1 => insns.push(near(dice).imm(AND, b, dice.pick(&[0xff, 0xfff, -1]))),
        _ => insns.push(near(dice).imm(AND, b, 0xffff)),
    }
    between(dice, insns);
    let (into, from) = if dice.one_in(4) { (a, b) } else { (b, a) };
    let op = dice.pick(&[ADD, ADD, OR, XOR, SUB, AND, MOV]);
    let from = if dice.one_in(8) { c } else { from };
    insns.push(near(dice).reg(op, into, from));
    if dice.one_in(2) {
        // Which bits may be set counts.
        insns.push(near(dice).imm(AND, into, dice.pick(&[0xffff, 0xff, 0x1ffff])));
    }
    if dice.one_in(2) {
        // Otherwise the temporary may be read again.
        insns.push(BpfInsn::mov64_imm(from, 3));
    }
}

/// An access whose address is computed. No jump leads into it, as it would be
/// one to another address.
fn address(dice: &mut Dice, items: &mut Vec<Item>, [a, b, c]: [u8; 3], style: Style) {
    let (base, low) = if dice.one_in(2) { (10, -64) } else { (6, 0) };
    let scale = i32::try_from(dice.below(4)).unwrap_or(0);
    let mask = 56 >> scale;
    if a == b || a == 7 || style == Style::Strict && base == 6 {
        return;
    }
    let mut insns = Vec::new();
    insns.push(Wide(true).imm(AND, b, mask));
    let (index, base_first) = (b, dice.one_in(2));
    if scale > 0 {
        insns.push(Wide(true).imm(LSH, index, scale));
    }
    if base_first {
        insns.push(Wide(true).reg(MOV, a, base));
        insns.push(Wide(true).imm(ADD, a, low));
        insns.push(Wide(true).reg(ADD, a, index));
    } else {
        insns.push(Wide(true).reg(MOV, a, index));
        insns.push(Wide(true).reg(ADD, a, base));
    }
    let off = i16::try_from(if base_first { 0 } else { low }).unwrap_or(0);
    if dice.one_in(4) {
        // What the address is made of changes before it is used.
        insns.push(Wide(true).imm(ADD, index, 1));
    }
    let size = dice.pick(&[0x00, 0x08, 0x10, 0x18]);
    for _ in 0..=dice.below(2) {
        insns.push(match dice.below(4) {
            _ if c == a => BpfInsn::mov64_reg(7, index),
            0 => BpfInsn::new(0x63 | size, a, c, off, 0),
            1 => BpfInsn::new(0x62 | size, a, 0, off, dice.pick(&[0, 1, -1, 0x1234_5678])),
            _ => BpfInsn::new(0x61 | size, c, a, off, 0),
        });
    }
    // The address differs from run to run: nothing else sees it.
    insns.push(BpfInsn::mov64_imm(a, dice.pick(&[0, 3, -3])));
    let first = items.len();
    items.extend(insns.into_iter().map(|insn| Item { bound: true, ..Item::plain(insn) }));
    if let Some(item) = items.get_mut(first) {
        item.bound = false;
    }
}

/// A number that is put together of bytes, or nearly one.
fn bytes(dice: &mut Dice, items: &mut Vec<Item>, [a, b, c]: [u8; 3], style: Style) {
    let (base, low) = if dice.one_in(2) { (10, -64) } else { (6, 0) };
    if a == b || a == c || b == c || style == Style::Strict && base == 6 {
        return;
    }
    let count = dice.pick(&[2_usize, 2, 4, 4, 8, 3]);
    let wide = Wide(count > 4 || dice.one_in(2));
    let (reversed, last_first) = (dice.one_in(2), dice.one_in(2));
    let start = i16::try_from(dice.below(56)).unwrap_or(0);
    let mut insns = std::vec![Wide(true).reg(MOV, a, base), Wide(true).imm(ADD, a, low)];
    for number in 0..count {
        let at = if last_first { count - 1 - number } else { number };
        let wrong = usize::from(dice.one_in(24));
        let place = if reversed { count - 1 - at } else { at } + wrong;
        let off = start + i16::try_from(place).unwrap_or(0);
        let into = if number == 0 { b } else { c };
        insns.push(BpfInsn::new(0x71, into, a, off, 0));
        let by = i32::try_from(at * 8).unwrap_or(0) + i32::from(dice.one_in(24));
        if by > 0 {
            insns.push(wide.imm(LSH, into, by % wide.bits()));
        }
        if number > 0 {
            insns.push(wide.reg(dice.pick(&[OR, OR, ADD, XOR]), b, c));
        }
    }
    // What is left in the other register is read at times.
    if !dice.one_in(3) {
        insns.push(BpfInsn::mov64_imm(c, 5));
    }
    // The address differs from run to run: nothing else sees it.
    insns.push(BpfInsn::mov64_imm(a, -3));
    let first = items.len();
    items.extend(insns.into_iter().map(|insn| Item { bound: true, ..Item::plain(insn) }));
    if let Some(item) = items.get_mut(first) {
        item.bound = false;
    }
}

/// Loads and stores with something done to the value in between.
fn memory(dice: &mut Dice, items: &mut Vec<Item>, [a, b]: [u8; 2], wide: Wide) {
    let size = dice.pick(&[0x00_u8, 0x08, 0x10, 0x18]);
    let at = |dice: &mut Dice| i16::try_from(dice.below(8) * 8).unwrap_or(0) - 64;
    let off = at(dice);
    let load = BpfInsn::new(0x61 | size, a, 10, off, 0);
    let swapped = dice.pick(&[16, 32, 64]);
    let swap = BpfInsn::new(if dice.one_in(2) { 0xdc } else { 0xd7 }, a, 0, 0, swapped);
    let other = if dice.one_in(4) { at(dice) } else { off };
    let store = BpfInsn::new(0x63 | size, 10, a, other, 0);
    let op = dice.pick(&[ADD, SUB, MUL, OR, AND, XOR]);
    let kind = dice.below(5);
    let middle = match kind {
        0 | 1 => [Some(load), Some(swap), dice.one_in(2).then_some(store)],
        2 => [Some(load), Some(wide.imm(op, a, dice.pick(&[1, -1, 255, 1000]))), Some(store)],
        3 => [Some(load), Some(wide.reg(op, a, b)), Some(store)],
        _ => [Some(load), Some(wide.reg(op, b, a)), None],
    };
    items.extend(middle.into_iter().flatten().map(Item::plain));
    if dice.one_in(3) {
        // A sign, or nearly one.
        let up = dice.pick(&[32, 48, 56, 16, 24]) % wide.bits();
        let down = if dice.one_in(6) { up + 1 } else { up };
        let near = Wide(wide.0 != dice.one_in(8));
        let right = near.imm(dice.pick(&[ARSH, ARSH, ARSH, RSH]), a, down);
        items.extend([load, wide.imm(LSH, a, up), right].map(Item::plain));
    }
    if dice.one_in(3) {
        items.push(Item::plain(load));
        let imm = dice.pick(&[0, 1, 6, 255, 256, -1]);
        branch(dice, items, wide, a, imm);
    }
}

/// A jump over some of what follows; at times over another jump.
fn branch(dice: &mut Dice, items: &mut Vec<Item>, wide: Wide, dst: u8, imm: i32) {
    let class = if wide.0 { 5 } else { 6 };
    let cond = dice.pick(&[0x10, 0x50, 0x20, 0x30, 0xa0, 0xb0, 0x60, 0x70, 0xc0, 0xd0, 0x40]);
    let insn = BpfInsn::new(cond | class, dst, 0, 0, imm);
    if dice.one_in(4) {
        items.push(Item { target: Some(items.len() + 2), ..Item::plain(insn) });
        let target = Some(items.len() + 1 + dice.below(4));
        return items.push(Item { target, ..Item::plain(JUMP) });
    }
    if dice.one_in(3) {
        // One value or another.
        let [into, from] = core::array::from_fn(|_| dice.pick(&REGISTERS));
        let near = Wide(dice.one_in(2));
        let value =
            if dice.one_in(2) { near.reg(MOV, into, from) } else { near.imm(MOV, into, imm) };
        let meets = items.len() + if dice.one_in(3) { 3 + dice.below(4) } else { 2 };
        items.push(Item { target: Some(meets), ..Item::plain(insn) });
        items.push(Item::plain(value));
        if meets > items.len() {
            items.push(Item { target: Some(meets), ..Item::plain(JUMP) });
        }
        return;
    }
    let target = Some(items.len() + 1 + dice.below(4));
    items.push(Item { target, ..Item::plain(insn) });
}
