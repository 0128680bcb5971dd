//! Looking on while a program is verified.

use crate::core::effort::Effort;
use crate::core::path::Path;
use crate::error::VerifyError;
use crate::state::StateView;

/// Looks on while a program is verified: for logs, for diagnostics, and for
/// tests that compare abstract with concrete states.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_profile::ActiveProfile;
/// use bpf_verifier::{Observer, Path, StateView, Verifier, VerifyError};
///
/// /// Keeps the state at the error as text.
/// #[derive(Default)]
/// struct Last(String);
///
/// impl Observer for Last {
///     fn rejected(&mut self, _: &VerifyError, _: Path<'_>, state: &StateView<'_>) {
///         self.0 = state.to_string();
///     }
/// }
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
///     .insn(BpfInsn::mov64_imm(2, 7))
///     .insn(BpfInsn::exit())
///     .build()
///     .unwrap();
/// let mut last = Last::default();
/// let error = Verifier::new().verify_with(&program, &mut last).unwrap_err();
/// assert_eq!(error.to_string(), "insn 1: R0 !read_ok: it has no value on this path");
/// assert_eq!(last.0, "R1=ctx() R2=7 R10=fp0");
/// ```
pub trait Observer {
    /// The instruction at `pc` is about to be walked in this state.
    fn step(&mut self, pc: usize, state: &StateView<'_>) {
        let _ = (pc, state);
    }

    /// A path need not be walked on from `pc`: an older state covers it.
    fn pruned(&mut self, pc: usize) {
        let _ = pc;
    }

    /// The branch at `pc` can go both ways; the side where its condition holds
    /// waits.
    fn forked(&mut self, pc: usize) {
        let _ = pc;
    }

    /// The walk goes on at the other side of the branch at `from`: that of those
    /// that wait which came last.
    fn resumed(&mut self, from: usize) {
        let _ = from;
    }

    /// The walk goes on at `pc` in another function: in one that is called and that
    /// is verified apart, or, when that is done, at the call.
    fn turned_to(&mut self, pc: usize) {
        let _ = pc;
    }

    /// The state that waits since last is given up, as are all paths since: they
    /// were an attempt at a loop, and the walk goes back to where that began.
    fn dropped(&mut self) {}

    /// The program was refused in this state, to which `path` led. Errors of
    /// the program's structure, which no path leads to, are not reported here.
    fn rejected(&mut self, error: &VerifyError, path: Path<'_>, state: &StateView<'_>) {
        let _ = (error, path, state);
    }

    /// The walk is over, with or without an error, and took this much. After
    /// errors of the program's structure there was none.
    fn ended(&mut self, effort: Effort<'_>) {
        let _ = effort;
    }
}

/// Looks at nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}
