//! What a path costs.
//!
//! On the embedded profile a meter counts time, too; on cloud there is nothing
//! to count it by.

use crate::arena::{Arena, At};

/// Instructions, and on embedded time, of a path or of a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Meter {
    pub insns: u64,
    #[cfg(feature = "embedded-profile")]
    pub time: u64,
}

impl Meter {
    /// Words that a meter takes in working memory.
    #[cfg(feature = "cloud-profile")]
    pub const WORDS: u32 = 1;
    /// Words that a meter takes in working memory.
    #[cfg(feature = "embedded-profile")]
    pub const WORDS: u32 = 2;

    /// One part after the other.
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        Self {
            insns: self.insns.saturating_add(next.insns),
            #[cfg(feature = "embedded-profile")]
            time: self.time.saturating_add(next.time),
        }
    }

    /// One part so many times.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            insns: self.insns.saturating_mul(count.into()),
            #[cfg(feature = "embedded-profile")]
            time: self.time.saturating_mul(count.into()),
        }
    }

    /// The larger figures of both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            insns: self.insns.max(other.insns),
            #[cfg(feature = "embedded-profile")]
            time: self.time.max(other.time),
        }
    }

    pub fn load(arena: &Arena<'_>, at: At) -> Self {
        Self {
            insns: arena.word(at),
            #[cfg(feature = "embedded-profile")]
            time: arena.word(at.saturating_add(1)),
        }
    }

    pub fn store(self, arena: &mut Arena<'_>, at: At) {
        arena.set(at, self.insns);
        #[cfg(feature = "embedded-profile")]
        arena.set(at.saturating_add(1), self.time);
    }
}
