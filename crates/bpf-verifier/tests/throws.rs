//! `bpf_throw`, which ends the program from any function.

mod common;

use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{Verifier, VerifyError};
use common::{MAPS, program};

/// Verifies a program whose last function, from this slot on, is global.
fn verify(
    prog_type: BpfProgType,
    text: &str,
    global: Option<GlobalFunction>,
) -> Result<(), VerifyError> {
    let plain = program(prog_type, text);
    let mut builder = ProgramBuilder::<ActiveProfile>::new(prog_type).insns(plain.insns());
    for map in MAPS {
        builder = builder.map(map);
    }
    if let Some(global) = global {
        builder = builder.global_function(global);
    }
    common::verify_linux(&builder.build().expect("a program"), text)
}

#[track_caller]
fn accepts(text: &str) {
    verify(BpfProgType::SchedCls, text, None).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

#[track_caller]
fn rejects(reason: &str, text: &str) {
    let error = verify(BpfProgType::SchedCls, text, None).expect_err(text);
    assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
}

const THROW: &str = "r1 = 7\ncall kfunc 135\n";
const RESERVE: &str =
    "r1 = map[idx:2] ll\nr2 = 8\nr3 = 0\ncall 131\nif r0 == 0 goto out\nr6 = r0\n";
const SUBMIT: &str = "r1 = r6\nr2 = 0\ncall 132\nout: r0 = 0\nexit\n";

#[test]
fn what_follows_is_not_come_to() {
    // R9 has no value, and nobody reads it.
    accepts(&format!("{THROW}r0 = r9\nexit"));
    accepts(&format!("r0 = 0\ncall local f\nr0 = r9\nexit\nf: {THROW}r0 = 0\nexit"));
    // One way it does not throw.
    let text = "r1 = *(u32 *)(r1 +0)\ncall local f\nr0 = r9\nexit
         f: if r1 > 4 goto out\ncall kfunc 135\nout: r0 = 0\nexit";
    rejects("R9 !read_ok", text);
    accepts(&text.replace("r0 = r9", "r0 = 0"));
    // A number must be given.
    rejects("R1 !read_ok", "r2 = r1\ncall local f\nexit\nf: r6 = r2\ncall 7\ncall kfunc 135\nexit");
    rejects("R1", "r1 = r10\ncall kfunc 135\nr0 = 0\nexit");
}

#[test]
fn nothing_is_held() {
    accepts(&format!("{RESERVE}{SUBMIT}"));
    rejects("Unreleased reference", &format!("{RESERVE}{THROW}{SUBMIT}"));
    rejects(
        "Unreleased reference",
        &format!("{RESERVE}call local f\n{SUBMIT}f: {THROW}r0 = 0\nexit"),
    );
    rejects("RCU read section", &format!("call kfunc 130\n{THROW}call kfunc 131\nr0 = 0\nexit"));
    accepts(&format!("call kfunc 130\ncall kfunc 131\n{THROW}r0 = 0\nexit"));
}

/// A helper that waits for a function to return is not left waiting.
#[test]
fn not_in_functions_that_helpers_call() {
    let text = |inner: &str| {
        format!(
            "r1 = 4\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0\nexit
             f: {inner}r0 = 0\nexit"
        )
    };
    accepts(&text(""));
    rejects("in functions that helpers call", &text(THROW));
    let through = text("call local g\n") + &format!("\ng: {THROW}r0 = 0\nexit");
    rejects("in functions that helpers call", &through);
}

#[test]
fn callers_of_global_functions_know() {
    let global = |text: &str, f: &str| {
        let text = format!("{text}f: {f}r0 = 0\nexit");
        let slots = program(BpfProgType::SchedCls, &text).insns().len();
        let last = program(BpfProgType::SchedCls, &format!("{f}r0 = 0\nexit")).insns().len();
        let slot = u32::try_from(slots - last).expect("small");
        verify(BpfProgType::SchedCls, &text, Some(GlobalFunction::new(slot, &[Param::Number])))
    };
    let held = format!("{RESERVE}r1 = 0\ncall local f\n{SUBMIT}");
    global(&held, "").expect("does not throw");
    let error = global(&held, THROW).expect_err("throws");
    assert!(error.to_string().contains("Unreleased reference"), "{error}");
    global("r1 = 0\ncall local f\nr0 = 0\nexit\n", THROW).expect("nothing is held");
    // Behind the call nothing is known of whether it threw.
    global("r1 = 0\ncall local f\nr0 = r9\nexit\n", THROW).expect_err("goes on");
}

/// What is thrown is the program's result.
#[test]
fn results_of_some_types_are_bounded() {
    let skb = |text: &str| verify(BpfProgType::CgroupSkb, text, None);
    skb("r1 = 1\ncall kfunc 135\nr0 = 0\nexit").expect("0 and 1 may be returned");
    skb("r1 = 7\ncall kfunc 135\nr0 = 0\nexit").expect_err("7 may not");
    skb("call local f\nr0 = 0\nexit\nf: r1 = 7\ncall kfunc 135\nr0 = 0\nexit").expect_err("nor");
}

/// The engines here do not have it.
#[test]
fn unknown_to_the_engines() {
    let program = program(BpfProgType::SchedCls, &format!("{THROW}r0 = 0\nexit"));
    let error = Verifier::<ActiveProfile>::new().verify(&program).expect_err("no such function");
    assert!(error.to_string().contains("bpf_throw"), "{error}");
}
