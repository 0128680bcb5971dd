//! The compiler.

use bpf_bytecode::BpfProgram;
use bpf_profile::PhysicalProfile;
use bpf_verifier::{InsnFact, VerifiedInfo, VerifiedProgram};

use crate::compiled::CompiledProgram;
use crate::error::CompileError;
use crate::lower::{Lists, lower};
use crate::memory::CodeMemory;
use crate::options::CompileOptions;
use crate::x86::{self, Features, Workspace};

/// Compiles one program after the other in the same memory, which it keeps: about 27
/// bytes for each slot of the largest verified program so far, and 140 of one that is not.
///
/// [`CompiledProgram::compile`] is for one program.
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_jit_x86::{CompileOptions, Compiler, HostMemory};
/// use bpf_profile::ActiveProfile;
/// use bpf_verifier::Verifier;
///
/// let mut compiler = Compiler::new();
/// for verdict in 0..3 {
///     let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
///         .insn(BpfInsn::mov64_imm(0, verdict))
///         .insn(BpfInsn::exit())
///         .build()?;
///     let verified = Verifier::new().verify_program(&program)?;
///     compiler.compile(&verified, &HostMemory, &CompileOptions::new())?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Compiler {
    lists: Lists,
    workspace: Workspace,
}

impl Compiler {
    /// One that has no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`CompiledProgram::compile_with`].
    ///
    /// # Errors
    /// [`CompileError`] when heap or executable memory runs out, or there is
    /// more code than a jump can cross.
    pub fn compile<P: PhysicalProfile>(
        &mut self,
        program: &VerifiedProgram<P>,
        memory: &dyn CodeMemory,
        options: &CompileOptions<'_>,
    ) -> Result<CompiledProgram<P>, CompileError> {
        let proof = Some((program.facts(), program.info()));
        self.build(program.program(), proof, Features::detect(), options, memory)
    }

    /// As [`CompiledProgram::compile_checked_with`].
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_checked<P: PhysicalProfile>(
        &mut self,
        program: &BpfProgram<P>,
        memory: &dyn CodeMemory,
        options: &CompileOptions<'_>,
    ) -> Result<CompiledProgram<P>, CompileError> {
        self.build(program, None, Features::detect(), options, memory)
    }

    /// As [`compile`](Self::compile); whoever calls it vouches for the proof.
    pub(crate) fn build<P: PhysicalProfile>(
        &mut self,
        program: &BpfProgram<P>,
        proof: Option<(&[InsnFact], &VerifiedInfo)>,
        features: Features,
        options: &CompileOptions<'_>,
        memory: &dyn CodeMemory,
    ) -> Result<CompiledProgram<P>, CompileError> {
        let lists = core::mem::take(&mut self.lists);
        let mut lowered = lower(program, proof.map(|(facts, _)| facts), lists)?;
        let verified = proof.map(|(_, info)| info);
        if let Some(info) = verified {
            if info.unwritten_reads {
                let bytes = info.stack_policy.frame_bytes();
                lowered.zeroed = u32::try_from(bytes).unwrap_or(u32::MAX);
            }
            // What a frozen map holds, the program chose.
            if options.random().is_none() {
                lowered.maps.know(program.frozen_maps(), info.known_maps);
            }
        }
        let machine = x86::emit(&lowered, features, options, &mut self.workspace);
        let links = lowered.maps.linked();
        self.lists = lowered.into_lists();
        CompiledProgram::new(program, verified, machine?, links, memory)
    }
}
