//! How objects are loaded: what the command line says of the kernel.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::loader::{KernelConfig, LoadError, Object, ProgramKind};
use kernel_bpf::profile::ActiveProfile;

use crate::args;
use crate::exit::Usage;

/// Bytes of the variables of a configuration at the most.
const STORAGE: usize = 4096;

/// How objects are loaded.
#[derive(Debug)]
pub struct Loading {
    /// The configuration's lines.
    config: String,
    default_type: Option<BpfProgType>,
}

impl Loading {
    /// What the arguments say.
    pub fn new(args: &args::Loading) -> Result<Self> {
        let mut config = String::new();
        for given in &args.kconfig {
            let is_line = given.contains('=') && !Path::new(given).exists();
            let text = if is_line {
                given.clone()
            } else {
                fs::read_to_string(given).with_context(|| given.clone())?
            };
            config.push_str(&text);
            config.push('\n');
        }
        let default_type = args.prog_type.as_deref().map(prog_type).transpose()?;
        Ok(Self { config, default_type })
    }

    /// The type of programs that do not say theirs, if the command line does.
    pub const fn default_type(&self) -> Option<BpfProgType> {
        self.default_type
    }

    /// Room for the variables of the configuration that an object declares.
    pub fn storage() -> Vec<u8> {
        vec![0; STORAGE]
    }

    /// Reads an object.
    pub fn parse<'d>(
        &self,
        bytes: &'d [u8],
        storage: &'d mut [u8],
    ) -> Result<Object<'d, ActiveProfile>, LoadError> {
        let config = KernelConfig::new(&self.config);
        let object = Object::parse_configured(bytes, &config, storage)?;
        Ok(match self.default_type {
            Some(prog_type) => object.with_default_type(prog_type),
            None => object,
        })
    }
}

/// The type of this name, or of sections of this name.
fn prog_type(name: &str) -> Result<BpfProgType> {
    let named = BpfProgType::ALL.iter().find(|known| known.name() == name).copied();
    named.or_else(|| Some(ProgramKind::of_section(name).ok()?.prog_type)).ok_or_else(|| {
        let names: Vec<_> = BpfProgType::ALL.iter().map(|known| known.name()).collect();
        anyhow!(Usage(format!("no program type `{name}`; there are: {}", names.join(", "))))
    })
}
