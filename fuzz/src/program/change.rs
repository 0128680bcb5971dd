//! One small change of a program, after which it may well be as good as before.

use kernel_bpf::bytecode::table::{Form, INSTRUCTION_SET, InsnDef};
use kernel_bpf::bytecode::{BpfInsn, Instruction};

use crate::mutate::{self, Rng};

/// Changes one instruction: its immediate, its offset, a register of it, or what
/// it does with them; or puts a copy of another one in its place.
pub fn change(insns: &mut [BpfInsn], rng: &mut Rng) {
    if insns.is_empty() {
        return;
    }
    let at = rng.below(insns.len());
    if Instruction::decode(insns, at).map_or(2, |insn| insn.slots()) > 1 {
        return;
    }
    let insn = insns[at];
    insns[at] = match rng.below(16) {
        0..4 => insn.with_imm(immediate(insn.imm(), rng)),
        4..6 => insn.with_off(offset(insn.off(), rng)),
        6 | 7 => insn.with_src(register(rng)),
        8 | 9 => BpfInsn::new(insn.code(), register(rng), insn.src(), insn.off(), insn.imm()),
        10..14 => operation(insn, rng),
        14 => {
            let from = rng.below(insns.len());
            let slots = Instruction::decode(insns, from).map_or(2, |other| other.slots());
            if slots == 1 && !is_jump(insns[from]) { insns[from] } else { insn }
        }
        _ => BpfInsn::ja(0),
    };
}

/// Changes of an accepted program, one after the other.
const CHANGES: usize = 6;

/// Checks a program with a seed, and where it is accepted, what comes of it by small
/// changes that leave it accepted.
pub(crate) fn check_changes<C: Clone>(
    mut case: C,
    seed: u64,
    insns: impl Fn(&mut C) -> &mut [BpfInsn],
    mut check: impl FnMut(&C, u64) -> bool,
) {
    if !check(&case, seed) {
        return;
    }
    let mut rng = Rng::new(seed);
    for _ in 0..CHANGES {
        let mut changed = case.clone();
        change(insns(&mut changed), &mut rng);
        if check(&changed, rng.next_u64()) {
            case = changed;
        }
    }
}

/// What decides the runs of a program that is made of `data`.
pub(crate) fn seed(data: &[u8]) -> u64 {
    data.iter().fold(data.len() as u64, |seed, byte| {
        seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte)
    })
}

fn register(rng: &mut Rng) -> u8 {
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10][rng.below(11)]
}

fn immediate(before: i32, rng: &mut Rng) -> i32 {
    match rng.below(8) {
        0 | 1 => before.wrapping_add(1),
        2 | 3 => before.wrapping_sub(1),
        4 => before.wrapping_mul(2),
        5 => !before,
        6 => before ^ 1_i32.wrapping_shl(mutate::byte(rng).into()),
        _ => i32::from_le_bytes(std::array::from_fn(|_| mutate::byte(rng))),
    }
}

fn offset(before: i16, rng: &mut Rng) -> i16 {
    let by = [1, -1, 2, -2, 4, -4, 8, -8][rng.below(8)];
    before.wrapping_add(by)
}

fn is_jump(insn: BpfInsn) -> bool {
    matches!(insn.code() & 7, 5 | 6)
}

/// Another instruction of the same kind: another operator or condition, another
/// width, or a register in place of an immediate.
fn operation(insn: BpfInsn, rng: &mut Rng) -> BpfInsn {
    let Some(def) = INSTRUCTION_SET.iter().find(|def| is_of(insn, def)) else { return insn };
    let akin = |other: &&InsnDef| match (def.form, other.form) {
        (Form::Alu(a, ..), Form::Alu(b, ..)) => a == b || def.code & 15 == other.code & 15,
        (Form::JumpIf(a, ..), Form::JumpIf(b, ..)) => a == b || def.code & 15 == other.code & 15,
        (a, b) => std::mem::discriminant(&a) == std::mem::discriminant(&b),
    };
    let others: Vec<&InsnDef> = INSTRUCTION_SET.iter().filter(akin).collect();
    let other = others[rng.below(others.len())];
    let (fixed, operands) = (other.fixed, other.operands);
    BpfInsn::new(
        other.code,
        insn.dst(),
        if operands.has_src() { insn.src() } else { fixed.src() },
        if operands.has_off() { insn.off() } else { fixed.off() },
        if operands.has_imm() { insn.imm() } else { fixed.imm() },
    )
}

/// Whether the instruction is of this row.
fn is_of(insn: BpfInsn, def: &InsnDef) -> bool {
    let (fixed, operands) = (def.fixed, def.operands);
    insn.code() == def.code
        && (operands.has_src() || insn.src() == fixed.src())
        && (operands.has_off() || insn.off() == fixed.off())
        && (operands.has_imm() || insn.imm() == fixed.imm())
}
