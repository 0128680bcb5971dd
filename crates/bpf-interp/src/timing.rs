//! What a run takes, by a cost table.

use bpf_bytecode::Instruction;
use bpf_bytecode::instruction::CallTarget;
use bpf_verifier::CostTable;

use crate::observer::Step;

/// Units of a cost table that a run has taken so far: what a verified program's
/// worst-case execution time bounds.
///
/// ```
/// use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, Instruction, ProgramBuilder};
/// use bpf_interp::{BpfContext, Interpreter, Observer, Step, Timing};
/// use bpf_profile::ActiveProfile;
/// use bpf_verifier::CostTable;
///
/// struct Timed<'p>(&'p BpfProgram<ActiveProfile>, Timing<'static>);
///
/// impl Observer for Timed<'_> {
///     fn step(&mut self, step: &Step<'_, '_>) {
///         if let Ok(insn) = Instruction::decode(self.0.insns(), step.pc) {
///             self.1.step(&insn, step);
///         }
///     }
/// }
///
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
///     .insn(BpfInsn::mov64_imm(0, 42))
///     .insn(BpfInsn::exit())
///     .build()?;
/// let mut timed = Timed(&program, Timing::new(CostTable::DEFAULT));
/// let interp = Interpreter::<ActiveProfile>::new();
/// interp.execute_with(&program, &BpfContext::empty(), &mut timed).expect("it ends");
/// assert_eq!(timed.1.units(), 30 + 40);
/// # Ok::<(), bpf_bytecode::ProgramError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timing<'e> {
    costs: CostTable<'e>,
    units: u64,
    /// The last instruction, and the frame that it was in.
    last: Option<(Instruction, u64)>,
}

impl<'e> Timing<'e> {
    /// Nothing so far.
    pub const fn new(costs: CostTable<'e>) -> Self {
        Self { costs, units: 0, last: None }
    }

    /// Units so far; at most `u64::MAX`.
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// The instruction at a step is about to be executed.
    pub fn step(&mut self, insn: &Instruction, step: &Step<'_, '_>) {
        let [.., frame] = *step.registers;
        let called_back = self.last.is_some_and(|(last, from)| match last {
            Instruction::Call(CallTarget::Helper(_)) => frame != from,
            // The helper has called the function again.
            Instruction::Exit => frame == from,
            _ => false,
        });
        let call = if called_back { self.costs.call.into() } else { 0 };
        self.units = self.units.saturating_add(call).saturating_add(self.costs.cost(insn));
        self.last = Some((*insn, frame));
    }
}
