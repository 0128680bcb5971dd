//! Dynptrs, their slices and copies.

use kernel_bpf::bytecode::BpfProgType;

use super::Maker;
use crate::kernel::{RING, VALUE};

impl Maker<'_, '_> {
    pub(super) fn slot(&mut self) -> usize {
        16 * self.out.input.below(3)
    }

    /// A dynptr is made, where none was yet, mostly.
    pub(super) fn make_one(&mut self) {
        if self.dynptr.is_none() && !self.given && !self.chance(8) {
            self.make();
        }
    }

    /// The address of a dynptr, or of the place for one, in a register.
    pub(super) fn place(&mut self, register: u8) -> String {
        if self.given && (self.dynptr.is_none() || self.chance(2)) && !self.chance(8) {
            return format!("r{register} = *(u64 *)(r7 +96)");
        }
        let off = match (self.dynptr, self.out.input.below(8)) {
            (_, 0) => 8 * self.out.input.below(6),
            (Some(slot), 1..7) => slot,
            _ => self.slot(),
        };
        format!("r{register} = r7; r{register} += {off}")
    }

    pub(super) fn make(&mut self) {
        let over_packet = if self.prog_type == BpfProgType::Xdp { 137 } else { 136 };
        let slot = self.slot();
        self.dynptr = Some(slot);
        if self.chance(3) {
            let place = format!("r4 = r7; r4 += {slot}");
            let bytes = self.out.pick(&["64", "32", "8"]);
            self.code(&format!("r1 = map[idx:{VALUE}][0] ll; r2 = {bytes}; r3 = 0"));
            return self.code(&format!("{place}; call 197"));
        }
        let place = format!("r3 = r7; r3 += {slot}");
        self.code(&format!("r1 = r6; r2 = 0; {place}; call kfunc {over_packet}"));
    }

    pub(super) fn on_dynptr(&mut self) {
        self.make_one();
        let place = self.place(1);
        match self.out.input.below(6) {
            0 => self.code(&format!("{place}; call kfunc 143; r8 = r0")),
            1 => self.code(&format!("{place}; r2 = 1; r3 = r8; call kfunc 140")),
            2 => {
                let to = self.place(2);
                self.code(&format!("{place}; {to}; call kfunc 144"));
            }
            3 => {
                let from = self.place(3);
                let len = self.out.pick(&["8", "16", "32"]);
                self.code(&format!("r1 = r7; r1 += 48; r2 = {len}; {from}; r4 = r8; r5 = 0"));
                self.code("call 201");
            }
            _ => {
                let len = self.out.pick(&["8", "16"]);
                let from = self.out.pick(&["r3 = r7; r3 += 48", "r3 = r7; r3 += 48", "r3 = r9"]);
                self.code(&format!("{place}; r2 = 0; {from}; r4 = {len}; r5 = 0"));
                self.code("call 202");
            }
        }
    }

    pub(super) fn slice(&mut self, depth: usize) {
        if self.chance(4) {
            self.make();
        }
        self.make_one();
        let place = self.place(1);
        let bytes = [8, 16, 24][self.out.input.below(3)];
        let buffer = match self.out.input.below(8) {
            0..3 => "r3 = 0".to_owned(),
            3..5 => format!("r3 = r7; r3 += {}", 48 + 8 * self.out.input.below(8)),
            5 => format!("r3 = r7; r3 += {}", 8 * self.out.input.below(12)),
            6 => format!("r3 = r10; r3 += -{}", 160 + 8 * self.out.input.below(4)),
            _ => format!("r3 = map[idx:{VALUE}][0] ll"),
        };
        let which = self.out.pick(&["138", "139", "139"]);
        let off = self.out.pick(&["0", "r8", "4"]);
        self.code(&format!("{place}; r2 = {off}; {buffer}; r4 = {bytes}; call kfunc {which}"));
        if self.chance(5) {
            return self.keep("r0");
        }
        self.if_found(depth, bytes);
    }

    pub(super) fn data(&mut self, depth: usize) {
        self.make_one();
        let place = self.place(1);
        self.code(&format!("{place}; r2 = 0; r3 = 16; call 203"));
        self.if_found(depth, 16);
    }

    pub(super) fn record_dynptr(&mut self, depth: usize) {
        let off = self.slot();
        let before = self.dynptr.replace(off);
        self.code(&format!("r1 = map[idx:{RING}] ll; r2 = 32; r3 = 0; r4 = r7; r4 += {off}"));
        self.code("call 198");
        if self.chance(2) {
            self.on_dynptr();
        }
        if self.chance(2) {
            self.data(depth);
        }
        self.holding(depth);
        let end = self.out.pick(&["199", "200"]);
        self.code(&format!("r1 = r7; r1 += {off}; r2 = 0; call {end}"));
        self.dynptr = before.filter(|slot| *slot != off);
    }
}
