//! Earliest deadline first, with a priority ceiling.
//!
//! # Order
//! Requests with a deadline go before those without; among the former the
//! earliest deadline goes first, among the latter the highest priority. Of equal
//! deadlines the higher priority goes first, of equals in everything the one
//! that came first. A deadline that has passed does not remove a request.
//!
//! # Ceiling
//! A resource has a *ceiling*, the highest priority of any program that uses
//! it. While it is held, the first request of the order starts only if its
//! priority is higher than the ceiling; if it is not, none starts, and the
//! holder goes on. This is the stack resource policy: a program that started
//! never waits for a resource, and what has the earliest deadline waits at most
//! for one program to give its resource back. Others do not go past it, since
//! the holder would then wait for them, and it for the holder.
//!
//! # Admission
//! Under a policy that was told the target's speed, [`DeadlinePolicy::with_rate`], a
//! request is refused at once when its deadline cannot be met: with the proven
//! execution times of all waiting requests in deadline order, on one processor
//! that starts on them at the moment of submission, each must end by its
//! deadline. What a kernel knows beyond the queue it tells: the time, with
//! [`DeadlinePolicy::set_now_ns`], and how long the program that is running will
//! still take and hold its resources, with [`DeadlinePolicy::set_blocking_ns`].
//! With both, a rate that the target keeps, and programs that run to their end
//! once they have started, every admitted deadline is met. A kernel that lets a
//! request preempt a running program answers for the deadline of the latter.
//! Without a rate, as where a scheduler is made by `BpfScheduler::new`, deadlines
//! are an order and nothing is refused for them.

use core::cmp::Reverse;

use bpf_profile::{ActiveProfile, MemoryStrategy, PhysicalProfile, Sequence};
use bpf_verifier::VerifiedInfo;

use crate::energy::EnergyBudget;
use crate::policy::{AdmissionError, QueuePolicy};
use crate::request::{BpfExecRequest, ExecPriority, QueuedProgram};

#[cfg(test)]
mod tests;

/// Resources that may be held at the same time.
pub const MAX_HELD: usize = 8;

/// A point in time by which an execution must have ended.
///
/// ```
/// use bpf_sched::Deadline;
///
/// let deadline = Deadline::from_now(5_000, 1_000_000); // a millisecond after 5 us
/// assert_eq!(deadline.absolute_ns(), 1_005_000);
/// assert!(!deadline.is_missed(1_005_000));
/// assert!(deadline.is_missed(1_005_001));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline {
    released_ns: u64,
    absolute_ns: u64,
}

impl Deadline {
    /// The deadline `relative_ns` nanoseconds after `now_ns` (a reading of the
    /// kernel's monotonic clock, in nanoseconds).
    pub const fn from_now(now_ns: u64, relative_ns: u64) -> Self {
        Self { released_ns: now_ns, absolute_ns: now_ns.saturating_add(relative_ns) }
    }

    /// The deadline, in nanoseconds of the kernel's clock.
    pub const fn absolute_ns(self) -> u64 {
        self.absolute_ns
    }

    /// When the deadline was set, in nanoseconds of the kernel's clock.
    pub const fn released_ns(self) -> u64 {
        self.released_ns
    }

    /// Whether it has passed at `now_ns`.
    pub const fn is_missed(self, now_ns: u64) -> bool {
        now_ns > self.absolute_ns
    }
}

/// What a request says about time and energy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    wcet: u64,
    deadline: Option<Deadline>,
    energy: Option<EnergyBudget>,
}

impl Timing {
    pub(crate) const fn of(info: &VerifiedInfo) -> Self {
        Self { wcet: info.wcet, deadline: None, energy: None }
    }
}

impl<H> BpfExecRequest<'_, H> {
    /// The program's proven worst-case execution time, in units of the
    /// verifier's cost table.
    pub const fn wcet(&self) -> u64 {
        self.timing.wcet
    }

    /// The same request with a deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Deadline) -> Self {
        self.timing.deadline = Some(deadline);
        self
    }

    /// The same request with a limit on its energy.
    #[must_use]
    pub fn with_energy(mut self, budget: EnergyBudget) -> Self {
        self.timing.energy = Some(budget);
        self
    }

    /// The deadline, if it has one.
    pub const fn deadline(&self) -> Option<Deadline> {
        self.timing.deadline
    }

    /// The limit on its energy, if it has one.
    pub const fn energy(&self) -> Option<EnergyBudget> {
        self.timing.energy
    }
}

/// Why a ceiling could not be raised or lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CeilingError {
    /// As many resources as can be are held already.
    #[error("{MAX_HELD} resources are held already")]
    TooMany,
    /// Nothing is held.
    #[error("no resource is held")]
    NothingHeld,
}

/// The discipline of the embedded profile.
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
/// use bpf_sched::{
///     AdmissionError, BpfExecRequest, BpfScheduler, Deadline, DeadlinePolicy, ExecPriority, ProgId,
/// };
///
/// // A core that executes 64 units of proven time in a microsecond.
/// let policy = DeadlinePolicy::new().with_rate(64);
/// let mut scheduler: BpfScheduler<'_, &VerifiedProgram<ActiveProfile>> =
///     BpfScheduler::with_policy(policy);
/// let request = |id, deadline_ns| {
///     BpfExecRequest::new(ProgId(id), &*PROGRAM, BpfContext::empty())
///         .with_deadline(Deadline::from_now(0, deadline_ns))
/// };
///
/// // The earliest deadline goes first, not what came first.
/// scheduler.submit(request(1, 2_000_000))?;
/// scheduler.submit(request(2, 1_000_000))?;
/// let first = scheduler.next().expect("two wait");
/// assert_eq!(first.request().id(), ProgId(2));
///
/// // While a resource is held that programs of high priority use, others of
/// // that priority or a lower one do not start.
/// scheduler.policy_mut().acquire(ExecPriority::High)?;
/// assert!(scheduler.next().is_none());
/// scheduler.policy_mut().release()?;
/// assert_eq!(scheduler.next().map(|q| q.request().id()), Some(ProgId(1)));
///
/// // What cannot be done in time is refused at once, not found out later.
/// let refused = scheduler.submit(request(3, 1)).expect_err("a nanosecond");
/// assert!(matches!(refused.reason, AdmissionError::DeadlineInfeasible { .. }));
/// assert_eq!(refused.request.id(), ProgId(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct DeadlinePolicy {
    /// Ceilings of the resources that are held, in the order they were taken.
    held:
        <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Vec<ExecPriority, MAX_HELD>,
    units_per_us: Option<u64>,
    picojoules_per_unit: u64,
    blocking_ns: u64,
    now_ns: u64,
}

impl DeadlinePolicy {
    /// A policy without admission tests: nothing is known about the target's
    /// speed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many units of proven execution time the target executes in a
    /// microsecond (its clock in MHz, where a unit is a cycle). Requests whose
    /// deadline cannot be met are refused from then on. Zero turns the test off.
    #[must_use]
    pub const fn with_rate(mut self, units_per_us: u64) -> Self {
        self.units_per_us = if units_per_us == 0 { None } else { Some(units_per_us) };
        self
    }

    /// Sets the energy of a unit of proven execution time, in picojoules: the
    /// supply's volts times its microamperes per MHz, where a unit is a cycle.
    /// Requests whose program may need more than their budget are refused from
    /// then on. Zero turns the test off.
    #[must_use]
    pub const fn with_energy_model(mut self, picojoules_per_unit: u64) -> Self {
        self.picojoules_per_unit = picojoules_per_unit;
        self
    }

    /// Tells the time, in nanoseconds of the kernel's clock, before requests are
    /// submitted whose deadlines were set some time ago. Without it a request is
    /// taken to be submitted when its deadline was set.
    pub const fn set_now_ns(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Sets for how many nanoseconds from now on the processor is taken by what
    /// already runs.
    pub const fn set_blocking_ns(&mut self, blocking_ns: u64) {
        self.blocking_ns = blocking_ns;
    }

    /// The system ceiling: the highest ceiling of a resource that is held.
    pub fn ceiling(&self) -> Option<ExecPriority> {
        self.held.iter().copied().max()
    }

    /// Notes that a resource with this ceiling was taken.
    ///
    /// # Errors
    /// [`CeilingError::TooMany`] when [`MAX_HELD`] are held.
    pub fn acquire(&mut self, ceiling: ExecPriority) -> Result<(), CeilingError> {
        self.held.try_push(ceiling).map_err(|_| CeilingError::TooMany)
    }

    /// Notes that the resource taken last was given back.
    ///
    /// # Errors
    /// [`CeilingError::NothingHeld`] when none is held.
    pub fn release(&mut self) -> Result<ExecPriority, CeilingError> {
        self.held.pop().ok_or(CeilingError::NothingHeld)
    }

    /// Nanojoules that `units` of proven execution time cost, rounded up.
    fn nanojoules(&self, units: u64) -> u64 {
        let pj = u128::from(units).saturating_mul(u128::from(self.picojoules_per_unit));
        u64::try_from(pj.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    /// By how much some deadline would be missed if `new` joined `waiting`, on a
    /// target that executes `rate` units in a microsecond.
    fn lateness<H>(
        &self,
        rate: u64,
        new: &BpfExecRequest<'_, H>,
        deadline: Deadline,
        waiting: &[QueuedProgram<'_, H>],
    ) -> u64 {
        let due = |q: &QueuedProgram<'_, H>| q.request().deadline().map(Deadline::absolute_ns);
        let start = deadline.released_ns().max(self.now_ns).saturating_add(self.blocking_ns);
        let units_until = |until: u64| {
            let before = waiting.iter().filter(|q| due(q).is_some_and(|d| d <= until));
            before.map(|q| q.request().wcet()).fold(new.wcet(), u64::saturating_add)
        };
        let own = deadline.absolute_ns();
        let later = waiting.iter().filter_map(due).filter(|until| *until > own);
        let late = later.chain([own]).map(|until| late_by(start, units_until(until), rate, until));
        late.max().unwrap_or_default()
    }
}

/// Nanoseconds by which `units` of work from `start` on, `rate` units in a
/// microsecond, end after `until`. Divides only where they do.
fn late_by(start: u64, units: u64, rate: u64, until: u64) -> u64 {
    let milliunits = u128::from(units).saturating_mul(1000);
    if let Some(time) = until.checked_sub(start)
        && milliunits <= u128::from(time).saturating_mul(u128::from(rate))
    {
        return 0;
    }
    let takes = milliunits.div_ceil(u128::from(rate).max(1));
    let ends = u128::from(start).saturating_add(takes);
    u64::try_from(ends.saturating_sub(u128::from(until))).unwrap_or(u64::MAX)
}

impl QueuePolicy for DeadlinePolicy {
    fn admit<H>(
        &mut self,
        request: &BpfExecRequest<'_, H>,
        waiting: &[QueuedProgram<'_, H>],
    ) -> Result<u64, AdmissionError> {
        if let Some(budget) = request.energy() {
            let needed_nj = self.nanojoules(request.wcet());
            let budget_nj = budget.nanojoules();
            if needed_nj > budget_nj {
                return Err(AdmissionError::EnergyExceeded { budget_nj, needed_nj });
            }
        }
        let Some(deadline) = request.deadline() else { return Ok(u64::MAX) };
        if let Some(rate) = self.units_per_us {
            let late_ns = self.lateness(rate, request, deadline, waiting);
            if late_ns > 0 {
                return Err(AdmissionError::DeadlineInfeasible { late_ns });
            }
        }
        Ok(deadline.absolute_ns())
    }

    fn select<H>(&mut self, waiting: &[QueuedProgram<'_, H>]) -> Option<usize> {
        let order = |q: &QueuedProgram<'_, H>| {
            let no_deadline = q.request().deadline().is_none();
            (no_deadline, q.tag, Reverse(q.request().priority()), q.sequence)
        };
        let (index, first) = waiting.iter().enumerate().min_by_key(|(_, q)| order(q))?;
        let may_start = self.ceiling().is_none_or(|c| first.request().priority() > c);
        may_start.then_some(index)
    }
}
