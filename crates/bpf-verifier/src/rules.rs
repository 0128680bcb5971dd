//! What a verification goes by.

#[cfg_attr(feature = "embedded-profile", path = "rules/realtime.rs")]
#[cfg_attr(feature = "cloud-profile", path = "rules/no_realtime.rs")]
mod realtime;

#[cfg(feature = "embedded-profile")]
pub use realtime::Place;
pub(crate) use realtime::Realtime;

use crate::env::HelperTable;
use crate::policy::StackPolicy;

/// Who loads the program, and so what it may do with addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Privilege {
    /// As root on Linux: addresses may be stored, subtracted, compared and
    /// returned. They give nothing away that the loader could not see anyhow.
    #[default]
    Privileged,
    /// Addresses stay inside of the program: they may not be stored outside of
    /// the stack, made numbers, compared, passed on or returned.
    Unprivileged,
}

/// Instructions that a verification walks at the most: half as many again as on Linux, as
/// attempts that fail are a part of them.
pub const DEFAULT_STEPS: u64 = 1_500_000;

/// Rounds that `may_goto` grants one execution, as many as Linux.
pub const MAY_GOTO_ROUNDS: u32 = 8 << 20;

/// Bytes that own working memory grows to at the most, on an elastic build.
pub const DEFAULT_MEMORY: usize = 64 << 20;

/// What a verification goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'e> {
    pub helpers: HelperTable<'e>,
    pub stack: StackPolicy,
    pub privilege: Privilege,
    /// Instructions to walk at the most.
    pub steps: u64,
    /// Bytes that own working memory may grow to.
    pub memory: usize,
    /// Whether numbers on which nothing was decided may differ where states are
    /// compared.
    pub forget: bool,
    /// Whether paths end at states that others cover.
    pub covers: bool,
    /// Whether summaries of loops are looked for.
    pub summaries: bool,
    /// What time a program may take, and where it runs.
    pub realtime: Realtime<'e>,
}

impl Rules<'_> {
    pub const fn standard() -> Self {
        Self {
            helpers: HelperTable::standard(),
            stack: StackPolicy::LINUX,
            privilege: Privilege::Privileged,
            steps: DEFAULT_STEPS,
            memory: DEFAULT_MEMORY,
            forget: true,
            covers: true,
            summaries: true,
            realtime: Realtime::STANDARD,
        }
    }
}
