//! Functions that the kernel calls once the program has ended: callbacks of timers, and
//! the one that is called behind `bpf_throw`.
//!
//! Each is walked after the program's own paths, like a program: in a frame of its own,
//! with the arguments that the kernel gives it. A callback of a timer is walked for every
//! map in whose values the program sets it; what it sets itself comes next. So each run of
//! one is safe whichever came before.
//!
//! A run of the program and one of a timer's callback are apart: the bound is that of the
//! longer one. The function behind `bpf_throw` belongs to the run that threw.

use bpf_bytecode::Register;
use bpf_bytecode::abi::field::FieldType;
use bpf_bytecode::abi::map::MapType;

use super::call::within;
use super::held::TRACING;
use super::helper::Arguments;
use super::{Explorer, Step, Walker, reject};
use crate::arena::{At, NONE, high, low, pair};
use crate::cfg::{Effects, Progress};
use crate::domain::Scalar;
use crate::error::{Feature, VerifyErrorKind};
use crate::meter::Meter;
use crate::observer::Observer;
use crate::state::{Kind, Value};

const TIMER_INIT: u32 = 169;
const TIMER_SET_CALLBACK: u32 = 170;

/// Words of a callback that is to be walked: a link and the function; the map.
const CALLBACK_WORDS: usize = 2;

/// What is walked from its beginning, functions that are verified apart aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// The program.
    #[default]
    Program,
    /// A callback of timers.
    Timer,
    /// The function that is called behind `bpf_throw`.
    Exception,
}

/// The functions that are walked after the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Later {
    role: Role,
    /// Callbacks of timers that were set, the latest first.
    set: At,
    /// The latest of those that were walked.
    walked: At,
    /// The bound of what was walked before.
    bound: Meter,
}

impl Later {
    pub const NONE: Self =
        Self { role: Role::Program, set: NONE, walked: NONE, bound: Meter::ZERO };
}

impl Explorer<'_> {
    /// Whose end an end of the first frame is; none, of a function verified apart.
    pub(super) const fn role(&self) -> Option<Role> {
        if self.suspended == NONE { Some(self.later.role) } else { None }
    }

    /// Whether the kernel calls what is being walked, and not as a program.
    pub(super) const fn is_called_later(&self) -> bool {
        matches!(self.role(), Some(Role::Timer | Role::Exception))
    }

    /// The map in whose value an argument points to a timer.
    pub(super) fn timer_argument(&self, value: &Value, wrong: VerifyErrorKind) -> Step<u32> {
        let def = self.map_def(value.index).filter(|_| value.kind == Kind::MapValue);
        let timed = |map| matches!(map, MapType::Hash | MapType::LruHash | MapType::Array);
        let at = value.known_offset().and_then(|off| u32::try_from(off).ok());
        let mut fields = self.fields_of(value.index);
        let is_timer = fields.any(|f| f.field == FieldType::Timer && Some(f.offset) == at);
        if !def.is_some_and(|def| timed(def.map_type)) || !is_timer {
            return reject(wrong);
        }
        // Which map it is of is not known then.
        if self.stands_for_others(value.index) {
            return reject(VerifyErrorKind::Unsupported(Feature::InnerTimers));
        }
        Ok(value.index)
    }

    /// What helpers of timers demand beyond their signatures.
    pub(super) fn use_timer(&mut self, helper: u32, timer: u32, args: &Arguments) -> Step {
        let prog_type = self.code.prog_type;
        if TRACING.contains(&prog_type.number()) {
            return reject(VerifyErrorKind::HelperNotAllowed { helper, prog_type });
        }
        match (helper, args.map) {
            (TIMER_INIT, Some((map, _))) if map != timer => {
                reject(VerifyErrorKind::TimerOfOtherMap { map, timer })
            }
            (TIMER_SET_CALLBACK, _) => {
                let function = self.state.reg(Register::R2).index;
                self.set_callback(function, timer)
            }
            _ => Ok(()),
        }
    }

    /// Notes that a function is to be walked as a callback of timers in a map.
    fn set_callback(&mut self, function: u32, map: u32) -> Step {
        let mut at = self.later.set;
        while at != NONE {
            let link = self.arena.word(at);
            if high(link) == function && self.arena.word(at.saturating_add(1)) == u64::from(map) {
                return Ok(());
            }
            at = low(link);
            self.work(1);
        }
        let at = self.alloc(CALLBACK_WORDS)?;
        self.arena.set(at, pair(self.later.set, function));
        self.arena.set(at.saturating_add(1), map.into());
        self.later.set = at;
        Ok(())
    }

    /// The callback of timers that was set first of those that wait.
    fn next_callback(&mut self) -> Option<(u32, u32)> {
        let (mut at, mut first) = (self.later.set, NONE);
        while at != NONE && at != self.later.walked {
            self.work(1);
            (first, at) = (at, low(self.arena.word(at)));
        }
        if first == NONE {
            return None;
        }
        self.later.walked = first;
        let map = low(self.arena.word(first.saturating_add(1)));
        Some((high(self.arena.word(first)), map))
    }

    /// All paths from a beginning were walked: turns to the next function that the kernel
    /// calls. Whether there is one.
    pub(super) fn turn_to_later(&mut self, observer: &mut dyn Observer) -> Step<bool> {
        // The last path is over: there is no way to show.
        self.walker = Walker::at(self.walker.pc);
        let (before, bound) = (self.later.bound, self.figures.bound);
        let all = match self.later.role {
            Role::Exception => before.then(bound),
            Role::Program | Role::Timer => before.max(bound),
        };
        (self.later.bound, self.figures.bound) = (all, all);
        let exception = self.code.exception_callback(&self.arena);
        let exception = exception
            .filter(|(function, _)| self.code.progress(&self.arena, *function) == Progress::New);
        let (function, role, args) = if let Some((function, global)) = exception {
            if !global.takes_cookie() {
                return reject(VerifyErrorKind::Unsupported(Feature::ExceptionSignature));
            }
            self.code.set_progress(&mut self.arena, function, Progress::Begun);
            let cookie = Value::scalar(Scalar::UNKNOWN);
            (function, Role::Exception, [cookie, Value::NOT_INIT, Value::NOT_INIT])
        } else if let Some((function, map)) = self.next_callback() {
            let value = Value::pointer(Kind::MapValue, map, self.fresh_id());
            let value = Value { id: 0, ..self.told_apart(value) };
            let key = Value::pointer(Kind::MapKey, map, 0);
            (function, Role::Timer, [Value::pointer(Kind::Map, map, 0), key, value])
        } else {
            return Ok(false);
        };
        self.later.role = role;
        self.effects = Effects::default();
        self.begin_function(function, args, observer)?;
        Ok(true)
    }

    /// Callbacks of timers give the number 0.
    pub(super) fn check_timer_result(&mut self, result: &Value) -> Step {
        self.mark_precise(result.deps);
        within(result.number.full(), 0, 0)
    }
}
