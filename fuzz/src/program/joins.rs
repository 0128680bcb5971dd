//! Programs of many branches one behind the other, with more paths than a walk takes
//! one by one, and addresses at their end that rest on what each of them did.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf_tests::case::Case;

use super::lines::Lines;
use crate::input::Input;

/// A program. R6 is the context, R7 and R8 are numbers, R9 is in a map's value; 64 bytes
/// of the stack hold numbers, and addresses now and then.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let mut maker = Maker { out: Lines::new(input) };
    for line in ["r6 = r1", "r7 = 0", "r8 = 0", "r9 = map[idx:0][0] ll"] {
        maker.out.line(line);
    }
    let first = maker.out.pick(&["r7", "r8", "r9", "0"]);
    for slot in 1..=8 {
        let what = if slot < 3 { first } else { "0" };
        maker.out.line(&format!("*(u64 *)(r10 -{}) = {what}", 8 * slot));
    }
    let branches = 7 + maker.out.input.below(8);
    for at in 0..branches {
        maker.branch(at);
        if maker.out.input.below(12) == 0 {
            maker.address();
        }
    }
    for _ in 0..=maker.out.input.below(3) {
        maker.address();
    }
    maker.out.line("r0 = 0");
    maker.out.line("exit");
    let maps = vec![MapDef::new(MapType::Array, 4, 64, 1)];
    maker.out.case("joins", maps)
}

struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
}

impl Maker<'_, '_> {
    fn number(&mut self) -> &'static str {
        self.out.pick(&["r7", "r7", "r8"])
    }

    fn slot(&mut self) -> usize {
        8 * (1 + self.out.input.below(8))
    }

    fn branch(&mut self, at: usize) {
        let (over, end) = (self.out.label(), self.out.label());
        let cond = self.out.pick(&["==", ">", "!=", "s<", "&"]);
        let bound = self.out.pick(&["1", "7", "100", "8"]);
        if self.out.input.below(6) == 0 {
            let number = self.number();
            self.out.line(&format!("if {number} {cond} {bound} goto {over}"));
        } else {
            self.out.line(&format!("r3 = *(u32 *)(r6 +{})", 8 + at % 14 * 4));
            self.out.line(&format!("if r3 {cond} {bound} goto {over}"));
        }
        self.effect();
        if self.out.input.below(3) == 0 {
            self.effect();
        }
        if self.out.input.below(2) == 0 {
            self.out.line(&format!("goto {end}"));
            self.out.line(&format!("{over}: r3 = 1"));
            self.effect();
            self.out.line(&format!("{end}: r3 = 1"));
        } else {
            self.out.line(&format!("{over}: r3 = 1"));
        }
    }

    fn effect(&mut self) {
        let (number, slot) = (self.number(), self.slot());
        let by = self.out.pick(&["1", "2", "4", "3", "8"]);
        match self.out.input.below(16) {
            0..4 => self.out.line(&format!("{number} += {by}")),
            4 => self.out.line(&format!("{number} |= {by}")),
            5 => self.out.line(&format!("{number} ^= {by}")),
            6 => self.out.line(&format!("w{} += {by}", &number[1..])),
            7 => self.out.line(&format!("{number} = {by}")),
            8 => self.out.line("r8 = r7"),
            9 => self.out.line("r9 += 1"),
            10 => self.out.line(&format!("*(u64 *)(r10 -{slot}) = {number}")),
            11 => self.out.line(&format!("*(u64 *)(r10 -{slot}) = {by}")),
            12 => self.out.line(&format!("*(u64 *)(r10 -{slot}) = r9")),
            13 => self.out.line(&format!("{number} = *(u64 *)(r10 -{slot})")),
            14 => self.out.line(&format!("*(u32 *)(r10 -{slot}) = {number}")),
            _ => self.out.line(&format!("r8 = *(u32 *)(r6 +{})", slot.min(56))),
        }
    }

    /// An access whose place rests on the branches.
    fn address(&mut self) {
        let over = self.out.label();
        let slot = self.slot();
        let number = self.number();
        let from = match self.out.input.below(4) {
            0 => format!("r1 = *(u64 *)(r10 -{slot})"),
            1 => "r1 = r7\nr1 -= r8".to_owned(),
            _ => format!("r1 = {number}"),
        };
        self.out.line(&from);
        match self.out.input.below(6) {
            0 => self.out.line("r1 &= 15"),
            1 => self.out.line(&format!("if r1 > 40 goto {over}")),
            _ => {}
        }
        let at = self.out.pick(&["-100", "-64", "-40", "-512", "-513", "-30"]);
        match self.out.input.below(4) {
            0 => self.out.line("r2 = r9\nr2 += r1\nr8 = *(u8 *)(r2 +0)"),
            1 => self.out.line("r8 = *(u8 *)(r1 +0)"),
            _ => self.out.line(&format!("r2 = r10\nr2 += r1\n*(u8 *)(r2 {at}) = r8")),
        }
        self.out.line(&format!("{over}: r1 = 1"));
    }
}
