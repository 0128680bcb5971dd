//! Building for bare metal: which compiler and which library a target gets.
//!
//! Where rustup has the target, everything is plain and stable. Elsewhere the
//! library is built from source by a compiler that matches it: the
//! distribution's pair, or a nightly with its `rust-src` component.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::{Run, which};
use crate::repo;

/// How much of the library a build may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// `core` alone: naming `alloc` or `std` does not compile.
    Core,
    /// `core` and `alloc`.
    Alloc,
}

/// A way to build for a target.
pub enum Toolchain {
    /// The compiler that runs xtask, with the target's library from rustup.
    Installed {
        /// The library's folder.
        library: PathBuf,
    },
    /// A compiler that builds the library from its source.
    FromSource {
        /// The cargo to call, and the arguments before its command.
        cargo: (String, Vec<String>),
        /// The compiler, where cargo would find another.
        rustc: Option<PathBuf>,
        /// The linker, where the compiler brings none.
        linker: Option<&'static str>,
    },
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed { .. } => f.write_str("library from rustup"),
            Self::FromSource { rustc: Some(_), .. } => f.write_str("library from source"),
            Self::FromSource { .. } => f.write_str("library from source, nightly"),
        }
    }
}

/// The distribution's compiler, to which its library source belongs.
const SYSTEM: (&str, &str) = ("/usr/bin/rustc", "/usr/bin/cargo");
/// Its linker for bare metal; Rust's own packages bring one inside.
const LINKER: &str = "ld.lld-19";

/// Finds a way to build for `target`, or says what is missing.
pub fn toolchain(root: &Path, target: &str) -> Result<Toolchain, String> {
    if let Some(library) = installed(root, target) {
        return Ok(Toolchain::Installed { library });
    }
    let (rustc, cargo) = SYSTEM;
    let matched = Path::new(cargo).is_file()
        && sysroot(Run::new(rustc, root)).is_some_and(|sysroot| has_source(&sysroot));
    if matched && which(LINKER).is_some() {
        return Ok(Toolchain::FromSource {
            cargo: (cargo.into(), Vec::new()),
            rustc: Some(rustc.into()),
            linker: Some(LINKER),
        });
    }
    if sysroot(Run::new("rustc", root).args(["+nightly"])).is_some_and(|root| has_source(&root)) {
        return Ok(Toolchain::FromSource {
            cargo: ("cargo".into(), vec!["+nightly".into()]),
            rustc: None,
            linker: None,
        });
    }
    Err(format!(
        "no library for {target}: `rustup target add {target}`, or on Debian install rustc-web, \
         cargo-web, rust-web-src and lld-19"
    ))
}

fn sysroot(rustc: Run) -> Option<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output().ok()?;
    output.status.success().then(|| output.stdout.trim().into())
}

fn has_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library/core").is_dir()
}

fn installed(root: &Path, target: &str) -> Option<PathBuf> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let library = sysroot(Run::new(rustc, root))?.join("lib/rustlib").join(target).join("lib");
    find_library(&library, "libcore-").then_some(library)
}

fn find_library(folder: &Path, prefix: &str) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
    })
}

impl Toolchain {
    /// A cargo command for `target` in `dir`, with its products apart from the
    /// host's.
    pub fn cargo(
        &self,
        root: &Path,
        dir: &Path,
        command: &str,
        target: &str,
        library: Library,
    ) -> Result<Run> {
        let run = match self {
            Self::Installed { library: folder } => {
                let run = Run::cargo(dir).args([command, "--target", target]);
                match library {
                    Library::Alloc => run,
                    Library::Core => run.env("RUSTFLAGS", core_alone(root, folder, target)?),
                }
            }
            Self::FromSource { cargo: (cargo, before), rustc, linker } => {
                let mut run = Run::new(cargo, dir)
                    .args(before)
                    .args([command, "--target", target])
                    .args([match library {
                        Library::Core => "-Zbuild-std=core",
                        Library::Alloc => "-Zbuild-std=core,alloc",
                    }])
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("CARGO")
                    .env_remove("RUSTUP_TOOLCHAIN");
                if let Some(rustc) = rustc {
                    run = run.env("RUSTC", rustc);
                }
                if let Some(linker) = linker {
                    let name = target.to_uppercase().replace('-', "_");
                    run = run.env(&format!("CARGO_TARGET_{name}_LINKER"), linker);
                }
                run
            }
        };
        Ok(run.env("CARGO_TARGET_DIR", repo::work_dir(root, "bare")?))
    }
}

/// Flags for a library folder in which `core` is all there is: what
/// `-Zbuild-std=core` gives a compiler that may use unstable options.
fn core_alone(root: &Path, folder: &Path, target: &str) -> Result<String> {
    let sysroot = repo::work_dir(root, "core-alone")?.join(target);
    let copy = sysroot.join("lib/rustlib").join(target).join("lib");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir_all(&copy)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("libcore-") || name.starts_with("libcompiler_builtins-") {
            fs::copy(entry.path(), copy.join(&name)).with_context(|| format!("copy {name}"))?;
        }
    }
    Ok(format!("--sysroot={}", sysroot.display()))
}
