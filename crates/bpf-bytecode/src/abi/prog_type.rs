//! Program types: what a program is for, as data.
//!
//! A program type says what its programs find behind R1, what they may return
//! and what they may call. Those of Linux are constants of [`BpfProgType`]. A
//! kernel describes its own in a static [`ProgTypeDef`]:
//!
//! ```
//! use bpf_bytecode::abi::context::{CtxField, CtxLayout, FieldKind, Sizes};
//! use bpf_bytecode::abi::prog_type::{BpfProgType, ProgTypeDef, ProgTypes};
//!
//! /// A sensor's reading (4 bytes) and a threshold that programs may set.
//! static SENSOR: ProgTypeDef = ProgTypeDef::new(ProgTypes::FIRST_OWN, "sensor", {
//!     const READING: CtxField = CtxField::scalars(0, 4, Sizes::UP_TO_4);
//!     const THRESHOLD: CtxField = CtxField::scalars(4, 8, Sizes::ONLY_4);
//!     CtxLayout::bytes(8, &[READING, THRESHOLD.written(Sizes::ONLY_4)])
//! })
//! .returning(0, 1)
//! .in_sections(&["sensor+"]);
//!
//! const TYPE: BpfProgType = BpfProgType::new(&SENSOR);
//! assert_eq!(TYPE.name(), "sensor");
//! assert_eq!(TYPE.context().access(4, 4, true), Some(FieldKind::Scalar));
//! assert!(TYPE.fits_section("sensor/front"));
//! ```

use core::fmt;

use crate::abi::context::CtxLayout;

mod cgroup;
mod linux;
mod skb;
mod sock_addr;
mod socket;
mod tracing;
mod xdp;

/// A set of program types, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProgTypes(u64);

impl ProgTypes {
    /// Every type, whatever its number.
    pub const ALL: Self = Self(u64::MAX);
    /// None.
    pub const NONE: Self = Self(0);
    /// The least number of a kernel's own program types. Those up to 63 can be
    /// told apart in sets; larger ones are in [`ALL`](Self::ALL) only.
    pub const FIRST_OWN: u32 = 48;

    /// The set of these types.
    pub const fn of(mut types: &[BpfProgType]) -> Self {
        let mut set = 0;
        while let [first, rest @ ..] = types {
            set |= Self::number(first.number()).0;
            types = rest;
        }
        Self(set)
    }

    /// The set of the one type with this number; empty where it is above 63.
    pub const fn number(number: u32) -> Self {
        match 1_u64.checked_shl(number) {
            Some(bit) => Self(bit),
            None => Self::NONE,
        }
    }

    /// The types of either set.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a type is in both sets, or one of them is [`ALL`](Self::ALL).
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0 || self.0 == u64::MAX || other.0 == u64::MAX
    }
}

/// What there is to know about a program type.
#[derive(Debug, PartialEq, Eq)]
pub struct ProgTypeDef {
    /// Linux's number, or one of a kernel's own from
    /// [`ProgTypes::FIRST_OWN`] on.
    pub number: u32,
    /// Linux's number of the attach type, where programs of one type differ by
    /// where they are attached.
    pub attach: Option<u32>,
    /// Name, unique among all program types.
    pub name: &'static str,
    /// Names of sections with such programs, as libbpf writes them: with a `+`
    /// at the end where `/` and more may follow.
    pub sections: &'static [&'static str],
    /// What R1 points to at the entry.
    pub context: CtxLayout,
    /// The values that R0 may have at the program's end, as a signed 32-bit
    /// number; any, where there are none.
    pub returns: Option<(i32, i32)>,
    /// Whether programs may load packet bytes by the deprecated instructions.
    pub legacy_loads: bool,
    /// Programs may call what programs of one of these types may call.
    pub helpers: ProgTypes,
}

impl ProgTypeDef {
    /// A type whose programs return any number and call what is allowed to
    /// programs of this number.
    pub const fn new(number: u32, name: &'static str, context: CtxLayout) -> Self {
        let helpers = ProgTypes::number(number);
        Self {
            number,
            attach: None,
            name,
            sections: &[],
            context,
            returns: None,
            legacy_loads: false,
            helpers,
        }
    }

    /// The same type for programs that are attached at `attach`.
    #[must_use]
    pub const fn attached(self, attach: u32) -> Self {
        Self { attach: Some(attach), ..self }
    }

    /// The same type, found in sections of these names.
    #[must_use]
    pub const fn in_sections(self, sections: &'static [&'static str]) -> Self {
        Self { sections, ..self }
    }

    /// The same type of programs that return `min` to `max`.
    #[must_use]
    pub const fn returning(self, min: i32, max: i32) -> Self {
        Self { returns: Some((min, max)), ..self }
    }

    /// The same type of programs that may load packet bytes by the deprecated
    /// instructions.
    #[must_use]
    pub const fn with_legacy_loads(self) -> Self {
        Self { legacy_loads: true, ..self }
    }

    /// The same type of programs that may also call what programs of these
    /// types may.
    #[must_use]
    pub const fn with_helpers_of(self, types: ProgTypes) -> Self {
        let helpers = self.helpers.and(types);
        Self { helpers, ..self }
    }
}

/// What a program is for: a handle of a [`ProgTypeDef`].
#[derive(Clone, Copy)]
pub struct BpfProgType(&'static ProgTypeDef);

impl BpfProgType {
    /// The type that `def` describes.
    pub const fn new(def: &'static ProgTypeDef) -> Self {
        Self(def)
    }

    /// What there is to know about it.
    pub const fn def(self) -> &'static ProgTypeDef {
        self.0
    }

    /// Linux's number, or a kernel's own.
    pub const fn number(self) -> u32 {
        self.0.number
    }

    /// Name: Linux's in lower case as `bpftool` prints it, and that of the
    /// attach type where there are several.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// What R1 points to at the entry.
    pub const fn context(self) -> &'static CtxLayout {
        &self.0.context
    }

    /// The types that this project's engines run, of this number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::STANDARD.iter().copied().find(|known| known.number() == number)
    }

    /// Whether programs of this type are in sections of this name.
    pub fn fits_section(self, section: &str) -> bool {
        self.section_match(section).is_some()
    }

    /// How well a section's name fits: bytes of the name in front of a `/`,
    /// one more where nothing follows.
    pub fn section_match(self, section: &str) -> Option<usize> {
        let fit = |pattern: &&str| match pattern.strip_suffix('+') {
            _ if section == *pattern => pattern.len().checked_add(1),
            Some(prefix) => match section.strip_prefix(prefix)? {
                "" => prefix.len().checked_add(1),
                more => more.starts_with('/').then_some(prefix.len()),
            },
            None => None,
        };
        self.0.sections.iter().filter_map(fit).max()
    }

    /// How many bytes of a section's name are a name of this type's sections, where
    /// something else than a letter follows: `xdp_prog` and `socket1` are names from
    /// before libbpf 1.0.
    pub fn section_begin(self, section: &str) -> Option<usize> {
        let fit = |pattern: &&str| {
            let name = pattern.strip_suffix('+').unwrap_or(pattern);
            let follows = section.strip_prefix(name)?.chars().next()?;
            (!follows.is_alphabetic()).then_some(name.len())
        };
        self.0.sections.iter().filter_map(fit).max()
    }
}

impl PartialEq for BpfProgType {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0) || self.0 == other.0
    }
}

impl Eq for BpfProgType {}

impl core::hash::Hash for BpfProgType {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (self.0.number, self.0.attach).hash(state);
    }
}

impl fmt::Debug for BpfProgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for BpfProgType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
