//! Requests to execute a program.

use core::fmt;
use core::ops::Deref;

use bpf_interp::{BpfContext, BpfExecutor, BpfResult};
use bpf_profile::PhysicalProfile;
use bpf_verifier::{VerifiedInfo, VerifiedProgram};

/// The number under which a kernel knows a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgId(pub u32);

/// How urgent a request is; later variants are more urgent.
///
/// On cloud a priority goes before the lower ones as far as none of them
/// starves. On embedded, deadlines come first; the priority is what resource
/// ceilings are compared with, and orders requests that have no deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ExecPriority {
    /// Background work.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before ordinary work.
    High,
    /// Before the others.
    Critical,
}

impl ExecPriority {
    /// Number of priorities.
    pub const COUNT: usize = 4;

    /// The priority as an index, 0 for the lowest.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A form of program that holds a verified one: what the scheduler admits.
///
/// The method's result cannot be made without the verifier, so no form that was
/// not verified can be passed off as one.
pub trait Admissible {
    /// The profile that the program was verified for.
    type Profile: PhysicalProfile;

    /// The verified program.
    fn verified(&self) -> &VerifiedProgram<Self::Profile>;
}

impl<P: PhysicalProfile> Admissible for VerifiedProgram<P> {
    type Profile = P;

    fn verified(&self) -> &VerifiedProgram<P> {
        self
    }
}

/// A verified program to be executed once over a context.
///
/// `H` is any handle that shares the program: an `Arc` where there is a heap, a
/// `&'static` where there is none.
pub struct BpfExecRequest<'a, H> {
    id: ProgId,
    program: H,
    context: BpfContext<'a>,
    max_insns: u64,
    priority: ExecPriority,
    #[cfg(feature = "embedded-profile")]
    pub(crate) timing: crate::deadline::Timing,
}

impl<'a, H> BpfExecRequest<'a, H>
where
    H: Deref<Target: Admissible>,
{
    /// A request of normal priority.
    pub fn new(id: ProgId, program: H, context: BpfContext<'a>) -> Self {
        let info = *program.verified().info();
        Self::with_info(id, program, context, &info)
    }
}

impl<'a, H> BpfExecRequest<'a, H> {
    pub(crate) fn with_info(
        id: ProgId,
        program: H,
        context: BpfContext<'a>,
        info: &VerifiedInfo,
    ) -> Self {
        Self {
            id,
            program,
            context,
            max_insns: info.max_insns,
            priority: ExecPriority::Normal,
            #[cfg(feature = "embedded-profile")]
            timing: crate::deadline::Timing::of(info),
        }
    }

    /// The same request with another priority.
    #[must_use]
    pub fn with_priority(self, priority: ExecPriority) -> Self {
        Self { priority, ..self }
    }

    /// The program's number.
    pub const fn id(&self) -> ProgId {
        self.id
    }

    /// The handle of the program.
    pub const fn program(&self) -> &H {
        &self.program
    }

    /// The context it is to run over.
    pub const fn context(&self) -> &BpfContext<'a> {
        &self.context
    }

    /// The program's proven bound on executed instructions.
    pub const fn max_insns(&self) -> u64 {
        self.max_insns
    }

    /// The priority.
    pub const fn priority(&self) -> ExecPriority {
        self.priority
    }

    /// Gives the handle and the context back.
    pub fn into_parts(self) -> (H, BpfContext<'a>) {
        (self.program, self.context)
    }
}

impl<H> fmt::Debug for BpfExecRequest<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BpfExecRequest")
            .field("id", &self.id)
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}

/// A request that the scheduler took in, with its place in the order of
/// arrival.
#[must_use = "a request that is dropped is never executed"]
pub struct QueuedProgram<'a, H> {
    request: BpfExecRequest<'a, H>,
    pub(crate) sequence: u64,
    /// What the policy gave it on admission; its meaning is the policy's.
    pub(crate) tag: u64,
    /// How often the request failed and was started again.
    pub(crate) restarts: u32,
}

impl<'a, H> QueuedProgram<'a, H> {
    pub(crate) const fn new(request: BpfExecRequest<'a, H>, sequence: u64) -> Self {
        Self { request, sequence, tag: 0, restarts: 0 }
    }

    /// The request.
    pub const fn request(&self) -> &BpfExecRequest<'a, H> {
        &self.request
    }

    /// Position in the order of arrival, counted from 0.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What the policy gave the request on admission.
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// How often the request has failed and was started again.
    pub const fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Gives the request back.
    pub fn into_request(self) -> BpfExecRequest<'a, H> {
        self.request
    }

    /// Executes the program on an engine for its form.
    ///
    /// # Errors
    /// The engine's.
    pub fn execute<P, E>(&self, engine: &E) -> BpfResult
    where
        P: PhysicalProfile,
        H: Deref<Target: Sized>,
        E: BpfExecutor<P, Program = H::Target>,
    {
        engine.execute(&self.request.program, &self.request.context)
    }
}

impl<H> fmt::Debug for QueuedProgram<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedProgram")
            .field("request", &self.request)
            .field("sequence", &self.sequence)
            .field("restarts", &self.restarts)
            .finish_non_exhaustive()
    }
}
