//! What a verifier is told about time.

use bpf_bytecode::BpfProgram;
use bpf_profile::PhysicalProfile;

use super::{Verifier, show};
use crate::arena::Arena;
use crate::core::costliest::Sought;
use crate::core::{Explorer, Stop};
use crate::cost::CostTable;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::observer::{Observer, Unobserved};
use crate::rules::{Place, Rules};

impl<'w, P: PhysicalProfile> Verifier<'w, P> {
    /// The same verifier with a budget of worst-case execution time, in units
    /// of the cost table. Without one there is no limit.
    #[must_use]
    pub fn wcet_budget(mut self, budget: u64) -> Self {
        self.rules.realtime.wcet_budget = Some(budget);
        self
    }

    /// The same verifier with another cost table.
    #[must_use]
    pub fn cost_table(mut self, costs: CostTable<'w>) -> Self {
        self.rules.realtime.costs = costs;
        self
    }

    /// The same verifier for programs that run elsewhere.
    #[must_use]
    pub fn runs_in(mut self, place: Place) -> Self {
        self.rules.realtime.place = place;
        self
    }
}

/// Walks a program once more, up to the end of the path for which it is refused,
/// and shows that to the observer.
pub(super) fn costliest_path<P: PhysicalProfile>(
    program: &BpfProgram<P>,
    rules: &Rules<'_>,
    arena: Arena<'_>,
    kind: VerifyErrorKind,
    observer: &mut dyn Observer,
) -> VerifyError {
    let unnamed = VerifyError::new(kind, 0);
    let Ok(mut explorer) = Explorer::new(program, *rules, arena) else { return unnamed };
    explorer.sought = Sought(Some(kind));
    match explorer.run(&mut Unobserved) {
        Err(stop @ Stop::Rejected(VerifyErrorKind::WcetExceeded { .. })) => {
            show(&mut explorer, stop, observer)
        }
        _ => unnamed,
    }
}
