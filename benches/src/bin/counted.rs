//! Fixed work for `cargo xtask counts`, which has `callgrind` count the CPU's
//! instructions: `counted --list` names the subjects, `counted SUBJECT` does the
//! work of one within the function `counted_work`.

use std::hint::black_box;

use anyhow::{Context, Result, anyhow, bail};
use kernel_bpf::execution::jit::{CompileOptions, Compiler, HostMemory};
use kernel_bpf::execution::run::StackMemory;
use kernel_bpf::execution::{
    BpfContext, BpfExecutor, BpfResult, CompiledProgram, Environment, Interpreter, JitExecutor,
    TranslatedInterpreter, TranslatedProgram, VerifiedInterpreter,
};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::VerifiedProgram;
use kernel_bpf_benches::{LiveMaps, Program, WORKLOADS, Workload};

/// One hash, one parser, code on the stack, calls, and a helper.
const RUN: [&str; 5] = ["murmur3", "tcp_options", "sort", "calls", "map_lookup"];
/// What is run compiled, and prepared in translation: it does nothing.
const ENTERED: &str = "enter";
/// What is compiled; of about 100 and 460 slots.
const COMPILED: [&str; 2] = ["adler32", "chacha20"];
/// Slots of all workloads together.
const JOINED: usize = 2_000;

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1).context("name a subject, or --list")?;
    if wanted == "--list" {
        for way in ["translated", "verified", "unverified"] {
            for name in RUN {
                println!("{way}/{name}");
            }
        }
        for name in COMPILED {
            println!("compile/{name}");
        }
        println!("compile/all");
        println!("compiled/{ENTERED}");
        println!("prepared/{ENTERED}");
        println!("prepared-translated/{ENTERED}");
        return Ok(());
    }
    let (way, name) = wanted.split_once('/').context("a subject is WAY/NAME")?;
    let mut compiler = Compiler::new();
    if (way, name) == ("compile", "all") {
        let verified = Program::joined(JOINED, Workload::program)?.verify_joined()?;
        return counted_region(|| compile(&mut compiler, &verified));
    }
    let mut all = WORKLOADS.iter().chain([&Workload::ENTER]);
    let workload = all.find(|workload| workload.name == name);
    let workload = workload.with_context(|| format!("no workload `{name}`"))?;
    let program = workload.program()?;
    let maps = LiveMaps::new(&program)?;
    let maps = maps.as_dyn();
    let env = Environment::new().with_maps(&maps);
    let mut packet = workload.packet();
    let context = BpfContext::xdp(&mut packet);
    match way {
        "translated" => {
            let translated = TranslatedProgram::new(&program.verify()?)?;
            let engine = TranslatedInterpreter::<ActiveProfile>::with_env(env);
            counted_region(|| done(engine.execute(&translated, &context)))
        }
        "verified" => {
            let verified = program.verify()?;
            let engine = VerifiedInterpreter::<ActiveProfile>::with_env(env);
            counted_region(|| done(engine.execute(&verified, &context)))
        }
        "unverified" => {
            let built = program.build()?;
            let engine = Interpreter::<ActiveProfile>::with_env(env);
            counted_region(|| done(engine.execute(&built, &context)))
        }
        "compile" => {
            let verified = program.verify()?;
            counted_region(|| compile(&mut compiler, &verified))
        }
        "compiled" => {
            let compiled = CompiledProgram::compile(&program.verify()?, &HostMemory)?;
            let engine = JitExecutor::<ActiveProfile>::with_env(env);
            counted_region(|| done(engine.execute(&compiled, &context)))
        }
        "prepared" => {
            let compiled = CompiledProgram::compile(&program.verify()?, &HostMemory)?;
            let engine = JitExecutor::<ActiveProfile>::with_env(env);
            let (mut stack, mut context) = (StackMemory::new(), context);
            let mut prepared = engine.prepare(&compiled, &mut stack)?;
            counted_region(|| done(prepared.run(&mut context)))
        }
        "prepared-translated" => {
            let translated = TranslatedProgram::new(&program.verify()?)?;
            let engine = TranslatedInterpreter::<ActiveProfile>::with_env(env);
            let (mut stack, mut context) = (StackMemory::new(), context);
            let mut prepared = engine.prepare(&translated, &mut stack)?;
            counted_region(|| done(prepared.run(&mut context)))
        }
        _ => bail!("no way `{way}`"),
    }
}

/// Does the work a second time, for what the first left behind is not counted.
fn counted_region(mut work: impl FnMut() -> Result<()>) -> Result<()> {
    work()?;
    counted_work(&mut work)
}

/// All that is counted; found by its name.
#[inline(never)]
fn counted_work(work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let result = work();
    // Keeps the call from being the last thing that is done, and so a jump.
    black_box(());
    result
}

fn compile(compiler: &mut Compiler, verified: &VerifiedProgram<ActiveProfile>) -> Result<()> {
    black_box(compiler.compile(verified, &HostMemory, &CompileOptions::new())?);
    Ok(())
}

fn done(result: BpfResult) -> Result<()> {
    black_box(result).map(drop).map_err(|error| anyhow!("{error}"))
}
