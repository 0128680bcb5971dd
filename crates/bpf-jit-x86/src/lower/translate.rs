//! One instruction to one operation.

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::{Imm64, Instruction, Operand};
use bpf_bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Size, Source, Width};
use bpf_bytecode::table::{self, Form};
use bpf_bytecode::{BpfInsn, Register};
use bpf_interp::run::Run;
use bpf_verifier::InsnFact;

use super::op::{Address, Itself, Op, Order, Then, Trap};
use super::{Maps, fields, shape};

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

/// The same of an instruction that turns.
#[inline(always)]
pub(super) fn turning<T: Then>(pc: u32, insn: BpfInsn, then: T) -> T::Result {
    let code = insn.code();
    match code & 0xf0 {
        0x00 => by_shape(pc, shape::form(insn), insn, then),
        0x90 => by_shape(pc, Form::Exit, insn, then),
        _ => {
            let (cond, width) = (fields::cond(code), fields::width(code));
            if fields::by_register(code) {
                by_shape(pc, Form::JumpIf(cond, width, Source::Reg), insn, then)
            } else {
                by_shape(pc, Form::JumpIf(cond, width, Source::Imm), insn, then)
            }
        }
    }
}

/// The same of any other. Without optimisation one copy serves all opcodes, since what each of
/// many copies has on the stack would all be there at once: megabytes.
#[cfg(debug_assertions)]
#[inline(always)]
pub(super) fn straight<T: Then>(pc: u32, insn: BpfInsn, then: T) -> T::Result {
    by_shape(pc, shape::form(insn), insn, then)
}

/// The operation of an instruction that has a [shape](super::shape), but is rare.
#[cfg(not(debug_assertions))]
#[inline(never)]
fn rare(pc: u32, insn: BpfInsn) -> Op {
    by_shape(pc, shape::form(insn), insn, Itself)
}

/// The same, compiled for each frequent opcode by itself. It is told by few bits at a time, and
/// only what is left by a jump through a table: of a program that it has not seen just now a CPU
/// guesses both ways of a branch much better than one of a hundred places, and a wrong guess
/// takes as long as all else that is done for a slot.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub(super) fn straight<T: Then>(pc: u32, insn: BpfInsn, then: T) -> T::Result {
    let code = insn.code();
    macro_rules! only {
        ($code:literal) => {
            by_shape(pc, const { shape::form_of($code) }, insn, then)
        };
    }
    // Of two widths.
    macro_rules! either {
        ($narrow:literal $wide:literal) => {
            match fields::width(code) {
                Width::W32 => only!($narrow),
                Width::W64 => only!($wide),
            }
        };
    }
    if !fields::computes(code) {
        return if shape::is_load(insn) {
            match fields::size(code) {
                _ if fields::is_signed(code) => then.rarely(rare(pc, insn)),
                Size::W => only!(0x61),
                size => by_shape(pc, Form::Load(size, false), insn, then),
            }
        } else if fields::stores_register(code) {
            match fields::size(code) {
                Size::W => only!(0x63),
                Size::Dw => only!(0x7b),
                size => by_shape(pc, Form::Store(size, Source::Reg), insn, then),
            }
        } else {
            by_shape(pc, Form::Store(fields::size(code), Source::Imm), insn, then)
        };
    }
    let operation = code & 0xf0;
    if operation == 0xb0 {
        return if fields::by_register(code) { either!(0xbc 0xbf) } else { either!(0xb4 0xb7) };
    }
    if fields::by_register(code) {
        match operation {
            0x00 => return either!(0x0c 0x0f),
            0x40 => return either!(0x4c 0x4f),
            0xa0 => return either!(0xac 0xaf),
            _ => {}
        }
    } else if operation & 0xe0 == 0x60 {
        return if operation == 0x60 { either!(0x64 0x67) } else { either!(0x74 0x77) };
    } else if operation == 0x00 {
        return either!(0x04 0x07);
    }
    macro_rules! each {
        ($($code:literal)*) => {
            match code {
                $($code => only!($code),)*
                _ => then.rarely(rare(pc, insn)),
            }
        };
    }
    each! {
        // With an immediate and a register, of 32 and 64 bits.
        0x14 0x1c 0x17 0x1f 0x24 0x2c 0x27 0x2f 0x44 0x47 0x54 0x5c 0x57 0x5f
        0x6c 0x6f 0x7c 0x7f 0xa4 0xa7 0xc4 0xcc 0xc7 0xcf
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
