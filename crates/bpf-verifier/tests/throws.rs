//! `bpf_throw`, which ends the program from any function.

mod common;

use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{Verifier, VerifyError, VerifyErrorKind};
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

/// A program with a function at its end that is called with what was thrown.
fn verify_catching(
    prog_type: BpfProgType,
    text: &str,
    catch: &str,
    params: &[Param],
) -> Result<(), VerifyError> {
    let text = format!("{text}\ncatch: {catch}\nexit");
    let slots = |text: &str| program(prog_type, text).insns().len();
    let last = slots(&format!("{catch}\nexit"));
    let slot = u32::try_from(slots(&text.replace("catch: ", "catch: r0 = 0\n")) - last - 1);
    let global = GlobalFunction::new(slot.expect("small"), params).catching();
    verify(prog_type, &text, Some(global))
}

const COOKIE: &[Param] = &[Param::Number];

#[test]
fn what_is_thrown_is_caught() {
    let text = format!("r6 = *(u32 *)(r1 +0)\nif r6 == 0 goto +2\n{THROW}r0 = 0\nexit");
    let catching = |catch: &str| verify_catching(BpfProgType::SchedCls, &text, catch, COOKIE);
    catching("r0 = r1\nr0 += 1").expect("takes the cookie");
    catching("r0 = r2").expect_err("takes nothing else");
    catching("r1 = 0").expect_err("has no result");
    catching("r0 = r10").expect_err("gives an address");
    // Of the cookie nothing is known.
    let access = "r2 = r10\nr2 += -8\n*(u64 *)(r10 -8) = 0\nr2 += r1\nr0 = *(u8 *)(r2 +0)";
    catching(access).expect_err("unbounded");
    let error = catching("r1 = 0\ncall kfunc 135\nr0 = 0").expect_err("throws again");
    assert!(error.to_string().contains("in functions that helpers call"), "{error}");
    catching("r1 = map[idx:2] ll\nr2 = 8\nr3 = 0\ncall 131\nr0 = 0").expect_err("holds a record");
    catching("r1 = map[idx:1] ll\nr2 = map[idx:3] ll\nr3 = 0\ncall 12\nr0 = 0")
        .expect_err("no other program takes over");
    for params in [&[][..], &[Param::Context], &[Param::Number, Param::Number]] {
        let error = verify_catching(BpfProgType::SchedCls, &text, "r0 = 0", params);
        let error = error.expect_err("other arguments");
        assert!(error.to_string().contains("exception callbacks with anything"), "{error}");
    }
    // It is looked at also where nobody throws.
    let quiet = |catch: &str| verify_catching(BpfProgType::SchedCls, "r0 = 0\nexit", catch, COOKIE);
    quiet("r0 = r1").expect("safe");
    quiet("r0 = r3").expect_err("unsafe");
}

/// What is caught is not the program's result, what the function gives is.
#[test]
fn results_of_what_catches_are_bounded() {
    let text = "r1 = 7\ncall kfunc 135\nr0 = 0\nexit";
    let catching = |catch: &str| verify_catching(BpfProgType::CgroupSkb, text, catch, COOKIE);
    catching("r0 = 1").expect("may be returned");
    catching("r0 = r1\nr0 &= 1").expect("may be returned");
    catching("r0 = r1").expect_err("anything");
    catching("r0 = 7").expect_err("7");
}

#[test]
fn nobody_calls_what_catches() {
    let catching = |text: &str| verify_catching(BpfProgType::SchedCls, text, "r0 = r1", COOKIE);
    let error = catching("r1 = 7\ncall local catch\nr0 = 0\nexit").expect_err("called");
    assert!(error.to_string().contains("calls of exception callbacks"), "{error}");
    catching("r2 = subprog[catch] ll\nr1 = 4\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0\nexit")
        .expect_err("called by a helper");
}

/// It runs where the program threw, so both together must keep to the bounds.
#[test]
fn what_catches_costs() {
    let built = |catch: &str| {
        let text = format!("{THROW}r0 = 0\nexit\ncatch: {catch}\nexit");
        let plain = program(BpfProgType::SchedCls, &text);
        let global = GlobalFunction::new(4, COOKIE).catching();
        let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SchedCls)
            .insns(plain.insns())
            .global_function(global);
        let program = program.build().expect("a program");
        let verifier = Verifier::<ActiveProfile>::with_env(bpf_verifier::HelperTable::linux());
        verifier.verify_program(&program)
    };
    let info = *built("r0 = r1\nr0 += 1").expect("safe").info();
    // Two up to the throw, three behind it.
    assert_eq!((info.max_insns, info.frames), (5, 1));
    let deep = *built("*(u64 *)(r10 -512) = r1\nr0 = *(u64 *)(r10 -512)").expect("safe").info();
    assert_eq!(deep.stack_bytes, 512);
}

/// A slot where no function can begin is none that is called.
#[test]
fn what_catches_begins_where_a_function_can() {
    let plain = program(BpfProgType::SchedCls, "r0 = 1 ll\nexit\nr0 = r1\nexit");
    for slot in (0..8).chain([u32::MAX]) {
        let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SchedCls)
            .insns(plain.insns())
            .global_function(GlobalFunction::new(slot, COOKIE).catching())
            .build();
        let accepted = program.is_ok_and(|program| common::verify_linux(&program, "").is_ok());
        assert_eq!(accepted, slot == 3, "{slot}");
    }
}

/// What holds of the program's own run does not hold of the program as a callback: it may
/// throw, and end with any number.
#[test]
fn what_catches_does_not_begin_the_program_anew() {
    let main = "main: call 7\nr6 = r0\ncall 7\nr0 += r6\nr0 += r6\nif r0 == 0 goto out\nr6 = 1
         out: call 7\nif r0 != 5 goto end\nr1 = 1\ncall kfunc 135\nend: r0 = 7\nexit";
    let slot = u32::try_from(program(BpfProgType::SchedCls, main).insns().len()).expect("small");
    let global = GlobalFunction::new(slot, COOKIE).catching();
    let callback = "r1 = 4\nr2 = subprog[main] ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0";
    for catch in ["call local main\nr0 = 0", callback] {
        let text = format!("{main}\n{catch}\nexit");
        let error = verify(BpfProgType::SchedCls, &text, Some(global)).expect_err(&text);
        assert!(matches!(error.kind(), VerifyErrorKind::Recursion { target: 0 }), "{error}");
    }
}
