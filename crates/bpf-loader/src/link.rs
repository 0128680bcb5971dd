//! Linking: a program with its subprograms behind it and every reference
//! resolved.
//!
//! The subprograms that are needed are found first, one after the other, so
//! that each has its place before the first instruction is given out. The
//! instructions are then made one at a time; no buffer is needed.

mod reference;

use core::fmt;

use bpf_bytecode::abi::global::GlobalFunction;
use bpf_bytecode::abi::kfunc::UnknownKfunc;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder, ProgramError};
use bpf_profile::PhysicalProfile;

use crate::LoadError;
use crate::btf::Records;
use crate::bytes::{MAX_LINE, Table, index, push};
use crate::core_relo;
use crate::error::Name;
use crate::function::{Function, SLOT};
use crate::object::{Code, Object, Program};
use crate::section::ProgramKind;

/// Functions of a program that a table of fixed size holds.
const SEGMENT_CAPACITY: usize = 32;

/// Functions of a program at the most, as in Linux.
const MAX_FUNCTIONS: usize = 256;

/// Codes of the instructions that can refer to something.
const LD_IMM64: u8 = 0x18;
const CALL: u8 = 0x85;

/// A copy of a register that changes what address space it points into, which no RFC
/// describes.
const MOV64: u8 = 0xbf;
const CAST: i16 = 1;

/// A function's place in the linked program.
#[derive(Clone, Copy)]
struct Segment<'d> {
    /// First slot in the program.
    at: u32,
    function: Function,
    /// Position of the function in the object's functions.
    number: usize,
    lines: Records<'d>,
}

/// A line of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLine<'d> {
    /// Path of the file, as the compiler was given it.
    pub file: &'d str,
    /// The line itself, with its indentation; empty where it was not kept.
    pub text: &'d str,
    /// Number of the line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// A linked program: the instructions of the program and of its subprograms,
/// with all references resolved.
///
/// Maps are referred to by their position in [`Object::maps`].
pub struct Linked<'o, 'd, P: PhysicalProfile> {
    object: &'o Object<'d, P>,
    program: Program<'o, 'd, P>,
    segments: Table<P, Segment<'d>, SEGMENT_CAPACITY>,
    len: u32,
    /// The function that is called behind `bpf_throw`, by position in the object's.
    catches: Option<usize>,
}

impl<P: PhysicalProfile> fmt::Debug for Linked<'_, '_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Linked");
        out.field("program", &self.program).field("len", &self.len).finish_non_exhaustive()
    }
}

impl<'o, 'd, P: PhysicalProfile> Linked<'o, 'd, P> {
    pub(crate) fn new(program: Program<'o, 'd, P>) -> Result<Self, LoadError> {
        let object = program.object;
        let segments = Table::<P, Segment<'d>, SEGMENT_CAPACITY>::default();
        let mut linked = Self { object, program, segments, len: 0, catches: None };
        linked.append(program.number)?;
        linked.append_exception_callback()?;
        // Functions found on the way are appended, so the list grows while it
        // is worked off.
        let mut next = 0;
        while let Some(segment) = linked.segments.get(next).copied() {
            linked.check(&segment)?;
            next = next.saturating_add(1);
        }
        Ok(linked)
    }

    fn append(&mut self, number: usize) -> Result<(), LoadError> {
        let function =
            *self.object.functions.get(number).ok_or(LoadError::malformed("function symbol"))?;
        if self.segments.len() >= MAX_FUNCTIONS {
            return Err(LoadError::Limit { what: "functions of a program", limit: MAX_FUNCTIONS });
        }
        let at = self.len;
        let slots = index(at).saturating_add(index(function.len));
        if slots > P::MAX_INSN_COUNT {
            return Err(ProgramError::TooLong { slots, limit: P::MAX_INSN_COUNT }.into());
        }
        self.len = at.saturating_add(function.len);
        let lines = self.object.annotated.of(function.section).lines;
        let segment = Segment { at, function, number, lines };
        push(&mut self.segments, segment, "functions of a program", SEGMENT_CAPACITY)
    }

    /// Appends the function that the program names to be called behind `bpf_throw`: one
    /// that others can see, and that nothing need call.
    fn append_exception_callback(&mut self) -> Result<(), LoadError> {
        let object = self.object;
        let (Some(btf), Some(segment)) = (object.btf(), self.segments.first()) else {
            return Ok(());
        };
        let Some(id) = self.function_type(segment) else { return Ok(()) };
        let mut named = btf.exception_callbacks(id);
        let Some(name) = named.next() else { return Ok(()) };
        if named.next().is_some() {
            return Err(LoadError::unsupported(
                "several exception callbacks of",
                self.program.name(),
            ));
        }
        let number = object.functions.iter().position(|function| {
            let symbol = object.elf.symbol(function.symbol);
            object.function_name(function) == name && symbol.is_ok_and(|s| s.is_visible())
        });
        let number = number.ok_or(LoadError::malformed("name of an exception callback"))?;
        if number == self.program.number {
            return Err(LoadError::unsupported("programs that catch what they throw:", name));
        }
        self.catches = Some(number);
        self.append(number)
    }

    /// Number of a function's BTF type.
    fn function_type(&self, segment: &Segment<'d>) -> Option<u32> {
        let records = self.object.annotated.of(segment.function.section).functions;
        records.function(segment.function.start.checked_mul(u32::try_from(SLOT).ok()?)?)
    }

    /// Checks every reference of a segment and appends the functions that it
    /// calls.
    fn check(&mut self, segment: &Segment<'d>) -> Result<(), LoadError> {
        let Segment { function, .. } = *segment;
        let code = self.object.code(&function)?;
        let mut slot = 0;
        while let Some(insn) = code.slot(slot) {
            if let Some(number) = self.object.callee(&function, &code, slot)?
                && !self.segments.iter().any(|s| s.number == number)
            {
                self.append(number)?;
            }
            if insn.code() == MOV64 && insn.off() == CAST {
                let name = self.program.name();
                return Err(LoadError::unsupported("casts into or out of an arena in", name));
            }
            let wide = insn.code() == LD_IMM64;
            if wide {
                self.object.load(&function, &code, slot)?;
            }
            slot = slot.saturating_add(if wide { 2 } else { 1 });
        }
        self.check_relocations(&function, &code)?;
        self.check_core(&function, &code)
    }

    /// Refuses relocations of anything but calls and 64-bit immediate loads.
    fn check_relocations(&self, function: &Function, code: &Code<'d>) -> Result<(), LoadError> {
        let start = u64::from(function.start).saturating_mul(SLOT);
        let end = start.saturating_add(u64::from(function.len).saturating_mul(SLOT));
        for relocation in self.object.relocations(function.section).between(start, end) {
            let offset = relocation.offset.saturating_sub(start);
            let slot = (offset % SLOT == 0).then_some(offset / SLOT);
            let insn = slot.and_then(|slot| code.slot(u32::try_from(slot).ok()?));
            if !insn.is_some_and(|insn| matches!(insn.code(), LD_IMM64 | CALL)) {
                let reason = "a relocation of an instruction that refers to nothing";
                return Err(self.object.refusal(function.section, relocation.offset, reason));
            }
        }
        Ok(())
    }

    /// Checks the compile-once relocations of a function.
    fn check_core(&self, function: &Function, code: &Code<'d>) -> Result<(), LoadError> {
        let Some(btf) = self.object.btf() else { return Ok(()) };
        let name = self.object.section_name(function.section);
        let records = self.object.annotated.of(function.section).relocations;
        let broken = LoadError::malformed("function symbol");
        let start = u32::try_from(SLOT).ok().and_then(|slot| function.start.checked_mul(slot));
        let len = u32::try_from(SLOT).ok().and_then(|slot| function.len.checked_mul(slot));
        let (start, len) = start.zip(len).ok_or(broken)?;
        for record in records.relocations(start, start.checked_add(len).ok_or(broken)?) {
            let refuse = |reason| LoadError::CoRe {
                section: Name::new(name),
                offset: record.offset,
                kind: core_relo::kind_name(record.kind),
                reason,
            };
            let offset = record.offset.saturating_sub(start);
            let slot = u64::from(offset) / SLOT;
            let slot = u32::try_from(slot).map_err(|_| broken)?;
            let insn = code.slot(slot).ok_or_else(|| refuse("no instruction is there"))?;
            let second = match insn.code() {
                LD_IMM64 => code.slot(slot.saturating_add(1)),
                _ => None,
            };
            core_relo::check(btf, record, insn, second).map_err(refuse)?;
        }
        Ok(())
    }

    /// The program that was linked.
    pub fn program(&self) -> Program<'o, 'd, P> {
        self.program
    }

    /// What the section's name says.
    ///
    /// # Errors
    /// As [`ProgramKind::of_section_among`].
    pub fn kind(&self) -> Result<ProgramKind<'d>, LoadError> {
        self.program.kind()
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        index(self.len)
    }

    /// Whether there is no slot; never true.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slots, with all references resolved.
    ///
    /// # Errors
    /// None, as an item, that linking would not have reported.
    pub fn insns(&self) -> impl Iterator<Item = Result<BpfInsn, LoadError>> + '_ {
        self.segments.iter().flat_map(move |segment| self.emit(segment))
    }

    fn emit<'l>(
        &'l self,
        segment: &'l Segment<'d>,
    ) -> impl Iterator<Item = Result<BpfInsn, LoadError>> + 'l {
        let code = self.object.code(&segment.function);
        let mut second = None;
        (0..segment.function.len).map(move |slot| {
            if let Some(insn) = second.take() {
                return Ok(insn);
            }
            let code = code?;
            let [first, more] = self.resolve(segment, &code, slot)?;
            second = more;
            first.ok_or(LoadError::malformed("function symbol"))
        })
    }

    /// The instruction at `slot` with its reference resolved, in one or two
    /// slots.
    fn resolve(
        &self,
        segment: &Segment<'d>,
        code: &Code<'d>,
        slot: u32,
    ) -> Result<[Option<BpfInsn>; 2], LoadError> {
        let Some(insn) = code.slot(slot) else { return Ok([None, None]) };
        if let Some(call) = self.object.kernel_call(&segment.function, code, slot)? {
            return Ok([Some(call), None]);
        }
        let here = segment.at.saturating_add(slot);
        if let Some(number) = self.object.callee(&segment.function, code, slot)? {
            let distance = self.distance(here, number)?;
            // A pointer to a function keeps its second slot.
            let second = (insn.code() == LD_IMM64).then(BpfInsn::default);
            return Ok([
                Some(insn.with_src(reference::local_src(insn)).with_imm(distance)),
                second,
            ]);
        }
        if insn.code() != LD_IMM64 {
            return Ok([Some(insn), None]);
        }
        let [first, second] = self.object.load(&segment.function, code, slot)?;
        Ok([Some(first), Some(second)])
    }

    /// From the slot behind `here` to a function of this program, in slots.
    fn distance(&self, here: u32, number: usize) -> Result<i32, LoadError> {
        let target = self.segments.iter().find(|segment| segment.number == number);
        let target = target.ok_or(LoadError::malformed("function symbol"))?;
        let distance = i64::from(target.at).checked_sub(i64::from(here).saturating_add(1));
        distance
            .and_then(|distance| i32::try_from(distance).ok())
            .ok_or(LoadError::malformed("function symbol"))
    }

    /// Writes the slots to the start of `out`; gives back how many there are.
    ///
    /// # Errors
    /// [`LoadError::BufferTooSmall`] when they do not fit.
    pub fn copy_into(&self, out: &mut [BpfInsn]) -> Result<usize, LoadError> {
        let (needed, given) = (self.len(), out.len());
        let out = out.get_mut(..needed).ok_or(LoadError::BufferTooSmall { needed, given })?;
        for (slot, insn) in out.iter_mut().zip(self.insns()) {
            *slot = insn?;
        }
        Ok(needed)
    }

    /// A builder with the program's type, name, instructions and the object's
    /// map definitions.
    ///
    /// # Errors
    /// As [`kind`](Self::kind). Storage that does not suffice is reported by
    /// [`ProgramBuilder::build`].
    pub fn builder(&self) -> Result<ProgramBuilder<P>, LoadError> {
        let kind = self.kind()?;
        let mut builder = ProgramBuilder::new(kind.prog_type).name(self.program.name());
        for (index, map) in self.object.maps().iter().enumerate() {
            builder = match self.object.frozen(index) {
                Some(bytes) => builder.frozen_map(map.def, bytes.clone()),
                None => builder.map(map.def),
            };
        }
        for insn in self.insns() {
            builder = builder.insn(insn?);
        }
        self.annotate(builder, kind.prog_type)
    }

    /// Adds to a builder with these instructions and map definitions what the
    /// object says beside them: the signatures of global functions, special fields
    /// of map values, and the names of kernel functions that are not known here.
    ///
    /// # Errors
    /// [`LoadError::Limit`] for a map with too many special fields.
    pub fn annotate(
        &self,
        builder: ProgramBuilder<P>,
        prog_type: BpfProgType,
    ) -> Result<ProgramBuilder<P>, LoadError> {
        let mut builder = builder;
        for function in self.global_functions(prog_type) {
            builder = builder.global_function(function);
        }
        for field in self.object.map_fields() {
            builder = builder.map_field(field?);
        }
        for kfunc in self.unknown_kfuncs() {
            builder = builder.unknown_kfunc(kfunc);
        }
        Ok(builder)
    }

    /// The program, ready to be verified.
    ///
    /// # Errors
    /// [`LoadError`]: as [`builder`](Self::builder), and what
    /// [`ProgramBuilder::build`] finds.
    pub fn build(&self) -> Result<BpfProgram<P>, LoadError> {
        Ok(self.builder()?.build()?)
    }

    /// The functions that other objects can see, which are verified apart, by what
    /// the types say of them; `prog_type` decides which type is the context's. An
    /// object without types has none.
    pub fn global_functions(
        &self,
        prog_type: BpfProgType,
    ) -> impl Iterator<Item = GlobalFunction> + '_ {
        let called = self.segments.iter().skip(1);
        called.filter_map(move |segment| self.global_function(segment, prog_type))
    }

    /// The kernel functions that the program calls and that are not known here; one
    /// may come several times.
    pub fn unknown_kfuncs(&self) -> impl Iterator<Item = UnknownKfunc> + '_ {
        let object = self.object;
        self.segments.iter().flat_map(move |Segment { function, .. }| {
            let start = u64::from(function.start).saturating_mul(SLOT);
            let end = start.saturating_add(u64::from(function.len).saturating_mul(SLOT));
            let all = object.relocations(function.section).between(start, end);
            all.filter_map(move |relocation| object.unknown_kfunc(&relocation))
        })
    }

    /// What the types say of a function that other objects can see; none of others.
    fn global_function(
        &self,
        segment: &Segment<'d>,
        prog_type: BpfProgType,
    ) -> Option<GlobalFunction> {
        let (btf, function) = (self.object.btf()?, &segment.function);
        if !self.object.elf.symbol(function.symbol).ok()?.is_visible() {
            return None;
        }
        let found = btf.global_function(self.function_type(segment)?, segment.at, prog_type)?;
        Some(if self.catches == Some(segment.number) { found.catching() } else { found })
    }

    fn segment_of(&self, pc: usize) -> Option<&Segment<'d>> {
        let pc = u32::try_from(pc).ok().filter(|&pc| pc < self.len)?;
        let behind = self.segments.partition_point(|segment| segment.at <= pc);
        self.segments.get(behind.checked_sub(1)?)
    }

    /// The name of the function to which slot `pc` belongs.
    pub fn function(&self, pc: usize) -> Option<&'d str> {
        let segment = self.segment_of(pc)?;
        Some(self.object.function_name(&segment.function))
    }

    /// The functions of the program, with the slot at which each begins.
    pub fn functions(&self) -> impl Iterator<Item = (usize, &'d str)> + '_ {
        self.segments.iter().map(|s| (index(s.at), self.object.function_name(&s.function)))
    }

    /// The line of source from which slot `pc` was compiled.
    pub fn line(&self, pc: usize) -> Option<SourceLine<'d>> {
        let btf = self.object.btf()?;
        let segment = self.segment_of(pc)?;
        let within = u32::try_from(pc).ok()?.checked_sub(segment.at)?;
        let slot_size = u32::try_from(SLOT).ok()?;
        let start = segment.function.start.checked_mul(slot_size)?;
        let record = segment.lines.line(start.checked_add(within.checked_mul(slot_size)?)?)?;
        // A record before the function belongs to another one.
        (record.offset >= start).then_some(SourceLine {
            file: btf.name_at(record.file)?,
            text: btf.text_at(record.text, MAX_LINE).unwrap_or_default(),
            line: record.line,
            column: record.column,
        })
    }
}
