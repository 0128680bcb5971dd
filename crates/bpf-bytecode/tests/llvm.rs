//! LLVM's own assembler reads what the disassembler writes, and makes the same
//! bytes of it. The test wants an `llvm-mc` and is run by `cargo xtask ci`, or by
//! `cargo test -p bpf-bytecode --features cloud-profile --test llvm -- --ignored`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use bpf_bytecode::BpfInsn;
use bpf_bytecode::table::{Form, Group, INSTRUCTION_SET, InsnDef};
use bpf_bytecode::text::Listing;

/// Whether LLVM has the instruction and writes it as we do. It has no index
/// with an offset into the packet, calls functions by name alone, and learned
/// what Linux added only in its version 20.
fn in_llvm(def: &InsnDef) -> bool {
    !matches!(def.form, Form::LegacyInd(_) | Form::CallLocal | Form::CallKfunc)
        && (def.group != Group::Linux || def.form == Form::MayGoto)
}

/// The first LLVM that knows `-mcpu=v4`, as versions from 18 on do.
fn llvm_mc() -> Option<&'static str> {
    let names = ["llvm-mc", "llvm-mc-21", "llvm-mc-20", "llvm-mc-19", "llvm-mc-18"];
    names.into_iter().find(|name| {
        let Ok(output) = Command::new(name).arg("--version").output() else { return false };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.split("LLVM version ").nth(1).and_then(|rest| rest.split('.').next());
        let version = version.and_then(|number| number.parse().ok()).unwrap_or(0);
        version >= 18 && text.contains("bpfel")
    })
}

#[test]
#[ignore = "wants LLVM's llvm-mc; cargo xtask ci runs it where there is one"]
fn llvm_reads_the_listing() {
    let llvm_mc = llvm_mc().expect("an llvm-mc of version 18 or later with the target bpfel");
    let (mut source, mut expected) = (String::new(), Vec::new());
    for def in INSTRUCTION_SET.iter().filter(|def| in_llvm(def)) {
        // A number that stands for no helper with a name.
        let single = [def.with_operands(3, 7, -12, 1_000)];
        let wide = BpfInsn::ld_imm64(3, 0x1234_5678_9abc_def0);
        let insns = if def.form == Form::LoadImm64 { &wide[..] } else { &single[..] };
        write!(source, "{}", Listing::new(insns).source()).expect("a string takes all");
        let bytes: Vec<u8> = insns.iter().flat_map(|insn| insn.to_bytes()).collect();
        expected.push((def.name, bytes));
    }
    let mut child = Command::new(llvm_mc)
        .args(["-triple=bpfel", "-mcpu=v4", "-mattr=+alu32", "-show-encoding"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it ran before");
    child.stdin.take().expect("a pipe").write_all(source.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "llvm-mc refused some of:\n{source}");
    let output = String::from_utf8(output.stdout).expect("plain text");
    let encodings = output.lines().filter_map(|line| line.split_once("encoding: ["));
    let found: Vec<Vec<u8>> = encodings
        .map(|(_, bytes)| {
            let bytes = bytes.trim_end_matches(']').split(',');
            bytes.map(|byte| u8::from_str_radix(&byte[2..], 16).expect("a byte")).collect()
        })
        .collect();
    assert_eq!(found.len(), expected.len());
    for ((name, expected), found) in expected.into_iter().zip(found) {
        assert_eq!(found, expected, "{name}");
    }
}
