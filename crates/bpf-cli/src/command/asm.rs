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
use crate::object::assemble;
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
    if file == Path::new("-") {
        let mut source = String::new();
        std::io::stdin().read_to_string(&mut source).context("standard input")?;
        return Ok(("<stdin>".to_owned(), source));
    }
    let name = file.display().to_string();
    let source = fs::read_to_string(file).with_context(|| name.clone())?;
    Ok((name, source))
}
