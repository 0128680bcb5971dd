//! The verifier as callers see it.

#[cfg(feature = "embedded-profile")]
mod realtime;

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;

use bpf_bytecode::BpfProgram;
use bpf_profile::{PhysicalProfile, Sequence};

use crate::arena::{Arena, Kept, NoRoom, Words, held};
use crate::cfg::CfgError;
use crate::core::effort::Effort;
use crate::core::path::Path;
use crate::core::{Explorer, Stop};
use crate::env::HelperTable;
use crate::error::{VerifyError, VerifyErrorKind};
use crate::observer::{Observer, Unobserved};
use crate::policy::StackPolicy;
use crate::rules::{Privilege, Rules};
use crate::verified::{Facts, InsnFact, VerifiedInfo, VerifiedProgram};

/// Decides whether programs are safe to run.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_profile::ActiveProfile;
/// use bpf_verifier::Verifier;
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
///     .insn(BpfInsn::mov64_imm(0, 42))
///     .insn(BpfInsn::exit())
///     .build()
///     .expect("valid program");
///
/// let verifier = Verifier::<ActiveProfile>::new();
/// match verifier.verify(&program) {
///     Ok(()) => println!("Program is safe"),
///     Err(e) => println!("Verification failed: {}", e),
/// }
/// let verified = verifier.verify_program(&program).expect("it is safe");
/// assert_eq!(verified.info().max_insns, 2);
/// ```
pub struct Verifier<'w, P: PhysicalProfile> {
    rules: Rules<'w>,
    /// Working memory that the caller gave; taken while it is in use.
    workspace: Cell<Option<&'w mut [u64]>>,
    /// Working memory of its own, between two programs.
    kept: Kept,
    profile: PhantomData<fn() -> P>,
}

impl<'w, P: PhysicalProfile> Verifier<'w, P> {
    /// A verifier with the standard helpers, Linux's stack policy, and working
    /// memory of its own: on an elastic build it grows as needed, and up to 64 KiB
    /// of it serve the next program, until the verifier is dropped; on a static one
    /// it is an array of
    /// [`VERIFIER_WORKSPACE_BYTES`](bpf_profile::config::VERIFIER_WORKSPACE_BYTES)
    /// on the stack.
    pub const fn new() -> Self {
        Self::with_env(HelperTable::standard())
    }

    /// A verifier for an environment with these helpers.
    pub const fn with_env(helpers: HelperTable<'w>) -> Self {
        let rules = Rules { helpers, ..Rules::standard() };
        Self { rules, workspace: Cell::new(None), kept: Kept::new(), profile: PhantomData }
    }

    /// A verifier whose working memory is `workspace`, and nothing else.
    pub const fn with_workspace(workspace: &'w mut [u64]) -> Self {
        Self {
            rules: Rules::standard(),
            workspace: Cell::new(Some(workspace)),
            kept: Kept::new(),
            profile: PhantomData,
        }
    }

    /// The same verifier for an environment with these helpers.
    #[must_use]
    pub fn helpers(mut self, helpers: HelperTable<'w>) -> Self {
        self.rules.helpers = helpers;
        self
    }

    /// The same verifier with another stack policy.
    #[must_use]
    pub fn stack_policy(mut self, policy: StackPolicy) -> Self {
        self.rules.stack = policy;
        self
    }

    /// The same verifier for loaders with other rights.
    #[must_use]
    pub fn privilege(mut self, privilege: Privilege) -> Self {
        self.rules.privilege = privilege;
        self
    }

    /// The same verifier with another limit on the instructions it walks. The
    /// default is 1,500,000: Linux walks a million, and here attempts that fail count, too.
    #[must_use]
    pub fn step_limit(mut self, steps: u64) -> Self {
        self.rules.steps = steps;
        self
    }

    /// The same verifier with another limit on its own working memory, in
    /// bytes, where that can grow. The default is 64 MiB.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.rules.memory = bytes;
        self
    }

    /// The same verifier, which compares all numbers where it compares states,
    /// also those on which nothing was decided. It walks more, and every state
    /// that can occur at an instruction is in one that an [`Observer`] is shown
    /// there: for tests that compare the two.
    #[must_use]
    pub fn compare_everything(mut self) -> Self {
        self.rules.forget = false;
        self
    }

    /// The same verifier, which walks every loop round by round. It takes time
    /// for each round, and may find a lower bound.
    #[must_use]
    pub fn unroll_loops(mut self) -> Self {
        self.rules.summaries = false;
        self
    }

    /// The same verifier, which walks every path to its end, however many there are, and every
    /// loop that a number bounds round by round: for tests that compare the two.
    #[must_use]
    pub fn walk_every_path(mut self) -> Self {
        self.rules.covers = false;
        self.compare_everything().unroll_loops()
    }

    /// Whether a program is safe.
    ///
    /// # Errors
    /// [`VerifyError`], if it is not, or not proven to be.
    pub fn verify(&self, program: &BpfProgram<P>) -> Result<(), VerifyError> {
        self.verify_with(program, &mut Unobserved).map(|_| ())
    }

    /// Whether a program is safe, before the eyes of an observer; what was
    /// proven about it.
    ///
    /// # Errors
    /// [`VerifyError`], if it is not, or not proven to be.
    pub fn verify_with(
        &self,
        program: &BpfProgram<P>,
        observer: &mut dyn Observer,
    ) -> Result<VerifiedInfo, VerifyError> {
        self.explore(program, observer, |_, info| Ok(info))
    }

    /// A copy of a program that proved to be safe.
    ///
    /// # Errors
    /// [`VerifyError`], if it did not, or if there is no storage for the copy.
    pub fn verify_program(
        &self,
        program: &BpfProgram<P>,
    ) -> Result<VerifiedProgram<P>, VerifyError> {
        self.verify_program_with(program, &mut Unobserved)
    }

    /// A copy of a program that proved to be safe, before the eyes of an
    /// observer: one walk gives the program or the way to the error.
    ///
    /// # Errors
    /// As [`Self::verify_program`].
    pub fn verify_program_with(
        &self,
        program: &BpfProgram<P>,
        observer: &mut dyn Observer,
    ) -> Result<VerifiedProgram<P>, VerifyError> {
        let (facts, info) = self.explore(program, observer, |explorer, info| {
            let mut facts = Facts::<P>::default();
            let len = program.len();
            facts.try_reserve(len).map_err(|e| no_storage(e.requested))?;
            for pc in 0..len {
                let fact = explorer.code.fact(&explorer.arena, pc);
                facts.try_push(fact).map_err(|_| no_storage(len))?;
            }
            Ok((facts, info))
        })?;
        let copy = program.try_clone().map_err(|e| no_storage(e.requested))?;
        Ok(VerifiedProgram::new(copy, facts, info))
    }

    /// A copy of a program that proved to be safe, with its facts in storage
    /// that the caller gives: one per slot.
    ///
    /// # Errors
    /// [`VerifyError`], if the program is not safe, or if there is too little
    /// storage.
    pub fn verify_program_into(
        &self,
        program: &BpfProgram<P>,
        storage: &'static mut [InsnFact],
    ) -> Result<VerifiedProgram<P>, VerifyError> {
        self.verify_program_into_with(program, storage, &mut Unobserved)
    }

    /// As [`Self::verify_program_into`], before the eyes of an observer.
    ///
    /// # Errors
    /// As [`Self::verify_program_into`].
    pub fn verify_program_into_with(
        &self,
        program: &BpfProgram<P>,
        storage: &'static mut [InsnFact],
        observer: &mut dyn Observer,
    ) -> Result<VerifiedProgram<P>, VerifyError> {
        let len = program.len();
        let Some(facts) = storage.get_mut(..len) else {
            return Err(no_storage(len.saturating_mul(size_of::<InsnFact>())));
        };
        let info = self.explore(program, observer, |explorer, info| {
            for (pc, fact) in facts.iter_mut().enumerate() {
                *fact = explorer.code.fact(&explorer.arena, pc);
            }
            Ok(info)
        })?;
        let copy = program.try_clone().map_err(|e| no_storage(e.requested))?;
        Ok(VerifiedProgram::with_static_facts(copy, facts, info))
    }

    /// Walks a program, and lets `finish` take what it needs of the result.
    fn explore<T>(
        &self,
        program: &BpfProgram<P>,
        observer: &mut dyn Observer,
        finish: impl FnOnce(&Explorer<'_>, VerifiedInfo) -> Result<T, VerifyError>,
    ) -> Result<T, VerifyError> {
        match self.workspace.take() {
            Some(workspace) => {
                let mut words = Words::Given(workspace);
                let result = explore(&self.rules, program, observer, &mut words, finish);
                self.workspace.set(Some(workspace));
                result
            }
            None => explore_own(&self.rules, &self.kept, program, observer, finish),
        }
    }
}

impl<P: PhysicalProfile> Default for Verifier<'_, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: PhysicalProfile> fmt::Debug for Verifier<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Kept apart, so that only this takes the room of a static build's array.
#[inline(never)]
fn explore_own<P: PhysicalProfile, T>(
    rules: &Rules<'_>,
    kept: &Kept,
    program: &BpfProgram<P>,
    observer: &mut dyn Observer,
    finish: impl FnOnce(&Explorer<'_>, VerifiedInfo) -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let mut own = kept.take();
    let mut words = Words::Own(held(&mut own));
    let result = explore(rules, program, observer, &mut words, finish);
    kept.put(words);
    result
}

/// Walks a program in these words, which are given back.
fn explore<'a, P: PhysicalProfile, T>(
    rules: &Rules<'a>,
    program: &'a BpfProgram<P>,
    observer: &mut dyn Observer,
    words: &mut Words<'a>,
    finish: impl FnOnce(&Explorer<'_>, VerifiedInfo) -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let held = core::mem::replace(words, Words::Given(&mut []));
    // It is large, and stays where it was made.
    let mut made = Explorer::new(program, *rules, Arena::new(held, rules.memory));
    let explorer = match &mut made {
        Ok(explorer) => explorer,
        Err((error, bytes)) => return Err(structure_error(*error, program.len(), *bytes)),
    };
    let result = walk(explorer, rules, program, observer);
    let result = result.and_then(|info| finish(explorer, info));
    *words = explorer.arena.take_words();
    result
}

/// Walks every path of a program; what is found of it.
fn walk<P: PhysicalProfile>(
    explorer: &mut Explorer<'_>,
    rules: &Rules<'_>,
    program: &BpfProgram<P>,
    observer: &mut dyn Observer,
) -> Result<VerifiedInfo, VerifyError> {
    if let Err(stop) = explorer.run(observer) {
        return Err(report(explorer, stop, observer));
    }
    let chain = explorer.code.deepest_chain(&mut explorer.arena, &rules.stack);
    let chain = chain
        .map_err(|error| structure_error(error, program.len(), explorer.arena.limit_bytes()))?;
    let figures = explorer.figures;
    #[cfg(feature = "embedded-profile")]
    if let Some(kind) = rules.realtime.over_budget(figures.bound) {
        observer.ended(Effort::new(explorer));
        let arena = explorer.arena.emptied();
        return Err(realtime::costliest_path(program, rules, arena, kind, observer));
    }
    observer.ended(Effort::new(explorer));
    Ok(VerifiedInfo {
        max_insns: figures.bound.insns(),
        #[cfg(feature = "embedded-profile")]
        wcet: figures.bound.time(),
        stack_bytes: chain.bytes as usize,
        frames: chain.frames.max(figures.frames) as usize,
        context_bytes: figures.context_bytes,
        tail_calls: figures.tail_calls,
        known_maps: figures.known_maps,
        unwritten_reads: figures.unwritten_reads,
        stack_policy: rules.stack,
        helpers: rules.helpers.fingerprint(),
        processed: figures.processed,
        total_states: figures.total_states,
        peak_states: figures.peak_states,
        workspace_bytes: explorer.arena.peak_bytes(),
    })
}

/// Makes an error of what stopped the walk, and shows it to the observer.
fn report(explorer: &mut Explorer<'_>, stop: Stop, observer: &mut dyn Observer) -> VerifyError {
    let error = show(explorer, stop, observer);
    observer.ended(Effort::new(explorer));
    error
}

/// Makes an error of what stopped the walk, and shows the way there.
fn show(explorer: &mut Explorer<'_>, stop: Stop, observer: &mut dyn Observer) -> VerifyError {
    let error = explorer.error(stop);
    let root = explorer.turn_path();
    observer.rejected(&error, Path::new(explorer, root), &explorer.view());
    error
}

fn structure_error(error: CfgError, slots: usize, available: usize) -> VerifyError {
    match error {
        CfgError::Rejected(error) => error,
        CfgError::NoRoom(NoRoom { words }) => {
            // A slot takes a word; its states, several times as much.
            let needed = (slots.max(words) as u64).saturating_mul(64).saturating_add(4096);
            let available = available as u64;
            let needed_about = needed.max(available.saturating_mul(2));
            VerifyError::new(VerifyErrorKind::WorkspaceExhausted { needed_about, available }, 0)
        }
    }
}

fn no_storage(bytes: usize) -> VerifyError {
    VerifyError::new(VerifyErrorKind::OutOfMemory(bytes as u64), 0)
}
