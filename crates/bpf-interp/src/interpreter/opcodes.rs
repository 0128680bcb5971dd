//! Opcode bytes by name, read off the instruction set.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::opcode::AtomicOp;

macro_rules! opcodes {
    ($($args:tt: $($name:ident $make:ident),+;)+) => {
        $($(pub const $name: u8 = BpfInsn::$make $args.code();)+)+
    };
}

opcodes! {
    (0, 0):
        ADD64_IMM add64_imm, ADD64_REG add64_reg, ADD32_IMM add32_imm, ADD32_REG add32_reg,
        SUB64_IMM sub64_imm, SUB64_REG sub64_reg, SUB32_IMM sub32_imm, SUB32_REG sub32_reg,
        MUL64_IMM mul64_imm, MUL64_REG mul64_reg, MUL32_IMM mul32_imm, MUL32_REG mul32_reg,
        DIV64_IMM div64_imm, DIV64_REG div64_reg, DIV32_IMM div32_imm, DIV32_REG div32_reg,
        MOD64_IMM mod64_imm, MOD64_REG mod64_reg, MOD32_IMM mod32_imm, MOD32_REG mod32_reg,
        OR64_IMM or64_imm, OR64_REG or64_reg, OR32_IMM or32_imm, OR32_REG or32_reg,
        AND64_IMM and64_imm, AND64_REG and64_reg, AND32_IMM and32_imm, AND32_REG and32_reg,
        XOR64_IMM xor64_imm, XOR64_REG xor64_reg, XOR32_IMM xor32_imm, XOR32_REG xor32_reg,
        LSH64_IMM lsh64_imm, LSH64_REG lsh64_reg, LSH32_IMM lsh32_imm, LSH32_REG lsh32_reg,
        RSH64_IMM rsh64_imm, RSH64_REG rsh64_reg, RSH32_IMM rsh32_imm, RSH32_REG rsh32_reg,
        ARSH64_IMM arsh64_imm, ARSH64_REG arsh64_reg, ARSH32_IMM arsh32_imm, ARSH32_REG arsh32_reg,
        MOV64_IMM mov64_imm, MOV64_REG mov64_reg, MOV32_IMM mov32_imm, MOV32_REG mov32_reg,
        LD_IND_B ld_ind_b, LD_IND_H ld_ind_h, LD_IND_W ld_ind_w;
    (0):
        LD_ABS_B ld_abs_b, LD_ABS_H ld_abs_h, LD_ABS_W ld_abs_w,
        NEG64 neg64, NEG32 neg32, JA ja, GOTOL gotol, MAY_GOTO may_goto, CALL call,
        LE le16, BE be16, BSWAP bswap16;
    (0, 0, 0):
        LDX_B ldx_b, LDX_H ldx_h, LDX_W ldx_w, LDX_DW ldx_dw,
        LDXS_B ldxs_b, LDXS_H ldxs_h, LDXS_W ldxs_w,
        ST_B st_b, ST_H st_h, ST_W st_w, ST_DW st_dw,
        STX_B stx_b, STX_H stx_h, STX_W stx_w, STX_DW stx_dw,
        ATOMIC64 atomic_add64, ATOMIC32 atomic_add32, ATOMIC_H load_acquire_h,
        ATOMIC_B load_acquire_b,
        JEQ_IMM jeq_imm, JEQ_REG jeq_reg, JEQ32_IMM jeq32_imm, JEQ32_REG jeq32_reg,
        JNE_IMM jne_imm, JNE_REG jne_reg, JNE32_IMM jne32_imm, JNE32_REG jne32_reg,
        JSET_IMM jset_imm, JSET_REG jset_reg, JSET32_IMM jset32_imm, JSET32_REG jset32_reg,
        JGT_IMM jgt_imm, JGT_REG jgt_reg, JGT32_IMM jgt32_imm, JGT32_REG jgt32_reg,
        JGE_IMM jge_imm, JGE_REG jge_reg, JGE32_IMM jge32_imm, JGE32_REG jge32_reg,
        JLT_IMM jlt_imm, JLT_REG jlt_reg, JLT32_IMM jlt32_imm, JLT32_REG jlt32_reg,
        JLE_IMM jle_imm, JLE_REG jle_reg, JLE32_IMM jle32_imm, JLE32_REG jle32_reg,
        JSGT_IMM jsgt_imm, JSGT_REG jsgt_reg, JSGT32_IMM jsgt32_imm, JSGT32_REG jsgt32_reg,
        JSGE_IMM jsge_imm, JSGE_REG jsge_reg, JSGE32_IMM jsge32_imm, JSGE32_REG jsge32_reg,
        JSLT_IMM jslt_imm, JSLT_REG jslt_reg, JSLT32_IMM jslt32_imm, JSLT32_REG jslt32_reg,
        JSLE_IMM jsle_imm, JSLE_REG jsle_reg, JSLE32_IMM jsle32_imm, JSLE32_REG jsle32_reg;
    ():
        EXIT exit;
}

/// The first slot of a 64-bit immediate load.
pub const LD_IMM64: u8 = BpfInsn::ld_imm64_pair(0, 0, 0, 0)[0].code();

/// Source field of a call of a helper.
pub const CALL_HELPER: u8 = BpfInsn::call(0).src();
/// Source field of a call of a function of the program.
pub const CALL_LOCAL: u8 = BpfInsn::call_local(0).src();
/// Immediate of a load with acquire order.
pub const LOAD_ACQUIRE: i32 = BpfInsn::load_acquire_w(0, 0, 0).imm();
/// Immediate of a store with release order.
pub const STORE_RELEASE: i32 = BpfInsn::store_release_w(0, 0, 0).imm();

/// The read-modify-write operation of an immediate, and whether it fetches.
#[inline(always)]
pub const fn atomic(imm: i32) -> Option<(AtomicOp, bool)> {
    const FETCH: i32 = BpfInsn::atomic_fetch_add64(0, 0, 0).imm();
    const ADD: i32 = BpfInsn::atomic_add64(0, 0, 0).imm();
    const OR: i32 = BpfInsn::atomic_or64(0, 0, 0).imm();
    const AND: i32 = BpfInsn::atomic_and64(0, 0, 0).imm();
    const XOR: i32 = BpfInsn::atomic_xor64(0, 0, 0).imm();
    const XCHG: i32 = BpfInsn::atomic_xchg64(0, 0, 0).imm() & !FETCH;
    const CMPXCHG: i32 = BpfInsn::atomic_cmpxchg64(0, 0, 0).imm() & !FETCH;
    let op = match imm & !FETCH {
        ADD => AtomicOp::Add,
        OR => AtomicOp::Or,
        AND => AtomicOp::And,
        XOR => AtomicOp::Xor,
        XCHG => AtomicOp::Xchg,
        CMPXCHG => AtomicOp::Cmpxchg,
        _ => return None,
    };
    Some((op, imm & FETCH != 0))
}
