//! What `.BTF.ext` says about the instructions of each section.

use bpf_profile::PhysicalProfile;

use crate::LoadError;
use crate::btf::{Btf, ExtInfo, Records};
use crate::bytes::{Table, push};
use crate::elf::Elf;

/// Sections of which a table of fixed size holds the annotations.
const CAPACITY: usize = 32;

/// Sections at the most: each is looked for by name among all of the object.
const MAX_SECTIONS: usize = 512;

/// The annotations of one section.
#[derive(Clone, Copy)]
pub(crate) struct Annotations<'d> {
    section: u32,
    pub functions: Records<'d>,
    pub lines: Records<'d>,
    pub relocations: Records<'d>,
}

impl Annotations<'_> {
    pub const NONE: Self = Self {
        section: 0,
        functions: Records::EMPTY,
        lines: Records::EMPTY,
        relocations: Records::EMPTY,
    };
}

fn check_count(count: usize) -> Result<(), LoadError> {
    if count < MAX_SECTIONS {
        return Ok(());
    }
    Err(LoadError::Limit { what: "annotated sections", limit: MAX_SECTIONS })
}

/// The annotations of all sections.
pub(crate) struct Annotated<'d, P: PhysicalProfile>(Table<P, Annotations<'d>, CAPACITY>);

impl<'d, P: PhysicalProfile> Annotated<'d, P> {
    pub fn find(elf: &Elf<'d>, btf: &Btf<'d, P>, ext: ExtInfo<'d>) -> Result<Self, LoadError> {
        let mut this = Self(Table::<P, _, CAPACITY>::default());
        for (count, (name, functions)) in ext.functions().enumerate() {
            check_count(count)?;
            if let Some(found) = this.of_name(elf, btf, name)? {
                found.functions = functions;
            }
        }
        for (count, (name, lines)) in ext.lines().enumerate() {
            check_count(count)?;
            if let Some(found) = this.of_name(elf, btf, name)? {
                found.lines = lines;
            }
        }
        for (count, (name, relocations)) in ext.relocations().enumerate() {
            check_count(count)?;
            if let Some(found) = this.of_name(elf, btf, name)? {
                found.relocations = relocations;
            }
        }
        this.0.sort_unstable_by_key(|found| found.section);
        Ok(this)
    }

    /// No annotations.
    pub fn none() -> Self {
        Self(Table::<P, _, CAPACITY>::default())
    }

    /// The entry of the section whose name is at `name` of the BTF's strings,
    /// made where there is none yet.
    fn of_name(
        &mut self,
        elf: &Elf<'d>,
        btf: &Btf<'d, P>,
        name: u32,
    ) -> Result<Option<&mut Annotations<'d>>, LoadError> {
        let name = btf.name_at(name).ok_or(LoadError::malformed("section `.BTF.ext`"))?;
        let section = elf.sections().find_map(|section| {
            section.ok().filter(|section| section.is_code() && section.name == name)
        });
        let Some(section) = section else { return Ok(None) };
        let known = self.0.iter().position(|found| found.section == section.index);
        let at = if let Some(at) = known {
            at
        } else {
            let made = Annotations { section: section.index, ..Annotations::NONE };
            push(&mut self.0, made, "annotated sections", CAPACITY)?;
            self.0.len().saturating_sub(1)
        };
        Ok(self.0.get_mut(at))
    }

    /// The annotations of a section.
    pub fn of(&self, section: u32) -> Annotations<'d> {
        let at = self.0.binary_search_by_key(&section, |found| found.section);
        at.ok().and_then(|at| self.0.get(at)).copied().unwrap_or(Annotations::NONE)
    }
}
