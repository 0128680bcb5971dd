//! Loops that hand numbers on from one place to the next, round by round, and compute
//! addresses with the last one: what the loop began with matters some rounds later.

use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf_tests::case::Case;

use super::lines::Lines;
use crate::input::Input;

/// Where a number may be: in a register, or in the stack at an offset.
const PLACES: [&str; 6] = ["r7", "r8", "r9", "8", "16", "24"];
/// Where the stack has the iterator.
const ITERATOR: &str = "r1 = r10\nr1 += -40";

/// A program. R6 is the context; addresses lie 100 bytes and less below the frame's end.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let mut maker = Maker { out: Lines::new(input), places: Vec::new() };
    let first = maker.out.input.below(PLACES.len());
    let count = 2 + maker.out.input.below(3);
    maker.places = (0..count).map(|at| PLACES[(first + at) % PLACES.len()]).collect();
    maker.program();
    maker.out.case("delayed", vec![MapDef::new(MapType::Array, 4, 64, 1)])
}

struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
    /// Numbers go from each to the next.
    places: Vec<&'static str>,
}

impl Maker<'_, '_> {
    fn chance(&mut self, of: usize) -> bool {
        self.out.input.below(of) == 0
    }

    fn set(&mut self, place: &str, to: &str) {
        let line = if place.starts_with('r') {
            format!("{place} = {to}")
        } else {
            format!("*(u64 *)(r10 -{place}) = {to}")
        };
        self.out.line(&line);
    }

    fn get(&mut self, place: &str) {
        let line = if place.starts_with('r') {
            format!("r1 = {place}")
        } else {
            format!("r1 = *(u64 *)(r10 -{place})")
        };
        self.out.line(&line);
    }

    /// A branch on the context: whether it is taken nobody knows.
    fn branch(&mut self, to: &str) {
        let off = 4 * self.out.input.below(16);
        let cond = self.out.pick(&["==", ">", "s<", "!="]);
        self.out.line(&format!("r1 = *(u32 *)(r6 +{off})"));
        self.out.line(&format!("if r1 {cond} 7 goto {to}"));
    }

    fn program(&mut self) {
        self.out.line("r6 = r1");
        for place in PLACES {
            self.set(place, "0");
        }
        for _ in 0..=self.out.input.below(2) {
            let (other, join) = (self.out.label(), self.out.label());
            let place = self.places[self.out.input.below(self.places.len())];
            self.branch(&other);
            let number = self.out.pick(&["0", "0", "0", "3", "60"]);
            self.set(place, number);
            self.out.line(&format!("goto {join}"));
            self.out.line(&format!("{other}: r2 = 0"));
            let number = self.out.pick(&["0", "3", "8", "1000", "1000", "-600"]);
            self.set(place, number);
            self.out.line(&format!("{join}: r2 = 0"));
        }
        match self.out.input.below(5) {
            0 | 1 => self.iterator(),
            2 | 3 => self.allowance(),
            _ => self.counted(),
        }
        if self.chance(3) {
            self.address();
        }
        self.out.line("r0 = 0");
        self.out.line("exit");
    }

    fn iterator(&mut self) {
        let (head, out) = (self.out.label(), self.out.label());
        let end = self.out.pick(&["3", "10", "100"]);
        self.out.line(&format!("r2 = 0\nr3 = {end}\n{ITERATOR}\ncall kfunc 1"));
        self.out.line(&format!("{head}: {ITERATOR}\ncall kfunc 2\nif r0 == 0 goto {out}"));
        self.round(&out);
        self.out.line(&format!("goto {head}"));
        self.out.line(&format!("{out}: {ITERATOR}\ncall kfunc 3"));
    }

    fn allowance(&mut self) {
        let (head, out) = (self.out.label(), self.out.label());
        self.out.line(&format!("{head}: may_goto {out}"));
        self.round(&out);
        self.out.line(&format!("goto {head}"));
        self.out.line(&format!("{out}: r1 = 0"));
    }

    fn counted(&mut self) {
        let (head, out) = (self.out.label(), self.out.label());
        let rounds = self.out.pick(&["3", "10", "100"]);
        self.out.line(&format!("*(u64 *)(r10 -48) = 0\n{head}: r1 = *(u64 *)(r10 -48)"));
        self.out.line(&format!("if r1 > {rounds} goto {out}\nr1 += 1\n*(u64 *)(r10 -48) = r1"));
        self.round(&out);
        self.out.line(&format!("goto {head}"));
        self.out.line(&format!("{out}: r1 = 0"));
    }

    fn round(&mut self, out: &str) {
        let first = self.chance(2);
        if first {
            self.address();
        }
        if self.chance(4) {
            self.branch(out);
        }
        for at in (1..self.places.len()).rev() {
            self.get(self.places[at - 1]);
            self.set(self.places[at], "r1");
        }
        if self.chance(3) {
            let place = self.places[0];
            self.get(place);
            let what = self.out.pick(&["r1 += 1", "r1 &= 15", "r1 ^= 8", "r1 -= 1"]);
            self.out.line(what);
            self.set(place, "r1");
        }
        if !first {
            self.address();
        }
    }

    /// An access at a place that the last number decides.
    fn address(&mut self) {
        let over = self.out.label();
        self.get(self.places[self.places.len() - 1]);
        match self.out.input.below(8) {
            0 => self.out.line("r1 &= 15"),
            1 => self.out.line(&format!("if r1 > 40 goto {over}")),
            _ => {}
        }
        let access = self.out.pick(&["*(u8 *)(r2 -120) = r1", "r1 = *(u8 *)(r2 -120)"]);
        let base = self.out.pick(&["r2 = r10", "r2 = r10", "r2 = map[idx:0][0] ll"]);
        let access = if base == "r2 = r10" { access } else { "r1 = *(u8 *)(r2 +0)" };
        self.out.line(&format!("{base}\nr2 += r1\n{access}\n{over}: r1 = 0"));
    }
}
