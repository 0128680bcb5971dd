//! Kernel functions on dynptrs: over packets, their sizes, parts and copies.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Privilege, Verifier, VerifyError};
use common::program;

fn verify(prog_type: BpfProgType, text: &str) -> Result<(), VerifyError> {
    common::verify_linux(&program(prog_type, text), text)
}

#[track_caller]
fn accepts(text: &str) {
    verify(BpfProgType::Xdp, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

#[track_caller]
fn rejects(reason: &str, text: &str) {
    let error = verify(BpfProgType::Xdp, text).expect_err(text);
    assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
}

const END: &str = "none: r0 = 0\nexit\n";

/// Makes R10-16 a dynptr over the packet; R9 is the context.
const PACKET: &str = "r9 = r1\nr2 = 0\nr3 = r10\nr3 += -16\ncall kfunc 137\n";
/// Makes it one over a record, or over the value of map 1.
const RECORD: &str = "r1 = map[idx:2] ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall 198\n";
const SUBMIT: &str = "r1 = r10\nr1 += -16\nr2 = 0\ncall 199\n";
const VALUE: &str = "r1 = map[idx:1][0] ll\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall 197\n";

/// R6 is a slice of so many bytes, with this in R3.
fn slice(number: u32, buffer: &str, bytes: u32) -> String {
    format!(
        "r1 = r10\nr1 += -16\nr2 = 0\nr3 = {buffer}\nr4 = {bytes}\ncall kfunc {number}
         if r0 == 0 goto none\nr6 = r0\n"
    )
}

/// R6 is a slice of 16 bytes that may only be read, or also written.
fn read_only() -> String {
    slice(138, "0", 16)
}

fn writable() -> String {
    slice(139, "0", 16)
}

/// Moves the packet.
const MOVE: &str = "r1 = r9\nr2 = 0\ncall 44\n";

#[test]
fn slices_have_a_size() {
    accepts(&format!("{PACKET}{}r0 = *(u64 *)(r6 +8)\n{END}", read_only()));
    rejects("within its 16 bytes", &format!("{PACKET}{}r0 = *(u64 *)(r6 +9)\n{END}", read_only()));
    rejects("within its 16 bytes", &format!("{PACKET}{}r0 = *(u8 *)(r6 -1)\n{END}", read_only()));
    let unchecked = read_only().replace("if r0 == 0 goto none", "");
    rejects("may be null", &format!("{PACKET}{unchecked}r0 = *(u64 *)(r6 +8)\nr0 = 0\nexit"));
    let unknown = read_only().replace("r4 = 16", "r4 = *(u32 *)(r9 +12)");
    rejects("R4 is not a known constant", &format!("{PACKET}{unknown}{END}"));
    rejects("R4 unbounded", &format!("{PACKET}{}{END}", slice(138, "0", 1 << 29)));
}

#[test]
fn some_are_not_written() {
    accepts(&format!("{PACKET}{}*(u64 *)(r6 +8) = 1\n{END}", writable()));
    rejects("write of mem", &format!("{PACKET}{}*(u64 *)(r6 +8) = 1\n{END}", read_only()));
    let atomic = "r1 = 1\nlock *(u64 *)(r6 +8) += r1\n";
    rejects("write of mem", &format!("{VALUE}{}{atomic}{END}", read_only()));
    rejects("atomic access to pkt", &format!("{PACKET}{}{atomic}{END}", writable()));
    let skb = PACKET.replace("137", "136");
    // Nor by a helper.
    let helper = "r1 = r6\nr2 = 16\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 0\ncall 201\n";
    rejects("write of mem", &format!("{VALUE}{}{helper}{END}", read_only()));
    accepts(&format!("{PACKET}{}{helper}{END}", writable()));
    // A helper that moves the packet takes none of it.
    let moving = "r1 = r9\nr2 = 0\nr3 = r6\nr4 = 16\nr5 = 0\ncall 9\n";
    let moving = format!("{skb}{}{moving}{END}", read_only());
    let error = verify(BpfProgType::SchedCls, &moving).expect_err(&moving);
    assert!(error.to_string().contains("R3 type=pkt"), "{error}");
    // Where no packet is written.
    let read = format!("{skb}{}r0 = *(u8 *)(r6 +0)\n{END}", read_only());
    let write = format!("{skb}{}*(u8 *)(r6 +0) = 0\n{END}", writable());
    verify(BpfProgType::SchedCls, &read).expect("reads");
    verify(BpfProgType::SchedCls, &write).expect("writes");
    verify(BpfProgType::CgroupSkb, &read).expect("reads");
    verify(BpfProgType::CgroupSkb, &write).expect_err("does not write");
    // Both of one dynptr.
    let both = format!("{}r7 = r6\n{}", writable(), read_only());
    accepts(&format!("{PACKET}{both}*(u8 *)(r7 +0) = 1\nr0 = *(u8 *)(r6 +0)\n{END}"));
    rejects("write of mem", &format!("{PACKET}{both}*(u8 *)(r6 +0) = 1\n{END}"));
}

#[test]
fn they_do_not_outlive_the_packet() {
    accepts(&format!("{PACKET}{}{MOVE}{}r0 = *(u8 *)(r6 +0)\n{END}", read_only(), read_only()));
    for slice in [read_only(), writable()] {
        rejects("scalar", &format!("{PACKET}{slice}{MOVE}r0 = *(u8 *)(r6 +0)\n{END}"));
        // Also where it is not known yet whether there is one.
        let late = slice.replace("if r0 == 0 goto none\nr6 = r0", "r6 = r0");
        rejects(
            "scalar",
            &format!("{PACKET}{late}{MOVE}if r6 == 0 goto none\nr0 = *(u8 *)(r6 +0)\n{END}"),
        );
    }
    // Those of other memory do.
    accepts(&format!("r9 = r1\n{VALUE}{}{MOVE}r0 = *(u8 *)(r6 +0)\n{END}", read_only()));
    // What is written through a dynptr may move the packet, but for XDP's.
    let write = "r1 = r10\nr1 += -16\nr2 = 0\nr3 = map[idx:1][0] ll\nr4 = 8\nr5 = 0\ncall 202\n";
    let written = format!("{PACKET}{}{write}r0 = *(u8 *)(r6 +0)\n{END}", read_only());
    accepts(&written);
    verify(BpfProgType::SchedCls, &written.replace("137", "136")).expect_err("may move");
    accepts(&format!("r9 = r1\n{VALUE}{}{write}r0 = *(u8 *)(r6 +0)\n{END}", read_only()));
    // So may what is called.
    let call = format!("{PACKET}{}call local f\nr0 = *(u8 *)(r6 +0)\n{END}", read_only());
    accepts(&format!("{call}f: r0 = 0\nexit"));
    let moving = call.replace("call local f", "r1 = r9\ncall local f");
    rejects("scalar", &format!("{moving}f: r2 = 0\ncall 44\nr0 = 0\nexit"));
}

#[test]
fn a_write_that_may_move_the_packet_has_its_data_elsewhere() {
    let write = "r1 = r10\nr1 += -16\nr2 = 0\nr3 = r6\nr4 = 8\nr5 = 0\ncall 202\n";
    let text = format!("{PACKET}{}{write}{END}", read_only());
    accepts(&text);
    let skb = text.replace("137", "136");
    let error = verify(BpfProgType::SchedCls, &skb).expect_err(&skb);
    assert!(error.to_string().contains("R3 type=pkt"), "{error}");
}

#[test]
fn a_write_over_the_dynptr_ends_them() {
    rejects(
        "scalar",
        &format!("{PACKET}{}*(u64 *)(r10 -8) = 0\nr0 = *(u8 *)(r6 +0)\n{END}", read_only()),
    );
    let none = "r0 = 0\n*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\n";
    rejects("R1 does not point to a dynptr", &format!("{none}{}{END}", read_only()));
    rejects(
        "R1 does not point to a dynptr",
        &format!("{PACKET}*(u8 *)(r10 -16) = 0\n{}{END}", read_only()),
    );
    // A record is held, and goes with its slices.
    let record = |rest: &str| format!("{RECORD}{}{rest}", slice(139, "0", 8));
    let none = format!("goto out\nnone: {SUBMIT}out: r0 = 0\nexit");
    accepts(&record(&format!("*(u64 *)(r6 +0) = 1\n{SUBMIT}{none}")));
    rejects("scalar", &record(&format!("{SUBMIT}*(u64 *)(r6 +0) = 1\n{none}")));
    rejects("Unreleased reference", &record(&format!("*(u64 *)(r6 +0) = 1\n{none}")));
}

#[test]
fn one_write_over_several_ends_the_slices_of_all() {
    // Those who may not see addresses find nothing where slices were kept.
    let dynptr = |at: u32| format!("r1 = r9\nr2 = 0\nr3 = r10\nr3 += -{at}\ncall kfunc 137\n");
    let of = |at: u32| read_only().replace("-16", &format!("-{at}"));
    let kept = "*(u64 *)(r10 -72) = r6\n*(u64 *)(r10 -80) = r6\n*(u64 *)(r10 -88) = r6\n";
    let made = format!("r9 = r1\n{}{}{}", dynptr(48), dynptr(32), dynptr(16));
    let fill = "r1 = r10\nr1 += -32\nr2 = 32\nr3 = r10\nr3 += -48\nr4 = 0\nr5 = 0\ncall 201\n";
    for use_ in ["r0 = *(u8 *)(r6 +0)\n", ""] {
        let text = format!("{made}{}{kept}{}{fill}{use_}{END}", of(32), of(16));
        let program = program(BpfProgType::Xdp, &text);
        let verifier = Verifier::<ActiveProfile>::with_env(HelperTable::linux());
        let result = verifier.privilege(Privilege::Unprivileged).verify(&program);
        assert_eq!(result.is_ok(), use_.is_empty(), "{result:?}\n{text}");
    }
}

/// A slice may be the buffer itself. Of a map's value nothing is known anyway.
#[test]
fn buffers_in_maps() {
    accepts(&format!("{PACKET}{}{END}", slice(138, "map[idx:1][0] ll", 16)));
    accepts(&format!("{PACKET}{}{END}", slice(138, "map[idx:1][0] ll", 64)));
    rejects("within its 64 bytes", &format!("{PACKET}{}{END}", slice(138, "map[idx:1][0] ll", 65)));
    rejects("buffer at no known place", &format!("{PACKET}{}{END}", slice(138, "8", 16)));
    // Constants would change.
    rejects("write of map_value", &format!("{PACKET}{}{END}", slice(138, "map[idx:4][0] ll", 16)));
}

/// A writable slice that may be the 16 bytes at R10-40.
fn lent() -> String {
    slice(139, "r10\nr3 += -40", 16)
}

#[test]
fn buffers_on_the_stack_are_lent() {
    accepts(&format!("{PACKET}{}*(u64 *)(r6 +8) = 1\n{END}", lent()));
    // Whoever writes there, ends the slice: what is written would be known.
    for write in [
        "*(u64 *)(r10 -40) = r10",
        "*(u8 *)(r10 -25) = 0",
        "*(u32 *)(r10 -32) = 0",
        "r1 = *(u32 *)(r9 +12)\nr1 &= 8\nr2 = r10\nr2 += -48\nr2 += r1\n*(u64 *)(r2 +0) = 0",
        "r1 = r9\nr2 = 0\nr3 = r10\nr3 += -72\nr4 = 40\ncall 189",
        // An iterator.
        "r1 = r10\nr1 += -32\nr2 = 0\nr3 = 3\ncall kfunc 1\nr1 = r10\nr1 += -32\ncall kfunc 3",
        // Another dynptr.
        "r1 = r9\nr2 = 0\nr3 = r10\nr3 += -48\ncall kfunc 137",
    ] {
        rejects("scalar", &format!("{PACKET}{}{write}\n*(u8 *)(r6 +8) = 1\n{END}", lent()));
    }
    // Beside it nothing happens.
    for write in ["*(u64 *)(r10 -48) = r10", "*(u8 *)(r10 -24) = 0", "*(u64 *)(r10 -24) = 0"] {
        accepts(&format!("{PACKET}{}{write}\n*(u8 *)(r6 +8) = 1\n{END}", lent()));
    }
    // The dynptr itself is no buffer, not with a byte.
    accepts(&format!("{PACKET}{}{END}", slice(139, "r10\nr3 += -24", 8)));
    rejects("write of dynptr", &format!("{PACKET}{}{END}", slice(139, "r10\nr3 += -24", 9)));
    rejects("write of dynptr", &format!("{PACKET}{}{END}", slice(139, "r10\nr3 += -1", 1)));
    // The next one takes the place.
    accepts(&format!("{PACKET}{}{}*(u8 *)(r6 +8) = 1\n{END}", lent(), lent()));
    let both = format!("{PACKET}{}r7 = r6\n{}*(u8 *)(r7 +8) = 1\n{END}", lent(), lent());
    rejects("scalar", &both);
}

#[test]
fn nothing_is_known_of_what_is_lent() {
    // A pointer that was there before.
    let spilled = "*(u64 *)(r10 -40) = r9\n*(u64 *)(r10 -32) = r9\n";
    let load = "r1 = *(u64 *)(r10 -40)\nr0 = *(u32 *)(r1 +0)\n";
    accepts(&format!("{PACKET}{spilled}{load}{END}"));
    rejects("scalar", &format!("{PACKET}{spilled}{}{load}{END}", lent()));
    // A number, and any.
    let index = |mask: u32| {
        let store = "r2 = r10\nr2 += -60\nr2 += r1\n*(u8 *)(r2 +0) = 1\n*(u8 *)(r6 +8) = 1";
        let read = format!("r1 = *(u8 *)(r10 -33)\nr1 &= {mask}\n{store}\n");
        format!("{PACKET}*(u64 *)(r10 -40) = 0\n*(u64 *)(r10 -32) = 0\n{}{read}{END}", lent())
    };
    accepts(&index(15));
    rejects("stack", &index(63));
    // The dynptr beside them is none.
    rejects("invalid read from stack", &format!("{PACKET}{}r0 = *(u8 *)(r10 -16)\n{END}", lent()));
    // A helper may read it.
    let write = "r1 = r10\nr1 += -16\nr2 = 0\nr3 = r10\nr3 += -40\nr4 = 16\nr5 = 0\ncall 202\n";
    accepts(&format!("{PACKET}{}if r6 != 0 goto w\nw: {write}{END}", lent()));
    // An atomic operation reads.
    let atomic = "r1 = 1\nlock *(u64 *)(r10 -40) += r1\n";
    rejects(
        "invalid read from stack",
        &format!("{PACKET}{}{atomic}*(u8 *)(r6 +8) = 1\n{END}", lent()),
    );
    // Nobody knows where it is.
    let unknown = "r1 = *(u32 *)(r9 +12)\nr1 &= 8\nr8 = r10\nr8 += -40\nr8 += r1\n";
    let text = format!("{PACKET}{unknown}{}{END}", slice(139, "r8", 16));
    rejects("buffer at no known place", &text);
    rejects("invalid stack access", &format!("{PACKET}{}{END}", slice(139, "r10\nr3 += -8", 16)));
}

/// A frame's bytes are lent as long as there is the frame.
#[test]
fn functions_take_back_what_they_lent() {
    let function = |lent: &str| {
        format!(
            "{PACKET}r1 = r10\nr1 += -16\nr2 = r10\nr2 += -40\ncall local f
             if r0 == 0 goto none\n*(u8 *)(r0 +8) = 1\n{END}
             f: r3 = {lent}\nr2 = 0\nr4 = 16\ncall kfunc 139\nexit"
        )
    };
    accepts(&function("r2"));
    accepts(&function("0"));
    rejects("R0 invalid mem access 'scalar'", &function("r10\nr3 += -40"));
}

/// States that lend other bytes are others.
#[test]
fn places_are_compared() {
    let text = |first: &str, second: &str, written: i32| {
        let make = |buffer: &str, label: &str| {
            format!(
                "r1 = r10\nr1 += -16\nr2 = 0\nr3 = {buffer}\nr4 = 8\ncall kfunc 139\ngoto {label}\n"
            )
        };
        format!(
            "{PACKET}*(u64 *)(r10 -40) = 0\n*(u64 *)(r10 -48) = 0
             r1 = *(u32 *)(r9 +12)\nif r1 == 7 goto other
             {}other: {}
             join: if r0 == 0 goto none
             *(u64 *)(r10 {written}) = r9
             *(u64 *)(r0 +0) = 5
             r1 = *(u64 *)(r10 {written})
             r0 = *(u32 *)(r1 +0)
             {END}",
            make(first, "join"),
            make(second, "join"),
        )
    };
    accepts(&text("r10\nr3 += -40", "r10\nr3 += -40", -48));
    accepts(&text("0", "r10\nr3 += -40", -48));
    for (first, second) in [("r10\nr3 += -48", "r10\nr3 += -40"), ("0", "r10\nr3 += -40")] {
        rejects("scalar", &text(first, second, -40));
        rejects("scalar", &text(second, first, -40));
    }
}

#[test]
fn what_else_is_asked_of_them() {
    let ask = |call: &str| format!("{PACKET}r1 = r10\nr1 += -16\n{call}{END}");
    accepts(&ask("call kfunc 143\nif r0 s>= 0 goto none\nr0 = r8\n"));
    for number in [141, 142] {
        accepts(&ask(&format!("call kfunc {number}\nif r0 <= 1 goto none\nr0 = r8\n")));
        rejects("R8", &ask(&format!("call kfunc {number}\nif r0 == 0 goto none\nr0 = r8\n")));
    }
    accepts(&ask("r2 = 1\nr3 = 2\ncall kfunc 140\n"));
    rejects("R3 !read_ok", &ask("r2 = 1\ncall kfunc 140\n"));
    rejects("R2 is not a known value", &ask("r2 = r10\nr3 = 2\ncall kfunc 140\n"));
    for number in [140, 141, 142, 143, 144] {
        rejects(
            "R1 does not point to a dynptr",
            &format!(
                "r2 = r10\nr2 += -48\nr3 = 0\n*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0
                      r1 = r10\nr1 += -16\ncall kfunc {number}\n{END}"
            ),
        );
    }
}

#[test]
fn copies_are_apart() {
    let clone = "r1 = r10\nr1 += -16\nr2 = r10\nr2 += -32\ncall kfunc 144\n";
    let of_copy = read_only().replace("-16", "-32");
    accepts(&format!("{PACKET}{clone}{of_copy}r0 = *(u8 *)(r6 +0)\n{END}"));
    // Of the packet, too.
    rejects("scalar", &format!("{PACKET}{clone}{of_copy}{MOVE}r0 = *(u8 *)(r6 +0)\n{END}"));
    // The end of one is not the other's.
    let over = "*(u64 *)(r10 -16) = 0\n";
    accepts(&format!("{PACKET}{clone}{of_copy}{over}r0 = *(u8 *)(r6 +0)\n{END}"));
    rejects("R1 does not", &format!("{PACKET}{clone}{over}{}{END}", read_only()));
    // Not over each other.
    for at in [-16, -24, -8] {
        let text = format!("{PACKET}{}{END}", clone.replace("-32", &at.to_string()));
        verify(BpfProgType::Xdp, &text).expect_err(&text);
    }
    rejects("copies of a dynptr over a record", &format!("{RECORD}{clone}{SUBMIT}{END}"));
}

#[test]
fn only_over_the_packet_that_there_is() {
    accepts(&format!("{PACKET}{END}"));
    let skb = PACKET.replace("137", "136");
    rejects("bpf_dynptr_from_skb", &format!("{skb}{END}"));
    verify(BpfProgType::SchedCls, &format!("{skb}{END}")).expect("has one");
    verify(BpfProgType::SchedCls, &format!("{PACKET}{END}")).expect_err("is no XDP");
    verify(BpfProgType::Kprobe, &format!("{skb}{END}")).expect_err("has no packet");
    rejects("modified ctx", &format!("r1 += 4\n{PACKET}{END}"));
    rejects("R1", &format!("r1 = r10\n{PACKET}{END}"));
}

/// Bytes that were numbers in an earlier round, and are lent now, are no numbers again
/// while the slice lives.
#[test]
fn loans_in_later_rounds() {
    let text = |lent: &str, zeros: &str| {
        format!(
            "{PACKET}r1 = r10\nr1 += -24\nr2 = 0\nr3 = 10\ncall kfunc 1
             {zeros}r7 = 0
             loop: r1 = r10\nr1 += -24\ncall kfunc 2\nif r0 == 0 goto out
             r1 = r10\nr1 += -16\nr2 = 0\nr3 = r10\nr3 += -56\nr4 = 16\ncall kfunc 139
             if r0 == 0 goto loop\nr7 = r0\ngoto loop
             out: r1 = r10\nr1 += -24\ncall kfunc 3\nif r7 == 0 goto none
             {lent}*(u64 *)(r7 +0) = 5\n{END}"
        )
    };
    let wide = "*(u64 *)(r10 -64) = 0\n*(u64 *)(r10 -56) = 0\n*(u64 *)(r10 -48) = 0\n";
    let narrow = "*(u64 *)(r10 -56) = 0\n";
    let spilled = "*(u64 *)(r10 -56) = r10\n";
    for zeros in [wide, narrow] {
        rejects("R7", &text(spilled, zeros));
    }
}
