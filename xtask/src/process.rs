//! Running other programs: with a time limit, their output kept in a log.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long anything may take that sets no limit of its own.
const DEFAULT_LIMIT: Duration = Duration::from_hours(1);

/// A program to run.
pub struct Run {
    command: Command,
    text: String,
    limit: Duration,
}

/// What a program wrote and how it ended.
pub struct Output {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Prepares `program` to run in `dir`.
    pub fn new(program: impl AsRef<OsStr>, dir: &Path) -> Self {
        let mut command = Command::new(program.as_ref());
        command.current_dir(dir).stdin(Stdio::null());
        // What `cargo run` set for this process is not for its children: the
        // library path in particular would lead one compiler to another's.
        for name in ["LD_LIBRARY_PATH", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
            command.env_remove(name);
        }
        let name = Path::new(program.as_ref()).file_name().unwrap_or_default();
        Self { command, text: name.to_string_lossy().into_owned(), limit: DEFAULT_LIMIT }
    }

    /// The cargo that runs xtask.
    pub fn cargo(dir: &Path) -> Self {
        Self::new(crate::repo::cargo(), dir)
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        for arg in args {
            self.text.push(' ');
            self.text.push_str(&arg.as_ref().to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Unsets a variable of the environment.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Ends the program when it takes longer.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The command line, for people.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Runs to the end with output and errors appended to `log`; an unsuccessful
    /// end is an error.
    pub fn check(mut self, log: &Path) -> Result<()> {
        let mut file = append(log)?;
        writeln!(file, "$ {}", self.text)?;
        self.command.stdout(file.try_clone()?).stderr(file);
        let mut child = self.command.spawn().with_context(|| format!("start `{}`", self.text))?;
        let status = wait(&mut child, self.limit, &self.text)?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.text);
        }
        Ok(())
    }

    /// Runs to the end and returns what it wrote, whatever its exit status.
    pub fn output(mut self) -> Result<Output> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().with_context(|| format!("start `{}`", self.text))?;
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        let status = wait(&mut child, self.limit, &self.text);
        // The readers end when the child's ends of the pipes are closed, which
        // waiting for it, or killing it, has done.
        let stdout = stdout.join().unwrap_or_default();
        let stderr = stderr.join().unwrap_or_default();
        let status = status.with_context(|| format!("it wrote:\n{stdout}{stderr}"))?;
        Ok(Output { status, stdout, stderr })
    }
}

impl Output {
    /// Appends everything to `log`.
    pub fn keep(&self, log: &Path, text: &str) -> Result<()> {
        let mut file = append(log)?;
        writeln!(file, "$ {text}\n{}{}", self.stdout, self.stderr)?;
        Ok(())
    }
}

/// The last lines of a log, each after `before`.
pub fn tail(log: &Path, lines: usize, before: &str) -> String {
    let written = std::fs::read_to_string(log).unwrap_or_default();
    let all: Vec<&str> = written.lines().collect();
    let last = &all[all.len().saturating_sub(lines)..];
    last.iter().flat_map(|line| [before, line, "\n"]).collect()
}

fn append(log: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("open {}", log.display()))
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could be read before an error is all there is to show.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut std::process::Child, limit: Duration, text: &str) -> Result<ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            child.kill().context("end a program that takes too long")?;
            child.wait()?;
            bail!("`{text}` did not end within {} s", limit.as_secs());
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Where a program lies, if the path has it.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
