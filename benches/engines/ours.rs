//! This project's engines.

use anyhow::{Context, Result, anyhow};
use kernel_bpf::execution::jit::{CompileOptions, HostMemory};
use kernel_bpf::execution::{
    BpfContext, BpfExecutor, BpfResult, CompiledProgram, Environment, Interpreter, JitExecutor,
    Observer, Step, TranslatedInterpreter, TranslatedProgram, VerifiedInterpreter,
};
use kernel_bpf::maps::BpfMap;
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf_benches::{LiveMaps, Program, Workload};

use crate::runner::{ByFunction, Runner};

/// What a run finds. It stays until the process ends, as each workload's does.
struct Place {
    maps: &'static [&'static dyn BpfMap],
    context: BpfContext<'static>,
}

impl Place {
    fn new(workload: &Workload, program: &Program) -> Result<Self> {
        let live: &'static LiveMaps = Box::leak(Box::new(LiveMaps::new(program)?));
        let context = BpfContext::xdp(workload.packet().leak());
        Ok(Self { maps: live.as_dyn().leak(), context })
    }

    fn env(&self) -> Environment<'static> {
        Environment::new().with_maps(self.maps)
    }
}

/// R0's lower half, which is what an XDP program returns.
fn returned(result: BpfResult) -> Result<u32> {
    let r0 = result.map_err(|error| anyhow!("{error}"))?;
    Ok(u32::try_from(r0 & u64::from(u32::MAX))?)
}

/// Counts executed instructions.
struct Count(u64);

impl Observer for Count {
    fn step(&mut self, _: &Step<'_, '_>) {
        self.0 += 1;
    }
}

/// How many instructions a run executes, and its result.
pub fn count(workload: &Workload, program: &Program) -> Result<(u64, u32)> {
    let place = Place::new(workload, program)?;
    let built = program.build()?;
    let mut count = Count(0);
    let engine = Interpreter::<ActiveProfile>::with_env(place.env());
    let result = engine.execute_with(&built, &place.context, &mut count);
    Ok((count.0, returned(result).context(workload.name)?))
}

/// Compiled code of the verified program, prepared once.
pub fn jit(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    jit_with(workload, program, &CompileOptions::new()).map(|(_, runner)| runner)
}

/// The same in a mode, and the bytes of the code.
pub fn jit_with(
    workload: &Workload,
    program: &Program,
    options: &CompileOptions<'_>,
) -> Result<(f64, Box<dyn Runner>)> {
    let mut place = Place::new(workload, program)?;
    let compiled = CompiledProgram::compile_with(&program.verify()?, &HostMemory, options)?;
    let bytes = f64::from(u32::try_from(compiled.code().len())?);
    let compiled = Box::leak(Box::new(compiled));
    let engine = Box::leak(Box::new(JitExecutor::<ActiveProfile>::with_env(place.env())));
    let mut prepared = engine.prepare(compiled, Box::leak(Box::default()))?;
    Ok((bytes, Box::new(ByFunction(move || returned(prepared.run(&mut place.context))))))
}

fn compile(program: &Program) -> Result<CompiledProgram<ActiveProfile>> {
    Ok(CompiledProgram::compile(&program.verify()?, &HostMemory)?)
}

/// The same, not prepared.
pub fn unprepared(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    let place = Place::new(workload, program)?;
    let compiled = compile(program)?;
    let engine = JitExecutor::<ActiveProfile>::with_env(place.env());
    Ok(Box::new(ByFunction(move || returned(engine.execute(&compiled, &place.context)))))
}

/// The interpreter of verified programs: in translation, and prepared.
pub fn verified(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    let mut place = Place::new(workload, program)?;
    let translated = TranslatedProgram::new(&program.verify()?)?;
    // They stay until the process ends, as what is prepared borrows them.
    let engine: &_ = Box::leak(Box::new(TranslatedInterpreter::with_env(place.env())));
    let stack = Box::leak(Box::default());
    let mut prepared = engine.prepare(Box::leak(Box::new(translated)), stack)?;
    Ok(Box::new(ByFunction(move || returned(prepared.run(&mut place.context)))))
}

/// The same in place, made ready for each run.
pub fn in_place(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    let place = Place::new(workload, program)?;
    let verified = program.verify()?;
    let engine = VerifiedInterpreter::<ActiveProfile>::with_env(place.env());
    Ok(Box::new(ByFunction(move || returned(engine.execute(&verified, &place.context)))))
}

/// The interpreter of any program.
pub fn unverified(workload: &Workload, program: &Program) -> Result<Box<dyn Runner>> {
    let place = Place::new(workload, program)?;
    let program = program.build()?;
    let engine = Interpreter::<ActiveProfile>::with_env(place.env());
    Ok(Box::new(ByFunction(move || returned(engine.execute(&program, &place.context)))))
}
