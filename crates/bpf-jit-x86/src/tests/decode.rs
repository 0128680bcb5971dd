//! What was emitted, decoded again.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::string::String;
use std::vec::Vec;

use bpf_bytecode::BpfInsn;
use bpf_bytecode::text::Listing;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, IntelFormatter, OpKind,
};

use super::{Compiled, Program, checked, proven_new, proven_old};

/// The instructions of the code, the first at address 0.
pub(super) fn decode(code: &[u8]) -> Vec<Instruction> {
    Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().collect()
}

/// Expects that every byte is of a valid instruction, that jumps lead to
/// instructions, and that indirect ones exist only where the layout says.
#[track_caller]
pub(super) fn assert_sound(compiled: &Compiled) {
    let code = compiled.code();
    let insns = decode(code);
    let starts: BTreeSet<u64> = insns.iter().map(Instruction::ip).collect();
    for insn in &insns {
        assert!(!insn.is_invalid(), "at {:#x}", insn.ip());
        let near = matches!(insn.op0_kind(), OpKind::NearBranch64) && insn.op_count() == 1;
        let target = insn.near_branch_target();
        match insn.flow_control() {
            FlowControl::Next | FlowControl::Return => {}
            FlowControl::IndirectBranch => {
                assert_eq!(insn.op0_kind(), OpKind::Register, "at {:#x}", insn.ip());
            }
            FlowControl::IndirectCall => {
                // A function of the host, or one of the program that the host names.
                let (table, place) = (iced_x86::Register::RAX, iced_x86::Register::R10);
                let known = insn.memory_base() == table || insn.op0_register() == place;
                assert!(known, "at {:#x}", insn.ip());
            }
            _ => assert!(near && starts.contains(&target), "at {:#x}", insn.ip()),
        }
    }
    let end = insns.last().map_or(0, Instruction::next_ip);
    assert_eq!(usize::try_from(end), Ok(code.len()));
}

/// Bytecode and machine code side by side.
pub(super) fn listing(program: &Program, compiled: &Compiled) -> String {
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_space_after_operand_separator(true);
    let mut out = String::new();
    let lines = Listing::new(program.insns());
    let mut titles: Vec<_> =
        lines.lines().filter_map(|line| Some((compiled.place_of(line.pc())?, line))).collect();
    titles.reverse();
    for insn in decode(compiled.code()) {
        let at = usize::try_from(insn.ip()).unwrap();
        if at == 0 {
            out.push_str("entry\n");
        }
        while let Some((_, line)) = titles.pop_if(|(place, _)| *place <= at) {
            writeln!(out, "{}: {line}", line.pc()).unwrap();
        }
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        writeln!(out, "    {at:4x}  {text}").unwrap();
    }
    out
}

/// Every instruction with every pair of registers, and several numbers.
pub(super) fn every_instruction() -> Vec<BpfInsn> {
    use bpf_bytecode::table::INSTRUCTION_SET;

    let mut slots = Vec::new();
    for def in INSTRUCTION_SET {
        for dst in 0..10 {
            for src in 0..10 {
                for (off, imm) in [(0, 0), (1, -1), (-200, 0x1234_5678)] {
                    let ops = def.operands;
                    let jumps = matches!(
                        def.form,
                        bpf_bytecode::table::Form::Ja
                            | bpf_bytecode::table::Form::Gotol
                            | bpf_bytecode::table::Form::JumpIf(..)
                            | bpf_bytecode::table::Form::MayGoto
                            | bpf_bytecode::table::Form::CallLocal
                    );
                    let fixed = def.fixed;
                    let fields = BpfInsn::new(
                        def.code,
                        if ops.has_dst() { dst } else { fixed.dst() },
                        if ops.has_src() { src } else { fixed.src() },
                        if ops.has_off() && !jumps { off } else { fixed.off() },
                        if ops.has_imm() && !jumps { imm } else { fixed.imm() },
                    );
                    // Conditional jumps may have any immediate.
                    let conditional =
                        matches!(def.form, bpf_bytecode::table::Form::JumpIf(..)) && ops.has_imm();
                    slots.push(if conditional { fields.with_imm(imm) } else { fields });
                    if def.name == "ld_imm64" {
                        slots.push(BpfInsn::new(0, 0, 0, 0, imm));
                    }
                }
            }
        }
    }
    slots.push(BpfInsn::exit());
    slots
}

#[test]
fn every_instruction_decodes_in_every_arrangement() {
    let program = super::from_insns(&every_instruction());
    assert_sound(&proven_new(&program));
    assert_sound(&proven_old(&program));
    assert_sound(&checked(&program));
}
