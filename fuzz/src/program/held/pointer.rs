//! Addresses in R9 and in memory, and what may take away that to which they point.

use kernel_bpf::bytecode::BpfProgType;

use super::Maker;

impl Maker<'_, '_> {
    /// A block in which R9 is what R0 is, if that is not null.
    pub(super) fn if_found(&mut self, depth: usize, bytes: usize) {
        let over = self.out.label();
        self.code(&format!("if r0 == 0 goto {over}; r9 = r0"));
        let before = std::mem::replace(&mut self.behind, bytes);
        if self.chance(3) {
            self.block(depth);
        }
        if self.chance(3) {
            self.disturb();
        }
        self.behind = before;
        self.label(&over);
        self.number_again();
    }

    /// R9 is a number again, where it is no address of a block around.
    pub(super) fn number_again(&mut self) {
        self.code("r0 = 0");
        if self.behind == 0 {
            self.code("r9 = 0");
        }
    }

    pub(super) fn keep(&mut self, register: &str) {
        self.kept = true;
        self.code(&format!("*(u64 *)(r7 +104) = {register}"));
    }

    /// What was kept in memory.
    pub(super) fn resume(&mut self, depth: usize) {
        if !self.kept {
            return self.small();
        }
        self.code("r0 = *(u64 *)(r7 +104)");
        self.if_found(depth, 8);
    }

    pub(super) fn use_r9(&mut self) {
        let access = self.out.pick(&["r8 = *(u64 *)(r9 +0)", "*(u64 *)(r9 +0) = r8"]);
        self.code(access);
    }

    /// Something by which R9 may come to point to nothing; and then it is used.
    pub(super) fn disturb(&mut self) {
        let off = 8 * self.out.input.below(15);
        match self.out.input.below(if self.kernel { 12 } else { 6 }) {
            0 => self.move_packet(),
            1 if self.kernel && self.chance(2) => self.call_global(),
            1 => self.call(),
            2 => self.code("r1 = r9; r2 = 0; call 132; r0 = 0"),
            3 => self.tail_call(),
            4 | 5 => {
                self.code(&format!("*(u64 *)(r7 +{off}) = r6"));
                self.use_r9();
                self.code(&format!("r6 = *(u64 *)(r7 +{off})"));
            }
            6 | 7 => self.on_dynptr(),
            8 => self.make(),
            9 => {
                let (slot, end) = (self.slot(), self.out.pick(&["199", "200"]));
                self.code(&format!("r1 = r7; r1 += {slot}; r2 = 0; call {end}"));
            }
            10 => self.code(&format!("*(u64 *)(r7 +{off}) = r8")),
            _ => {
                let label = self.out.label();
                let test = self.test();
                self.code(&format!("{test} goto {label}; *(u64 *)(r7 +{off}) = 0"));
                self.label(&label);
                self.code("r0 = 0");
            }
        }
        self.use_r9();
    }

    pub(super) fn packet_at(&self) -> (u32, u32) {
        if self.prog_type == BpfProgType::Xdp { (0, 4) } else { (76, 80) }
    }

    pub(super) fn packet_access(&mut self, depth: usize) {
        let ((data, end), over) = (self.packet_at(), self.out.label());
        self.code(&format!("r2 = *(u32 *)(r6 +{data}); r3 = *(u32 *)(r6 +{end}); r0 = r2"));
        self.code(&format!("r2 += 16; if r2 > r3 goto {over}"));
        self.if_found(depth, 16);
        self.label(&over);
        self.number_again();
    }

    pub(super) fn move_packet(&mut self) {
        let helper = if self.prog_type == BpfProgType::Xdp {
            44
        } else if self.prog_type == BpfProgType::SchedCls {
            [38, 39][self.out.input.below(2)]
        } else {
            return self.small();
        };
        self.code(&format!("r1 = r6; r2 = 4; r3 = 0; call {helper}"));
    }
}
