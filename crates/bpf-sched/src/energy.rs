//! Energy that an execution may cost.

/// The energy that one execution may cost at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnergyBudget {
    nanojoules: u64,
}

impl EnergyBudget {
    /// A budget in nanojoules.
    pub const fn from_nanojoules(nanojoules: u64) -> Self {
        Self { nanojoules }
    }

    /// A budget in microjoules; more than `u64` nanojoules becomes the largest
    /// budget there is.
    pub const fn from_microjoules(microjoules: u64) -> Self {
        Self { nanojoules: microjoules.saturating_mul(1000) }
    }

    /// The budget in nanojoules.
    pub const fn nanojoules(self) -> u64 {
        self.nanojoules
    }
}
