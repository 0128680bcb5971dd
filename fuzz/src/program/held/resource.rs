//! Locks, records and sections.

use kernel_bpf::bytecode::BpfProgType;

use super::{Called, Maker};
use crate::kernel::{LOCKS, RING, TIMER_OFFSET, VALUE};

impl Maker<'_, '_> {
    /// A block in which something is held.
    pub(super) fn holding(&mut self, depth: usize) {
        self.held += 1;
        self.block(depth);
        self.held -= 1;
    }

    pub(super) fn locked(&mut self, depth: usize) {
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
        self.number_again();
    }

    /// One of two locks is taken, and one of two released.
    pub(super) fn one_of_two(&mut self, over: &str) {
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
        self.number_again();
    }

    /// What is done with a timer.
    pub(super) fn timer(&mut self) {
        let over = self.out.label();
        let key = self.out.pick(&["0", "1", "r8"]);
        self.code(&format!("*(u32 *)(r10 -136) = {key}; r2 = r10; r2 += -136"));
        self.code(&format!("r1 = map[idx:{LOCKS}] ll; call 1; if r0 == 0 goto {over}"));
        let off = if self.chance(8) { 8 * self.out.input.below(8) } else { TIMER_OFFSET as usize };
        self.code(&format!("r1 = r0; r1 += {off}"));
        match self.out.input.below(8) {
            0 => {
                let map = if self.chance(4) { VALUE } else { LOCKS };
                self.code(&format!("r2 = map[idx:{map}] ll; r3 = 1; call 169"));
            }
            1 => self.code("r2 = r8; r3 = 0; call 171"),
            2 => self.code("call 172"),
            _ => {
                if let Some(name) = self.functions.callee(Called::Timer) {
                    self.code(&format!("r2 = subprog[{name}] ll; call 170"));
                }
            }
        }
        self.label(&over);
        self.code("r0 = 0");
    }

    pub(super) fn record(&mut self, depth: usize) {
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

    pub(super) fn section(&mut self, depth: usize) {
        let (begin, end) = if self.chance(2) { (128, 129) } else { (130, 131) };
        self.code(&format!("call kfunc {begin}"));
        self.holding(depth);
        self.code(&format!("call kfunc {end}"));
    }
}
