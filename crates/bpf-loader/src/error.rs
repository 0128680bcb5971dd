//! Why an object or an image cannot be loaded.

use core::fmt;

use bpf_bytecode::ProgramError;
use bpf_profile::OutOfMemory;

/// Bytes of a name that an error keeps.
const KEPT: usize = 47;

/// A name from the object, kept in place so that errors outlive the object's
/// bytes. Names of more than 47 bytes are cut and end in `…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name {
    bytes: [u8; KEPT],
    len: u8,
    cut: bool,
}

impl Name {
    /// The name `text`, cut where it is too long.
    pub fn new(text: &str) -> Self {
        let end = (0..=text.len().min(KEPT)).rev().find(|&at| text.is_char_boundary(at));
        let kept = text.get(..end.unwrap_or(0)).unwrap_or_default();
        let mut bytes = [0; KEPT];
        if let Some(slots) = bytes.get_mut(..kept.len()) {
            slots.copy_from_slice(kept.as_bytes());
        }
        let len = u8::try_from(kept.len()).unwrap_or(0);
        Self { bytes, len, cut: kept.len() < text.len() }
    }

    /// What was kept of the name.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        if self.cut { f.write_str("…") } else { Ok(()) }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Why an object or an image cannot be loaded, or a program of it not linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The bytes do not have the structure that they announce.
    #[error("malformed {part}")]
    Malformed {
        /// Which structure is broken.
        part: &'static str,
    },
    /// The object uses something that this loader refuses on purpose.
    #[error("unsupported {what} `{name}`")]
    Unsupported {
        /// Kind of thing.
        what: &'static str,
        /// Which one.
        name: Name,
    },
    /// There is more of something than the loader has room for.
    #[error("too many {what}: there is room for {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How many would fit.
        limit: usize,
    },
    /// A program is in a section whose name tells no program type.
    #[error("section `{section}` names no program type")]
    UnknownSection {
        /// The section's name.
        section: Name,
    },
    /// A program is of a type that Linux knows and this project does not.
    #[error("section `{section}`: programs of type {prog_type} are not supported")]
    UnsupportedProgType {
        /// The section's name.
        section: Name,
        /// Linux's name for the type.
        prog_type: &'static str,
    },
    /// The object has no program of this name.
    #[error("no program `{program}`")]
    NoSuchProgram {
        /// The name that was asked for.
        program: Name,
    },
    /// A map is of a type that nobody knows.
    #[error("map `{map}`: there is no type {number}")]
    UnsupportedMapType {
        /// The map's name.
        map: Name,
        /// Linux's number of the type.
        number: u32,
    },
    /// A map is declared in a way that cannot be read or that contradicts itself.
    #[error("map `{map}`: {reason} (`{attribute}`)")]
    MapAttribute {
        /// The map's name.
        map: Name,
        /// The attribute at fault.
        attribute: Name,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A program refers to a symbol that the object only declares: a kernel
    /// function, a kernel variable or a configuration value.
    #[error("symbol `{symbol}` is not defined in the object")]
    ExternSymbol {
        /// The symbol's name.
        symbol: Name,
    },
    /// A program needs a value of the kernel's configuration that the configuration
    /// does not have.
    #[error("the configuration of the kernel has no `{variable}`")]
    Unconfigured {
        /// The variable's name.
        variable: Name,
    },
    /// The configuration has a value for a variable that does not hold it.
    #[error("the variable `{variable}` does not hold what the kernel's configuration says")]
    ConfigValue {
        /// The variable's name.
        variable: Name,
    },
    /// A reference of an instruction or of a map to a symbol cannot be resolved.
    #[error("section `{section}`, byte {offset}: {reason}")]
    Relocation {
        /// Section of the reference.
        section: Name,
        /// Offset in the section, in bytes.
        offset: u64,
        /// Why.
        reason: &'static str,
    },
    /// A compile-once relocation that the object's own types do not answer.
    #[error("section `{section}`, byte {offset}: CO-RE relocation {kind}: {reason}")]
    CoRe {
        /// Section of the instruction.
        section: Name,
        /// Offset in the section, in bytes.
        offset: u32,
        /// Kind of relocation, by Linux's name.
        kind: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The caller's buffer does not hold the program.
    #[error("the program has {needed} slots, the buffer holds {given}")]
    BufferTooSmall {
        /// Slots of the program.
        needed: usize,
        /// Slots of the buffer.
        given: usize,
    },
    /// The linked program is none.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Storage ran out.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

impl LoadError {
    /// Whether nothing is wrong with the object, as far as is known: it asks for
    /// what is not here.
    pub const fn is_unsupported(&self) -> bool {
        matches!(
            self,
            Self::Unsupported { .. } | Self::UnsupportedProgType { .. } | Self::ExternSymbol { .. }
        )
    }

    pub(crate) const fn malformed(part: &'static str) -> Self {
        Self::Malformed { part }
    }

    pub(crate) fn unsupported(what: &'static str, name: &str) -> Self {
        Self::Unsupported { what, name: Name::new(name) }
    }
}
