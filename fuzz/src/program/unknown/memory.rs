//! Uses of unknown numbers: as indexes and as sizes.

use kernel_bpf::bytecode::{BpfInsn, BpfProgType};

use super::{Maker, VALUE};

impl Maker<'_, '_> {
    /// Brings R1, a copy of an unknown number, below `limit`, in one of many
    /// ways; the last instructions may be jumps whose distance, of 0, is still
    /// to be set to where the access is not made. Gives their places.
    fn bounded(&mut self, limit: i32) -> Vec<usize> {
        let number = self.pick(&[7, 8, 0, 3]);
        // Now and then one too many.
        let limit = limit + i32::from(self.input.below(16) == 0);
        let mut jumps = Vec::new();
        self.emit([BpfInsn::mov64_reg(1, number)]);
        let mut jump = |maker: &mut Self, insn: BpfInsn| {
            jumps.push(maker.insns.len());
            maker.emit([insn]);
        };
        match self.input.below(12) {
            0 => {
                let mask = limit.cast_unsigned().next_power_of_two().cast_signed() / 2 - 1;
                self.emit([BpfInsn::and64_imm(1, mask)]);
            }
            1 => self.emit([BpfInsn::mod64_imm(1, limit)]),
            2 => self.emit([BpfInsn::mov32_reg(1, number), BpfInsn::mod32_imm(1, limit)]),
            3 => jump(self, BpfInsn::jge_imm(1, limit, 0)),
            4 => jump(self, BpfInsn::jgt_imm(1, limit - 1, 0)),
            5 => {
                jump(self, BpfInsn::jsge_imm(1, limit, 0));
                if self.input.below(8) > 0 {
                    jump(self, BpfInsn::jslt_imm(1, 0, 0));
                }
            }
            6 => {
                self.emit([BpfInsn::mov32_reg(1, 1)]);
                jump(self, BpfInsn::jge32_imm(1, limit, 0));
            }
            // The comparison is on one copy, the use of the other.
            7 => {
                jump(self, BpfInsn::jge_imm(number, limit, 0));
            }
            8 => {
                self.emit([BpfInsn::rsh64_imm(1, 64 - limit.ilog2().cast_signed())]);
            }
            9 => {
                self.emit([BpfInsn::stx_dw(10, -72, 1)]);
                jump(self, BpfInsn::jge_imm(1, limit, 0));
                self.emit([BpfInsn::ldx_dw(1, 10, -72)]);
            }
            10 => {
                // Compared with a register that is bounded.
                self.emit([BpfInsn::mov64_reg(2, 8), BpfInsn::and64_imm(2, 15)]);
                jump(self, BpfInsn::jgt_reg(1, 2, 0));
            }
            _ => {
                self.emit([BpfInsn::stx_w(10, -72, 1)]);
                jump(self, BpfInsn::jge32_imm(1, limit, 0));
                self.emit([BpfInsn::ldx_w(1, 10, -72)]);
            }
        }
        if self.input.below(4) == 0 {
            let extra = match self.input.below(6) {
                0 => BpfInsn::rsh64_imm(1, 1),
                1 => BpfInsn::and64_imm(1, self.pick(&[-2, 0xfc, 0x78])),
                2 => BpfInsn::div64_imm(1, 2),
                3 => BpfInsn::movsx8_64(1, 1),
                4 => BpfInsn::lsh64_imm(1, 1),
                _ => BpfInsn::xor64_imm(1, 1),
            };
            self.emit([extra]);
        }
        jumps
    }

    /// Makes the jumps lead behind what there is.
    fn land(&mut self, jumps: &[usize]) {
        let here = self.insns.len();
        for at in jumps {
            self.insns[*at] = self.insns[*at].with_off(super::distance(*at, here));
        }
    }

    /// A load or a store through `base`, to which R1 is about to be added: of
    /// any width where that is aligned, else mostly of a byte. The sum is made
    /// by `sum`.
    fn access(&mut self, sum: impl IntoIterator<Item = BpfInsn>, base: u8, off: i16) {
        let (to, from) = (self.pick(&[7, 8, 3]), self.pick(&[7, 8]));
        let imm = self.imm();
        let aligned = self.input.below(2) == 0;
        if aligned {
            self.emit([BpfInsn::and64_imm(1, -8)]);
        }
        let bytes_only = !aligned && self.input.below(16) > 0;
        let insn = match self.input.below(if bytes_only { 3 } else { 11 }) {
            0 => BpfInsn::ldx_b(to, base, off),
            1 => BpfInsn::ldxs_b(to, base, off),
            2 => BpfInsn::stx_b(base, off, from),
            3 => BpfInsn::ldx_w(to, base, off),
            4 => BpfInsn::ldx_h(to, base, off),
            5 => BpfInsn::ldxs_w(to, base, off),
            6 => BpfInsn::stx_dw(base, off, from),
            7 => BpfInsn::stx_w(base, off, from),
            8 => BpfInsn::ldx_dw(to, base, off),
            9 => BpfInsn::st_dw(base, off, imm),
            _ => BpfInsn::st_h(base, off, imm),
        };
        self.emit(sum);
        self.emit([insn]);
    }

    /// Spills and fills of every width, also of parts and across slots.
    pub(super) fn stack(&mut self) {
        for _ in 0..=self.input.below(4) {
            let slot = -8 * (1 + i16::from(self.input.u8() & 7));
            let (a, b) = (self.number(), self.number());
            let part = i16::from(self.input.u8() & 7);
            let imm = self.imm();
            let insn = match self.input.below(14) {
                0 | 1 => BpfInsn::stx_dw(10, slot, a),
                2 => BpfInsn::stx_w(10, slot + (part & 4), a),
                3 => BpfInsn::stx_h(10, slot + (part & 6), a),
                4 => BpfInsn::stx_b(10, slot + part, a),
                5 => BpfInsn::st_dw(10, slot, imm),
                6 => BpfInsn::st_w(10, slot + (part & 4), imm),
                7 | 8 => BpfInsn::ldx_dw(b, 10, slot),
                9 => BpfInsn::ldx_w(b, 10, slot + (part & 4)),
                10 => BpfInsn::ldx_h(b, 10, slot + (part & 6)),
                11 => BpfInsn::ldxs_w(b, 10, slot + (part & 4)),
                12 => BpfInsn::ldxs_h(b, 10, slot + (part & 6)),
                _ => BpfInsn::ldx_b(b, 10, slot + part),
            };
            self.emit([insn]);
        }
    }

    /// An access to the stack at an unknown offset.
    pub(super) fn indexed_stack(&mut self) {
        let jumps = self.bounded(57);
        self.emit([BpfInsn::mov64_reg(2, 10)]);
        let down = self.input.below(4) == 0;
        if down {
            self.access([BpfInsn::neg64(1), BpfInsn::add64_reg(2, 1)], 2, -8);
        } else {
            self.access([BpfInsn::add64_reg(2, 1)], 2, -64);
        }
        self.land(&jumps);
        self.again(&[1, 2]);
    }

    /// An access to a map's value at an unknown offset.
    pub(super) fn indexed_value(&mut self) {
        if self.input.below(3) == 0 {
            let jumps = self.bounded(VALUE - 7);
            self.emit(BpfInsn::ld_map_value(2, 3, 0));
            self.access([BpfInsn::add64_reg(2, 1)], 2, 0);
            self.land(&jumps);
            return self.again(&[1, 2]);
        }
        let key = self.pick(&[7, 8, 3]);
        if self.input.below(2) == 0 {
            let index = i32::from(self.input.u8() & 3);
            self.emit([BpfInsn::st_w(10, -68, index)]);
        } else {
            self.emit([BpfInsn::stx_w(10, -68, key)]);
        }
        self.emit([BpfInsn::mov64_reg(2, 10), BpfInsn::add64_imm(2, -68)]);
        self.emit(BpfInsn::ld_map(1, 0));
        self.emit([BpfInsn::call(1)]);
        let mut jumps = Vec::new();
        match self.input.below(8) {
            0 => {
                // By way of a copy.
                self.emit([BpfInsn::mov64_reg(4, 0)]);
                jumps.push(self.insns.len());
                self.emit([BpfInsn::jeq_imm(4, 0, 0)]);
            }
            1 => self.emit([BpfInsn::jne_imm(0, 0, 2), BpfInsn::mov64_imm(0, 0), BpfInsn::exit()]),
            _ => {
                jumps.push(self.insns.len());
                self.emit([BpfInsn::jeq_imm(0, 0, 0)]);
            }
        }
        self.again(&[3]);
        let kept = self.input.below(3) == 0;
        if kept {
            self.emit([BpfInsn::stx_dw(10, -80, 0)]);
        }
        jumps.extend(self.bounded_beside_r0());
        if kept {
            self.emit([BpfInsn::ldx_dw(0, 10, -80)]);
        }
        self.access([BpfInsn::add64_reg(0, 1)], 0, 0);
        self.land(&jumps);
        self.again(&[0, 1, 2, 3, 4, 5]);
    }

    /// As [`bounded`](Self::bounded), while R0 holds an address.
    fn bounded_beside_r0(&mut self) -> Vec<usize> {
        let start = self.insns.len();
        let jumps = self.bounded(VALUE - 7);
        if self.insns[start].src() == 0 {
            self.insns[start] = BpfInsn::mov64_reg(1, 7);
        }
        // The comparison may have been on R0 itself.
        for at in &jumps {
            let insn = self.insns[*at];
            if insn.dst() == 0 {
                self.insns[*at] = BpfInsn::new(insn.code(), 1, insn.src(), 0, insn.imm());
            }
        }
        jumps
    }

    /// An access to the packet at an unknown offset.
    pub(super) fn indexed_packet(&mut self) {
        if self.prog_type == BpfProgType::Tracepoint {
            return self.stack();
        }
        let (data, end) = self.packet_fields();
        let mut jumps = self.bounded(40);
        let need = self.pick(&[8, 8, 8, 4, 16]);
        self.emit([BpfInsn::ldx_w(2, 6, data), BpfInsn::ldx_w(5, 6, end)]);
        if self.input.below(2) == 0 {
            self.emit([BpfInsn::and64_imm(1, -8)]);
        }
        self.emit([BpfInsn::add64_reg(2, 1)]);
        let before = i32::from(self.input.below(3) == 0) * 4;
        self.emit([BpfInsn::add64_imm(2, before), BpfInsn::mov64_reg(4, 2)]);
        self.emit([BpfInsn::add64_imm(4, need)]);
        jumps.push(self.insns.len());
        let insn = match self.input.below(4) {
            0 => BpfInsn::jge_reg(4, 5, 0),
            1 => BpfInsn::jlt_reg(5, 4, 0),
            _ => BpfInsn::jgt_reg(4, 5, 0),
        };
        self.emit([insn]);
        let off = self.pick(&[0, 0, 0, 8, -4]);
        self.access([BpfInsn::mov64_reg(1, 2)], 1, off);
        self.land(&jumps);
        self.again(&[1, 2, 4, 5]);
    }

    /// Atomic operations on the stack.
    pub(super) fn atomic(&mut self) {
        let slot = -8 * (1 + i16::from(self.input.u8() & 7));
        let number = self.number();
        let insn = match self.input.below(10) {
            0 => BpfInsn::atomic_add64(10, slot, number),
            1 => BpfInsn::atomic_fetch_add64(10, slot, number),
            2 => BpfInsn::atomic_fetch_or32(10, slot, number),
            3 => BpfInsn::atomic_fetch_and64(10, slot, number),
            4 => BpfInsn::atomic_fetch_xor32(10, slot + 4, number),
            5 => BpfInsn::atomic_xchg64(10, slot, number),
            6 => BpfInsn::atomic_xchg32(10, slot, number),
            7 => BpfInsn::atomic_cmpxchg64(10, slot, number),
            8 => BpfInsn::atomic_cmpxchg32(10, slot + 4, number),
            _ => BpfInsn::atomic_add32(10, slot, number),
        };
        self.emit([insn]);
    }

    /// Helpers that give unknown numbers, change maps, take sizes, or hand out
    /// records.
    pub(super) fn helper(&mut self) {
        match self.input.below(6) {
            0 => {
                let helper = self.pick(&[7, 5, 8]);
                self.emit([BpfInsn::call(helper)]);
            }
            1 => self.update(),
            2 => self.reserve(),
            3 => {
                // A size that is bounded; of 0 it may be refused.
                let jumps = self.bounded(57);
                self.emit([
                    BpfInsn::mov64_reg(3, 1),
                    BpfInsn::mov64_reg(2, 10),
                    BpfInsn::add64_imm(2, -64),
                    BpfInsn::mov64_imm(4, 0),
                ]);
                self.emit(BpfInsn::ld_map(1, 2));
                self.emit([BpfInsn::call(130)]);
                self.again(&[0, 1, 2, 3, 4, 5]);
                self.land(&jumps);
                return self.again(&[0, 1, 2, 3, 4, 5]);
            }
            4 if self.prog_type == BpfProgType::Xdp => {
                let by = i32::from(self.input.u8() & 31) - 16;
                let helper = self.pick(&[44, 65]);
                self.emit([BpfInsn::mov64_reg(1, 6), BpfInsn::mov64_imm(2, by)]);
                self.emit([BpfInsn::call(helper)]);
            }
            _ => self.emit([BpfInsn::call(7)]),
        }
        self.again(&[1, 2, 3, 4, 5]);
    }

    fn update(&mut self) {
        let helper = self.pick(&[2, 2, 3]);
        self.emit([
            BpfInsn::stx_dw(10, -88, 7),
            BpfInsn::st_w(10, -84, 0),
            BpfInsn::mov64_reg(2, 10),
            BpfInsn::add64_imm(2, -88),
            BpfInsn::mov64_reg(3, 10),
            BpfInsn::add64_imm(3, -32),
            BpfInsn::mov64_imm(4, 0),
        ]);
        self.emit(BpfInsn::ld_map(1, 1));
        self.emit([BpfInsn::call(helper)]);
    }

    fn reserve(&mut self) {
        let size = self.pick(&[16, 24, 64]);
        self.emit(BpfInsn::ld_map(1, 2));
        self.emit([BpfInsn::mov64_imm(2, size), BpfInsn::mov64_imm(3, 0), BpfInsn::call(131)]);
        let null = self.insns.len();
        self.emit([BpfInsn::jeq_imm(0, 0, 0), BpfInsn::stx_dw(10, -80, 0)]);
        self.again(&[3]);
        let jumps = self.bounded_beside_r0();
        let mask = self.pick(&[7, 8, 3, 1]);
        self.emit([BpfInsn::and64_imm(1, mask)]);
        self.access([BpfInsn::add64_reg(0, 1)], 0, 0);
        self.land(&jumps);
        let helper = self.pick(&[132, 133]);
        self.emit([BpfInsn::ldx_dw(1, 10, -80), BpfInsn::mov64_imm(2, 0)]);
        self.emit([BpfInsn::call(helper)]);
        self.land(&[null]);
        self.again(&[0]);
    }
}
