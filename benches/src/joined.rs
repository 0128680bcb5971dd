//! All workloads as one large program.

use anyhow::{Context, Result};
use kernel_bpf::bytecode::BpfInsn;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{StackPolicy, VerifiedProgram, Verifier};

use crate::workload::{Program, WORKLOADS, Workload};

impl Program {
    /// Every workload without maps, in the form that `program` gives, as a function
    /// of one program, over and over until it has as many slots: so a large
    /// program consists of what clang makes, like small ones.
    ///
    /// # Errors
    /// Those of `program`, and when it gets too long for a call.
    pub fn joined(slots: usize, program: impl Fn(&Workload) -> Result<Self>) -> Result<Self> {
        let all: Vec<Self> = WORKLOADS.iter().map(program).collect::<Result<_>>()?;
        let functions: Vec<_> = all.iter().filter(|program| program.maps.is_empty()).collect();
        let once: usize = functions.iter().map(|program| program.insns.len()).sum();
        let times = slots.div_ceil(once);
        let mut main = vec![BpfInsn::mov64_reg(6, 1)];
        let mut rest: Vec<BpfInsn> = Vec::new();
        // Two slots for each function that is called, and two at the end.
        let length = main.len() + 2 * times * functions.len() + 2;
        for program in functions.iter().cycle().take(times * functions.len()) {
            main.push(BpfInsn::mov64_reg(1, 6));
            let distance = length + rest.len() - main.len() - 1;
            main.push(BpfInsn::call_local(i32::try_from(distance)?));
            rest.extend(&program.insns);
        }
        main.extend([BpfInsn::mov64_imm(0, 0), BpfInsn::exit()]);
        main.extend(rest);
        Ok(Self { name: "all workloads", insns: main, maps: Vec::new(), contents: Vec::new() })
    }

    /// Verifies the joined program, with more steps and stack than usual: there are
    /// all workloads to walk, each with a frame below that of the whole.
    ///
    /// # Errors
    /// When it is no program, or the verifier refuses it.
    pub fn verify_joined(&self) -> Result<VerifiedProgram<ActiveProfile>> {
        let policy = StackPolicy::new::<ActiveProfile>(512, 2048, 8)?;
        let verifier = Verifier::new().stack_policy(policy).step_limit(100_000_000);
        verifier.verify_program(&self.build()?).with_context(|| self.name)
    }
}
