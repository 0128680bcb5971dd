//! Loops in loops that move an address in a fixed ratio to a number, or almost so, made at random,
//! beside every run that they may have: none leaves what it may access, and none is longer than
//! its bound.
//!
//! `KBPF_LINEAR_TRIES` sets another number of programs, `KBPF_LINEAR_FIRST` the first one.

#[path = "bounds/beside.rs"]
mod beside;
mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/machine.rs"]
mod machine;
#[path = "linear/maker.rs"]
mod maker;

use beside::beside_every_run;
use common::number;
use maker::Maker;

const PROGRAMS: u64 = 150;
/// Programs that were accepted once and leave what they may access, or last too long.
const FOUND: [u64; 4] = [378, 2_048, 2_684, 5_249];

#[test]
fn no_run_does_what_it_may_not() {
    tried(Maker::program, &FOUND, |_| None);
}

/// Some have hardly any room.
#[test]
fn nor_where_registers_are_kept() {
    let some = |words: usize| (words > 0).then_some(words);
    tried(Maker::kept, &[], move |seed| some(600 * usize::try_from(seed % 5).unwrap()));
}

fn tried(made: fn(u64) -> String, found: &[u64], words: impl Fn(u64) -> Option<usize>) {
    let first = number("KBPF_LINEAR_FIRST", 0);
    let tries = number("KBPF_LINEAR_TRIES", PROGRAMS);
    let seeds = (first..first + tries).chain(found.iter().copied());
    let (accepted, refused) = beside_every_run(seeds, made, words);
    assert!(accepted > tries / 5 && refused > tries / 5, "{accepted} {refused}");
}
