//! What is compiled from the kernel's source: its tests and samples.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};

use super::{Apt, CLANG, files, fresh};
use crate::process::Run;

/// The package with the kernel's source, in one archive.
const SOURCE: &str = "linux-source-6.12";

/// Where the running kernel tells its types.
const TYPES: &str = "/sys/kernel/btf/vmlinux";

/// What is unpacked of the source.
const PARTS: [&str; 5] = [
    "samples/bpf",
    "scripts/bpf_doc.py",
    "tools/include",
    "tools/lib/bpf",
    "tools/testing/selftests/bpf",
];

/// The kernel's source and headers.
pub struct Kernel {
    work: PathBuf,
    tree: PathBuf,
    headers: Headers,
    /// Folder of the headers that are generated.
    generated: PathBuf,
}

/// The headers of a kernel: those of all machines, and those of one.
pub struct Headers {
    common: PathBuf,
    machine: PathBuf,
}

impl Headers {
    /// Of the package `of_machine` and the one with common headers that it needs.
    pub fn fetch(apt: &Apt, of_machine: &str) -> Result<Self> {
        let common = apt.dependency(of_machine, "linux-headers-", "-common")?;
        let unpacked = |package: &str| -> Result<PathBuf> {
            Ok(apt.fetch(package)?.join("usr/src").join(package))
        };
        Ok(Self { common: unpacked(&common)?, machine: unpacked(of_machine)? })
    }
}

impl Kernel {
    /// Downloads the source and generates what its tests include.
    pub fn prepare(apt: &Apt) -> Result<Self> {
        println!("downloading {SOURCE} ...");
        let archive = apt.fetch(SOURCE)?.join("usr/src").join(format!("{SOURCE}.tar.xz"));
        let tree = apt.work.join(SOURCE);
        if !tree.is_dir() {
            let parts = PARTS.map(|part| format!("{SOURCE}/{part}"));
            Run::new("tar", &apt.work)
                .args([OsStr::new("-xf"), archive.as_os_str()])
                .args(parts)
                .check(&apt.log)
                .with_context(|| apt.failure("unpack the source"))?;
        }
        let generated = apt.work.join("generated");
        fs::create_dir_all(&generated)?;
        let text = |program: &Path, args: &[&str]| -> Result<String> {
            let run = Run::new(program, &tree).args(args);
            let name = run.text().to_string();
            let output = run.output()?;
            ensure!(output.status.success(), "`{name}`: {}", output.stderr.trim());
            Ok(output.stdout)
        };
        let helpers =
            ["scripts/bpf_doc.py", "--header", "--file", "tools/include/uapi/linux/bpf.h"];
        fs::write(
            tree.join("tools/lib/bpf/bpf_helper_defs.h"),
            text(Path::new("python3"), &helpers)?,
        )?;
        ensure!(Path::new(TYPES).exists(), "this kernel tells no types: there is no {TYPES}");
        let bpftool = apt.fetch("bpftool")?.join("usr/sbin/bpftool");
        let dump = ["btf", "dump", "file", TYPES, "format", "c"];
        fs::write(generated.join("vmlinux.h"), text(&bpftool, &dump)?)?;
        let of_machine = apt.newest_headers(SOURCE)?;
        let headers = Headers::fetch(apt, &of_machine)?;
        Ok(Self { work: apt.work.clone(), tree, headers, generated })
    }

    /// Compiles tests and samples into their folders in `dir`.
    pub fn build(&self, dir: &Path, jobs: usize) -> Result<()> {
        let tests = fresh(dir, "self-tests")?;
        let of_verifier = fresh(dir, "self-tests-verifier")?;
        let samples = fresh(dir, "samples")?;
        let mut work = Vec::new();
        for source in sources(&self.tree.join("tools/testing/selftests/bpf/progs"))? {
            let out = if name(&source).starts_with("verifier_") { &of_verifier } else { &tests };
            work.push((source, out, true));
        }
        for source in sources(&self.tree.join("samples/bpf"))? {
            let name = name(&source);
            if Path::new(&name).extension() == Some(OsStr::new("bpf")) {
                work.push((source, &samples, true));
            } else if name.ends_with("_kern") || name.starts_with("parse_") {
                work.push((source, &samples, false));
            }
        }
        println!("compiling {} files ...", work.len());
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some((source, out, by_types)) =
                        work.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let object = out.join(format!("{}.o", name(source)));
                        if let Err(error) = self.compile(source, *by_types, &object)
                            && let Ok(mut failed) = failed.lock()
                        {
                            failed.push(format!("{}: {error:#}", name(source)));
                        }
                    }
                });
            }
        });
        for out in [&tests, &of_verifier, &samples] {
            println!("{}: {} objects", name(out), files(out)?.len());
        }
        let mut failed = failed.into_inner().unwrap_or_default();
        failed.sort();
        println!("{} do not compile{}", failed.len(), if failed.is_empty() { "" } else { ":" });
        for one in failed {
            println!("    {one}");
        }
        Ok(())
    }

    /// Compiles for the third instruction set, or the fourth where that is too small.
    fn compile(&self, source: &Path, by_types: bool, object: &Path) -> Result<()> {
        let with = |cpu| {
            if by_types {
                self.by_types(source, cpu, object)
            } else {
                let tests = self.tree.join("tools/testing/selftests/bpf");
                let include = self.tree.join("samples/bpf");
                let extra = [
                    "-D__TARGET_ARCH_x86".into(),
                    format!("-I{}", include.display()),
                    format!("-I{}", tests.display()),
                    format!("-I{}", self.tree.join("tools/lib").display()),
                    "-include".into(),
                    include.join("asm_goto_workaround.h").display().to_string(),
                ];
                compile_as_kernel(&self.work, &self.headers, &extra, source, cpu, object)
            }
        };
        with("v3").or_else(|error| with("v4").map_err(|_| error))
    }

    /// Compiles a program that includes the kernel's types as they were dumped, or
    /// headers for programs outside of the kernel.
    fn by_types(&self, source: &Path, cpu: &str, object: &Path) -> Result<()> {
        let tree = |path: &str| format!("-I{}", self.tree.join(path).display());
        clang(
            Command::new(CLANG)
                .args(["-O2", "-g", "-w", "-target", "bpf", "-fno-strict-aliasing"])
                .arg(format!("-mcpu={cpu}"))
                .args(["-D__TARGET_ARCH_x86", "-DENABLE_ATOMICS_TESTS"])
                .arg(format!("-I{}", self.generated.display()))
                .arg(tree("tools/testing/selftests/bpf"))
                .args([tree("tools/lib"), tree("tools/include/uapi")])
                .args(["-idirafter", "/usr/include/x86_64-linux-gnu", "-idirafter", "/usr/include"])
                .arg("-c")
                .arg(source)
                .arg("-o")
                .arg(object),
        )
    }
}

impl Apt {
    /// The package with headers for the version of the package `source`.
    fn newest_headers(&self, source: &str) -> Result<String> {
        let output = Run::new("apt-cache", &self.work).args(["show", source]).output()?;
        let version = output.stdout.lines().find_map(|line| line.strip_prefix("Version: "));
        let version = version.and_then(|version| version.split('-').next());
        let version = version.with_context(|| format!("apt-cache knows no {source}"))?;
        Ok(format!("linux-headers-{version}+deb12-amd64"))
    }
}

/// Compiles a program that includes headers from inside the kernel: they are made for
/// the machine on which the kernel runs, so clang reads them for that one and makes
/// code for eBPF of what it understood.
pub fn compile_as_kernel(
    work: &Path,
    headers: &Headers,
    extra: &[String],
    source: &Path,
    cpu: &str,
    object: &Path,
) -> Result<()> {
    let Headers { common, machine } = headers;
    let code = work.join(format!("{}.bc", name(source)));
    let mut command = Command::new(CLANG);
    command.args(["-O2", "-g", "-w", "-nostdinc", "-std=gnu11", "-fms-extensions"]);
    command.args(["-fno-jump-tables", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"]);
    command.args(["-fno-strict-aliasing", "-fshort-wchar"]);
    for (base, path) in [
        (common, "arch/x86/include"),
        (machine, "arch/x86/include/generated"),
        (common, "include"),
        (machine, "include"),
        (common, "arch/x86/include/uapi"),
        (machine, "arch/x86/include/generated/uapi"),
        (common, "include/uapi"),
        (machine, "include/generated/uapi"),
    ] {
        command.arg(format!("-I{}", base.join(path).display()));
    }
    for header in ["compiler-version.h", "kconfig.h", "compiler_types.h"] {
        command.arg("-include").arg(common.join("include/linux").join(header));
    }
    command.args(["-D__KERNEL__", "-D__BPF_TRACING__", "-DKBUILD_MODNAME=\"probe\""]);
    command.args(extra).args(["-emit-llvm", "-Xclang", "-disable-llvm-passes", "-c"]);
    clang(command.arg(source).arg("-o").arg(&code))?;
    clang(
        Command::new(CLANG)
            .args(["-O2", "-g", "-w", "--target=bpf"])
            .arg(format!("-mcpu={cpu}"))
            .arg("-c")
            .arg(&code)
            .arg("-o")
            .arg(object),
    )
}

/// Runs the compiler; its first error is the error.
fn clang(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().context("start the compiler")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let first = text.lines().find(|line| line.contains("error:")).unwrap_or("it failed");
    ensure!(output.status.success(), "{first}");
    Ok(())
}

/// The C sources of a folder.
fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut sources = files(dir)?;
    sources.retain(|path| path.extension() == Some(OsStr::new("c")));
    Ok(sources)
}

/// A file's name without its last ending.
fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
