//! What to emit, before anything is said about how a CPU encodes it.
//!
//! [`lower`] says what each slot of a program does, in terms of [`Op`]. It settles
//! everything that follows from the instruction set and from the proof alone: masks
//! of shifts, the host's byte order, which loads of the context yield addresses,
//! what an unverified program has to have checked, what no execution reaches.
//! A backend for another CPU starts from the same.

use alloc::vec::Vec;
use core::cell::Cell;

use bpf_bytecode::{BpfInsn, BpfProgram, Register};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_verifier::InsnFact;

use crate::error::CompileError;

mod effect;
mod links;
mod op;
mod shape;
mod tail;
mod translate;

pub use effect::{Effect, Registers};
pub use links::{MAX_LINKS, Maps};
use op::Itself;
pub use op::{Address, Mode, Op, Order, Step, Then, Trap, Turn};
pub use tail::{TAIL, Tail};

/// A program as operations.
#[derive(Debug)]
pub struct Lowered<'p> {
    insns: &'p [BpfInsn],
    facts: &'p [InsnFact],
    /// Of a program that was verified, what each slot reads and writes, and how control
    /// comes there.
    pub effects: Vec<Effect>,
    /// All of these.
    together: Effect,
    /// Slots up to the last one that loads an address of the packet.
    addressed: usize,
    /// Of a program that was not verified, operations in the order of its slots, each with
    /// its slot.
    pub ops: Vec<(u32, Op)>,
    /// Of a program that was verified, whatever names a slot, in the order of the slots.
    pub transfers: Vec<Transfer>,
    /// Of a program that was verified, ends of loops that stand in place of jumps to them,
    /// too, in the order of the jumps.
    pub tails: Vec<Tail>,
    /// Slots of the program. Jumps name slots.
    pub slots: usize,
    /// Whether accesses are checked and instructions counted.
    pub mode: Mode,
    /// Bytes of a frame, where a program that was verified may read some that it
    /// has not written: a call zeroes them. Otherwise 0.
    pub zeroed: u32,
    /// The program's maps.
    pub maps: Maps<'p>,
}

/// An instruction that names a slot, to which control may go from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Slot of the instruction.
    pub from: u32,
    /// Slot that it names.
    pub to: u32,
    /// Whether a function begins there.
    pub calls: bool,
}

/// Memory for the lists, of use for one program after the other.
#[derive(Debug, Default)]
pub struct Lists {
    effects: Vec<Effect>,
    ops: Vec<(u32, Op)>,
    transfers: Vec<Transfer>,
    tails: Vec<Tail>,
}

/// Lowers a program: with `facts`, as one that was verified, whose accesses
/// need no check; without, as one of which nothing is known. Slots without a
/// fact are never reached.
///
/// # Errors
/// [`CompileError::OutOfMemory`] without heap memory for the list.
pub fn lower<'p, P: PhysicalProfile>(
    program: &'p BpfProgram<P>,
    facts: Option<&'p [InsnFact]>,
    lists: Lists,
) -> Result<Lowered<'p>, CompileError> {
    let slots = program.len();
    let mut lowered = Lowered {
        insns: program.insns(),
        facts: facts.unwrap_or_default(),
        effects: lists.effects,
        together: Effect::NONE,
        addressed: 0,
        ops: lists.ops,
        transfers: lists.transfers,
        tails: lists.tails,
        slots,
        mode: if facts.is_some() { Mode::Proven } else { Mode::Checked },
        zeroed: 0,
        maps: Maps::new(program.map_defs()),
    };
    lowered.effects.clear();
    lowered.ops.clear();
    lowered.transfers.clear();
    lowered.tails.clear();
    match lowered.mode {
        Mode::Proven => lowered.proven()?,
        Mode::Checked => lowered.checked()?,
    }
    Ok(lowered)
}

/// What is asked of a program that was verified.
impl Lowered<'_> {
    /// A slot; `None` behind the last.
    #[inline(always)]
    pub fn step(&self, pc: u32) -> Option<Step> {
        self.all().step(pc)
    }

    /// What a slot reads and writes; `None` behind the last.
    #[inline(always)]
    pub fn effect(&self, pc: u32) -> Option<Effect> {
        self.effects.get(usize::try_from(pc).ok()?).copied()
    }

    /// All slots.
    #[inline(always)]
    pub fn all(&self) -> Slots<'_> {
        Slots { insns: self.insns, effects: &self.effects }
    }

    /// What a slot does.
    #[inline(never)]
    pub fn op(&self, step: &Step) -> Op {
        if step.effect.is_special() {
            return self.special(step.pc, step.insn);
        }
        if step.effect.is_void() {
            return Op::Nothing;
        }
        translate::by_shape(step.pc, shape::form(step.insn), step.insn, Itself)
    }

    /// What is made of that. It is compiled for each kind that is frequent by
    /// itself, so that operations are told apart but once. An operation is put into words
    /// only here, as most are looked at once.
    #[inline(always)]
    pub fn with_op<T: Then>(&self, step: &Step, then: T) -> T::Result {
        if step.effect.is_special() {
            then.then(self.special(step.pc, step.insn))
        } else {
            translate::by_code(step.pc, step.insn, then)
        }
    }

    /// What a slot does, if it takes more than the instruction to say it.
    fn special(&self, pc: u32, insn: BpfInsn) -> Op {
        let fact = usize::try_from(pc).ok().and_then(|slot| self.facts.get(slot));
        translate::proven(pc, insn, self.insns, fact.copied().unwrap_or_default(), &self.maps)
    }

    /// Where control goes from a slot.
    #[inline]
    pub fn turn(&self, step: &Step) -> Turn {
        let effect = step.effect;
        if !effect.turns() {
            return Turn::On;
        }
        if effect.is_special() {
            return self.special(step.pc, step.insn).turn();
        }
        if !effect.names_slot() {
            return Turn::End;
        }
        let target = translate::named(step.pc, step.insn);
        // A branch compares.
        if effect.reads().is_empty() { Turn::Jump(target) } else { Turn::Perhaps(target) }
    }

    /// Whether a program that was verified asks the host nothing, and its exits alone end it.
    pub fn is_quiet(&self) -> bool {
        self.facts.len() >= self.insns.len() && self.together.is_closed()
    }

    /// Whether it is one function, too.
    pub fn is_closed(&self) -> bool {
        self.is_quiet() && !self.transfers.iter().any(|to| to.calls)
    }

    /// Whether what the host left for the program is looked at on the straight way that every
    /// execution begins with, and nowhere behind what gives R1 a value.
    pub fn is_soon_known(&self) -> bool {
        let way = self.effects.get(..self.addressed).unwrap_or_default();
        let before = way.split_last().map_or(way, |(_, before)| before);
        let writes = before.iter().fold(Registers::NONE, |all, effect| all.with(effect.writes()));
        self.maps.linked() == 0
            && way.iter().all(|effect| effect.is_straight())
            && !writes.has(Register::R1)
    }

    /// The registers that the program, or another one that takes its place, may change;
    /// R10 is among them where there are frames.
    pub fn changed(&self) -> Registers {
        let effect = self.together;
        if effect.leaves() {
            return Registers::ALL;
        }
        let frame = if effect.is_framed() { Registers::of(Register::R10) } else { Registers::NONE };
        effect.writes().with(frame)
    }
}

impl Lowered<'_> {
    /// The memory of the lists.
    pub fn into_lists(self) -> Lists {
        let Self { effects, ops, transfers, tails, .. } = self;
        Lists { effects, ops, transfers, tails }
    }

    fn proven(&mut self) -> Result<(), CompileError> {
        let (insns, facts) = (self.insns, self.facts);
        reserve(&mut self.effects, insns.len())?;
        let mut effects = core::mem::take(&mut self.effects);
        effects.resize(facts.len().min(insns.len()), Effect::NONE);
        effects.resize(insns.len(), Effect::UNREACHED);
        let cells = Cell::from_mut(effects.as_mut_slice()).as_slice_of_cells();
        let (mut at, mut together) = (0_usize, Effect::NONE);
        loop {
            let rest = (insns.get(at..), facts.get(at..), cells.get(at..));
            let (Some(insns), Some(facts), Some(own)) = rest else { break };
            let (plain, all) = shape::note_plain(insns, facts, own);
            at = at.saturating_add(plain);
            together = together.with(all);
            let (Some(insn), Some(fact), Some(own)) =
                (insns.get(plain), facts.get(plain), own.get(plain))
            else {
                break;
            };
            let effect = match shape::find(*insn) {
                Some(shape) if shape::is_ordinary(*fact) => shape.effect(*insn),
                _ => self.note_special(at),
            };
            own.set(own.get().with(effect));
            together = together.with(effect);
            if effect.names_slot() {
                self.note(at, effect, cells)?;
            }
            at = at.saturating_add(1);
        }
        (self.effects, self.together) = (effects, together);
        self.find_tails()
    }

    /// The effect of a slot of which it takes more than the instruction to say what it does.
    #[inline(never)]
    fn note_special(&mut self, at: usize) -> Effect {
        let pc = u32::try_from(at).unwrap_or(u32::MAX);
        let (insn, fact) = (self.insns.get(at).copied(), self.facts.get(at).copied());
        let (insn, fact) = (insn.unwrap_or_default(), fact.unwrap_or_default());
        if shape::is_second_half(insn) {
            return Effect::SECOND_HALF;
        }
        if shape::is_number(insn) && fact != InsnFact::Unreached {
            return shape::number(insn).with(Effect::SPECIALLY);
        }
        let mut op = translate::proven(pc, insn, self.insns, fact, &self.maps);
        match op {
            Op::PacketAddress { .. } => self.addressed = at.saturating_add(1),
            Op::MapReference { index, .. } => self.maps.make_link(index),
            Op::MapValueAddress { index, off, .. } => {
                self.maps.make_link_to_byte(index, off);
                op = translate::proven(pc, insn, self.insns, fact, &self.maps);
            }
            _ => {}
        }
        Effect::of(op).with(Effect::SPECIALLY)
    }

    /// Which slot an instruction names, and whether a function begins there.
    #[inline(always)]
    fn named(&self, at: usize, effect: Effect) -> Option<(u32, bool)> {
        let step = Step::new(u32::try_from(at).ok()?, effect, *self.insns.get(at)?);
        if !effect.is_special() {
            return Some((translate::named(step.pc, step.insn), false));
        }
        self.named_specially(&step)
    }

    #[inline(never)]
    fn named_specially(&self, step: &Step) -> Option<(u32, bool)> {
        match self.special(step.pc, step.insn) {
            Op::FunctionReference { slot, .. } => Some((slot, true)),
            op => match op.turn() {
                Turn::Jump(target) | Turn::Perhaps(target) => Some((target, false)),
                Turn::Call(target) => Some((target, true)),
                Turn::On | Turn::End => None,
            },
        }
    }

    /// Notes which slot an instruction names.
    #[inline(never)]
    fn note(
        &mut self,
        at: usize,
        effect: Effect,
        effects: &[Cell<Effect>],
    ) -> Result<(), CompileError> {
        let from = u32::try_from(at).unwrap_or(u32::MAX);
        let Some((to, calls)) = self.named(at, effect) else { return Ok(()) };
        if let Some(effect) = usize::try_from(to).ok().and_then(|to| effects.get(to)) {
            effect.set(effect.get().with(Effect::joined(from, to)));
        }
        if self.transfers.len() == self.transfers.capacity() {
            reserve(&mut self.transfers, 1)?;
        }
        self.transfers.push(Transfer { from, to, calls });
        Ok(())
    }

    fn checked(&mut self) -> Result<(), CompileError> {
        // An instruction is counted, and may be followed by a trap.
        reserve(&mut self.ops, self.insns.len().saturating_mul(3))?;
        for (pc, insn) in (0..).zip(self.insns) {
            if let Some((op, then)) = translate::checked(pc, *insn, self.insns) {
                self.ops.extend([(pc, Op::Count), (pc, op)]);
                self.ops.extend(then.map(|op| (pc, op)));
            }
        }
        Ok(())
    }
}

/// The slots of a program that was verified.
#[derive(Clone, Copy, Debug)]
pub struct Slots<'l> {
    insns: &'l [BpfInsn],
    effects: &'l [Effect],
}

impl<'l> Slots<'l> {
    /// The instruction of each slot.
    pub const fn insns(self) -> &'l [BpfInsn] {
        self.insns
    }

    /// The effect of each slot.
    pub const fn effects(self) -> &'l [Effect] {
        self.effects
    }

    /// A slot; `None` behind the last.
    #[inline(always)]
    pub fn step(self, pc: u32) -> Option<Step> {
        let slot = usize::try_from(pc).ok()?;
        Some(Step { pc, effect: *self.effects.get(slot)?, insn: *self.insns.get(slot)? })
    }
}

fn reserve<T>(list: &mut Vec<T>, additional: usize) -> Result<(), CompileError> {
    let requested = additional.saturating_mul(size_of::<T>());
    list.try_reserve(additional).map_err(|_| OutOfMemory { requested }.into())
}
