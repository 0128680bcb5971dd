//! An object file and what is in it.

use core::fmt;

use bpf_bytecode::abi::frozen::FrozenBytes;
use bpf_bytecode::{BpfInsn, BpfProgType};
use bpf_profile::PhysicalProfile;

use crate::LoadError;
use crate::annotation::Annotated;
use crate::btf::{Btf, ExtInfo};
use crate::bytes::{Table, index, push, sub, text_at};
use crate::config::KernelConfig;
use crate::elf::{Elf, Relocations, Section, r_bpf, sht};
use crate::error::Name;
use crate::function::{self, Function, Functions, SLOT};
use crate::link::Linked;
use crate::maps::frozen::FrozenMaps;
use crate::maps::{self, Found, Map};
use crate::section::ProgramKind;

/// Sections with relocations that a table of fixed size holds.
const RELOCATED_CAPACITY: usize = 32;

/// Bytes of a licence at the most.
const MAX_LICENSE: usize = 128;

#[derive(Clone, Copy)]
struct Relocated<'d> {
    section: u32,
    relocations: Relocations<'d>,
}

/// An ELF object with BPF programs and maps, as clang, libbpf and aya make it.
///
/// The object borrows the bytes; its tables are in place where the profile is
/// static, with room for 64 functions and as many maps as a program may have
/// definitions. There it takes about 7 KiB; a target that has not as much reads
/// a [`FlatImage`](crate::FlatImage) instead.
///
/// ```
/// use bpf_loader::{LoadError, Object};
/// use bpf_profile::ActiveProfile;
///
/// # fn main() -> Result<(), LoadError> {
/// # let bytes = include_bytes!("../../../examples/programs/rate_limiter.bpf.o");
/// let object = Object::<ActiveProfile>::parse(bytes)?;
/// for program in object.programs() {
///     let linked = program.link()?;
///     println!("{}: {} slots", program.name(), linked.len());
/// }
/// for map in object.maps() {
///     println!("{}: {}", map.name, map.def.map_type);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Object<'d, P: PhysicalProfile> {
    pub(crate) elf: Elf<'d>,
    pub(crate) btf: Option<Btf<'d, P>>,
    pub(crate) annotated: Annotated<'d, P>,
    pub(crate) functions: Functions<P>,
    pub(crate) found: Found<'d, P>,
    relocated: Table<P, Relocated<'d>, RELOCATED_CAPACITY>,
    frozen: FrozenMaps<P>,
    license: &'d str,
    /// The type of programs whose sections' names say nothing.
    default_type: Option<BpfProgType>,
    /// The kernel's own program types.
    own_types: &'d [BpfProgType],
}

impl<P: PhysicalProfile> fmt::Debug for Object<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("programs", &self.programs().count())
            .field("maps", &self.maps().len())
            .field("license", &self.license)
            .finish_non_exhaustive()
    }
}

impl<'d, P: PhysicalProfile> Object<'d, P> {
    /// Reads the structure of an object: its functions, maps and types.
    /// Programs are not linked yet, so one that cannot be does not keep others
    /// from loading. Programs that ask for the kernel's configuration will not be
    /// linked: that takes [`parse_configured`](Self::parse_configured).
    ///
    /// # Errors
    /// [`LoadError`]: for bytes that are no BPF object, for maps that cannot be
    /// read or are of an unknown type, and where a table of fixed size is full.
    pub fn parse(bytes: &'d [u8]) -> Result<Self, LoadError> {
        Self::parse_with(bytes, None)
    }

    /// As [`parse`](Self::parse), for a kernel of this configuration. The variables
    /// of it that the object declares are written into `storage`, in their order and
    /// aligned to their size, and become a map `.kconfig` of constants. A byte for
    /// each byte of them and of the gaps is enough; few objects declare more than 16.
    ///
    /// ```
    /// use bpf_loader::{KernelConfig, LoadError, Object};
    /// use bpf_profile::ActiveProfile;
    ///
    /// # fn main() -> Result<(), LoadError> {
    /// # let bytes = include_bytes!("../tests/objects/configured.bpf.o");
    /// let config = KernelConfig::new("CONFIG_HZ=1000\nCONFIG_CC_VERSION_TEXT=\"clang\"");
    /// let mut storage = [0; 64];
    /// let object = Object::<ActiveProfile>::parse_configured(bytes, &config, &mut storage)?;
    /// assert!(object.map(".kconfig").is_some());
    /// object.program("uses_config")?.link()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`parse`](Self::parse); [`LoadError::Limit`], also where `storage` is too
    /// small, and [`LoadError::Unsupported`] for a variable that is neither a number,
    /// nor text, `bool` or libbpf's `enum libbpf_tristate`.
    pub fn parse_configured(
        bytes: &'d [u8],
        config: &KernelConfig<'_>,
        storage: &'d mut [u8],
    ) -> Result<Self, LoadError> {
        Self::parse_with(bytes, Some((config, storage)))
    }

    fn parse_with(
        bytes: &'d [u8],
        config: Option<(&KernelConfig<'_>, &'d mut [u8])>,
    ) -> Result<Self, LoadError> {
        let elf = Elf::parse(bytes)?;
        let mut btf = None;
        let mut ext = ExtInfo::default();
        let mut license = "";
        for section in elf.sections() {
            let section = section?;
            match section.name {
                ".BTF" => btf = Some(Btf::parse(elf.data(&section)?)?),
                ".BTF.ext" => {
                    ext = ExtInfo::parse(elf.data(&section)?)
                        .ok_or(LoadError::malformed("section `.BTF.ext`"))?;
                }
                "license" => {
                    license = text_at(elf.data(&section)?, 0, MAX_LICENSE)
                        .ok_or(LoadError::malformed("section `license`"))?;
                }
                _ => {}
            }
        }
        let functions = function::find::<P>(&elf)?;
        let found: Found<'d, P> = maps::find(&elf, btf.as_ref(), config)?;
        let relocated = relocated_sections::<P>(&elf)?;
        let annotated = match &btf {
            Some(btf) => Annotated::find(&elf, btf, ext)?,
            None => Annotated::none(),
        };
        let frozen = maps::frozen::find::<P>(&found.maps)?;
        Ok(Self {
            elf,
            btf,
            annotated,
            functions,
            found,
            relocated,
            frozen,
            license,
            default_type: None,
            own_types: &[],
        })
    }

    /// The same, where programs in sections whose names say nothing are of this type,
    /// as for loaders that are told it (`from-container`, `2/7`).
    #[must_use]
    pub fn with_default_type(self, prog_type: BpfProgType) -> Self {
        Self { default_type: Some(prog_type), ..self }
    }

    /// The same, for a kernel that has these program types beside Linux's: the names
    /// of sections are read as [`ProgramKind::of_section_among`] reads them.
    ///
    /// ```
    /// use bpf_bytecode::abi::context::{CtxField, CtxLayout, Sizes};
    /// use bpf_bytecode::abi::prog_type::{BpfProgType, ProgTypeDef, ProgTypes};
    /// use bpf_loader::{LoadError, Object};
    /// use bpf_profile::ActiveProfile;
    ///
    /// static SENSOR: ProgTypeDef = ProgTypeDef::new(ProgTypes::FIRST_OWN, "sensor", {
    ///     const SAMPLES: CtxField = CtxField::scalars(0, 24, Sizes::UP_TO_4);
    ///     CtxLayout::bytes(24, &[SAMPLES])
    /// })
    /// .in_sections(&["raw_tracepoint/sensor_burst"]);
    ///
    /// # fn main() -> Result<(), LoadError> {
    /// # let bytes = include_bytes!("../../../examples/programs/sensor_filter.bpf.o");
    /// let own = [BpfProgType::new(&SENSOR)];
    /// let object = Object::<ActiveProfile>::parse(bytes)?.with_own_types(&own);
    /// let program = object.program("sensor_filter")?.link()?.build()?;
    /// assert_eq!(program.prog_type(), own[0]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_own_types(self, own_types: &'d [BpfProgType]) -> Self {
        Self { own_types, ..self }
    }

    /// The programs, by section and place. What is in `.text` or `.text.NAME` is
    /// no program, but called by programs.
    pub fn programs(&self) -> impl Iterator<Item = Program<'_, 'd, P>> {
        let entries = self.functions.iter().enumerate().filter(|(_, f)| f.is_entry);
        entries.map(|(number, _)| Program { object: self, number })
    }

    /// The program of this name.
    ///
    /// # Errors
    /// [`LoadError::NoSuchProgram`].
    pub fn program(&self, name: &str) -> Result<Program<'_, 'd, P>, LoadError> {
        self.programs()
            .find(|program| program.name() == name)
            .ok_or(LoadError::NoSuchProgram { program: Name::new(name) })
    }

    /// The maps: declared ones first, then those of global variables. Programs
    /// refer to them by their position here.
    pub fn maps(&self) -> &[Map<'d>] {
        &self.found.maps
    }

    /// The contents of the map at position `map`, where they are constants and
    /// known when programs are verified: the live map is to be frozen with them.
    /// On a static build objects are not kept, and nothing of theirs is known; a
    /// [`FlatImage`](crate::FlatImage) that lives for ever does better.
    pub fn frozen(&self, map: usize) -> Option<&FrozenBytes> {
        let index = u32::try_from(map).ok()?;
        let at = self.frozen.binary_search_by_key(&index, |map| map.index).ok()?;
        Some(&self.frozen.get(at)?.bytes)
    }

    /// Position and definition of the map of this name.
    pub fn map(&self, name: &str) -> Option<(usize, &Map<'d>)> {
        self.maps().iter().enumerate().find(|(_, map)| map.name == name)
    }

    /// The programs with which the program array at position `map` is to be
    /// filled: index in the array, name of the program.
    ///
    /// # Errors
    /// [`LoadError::Relocation`], as an item, for an entry that names none.
    pub fn prog_array_values(
        &self,
        map: usize,
    ) -> impl Iterator<Item = Result<(u32, &'d str), LoadError>> + '_ {
        let map = self.maps().get(map).and_then(|map| Some((map, map.values_offset?)));
        map.into_iter().flat_map(move |(map, values)| {
            let start = map.offset.saturating_add(u64::from(values));
            let end = map.offset.saturating_add(map.size);
            let relocations = self.relocations(map.section).between(start, end);
            relocations.map(move |relocation| {
                let refuse = |reason| self.refusal(map.section, relocation.offset, reason);
                let within = relocation.offset.checked_sub(start).filter(|at| at % SLOT == 0);
                let index = within.and_then(|at| u32::try_from(at / SLOT).ok());
                let index = index.ok_or_else(|| refuse("no entry of a program array is there"))?;
                if !matches!(relocation.kind, r_bpf::R64_ABS64 | r_bpf::R64_64) {
                    return Err(refuse("unexpected type of relocation"));
                }
                let symbol = self.elf.symbol(relocation.symbol)?;
                let start = u32::try_from(symbol.value / SLOT).ok();
                let function = start.and_then(|start| {
                    function::beginning_at(&self.functions, symbol.section.into(), start)
                });
                match function.and_then(|number| self.functions.get(number)) {
                    Some(function) if function.is_entry => {
                        Ok((index, self.function_name(function)))
                    }
                    _ => Err(refuse("an entry of a program array is no program")),
                }
            })
        })
    }

    /// The licence that the object states; empty where it states none.
    pub fn license(&self) -> &'d str {
        self.license
    }

    /// The types, if the object has any.
    pub fn btf(&self) -> Option<&Btf<'d, P>> {
        self.btf.as_ref()
    }

    pub(crate) fn section_name(&self, section: u32) -> &'d str {
        self.elf.section(section).map_or("", |section| section.name)
    }

    pub(crate) fn function_name(&self, function: &Function) -> &'d str {
        let symbol = self.elf.symbol(function.symbol);
        symbol.and_then(|symbol| self.elf.symbol_name(&symbol)).unwrap_or_default()
    }

    /// The relocations of a section.
    pub(crate) fn relocations(&self, section: u32) -> Relocations<'d> {
        let at = self.relocated.binary_search_by_key(&section, |r| r.section);
        let found = at.ok().and_then(|at| self.relocated.get(at));
        found.map_or(Relocations::EMPTY, |r| r.relocations)
    }

    /// The bytes of a function.
    pub(crate) fn code(&self, function: &Function) -> Result<Code<'d>, LoadError> {
        let section = self.elf.section(function.section)?;
        let at = index(function.start).checked_mul(size_of::<BpfInsn>());
        let len = index(function.len).checked_mul(size_of::<BpfInsn>());
        let data = self.elf.data(&section)?;
        at.zip(len)
            .and_then(|(at, len)| sub(data, at, len))
            .map(Code)
            .ok_or(LoadError::malformed("function symbol"))
    }

    pub(crate) fn refusal(&self, section: u32, offset: u64, reason: &'static str) -> LoadError {
        LoadError::Relocation { section: Name::new(self.section_name(section)), offset, reason }
    }
}

/// The relocations of code and of declared maps.
fn relocated_sections<'d, P: PhysicalProfile>(
    elf: &Elf<'d>,
) -> Result<Table<P, Relocated<'d>, RELOCATED_CAPACITY>, LoadError> {
    let mut out = Table::<P, Relocated<'d>, RELOCATED_CAPACITY>::default();
    for section in elf.sections() {
        let section = section?;
        if !matches!(section.kind, sht::REL | sht::RELA) || section.size == 0 {
            continue;
        }
        let target: Section<'d> = elf.section(section.info)?;
        if !target.is_code() && target.name != maps::DECLARED_SECTION {
            continue;
        }
        if section.kind == sht::RELA {
            return Err(LoadError::unsupported("relocations with addends", section.name));
        }
        let relocations = Relocations::new(elf.data(&section)?)?;
        let relocated = Relocated { section: target.index, relocations };
        push(&mut out, relocated, "sections with relocations", RELOCATED_CAPACITY)?;
    }
    out.sort_unstable_by_key(|relocated| relocated.section);
    if out.windows(2).any(|pair| matches!(pair, [a, b] if a.section == b.section)) {
        return Err(LoadError::malformed("ELF file: two lists of relocations of one section"));
    }
    Ok(out)
}

/// The slots of a function, over borrowed bytes.
#[derive(Clone, Copy)]
pub(crate) struct Code<'d>(&'d [u8]);

impl Code<'_> {
    /// The slot at this place of the function.
    pub fn slot(&self, at: u32) -> Option<BpfInsn> {
        let rest = self.0.get(index(at).checked_mul(size_of::<BpfInsn>())?..)?;
        rest.first_chunk().map(|bytes| BpfInsn::from_bytes(*bytes))
    }
}

/// A program of an object, not linked yet.
pub struct Program<'o, 'd, P: PhysicalProfile> {
    pub(crate) object: &'o Object<'d, P>,
    /// Position in the object's functions.
    pub(crate) number: usize,
}

#[allow(clippy::expl_impl_clone_on_copy, reason = "a derive would ask the profile for `Clone`")]
impl<P: PhysicalProfile> Clone for Program<'_, '_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P: PhysicalProfile> Copy for Program<'_, '_, P> {}

impl<P: PhysicalProfile> fmt::Debug for Program<'_, '_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Program");
        out.field("name", &self.name()).field("section", &self.section()).finish()
    }
}

impl<'o, 'd, P: PhysicalProfile> Program<'o, 'd, P> {
    fn function(&self) -> Option<&'o Function> {
        self.object.functions.get(self.number)
    }

    /// The name of the function.
    pub fn name(&self) -> &'d str {
        self.function().map_or("", |function| self.object.function_name(function))
    }

    /// The name of the section.
    pub fn section(&self) -> &'d str {
        self.function().map_or("", |function| self.object.section_name(function.section))
    }

    /// What the section's name says: program type and where to attach.
    ///
    /// # Errors
    /// As [`ProgramKind::of_section_among`].
    pub fn kind(&self) -> Result<ProgramKind<'d>, LoadError> {
        let attach = self.section();
        let kind = ProgramKind::of_section_among(attach, self.object.own_types);
        match (kind, self.object.default_type) {
            (Err(LoadError::UnknownSection { .. }), Some(prog_type)) => {
                Ok(ProgramKind { prog_type, attach, autoload: true })
            }
            (kind, _) => kind,
        }
    }

    /// Resolves every reference of the program, together with the subprograms
    /// that it calls.
    ///
    /// # Errors
    /// [`LoadError`]: for references that cannot be resolved, for symbols that
    /// the object only declares, and for a program beyond the profile's limit.
    pub fn link(&self) -> Result<Linked<'o, 'd, P>, LoadError> {
        Linked::new(*self)
    }
}
