//! Functions that move such numbers.

use std::fmt::Write as _;

use super::Maker;

impl Maker<'_, '_> {
    fn function(&mut self, lines: &str) -> String {
        self.count += 1;
        let name = format!("f{}", self.count);
        for (at, line) in lines.split(';').enumerate() {
            let name = if at == 0 { format!("{name}: ") } else { String::new() };
            let _ = writeln!(self.functions, "{name}{}", line.trim());
        }
        name
    }

    /// A number becomes what a function makes of two.
    pub(super) fn call(&mut self, x: &str, y: &str) {
        let by = self.step + self.slip();
        let body = self.out.pick(&[
            "r0 = r1; r0 += BY; exit",
            "w0 = w1; w0 += BY; exit",
            "r0 = r1; if r1 s< r2 goto +1; r0 = r2; exit",
            "r0 = r1; if r1 > r2 goto +1; r0 += BY; exit",
            "r0 = r1; r0 -= r2; exit",
            "r0 = 0; if r0 >= r1 goto +2; r0 += 1; goto -3; exit",
        ]);
        let name = self.function(&body.replace("BY", &by.to_string()));
        self.code(&format!("r1 = r{x}; r2 = r{y}; call local {name}; r{x} = r0"));
    }

    /// A function moves what lies on the stack.
    pub(super) fn call_with_memory(&mut self, x: &str, y: &str) {
        let by = self.step + self.slip();
        let name = self.moving(by);
        self.code(&format!("*(u64 *)(r10 -48) = r{x}; *(u64 *)(r10 -40) = r{y}"));
        self.code(&format!("r1 = r10; r1 += -48; call local {name}"));
        self.code(&format!("r{x} = *(u64 *)(r10 -48); r{y} = *(u64 *)(r10 -40)"));
    }

    /// A function that moves the two numbers at an address, and accesses what lies 80 bytes
    /// before that by one of them, or by both.
    fn moving(&mut self, by: i64) -> String {
        let times = by * self.of(&[1, -1, 2, 1, 4]);
        let most = self.most + self.slip();
        let guard = self.out.pick(&[
            "if r3 >= MOST goto +5",
            "if r3 >= r4 goto +5",
            "if r3 == r4 goto +5",
            "if r3 s> r4 goto +5",
            "r0 = 0",
        ]);
        let index = self.out.pick(&["r5 = r3; r5 += 0", "r5 = r3; r5 -= r4", "r5 = r4; r5 -= r3"]);
        let guard = guard.replace("MOST", &most.to_string());
        self.function(&format!(
            "r3 = *(u64 *)(r1 +0); r4 = *(u64 *)(r1 +8); {guard}; {index}; r2 = r1; \
             r2 += r5; *(u8 *)(r2 -80) = 1; r3 += {by}; r4 += {times}; *(u64 *)(r1 +0) = r3; \
             *(u64 *)(r1 +8) = r4; r0 = 0; exit"
        ))
    }

    /// What a helper calls moves what lies on the stack.
    pub(super) fn call_back(&mut self, x: &str, y: &str) {
        let by = self.step + self.slip();
        let name = self.moving(by);
        // It is given the round first.
        let name = self.function(&format!("r1 = r2; call local {name}; r0 = 0; exit"));
        self.code(&format!("*(u64 *)(r10 -48) = r{x}; *(u64 *)(r10 -40) = r{y}"));
        let rounds = self.most + self.slip();
        self.code(&format!("r1 = {rounds}; r2 = subprog[{name}] ll; r3 = r10; r3 += -48"));
        self.code(&format!("r4 = 0; call 181; r{x} = *(u64 *)(r10 -48)"));
        self.code(&format!("r{y} = *(u64 *)(r10 -40)"));
    }
}
