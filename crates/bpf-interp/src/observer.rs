//! Looking on while a program is interpreted.

use bpf_bytecode::Register;

use crate::run::Run;

/// An instruction that is about to be executed.
#[derive(Clone, Copy, Debug)]
pub struct Step<'s, 'r> {
    /// Its slot.
    pub pc: usize,
    /// The number of the program it is in, if that was tail-called.
    pub tail_called: Option<u32>,
    /// R0 to R10.
    pub registers: &'s [u64; Register::COUNT],
    /// The run, through which memory can be read.
    pub run: &'s Run<'r>,
}

/// Looks on while a program is interpreted: for tests that compare what happens
/// with what was proven, and for traces.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_interp::{BpfContext, Interpreter, Observer, Step};
/// use bpf_profile::ActiveProfile;
///
/// /// Counts instructions.
/// struct Count(u64);
///
/// impl Observer for Count {
///     fn step(&mut self, _: &Step<'_, '_>) {
///         self.0 += 1;
///     }
/// }
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
///     .insn(BpfInsn::mov64_imm(0, 42))
///     .insn(BpfInsn::exit())
///     .build()?;
/// let mut count = Count(0);
/// let interp = Interpreter::<ActiveProfile>::new();
/// let result = interp.execute_with(&program, &BpfContext::empty(), &mut count);
/// assert_eq!((result, count.0), (Ok(42), 2));
/// # Ok::<(), bpf_bytecode::ProgramError>(())
/// ```
pub trait Observer {
    /// The instruction at `step.pc` is about to be executed.
    fn step(&mut self, step: &Step<'_, '_>);
}

/// Looks at nothing, at no cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    #[inline(always)]
    fn step(&mut self, _: &Step<'_, '_>) {}
}
