//! Programs in translation: one operation for each instruction, which names its
//! handler, with the places of operands settled and distances in bytes.
#![allow(unsafe_code)]

use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::{BpfInsn, BpfProgType};
use bpf_profile::{MemoryStrategy, OutOfMemory, PhysicalProfile, Sequence};
use bpf_verifier::{VerifiedInfo, VerifiedProgram};

use super::dispatch::Handler;
use super::form::{self, Form, HAND};
use super::machine::Machine;
use crate::run::ProgramInfo;

mod choose;
mod hand;
mod own;
mod translate;

/// One operation.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in crate::interpreter) struct Op {
    handler: Handler<Translated>,
    imm: i32,
    /// The upper half of a constant; the slot of what is left to the checked
    /// step.
    extra: i32,
    /// Added to an address; bytes to the target of a jump.
    off: i32,
    dst: u8,
    src: u8,
    /// Whether it jumps within the function.
    jumps: bool,
}

const _: () = assert!(size_of::<Op>() == 24 || size_of::<usize>() < 8);

impl Op {
    /// The operation of this handler, without operands.
    const fn of(handler: Handler<Translated>) -> Self {
        Self { handler, imm: 0, extra: 0, off: 0, dst: 0, src: 0, jumps: false }
    }
}

/// The form.
pub(in crate::interpreter) struct Translated;

impl Form for Translated {
    type Op = Op;
    type Held = u64;
    const MARKED: bool = true;
    const CONSTANT: usize = 1;
    type Code<'r> = Code<'r>;

    #[inline(always)]
    fn handler(_: &Machine<'_, '_, Self>, op: &Op) -> Handler<Self> {
        op.handler
    }

    #[inline(always)]
    fn dst(op: &Op) -> u8 {
        op.dst
    }

    #[inline(always)]
    fn src(op: &Op) -> u8 {
        op.src
    }

    #[inline(always)]
    fn imm(op: &Op) -> i32 {
        op.imm
    }

    #[inline(always)]
    fn displacement(op: &Op) -> i32 {
        op.off
    }

    #[inline(always)]
    fn distance(op: &Op) -> isize {
        op.off as isize
    }

    #[inline(always)]
    fn is_plain(_: &Machine<'_, '_, Self>, _: &Op) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn constant(ip: *const Op) -> Option<u64> {
        // SAFETY: an operation is there, by contract.
        let op = unsafe { &*ip };
        let [low, high] = [op.imm, op.extra].map(|half| u64::from(half.cast_unsigned()));
        Some(high << 32 | low)
    }

    #[inline(always)]
    fn slot(_: &Machine<'_, '_, Self>, op: &Op) -> usize {
        op.extra.cast_unsigned() as usize
    }
}

/// A translated program as handlers see it.
#[derive(Clone, Copy)]
pub(in crate::interpreter) struct Code<'r> {
    insns: &'r [BpfInsn],
    info: ProgramInfo<'r>,
    ops: &'r [Op],
    starts: &'r [u32],
    hand: [u8; HAND],
}

impl<'r> form::Code<'r> for Code<'r> {
    type Form = Translated;

    fn insns(self) -> &'r [BpfInsn] {
        self.insns
    }

    fn info(self) -> ProgramInfo<'r> {
        self.info
    }

    fn at(self, slot: usize) -> Option<*const Op> {
        let index = *self.starts.get(slot)?;
        let index = index as usize;
        // A pointer from which all of them can be reached.
        (index < self.ops.len()).then(|| self.ops.as_ptr().wrapping_add(index))
    }

    #[inline(always)]
    fn hand(self) -> [u8; HAND] {
        self.hand
    }
}

type List<P, T> = <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<T, 1>;

/// A verified program in translation, for
/// [`TranslatedInterpreter`](crate::TranslatedInterpreter).
///
/// An instruction takes 24 bytes of it, and 12 more for each slot. It holds no
/// address of an environment, so that one serves any number of them, on several
/// CPUs at the same time.
pub struct TranslatedProgram<P: PhysicalProfile> {
    insns: List<P, BpfInsn>,
    ops: List<P, Op>,
    /// The operation of each slot.
    starts: List<P, u32>,
    hand: [u8; HAND],
    prog_type: BpfProgType,
    maps: List<P, MapDef>,
    frozen: List<P, FrozenMap>,
    verified: VerifiedInfo,
}

impl<P: PhysicalProfile> TranslatedProgram<P> {
    /// Translates a verified program.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no memory for the translation.
    pub fn new(program: &VerifiedProgram<P>) -> Result<Self, OutOfMemory> {
        let (mut ops, mut starts) = (List::<P, Op>::default(), List::<P, u32>::default());
        let hand = hand::choose::<P>(program.insns())?;
        translate::translate(program, hand, &mut ops, &mut starts)?;
        Ok(Self {
            insns: Sequence::try_from_slice(program.insns())?,
            ops,
            starts,
            hand,
            prog_type: program.prog_type(),
            maps: Sequence::try_from_slice(program.map_defs())?,
            frozen: Sequence::try_from_slice(program.program().frozen_maps())?,
            verified: *program.info(),
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

    /// What was proven.
    pub const fn verified(&self) -> &VerifiedInfo {
        &self.verified
    }

    /// What a run must know of the program.
    pub(in crate::interpreter) fn info(&self) -> ProgramInfo<'_> {
        ProgramInfo::new(self.prog_type, &self.maps, Some(&self.verified)).with_frozen(&self.frozen)
    }

    /// What handlers must know.
    pub(in crate::interpreter) fn code(&self) -> Code<'_> {
        Code {
            insns: &self.insns,
            info: self.info(),
            ops: &self.ops,
            starts: &self.starts,
            hand: self.hand,
        }
    }
}

impl<P: PhysicalProfile> core::fmt::Debug for TranslatedProgram<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TranslatedProgram")
            .field("prog_type", &self.prog_type)
            .field("ops", &self.ops.len())
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}
