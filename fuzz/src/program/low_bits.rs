//! Loops that load numbers, cut them to some of their bits, compare these, and use what the
//! numbers are then.

use kernel_bpf_tests::case::Case;

use super::lines::Lines;
use crate::input::Input;

const LOADS: [&str; 6] = ["u64", "u32", "u16", "u8", "s32", "s16"];
const CONDS: [&str; 10] = ["==", "!=", ">", "<", ">=", "<=", "s>", "s<", "s>=", "s<="];
const REGISTERS: [&str; 6] = ["1", "2", "3", "4", "5", "9"];
/// How a register `#` is cut to some of its bits, at times with something added in between.
const CUTS: [&str; 25] = [
    "r# &= 0xff",
    "r# &= 0xffff",
    "r# &= 7",
    "w# &= 0xff",
    "w# &= 0xffff",
    "w# = w#",
    "r# = (s8)r#",
    "r# = (s16)r#",
    "r# = (s32)r#",
    "w# = (s8)w#",
    "w# = (s16)w#",
    "r# <<= 56; r# s>>= 56",
    "r# <<= 48; r# >>= 48",
    "r# <<= 48; r# s>>= 48",
    "r# <<= 32; r# >>= 32",
    "r# <<= 32; r# s>>= 32",
    "w# <<= 16; w# s>>= 16",
    "w# <<= 24; w# >>= 24",
    "w# <<= 24; w# += 0x3000000; w# s>>= 24",
    "r# <<= 56; r0 = 0x300000000000000 ll; r# += r0; r# s>>= 56",
    "r# <<= 48; r0 = 0x1000000000000 ll; r# -= r0; r# >>= 48",
    "r# <<= 32; r0 = -0x500000000 ll; r# += r0; r# s>>= 32",
    "w# += -3; r# <<= 32; r# s>>= 32",
    "w# += 3; r0 = r#; w0 += -5; r# = r0; r# <<= 32; r# s>>= 32",
    "w# += -1; r# = (s32)r#",
];

/// A program over 64 bytes. R7 is the context, R8 counts, and 64 bytes of the stack are zero;
/// the others are numbers.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let mut maker = Maker { out: Lines::new(input) };
    maker.code("r7 = r1; r8 = 0; r1 = 0; r2 = 0; r3 = 0; r4 = 0; r5 = 0; r9 = 0");
    for slot in 1..=8 {
        maker.code(&format!("*(u64 *)(r10 -{}) = 0", 8 * slot));
    }
    let rounds = maker.out.pick(&["3", "50", "700"]);
    maker.code("again: r0 = 0");
    for _ in 0..=maker.out.input.below(2) {
        maker.load();
    }
    for _ in 0..3 + maker.out.input.below(9) {
        maker.statement();
    }
    if maker.out.input.below(2) == 0 {
        let register = maker.out.pick(&REGISTERS);
        maker.access(register);
    }
    maker.code(&format!("next: r8 += 1; if r8 < {rounds} goto again; r0 = 0; exit"));
    maker.out.case("low bits", Vec::new())
}

struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
}

impl Maker<'_, '_> {
    fn code(&mut self, lines: &str) {
        lines.split(';').for_each(|line| self.out.line(line.trim()));
    }

    fn load(&mut self) {
        let (register, size) = (self.out.pick(&REGISTERS), self.out.pick(&LOADS));
        let off = 8 * self.out.input.below(8);
        self.code(&format!("r{register} = *({size} *)(r7 +{off})"));
        if self.out.input.below(3) == 0 {
            let mask = self.out.pick(&["0x1ff", "0xfff", "0x1ffff", "300"]);
            self.code(&format!("r{register} &= {mask}"));
        }
        if self.out.input.below(3) == 0 {
            let more = self.out.pick(&["-3", "200", "-70000", "1"]);
            self.code(&format!("r{register} += {more}"));
        }
    }

    /// What numbers are compared with: near the ends of widths, or small.
    fn number(&mut self) -> i64 {
        let small = i64::from(self.out.input.u8() % 12);
        match self.out.input.below(5) {
            0 => i64::from(self.out.input.u16() % 300) - 150,
            1 => (1 << self.out.pick(&["7", "8", "15", "16"]).parse::<u32>().unwrap_or(7)) - small,
            2 => i64::from(i32::MAX) - small,
            3 => i64::from(i32::MIN) + small,
            _ => small,
        }
    }

    fn statement(&mut self) {
        let (a, b) = (self.out.pick(&REGISTERS), self.out.pick(&REGISTERS));
        let (cond, wide) = (self.out.pick(&CONDS), self.out.pick(&["r", "r", "w"]));
        match self.out.input.below(9) {
            0 | 1 => self.code(&format!("r{a} = r{b}")),
            2 | 3 => {
                let cut = self.out.pick(&CUTS).replace('#', a);
                self.code(&format!("r{a} = r{b}; {cut}"));
            }
            4 => {
                let more = self.out.pick(&["1", "-1", "3", "250", "-250", "70000", "-70000"]);
                self.code(&format!("{wide}{a} += {more}"));
            }
            5 => self.code(&format!("if r{a} {cond} r{b} goto +1; r0 = 1")),
            6 => {
                self.code(&format!("if r{a} > 63 goto next"));
                self.access(a);
            }
            _ => {
                let (number, to) = (self.number(), self.out.pick(&["+1", "next", "next"]));
                self.code(&format!("if {wide}{a} {cond} {number} goto {to}; r0 = 0"));
            }
        }
    }

    /// The register as an index.
    fn access(&mut self, register: &str) {
        self.code(&format!("r0 = r10; r0 += r{register}; r0 = *(u8 *)(r0 -64)"));
    }
}
