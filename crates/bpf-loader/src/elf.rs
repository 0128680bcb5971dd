//! ELF64 objects, as far as BPF compilers make them.
//!
//! Four kinds of record of fixed size are all there is to read. They are read
//! here and not through a general ELF library, since every lookup must be
//! bounded: a general library looks for the end of a name through the whole of
//! a hostile string table.

use crate::LoadError;
use crate::bytes::{index, name_at, sub, u8_at, u16_at, u32_at, u64_at};

/// Section types that matter here.
pub(crate) mod sht {
    pub const SYMTAB: u32 = 2;
    pub const RELA: u32 = 4;
    pub const NOBITS: u32 = 8;
    pub const REL: u32 = 9;
}

/// Relocation types of the target `bpf`.
pub(crate) mod r_bpf {
    /// Both halves of a 64-bit immediate load.
    pub const R64_64: u32 = 1;
    /// Eight bytes of data.
    pub const R64_ABS64: u32 = 2;
    /// The immediate of a call, in slots.
    pub const R64_32: u32 = 10;
}

const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;
const EM_BPF: u16 = 247;
const ET_REL: u16 = 1;
const HEADER: usize = 64;
const SECTION: usize = 64;
pub(crate) const SYMBOL: usize = 24;
pub(crate) const RELOCATION: usize = 16;

/// Symbol types and bindings.
pub(crate) const STT_FUNC: u8 = 2;
pub(crate) const STT_SECTION: u8 = 3;
pub(crate) const STB_LOCAL: u8 = 0;
const STV_INTERNAL: u8 = 1;
const STV_HIDDEN: u8 = 2;
/// Section index of symbols that are only declared.
pub(crate) const SHN_UNDEF: u16 = 0;

/// A header of a section.
#[derive(Clone, Copy)]
pub(crate) struct Section<'d> {
    pub index: u32,
    pub name: &'d str,
    pub kind: u32,
    flags: u64,
    offset: u64,
    pub size: u64,
    pub link: u32,
    pub info: u32,
}

impl Section<'_> {
    pub fn is_code(&self) -> bool {
        self.flags & SHF_EXECINSTR != 0
    }

    pub fn is_loaded(&self) -> bool {
        self.flags & SHF_ALLOC != 0
    }
}

/// A symbol.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    pub section: u16,
    pub value: u64,
    pub size: u64,
}

impl Symbol {
    pub fn kind(&self) -> u8 {
        self.info & 0xf
    }

    pub fn binding(&self) -> u8 {
        self.info >> 4
    }

    /// Whether other objects can see the symbol.
    pub fn is_visible(&self) -> bool {
        self.binding() != STB_LOCAL && !matches!(self.other & 3, STV_INTERNAL | STV_HIDDEN)
    }
}

/// A relocation without addend.
#[derive(Clone, Copy)]
pub(crate) struct Relocation {
    pub offset: u64,
    pub kind: u32,
    pub symbol: u32,
}

/// An object file over borrowed bytes.
#[derive(Clone, Copy)]
pub(crate) struct Elf<'d> {
    bytes: &'d [u8],
    headers: &'d [u8],
    section_names: &'d [u8],
    symbols: &'d [u8],
    symbol_names: &'d [u8],
}

impl<'d> Elf<'d> {
    pub fn parse(bytes: &'d [u8]) -> Result<Self, LoadError> {
        let header = sub(bytes, 0, HEADER).ok_or(LoadError::malformed("ELF header"))?;
        let (section_bytes, names) = check_header(bytes, header)?;
        let mut elf = Self {
            bytes,
            headers: section_bytes,
            section_names: &[],
            symbols: &[],
            symbol_names: &[],
        };
        elf.section_names = elf.data(&elf.section(u32::from(names))?)?;
        elf.find_symbols()?;
        Ok(elf)
    }

    fn find_symbols(&mut self) -> Result<(), LoadError> {
        for at in 0..self.section_count() {
            let section = self.section(at)?;
            if section.kind == sht::SYMTAB {
                if !self.symbols.is_empty() {
                    return Err(LoadError::malformed("ELF file: two symbol tables"));
                }
                self.symbols = self.data(&section)?;
                self.symbol_names = self.data(&self.section(section.link)?)?;
            }
        }
        Ok(())
    }

    pub fn section_count(&self) -> u32 {
        u32::try_from(self.headers.len() / SECTION).unwrap_or(0)
    }

    pub fn sections(&self) -> impl Iterator<Item = Result<Section<'d>, LoadError>> + use<'d> {
        let elf = *self;
        (0..elf.section_count()).map(move |at| elf.section(at))
    }

    pub fn section(&self, at: u32) -> Result<Section<'d>, LoadError> {
        self.read_section(at).ok_or(LoadError::malformed("section header"))
    }

    fn read_section(&self, at: u32) -> Option<Section<'d>> {
        let raw = sub(self.headers, index(at).checked_mul(SECTION)?, SECTION)?;
        // While the names are not known yet, all are empty.
        let name = match self.section_names {
            [] => "",
            names => name_at(names, index(u32_at(raw, 0)?))?,
        };
        Some(Section {
            index: at,
            name,
            kind: u32_at(raw, 4)?,
            flags: u64_at(raw, 8)?,
            offset: u64_at(raw, 24)?,
            size: u64_at(raw, 32)?,
            link: u32_at(raw, 40)?,
            info: u32_at(raw, 44)?,
        })
    }

    /// A section's bytes; none for a section that is only a size.
    pub fn data(&self, section: &Section<'_>) -> Result<&'d [u8], LoadError> {
        if section.kind == sht::NOBITS {
            return Ok(&[]);
        }
        let at = usize::try_from(section.offset).ok();
        let len = usize::try_from(section.size).ok();
        at.zip(len)
            .and_then(|(at, len)| sub(self.bytes, at, len))
            .ok_or(LoadError::malformed("section: it lies outside the file"))
    }

    pub fn symbol_count(&self) -> u32 {
        u32::try_from(self.symbols.len() / SYMBOL).unwrap_or(u32::MAX)
    }

    pub fn symbols(&self) -> impl Iterator<Item = Result<Symbol, LoadError>> + use<'d> {
        let elf = *self;
        (0..elf.symbol_count()).map(move |at| elf.symbol(at))
    }

    pub fn symbol(&self, at: u32) -> Result<Symbol, LoadError> {
        self.read_symbol(at).ok_or(LoadError::malformed("symbol"))
    }

    fn read_symbol(&self, at: u32) -> Option<Symbol> {
        let raw = sub(self.symbols, index(at).checked_mul(SYMBOL)?, SYMBOL)?;
        Some(Symbol {
            name: u32_at(raw, 0)?,
            info: u8_at(raw, 4)?,
            other: u8_at(raw, 5)?,
            section: u16_at(raw, 6)?,
            value: u64_at(raw, 8)?,
            size: u64_at(raw, 16)?,
        })
    }

    pub fn symbol_name(&self, symbol: &Symbol) -> Result<&'d str, LoadError> {
        name_at(self.symbol_names, index(symbol.name)).ok_or(LoadError::malformed("symbol name"))
    }
}

/// Checks the header; gives the bytes of the section headers and the index of
/// the section with the sections' names.
fn check_header<'d>(bytes: &'d [u8], header: &[u8]) -> Result<(&'d [u8], u16), LoadError> {
    let broken = LoadError::malformed("ELF header");
    if sub(header, 0, 4) != Some(b"\x7fELF") {
        return Err(LoadError::malformed("ELF header: no ELF file"));
    }
    match sub(header, 4, 2) {
        Some([2, 1]) => {}
        Some([2, 2]) => return Err(LoadError::unsupported("byte order", "big endian")),
        Some([1, _]) => return Err(LoadError::unsupported("ELF class", "ELF32")),
        _ => return Err(LoadError::unsupported("ELF class", "unknown")),
    }
    let machine = match u16_at(header, 18) {
        // Early compilers for BPF left the machine at 0.
        Some(0 | EM_BPF) => None,
        Some(3) => Some("x86"),
        Some(40) => Some("Arm"),
        Some(62) => Some("x86-64"),
        Some(183) => Some("AArch64"),
        Some(243) => Some("RISC-V"),
        _ => Some("unknown"),
    };
    if let Some(machine) = machine {
        return Err(LoadError::unsupported("machine", machine));
    }
    let file_type = match u16_at(header, 16) {
        Some(ET_REL) => None,
        Some(2) => Some("executable"),
        Some(3) => Some("shared object"),
        _ => Some("unknown"),
    };
    if let Some(file_type) = file_type {
        return Err(LoadError::unsupported("ELF file type", file_type));
    }
    let at = u64_at(header, 40).and_then(|at| usize::try_from(at).ok()).ok_or(broken)?;
    if u16_at(header, 58).map(usize::from) != Some(SECTION) {
        return Err(broken);
    }
    // A count of 0 means none, or more than 16 bits can say: neither is BPF.
    let count = u16_at(header, 60).map_or(0, usize::from);
    let len = count.checked_mul(SECTION).filter(|&len| len > 0).ok_or(broken)?;
    let names = u16_at(header, 62).ok_or(broken)?;
    let outside =
        LoadError::malformed("ELF file: the section headers lie outside, as if it were cut");
    Ok((sub(bytes, at, len).ok_or(outside)?, names))
}

/// The relocations of one section, over borrowed bytes.
#[derive(Clone, Copy)]
pub(crate) struct Relocations<'d> {
    raw: &'d [u8],
    sorted: bool,
}

/// Relocations that may come in any order; more of them must be in order of
/// their offsets, as every compiler emits them.
const MAX_UNSORTED: usize = 512;

impl<'d> Relocations<'d> {
    pub const EMPTY: Self = Self { raw: &[], sorted: true };

    pub fn new(raw: &'d [u8]) -> Result<Self, LoadError> {
        let mut this = Self { raw, sorted: true };
        let mut last = 0;
        for relocation in this.iter() {
            this.sorted &= relocation.offset >= last;
            last = relocation.offset;
        }
        if !this.sorted && this.len() > MAX_UNSORTED {
            return Err(LoadError::Limit { what: "unsorted relocations", limit: MAX_UNSORTED });
        }
        Ok(this)
    }

    fn len(&self) -> usize {
        self.raw.len() / RELOCATION
    }

    fn get(&self, at: usize) -> Option<Relocation> {
        let raw = sub(self.raw, at.checked_mul(RELOCATION)?, RELOCATION)?;
        Some(Relocation {
            offset: u64_at(raw, 0)?,
            kind: u32_at(raw, 8)?,
            symbol: u32_at(raw, 12)?,
        })
    }

    pub fn iter(self) -> impl Iterator<Item = Relocation> + use<'d> {
        (0..self.len()).map_while(move |at| self.get(at))
    }

    /// Number of the first relocation at or behind `offset`, if in order.
    fn position(&self, offset: u64) -> usize {
        let (mut low, mut high) = (0_usize, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(|r| r.offset < offset) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }

    /// The relocations from `start` up to `end`, in bytes.
    pub fn between(self, start: u64, end: u64) -> impl Iterator<Item = Relocation> + use<'d> {
        let first = if self.sorted { self.position(start) } else { 0 };
        let (sorted, len) = (self.sorted, self.len());
        (first..len)
            .map_while(move |at| self.get(at))
            .take_while(move |r| !sorted || r.offset < end)
            .filter(move |r| (start..end).contains(&r.offset))
    }

    /// The relocation at `offset`, in bytes.
    pub fn at(self, offset: u64) -> Option<Relocation> {
        self.between(offset, offset.checked_add(1)?).next()
    }
}
