//! Programs that hold things and let go of them: dynptrs and their slices, records,
//! locks, sections, pointers into packets that move; in functions that end by tail
//! calls, deprecated loads and `bpf_throw`, in loops and callbacks.
//!
//! Without dynptrs, locks, sections and throws they are programs for the engines here,
//! which call themselves where they make a tail call.

use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf_tests::case;

use super::lines::Lines;
use crate::input::Input;
use crate::kernel::{Case, LOCKS, MAPS, PROGRAMS, RING, VALUE};

/// Lines of a program after which nothing long begins.
const LINES: usize = 100;
/// Functions beside the program's own, at the most.
const FUNCTIONS: usize = 4;
/// Blocks in blocks of one function, at the most.
const DEPTH: usize = 4;

/// How a function is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    /// The program's own: the context in R1.
    First,
    /// Context, the area and a number in R1 to R3.
    Plainly,
    /// By `bpf_loop`: the round in R1, the area in R2.
    Loop,
}

/// A program in the making. R6 is the context, R7 the area: 128 bytes of the first
/// function's stack, or of a function's own. Three dynptrs are at its beginning, then
/// come 48 bytes for whatever there is; the context is kept at 112, and R9 at 104. R8 is
/// a number. R9 is an address in blocks that begin with one, and a number elsewhere.
struct Maker<'i, 'd> {
    out: Lines<'i, 'd>,
    prog_type: BpfProgType,
    /// Whether there is all that Linux has.
    kernel: bool,
    waiting: Vec<(String, Called, usize)>,
    functions: usize,
    nest: usize,
    /// Bytes behind R9, where that is an address.
    behind: usize,
    /// Whether something was kept in memory.
    kept: bool,
    /// How many things are held.
    held: usize,
}

/// A program for a kernel that has everything.
pub(crate) fn kernel(input: &mut Input<'_>) -> Case {
    let prog_type = match input.below(8) {
        0..3 => BpfProgType::Xdp,
        3..7 => BpfProgType::SchedCls,
        _ => BpfProgType::CgroupSkb,
    };
    Case { prog_type, insns: program(Lines::new(input), prog_type, true).insns() }
}

/// A program for the engines here.
pub(super) fn here(input: &mut Input<'_>) -> case::Case {
    let prog_type = [BpfProgType::Xdp, BpfProgType::SchedCls][input.below(2)];
    let len = input.below(64);
    let packet = input.bytes(len).to_vec();
    let case = program(Lines::new(input), prog_type, false).case("ends", MAPS.to_vec());
    case::Case { prog_type, input: case::Input::Packet(packet), ..case }
}

fn program<'i, 'd>(out: Lines<'i, 'd>, prog_type: BpfProgType, kernel: bool) -> Lines<'i, 'd> {
    let (waiting, functions) = (Vec::new(), 0);
    let mut maker = Maker {
        out,
        prog_type,
        kernel,
        waiting,
        functions,
        nest: 0,
        behind: 0,
        kept: false,
        held: 0,
    };
    maker.function(Called::First);
    while let Some((name, called, nest)) = maker.waiting.pop() {
        maker.label(&name);
        maker.nest = nest;
        maker.function(called);
    }
    maker.out
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
        match called {
            Called::First => {
                self.code("r6 = r1; r8 = *(u32 *)(r1 +16)");
                self.code(own);
                if self.chance(2) {
                    self.code("*(u64 *)(r7 +48) = 0; *(u64 *)(r7 +56) = r8");
                }
                self.code("*(u64 *)(r7 +112) = r6");
            }
            Called::Plainly => {
                self.code("r6 = r1; r8 = r3");
                let lines = if self.chance(3) {
                    format!("{own}; *(u64 *)(r7 +112) = r6")
                } else {
                    "r7 = r2".to_owned()
                };
                self.code(&lines);
            }
            Called::Loop => self.code("r8 = r1; r7 = r2; r6 = *(u64 *)(r7 +112)"),
        }
        self.code("r9 = 0; r0 = 0");
        let most = if called == Called::First { 7 } else { 3 };
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
            Called::Loop => "r0 = r8; r0 &= 1; exit",
            Called::Plainly if self.chance(3) => "exit",
            _ => self.out.pick(&["r0 = 0; exit", "r0 = 1; exit"]),
        };
        self.code(result);
    }

    /// Whether the program may end here, as things are; now and then also where not.
    fn may_end(&mut self) -> bool {
        self.held == 0 || self.chance(8)
    }

    /// A block in which something is held.
    fn holding(&mut self, depth: usize) {
        self.held += 1;
        self.block(depth);
        self.held -= 1;
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
        let kind = self.out.input.below(42);
        // What only a kernel has is something else that is here.
        let kind = match kind {
            8..18 | 21 | 22 | 25 | 26 | 34 | 38..40 if !self.kernel => 27 + kind % 11,
            kind => kind,
        };
        match kind {
            0..7 => self.small(),
            34 if !self.kernel => self.call(),
            7 | 40 => self.index(),
            41 => self.resume(depth),
            8..11 => self.make(),
            11 => self.on_dynptr(),
            12..17 => self.slice(depth),
            17 => self.data(depth),
            18..20 => self.into_packet(depth),
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

    fn slot(&mut self) -> usize {
        16 * self.out.input.below(3)
    }

    /// The address of a dynptr, or of the place for one, in a register.
    fn place(&mut self, register: u8) -> String {
        let off = if self.chance(8) { 8 * self.out.input.below(6) } else { self.slot() };
        format!("r{register} = r7; r{register} += {off}")
    }

    fn make(&mut self) {
        let over_packet = if self.prog_type == BpfProgType::Xdp { 137 } else { 136 };
        if self.chance(3) {
            let place = self.place(4);
            let bytes = self.out.pick(&["64", "32", "8"]);
            self.code(&format!("r1 = map[idx:{VALUE}][0] ll; r2 = {bytes}; r3 = 0"));
            return self.code(&format!("{place}; call 197"));
        }
        let place = self.place(3);
        self.code(&format!("r1 = r6; r2 = 0; {place}; call kfunc {over_packet}"));
    }

    fn on_dynptr(&mut self) {
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

    /// A block in which R9 is what R0 is, if that is not null.
    fn if_found(&mut self, depth: usize, bytes: usize) {
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
        self.code("r0 = 0");
        if self.behind == 0 {
            self.code("r9 = 0");
        }
    }

    fn keep(&mut self, register: &str) {
        self.kept = true;
        self.code(&format!("*(u64 *)(r7 +104) = {register}"));
    }

    /// What was kept in memory.
    fn resume(&mut self, depth: usize) {
        if !self.kept {
            return self.small();
        }
        self.code("r0 = *(u64 *)(r7 +104)");
        self.if_found(depth, 8);
    }

    fn use_r9(&mut self) {
        let access = self.out.pick(&["r8 = *(u64 *)(r9 +0)", "*(u64 *)(r9 +0) = r8"]);
        self.code(access);
    }

    /// Something by which R9 may come to point to nothing; and then it is used.
    fn disturb(&mut self) {
        let off = 8 * self.out.input.below(15);
        match self.out.input.below(if self.kernel { 12 } else { 6 }) {
            0 => self.move_packet(),
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

    fn slice(&mut self, depth: usize) {
        if self.chance(2) {
            self.make();
        }
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

    fn data(&mut self, depth: usize) {
        let place = self.place(1);
        self.code(&format!("{place}; r2 = 0; r3 = 16; call 203"));
        self.if_found(depth, 16);
    }

    fn packet_at(&self) -> (u32, u32) {
        if self.prog_type == BpfProgType::Xdp { (0, 4) } else { (76, 80) }
    }

    fn into_packet(&mut self, depth: usize) {
        let ((data, end), over) = (self.packet_at(), self.out.label());
        self.code(&format!("r2 = *(u32 *)(r6 +{data}); r3 = *(u32 *)(r6 +{end}); r0 = r2"));
        self.code(&format!("r2 += 16; if r2 > r3 goto {over}"));
        self.if_found(depth, 16);
        self.label(&over);
        self.code("r0 = 0");
        if self.behind == 0 {
            self.code("r9 = 0");
        }
    }

    fn move_packet(&mut self) {
        let helper = if self.prog_type == BpfProgType::Xdp {
            44
        } else if self.prog_type == BpfProgType::SchedCls {
            [38, 39][self.out.input.below(2)]
        } else {
            return self.small();
        };
        self.code(&format!("r1 = r6; r2 = 4; r3 = 0; call {helper}"));
    }

    fn locked(&mut self, depth: usize) {
        let off = if self.chance(6) { 16 } else { 8 };
        if self.prog_type == BpfProgType::CgroupSkb {
            self.code(&format!("r1 = map[idx:{LOCKS}] ll; r2 = 0; call 81"));
        } else {
            let key = self.out.pick(&["0", "1", "r8"]);
            self.code(&format!("*(u32 *)(r10 -136) = {key}; r2 = r10; r2 += -136"));
            self.code(&format!("r1 = map[idx:{LOCKS}] ll; call 1"));
        }
        let over = self.out.label();
        self.code(&format!("if r0 == 0 goto {over}; r9 = r0"));
        if self.chance(3) && self.prog_type != BpfProgType::CgroupSkb {
            return self.one_of_two(&over);
        }
        self.code(&format!("r1 = r9; r1 += {off}; call 93"));
        self.held += 1;
        let before = std::mem::replace(&mut self.behind, 8);
        for _ in 0..self.out.input.below(3) {
            if self.chance(5) { self.statement(depth + 1) } else { self.small() }
        }
        self.code(&format!("r1 = r9; r1 += {off}; call 94"));
        self.held -= 1;
        if self.chance(2) {
            self.statement(depth + 1);
        }
        self.behind = before;
        self.label(&over);
        self.code("r0 = 0");
        if self.behind == 0 {
            self.code("r9 = 0");
        }
    }

    /// One of two locks is taken, and one of two released.
    fn one_of_two(&mut self, over: &str) {
        self.code("*(u64 *)(r7 +104) = r9; r2 = r10; r2 += -136");
        self.code(&format!("r1 = map[idx:{LOCKS}] ll; call 1; if r0 == 0 goto {over}; r9 = r0"));
        for call in [93, 94] {
            let (other, join) = (self.out.label(), self.out.label());
            let first = self.out.pick(&["r1 = r9", "r1 = r9", "r1 = *(u64 *)(r7 +104)"]);
            let second = self.out.pick(&["r1 = r9", "r1 = r9", "r1 = *(u64 *)(r7 +104)"]);
            self.code(&format!("if r8 > 7 goto {other}; {first}; goto {join}"));
            self.label(&other);
            self.code(second);
            self.label(&join);
            self.code(&format!("r1 += 8; call {call}"));
        }
        self.label(over);
        self.code("r0 = 0");
        if self.behind == 0 {
            self.code("r9 = 0");
        }
    }

    fn record(&mut self, depth: usize) {
        self.code(&format!("r1 = map[idx:{RING}] ll; r2 = 16; r3 = 0; call 131"));
        let over = self.out.label();
        self.code(&format!("if r0 == 0 goto {over}; r9 = r0"));
        if self.chance(2) {
            self.keep("r9");
        }
        let before = std::mem::replace(&mut self.behind, 16);
        self.holding(depth);
        self.behind = before;
        let from = self.out.pick(&["r9", "r9", "*(u64 *)(r7 +104)"]);
        let end = self.out.pick(&["132", "133"]);
        self.code(&format!("r1 = {from}; r2 = 0; call {end}"));
        if self.chance(5) {
            self.small();
        }
        self.label(&over);
        self.code("r0 = 0; r9 = 0");
    }

    fn record_dynptr(&mut self, depth: usize) {
        let off = 16 * self.out.input.below(3);
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
    }

    fn section(&mut self, depth: usize) {
        let (begin, end) = if self.chance(2) { (128, 129) } else { (130, 131) };
        self.code(&format!("call kfunc {begin}"));
        self.holding(depth);
        self.code(&format!("call kfunc {end}"));
    }

    fn test(&mut self) -> String {
        let cond = self.out.pick(&["==", ">", "s<", "!=", "<"]);
        let bound = self.out.pick(&["0", "7", "1", "100"]);
        format!("if r8 {cond} {bound}")
    }

    fn branch(&mut self, depth: usize) {
        let (test, over) = (self.test(), self.out.label());
        self.code(&format!("{test} goto {over}"));
        self.block(depth);
        if self.chance(2) {
            let end = self.out.label();
            self.code(&format!("goto {end}"));
            self.label(&over);
            self.code("r0 = 1");
            self.block(depth);
            self.label(&end);
        } else {
            self.label(&over);
        }
        self.code("r0 = 0");
    }

    /// A loop that counts in a slot of its own.
    fn counted(&mut self, depth: usize) {
        let (head, out) = (self.out.label(), self.out.label());
        let slot = 200 + 8 * depth;
        let most = self.out.pick(&["2", "5", "30"]);
        self.code(&format!("*(u64 *)(r10 -{slot}) = 0"));
        self.label(&head);
        self.code(&format!("r1 = *(u64 *)(r10 -{slot}); if r1 > {most} goto {out}; r1 += 1"));
        self.code(&format!("*(u64 *)(r10 -{slot}) = r1"));
        self.block(depth);
        self.code(&format!("goto {head}"));
        self.label(&out);
        self.code("r0 = 0");
    }

    fn iterator(&mut self, depth: usize) {
        let (head, out) = (self.out.label(), self.out.label());
        let place = format!("r1 = r10; r1 += -{}", 240 + 8 * depth);
        let end = self.out.pick(&["3", "7", "r8", "100"]);
        self.code(&format!("r2 = 0; r3 = {end}; {place}; call kfunc 1"));
        self.label(&head);
        self.code(&format!("{place}; call kfunc 2; if r0 == 0 goto {out}; r8 = *(u32 *)(r0 +0)"));
        self.block(depth);
        if self.chance(3) {
            let test = self.test();
            self.code(&format!("{test} goto {out}"));
        }
        self.code(&format!("goto {head}"));
        self.label(&out);
        self.code(&format!("{place}; call kfunc 3; r0 = 0"));
    }

    fn callee(&mut self, called: Called) -> Option<String> {
        let there = self.waiting.iter().find(|(_, how, nest)| *how == called && *nest > self.nest);
        if let Some((name, ..)) = there
            && self.functions.is_multiple_of(2)
        {
            return Some(name.clone());
        }
        if self.functions == FUNCTIONS || self.nest == 3 {
            return None;
        }
        self.functions += 1;
        let name = format!("f{}", self.functions);
        self.waiting.push((name.clone(), called, self.nest + 1));
        Some(name)
    }

    fn call(&mut self) {
        let Some(name) = self.callee(Called::Plainly) else { return self.small() };
        self.code(&format!("r1 = r6; r2 = r7; r3 = r8; call local {name}"));
        match self.out.input.below(4) {
            0 => self.code("r8 = r0"),
            1 | 2 => self.index_by("r0"),
            _ => {}
        }
    }

    fn call_back(&mut self) {
        let Some(name) = self.callee(Called::Loop) else { return self.small() };
        let rounds = self.out.pick(&["1", "3", "r8", "40"]);
        self.code(&format!("r1 = {rounds}; r2 = subprog[{name}] ll; r3 = r7; r4 = 0; call 181"));
    }

    fn throw(&mut self) {
        if !self.may_end() {
            return self.small();
        }
        let (test, over) = (self.test(), self.out.label());
        self.code(&format!("{test} goto {over}; r1 = 1; call kfunc 135"));
        self.label(&over);
        self.code("r0 = 0");
    }

    fn tail_call(&mut self) {
        if !self.may_end() {
            return self.small();
        }
        self.code(&format!("r1 = r6; r2 = map[idx:{PROGRAMS}] ll; r3 = r8; call 12"));
        if self.chance(2) {
            self.code("r0 = 0");
        }
        if self.chance(4) {
            self.code("r8 = r0");
        }
    }

    fn legacy_load(&mut self) {
        if self.prog_type == BpfProgType::Xdp || !self.may_end() {
            return self.small();
        }
        let load = self.out.pick(&["*(u8 *)skb[12]", "*(u16 *)skb[r8 +4]"]);
        self.code(&format!("r0 = {load}; r8 = r0"));
    }
}
