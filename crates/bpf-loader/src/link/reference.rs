//! What a call or a 64-bit immediate load refers to.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::abi::kfunc::{Kfunc, KfuncName, UnknownKfunc};
use bpf_profile::PhysicalProfile;

use super::{CALL, LD_IMM64};
use crate::LoadError;
use crate::bytes::index;
use crate::elf::{Relocation, SHN_UNDEF, STT_SECTION, Symbol, r_bpf};
use crate::error::Name;
use crate::function::{self, Function, SLOT};
use crate::maps::configured::Given;
use crate::object::{Code, Object};

/// Source fields of a call.
const CALL_LOCAL: u8 = 1;
const CALL_KERNEL: u8 = 2;
/// Source field of a load of a function's address.
const LOAD_FUNCTION: u8 = 4;

/// Section of variables that lie in an arena.
const ARENA_SECTION: &str = ".addr_space.1";

/// The binding of symbols that an object can do without.
const STB_WEAK: u8 = 2;

/// A symbol that the object only declares.
enum Extern {
    Kfunc(Kfunc),
    /// A kernel function that is not known here, perhaps: the verifier refuses calls
    /// of it, by name.
    Unknown(UnknownKfunc),
    /// The same, and the object can do without.
    Absent(UnknownKfunc),
}

/// The source field that marks a reference to a function of the same program.
pub(super) fn local_src(insn: BpfInsn) -> u8 {
    if insn.code() == CALL { CALL_LOCAL } else { LOAD_FUNCTION }
}

impl<'d, P: PhysicalProfile> Object<'d, P> {
    /// Offset of a function's slot in its section, in bytes.
    fn offset_of(function: &Function, slot: u32) -> u64 {
        u64::from(function.start).saturating_add(u64::from(slot)).saturating_mul(SLOT)
    }

    /// The symbol of a relocation, if the object defines it.
    fn defined(&self, relocation: &Relocation) -> Result<Symbol, LoadError> {
        let symbol = self.elf.symbol(relocation.symbol)?;
        if symbol.section == SHN_UNDEF {
            let symbol = Name::new(self.elf.symbol_name(&symbol)?);
            return Err(LoadError::ExternSymbol { symbol });
        }
        Ok(symbol)
    }

    /// What stands for a symbol that the object only declares: a kernel function
    /// that the engines have, or nothing where the object can do without.
    fn declared(&self, relocation: &Relocation) -> Result<Option<Extern>, LoadError> {
        let symbol = self.elf.symbol(relocation.symbol)?;
        if symbol.section != SHN_UNDEF {
            return Ok(None);
        }
        let name = self.elf.symbol_name(&symbol)?;
        if let Some(kfunc) = Kfunc::from_name(name) {
            return Ok(Some(Extern::Kfunc(kfunc)));
        }
        // Numbers of known ones are positive.
        let number = i32::try_from(relocation.symbol).ok().map(|symbol| !symbol);
        let number = number.ok_or(LoadError::malformed("symbol"))?;
        let kfunc = UnknownKfunc { number, name: KfuncName::new(name) };
        let weak = symbol.binding() == STB_WEAK;
        Ok(Some(if weak { Extern::Absent(kfunc) } else { Extern::Unknown(kfunc) }))
    }

    /// The kernel function that a relocation names, if it is one that is not known
    /// here.
    pub(super) fn unknown_kfunc(&self, relocation: &Relocation) -> Option<UnknownKfunc> {
        let symbol = self.elf.symbol(relocation.symbol).ok()?;
        let name = self.elf.symbol_name(&symbol).ok()?;
        match self.declared(relocation) {
            _ if self.found.configured.iter().any(|variable| variable.name == name) => None,
            Ok(Some(Extern::Unknown(kfunc) | Extern::Absent(kfunc))) => Some(kfunc),
            _ => None,
        }
    }

    /// The call at `slot` with the number of the kernel function that it names,
    /// if it does. One that is not known has a negative number.
    pub(super) fn kernel_call(
        &self,
        function: &Function,
        code: &Code<'d>,
        slot: u32,
    ) -> Result<Option<BpfInsn>, LoadError> {
        let Some(insn) = code.slot(slot).filter(|insn| insn.code() == CALL) else {
            return Ok(None);
        };
        let offset = Self::offset_of(function, slot);
        let Some(relocation) = self.relocations(function.section).at(offset) else {
            return Ok(None);
        };
        let number = match self.declared(&relocation)? {
            None => return Ok(None),
            Some(Extern::Kfunc(kfunc)) => kfunc.number(),
            Some(Extern::Unknown(kfunc) | Extern::Absent(kfunc)) => kfunc.number,
        };
        Ok(Some(insn.with_src(CALL_KERNEL).with_imm(number)))
    }

    /// The function to which the instruction at `slot` refers, as position in
    /// the object's functions; none where it refers to no function.
    pub(super) fn callee(
        &self,
        function: &Function,
        code: &Code<'d>,
        slot: u32,
    ) -> Result<Option<usize>, LoadError> {
        let Some(insn) = code.slot(slot) else { return Ok(None) };
        let offset = Self::offset_of(function, slot);
        let refuse = |reason| self.refusal(function.section, offset, reason);
        let is_call = insn.code() == CALL;
        if !is_call && insn.code() != LD_IMM64 {
            return Ok(None);
        }
        let relocation = self.relocations(function.section).at(offset);
        let (section, target) = match relocation {
            Some(relocation) if self.declared(&relocation)?.is_some() => return Ok(None),
            Some(relocation) => {
                let symbol = self.defined(&relocation)?;
                let expected = if is_call { r_bpf::R64_32 } else { r_bpf::R64_64 };
                if relocation.kind != expected {
                    return Err(refuse("unexpected type of relocation"));
                }
                let section = self.elf.section(symbol.section.into())?;
                if !section.is_code() {
                    return if is_call {
                        Err(refuse("a call of something else than code"))
                    } else {
                        Ok(None)
                    };
                }
                if is_call && insn.src() != CALL_LOCAL {
                    return Err(refuse("a relocation of a call that is not local"));
                }
                let start = i64::try_from(symbol.value / SLOT).ok();
                // A call counts in slots from the one behind it, an address in
                // bytes.
                let addend = if is_call {
                    i64::from(insn.imm()).checked_add(1)
                } else {
                    i64::from(insn.imm()).checked_div(8)
                };
                (
                    section.index,
                    start.zip(addend).and_then(|(start, addend)| start.checked_add(addend)),
                )
            }
            None if is_call && insn.src() == CALL_LOCAL => {
                let next = i64::from(function.start)
                    .checked_add(i64::from(slot))
                    .and_then(|at| at.checked_add(1));
                (function.section, next.and_then(|next| next.checked_add(i64::from(insn.imm()))))
            }
            None if is_call && insn.src() == CALL_KERNEL => {
                return Err(refuse("a call of a kernel function by its number"));
            }
            None => return Ok(None),
        };
        let start = target.and_then(|target| u32::try_from(target).ok());
        start
            .and_then(|start| function::beginning_at(&self.functions, section, start))
            .map(Some)
            .ok_or_else(|| refuse("no function begins there"))
    }

    /// The two slots of the 64-bit immediate load at `slot`, which refers to a
    /// map, to a variable or to nothing.
    pub(super) fn load(
        &self,
        function: &Function,
        code: &Code<'d>,
        slot: u32,
    ) -> Result<[BpfInsn; 2], LoadError> {
        let offset = Self::offset_of(function, slot);
        let refuse = |reason| self.refusal(function.section, offset, reason);
        let first = code.slot(slot).ok_or_else(|| refuse("no instruction is there"))?;
        let second = slot.checked_add(1).and_then(|slot| code.slot(slot));
        let second = second.ok_or_else(|| refuse("the function ends within an instruction"))?;
        let Some(relocation) = self.relocations(function.section).at(offset) else {
            return Ok([first, second]);
        };
        if relocation.kind != r_bpf::R64_64 {
            return Err(refuse("unexpected type of relocation"));
        }
        if let Some(declared) = self.declared(&relocation)? {
            let symbol = self.elf.symbol(relocation.symbol)?;
            let name = self.elf.symbol_name(&symbol)?;
            if let Some(place) = self.configured(name, matches!(declared, Extern::Absent(_)))? {
                let place = place.checked_add_signed(first.imm());
                let place = place.ok_or_else(|| refuse("a reference to nowhere"))?;
                return self.load_variable(first, symbol.section.into(), place, refuse);
            }
            if let Extern::Unknown(_) = declared {
                // Perhaps a variable of the kernel, which could be anything.
                return Err(LoadError::ExternSymbol { symbol: Name::new(name) });
            }
            // Programs ask in this way whether there is such a function.
            let there = i32::from(matches!(declared, Extern::Kfunc(_)));
            return Ok([first.with_src(0).with_imm(there), second.with_imm(0)]);
        }
        let symbol = self.defined(&relocation)?;
        let section = u32::from(symbol.section);
        let place = i64::try_from(symbol.value)
            .ok()
            .and_then(|value| value.checked_add(i64::from(first.imm())))
            .and_then(|place| u32::try_from(place).ok())
            .ok_or_else(|| refuse("a reference to nowhere"))?;
        // A map's own symbol says which one it is; some assemblers write its place into the
        // instruction, too.
        let map = match symbol.kind() {
            STT_SECTION => None,
            _ => self.found.declared_at(section, symbol.value),
        };
        if let Some(map) = map.or_else(|| self.found.declared_at(section, place.into())) {
            let map = u32::try_from(map).map_err(|_| refuse("a reference to nowhere"))?;
            return Ok(BpfInsn::ld_map(first.dst(), map));
        }
        match self.elf.section(section) {
            // Functions are resolved by their place in the program.
            Ok(section) if section.is_code() => Ok([first, second]),
            _ => self.load_variable(first, section, place, refuse),
        }
    }

    /// The two slots of a load of the address of byte `place` of the variables of a
    /// section.
    fn load_variable(
        &self,
        first: BpfInsn,
        section: u32,
        place: u32,
        refuse: impl Fn(&'static str) -> LoadError,
    ) -> Result<[BpfInsn; 2], LoadError> {
        let Some(number) = self.found.of_data(section) else {
            let name = self.section_name(section);
            if name.starts_with(ARENA_SECTION) {
                return Err(LoadError::unsupported("variables of an arena in", name));
            }
            return Err(refuse("a reference to neither map, variable nor function"));
        };
        let size = self.maps().get(number).map_or(0, |map| index(map.def.value_size));
        if index(place) >= size {
            return Err(refuse("a reference behind the variables of a section"));
        }
        let number = u32::try_from(number).map_err(|_| refuse("a reference to nowhere"))?;
        Ok(BpfInsn::ld_map_value(first.dst(), number, place))
    }

    /// The first byte of a variable of the kernel's configuration; none where the
    /// object declares none of this name, or where no configuration was given.
    fn configured(&self, name: &str, weak: bool) -> Result<Option<u32>, LoadError> {
        let declared = self.found.configured.iter().find(|variable| variable.name == name);
        let Some(variable) = declared else { return Ok(None) };
        match variable.given {
            Given::Value => Ok(Some(variable.offset)),
            Given::Nothing if weak => Ok(Some(variable.offset)),
            Given::Nothing => Err(LoadError::Unconfigured { variable: Name::new(name) }),
            Given::Unfit => Err(LoadError::ConfigValue { variable: Name::new(name) }),
        }
    }
}
