//! Compiled programs.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use core::ffi::c_void;
use core::fmt;
use core::marker::PhantomData;

use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::{BpfProgType, BpfProgram};
use bpf_interp::run::ProgramInfo;
use bpf_profile::config::MAP_DEFS_CAPACITY;
use bpf_profile::{MemoryStrategy, OutOfMemory, PhysicalProfile, Sequence};
use bpf_verifier::{VerifiedInfo, VerifiedProgram};

use crate::compiler::Compiler;
use crate::error::CompileError;
use crate::memory::{CodeMemory, ExecutableCode};
use crate::options::CompileOptions;
use crate::x86::{self, MachineCode, Places, Wants};

/// How compiled code is entered: with the session's address.
pub(crate) type Entry = unsafe extern "sysv64" fn(*mut c_void) -> u64;

type Contents<P> = <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<FrozenMap, 1>;
type Defs<P> = <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<MapDef, MAP_DEFS_CAPACITY>;

/// A program as machine code in executable memory, given back when the program
/// is dropped.
///
/// The code holds no address of an environment, so that one compiled program
/// serves any number of them, on several CPUs at the same time. Whether maps,
/// helpers, stack and context are those that the program was made for is
/// checked when it starts.
pub struct CompiledProgram<P: PhysicalProfile> {
    memory: Box<dyn ExecutableCode>,
    /// Bytes in front of the code.
    start: usize,
    /// Bytes of code.
    len: usize,
    body: usize,
    wants: Wants,
    places: Places,
    /// Maps whose values the code finds by itself: a bit for each index.
    links: u16,
    prog_type: BpfProgType,
    maps: Defs<P>,
    frozen: Contents<P>,
    verified: Option<VerifiedInfo>,
    profile: PhantomData<fn() -> P>,
}

impl<P: PhysicalProfile> CompiledProgram<P> {
    /// Compiles a verified program, to code without run-time checks.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
    /// use bpf_interp::{BpfContext, BpfExecutor};
    /// use bpf_jit_x86::{CompiledProgram, HostMemory, JitExecutor};
    /// use bpf_profile::ActiveProfile;
    /// use bpf_verifier::Verifier;
    ///
    /// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
    ///     .insn(BpfInsn::ldx_w(2, 1, 4)) // the packet's end
    ///     .insn(BpfInsn::ldx_w(0, 1, 0)) // the packet
    ///     .insn(BpfInsn::sub64_reg(2, 0))
    ///     .insn(BpfInsn::mov64_reg(0, 2))
    ///     .insn(BpfInsn::exit())
    ///     .build()?;
    /// let verified = Verifier::new().verify_program(&program)?;
    /// let compiled = CompiledProgram::compile(&verified, &HostMemory)?;
    ///
    /// let mut packet = [0; 60];
    /// let result = JitExecutor::new().execute(&compiled, &BpfContext::xdp(&mut packet));
    /// assert_eq!(result, Ok(60));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CompileError`] when heap or executable memory runs out, or there is
    /// more code than a jump can cross.
    pub fn compile(
        program: &VerifiedProgram<P>,
        memory: &dyn CodeMemory,
    ) -> Result<Self, CompileError> {
        Self::compile_with(program, memory, &CompileOptions::new())
    }

    /// As [`compile`](Self::compile), with what is asked for.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::hash::{BuildHasher, RandomState};
    ///
    /// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
    /// use bpf_jit_x86::{CompileOptions, CompiledProgram, HostMemory};
    /// use bpf_profile::ActiveProfile;
    /// use bpf_verifier::Verifier;
    ///
    /// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
    ///     .insn(BpfInsn::mov64_imm(0, 0x5a5a_5a5a))
    ///     .insn(BpfInsn::exit())
    ///     .build()?;
    /// let verified = Verifier::new().verify_program(&program)?;
    ///
    /// // A kernel has its own source of random numbers.
    /// let random = || RandomState::new().hash_one(0);
    /// let options = CompileOptions::new().with_blinding(&random).with_retpolines();
    /// let hardened = CompiledProgram::compile_with(&verified, &HostMemory, &options)?;
    /// assert!(!hardened.code().windows(4).any(|bytes| bytes == [0x5a; 4]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_with(
        program: &VerifiedProgram<P>,
        memory: &dyn CodeMemory,
        options: &CompileOptions<'_>,
    ) -> Result<Self, CompileError> {
        Compiler::new().compile(program, memory, options)
    }

    /// Compiles a program of which nothing is known, to code that has every
    /// access to memory checked, counts every instruction against the budget
    /// and every frame against the stack policy. It gives what the
    /// interpreter gives, its faults included, and is many times slower than
    /// what [`compile`](Self::compile) makes.
    ///
    /// What it takes of the native stack says
    /// [`native_stack`](crate::JitExecutor::native_stack).
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_checked(
        program: &BpfProgram<P>,
        memory: &dyn CodeMemory,
    ) -> Result<Self, CompileError> {
        Self::compile_checked_with(program, memory, &CompileOptions::new())
    }

    /// As [`compile_checked`](Self::compile_checked), with what is asked for.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_checked_with(
        program: &BpfProgram<P>,
        memory: &dyn CodeMemory,
        options: &CompileOptions<'_>,
    ) -> Result<Self, CompileError> {
        Compiler::new().compile_checked(program, memory, options)
    }

    /// Of machine code; whoever calls it vouches for code and proof.
    pub(crate) fn new(
        program: &BpfProgram<P>,
        verified: Option<&VerifiedInfo>,
        machine: MachineCode<'_>,
        links: u16,
        memory: &dyn CodeMemory,
    ) -> Result<Self, CompileError> {
        let (start, len) = (machine.start, machine.bytes.len());
        let end = start.checked_add(len).ok_or(CompileError::TooLarge)?;
        let mut writable = memory.allocate(end)?;
        let room = writable.bytes();
        let code = room.get_mut(start..end).ok_or(OutOfMemory { requested: end })?;
        code.copy_from_slice(machine.bytes);
        room.get_mut(..start).unwrap_or_default().fill(x86::TRAP);
        room.get_mut(end..).unwrap_or_default().fill(x86::TRAP);
        Ok(Self {
            memory: writable.seal()?,
            start,
            len,
            body: machine.body,
            wants: machine.wants,
            places: machine.places,
            links,
            prog_type: program.prog_type(),
            maps: Sequence::try_from_slice(program.map_defs())?,
            frozen: Sequence::try_from_slice(program.frozen_maps())?,
            verified: verified.copied(),
            profile: PhantomData,
        })
    }

    /// The program's type.
    pub const fn prog_type(&self) -> BpfProgType {
        self.prog_type
    }

    /// The definitions that live maps must match.
    pub fn map_defs(&self) -> &[MapDef] {
        &self.maps
    }

    /// What was proven, if the program was verified.
    pub const fn verified(&self) -> Option<&VerifiedInfo> {
        self.verified.as_ref()
    }

    /// The machine code.
    pub fn code(&self) -> &[u8] {
        let behind = self.memory.bytes().get(self.start..).unwrap_or_default();
        behind.get(..self.len).unwrap_or_default()
    }

    /// Where in [`code`](Self::code) the instruction of a slot begins; `None`
    /// where there is no instruction, or none is left of it.
    pub fn place_of(&self, slot: usize) -> Option<usize> {
        self.places.of(slot).filter(|place| *place < self.len)
    }

    /// Maps that a run has to find the values of: a bit for each index.
    pub(crate) const fn links(&self) -> u16 {
        self.links
    }

    /// Whether a lookup in one of its maps depends on the CPU.
    pub(crate) fn is_per_cpu(&self) -> bool {
        self.maps.iter().any(|def| def.map_type.is_per_cpu())
    }

    /// What it wants of the host from the entry to the exit, so that it finds the memory that it
    /// was proven for.
    pub(crate) fn wants(&self) -> Wants {
        match self.wants {
            _ if self.info().wants_zeros() => Wants::Run,
            // The values of a CPU are to be found anew.
            Wants::Nothing if self.is_per_cpu() => Wants::Answers,
            wants => wants,
        }
    }

    /// What a run must know of the program.
    pub(crate) fn info(&self) -> ProgramInfo<'_> {
        let info = ProgramInfo::new(self.prog_type, &self.maps, self.verified.as_ref());
        // SAFETY: the code does what the program's instructions do, and only it and
        // what it calls for an instruction use the run meanwhile.
        unsafe { info.with_frozen(&self.frozen).executed_as_proven() }
    }

    /// Where the code is entered.
    pub(crate) fn entry(&self) -> Entry {
        // SAFETY: the code begins with an entry of this calling convention, and
        // stays where it is, executable, as long as this program lives.
        unsafe { core::mem::transmute::<*mut u8, Entry>(self.at(0)) }
    }

    /// The address of the code's first byte.
    pub(crate) fn base(&self) -> u64 {
        address(self.at(0))
    }

    /// The address of the instruction at a slot, to be called.
    pub(crate) fn address_of(&self, slot: u32) -> Option<u64> {
        let place = self.place_of(usize::try_from(slot).ok()?)?;
        Some(address(self.at(place)))
    }

    /// The address at which a tail call enters the code.
    pub(crate) fn body(&self) -> u64 {
        address(self.at(self.body))
    }

    /// A byte of the code.
    fn at(&self, place: usize) -> *mut u8 {
        self.memory.base().as_ptr().wrapping_add(self.start).wrapping_add(place)
    }
}

/// Where the CPU finds what is at a pointer.
fn address(pointer: *mut u8) -> u64 {
    u64::try_from(pointer.expose_provenance()).unwrap_or_default()
}

impl<P: PhysicalProfile> fmt::Debug for CompiledProgram<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledProgram")
            .field("prog_type", &self.prog_type)
            .field("code_bytes", &self.code().len())
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}
