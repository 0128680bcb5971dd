//! Addresses in a packet that are compared with its end twice.

mod common;

use common::{PACKET, XDP};

/// When a condition holds, by how far behind the end an address lies.
type Holds = fn(i32) -> bool;
/// Conditions, and when they hold.
const CONDITIONS: [(&str, Holds); 6] = [
    (">", |behind| behind > 0),
    (">=", |behind| behind >= 0),
    ("<", |behind| behind < 0),
    ("<=", |behind| behind <= 0),
    ("==", |behind| behind == 0),
    ("!=", |behind| behind != 0),
];

/// What is read with `holds` as the outcome of a comparison is not there.
fn twice(first: &str, taken: bool, between: &str, second: &str, holds: bool) -> String {
    let (go, other) = if taken { ("again", "out") } else { ("out", "again") };
    let (then, otherwise) = if holds { ("wrong", "out") } else { ("out", "wrong") };
    format!(
        "{PACKET}
         r4 = r2
         r4 += 14
         if {first} goto {go}
         goto {other}
         again:
         {between}
         if {second} goto {then}
         goto {otherwise}
         wrong:
         r0 = r9
         out:
         r0 = 0
         exit"
    )
}

#[test]
fn the_second_comparison_is_decided_where_the_first_tells() {
    let text = |cond: &str, swapped: bool| {
        let back = cond.replace('>', "?").replace('<', ">").replace('?', "<");
        if swapped { format!("r3 {back} r4") } else { format!("r4 {cond} r3") }
    };
    let (mut accepted, mut decided) = (0, 0);
    for (first, first_holds) in CONDITIONS {
        for (second, second_holds) in CONDITIONS {
            for bits in 0..16 {
                let [taken, holds, a, b] = [1, 2, 4, 8].map(|bit| bits & bit != 0);
                let program = twice(&text(first, a), taken, "", &text(second, b), holds);
                let possible = (-1..=1).filter(|behind| first_holds(*behind) == taken);
                let wrong = possible.clone().any(|behind| second_holds(behind) == holds);
                let accepts = XDP.verify(&program).is_ok();
                assert!(!accepts || !wrong, "{program}");
                // That both are equal is not kept, nor that they are not.
                let kept = !matches!((first, taken), ("==" | "!=", _));
                assert!(accepts || wrong || !kept, "{program}");
                accepted += u32::from(accepts);
                decided += u32::from(!wrong);
            }
        }
    }
    assert_eq!((accepted, decided), (144, 192));
}

#[test]
fn only_the_very_address_is_decided() {
    let behind = |between: &str, second: &str| twice("r4 > r3", true, between, second, false);
    XDP.accepts(&behind("", "r4 > r3"));
    // A copy, of before as of after, and a spilled one.
    XDP.accepts(&behind("r5 = r4\nr4 = 0", "r5 > r3"));
    XDP.accepts(&behind("r5 = r2\nr5 += 14", "r4 > r3"));
    XDP.accepts(&behind("*(u64 *)(r10 -8) = r4\nr5 = *(u64 *)(r10 -8)", "r5 > r3"));
    // The end from the context again is the same.
    XDP.accepts(&behind("r3 = *(u32 *)(r1 +4)", "r4 > r3"));
    for other in ["r4 += -1", "r4 += 1", "r4 = r2", "r4 = r2\nr4 += 14", "r4 += 0"] {
        XDP.rejects("R9", &behind(other, "r4 > r3"));
    }
    XDP.rejects("R9", &behind("", "w4 > w3"));
    XDP.rejects("R9", &behind("", "r4 s> r3"));
    XDP.rejects("R9", &behind("", "r4 > r2"));
    XDP.rejects("R9", &behind("", "r2 > r3"));
}

#[test]
fn an_unknown_part_may_be_added_before_but_not_after() {
    let text = |before: &str, after: &str| {
        format!(
            "r6 = r1
             call 7
             r0 &= 255
             r2 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             r4 = r2
             {before}
             r5 = r4
             r4 += 8
             if r4 > r3 goto behind
             goto out
             behind:
             {after}
             if r4 > r3 goto out
             r0 = r9
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&text("r4 += r0", ""));
    XDP.rejects("R9", &text("r4 += r0", "r4 -= r0"));
    XDP.rejects("R9", &text("", "r4 += r0"));
    XDP.rejects("R9", &text("r4 += r0", "r4 = r5\nr4 += 7"));
}

#[test]
fn a_packet_that_moved_has_another_end() {
    let text = |between: &str| {
        format!(
            "r6 = r1
             r2 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             r2 += 14
             if r2 > r3 goto behind
             goto out
             behind:
             *(u64 *)(r10 -8) = r2
             {between}
             r2 = *(u64 *)(r10 -8)
             r3 = *(u32 *)(r6 +4)
             if r2 > r3 goto out
             r0 = r9
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&text(""));
    // bpf_xdp_adjust_head
    XDP.rejects("R9", &text("r1 = r6\nr2 = 64\ncall 44"));
}

/// Two paths meet, of which only one has compared.
#[test]
fn what_one_path_has_found_does_not_cover_another() {
    let text = |first: &str, second: &str| {
        format!(
            "r6 = r1
             call 7
             r2 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             r2 += 14
             if r0 == 0 goto other
             {first}
             goto meet
             other:
             {second}
             meet:
             r1 = 0
             if r2 > r3 goto out
             r0 = r9
             out: r0 = 0
             exit"
        )
    };
    let beyond = "if r2 <= r3 goto out";
    XDP.accepts(&text(beyond, beyond));
    XDP.accepts(&text(beyond, "if r3 >= r2 goto out"));
    for less in ["", "if r2 < r3 goto out", "if r2 > r3 goto out"] {
        XDP.rejects("R9", &text(beyond, less));
        XDP.rejects("R9", &text(less, beyond));
    }
}

/// The same of what lies on the stack meanwhile, with and without an unknown part.
#[test]
fn what_one_path_has_found_of_a_spilled_address_does_not_cover_another() {
    let text = |part: &str, first: &str, second: &str| {
        format!(
            "r6 = r1
             call 7
             r7 = r0
             r7 &= 255
             r2 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             {part}
             r2 += 14
             *(u64 *)(r10 -8) = r2
             if r0 s< 0 goto other
             {first}
             goto meet
             other:
             {second}
             meet:
             r1 = 0
             r2 = 0
             r4 = 0
             r2 = *(u64 *)(r10 -8)
             if r2 > r3 goto out
             r0 = r9
             out: r0 = 0
             exit"
        )
    };
    let beyond = "if r2 <= r3 goto out";
    for part in ["", "r2 += r7"] {
        XDP.accepts(&text(part, beyond, beyond));
        for less in ["", "if r2 < r3 goto out"] {
            XDP.rejects("R9", &text(part, beyond, less));
            XDP.rejects("R9", &text(part, less, beyond));
        }
    }
}

/// What lies before the packet's start may be anywhere, however far the packet reaches.
#[test]
fn what_lies_before_the_start_is_not_decided() {
    let text = |off: i32| {
        format!(
            "{PACKET}
             r4 = r2
             r4 += 8
             if r4 > r3 goto out
             r2 += {off}
             if r2 <= r3 goto out
             r0 = r9
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&text(8));
    XDP.rejects("R9", &text(9));
    XDP.rejects("R9", &text(-8));
}

#[test]
fn metadata_end_where_the_packet_begins() {
    let text = |end: &str, access: &str| {
        format!(
            "r2 = *(u32 *)(r1 +8)
             r3 = *(u32 *)(r1 +0)
             r4 = *(u32 *)(r1 +4)
             r2 += 4
             if r2 > r3 goto behind
             goto out
             behind:
             if r2 > {end} goto out
             {access}
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&text("r3", "r0 = r9"));
    XDP.rejects("R9", &text("r4", "r0 = r9"));
}
