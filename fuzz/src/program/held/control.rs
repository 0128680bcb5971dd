//! Branches, loops, calls, and ends of the program.

use kernel_bpf::bytecode::BpfProgType;

use super::{Called, Maker};
use crate::kernel::PROGRAMS;

impl Maker<'_, '_> {
    /// Whether the program may end here, as things are; now and then also where not.
    pub(super) fn may_end(&mut self) -> bool {
        self.held == 0 || self.chance(8)
    }

    pub(super) fn test(&mut self) -> String {
        let cond = self.out.pick(&["==", ">", "s<", "!=", "<"]);
        let bound = self.out.pick(&["0", "7", "1", "100"]);
        format!("if r8 {cond} {bound}")
    }

    pub(super) fn branch(&mut self, depth: usize) {
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
    pub(super) fn counted(&mut self, depth: usize) {
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

    pub(super) fn iterator(&mut self, depth: usize) {
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

    pub(super) fn call(&mut self) {
        let Some(name) = self.functions.callee(Called::Plainly) else { return self.small() };
        self.code(&format!("r1 = r6; r2 = r7; r3 = r8; call local {name}"));
        match self.out.input.below(4) {
            0 => self.code("r8 = r0"),
            1 | 2 => self.index_by("r0"),
            _ => {}
        }
    }

    pub(super) fn call_back(&mut self) {
        let Some(name) = self.functions.callee(Called::Loop) else { return self.small() };
        let rounds = self.out.pick(&["1", "3", "r8", "40"]);
        self.code(&format!("r1 = {rounds}; r2 = subprog[{name}] ll; r3 = r7; r4 = 0; call 181"));
    }

    pub(super) fn throw(&mut self) {
        if !self.may_end() {
            return self.small();
        }
        let (test, over) = (self.test(), self.out.label());
        self.code(&format!("{test} goto {over}; r1 = 1; call kfunc 135"));
        self.label(&over);
        self.code("r0 = 0");
    }

    pub(super) fn tail_call(&mut self) {
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

    pub(super) fn legacy_load(&mut self) {
        if self.prog_type == BpfProgType::Xdp || !self.may_end() {
            return self.small();
        }
        let load = self.out.pick(&["*(u8 *)skb[12]", "*(u16 *)skb[r8 +4]"]);
        self.code(&format!("r0 = {load}; r8 = r0"));
    }
}
