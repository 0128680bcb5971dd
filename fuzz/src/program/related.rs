//! Loops of numbers that go together: by the same step, opposite ones or multiples, where the
//! one begins at the other, ends at it, or is as far from it as they came in between; kept on
//! the stack, cut to fewer bits, moved in functions and in what helpers call. They say where
//! memory is accessed that has room for what they come to, or for one less.

mod called;
mod lines;
mod memory;

use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::bytecode::abi::map::{MapDef, MapType};
use kernel_bpf_tests::case::{self, Case};

use super::lines::Lines;
use crate::input::Input;

/// Lines of a program after which nothing long begins.
const LINES: usize = 120;
/// Loops in loops, at the most.
const DEPTH: usize = 3;
/// Bytes of what is accessed, on the stack and in a map's value.
const ROOM: i64 = 64;

/// A program in the making. R6 to R8 are numbers, of which each is a loop's own; R9 is one
/// beside, or an address that goes on with them. R0 to R5 are used by everyone. The context
/// lies at R10 - 8, and what is accessed at R10 - 128.
struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
    packet: bool,
    /// Whether R9 is an address.
    walks: bool,
    /// What numbers end at, mostly.
    most: i64,
    /// What the steps of the loops are multiples of.
    step: i64,
    /// How many loops there are around.
    depth: usize,
    /// Where the rounds of these loops end, and where the loops do.
    around: Vec<[String; 2]>,
    /// The functions behind the program.
    functions: String,
    /// Functions, places that iterators have on the stack.
    count: usize,
}

/// A program over 64 bytes, or over a packet.
pub(super) fn case(input: &mut Input<'_>) -> Case {
    let packet = input.below(4) == 3;
    let walks = input.below(3) == 1;
    let step = [1, 1, -1, 2, 1, -2, 3, 8, 5, 1, -3, 24][input.below(12)];
    let rounds = [8, 4, 16, 7, 32, 3, 64, 24][input.below(8)];
    // Mostly so many steps, as far as there is room.
    let most = if input.below(4) == 3 { rounds } else { (rounds * i64::abs(step)).min(ROOM) };
    let (around, functions) = (Vec::new(), String::new());
    let out = Lines::new(input);
    let mut maker = Maker { out, packet, walks, most, step, depth: 0, around, functions, count: 0 };
    maker.program();
    maker.out.text.push_str(&maker.functions);
    let maps = vec![MapDef::new(MapType::Array, 4, 64, 1), MapDef::new(MapType::Array, 4, 64, 1)];
    let case = maker.out.case("related", maps);
    if packet {
        let input = case::Input::Packet(vec![0; 64]);
        return Case { prog_type: BpfProgType::Xdp, input, ..case };
    }
    case
}

impl Maker<'_, '_> {
    fn code(&mut self, lines: &str) {
        lines.split(';').for_each(|line| self.out.line(line.trim()));
    }

    fn place(&mut self, label: &str) {
        self.out.line(&format!("{label}: r0 = 0"));
    }

    /// Whether it is so once in `of` times.
    fn once(&mut self, of: usize) -> bool {
        self.out.input.below(of) == of - 1
    }

    fn of(&mut self, numbers: &[i64]) -> i64 {
        numbers[self.out.input.below(numbers.len())]
    }

    /// Mostly 0.
    fn slip(&mut self) -> i64 {
        self.of(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, -1])
    }

    /// A register that holds a number.
    fn number(&mut self) -> &'static str {
        let all = ["6", "7", "8", "9"];
        self.out.pick(&all[..if self.walks { 3 } else { 4 }])
    }

    fn program(&mut self) {
        self.code("*(u64 *)(r10 -8) = r1");
        for slot in 2..=16 {
            self.code(&format!("*(u64 *)(r10 -{}) = 0", 8 * slot));
        }
        self.code("r6 = 0; r7 = 0; r8 = 0; r9 = 0");
        for register in ["6", "7", "8"] {
            if self.once(2) {
                self.begin(register);
            }
        }
        if self.walks {
            self.address("9");
        } else {
            self.begin("9");
        }
        self.looped();
        if self.once(2) {
            self.item();
        }
        if self.out.count < LINES && self.once(3) {
            self.looped();
        }
        self.code("end: r0 = 0; exit");
    }

    /// A loop, whose number is the register of its depth.
    fn looped(&mut self) {
        let register = ["6", "7", "8"][self.depth];
        let [head, next, out] = [(); 3].map(|()| self.out.label());
        match self.out.input.below(8) {
            0..3 => self.begin(register),
            3 | 4 => self.begin_at_outer(register),
            5 | 6 => self.begin_at_end(register),
            _ => {}
        }
        let other = self.number();
        if self.once(3) && other != register {
            self.begin(other);
        }
        let step = self.step * self.of(&[1, 1, 1, 2, -1, 4]);
        self.around.push([next.clone(), out.clone()]);
        self.depth += 1;
        let kind = self.out.input.below(12);
        let place = match kind {
            10 => self.begin_iterator(),
            _ => 0,
        };
        self.out.text.push_str(&head);
        self.out.text.push_str(": ");
        match kind {
            0..6 => self.ends(register, step, &out),
            9 => self.code(&format!("may_goto {out}")),
            10 => self.next_of(place, register, &out),
            _ => self.code("r0 = 0"),
        }
        let kept = self.once(4).then(|| self.keep(register));
        for _ in 0..=self.out.input.below(3) {
            self.item();
        }
        if self.depth < DEPTH && self.out.count < LINES && self.once(2) {
            self.looped();
            self.item();
        }
        if let Some(slot) = kept {
            self.fetch(register, slot);
        }
        self.place(&next);
        if kind != 10 || self.once(3) {
            self.moves(register, step);
        }
        for beside in ["6", "7", "8", "9"] {
            if beside != register && self.once(3) {
                let by = step * self.of(&[1, -1, 2, 1, -2, 4, 8, 3]);
                self.moves(beside, by);
            }
        }
        match kind {
            6..9 | 11 => self.goes_on(register, step, &head),
            _ => self.code(&format!("goto {head}")),
        }
        self.place(&out);
        if kind == 10 {
            self.code(&format!("r1 = r10; r1 += {place}; call kfunc 3"));
        }
        self.depth -= 1;
        self.around.pop();
    }

    /// One thing that a round does.
    fn item(&mut self) {
        let (x, y) = (self.number(), self.number());
        let over = self.out.label();
        match self.out.input.below(27) {
            0..4 => self.access(x),
            4..7 => self.apart(x, y),
            7 if self.walks => self.address("9"),
            7..10 => self.walk(),
            10 => self.moved_at_times(x, &over),
            11 => self.recut(x),
            12 => {
                let slot = self.keep(x);
                self.item();
                self.fetch(x, slot);
            }
            13 => self.begins_anew(x, &over),
            14 | 15 => self.leave(x, y),
            16 | 17 => {
                self.compare(x, y, &over);
                self.access(x);
            }
            18 | 19 => {
                self.compare(x, y, &over);
                self.apart(x, y);
            }
            20 => self.call(x, y),
            21 => self.call_with_memory(x, y),
            22 => self.call_back(x, y),
            23 => self.through_map(x),
            _ => self.bound_both(x, y, &over),
        }
        self.place(&over);
    }
}
