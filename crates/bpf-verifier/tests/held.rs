//! What a program holds for a while: spin locks, disabled preemption, RCU sections.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::abi::field::{FieldType, MapField};
use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_bytecode::abi::kfunc::{Kfunc, KfuncName, UnknownKfunc};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Verifier, VerifyError};
use common::{LOOKUP, MAPS, program};

const STORAGE: MapDef = MapDef::new(MapType::CgroupStorage, 16, 24, 0).named("storage");

const FIELDS: [MapField; 4] = [
    MapField::new(0, 8, FieldType::SpinLock),
    MapField::new(0, 16, FieldType::KernelPointer),
    MapField::new(1, 0, FieldType::SpinLock),
    MapField::new(6, 0, FieldType::ResilientSpinLock),
];

fn verify(
    prog_type: BpfProgType,
    text: &str,
    globals: &[GlobalFunction],
) -> Result<(), VerifyError> {
    let insns = assemble::<ActiveProfile>(text).expect(text);
    let mut builder = ProgramBuilder::<ActiveProfile>::new(prog_type).insns(&insns);
    // Few, so that the capacity of a static build holds them.
    let storage = [MapField::new(0, 0, FieldType::SpinLock)];
    let group = prog_type == BpfProgType::CgroupSkb;
    let (maps, fields): (&[_], &[_]) =
        if group { (&[STORAGE], &storage) } else { (&MAPS, &FIELDS) };
    for &map in maps {
        builder = builder.map(map);
    }
    for &field in fields {
        builder = builder.map_field(field);
    }
    for global in globals {
        builder = builder.global_function(*global);
    }
    let program = builder.build().expect("a program");
    common::verify_linux(&program, text)
}

#[track_caller]
fn accepts(text: &str) {
    verify(BpfProgType::SchedCls, text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

#[track_caller]
fn rejects(reason: &str, text: &str) {
    let error = verify(BpfProgType::SchedCls, text, &[]).expect_err(text);
    assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
}

/// Behind two lookups, whose results, not null, are in R6 and R7.
fn with_values(text: &str) -> String {
    let found = |reg: &str| format!("{LOOKUP}if r0 == 0 goto out\n{reg} = r0\n");
    format!("{}{}{text}\nout: r0 = 0\nexit\n", found("r6"), found("r7"))
}

const LOCK: &str = "r1 = r6\nr1 += 8\ncall 93\n";
const UNLOCK: &str = "r1 = r6\nr1 += 8\ncall 94\n";

#[test]
fn locks_are_taken_and_released() {
    accepts(&with_values(&format!("{LOCK}*(u64 *)(r6 +0) = 1\n{UNLOCK}")));
    accepts(&with_values(&format!("{LOCK}{UNLOCK}{LOCK}{UNLOCK}")));
    rejects("spin lock at the end", &with_values(LOCK));
    rejects("given back without", &with_values(UNLOCK));
    rejects("given back without", &with_values(&format!("{LOCK}{UNLOCK}{UNLOCK}")));
    // On one path only.
    rejects("", &with_values(&format!("r8 = *(u8 *)(r6 +0)\n{LOCK}if r8 == 0 goto out\n{UNLOCK}")));
    rejects(
        "",
        &with_values(&format!("r8 = *(u8 *)(r6 +0)\nif r8 == 0 goto over\n{LOCK}over: {UNLOCK}")),
    );
    // In the only value of an array.
    let direct = "r1 = map[idx:1][0] ll\ncall 93\nr1 = map[idx:1][0] ll\ncall 94\nr0 = 0\nexit";
    accepts(direct);
    rejects("R1 type=map_value expected=spin lock", &direct.replace("[0] ll", "[0]+4 ll"));
}

/// The storage of a control group is there without a lookup.
#[test]
fn locks_in_local_storage() {
    let verdict = |text: &str| verify(BpfProgType::CgroupSkb, text, &[]);
    let storage = |reg: &str| format!("r1 = map[idx:0] ll\nr2 = 0\ncall 81\n{reg} = r0\n");
    let (first, second) = (storage("r6"), storage("r7"));
    let (lock, unlock) = ("r1 = r6\ncall 93\n", "r1 = r6\ncall 94\n");
    verdict(&format!("{first}{lock}{unlock}r0 = 1\nexit")).unwrap();
    let other = format!("{first}{second}{lock}r1 = r7\ncall 94\nr0 = 1\nexit");
    let error = verdict(&other).unwrap_err();
    assert!(error.to_string().contains("bpf_spin_unlock of different lock"), "{error}");
}

#[test]
fn a_lock_is_that_of_one_lookup() {
    let other = UNLOCK.replace("r6", "r7");
    rejects("bpf_spin_unlock of different lock", &with_values(&format!("{LOCK}{other}")));
    rejects(
        "not allowed while holding",
        &with_values(&format!("{LOCK}{}", LOCK.replace("r6", "r7"))),
    );
    // A copy is the same, also behind a spill.
    let copy = format!("r8 = r6\n*(u64 *)(r10 -16) = r6\n{LOCK}r6 = *(u64 *)(r10 -16)\n{UNLOCK}");
    accepts(&with_values(&copy));
    // What is kept apart on one path is not taken for the same on another.
    let mixed = |first: &str, second: &str| {
        with_values(&format!(
            "r8 = *(u8 *)(r6 +0)\nr9 = {second}\nif r8 == 0 goto over\nr9 = {first}\nover:
             {LOCK}r1 = r9\nr1 += 8\ncall 94\n"
        ))
    };
    accepts(&mixed("r6", "r6"));
    rejects("bpf_spin_unlock of different lock", &mixed("r7", "r6"));
    rejects("bpf_spin_unlock of different lock", &mixed("r6", "r7"));
    // Nor in a loop.
    let round = |next: &str| {
        with_values(&format!(
            "r8 = 0\nr9 = r6\nagain: {LOCK}r1 = r9\nr1 += 8\ncall 94\nr9 = {next}\nr8 += 1
             if r8 < 1000 goto again"
        ))
    };
    accepts(&round("r6"));
    rejects("bpf_spin_unlock of different lock", &round("r7"));
    // An unknown place is none that has a lock.
    rejects(
        "expected=spin lock",
        &with_values("r8 = *(u8 *)(r6 +0)\nr8 &= 8\nr1 = r6\nr1 += r8\ncall 93"),
    );
}

/// Where other maps may be of the same form, a value that no lookup found is of any
/// of them.
#[test]
fn a_lock_is_that_of_one_map() {
    let text = "r1 = r10
         r1 += -8
         *(u64 *)(r10 -8) = 0
         r1 = map[idx:0] ll
         r2 = subprog[take] ll
         r3 = r10
         r3 += -8
         r4 = 0
         call 164
         r0 = 0
         exit
         take: r6 = r3
         r1 = r3
         call 93
         r1 = r6
         call 94
         r0 = 0
         exit";
    let one = MapDef::new(MapType::Array, 4, 64, 1).named("one");
    let outer = MapDef::new(MapType::ArrayOfMaps, 4, 4, 4).holding(0).named("outer");
    let lock = MapField::new(0, 0, FieldType::SpinLock);
    let verify = |defs: &[MapDef]| {
        let plain = program(BpfProgType::SchedCls, text);
        let mut builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SchedCls);
        for def in defs {
            builder = builder.map(*def);
        }
        let program = builder.insns(plain.insns()).map_field(lock).build().expect("a program");
        Verifier::<ActiveProfile>::with_env(HelperTable::linux()).verify(&program)
    };
    verify(&[one]).expect("the only value");
    let error = verify(&[one, outer]).expect_err("one value of several maps");
    assert!(error.to_string().contains("expected=spin lock"), "{error}");
}

#[test]
fn nothing_is_called_under_a_lock() {
    let under = |text: &str| with_values(&format!("{LOCK}{text}\n{UNLOCK}"));
    rejects("not allowed while holding", &under("call 7"));
    rejects("not allowed while holding", &under("call kfunc 128"));
    let helper = under("r1 = 4\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall 181");
    rejects("not allowed while holding", &format!("{helper}f: r0 = 0\nexit"));
    // The program's own functions may be, and may lock and unlock.
    let own = with_values(&format!("{LOCK}call local f\n{UNLOCK}"));
    accepts(&format!("{own}f: r0 = 0\nexit"));
    let apart = with_values("r1 = r6\ncall local f\nr1 = r6\ncall local g");
    let (lock, unlock) = (LOCK.replace("r1 = r6\n", ""), UNLOCK.replace("r1 = r6\n", ""));
    accepts(&format!("{apart}f: {lock}r0 = 0\nexit\ng: {unlock}r0 = 0\nexit"));
    rejects("spin lock at the end", &format!("{apart}f: {lock}r0 = 0\nexit\ng: r0 = 0\nexit"));
    // But no global one.
    let text = format!("{own}f: r0 = 0\nexit");
    let slot = program(BpfProgType::SchedCls, &text).len() - 2;
    let global = GlobalFunction::new(u32::try_from(slot).expect("a slot"), &[]);
    let error = verify(BpfProgType::SchedCls, &text, &[global]).expect_err("global");
    assert!(error.to_string().contains("not allowed while holding"), "{error}");
}

#[test]
fn fields_are_no_bytes() {
    for access in [
        "r1 = *(u32 *)(r6 +8)",
        "*(u8 *)(r6 +11) = 0",
        "r1 = *(u64 *)(r6 +4)",
        "r2 = 1\nlock *(u32 *)(r6 +8) += r2",
        "r1 = *(u8 *)(r6 +0)\nr1 &= 15\nr6 += r1\nr1 = *(u8 *)(r6 +0)",
    ] {
        rejects("cannot be accessed directly", &with_values(access));
    }
    accepts(&with_values("r1 = *(u64 *)(r6 +0)\n*(u32 *)(r6 +12) = 1\n*(u64 *)(r6 +24) = 1"));
    rejects("kernel's structures", &with_values("r1 = *(u64 *)(r6 +16)"));
    rejects("cannot be accessed directly", &with_values("r1 = *(u32 *)(r6 +16)"));
    // By helpers neither, and not by functions that take memory.
    rejects(
        "cannot be accessed directly",
        &with_values("r1 = r6\nr2 = 16\nr3 = 0\nr4 = 0\nr5 = 0\ncall 28"),
    );
    let text = with_values("r1 = r6\ncall local f") + "f: r0 = 0\nexit";
    let slot = u32::try_from(program(BpfProgType::SchedCls, &text).len() - 2).expect("a slot");
    for (size, ok) in [(8, true), (9, false)] {
        let global = GlobalFunction::new(slot, &[Param::Memory(size)]);
        assert_eq!(verify(BpfProgType::SchedCls, &text, &[global]).is_ok(), ok, "{size}");
    }
}

#[test]
fn some_programs_have_no_locks() {
    let text = "r1 = map[idx:1][0] ll\ncall 93\nr1 = map[idx:1][0] ll\ncall 94\nr0 = 0\nexit";
    for prog_type in [BpfProgType::SocketFilter, BpfProgType::Kprobe] {
        let error = verify(prog_type, text, &[]).expect_err("no locks");
        assert!(error.to_string().contains("cannot use helper #93"), "{error}");
    }
    verify(BpfProgType::Xdp, text, &[]).expect("locks");
}

fn call(kfunc: Kfunc) -> String {
    format!("call kfunc {}\n", kfunc.number())
}

#[test]
fn preemption_nests() {
    let (off, on) = (call(Kfunc::PreemptDisable), call(Kfunc::PreemptEnable));
    let end = "r0 = 0\nexit\n";
    accepts(&format!("{off}{on}{end}"));
    accepts(&format!("{off}{off}call 7\n{on}{on}{end}"));
    rejects("disabled preemption at the end", &format!("{off}{off}{on}{end}"));
    rejects("given back without", &format!("{off}{on}{on}{end}"));
    rejects("given back without", &format!("{on}{end}"));
    // Over functions.
    accepts(&format!("call local f\n{on}{end}f: {off}{end}"));
    rejects("disabled preemption at the end", &format!("call local f\n{end}f: {off}{end}"));
    // A round is not like the one before.
    let round = format!("r6 = 0\nagain: {off}r6 += 1\nif r6 < 4 goto again\n");
    rejects("disabled preemption at the end", &format!("{round}{on}{end}"));
    accepts(&format!("{round}{}{end}", on.repeat(4)));
    // A function that a helper calls leaves behind what it found.
    let looping =
        |f: &str| format!("r1 = 4\nr2 = subprog[f] ll\nr3 = 0\nr4 = 0\ncall 181\n{end}f: {f}{end}");
    accepts(&looping(&format!("{off}{on}")));
    rejects("", &looping(&off));
    rejects("", &format!("{off}{}", looping(&on)));
    // No tail call, no deprecated load.
    let tail = "r1 = r6\nr2 = map[idx:3] ll\nr3 = 0\ncall 12\n";
    rejects("disabled preemption at the end", &format!("r6 = r1\n{off}{tail}{on}{end}"));
    rejects(
        "disabled preemption at the end",
        &format!("r6 = r1\n{off}r0 = *(u8 *)skb[4]\n{on}{end}"),
    );
}

#[test]
fn read_sections_do_not_nest() {
    let (lock, unlock) = (call(Kfunc::RcuReadLock), call(Kfunc::RcuReadUnlock));
    let end = "r0 = 0\nexit\n";
    accepts(&format!("{lock}{unlock}{lock}call 7\n{unlock}{end}"));
    rejects("nested RCU read section", &format!("{lock}{lock}{unlock}{unlock}{end}"));
    rejects("RCU read section at the end", &format!("{lock}{end}"));
    rejects("given back without", &format!("{unlock}{end}"));
    // One does not end the other.
    let off = call(Kfunc::PreemptDisable);
    rejects("given back without", &format!("{off}{unlock}{end}"));
    // They may overlap.
    let on = call(Kfunc::PreemptEnable);
    accepts(&format!("{lock}{off}{unlock}{on}{end}"));
}

#[test]
fn kernel_functions_are_refused_by_name() {
    let plain = program(BpfProgType::SchedCls, "call kfunc -7\nr0 = 0\nexit");
    let name = KfuncName::new("bpf_make_a_function_with_a_long_name");
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SchedCls)
        .insns(plain.insns())
        .unknown_kfunc(UnknownKfunc { number: -7, name })
        .build()
        .expect("a program");
    let error = Verifier::new().verify(&program).expect_err("unknown");
    let text =
        "insn 0: calls of the kernel function bpf_make_a_function_with_a_long are not supported";
    assert_eq!(error.to_string(), text);
    assert!(Verifier::new().verify(&plain).is_err());
    // Those that the engines lack, by the standard table.
    let known =
        common::program(BpfProgType::SchedCls, "call kfunc 128\ncall kfunc 129\nr0 = 0\nexit");
    let error = Verifier::<ActiveProfile>::new().verify(&known).expect_err("not here");
    assert!(error.to_string().contains("bpf_preempt_disable"), "{error}");
}

/// A lock of another kind is none for these helpers, and nothing that programs read.
#[test]
fn resilient_locks_are_others() {
    let value = |text: &str| {
        let text = format!("r1 = map[idx:6] ll\ncall 1\nif r0 == 0 goto out\n{text}");
        format!("*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\n{text}\nout: r0 = 0\nexit")
    };
    rejects("expected=spin lock", &value("r1 = r0\ncall 93"));
    rejects("bpf_res_spin_lock", &value("r1 = *(u32 *)(r0 +0)"));
    accepts(&value("r1 = *(u32 *)(r0 +4)"));
}
