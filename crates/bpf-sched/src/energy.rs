//! Energy that an execution may cost.

/// The energy that one execution may cost at the most.
///
/// A request that carries one is refused when the proven execution time of its
/// program may cost more, by the
/// [energy model](crate::DeadlinePolicy::with_energy_model) of the target. A policy
/// without a model refuses none.
///
/// ```
/// # use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// # use bpf_interp::BpfContext;
/// # use bpf_profile::ActiveProfile;
/// # use bpf_verifier::{VerifiedProgram, Verifier};
/// # use std::sync::LazyLock;
/// # static PROGRAM: LazyLock<VerifiedProgram<ActiveProfile>> = LazyLock::new(|| {
/// #     let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
/// #         .insn(BpfInsn::mov64_imm(0, 42))
/// #         .insn(BpfInsn::exit())
/// #         .build()
/// #         .expect("valid program");
/// #     Verifier::new().verify_program(&program).expect("safe program")
/// # });
/// use bpf_sched::{BpfExecRequest, BpfScheduler, DeadlinePolicy, EnergyBudget, ProgId};
///
/// // A core that takes 70 pJ for a cycle.
/// let policy = DeadlinePolicy::new().with_energy_model(70);
/// let mut scheduler: BpfScheduler<'_, &VerifiedProgram<ActiveProfile>> =
///     BpfScheduler::with_policy(policy);
/// let request = || BpfExecRequest::new(ProgId(1), &*PROGRAM, BpfContext::empty());
///
/// assert!(scheduler.submit(request().with_energy(EnergyBudget::from_microjoules(1))).is_ok());
/// assert!(scheduler.submit(request().with_energy(EnergyBudget::from_nanojoules(0))).is_err());
/// ```
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
