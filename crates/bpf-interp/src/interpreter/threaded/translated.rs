//! Programs in translation: one operation for each instruction, which names its
//! handler, with the places of operands settled and distances in bytes.
#![allow(unsafe_code)]

use alloc::vec::Vec;
use core::marker::PhantomData;

use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::map::MapDef;
use bpf_bytecode::{BpfInsn, BpfProgType};
use bpf_profile::{OutOfMemory, PhysicalProfile, Sequence};
use bpf_verifier::{VerifiedInfo, VerifiedProgram};

use super::dispatch::Handler;
use super::form::{Code, Form, HAND};
use super::machine::Machine;
use crate::run::ProgramInfo;

mod choose;
mod hand;
mod own;
mod pairs;
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
    type Code<'r> = &'r Body;

    #[inline(always)]
    fn handler(_: &Machine<'_, Self>, op: &Op) -> Handler<Self> {
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
    fn callee(op: &Op) -> isize {
        op.off as isize
    }

    #[inline(always)]
    fn is_plain(_: &Machine<'_, Self>, _: &Op) -> bool {
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
    fn slot(_: &Machine<'_, Self>, op: &Op) -> usize {
        op.extra.cast_unsigned() as usize
    }
}

/// What a translation consists of.
pub(in crate::interpreter) struct Body {
    insns: Vec<BpfInsn>,
    ops: Vec<Op>,
    /// The operation of each slot.
    starts: Vec<u32>,
    hand: [u8; HAND],
    prog_type: BpfProgType,
    maps: Vec<MapDef>,
    frozen: Vec<FrozenMap>,
    verified: VerifiedInfo,
}

impl<'r> Code<'r> for &'r Body {
    type Form = Translated;

    fn insns(self) -> &'r [BpfInsn] {
        &self.insns
    }

    #[inline]
    fn info(self) -> ProgramInfo<'r> {
        let info = ProgramInfo::new(self.prog_type, &self.maps, Some(&self.verified));
        // SAFETY: the handlers execute the program's instructions, and only they and
        // the checked step, which does the same, use the run meanwhile.
        unsafe { info.with_frozen(&self.frozen).executed_as_proven() }
    }

    #[inline]
    fn at(self, slot: usize) -> Option<*const Op> {
        let index = *self.starts.get(slot)? as usize;
        // A pointer from which all of them can be reached.
        (index < self.ops.len()).then(|| self.ops.as_ptr().wrapping_add(index))
    }

    #[inline(always)]
    fn hand(self) -> [u8; HAND] {
        self.hand
    }
}

/// A verified program in translation, for
/// [`TranslatedInterpreter`](crate::TranslatedInterpreter).
///
/// An instruction takes 24 bytes of it, and 12 more for each slot. It holds no
/// address of an environment, so that one serves any number of them, on several
/// CPUs at the same time.
pub struct TranslatedProgram<P: PhysicalProfile> {
    body: Body,
    profile: PhantomData<fn() -> P>,
}

impl<P: PhysicalProfile> TranslatedProgram<P> {
    /// Translates a verified program.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no memory for the translation.
    pub fn new(program: &VerifiedProgram<P>) -> Result<Self, OutOfMemory> {
        let hand = hand::choose(program.insns())?;
        let (ops, starts) = translate::translate(program, hand)?;
        let body = Body {
            insns: Sequence::try_from_slice(program.insns())?,
            ops,
            starts,
            hand,
            prog_type: program.prog_type(),
            maps: Sequence::try_from_slice(program.map_defs())?,
            frozen: Sequence::try_from_slice(program.program().frozen_maps())?,
            verified: *program.info(),
        };
        Ok(Self { body, profile: PhantomData })
    }

    /// The program's type.
    pub const fn prog_type(&self) -> BpfProgType {
        self.body.prog_type
    }

    /// The definitions that live maps must match.
    pub fn map_defs(&self) -> &[MapDef] {
        &self.body.maps
    }

    /// What was proven.
    pub const fn verified(&self) -> &VerifiedInfo {
        &self.body.verified
    }

    /// What runs.
    pub(in crate::interpreter) const fn body(&self) -> &Body {
        &self.body
    }
}

impl<P: PhysicalProfile> core::fmt::Debug for TranslatedProgram<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TranslatedProgram")
            .field("prog_type", &self.body.prog_type)
            .field("ops", &self.body.ops.len())
            .field("verified", &self.body.verified)
            .finish_non_exhaustive()
    }
}
