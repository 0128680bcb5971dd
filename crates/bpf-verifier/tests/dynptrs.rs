//! Dynptrs over records of a ring buffer and over values of maps.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::BpfProgType;
#[cfg(feature = "cloud-profile")]
use bpf_bytecode::text::assemble;
#[cfg(feature = "cloud-profile")]
use bpf_profile::ActiveProfile;
use bpf_verifier::VerifyError;
#[cfg(feature = "cloud-profile")]
use bpf_verifier::{HelperTable, Verifier};
use common::program;

fn verify(text: &str) -> Result<(), VerifyError> {
    common::verify_linux(&program(BpfProgType::Xdp, text), text)
}

#[track_caller]
fn accepts(text: &str) {
    verify(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

#[track_caller]
fn rejects(reason: &str, text: &str) {
    let error = verify(text).expect_err(text);
    assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
}

const END: &str = "r0 = 0\nexit\n";

/// A dynptr over a record of 64 bytes, in R10-16.
fn reserve() -> String {
    "r1 = map[idx:2] ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall 198\n".into()
}

/// A dynptr over the value of map 1, in R10-16.
fn from_value() -> String {
    "r1 = map[idx:1][0] ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall 197\n".into()
}

const SUBMIT: &str = "r1 = r10\nr1 += -16\nr2 = 0\ncall 199\n";
const DISCARD: &str = "r1 = r10\nr1 += -16\nr2 = 0\ncall 200\n";

/// R6 is a slice of so many bytes; the program ends where there is none.
fn slice(bytes: u32) -> String {
    format!("r1 = r10\nr1 += -16\nr2 = 0\nr3 = {bytes}\ncall 203\nif r0 == 0 goto none\nr6 = r0\n")
}

#[test]
fn records_are_released() {
    accepts(&format!("{}{SUBMIT}{END}", reserve()));
    accepts(&format!("{}{DISCARD}{END}", reserve()));
    accepts(&format!("{}{SUBMIT}{}{DISCARD}{END}", reserve(), reserve()));
    rejects("Unreleased reference", &format!("{}{END}", reserve()));
    rejects(
        "Unreleased reference",
        &format!("{}if r0 == 0 goto out\n{SUBMIT}out: {END}", reserve()),
    );
    rejects("expected=dynptr of a reserved record", &format!("{}{SUBMIT}{SUBMIT}{END}", reserve()));
    rejects("expected=dynptr of a reserved record", &format!("{SUBMIT}{END}"));
    // The dynptr of a function's frame is gone with it.
    let function = format!("call local f\n{END}f: {}{END}", reserve());
    rejects("Unreleased reference", &function);
    // Memory of a map is no record.
    accepts(&format!("{}{END}", from_value()));
    rejects("expected=dynptr of a reserved record", &format!("{}{SUBMIT}{END}", from_value()));
}

#[test]
fn writes_over_a_dynptr_end_it() {
    for write in [
        "*(u64 *)(r10 -16) = 0",
        "*(u64 *)(r10 -8) = 0",
        "*(u8 *)(r10 -1) = 0",
        "*(u32 *)(r10 -16) = 0",
        // What a helper writes.
        "r1 = r9\nr2 = 0\nr3 = r10\nr3 += -72\nr4 = 64\ncall 189\n",
    ] {
        rejects(
            "expected=dynptr of a reserved record",
            &format!("r9 = r1\n{}{write}\n{SUBMIT}{END}", reserve()),
        );
        rejects(
            "expected=dynptr (helper #203)",
            &format!("r9 = r1\n{}{write}\n{}none: {END}", from_value(), slice(8)),
        );
    }
    // Nor is a record that is held given up for another.
    rejects("expected=place on the stack for a dynptr", &format!("{0}{0}{SUBMIT}{END}", reserve()));
    let beside = reserve().replace("-16", "-24");
    rejects("expected=place on the stack for a dynptr", &format!("{beside}{}{END}", from_value()));
    let over = from_value().replace("-16", "-24");
    rejects(
        "expected=place on the stack for a dynptr",
        &format!("{}{over}{SUBMIT}{END}", reserve()),
    );
    // One that holds nothing may be.
    accepts(&format!("{}{}{SUBMIT}{END}", from_value(), reserve()));
    // Halves of two are none.
    let one = from_value();
    let halves = format!("{one}{}{}{END}", one.replace("-16", "-24"), slice(8));
    rejects("expected=dynptr (helper #203)", &halves.replace(END, &format!("none: {END}")));
    // Nobody looks into one.
    rejects(
        "invalid read from stack",
        &format!("{}r1 = *(u64 *)(r10 -16)\n{SUBMIT}{END}", reserve()),
    );
    let value = "r1 = map[idx:6] ll\nr2 = r10\nr2 += -20\nr3 = r10\nr3 += -16\nr4 = 0\ncall 2\n";
    let key = "*(u32 *)(r10 -20) = 0\n";
    rejects("invalid read from stack", &format!("{key}{}{value}{SUBMIT}{END}", reserve()));
    for part in ["r1 = *(u8 *)(r10 -16)", "r1 = *(u32 *)(r10 -12)"] {
        rejects("invalid read from stack", &format!("{}{part}\n{SUBMIT}{END}", reserve()));
    }
    // A place that is not known, or not aligned, is none.
    rejects("misaligned access", &format!("{}{END}", reserve().replace("-16", "-20")));
    rejects("R4 type=map_ptr", &format!("{}{END}", reserve().replace("r4 += -16", "r4 = r1")));
}

#[test]
fn slices() {
    let with = |text: &str, end: &str| {
        format!("{}{}{text}\n{end}{END}none: {end}{END}", reserve(), slice(8))
    };
    accepts(&with("*(u64 *)(r6 +0) = 1\nr1 = *(u32 *)(r6 +4)", SUBMIT));
    rejects("invalid access to mem", &with("*(u64 *)(r6 +1) = 1", SUBMIT));
    rejects("invalid access to mem", &with("*(u8 *)(r6 -1) = 1", SUBMIT));
    // Not without a look whether there is one.
    let unchecked = format!("{}{}*(u8 *)(r0 +0) = 1\n{SUBMIT}{END}", reserve(), slice(8));
    rejects("it may be null", &unchecked.replace("if r0 == 0 goto none\n", ""));
    // Two slices are two, each with a look of its own.
    let again = "r1 = r10\nr1 += -16\nr2 = 8\nr3 = 8\ncall 203\n*(u8 *)(r0 +0) = 1";
    rejects("it may be null", &with(again, SUBMIT));
    // Nor after the record is gone, whatever copies there are.
    let after = format!("{}{}r7 = r6\n*(u64 *)(r10 -24) = r6\n{SUBMIT}", reserve(), slice(8));
    for read in ["r1 = *(u8 *)(r6 +0)", "r1 = *(u8 *)(r7 +0)"] {
        rejects("'scalar'", &format!("{after}{read}\n{END}none: {SUBMIT}{END}"));
    }
    let spilled = "r7 = *(u64 *)(r10 -24)\nr1 = *(u8 *)(r7 +0)";
    rejects("'scalar'", &format!("{after}{spilled}\n{END}none: {SUBMIT}{END}"));
    // The slice of one record does not end with another.
    let other = reserve().replace("-16", "-40");
    let end = format!("{SUBMIT}{}", SUBMIT.replace("-16", "-40"));
    let two = |first: &str, second: &str| {
        let text = format!("{}{other}{}{first}*(u8 *)(r6 +0) = 1\n{second}", reserve(), slice(8));
        format!("{text}{END}none: {end}{END}")
    };
    accepts(&two(&SUBMIT.replace("-16", "-40"), SUBMIT));
    rejects("'scalar'", &two(SUBMIT, &SUBMIT.replace("-16", "-40")));
    // It is no record itself.
    rejects("expected=start of reserved memory", &with("r1 = r6\nr2 = 0\ncall 132", SUBMIT));
    // Of a size that is known.
    let sized = with("r1 = 0", SUBMIT).replace("r3 = 8\n", "r3 = r10\nr3 = *(u8 *)(r3 -64)\n");
    rejects("R3 is not a known constant", &sized);
    // Nor after something else is in the dynptr's place.
    let local = format!("{}{}", from_value(), slice(8));
    for over in ["*(u8 *)(r10 -9) = 0\n", &from_value()] {
        rejects("'scalar'", &format!("{local}{over}*(u64 *)(r6 +0) = 1\nnone: {END}"));
    }
    accepts(&format!("{}{}*(u64 *)(r6 +0) = 1\nnone: {END}", from_value(), slice(8)));
}

#[test]
fn only_values_of_maps_become_memory_of_a_dynptr() {
    let from = |reg: &str| from_value().replace("map[idx:1][0] ll", reg) + END;
    rejects("R1 type=fp expected=", &format!("r5 = r10\nr5 += -128\n{}", from("r5")));
    rejects(
        "invalid access to map_value",
        &format!("{}{END}", from_value().replace("r2 = 64", "r2 = 65")),
    );
    rejects(
        "write of map_value is not allowed",
        &format!("{}{END}", from_value().replace("map[idx:1]", "map[idx:4]")),
    );
}

#[test]
fn reading_and_writing() {
    let read = |off: i32, len: i32| {
        format!(
            "r1 = r10\nr1 += {off}\nr2 = {len}\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 0\ncall 201\n"
        )
    };
    accepts(&format!("{}{}{SUBMIT}{END}", reserve(), read(-32, 16)));
    // Into the dynptr itself.
    rejects(
        "expected=dynptr (helper #201)",
        &format!("{}{}{SUBMIT}{END}", reserve(), read(-32, 17)),
    );
    rejects("invalid stack access", &format!("{}{}{SUBMIT}{END}", reserve(), read(-8, 16)));
    rejects("expected=dynptr", &format!("{}{SUBMIT}{}{END}", reserve(), read(-32, 16)));
    let write = "r1 = r10\nr1 += -16\nr2 = 0\nr3 = map[idx:1][0] ll\nr4 = 64\nr5 = 0\ncall 202\n";
    accepts(&format!("{}{write}{SUBMIT}{END}", reserve()));
    rejects(
        "invalid access to map_value",
        &format!("{}{}{SUBMIT}{END}", reserve(), write.replace("r4 = 64", "r4 = 65")),
    );
}

#[test]
fn in_loops_and_calls() {
    let body = format!("{}{SUBMIT}", reserve());
    accepts(&format!("r6 = 0\nagain: {body}r6 += 1\nif r6 < 1000 goto again\n{END}"));
    rejects(
        "expected=place on the stack for a dynptr",
        &format!("r6 = 0\nagain: {}r6 += 1\nif r6 < 1000 goto again\n{END}", reserve()),
    );
    // The dynptr of a caller.
    let text =
        |f: &str| format!("{}r1 = r10\nr1 += -16\ncall local f\n{END}f: {f}{END}", reserve());
    accepts(&text("r2 = 0\ncall 199\n"));
    rejects("Unreleased reference", &text("*(u64 *)(r1 +0) = 0\n"));
    // A function that a helper calls does not release what its caller holds.
    let looping = format!(
        "{}r1 = 4\nr2 = subprog[f] ll\nr3 = r10\nr3 += -16\nr4 = 0\ncall 181\n{SUBMIT}{END}
         f: r1 = r2\nr2 = 0\ncall 199\n{END}",
        reserve()
    );
    rejects("release what a helper's caller acquired", &looping);
}

/// Where bytes were zero in the first round there is a dynptr in the later ones: it does not
/// become a number, which tells where its memory lies.
#[test]
fn a_later_round_sees_no_number_in_a_dynptr() {
    let counter = "r1 = r10\nr1 += -24\n";
    let text = |inside: &str, behind: &str| {
        format!(
            "*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\n{counter}r2 = 0\nr3 = 7\ncall kfunc 1
             again: {counter}call kfunc 2\nif r0 == 0 goto out\n{inside}{}goto again
             out: {counter}call kfunc 3\n{behind}{END}",
            from_value()
        )
    };
    accepts(&text("", ""));
    for read in ["r6 = *(u32 *)(r10 -16)\n", "r6 = *(u64 *)(r10 -8)\n"] {
        rejects("invalid read from stack", &text(read, ""));
        rejects("invalid read from stack", &text("", read));
        accepts(&text(&format!("*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\n{read}"), ""));
    }
}

/// A slice of a map's value, on the path that is walked first, stands for none of a record
/// that is given back.
#[test]
fn a_slice_of_a_value_is_none_of_a_record() {
    let both =
        format!("r9 = *(u32 *)(r1 +12)\n{}{}", from_value().replace("-16", "-32"), reserve());
    let slice = |at: u32| format!("r1 = r10\nr1 += -{at}\nr2 = 0\nr3 = 16\ncall 203\nr6 = r0\n");
    let text = |first: u32, second: u32, end: &str| {
        format!(
            "{both}if r9 == 1 goto other\n{}goto join\nother: {}\
             join: r3 = 0\nr3 = 1\n{SUBMIT}{end}out: {END}",
            slice(first),
            slice(second)
        )
    };
    let used = "if r6 == 0 goto out\nr0 = *(u64 *)(r6 +0)\n";
    accepts(&text(32, 32, used));
    accepts(&text(32, 16, ""));
    rejects("R6", &text(16, 32, used));
    rejects("R6", &text(32, 16, used));
}

/// Whatever number a dynptr has, its slices go with it.
#[cfg(feature = "cloud-profile")]
#[test]
fn dynptrs_behind_very_many_identities() {
    let insns = |text: &str| assemble::<ActiveProfile>(text).expect("correct");
    let begin = insns("r9 = *(u32 *)(r1 +12)\n");
    // Each copy of an unknown number takes an identity.
    let copy = insns("r3 = *(u32 *)(r1 +12)\nr4 = r3\n");
    let end = format!(
        "{}{}if r9 == 1 goto other\n{SUBMIT}{END}other: {SUBMIT}r0 = *(u64 *)(r6 +0)\n{END}\
         none: {SUBMIT}{END}",
        reserve(),
        slice(8)
    );
    let all = [begin, copy.repeat(1 << 18), insns(&end)].concat();
    let program = common::built(BpfProgType::Xdp, &all);
    let result = Verifier::<ActiveProfile>::with_env(HelperTable::linux()).verify(&program);
    let error = result.expect_err("a record that was given back is used").to_string();
    assert!(error.contains("R6"), "{error}");
}
