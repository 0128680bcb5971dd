//! What a program holds for a while: spin locks, disabled preemption, read sections
//! of RCU.
//!
//! All of it is kept beside references, so that states are the same only where they
//! hold the same, and no path ends while anything is held.

use bpf_bytecode::abi::field::{FieldType, MapField};
use bpf_bytecode::abi::kfunc::Kfunc;
use bpf_bytecode::abi::map::MapType;

use super::memory::Span;
use super::{Explorer, Step, reject};
use crate::cfg::slot_number;
use crate::error::{Feature, VerifyErrorKind};
use crate::state::{Kind, Value};

pub(super) const SPIN_LOCK: u32 = 93;
pub(super) const SPIN_UNLOCK: u32 = 94;

/// Linux's numbers of program types that run anywhere in the kernel: they take no spin
/// locks and have no timers.
pub(super) const TRACING: [u32; 5] = [2, 5, 7, 17, 24];
/// Nor may these take spin locks.
const SOCKET_FILTER: u32 = 1;

impl Explorer<'_> {
    /// The special fields of a map's values.
    pub(super) fn fields_of(&self, map: u32) -> impl Iterator<Item = &MapField> {
        self.fields.iter().filter(move |field| field.map == map)
    }

    fn has_locks(&self, map: u32) -> bool {
        self.fields_of(map).any(|field| field.field == FieldType::SpinLock)
    }

    /// A value that a lookup gives: where it has a lock, it is told apart from what
    /// other lookups give.
    pub(super) fn told_apart(&self, value: Value) -> Value {
        let lookup = if self.has_locks(value.index) { value.id } else { 0 };
        Value { range: lookup.cast_signed(), ..value }
    }

    /// Refuses an access to bytes of a map's value that belong to a special field.
    pub(super) fn check_fields(&self, span: &Span) -> Step {
        let (min, max) = (span.min(), span.max());
        let end = max.saturating_add(span.size.into());
        let Some(found) = self.fields_of(span.base.index).find(|field| field.meets(min, end))
        else {
            return Ok(());
        };
        let whole = min == max && min == i64::from(found.offset) && span.size == 8;
        if whole && found.field == FieldType::KernelPointer {
            return reject(VerifyErrorKind::Unsupported(Feature::KernelPointers));
        }
        let (reg, field) = (span.reg, found.field);
        reject(VerifyErrorKind::SpecialField { reg, field, offset: found.offset })
    }

    /// Nothing is called under a spin lock but what releases it.
    pub(super) fn check_unlocked(&self) -> Step {
        if self.state.refs > 0
            && let Some(lock) = self.state.held(&self.arena, Kind::Lock)
        {
            return reject(VerifyErrorKind::CallUnderLock { pc: lock.index });
        }
        Ok(())
    }

    /// The lock that an argument points to.
    pub(super) fn lock_argument(&self, value: &Value, wrong: VerifyErrorKind) -> Step<Value> {
        if value.kind != Kind::MapValue {
            return reject(wrong);
        }
        let def = self.map_def(value.index);
        let single = def.is_some_and(|def| def.map_type == MapType::Array && def.max_entries == 1)
            && !self.stands_for_others(value.index);
        let off = value.known_offset().and_then(|off| u32::try_from(off).ok());
        let is_lock =
            |field: &&MapField| field.field == FieldType::SpinLock && Some(field.offset) == off;
        let lock = self.fields_of(value.index).find(is_lock);
        let Some(lock) = lock.filter(|_| single || value.lookup() != 0) else {
            return reject(wrong);
        };
        Ok(Value {
            index: slot_number(self.walker.pc),
            id: value.lookup(),
            off: i32::try_from(lock.offset).unwrap_or(i32::MAX),
            range: value.index.cast_signed(),
            ..Value::pointer(Kind::Lock, 0, 0)
        })
    }

    /// Takes or releases a lock.
    pub(super) fn use_lock(&mut self, helper: u32, lock: Value) -> Step {
        let prog_type = self.code.prog_type;
        let number = prog_type.number();
        if number == SOCKET_FILTER || TRACING.contains(&number) {
            return reject(VerifyErrorKind::HelperNotAllowed { helper, prog_type });
        }
        if helper == SPIN_LOCK {
            // Another one is not held, as nothing can be called then.
            return Ok(self.state.hold(&mut self.arena, lock)?);
        }
        let which = |value: &Value| (value.id, value.off, value.range);
        match self.state.held(&self.arena, Kind::Lock) {
            Some(held) if which(&held) == which(&lock) => {
                self.state.give_back(&mut self.arena, Kind::Lock)?;
                Ok(())
            }
            Some(held) => reject(VerifyErrorKind::OtherLock { pc: held.index }),
            None => reject(VerifyErrorKind::NotHeld { what: Kind::Lock }),
        }
    }

    /// Kernel functions that begin or end a section.
    pub(super) fn section(&mut self, kfunc: Kfunc) -> Step {
        let (kind, begins) = match kfunc {
            Kfunc::PreemptDisable => (Kind::NoPreemption, true),
            Kfunc::PreemptEnable => (Kind::NoPreemption, false),
            Kfunc::RcuReadLock => (Kind::RcuSection, true),
            _ => (Kind::RcuSection, false),
        };
        if !begins {
            if self.state.give_back(&mut self.arena, kind)? {
                return Ok(());
            }
            return reject(VerifyErrorKind::NotHeld { what: kind });
        }
        let held = self.state.held(&self.arena, kind);
        if let Some(held) = held.filter(|_| kind == Kind::RcuSection) {
            return reject(VerifyErrorKind::Nested { pc: held.index });
        }
        let index = slot_number(self.walker.pc);
        Ok(self.state.hold(&mut self.arena, Value { kind, index, ..Value::NOT_INIT })?)
    }
}
