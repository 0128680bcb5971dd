//! Which accesses of a function may be to its frame, and from where on.
//!
//! Between two places where paths join it is known of each register whether it has an
//! address in the frame, and which one, or from where on one. Of what registers have at
//! other places all is put together that they have at the jumps that lead there.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::opcode::Class;

use super::{DEPTH, R10, halves_at, is_atomic, size_of_access};
use crate::HelperTable;
use crate::arena::Arena;
use crate::cfg::{Code, bit};

/// Registers that may have addresses of the frame, and one place behind them: memory, or
/// what calls are handed.
const PLACES: usize = 11;
const BEHIND: u8 = 10;
/// Stands for the address of no byte.
const NOWHERE: i16 = i16::MAX;
/// The lowest byte of all.
const LOWEST: i16 = -512;
const _: () = assert!(LOWEST.unsigned_abs() as u32 == DEPTH);
/// Passes over a function before its registers may point anywhere.
const PASSES: usize = 8;

const ADD: u8 = 0x00;
const SUB: u8 = 0x10;
const MOV: u8 = 0xb0;
/// The operand is a register.
const BY_REGISTER: u8 = 0x08;
/// Sources of a call: a helper, a function of the program.
const HELPER: u8 = 0;
const LOCAL: u8 = 1;

/// For each place the lowest offset from R10 that is among its addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Addresses([i16; PLACES]);

impl Default for Addresses {
    fn default() -> Self {
        Self([NOWHERE; PLACES])
    }
}

impl Addresses {
    /// The lowest address that a place may have, if it may have any.
    fn lowest(&self, place: u8) -> Option<i32> {
        let lowest = self.0.get(usize::from(place)).copied().unwrap_or(NOWHERE);
        (lowest != NOWHERE).then_some(lowest.into())
    }

    /// The lowest address that is accessed by way of a register.
    pub fn lowest_by(&self, base: u8) -> Option<i32> {
        self.lowest(base).filter(|_| base < R10)
    }

    /// The lowest address that calls are handed.
    pub fn lowest_handed(&self) -> Option<i32> {
        self.lowest(BEHIND)
    }

    /// A place may have this address, if it is one.
    fn add(&mut self, place: u8, lowest: Option<i32>) {
        if let Some(lowest) = lowest
            && let Some(slot) = self.0.get_mut(usize::from(place))
        {
            let lowest = i16::try_from(lowest.min(0)).unwrap_or(LOWEST).max(LOWEST);
            *slot = (*slot).min(lowest);
        }
    }
}

/// What is known of a register.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It has what some jump left there.
    Nothing,
    /// No address of the frame.
    Other,
    /// The address at this offset from R10.
    At(i32),
    /// One from this on.
    From(i32),
}

impl Known {
    const fn from(lowest: Option<i32>) -> Self {
        match lowest {
            Some(lowest) => Self::From(lowest),
            None => Self::Other,
        }
    }
}

/// A pass over a function.
struct Scan {
    /// What registers have where paths join, and memory has.
    entry: Addresses,
    /// What is accessed by way of registers, and handed to calls.
    used: Addresses,
    known: [Known; R10 as usize],
    /// Half slots that are accessed by way of R10.
    halves: u128,
}

impl Scan {
    fn known(&self, register: u8) -> Known {
        match self.known.get(usize::from(register)) {
            Some(Known::Nothing) => Known::from(self.entry.lowest(register)),
            Some(known) => *known,
            None => Known::At(0),
        }
    }

    fn set(&mut self, register: u8, known: Known) {
        if let Some(slot) = self.known.get_mut(usize::from(register)) {
            *slot = known;
        }
    }

    /// The lowest address that a register may have.
    fn lowest(&self, register: u8) -> Option<i32> {
        match self.known(register) {
            Known::At(lowest) | Known::From(lowest) => Some(lowest),
            Known::Nothing | Known::Other => None,
        }
    }

    fn memory(&self) -> Option<i32> {
        self.entry.lowest(BEHIND)
    }

    /// A jump leaves registers as they are.
    fn leave(&mut self) {
        for register in 0..R10 {
            let lowest = self.lowest(register);
            self.entry.add(register, lowest);
        }
    }

    fn forget(&mut self) {
        self.known = [Known::Nothing; R10 as usize];
    }

    /// Memory is accessed by way of a register. Whether it may be the frame's.
    fn access(&mut self, base: u8, insn: BpfInsn) -> bool {
        let off = i32::from(insn.off());
        if base == R10 {
            let found = halves_at(off, size_of_access(insn.code()));
            self.halves |= found.map_or(0, |(touched, _)| touched);
            return true;
        }
        let lowest = self.lowest(base);
        self.used.add(base, lowest.map(|lowest| lowest.saturating_add(off.min(0))));
        lowest.is_some()
    }

    fn alu(&mut self, insn: BpfInsn) {
        let (dst, imm) = (insn.dst(), i64::from(insn.imm()));
        let by_register = insn.code() & BY_REGISTER != 0;
        let source = if by_register { self.known(insn.src()) } else { Known::Other };
        let moved = |by: i64| i32::try_from(by).unwrap_or(LOWEST.into());
        let known = match (insn.code() & 0xf0, self.known(dst), source) {
            (MOV, _, source) => source,
            (ADD, Known::At(at), Known::Other) if !by_register => {
                Known::At(moved(i64::from(at).saturating_add(imm)))
            }
            (SUB, Known::At(at), Known::Other) if !by_register => {
                Known::At(moved(i64::from(at).saturating_sub(imm)))
            }
            (ADD, Known::From(at), Known::Other) if !by_register => {
                Known::From(moved(i64::from(at).saturating_add(imm.min(0))))
            }
            (SUB, Known::From(at), Known::Other) if !by_register => {
                Known::From(moved(i64::from(at).saturating_sub(imm.max(0))))
            }
            // What is added may be less than 0.
            (ADD | SUB, Known::At(_) | Known::From(_), _)
            | (ADD, _, Known::At(_) | Known::From(_)) => Known::From(LOWEST.into()),
            (_, Known::At(at) | Known::From(at), _) => Known::From(at),
            (_, known, _) => known,
        };
        self.set(dst, known);
    }

    /// Whether the call may read the frame. `keeps`, whether what is called may put its
    /// arguments into memory, and `returns`, whether it may return one.
    fn call(&mut self, keeps: bool, returns: bool) -> bool {
        let arguments = (1..=5).filter_map(|register| self.lowest(register)).min();
        let mut handed = arguments.into_iter().chain(self.memory()).min();
        if keeps {
            self.entry.add(BEHIND, arguments);
            // A function may go on from there to lower bytes, helpers do not.
            handed = handed.map(|_| LOWEST.into());
        }
        self.used.add(BEHIND, handed);
        for register in 0..=5 {
            self.set(register, Known::Other);
        }
        if returns {
            self.set(0, Known::from(handed));
        }
        handed.is_some()
    }

    /// An instruction. Whether it may access the frame.
    fn step(&mut self, insn: BpfInsn, helpers: &HelperTable<'_>) -> bool {
        let (code, dst, src) = (insn.code(), insn.dst(), insn.src());
        match Class::of(code) {
            // It gives a number, or the address of something else.
            Class::Ld => {
                self.set(if insn.slots() == 2 { dst } else { 0 }, Known::Other);
                false
            }
            Class::Ldx => {
                let inside = self.access(src, insn);
                self.set(dst, Known::from(self.memory().filter(|_| inside)));
                inside
            }
            Class::St => self.access(dst, insn),
            Class::Stx if is_atomic(code) => {
                // One is the base, and some give what was there, to one register or another.
                let inside = [self.access(dst, insn), self.access(src, insn)].contains(&true);
                for register in [dst, src] {
                    let lowest = self.lowest(register);
                    self.entry.add(BEHIND, lowest.filter(|_| inside));
                }
                for register in [0, dst, src] {
                    let lowest = self.lowest(register).into_iter().chain(self.memory()).min();
                    self.set(register, Known::from(lowest));
                }
                inside
            }
            Class::Stx => {
                let lowest = self.lowest(src);
                self.entry.add(BEHIND, lowest);
                self.access(dst, insn)
            }
            Class::Alu | Class::Alu64 => {
                self.alu(insn);
                false
            }
            Class::Jmp | Class::Jmp32 if insn.is_call() => {
                let calls_back = src == HELPER && helpers.calls_back(insn.imm().cast_unsigned());
                self.call(src == LOCAL || calls_back, src == LOCAL)
            }
            Class::Jmp | Class::Jmp32 => {
                self.leave();
                if !insn.falls_through() {
                    self.forget();
                }
                false
            }
        }
    }
}

impl Code<'_> {
    /// Finds the tracked bytes of the function between two slots, and from where on its
    /// accesses may be to its frame. Those that may are marked.
    pub(super) fn find_addresses(
        &self,
        arena: &mut Arena<'_>,
        helpers: &HelperTable<'_>,
        (start, end): (usize, usize),
    ) -> (u128, Addresses) {
        let (entry, used) = (Addresses::default(), Addresses::default());
        let mut scan = Scan { entry, used, known: [Known::Other; R10 as usize], halves: 0 };
        for pass in 1..=PASSES {
            let before = scan.entry;
            self.scan(arena, helpers, (start, end), &mut scan);
            if scan.entry == before {
                break;
            }
            if pass == PASSES - 1 {
                scan.entry = Addresses([LOWEST; PLACES]);
            }
        }
        (scan.halves, scan.used)
    }

    fn scan(
        &self,
        arena: &mut Arena<'_>,
        helpers: &HelperTable<'_>,
        (start, end): (usize, usize),
        scan: &mut Scan,
    ) {
        // What a function is given is no address of its own frame.
        scan.known = [Known::Other; R10 as usize];
        let mut pc = start;
        while pc < end {
            let insn = self.slot(pc);
            if self.has(arena, pc, bit::JOIN) {
                scan.leave();
                scan.forget();
            }
            if scan.step(insn, helpers) {
                self.note_frame_access(arena, pc);
            }
            pc = pc.saturating_add(insn.slots());
        }
    }
}
