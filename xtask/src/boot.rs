//! `cargo xtask boot`: builds a bare-metal example, boots it under QEMU and
//! checks what it prints.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use lexopt::prelude::*;

use crate::bare::{self, Library};
use crate::process::{self, Run, which};
use crate::repo;

const HELP: &str = "\
Builds a bare-metal example, boots it under QEMU and checks its output.

USAGE: cargo xtask boot [cortex-m|x86_64]...

Without a name, boots all of them.
";

/// How much of a failed build is shown.
const TAIL: usize = 30;
/// How long a machine may take from reset to its exit.
const LIMIT: Duration = Duration::from_mins(2);

/// A bare-metal example and the machine it runs on.
pub struct Machine {
    /// What the command line calls it.
    pub name: &'static str,
    /// Its package, by folder and by name.
    pub folder: &'static str,
    package: &'static str,
    /// What it is built for.
    pub target: &'static str,
    /// How much of the library it may name.
    pub library: Library,
    qemu: &'static str,
    qemu_args: &'static [&'static str],
    /// QEMU's exit status when the example found everything as it should be.
    success: i32,
    /// Lines that it has to print, in this order. A line matches one that
    /// starts with it.
    expected: &'static [&'static str],
    /// Parts of symbol names that the image must not contain, with the reason.
    forbidden: &'static [(&'static str, &'static str)],
}

/// The machines.
pub const MACHINES: &[Machine] = &[
    Machine {
        name: "cortex-m",
        folder: "examples/firmware-cortex-m",
        package: "firmware-cortex-m",
        target: "thumbv7em-none-eabihf",
        library: Library::Core,
        qemu: "qemu-system-arm",
        qemu_args: &[
            "-M",
            "mps2-an386",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "none",
            "-semihosting-config",
            "enable=on,target=native",
            "-kernel",
        ],
        success: 0,
        expected: &[
            "firmware-cortex-m: up",
            "refused, as it should be: ",
            "sensor_filter: verified, ",
            "sensor 0 burst 1: decision 1",
            "sensor 0 burst 2: decision 0",
            "sensor 0 burst 5: decision 1",
            "sensor 0 burst 6: decision 2",
            "sensor 9 burst 1: decision 3",
            "sensor 0: 4 bursts, 2 lost, 1 alarms",
            "gateway: ",
            "telegrams: ",
            "drive: ",
            "firmware-cortex-m: done",
        ],
        forbidden: &[("__rust_alloc", "an allocator"), ("__rg_alloc", "an allocator")],
    },
    Machine {
        name: "x86_64",
        folder: "examples/kernel-x86_64",
        package: "kernel-x86_64",
        target: "x86_64-unknown-none",
        library: Library::Alloc,
        qemu: "qemu-system-x86_64",
        qemu_args: &[
            "-m",
            "128M",
            "-display",
            "none",
            "-monitor",
            "none",
            "-nic",
            "none",
            "-no-reboot",
            "-serial",
            "stdio",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
            "-kernel",
        ],
        success: 33,
        expected: &[
            "kernel-x86_64: up",
            "refused, as it should be: ",
            "xdp_firewall: verified, ",
            "xdp_firewall: compiled to ",
            "no page is writable and executable",
            "xdp_firewall: 437 packets, 368 passed, 69 dropped",
            "engines agree: jit and interpreter",
            "verdicts are those of Linux",
            "kernel-x86_64: done",
        ],
        forbidden: &[],
    },
];

/// Boots the machines that the arguments name, or all.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let mut chosen = Vec::new();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Value(name) => {
                let name = name.string()?;
                let Some(machine) = MACHINES.iter().find(|machine| machine.name == name) else {
                    bail!("no machine `{name}`\n\n{HELP}");
                };
                chosen.push(machine);
            }
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if chosen.is_empty() {
        chosen.extend(MACHINES);
    }
    let root = repo::root()?;
    for machine in chosen {
        if let Some(why) = machine.missing(&root) {
            bail!("{}: {why}", machine.name);
        }
        let log = repo::work_dir(&root, "logs")?.join(format!("boot-{}.log", machine.name));
        println!("{}: building (log: {})", machine.name, log.display());
        let image = machine
            .build(&root, &log)
            .inspect_err(|_| eprint!("{}", process::tail(&log, TAIL, "    ")))?;
        let output = machine.boot(&root, &image)?;
        print!("{output}");
        println!("{}: booted, and printed what it should", machine.name);
    }
    Ok(())
}

impl Machine {
    /// What this computer lacks to build and boot it.
    pub fn missing(&self, root: &Path) -> Option<String> {
        if which(self.qemu).is_none() {
            return Some(format!("{} is not installed", self.qemu));
        }
        bare::toolchain(root, self.target).err()
    }

    /// Builds the image and returns where it is.
    pub fn build(&self, root: &Path, log: &Path) -> Result<PathBuf> {
        let toolchain = match bare::toolchain(root, self.target) {
            Ok(toolchain) => toolchain,
            Err(why) => bail!(why),
        };
        let folder = root.join(self.folder);
        toolchain
            .cargo(root, &folder, "build", self.target, self.library)?
            .args(["--release"])
            .check(log)?;
        let image = repo::work_dir(root, "bare")?.join(self.target).join("release");
        let image = image.join(self.package);
        self.check_symbols(&image)?;
        Ok(image)
    }

    fn check_symbols(&self, image: &Path) -> Result<()> {
        let symbols = crate::symbols::of(image)?;
        ensure!(!symbols.is_empty(), "{} has no symbols to check", image.display());
        for (part, what) in self.forbidden {
            let found = symbols.iter().find(|symbol| symbol.contains(part));
            ensure!(found.is_none(), "{} links {what}: {}", self.package, found.unwrap());
        }
        Ok(())
    }

    /// Boots `image` and returns what it printed, if that is what it should.
    pub fn boot(&self, root: &Path, image: &Path) -> Result<String> {
        let output =
            Run::new(self.qemu, root).args(self.qemu_args).args([image]).limit(LIMIT).output()?;
        let printed = format!("{}{}", output.stdout, output.stderr);
        let mut lines = printed.lines();
        for expected in self.expected {
            ensure!(
                lines.any(|line| line.trim_start().starts_with(expected)),
                "no line `{expected}` where it should be in:\n{printed}"
            );
        }
        ensure!(
            output.status.code() == Some(self.success),
            "the machine ended with {} and printed:\n{printed}",
            output.status
        );
        Ok(printed)
    }
}
