//! The place of the search for a costliest path, where nothing is refused for
//! what it costs.

use super::{Explorer, Step};
use crate::error::VerifyErrorKind;
use crate::meter::Tail;

impl Explorer<'_> {
    /// A path ends here.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other profile's look")]
    pub(super) const fn check_cost(&self, _: &Tail) -> Step {
        Ok(())
    }

    /// Whether this is the refusal that was looked for.
    #[allow(clippy::unused_self, reason = "the other profile's looks")]
    pub(super) const fn is_sought(&self, _: &VerifyErrorKind) -> bool {
        false
    }
}
