//! The place of the search for a costliest path, where nothing is refused for
//! what it costs.

use super::{Explorer, Step};
use crate::error::VerifyErrorKind;
use crate::tail::Tail;

/// No refusal is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought;

impl Sought {
    pub const NONE: Self = Self;
}

impl Explorer<'_> {
    /// A path ends here.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other profile's look")]
    pub(super) const fn check_cost(&self, _: &Tail) -> Step {
        Ok(())
    }

    /// Whether this is the refusal that was looked for.
    pub(super) const fn is_sought(&self, _: &VerifyErrorKind) -> bool {
        let Sought = self.sought;
        false
    }
}
