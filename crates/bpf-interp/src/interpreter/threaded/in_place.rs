//! Bytecode in place: handlers by opcode, all registers in memory.
#![allow(unsafe_code)]
#![allow(clippy::indexing_slicing, reason = "by constants: what is out of range does not compile")]

use bpf_bytecode::BpfInsn;
use bpf_profile::PhysicalProfile;
use bpf_verifier::{InsnFact, VerifiedProgram};

use super::alu::{DIV, MOD, MOV, bytes, constant, extend, neg, with_imm, with_reg};
use super::call;
use super::dispatch::{Handler, handler};
use super::form::{self, Form, HAND, Hand, MEMORY};
use super::jump::{always, if_imm, if_reg};
use super::machine::Machine;
use super::memory::{load, store, store_imm};
use super::slow;
use crate::interpreter::opcodes as op;
use crate::run::ProgramInfo;

/// Bytes of a slot.
const SLOT: isize = size_of::<BpfInsn>().cast_signed();

/// The form.
pub(in crate::interpreter) struct InPlace;

/// A verified program in place.
#[derive(Clone, Copy)]
pub(in crate::interpreter) struct Code<'r> {
    insns: &'r [BpfInsn],
    facts: &'r [InsnFact],
    info: ProgramInfo<'r>,
}

impl<'r> Code<'r> {
    /// A verified program as it is.
    pub fn of<P: PhysicalProfile>(program: &'r VerifiedProgram<P>) -> Self {
        // SAFETY: the handlers execute the program's instructions, and only they and
        // the checked step, which does the same, use the run meanwhile.
        let info = unsafe { ProgramInfo::from(program).executed_as_proven() };
        Self { insns: program.insns(), facts: program.facts(), info }
    }
}

impl Form for InPlace {
    type Op = BpfInsn;
    type Held = ();
    type Code<'r> = Code<'r>;
    const MARKED: bool = false;
    const CONSTANT: usize = 2;

    #[inline(always)]
    fn handler(_: &Machine<'_, Self>, op: &BpfInsn) -> Handler<Self> {
        // There are as many as a byte has values.
        HANDLERS.get(usize::from(op.code())).copied().unwrap_or(slow::slow)
    }

    #[inline(always)]
    fn dst(op: &BpfInsn) -> u8 {
        op.dst()
    }

    #[inline(always)]
    fn src(op: &BpfInsn) -> u8 {
        op.src()
    }

    #[inline(always)]
    fn imm(op: &BpfInsn) -> i32 {
        op.imm()
    }

    #[inline(always)]
    fn displacement(op: &BpfInsn) -> i32 {
        op.off().into()
    }

    #[inline(always)]
    fn distance(op: &BpfInsn) -> isize {
        (op.off() as isize).wrapping_add(1).wrapping_mul(SLOT)
    }

    #[inline(always)]
    fn callee(op: &BpfInsn) -> isize {
        (op.imm() as isize).wrapping_add(1).wrapping_mul(SLOT)
    }

    #[inline(always)]
    fn is_plain(machine: &Machine<'_, Self>, op: &BpfInsn) -> bool {
        let fact = machine.code.facts.get(Self::slot(machine, op));
        matches!(
            fact,
            Some(
                InsnFact::Stack
                    | InsnFact::Context
                    | InsnFact::Packet
                    | InsnFact::MapValue
                    | InsnFact::Reserved
                    | InsnFact::Memory
            )
        )
    }

    #[inline(always)]
    unsafe fn constant(ip: *const BpfInsn) -> Option<u64> {
        // SAFETY: an instruction is there, by contract, and such a load has a
        // second slot.
        let (low, high) = unsafe { (*ip, *ip.add(1)) };
        if low.src() != 0 {
            return None;
        }
        let [low, high] = [low.imm(), high.imm()].map(|half| u64::from(half.cast_unsigned()));
        Some(high << 32 | low)
    }

    #[inline(always)]
    fn slot(machine: &Machine<'_, Self>, op: &BpfInsn) -> usize {
        let from = machine.code.insns.as_ptr().addr();
        core::ptr::from_ref(op).addr().wrapping_sub(from) >> SLOT.trailing_zeros()
    }
}

impl<'r> form::Code<'r> for Code<'r> {
    type Form = InPlace;

    fn insns(self) -> &'r [BpfInsn] {
        self.insns
    }

    fn info(self) -> ProgramInfo<'r> {
        self.info
    }

    fn at(self, slot: usize) -> Option<*const BpfInsn> {
        // A pointer from which all of them can be reached.
        (slot < self.insns.len()).then(|| self.insns.as_ptr().wrapping_add(slot))
    }

    fn hand(self) -> [u8; HAND] {
        [0; HAND]
    }
}

handler! {
    /// A move, sign-extending where the offset field names a size in bits.
    fn mov<const WIDE: bool>(op, m, hand, ip) {
        if F::displacement(op) == 0 {
            // SAFETY: as for this handler.
            return unsafe {
                with_reg::<F, MOV, WIDE, MEMORY, MEMORY>(ip, m, hand.a, hand.b, hand.c, hand.d)
            };
        }
        let handler = match F::displacement(op) {
            8 => extend::<F, 1, WIDE, MEMORY, MEMORY>,
            16 => extend::<F, 2, WIDE, MEMORY, MEMORY>,
            _ => extend::<F, 4, WIDE, MEMORY, MEMORY>,
        };
        // SAFETY: as for this handler.
        unsafe { handler(ip, m, hand.a, hand.b, hand.c, hand.d) }
    }
}

handler! {
    /// The low bytes, reversed or as they are, as many as the immediate says.
    fn swap<const REVERSED: bool>(op, m, hand, ip) {
        let handler = match F::imm(op) {
            16 => bytes::<F, REVERSED, 2, MEMORY>,
            32 => bytes::<F, REVERSED, 4, MEMORY>,
            _ => bytes::<F, REVERSED, 8, MEMORY>,
        };
        // SAFETY: as for this handler.
        unsafe { handler(ip, m, hand.a, hand.b, hand.c, hand.d) }
    }
}

handler! {
    /// A division of two registers, unless the offset field says that it is
    /// signed.
    fn divide_reg<const OP: usize, const WIDE: bool>(op, m, hand, ip) {
        if F::displacement(op) != 0 {
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        }
        // SAFETY: as for this handler.
        unsafe { with_reg::<F, OP, WIDE, MEMORY, MEMORY>(ip, m, hand.a, hand.b, hand.c, hand.d) }
    }
}

handler! {
    /// The same with an immediate.
    fn divide_imm<const OP: usize, const WIDE: bool>(op, m, hand, ip) {
        if F::displacement(op) != 0 {
            // SAFETY: as for this handler.
            return unsafe { slow::instead(ip, m, hand) };
        }
        // SAFETY: as for this handler.
        unsafe { with_imm::<F, OP, WIDE, MEMORY>(ip, m, hand.a, hand.b, hand.c, hand.d) }
    }
}

/// The handlers by opcode.
static HANDLERS: [Handler<InPlace>; 256] = {
    let mut all: [Handler<InPlace>; 256] = [slow::slow; 256];
    macro_rules! set {
        ($($name:ident $handler:expr;)+) => {
            $(all[op::$name as usize] = $handler;)+
        };
    }
    macro_rules! alu {
        ($($op:literal: $imm64:ident $reg64:ident $imm32:ident $reg32:ident;)+) => {
            set! { $(
                $imm64 with_imm::<InPlace, $op, true, MEMORY>;
                $reg64 with_reg::<InPlace, $op, true, MEMORY, MEMORY>;
                $imm32 with_imm::<InPlace, $op, false, MEMORY>;
                $reg32 with_reg::<InPlace, $op, false, MEMORY, MEMORY>;
            )+ }
        };
    }
    macro_rules! jumps {
        ($($cond:literal: $imm64:ident $reg64:ident $imm32:ident $reg32:ident;)+) => {
            set! { $(
                $imm64 if_imm::<InPlace, $cond, true, MEMORY>;
                $reg64 if_reg::<InPlace, $cond, true, MEMORY, MEMORY>;
                $imm32 if_imm::<InPlace, $cond, false, MEMORY>;
                $reg32 if_reg::<InPlace, $cond, false, MEMORY, MEMORY>;
            )+ }
        };
    }
    alu! {
        0: ADD64_IMM ADD64_REG ADD32_IMM ADD32_REG;
        1: SUB64_IMM SUB64_REG SUB32_IMM SUB32_REG;
        2: MUL64_IMM MUL64_REG MUL32_IMM MUL32_REG;
        3: OR64_IMM OR64_REG OR32_IMM OR32_REG;
        4: AND64_IMM AND64_REG AND32_IMM AND32_REG;
        5: XOR64_IMM XOR64_REG XOR32_IMM XOR32_REG;
        6: LSH64_IMM LSH64_REG LSH32_IMM LSH32_REG;
        7: RSH64_IMM RSH64_REG RSH32_IMM RSH32_REG;
        8: ARSH64_IMM ARSH64_REG ARSH32_IMM ARSH32_REG;
    }
    set! {
        MOV64_IMM with_imm::<InPlace, MOV, true, MEMORY>;
        MOV32_IMM with_imm::<InPlace, MOV, false, MEMORY>;
        MOV64_REG mov::<InPlace, true>;
        MOV32_REG mov::<InPlace, false>;
        DIV64_IMM divide_imm::<InPlace, DIV, true>;
        DIV64_REG divide_reg::<InPlace, DIV, true>;
        DIV32_IMM divide_imm::<InPlace, DIV, false>;
        DIV32_REG divide_reg::<InPlace, DIV, false>;
        MOD64_IMM divide_imm::<InPlace, MOD, true>;
        MOD64_REG divide_reg::<InPlace, MOD, true>;
        MOD32_IMM divide_imm::<InPlace, MOD, false>;
        MOD32_REG divide_reg::<InPlace, MOD, false>;
        LE swap::<InPlace, { cfg!(target_endian = "big") }>;
        BE swap::<InPlace, { cfg!(target_endian = "little") }>;
        BSWAP swap::<InPlace, true>;
        NEG64 neg::<InPlace, true, MEMORY>;
        NEG32 neg::<InPlace, false, MEMORY>;
        LD_IMM64 constant::<InPlace, MEMORY>;
        LDX_B load::<InPlace, 1, false, true, MEMORY, MEMORY>;
        LDX_H load::<InPlace, 2, false, true, MEMORY, MEMORY>;
        LDX_W load::<InPlace, 4, false, true, MEMORY, MEMORY>;
        LDX_DW load::<InPlace, 8, false, true, MEMORY, MEMORY>;
        LDXS_B load::<InPlace, 1, true, true, MEMORY, MEMORY>;
        LDXS_H load::<InPlace, 2, true, true, MEMORY, MEMORY>;
        LDXS_W load::<InPlace, 4, true, true, MEMORY, MEMORY>;
        STX_B store::<InPlace, 1, true, MEMORY, MEMORY>;
        STX_H store::<InPlace, 2, true, MEMORY, MEMORY>;
        STX_W store::<InPlace, 4, true, MEMORY, MEMORY>;
        STX_DW store::<InPlace, 8, true, MEMORY, MEMORY>;
        ST_B store_imm::<InPlace, 1, true, MEMORY>;
        ST_H store_imm::<InPlace, 2, true, MEMORY>;
        ST_W store_imm::<InPlace, 4, true, MEMORY>;
        ST_DW store_imm::<InPlace, 8, true, MEMORY>;
        JA always::<InPlace>;
        CALL call::any::<InPlace>;
        EXIT call::exit::<InPlace, MEMORY>;
    }
    jumps! {
        0: JEQ_IMM JEQ_REG JEQ32_IMM JEQ32_REG;
        1: JNE_IMM JNE_REG JNE32_IMM JNE32_REG;
        2: JSET_IMM JSET_REG JSET32_IMM JSET32_REG;
        3: JGT_IMM JGT_REG JGT32_IMM JGT32_REG;
        4: JGE_IMM JGE_REG JGE32_IMM JGE32_REG;
        5: JLT_IMM JLT_REG JLT32_IMM JLT32_REG;
        6: JLE_IMM JLE_REG JLE32_IMM JLE32_REG;
        7: JSGT_IMM JSGT_REG JSGT32_IMM JSGT32_REG;
        8: JSGE_IMM JSGE_REG JSGE32_IMM JSGE32_REG;
        9: JSLT_IMM JSLT_REG JSLT32_IMM JSLT32_REG;
        10: JSLE_IMM JSLE_REG JSLE32_IMM JSLE32_REG;
    }
    all
};
