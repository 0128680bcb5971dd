//! Loops that compare two numbers and never go beyond, or almost so, made at random, beside every
//! run that they may have: none leaves what it may access, and none is longer than its bound.
//!
//! `KBPF_DIFFERENCES_TRIES` sets another number of programs, `KBPF_DIFFERENCES_FIRST` the first
//! one.

#[path = "bounds/beside.rs"]
mod beside;
mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/machine.rs"]
mod machine;
#[path = "differences/maker.rs"]
mod maker;

use beside::beside_every_run;
use common::number;
use maker::Maker;

const PROGRAMS: u64 = 200;

#[test]
fn no_run_does_what_it_may_not() {
    tried(0, |_| None);
}

/// Some have hardly any room.
#[test]
fn nor_where_room_is_short() {
    tried(1 << 32, |seed| Some(900 + 500 * usize::try_from(seed % 5).unwrap()));
}

fn tried(kind: u64, words: fn(u64) -> Option<usize>) {
    let first = number("KBPF_DIFFERENCES_FIRST", 0) + kind;
    let tries = number("KBPF_DIFFERENCES_TRIES", PROGRAMS);
    let (accepted, refused) = beside_every_run(first..first + tries, Maker::program, words);
    assert!(accepted > tries / 5 && refused > tries / 5, "{accepted} {refused}");
}
