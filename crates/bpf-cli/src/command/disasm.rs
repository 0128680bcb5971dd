//! `kbpf disasm`.

use anyhow::Result;
use kernel_bpf::bytecode::{BpfInsn, text};
use serde::Serialize;

use crate::args::Disasm;
use crate::exit::Status;
use crate::hex;
use crate::loading::Loading;
use crate::object::{LoadedFile, Unit};
use crate::output::{Output, Role};

// The machine code of the build's JIT compiler, or that it has none.
#[cfg_attr(all(feature = "cloud-profile", target_arch = "x86_64"), path = "disasm/machine.rs")]
#[cfg_attr(
    not(all(feature = "cloud-profile", target_arch = "x86_64")),
    path = "disasm/no_machine.rs"
)]
mod machine;

/// An instruction of the CPU.
#[derive(Serialize)]
struct Code {
    offset: usize,
    bytes: String,
    text: String,
}

/// Machine code of a program.
#[allow(dead_code, reason = "made only where there is a JIT compiler")]
struct Machine {
    /// What comes before the first slot's.
    entry: Vec<Code>,
    /// That of each slot.
    slots: Vec<Vec<Code>>,
}

#[derive(Serialize)]
struct LineShape {
    pc: usize,
    bytes: String,
    text: String,
    function: Option<String>,
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Vec<Code>>,
}

#[derive(Serialize)]
struct ProgramShape {
    name: String,
    section: String,
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Vec<Code>>,
    insns: Vec<LineShape>,
}

#[derive(Serialize)]
struct Answer {
    programs: Vec<ProgramShape>,
}

/// Shows instructions as text.
pub fn run(args: &Disasm, output: Output) -> Result<Status> {
    let file = LoadedFile::open(&args.input.file, &Loading::new(&args.input.loading)?)?;
    let units = file.select(args.input.prog.as_deref())?;
    let programs: Vec<ProgramShape> = units.iter().map(|unit| shape(unit, args)).collect();
    let failed = programs.iter().any(|program| program.error.is_some());
    if output.json {
        output.json("disasm", Answer { programs })?;
    } else {
        for program in &programs {
            print(program, args, output)?;
        }
    }
    Ok(if failed { Status::Negative } else { Status::Success })
}

fn shape(unit: &Unit, args: &Disasm) -> ProgramShape {
    let (name, section) = (unit.name.clone(), unit.section.clone());
    let failed = |error, insns| ProgramShape {
        name: name.clone(),
        section: section.clone(),
        error: Some(error),
        entry: None,
        insns,
    };
    let program = match &unit.program {
        Ok(program) => program,
        Err(error) => return failed(error.clone(), Vec::new()),
    };
    let mut insns = lines(unit, program.insns());
    let mut entry = None;
    if args.jit || args.hardening.any() {
        let mut machine = match machine::code(program, args.hardening) {
            Ok(machine) => machine,
            Err(error) => return failed(error, insns),
        };
        for line in &mut insns {
            line.code = machine.slots.get_mut(line.pc).map(std::mem::take);
        }
        entry = Some(machine.entry);
    }
    ProgramShape { name, section, error: None, entry, insns }
}

fn lines(unit: &Unit, insns: &[BpfInsn]) -> Vec<LineShape> {
    let mut previous = None;
    text::Listing::new(insns)
        .lines()
        .map(|line| {
            let pc = line.pc();
            let slots = line.slots().iter().copied();
            let bytes: Vec<u8> = slots.flat_map(BpfInsn::to_bytes).collect();
            let source = unit.line(pc).map(|s| format!("{}:{}: {}", s.file, s.line, s.text.trim()));
            let shown = source.clone().filter(|_| source != previous);
            previous = source;
            let begun = unit.functions.iter().find(|(start, _)| *start == pc);
            LineShape {
                pc,
                bytes: hex::pairs(&bytes),
                text: line.to_string(),
                function: begun.map(|(_, name)| name.clone()),
                source: shown,
                code: None,
            }
        })
        .collect()
}

fn print(program: &ProgramShape, args: &Disasm, output: Output) -> Result<()> {
    output.line(format!("{}:", output.program(&program.name, &program.section)))?;
    if let Some(error) = &program.error {
        output.line(format!("  {}", output.paint(Role::Bad, error)))?;
    }
    if let Some(entry) = &program.entry {
        output.line(output.paint(Role::Heading, "entry:"))?;
        beside("", entry, args, output)?;
    }
    for line in &program.insns {
        if let Some(function) = &line.function {
            output.line(output.paint(Role::Heading, &format!("{function}:")))?;
        }
        if let (true, Some(source)) = (args.source, &line.source) {
            output.line(output.paint(Role::Faint, &format!("; {source}")))?;
        }
        let text = if args.bytes {
            format!("{:>5}: {:<47} {}", line.pc, line.bytes, line.text)
        } else {
            format!("{:>5}: {}", line.pc, line.text)
        };
        match &line.code {
            Some(code) => beside(&text, code, args, output)?,
            None => output.line(text)?,
        }
    }
    Ok(())
}

/// Columns of bytecode in front of machine code, with the bytes of slots and
/// without.
const LEFT: usize = 48;
const LEFT_WITH_BYTES: usize = LEFT + 48;

/// One instruction and its machine code, side by side.
fn beside(text: &str, code: &[Code], args: &Disasm, output: Output) -> Result<()> {
    let left = if args.bytes { LEFT_WITH_BYTES } else { LEFT };
    let Some((first, rest)) = code.split_first() else { return output.line(text) };
    for (text, code) in std::iter::once((text, first)).chain(rest.iter().map(|code| ("", code))) {
        let bytes = if args.bytes { format!("{:<32}", code.bytes) } else { String::new() };
        output.line(format!("{text:<left$} {:>5x}  {bytes}{}", code.offset, code.text))?;
    }
    Ok(())
}
