//! What a run must know of a program.
#![allow(unsafe_code)]

use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::{BpfProgType, BpfProgram};
use bpf_profile::PhysicalProfile;
use bpf_verifier::{VerifiedInfo, VerifiedProgram};

/// What a run must know of a program, whatever form its code has.
#[derive(Clone, Copy, Debug)]
pub struct ProgramInfo<'r> {
    prog_type: BpfProgType,
    map_defs: &'r [MapDef],
    frozen: &'r [FrozenMap],
    verified: Option<&'r VerifiedInfo>,
    /// Whether functions must begin with a frame of zeros.
    zeros: bool,
}

impl<'r> ProgramInfo<'r> {
    /// A program of which this was proven, or nothing.
    pub const fn new(
        prog_type: BpfProgType,
        map_defs: &'r [MapDef],
        verified: Option<&'r VerifiedInfo>,
    ) -> Self {
        Self { prog_type, map_defs, frozen: &[], verified, zeros: true }
    }

    /// The same with the contents that maps must have.
    #[must_use]
    pub const fn with_frozen(self, frozen: &'r [FrozenMap]) -> Self {
        Self { frozen, ..self }
    }

    /// The program's type.
    pub const fn prog_type(&self) -> BpfProgType {
        self.prog_type
    }

    /// The definitions that the environment's maps must match.
    pub const fn map_defs(&self) -> &'r [MapDef] {
        self.map_defs
    }

    /// Contents of maps on which the proof rests.
    pub fn relied_on(&self) -> impl Iterator<Item = &'r FrozenMap> + use<'r> {
        let known = self.verified.map_or(0, |info| info.known_maps);
        self.frozen.iter().filter(move |map| known.checked_shr(map.index).unwrap_or(0) & 1 == 1)
    }

    /// What was proven, if the program is verified.
    pub const fn verified(&self) -> Option<&'r VerifiedInfo> {
        self.verified
    }

    /// The same for code of which all accesses to the stack are the proven ones:
    /// frames are not zeroed for programs that were proven to write what they read.
    ///
    /// # Safety
    /// In a run of this, nobody reads bytes of a frame, through the run or otherwise,
    /// but as the instructions of the verified program do, executed in their order.
    #[must_use]
    pub const unsafe fn executed_as_proven(self) -> Self {
        let zeros = match self.verified {
            Some(info) => info.unwritten_reads,
            None => true,
        };
        Self { zeros, ..self }
    }

    /// Whether functions must begin with a frame of zeros.
    #[inline(always)]
    pub const fn wants_zeros(&self) -> bool {
        self.zeros
    }

    /// The proven bound on executed instructions; 0 where nothing was proven.
    pub fn bound(&self) -> u64 {
        self.verified.map_or(0, |info| info.max_insns)
    }
}

impl<'r, P: PhysicalProfile> From<&'r BpfProgram<P>> for ProgramInfo<'r> {
    fn from(program: &'r BpfProgram<P>) -> Self {
        Self::new(program.prog_type(), program.map_defs(), None)
    }
}

impl<'r, P: PhysicalProfile> From<&'r VerifiedProgram<P>> for ProgramInfo<'r> {
    fn from(program: &'r VerifiedProgram<P>) -> Self {
        Self::new(program.prog_type(), program.map_defs(), Some(program.info()))
            .with_frozen(program.program().frozen_maps())
    }
}
