//! Loops in loops, each of a number that comes nearer to another one: made at random.

mod lines;

use crate::common::chance::Chance;
use crate::common::draft::Draft;

/// Bytes that may be accessed, at the most.
const BYTES: i32 = 64;
/// Lines of a program after which nothing long begins.
const LINES: usize = 110;
/// Where chance decides in loops.
const FORKS: u32 = 4;
/// The numbers of the loops, by level; and the addresses that they move.
const NUMBERS: [u8; 3] = [6, 7, 8];
const ADDRESSES: [u8; 3] = [9, 5, 4];

/// How the number of a loop moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Up to another, or down to it.
    Up,
    Down,
    /// It, and one from above, come nearer to each other.
    Meet,
    /// Away from another, down to a constant.
    Back,
}

impl Way {
    const fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::Meet)
    }
}

/// Registers of two numbers, of which the first is not less, while the loop goes on.
type Pair = [u8; 2];

/// A program in the making. R0 to R2 are used everywhere, R3 for other forms of numbers.
pub struct Maker {
    chance: Chance,
    draft: Draft,
    forks: u32,
    on_stack: bool,
    /// Bytes that may be accessed.
    bytes: i32,
    /// Bytes of what is accessed, as a power of 2.
    scale: u32,
    /// Where numbers end that count those.
    most: i32,
    /// Whether R8 is the number of a third loop.
    deep: bool,
    /// Whether addresses go back as numbers go up, with hardly anything beside.
    plain: bool,
    /// Places where something is not as it should be.
    slips: u32,
    /// Slots of the stack that nothing lies in.
    free: Vec<i32>,
    pairs: Vec<Pair>,
    /// Addresses that are moved: their registers.
    moved: Vec<u8>,
    /// How a number comes back from another form.
    back: String,
    /// Where the loops around go on, and where they end.
    around: Vec<[String; 2]>,
}

impl Maker {
    /// A program of `seed`.
    pub fn program(seed: u64) -> String {
        let mut chance = Chance::seeded(seed, 0xd1);
        let on_stack = chance.in_all(2);
        let full = on_stack && chance.in_all(2);
        let free = if full { vec![] } else { vec![-8, -16, -24] };
        let bytes = if on_stack && !free.is_empty() { BYTES - 24 } else { BYTES };
        let plain = chance.in_all(3);
        let scale = if plain { 0 } else { chance.of(&[0, 0, 0, 0, 1, 2]) };
        let all = bytes >> scale;
        let most = if plain { all - 8 } else { all };
        let most = chance.of(&[most, most, most, all.min(16), all - 1]);
        let slips = chance.of(&[0, 0, 0, 1, 1, 2]);
        let deep = !plain && chance.in_all(5);
        let mut maker = Self {
            chance,
            draft: Draft::default(),
            forks: 0,
            on_stack,
            bytes,
            scale,
            most,
            deep,
            plain,
            slips,
            free,
            pairs: Vec::new(),
            moved: Vec::new(),
            back: String::new(),
            around: Vec::new(),
        };
        for slot in maker.free.clone() {
            maker.draft.code(&format!("*(u64 *)(r10 {slot}) = 0"));
        }
        match maker.chance.below(12) {
            0 => maker.far(),
            1 => maker.still(),
            _ => {
                if !maker.deep {
                    maker.random(8);
                }
                maker.looped(0);
            }
        }
        maker.draft.code("end: r0 = 0; exit");
        maker.draft.whole()
    }

    /// A loop at a level.
    fn looped(&mut self, level: usize) {
        let [head, next, on] = [(); 3].map(|()| self.draft.label());
        let x = NUMBERS[level];
        let Some(y) = self.other(level) else { return self.counted(level, [head, next, on]) };
        let ways = [Way::Up, Way::Up, Way::Up, Way::Down, Way::Meet, Way::Back];
        let mut way = self.chance.of(&ways);
        if way == Way::Meet && self.deep || self.plain {
            way = Way::Up;
        }
        let other = if way == Way::Meet { 8 } else { y };
        if way == Way::Meet && y != 8 {
            if self.chance.in_all(3) {
                let most = self.most - 1 + self.slip();
                self.draft.code(&format!("r8 = {most}"));
            } else {
                self.copy(8, y);
            }
        }
        self.begin(x, y, way);
        let pair = if way == Way::Down { [x, other] } else { [other, x] };
        let up = way.is_up();
        if way != Way::Back && !self.slips_now() {
            // It has not passed that already.
            let cond = if up { [">", "s>", ">="] } else { ["<", "s<", "<="] };
            let cond = self.chance.of(&cond);
            self.compare(x, cond, other, &on);
        }
        let (address, back) = self.moved_address(level, [x, y], way, pair);
        let slot = if self.chance.in_all(4) { self.free.pop() } else { None };
        if let Some(slot) = slot {
            self.draft.code(&format!("*(u64 *)(r10 {slot}) = r{x}"));
        }
        let least = self.chance.of(&[0, 1, 0, 0]) + self.slip();
        let top = self.chance.in_all(2);
        if !top && way != Way::Back && !self.slips_now() {
            self.compare(x, "==", other, &on);
        }
        self.draft.place(&head);
        if let Some(slot) = slot {
            let bits = self.chance.of(&[64, 64, 64, 32]);
            self.draft.code(&format!("r{x} = *(u{bits} *)(r10 {slot})"));
        }
        if top {
            match address {
                Some(address) if self.chance.in_all(2) => self.store(address),
                _ => {}
            }
            if way == Way::Back {
                self.draft.code(&format!("if r{x} s<= {least} goto {on}"));
            } else {
                let cond = if up { ["==", "==", ">=", "s>="] } else { ["==", "==", "<=", "s<="] };
                let cond = self.chance.of(&cond);
                self.compare(x, cond, other, &on);
            }
        }
        self.pairs.push(pair);
        self.moved.extend(address);
        self.inside(level, &[next.clone(), on.clone()]);
        self.moved.truncate(self.moved.len() - usize::from(address.is_some()));
        self.pairs.pop();
        self.draft.place(&next);
        let by = if up { 1 } else { -1 };
        if way == Way::Meet {
            self.meet(x, other);
        } else {
            self.moves(x, by);
            if self.slip() != 0 {
                self.moves(other, -by);
            }
        }
        if let Some(address) = address {
            let much = (if back { -by } else { by }) << self.scale;
            let much = much + self.slip();
            self.draft.code(&format!("r{address} += {much}"));
        }
        if self.chance.in_all(8) {
            self.pairs.push(pair);
            self.around.push([next, on.clone()]);
            self.item();
            self.around.pop();
            self.pairs.pop();
        }
        if let Some(slot) = slot {
            let bits = self.chance.of(&[64, 64, 64, 32]);
            self.draft.code(&format!("*(u{bits} *)(r10 {slot}) = r{x}"));
        }
        if top {
            self.draft.code(&format!("goto {head}"));
        } else if way == Way::Back {
            self.draft.code(&format!("if r{x} s> {least} goto {head}"));
        } else {
            let cond = if up { ["!=", "!=", "<", "s<"] } else { ["!=", "!=", ">", "s>"] };
            let cond = self.chance.of(&cond);
            self.compare(x, cond, other, &head);
        }
        self.draft.place(&on);
        if self.chance.in_all(3) {
            self.access([other, x], 0);
        }
        self.free.extend(slot);
    }

    /// What the number of a loop comes nearer to: a constant has no register.
    fn other(&mut self, level: usize) -> Option<u8> {
        match level.checked_sub(1).map(|outer| NUMBERS[outer]) {
            None if self.deep || self.chance.in_all(if self.plain { 2 } else { 3 }) => None,
            None => Some(8),
            Some(_) if !self.deep && self.chance.in_all(5) => Some(8),
            Some(outer) => Some(outer),
        }
    }

    /// The address that a loop moves, if it does, and whether it goes back as the number goes on.
    fn moved_address(
        &mut self,
        level: usize,
        [x, y]: [u8; 2],
        way: Way,
        pair: Pair,
    ) -> (Option<u8>, bool) {
        let (other, up) = (if way == Way::Meet { 8 } else { y }, way.is_up());
        let address =
            if self.plain || self.chance.in_all(3) { Some(ADDRESSES[level]) } else { None };
        let back = way != Way::Back && (self.plain || self.chance.in_all(2)) || self.slips_now();
        if let Some(address) = address {
            self.place_address(address, if back { other } else { x }, pair, back && up);
        }
        if self.chance.in_all(5) {
            self.second(x, y, way, address);
        }
        (address, back)
    }

    /// What else a loop may begin with, where ways meet in front of it.
    fn second(&mut self, x: u8, y: u8, way: Way, address: Option<u8>) {
        let [other, met] = [(); 2].map(|()| self.draft.label());
        let first = self.chance.in_all(2);
        self.fork(if first { &met } else { &other });
        if !first {
            self.draft.code(&format!("goto {met}"));
            self.draft.place(&other);
        }
        if self.chance.in_all(2) {
            self.begin(x, y, way);
        }
        match address {
            Some(address) if self.chance.in_all(2) => {
                let at = self.chance.of(&[x, y, y, 8]);
                self.place_address(address, at, [y, x], true);
            }
            _ => {}
        }
        self.draft.place(&met);
        self.draft.code("r0 = 0; r0 = 0");
    }

    /// Two numbers that do not move, and are compared in a loop.
    fn still(&mut self) {
        let [head, next, on] = [(); 3].map(|()| self.draft.label());
        self.random(7);
        self.random(8);
        self.draft.code("r6 = 0");
        self.draft.place(&head);
        self.pairs.push([7, 8]);
        self.around.push([next.clone(), on.clone()]);
        if self.chance.in_all(2) {
            let to = self.chance.of(&[&next, &on]).clone();
            self.guard([7, 8], &to);
        }
        for _ in 0..=self.chance.below(2) {
            let over = self.draft.label();
            match self.chance.below(3) {
                0 => self.item(),
                1 => self.decided([7, 8], &over),
                _ => self.late([7, 8], &over),
            }
            self.draft.place(&over);
        }
        self.draft.place(&next);
        let end = self.chance.of(&[3, 30, 100]);
        self.draft.code(&format!("r6 += 1; if r6 != {end} goto {head}"));
        self.draft.place(&on);
    }

    /// A loop that ends at a constant.
    fn counted(&mut self, level: usize, [head, next, on]: [String; 3]) {
        let x = NUMBERS[level];
        let up = self.chance.in_all(2);
        let least = self.small(if self.plain { 8 } else { 2 });
        let last = self.most + self.slip();
        let (first, by) = if up { (least, 1) } else { (last - 1, -1) };
        let anywhere = up && self.plain && self.chance.in_all(2);
        if anywhere {
            self.random(x);
        } else {
            self.draft.code(&format!("r{x} = {first}"));
        }
        self.draft.place(&head);
        self.inside(level, &[next.clone(), on.clone()]);
        self.draft.place(&next);
        self.moves(x, by);
        let (end, cond) = if up { (last, "s<") } else { (0, "s>") };
        let cond = if anywhere { cond } else { self.chance.of(&["!=", cond]) };
        let width = self.chance.of(&['r', 'r', 'r', 'w']);
        self.draft.code(&format!("if {width}{x} {cond} {end} goto {head}"));
        self.draft.place(&on);
    }

    /// What the number of a loop begins with.
    fn begin(&mut self, x: u8, y: u8, way: Way) {
        let some = self.chance.of(&[0, 1, 1, 2, 3]);
        match way {
            _ if self.slips_now() => self.copy_less(x, y, some),
            Way::Up if self.plain && !self.chance.in_all(4) => {
                self.draft.code(&format!("r{x} = 0"));
            }
            Way::Up | Way::Meet => match self.chance.below(8) {
                0..=4 => self.draft.code(&format!("r{x} = 0")),
                5 => self.draft.code(&format!("r{x} = {some}")),
                6 => self.random(x),
                _ => self.copy(x, y),
            },
            Way::Down => match self.chance.below(6) {
                0 | 1 => self.draft.code(&format!("r{x} = {}", self.most - 1)),
                2 => self.draft.code(&format!("r{x} = {}", self.most - 2)),
                3 => self.random(x),
                4 if y != 8 && !self.deep => self.copy(x, 8),
                _ => self.copy(x, y),
            },
            Way::Back => self.copy(x, y),
        }
    }

    /// What a round does, with another loop in it or none.
    fn inside(&mut self, level: usize, around: &[String; 2]) {
        self.around.push(around.clone());
        for _ in 0..self.chance.below(if self.plain { 2 } else { 3 }) {
            self.item();
        }
        let deeper = level == 0 && !self.chance.in_all(4) || level == 1 && self.deep;
        if deeper && self.draft.lines < LINES {
            self.looped(level + 1);
            if self.chance.in_all(2) {
                self.item();
            }
        } else {
            self.item();
        }
        self.around.pop();
    }

    fn item(&mut self) {
        let Some(last) = self.pairs.len().checked_sub(1) else { return };
        let at = if self.chance.in_all(3) { self.chance.below(last + 1) } else { last };
        let pair = self.pairs[at];
        let one = self.chance.of(&pair);
        let over = self.draft.label();
        let [next, end] = self.around[self.chance.below(self.around.len())].clone();
        match self.chance.below(25) {
            0 => {
                // Not in the first rounds.
                let (at, cond) = (self.small(30), self.chance.of(&["s<", ">", "=="]));
                self.draft.code(&format!("if r{one} {cond} {at} goto {over}"));
                match self.moved.last().copied() {
                    Some(address) => self.store(address),
                    None => self.access(pair, -1),
                }
            }
            1..=4 | 24 => self.access(pair, 0),
            5 | 6 => self.access(pair, -1),
            7 => self.access([pair[1], pair[0]], self.most),
            8 => self.access([pair[1], pair[0]], self.most - 1),
            9 => {
                self.fork(&over);
                let by = self.slip();
                self.moves(one, by);
            }
            10 => self.spill(one),
            11 => {
                self.form(one, true);
                self.form(one, false);
            }
            12..=14 if !self.chance.in_all(3) => {
                let cond = self.chance.of(&["<", "s<", "<=", "=="]);
                self.compare(pair[0], cond, pair[1], &over);
                self.access(pair, if cond == "<" || cond == "s<" { 0 } else { -1 });
            }
            12 => {
                self.guard(pair, &over);
                self.access(pair, 0);
            }
            13 => self.late(pair, &over),
            14 => self.decided(pair, &over),
            15 => self.joins(),
            20 if self.chance.in_all(3) => {
                // It begins anew, from where something else is.
                if let Some(address) = self.moved.last().copied() {
                    self.fork(&over);
                    let base = self.chance.of(&[6, 7, 8]);
                    self.draft.code(&format!("r{} = 0", pair[1]));
                    self.place_address(address, base, pair, true);
                }
            }
            16 => {
                let to = self.chance.of(&[&next, &end]).clone();
                self.fork(&to);
            }
            17 => {
                let to = self.chance.of(&[&next, &end]).clone();
                self.guard(pair, &to);
            }
            18 if self.slip() != 0 => {
                self.fork(&over);
                self.copy(pair[0], pair[1]);
            }
            18 if self.slip() != 0 => self.high(one),
            19..=22 => match self.moved.last().copied() {
                Some(address) => self.store(address),
                None => self.access(pair, -1),
            },
            _ => self.single(one),
        }
        self.draft.place(&over);
    }
}
