//! Functions that are verified apart from their callers, and those that are called for each
//! value of a map.

use super::{Called, Maker};
use crate::kernel::{LOCKS, VALUE};

impl Maker<'_, '_> {
    /// A function is called for each value of a map.
    pub(super) fn for_each(&mut self) {
        let Some(name) = self.functions.callee(Called::Each) else { return self.small() };
        let map = if self.chance(3) { VALUE } else { LOCKS };
        let function = format!("r2 = subprog[{name}] ll; r3 = r7; r4 = 0");
        let shown = self.chance(3);
        if shown {
            self.code("*(u64 *)(r7 +104) = 0");
        }
        self.code(&format!("r1 = map[idx:{map}] ll; {function}; call 164"));
        if shown {
            // Perhaps the key.
            let over = self.out.label();
            self.code(&format!("r0 = *(u64 *)(r7 +104); if r0 == 0 goto {over}"));
            self.code("r8 = *(u32 *)(r0 +0)");
            self.label(&over);
            self.code("r0 = 0");
        } else if self.chance(2) {
            self.used_behind();
        }
    }

    /// A function that is verified apart.
    pub(super) fn call_global(&mut self) {
        let direct = format!("r2 = map[idx:{VALUE}][0] ll");
        let area = format!("r2 = r7; r2 += {}", 8 * self.out.input.below(12));
        let own = "r2 = r7; r2 += 48";
        let kept = "r2 = *(u64 *)(r7 +104)";
        let given = [own, own, "r2 = r9", kept, &direct, &area, "lookup"];
        let given = if self.chance(8) { "r2 = 0" } else { self.out.pick(&given) };
        let nullable = given == "r2 = 0" || self.chance(2);
        let dynptr = !self.plain && self.context && self.chance(2);
        let Some(name) = self.functions.callee(Called::Global { nullable, dynptr }) else {
            return self.small();
        };
        if dynptr {
            self.make_one();
        }
        if given == "lookup" {
            self.code("*(u32 *)(r10 -136) = r8; r2 = r10; r2 += -136");
            self.code(&format!("r1 = map[idx:{VALUE}] ll; call 1; r2 = r0"));
        } else {
            self.code(given);
        }
        let before = given == own && self.chance(2);
        if before {
            self.code("*(u64 *)(r7 +48) = 0; *(u64 *)(r7 +56) = 0");
        }
        if dynptr {
            let place = self.place(4);
            self.code(&place);
        }
        self.code(&format!("r1 = r6; r3 = r8; call local {name}"));
        match self.out.input.below(4) {
            _ if before => {
                self.code("r8 = *(u64 *)(r7 +48)");
                self.index_by("r8");
            }
            0 => self.code("r8 = r0"),
            1 => self.index_by("r0"),
            _ => self.used_behind(),
        }
    }

    /// What was found before is used.
    fn used_behind(&mut self) {
        if self.behind > 0 {
            self.use_r9();
        } else {
            self.resume(0);
        }
    }
}
