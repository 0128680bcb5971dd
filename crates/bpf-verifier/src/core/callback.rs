//! Helpers that call a function of the program again and again.
//!
//! Such a call is the head of a loop: in every round the function is walked in a
//! frame of its own, which returns to the call. There the next round begins, or
//! the helper is done. What the function does to memory of its callers, it does
//! to their part of the state, as any function.
//!
//! R0 has no value before the call; meanwhile it holds which loop this is, how
//! many rounds were walked and how many references were held at its beginning.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, id};
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::instruction::{CallTarget, Instruction};

use super::call::{PRESERVED, within};
use super::{Explorer, Flow, LOST, Step, reject};
use crate::cfg::slot_number;
use crate::domain::Scalar;
use crate::error::{Feature, VerifyErrorKind};
use crate::state::{Kind, ReturnTo, Value};

/// Rounds of `bpf_loop` at the most; with a greater number there are none.
pub const MAX_LOOPS: u32 = 1 << 23;

/// Functions that helpers call, one inside of the other, as the engines allow.
pub const MAX_CALLBACKS: u32 = 4;

/// Bytes of a key that is shown to a function, as the engines have room.
pub const MAX_SHOWN_KEY: u32 = 64;

/// The helper, and R0 to R5.
const KEPT: u16 = 0x3f;

impl Explorer<'_> {
    /// Whether a slot, where a helper is called, is one where that calls a function of the
    /// program.
    pub(super) fn calls_back(&self, pc: usize) -> bool {
        self.code.has_rounds() && self.code.is_round_head(&self.arena, pc)
    }

    /// Whether the current instruction is a call of such a helper.
    pub(super) fn is_round_of_helper(&self, insn: &Instruction) -> bool {
        let helper = matches!(insn, Instruction::Call(CallTarget::Helper(_)));
        helper && self.calls_back(self.walker.pc)
    }

    /// The walk comes to the head of a loop: where it is a helper's call and not
    /// a later round, a new loop begins.
    pub(super) fn begin_rounds(&mut self) -> Step {
        let insn = self.code.insn(self.walker.pc)?;
        let Instruction::Call(CallTarget::Helper(_)) = insn else { return Ok(()) };
        if self.state.reg(Register::R0).kind != Kind::Rounds {
            let held = i32::try_from(self.state.refs).unwrap_or(i32::MAX);
            let rounds = Value::pointer(Kind::Rounds, 0, self.fresh_id());
            self.state.set_reg(Register::R0, Value { off: held, ..rounds });
        }
        Ok(())
    }

    /// One more round waits for its turn; the walk goes on behind the call.
    pub(super) fn call_with_callback(&mut self, insn: &Instruction, helper: u32) -> Step<Flow> {
        let sig = self.helper_sig(helper)?;
        if !matches!(helper, id::LOOP | id::FOR_EACH_MAP_ELEM) {
            let what = Feature::Argument(ArgKind::Callback);
            return reject(VerifyErrorKind::Unsupported(what));
        }
        let args = self.check_arguments(sig)?;
        self.check_callback(sig)?;
        if let Some((_, def)) = args.map
            && def.key_size > MAX_SHOWN_KEY
        {
            return reject(VerifyErrorKind::Unsupported(Feature::LargeKeys(MAX_SHOWN_KEY)));
        }
        if helper == id::LOOP {
            // How many rounds there are decides whether there is one more.
            self.mark_precise(self.state.reg(Register::R1).deps);
        }
        let walked = self.state.reg(Register::R0).range.unsigned_abs();
        if walked < self.most_callbacks(helper) {
            self.fork(insn)?;
        }
        self.walker.meter = self.walker.meter.then(self.rules.realtime.cost(insn));
        let next = self.take_side(insn, false)?;
        self.clear_arguments();
        let result = self.result(sig, &args)?;
        self.write(Register::R0, result)?;
        Ok(Flow::To(next))
    }

    /// How many rounds the loop at the current call has at the most.
    pub(super) fn most_callbacks(&self, helper: u32) -> u32 {
        let first = self.state.reg(Register::R1);
        match (helper, first.kind) {
            // The helper takes the low half.
            (id::LOOP, Kind::Scalar) => {
                let half = first.number.half();
                if half.umin > MAX_LOOPS.into() {
                    return 0;
                }
                u32::try_from(half.umax.min(MAX_LOOPS.into())).unwrap_or(MAX_LOOPS)
            }
            (id::LOOP, _) => MAX_LOOPS,
            // Of maps that others hold, it is not known how many entries they have.
            _ if self.stands_for_others(first.index) => u32::MAX,
            _ => self.map_def(first.index).map_or(u32::MAX, |def| def.max_entries),
        }
    }

    /// The function, whose address the caller has taken itself: so the depth of
    /// the stack is known.
    fn check_callback(&mut self, sig: &HelperSig) -> Step {
        for (arg, kind) in (1_u8..).zip(sig.args) {
            let Some(reg) = Register::new(arg) else { break };
            let value = self.state.reg(reg);
            let found = value.kind;
            let fits = match kind {
                ArgKind::Callback => found == Kind::Function,
                ArgKind::CallbackContext if value.as_constant() == Some(0) => {
                    self.mark_precise(value.deps);
                    true
                }
                ArgKind::CallbackContext => found == Kind::Stack,
                _ => true,
            };
            if !fits {
                let (helper, expected) = (sig.id, kind);
                return reject(VerifyErrorKind::HelperArgument { helper, arg, expected, found });
            }
        }
        let function = self.state.reg(Register::R2).index;
        // The walk over the call graph lets a function name itself, for timers.
        if function == self.code.function_of(&self.arena, self.walker.pc) {
            let target = slot_number(self.code.function_start(&self.arena, function));
            return reject(VerifyErrorKind::Recursion { target });
        }
        let steps = self.code.address_taken(&self.arena, self.walker.pc, function);
        let Some(steps) = steps else {
            return reject(VerifyErrorKind::Unsupported(Feature::PassedFunction));
        };
        self.figures.handled = self.figures.handled.saturating_add(steps / 64);
        Ok(())
    }

    /// The helper calls the function once more. Where the walk goes on.
    pub(super) fn enter_callback(&mut self) -> Step<usize> {
        let pc = self.walker.pc;
        self.walker.meter = self.walker.meter.then(self.rules.realtime.round_cost());
        self.check_depth()?;
        let nested = self.nested_callbacks().saturating_add(1);
        self.effects.callbacks = self.effects.callbacks.max(nested);
        if nested > MAX_CALLBACKS {
            return reject(VerifyErrorKind::Unsupported(Feature::NestedCallbacks(MAX_CALLBACKS)));
        }
        let [first, function, context] =
            [Register::R1, Register::R2, Register::R3].map(|reg| self.state.reg(reg));
        let mut rounds = self.state.reg(Register::R0);
        rounds.range = rounds.range.saturating_add(1);
        self.state.set_reg(Register::R0, rounds);
        // What is passed as a count may be a map, too: the helper says what it shows.
        let shows = Instruction::Call(CallTarget::Helper(id::FOR_EACH_MAP_ELEM));
        let shows = self.code.insn(pc)? == shows;
        let most = self.most_callbacks(id::LOOP);
        let function = function.index;
        let to = ReturnTo { pc: slot_number(pc), function, to_helper: true };
        let live = self.code.live(&self.arena, pc.saturating_add(1)) & PRESERVED;
        self.state.push_frame(&mut self.arena, to, live | KEPT)?;
        self.clear_arguments();
        let args = if shows {
            // The key is shown as long as this helper calls.
            let key = Value::pointer(Kind::MapKey, first.index, rounds.id);
            [first, key, Value::pointer(Kind::MapValue, first.index, 0), context]
        } else {
            // Of an address nothing is known here: it counts as many as the helper allows.
            let last = u64::from(most).saturating_sub(1);
            [Value::scalar(Scalar::between(0, last)), context, Value::NOT_INIT, Value::NOT_INIT]
        };
        for (number, value) in (1_u8..).zip(args) {
            if let Some(register) = Register::new(number) {
                self.state.set_reg(register, value);
            }
        }
        // The jumps up to here do not tell which function was called.
        self.walker.trail_len = LOST;
        self.walker.pc = self.code.function_start(&self.arena, function);
        self.add_node()?;
        Ok(self.walker.pc)
    }

    /// Helpers that are calling functions, one inside of the other.
    pub(super) fn nested_callbacks(&self) -> u32 {
        let frames = 0..=self.state.frame;
        let nested = frames.filter(|frame| {
            self.state.return_of(&self.arena, *frame).is_some_and(|to| to.to_helper)
        });
        u32::try_from(nested.count()).unwrap_or(u32::MAX)
    }

    /// What a function may return to the helper, and what it may leave behind.
    pub(super) fn check_callback_result(&mut self, result: &Value) -> Step {
        if !result.is_scalar() {
            if !result.is_init() {
                return reject(VerifyErrorKind::UninitRegister(Register::R0));
            }
            let (reg, found) = (Register::R0, result.kind);
            return reject(VerifyErrorKind::NotANumber { reg, found });
        }
        self.mark_precise(result.deps);
        let rounds = self.state.kept_reg(&self.arena, Register::R0);
        self.state
            .revoke(&mut self.arena, |value| value.kind == Kind::MapKey && value.id == rounds.id);
        within(result.number.full(), 0, 1)?;
        let held = rounds.off.unsigned_abs();
        if self.state.refs > held
            && let Some(pc) = self.state.last_reference(&self.arena)
        {
            return reject(VerifyErrorKind::UnreleasedReference { pc });
        }
        if self.state.refs < held {
            return reject(VerifyErrorKind::Unsupported(Feature::ReleaseOfCallers));
        }
        Ok(())
    }

    /// The function has told the helper that called it at `pc` to stop: the walk goes on behind
    /// the call, where the caller's frame is the running one again. Gives the slot.
    ///
    /// The state comes to the head of the loop no more, so nothing there is compared with it: no
    /// round is covered by one after which the helper stopped, and none waits for it. That the
    /// number is 1 was decided on, when it was checked: a done node in the function covers those
    /// states alone that end so, too. Of numbers that may be either, the round that follows and
    /// the way out are both walked from the head.
    ///
    /// The last round is a part of the path to the program's end, as that of a loop that is left
    /// from its middle; to count its grant once more than that only makes the bound greater.
    pub(super) fn stop_calling(&mut self, pc: usize) -> Step<usize> {
        let insn = self.code.insn(pc)?;
        self.walker.meter = self.walker.meter.then(self.rules.realtime.cost(&insn));
        // Told as if the helper was asked for one more round and had none.
        self.note_side(false);
        self.clear_arguments();
        self.write(Register::R0, Value::UNKNOWN)?;
        Ok(pc.saturating_add(insn.slots()))
    }

    /// The bytes of a key that a helper shows.
    pub(super) fn shown_key(def: Option<&MapDef>) -> u32 {
        def.map_or(0, |def| def.key_size)
    }
}
