//! The workloads as native code, made by a C compiler as the benchmark starts.
#![allow(unsafe_code, reason = "functions of a library are called")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use kernel_bpf_benches::{WORKLOADS, Workload};
use libloading::Library;

use crate::runner::{ByFunction, Runner};

/// Compilers to try, after `$CLANG`.
const COMPILERS: [&str; 3] = ["clang-19", "clang", "cc"];

/// What keeps a loop's shape as it is.
const PLAIN: [&str; 2] = ["-fno-vectorize", "-fno-unroll-loops"];

/// The context of `bench.h`.
#[repr(C)]
struct Packet {
    data: *mut u8,
    data_end: *mut u8,
}

type Function = unsafe extern "C" fn(*mut Packet) -> u32;

/// The workloads, compiled twice.
pub struct Native {
    optimised: Library,
    plain: Option<Library>,
}

impl Native {
    /// Compiles and loads them.
    ///
    /// # Errors
    /// When there is no C compiler, or it fails.
    pub fn compile() -> Result<Self> {
        let wanted = std::env::var_os("CLANG");
        let mut all = wanted.into_iter().chain(COMPILERS.map(OsString::from));
        let starts = |compiler: &OsString| {
            Command::new(compiler).arg("--version").output().is_ok_and(|out| out.status.success())
        };
        let compiler = all.find(starts).context("no C compiler is installed")?;
        let folder = folder()?;
        let name = compiler.to_string_lossy().into_owned();
        println!("native code by `{name} -O2`");
        Ok(Self {
            optimised: library(&compiler, &folder.join("optimised.so"), &[])?,
            // Another compiler than clang may not know the options.
            plain: library(&compiler, &folder.join("plain.so"), &PLAIN).ok(),
        })
    }

    /// What `-O2` makes of a workload.
    pub fn optimised(&self, workload: &Workload) -> Result<Box<dyn Runner>> {
        runner(&self.optimised, workload)
    }

    /// The same, with loops left in the shape that they have in C.
    pub fn plain(&self, workload: &Workload) -> Result<Box<dyn Runner>> {
        runner(self.plain.as_ref().context("the compiler lacks the options")?, workload)
    }
}

/// A folder under that of the build.
fn folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program lies in a folder")?.join("native");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn library(compiler: &OsString, path: &Path, options: &[&str]) -> Result<Library> {
    let sources = WORKLOADS.iter().chain([&Workload::ENTER]).map(Workload::source);
    let output = Command::new(compiler)
        .args(["-O2", "-fno-strict-aliasing", "-shared", "-fPIC", "-w"])
        .args(options)
        .args(sources)
        .arg("-o")
        .arg(path)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    // SAFETY: the library was made of this package's sources, which run nothing
    // as they are loaded.
    unsafe { Library::new(path) }.map_err(|error| anyhow!("{error}"))
}

fn runner(library: &Library, workload: &Workload) -> Result<Box<dyn Runner>> {
    // SAFETY: `bench.h` defines the function with this signature.
    let function = unsafe { library.get::<Function>(workload.name.as_bytes())? };
    // The library stays loaded longer than any runner: `main` keeps it.
    // SAFETY: as above.
    let function = *function;
    let bytes = workload.packet().leak().as_mut_ptr_range();
    let mut packet = Packet { data: bytes.start, data_end: bytes.end };
    Ok(Box::new(ByFunction(move || {
        // SAFETY: the function reads and writes its packet, which is its own.
        Ok(unsafe { function(&raw mut packet) })
    })))
}
