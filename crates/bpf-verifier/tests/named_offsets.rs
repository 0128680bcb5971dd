//! Loops that make addresses in a map's value, or on the stack, of their counter, and compare the
//! counter afterwards.

mod common;

use common::{SOCKET, with_value};

/// Bytes of the value, and of the part of the stack.
const SIZE: i32 = 48;

/// What R6 points at: a value, and the end of the stack.
fn memories() -> [String; 2] {
    [with_value("r6 = r0"), "r6 = r10\nr6 += -512".to_owned()]
}

/// A loop over R7 from 0 to what fits, with an address `more` behind the counter in R4.
fn over(memory: &str, entry: &str, round: &str) -> String {
    format!(
        "{memory}
         r7 = 0
         {entry}
         again:
         {round}
         r7 += 1
         if r7 < {SIZE} goto again
         r0 = 0
         exit"
    )
}

const ADDRESS: &str = "r4 = r6\nr4 += r7";

/// A byte is written in front of R4, or behind it, unless a comparison with R7 says otherwise.
fn unless(compare: &str, off: i32) -> String {
    format!("if {compare} goto next\n*(u8 *)(r4 {off:+}) = 1\nnext:")
}

#[track_caller]
fn accepts(text: &str) {
    let info = SOCKET.accepts(text);
    assert!(info.processed < 200, "{info:?}\n{text}");
}

#[track_caller]
fn rejects(text: &str) {
    SOCKET.rejects("invalid", text);
}

#[test]
fn a_comparison_tells_of_an_address_made_before() {
    for memory in memories() {
        for by in 1..9 {
            let round =
                |least: i32| format!("{ADDRESS}\n{}", unless(&format!("r7 < {least}"), -by));
            accepts(&over(&memory, "", &round(by)));
            accepts(&over(&memory, "", &round(by + 1)));
            rejects(&over(&memory, "", &round(by - 1)));
        }
    }
}

/// The address is a byte in front of the number in R7, then as many behind it.
#[test]
fn what_was_added_to_the_number_counts() {
    for memory in memories() {
        let before = |least: i32| {
            format!("{ADDRESS}\nr7 += 8\n{}\nr7 += -8", unless(&format!("r7 < {least}"), -8))
        };
        accepts(&over(&memory, "", &before(16)));
        rejects(&over(&memory, "", &before(15)));
        let behind = |least: i32| {
            let address = "r3 = r7\nr3 += -8\nr4 = r6\nr4 += r3";
            format!("{address}\n{}", unless(&format!("r7 < {least}"), 0))
        };
        accepts(&over(&memory, "", &behind(8)));
        rejects(&over(&memory, "", &behind(7)));
    }
}

/// The address was made in the round before, of what the number was then.
#[test]
fn an_address_of_the_round_before_is_not_told_of() {
    for memory in memories() {
        let round = |least: i32| format!("{}\n{ADDRESS}", unless(&format!("r7 < {least}"), -8));
        SOCKET.accepts(&over(&memory, "r4 = r6", &round(9)));
        rejects(&over(&memory, "r4 = r6", &round(8)));
    }
}

/// Another number is no more the one that is compared.
#[test]
fn a_number_that_was_made_anew_tells_nothing() {
    let others = ["r7 = r8", "r7 *= 3", "r7 ^= 32", "w7 = w8"];
    for memory in memories() {
        for other in others {
            let round = format!("{ADDRESS}\nr9 = r7\n{other}\n{}\nr7 = r9", unless("r7 < 8", -8));
            rejects(&over(&memory, "r8 = 20", &round));
        }
    }
}
