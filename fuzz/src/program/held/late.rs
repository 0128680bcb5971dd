//! What is gone, used again where it was: slices after their bytes were written, after
//! their frame and after their record; records that a copy of their dynptr names.

use kernel_bpf::bytecode::BpfProgType;

use super::{Called, Maker};
use crate::kernel::RING;

/// Where a frame has the bytes that it lends.
const OWN: (&str, &str) = ("r10", "-160");

impl Maker<'_, '_> {
    /// Any of them.
    pub(super) fn late(&mut self) {
        match self.out.input.below(4) {
            0 => self.write_what_is_lent(),
            1 => self.outlive_a_frame(),
            2 => self.outlive_a_record(),
            _ => self.copy_a_record(),
        }
    }

    fn over_packet(&mut self, register: u8, off: usize) {
        let kfunc = if self.prog_type == BpfProgType::Xdp { 137 } else { 136 };
        self.code(&format!("r1 = r6; r2 = 0; r3 = r{register}; r3 += {off}; call kfunc {kfunc}"));
    }

    /// A slice, in R0 then, with a buffer at `buffer` from a register's address.
    fn slice_over(&mut self, slot: usize, (base, off): (&str, &str)) {
        let which = self.out.pick(&["138", "139", "139"]);
        self.code(&format!("r1 = r7; r1 += {slot}; r2 = 0; r3 = {base}; r3 += {off}"));
        self.code(&format!("r4 = 16; call kfunc {which}"));
    }

    /// An address is written to bytes that were lent, a number over the slice, and the
    /// address read again.
    fn write_what_is_lent(&mut self) {
        let (slot, at) = (self.slot(), 48 + 8 * self.out.input.below(5));
        self.over_packet(7, slot);
        self.slice_over(slot, ("r7", &at.to_string()));
        let over = self.out.label();
        self.code(&format!("if r0 == 0 goto {over}; r9 = r0"));
        // Mostly the same bytes.
        let near = 8 * (self.out.input.below(6) % 3);
        let what = self.out.pick(&["r6", "r6", "r8"]);
        self.code(&format!("*(u64 *)(r7 +{}) = {what}", at + near));
        let access = self.out.pick(&["*(u64 *)(r9 +", "*(u32 *)(r9 +"]);
        self.code(&format!("{access}{}) = r8", near.min(8)));
        if what == "r6" {
            self.code(&format!("r6 = *(u64 *)(r7 +{}); r8 = *(u32 *)(r6 +16)", at + near));
        }
        self.label(&over);
        self.number_again();
    }

    /// A function leaves a slice behind that may be bytes of its frame.
    fn outlive_a_frame(&mut self) {
        let Some(name) = self.functions.callee(Called::Lends) else { return self.small() };
        self.code(&format!("r1 = r6; r2 = r7; r3 = r8; call local {name}"));
        let over = self.out.label();
        if self.chance(2) {
            self.code("r0 = *(u64 *)(r7 +104)");
        }
        self.code(&format!("if r0 == 0 goto {over}; r9 = r0"));
        self.use_r9();
        self.label(&over);
        self.number_again();
    }

    /// The body of such a function: context, the caller's area and a number in R1 to R3.
    pub(super) fn lends(&mut self) {
        self.code("r6 = r1; r7 = r2; r8 = r3");
        let slot = self.slot();
        self.over_packet(7, slot);
        let buffer = if self.chance(4) { ("r7", "48") } else { OWN };
        self.slice_over(slot, buffer);
        self.code("*(u64 *)(r7 +104) = r0; exit");
    }

    /// A record of a ring buffer by a dynptr, and a part of it in R9, or null.
    fn sliced_record(&mut self) -> usize {
        let slot = self.slot();
        self.code(&format!("r1 = map[idx:{RING}] ll; r2 = 32; r3 = 0; r4 = r7; r4 += {slot}"));
        self.code(&format!("call 198; r1 = r7; r1 += {slot}; r2 = 0"));
        let part = self.out.pick(&["r3 = 16; call 203", "r3 = 0; r4 = 16; call kfunc 139"]);
        self.code(&format!("{part}; r9 = r0"));
        slot
    }

    fn end_record(&mut self, slot: usize) {
        let end = self.out.pick(&["199", "200"]);
        self.code(&format!("r1 = r7; r1 += {slot}; r2 = 0; call {end}"));
    }

    fn outlive_a_record(&mut self) {
        let slot = self.sliced_record();
        let over = self.out.label();
        let early = self.chance(2);
        if early {
            self.end_record(slot);
        }
        self.code(&format!("if r9 == 0 goto {over}"));
        self.use_r9();
        self.label(&over);
        if !early {
            self.end_record(slot);
        }
        self.number_again();
    }

    fn copy_a_record(&mut self) {
        let slot = self.sliced_record();
        let other = (slot + 16) % 48;
        self.code(&format!("r1 = r7; r1 += {slot}; r2 = r7; r2 += {other}; call kfunc 144"));
        self.end_record(slot);
        let over = self.out.label();
        self.code(&format!("r1 = r7; r1 += {other}; r2 = 0; r3 = 16; call 203"));
        self.code(&format!("if r0 == 0 goto {over}; r9 = r0"));
        self.use_r9();
        self.label(&over);
        self.number_again();
    }
}
