//! The walk over all paths.
//!
//! Paths are walked depth first. At a branch that can go both ways, the state
//! is put on a list for the side where the condition holds, and the walk goes
//! on with the other; at the end of a path the last state of the list comes
//! next. Where paths join, states are kept and compared (see
//! the crate's documentation).

mod alu;
mod attempt;
mod branch;
mod budget;
mod call;
pub(crate) mod callback;
mod carried;
mod checkpoint;
mod context;
// Whether programs are refused for what they cost.
#[cfg_attr(feature = "embedded-profile", path = "core/costliest.rs")]
#[cfg_attr(feature = "cloud-profile", path = "core/no_costliest.rs")]
pub(crate) mod costliest;
mod derived;
mod differences;
mod done;
mod dynptr;
mod dynptr_kfunc;
pub(crate) mod effort;
mod ends;
mod global;
mod held;
mod helper;
mod helper_memory;
pub(crate) mod hint;
pub(crate) mod iterator;
mod later;
mod linear;
mod loosen;
mod marks;
mod memory;
mod merge;
mod narrow;
mod node;
mod operands;
mod packet;
pub(crate) mod path;
mod pending;
mod pointer;
mod progress;
mod ranks;
mod recover;
mod rounds;
mod socket;
mod stack;
mod strides;
mod summary;
mod thresholds;
mod tighten;
mod trial;
mod triangle;

use bpf_bytecode::abi::context::CtxLayout;
use bpf_bytecode::abi::field::MapField;
use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::helper::id::TAIL_CALL;
use bpf_bytecode::abi::kfunc::UnknownKfunc;
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::instruction::{CallTarget, DecodeError, Imm64, Instruction, jump_target};
use bpf_bytecode::{BpfProgram, Register};
use bpf_profile::PhysicalProfile;

use crate::arena::{Arena, At, NONE, NoRoom};
use crate::cfg::{CfgError, Code, Effects, Known, slot_number};
use crate::error::{Feature, VerifyError, VerifyErrorKind};
use crate::meter::Meter;
use crate::observer::Observer;
use crate::rules::{Privilege, Rules};
use crate::state::{Kind, State, StateView, Value};
use crate::tail::Tail;
use crate::verified::InsnFact;
use checkpoint::Arrival;
use hint::Hint;
use later::Later;
use pending::Copies;
use trial::Trial;

/// Why the walk stopped early.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stop {
    Rejected(VerifyErrorKind),
    NoRoom(NoRoom),
}

impl From<VerifyErrorKind> for Stop {
    fn from(kind: VerifyErrorKind) -> Self {
        Self::Rejected(kind)
    }
}

impl From<DecodeError> for Stop {
    fn from(error: DecodeError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<NoRoom> for Stop {
    fn from(error: NoRoom) -> Self {
        Self::NoRoom(error)
    }
}

/// What an instruction gives.
pub(crate) type Step<T = ()> = Result<T, Stop>;

pub(crate) fn reject<T>(kind: VerifyErrorKind) -> Step<T> {
    Err(Stop::Rejected(kind))
}

/// Where a path goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flow {
    To(usize),
    End,
}

/// The place on the path that is being walked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walker {
    pub pc: usize,
    /// The last checkpoint.
    pub parent: At,
    /// Cost since then.
    pub meter: Meter,
    /// One bit for each conditional jump since then, the last one lowest.
    pub trail: u64,
    /// Their number, or [`LOST`].
    pub trail_len: u32,
    /// Branches since then that could go both ways.
    pub forks: u32,
    /// Instructions since the last branch that could go both ways.
    pub lonely: u64,
    /// Rounds that `may_goto` granted on the path.
    pub grants: u32,
    /// The innermost loop around it that is being summarised.
    pub active: Trial,
}

impl Walker {
    /// At the beginning of a walk.
    const fn at(pc: usize) -> Self {
        Self {
            pc,
            parent: NONE,
            meter: Meter::ZERO,
            trail: 0,
            trail_len: 0,
            forks: 0,
            lonely: 0,
            grants: 0,
            active: Trial(NONE),
        }
    }
}

/// In the place of a trail's length: there were too many jumps to keep.
pub(crate) const LOST: u32 = 0xff;

/// Figures of a verification.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub processed: u64,
    /// Instructions that some path came to.
    pub reached: u64,
    /// Steps that the handling of large states counts as.
    pub handled: u64,
    /// All that is done, in words; see [`budget`].
    pub work: u64,
    pub total_states: u32,
    pub states: u32,
    pub peak_states: u32,
    pub context_bytes: usize,
    pub tail_calls: bool,
    /// Maps whose contents were taken for known, by index.
    pub known_maps: u64,
    /// Frames of the deepest chain but for the first one's.
    pub frames: u32,
    /// Whether stack bytes may be read that the program has not written.
    pub unwritten_reads: bool,
    /// States at which paths join that were not kept for want of memory.
    pub not_kept: u32,
    /// Whether an attempt at a loop or at states that are alike came to nothing for want of
    /// memory.
    pub not_tried: bool,
    /// The bound of the whole program, once the walk is over.
    pub bound: Meter,
}

/// A verification under way.
pub(crate) struct Explorer<'a> {
    pub code: Code<'a>,
    pub maps: &'a [MapDef],
    /// Contents of maps that never change.
    pub frozen: &'a [FrozenMap],
    /// Special fields of the maps' values.
    pub fields: &'a [MapField],
    /// Kernel functions that are not known.
    pub unknown: &'a [UnknownKfunc],
    pub layout: &'static CtxLayout,
    pub rules: Rules<'a>,
    pub arena: Arena<'a>,
    pub state: State,
    pub walker: Walker,
    pub figures: Figures,
    /// Latest of the states that wait for their turn.
    pending: At,
    /// Instructions that had been walked when nodes were given up for room.
    reclaimed: u64,
    last_id: u32,
    /// A refusal for which a path is looked for.
    pub sought: costliest::Sought,
    /// The summary that was begun last and is not over.
    trials: Trial,
    /// The guess that was found last.
    hints: Hint,
    /// Steps that attempts took which came to nothing.
    wasted: attempt::Wasted,
    /// The function that is being verified, by index: the program, or one that is
    /// verified apart.
    entry: u32,
    /// What it was found to do.
    effects: Effects,
    /// Whether some path made a dynptr, or lent bytes of the stack to a part of one.
    dynptrs: bool,
    /// Loops of which guesses said how far two numbers are apart.
    differences: u32,
    /// The latest of the walks that wait for a function to be verified.
    suspended: At,
    /// What is walked after the program.
    later: Later,
    /// Those of the waiting states that wait as they are.
    copies: Copies,
    /// For states that are put together.
    scratch: State,
    /// The current instruction was come to already.
    settled: bool,
    /// At the loop's head that was come to, the state is none of those of earlier rounds.
    apart: bool,
    /// What the observer is to be told: the branch whose other side goes on, and
    /// how many states were given up after that.
    resumed: Option<usize>,
    dropped: u32,
}

impl<'a> Explorer<'a> {
    /// Finds the program's structure and sets out. An error comes with the bytes
    /// of working memory there are.
    pub fn new<P: PhysicalProfile>(
        program: &'a BpfProgram<P>,
        rules: Rules<'a>,
        mut arena: Arena<'a>,
    ) -> Result<Self, (CfgError, usize)> {
        let (insns, prog_type) = (program.insns(), program.prog_type());
        let globals = program.global_functions();
        let found = Code::new(insns, prog_type, globals, &rules.helpers, &mut arena);
        let found = found.and_then(|code| {
            // Recursion and the number of frames are known before any walk.
            code.deepest_chain(&mut arena, &rules.stack)?;
            Ok(code)
        });
        let code = match found {
            Ok(code) => code,
            Err(error) => return Err((error, arena.limit_bytes())),
        };
        let frame_bytes = u32::try_from(rules.stack.frame_bytes()).unwrap_or(u32::MAX);
        Ok(Self {
            code,
            maps: program.map_defs(),
            frozen: program.frozen_maps(),
            fields: program.map_fields(),
            unknown: program.unknown_kfuncs(),
            layout: prog_type.context(),
            rules,
            arena,
            state: State::new(frame_bytes, rules.privilege),
            walker: Walker::at(0),
            figures: Figures::default(),
            pending: NONE,
            reclaimed: 0,
            last_id: 0,
            sought: costliest::Sought::NONE,
            trials: Trial(NONE),
            hints: Hint(NONE),
            wasted: attempt::Wasted::default(),
            entry: 0,
            effects: Effects::default(),
            dynptrs: false,
            differences: 0,
            suspended: NONE,
            later: Later::NONE,
            copies: Copies::NONE,
            scratch: State::new(frame_bytes, rules.privilege),
            settled: false,
            apart: false,
            resumed: None,
            dropped: 0,
        })
    }

    /// Walks every path.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Step {
        self.state.set_reg(Register::R1, Value::pointer(Kind::Context, 0, 0));
        self.add_node()?;
        loop {
            let more = match self.advance(observer) {
                Ok(more) => more,
                Err(stop) => self.recover_all(stop)?,
            };
            self.tell(observer);
            if !more && !self.return_to_caller(observer)? && !self.turn_to_later(observer)? {
                return Ok(());
            }
        }
    }

    /// On to the end of a path, or to where an attempt begins or ends. Whether there is
    /// anything left to walk.
    fn advance(&mut self, observer: &mut dyn Observer) -> Step<bool> {
        loop {
            let mut known = self.code.known(&self.arena, self.walker.pc);
            // Most instructions are no place where anything is looked at.
            if !core::mem::take(&mut self.settled) && self.is_arrival(known) {
                known = Known::NOTHING;
                // What follows is large, and stays where it was put.
                match &self.arrive() {
                    Ok(Arrival::Walk) => {}
                    Ok(Arrival::Covered(tail)) => {
                        if self.guessing().is_none() {
                            observer.pruned(self.walker.pc);
                        }
                        // One such path after the other takes time, too, and no instruction.
                        self.check_budget()?;
                        self.check_cost(tail)?;
                        return self.end_path(tail);
                    }
                    Ok(Arrival::Elsewhere) => return Ok(true),
                    Err(stop) => return Err(*stop),
                }
            }
            // Moved on, it would be read before what was written in parts had come to memory.
            let decoded = self.code.insn(self.walker.pc);
            let insn = decoded.as_ref().map_err(|error| *error)?;
            let calls = matches!(insn, Instruction::Call(_));
            if calls && self.turn_to_callee(insn, observer)? {
                return Ok(true);
            }
            if self.guessing().is_none() {
                observer.step(self.walker.pc, &self.view());
            }
            self.check_budget()?;
            self.count(insn);
            // What calls back costs once, when it is done.
            if !(calls && self.is_round_of_helper(insn)) {
                self.walker.meter = self.walker.meter.then(self.rules.realtime.cost(insn));
            }
            self.walker.lonely = self.walker.lonely.saturating_add(1);
            if !known.is_reached() && self.code.reach(&mut self.arena, self.walker.pc) {
                self.figures.reached = self.figures.reached.saturating_add(1);
            }
            if calls {
                self.make_room_for_cells();
            }
            let (pc, waiting) = (self.walker.pc, self.pending);
            let flow = self.execute(insn)?;
            if self.pending != waiting {
                observer.forked(pc);
            }
            match flow {
                Flow::To(pc) => self.walker.pc = pc,
                Flow::End => {
                    self.check_cost(&Tail::END)?;
                    return self.end_path(&Tail::END);
                }
            }
        }
    }

    /// Goes on after an error, if there is a summary to give up.
    fn recover_all(&mut self, stop: Stop) -> Step<bool> {
        let mut stop = stop;
        loop {
            let found = matches!(&stop, Stop::Rejected(kind) if self.is_sought(kind));
            if found || !self.is_tried() {
                return Err(stop);
            }
            // Each one counts as a step, so that there is an end to them whatever
            // they do.
            self.check_budget()?;
            self.figures.handled = self.figures.handled.saturating_add(1);
            if self.trials.0 == NONE
                && !matches!(&stop, Stop::Rejected(VerifyErrorKind::TooComplex { .. }))
            {
                self.give_up_callee()?;
                continue;
            }
            match self.recover(stop) {
                Ok(more) => return Ok(more),
                Err(Stop::Rejected(kind @ VerifyErrorKind::TooComplex { .. })) => {
                    return reject(kind);
                }
                Err(next) => stop = next,
            }
        }
    }

    /// Tells the observer which states went on or were given up.
    fn tell(&mut self, observer: &mut dyn Observer) {
        if let Some(from) = self.resumed.take() {
            observer.resumed(from);
        }
        for _ in 0..core::mem::take(&mut self.dropped) {
            observer.dropped();
        }
    }

    /// The state as others see it.
    pub fn view(&self) -> StateView<'_> {
        StateView::new(&self.state, &self.arena, self.maps)
    }

    /// One instruction on the state.
    fn execute(&mut self, insn: &Instruction) -> Step<Flow> {
        let pc = self.walker.pc;
        let next = Flow::To(pc.saturating_add(insn.slots()));
        match *insn {
            Instruction::Alu { op, width, dst, src } => self.alu(op, width, dst, src)?,
            Instruction::Neg { width, dst } => self.negate(width, dst)?,
            Instruction::MovSx { width, from, dst, src } => {
                self.move_signed(width, from, dst, src)?;
            }
            Instruction::ByteSwap { order, size, dst } => self.byte_swap(order, size, dst)?,
            Instruction::LoadImm64 { dst, value } => self.load_imm64(dst, value)?,
            Instruction::Load { size, signed, dst, base, off } => {
                self.load(size, signed, dst, base, off)?;
            }
            Instruction::LoadAcquire { size, dst, base, off } => {
                self.check_atomic(base, off, size)?;
                self.load(size, false, dst, base, off)?;
            }
            Instruction::Store { size, base, off, src } => {
                let value = self.operand(src, 64)?;
                self.store(size, base, off, value, src)?;
            }
            Instruction::StoreRelease { size, base, off, src } => {
                let value = self.read(src)?;
                self.check_atomic(base, off, size)?;
                self.store(size, base, off, value, bpf_bytecode::instruction::Operand::Reg(src))?;
            }
            Instruction::Atomic { op, fetch, width, base, off, src } => {
                self.atomic(op, fetch, width, base, off, src)?;
            }
            Instruction::LegacyPacket { size, index, .. } => {
                return self.legacy_packet(insn, size, index);
            }
            Instruction::Jump { off } => return Ok(Self::jump(pc, off)),
            Instruction::JumpIf { .. } => return self.branch(insn),
            Instruction::MayGoto { .. } => return self.may_goto(insn),
            Instruction::Call(CallTarget::Helper(id)) if self.calls_back(pc) => {
                return self.call_with_callback(insn, id);
            }
            Instruction::Call(CallTarget::Helper(TAIL_CALL)) => return self.tail_call(insn),
            Instruction::Call(CallTarget::Helper(id)) => self.call_helper(id)?,
            Instruction::Call(CallTarget::Local(off)) => return self.call_local(off),
            Instruction::Call(CallTarget::Kfunc(number)) => {
                return self.call_kfunc(insn, number);
            }
            Instruction::Exit => return self.exit(),
        }
        Ok(next)
    }

    fn jump(pc: usize, off: i32) -> Flow {
        Flow::To(jump_target(pc, off).unwrap_or(usize::MAX))
    }

    fn load_imm64(&mut self, dst: Register, value: Imm64) -> Step {
        let map = |explorer: &Self, index: u32| {
            let at = usize::try_from(index).ok();
            let def = at.and_then(|at| explorer.maps.get(at)).copied();
            match def {
                Some(def) if explorer.rules.helpers.has_maps_of(def.map_type) => Ok(def),
                Some(def) => reject(VerifyErrorKind::MapUnsupported(def.map_type)),
                None => reject(VerifyErrorKind::NotAPointer { reg: dst, found: Kind::NotInit }),
            }
        };
        let value = match value {
            Imm64::Value(number) => Value::scalar(crate::domain::Scalar::constant(number)),
            Imm64::MapIdx(index) => {
                map(self, index)?;
                Value::pointer(Kind::Map, index, 0)
            }
            Imm64::MapIdxValue(index, off) => {
                let def = map(self, index)?;
                Self::direct_value(dst, index, off, &def)?
            }
            Imm64::MapFd(_) | Imm64::MapFdValue(..) => {
                return reject(VerifyErrorKind::Unsupported(Feature::MapDescriptors));
            }
            Imm64::Var(_) => {
                return reject(VerifyErrorKind::Unsupported(Feature::PlatformVariables));
            }
            Imm64::Code(off) => {
                let target = jump_target(self.walker.pc, off).unwrap_or(usize::MAX);
                let function = self.code.function_of(&self.arena, target);
                if self.code.global(&self.arena, function).is_some() {
                    return reject(VerifyErrorKind::Unsupported(Feature::GlobalCallback));
                }
                Value::pointer(Kind::Function, function, 0)
            }
        };
        self.write(dst, value)
    }

    /// The address of a byte in the only value of an array.
    fn direct_value(dst: Register, index: u32, off: u32, def: &MapDef) -> Step<Value> {
        use bpf_bytecode::abi::map::MapType;
        if def.map_type != MapType::Array || def.max_entries != 1 {
            let kind = VerifyErrorKind::NoDirectValue(def.map_type, def.max_entries);
            return reject(kind);
        }
        let signed = i32::try_from(off).unwrap_or(i32::MAX);
        if off >= def.value_size || signed >= pointer::MAX_OFFSET {
            return reject(VerifyErrorKind::OutOfBounds {
                reg: dst,
                region: Kind::MapValue,
                min: off.into(),
                max: off.into(),
                size: 1,
                limit: def.value_size,
            });
        }
        Ok(Value { off: signed, ..Value::pointer(Kind::MapValue, index, 0) })
    }

    /// The value of a register, which must have one.
    pub(crate) fn read(&self, register: Register) -> Step<Value> {
        let value = self.state.reg(register);
        if !value.is_init() {
            return reject(VerifyErrorKind::UninitRegister(register));
        }
        Ok(value)
    }

    /// Sets a register, which must not be R10.
    pub(crate) fn write(&mut self, register: Register, value: Value) -> Step {
        if register == Register::R10 {
            return reject(VerifyErrorKind::FramePointerWrite);
        }
        self.state.set_reg(register, value);
        Ok(())
    }

    /// An identity that no value has.
    pub(crate) fn fresh_id(&mut self) -> u32 {
        self.last_id = self.last_id.saturating_add(1);
        self.last_id
    }

    /// Notes what the instruction accesses. The context, each kind of socket, and other memory
    /// exclude each other.
    pub(crate) fn note(&mut self, fact: InsnFact) -> Step {
        let pc = self.walker.pc;
        let before = self.code.fact(&self.arena, pc);
        if before == fact {
            return Ok(());
        }
        let memory = |fact| {
            use InsnFact::{KernelFlowKeys, MapValue, Memory, Packet, Reserved, Stack};
            matches!(fact, Stack | Packet | MapValue | Reserved | Memory | KernelFlowKeys)
        };
        let merged = match (before, fact) {
            (InsnFact::Unreached | InsnFact::Plain, _) => fact,
            (_, InsnFact::Unreached | InsnFact::Plain) => before,
            _ if memory(before) && memory(fact) => InsnFact::Memory,
            _ => return reject(VerifyErrorKind::MixedPointers),
        };
        self.code.set_fact(&mut self.arena, pc, merged);
        Ok(())
    }

    /// Whether addresses must stay inside of the program.
    pub(crate) fn guards_addresses(&self) -> bool {
        self.rules.privilege == Privilege::Unprivileged
    }

    /// What stopped the walk, as an error for the caller.
    pub fn error(&self, stop: Stop) -> VerifyError {
        let kind = match stop {
            // With more memory more would have been known of paths that join.
            Stop::Rejected(VerifyErrorKind::TooComplex { .. }) if self.figures.not_kept > 0 => {
                self.exhausted(0)
            }
            // An attempt might have passed it: where a loop carries an address in one round and
            // a number in another, it is a number to a summary.
            Stop::Rejected(kind) if self.figures.not_tried && kind.class().is_of_values() => {
                self.exhausted(0)
            }
            Stop::Rejected(kind) => kind,
            Stop::NoRoom(NoRoom { words }) => self.exhausted(words),
        };
        VerifyError::new(kind, slot_number(self.walker.pc))
    }

    /// The working memory did not suffice for `words` more words: projects what
    /// would from how much of the program was walked with what there is.
    fn exhausted(&self, words: usize) -> VerifyErrorKind {
        let available = self.arena.limit_bytes() as u64;
        let more = (words as u64).saturating_mul(8);
        let all = self.code.insns.len() as u64;
        let walked = (self.code.walked(&self.arena) as u64).max(1);
        let projected = available.saturating_mul(all).checked_div(walked).unwrap_or(available);
        let least = available.saturating_add(more).saturating_add(available / 4);
        VerifyErrorKind::WorkspaceExhausted { needed_about: projected.max(least), available }
    }
}
