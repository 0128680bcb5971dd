//! `INSTRUCTIONS.md` is what the table says.
//!
//! With `UPDATE_INSTRUCTIONS=1` in the environment the test writes the file.

use std::fmt::Write;
use std::{env, fs, path::Path};

use bpf_bytecode::table::{Form, Group, INSTRUCTION_SET, InsnDef};

const INTRODUCTION: &str = "\
# The instruction set

Made from `src/table.rs`; to make it anew, run

```text
UPDATE_INSTRUCTIONS=1 cargo test -p bpf-bytecode --features cloud-profile --test instructions
```

A slot has eight bytes: the opcode, the destination and source registers (four
bits each), the offset (16 bits) and the immediate (32 bits). *Fixed* names the
fields that must have a certain value; every other field that is no operand is
zero. In the texts, `dst` and `src` are registers (`r0` to `r10`), `wdst` and
`wsrc` their 32-bit names, `off` and `+imm` numbers with a sign, `jump` and
`jump32` distances in slots from the next instruction (in the offset and in the
immediate) or labels.
";

fn title(group: Group) -> (&'static str, &'static str) {
    match group {
        Group::Base32 => ("base32", "Basic instructions with 32-bit operands."),
        Group::Base64 => ("base64", "Basic instructions with 64-bit operands."),
        Group::Atomic32 => ("atomic32", "32-bit atomics."),
        Group::Atomic64 => ("atomic64", "64-bit atomics."),
        Group::DivMul32 => ("divmul32", "32-bit multiplication, division and remainder."),
        Group::DivMul64 => ("divmul64", "64-bit multiplication, division and remainder."),
        Group::Packet => ("packet", "Access to packets, deprecated by RFC 9669."),
        Group::Linux => ("Linux", "What Linux adds to RFC 9669."),
    }
}

fn fixed(def: &InsnDef) -> String {
    let mut fields = Vec::new();
    if def.form == Form::LoadImm64 {
        fields.push("src = 0 to 6, the kind of value".to_owned());
    }
    if def.fixed.src() != 0 {
        fields.push(format!("src = {}", def.fixed.src()));
    }
    if def.fixed.off() != 0 {
        fields.push(format!("off = {}", def.fixed.off()));
    }
    if def.fixed.imm() != 0 {
        fields.push(format!("imm = {:#x}", def.fixed.imm()));
    }
    fields.join(", ")
}

fn code(template: &str) -> String {
    // A table's cells end at bars.
    format!("`{}`", template.replace(['{', '}'], "").replace('|', "\\|"))
}

fn render() -> String {
    let mut out = INTRODUCTION.to_owned();
    for group in [
        Group::Base32,
        Group::Base64,
        Group::DivMul32,
        Group::DivMul64,
        Group::Atomic32,
        Group::Atomic64,
        Group::Packet,
        Group::Linux,
    ] {
        let (name, summary) = title(group);
        write!(out, "\n## {name}\n\n{summary}\n\n").expect("a string takes all");
        out.push_str("| opcode | fixed | LLVM and Linux | mnemonic | constructor |\n");
        out.push_str("|---|---|---|---|---|\n");
        for def in INSTRUCTION_SET.iter().filter(|def| def.group == group) {
            let (text, mnemonic) = (code(def.text), code(def.mnemonic));
            let (opcode, fixed, name) = (def.code, fixed(def), def.name);
            writeln!(out, "| `{opcode:#04x}` | {fixed} | {text} | {mnemonic} | `{name}` |")
                .expect("a string takes all");
        }
    }
    out
}

#[test]
fn the_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("INSTRUCTIONS.md");
    let page = render();
    if env::var_os("UPDATE_INSTRUCTIONS").is_some() {
        fs::write(&path, &page).expect("the crate's folder is writable");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(
        committed == page,
        "INSTRUCTIONS.md is not what src/table.rs says; run this test with UPDATE_INSTRUCTIONS=1"
    );
}
