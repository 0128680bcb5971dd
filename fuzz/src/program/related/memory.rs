//! Where such numbers are kept, and what is accessed by them.

use super::{Maker, ROOM};

impl Maker<'_, '_> {
    /// A number goes to the stack, and something else is in its place.
    pub(super) fn keep(&mut self, register: &str) -> i64 {
        let slot = self.of(&[-16, -24, -32]);
        let size = self.out.pick(&["u64", "u64", "u64", "u32"]);
        self.code(&format!("*({size} *)(r10 {slot}) = r{register}"));
        if self.once(2) && !(self.walks && register == "9") {
            self.code(&format!("r{register} = 7"));
        }
        slot
    }

    /// It comes back, or a part of it does; it may be another one by then.
    pub(super) fn fetch(&mut self, register: &str, slot: i64) {
        let size = self.out.pick(&["u64", "u64", "u64", "u32", "s32", "u8"]);
        if self.once(6) {
            let by = self.step + self.slip();
            self.code(&format!("r1 = *(u64 *)(r10 {slot}); r1 += {by}; *(u64 *)(r10 {slot}) = r1"));
        }
        self.code(&format!("r{register} = *({size} *)(r10 {slot})"));
    }

    /// It goes to a map's value, and is what is there then.
    pub(super) fn through_map(&mut self, register: &str) {
        let most = self.most + self.slip();
        self.code(&format!("r1 = map[idx:0][0]+8 ll; *(u64 *)(r1 +0) = r{register}"));
        self.code(&format!("r{register} = *(u64 *)(r1 +0); if r{register} > {most} goto end"));
    }

    /// R2 is where what is accessed begins, of which there are `ROOM` bytes.
    pub(super) fn base(&mut self) {
        match self.out.input.below(3) {
            0 if self.packet => self.packet_base(),
            0 | 1 => self.code(&format!("r2 = r10; r2 += {}", -64 - ROOM)),
            _ => self.code("r2 = map[idx:0][0] ll"),
        }
    }

    /// R2 is the packet, of which there are so many bytes, and R3 its end.
    fn packet_base(&mut self) {
        let bytes = self.most + self.of(&[0, 0, 8, 1, -1]);
        self.code("r2 = *(u64 *)(r10 -8); r3 = *(u32 *)(r2 +4); r2 = *(u32 *)(r2 +0)");
        if !self.once(3) {
            self.code(&format!("r4 = r2; r4 += {bytes}; if r4 > r3 goto end"));
        }
    }

    /// Something is read or written, as far from R2 as R1 says.
    fn at(&mut self, least: i64) {
        let scale = self.of(&[0, 0, 0, 1, 2, 3]);
        if scale > 0 {
            self.code(&format!("r1 <<= {scale}"));
        }
        let size = self.of(&[0, 0, 0, 1, 2, 3]).min(scale.max(self.slip().abs()));
        let name = ["u8", "u16", "u32", "u64"][usize::try_from(size).unwrap_or(0)];
        self.base();
        let last = ROOM - (self.most << scale);
        let mut off = self.of(&[0, 0, last, last - 1, -least, least]) + self.slip();
        if size > 0 {
            off &= -1 << size;
        }
        let off = off.clamp(-ROOM, ROOM);
        self.code("r2 += r1");
        if self.packet && self.once(3) {
            let more = self.of(&[0, 1, 2, 4]);
            let over = self.out.label();
            self.code("r3 = *(u64 *)(r10 -8); r3 = *(u32 *)(r3 +4)");
            self.code(&format!("r4 = r2; r4 += {more}; if r4 > r3 goto {over}"));
            self.code(&format!("r0 = *({name} *)(r2 {off:+})"));
            return self.place(&over);
        }
        if self.once(2) {
            self.code(&format!("r0 = *({name} *)(r2 {off:+})"));
        } else {
            self.code(&format!("*({name} *)(r2 {off:+}) = 1"));
        }
    }

    /// By a number.
    pub(super) fn access(&mut self, x: &str) {
        self.code(&format!("r1 = r{x}"));
        self.cut_at_times();
        if self.once(6) {
            let by = self.of(&[1, 2, 3]);
            let shift = self.out.pick(&[">>", "s>>"]);
            self.code(&format!("r1 {shift}= {by}"));
        }
        let least = self.slip() + i64::from(self.step < 0);
        self.at(least);
    }

    /// By how far two numbers are apart, or by their sum.
    pub(super) fn apart(&mut self, x: &str, y: &str) {
        let (op, more) = (self.out.pick(&["-=", "-=", "-=", "+=", "|="]), self.of(&[0, 0, 1, -1]));
        match self.out.input.below(6) {
            0 => self.code(&format!("w1 = w{x}; w1 {op} w{y}")),
            1 => self.code(&format!("r1 = 0; r1 -= r{y}; r1 += r{x}")),
            2 => self.code(&format!("r1 = r{x}; r1 += {more}; r1 {op} r{y}")),
            _ => self.code(&format!("r1 = r{x}; r1 {op} r{y}")),
        }
        self.cut_at_times();
        let least = self.of(&[0, 0, 1, self.most]);
        self.at(least);
    }

    /// A register is an address, as far from where something begins as a number says.
    pub(super) fn address(&mut self, register: &str) {
        let from = self.out.pick(&["6", "7", "8"]);
        let scale = self.of(&[0, 0, 1, 2, 3]);
        self.base();
        if !self.once(3) {
            self.code(&format!("r1 = r{from}; r1 <<= {scale}; r2 += r1"));
        }
        let last = ROOM - (self.most << scale);
        let more = self.of(&[0, 0, last, ROOM, -1]);
        self.code(&format!("r2 += {more}; r{register} = r2"));
    }

    /// Something is read or written where R9 points to.
    pub(super) fn walk(&mut self) {
        if !self.walks {
            let (x, y) = (self.number(), self.number());
            return self.apart(x, y);
        }
        if self.packet && self.once(2) {
            let over = self.out.label();
            let more = self.of(&[0, 1, 1, 2]);
            self.code("r3 = *(u64 *)(r10 -8); r3 = *(u32 *)(r3 +4)");
            self.code(&format!(
                "r4 = r9; r4 += {more}; if r4 > r3 goto {over}; r0 = *(u8 *)(r9 +0)"
            ));
            return self.place(&over);
        }
        let off = self.of(&[0, 0, 0, -1, 1]);
        self.code(&format!("*(u8 *)(r9 {off:+}) = 1"));
    }
}
