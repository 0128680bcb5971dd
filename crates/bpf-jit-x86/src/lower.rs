//! What to emit, before anything is said about how a CPU encodes it.
//!
//! [`lower`] says what each slot of a program does, in terms of [`Op`]. It settles
//! everything that follows from the instruction set and from the proof alone: masks
//! of shifts, the host's byte order, which loads of the context yield addresses,
//! what an unverified program has to have checked, what no execution reaches.
//! A backend for another CPU starts from the same.

use alloc::vec::Vec;

use bpf_bytecode::{BpfInsn, BpfProgram, Register};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_verifier::InsnFact;

use crate::error::CompileError;

mod effect;
mod fields;
mod fixed;
mod links;
mod note;
mod op;
mod shape;
mod tail;
mod translate;

pub use effect::{Effect, Registers};
pub use links::{MAX_LINKS, Maps};
use note::Head;
pub use note::Note;
use op::Itself;
pub use op::{Address, Mode, Op, Order, Step, Then, Trap, Turn};
pub use tail::{TAIL, Tail};

/// A program as operations.
#[derive(Debug)]
pub struct Lowered<'p> {
    insns: &'p [BpfInsn],
    facts: &'p [InsnFact],
    /// Of a program that was verified, what is known of each slot.
    pub notes: Vec<Note>,
    /// Where loops begin, from the last.
    heads: Vec<Head>,
    /// All that its slots read and write.
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
    notes: Vec<Note>,
    heads: Vec<Head>,
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
        notes: lists.notes,
        heads: lists.heads,
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
    lowered.notes.clear();
    lowered.heads.clear();
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
        let slot = index(pc);
        Some(Step::new(pc, self.notes.get(slot)?.effect, *self.insns.get(slot)?))
    }

    /// What a slot reads and writes; `None` behind the last.
    #[inline(always)]
    pub fn effect(&self, pc: u32) -> Option<Effect> {
        Some(self.notes.get(index(pc))?.effect)
    }

    /// The instruction of each slot.
    pub const fn insns(&self) -> &[BpfInsn] {
        self.insns
    }

    /// Registers that are read at or behind a slot.
    #[inline(always)]
    pub fn live_at(&self, slot: u32) -> Registers {
        self.notes.get(index(slot)).map_or(Registers::ALL, Note::live)
    }

    /// Registers that are read behind a step.
    #[inline(always)]
    pub fn live_behind(&self, step: &Step) -> Registers {
        self.notes.get(step.slot()).map_or(Registers::ALL, Note::behind)
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
        if step.effect.turns() {
            return translate::turning(step.pc, step.insn, Itself);
        }
        translate::by_shape(step.pc, shape::form(step.insn), step.insn, Itself)
    }

    /// What is made of that, where the operation need not be put into words in memory.
    #[inline(always)]
    pub fn with_any_op<T: Then>(&self, step: &Step, then: T) -> T::Result {
        if step.effect.is_special() {
            then.then(self.special(step.pc, step.insn))
        } else {
            translate::by_shape(step.pc, shape::form(step.insn), step.insn, then)
        }
    }

    /// The same of a step that is [not special](Effect::is_special) and does not turn. It is
    /// compiled for each kind that is frequent by itself, so that operations are told apart but
    /// once. An operation is put into words only here, as most are looked at once.
    #[inline(always)]
    pub fn with_straight_op<T: Then>(&self, step: &Step, then: T) -> T::Result {
        translate::straight(step.pc, step.insn, then)
    }

    /// The same of one that turns.
    #[inline(always)]
    pub fn with_turning_op<T: Then>(&self, step: &Step, then: T) -> T::Result {
        translate::turning(step.pc, step.insn, then)
    }

    /// What a step loads that loads a number of 64 bits, and where.
    #[inline(always)]
    pub fn wide_number(&self, step: &Step) -> Option<(Register, u64)> {
        let number = || translate::number(step.pc, step.insn, self.insns);
        shape::is_number(step.insn).then(number)
    }

    /// The same of one that is special.
    #[inline(always)]
    pub fn with_special_op<T: Then>(&self, step: &Step, then: T) -> T::Result {
        then.then(self.special(step.pc, step.insn))
    }

    /// What a slot does, if it takes more than the instruction to say it.
    fn special(&self, pc: u32, insn: BpfInsn) -> Op {
        let fact = usize::try_from(pc).ok().and_then(|slot| self.facts.get(slot));
        translate::proven(pc, insn, self.insns, fact.copied().unwrap_or_default(), &self.maps)
    }

    /// Whether a copy and the three steps behind it are a rotation of the register of which it
    /// is one: by how many bits to the left.
    #[inline(always)]
    pub fn rotation(&self, copy: &Step) -> Option<u8> {
        let behind = self.insns.get(copy.slot()..)?;
        let [_, one, two, join, ..] = behind else { return None };
        if shape::shift_apart(*one, *two) {
            self.rotation_behind(copy, [*one, *two, *join])
        } else {
            None
        }
    }

    #[inline(never)]
    fn rotation_behind(&self, copy: &Step, insns: [BpfInsn; 3]) -> Option<u8> {
        let by = shape::rotation(copy.insn, insns)?;
        let [_, one, two, join, ..] = self.notes.get(copy.slot()..)? else { return None };
        let shifts = one.effect.with(two.effect);
        let all = shifts.with(join.effect);
        let both = copy.effect.reads().with(copy.effect.writes());
        let same = shifts.writes() == both && join.effect.reads() == both;
        let left = join.behind().and(both);
        let alone = !all.is_unusual() && !all.is_special();
        // A copy reads one register and writes one.
        let two = copy.effect.reads() != copy.effect.writes();
        (two && same && alone && left == join.effect.writes()).then_some(by)
    }

    /// Where control goes from a slot.
    #[inline]
    pub fn turn(&self, step: &Step) -> Turn {
        if step.effect.turns() && step.effect.is_special() {
            return self.special(step.pc, step.insn).turn();
        }
        step.turn()
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
        let way = self.notes.get(..self.addressed).unwrap_or_default();
        let before = way.split_last().map_or(way, |(_, before)| before);
        let writes =
            before.iter().fold(Registers::NONE, |all, note| all.with(note.effect.writes()));
        self.maps.linked() == 0
            && way.iter().all(|note| note.effect.is_straight())
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
        let Self { notes, heads, ops, transfers, tails, .. } = self;
        Lists { notes, heads, ops, transfers, tails }
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

fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

fn reserve<T>(list: &mut Vec<T>, additional: usize) -> Result<(), CompileError> {
    let requested = additional.saturating_mul(size_of::<T>());
    list.try_reserve(additional).map_err(|_| OutOfMemory { requested }.into())
}
