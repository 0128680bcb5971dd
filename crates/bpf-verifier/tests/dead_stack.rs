//! Bytes of the stack that nobody reads any longer are forgotten on embedded, and no others:
//! those who may not see addresses may not read what is forgotten, either.

mod common;

use std::fmt::Write;

use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Observer, StateView, Unobserved, Verifier};
use common::{SOCKET, UNPRIVILEGED, program};

/// Paths part and join here.
fn join(name: &str) -> String {
    format!("r0 = *(u32 *)(r6 +0)\nif r0 == 7 goto {name}\nr0 = 1\n{name}: r0 = 0\n")
}

/// A program finds all that it reads. Who may not see addresses may not do all with them.
fn finds_what_it_reads(text: &str) {
    let info = SOCKET.accepts(text);
    assert!(!info.unwritten_reads, "{text}");
    if let Err((error, _)) = UNPRIVILEGED.verify(text) {
        assert!(!error.to_string().contains("read from stack"), "{error}\n{text}");
    }
}

/// What is written is still there behind two joins, however it is read.
#[test]
fn what_is_read_is_kept() {
    let ways = [
        "r0 = *(u64 *)(r10 -40)",
        "r0 = *(u32 *)(r10 -40)",
        "r0 = *(u8 *)(r10 -33)",
        // By way of a copy, from above, from below, and by a number that is not known.
        "r2 = r10\nr0 = *(u64 *)(r2 -40)",
        "r2 = r10\nr2 += -48\nr0 = *(u64 *)(r2 +8)",
        "r2 = r10\nr2 += -16\nr2 += -24\nr0 = *(u64 *)(r2 +0)",
        "r3 = -40\nr2 = r10\nr2 += r3\nr0 = *(u64 *)(r2 +0)",
        "r2 = -40\nr2 += r10\nr0 = *(u64 *)(r2 +0)",
        "r3 = r10\nr3 += -40\n*(u64 *)(r10 -8) = r3\nr2 = *(u64 *)(r10 -8)\nr0 = *(u64 *)(r2 +0)",
        // By somebody else.
        "r2 = r10\nr2 += -40\nr1 = map[idx:0] ll\ncall 1\nr0 = 0",
        "r1 = r10\nr1 += -40\ncall read\nr0 = 0",
        "r1 = r10\nr1 += -8\ncall read_below\nr0 = 0",
        "r1 = r10\nr1 += -40\n*(u64 *)(r10 -8) = r1\nr1 = r10\nr1 += -8\ncall read_there\nr0 = 0",
        "lock *(u64 *)(r10 -40) += r0",
    ];
    for way in ways {
        let mut text = String::from("r6 = r1\nr0 = 5\n*(u64 *)(r10 -40) = r0\n");
        text.push_str(&join("first"));
        text.push_str(&join("second"));
        writeln!(text, "{way}\nr0 = 0\nexit").unwrap();
        for (name, body) in [
            ("read", "r0 = *(u64 *)(r1 +0)"),
            ("read_below", "r0 = *(u64 *)(r1 -32)"),
            ("read_there", "r2 = *(u64 *)(r1 +0)\nr0 = *(u64 *)(r2 +0)"),
        ] {
            if way.contains(&format!("call {name}\n")) {
                writeln!(text, "{name}: {body}\nr0 = 0\nexit").unwrap();
            }
        }
        finds_what_it_reads(&text);
    }
}

/// An address that registers have where paths join, and that a loop moves.
#[test]
fn addresses_outlive_joins() {
    let moved = |step: &str| {
        format!(
            "r6 = r1\nr0 = 0\n*(u64 *)(r10 -32) = r0\n*(u64 *)(r10 -24) = r0
             *(u64 *)(r10 -16) = r0\n*(u64 *)(r10 -8) = r0\nr7 = r10\nr7 += -16\nr8 = 0
             {}again: r0 = *(u64 *)(r7 +0)\n{step}\nr8 += 1\nif r8 < 2 goto again
             r0 = 0\nexit",
            join("first")
        )
    };
    for step in ["r7 += -8", "r7 += 8"] {
        let text = moved(step);
        finds_what_it_reads(&text);
    }
}

/// A dynptr, and bytes that are lent to a slice of it, are not read by way of R10, and whoever
/// writes there ends the slice all the same.
#[test]
fn what_slices_rest_on_is_kept() {
    let verify = |way: &str| {
        let text = format!(
            "r6 = r1
             r8 = *(u32 *)(r6 +0)
             r2 = 0
             r3 = r10
             r3 += -16
             call kfunc 136
             r1 = r10
             r1 += -16
             r2 = 0
             r3 = r10
             r3 += -24
             r4 = 8
             call kfunc 139
             if r0 == 0 goto out
             r9 = r0
             {}{}{way}
             *(u64 *)(r9 +0) = r8
             r7 = *(u64 *)(r10 -24)
             out: r0 = 0
             exit",
            join("first"),
            join("second")
        );
        let program = program(bpf_bytecode::BpfProgType::SchedCls, &text);
        Verifier::<ActiveProfile>::with_env(HelperTable::linux()).verify(&program)
    };
    assert_eq!(verify("r0 = 1"), Ok(()));
    for written in ["*(u64 *)(r10 -24) = r6", "*(u64 *)(r10 -16) = 3", "*(u64 *)(r10 -8) = 3"] {
        let error = verify(written).expect_err(written);
        assert!(error.to_string().contains("R9 invalid mem access"), "{error}");
    }
}

/// The bytes of the stack that the last state at each slot has.
struct Bytes(Vec<Vec<i32>>);

impl Observer for Bytes {
    fn step(&mut self, pc: usize, state: &StateView<'_>) {
        if self.0.len() <= pc {
            self.0.resize(pc + 1, Vec::new());
        }
        self.0[pc] = state.stack().map(|bytes| bytes.off).collect();
    }
}

#[test]
fn what_nobody_reads_is_forgotten() {
    let text = format!(
        "r6 = r1\nr0 = 5\n*(u64 *)(r10 -16) = r0\nr0 = *(u64 *)(r10 -16)\n*(u64 *)(r10 -8) = r0
         {}r0 = *(u64 *)(r10 -8)\nexit",
        join("first")
    );
    let program = program(bpf_bytecode::BpfProgType::SocketFilter, &text);
    let mut seen = Bytes(Vec::new());
    Verifier::<ActiveProfile>::new().verify_with(&program, &mut seen).expect("it is safe");
    assert_eq!(seen.0[5], [-16, -8], "before the paths part");
    // Where memory is elastic, it is not worth the time.
    let kept: &[i32] = if cfg!(feature = "embedded-profile") { &[-8] } else { &[-16, -8] };
    assert_eq!(seen.0[8], kept, "where they join");
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }

    /// A place among twelve slots of the stack, and the bytes there.
    fn place(&mut self) -> (i64, u64) {
        let size = [1, 2, 4, 8, 8, 8][usize::try_from(self.below(6)).unwrap()];
        (-96 + i64::try_from(self.below(96 / size) * size).unwrap(), size)
    }

    /// A program that writes twelve slots, and then reads and writes them in parts, by way of
    /// R10 and of copies, where paths part and join.
    fn program(&mut self) -> String {
        let mut text = String::from("r6 = r1\nr0 = 0\n");
        for slot in 1..=12 {
            // Zeros side by side are one.
            let value = self.below(3).saturating_sub(1) * slot;
            writeln!(text, "r0 = {value}\n*(u64 *)(r10 -{}) = r0", slot * 8).unwrap();
        }
        let mut far = [0, 0, 0];
        for (register, far) in (7..).zip(&mut far).take(2) {
            *far = i64::try_from(self.below(12) * 8).unwrap();
            writeln!(text, "r{register} = r10\nr{register} += -{far}").unwrap();
        }
        for part in 0..12 {
            let (off, size) = self.place();
            let which = usize::try_from(self.below(3)).unwrap();
            let (base, off, bits) = ([7, 8, 10][which], off + far[which], size * 8);
            match self.below(5) {
                0 | 1 => writeln!(text, "r0 = *(u{bits} *)(r{base} {off:+})").unwrap(),
                2 => writeln!(text, "r0 = 3\n*(u{bits} *)(r{base} {off:+}) = r0").unwrap(),
                3 => text.push_str(&join(&format!("join{part}"))),
                // Back, twice.
                _ => writeln!(
                    text,
                    "r9 = 0\nback{part}: r0 = *(u{bits} *)(r{base} {off:+})\nr9 += 1
                     if r9 < 2 goto back{part}"
                )
                .unwrap(),
            }
        }
        text.push_str("r0 = 0\nexit");
        text
    }
}

#[test]
fn nothing_that_random_programs_read_is_forgotten() {
    let mut chance = Chance(1);
    for _ in 0..2000 {
        let text = chance.program();
        let program = program(bpf_bytecode::BpfProgType::SocketFilter, &text);
        let info = Verifier::<ActiveProfile>::new().verify_with(&program, &mut Unobserved);
        let info = info.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(!info.unwritten_reads, "{text}");
    }
}
