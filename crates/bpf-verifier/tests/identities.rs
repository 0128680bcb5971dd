//! What is one thing and what is two, where a path is compared with one that was walked.

mod common;

use bpf_bytecode::BpfProgType;
use common::{LOOKUP, PACKET, program};

const END: &str = "out: r0 = 0\nexit\n";

/// Behind `begin`, which leaves the context in R9, either `one` or `other` and then `end`:
/// which of them is walked first changes nothing.
fn refused(reason: &str, begin: &str, (one, other): (&str, &str), end: &str) {
    for (first, second) in [(one, other), (other, one)] {
        let text = format!(
            "r9 = r1\n{begin}r0 = *(u32 *)(r9 +0)\nif r0 == 1 goto second\n{first}goto join\n\
             second: {second}\njoin: r3 = 0\n{end}{END}"
        );
        let program = program(BpfProgType::SchedCls, &text);
        let error = common::verify_linux(&program, &text).expect_err(&text);
        assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
    }
    // With either alone on both sides, only one of them is wrong.
    let alone = |part: &str| {
        let text = format!(
            "r9 = r1\n{begin}r0 = *(u32 *)(r9 +0)\nif r0 == 1 goto second\n{part}goto join\n\
             second: {part}\njoin: r3 = 0\n{end}{END}"
        );
        common::verify_linux(&program(BpfProgType::SchedCls, &text), &text).is_ok()
    };
    assert!(alone(one) && !alone(other), "{begin}{one} | {other}{end}");
}

/// A dynptr over the value of a map, that far below R10.
fn dynptr(at: u32) -> String {
    format!("r1 = map[idx:1][0] ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -{at}\ncall 197\n")
}

/// A part of that dynptr, or null.
fn slice(reg: &str, at: u32) -> String {
    format!("r1 = r10\nr1 += -{at}\nr2 = 0\nr3 = 16\ncall 203\n{reg} = r0\n")
}

const OVER_16: &str = "*(u64 *)(r10 -16) = 0\n";

#[test]
fn a_slice_of_one_dynptr_and_of_another() {
    let both = [dynptr(16), dynptr(32)].concat();
    let used = format!("{OVER_16}if r6 == 0 goto out\nr0 = *(u64 *)(r6 +0)\n");
    refused("R6", &both, (&slice("r6", 32), &slice("r6", 16)), &used);
}

#[test]
fn two_slices_of_two_dynptrs_and_of_one() {
    let both = [dynptr(16), dynptr(32)].concat();
    let two = [slice("r6", 16), slice("r7", 32)].concat();
    let same = [slice("r6", 16), slice("r7", 16)].concat();
    let used = format!("{OVER_16}if r7 == 0 goto out\nr0 = *(u64 *)(r7 +0)\n");
    refused("R7", &both, (&two, &same), &used);
}

#[test]
fn two_records_and_one_twice() {
    let reserve = |reg: &str| format!("r1 = map[idx:2] ll\nr2 = 8\nr3 = 0\ncall 131\n{reg} = r0\n");
    let both = [reserve("r6"), reserve("r8")].concat();
    let none = "if r6 != 0 goto first\nif r8 == 0 goto out\nr1 = r8\nr2 = 0\ncall 132\ngoto out\n\
                first: if r8 != 0 goto both\nr1 = r6\nr2 = 0\ncall 132\ngoto out\nboth: ";
    let begin = format!("{both}{none}");
    let submit = |reg: &str| format!("r1 = {reg}\nr2 = 0\ncall 132\n");
    let twice = [submit("r6"), submit("r7")].concat();
    refused("R1", &begin, ("r7 = r8\n", "r7 = r6\n"), &twice);
}

#[test]
fn two_lookups_and_one_twice() {
    let lookup = |reg: &str| format!("{LOOKUP}{reg} = r0\n");
    let same = format!("{}r7 = r6\n", lookup("r6"));
    let two = [lookup("r6"), lookup("r7")].concat();
    let used = "if r6 == 0 goto out\nr0 = *(u64 *)(r7 +0)\n";
    refused("R7", "", (&same, &two), used);
}

#[test]
fn two_places_of_the_packet_and_one_twice() {
    let begin = format!(
        "r6 = *(u32 *)(r9 +0)\nr6 &= 0xff\nr7 = *(u32 *)(r9 +0)\nr7 &= 0xff\nr1 = r9\n{}",
        PACKET.replace("+0", "+76").replace("+4", "+80")
    );
    let two = "r4 = r2\nr4 += r6\nr5 = r2\nr5 += r7\n";
    let same = "r4 = r2\nr4 += r6\nr5 = r4\n";
    let used = "r0 = r4\nr0 += 8\nif r0 > r3 goto out\nr0 = *(u64 *)(r5 +0)\n";
    let used = &format!("r3 = *(u32 *)(r9 +80)\n{used}");
    refused("R5", &begin, (same, two), used);
}
