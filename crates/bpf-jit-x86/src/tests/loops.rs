//! Where loops lie.

use std::format;
use std::string::String;

use super::decode::assert_sound;
use super::{gives, program, proven};
use crate::CompiledProgram;
use bpf_profile::ActiveProfile;

/// A program with a loop of some 30 bytes behind `before` instructions of four bytes. A
/// jump that is taken for `r5 = 1` leads over it and over `behind` more of them.
fn looped(r5: u64, before: usize, behind: usize) -> String {
    let (before, behind) = ("r0 ^= 85\n".repeat(before), "r0 ^= 85\n".repeat(behind));
    format!(
        "r0 = 0\nr3 = 9\nr4 = 3\nr5 = {r5}\n{before}if r5 == 1 goto end
         again: r0 += r3\nr0 ^= r4\nr4 += r0\nr0 ^= 77\nr4 *= 7\nr3 += -1
         if r3 != 0 goto again\n{behind}end: exit"
    )
}

/// At which byte of a line a byte of the code is.
fn in_line(compiled: &CompiledProgram<ActiveProfile>, place: usize) -> usize {
    (compiled.code().as_ptr().addr() + place) % 64
}

/// A loop that fits into a line of the CPU's cache is in one; and code that has it so anyway
/// begins where a line does.
#[test]
fn loops_lie_in_one_line() {
    let mut moved = 0;
    for (before, behind) in (0..64).flat_map(|before| [0, 20, 22, 24].map(|n| (before, n))) {
        let compiled = proven(&program(&looped(0, before, behind)));
        assert_sound(&compiled);
        let place = |slot: usize| compiled.place_of(before + slot).unwrap();
        let (start, end) = (place(5), place(12));
        let len = end - start;
        assert!((16..=64).contains(&len), "{len}");
        assert!(in_line(&compiled, start) + len <= 64, "{before}: {start:#x}");
        if in_line(&compiled, 0) == 0 {
            assert!(start % 64 + len <= 64, "{before}: {start:#x}");
        } else {
            assert!(start % 64 + len > 64, "{before}: {start:#x}");
            moved += 1;
        }
    }
    assert!((24..224).contains(&moved), "{moved}");
}

/// A longer loop has lines end behind its jumps, if they can.
#[test]
fn lines_end_behind_jumps() {
    let work = "r0 += r3\nr0 ^= r4\nr4 += r0\nr0 ^= 77\nr4 *= 7\n".repeat(2);
    for before in 0..64 {
        let compiled = proven(&program(&format!(
            "r0 = 0\nr3 = 9\nr4 = 3\n{}again: if r0 s> 55 goto other\n{work}goto next
             other: {work}{work}next: r3 += -1\nr0 *= r4\nr4 ^= r3\nr0 += r4\nr4 *= r3
             if r3 != 0 goto again\nexit",
            "r0 ^= 85\n".repeat(before),
        )));
        assert_sound(&compiled);
        let behind = compiled.place_of(before + 15).unwrap();
        assert_eq!(in_line(&compiled, behind), 0, "{before}: {behind:#x}");
    }
}

/// Code without a loop begins where a line does.
#[test]
fn code_without_loops_begins_with_a_line() {
    for text in ["r0 = 1\nexit", "r0 = 1\nif r0 == 1 goto +1\nr0 = 2\nexit"] {
        assert_eq!(in_line(&proven(&program(text)), 0), 0);
    }
}

/// Jumps lead where they should, whether they are short or just too long for that.
#[test]
fn jumps_lead_over_loops() {
    let odd = |times: usize| if times.is_multiple_of(2) { 0_u64 } else { 85 };
    let ends = |mut r0: u64| {
        let mut r4 = 3_u64;
        for r3 in (1..10).rev() {
            r0 = (r0.wrapping_add(r3)) ^ r4;
            r4 = r4.wrapping_add(r0);
            r0 ^= 0x4d;
            r4 = r4.wrapping_mul(7);
        }
        r0
    };
    for before in 0..22 {
        for behind in 15..40 {
            gives(&looped(0, before, behind), ends(odd(before)) ^ odd(behind));
        }
        gives(&looped(1, before, 30), odd(before));
    }
}
