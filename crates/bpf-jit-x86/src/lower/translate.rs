//! One instruction to one operation.

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::{Imm64, Instruction, Operand};
use bpf_bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Size, Source, Width};
use bpf_bytecode::table::{self, Form};
use bpf_bytecode::{BpfInsn, Register};
use bpf_interp::run::Run;
use bpf_verifier::InsnFact;

use super::op::{Address, Itself, Op, Order, Then, Trap};
use super::{Maps, shape};

/// An instruction: what it means, its first slot, and the program.
#[derive(Clone, Copy)]
struct Found<'a> {
    pc: u32,
    form: Form,
    insn: BpfInsn,
    program: &'a [BpfInsn],
}

impl Found<'_> {
    /// The instruction at a slot; `None` for the second half of one.
    #[inline]
    fn at(pc: u32, insn: BpfInsn, program: &[BpfInsn]) -> Option<Found<'_>> {
        let form = match shape::only_form(insn) {
            Some(form) => form,
            None => table::find(insn).ok()?.form,
        };
        Some(Found { pc, form, insn, program })
    }

    fn dst(&self) -> Register {
        register(self.insn.dst())
    }

    fn imm64(&self) -> Option<Imm64> {
        match Instruction::decode(self.program, usize::try_from(self.pc).ok()?) {
            Ok(Instruction::LoadImm64 { value, .. }) => Some(value),
            _ => None,
        }
    }
}

/// For each value of a field the register that it names; R0 where it names none.
const REGISTERS: [Register; 16] = [
    Register::R0,
    Register::R1,
    Register::R2,
    Register::R3,
    Register::R4,
    Register::R5,
    Register::R6,
    Register::R7,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R0,
    Register::R0,
    Register::R0,
    Register::R0,
    Register::R0,
];

#[inline]
fn register(field: u8) -> Register {
    REGISTERS.get(usize::from(field & 15)).copied().unwrap_or(Register::R0)
}

/// For each value of a slot's two fields, the source's in the upper half, the registers that
/// they name, the destination first: both are wanted of most slots.
#[allow(clippy::indexing_slicing, reason = "evaluated at build time")]
static PAIRS: [[Register; 2]; 256] = {
    let (mut pairs, mut fields) = ([[Register::R0; 2]; 256], 0);
    while fields < pairs.len() {
        pairs[fields] = [REGISTERS[fields & 15], REGISTERS[fields >> 4]];
        fields += 1;
    }
    pairs
};

/// The registers that a slot names, the destination first.
#[inline(always)]
fn registers(insn: BpfInsn) -> [Register; 2] {
    let fields = usize::from(insn.src() << 4 | insn.dst());
    PAIRS.get(fields).copied().unwrap_or([Register::R0; 2])
}

/// What a slot does of a program that the verifier accepted.
#[inline(never)]
pub(super) fn proven(
    pc: u32,
    insn: BpfInsn,
    program: &[BpfInsn],
    fact: InsnFact,
    maps: &Maps<'_>,
) -> Op {
    if shape::is_number(insn) && fact != InsnFact::Unreached {
        let (dst, value) = number(pc, insn, program);
        return Op::Const { dst, value };
    }
    match fact {
        _ if shape::is_second_half(insn) => return Op::Nothing,
        InsnFact::Unreached => return Op::Trap(Trap::Unreached),
        InsnFact::ContextPointer(kind) if shape::is_load(insn) => {
            return Op::PacketAddress { dst: register(insn.dst()), kind };
        }
        _ => {}
    }
    let Some(found) = Found::at(pc, insn, program) else { return Op::Nothing };
    match (fact, found.form) {
        (InsnFact::ContextField, Form::Store(size, source)) => {
            let at = Address { base: found.dst(), off: insn.off() };
            Op::StoreField { size, at, src: operand(insn, source) }
        }
        (_, Form::LoadImm64) => linked(found, maps),
        _ => by_itself(pc, found.form, insn),
    }
}

/// The operations for a slot of which nothing is known; none for the second half of an
/// instruction. Loads of the context's addresses are recognised when they happen.
pub(super) fn checked(pc: u32, insn: BpfInsn, program: &[BpfInsn]) -> Option<(Op, Option<Op>)> {
    let found = Found::at(pc, insn, program)?;
    let op = match found.form {
        Form::LoadImm64 => load_imm64(found),
        form => by_itself(pc, form, insn),
    };
    if !writes_frame_pointer(found) {
        return Some((op, None));
    }
    let trap = Op::Trap(Trap::FramePointerWrite);
    Some(match found.form {
        // What is wrong with the access counts first.
        Form::Load(..) | Form::LoadAcquire(_) | Form::LoadImm64 => (op, Some(trap)),
        _ => (trap, None),
    })
}

/// The slot that a jump leads to; checked when the program was built.
#[inline]
pub(super) fn target(pc: u32, off: i32) -> u32 {
    pc.wrapping_add(1).wrapping_add_signed(off)
}

#[inline]
fn operand(insn: BpfInsn, source: Source) -> Operand {
    match source {
        Source::Imm => Operand::Imm(insn.imm()),
        Source::Reg => Operand::Reg(register(insn.src())),
    }
}

/// What `then` makes of the operation of an instruction that has a [shape](super::shape).
#[inline(always)]
pub(super) fn by_shape<T: Then>(pc: u32, form: Form, insn: BpfInsn, then: T) -> T::Result {
    let [dst, src] = registers(insn);
    let (off, imm) = (insn.off(), insn.imm());
    match form {
        Form::Alu(AluOp::Mov, width, Source::Reg) => then.then(Op::Move { width, dst, src }),
        Form::Alu(AluOp::Mov, width, Source::Imm) => {
            then.then(Op::Const { dst, value: extend(width, imm) })
        }
        Form::Alu(op, width, Source::Reg) => {
            then.then(Op::Alu { op, width, dst, src: Operand::Reg(src) })
        }
        Form::Alu(op, width, Source::Imm) => {
            let mask = width.bits().wrapping_sub(1).cast_signed();
            let imm = if op.is_shift() { imm & mask } else { imm };
            then.then(Op::Alu { op, width, dst, src: Operand::Imm(imm) })
        }
        Form::Neg(width) => then.then(Op::Neg { width, dst }),
        Form::Load(size, signed) => {
            let (order, at) = (Order::Relaxed, Address { base: src, off });
            then.then(Op::Load { size, signed, order, dst, at })
        }
        Form::Store(size, source) => {
            let (at, src) = (Address { base: dst, off }, operand(insn, source));
            then.then(Op::Store { size, order: Order::Relaxed, at, src })
        }
        Form::JumpIf(cond, width, source) => {
            let (rhs, target) = (operand(insn, source), target(pc, off.into()));
            then.then(Op::Branch { cond, width, lhs: dst, rhs, target })
        }
        Form::Ja => then.then(Op::Jump { target: target(pc, off.into()) }),
        Form::Gotol => then.then(Op::Jump { target: target(pc, imm) }),
        Form::Exit => then.then(Op::Exit),
        // These have none.
        _ => then.then(Op::Trap(Trap::Unreached)),
    }
}

/// The same. Without optimisation one copy serves all opcodes, since what each of many copies
/// has on the stack would all be there at once: megabytes.
#[cfg(debug_assertions)]
#[inline(always)]
pub(super) fn by_code<T: Then>(pc: u32, insn: BpfInsn, then: T) -> T::Result {
    by_shape(pc, shape::form(insn), insn, then)
}

/// The operation of an instruction that has a [shape](super::shape), but is rare.
#[cfg(not(debug_assertions))]
#[inline(never)]
fn rare(pc: u32, insn: BpfInsn) -> Op {
    by_shape(pc, shape::form(insn), insn, Itself)
}

/// The same, compiled for each opcode by itself, so that operations and their widths are
/// told apart once and for all by a jump.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(super) fn by_code<T: Then>(pc: u32, insn: BpfInsn, then: T) -> T::Result {
    macro_rules! each {
        ($($code:literal)*; $($other:literal)*) => {
            match insn.code() {
                $($code => by_shape(pc, const { shape::form_of($code) }, insn, then),)*
                $($other)|* => then.rarely(rare(pc, insn)),
            }
        };
    }
    each! {
        // Arithmetic, of 32 and 64 bits, with an immediate and a register.
        0x04 0x0c 0x07 0x0f 0x14 0x1c 0x17 0x1f 0x24 0x2c 0x27 0x2f
        0x44 0x4c 0x47 0x4f 0x54 0x5c 0x57 0x5f 0x64 0x6c 0x67 0x6f
        0x74 0x7c 0x77 0x7f 0xa4 0xac 0xa7 0xaf 0xb4 0xbc 0xb7 0xbf
        0xc4 0xcc 0xc7 0xcf
        // Loads.
        0x61 0x69 0x71 0x79
        // Stores.
        0x62 0x63 0x6a 0x6b 0x72 0x73 0x7a 0x7b
        // Jumps.
        0x05 0x15 0x1d 0x16 0x1e 0x55 0x5d 0x56 0x5e 0x95
        0x25 0x2d 0x26 0x2e 0x35 0x3d 0x36 0x3e 0x65 0x6d 0x66 0x6e 0x75 0x7d 0x76 0x7e
        0xa5 0xad 0xa6 0xae 0xb5 0xbd 0xb6 0xbe 0xc5 0xcd 0xc6 0xce 0xd5 0xdd 0xd6 0xde
        ;
        // All others, so that it need not be asked whether an opcode is one of them.
        0x00 0x01 0x02 0x03 0x06 0x08 0x09 0x0a 0x0b 0x0d 0x0e 0x10 0x11 0x12 0x13 0x18
        0x19 0x1a 0x1b 0x20 0x21 0x22 0x23 0x28 0x29 0x2a 0x2b 0x30 0x31 0x32 0x33 0x34
        0x37 0x38 0x39 0x3a 0x3b 0x3c 0x3f 0x40 0x41 0x42 0x43 0x45 0x46 0x48 0x49 0x4a
        0x4b 0x4d 0x4e 0x50 0x51 0x52 0x53 0x58 0x59 0x5a 0x5b 0x60 0x68 0x70 0x78 0x80
        0x81 0x82 0x83 0x84 0x85 0x86 0x87 0x88 0x89 0x8a 0x8b 0x8c 0x8d 0x8e 0x8f 0x90
        0x91 0x92 0x93 0x94 0x96 0x97 0x98 0x99 0x9a 0x9b 0x9c 0x9d 0x9e 0x9f 0xa0 0xa1
        0xa2 0xa3 0xa8 0xa9 0xaa 0xab 0xb0 0xb1 0xb2 0xb3 0xb8 0xb9 0xba 0xbb 0xc0 0xc1
        0xc2 0xc3 0xc8 0xc9 0xca 0xcb 0xd0 0xd1 0xd2 0xd3 0xd4 0xd7 0xd8 0xd9 0xda 0xdb
        0xdc 0xdf 0xe0 0xe1 0xe2 0xe3 0xe4 0xe5 0xe6 0xe7 0xe8 0xe9 0xea 0xeb 0xec 0xed
        0xee 0xef 0xf0 0xf1 0xf2 0xf3 0xf4 0xf5 0xf6 0xf7 0xf8 0xf9 0xfa 0xfb 0xfc 0xfd
        0xfe 0xff
    }
}

/// The slot that an instruction names that has a [shape](super::shape).
#[inline]
pub(super) fn named(pc: u32, insn: BpfInsn) -> u32 {
    let far = matches!(shape::form(insn), Form::Gotol);
    target(pc, if far { insn.imm() } else { insn.off().into() })
}

/// What an instruction says by itself: any but a load of a 64-bit immediate.
pub(super) fn by_itself(pc: u32, form: Form, insn: BpfInsn) -> Op {
    let (dst, src) = (register(insn.dst()), register(insn.src()));
    let (off, imm) = (insn.off(), insn.imm());
    match form {
        Form::MovSx(width, from) => Op::SignExtend { width, from, dst, src },
        Form::ByteSwap(order, size) => byte_swap(order, size, dst),
        Form::LoadAcquire(size) => {
            let (order, at) = (Order::Ordered, Address { base: src, off });
            Op::Load { size, signed: false, order, dst, at }
        }
        Form::StoreRelease(size) => {
            let (at, src) = (Address { base: dst, off }, Operand::Reg(src));
            Op::Store { size, order: Order::Ordered, at, src }
        }
        Form::Atomic(op, width, fetch) => {
            Op::Atomic { op, fetch, width, at: Address { base: dst, off }, src }
        }
        Form::LegacyAbs(size) => Op::PacketLoad { size, index: None, off: imm },
        Form::LegacyInd(size) => Op::PacketLoad { size, index: Some(src), off: imm },
        Form::MayGoto => Op::MayGoto { target: target(pc, off.into()) },
        Form::CallLocal => Op::Call { target: target(pc, imm) },
        Form::CallHelper => helper(imm.cast_unsigned()),
        Form::CallKfunc => Op::Kfunc { number: imm },
        form => by_shape(pc, form, insn, Itself),
    }
}

fn helper(id: u32) -> Op {
    match id {
        id::TAIL_CALL => Op::TailCall,
        id if Run::calls_back(id) => Op::CallBack { id },
        id => Op::Helper { id },
    }
}

/// An immediate as a register holds it.
fn extend(width: Width, imm: i32) -> u64 {
    match width {
        Width::W32 => u64::from(imm.cast_unsigned()),
        Width::W64 => i64::from(imm).cast_unsigned(),
    }
}

fn byte_swap(order: ByteOrder, size: Size, dst: Register) -> Op {
    let reverses = match order {
        ByteOrder::Little => cfg!(target_endian = "big"),
        ByteOrder::Big => cfg!(target_endian = "little"),
        ByteOrder::Swap => true,
    };
    if reverses { Op::Swap { size, dst } } else { Op::ZeroExtend { from: size, dst } }
}

/// A 64-bit immediate load in proven code, which finds values of arrays by itself.
fn linked(found: Found<'_>, maps: &Maps<'_>) -> Op {
    if let Some(Imm64::MapIdxValue(map, off)) = found.imm64()
        && let Some(link) = maps.link_to_byte(map, off)
    {
        return Op::LinkedValue { dst: found.dst(), map, link, off };
    }
    load_imm64(found)
}

/// A load of a number of 64 bits, of which the second slot has the upper half.
#[inline(always)]
pub(super) fn number(pc: u32, insn: BpfInsn, program: &[BpfInsn]) -> (Register, u64) {
    let second = usize::try_from(pc).ok().and_then(|pc| program.get(pc.saturating_add(1)));
    let high = second.map_or(0, |second| second.imm().cast_unsigned());
    let low = insn.imm().cast_unsigned();
    (register(insn.dst()), u64::from(high) << u32::BITS | u64::from(low))
}

fn load_imm64(found: Found<'_>) -> Op {
    let dst = found.dst();
    match found.imm64() {
        Some(Imm64::Value(value)) => Op::Const { dst, value },
        Some(Imm64::MapIdx(index)) => Op::MapReference { dst, index },
        Some(Imm64::MapIdxValue(index, off)) => Op::MapValueAddress { dst, index, off },
        Some(Imm64::MapFd(_) | Imm64::MapFdValue(..)) => Op::Trap(Trap::MapDescriptor),
        Some(Imm64::Var(_)) => Op::Trap(Trap::Variable),
        Some(Imm64::Code(off)) => Op::FunctionReference { dst, slot: target(found.pc, off) },
        // No program has one.
        None => Op::Trap(Trap::Unreached),
    }
}

/// Whether an instruction names R10 as what it writes.
fn writes_frame_pointer(found: Found<'_>) -> bool {
    let written = match found.form {
        Form::Alu(..)
        | Form::Neg(_)
        | Form::MovSx(..)
        | Form::ByteSwap(..)
        | Form::LoadImm64
        | Form::Load(..)
        | Form::LoadAcquire(_) => found.dst(),
        Form::Atomic(op, _, true) if op != AtomicOp::Cmpxchg => register(found.insn.src()),
        _ => return false,
    };
    written == Register::R10
}
