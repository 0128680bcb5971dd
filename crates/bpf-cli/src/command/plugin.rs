//! `kbpf plugin`: one execution, as public conformance suites ask for it.

use std::io::Read;

use anyhow::{Context, Result, anyhow};
use kernel_bpf::bytecode::{BpfInsn, BpfProgType, BpfProgram};
use kernel_bpf::execution::{BpfContext, BpfExecutor, BpfResult, Interpreter};
use kernel_bpf::profile::ActiveProfile;

use crate::args::{EngineName, Plugin};
use crate::engine;
use crate::exit::{Negative, Status, Usage};
use crate::hex;
use crate::object;
use crate::output::Output;

/// Bytes of standard input that are read at the most: two digits and a blank
/// for each byte of a program that is longer than any profile allows.
const MAX_INPUT: u64 = 64 << 20;

/// Runs the program on standard input over the memory in the argument.
///
/// Nothing is known of the program, so both engines check it as it runs: each
/// access is resolved, and a budget ends what does not end by itself.
pub fn run(args: &Plugin, output: Output) -> Result<Status> {
    if output.json {
        return Err(anyhow!(Usage("--json: the protocol of suites has no JSON".to_owned())));
    }
    match execute(args) {
        Ok(Ok(r0)) => {
            output.line(format!("{r0:x}"))?;
            Ok(Status::Success)
        }
        Ok(Err(fault)) => Err(anyhow!(Negative(fault.to_string()))),
        // Whatever is wrong is wrong with the one program that was given.
        Err(error) => Err(anyhow!(Negative(format!("{error:#}")))),
    }
}

fn execute(args: &Plugin) -> Result<BpfResult> {
    let mut memory = hex::parse(&args.memory).context("memory")?;
    let program = read_program()?;
    let context =
        if memory.is_empty() { BpfContext::empty() } else { BpfContext::bytes(&mut memory) };
    match args.engine {
        Some(EngineName::Interp) if args.hardening.any() => Err(anyhow!(engine::makes_no_code())),
        Some(EngineName::Interp) => Ok(interpret(&program, &context)),
        None if !args.hardening.any() => Ok(interpret(&program, &context)),
        _ => engine::run_unverified(&program, args.hardening, &context),
    }
}

fn interpret(program: &BpfProgram<ActiveProfile>, context: &BpfContext<'_>) -> BpfResult {
    Interpreter::<ActiveProfile>::new().execute(program, context)
}

fn read_program() -> Result<BpfProgram<ActiveProfile>> {
    let mut text = String::new();
    std::io::stdin().take(MAX_INPUT).read_to_string(&mut text).context("standard input")?;
    let bytes = hex::parse(&text).context("program")?;
    let (slots, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        let text = format!("program: {} bytes, which is no whole number of slots", bytes.len());
        return Err(anyhow!(Negative(text)));
    }
    let insns: Vec<BpfInsn> = slots.iter().map(|slot| BpfInsn::from_bytes(*slot)).collect();
    object::build("", BpfProgType::SocketFilter, insns, &[]).context("program")
}
