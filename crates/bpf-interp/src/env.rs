//! What programs find around them: maps, helpers, the platform, limits.

use core::fmt;

use bpf_bytecode::abi::helper::HelperSig;
use bpf_maps::BpfMap;
use bpf_verifier::{HelperTable, StackPolicy};

use crate::helper::Helper;
use crate::platform::{NullPlatform, Platform};

/// Instructions that one program may execute where nothing else is said, if they
/// are counted as they are executed.
pub const DEFAULT_BUDGET: u64 = 100_000_000;

/// Up to which proven bound a verified program runs where nothing else is said.
/// Time is soft on cloud: the bound is finite, and that is all it has to be.
#[cfg(feature = "cloud-profile")]
const DEFAULT_BOUND: u64 = u64::MAX;
/// Up to which proven bound a verified program runs where nothing else is said.
#[cfg(feature = "embedded-profile")]
const DEFAULT_BOUND: u64 = DEFAULT_BUDGET;

/// The surroundings of programs, shared by all engines. Cheap to copy.
///
/// ```
/// use bpf_interp::{Environment, Platform};
///
/// struct Board;
/// impl Platform for Board {
///     fn now_ns(&self) -> u64 {
///         1_000
///     }
/// }
///
/// let env = Environment::new().with_platform(&Board).with_budget(10_000);
/// assert_eq!(env.budget(), 10_000);
/// ```
#[derive(Clone, Copy)]
pub struct Environment<'e> {
    maps: &'e [&'e dyn BpfMap],
    signatures: &'e [HelperSig],
    helpers: &'e [&'e dyn Helper],
    platform: &'e dyn Platform,
    budget: u64,
    /// The highest bound of a verified program that runs.
    bound: u64,
    stack: StackPolicy,
    /// Of the helper table; none where no program can be verified against it.
    fingerprint: Option<u64>,
}

impl<'e> Environment<'e> {
    /// No maps, the standard helpers, [`NullPlatform`], [`DEFAULT_BUDGET`] and
    /// Linux's stack. On cloud a verified program runs whatever its proven bound
    /// is; on embedded if that is not above [`DEFAULT_BUDGET`].
    pub fn new() -> Self {
        Self {
            maps: &[],
            signatures: &[],
            helpers: &[],
            platform: &NullPlatform,
            budget: DEFAULT_BUDGET,
            bound: DEFAULT_BOUND,
            stack: StackPolicy::LINUX,
            fingerprint: Some(HelperTable::standard().fingerprint()),
        }
    }

    /// As [`new`](Self::new).
    pub fn standard() -> Self {
        Self::new()
    }

    /// With these live maps, in the order of the programs' map definitions.
    #[must_use]
    pub const fn with_maps(self, maps: &'e [&'e dyn BpfMap]) -> Self {
        Self { maps, ..self }
    }

    /// With helpers of the kernel's own: `helpers[i]` has the signature
    /// `signatures[i]`, and replaces a standard helper of the same number. A
    /// signature without a helper at its index is one of a helper that does not
    /// exist.
    ///
    /// Programs are verified against the same signatures:
    /// [`HelperTable::with`]. Where that refuses a signature, no verified
    /// program is bound to this environment. The number of `bpf_tail_call`
    /// cannot be replaced.
    #[must_use]
    pub fn with_helpers(self, signatures: &'e [HelperSig], helpers: &'e [&'e dyn Helper]) -> Self {
        let fingerprint = HelperTable::with(signatures).ok().map(|table| table.fingerprint());
        Self { signatures, helpers, fingerprint, ..self }
    }

    /// On this platform.
    #[must_use]
    pub const fn with_platform(self, platform: &'e dyn Platform) -> Self {
        Self { platform, ..self }
    }

    /// With this many instructions for one program; a tail call's target gets as
    /// many again. An instruction is counted before it is executed, a 64-bit
    /// immediate load as one. A verified program, which runs uncounted, is refused
    /// before it starts if its proven bound is higher.
    #[must_use]
    pub const fn with_budget(self, budget: u64) -> Self {
        Self { budget, bound: budget, ..self }
    }

    /// With this stack.
    #[must_use]
    pub const fn with_stack_policy(self, stack: StackPolicy) -> Self {
        Self { stack, ..self }
    }

    /// The live maps.
    pub const fn maps(&self) -> &'e [&'e dyn BpfMap] {
        self.maps
    }

    /// The live map of definition `index`.
    pub fn map(&self, index: u32) -> Option<&'e dyn BpfMap> {
        self.maps.get(usize::try_from(index).ok()?).copied()
    }

    /// The fingerprint of the table that programs are to be verified against;
    /// none where there can be none.
    pub const fn helper_fingerprint(&self) -> Option<u64> {
        self.fingerprint
    }

    /// The kernel's own helper of number `id`.
    pub fn helper(&self, id: u32) -> Option<&'e dyn Helper> {
        self.declared(id)?.1
    }

    /// Whether the kernel declares a helper of its own under number `id`.
    pub fn replaces(&self, id: u32) -> bool {
        self.declared(id).is_some()
    }

    /// Whether it does so under any of these.
    pub fn replaces_any(&self, ids: &[u32]) -> bool {
        self.signatures.iter().any(|sig| ids.contains(&sig.id))
    }

    /// What the kernel declares under number `id`, and the helper, if there is
    /// one.
    pub(crate) fn declared(&self, id: u32) -> Option<(&'e HelperSig, Option<&'e dyn Helper>)> {
        let index = self.signatures.iter().position(|sig| sig.id == id)?;
        Some((self.signatures.get(index)?, self.helpers.get(index).copied()))
    }

    /// The platform.
    pub const fn platform(&self) -> &'e dyn Platform {
        self.platform
    }

    /// Instructions of one execution, where they are counted.
    pub const fn budget(&self) -> u64 {
        self.budget
    }

    /// The highest proven bound of a verified program that is not refused.
    pub const fn bound(&self) -> u64 {
        self.bound
    }

    /// The stack of one execution.
    pub const fn stack_policy(&self) -> StackPolicy {
        self.stack
    }
}

impl Default for Environment<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("maps", &self.maps.len())
            .field("helpers", &self.helpers.len())
            .field("budget", &self.budget)
            .field("bound", &self.bound)
            .field("stack", &self.stack)
            .finish_non_exhaustive()
    }
}
