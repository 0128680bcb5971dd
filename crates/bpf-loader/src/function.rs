//! The functions of an object.

use bpf_profile::PhysicalProfile;

use crate::LoadError;
use crate::bytes::{Table, push};
use crate::elf::{Elf, STB_LOCAL, STT_FUNC};
use crate::section;

/// Functions that a table of fixed size holds, entry points included.
pub(crate) const FUNCTION_CAPACITY: usize = 64;

/// Functions at the most, wherever they are kept. Whoever links every program of
/// a hostile object does so this many times.
const MAX_FUNCTIONS: usize = 4096;

/// Bytes of a slot.
pub(crate) const SLOT: u64 = 8;

/// Whether a section of this name holds only what programs call. Compilers put
/// what is hardly ever run into `.text.unlikely.` and its like.
fn holds_subprograms(section: &str) -> bool {
    section::is_named(section, ".text")
}

/// A function: a run of slots of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    pub section: u32,
    /// First slot in the section.
    pub start: u32,
    /// Slots.
    pub len: u32,
    /// Number of its symbol.
    pub symbol: u32,
    /// Whether it is a program, and not only called by programs.
    pub is_entry: bool,
}

pub(crate) type Functions<P> = Table<P, Function, FUNCTION_CAPACITY>;

/// The functions of `elf`, by section and place.
pub(crate) fn find<P: PhysicalProfile>(elf: &Elf<'_>) -> Result<Functions<P>, LoadError> {
    let mut found = Functions::<P>::default();
    for (number, symbol) in (0_u32..).zip(elf.symbols()) {
        let symbol = symbol?;
        if symbol.kind() != STT_FUNC || symbol.section == 0 {
            continue;
        }
        let section = elf.section(u32::from(symbol.section))?;
        if !section.is_code() {
            continue;
        }
        let broken = LoadError::malformed("function symbol");
        let end = symbol.value.checked_add(symbol.size).ok_or(broken)?;
        if symbol.value % SLOT != 0 || symbol.size % SLOT != 0 || symbol.size == 0 {
            return Err(broken);
        }
        if end > section.size {
            return Err(broken);
        }
        let function = Function {
            section: section.index,
            start: u32::try_from(symbol.value / SLOT).map_err(|_| broken)?,
            len: u32::try_from(symbol.size / SLOT).map_err(|_| broken)?,
            symbol: number,
            is_entry: symbol.binding() != STB_LOCAL && !holds_subprograms(section.name),
        };
        if found.len() >= MAX_FUNCTIONS {
            return Err(LoadError::Limit { what: "functions", limit: MAX_FUNCTIONS });
        }
        push::<Function>(&mut found, function, "functions", FUNCTION_CAPACITY)?;
    }
    // Among aliases of one function the program comes first.
    found.sort_unstable_by_key(|f| (f.section, f.start, !f.is_entry, f.symbol));
    for functions in found.chunk_by_mut(|a, b| a.section == b.section) {
        // Where all of a section are static, that says nothing: who loads such an
        // object does so by section.
        let is_text = functions
            .first()
            .is_some_and(|f| elf.section(f.section).is_ok_and(|s| holds_subprograms(s.name)));
        if !is_text && functions.iter().all(|f| !f.is_entry) {
            for function in functions {
                function.is_entry = true;
            }
        }
    }
    Ok(found)
}

/// Number of the function that begins at slot `start` of `section`.
pub(crate) fn beginning_at(functions: &[Function], section: u32, start: u32) -> Option<usize> {
    let at = functions.partition_point(|f| (f.section, f.start) < (section, start));
    functions.get(at).filter(|f| f.section == section && f.start == start).map(|_| at)
}
