//! `kbpf asm`.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use kernel_bpf::bytecode::BpfInsn;
use serde::Serialize;

use crate::args::Asm;
use crate::exit::Status;
use crate::hex;
use crate::object::{assemble, source_text};
use crate::output::Output;

#[derive(Serialize)]
struct Answer {
    slots: usize,
    bytes: String,
}

/// Assembles a text.
pub fn run(args: &Asm, output: Output) -> Result<Status> {
    let (name, source) = read(&args.file)?;
    let insns =
        assemble(&source).map_err(|e| anyhow!("{name}:{}:{}: {}", e.line, e.column, e.kind))?;
    let bytes: Vec<u8> = insns.iter().copied().flat_map(BpfInsn::to_bytes).collect();
    if let Some(out) = &args.out {
        fs::write(out, &bytes).with_context(|| format!("{}", out.display()))?;
    }
    if output.json {
        output.json("asm", Answer { slots: insns.len(), bytes: hex::plain(&bytes) })?;
    } else if args.out.is_none() {
        output.line(hex::pairs(&bytes))?;
    }
    Ok(Status::Success)
}

fn read(file: &Path) -> Result<(String, String)> {
    let (name, bytes) = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
        ("<stdin>".to_owned(), bytes)
    } else {
        let name = file.display().to_string();
        let bytes = fs::read(file).with_context(|| name.clone())?;
        (name, bytes)
    };
    let source = source_text(&bytes).with_context(|| name.clone())?.to_owned();
    Ok((name, source))
}
