//! Files as programs and map definitions, whatever their format.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use kernel_bpf::bytecode::abi::frozen::{FrozenBytes, FrozenMap};
use kernel_bpf::bytecode::abi::map::MapDef;
use kernel_bpf::bytecode::text;
use kernel_bpf::bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use kernel_bpf::loader::flat::{self, FlatContents, FlatImage};
use kernel_bpf::loader::{Contents, Linked, LoadError};
use kernel_bpf::profile::{ActiveProfile, PhysicalProfile};

use crate::exit::Usage;
use crate::loading::Loading;

/// Slots that the tool can hold of one program.
const MAX_SLOTS: usize = ActiveProfile::MAX_INSN_COUNT;

/// A line of source.
#[derive(Clone, Debug)]
pub struct SourceLine {
    pub file: String,
    pub line: u32,
    pub column: u32,
    pub text: String,
}

/// A program of a file, or why it could not be loaded.
#[derive(Debug)]
pub struct Unit {
    pub name: String,
    pub section: String,
    pub program: Result<BpfProgram<ActiveProfile>, String>,
    /// Whether it could not be loaded because it asks for what is not there.
    pub unsupported: bool,
    /// The function that begins at a slot.
    pub functions: Vec<(usize, String)>,
    /// For each slot the line it was compiled from.
    pub lines: Vec<Option<SourceLine>>,
}

impl Unit {
    /// The line of source from which slot `pc` was compiled.
    pub fn line(&self, pc: usize) -> Option<&SourceLine> {
        self.lines.get(pc)?.as_ref()
    }

    /// The function to which slot `pc` belongs.
    pub fn function(&self, pc: usize) -> Option<&str> {
        let begun = self.functions.iter().rev().find(|(start, _)| *start <= pc)?;
        Some(&begun.1)
    }
}

/// A map of a file.
#[derive(Debug)]
pub struct MapUnit {
    pub name: String,
    pub def: MapDef,
    /// The beginning of the map's only value before the first program runs, zeros
    /// follow; empty for a map that starts without entries, or as zeros.
    pub contents: Vec<u8>,
    /// The same, where they are constants: known to the verifier, and the live
    /// map is frozen with them.
    pub frozen: Option<FrozenBytes>,
    /// Programs to fill a program array with: index, program.
    pub programs: Vec<(u32, String)>,
    /// Numbers of the key's and the value's BTF type, 0 where there is none.
    pub types: (u32, u32),
}

/// A file.
#[derive(Debug)]
pub struct LoadedFile {
    pub format: &'static str,
    /// The file itself where it is an object, else empty.
    pub object: Vec<u8>,
    pub license: String,
    pub units: Vec<Unit>,
    pub maps: Vec<MapUnit>,
}

impl LoadedFile {
    /// Reads and loads a file. Its content decides between object and image,
    /// its name marks assembly text.
    pub fn open(path: &Path, loading: &Loading) -> Result<Self> {
        let name = path.display();
        let bytes = fs::read(path).with_context(|| format!("{name}"))?;
        let is_text = path.extension().is_some_and(|e| e == "s" || e == "asm");
        let loaded = if is_text {
            Self::from_text(&bytes, path, loading)
        } else if bytes.starts_with(b"\x7fELF") {
            Self::from_object(&bytes, loading)
        } else if bytes.starts_with(&flat::MAGIC) {
            Self::from_image(&bytes)
        } else {
            Err(unknown_format(&bytes))
        };
        loaded.with_context(|| format!("{name}"))
    }

    /// The programs that `--prog` selects: the one of that name, or all.
    pub fn select(&self, prog: Option<&str>) -> Result<Vec<&Unit>> {
        let Some(wanted) = prog else { return Ok(self.units.iter().collect()) };
        let found: Vec<_> = self.units.iter().filter(|unit| unit.name == wanted).collect();
        if found.is_empty() {
            let names: Vec<_> = self.units.iter().map(|unit| unit.name.as_str()).collect();
            let text = format!("no program `{wanted}`; there are: {}", names.join(", "));
            return Err(anyhow!(Usage(text)));
        }
        Ok(found)
    }

    fn from_object(bytes: &[u8], loading: &Loading) -> Result<Self> {
        let mut storage = Loading::storage();
        let object = loading.parse(bytes, &mut storage)?;
        let mut maps = Vec::new();
        for (index, map) in object.maps().iter().enumerate() {
            let programs = object
                .prog_array_values(index)
                .map(|entry| entry.map(|(slot, name)| (slot, name.to_owned())))
                .collect::<Result<_, _>>()?;
            let contents = match map.contents {
                Contents::Bytes(bytes) => bytes.to_vec(),
                Contents::Empty | Contents::Zeroed => Vec::new(),
            };
            let (name, frozen) = (map.name.to_owned(), constants(&map.def, &contents));
            let types = (map.key_type, map.value_type);
            maps.push(MapUnit { name, def: map.def, contents, frozen, programs, types });
        }
        let units = object
            .programs()
            .map(|program| {
                let (name, section) = (program.name().to_owned(), program.section().to_owned());
                match program.link() {
                    Ok(linked) => unit_of(name, section, &linked, &maps),
                    Err(error) => failed(name, section, &error.into()),
                }
            })
            .collect();
        let license = object.license().to_owned();
        Ok(Self { format: "ELF", object: bytes.to_vec(), license, units, maps })
    }

    fn from_image(bytes: &[u8]) -> Result<Self> {
        let image = FlatImage::parse(bytes)?;
        let names: Vec<String> = image.programs().map(|p| p.name.to_owned()).collect();
        let maps: Vec<MapUnit> = image
            .maps()
            .map(|map| {
                let contents = match map.contents {
                    FlatContents::Value(bytes) => bytes.to_vec(),
                    FlatContents::Empty | FlatContents::Programs => Vec::new(),
                };
                MapUnit {
                    name: map.name.to_owned(),
                    def: map.def,
                    frozen: constants(&map.def, &contents),
                    contents,
                    programs: map
                        .programs()
                        .filter_map(|(slot, at)| Some((slot, names.get(at)?.clone())))
                        .collect(),
                    types: (0, 0),
                }
            })
            .collect();
        let units = image
            .programs()
            .map(|program| {
                let insns = program.insns().collect();
                let built = build(program.name, program.prog_type, insns, &maps);
                Unit {
                    name: program.name.to_owned(),
                    section: program.attach.to_owned(),
                    program: built.map_err(|error| format!("{error:#}")),
                    unsupported: false,
                    functions: Vec::new(),
                    lines: Vec::new(),
                }
            })
            .collect();
        let (object, license) = (Vec::new(), String::new());
        Ok(Self { format: "flat image", object, license, units, maps })
    }

    fn from_text(bytes: &[u8], path: &Path, loading: &Loading) -> Result<Self> {
        let source = source_text(bytes)?;
        let insns = assemble(source).map_err(|error| anyhow!("{error}"))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let prog_type = loading.default_type().unwrap_or(BpfProgType::SocketFilter);
        let program = build(&name, prog_type, insns, &[]).map_err(|error| format!("{error:#}"));
        let unit = Unit {
            name,
            section: String::new(),
            program,
            unsupported: false,
            functions: Vec::new(),
            lines: Vec::new(),
        };
        let (object, license) = (Vec::new(), String::new());
        Ok(Self { format: "assembly", object, license, units: vec![unit], maps: vec![] })
    }
}

/// Bytes of a file as assembly text.
pub fn source_text(bytes: &[u8]) -> Result<&str> {
    let not_text =
        |e: std::str::Utf8Error| anyhow!("no text: byte {} is not UTF-8", e.valid_up_to());
    std::str::from_utf8(bytes).map_err(not_text)
}

/// Assembles text of any length.
pub fn assemble(source: &str) -> Result<Vec<BpfInsn>, text::AsmError> {
    // No statement is shorter than two bytes, and none makes more than two slots.
    let room = source.len().saturating_add(2).min(MAX_SLOTS.saturating_add(1));
    let mut slots = vec![BpfInsn::default(); room];
    let count = text::assemble_into::<ActiveProfile>(source, &mut slots)?.len();
    slots.truncate(count);
    Ok(slots)
}

/// What is said of bytes that are of no known form.
fn unknown_format(bytes: &[u8]) -> anyhow::Error {
    if bytes.starts_with(b"BC\xc0\xde") {
        anyhow!("LLVM bitcode, which a linker such as bpf-linker has yet to make an object of")
    } else if bytes.is_empty() {
        anyhow!("the file is empty")
    } else {
        anyhow!("neither an ELF object nor a flat image (text is read from .s and .asm)")
    }
}

/// The contents of a map of constants, which live as long as the process.
fn constants(def: &MapDef, contents: &[u8]) -> Option<FrozenBytes> {
    let known = FrozenMap::can_be(def) && !contents.is_empty();
    known.then(|| FrozenBytes::from_static(Vec::leak(contents.to_vec())))
}

fn failed(name: String, section: String, error: &anyhow::Error) -> Unit {
    Unit {
        name,
        section,
        program: Err(format!("{error:#}")),
        unsupported: error.downcast_ref().is_some_and(LoadError::is_unsupported),
        functions: Vec::new(),
        lines: Vec::new(),
    }
}

fn unit_of(
    name: String,
    section: String,
    linked: &Linked<'_, '_, ActiveProfile>,
    maps: &[MapUnit],
) -> Unit {
    let built = || -> Result<BpfProgram<ActiveProfile>> {
        let kind = linked.kind()?;
        let insns = linked.insns().collect::<Result<Vec<_>, _>>()?;
        let builder = builder(&name, kind.prog_type, insns, maps);
        Ok(linked.annotate(builder, kind.prog_type)?.build()?)
    };
    let program = match built() {
        Ok(program) => Ok(program),
        Err(error) => return failed(name, section, &error),
    };
    let functions = linked.functions().map(|(at, name)| (at, name.to_owned())).collect();
    let lines = (0..linked.len())
        .map(|pc| {
            linked.line(pc).map(|line| SourceLine {
                file: line.file.to_owned(),
                line: line.line,
                column: line.column,
                text: line.text.to_owned(),
            })
        })
        .collect();
    Unit { name, section, program, unsupported: false, functions, lines }
}

/// A program over instructions that live as long as the process, so that its
/// length is bounded by the profile alone and not by a static capacity.
pub fn build(
    name: &str,
    prog_type: BpfProgType,
    insns: Vec<BpfInsn>,
    maps: &[MapUnit],
) -> Result<BpfProgram<ActiveProfile>> {
    Ok(builder(name, prog_type, insns, maps).build()?)
}

fn builder(
    name: &str,
    prog_type: BpfProgType,
    insns: Vec<BpfInsn>,
    maps: &[MapUnit],
) -> ProgramBuilder<ActiveProfile> {
    let mut builder = ProgramBuilder::from_static(prog_type, Vec::leak(insns)).name(name);
    for map in maps {
        builder = match &map.frozen {
            Some(bytes) => builder.frozen_map(map.def, bytes.clone()),
            None => builder.map(map.def),
        };
    }
    builder
}
