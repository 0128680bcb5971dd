//! Global functions: verified once, apart from their callers, by their signature.
//!
//! Where the walk comes to a call of one that was not looked at yet, it is put
//! aside, and the function is walked like a program: with arguments of which no
//! more is known than the signature says. Then the walk goes on at the call, where
//! the arguments are compared with the signature, and the function counts as one
//! instruction that costs as much as its costliest path and gives some number.

use bpf_bytecode::Register;
use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_bytecode::instruction::Instruction;

use super::callback::MAX_CALLBACKS;
use super::memory::Span;
use super::trial::Trial;
use super::{Explorer, Step, Walker, reject};
use crate::arena::{NONE, high, low, pair};
use crate::cfg::{Effects, Progress, slot_number};
use crate::domain::Scalar;
use crate::error::{Access, Feature, Sink, VerifyErrorKind};
use crate::meter::Meter;
use crate::observer::Observer;
use crate::state::snapshot::Snapshot;
use crate::state::{Kind, Value};

/// Words of a walk that was put aside: a link and what waits; the place on the
/// path; the function and what it does; a cost; the state.
const EFFECTS: u32 = 7;
const METER: u32 = EFFECTS + 1;
const SNAPSHOT: u32 = METER + Meter::WORDS;

impl Explorer<'_> {
    /// Turns to the function that the current instruction calls, where that is to
    /// be verified first. Whether the walk goes on there.
    pub(super) fn turn_to_callee(
        &mut self,
        insn: &Instruction,
        observer: &mut dyn Observer,
    ) -> Step<bool> {
        let pc = self.walker.pc;
        let Some((function, global)) = self.code.global_called(&self.arena, pc, insn) else {
            return Ok(false);
        };
        let target = global.slot;
        if global.catches {
            return reject(VerifyErrorKind::Unsupported(Feature::ExceptionCall));
        }
        match self.code.progress(&self.arena, function) {
            Progress::Safe => return Ok(false),
            Progress::Begun => return reject(VerifyErrorKind::Recursion { target }),
            // In an attempt at a loop it is not looked at again.
            Progress::Refused if self.is_tried() => {
                return reject(VerifyErrorKind::GlobalFunction { target });
            }
            Progress::New | Progress::Refused => {}
        }
        if !global.returns_number || global.params.contains(&Some(Param::Other)) {
            return reject(VerifyErrorKind::Unsupported(Feature::Signature));
        }
        self.suspend()?;
        self.code.set_progress(&mut self.arena, function, Progress::Begun);
        // Paths that were walked before it was refused are not walked again.
        (self.effects, _) = self.code.outcome(&self.arena, function);
        let args = global.params.map(|param| self.param(param));
        self.begin_function(function, args, observer)?;
        Ok(true)
    }

    /// Sets out at the first slot of a function, with these values in R1 and so on.
    pub(super) fn begin_function<const N: usize>(
        &mut self,
        function: u32,
        args: [Value; N],
        observer: &mut dyn Observer,
    ) -> Step {
        self.entry = function;
        self.walker = Walker::at(self.code.function_start(&self.arena, function));
        self.state.clear();
        for (number, value) in (1_u8..).zip(args) {
            if let Some(register) = Register::new(number) {
                self.state.set_reg(register, value);
            }
        }
        self.add_node()?;
        observer.turned_to(self.walker.pc);
        Ok(())
    }

    /// What a function finds in a register.
    fn param(&mut self, param: Option<Param>) -> Value {
        let memory = |kind, id, size: u32| {
            let range = i32::try_from(size).unwrap_or(i32::MAX);
            Value { range, ..Value::pointer(kind, 0, id) }
        };
        match param {
            None | Some(Param::Other) => Value::NOT_INIT,
            Some(Param::Number) => Value::scalar(Scalar::UNKNOWN),
            Some(Param::Context) => Value::pointer(Kind::Context, 0, 0),
            Some(Param::Memory(size)) => memory(Kind::Given, 0, size),
            Some(Param::MemoryOrNull(size)) => memory(Kind::GivenOrNull, self.fresh_id(), size),
            Some(Param::Dynptr) => Value::pointer(Kind::GivenDynptr, 0, self.fresh_id()),
        }
    }

    /// Every path of a function was walked: it is safe, and the walk goes back to
    /// the call. Whether there is one.
    pub(super) fn return_to_caller(&mut self, observer: &mut dyn Observer) -> Step<bool> {
        if self.suspended == NONE {
            return Ok(false);
        }
        let function = self.entry;
        self.code.set_progress(&mut self.arena, function, Progress::Safe);
        let outcome = (self.effects, self.figures.bound);
        self.code.set_outcome(&mut self.arena, function, outcome);
        self.resume()?;
        observer.turned_to(self.walker.pc);
        Ok(true)
    }

    /// Whether some walk tries a summary, so that what it came to may be wrong.
    pub(super) fn is_tried(&self) -> bool {
        let (mut tried, mut at) = (self.trials.0 != NONE, self.suspended);
        while at != NONE && !tried {
            tried = low(self.arena.word(at.saturating_add(1))) != NONE;
            at = low(self.arena.word(at));
        }
        tried
    }

    /// The function was refused, but perhaps it need not be called: goes back to
    /// the call.
    pub(super) fn give_up_callee(&mut self) -> Step {
        while self.pending != NONE {
            self.drop_pending();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.forget_path(NONE);
        let (function, effects) = (self.entry, self.effects);
        self.code.set_progress(&mut self.arena, function, Progress::Refused);
        self.code.set_outcome(&mut self.arena, function, (effects, Meter::ZERO));
        self.resume()
    }

    /// Puts the walk aside.
    fn suspend(&mut self) -> Step {
        let size = Snapshot::measure(&self.state, &self.arena);
        let at = self.alloc(size.words().saturating_add(SNAPSHOT) as usize)?;
        let Walker { pc, parent, meter, trail, trail_len, forks, lonely, grants, active } =
            self.walker;
        let words = [
            pair(self.suspended, self.pending),
            pair(self.trials.0, slot_number(pc)),
            pair(parent, self.entry),
            trail,
            pair(trail_len, forks),
            pair(active.0, grants),
            lonely,
            self.effects.to_bits(),
        ];
        for (field, word) in (at..).zip(words) {
            self.arena.set(field, word);
        }
        meter.store(&mut self.arena, at.saturating_add(METER));
        Snapshot::write(&self.state, &mut self.arena, at.saturating_add(SNAPSHOT), size);
        (self.suspended, self.pending, self.trials) = (at, NONE, Trial(NONE));
        self.copies.leave();
        Ok(())
    }

    /// Goes on with the walk that was put aside last.
    fn resume(&mut self) -> Step {
        let at = self.suspended;
        let snapshot = Snapshot(at.saturating_add(SNAPSHOT));
        let word = |field: u32| self.arena.word(at.saturating_add(field));
        let (links, trials, place) = (word(0), word(1), word(2));
        let (lens, active) = (word(4), word(5));
        self.walker = Walker {
            pc: high(trials) as usize,
            parent: low(place),
            meter: Meter::load(&self.arena, at.saturating_add(METER)),
            trail: word(3),
            trail_len: low(lens),
            forks: high(lens),
            lonely: word(6),
            grants: high(active),
            active: Trial(low(active)),
        };
        self.effects = Effects::from_bits(word(EFFECTS));
        (self.suspended, self.pending) = (low(links), high(links));
        self.copies.leave();
        (self.trials, self.entry) = (Trial(low(trials)), high(place));
        // The state was compared with others before.
        self.settled = true;
        let loaded = snapshot.load(&mut self.arena, &mut self.state);
        let words = snapshot.words(&self.arena).saturating_add(SNAPSHOT);
        self.arena.free(at, words as usize);
        Ok(loaded?)
    }

    /// A call of a function that was found to be safe for all that its signature
    /// allows.
    pub(super) fn call_global(&mut self, function: u32, global: &GlobalFunction) -> Step {
        self.check_unlocked()?;
        let (effects, cost) = self.code.outcome(&self.arena, function);
        for (arg, param) in (1_u8..).zip(global.params) {
            if let Some(param) = param {
                self.check_param(global.slot, arg, param, effects)?;
            }
        }
        let callbacks = effects.callbacks.saturating_add(self.nested_callbacks());
        if effects.callbacks > 0 && callbacks > MAX_CALLBACKS {
            return reject(VerifyErrorKind::Unsupported(Feature::NestedCallbacks(MAX_CALLBACKS)));
        }
        if effects.throws {
            self.check_throw()?;
        }
        if effects.tail_calls {
            self.check_tail_call()?;
        }
        self.effects = self.effects.and(Effects { callbacks, ..effects });
        if effects.moves_packet {
            self.invalidate_packet();
        }
        self.walker.meter = self.walker.meter.then(cost);
        self.clear_arguments();
        self.write(Register::R0, Value::UNKNOWN)
    }

    /// An argument of a call as its signature has it.
    fn check_param(&mut self, target: u32, arg: u8, param: Param, effects: Effects) -> Step {
        let Some(reg) = Register::new(arg) else { return Ok(()) };
        let mut base = self.read(reg)?;
        let found = base.kind;
        let wrong = VerifyErrorKind::GlobalArgument { target, arg, expected: param, found };
        let size = match param {
            Param::Number if base.is_scalar() => return Ok(()),
            Param::Context if found == Kind::Context => {
                if base.is_unmodified() {
                    return Ok(());
                }
                let off = base.min_offset();
                return reject(VerifyErrorKind::ModifiedContext { reg, off });
            }
            // No memory that is given has bytes of it, as those are nothing to read.
            Param::Dynptr => return self.dynptr_at(reg, &base, wrong).map(|_| ()),
            Param::Memory(size) => size,
            Param::MemoryOrNull(size) => {
                if base.as_constant() == Some(0) {
                    self.mark_precise(base.deps);
                    return Ok(());
                }
                base.kind = found.not_null().unwrap_or(found);
                size
            }
            _ => return reject(wrong),
        };
        // Whoever moves the packet has no use for pointers into it.
        if (base.kind.is_packet() || base.is_packet_slice()) && effects.moves_packet {
            return reject(wrong);
        }
        self.use_slice(&base);
        for access in [Access::Read, Access::Write] {
            let span = Span { reg, base, off: 0, size, access };
            match base.kind {
                Kind::Stack => self.helper_stack(&span, Sink::Function(target), true)?,
                Kind::MapValue
                | Kind::Reserved
                | Kind::Given
                | Kind::Slice
                | Kind::Packet
                | Kind::PacketMeta => {
                    self.check_bytes(&span)?;
                }
                _ => return reject(wrong),
            }
            if effects.aligned > 0 {
                Self::check_given(&span, effects.aligned)?;
            }
        }
        Ok(())
    }

    /// Memory on which a function works as only some memory allows.
    fn check_given(span: &Span, align: u32) -> Step {
        let (reg, region) = (span.reg, span.base.kind);
        if region.is_packet() || span.base.is_packet_slice() {
            let region = Kind::Packet;
            return reject(VerifyErrorKind::AtomicRegion { reg, region });
        }
        if !span.is_aligned(align) {
            let (off, size) = (span.min(), align);
            return reject(VerifyErrorKind::Misaligned { reg, region, off, size });
        }
        Ok(())
    }
}
