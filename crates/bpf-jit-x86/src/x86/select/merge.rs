//! Numbers that are put together of bytes.
//!
//! Where a compiler does not know that an address is a multiple of the number's size, it
//! loads bytes, shifts them, and joins them: fields of packed structures, and of what
//! portable code reads in an order of its own. One load does that, perhaps with a swap.

use bpf_bytecode::Register;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size, Width};

use super::super::encode::Mem;
use super::super::regs::native;
use super::{ROOM, Selector, index, size_bits};

use crate::lower::{Address, Op, Order, Registers, Step, Then};

/// Steps that are looked at: eight bytes take 22.
const STEPS: u32 = 24;

/// What the first byte that is loaded is called.
const FIRST: i16 = 32;
/// How far from it others may be.
const NEAR: i16 = 8;

const ONES: u64 = 0x0101_0101_0101_0101;
const UPWARDS: u64 = 0x0706_0504_0302_0100;

/// Registers whose bytes are known: each is zero, or the name of a byte in memory, from
/// [`FIRST`] by its distance.
struct Bytes {
    known: Registers,
    values: [u64; ROOM],
}

/// A number in memory that a register holds after some steps.
#[derive(Clone, Copy)]
pub(super) struct Merged {
    /// Steps behind the first that are done with.
    steps: u32,
    dst: Register,
    size: Size,
    /// Of its lowest byte in memory.
    off: i16,
    /// Whether that is the highest of the number.
    swapped: bool,
}

impl Bytes {
    fn of(&self, register: Register) -> Option<u64> {
        self.known.has(register).then(|| self.values.get(index(register)).copied())?
    }

    fn set(&mut self, register: Register, width: Width, value: u64) {
        self.known = self.known.with(Registers::of(register));
        if let Some(entry) = self.values.get_mut(index(register)) {
            *entry = match width {
                Width::W32 => value & u64::from(u32::MAX),
                Width::W64 => value,
            };
        }
    }

    /// A step; whether what it does is known.
    #[inline(always)]
    fn step(&mut self, op: Op, first: Address) -> Option<Register> {
        match op {
            Op::Load { size, signed: false, order: Order::Relaxed, dst, at } => {
                let distance = at.off.checked_sub(first.off)?;
                if at.base != first.base
                    || self.known.has(first.base)
                    || distance.unsigned_abs() > NEAR.unsigned_abs()
                {
                    return None;
                }
                let name = u64::try_from(FIRST.wrapping_add(distance)).ok()?;
                let bytes = ONES.wrapping_mul(name).wrapping_add(UPWARDS);
                self.set(dst, Width::W64, bytes & lowest(size));
                Some(dst)
            }
            Op::Alu { op: AluOp::Lsh, width, dst, src: Operand::Imm(by) } if by % 8 == 0 => {
                let shifted = self.of(dst)?.checked_shl(by.cast_unsigned())?;
                self.set(dst, width, shifted);
                Some(dst)
            }
            Op::Alu { op, width, dst, src: Operand::Reg(src) } => {
                let (own, other) = (self.of(dst)?, self.of(src)?);
                let joins = matches!(op, AluOp::Or | AluOp::Add | AluOp::Xor);
                if !joins || taken(own) & taken(other) != 0 {
                    return None;
                }
                self.set(dst, width, own | other);
                Some(dst)
            }
            Op::Move { width, dst, src } => {
                let value = self.of(src)?;
                self.set(dst, width, value);
                Some(dst)
            }
            Op::ZeroExtend { from: Size::W, dst } => {
                let value = self.of(dst)?;
                self.set(dst, Width::W32, value);
                Some(dst)
            }
            _ => None,
        }
    }
}

/// Has bytes follow what is done to them from a first load on, as far as that is known.
struct Known<'b> {
    bytes: &'b mut Bytes,
    first: Address,
}

impl Then for Known<'_> {
    type Result = Option<Register>;

    #[inline(always)]
    fn then(self, op: Op) -> Option<Register> {
        self.bytes.step(op, self.first)
    }
}

/// The highest bit of each byte that is not zero. Names are small.
const fn taken(bytes: u64) -> u64 {
    bytes.wrapping_add(0x7f * ONES) & (0x80 * ONES)
}

/// All bits of as many bytes.
fn lowest(size: Size) -> u64 {
    u64::MAX.wrapping_shr(64_u32.wrapping_sub(size_bits(size).into()))
}

/// The number in memory that these bytes are: its size, the name of its first byte, and
/// whether the order is reversed.
#[inline(always)]
fn whole(bytes: u64) -> Option<(Size, u64, bool)> {
    // What was shifted up last is none.
    if let [0, ..] = bytes.to_le_bytes() {
        return None;
    }
    let size = match taken(bytes).leading_zeros() {
        0 => Size::Dw,
        32 => Size::W,
        48 => Size::H,
        _ => return None,
    };
    let (lowest, above) = (bytes & 0xff, 64_u32.wrapping_sub(size_bits(size).into()));
    let highest = bytes.wrapping_shr(56_u32.wrapping_sub(above));
    let run = |name: u64| ONES.wrapping_mul(name).wrapping_add(UPWARDS);
    if bytes == run(lowest) & self::lowest(size) {
        return Some((size, lowest, false));
    }
    (bytes == run(highest).swap_bytes().wrapping_shr(above)).then_some((size, highest, true))
}

impl Selector<'_, '_> {
    /// Whether a load of `size` bytes and steps behind it are one load of more bytes, where
    /// nothing else that they put into registers is read behind them. What is on the stack
    /// stays as it is: it may have been stored in parts.
    pub(super) fn merges(
        &self,
        step: &Step,
        size: Size,
        dst: Register,
        at: Address,
    ) -> Option<Merged> {
        if size == Size::Dw || at.base == Register::R10 || self.out.random.is_some() {
            return None;
        }
        let next = self.lowered.step(step.pc.wrapping_add(1))?;
        let reads = next.effect.reads();
        if !next.effect.is_pure()
            || !(reads.has(dst) || reads.has(at.base))
            || !next.may_go_on(dst, at.base)
        {
            return None;
        }
        self.merges_behind(
            step.pc,
            Op::Load { size, signed: false, order: Order::Relaxed, dst, at },
            at,
        )
    }

    #[inline(never)]
    fn merges_behind(&self, pc: u32, load: Op, first: Address) -> Option<Merged> {
        let mut bytes = Bytes { known: Registers::NONE, values: [0; ROOM] };
        bytes.step(load, first)?;
        let mut best: Option<Merged> = None;
        for steps in 1..=STEPS {
            let Some(step) = self.lowered.step(pc.wrapping_add(steps)) else { break };
            let effect = step.effect;
            if effect.is_joined() || !effect.is_pure() {
                break;
            }
            let known = Known { bytes: &mut bytes, first };
            let Some(dst) = self.lowered.with_any_op(&step, known) else { break };
            let Some((size, name, swapped)) = bytes.of(dst).and_then(whole) else { continue };
            let left = self.lowered.live_behind(&step).and(bytes.known);
            let distance = i16::try_from(name).ok()?.checked_sub(FIRST)?;
            if left == Registers::of(dst) && best.is_none_or(|best| best.size < size) {
                let off = first.off.checked_add(distance)?;
                best = Some(Merged { steps, dst, size, off, swapped });
            }
        }
        best
    }

    /// Emits that. How many steps behind it are done with, too.
    pub(super) fn load_merged(&mut self, step: &Step, base: Register, merged: Merged) -> u32 {
        let Merged { steps, dst, size, off, swapped } = merged;
        self.live = self.lowered.live_at(step.pc.wrapping_add(steps).wrapping_add(1));
        self.needed = self.live.without(Registers::of(dst)).with(Registers::of(base));
        let at = Address { base, off };
        self.ready_place(at);
        self.overwrite(dst, base);
        let place: Mem = self.place(at);
        self.written(dst, size_bits(size));
        let dst = native(dst);
        match (swapped, size) {
            (true, Size::W | Size::Dw) if self.out.features.movbe => {
                self.out.load_swapped(size, dst, place);
            }
            _ => {
                self.out.load(size, false, dst, place);
                if swapped {
                    self.out.swap(size, dst, true);
                }
            }
        }
        steps
    }
}
