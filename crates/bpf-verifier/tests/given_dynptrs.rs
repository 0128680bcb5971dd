//! Dynptrs that functions verified apart are given: over what, they do not know.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::global::Param;
use bpf_verifier::VerifyError;
use common::{verify_linux, with_globals};

const TAKES: &[Param] = &[Param::Dynptr];

/// Makes R10-16 a dynptr over the packet; R9 is the context.
const PACKET: &str = "r9 = r1\nr2 = 0\nr3 = r10\nr3 += -16\ncall kfunc 137\n";
/// Makes it one over the value of map 1.
const VALUE: &str =
    "r9 = r1\nr1 = map[idx:1][0] ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall 197\n";
/// Makes it one over a record, and gives that back.
const RECORD: &str =
    "r9 = r1\nr1 = map[idx:2] ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall 198\n";
const SUBMIT: &str = "r1 = r10\nr1 += -16\nr2 = 0\ncall 199\n";

/// Calls the function with the dynptr.
const CALL: &str = "r1 = r10\nr1 += -16\ncall local f\n";
const END: &str = "none: r0 = 0\nexit\n";

/// Calls a function of this text.
fn called(function: &str) -> String {
    format!("{VALUE}{CALL}r0 = 0\nexit\nf: {function}{END}")
}

/// R6 is eight of its bytes that may be written, R8 the dynptr.
const SLICE: &str =
    "r8 = r1\nr2 = 0\nr3 = 0\nr4 = 8\ncall kfunc 139\nif r0 == 0 goto none\nr6 = r0\n";

fn verify(prog_type: BpfProgType, text: &str, takes: &[&[Param]]) -> Result<(), VerifyError> {
    verify_linux(&with_globals(prog_type, text, takes), text)
}

#[track_caller]
fn accepts(text: &str) {
    verify(BpfProgType::Xdp, text, &[TAKES]).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

#[track_caller]
fn fails(reason: &str, prog_type: BpfProgType, text: &str, takes: &[&[Param]]) {
    let error = verify(prog_type, text, takes).expect_err(text);
    assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
}

#[track_caller]
fn rejects(reason: &str, text: &str) {
    fails(reason, BpfProgType::Xdp, text, &[TAKES]);
}

#[test]
fn a_call_gives_a_dynptr() {
    let function = format!("r0 = 0\nexit\nf: {SLICE}*(u64 *)(r6 +0) = 1\n{END}");
    accepts(&format!("{PACKET}{CALL}{function}"));
    accepts(&format!("{VALUE}{CALL}{function}"));
    accepts(&format!("{RECORD}{CALL}{SUBMIT}{function}"));
    // It is none, or none any more, or not the whole of one.
    rejects("R1 type=fp expected=dynptr", &format!("{RECORD}{SUBMIT}{CALL}{function}"));
    rejects("R1 type=fp expected=dynptr", &format!("{VALUE}*(u8 *)(r10 -1) = 0\n{CALL}{function}"));
    let other = CALL.replace("-16", "-24");
    rejects("expected=dynptr", &format!("*(u64 *)(r10 -24) = 0\n{VALUE}{other}{function}"));
    for none in ["r1 = 0", "r1 = map[idx:1][0] ll", "r1 = r9"] {
        rejects("expected=dynptr", &format!("{VALUE}{none}\ncall local f\n{function}"));
    }
    // A record is still held.
    rejects("Unreleased reference", &format!("{RECORD}{CALL}{function}"));
}

#[test]
fn it_is_handed_on() {
    let kept = "*(u64 *)(r10 -8) = r1\nr1 = 0\nr1 = *(u64 *)(r10 -8)\n";
    accepts(&called(&format!("{kept}{SLICE}*(u64 *)(r6 +0) = 1\n")));
    // To a function of its own, and to one that is verified apart.
    let inner = format!("call local g\nr0 = 0\nexit\ng: {SLICE}*(u64 *)(r6 +0) = 1\n");
    for takes in [&[TAKES][..], &[TAKES, TAKES]] {
        let text = called(&inner);
        verify(BpfProgType::Xdp, &text, takes).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    // It does not move, and has no bytes.
    rejects("arithmetic", &called("r1 += 8\n"));
    rejects(
        "arithmetic",
        &called("r2 = *(u32 *)(r1 +0)\n").replace("r2 = *(u32 *)(r1 +0)", "r1 -= 1"),
    );
    rejects("R1 invalid mem access", &called("r2 = *(u64 *)(r1 +0)\n"));
    rejects("R1 invalid mem access", &called("*(u64 *)(r1 +0) = 0\n"));
    rejects("R1 type=dynptr_ptr", &called("r2 = 8\nr3 = r1\nr4 = 0\nr5 = 0\ncall 201\n"));
    // It is not null.
    accepts(&called("if r1 != 0 goto none\n*(u64 *)(r10 +8) = 0\n"));
}

#[test]
fn it_is_used() {
    for use_ in [
        // Read, written, measured, moved on.
        "r3 = r1\n*(u64 *)(r10 -8) = 0\nr1 = r10\nr1 += -8\nr2 = 8\nr4 = 0\nr5 = 0\ncall 201\n",
        "r3 = r10\nr3 += -8\n*(u64 *)(r10 -8) = 0\nr2 = 0\nr4 = 8\nr5 = 0\ncall 202\n",
        "r2 = 0\nr3 = 8\ncall 203\nif r0 == 0 goto none\n*(u64 *)(r0 +0) = 1\n",
        "r2 = 1\nr3 = 2\ncall kfunc 140\n",
        "call kfunc 143\n",
    ] {
        accepts(&called(use_));
    }
    // Neither given back nor copied: it may be a record.
    rejects("R1 type=dynptr_ptr", &called("r2 = 0\ncall 199\n"));
    rejects("copies of a dynptr", &called("r2 = r10\nr2 += -16\ncall kfunc 144\n"));
    // No other takes its place.
    rejects(
        "R4 type=dynptr_ptr",
        &called("r4 = r1\nr1 = map[idx:1][0] ll\nr2 = 8\nr3 = 0\ncall 197\n"),
    );
    // Its parts have their size.
    rejects("within its 8 bytes", &called(&format!("{SLICE}*(u64 *)(r6 +1) = 1\n")));
    let unchecked = SLICE.replace("if r0 == 0 goto none\n", "");
    rejects("may be null", &called(&format!("{unchecked}*(u64 *)(r6 +0) = 1\n")));
}

/// It may be over the packet, where that moves.
#[test]
fn its_parts_may_be_the_packet() {
    let skb = |text: &str| text.replace("kfunc 137", "kfunc 136");
    let skb_accepts = |text: &str, takes: &[&[Param]]| {
        let text = skb(text);
        verify(BpfProgType::SchedCls, &text, takes)
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
    };
    let write = "r1 = r8\nr2 = 0\nr3 = map[idx:1][0] ll\nr4 = 8\nr5 = 0\ncall 202\n";
    let function = format!("f: {SLICE}{write}*(u64 *)(r6 +0) = 1\n{END}");
    let text = format!("{PACKET}{CALL}r0 = 0\nexit\n{function}");
    // Frames of XDP stay where they are.
    accepts(&text);
    fails("scalar", BpfProgType::SchedCls, &skb(&text), &[TAKES]);
    let again = format!("f: {SLICE}{write}r1 = r8\n{SLICE}*(u64 *)(r6 +0) = 1\n{END}");
    skb_accepts(&format!("{PACKET}{CALL}r0 = 0\nexit\n{again}"), &[TAKES]);
    // The caller's parts, too.
    let part = "r1 = r10\nr1 += -16\n".to_owned()
        + &SLICE.replace("r6 = r0", "r7 = r0").replace("none", "out");
    let uses = format!("{PACKET}{part}{CALL}*(u64 *)(r7 +0) = 1\nout: r0 = 0\nexit\n");
    skb_accepts(&format!("{uses}f: {SLICE}*(u64 *)(r6 +0) = 1\n{END}"), &[TAKES]);
    fails("scalar", BpfProgType::SchedCls, &skb(&format!("{uses}{again}")), &[TAKES]);
    // What is written is not itself in the packet.
    let own = write.replace("map[idx:1][0] ll", "r6");
    let own = format!("{PACKET}{CALL}r0 = 0\nexit\nf: {SLICE}{own}{END}");
    accepts(&own);
    fails("R3 type=pkt", BpfProgType::SchedCls, &skb(&own), &[TAKES]);
}

/// The function writes to memory that it is given, but not to the dynptr.
#[test]
fn memory_is_beside_it() {
    let function = format!("r0 = 0\nexit\nf: {SLICE}*(u64 *)(r6 +0) = 1\n{END}");
    let call = |memory: i32, swapped: bool| {
        let (dynptr, memory_reg) = if swapped { ("r2", "r1") } else { ("r1", "r2") };
        let args = format!(
            "{dynptr} = r10\n{dynptr} += -16\n{memory_reg} = r10\n{memory_reg} += {memory}\n"
        );
        let function =
            if swapped { function.replace("f: ", "f: r1 = r2\n") } else { function.clone() };
        format!("{VALUE}*(u64 *)(r10 -24) = 0\n{args}call local f\n{function}")
    };
    for swapped in [false, true] {
        let takes: [&[Param]; 1] = if swapped {
            [&[Param::Memory(8), Param::Dynptr]]
        } else {
            [&[Param::Dynptr, Param::Memory(8)]]
        };
        let text = call(-24, swapped);
        verify(BpfProgType::Xdp, &text, &takes).unwrap_or_else(|error| panic!("{error}\n{text}"));
        for memory in [-23, -16, -12, -8] {
            let error = verify(BpfProgType::Xdp, &call(memory, swapped), &takes);
            error.expect_err("the dynptr is written over");
        }
    }
    // The same one twice is fine.
    let twice = "r1 = r10\nr1 += -16\nr2 = r1\ncall local f\n";
    let text = format!("{VALUE}{twice}{function}");
    let takes: [&[Param]; 1] = [&[Param::Dynptr, Param::Dynptr]];
    verify(BpfProgType::Xdp, &text, &takes).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

/// An attempt at the loop comes to the call before any dynptr was made; what the function lends
/// to its parts ends them all the same.
#[test]
fn a_function_looked_at_early_ends_its_parts() {
    let lent = SLICE.replace("r3 = 0", "r3 = r10\nr3 += -8");
    let text = |between: &str| {
        format!(
            "r7 = 0\nloop: if r7 != 6 goto next\n{CALL}r0 = 0\nexit
             next: if r7 != 5 goto inc\n{VALUE}inc: r7 += 1\ngoto loop
             f: {lent}{between}*(u64 *)(r6 +0) = 1\nr1 = *(u64 *)(r10 -8)\n{END}"
        )
    };
    accepts(&text(""));
    rejects("scalar", &text("*(u64 *)(r10 -8) = r10\n"));
}
