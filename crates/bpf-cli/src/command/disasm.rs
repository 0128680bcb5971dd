//! `kbpf disasm`.

use anyhow::Result;
use kernel_bpf::bytecode::{BpfInsn, text};
use serde::Serialize;

use crate::args::Disasm;
use crate::exit::Status;
use crate::hex;
use crate::object::{LoadedFile, Unit};
use crate::output::{Output, Role};

#[derive(Serialize)]
struct LineShape {
    pc: usize,
    bytes: String,
    text: String,
    function: Option<String>,
    source: Option<String>,
}

#[derive(Serialize)]
struct ProgramShape {
    name: String,
    section: String,
    error: Option<String>,
    insns: Vec<LineShape>,
}

#[derive(Serialize)]
struct Answer {
    programs: Vec<ProgramShape>,
}

/// Shows instructions as text.
pub fn run(args: &Disasm, output: Output) -> Result<Status> {
    let file = LoadedFile::open(&args.input.file)?;
    let units = file.select(args.input.prog.as_deref())?;
    let programs: Vec<ProgramShape> = units.iter().map(|unit| shape(unit)).collect();
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

fn shape(unit: &Unit) -> ProgramShape {
    let (insns, error) = match &unit.program {
        Ok(program) => (lines(unit, program.insns()), None),
        Err(error) => (Vec::new(), Some(error.clone())),
    };
    ProgramShape { name: unit.name.clone(), section: unit.section.clone(), error, insns }
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
            }
        })
        .collect()
}

fn print(program: &ProgramShape, args: &Disasm, output: Output) -> Result<()> {
    output.line(format!("{}:", output.program(&program.name, &program.section)))?;
    if let Some(error) = &program.error {
        return output.line(format!("  {}", output.paint(Role::Bad, error)));
    }
    for line in &program.insns {
        if let Some(function) = &line.function {
            output.line(output.paint(Role::Heading, &format!("{function}:")))?;
        }
        if let (true, Some(source)) = (args.source, &line.source) {
            output.line(output.paint(Role::Faint, &format!("; {source}")))?;
        }
        if args.bytes {
            output.line(format!("{:>5}: {:<47} {}", line.pc, line.bytes, line.text))?;
        } else {
            output.line(format!("{:>5}: {}", line.pc, line.text))?;
        }
    }
    Ok(())
}
