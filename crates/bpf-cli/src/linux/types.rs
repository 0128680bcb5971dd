//! An object's BTF as Linux takes it.
//!
//! Compilers leave to the loader what only a linker knows: how large sections are and
//! where variables lie. Linux has no types for what an object only declares either, so
//! such functions and variables are given as if they were there. This is what libbpf does
//! before it loads types.

use std::collections::{HashMap, HashSet};

use kernel_bpf::loader::LoadError;
use kernel_bpf::loader::btf::{Btf, Kind, Type};
use kernel_bpf::profile::ActiveProfile;
use object::elf::{FileHeader64, STV_HIDDEN, STV_INTERNAL};
use object::read::elf::ElfFile;
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SymbolFlags};

use super::kernel;

/// Linkage of functions and variables.
const STATIC: u32 = 0;
const GLOBAL: u32 = 1;
const EXTERN: u32 = 2;

/// Bytes of a record before its entries, and of an entry of a data section.
const RECORD: usize = 12;
const ENTRY: usize = 12;

/// The types of an object.
pub struct Types {
    /// In the kernel's form.
    pub bytes: Vec<u8>,
    /// Numbers of functions by their names.
    functions: HashMap<String, u32>,
    /// Data sections of what the object only declares, which are none any more.
    replaced: HashSet<u32>,
}

impl Types {
    /// The number of the function of this name.
    pub fn function(&self, name: &str) -> Option<u32> {
        self.functions.get(name).copied()
    }

    /// The number of a map's key or value, 0 where Linux has no use for it.
    pub fn number(&self, id: u32) -> u32 {
        if self.replaced.contains(&id) { 0 } else { id }
    }

    /// The types of an ELF object; none if it has none.
    pub fn of(elf: &[u8]) -> Option<Result<Self, String>> {
        let elf = Elf::parse(elf).ok()?;
        let section = elf.section_by_name(".BTF")?;
        let types = Self::linked(section.data().ok()?, &elf);
        Some(types.map_err(|error| error.to_string()))
    }

    fn linked(source: &[u8], elf: &Elf<'_>) -> Result<Self, LoadError> {
        let btf = Btf::parse(source)?;
        let mut out = Record { bytes: source.to_vec(), at: 0 };
        out.at = usize::try_from(out.get(4) + out.get(8)).unwrap_or(usize::MAX);
        let mut replaced = HashSet::new();
        let symbols = Symbols::of(elf);
        let number = btf.types().find(|found| found.kind == Kind::Int).map_or(0, |int| int.id);
        // Of the records as they were: what refers to another one asks what that was.
        let mut places = HashMap::new();
        for found in btf.types() {
            places.insert(found.id, out.at);
            out.at += found.record_len();
        }
        for found in btf.types() {
            out.at = places.get(&found.id).copied().unwrap_or(usize::MAX);
            match found.kind {
                Kind::Function => {
                    let name = btf.name(&found);
                    if found.linkage() == Some(EXTERN) {
                        out.link(GLOBAL);
                        let proto = found.target().and_then(|id| btf.by_id(id));
                        if let Some(proto) = proto
                            && let Some(&at) = places.get(&proto.id)
                        {
                            out.name_parameters(&proto, at);
                        }
                    } else if symbols.hidden.contains(name) {
                        out.link(STATIC);
                    }
                }
                Kind::Variable if found.linkage() == Some(EXTERN) => {
                    out.set(8, number);
                    out.set(RECORD, GLOBAL);
                }
                Kind::DataSection if only_declared(&btf, &found) => {
                    replaced.insert(found.id);
                    out.enumerate(&btf, &found);
                }
                Kind::DataSection => {
                    let size = elf.section_by_name(btf.name(&found)).map_or(0, |s| s.size());
                    out.place(&btf, &found, u32::try_from(size).unwrap_or(u32::MAX), &symbols);
                }
                _ => {}
            }
        }
        Ok(Self { bytes: out.bytes, functions: kernel::functions(&btf), replaced })
    }
}

type Elf<'d> = ElfFile<'d, FileHeader64<Endianness>>;

/// Whether something in a data section is defined elsewhere.
fn only_declared(btf: &Btf<'_, ActiveProfile>, section: &Type<'_>) -> bool {
    let named = section.variables().filter_map(|variable| btf.by_id(variable.type_id));
    let mut kinds = named.map(|of| of.kind == Kind::Function || of.linkage() == Some(EXTERN));
    kinds.any(|declared| declared)
}

/// What the symbols say.
struct Symbols {
    /// Where variables lie in their sections, in bytes.
    places: HashMap<String, u32>,
    /// Functions that are verified with their callers though others could call them.
    hidden: HashSet<String>,
}

impl Symbols {
    fn of(elf: &Elf<'_>) -> Self {
        let mut this = Self { places: HashMap::new(), hidden: HashSet::new() };
        for symbol in elf.symbols().filter(|symbol| !symbol.is_undefined()) {
            let Ok(name) = symbol.name() else { continue };
            if let SymbolFlags::Elf { st_other, .. } = symbol.flags()
                && matches!(st_other.visibility(), STV_INTERNAL | STV_HIDDEN)
            {
                this.hidden.insert(name.to_owned());
            }
            if let Ok(place) = u32::try_from(symbol.address()) {
                this.places.entry(name.to_owned()).or_insert(place);
            }
        }
        this
    }
}

/// A record that is rewritten where it stands. Nothing is written behind the end.
struct Record {
    bytes: Vec<u8>,
    /// Where it begins.
    at: usize,
}

impl Record {
    fn get(&self, offset: usize) -> u32 {
        let four = self.bytes.get(self.at + offset..).and_then(|rest| rest.first_chunk());
        four.map_or(0, |four| u32::from_le_bytes(*four))
    }

    fn set(&mut self, offset: usize, value: u32) {
        let rest = self.bytes.get_mut(self.at + offset..);
        if let Some(four) = rest.and_then(|rest| rest.first_chunk_mut()) {
            *four = value.to_le_bytes();
        }
    }

    /// Sets how a function is linked.
    fn link(&mut self, linkage: u32) {
        let info = self.get(4) & !0xffff;
        self.set(4, info | linkage);
    }

    /// Names the parameters of a function's type at `at`, as Linux asks of every function,
    /// by the function's own name.
    fn name_parameters(&mut self, proto: &Type<'_>, at: usize) {
        let name = self.get(0);
        let here = std::mem::replace(&mut self.at, at);
        for parameter in 0..proto.entry_count() {
            let offset = RECORD + parameter * 8;
            if self.get(offset + 4) != 0 {
                self.set(offset, name);
            }
        }
        self.at = here;
    }

    /// Makes a data section an enumeration without a name, whose record has the same
    /// length.
    fn enumerate(&mut self, btf: &Btf<'_, ActiveProfile>, section: &Type<'_>) {
        self.set(0, 0);
        self.set(4, (Kind::Enum64 as u32) << 24 | self.get(4) & 0xffff);
        self.set(8, 8);
        for (entry, variable) in section.variables().enumerate() {
            let offset = RECORD + entry * ENTRY;
            let name = btf.by_id(variable.type_id).map_or(0, |of| of.name_offset());
            self.set(offset, name);
            self.set(offset + 4, 0);
            self.set(offset + 8, 0);
        }
    }

    /// Sets a data section's size and the places of its variables, in their order.
    fn place(
        &mut self,
        btf: &Btf<'_, ActiveProfile>,
        section: &Type<'_>,
        size: u32,
        symbols: &Symbols,
    ) {
        self.set(8, size);
        let mut variables: Vec<_> = section.variables().collect();
        for variable in &mut variables {
            let Some(of) = btf.by_id(variable.type_id) else { continue };
            // Compilers know the places of those that no other object sees.
            if of.linkage() != Some(STATIC)
                && let Some(&place) = symbols.places.get(btf.name(&of))
            {
                variable.offset = place;
            }
        }
        variables.sort_by_key(|variable| variable.offset);
        for (entry, variable) in variables.iter().enumerate() {
            let offset = RECORD + entry * ENTRY;
            self.set(offset, variable.type_id);
            self.set(offset + 4, variable.offset);
            self.set(offset + 8, variable.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLOBALS: &[u8] = include_bytes!("../../../bpf-loader/tests/objects/globals.bpf.o");
    const CONFIGURED: &[u8] = include_bytes!("../../../bpf-loader/tests/objects/configured.bpf.o");
    const EXCEPTIONS: &[u8] = include_bytes!("../../../bpf-loader/tests/objects/exceptions.bpf.o");

    fn types(object: &[u8]) -> Types {
        Types::of(object).unwrap().unwrap()
    }

    fn read(types: &Types) -> Btf<'_, ActiveProfile> {
        Btf::parse(&types.bytes).unwrap()
    }

    #[test]
    fn data_sections_say_how_large_they_are_and_where_variables_lie() {
        for object in [GLOBALS, EXCEPTIONS, CONFIGURED] {
            let (types, elf) = (types(object), Elf::parse(object).unwrap());
            let btf = read(&types);
            for section in btf.types().filter(|found| found.kind == Kind::DataSection) {
                let size = elf.section_by_name(btf.name(&section)).unwrap().size();
                assert_eq!(section.stated_size(), u32::try_from(size).ok());
                let mut end = 0;
                for variable in section.variables() {
                    assert!(variable.offset >= end, "{}", btf.name(&section));
                    end = variable.offset + variable.size;
                    let of = btf.by_id(variable.type_id).unwrap();
                    let symbol = elf.symbols().find(|s| s.name() == Ok(btf.name(&of))).unwrap();
                    assert_eq!(u64::from(variable.offset), symbol.address());
                }
                assert!(u64::from(end) <= size);
            }
        }
    }

    #[test]
    fn what_is_only_declared_is_given_as_if_it_were_there() {
        for (object, section, name) in
            [(CONFIGURED, ".kconfig", "CONFIG_HZ"), (EXCEPTIONS, ".ksyms", "bpf_throw")]
        {
            let before = Elf::parse(object).unwrap();
            let before = before.section_by_name(".BTF").unwrap().data().unwrap();
            let before = Btf::<ActiveProfile>::parse(before).unwrap();
            let id = before.find(Kind::DataSection, section).unwrap().id;
            let of = before.types().find(|found| before.name(found) == name).unwrap();
            assert_eq!(of.linkage(), Some(EXTERN));

            let types = types(object);
            let btf = read(&types);
            assert_eq!(btf.len(), before.len());
            assert_eq!(btf.by_id(of.id).unwrap().linkage(), Some(GLOBAL));
            assert!(btf.types().all(|found| found.linkage() != Some(EXTERN)));
            assert_eq!(btf.by_id(id).unwrap().kind, Kind::Enum64);
            let names: Vec<_> = btf.enumerators(&btf.by_id(id).unwrap()).collect();
            assert!(names.contains(&(name, 0)), "{names:?}");
            assert_eq!(types.number(id), 0);
            assert_eq!(types.number(of.id), of.id);
        }
    }

    #[test]
    fn hidden_functions_belong_to_their_callers() {
        let hidden = "hidden";
        let elf = Elf::parse(GLOBALS).unwrap();
        assert!(Symbols::of(&elf).hidden.contains(hidden));
        let types = types(GLOBALS);
        let linkage = |name| read(&types).by_id(types.function(name).unwrap()).unwrap().linkage();
        assert_eq!(linkage(hidden), Some(STATIC));
        assert_eq!(linkage("others"), Some(GLOBAL));
    }

    #[test]
    fn broken_types_are_an_error_and_none_are_none() {
        assert!(Types::of(b"").is_none());
        let start = GLOBALS.windows(2).position(|two| two == [0x9f, 0xeb]).unwrap();
        let broken = |at: usize| {
            let mut object = GLOBALS.to_vec();
            object[at] ^= 0x41;
            Types::of(&object).unwrap().is_err()
        };
        let (magic, kind_of_the_first) = (start, start + 24 + 7);
        assert!(broken(magic) && broken(kind_of_the_first));
    }
}
