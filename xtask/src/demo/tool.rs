//! `kbpf`, built for one profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::answer::Answer;
use crate::process::{self, Run};
use crate::repo::{self, Profile};

/// How long one run may take.
const LIMIT: Duration = Duration::from_mins(5);

/// How much of a failed build is shown.
const TAIL: usize = 30;

/// An engine, as the command line of `kbpf` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The JIT compiler.
    Jit,
    /// The interpreter.
    Interpreter,
}

impl Engine {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jit => "jit",
            Self::Interpreter => "interp",
        }
    }
}

/// What a program runs over.
pub enum Input<'a> {
    /// Every packet of this capture.
    Capture(&'a Path),
    /// These bytes, as hex with blanks.
    Context(&'a str),
}

/// A build of `kbpf`.
pub struct Tool {
    /// What it was built for.
    pub profile: Profile,
    binary: PathBuf,
}

impl Tool {
    /// Builds it. Both profiles share what they have in common, and each binary
    /// is put where the other build does not overwrite it.
    pub fn build(root: &Path, profile: Profile, quick: bool, log: &Path) -> Result<Self> {
        let mut args = vec!["build", "-p", "bpf-cli", "--features", profile.feature()];
        if !quick {
            args.push("--release");
        }
        Run::cargo(root).args(args).check(log).with_context(|| {
            format!("build kbpf for {}:\n{}", profile.name(), process::tail(log, TAIL, "    "))
        })?;
        let file = format!("kbpf{}", std::env::consts::EXE_SUFFIX);
        let built =
            repo::target_dir(root).join(if quick { "debug" } else { "release" }).join(&file);
        let binary = repo::work_dir(root, "demo")?.join(profile.name()).join(&file);
        fs::create_dir_all(binary.parent().unwrap_or(root))?;
        fs::copy(&built, &binary).with_context(|| format!("copy {}", built.display()))?;
        Ok(Self { profile, binary })
    }

    /// Runs an object, each input `repeat` times.
    pub fn run(
        &self,
        root: &Path,
        object: &Path,
        input: &Input<'_>,
        engine: Engine,
        repeat: u32,
        log: &Path,
    ) -> Result<Answer> {
        let object = object.strip_prefix(root).unwrap_or(object);
        let mut run = Run::new(&self.binary, root).args(["run"]).args([object]).args([
            "--json",
            "--engine",
            engine.name(),
            "--repeat",
            &repeat.to_string(),
        ]);
        run = match input {
            Input::Capture(capture) => run.args(["--pcap"]).args([capture]),
            Input::Context(hex) => run.args(["--ctx", hex]),
        };
        let text = run.text().to_string();
        let output = run.limit(LIMIT).output()?;
        output.keep(log, &text)?;
        Answer::parse(&output.stdout)
            .with_context(|| format!("`{text}` ({}): {}", output.status, output.stderr.trim()))
    }
}
