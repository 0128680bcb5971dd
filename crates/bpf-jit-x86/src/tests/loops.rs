//! Where loops lie.

use std::format;
use std::string::String;

use iced_x86::{Instruction, Mnemonic};

use super::decode::{assert_sound, decode};
use super::{gives, program, proven};

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

/// A loop that fits into a line of the CPU's cache is in one, unless that asks for too
/// many instructions that do nothing; and it is moved for no other reason. The jump over
/// it may become long by that, which moves it once more.
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
        let in_one_line = |at: usize| at / 64 == (at + len - 1) / 64;
        let insns = decode(compiled.code());
        let nothing = insns.iter().filter(|insn| insn.mnemonic() == Mnemonic::Nop);
        let nothing: usize = nothing.map(Instruction::len).sum();
        if nothing == 0 {
            assert!(in_one_line(start) || start % 64 < 64 - 18, "{before}: {start:#x}");
        } else {
            assert!(nothing <= 18 && start % 64 == 0, "{before}: {start:#x}");
            assert!(!in_one_line(start - nothing), "{before}: {start:#x}");
            moved += 1;
        }
    }
    assert!((24..224).contains(&moved), "{moved}");
}

/// A loop behind a jump lies in one line wherever it would begin, as nothing is executed of
/// what is put in front of it.
#[test]
fn loops_behind_jumps_lie_in_one_line() {
    let mut most = 0;
    for before in 0..64 {
        let compiled = proven(&program(&format!(
            "r0 = 0\nr3 = 9\nr4 = 3\n{}goto enter
             again: {}enter: r3 += -1\nif r3 != 0 goto again\nexit",
            "r0 ^= 85\n".repeat(before),
            "r0 += r3\nr0 ^= r4\nr4 += r0\nr0 ^= 77\nr4 *= 7\n".repeat(2)
        )));
        assert_sound(&compiled);
        let place = |slot: usize| compiled.place_of(before + slot).unwrap();
        let (start, end) = (place(4), place(16));
        assert!((16..=64).contains(&(end - start)), "{start:#x} {end:#x}");
        assert_eq!(start / 64, (end - 1) / 64, "{before}: {start:#x}");
        let insns = decode(compiled.code());
        let nothing = insns.iter().filter(|insn| insn.mnemonic() == Mnemonic::Nop);
        most = most.max(nothing.map(Instruction::len).sum::<usize>());
    }
    assert!((19..64).contains(&most), "{most}");
}

/// A loop that divides begins where it begins.
#[test]
fn loops_that_divide_are_not_moved() {
    for before in 0..64 {
        let compiled = proven(&program(&format!(
            "r0 = 0\nr3 = 9\nr4 = 3\n{}goto enter
             again: r0 += r3\nr0 ^= r4\nr4 += r0\nr0 /= r4\nr4 *= 7\nenter: r3 += -1
             if r3 != 0 goto again\nexit",
            "r0 ^= 85\n".repeat(before),
        )));
        assert_sound(&compiled);
        let insns = decode(compiled.code());
        assert!(insns.iter().any(|insn| insn.mnemonic() == Mnemonic::Div));
        assert!(insns.iter().all(|insn| insn.mnemonic() != Mnemonic::Nop), "{before}");
    }
}

/// Jumps over what was put in front of a loop lead where they should, whether they are
/// short or just too long for that.
#[test]
fn jumps_lead_over_loops_that_are_moved() {
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
