//! Programs and their builder.

use core::fmt;
use core::marker::PhantomData;

use bpf_profile::config::{GLOBAL_FUNCTIONS_CAPACITY, MAP_DEFS_CAPACITY, PROGRAM_CAPACITY};
use bpf_profile::{MemoryStrategy, OutOfMemory, PhysicalProfile, Sequence, Stored};

use crate::abi::field::MapField;
use crate::abi::frozen::{FrozenBytes, FrozenMap};
use crate::abi::global::GlobalFunction;
use crate::abi::kfunc::UnknownKfunc;
use crate::abi::map::{MapDef, ObjName};
pub use crate::abi::prog_type::BpfProgType;
use crate::insn::BpfInsn;
use crate::instruction::{CallTarget, DecodeError, Imm64, Instruction, jump_target};
use crate::text::{self, AsmError, Listing};

/// Why a program cannot be built. Indices are in slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProgramError {
    /// The program has no instruction.
    #[error("program has no instruction")]
    Empty,
    /// The profile does not allow as many slots.
    #[error("program has {slots} slots, the profile allows {limit}")]
    TooLong {
        /// Slots of the program.
        slots: usize,
        /// What the profile allows.
        limit: usize,
    },
    /// The builder's storage does not suffice.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// A slot is no instruction.
    #[error("insn {pc}: {error}")]
    Decode {
        /// Slot.
        pc: usize,
        /// What is wrong with it.
        error: DecodeError,
    },
    /// A jump or call leads outside the program.
    #[error("insn {pc}: jump out of range")]
    JumpOutOfRange {
        /// Slot of the jump.
        pc: usize,
    },
    /// A jump or call leads into the second slot of a 64-bit immediate load.
    #[error("insn {pc}: jump into the middle of ldimm64 insn {target}")]
    JumpIntoImm64 {
        /// Slot of the jump.
        pc: usize,
        /// Slot that it leads to.
        target: usize,
    },
    /// Control would run past the last instruction.
    #[error("insn {pc}: last insn is not an exit or jmp")]
    FallsOffEnd {
        /// Slot of the last instruction.
        pc: usize,
    },
    /// An instruction names a map definition that the program does not carry.
    #[error("insn {pc}: no map definition {index}, the program has {count}")]
    NoSuchMap {
        /// Slot.
        pc: usize,
        /// Index that the instruction names.
        index: u32,
        /// Definitions of the program.
        count: usize,
    },
    /// Contents that do not belong to their map, or of a map that has none.
    #[error("the contents of map {index} are none of a frozen array of one value")]
    FrozenContents {
        /// Index of the map.
        index: u32,
    },
}

type Slots<P> = Stored<<P as PhysicalProfile>::Memory, BpfInsn, PROGRAM_CAPACITY>;
type Defs<P> = Stored<<P as PhysicalProfile>::Memory, MapDef, MAP_DEFS_CAPACITY>;

/// Maps with known contents that a program of static storage has room for.
const FROZEN_CAPACITY: usize = 4;

type Contents<P> =
    <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<FrozenMap, FROZEN_CAPACITY>;

/// Special fields of map values that a program of static storage has room for.
const FIELDS_CAPACITY: usize = if MAP_DEFS_CAPACITY < 4 { MAP_DEFS_CAPACITY } else { 4 };

type Fields<P> = <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<MapField, FIELDS_CAPACITY>;

/// Kernel functions that are not known whose names a program of static storage keeps.
const UNKNOWN_CAPACITY: usize = if PROGRAM_CAPACITY == 0 { 0 } else { 1 };

/// Names that are kept at the most, wherever.
const MAX_UNKNOWN: usize = 64;

type Unknown<P> =
    <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<UnknownKfunc, UNKNOWN_CAPACITY>;

type Globals<P> = <<P as PhysicalProfile>::Memory as MemoryStrategy>::Vec<
    GlobalFunction,
    GLOBAL_FUNCTIONS_CAPACITY,
>;

/// A program whose every slot decodes, whose jumps stay inside it and whose map
/// references have a definition. Nothing more is known: it is not verified.
pub struct BpfProgram<P: PhysicalProfile> {
    prog_type: BpfProgType,
    name: ObjName,
    slots: Slots<P>,
    maps: Defs<P>,
    frozen: Contents<P>,
    globals: Globals<P>,
    fields: Fields<P>,
    unknown: Unknown<P>,
    profile: PhantomData<fn() -> P>,
}

impl<P: PhysicalProfile> BpfProgram<P> {
    /// A program over instructions that the kernel keeps itself, of type
    /// [`BpfProgType::SocketFilter`] and without maps. For other types and for
    /// maps there are [`ProgramBuilder::from_static`] and
    /// [`ProgramBuilder::with_map_defs`].
    ///
    /// # Errors
    /// [`ProgramError`], as [`ProgramBuilder::build`].
    pub fn from_static(insns: &'static [BpfInsn]) -> Result<Self, ProgramError> {
        ProgramBuilder::from_static(BpfProgType::SocketFilter, insns).build()
    }

    /// The program's type.
    pub const fn prog_type(&self) -> BpfProgType {
        self.prog_type
    }

    /// The program's name; empty where it was given none.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The slots.
    pub fn insns(&self) -> &[BpfInsn] {
        &self.slots
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.insns().len()
    }

    /// Whether there is no slot; never true of a program that was built.
    pub fn is_empty(&self) -> bool {
        self.insns().is_empty()
    }

    /// The map definitions, in the order in which instructions number them.
    pub fn map_defs(&self) -> &[MapDef] {
        &self.maps
    }

    /// Contents of those maps that never change, by ascending index.
    pub fn frozen_maps(&self) -> &[FrozenMap] {
        &self.frozen
    }

    /// The functions that are verified apart.
    pub fn global_functions(&self) -> &[GlobalFunction] {
        &self.globals
    }

    /// The special fields of the maps' values.
    pub fn map_fields(&self) -> &[MapField] {
        &self.fields
    }

    /// Kernel functions that it calls and that are not known here.
    pub fn unknown_kfuncs(&self) -> &[UnknownKfunc] {
        &self.unknown
    }

    /// The instructions with the index of their first slot.
    pub fn instructions(&self) -> impl Iterator<Item = (usize, Instruction)> + '_ {
        let insns = self.insns();
        let mut pc = 0_usize;
        core::iter::from_fn(move || {
            let at = pc;
            let insn = Instruction::decode(insns, at).ok()?;
            pc = at.checked_add(insn.slots())?;
            Some((at, insn))
        })
    }

    /// The program as text.
    pub fn listing(&self) -> Listing<'_> {
        Listing::new(self.insns())
    }

    /// A copy.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no storage for it.
    pub fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Ok(Self {
            prog_type: self.prog_type,
            name: self.name,
            slots: self.slots.try_clone()?,
            maps: self.maps.try_clone()?,
            frozen: Sequence::try_from_slice(&self.frozen)?,
            globals: Sequence::try_from_slice(&self.globals)?,
            fields: Sequence::try_from_slice(&self.fields)?,
            unknown: Sequence::try_from_slice(&self.unknown)?,
            profile: PhantomData,
        })
    }
}

/// Programs are equal where they do the same over the same maps; what those of
/// constants hold is not compared.
impl<P: PhysicalProfile> PartialEq for BpfProgram<P> {
    fn eq(&self, other: &Self) -> bool {
        self.prog_type == other.prog_type
            && self.name == other.name
            && self.insns() == other.insns()
            && self.map_defs() == other.map_defs()
    }
}

impl<P: PhysicalProfile> Eq for BpfProgram<P> {}

impl<P: PhysicalProfile> fmt::Debug for BpfProgram<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BpfProgram")
            .field("prog_type", &self.prog_type)
            .field("name", &self.name)
            .field("insns", &self.insns())
            .field("map_defs", &self.map_defs())
            .finish_non_exhaustive()
    }
}

/// Puts a program together.
///
/// Appending never fails; what does not fit is reported by
/// [`build`](Self::build).
///
/// ```
/// use bpf_bytecode::abi::map::{MapDef, MapType};
/// use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
/// use bpf_profile::ActiveProfile;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
///     .name("count")
///     .map(MapDef::new(MapType::Array, 4, 8, 1).named("packets"))
///     .ld_map_value(1, 0, 0)
///     .insn(BpfInsn::mov64_imm(2, 1))
///     .asm("lock *(u64 *)(r1 +0) += r2
///           r0 = 2
///           exit")?
///     .build()?;
/// assert_eq!(program.len(), 6);
/// # Ok(())
/// # }
/// ```
pub struct ProgramBuilder<P: PhysicalProfile> {
    program: BpfProgram<P>,
    overflow: Option<OutOfMemory>,
}

impl<P: PhysicalProfile> ProgramBuilder<P> {
    /// A builder of an empty program. On a static build it has room for
    /// [`PROGRAM_CAPACITY`] slots.
    pub fn new(prog_type: BpfProgType) -> Self {
        Self::with_slots(prog_type, Slots::<P>::default())
    }

    /// A builder over instructions that the kernel keeps itself, however many.
    /// Instructions appended to it do not fit.
    pub fn from_static(prog_type: BpfProgType, insns: &'static [BpfInsn]) -> Self {
        Self::with_slots(prog_type, Slots::<P>::Static(insns))
    }

    fn with_slots(prog_type: BpfProgType, slots: Slots<P>) -> Self {
        let program = BpfProgram {
            prog_type,
            name: ObjName::default(),
            slots,
            maps: Stored::default(),
            frozen: Default::default(),
            globals: Default::default(),
            fields: Default::default(),
            unknown: Default::default(),
            profile: PhantomData,
        };
        Self { program, overflow: None }
    }

    /// Names the program; the name is cut after 15 bytes.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.program.name = ObjName::new(name);
        self
    }

    /// Appends a slot.
    #[must_use]
    pub fn insn(self, insn: BpfInsn) -> Self {
        self.insns(&[insn])
    }

    /// Appends `dst = value`, a 64-bit number.
    #[must_use]
    pub fn ld_imm64(self, dst: u8, value: u64) -> Self {
        self.insns(&BpfInsn::ld_imm64(dst, value))
    }

    /// Appends `dst =` the map of definition number `index`.
    #[must_use]
    pub fn ld_map(self, dst: u8, index: u32) -> Self {
        self.insns(&BpfInsn::ld_map(dst, index))
    }

    /// Appends `dst =` address of byte `offset` of the only value of the map of
    /// definition number `index`.
    #[must_use]
    pub fn ld_map_value(self, dst: u8, index: u32, offset: u32) -> Self {
        self.insns(&BpfInsn::ld_map_value(dst, index, offset))
    }

    /// Appends what `source` assembles to. Labels in it are its own.
    ///
    /// # Errors
    /// [`AsmError`] when it is no text of a program; see [`text`].
    pub fn asm(self, source: &str) -> Result<Self, AsmError> {
        Ok(self.insns(&text::assemble::<P>(source)?))
    }

    /// Appends slots, for instance the two of [`BpfInsn::ld_code`].
    #[must_use]
    pub fn insns(mut self, insns: &[BpfInsn]) -> Self {
        let added = self.program.slots.try_extend(insns);
        self.overflow = self.overflow.or(added.err());
        self
    }

    /// Appends a map definition; the first one has index 0. On a static build
    /// there is room for [`MAP_DEFS_CAPACITY`].
    #[must_use]
    pub fn map(mut self, def: MapDef) -> Self {
        let added = self.program.maps.try_extend(&[def]);
        self.overflow = self.overflow.or(added.err());
        self
    }

    /// Takes the map definitions that the kernel keeps itself, however many, in
    /// place of those appended so far. Definitions appended to them do not fit.
    #[must_use]
    pub fn with_map_defs(mut self, defs: &'static [MapDef]) -> Self {
        self.program.maps = Defs::<P>::Static(defs);
        self
    }

    /// Appends the definition of a map with contents that never change (zeros
    /// follow them): the verifier takes them for known. The map must be an array of one value that
    /// programs cannot write, and the live map must be frozen with the same
    /// bytes, or the program does not run. A static build keeps the contents of
    /// four maps; those of others are not known.
    #[must_use]
    pub fn frozen_map(mut self, def: MapDef, bytes: FrozenBytes) -> Self {
        let index = u32::try_from(self.program.maps.len()).unwrap_or(u32::MAX);
        // Where there is no room, they are as unknown as those of any map.
        let _ = self.program.frozen.try_push(FrozenMap { index, bytes });
        self.map(def)
    }

    /// Says that the function which begins at a slot is to be verified apart from
    /// its callers, by what it takes. A static build keeps this of
    /// [`GLOBAL_FUNCTIONS_CAPACITY`] functions; others are verified where they are
    /// called, as are all of which nothing is said.
    #[must_use]
    pub fn global_function(mut self, function: GlobalFunction) -> Self {
        let _ = self.program.globals.try_push(function);
        self
    }

    /// Says that the values of a map have a special field, which programs do not
    /// access as bytes. A static build has room for four.
    #[must_use]
    pub fn map_field(mut self, field: MapField) -> Self {
        let added = self.program.fields.try_extend(&[field]);
        self.overflow = self.overflow.or(added.err());
        self
    }

    /// Names a kernel function that is not known here, so that the verifier can
    /// refuse its calls by name. 64 names are kept; on a static build, one.
    #[must_use]
    pub fn unknown_kfunc(mut self, kfunc: UnknownKfunc) -> Self {
        let known = &self.program.unknown;
        if known.len() < MAX_UNKNOWN && !known.contains(&kfunc) {
            let _ = self.program.unknown.try_push(kfunc);
        }
        self
    }

    /// Checks what can be checked without the verifier: length, encoding, jump
    /// targets, the last instruction, map references.
    ///
    /// # Errors
    /// [`ProgramError`] that names the first slot at fault.
    pub fn build(self) -> Result<BpfProgram<P>, ProgramError> {
        if let Some(error) = self.overflow {
            return Err(error.into());
        }
        check::<P>(self.program.insns(), self.program.map_defs().len())?;
        for FrozenMap { index, bytes } in self.program.frozen_maps() {
            let def = usize::try_from(*index).ok().and_then(|at| self.program.maps.get(at));
            let fits = |def: &MapDef| {
                let size = usize::try_from(def.value_size).unwrap_or(usize::MAX);
                FrozenMap::can_be(def) && bytes.len() <= size
            };
            if !def.is_some_and(fits) {
                return Err(ProgramError::FrozenContents { index: *index });
            }
        }
        Ok(self.program)
    }
}

impl<P: PhysicalProfile> fmt::Debug for ProgramBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProgramBuilder").field(&self.program).finish()
    }
}

fn check<P: PhysicalProfile>(insns: &[BpfInsn], map_count: usize) -> Result<(), ProgramError> {
    let (slots, limit) = (insns.len(), P::MAX_INSN_COUNT);
    if slots == 0 {
        return Err(ProgramError::Empty);
    }
    if slots > limit {
        return Err(ProgramError::TooLong { slots, limit });
    }
    let mut pc = 0;
    while pc < slots {
        let insn =
            Instruction::decode(insns, pc).map_err(|error| ProgramError::Decode { pc, error })?;
        check_map(insn, pc, map_count)?;
        check_target(insn, pc, insns)?;
        let next = pc.saturating_add(insn.slots());
        if next >= slots && !matches!(insn, Instruction::Exit | Instruction::Jump { .. }) {
            return Err(ProgramError::FallsOffEnd { pc });
        }
        pc = next;
    }
    Ok(())
}

fn check_map(insn: Instruction, pc: usize, count: usize) -> Result<(), ProgramError> {
    let Instruction::LoadImm64 { value, .. } = insn else { return Ok(()) };
    match value {
        Imm64::MapIdx(index) | Imm64::MapIdxValue(index, _)
            if usize::try_from(index).map_or(true, |i| i >= count) =>
        {
            Err(ProgramError::NoSuchMap { pc, index, count })
        }
        _ => Ok(()),
    }
}

fn check_target(insn: Instruction, pc: usize, insns: &[BpfInsn]) -> Result<(), ProgramError> {
    let off = match insn {
        Instruction::Call(CallTarget::Local(off))
        | Instruction::LoadImm64 { value: Imm64::Code(off), .. } => off,
        _ => match insn.jump_offset() {
            Some(off) => off,
            None => return Ok(()),
        },
    };
    let target = jump_target(pc, off).ok_or(ProgramError::JumpOutOfRange { pc })?;
    match insns.get(target) {
        None => Err(ProgramError::JumpOutOfRange { pc }),
        // No instruction has opcode 0; a slot that has it is a second half.
        Some(slot) if slot.code() == 0 => Err(ProgramError::JumpIntoImm64 { pc, target }),
        Some(_) => Ok(()),
    }
}
