//! The workloads, and their objects as programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kernel_bpf::bytecode::abi::frozen::{FrozenBytes, FrozenMap};
use kernel_bpf::bytecode::abi::map::MapDef;
use kernel_bpf::bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use kernel_bpf::loader::{Contents, Object};
use kernel_bpf::profile::ActiveProfile;
use kernel_bpf::verifier::{VerifiedProgram, Verifier};

use crate::input::{self, Content};

/// What is run: a program in C, over a packet.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Name of the program and of its file.
    pub name: &'static str,
    /// What the packet holds.
    content: Content,
    /// Whether most of its time goes into calls of its own functions.
    pub calls: bool,
}

const fn on(name: &'static str, content: Content) -> Workload {
    Workload { name, content, calls: false }
}

/// All of them, but for the one that does nothing ([`Workload::ENTER`]).
pub const WORKLOADS: [Workload; 25] = [
    on("fnv1a", Content::Noise),
    on("murmur3", Content::Noise),
    on("xxhash64", Content::Noise),
    on("siphash", Content::Noise),
    on("jhash", Content::Noise),
    on("csum", Content::Noise),
    on("crc32", Content::Noise),
    on("adler32", Content::Noise),
    on("chacha20", Content::Noise),
    on("tcp_options", Content::Frames),
    on("dns_name", Content::Questions),
    on("tlv", Content::Entries),
    on("utf8", Content::Text),
    on("hex", Content::Noise),
    on("sort", Content::Noise),
    on("search", Content::Noise),
    on("matrix", Content::Noise),
    on("histogram", Content::Noise),
    on("sieve", Content::Noise),
    on("bits", Content::Noise),
    on("gcd", Content::Noise),
    on("modpow", Content::Noise),
    on("xorshift", Content::Noise),
    on("map_lookup", Content::Noise),
    Workload { name: "calls", content: Content::Noise, calls: true },
];

impl Workload {
    /// Entering and leaving a program that does nothing.
    pub const ENTER: Self = on("enter", Content::Noise);

    /// The packet that the program is given.
    pub fn packet(&self) -> Vec<u8> {
        input::packet(self.content)
    }

    /// The folder of the sources and objects.
    pub fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
    }

    /// The source in C.
    pub fn source(&self) -> PathBuf {
        Self::folder().join(format!("{}.bpf.c", self.name))
    }

    /// The program as it was compiled for `-mcpu=v3`.
    ///
    /// # Errors
    /// When the object cannot be read or linked.
    pub fn program(&self) -> Result<Program> {
        self.object("bpf.o")
    }

    /// The program as it was compiled for `-mcpu=v2`, without operations on halves
    /// of registers: for engines where these do not mean what RFC 9669 says.
    ///
    /// # Errors
    /// As [`program`](Self::program).
    pub fn program_v2(&self) -> Result<Program> {
        self.object("bpf.v2.o")
    }

    fn object(&self, extension: &str) -> Result<Program> {
        let path = Self::folder().join(format!("{}.{extension}", self.name));
        let read = || -> Result<Program> { Program::link(self.name, &std::fs::read(&path)?) };
        read().with_context(|| path.display().to_string())
    }
}

/// A linked program, its maps by their index.
#[derive(Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its instructions.
    pub insns: Vec<BpfInsn>,
    /// What maps it has.
    pub maps: Vec<MapDef>,
    /// For each map the only value that it starts with, or nothing.
    pub contents: Vec<&'static [u8]>,
}

impl Program {
    fn link(name: &'static str, object: &[u8]) -> Result<Self> {
        let object = Object::<ActiveProfile>::parse(object)?;
        let contents = |map: &kernel_bpf::loader::Map<'_>| match map.contents {
            Contents::Bytes(bytes) => bytes.to_vec().leak() as &[u8],
            Contents::Empty | Contents::Zeroed => &[],
        };
        let program = object.program(name)?.link()?;
        Ok(Self {
            name,
            insns: program.insns().collect::<Result<_, _>>()?,
            maps: object.maps().iter().map(|map| map.def).collect(),
            contents: object.maps().iter().map(contents).collect(),
        })
    }

    /// The contents of the map `at`, where these are constants.
    pub fn frozen(&self, at: usize) -> Option<FrozenBytes> {
        let contents = self.contents[at];
        (FrozenMap::can_be(&self.maps[at]) && !contents.is_empty())
            .then(|| FrozenBytes::from_static(contents))
    }

    /// As a program of this project.
    ///
    /// # Errors
    /// When it is none.
    pub fn build(&self) -> Result<BpfProgram<ActiveProfile>> {
        let insns = self.insns.clone().leak();
        let mut builder = ProgramBuilder::from_static(BpfProgType::Xdp, insns).name(self.name);
        for (at, def) in self.maps.iter().enumerate() {
            builder = match self.frozen(at) {
                Some(bytes) => builder.frozen_map(*def, bytes),
                None => builder.map(*def),
            };
        }
        Ok(builder.build()?)
    }

    /// Builds and verifies it.
    ///
    /// # Errors
    /// When it is no program, or the verifier refuses it.
    pub fn verify(&self) -> Result<VerifiedProgram<ActiveProfile>> {
        Verifier::new().verify_program(&self.build()?).with_context(|| self.name)
    }
}
