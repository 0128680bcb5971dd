//! Values of maps, and lookups.

use bpf_bytecode::Register;
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{Cond, Size, Width};
use bpf_maps::Elements;

use super::super::buffer::CodeBuffer;
use super::super::encode::{Mem, Rm, Source};
use super::super::link::{Found, Lookup};
use super::super::regs::{RAX, native};
use super::{Place, Selector, Sum, Value, Word};

use crate::lower::{Address, Op, Registers, Step};
use crate::runtime::Shim;

/// The registers of a lookup's arguments.
const MAP: Register = Register::R1;
const KEY: Register = Register::R2;

impl Selector<'_, '_> {
    pub(super) fn map_reference(&mut self, dst: Register, index: u32) {
        self.define(dst, Value::Map(index));
        self.set_bits(dst, 64);
    }

    /// What a frozen map holds may be known, so the address may not be wanted.
    pub(super) fn map_value(&mut self, dst: Register, place: Place) {
        if self.out.hides_offset(place.off) {
            self.overwrite(dst, dst);
            self.written(dst, 64);
            return self.out.linked_value(native(dst), place.link, place.off);
        }
        self.define(dst, Value::Place(place));
        self.set_bits(dst, 64);
        if !self.lowered.maps.is_known(place.map()) {
            self.locate(dst);
        }
    }

    /// Puts the address of a map's value into a register that holds the address
    /// of one of its bytes; the distance stays put off.
    #[inline(always)]
    pub(super) fn locate(&mut self, register: Register) {
        if let Some(place) = self.word(register).place() {
            self.locate_place(register, place);
        }
    }

    #[inline(never)]
    fn locate_place(&mut self, register: Register, Place { link, off }: Place) {
        let Some(sum) =
            i32::try_from(off).ok().and_then(|off| Sum::copy(register, Width::W64).offset(off))
        else {
            return self.own(register);
        };
        self.forget(register);
        self.spare_readers(register, None);
        self.out.linked_value(native(register), link, 0);
        if let Some(entry) =
            self.values.get_mut(register.index()).filter(|_| sum.copied(Width::W64).is_none())
        {
            let word = Word::of(Value::Sum(sum));
            *entry = word;
            self.pend(register, word);
        }
    }

    /// What is at a place, if it never changes.
    pub(super) fn known_number(&self, at: Address, size: Size, signed: bool) -> Option<u64> {
        let place = self.word(at.base).place()?;
        let off = i64::from(place.off).checked_add(at.off.into())?;
        let number = self.lowered.maps.number_at(place.map(), off, size)?;
        let unused = 64_u32.saturating_sub(super::size_bits(size).into());
        Some(if signed {
            (number << unused).cast_signed().checked_shr(unused)?.cast_unsigned()
        } else {
            number
        })
    }

    /// `bpf_map_lookup_elem`. How many steps behind it are
    /// done with, too.
    pub(super) fn lookup(&mut self, step: &Step) -> u32 {
        let Value::Map(map) = self.value(MAP) else {
            self.plain(step, self.lowered.op(step));
            return 0;
        };
        let def = self.lowered.maps.def(map).copied();
        let element = def.and_then(|def| Some((self.lowered.maps.link(map)?, stride_of(&def)?)));
        match (element, def.map(|def| def.map_type)) {
            (Some((link, stride)), _) => self.element(step, Lookup { map, link, stride }),
            (
                None,
                Some(MapType::Hash | MapType::PerCpuHash | MapType::LruHash | MapType::LpmTrie),
            ) => {
                self.plain_call(step, Shim::Lookup);
                0
            }
            _ => {
                self.plain(step, self.lowered.op(step));
                0
            }
        }
    }

    /// `bpf_map_update_elem`.
    pub(super) fn update(&mut self, step: &Step) {
        let map = match self.value(MAP) {
            Value::Map(map) => self.lowered.maps.def(map).map(|def| def.map_type),
            _ => None,
        };
        match map {
            Some(
                MapType::Array
                | MapType::PerCpuArray
                | MapType::Hash
                | MapType::PerCpuHash
                | MapType::LruHash,
            ) => self.plain_call(step, Shim::Update),
            _ => self.plain(step, self.lowered.op(step)),
        }
    }

    /// A value of an array. Where the host does the same for an index that is
    /// not below the bound, everything is as for a call.
    fn element(&mut self, step: &Step, lookup: Lookup) -> u32 {
        let arguments = Registers::of(MAP).with(Registers::of(KEY));
        for register in self.pending.without(arguments).iter() {
            self.own_if_needed(register);
        }
        let key = Address { base: KEY, off: 0 };
        self.ready_place(key);
        if uses(self.place(key), RAX) {
            // It is about to be overwritten, and the host may want the address.
            self.own(KEY);
        }
        let key = self.place(key);
        for register in arguments.iter() {
            self.forget(register);
        }
        // Whoever compares the result with null has that done here: a value that
        // was found is not null.
        let (found, done) = match self.following(step).map(|next| self.lowered.op(&next)) {
            Some(Op::Branch {
                cond: cond @ (Cond::Eq | Cond::Ne),
                width: Width::W64,
                lhs: Register::R0,
                rhs: Operand::Imm(0),
                target,
            }) => {
                let target = CodeBuffer::slot(target);
                (if cond == Cond::Eq { Found::Falls(target) } else { Found::Jumps(target) }, 1)
            }
            _ => (Found::Asks, 0),
        };
        // Most keys have just been put on the stack.
        match self.stored_at(Size::W, key) {
            Some(Source::Imm(number)) => self.out.set(RAX, number.cast_unsigned().into()),
            Some(Source::Reg(from)) => self.out.zero_extend(Size::W, RAX, Rm::Reg(from)),
            _ => self.out.zero_extend(Size::W, RAX, Rm::Mem(key)),
        }
        self.out.element(step.slot(), lookup, key, found);
        for register in Registers::LOST.iter() {
            self.set_bits(register, 64);
        }
        done
    }

    /// `bpf_get_smp_processor_id`: a program stays where it is until it ends.
    pub(super) fn cpu(&mut self, step: &Step) {
        self.settle();
        for register in Registers::LOST.iter() {
            self.set_bits(register, 64);
        }
        self.out.cpu(step.slot());
    }

    pub(super) fn plain_call(&mut self, step: &Step, shim: Shim) {
        self.settle();
        for register in Registers::LOST.iter() {
            self.set_bits(register, 64);
        }
        if let Op::Helper { id } = self.lowered.op(step) {
            self.out.host_call(shim, step.slot(), id);
        }
    }
}

/// Whether a place is found by way of a register.
fn uses(place: Mem, register: u8) -> bool {
    place.base == register || place.index.is_some_and(|(index, _)| index == register)
}

/// Bytes from one value of an array to the next.
fn stride_of(def: &MapDef) -> Option<i32> {
    i32::try_from(Elements::stride(def)?).ok()
}
