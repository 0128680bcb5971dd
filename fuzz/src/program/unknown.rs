//! Programs that compute with numbers of which nothing is known beforehand, and
//! then use them: as indexes into the stack, a map's value or the packet, as
//! counts of loops, as sizes. Most are right by construction or nearly so; what
//! decides is what the verifier makes of the arithmetic and the comparisons.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf::bytecode::opcode::Source;
use kernel_bpf::bytecode::table::{Form, INSTRUCTION_SET, InsnDef};
use kernel_bpf::bytecode::{BpfInsn, BpfProgType};
use kernel_bpf_tests::case::{self, Case, Verdict};

use crate::input::Input;

mod memory;

/// Slots of a program at the most, before its functions.
const LIMIT: usize = 160;

/// Bytes of a value of the array.
const VALUE: i32 = 64;

/// Numbers; R6 holds the context, R9 counts loops.
const NUMBERS: [u8; 8] = [0, 1, 2, 3, 4, 5, 7, 8];

/// A program in the making.
struct Maker<'i, 'd> {
    input: &'i mut Input<'d>,
    prog_type: BpfProgType,
    insns: Vec<BpfInsn>,
    /// Calls of functions, and which.
    calls: Vec<(usize, usize)>,
}

/// A program.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let prog_type = match input.below(8) {
        0..4 => BpfProgType::Tracepoint,
        4..7 => BpfProgType::Xdp,
        _ => BpfProgType::SchedCls,
    };
    let mut maker = Maker { input, prog_type, insns: Vec::new(), calls: Vec::new() };
    maker.program();
    Case {
        name: "unknown".to_owned(),
        prog_type,
        insns: maker.insns,
        maps: vec![
            MapDef::new(MapType::Array, 4, VALUE as u32, 4),
            MapDef::new(MapType::Hash, 8, 16, 8),
            MapDef::new(MapType::RingBuf, 0, 0, 4096),
            MapDef::new(MapType::Array, 4, VALUE as u32, 1),
        ],
        input: if prog_type == BpfProgType::Tracepoint {
            case::Input::Bytes(vec![0; 72])
        } else {
            case::Input::Packet(vec![0; 60])
        },
        expect: String::new(),
        budget: None,
        verdict: Verdict::Accept,
    }
}

/// Rows of the instruction set of some form.
fn rows(wanted: impl Fn(&Form) -> bool) -> Vec<&'static InsnDef> {
    INSTRUCTION_SET.iter().filter(|def| wanted(&def.form)).collect()
}

impl Maker<'_, '_> {
    fn emit(&mut self, insns: impl IntoIterator<Item = BpfInsn>) {
        self.insns.extend(insns);
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.input.below(from.len())]
    }

    fn number(&mut self) -> u8 {
        self.pick(&NUMBERS)
    }

    /// An immediate that is often small or at an edge.
    fn imm(&mut self) -> i32 {
        match self.input.below(8) {
            0..3 => self.input.u8().into(),
            3 => self.pick(&[0, 1, -1, i32::MAX, i32::MIN, 0xff, 0xffff, 7, 8, 31, 63]),
            4 => i32::from(self.input.u8().cast_signed()),
            5 => (1_i32 << self.input.below(31)).wrapping_sub(self.pick(&[0, 1])),
            _ => self.input.u32().cast_signed(),
        }
    }

    fn program(&mut self) {
        self.emit([BpfInsn::mov64_reg(6, 1)]);
        self.unknowns();
        for slot in 1..=8 {
            let register = self.pick(&[7, 8, 0]);
            self.emit([BpfInsn::stx_dw(10, -8 * slot, register)]);
        }
        while !self.input.is_empty() && self.insns.len() < LIMIT {
            self.block(3);
        }
        if self.input.below(4) > 0 {
            self.emit([BpfInsn::mov64_imm(0, 0)]);
        }
        self.emit([BpfInsn::exit()]);
        self.functions();
    }

    /// Gives every number register a number of which little is known.
    fn unknowns(&mut self) {
        if self.prog_type == BpfProgType::Tracepoint {
            for (at, register) in (1_i16..).zip(NUMBERS) {
                self.emit([BpfInsn::ldx_dw(register, 6, 8 * at)]);
            }
            return;
        }
        let (data, end) = self.packet_fields();
        self.emit([
            BpfInsn::ldx_w(7, 6, data),
            BpfInsn::ldx_w(8, 6, end),
            BpfInsn::mov64_reg(0, 7),
            BpfInsn::add64_imm(0, 24),
            BpfInsn::jle_reg(0, 8, 2),
            BpfInsn::mov64_imm(0, 0),
            BpfInsn::exit(),
            BpfInsn::ldx_dw(8, 7, 8),
            BpfInsn::ldx_dw(0, 7, 16),
            BpfInsn::ldx_dw(7, 7, 0),
        ]);
        self.again(&[1, 2, 3, 4, 5]);
    }

    /// Offsets in the context of the packet's addresses.
    fn packet_fields(&self) -> (i16, i16) {
        if self.prog_type == BpfProgType::Xdp { (0, 4) } else { (76, 80) }
    }

    /// Gives registers numbers again that they lost.
    fn again(&mut self, registers: &[u8]) {
        for register in registers {
            let insn = match self.input.below(4) {
                0 => BpfInsn::mov64_imm(*register, self.imm()),
                1 => BpfInsn::mov32_reg(*register, self.pick(&[7, 8])),
                _ => BpfInsn::mov64_reg(*register, self.pick(&[7, 8])),
            };
            self.emit([insn]);
        }
    }

    fn block(&mut self, depth: usize) {
        match self.input.below(if depth == 0 { 20 } else { 32 }) {
            0..8 => self.arithmetic(),
            8..11 => self.stack(),
            11..14 => self.indexed_stack(),
            14..17 => self.indexed_value(),
            17 => self.indexed_packet(),
            18 => self.helper(),
            19 => self.atomic(),
            20..26 => self.branch(depth),
            26..29 => self.repeat(depth),
            _ => self.call(),
        }
    }

    /// An arithmetic instruction on numbers.
    fn arithmetic(&mut self) {
        let defs = rows(|form| {
            matches!(form, Form::Alu(..) | Form::Neg(_) | Form::MovSx(..) | Form::ByteSwap(..))
        });
        let def = self.pick(&defs);
        let imm = match def.form {
            Form::Alu(op, width, Source::Imm) if op.is_shift() => {
                i32::from(self.input.u8()) % width.bits().cast_signed()
            }
            Form::Alu(op, _, Source::Imm) if op.is_division() => self.imm() | 1,
            _ => self.imm(),
        };
        let insn = def.with_operands(self.number(), self.number(), def.fixed.off(), imm);
        self.emit([insn]);
    }

    /// A conditional jump over a block; now and then over two, one for each side.
    fn branch(&mut self, depth: usize) {
        let defs = rows(|form| matches!(form, Form::JumpIf(..)));
        let def = self.pick(&defs);
        let jump = def.with_operands(self.number(), self.number(), 0, self.imm());
        let at = self.insns.len();
        self.emit([jump]);
        self.block(depth - 1);
        let two = self.input.below(3) == 0;
        let over = self.insns.len();
        if two {
            self.emit([BpfInsn::ja(0)]);
        }
        self.insns[at] = jump.with_off(distance(at, self.insns.len()));
        if two {
            self.block(depth - 1);
            self.insns[over] = BpfInsn::ja(distance(over, self.insns.len()));
        }
    }

    /// A loop around a block: up, down, by some step, to a limit that may be
    /// unknown.
    fn repeat(&mut self, depth: usize) {
        // R9 counts, one loop at a time.
        if depth < 3 {
            return self.arithmetic();
        }
        let step = self.pick(&[1, 1, 1, 2, 3, 7]);
        let limit = 1 + i32::from(self.input.u8() & 15);
        let kind = self.input.below(6);
        let unknown = self.pick(&[7, 8]);
        match kind {
            0 => self.emit([BpfInsn::mov64_imm(9, limit)]),
            // An unknown limit, counted down to 0.
            1 => {
                let mask = self.pick(&[3, 7, 15]);
                self.emit([BpfInsn::mov64_reg(9, unknown), BpfInsn::and64_imm(9, mask)]);
                self.emit([BpfInsn::add64_imm(9, 1)]);
            }
            _ => self.emit([BpfInsn::mov64_imm(9, 0)]),
        }
        let start = self.insns.len();
        self.block(1);
        if self.input.below(2) == 0 {
            self.block(0);
        }
        match kind {
            0 | 1 => {
                self.emit([BpfInsn::sub64_imm(9, 1)]);
                let back = distance(self.insns.len(), start);
                self.emit([BpfInsn::jne_imm(9, 0, back)]);
            }
            // Up to an unknown limit that is checked, or not.
            2 => {
                let bound = limit;
                self.emit([BpfInsn::add64_imm(9, step)]);
                let leave = self.input.below(8) > 0;
                if leave {
                    self.emit([BpfInsn::jgt_imm(9, bound, 1)]);
                }
                let back = distance(self.insns.len(), start);
                self.emit([BpfInsn::jlt_reg(9, unknown, back)]);
            }
            3 => {
                self.emit([BpfInsn::add32_imm(9, step)]);
                let back = distance(self.insns.len(), start);
                self.emit([BpfInsn::jslt32_imm(9, limit, back)]);
            }
            _ => {
                self.emit([BpfInsn::add64_imm(9, step)]);
                let back = distance(self.insns.len(), start);
                self.emit([BpfInsn::jlt_imm(9, limit, back)]);
            }
        }
    }

    /// A call of one of the functions, with numbers and addresses of the stack.
    fn call(&mut self) {
        let function = self.input.below(3);
        let (number, slot) = (self.number(), -8 * (1 + i32::from(self.input.u8() & 3)));
        self.emit([BpfInsn::mov64_reg(2, number), BpfInsn::mov64_reg(1, 10)]);
        self.emit([BpfInsn::add64_imm(1, slot)]);
        self.calls.push((self.insns.len(), function));
        self.emit([BpfInsn::call_local(0)]);
        self.again(&[1, 2, 3, 4, 5]);
    }

    /// The functions: of an address of eight bytes in R1 and a number in R2.
    fn functions(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        for function in 0..3 {
            if !calls.iter().any(|(_, called)| *called == function) {
                continue;
            }
            let start = self.insns.len();
            for (at, _) in calls.iter().filter(|(_, called)| *called == function) {
                let far = i32::from(distance(*at, start));
                self.insns[*at] = BpfInsn::call_local(far);
            }
            match function {
                0 => self.emit([
                    BpfInsn::ldx_dw(0, 1, 0),
                    BpfInsn::add64_reg(0, 2),
                    BpfInsn::stx_dw(1, 0, 0),
                ]),
                1 => {
                    self.emit([
                        BpfInsn::stx_dw(10, -8, 2),
                        BpfInsn::mov64_reg(6, 1),
                        BpfInsn::mov64_imm(0, 3),
                    ]);
                    for register in [3, 4, 5, 7, 8] {
                        self.emit([BpfInsn::mov64_reg(register, 2)]);
                    }
                    for _ in 0..3 {
                        self.arithmetic_on(&[0, 2, 3, 4, 5, 7, 8]);
                    }
                    self.emit([BpfInsn::stx_w(6, 4, 7), BpfInsn::ldx_w(0, 10, -6)]);
                    let last = self.insns.len() - 1;
                    self.insns[last] = BpfInsn::ldx_h(0, 10, -6);
                }
                _ => self.emit([
                    BpfInsn::mov64_reg(0, 2),
                    BpfInsn::and64_imm(0, 7),
                    BpfInsn::jeq_imm(0, 3, 1),
                    BpfInsn::exit(),
                    BpfInsn::add64_reg(1, 0),
                    BpfInsn::ldx_b(0, 1, 0),
                ]),
            }
            self.emit([BpfInsn::exit()]);
        }
    }

    fn arithmetic_on(&mut self, registers: &[u8]) {
        self.arithmetic();
        let last = self.insns.len() - 1;
        let insn = self.insns[last];
        let fit = |number: u8| registers[usize::from(number) % registers.len()];
        let uses_src = insn.code() & 8 != 0 || insn.src() != 0;
        let src = if uses_src { fit(insn.src()) } else { insn.src() };
        self.insns[last] = BpfInsn::new(insn.code(), fit(insn.dst()), src, insn.off(), insn.imm());
    }
}

/// The distance of a jump at `from` to `to`.
fn distance(from: usize, to: usize) -> i16 {
    i16::try_from(to.cast_signed() - from.cast_signed() - 1).expect("a short program")
}
