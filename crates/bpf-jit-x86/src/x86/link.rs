//! Values of maps that the run knows the addresses of.

use bpf_bytecode::Register;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::instruction::Operand;
use bpf_bytecode::opcode::{AluOp, Size, Width};
use dynasm::dynasm;

use super::Emitter;
use super::alu::Arith;
use super::buffer::{Flag, Label};
use super::encode::{Mem, Source};
use super::regs::{RAX, SCRATCH, native};
use crate::runtime::{Shim, offset};

/// A value of an array that is looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup {
    /// Index of the definition.
    pub(super) map: u32,
    pub(super) link: u8,
    /// Bytes from one value to the next.
    pub(super) stride: i32,
}

/// Where code goes on once a lookup has its result.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// Behind it.
    Asks,
    /// Behind it, and at the label if the result is null.
    Falls(Label),
    /// Behind it if the result is null, and else at the label.
    Jumps(Label),
}

/// What the host has to do, where that begins and where code goes on behind it.
#[derive(Debug)]
pub(super) struct Miss {
    start: Label,
    end: Label,
    pc: usize,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Lookup { map: u32, link: u8, key: Mem, found: Found },
    Cpu,
}

impl Emitter<'_> {
    /// The address of a byte in a map's only value.
    pub(super) fn linked_value(&mut self, dst: u8, link: u8, off: u32) {
        let base = Mem::new(self.session, offset::link_base(link));
        self.load(Size::Dw, false, dst, base);
        match i32::try_from(off) {
            Ok(0) => {}
            Ok(imm) if !self.hides_offset(off) => {
                self.arith(Arith::Add, Width::W64, dst, Source::Imm(imm));
            }
            _ => {
                self.set_chosen(SCRATCH, off.into());
                self.arith(Arith::Add, Width::W64, dst, Source::Reg(SCRATCH));
            }
        }
    }

    /// R0 becomes the address of the value of the index that it holds.
    pub(super) fn element(&mut self, pc: usize, lookup: Lookup, key: Mem, found: Found) {
        let Lookup { map, link, stride } = lookup;
        let (start, end) = (self.code.label(), self.code.label());
        let bound = offset::link_bound(link);
        dynasm!(self.code; .arch x64
            ; mov r11, [r15 + bound]
            ; cmp eax, [r11]
        );
        self.code.jump_if(Flag::AboveOrEqual, start);
        if stride.count_ones() == 1 {
            let by = stride.trailing_zeros().cast_signed();
            self.shift(AluOp::Lsh, Width::W64, RAX, Source::Imm(by));
        } else {
            let stride = self.chosen(Operand::Imm(stride));
            self.multiply(Width::W64, RAX, RAX, stride);
        }
        let base = Mem::new(self.session, offset::link_base(link));
        self.arith(Arith::Add, Width::W64, RAX, Source::Mem(base));
        if let Found::Jumps(target) = found {
            self.code.jump(target);
        }
        self.code.bind(end);
        self.put_aside(Miss { start, end, pc, asked: Asked::Lookup { map, link, key, found } });
    }

    /// R0 becomes the number of the CPU, for which the host is asked once a run.
    pub(super) fn cpu(&mut self, pc: usize) {
        let (start, end) = (self.code.label(), self.code.label());
        self.load(Size::W, false, RAX, Mem::new(self.session, offset::KNOWN_CPU));
        self.test(Width::W32, RAX, Source::Reg(RAX));
        self.code.jump_if(Flag::Negative, start);
        self.code.bind(end);
        self.put_aside(Miss { start, end, pc, asked: Asked::Cpu });
    }

    fn put_aside(&mut self, miss: Miss) {
        if self.misses.try_reserve(1).is_ok() {
            self.misses.push(miss);
        }
        // Without room for it the label has no place, which `finish` reports.
    }

    /// What happens where the host has to be asked.
    pub(super) fn misses(&mut self) {
        for Miss { start, end, pc, asked } in core::mem::take(&mut self.misses) {
            self.code.bind(start);
            match asked {
                Asked::Lookup { map, link, key, found } => {
                    self.missed_lookup(pc, end, (map, link, key), found);
                }
                Asked::Cpu => self.host_call(Shim::Platform, pc, id::GET_SMP_PROCESSOR_ID),
            }
            self.code.jump(end);
        }
    }

    fn missed_lookup(
        &mut self,
        pc: usize,
        end: Label,
        (map, link, key): (u32, u8, Mem),
        found: Found,
    ) {
        let (ask, entries) = (self.code.label(), offset::link_end(link));
        // Where a null goes.
        let null = if let Found::Falls(target) = found { target } else { end };
        dynasm!(self.code; .arch x64
            ; mov r11, [r15 + entries]
            ; test r11, r11
        );
        self.code.jump_if(Flag::Equal, ask);
        dynasm!(self.code; .arch x64
            ; cmp eax, [r11]
            // The flags are looked at after.
            ; mov eax, 0
        );
        self.code.jump_if(Flag::AboveOrEqual, null);
        self.code.bind(ask);
        self.lea(Width::W64, native(Register::R2), key);
        self.set(native(Register::R1), bpf_interp::Run::map_handle(map));
        self.host_call(Shim::Lookup, pc, id::MAP_LOOKUP_ELEM);
        if !matches!(found, Found::Asks) {
            dynasm!(self.code; .arch x64; test rax, rax);
        }
        match found {
            Found::Asks => {}
            Found::Falls(target) => self.code.jump_if(Flag::Equal, target),
            Found::Jumps(target) => self.code.jump_if(Flag::NotEqual, target),
        }
    }
}
