//! The quick ones of `cargo xtask prove`.

use super::{Outcome, Step};
use crate::prove;

/// One step.
pub fn steps() -> Vec<Step> {
    vec![Step::or_unavailable("proofs", |context| {
        Ok(if prove::quick(&context.root, &context.log)? {
            Outcome::Passed
        } else {
            Outcome::Unavailable("no Python with the package z3-solver".into())
        })
    })]
}
