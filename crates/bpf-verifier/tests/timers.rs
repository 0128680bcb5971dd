//! Timers in values of maps, and the functions that they call.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::abi::field::{FieldType, MapField};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, VerifiedInfo, Verifier, VerifyError, VerifyErrorKind};
use common::LOOKUP;

/// Values of the first three have a timer at 16, and of the first one a lock at 8.
const MAPS: [MapDef; 5] = [
    MapDef::new(MapType::Hash, 8, 48, 16).named("timed"),
    MapDef::new(MapType::Hash, 8, 48, 16).named("other"),
    MapDef::new(MapType::PerCpuHash, 8, 48, 16).named("untimed"),
    MapDef::new(MapType::RingBuf, 0, 0, 4096).named("ring"),
    MapDef::new(MapType::ProgArray, 4, 4, 4).named("programs"),
];
const FIELDS: [MapField; 4] = [
    MapField::new(0, 16, FieldType::Timer),
    MapField::new(1, 16, FieldType::Timer),
    MapField::new(2, 16, FieldType::Timer),
    MapField::new(0, 8, FieldType::SpinLock),
];

fn verify_as(prog_type: BpfProgType, text: &str) -> Result<VerifiedInfo, VerifyError> {
    let insns = assemble::<ActiveProfile>(text).expect(text);
    let mut builder = ProgramBuilder::<ActiveProfile>::new(prog_type).insns(&insns);
    for map in MAPS {
        builder = builder.map(map);
    }
    for field in FIELDS {
        builder = builder.map_field(field);
    }
    let program = builder.build().expect("a program");
    common::verify_linux(&program, text)?;
    let verified = Verifier::<ActiveProfile>::with_env(HelperTable::linux())
        .verify_program(&program)
        .expect("as before");
    Ok(*verified.info())
}

#[track_caller]
fn accepts(text: &str) -> VerifiedInfo {
    verify_as(BpfProgType::SchedCls, text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[track_caller]
fn rejects(reason: &str, text: &str) -> VerifyErrorKind {
    let error = verify_as(BpfProgType::SchedCls, text).expect_err(text);
    assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
    error.kind()
}

/// Behind a lookup whose result, not null, is in R6; then functions.
fn with_value(text: &str, functions: &str) -> String {
    format!("{LOOKUP}if r0 == 0 goto out\nr6 = r0\n{text}\nout: r0 = 0\nexit\n{functions}")
}

const TIMER: &str = "r1 = r6\nr1 += 16\n";
const SET: &str = "r1 = r6\nr1 += 16\nr2 = subprog[f] ll\ncall 170\n";
const NOTHING: &str = "f: r0 = 0\nexit";

fn called(function: &str) -> String {
    with_value(SET, &format!("f: {function}"))
}

#[test]
fn a_timer_is_set_up_started_and_cancelled() {
    let init = format!("{TIMER}r2 = map[idx:0] ll\nr3 = 1\ncall 169\n");
    let start = format!("{TIMER}r2 = 1000\nr3 = 0\ncall 171\n");
    let cancel = format!("{TIMER}call 172\n");
    accepts(&with_value(&format!("{init}{SET}{start}{cancel}"), NOTHING));
    // With another map, whose end would not stop it.
    rejects("initialised with map 1", &with_value(&init.replace("[idx:0]", "[idx:1]"), ""));
    rejects("expected=map", &with_value(&init.replace("r2 = map[idx:0] ll", "r2 = 0"), ""));
    // Something that is no timer would be taken for one.
    for place in ["r1 += 15", "r1 += 0", "r1 += 24"] {
        let elsewhere = with_value(&cancel.replace("r1 += 16", place), "");
        rejects("R1 type=map_value expected=timer", &elsewhere);
    }
    rejects("R1 type=fp expected=timer", "r1 = r10\nr1 += -16\ncall 172\nr0 = 0\nexit");
    let unknown = "r8 = *(u8 *)(r6 +0)\nr8 &= 16\nr1 = r6\nr1 += r8\ncall 172\n";
    rejects("expected=timer", &with_value(unknown, ""));
    // Values for each CPU have no timers, whatever is said of them.
    let other = with_value(&cancel, "").replace("map[idx:0]", "map[idx:2]");
    rejects("expected=timer", &other);
    // May be null, or is no function.
    rejects("expected=timer", &format!("{LOOKUP}r1 = r0\ncall 172\nr0 = 0\nexit"));
    let number = format!("{TIMER}r2 = 8\ncall 170\n");
    rejects("R2 type=scalar expected=function", &with_value(&number, ""));
}

#[test]
fn nobody_else_touches_a_timer() {
    for access in [
        "r0 = *(u64 *)(r6 +16)",
        "r0 = *(u8 *)(r6 +31)",
        "*(u64 *)(r6 +24) = 0",
        "*(u64 *)(r6 +12) = 0",
        "r1 = 1\nlock *(u64 *)(r6 +16) += r1",
    ] {
        rejects("", &with_value(access, ""));
    }
    accepts(&with_value("*(u32 *)(r6 +12) = 0\n*(u64 *)(r6 +32) = 0", ""));
    // Nor does a helper on behalf of the program.
    let helper = "r1 = map[idx:1] ll\nr2 = r6\nr2 += 12\ncall 3\n";
    rejects("", &with_value(helper, ""));
}

#[test]
fn programs_that_run_anywhere_have_no_timers() {
    let text = with_value(&format!("{TIMER}call 172\n"), "");
    accepts(&text);
    for prog_type in [BpfProgType::Kprobe, BpfProgType::Tracepoint] {
        let error = verify_as(prog_type, &text).expect_err(&text);
        assert!(matches!(error.kind(), VerifyErrorKind::HelperNotAllowed { .. }), "{error}");
    }
    // Nothing is called under a lock.
    let lock = "r1 = r6\nr1 += 8\ncall 93\n";
    rejects("while holding", &with_value(&format!("{lock}{TIMER}call 172\n"), ""));
}

#[test]
fn a_callback_has_map_key_and_value() {
    accepts(&called("r0 = *(u64 *)(r2 +0)\nr0 = *(u64 *)(r3 +32)\nr0 = 0\nexit"));
    accepts(&called("r2 = r10\nr2 += -8\n*(u64 *)(r10 -8) = 1\ncall 1\nr0 = 0\nexit"));
    accepts(&called("r1 = r3\nr1 += 16\nr2 = 5\nr3 = 0\ncall 171\nr0 = 0\nexit"));
    accepts(&called("r6 = r3\nr1 = r6\nr1 += 8\ncall 93\nr1 = r6\nr1 += 8\ncall 94\nr0 = 0\nexit"));
    for (reason, function) in [
        ("", "r0 = *(u64 *)(r2 +1)\nr0 = 0\nexit"),
        ("", "*(u64 *)(r2 +0) = 1\nr0 = 0\nexit"),
        ("", "r0 = *(u64 *)(r3 +41)\nr0 = 0\nexit"),
        ("", "r0 = *(u64 *)(r3 +16)\nr0 = 0\nexit"),
        ("", "r0 = *(u8 *)(r1 +0)\nr0 = 0\nexit"),
        // Nothing else comes from the program: neither its registers nor its frame.
        ("R4 !read_ok", "r0 = r4\nr0 = 0\nexit"),
        ("R6 !read_ok", "r0 = r6\nr0 = 0\nexit"),
        ("R0 !read_ok", "exit"),
        ("lock", "r6 = r3\nr1 = r6\nr1 += 8\ncall 93\nr0 = 0\nexit"),
    ] {
        rejects(reason, &called(function));
    }
}

#[test]
fn a_callback_gives_nought() {
    for result in ["r0 = 1", "r0 = -1", "r0 = 1 ll\nr0 <<= 32", "r0 = *(u8 *)(r3 +0)"] {
        rejects("should have been in 0..=0", &called(&format!("{result}\nexit")));
    }
    rejects("R0", &called("r0 = r3\nexit"));
    // On every path.
    let text = "r1 = *(u8 *)(r3 +0)\nr0 = 0\nif r1 == 7 goto +1\nexit\nr0 = 1\nexit";
    rejects("should have been in 0..=0", &called(text));
    // The program's result is its own matter.
    accepts(&with_value(&format!("{SET}r0 = 5\nexit"), NOTHING));
    // Also where both come the same way.
    let shared = with_value(
        &format!("{SET}call local g\nr7 = r0\n"),
        "f: call local g\nexit\ng: call 7\nr0 &= 1\nexit",
    );
    rejects("should have been in 0..=0", &shared);
    accepts(&shared.replace("r0 &= 1", "r0 = 0"));
}

#[test]
fn a_callback_releases_what_it_takes_and_ends_by_itself() {
    let reserve = "r1 = map[idx:3] ll\nr2 = 8\nr3 = 0\ncall 131\nif r0 == 0 goto +3\n";
    let submit = "r1 = r0\nr2 = 0\ncall 132\n";
    let end = "r0 = 0\nexit";
    accepts(&called(&format!("{reserve}{submit}{end}")));
    rejects("Unreleased reference", &called(&format!("{reserve}r1 = 0\nr2 = 0\nr3 = 0\n{end}")));
    rejects("in functions that helpers call", &called(&format!("r1 = 0\ncall kfunc 135\n{end}")));
    let through = called(&format!("r1 = 0\ncall local g\n{end}\ng: call kfunc 135\n{end}"));
    rejects("in functions that helpers call", &through);
    // The map is no context, and no other program takes over.
    rejects("", &called(&format!("r2 = map[idx:4] ll\nr3 = 0\ncall 12\n{end}")));
    // Without an end it would never give the CPU back.
    rejects("", &called("goto +0\nr0 = 0\ngoto -2\nexit"));
}

#[test]
fn the_bound_is_that_of_the_longer_run() {
    let rounds = |n: u32| format!("r0 = {n}\nagain: r0 += -1\nif r0 != 0 goto again\nexit");
    let short = accepts(&called("r0 = 0\nexit")).max_insns;
    // Its own instructions alone: one, two a round, and the exit.
    assert_eq!(accepts(&called(&rounds(1000))).max_insns, 2002);
    assert_eq!(accepts(&called(&rounds(2))).max_insns, short);
}

/// A callback may set further ones, and itself, for each map with its values.
#[test]
fn callbacks_set_callbacks() {
    let again = "r1 = r3\nr1 += 16\nr2 = subprog[f] ll\ncall 170\n";
    accepts(&called(&format!("{again}r0 = 0\nexit")));
    let lookup = LOOKUP.replace("idx:0", "idx:1");
    let in_other = format!(
        "f: r7 = r3\n{lookup}if r0 == 0 goto +5\nr1 = r0\nr1 += 16\nr2 = subprog[f] ll\ncall 170\n"
    );
    let text = |end: &str| with_value(SET, &format!("{in_other}{end}r0 = 0\nexit"));
    accepts(&text(""));
    // Right in the first map, which has a lock there, and wrong in the second.
    let lock = "r1 = r7\nr1 += 8\ncall 93\nr1 = r7\nr1 += 8\ncall 94\n";
    rejects("expected=spin lock", &text(lock));
    // What only a callback sets is walked, too.
    let next = "f: r1 = r3\nr1 += 16\nr2 = subprog[g] ll\ncall 170\nr0 = 0\nexit\n";
    accepts(&with_value(SET, &format!("{next}g: r0 = 0\nexit")));
    rejects("0..=0", &with_value(SET, &format!("{next}g: r0 = 1\nexit")));
    // Which one it is may depend on the path.
    let either = format!(
        "r8 = subprog[f] ll\nr7 = *(u8 *)(r6 +0)\nif r7 == 0 goto over\nr8 = subprog[g] ll
         over: {TIMER}r2 = r8\ncall 170\n"
    );
    accepts(&with_value(&either, &format!("{NOTHING}\ng: r0 = 0\nexit")));
    rejects("0..=0", &with_value(&either, &format!("{NOTHING}\ng: r0 = 1\nexit")));
    rejects("0..=0", &with_value(&either, "f: r0 = 1\nexit\ng: r0 = 0\nexit"));
}

/// A function that names itself is no callback of other helpers: its frames would pile up.
#[test]
fn a_function_names_itself_for_timers_only() {
    let text =
        with_value(SET, "f: r1 = 4\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0\nexit");
    rejects("", &text);
    let main = "main: r1 = 4\nr2 = subprog[main] ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0\nexit";
    rejects("", main);
}

/// A map that another one holds is not known by its values.
#[test]
fn timers_in_inner_maps_are_not_supported() {
    let text = with_value(&format!("{TIMER}call 172\n"), "");
    let insns = assemble::<ActiveProfile>(&text).expect("text");
    let outer = MapDef::new(MapType::HashOfMaps, 8, 4, 4).holding(0);
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SchedCls)
        .insns(&insns)
        .map(MAPS[0])
        .map(outer)
        .map_field(FIELDS[0])
        .build()
        .expect("a program");
    let error = common::verify_linux(&program, &text).expect_err("refused");
    assert!(error.to_string().contains("timers in maps that are held by other maps"), "{error}");
}
