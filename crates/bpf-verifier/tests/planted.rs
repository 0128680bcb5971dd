//! What nothing noticed when it was planted in the verifier as a fault of one line: what
//! a proof rests on was not noted, or ended later than it does.

mod common;

use std::fmt::Write as _;

use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Verifier, VerifyErrorKind};
use common::cases::{check_refusals, parse};
use common::{SOCKET, TC, program, rejects_value, with_value};

#[test]
fn programs_are_refused() {
    check_refusals(parse(include_str!("planted/refused.txt")));
}

/// A state that waits for the second time since the last node holds what was written before
/// the first time, and not what the node holds. Others wait behind it, so that none stays
/// a plain copy.
#[test]
fn waiting_again() {
    let others = |from: usize| {
        let forks: Vec<String> =
            (from..from + 12).map(|n| format!("if r7 == {n} goto out\n")).collect();
        forks.concat()
    };
    for (written, good) in [(40, true), (64, false)] {
        let text = format!(
            "r6 = r0
             r7 = *(u64 *)(r6 +16)
             r8 = *(u64 *)(r6 +0)
             r9 = *(u64 *)(r6 +8)
             *(u64 *)(r10 -8) = 8
             if r8 == 1 goto join
             r0 = 1
             join:
             r1 = *(u64 *)(r10 -8)
             r1 += r1
             *(u64 *)(r10 -8) = {written}
             if r8 == 2 goto first
             {}
             goto out
             first:
             if r9 == 3 goto second
             {}
             goto out
             second:
             r1 = *(u64 *)(r10 -8)
             r6 += r1
             r0 = *(u8 *)(r6 +0)
             out:
             r0 = 0
             exit",
            others(10),
            others(30),
        );
        assert_eq!(SOCKET.verify(&with_value(&text)).is_ok(), good, "{text}");
    }
}

/// More values than there are bits for what they rest on: the last ones share one.
#[test]
fn many_values_on_the_stack() {
    let mut text = "r6 = r0\nr8 = *(u64 *)(r6 +0)\nr9 = *(u64 *)(r6 +8)\n".to_owned();
    for slot in 5..100 {
        writeln!(text, "*(u32 *)(r10 -{}) = {}", 4 * slot, slot).expect("a string");
    }
    text += "*(u64 *)(r10 -16) = 5
        if r9 == 9 goto two
        *(u64 *)(r10 -16) = 4096
        if r8 != 0 goto one
        *(u64 *)(r10 -16) = 5
        one: r1 = 1
        r2 = 1
        r3 = 1
        r4 = 1
        if r9 == 7 goto out
        r5 = 1
        two: r1 = 1
        r2 = 1
        r3 = 1
        r1 = *(u64 *)(r10 -16)
        r6 += r1
        r0 = *(u8 *)(r6 +0)
        out: r0 = 0
        exit";
    rejects_value("invalid access to map_value", &text);
}

/// A loop whose counter some inner round sets back never ends.
#[test]
fn what_inner_rounds_set_back_counts_no_outer_ones() {
    let text = "*(u64 *)(r10 -8) = 0
        r7 = 0
        outer: *(u64 *)(r10 -8) = r7
        r1 = 2
        r2 = subprog[f] ll
        r3 = r10
        r3 += -8
        r4 = 0
        call 181
        r7 = *(u64 *)(r10 -8)
        r7 += 1
        if r7 < 100 goto outer
        r0 = 0
        exit
        f: *(u64 *)(r2 +0) = 5
        r0 = 0
        exit";
    let program = program(BpfProgType::SchedCls, text);
    let mut workspace = vec![0_u64; 1 << 21];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace).step_limit(20_000);
    let error = verifier.verify(&program);
    let kind = error.expect_err("it does not end").kind();
    assert!(matches!(kind, VerifyErrorKind::TooComplex { .. }), "{kind:?}");
}

/// Null for a function that is verified apart, and on another path a number.
#[test]
fn null_for_a_global_function() {
    let text = "r6 = r1
        r0 = *(u32 *)(r6 +0)
        r7 = 1
        if r0 != 0 goto on
        r7 = 0
        on: r1 = r7
        call local f
        r0 = 0
        exit
        f: r0 = 0
        exit";
    let plain = program(BpfProgType::SchedCls, text);
    let function = GlobalFunction::new(9, &[Param::MemoryOrNull(8)]);
    let builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SchedCls);
    let program =
        builder.insns(plain.insns()).global_function(function).build().expect("a program");
    let error = Verifier::<ActiveProfile>::new().verify(&program).expect_err("1 is no address");
    assert!(matches!(error.kind(), VerifyErrorKind::GlobalArgument { .. }), "{error}");
}

/// Instructions of the longest run, counted by hand.
#[test]
fn bounds_hold() {
    // The end of an iterator that is greater on another path.
    let text = "r6 = r1
        r0 = *(u32 *)(r6 +0)
        r7 = 100
        if r0 != 0 goto on
        r7 = 2
        on: r1 = r10
        r1 += -8
        r2 = 0
        r3 = r7
        call kfunc 1
        next: r1 = r10
        r1 += -8
        call kfunc 2
        if r0 != 0 goto next
        r1 = r10
        r1 += -8
        call kfunc 3
        r0 = 0
        exit";
    assert!(TC.accepts(text).max_insns >= 9 + 101 * 4 + 5);
    // A loop that is entered in the middle, behind a long way.
    let text = "r6 = *(u32 *)(r1 +0)
        r8 = *(u32 *)(r1 +4)
        if r6 > 5 goto long
        again: may_goto out
        r1 = 1
        r2 = 1
        if r8 == 3 goto mid
        r3 = 1
        mid: r1 = 1
        r2 = 1
        r3 = 1
        goto again
        out: r0 = 0
        exit
        long: ";
    let text = format!("{text}{}goto mid", "r4 = 1\n".repeat(100));
    let rounds = u64::from(bpf_verifier::rules::MAY_GOTO_ROUNDS);
    assert!(TC.accepts(&text).max_insns >= 3 + 101 + 4 + rounds * 9 + 3);
    // 8, 4, 2 and 1 are halved.
    let text = common::with_value(
        "r8 = *(u64 *)(r0 +0)
         r8 &= 8
         again: if r8 == 0 goto out
         r8 >>= 1
         goto again
         out: r0 = 0
         exit",
    );
    let before =
        u64::try_from(program(BpfProgType::SocketFilter, &text).insns().len()).expect("few");
    // A map's address takes two slots; what is left out is the exit without a value.
    assert!(SOCKET.accepts(&text).max_insns >= before - 2 - 5 + 4 * 3 + 3);
}

/// Whether bytes are read that may not have been written.
#[test]
fn unwritten_bytes_are_noticed() {
    let text = "r6 = *(u32 *)(r1 +0)
        r7 = r6
        r7 &= 8
        if r6 != 3 goto on
        *(u64 *)(r10 -8) = 5
        *(u64 *)(r10 -16) = 5
        on: r1 = 1
        r2 = 1
        r3 = 1
        r1 = r10
        r1 += -16
        r1 += r7
        *(u64 *)(r1 +0) = 7
        r0 = *(u64 *)(r10 -8)
        r0 = 0
        exit";
    assert!(TC.accepts(text).unwritten_reads);
    // Bytes that are lent to a slice.
    let text = "r6 = r1
        r2 = 0
        r3 = r10
        r3 += -16
        call kfunc 136
        r1 = r10
        r1 += -16
        r2 = 0
        r3 = r10
        r3 += -24
        r4 = 8
        call kfunc 138
        r0 = *(u64 *)(r10 -24)
        r0 = 0
        exit";
    let program = program(BpfProgType::SchedCls, text);
    let verifier = Verifier::<ActiveProfile>::with_env(HelperTable::linux());
    let verified = verifier.verify_program(&program).expect("bytes that are lent may be read");
    assert!(verified.info().unwritten_reads);
}
