//! Selection: which instructions of the CPU do what the program asks for.
//!
//! One pass over the operations of proven code. What is asked for is put off
//! where it may turn out to be part of something else: a copy, a sum, a shift
//! is noted as the [`Value`] of its register, and becomes an instruction (or
//! none, or a form of address, or a rotation) where it is used, where what it
//! is made of is about to change, or where control parts or meets.
//!
//! Three rules keep this right.
//! - A value speaks of what registers of the CPU hold. Before one is written,
//!   every value that speaks of it is put in place ([`Selector::spare_readers`]).
//! - A new value speaks of no register whose own value is still put off
//!   ([`Selector::is_stable`]), its own excepted. So values never wait for each
//!   other in a circle.
//! - Where control meets, nothing is put off.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size, Width};

use super::Emitter;
use super::alu::Arith;
use super::buffer;
use super::encode::{Mem, Rm, Source};
use super::regs::native;
use super::value::{Masked, Motion, Parts, Place, Shift, Sum, Value, Word};
use crate::flow::Flow;
use crate::functions::Functions;
use crate::lower::{Lowered, Note, Op, Registers, Step, Then, Trap};
use crate::runtime::Shim;

mod alu;
mod bits;
mod branch;
mod choice;
mod cut;
mod held;
mod maps;
mod memory;
mod merge;
mod parts;
mod product;
mod shift;
mod tail;

use held::Held;
use tail::Part;

/// What the CPU's flags say of a register's value.
#[derive(Clone, Copy, Debug)]
struct Flags {
    /// Bytes of code when they were set.
    at: u32,
    register: Register,
    /// Width of the value that they are about.
    width: Width,
    /// Whether they are those of a comparison with 0.
    exact: bool,
}

/// What was stored last.
#[derive(Clone, Copy, Debug)]
struct Stored {
    /// Bytes of code behind that.
    at: u32,
    size: Size,
    place: Mem,
    value: Source,
}

/// Entries of a table of registers; a power of two, so that an index needs no check.
const ROOM: usize = 16;

/// Of a register.
const fn index(register: Register) -> usize {
    register.index() & (ROOM - 1)
}

/// Has the pass emit the operation of a step, or put it off.
struct Emit<'p, 'a, 'o> {
    selector: &'p mut Selector<'a, 'o>,
    step: Step,
}

impl Then for Emit<'_, '_, '_> {
    /// How many steps behind it are done with, too.
    type Result = usize;

    #[inline(always)]
    fn then(self, op: Op) -> usize {
        buffer::index(self.selector.operation(self.step, op)).unwrap_or(0)
    }

    #[inline(never)]
    fn rarely(self, op: Op) -> usize {
        self.then(op)
    }
}

/// The pass.
pub(super) struct Selector<'a, 'o> {
    out: Emitter<'o>,
    flow: &'a Flow,
    functions: &'a Functions,
    lowered: &'a Lowered<'a>,
    values: [Word; ROOM],
    /// Registers whose values are put off.
    pending: Registers,
    /// For each register those others whose values speak of it are among these; the last is
    /// in place of one.
    readers: [Registers; ROOM + 1],
    /// For each register how many of its low bits may be set.
    bits: [u8; ROOM],
    /// Registers that are read behind the step.
    live: Registers,
    /// Registers that are read behind the step or by it.
    needed: Registers,
    flags: Option<Flags>,
    held: Held,
    stored: Option<Stored>,
    /// The slot to which control comes from the one in front alone now, as what led there from
    /// elsewhere is no jump; `u32::MAX` without one.
    straight: u32,
}

impl<'a, 'o> Selector<'a, 'o> {
    pub(super) fn new(
        out: Emitter<'o>,
        lowered: &'a Lowered<'a>,
        flow: &'a Flow,
        functions: &'a Functions,
    ) -> Self {
        Self {
            out,
            flow,
            functions,
            lowered,
            values: [Word::OWN; ROOM],
            pending: Registers::NONE,
            readers: [Registers::NONE; ROOM + 1],
            bits: [64; ROOM],
            live: Registers::NONE,
            needed: Registers::NONE,
            flags: None,
            held: Held::NONE,
            stored: None,
            straight: u32::MAX,
        }
    }

    /// Goes through all steps.
    pub(super) fn run(mut self) -> Emitter<'o> {
        // What is asked for slot by slot is looked up in what is at hand.
        let mut places = core::mem::take(&mut self.out.code.slots);
        self.go_through(&mut places);
        self.out.code.slots = places;
        self.out
    }

    fn go_through(&mut self, places: &mut [buffer::Place]) {
        let lowered = self.lowered;
        let tails = if self.out.random.is_none() { lowered.tails.as_slice() } else { &[] };
        let mut first = 0;
        for tail in tails {
            first = self.pass(places, Part { first, end: tail.jump, copied: false });
            if first == tail.jump {
                self.copy_tail(places, tail);
                first = first.wrapping_add(1);
            }
        }
        self.pass(places, Part { first, end: u32::MAX, copied: false });
    }

    /// Goes through steps, and perhaps some behind them; gives that at which it stops.
    #[inline(never)]
    fn pass(&mut self, places: &mut [buffer::Place], part: Part) -> u32 {
        let Part { first, end, copied } = part;
        let (insns, notes) = (self.lowered.insns(), self.lowered.notes.as_slice());
        let end = usize::try_from(end).unwrap_or(usize::MAX).min(places.len());
        let len = end.min(notes.len()).min(insns.len());
        let (Some(notes), Some(insns)) = (notes.get(..len), insns.get(..len)) else { return first };
        let Some(places) = places.get_mut(..len) else { return first };
        let mut at = buffer::index(first).unwrap_or(usize::MAX);
        while let (Some(note), Some(insn), Some(place)) =
            (notes.get(at), insns.get(at), places.get_mut(at))
        {
            let step = Step::new(buffer::low(at), note.effect, *insn);
            let effect = step.effect;
            at = at.wrapping_add(1);
            if effect.is_unusual_or_special() {
                if effect.is_void() && !effect.turns() {
                    continue;
                }
                if effect.is_joined() && !copied {
                    self.join(step.pc);
                }
                if effect.is_special() {
                    *place = self.out.code.here();
                    at = at.wrapping_add(self.special(&{ step }, *note));
                    continue;
                }
                if effect.turns() {
                    *place = self.out.code.here();
                    (self.live, self.needed) = (note.behind(), note.live());
                    at = at.wrapping_add(self.turn(step));
                    continue;
                }
            }
            *place = self.out.code.here();
            self.live = note.behind();
            if effect.is_in_vain(self.live) {
                continue;
            }
            self.needed = note.live();
            at = at.wrapping_add(self.step(step));
        }
        buffer::low(at)
    }

    /// A step of which it takes more than the instruction to say what it does. How many steps
    /// behind it are done with, too.
    #[inline(never)]
    fn special(&mut self, step: &Step, note: Note) -> usize {
        if step.effect.is_void() {
            self.trap(step);
            return 0;
        }
        self.live = note.behind();
        if step.effect.is_in_vain(self.live) {
            return 0;
        }
        self.needed = note.live();
        if let Some((dst, value)) = self.lowered.wide_number(step) {
            self.constant(dst, value);
            return 0;
        }
        self.lowered.with_special_op(step, Emit { selector: self, step: *step })
    }

    /// What is never reached.
    fn trap(&mut self, step: &Step) {
        if !self.is_trap_behind(step.pc.wrapping_add(1)) {
            (self.live, self.needed) = (Registers::NONE, Registers::NONE);
            self.plain(step, self.lowered.op(step));
        }
    }

    /// Whether nothing is emitted for what is never reached in front of a step, because
    /// the step is never reached, either: one stop serves all.
    fn is_trap_behind(&self, mut at: u32) -> bool {
        while let Some(step) = self.lowered.step(at) {
            match self.lowered.op(&step) {
                Op::Nothing => at = at.wrapping_add(1),
                op => return op == Op::Trap(Trap::Unreached),
            }
        }
        false
    }

    /// Control meets at a slot.
    #[inline(never)]
    fn join(&mut self, slot: u32) {
        if self.straight == slot {
            return;
        }
        self.needed = self.lowered.live_at(slot);
        self.settle();
        self.bits = [64; ROOM];
        (self.flags, self.stored, self.held.at) = (None, None, Held::NONE.at);
    }

    /// Emits a step, or puts it off. How many steps behind it are done
    /// with, too.
    #[inline(always)]
    fn step(&mut self, step: Step) -> usize {
        self.lowered.with_straight_op(&step, Emit { selector: self, step })
    }

    /// The same of one that turns.
    #[inline(always)]
    fn turn(&mut self, step: Step) -> usize {
        self.lowered.with_turning_op(&step, Emit { selector: self, step })
    }

    // Where a step is lent, it is a copy, made there: it need not be in memory for all others.
    #[inline(always)]
    fn operation(&mut self, step: Step, op: Op) -> u32 {
        match op {
            Op::Alu { op, width, dst, src } => return self.alu(&{ step }, op, width, dst, src),
            Op::Move { width, dst, src } => {
                if self.rotates_behind(&{ step }, width, dst, src) {
                    return 3;
                }
                if dst == src && width == Width::W32 && self.exchanges(&{ step }, Size::W, dst) {
                    return 0;
                }
                self.move_register(width, dst, src);
            }
            Op::Const { dst, value } => self.constant(dst, value),
            Op::MapReference { dst, index } => self.map_reference(dst, index),
            Op::LinkedValue { dst, link, off, .. } => self.map_value(dst, Place { link, off }),
            Op::Helper { id: id::MAP_LOOKUP_ELEM } => return self.lookup(&{ step }),
            Op::Helper { id: id::MAP_UPDATE_ELEM } => self.update(&{ step }),
            Op::Helper { id: id::GET_SMP_PROCESSOR_ID } => self.cpu(&{ step }),
            Op::Helper { id: id::KTIME_GET_NS | id::GET_PRANDOM_U32 } => {
                self.plain_call(&{ step }, Shim::Platform);
            }
            Op::FunctionReference { dst, slot } => self.function_reference(dst, slot),
            Op::CallBack { id } => self.call_back(&{ step }, id),
            Op::Neg { width, dst } => {
                let reg = self.modify(dst);
                self.out.negate(width, reg);
                self.set_flags(dst, width, false);
                self.set_bits(dst, bits_of(width));
            }
            Op::SignExtend { width, from, dst, src } => self.sign_extend(width, from, dst, src),
            Op::ZeroExtend { from, dst } => self.zero_extend(from, dst),
            Op::Swap { size, dst } => return self.swap(&{ step }, size, dst),
            Op::Load { at, .. } | Op::Store { at, .. } if self.out.hides_distance(at) => {
                self.plain(&{ step }, op);
            }
            Op::Load { size, signed, dst, at: place, .. } => {
                return self.load(&{ step }, size, signed, dst, place);
            }
            Op::Store { size, at, src, .. } => self.store(size, at, src),
            Op::PacketAddress { dst, kind } => {
                self.overwrite(dst, dst);
                self.written(dst, 64);
                self.out.packet_address(dst, kind);
            }
            Op::Jump { target } => self.jump(&{ step }, target),
            Op::Branch { cond, width, lhs, rhs, target } => {
                return self.branch(&{ step }, target, cond, width, lhs, rhs);
            }
            Op::Call { target } => self.call(target),
            Op::Exit => {
                self.settle();
                self.out.ret();
            }
            _ => self.plain(&{ step }, op),
        }
        0
    }

    /// An operation that finds every register in its place.
    fn plain(&mut self, step: &Step, op: Op) {
        self.settle();
        for register in step.effect.writes().iter() {
            self.set_bits(register, 64);
        }
        self.out.one(step.pc, op);
    }
}

/// What is put off, and what is in place.
impl Selector<'_, '_> {
    #[inline(always)]
    fn value(&self, register: Register) -> Value {
        self.word(register).value()
    }

    #[inline(always)]
    fn word(&self, register: Register) -> Word {
        self.values.get(index(register)).copied().unwrap_or_default()
    }

    fn bits(&self, register: Register) -> u8 {
        self.bits.get(index(register)).copied().unwrap_or(64)
    }

    fn set_bits(&mut self, register: Register, bits: u8) {
        if let Some(entry) = self.bits.get_mut(index(register)) {
            *entry = bits;
        }
    }

    /// Puts everything in place that is needed.
    fn settle(&mut self) {
        for register in self.pending.iter() {
            self.own_if_needed(register);
        }
        self.readers = [Registers::NONE; ROOM + 1];
    }

    /// The register's value is put in place, or forgotten.
    fn own_if_needed(&mut self, register: Register) {
        if self.needed.has(register) {
            self.own(register);
        } else {
            self.forget(register);
        }
    }

    /// The register's value is of no interest any more, or in place.
    #[inline]
    fn forget(&mut self, register: Register) -> Word {
        self.pending = self.pending.without(Registers::of(register));
        self.values.get_mut(index(register)).map_or(Word::OWN, core::mem::take)
    }

    /// Puts a register's value in its place.
    #[inline(always)]
    fn own(&mut self, register: Register) {
        if self.pending.has(register) {
            self.own_pending(register);
        }
    }

    #[inline(never)]
    fn own_pending(&mut self, register: Register) {
        if !self.readers_of(register).is_empty() {
            return self.own_read(register);
        }
        let word = self.forget(register);
        self.put(register, word);
    }

    /// The same where others speak of it.
    #[inline(never)]
    fn own_read(&mut self, register: Register) {
        let word = self.forget(register);
        self.spare_readers(register, None);
        self.put(register, word);
    }

    /// Registers whose values, put off, may speak of another.
    #[inline(always)]
    fn readers_of(&self, register: Register) -> Registers {
        let readers = self.readers.get(index(register)).copied().unwrap_or(Registers::ALL);
        readers.and(self.pending).without(Registers::of(register))
    }

    /// A register is about to be written: whatever speaks of it is put in place,
    /// but for a register that is about to be read by the same instruction.
    #[inline]
    fn spare_readers(&mut self, written: Register, read: Option<Register>) {
        let readers = self.readers_of(written);
        if !readers.is_empty() {
            self.spare(readers, written, read);
        }
    }

    /// The same, of registers that may speak of it.
    #[inline(never)]
    fn spare(&mut self, readers: Registers, written: Register, read: Option<Register>) {
        for register in readers.iter() {
            let speaks = self.word(register).reads().has(written);
            if speaks && Some(register) != read {
                self.own_if_needed(register);
            }
        }
        // No other speaks of it now.
        if let Some(entry) = self.readers.get_mut(index(written)) {
            *entry = read.map_or(Registers::NONE, Registers::of).and(readers);
        }
    }

    /// Whether a value may be put off as that of `dst`. What is put off and read
    /// no more is no obstacle.
    #[inline(always)]
    fn is_stable(&self, dst: Register, value: Value) -> bool {
        self.stays(dst, Word::of(value))
    }

    /// The same of a value as it is kept.
    #[inline(always)]
    fn stays(&self, dst: Register, value: Word) -> bool {
        let others = value.reads().without(Registers::of(dst));
        others.and(self.pending).and(self.live).is_empty()
    }

    /// Puts a stable value off.
    #[inline(always)]
    fn define(&mut self, dst: Register, value: Value) {
        self.define_word(dst, Word::of(value));
    }

    fn define_word(&mut self, dst: Register, value: Word) {
        let reads = value.reads();
        for gone in reads.without(Registers::of(dst)).and(self.pending).iter() {
            self.forget(gone);
        }
        self.put_off(dst, value);
    }

    /// Puts a value off that speaks of registers of whose values none is put off but that
    /// of `dst` itself.
    #[inline(always)]
    fn put_off(&mut self, dst: Register, value: Word) {
        if !self.live.has(dst) {
            self.forget(dst);
        } else if let Some(entry) = self.values.get_mut(index(dst)) {
            *entry = value;
            self.pend(dst, value);
        }
    }

    /// Notes that the value of `dst` is put off and speaks of others.
    #[inline(always)]
    fn pend(&mut self, dst: Register, value: Word) {
        let dst = Registers::of(dst);
        self.pending = self.pending.with(dst);
        for number in value.numbers() {
            if let Some(readers) = self.readers.get_mut(number) {
                *readers = readers.with(dst);
            }
        }
    }

    /// The register holds its value and is about to be changed.
    #[inline(always)]
    fn modify(&mut self, dst: Register) -> u8 {
        self.own(dst);
        self.spare_readers(dst, None);
        native(dst)
    }

    /// `dst` is about to be written by one instruction that reads `src`, which
    /// is ready.
    #[inline(always)]
    fn overwrite(&mut self, dst: Register, src: Register) {
        if dst != src {
            self.forget(dst);
        }
        let exempt = (!self.live.has(src)).then_some(src);
        self.spare_readers(dst, exempt);
    }

    /// `dst` has been given to an instruction that writes it.
    #[inline(always)]
    fn written(&mut self, dst: Register, bits: u8) {
        self.forget(dst);
        self.set_bits(dst, bits);
        // A value that was exempt, and is read no more.
        let gone = self.pending.without(self.live);
        if !gone.is_empty() {
            self.forget_all(gone);
        }
    }

    #[inline(never)]
    fn forget_all(&mut self, registers: Registers) {
        for register in registers.iter() {
            self.forget(register);
        }
    }

    /// The CPU's register with the value of `dst`, which is about to be
    /// overwritten by one instruction that reads it there.
    fn origin(&mut self, dst: Register, width: Width) -> u8 {
        match self.word(dst).copied(width) {
            Some(from) if !self.pending.has(from) => {
                self.forget(dst);
                self.spare_readers(dst, None);
                native(from)
            }
            _ => self.modify(dst),
        }
    }

    /// Sees to it that the low bits of a register can be read from a register.
    #[inline(always)]
    fn ready(&mut self, register: Register, width: Width) {
        if self.pending.has(register) && self.word(register).copied(width).is_none() {
            self.own_pending(register);
        }
    }

    /// Where the low bits of a ready register are.
    #[inline(always)]
    fn register_of(&self, register: Register, width: Width) -> u8 {
        if !self.pending.has(register) {
            return native(register);
        }
        native(self.word(register).copied(width).unwrap_or(register))
    }

    /// A second operand, as a register or an immediate.
    fn operand(&mut self, operand: Operand, width: Width) -> Source {
        let register = match operand {
            Operand::Imm(_) => return self.out.chosen(operand),
            Operand::Reg(register) => register,
        };
        if !self.pending.has(register) {
            return Source::Reg(native(register));
        }
        let word = self.word(register);
        if let Some(value) = word.number()
            && (!self.live.has(register) || i8::try_from(value).is_ok())
        {
            return Source::Imm(value);
        }
        if let Some(value) = word.half()
            && width == Width::W32
            && !self.live.has(register)
        {
            return Source::Imm(value.cast_signed());
        }
        self.placed(Operand::Reg(register), width)
    }

    /// A second operand, as it is.
    fn placed(&mut self, operand: Operand, width: Width) -> Source {
        match operand {
            Operand::Reg(register) => {
                self.ready(register, width);
                Source::Reg(self.register_of(register, width))
            }
            Operand::Imm(_) => self.out.chosen(operand),
        }
    }

    /// The register's value as a sum, cut to a width.
    fn sum_of(&self, register: Register, width: Width) -> Option<Sum> {
        let word = self.word(register);
        if word == Word::OWN { Some(Sum::copy(register, width)) } else { word.sum()?.cut(width) }
    }

    fn set_flags(&mut self, register: Register, width: Width, exact: bool) {
        self.flags = Some(Flags { at: self.out.code.len(), register, width, exact });
    }

    /// The instructions that give a register its value. Whatever comes last here is by itself,
    /// so that nothing is kept for it.
    #[inline(always)]
    fn put(&mut self, register: Register, word: Word) {
        if let Some(sum) = word.sum() {
            self.put_sum(register, sum);
        } else if let Some(number) = word.number() {
            self.put_number(register, i64::from(number).cast_unsigned());
        } else {
            self.put_other(register, word);
        }
    }

    #[inline(never)]
    fn put_other(&mut self, register: Register, word: Word) {
        match word.value() {
            Value::Own => {}
            Value::Map(index) => {
                self.out.set(native(register), bpf_interp::Run::map_handle(index));
            }
            Value::Function(slot) => {
                self.out.set(native(register), bpf_interp::Run::function_handle(slot));
            }
            Value::Place(Place { link, off }) => {
                self.out.linked_value(native(register), link, off);
            }
            Value::Const(value) => {
                self.put_number(register, i64::from(value).cast_unsigned());
            }
            Value::Half(value) => self.put_number(register, value.into()),
            Value::Sum(sum) => self.put_sum(register, sum),
            Value::Shift(Shift { from, motion: Motion::RotateLeft, by, width }) => {
                self.out.rotate(width, native(register), native(from), by);
            }
            Value::Shift(Shift { from, motion: Motion::Signed, by, width }) => {
                let size = shift::kept(width, by).unwrap_or(Size::Dw);
                self.out.sign_extend(width, size, native(register), Rm::Reg(native(from)));
            }
            Value::Shift(shift) => self.put_shift(register, shift),
            Value::Masked(masked) => self.put_masked(register, masked),
        }
    }

    #[inline(never)]
    fn put_shift(&mut self, register: Register, Shift { from, motion, by, width }: Shift) {
        let op = match motion {
            Motion::Left => AluOp::Lsh,
            Motion::Right => AluOp::Rsh,
            _ => return self.put_bit(register, Shift { from, motion, by, width }),
        };
        let (dst, from) = (native(register), native(from));
        if dst != from {
            self.out.copy(width, dst, from);
        }
        self.out.shift(op, width, dst, Source::Imm(by.into()));
        self.set_flags(register, width, false);
    }

    /// `register += src`. By itself, so that where it comes last nothing is kept.
    #[inline(never)]
    fn add(&mut self, width: Width, register: Register, src: Source) {
        self.out.arith(Arith::Add, width, native(register), src);
        self.set_flags(register, width, false);
    }

    /// The same of a register.
    #[inline(never)]
    fn add_own(&mut self, width: Width, register: Register, other: Register) {
        self.out.arith_registers(Arith::Add, width, native(register), native(other));
        self.set_flags(register, width, false);
    }

    #[inline(never)]
    fn put_copy(&mut self, width: Width, register: Register, from: Register) {
        if self.is_held() {
            self.out.copy(width, native(register), native(from));
            return self.keep_held(register);
        }
        self.out.copy(width, native(register), native(from));
    }

    #[inline(never)]
    fn put_place(&mut self, width: Width, register: Register, place: Mem) {
        self.out.lea(width, native(register), place);
    }

    /// A sum; whatever comes last here, nothing is kept for that.
    #[inline(never)]
    fn put_sum(&mut self, register: Register, sum: Sum) {
        let sum = if self.bits(register) <= 32 { sum.at(Width::W32) } else { sum };
        let Parts { base, index, disp, width } = sum.parts();
        let same = |other: Register| other == register;
        match (base, index) {
            (Some(base), None) if disp == 0 => self.put_copy(width, register, base),
            (Some(base), None) if same(base) => {
                self.add(width, register, Source::Imm(disp));
            }
            (Some(base), Some((index, 0))) if disp == 0 && (same(base) || same(index)) => {
                let other = if same(base) { index } else { base };
                self.add_own(width, register, other);
            }
            (Some(base), index) => {
                let index = index.map(|(index, scale)| (native(index), scale));
                self.put_place(width, register, Mem { base: native(base), index, disp });
            }
            (None, Some((index, scale))) => {
                self.put_scaled(register, (index, scale), disp, width);
            }
            (None, None) => self.out.set(native(register), i64::from(disp).cast_unsigned()),
        }
    }
}

impl Selector<'_, '_> {
    #[inline(never)]
    fn put_scaled(&mut self, register: Register, index: (Register, u8), disp: i32, width: Width) {
        let (dst, (index, scale)) = (native(register), index);
        if index != register {
            if scale == 1 {
                let index = native(index);
                let twice = Mem { base: index, index: Some((index, 0)), disp };
                return self.out.lea(width, dst, twice);
            }
            self.out.copy(width, dst, native(index));
        }
        if scale == 1 {
            // More of the CPU's units add than shift.
            self.out.arith_registers(Arith::Add, width, dst, dst);
        } else {
            self.out.shift(AluOp::Lsh, width, dst, Source::Imm(scale.into()));
        }
        if disp != 0 {
            self.out.arith(Arith::Add, width, dst, Source::Imm(disp));
        }
        self.set_flags(register, width, false);
    }
}

const fn bits_of(width: Width) -> u8 {
    match width {
        Width::W32 => 32,
        Width::W64 => 64,
    }
}

/// Of a size, each of which is twice the one before.
const fn size_bits(size: Size) -> u8 {
    8 << size as u8
}
