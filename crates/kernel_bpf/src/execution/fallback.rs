//! The interpreters where there is a heap: of translations, and of bytecode in
//! place where there is no translation.

use alloc::vec::Vec;
use core::fmt;

use bpf_interp::{
    BpfContext, BpfExecutor, BpfResult, Environment, TranslatedInterpreter, TranslatedProgram,
    VerifiedInterpreter,
};
use bpf_profile::{OutOfMemory, PhysicalProfile};
use bpf_verifier::VerifiedProgram;

/// A verified program as the interpreters take it.
pub(super) struct Interpreted<P: PhysicalProfile> {
    pub verified: VerifiedProgram<P>,
    /// None where there was no memory for it, or none is wanted.
    pub translated: Option<TranslatedProgram<P>>,
}

impl<P: PhysicalProfile> Interpreted<P> {
    /// In translation, if there is memory for it.
    pub fn translated(verified: VerifiedProgram<P>) -> Self {
        let translated = TranslatedProgram::new(&verified).ok();
        Self { verified, translated }
    }
}

impl<P: PhysicalProfile> fmt::Debug for Interpreted<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreted")
            .field("verified", &self.verified)
            .field("translated", &self.translated)
            .finish()
    }
}

/// Both interpreters, with targets of tail calls.
pub(super) struct Interpreters<'e, P: PhysicalProfile> {
    verified: Vec<&'e VerifiedProgram<P>>,
    /// As many as `verified`, or none.
    translated: Vec<&'e TranslatedProgram<P>>,
}

impl<'e, P: PhysicalProfile> Interpreters<'e, P> {
    /// Without targets.
    pub const fn new() -> Self {
        Self { verified: Vec::new(), translated: Vec::new() }
    }

    /// With these targets.
    pub fn with_programs(
        programs: impl ExactSizeIterator<Item = &'e Interpreted<P>>,
    ) -> Result<Self, OutOfMemory> {
        let mut all = Self::new();
        reserve(&mut all.verified, programs.len())?;
        reserve(&mut all.translated, programs.len())?;
        for program in programs {
            all.verified.push(&program.verified);
            all.translated.extend(&program.translated);
        }
        if all.translated.len() != all.verified.len() {
            all.translated.clear();
        }
        Ok(all)
    }

    /// How many targets there are.
    pub const fn programs(&self) -> usize {
        self.verified.len()
    }

    /// Runs a program: in translation, if it and all targets have one.
    pub fn execute(
        &self,
        env: Environment<'e>,
        program: &Interpreted<P>,
        context: &BpfContext<'_>,
    ) -> BpfResult {
        let all = self.translated.len() == self.verified.len();
        match program.translated.as_ref().filter(|_| all) {
            Some(translated) => TranslatedInterpreter::with_env(env)
                .with_programs(&self.translated)
                .execute(translated, context),
            None => VerifiedInterpreter::with_env(env)
                .with_programs(&self.verified)
                .execute(&program.verified, context),
        }
    }
}

/// Room for so many.
pub(super) fn reserve<T>(list: &mut Vec<T>, count: usize) -> Result<(), OutOfMemory> {
    let requested = count.saturating_mul(size_of::<T>());
    list.try_reserve_exact(count).map_err(|_| OutOfMemory { requested })
}
