//! One instruction.
//!
//! It dispatches on the opcode byte and works on the bytecode in place. What
//! instructions compute is in [`semantics`]; memory, frames and helpers are the
//! [`Run`]'s. The program has been built, so opcodes, registers and fields are
//! known to be those of the instruction set.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::instruction::{Imm64, Instruction, jump_target};
use bpf_bytecode::opcode::{AluOp, AtomicOp, ByteOrder, Cond, Size, Width};

use super::call::{self, Flow, Programs, Site};
use super::opcodes as op;
use super::registers::Registers;
use crate::error::Fault;
use crate::run::{Run, legacy_position};
use crate::semantics::{self, immediate};

/// R10, which no instruction may write.
const FRAME_POINTER: u8 = 10;

/// Executes the instruction at `site` with every check. Where control goes on
/// in the same program, `pc` is then the slot before it.
#[inline(always)]
#[allow(clippy::too_many_lines, reason = "one arm for each opcode")]
pub(super) fn execute<'r>(
    run: &mut Run<'r>,
    regs: &mut Registers,
    insn: BpfInsn,
    site: &Site<'_>,
    programs: Programs<'_, 'r>,
) -> Result<Flow, Fault> {
    let mut pc = site.pc;

    // In place of `?`, which made the interpreter execute a tenth more (`cargo xtask
    // counts`).
    macro_rules! fail {
        ($fault:expr) => {
            return Err($fault)
        };
    }
    macro_rules! check {
        ($result:expr) => {
            match $result {
                Ok(value) => value,
                Err(fault) => fail!(fault),
            }
        };
    }
    macro_rules! dst {
        () => {
            regs.get(insn.dst())
        };
    }
    macro_rules! src {
        (imm) => {
            immediate(insn.imm())
        };
        (reg) => {
            regs.get(insn.src())
        };
    }
    macro_rules! set {
        ($number:expr, $value:expr) => {{
            let number = $number;
            if number == FRAME_POINTER {
                fail!(Fault::FramePointerWrite);
            }
            regs.set(number, $value);
        }};
    }
    macro_rules! alu {
        ($op:ident, $width:ident, $src:ident) => {
            set!(insn.dst(), semantics::alu(AluOp::$op, Width::$width, dst!(), src!($src)))
        };
    }
    // Division and remainder, signed where the offset field is 1.
    macro_rules! division {
        ($op:ident, $signed:ident, $width:ident, $src:ident) => {
            if insn.off() == 0 { alu!($op, $width, $src) } else { alu!($signed, $width, $src) }
        };
    }
    // A move, sign-extending where the offset field names a size in bits.
    macro_rules! mov {
        ($width:ident) => {{
            let from = match insn.off() {
                8 => Some(Size::B),
                16 => Some(Size::H),
                32 => Some(Size::W),
                _ => None,
            };
            match from {
                None => alu!(Mov, $width, reg),
                Some(from) => {
                    set!(insn.dst(), semantics::mov_sx(Width::$width, from, src!(reg)));
                }
            }
        }};
    }
    macro_rules! swap {
        ($order:ident) => {{
            let size = match insn.imm() {
                16 => Size::H,
                32 => Size::W,
                _ => Size::Dw,
            };
            set!(insn.dst(), semantics::byte_swap(ByteOrder::$order, size, dst!()))
        }};
    }
    macro_rules! jump {
        ($off:expr) => {
            pc = target(pc, $off)
        };
    }
    macro_rules! jump_if {
        ($cond:ident, $width:ident, $src:ident) => {
            if semantics::condition(Cond::$cond, Width::$width, dst!(), src!($src)) {
                jump!(i32::from(insn.off()));
            }
        };
    }
    macro_rules! address {
        ($base:expr) => {
            regs.get($base).wrapping_add(immediate(i32::from(insn.off())))
        };
    }
    macro_rules! load {
        ($load:ident, $size:ident) => {{
            let value = check!(run.$load(address!(insn.src()), Size::$size));
            set!(insn.dst(), value);
        }};
    }
    macro_rules! store {
        ($store:ident, $size:ident, $src:ident) => {
            check!(run.$store(address!(insn.dst()), Size::$size, src!($src)))
        };
    }
    // Acquire and release exist in every size, the rest in two of them.
    macro_rules! ordered {
        ($size:ident) => {
            match insn.imm() {
                op::LOAD_ACQUIRE => load!(load_acquire, $size),
                op::STORE_RELEASE => {
                    let (addr, value) = (address!(insn.dst()), regs.get(insn.src()));
                    check!(run.store_release(addr, Size::$size, value));
                }
                _ => fail!(Fault::InvalidInstruction),
            }
        };
    }
    macro_rules! atomic {
        ($width:ident, $size:ident) => {
            match op::atomic(insn.imm()) {
                None => ordered!($size),
                Some((op, fetch)) => {
                    let to = if op == AtomicOp::Cmpxchg { 0 } else { insn.src() };
                    if fetch && to == FRAME_POINTER {
                        fail!(Fault::FramePointerWrite);
                    }
                    let (addr, value) = (address!(insn.dst()), regs.get(insn.src()));
                    let old = run.atomic(op, Width::$width, addr, value, regs.get(0));
                    let old = check!(old);
                    if fetch {
                        regs.set(to, old);
                    }
                }
            }
        };
    }
    // A packet load that finds nothing ends the program with 0.
    macro_rules! packet {
        ($size:ident, $index:expr) => {{
            let position = legacy_position(insn.imm(), $index);
            match run.legacy_load(position, Size::$size) {
                Some(value) => regs.set(0, value),
                None => {
                    regs.set(0, 0);
                    return call::exit(run, regs);
                }
            }
        }};
    }

    match insn.code() {
        op::ADD64_IMM => alu!(Add, W64, imm),
        op::ADD64_REG => alu!(Add, W64, reg),
        op::ADD32_IMM => alu!(Add, W32, imm),
        op::ADD32_REG => alu!(Add, W32, reg),
        op::SUB64_IMM => alu!(Sub, W64, imm),
        op::SUB64_REG => alu!(Sub, W64, reg),
        op::SUB32_IMM => alu!(Sub, W32, imm),
        op::SUB32_REG => alu!(Sub, W32, reg),
        op::MUL64_IMM => alu!(Mul, W64, imm),
        op::MUL64_REG => alu!(Mul, W64, reg),
        op::MUL32_IMM => alu!(Mul, W32, imm),
        op::MUL32_REG => alu!(Mul, W32, reg),
        op::DIV64_IMM => division!(Div, Sdiv, W64, imm),
        op::DIV64_REG => division!(Div, Sdiv, W64, reg),
        op::DIV32_IMM => division!(Div, Sdiv, W32, imm),
        op::DIV32_REG => division!(Div, Sdiv, W32, reg),
        op::MOD64_IMM => division!(Mod, Smod, W64, imm),
        op::MOD64_REG => division!(Mod, Smod, W64, reg),
        op::MOD32_IMM => division!(Mod, Smod, W32, imm),
        op::MOD32_REG => division!(Mod, Smod, W32, reg),
        op::OR64_IMM => alu!(Or, W64, imm),
        op::OR64_REG => alu!(Or, W64, reg),
        op::OR32_IMM => alu!(Or, W32, imm),
        op::OR32_REG => alu!(Or, W32, reg),
        op::AND64_IMM => alu!(And, W64, imm),
        op::AND64_REG => alu!(And, W64, reg),
        op::AND32_IMM => alu!(And, W32, imm),
        op::AND32_REG => alu!(And, W32, reg),
        op::XOR64_IMM => alu!(Xor, W64, imm),
        op::XOR64_REG => alu!(Xor, W64, reg),
        op::XOR32_IMM => alu!(Xor, W32, imm),
        op::XOR32_REG => alu!(Xor, W32, reg),
        op::LSH64_IMM => alu!(Lsh, W64, imm),
        op::LSH64_REG => alu!(Lsh, W64, reg),
        op::LSH32_IMM => alu!(Lsh, W32, imm),
        op::LSH32_REG => alu!(Lsh, W32, reg),
        op::RSH64_IMM => alu!(Rsh, W64, imm),
        op::RSH64_REG => alu!(Rsh, W64, reg),
        op::RSH32_IMM => alu!(Rsh, W32, imm),
        op::RSH32_REG => alu!(Rsh, W32, reg),
        op::ARSH64_IMM => alu!(Arsh, W64, imm),
        op::ARSH64_REG => alu!(Arsh, W64, reg),
        op::ARSH32_IMM => alu!(Arsh, W32, imm),
        op::ARSH32_REG => alu!(Arsh, W32, reg),
        op::MOV64_IMM => alu!(Mov, W64, imm),
        op::MOV32_IMM => alu!(Mov, W32, imm),
        op::MOV64_REG => mov!(W64),
        op::MOV32_REG => mov!(W32),
        op::NEG64 => set!(insn.dst(), semantics::neg(Width::W64, dst!())),
        op::NEG32 => set!(insn.dst(), semantics::neg(Width::W32, dst!())),
        op::LE => swap!(Little),
        op::BE => swap!(Big),
        op::BSWAP => swap!(Swap),

        op::LDX_B => load!(load, B),
        op::LDX_H => load!(load, H),
        op::LDX_W => load!(load, W),
        op::LDX_DW => load!(load, Dw),
        op::LDXS_B => load!(load_signed, B),
        op::LDXS_H => load!(load_signed, H),
        op::LDXS_W => load!(load_signed, W),
        op::ST_B => store!(store_immediate, B, imm),
        op::ST_H => store!(store_immediate, H, imm),
        op::ST_W => store!(store_immediate, W, imm),
        op::ST_DW => store!(store_immediate, Dw, imm),
        op::STX_B => store!(store, B, reg),
        op::STX_H => store!(store, H, reg),
        op::STX_W => store!(store, W, reg),
        op::STX_DW => store!(store, Dw, reg),
        op::ATOMIC_B => ordered!(B),
        op::ATOMIC_H => ordered!(H),
        op::ATOMIC32 => atomic!(W32, W),
        op::ATOMIC64 => atomic!(W64, Dw),
        op::LD_ABS_B => packet!(B, None),
        op::LD_ABS_H => packet!(H, None),
        op::LD_ABS_W => packet!(W, None),
        op::LD_IND_B => packet!(B, Some(src!(reg))),
        op::LD_IND_H => packet!(H, Some(src!(reg))),
        op::LD_IND_W => packet!(W, Some(src!(reg))),
        op::LD_IMM64 => {
            let value = check!(imm64(run, site.insns, pc));
            set!(insn.dst(), value);
            pc = pc.wrapping_add(1);
        }

        op::JA => jump!(i32::from(insn.off())),
        op::GOTOL => jump!(insn.imm()),
        op::JEQ_IMM => jump_if!(Eq, W64, imm),
        op::JEQ_REG => jump_if!(Eq, W64, reg),
        op::JEQ32_IMM => jump_if!(Eq, W32, imm),
        op::JEQ32_REG => jump_if!(Eq, W32, reg),
        op::JNE_IMM => jump_if!(Ne, W64, imm),
        op::JNE_REG => jump_if!(Ne, W64, reg),
        op::JNE32_IMM => jump_if!(Ne, W32, imm),
        op::JNE32_REG => jump_if!(Ne, W32, reg),
        op::JSET_IMM => jump_if!(Set, W64, imm),
        op::JSET_REG => jump_if!(Set, W64, reg),
        op::JSET32_IMM => jump_if!(Set, W32, imm),
        op::JSET32_REG => jump_if!(Set, W32, reg),
        op::JGT_IMM => jump_if!(Gt, W64, imm),
        op::JGT_REG => jump_if!(Gt, W64, reg),
        op::JGT32_IMM => jump_if!(Gt, W32, imm),
        op::JGT32_REG => jump_if!(Gt, W32, reg),
        op::JGE_IMM => jump_if!(Ge, W64, imm),
        op::JGE_REG => jump_if!(Ge, W64, reg),
        op::JGE32_IMM => jump_if!(Ge, W32, imm),
        op::JGE32_REG => jump_if!(Ge, W32, reg),
        op::JLT_IMM => jump_if!(Lt, W64, imm),
        op::JLT_REG => jump_if!(Lt, W64, reg),
        op::JLT32_IMM => jump_if!(Lt, W32, imm),
        op::JLT32_REG => jump_if!(Lt, W32, reg),
        op::JLE_IMM => jump_if!(Le, W64, imm),
        op::JLE_REG => jump_if!(Le, W64, reg),
        op::JLE32_IMM => jump_if!(Le, W32, imm),
        op::JLE32_REG => jump_if!(Le, W32, reg),
        op::JSGT_IMM => jump_if!(Sgt, W64, imm),
        op::JSGT_REG => jump_if!(Sgt, W64, reg),
        op::JSGT32_IMM => jump_if!(Sgt, W32, imm),
        op::JSGT32_REG => jump_if!(Sgt, W32, reg),
        op::JSGE_IMM => jump_if!(Sge, W64, imm),
        op::JSGE_REG => jump_if!(Sge, W64, reg),
        op::JSGE32_IMM => jump_if!(Sge, W32, imm),
        op::JSGE32_REG => jump_if!(Sge, W32, reg),
        op::JSLT_IMM => jump_if!(Slt, W64, imm),
        op::JSLT_REG => jump_if!(Slt, W64, reg),
        op::JSLT32_IMM => jump_if!(Slt, W32, imm),
        op::JSLT32_REG => jump_if!(Slt, W32, reg),
        op::JSLE_IMM => jump_if!(Sle, W64, imm),
        op::JSLE_REG => jump_if!(Sle, W64, reg),
        op::JSLE32_IMM => jump_if!(Sle, W32, imm),
        op::JSLE32_REG => jump_if!(Sle, W32, reg),
        op::MAY_GOTO => {
            if !run.may_goto() {
                jump!(i32::from(insn.off()));
            }
        }

        op::CALL => return call::call(run, regs, insn, site, programs),
        op::EXIT => return call::exit(run, regs),
        _ => fail!(Fault::InvalidInstruction),
    }
    Ok(Flow::On(pc))
}

/// As [`execute`], apart: one copy for all who execute few instructions so.
#[inline(never)]
pub(super) fn execute_apart<'r>(
    run: &mut Run<'r>,
    regs: &mut Registers,
    insn: BpfInsn,
    site: &Site<'_>,
    programs: Programs<'_, 'r>,
) -> Result<Flow, Fault> {
    execute(run, regs, insn, site, programs)
}

/// The slot before the target of a jump at `pc`: the loop goes on behind it.
#[inline(always)]
fn target(pc: usize, off: i32) -> usize {
    // What leaves the program is found when the slot is fetched.
    pc.wrapping_add_signed(isize::try_from(off).unwrap_or(isize::MAX))
}

/// The value of the 64-bit immediate load at `pc`.
#[inline(always)]
fn imm64(run: &Run<'_>, insns: &[BpfInsn], pc: usize) -> Result<u64, Fault> {
    // Most are plain numbers, in two slots of which the second was checked.
    if let Some([low, high, ..]) = insns.get(pc..)
        && low.src() == 0
    {
        let [low, high] = [low.imm(), high.imm()].map(|half| u64::from(half.cast_unsigned()));
        return Ok(high << 32 | low);
    }
    named(run, insns, pc)
}

/// The value of such a load that names something.
#[inline(never)]
fn named(run: &Run<'_>, insns: &[BpfInsn], pc: usize) -> Result<u64, Fault> {
    let Ok(Instruction::LoadImm64 { value, .. }) = Instruction::decode(insns, pc) else {
        return Err(Fault::InvalidInstruction);
    };
    match value {
        Imm64::Value(value) => Ok(value),
        Imm64::MapIdx(index) => Ok(Run::map_handle(index)),
        Imm64::MapIdxValue(index, offset) => run.map_value_address(index, offset),
        Imm64::MapFd(_) | Imm64::MapFdValue(..) => {
            Err(Fault::Unsupported("map by file descriptor"))
        }
        Imm64::Var(_) => Err(Fault::Unsupported("platform variable")),
        Imm64::Code(off) => jump_target(pc, off)
            .and_then(|slot| u32::try_from(slot).ok())
            .map(Run::function_handle)
            .ok_or(Fault::InvalidInstruction),
    }
}
