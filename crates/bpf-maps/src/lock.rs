//! The lock under which a map is changed.

use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use portable_atomic::AtomicU32;

use crate::MapError;

/// How often a taken lock is tried again. It is held for well under a
/// microsecond, unless the holder's CPU has turned to something else.
#[cfg(feature = "cloud-profile")]
const ATTEMPTS: u32 = 1 << 17;
/// How often a taken lock is tried again. Small cores have one CPU as a rule,
/// and then a taken lock means that the holder was interrupted.
#[cfg(feature = "embedded-profile")]
const ATTEMPTS: u32 = 1 << 10;

/// Nobody.
const FREE: u32 = 0;

/// Who changes a map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The kernel or a tool, on a CPU not known.
    Host,
    /// A program on this CPU.
    Program(u32),
}

impl Caller {
    /// What stands in the lock while the caller holds it.
    const fn mark(self) -> u32 {
        match self {
            Self::Host => u32::MAX,
            Self::Program(cpu) => cpu.saturating_add(1),
        }
    }
}

/// A lock for changes, not for lookups. Nobody waits for it forever: whoever
/// might have interrupted the holder could not be helped by waiting.
#[derive(Debug)]
pub(crate) struct Lock(AtomicU32);

/// Gives the lock back when it is dropped.
pub(crate) struct Held<'a>(&'a Lock);

impl Lock {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Takes the lock. [`MapError::Busy`] at once where the same CPU holds it,
    /// and after a while where anyone else does.
    pub(crate) fn take(&self, caller: Caller) -> Result<Held<'_>, MapError> {
        let mark = caller.mark();
        for _ in 0..ATTEMPTS {
            match self.0.compare_exchange_weak(FREE, mark, Acquire, Relaxed) {
                Ok(_) => return Ok(Held(self)),
                Err(holder) if holder == mark && caller != Caller::Host => break,
                Err(_) => spin_loop(),
            }
        }
        Err(MapError::Busy)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.store(FREE, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::{Caller, Lock};
    use crate::MapError;

    #[test]
    #[cfg_attr(miri, ignore = "takes long")]
    fn who_interrupts_the_holder_does_not_wait() {
        let lock = Lock::new();
        let held = lock.take(Caller::Program(3)).ok();
        assert!(held.is_some());
        for caller in [Caller::Program(3), Caller::Program(4), Caller::Host] {
            assert_eq!(lock.take(caller).err(), Some(MapError::Busy));
        }
        drop(held);
        let held = lock.take(Caller::Host).ok();
        assert!(held.is_some());
        assert_eq!(lock.take(Caller::Host).err(), Some(MapError::Busy));
    }
}
