//! The costliest path of a program that takes too long.
//!
//! What a program costs is known when the walk is over, and by then the paths
//! are gone. A program that is to be refused for it is walked once more, up to
//! the end of the first path that costs as much.

use super::node::Node;
use super::{Explorer, Step, reject};
use crate::arena::NONE;
use crate::error::VerifyErrorKind;
use crate::tail::Tail;

/// The refusal for which a path is looked for, if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought(pub Option<VerifyErrorKind>);

impl Sought {
    pub const NONE: Self = Self(None);
}

impl Explorer<'_> {
    /// A path ends here, and `tail` is what follows: refuses it where it is the
    /// one that is looked for. Where a loop's rounds are multiplied, there may be
    /// none.
    pub(super) fn check_cost(&self, tail: &Tail) -> Step {
        let Some(kind @ VerifyErrorKind::WcetExceeded { wcet, .. }) = self.sought.0 else {
            return Ok(());
        };
        let mut total = tail.after(self.walker.meter).exit();
        let mut node = Node(self.walker.parent);
        while node.0 != NONE {
            total = node.segment(&self.arena).then(total);
            node = Node(node.parent(&self.arena));
        }
        if total.time() == wcet { reject(kind) } else { Ok(()) }
    }

    /// Whether this is the refusal that was looked for.
    pub(super) fn is_sought(&self, kind: &VerifyErrorKind) -> bool {
        self.sought.0.as_ref() == Some(kind)
    }
}
