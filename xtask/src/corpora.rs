//! `cargo xtask corpora`: the objects over which the verifier's figures are taken.
//!
//! Nothing of them is part of the repository. They come from Debian's packages, so
//! that everyone who has Debian gets the same ones.

mod kernel;
mod packages;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lexopt::prelude::*;

use crate::process::{self, Run};

const HELP: &str = "\
Makes folders of eBPF objects in DIR, out of Debian's packages, which apt downloads to
DIR/work. Debian 12 is meant; the objects are as good as its newest packages.

    self-tests            programs of Linux's own tests
    self-tests-verifier   those that test the verifier, instruction by instruction
    samples               samples of the kernel's source
    packages              objects inside packages, and Falco's probe

Types of kernel structures come from the kernel that runs here. What does not compile
is named and left out. `cargo xtask bench-verifier DIR/self-tests ...` measures them.

USAGE: cargo xtask corpora [OPTIONS] DIR

OPTIONS:
    --jobs N       Compilers at once [default: as many as there are processors]
";

/// The compiler. Another version makes other programs.
const CLANG: &str = crate::programs::CLANG;

/// What has to be installed, and in which package it is.
const TOOLS: [(&str, &str); 6] = [
    ("apt-get", "apt"),
    ("apt-cache", "apt"),
    ("dpkg-deb", "dpkg"),
    ("tar", "tar"),
    ("python3", "python3"),
    (CLANG, "clang-19"),
];

struct Options {
    dir: PathBuf,
    jobs: usize,
}

fn parse(args: Vec<OsString>) -> Result<Option<Options>> {
    let mut jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut dir = None;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("jobs") => jobs = parser.value()?.parse()?,
            Value(path) if dir.is_none() => dir = Some(PathBuf::from(path)),
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let dir = dir.context("no folder is named; see --help")?;
    Ok(Some(Options { dir, jobs: jobs.max(1) }))
}

/// Makes the folders.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let Some(options) = parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    for (tool, package) in TOOLS {
        if process::which(tool).is_none() {
            bail!("{tool} is not installed; it is in Debian's package {package}");
        }
    }
    fs::create_dir_all(&options.dir).with_context(|| options.dir.display().to_string())?;
    let dir = fs::canonicalize(&options.dir)?;
    let work = dir.join("work");
    fs::create_dir_all(&work)?;
    let apt = Apt { work: work.clone(), log: work.join("log.txt") };
    fs::write(&apt.log, "")?;
    let jobs = options.jobs;
    kernel::Kernel::prepare(&apt)?.build(&dir, jobs)?;
    packages::build(&apt, &dir)
}

/// Debian's packages, downloaded and unpacked without being installed.
struct Apt {
    work: PathBuf,
    log: PathBuf,
}

impl Apt {
    /// The folder into which `package` is unpacked.
    fn fetch(&self, package: &str) -> Result<PathBuf> {
        let unpacked = self.work.join("unpacked").join(package);
        if unpacked.is_dir() {
            return Ok(unpacked);
        }
        let archives = self.work.join("archives").join(package);
        fs::create_dir_all(&archives)?;
        Run::new("apt-get", &archives)
            .args(["-q", "download", package])
            .check(&self.log)
            .with_context(|| self.failure(&format!("no package {package} of Debian")))?;
        let archive = files(&archives)?.into_iter().next().context("apt-get wrote no archive")?;
        // Under another name first: an unpacked folder is a whole one.
        let partial = unpacked.with_extension("partial");
        fs::create_dir_all(&partial)?;
        Run::new("dpkg-deb", &self.work)
            .args([Path::new("-x"), &archive, &partial])
            .check(&self.log)
            .with_context(|| self.failure("unpack"))?;
        fs::rename(&partial, &unpacked)?;
        Ok(unpacked)
    }

    /// The package, of those on which `package` depends, whose name starts and ends
    /// so.
    fn dependency(&self, package: &str, start: &str, end: &str) -> Result<String> {
        let output = Run::new("apt-cache", &self.work).args(["depends", package]).output()?;
        let depends = |line: &str| line.trim().strip_prefix("Depends: ").map(String::from);
        output
            .stdout
            .lines()
            .filter_map(depends)
            .find(|name| name.starts_with(start) && name.ends_with(end))
            .with_context(|| format!("{package} depends on no {start}*{end}"))
    }

    fn failure(&self, what: &str) -> String {
        format!("{what}:\n{}", process::tail(&self.log, 10, "    "))
    }
}

/// The files of a folder, sorted; not those of folders in it.
fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_file() {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

/// The only folder in `dir` whose name starts so.
fn folder(dir: &Path, start: &str) -> Result<PathBuf> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(start) && entry.path().is_dir() {
            return Ok(entry.path());
        }
    }
    bail!("no folder {start}* in {}", dir.display())
}

/// A folder of objects, emptied.
fn fresh(dir: &Path, name: &str) -> Result<PathBuf> {
    let folder = dir.join(name);
    if folder.exists() {
        // Only what this command writes goes.
        for file in files(&folder)? {
            ensure!(
                file.extension().is_some_and(|end| end == "o"),
                "{} is no object: {} is not this command's",
                file.display(),
                folder.display()
            );
            fs::remove_file(file)?;
        }
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
