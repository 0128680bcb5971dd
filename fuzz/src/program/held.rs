//! Programs that hold things and let go of them: dynptrs and their slices, records,
//! locks, sections, pointers into packets that move; in functions that end by tail
//! calls, deprecated loads and `bpf_throw`, in loops and callbacks.
//!
//! Without dynptrs, locks, sections and throws they are programs for the engines here,
//! which call themselves where they make a tail call.

use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::bytecode::abi::global::{GlobalFunction, Param};
use kernel_bpf_tests::case;

use super::functions::Functions;
use super::lines::Lines;
use crate::input::Input;
use crate::kernel::{Case, MAPS};

mod apart;
mod control;
mod dynptr;
mod late;
mod pointer;
mod resource;

/// Lines of a program after which nothing long begins.
const LINES: usize = 100;
/// Functions beside the program's own, at the most.
const FUNCTIONS: usize = 4;
/// Blocks in blocks of one function, at the most.
const DEPTH: usize = 4;

/// Functions that are called behind `bpf_throw`.
const CATCHERS: [&str; 8] = [
    "r0 = r1\nexit",
    "r0 = r1\nr0 &= 1\nexit",
    "r0 = 0\nexit",
    "r0 = 1\nr2 = r1\nr2 &= 7\nr3 = r10\nr3 += r2\n*(u8 *)(r3 -8) = 1\nexit",
    "r0 = 0\nr3 = r10\nr3 += r1\n*(u8 *)(r3 -8) = 1\nexit",
    "r1 = 1\ncall kfunc 135\nr0 = 0\nexit",
    "call kfunc 128\nr0 = 0\nexit",
    "r0 = *(u64 *)(r6 +0)\nr0 = 0\nexit",
];

/// How a function is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    /// The program's own: the context in R1.
    First,
    /// Context, the area and a number in R1 to R3.
    Plainly,
    /// By `bpf_loop`: the round in R1, the area in R2.
    Loop,
    /// By the kernel, for a timer: map, key and value in R1 to R3.
    Timer,
    /// By `bpf_for_each_map_elem`: map, key, value and the area in R1 to R4.
    Each,
    /// As its signature says: context, 16 bytes, perhaps null, and a number in R1 to R3,
    /// perhaps a dynptr in R4.
    Global { nullable: bool, dynptr: bool },
    /// As plainly, and leaves a slice behind.
    Lends,
}

/// Bytes that global functions are given.
pub(super) const GIVEN: u32 = 16;

/// A program in the making. R6 is the context, R7 the area: 128 bytes of the first
/// function's stack, or of a function's own. Three dynptrs are at its beginning, then
/// come 48 bytes for whatever there is; the context is kept at 112, and R9 at 104. R8 is
/// a number. R9 is an address in blocks that begin with one, and a number elsewhere.
#[allow(clippy::struct_excessive_bools, reason = "each may be so without the others")]
struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
    prog_type: BpfProgType,
    /// Whether there is all that Linux has.
    kernel: bool,
    functions: Functions<Called>,
    /// Bytes behind R9, where that is an address.
    behind: usize,
    /// Whether something was kept in memory.
    kept: bool,
    /// How many things are held.
    held: usize,
    /// Whether R6 is the context in the function.
    context: bool,
    /// Where the function made a dynptr last.
    dynptr: Option<usize>,
    /// Whether the function keeps the address of one that it was given.
    given: bool,
    /// Without dynptrs there is more room for functions.
    plain: bool,
}

/// A program for a kernel that has everything.
pub(crate) fn kernel(input: &mut Input<'_>) -> Case {
    let prog_type = match input.below(8) {
        0..3 => BpfProgType::Xdp,
        3..7 => BpfProgType::SchedCls,
        _ => BpfProgType::CgroupSkb,
    };
    let (mut out, mut globals) = program(Lines::new(input), prog_type, true);
    if out.input.below(3) == 0 {
        let catches = GlobalFunction::new(out.slots(), &[Param::Number]).catching();
        globals.push(catches);
        let catcher = out.pick(&CATCHERS);
        out.text.push_str(catcher);
    }
    Case { prog_type, insns: out.insns(), globals }
}

/// A program for the engines here.
pub(super) fn here(input: &mut Input<'_>) -> case::Case {
    let prog_type = [BpfProgType::Xdp, BpfProgType::SchedCls][input.below(2)];
    let len = input.below(64);
    let packet = input.bytes(len).to_vec();
    let (lines, _) = program(Lines::new(input), prog_type, false);
    let case = lines.case("ends", MAPS.to_vec());
    case::Case { prog_type, input: case::Input::Packet(packet), ..case }
}

/// The lines, and which functions are global.
fn program<'i, 'd>(
    out: Lines<'i, 'd>,
    prog_type: BpfProgType,
    kernel: bool,
) -> (Lines<'i, 'd>, Vec<GlobalFunction>) {
    let functions = Functions::new(FUNCTIONS);
    let mut maker = Maker {
        out,
        prog_type,
        kernel,
        functions,
        behind: 0,
        kept: false,
        held: 0,
        context: true,
        dynptr: None,
        given: false,
        plain: false,
    };
    maker.plain = kernel && maker.chance(3);
    let mut globals = Vec::new();
    maker.function(Called::First);
    while let Some((name, called)) = maker.functions.next() {
        if let Called::Global { nullable, dynptr } = called {
            let given = if nullable { Param::MemoryOrNull(GIVEN) } else { Param::Memory(GIVEN) };
            let params = [Param::Context, given, Param::Number, Param::Dynptr];
            let params = if dynptr { &params[..] } else { &params[..3] };
            globals.push(GlobalFunction::new(maker.out.slots(), params));
        }
        maker.label(&name);
        maker.function(called);
    }
    (maker.out, globals)
}

impl Maker<'_, '_> {
    fn code(&mut self, lines: &str) {
        lines.split(';').for_each(|line| self.out.line(line.trim()));
    }

    fn label(&mut self, name: &str) {
        self.out.text.push_str(name);
        self.out.text.push_str(": ");
    }

    fn chance(&mut self, of: usize) -> bool {
        self.out.input.below(of) == 0
    }

    fn function(&mut self, called: Called) {
        let own = "r7 = r10; r7 += -128";
        self.context = called != Called::Timer;
        self.dynptr = None;
        self.given = false;
        match called {
            Called::First => {
                self.code("r6 = r1; r8 = *(u32 *)(r1 +16)");
                self.code(own);
                self.code("*(u64 *)(r7 +112) = r6");
                self.write_area();
            }
            Called::Plainly => {
                self.code("r6 = r1; r8 = r3");
                if self.chance(3) {
                    self.code(&format!("{own}; *(u64 *)(r7 +112) = r6"));
                    self.write_area();
                } else {
                    self.code("r7 = r2");
                }
            }
            Called::Loop => self.code("r8 = r1; r7 = r2; r6 = *(u64 *)(r7 +112)"),
            Called::Lends => return self.lends(),
            Called::Each => self.code("r7 = r4; r6 = *(u64 *)(r7 +112)"),
            Called::Global { dynptr, .. } => {
                self.code(&format!("r6 = r1; r8 = r3; {own}; *(u64 *)(r7 +112) = r6"));
                self.write_area();
                if dynptr {
                    self.given = true;
                    self.code("*(u64 *)(r7 +96) = r4");
                }
            }
            Called::Timer => {}
        }
        self.code("r0 = 0");
        self.begin_with_address(called, own);
        if self.given && !self.chance(3) {
            self.slice(0);
        }
        let most = if called == Called::First { 7 } else { 3 };
        let most = if self.plain { most / 2 } else { most };
        for _ in 0..=self.out.input.below(most) {
            self.statement(0);
        }
        if called == Called::Plainly {
            match self.out.input.below(6) {
                0 | 1 => self.tail_call(),
                2 | 3 => self.legacy_load(),
                _ => {}
            }
        }
        let result = match called {
            Called::Loop | Called::Each => "r0 = r8; r0 &= 1; exit",
            Called::Global { .. } => self.out.pick(&["r0 = r8; exit", "r0 = 0; exit"]),
            Called::Timer => {
                self.out.pick(&["r0 = 0; exit", "r0 = 0; exit", "r0 = r8; exit", "exit"])
            }
            Called::Plainly if self.chance(3) => "exit",
            _ => self.out.pick(&["r0 = 0; exit", "r0 = 1; exit"]),
        };
        self.behind = 0;
        self.code(result);
    }

    /// Writes all of the area that dynptrs and numbers have, or some of it.
    fn write_area(&mut self) {
        if !self.kernel || self.chance(3) {
            return;
        }
        if self.chance(2) {
            return self.code("*(u64 *)(r7 +48) = 0; *(u64 *)(r7 +56) = r8");
        }
        for slot in 0..14 {
            self.code(&format!("*(u64 *)(r7 +{}) = 0", 8 * slot));
        }
    }

    /// What R9 is at the beginning, and how much is behind it.
    fn begin_with_address(&mut self, called: Called, own: &str) {
        match called {
            Called::Timer => {
                self.code(own);
                self.code("r6 = 0; r8 = *(u32 *)(r2 +0); r9 = r3; *(u64 *)(r7 +104) = r3");
                self.behind = 8;
            }
            Called::Each => {
                self.code("r8 = *(u32 *)(r2 +0); r9 = r3");
                let kept = self.out.pick(&["r2", "r3", "r8"]);
                self.code(&format!("*(u64 *)(r7 +104) = {kept}"));
                self.behind = 8;
            }
            // Now and then, nobody asks whether it is null.
            Called::Global { nullable, .. } if !nullable || self.chance(4) => {
                self.code("r9 = r2; *(u64 *)(r7 +104) = r2");
                self.behind = GIVEN as usize;
            }
            Called::Global { .. } => {
                self.code("*(u64 *)(r7 +104) = r2; r9 = 0");
                self.kept = true;
            }
            _ => self.code("r9 = 0"),
        }
    }

    fn block(&mut self, depth: usize) {
        for _ in 0..=self.out.input.below(3) {
            self.statement(depth + 1);
        }
    }

    fn statement(&mut self, depth: usize) {
        if self.out.count > LINES || depth >= DEPTH {
            return self.small();
        }
        let kind = self.out.input.below(50);
        // What only a kernel has is something else that is here.
        let kind = match kind {
            8..18 | 21 | 22 | 25 | 26 | 34 | 38..40 | 42.. if !self.kernel => 27 + kind % 11,
            8..18 | 38..40 | 44..47 if self.plain => [18, 20, 48, 49, 47, 31, 23, 41][kind % 8],
            kind => kind,
        };
        // What begins with the context is something else where there is none.
        let kind = match kind {
            8..21 | 31..42 | 44.. if !self.context => [0, 7, 21, 23, 25, 27, 29, 30, 42][kind % 9],
            kind => kind,
        };
        match kind {
            0..7 => self.small(),
            42 | 43 => self.timer(),
            34 if !self.kernel => self.call(),
            7 | 40 => self.index(),
            41 => self.resume(depth),
            44..47 => self.late(),
            47 => self.for_each(),
            48.. => self.call_global(),
            8..11 => self.make(),
            11 => self.on_dynptr(),
            12..17 => self.slice(depth),
            17 => self.data(depth),
            18..20 => self.packet_access(depth),
            20 => self.move_packet(),
            21 | 22 => self.locked(depth),
            23 | 24 => self.record(depth),
            25 | 26 => self.section(depth),
            27 | 28 => self.branch(depth),
            29 => self.counted(depth),
            30 => self.iterator(depth),
            31 | 32 => self.call(),
            33 => self.call_back(),
            34 => self.throw(),
            35 | 36 => self.tail_call(),
            37 => self.legacy_load(),
            _ => self.record_dynptr(depth),
        }
    }

    /// Instructions that fit everywhere, under locks, too.
    fn small(&mut self) {
        let off = 8 * self.out.input.below(13);
        let behind = self.behind.max(8);
        let near = 8 * (self.out.input.below(32) % (behind / 8));
        match self.out.input.below(12) {
            0 => self.code(&format!("*(u64 *)(r7 +{off}) = r8")),
            1 => self.code(&format!("*(u64 *)(r7 +{}) = 0", 48 + off % 48)),
            2 => self.code(&format!("r8 = *(u64 *)(r7 +{})", 48 + off % 48)),
            3..7 if self.behind > 0 => {
                let line = self.out.pick(&["*(u64 *)(r9 +", "*(u64 *)(r9 +", ""]);
                match line {
                    "" => self.code(&format!("*(u64 *)(r9 +{near}) = r8")),
                    _ => self.code(&format!("r8 = {line}{near})")),
                }
            }
            3 | 4 => self.keep("r9"),
            5 => self.code("r9 = *(u64 *)(r7 +104)"),
            6 => self.code("r8 += 1"),
            7 => self.code("r8 &= 7"),
            8 => self.code("r8 *= r8; r8 >>= 1"),
            9 if self.behind > 0 => self.keep("r9"),
            9 => self.code("r8 |= 8"),
            10 => self.code("r0 = r8"),
            _ => self.code(&format!("r8 ^= {off}")),
        }
    }

    /// A number as an index, with a check or none.
    fn index(&mut self) {
        let from = self.out.pick(&["r8", "r8", "r0"]);
        self.index_by(from);
    }

    fn index_by(&mut self, from: &str) {
        let over = self.out.label();
        let check =
            self.out.pick(&["r1 &= 7", "r1 &= 7", "if r1 > 7 goto ", "if r1 > 7 goto ", ""]);
        self.code(&format!("r1 = {from}"));
        match check {
            "" => {}
            "r1 &= 7" => self.code(check),
            _ => self.code(&format!("{check}{over}")),
        }
        self.code("r2 = r10; r2 += r1");
        // In the middle of the frame, or at an end of it.
        let offs = ["-400", "-8", "-400", "-1", "-513"];
        let off = self.out.pick(if check.is_empty() { &offs } else { &offs[..2] });
        let access = if self.chance(2) {
            format!("r8 = *(u8 *)(r2 {off})")
        } else {
            format!("*(u8 *)(r2 {off}) = r8")
        };
        self.code(&access);
        self.label(&over);
        self.code("r0 = 0");
    }
}
