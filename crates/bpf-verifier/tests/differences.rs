//! Loops that end where two numbers meet, and what is known of how far they are apart.

mod common;

use common::SOCKET;

/// Bytes of the stack from its end on that are written.
const SIZE: i32 = 256;

/// R6 is any number up to 255, R8 the end of the stack, R7 0.
const ENTRY: &str = "call 7\nr6 = r0\nr6 &= 255\nr8 = r10\nr8 += -512\nr7 = 0";

/// A loop that goes on while R7 is not R6.
fn until(entry: &str, compare: &str, round: &str) -> String {
    format!(
        "{ENTRY}
         {entry}
         again:
         if {compare} goto out
         {round}
         goto again
         out:
         r0 = 0
         exit"
    )
}

/// R7 goes from 0 on, up to where the comparison holds.
fn again(compare: &str, round: &str) -> String {
    format!("r7 = 0\nagain:\nif {compare} goto out\n{round}\ngoto again\nout:")
}

/// An outer loop over R6.
fn around(inner: &str) -> String {
    format!(
        "r8 = r10
         r8 += -512
         r6 = 0
         outer:
         {inner}
         r6 += 1
         if r6 != 200 goto outer
         r0 = 0
         exit"
    )
}

/// Writes a byte so far behind where R8 points at as a register says, and so many more.
fn write(register: &str, more: i32) -> String {
    format!("r4 = r8\nr4 += {register}\n*(u8 *)(r4 {more:+}) = 1")
}

/// Does one thing or another, by chance.
fn by_chance(this: &str, that: &str) -> String {
    format!("call 7\nif r0 s> 0 goto that\n{this}\ngoto both\nthat:\n{that}\nboth:")
}

/// It takes no more steps than the loop without being gone round again and again.
#[track_caller]
fn accepts(text: &str) {
    let info = SOCKET.accepts(text);
    assert!(info.processed < 600, "{info:?}\n{text}");
}

#[track_caller]
fn rejects(text: &str) {
    SOCKET.rejects("", text);
}

#[test]
fn a_number_that_meets_another_does_not_pass_it() {
    let round = |more, step: i32| format!("{}\nr7 += {step}", write("r7", more));
    for compare in ["r7 == r6", "r6 == r7", "w7 == w6"] {
        accepts(&until("", compare, &round(0, 1)));
        accepts(&until("", compare, &round(SIZE, 1)));
        rejects(&until("", compare, &round(-1, 1)));
        rejects(&until("", compare, &round(0, 2)));
        rejects(&until("r7 = 1", compare, &round(0, 1)));
        // Of R6 it is known that it is not less.
        accepts(&until("r7 = 1\nif r6 < r7 goto out", compare, &round(0, 1)));
        rejects(&until("r7 = 1\nif r7 < r6 goto again\nr6 += -2", compare, &round(0, 1)));
    }
    rejects(&until("", "r7 == r6", &format!("{}\nr6 += -1", round(0, 1))));
}

#[test]
fn what_is_left_up_to_where_they_meet_is_not_below_zero() {
    let round = |more| format!("r5 = r6\nr5 -= r7\n{}\nr7 += 1", write("r5", more));
    for compare in ["r7 == r6", "w7 == w6", "r7 s>= r6"] {
        accepts(&until("", compare, &round(-1)));
        accepts(&until("", compare, &round(SIZE)));
        rejects(&until("", compare, &round(-2)));
        rejects(&until("", compare, &round(SIZE + 1)));
    }
    let low = |more| format!("w5 = w6\nw5 -= w7\n{}\nr7 += 1", write("r5", more));
    accepts(&until("", "w7 == w6", &low(-1)));
    rejects(&until("", "w7 == w6", &low(-2)));
    // The upper half is not compared.
    rejects(&until("r1 = 1\nr1 <<= 32\nr6 += r1", "w7 == w6", &round(-1)));
    let swapped = format!("r5 = r7\nr5 -= r6\n{}\nr7 += 1", write("r5", 0));
    rejects(&until("", "r7 == r6", &swapped));
}

/// An address goes back from where an outer loop is as the number goes on.
#[test]
fn an_address_goes_back_to_where_they_meet() {
    let inner = |more: i32, by: i32| {
        format!(
            "r9 = r8\nr9 += r6\nr9 += {more}\n{}",
            again("r7 == r6", &format!("*(u8 *)(r9 +0) = 1\nr9 += {by}\nr7 += 1"))
        )
    };
    accepts(&around(&inner(0, -1)));
    rejects(&around(&inner(-2, -1)));
    rejects(&around(&inner(0, -2)));
    // From somewhere else.
    let other = inner(0, -1).replace("r9 += r6", "call 7\nr0 &= 127\nr9 += r0");
    rejects(&around(&other));
    let other = inner(0, -1).replace("r9 += r6", "r0 = r6\nr0 >>= 1\nr9 += r0");
    rejects(&around(&other));
}

#[test]
fn two_numbers_come_nearer_from_both_ends() {
    let round = |this, that| format!("{}\n{}", write("r7", 0), by_chance(this, that));
    for compare in ["r7 >= r6", "r7 s>= r6", "r7 == r6", "w7 == w6"] {
        accepts(&until("", compare, &round("r7 += 1", "r6 += -1")));
        rejects(&until("", compare, &round("r7 += 1", "r6 += 0")));
        rejects(&until("", compare, &round("r7 += 1", "r6 += 1")));
    }
    let both = format!("{}\nr7 += 1\nr6 += -1", write("r7", 0));
    accepts(&until("", "r7 >= r6", &both));
    rejects(&until("", "r7 == r6", &both));
}

/// The inner loop ends where the outer one is.
#[test]
fn a_triangle_of_numbers_that_meet() {
    let inner = |start: i32, step: i32| {
        let round = format!("{}\nr7 += {step}", write("r7", 0));
        again("w7 == w6", &round).replace("r7 = 0", &format!("r7 = {start}"))
    };
    accepts(&around(&inner(0, 1)));
    rejects(&around(&inner(0, 2)));
    rejects(&around(&inner(1, 1)));
}

/// Where their difference wraps, it says nothing of which is greater.
#[test]
fn numbers_that_are_too_far_apart_are_not_told_apart() {
    let entry = "call 7
                 r8 = r0
                 r8 <<= 32
                 call 7
                 r8 |= r0
                 call 7
                 r9 = r0
                 r9 <<= 32
                 call 7
                 r9 |= r0
                 r1 = 0x4000000000000000 ll
                 r2 = 0xc000000000000000 ll
                 if r8 s> r1 goto out
                 if r8 s< r2 goto out
                 if r9 s> r1 goto out
                 if r9 s< r2 goto out";
    let round = "r7 += 1
                 if r8 s<= r9 goto again
                 r1 = r8
                 r1 -= r9
                 r1 >>= 63
                 r1 <<= 12
                 r2 = r10
                 r2 += -8
                 r2 += r1
                 *(u8 *)(r2 +0) = 1";
    rejects(&until(entry, "r7 == r6", round));
}

/// Behind a join a number has its name in another form alone, and is the number again later.
#[test]
fn a_number_that_is_found_again_is_as_far_from_another_as_before() {
    let (up, down) = ("r3 = r8\nr3 <<= 32", "r8 = r3\nr8 >>= 32");
    let (cut, extended) = ("w3 = w8\nw3 += -1", "r8 = (s32)r3\nr8 += 1");
    for (first, again) in [(up, down), (cut, extended), ("r3 = r8", "r8 = r3")] {
        for least in [10, -5] {
            let entry = format!(
                "call 7\nr8 = r0\nr8 &= 31\nr8 += {}\ncall 7\nr9 = r0\nr9 &= 31\nr9 += {}",
                least.max(0),
                least.min(5)
            );
            let round = format!(
                "r7 += 1
                 {first}
                 if r8 s<= r9 goto join
                 r0 = 0
                 join:
                 {again}
                 r1 = r8
                 r1 -= r9
                 r1 <<= 3
                 r2 = r10
                 r2 += -504
                 r2 += r1
                 *(u8 *)(r2 +0) = 1"
            );
            rejects(&until(&entry, "r7 == r6", &round));
        }
    }
}
