//! Helpers that call functions of the program: `bpf_loop` as a loop in the code, and by
//! way of the host.

use std::format;
use std::string::String;

use bpf_interp::{BpfContext, BpfExecutor, Environment, Interpreter};
use bpf_profile::ActiveProfile;

use super::{gives, program, proven};
use crate::JitExecutor;

/// What checked code and the interpreter give, proven code gives in all its ways.
#[track_caller]
fn agree(text: &str) {
    let env = Environment::new().with_budget(1 << 30);
    let expected = Interpreter::with_env(env).execute(&program(text), &BpfContext::empty());
    gives(text, expected.unwrap());
}

/// Calls `f` so often, and combines what the helper gives with what `f` has left in the
/// frame of its caller.
fn looping(rounds: &str, body: &str) -> String {
    format!(
        "r6 = 11\nr7 = 12\nr8 = 13\nr9 = 14\n*(u64 *)(r10 -8) = 1\nr1 = {rounds}
         r2 = subprog[f] ll\nr3 = r10\nr3 += -8\nr4 = 0\ncall 181
         r1 = *(u64 *)(r10 -8)\nr0 *= 1000\nr0 += r1\nr0 += r6\nr0 += r7\nr0 += r8\nr0 += r9
         exit\n{body}"
    )
}

/// Adds the number of the round, or twice that, and goes on.
const ADDS: &str = "f: r3 = *(u64 *)(r2 +0)\nr3 += r1\n*(u64 *)(r2 +0) = r3\nr0 = 0\nexit";

#[test]
fn as_many_rounds_as_are_asked_for() {
    for rounds in ["0", "1", "7", "-1", "0x800001", "0x100000003 ll"] {
        let known = looping(rounds, ADDS);
        agree(&known);
        agree(&known.replace("r4 = 0", "r4 = 0\nr1 += r6\nr1 -= 11"));
    }
}

#[test]
fn a_function_ends_the_loop() {
    for end in ["1", "-1", "0x100000000 ll"] {
        let ends = format!("if r1 < 3 goto on\nr0 = {end}\nexit\non: r0 = 0\nexit");
        agree(&looping("9", &ADDS.replace("r0 = 0\nexit", &ends)));
    }
}

#[test]
fn whatever_a_function_writes() {
    // With a frame and without, and one that calls.
    agree(&looping("5", "f: r6 = r1\nr7 = 5\nr8 = 6\nr9 = 7\nr0 = 0\nexit"));
    agree(&looping(
        "5",
        "f: r6 = r1\n*(u64 *)(r10 -8) = r6\nr8 = *(u64 *)(r10 -8)\nr3 = *(u64 *)(r2 +0)
         r3 += r8\n*(u64 *)(r2 +0) = r3\nr0 = 0\nexit",
    ));
    agree(&looping(
        "5",
        "f: r6 = r2\ncall local g\nr3 = *(u64 *)(r6 +0)\nr3 += r0\n*(u64 *)(r6 +0) = r3
         r0 = 0\nexit\ng: r0 = r1\nr0 *= 3\nr7 = r0\nexit",
    ));
}

#[test]
fn one_inside_of_the_other() {
    agree(&looping(
        "4",
        "f: r6 = r1\nr3 = r2\nr1 = 3\nr2 = subprog[g] ll\nr4 = 0\ncall 181\nr0 = 0
         if r6 < 2 goto +1\nr0 = 1\nexit
         g: r3 = *(u64 *)(r2 +0)\nr3 *= 3\nr3 += r1\n*(u64 *)(r2 +0) = r3\nr0 = 0\nexit",
    ));
}

/// Flags, a number of rounds in another form, and a function that is known by another
/// register are no hindrance to the same result.
#[test]
fn in_every_form() {
    let flags = looping("3", ADDS).replace("r4 = 0", "r4 = 1");
    agree(&flags);
    agree(&looping("3", ADDS).replace("r4 = 0", "r4 = r6\nr4 -= 11"));
    let copied = "r5 = subprog[f] ll\nr2 = r5\nr5 = 0";
    agree(&looping("3", ADDS).replace("r2 = subprog[f] ll", copied));
    agree(&looping("3", ADDS).replace("r4 = 0", "r4 = 0\nif r6 == 11 goto +0"));
}

/// A helper that stops the program, from inside of a loop.
#[test]
fn a_stop_leaves_all_loops() {
    let text = looping("3", "f: r1 = 1\nr2 = 8\ncall 6\nr0 = 0\nexit");
    let compiled = proven(&program(&text));
    let jit = JitExecutor::<ActiveProfile>::new();
    let expected = Interpreter::new().execute(&program(&text), &BpfContext::empty());
    assert!(expected.is_err());
    assert_eq!(jit.execute(&compiled, &BpfContext::empty()), expected);
}
