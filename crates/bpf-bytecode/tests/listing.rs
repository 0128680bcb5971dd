//! The whole instruction set as text, in both dialects.

use std::fmt::Write;

use bpf_bytecode::opcode::Source;
use bpf_bytecode::table::{Form, INSTRUCTION_SET};
use bpf_bytecode::text::{Dialect, Listing, assemble};
use bpf_bytecode::{BpfInsn, BpfProgType, Instruction, ProgramBuilder};
use bpf_profile::ActiveProfile;

#[test]
fn the_instruction_set() {
    let mut text = String::new();
    for def in INSTRUCTION_SET {
        let single = [def.with_operands(1, 2, -8, 42)];
        let wide = BpfInsn::ld_imm64(1, 42);
        let insns = if def.form == Form::LoadImm64 { &wide[..] } else { &single[..] };
        for dialect in [Dialect::Llvm, Dialect::Mnemonic] {
            let line = Listing::new(insns).dialect(dialect).lines().next().expect("a slot");
            write!(text, "{:<46}", line.to_string()).expect("a string takes all");
        }
        writeln!(text, "{}", def.name).expect("a string takes all");
    }
    insta::assert_snapshot!(text);
}

const PROGRAM: &str = "
    entry:
        r6 = r1
        r1 = map[idx:0] ll
        r2 = 0x123456789abcdef0 ll
        if r6 == 0 goto out
        call half
        r3 = half ll
        call bpf_map_lookup_elem
        call 999
        gotol entry
    out:
        goto +100
        .8byte 0xff
        exit
    half:
        r0 >>= 1
        exit";

#[test]
fn a_listing_with_bytes() {
    let insns = assemble::<ActiveProfile>(PROGRAM).expect("a program");
    insta::assert_snapshot!(Listing::new(&insns).bytes());
}

#[test]
fn a_listing_with_labels() {
    let insns = assemble::<ActiveProfile>(PROGRAM).expect("a program");
    let mut targets = [0];
    let listing = Listing::new(&insns).source().labels(&mut targets);
    let text = listing.to_string();
    insta::assert_snapshot!(text);
    assert_eq!(assemble::<ActiveProfile>(&text).as_deref(), Ok(&insns[..]));
}

#[test]
fn jumps_without_a_place_for_a_label_keep_their_distance() {
    // Into the second slot of a load, before the start, behind the end.
    let [low, high] = BpfInsn::ld_imm64(1, 0);
    let insns = [BpfInsn::ja(1), low, high, BpfInsn::ja(-9), BpfInsn::ja(0)];
    let mut targets = [u64::MAX];
    let text = Listing::new(&insns).source().labels(&mut targets).to_string();
    assert_eq!(text, "    goto +1\n    r1 = 0 ll\n    goto -9\n    goto +0\n");
}

#[test]
fn single_instructions_and_slots_display() {
    assert_eq!(BpfInsn::ldx_b(0, 1, 14).to_string(), "r0 = *(u8 *)(r1 +14)");
    assert_eq!(BpfInsn::new(0xff, 1, 2, 3, 4).to_string(), ".8byte 0x00000004000321ff");
    let [low, high] = BpfInsn::ld_imm64(1, 1);
    assert_eq!(low.to_string(), ".8byte 0x0000000100000118");
    let wide = Instruction::decode(&[low, high], 0).expect("a load");
    assert_eq!(wide.to_string(), "r1 = 1 ll");
    let gotol = Instruction::decode(&[BpfInsn::gotol(70_000)], 0).expect("a jump");
    assert_eq!(gotol.to_string(), "gotol +70000");
}

#[test]
fn what_has_no_encoding_displays_as_data() {
    use bpf_bytecode::opcode::Size;
    use bpf_bytecode::registers::Register;
    let load = Instruction::Load {
        size: Size::Dw,
        signed: true,
        dst: Register::R0,
        base: Register::R1,
        off: 0,
    };
    assert_eq!(load.encode(), None);
    assert!(load.to_string().starts_with("Load {"));
}

#[test]
fn a_program_lists_itself() {
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
        .asm("r0 = 2\nexit")
        .expect("text")
        .build()
        .expect("a program");
    assert_eq!(program.listing().to_string(), "   0: r0 = 2\n   1: exit\n");
    let lines: Vec<_> =
        program.listing().lines().map(|line| (line.pc(), line.instruction())).collect();
    assert_eq!(lines[1], (1, Ok(Instruction::Exit)));
}

#[test]
fn every_name_of_a_row_is_a_constructor_and_unique() {
    // Where an instruction has a register and an immediate form, both exist.
    for def in INSTRUCTION_SET {
        let twins = INSTRUCTION_SET.iter().filter(|other| other.name == def.name).count();
        assert_eq!(twins, 1, "{}", def.name);
        if let Form::Alu(op, width, Source::Reg) = def.form {
            let imm = Form::Alu(op, width, Source::Imm);
            assert!(INSTRUCTION_SET.iter().any(|other| other.form == imm), "{}", def.name);
        }
    }
}
