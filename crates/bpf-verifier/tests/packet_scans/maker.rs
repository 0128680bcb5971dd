//! Programs with loops through a packet, made at random: addresses are made anew from its start
//! and a counter, and what is proven of them is used elsewhere.

use crate::common::chance::Chance;
use crate::common::draft::Draft;

/// Lines of a program after which nothing long begins.
const LINES: usize = 110;
/// Counters, from the outermost loop on.
const COUNTERS: [&str; 3] = ["r6", "r7", "r8"];
/// Registers with addresses.
const ADDRESSES: [&str; 3] = ["r4", "r5", "r1"];
/// Where numbers and addresses lie on the stack.
const NUMBER_SLOTS: [&str; 3] = ["r10 -8", "r10 -16", "r10 -24"];
const ADDRESS_SLOTS: [&str; 2] = ["r10 -32", "r10 -40"];

/// A program in the making. R9 is the context, R2 the packet's start and R3 its end; R0 is used
/// everywhere.
pub struct Maker {
    chance: Chance,
    draft: Draft,
    /// Whether something moves the packet.
    moves: bool,
    /// A function that does so.
    mover: Option<String>,
    /// Bytes that are proven in front of loops and in them, about.
    bytes: i32,
    /// Heads and ends of the loops around.
    around: Vec<[String; 2]>,
}

impl Maker {
    /// A program of `seed`.
    pub fn program(seed: u64) -> String {
        let mut chance = Chance::seeded(seed, 0x5c);
        let (moves, bytes) = (chance.in_all(3), chance.of(&[1, 2, 3, 4, 9]));
        let (draft, around) = (Draft::default(), Vec::new());
        let mut maker = Self { chance, draft, moves, mover: None, bytes, around };
        maker.draft.code("r9 = r1");
        maker.reload();
        for register in COUNTERS {
            maker.draft.code(&format!("{register} = 0"));
        }
        for slot in NUMBER_SLOTS {
            maker.draft.code(&format!("*(u64 *)({slot}) = r6"));
        }
        for slot in ADDRESS_SLOTS {
            maker.draft.code(&format!("*(u64 *)({slot}) = r2"));
        }
        for _ in 0..maker.chance.below(3) {
            maker.item(0);
        }
        if maker.chance.in_all(2) {
            maker.aimed(0);
        } else {
            maker.looped(0);
        }
        if maker.chance.in_all(3) {
            maker.item(0);
            maker.item(0);
        }
        maker.draft.code("end: r0 = 0; exit");
        if let Some(mover) = maker.mover.take() {
            let before = maker.draft.begin_function();
            maker.draft.place(&mover);
            maker.draft.code("r6 = r1");
            let over = maker.draft.label();
            if maker.chance.in_all(2) {
                maker.fork(&over);
            }
            maker.draft.code("r1 = r6; r2 = 1; call 44");
            maker.draft.place(&over);
            maker.draft.code("r0 = 0; exit");
            maker.draft.end_function(before);
        }
        maker.draft.whole()
    }

    fn code(&mut self, lines: &str) {
        self.draft.code(lines);
    }

    /// The packet's start and end are where they are now, and so are all addresses.
    fn reload(&mut self) {
        self.code("r2 = *(u32 *)(r9 +0); r3 = *(u32 *)(r9 +4)");
        for register in ADDRESSES {
            self.code(&format!("{register} = r2"));
        }
    }

    /// Chance decides whether it goes there.
    fn fork(&mut self, to: &str) {
        let at = self.chance.below(7);
        self.code(&format!("r0 = *(u32 *)(r9 +16); if r0 == {at} goto {to}"));
    }

    fn small(&mut self, most: usize) -> i32 {
        i32::try_from(self.chance.below(most)).unwrap()
    }

    /// About as many bytes as are proven in this program.
    fn some_bytes(&mut self) -> i32 {
        let near = self.chance.of(&[0, 0, 0, 0, 0, -1, 1, 2]);
        (self.bytes + near).max(0)
    }

    /// A counter, most likely that of this level.
    fn counter(&mut self, level: usize) -> &'static str {
        let at = if self.chance.in_all(3) { self.chance.below(level + 1) } else { level };
        COUNTERS[at]
    }

    /// Makes an address: the start, a counter and `off`, in some order and way.
    fn make(&mut self, level: usize, off: i32) -> &'static str {
        let register = self.chance.of(&ADDRESSES);
        let counter = self.counter(level);
        match self.chance.below(10) {
            0 => {
                self.code(&format!("r0 = {counter}; r0 += {off}; {register} = r2"));
                self.code(&format!("{register} += r0"));
            }
            1 => {
                let more = self.small(5) - 2;
                self.code(&format!("{register} = r2; {register} += {more}"));
                self.code(&format!("{register} += {counter}; {register} += {}", off - more));
            }
            2 => {
                self.code(&format!("{register} = {counter}; {register} += r2"));
                self.code(&format!("{register} += {off}"));
            }
            3 => {
                self.code(&format!("w0 = w{}; {register} = r2", &counter[1..]));
                self.code(&format!("{register} += r0; {register} += {off}"));
            }
            4 => {
                self.code(&format!("w0 = w{}; w0 += {off}; {register} = r2", &counter[1..]));
                self.code(&format!("{register} += r0"));
            }
            5 => {
                let slot = self.chance.of(&NUMBER_SLOTS);
                self.code(&format!("r0 = *(u64 *)({slot}); {register} = r2"));
                self.code(&format!("{register} += r0; {register} += {off}"));
            }
            _ => {
                self.code(&format!("{register} = r2; {register} += {counter}"));
                self.code(&format!("{register} += {off}"));
            }
        }
        register
    }

    /// An address that was made, or one that is there; what lies `off` bytes behind it is meant.
    fn address(&mut self, level: usize, off: i32) -> (&'static str, i32) {
        if self.chance.in_all(6) {
            return (self.chance.of(&ADDRESSES), off);
        }
        let now = self.chance.of(&[0, off, off]);
        (self.make(level, now), off - now)
    }

    /// What lies behind so many bytes is there, or it goes elsewhere.
    fn prove(&mut self, level: usize, to: &str) {
        let bytes = self.some_bytes();
        let (register, left) = self.address(level, bytes);
        if left != 0 {
            self.code(&format!("{register} += {left}"));
        }
        match self.chance.below(6) {
            0 => self.code(&format!("if r3 < {register} goto {to}")),
            1 => self.code(&format!("if {register} >= r3 goto {to}")),
            2 => {
                let over = self.draft.label();
                let cond = self.chance.of(&["<=", "<"]);
                self.code(&format!("if {register} {cond} r3 goto {over}; goto {to}"));
                self.draft.place(&over);
            }
            _ => self.code(&format!("if {register} > r3 goto {to}")),
        }
    }

    fn load(&mut self, level: usize) {
        let last = self.some_bytes() - 1;
        let at = if self.chance.in_all(3) { 0 } else { last };
        let at = if self.chance.in_all(8) { at + 1 } else { at };
        let (register, left) = self.address(level, at);
        self.code(&format!("r0 = *(u8 *)({register} {left:+})"));
    }

    /// Something moves the packet.
    fn move_packet(&mut self) {
        let over = self.draft.label();
        if self.chance.in_all(2) {
            self.fork(&over);
        }
        if self.chance.in_all(3) {
            let mover = match &self.mover {
                Some(mover) => mover.clone(),
                None => self.draft.label(),
            };
            self.code(&format!("r1 = r9; call {mover}"));
            self.mover = Some(mover);
        } else {
            let by = self.chance.of(&[1, 4, -1]);
            self.code(&format!("r1 = r9; r2 = {by}; call 44"));
        }
        self.reload();
        self.draft.place(&over);
    }

    /// The counter becomes another number.
    fn count(&mut self, level: usize) {
        let (counter, other) = (self.counter(level), self.counter(level));
        let slot = self.chance.of(&NUMBER_SLOTS);
        let by = self.chance.of(&[1, 1, 2, -1, 4]);
        match self.chance.below(12) {
            0 | 1 => self.code(&format!("{counter} += {by}")),
            2 => self.code(&format!("w{} += {by}", &counter[1..])),
            3 => {
                let to = self.chance.of(&[0, 0, 1, 3]);
                self.code(&format!("{counter} = {to}"));
            }
            4 => self.code(&format!("*(u64 *)({slot}) = {counter}")),
            5 => self.code(&format!("*(u32 *)({slot}) = {counter}; {counter} = *(u32 *)({slot})")),
            6 => self.code(&format!("{counter} = *(u64 *)({slot})")),
            7 => self.code(&format!("{counter} = {other}")),
            8 => self.code(&format!("{counter} &= 63")),
            9 => self.code(&format!("r0 = *(u32 *)(r9 +16); r0 &= 3; {counter} += r0")),
            10 => self.code(&format!("{counter} <<= 32; {counter} s>>= 32")),
            _ => {
                self.code(&format!("*(u64 *)({slot}) = {counter}; {counter} += 1"));
                self.code(&format!("{counter} = *(u64 *)({slot})"));
            }
        }
    }

    /// What is done with an address.
    fn shift(&mut self, level: usize) {
        let (register, other) = (self.chance.of(&ADDRESSES), self.chance.of(&ADDRESSES));
        let (slot, counter) = (self.chance.of(&ADDRESS_SLOTS), self.counter(level));
        let by = self.chance.of(&[1, 1, 4, -1]);
        match self.chance.below(7) {
            0 => self.code(&format!("{register} += {by}")),
            1 => self.code(&format!("{register} = {other}")),
            2 => self.code(&format!("*(u64 *)({slot}) = {register}")),
            3 if !self.moves => self.code(&format!("{register} = *(u64 *)({slot})")),
            4 => self.code(&format!("{register} += {counter}")),
            5 => {
                self.code(&format!("r0 = *(u32 *)(r9 +16); r0 &= 3; {register} += r0"));
            }
            _ => self.code(&format!("{register} = r2; {register} += {counter}")),
        }
    }

    /// Where a way may go from inside of a loop.
    fn target(&mut self, over: &str) -> String {
        let Some(around) = self.around.last().cloned() else { return String::from("end") };
        match self.chance.below(5) {
            0 => String::from(over),
            1 => around[0].clone(),
            2 => String::from("end"),
            _ => around[1].clone(),
        }
    }

    fn item(&mut self, level: usize) {
        let over = self.draft.label();
        let to = self.target(&over);
        match self.chance.below(20) {
            0..=5 => self.prove(level, &to),
            6..=10 => self.load(level),
            11 if self.moves => self.move_packet(),
            11..=13 => self.count(level),
            14 | 15 => self.shift(level),
            16 => {
                let (counter, at) = (self.counter(level), self.small(40));
                let cond = self.chance.of(&[">", "==", "!=", "<", "s<"]);
                self.code(&format!("if {counter} {cond} {at} goto {to}"));
            }
            17 => self.fork(&to),
            _ if self.draft.lines < LINES => self.ways(level),
            _ => {}
        }
        self.draft.place(&over);
    }

    /// One way or the other, or none.
    fn ways(&mut self, level: usize) {
        let (other, both) = (self.draft.label(), self.draft.label());
        self.fork(&other);
        for _ in 0..=self.chance.below(2) {
            self.item(level);
        }
        self.code(&format!("goto {both}"));
        self.draft.place(&other);
        for _ in 0..self.chance.below(2) {
            self.item(level);
        }
        self.draft.place(&both);
    }

    /// A loop at a level, and what it begins with.
    fn looped(&mut self, level: usize) {
        let counter = COUNTERS[level];
        let [again, next, on] = [(); 3].map(|()| self.draft.label());
        let down = self.chance.in_all(6);
        let most = self.chance.of(&[5, 12, 30, 60, 400]);
        let step = if down { -1 } else { self.chance.of(&[1, 1, 1, 1, 2, 3]) };
        let start = if down { most } else { self.chance.of(&[0, 0, 0, 1, 3]) };
        match level.checked_sub(1).map(|outer| COUNTERS[outer]) {
            Some(outer) if self.chance.in_all(3) => self.code(&format!("{counter} = {outer}")),
            _ => self.code(&format!("{counter} = {start}")),
        }
        // What the loop begins with: bytes that are proven, on one way or on both.
        match self.chance.below(5) {
            0 => {}
            1 | 2 => {
                let [other, both] = [(); 2].map(|()| self.draft.label());
                self.fork(&other);
                self.prove(level, "end");
                self.code(&format!("goto {both}"));
                self.draft.place(&other);
                self.prove(level, "end");
                if self.chance.in_all(4) {
                    self.count(level);
                }
                self.draft.place(&both);
            }
            _ => self.prove(level, "end"),
        }
        if self.chance.in_all(3) {
            self.shift(level);
        }
        self.draft.place(&again);
        self.around.push([next.clone(), on.clone()]);
        let inner = if level < 2 && self.chance.in_all(3) { self.chance.below(4) } else { 9 };
        for at in 0..2 + self.chance.below(4) {
            if at == inner && self.draft.lines < LINES {
                self.looped(level + 1);
            }
            self.item(level);
        }
        self.around.pop();
        self.draft.place(&next);
        match self.chance.below(6) {
            0 => self.code(&format!("w{} += {step}", &counter[1..])),
            1 => self.code(&format!("r0 = {counter}; r0 += {step}; {counter} = r0")),
            _ => self.code(&format!("{counter} += {step}")),
        }
        let (cond, end) = match (down, self.chance.below(3)) {
            (true, 0) => ("s>", 0),
            (true, _) => ("!=", 0),
            (false, 0) if step == 1 => ("!=", most),
            (false, 1) => ("s<", most),
            _ => ("<", most),
        };
        self.code(&format!("if {counter} {cond} {end} goto {again}"));
        self.draft.place(&on);
    }

    /// So many bytes behind a counter are there, or the program ends.
    fn prove_behind(&mut self, counter: &str, bytes: i32) {
        if bytes > 0 {
            let register = self.chance.of(&ADDRESSES);
            self.code(&format!("{register} = r2; {register} += {counter}"));
            self.code(&format!("{register} += {bytes}; if {register} > r3 goto end"));
        }
    }

    /// What changes nothing, or almost.
    fn noise(&mut self, counter: &str) {
        let slot = self.chance.of(&NUMBER_SLOTS);
        let over = self.draft.label();
        match self.chance.below(13) {
            0 => self.code(&format!("*(u64 *)({slot}) = {counter}; {counter} = *(u64 *)({slot})")),
            11 => self.code("r2 = *(u32 *)(r9 +0)"),
            1 => self.code(&format!("*(u32 *)({slot}) = {counter}; {counter} = *(u32 *)({slot})")),
            2 => self.code(&format!("w{0} = w{0}", &counter[1..])),
            3 => self.code(&format!("r0 = {counter}; {counter} = 0; {counter} = r0")),
            4 => self.code(&format!("{counter} += 2; r0 = {counter}; {counter} += -2")),
            5 | 6 => {
                self.fork(&over);
                self.code("r1 = r2");
            }
            7 => {
                self.fork(&over);
                let at = self.small(3) - 1;
                self.code(&format!("{counter} += {at}"));
            }
            8 if self.moves => self.move_packet(),
            9 => {
                let slot = self.chance.of(&ADDRESS_SLOTS);
                self.code(&format!("*(u64 *)({slot}) = r2; r2 = 0; r2 = *(u64 *)({slot})"));
            }
            10 => {
                let end = self.small(30);
                self.code(&format!("if {counter} == {end} goto {over}; r4 = r2"));
            }
            _ => {}
        }
        self.draft.place(&over);
    }

    fn some_noise(&mut self, counter: &str) {
        for _ in 0..self.chance.below(3) {
            self.noise(counter);
        }
    }

    /// A loop in which bytes are read that the round before proves, and what is in front of the
    /// loop proves for the first one, or almost.
    fn aimed(&mut self, level: usize) {
        let counter = COUNTERS[level];
        let [again, next, on, other, both] = [(); 5].map(|()| self.draft.label());
        let step = self.chance.of(&[1, 1, 1, 2, 4]);
        let (start, last) = (self.chance.of(&[0, 0, 0, 2]), self.small(4));
        let slip = |chance: &mut Chance| chance.of(&[0, 0, 0, 0, 0, 1, 2, -1]);
        let [first, second, each] = [(); 3].map(|()| last + 1 + slip(&mut self.chance));
        let (way, reset) = (self.chance.below(3), level > 0 || self.chance.in_all(2));
        if reset {
            self.code(&format!("{counter} = {start}"));
        }
        self.fork(&other);
        self.prove_behind(counter, first);
        self.code(&format!("r4 = r2; goto {both}"));
        self.draft.place(&other);
        self.prove_behind(counter, second);
        self.code("r4 = r2");
        self.draft.place(&both);
        if !reset {
            self.code(&format!("{counter} = {start}"));
        }
        if self.chance.in_all(2) {
            // What is proven is said of another copy of the packet's start than of that which
            // addresses are made of.
            let (register, slot) = (self.chance.of(&ADDRESSES), self.chance.of(&ADDRESS_SLOTS));
            self.code(&format!("{register} = r2; *(u64 *)({slot}) = r2"));
            if self.chance.in_all(2) {
                self.code("r2 = *(u32 *)(r9 +0)");
            }
        }
        self.some_noise(counter);
        if self.chance.in_all(4) {
            self.code("r4 = r2; r5 = r2; r1 = r2");
        }
        self.draft.place(&again);
        self.around.push([next.clone(), on.clone()]);
        self.some_noise(counter);
        let carried = self.chance.in_all(5);
        let from = if carried { self.chance.of(&ADDRESSES) } else { "r0" };
        if !carried {
            self.code(&format!("r0 = r2; r0 += {counter}"));
        }
        self.code(&format!("r0 = *(u8 *)({from} +{last})"));
        if self.chance.in_all(3) {
            // Another loop, behind which it is read once more.
            if level < 2 && self.draft.lines < LINES {
                self.aimed(level + 1);
            }
            self.some_noise(counter);
            self.code(&format!("r0 = r2; r0 += {counter}; r0 = *(u8 *)(r0 +{last})"));
        }
        self.around.pop();
        let over = self.draft.label();
        if way == 0 {
            // Not on every way.
            self.fork(&over);
        }
        self.prove_behind(counter, each + step);
        if way == 0 {
            self.draft.place(&over);
        }
        self.some_noise(counter);
        if carried {
            self.code(&format!("{from} = r2; {from} += {counter}; {from} += {step}"));
        }
        self.draft.place(&next);
        let most = self.chance.of(&[12, 30, 300]);
        self.code(&format!("{counter} += {step}; if {counter} < {most} goto {again}"));
        self.draft.place(&on);
        if self.chance.in_all(2) {
            // What is known of the packet's start is not dead before.
            let (register, slot) = (self.chance.of(&ADDRESSES), self.chance.of(&ADDRESS_SLOTS));
            self.code(&format!("r0 = {register}; r0 = *(u64 *)({slot})"));
        }
    }
}
