//! `kbpf inspect`.

use std::convert::Infallible;
use std::fs;

use anyhow::{Context, Result};
use kernel_bpf::loader::flat;
use serde::Serialize;

use crate::args::Inspect;
use crate::command::maps::MapShape;
use crate::exit::Status;
use crate::loading::Loading;
use crate::object::{LoadedFile, Unit};
use crate::output::{Output, Role};

#[derive(Serialize)]
struct ProgramShape {
    name: String,
    section: String,
    #[serde(rename = "type")]
    prog_type: Option<&'static str>,
    slots: Option<usize>,
    functions: Vec<(usize, String)>,
    source_lines: usize,
    error: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    file: String,
    format: &'static str,
    license: String,
    programs: Vec<ProgramShape>,
    maps: Vec<MapShape>,
    flat_bytes: Option<usize>,
}

/// Shows what a file holds.
pub fn run(args: &Inspect, output: Output) -> Result<Status> {
    let loading = Loading::new(&args.loading)?;
    let file = LoadedFile::open(&args.file, &loading)?;
    let flat_bytes = match &args.flat {
        Some(out) => {
            let bytes = fs::read(&args.file)?;
            let image =
                flatten(&bytes, &loading).with_context(|| format!("{}", args.file.display()))?;
            fs::write(out, &image).with_context(|| format!("{}", out.display()))?;
            Some(image.len())
        }
        None => None,
    };
    let answer = Answer {
        file: args.file.display().to_string(),
        format: file.format,
        license: file.license.clone(),
        programs: file.units.iter().map(shape).collect(),
        maps: file.maps.iter().enumerate().map(|(i, m)| MapShape::new(i, m)).collect(),
        flat_bytes,
    };
    let failed = answer.programs.iter().any(|program| program.error.is_some());
    if output.json {
        output.json("inspect", answer)?;
    } else {
        print(&answer, output)?;
    }
    Ok(if failed { Status::Negative } else { Status::Success })
}

/// The object as a flat image.
fn flatten(bytes: &[u8], loading: &Loading) -> Result<Vec<u8>> {
    let mut storage = Loading::storage();
    let object = loading.parse(bytes, &mut storage)?;
    let mut image = Vec::new();
    flat::write(&object, |part: &[u8]| {
        image.extend_from_slice(part);
        Ok::<(), Infallible>(())
    })?;
    Ok(image)
}

fn shape(unit: &Unit) -> ProgramShape {
    let program = unit.program.as_ref().ok();
    ProgramShape {
        name: unit.name.clone(),
        section: unit.section.clone(),
        prog_type: program.map(|p| p.prog_type().name()),
        slots: program.map(kernel_bpf::bytecode::BpfProgram::len),
        functions: unit.functions.clone(),
        source_lines: unit.lines.iter().flatten().count(),
        error: unit.program.as_ref().err().cloned(),
    }
}

fn print(answer: &Answer, output: Output) -> Result<()> {
    let license = match &*answer.license {
        "" => "no licence".to_owned(),
        license => format!("licence `{license}`"),
    };
    output.line(format!("{}: {}, {license}", answer.file, answer.format))?;
    for program in &answer.programs {
        let name = output.program(&program.name, &program.section);
        if let Some(error) = &program.error {
            output.line(format!("program {name}: {}", output.paint(Role::Bad, error)))?;
            continue;
        }
        let (kind, slots) = (program.prog_type.unwrap_or("?"), program.slots.unwrap_or(0));
        output.line(format!("program {name}: {kind}, {slots} slots"))?;
        for (start, function) in &program.functions {
            output.line(format!("  {start:>5}: {function}"))?;
        }
    }
    for map in &answer.maps {
        output.line(format!("map {}", map.text(output)))?;
    }
    if let Some(bytes) = answer.flat_bytes {
        output.line(format!("flat image of {bytes} bytes written"))?;
    }
    Ok(())
}
