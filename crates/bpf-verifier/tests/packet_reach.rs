//! How far a packet reaches behind addresses, where paths on which that differs join.

mod common;

use common::{PACKET, XDP};

/// What lies between a join and an access.
const WAYS: [(&str, &str); 7] = [
    ("", "r2"),
    ("r5 = r2\nr2 = 0", "r5"),
    ("r5 = r2\nr5 += 4\nr5 += -4", "r5"),
    ("*(u64 *)(r10 -8) = r2\nr2 = 0\nr4 = *(u64 *)(r10 -8)", "r4"),
    // The unknown part takes away 7 bytes at the most; the access is made as far on.
    ("r5 = *(u32 *)(r1 +16)\nr5 &= 7\nr5 += r2", "r5"),
    ("r4 = r2\nr4 += 0\nif r4 > r3 goto out", "r2"),
    ("r4 = r2\nr4 += 16\nif r4 > r3 goto out", "r2"),
];
/// How many bytes are proven on the way, by the last of these at the least.
const PROVEN: [i32; 7] = [0, 0, 0, 0, 0, 0, 16];
/// And how many of them are no longer there.
const LEFT_OUT: [i32; 7] = [0, 0, 0, 0, 7, 0, 0];

/// Something that differs and is of no use, so that paths do not cover each other by chance.
fn fork(label: usize) -> String {
    format!(
        "r0 = *(u32 *)(r1 +16)
         if r0 > {label} goto side{label}
         r6 = 1
         r7 = 2
         r8 = 3
         goto join{label}
         side{label}:
         r6 = 2
         r7 = 1
         r8 = 4
         goto join{label}
         join{label}:
         r0 = 0
         r6 = 0
         r7 = 0
         r8 = 0\n"
    )
}

/// A byte is read behind a join of two paths, on which so many bytes were proven. Between
/// them and the access are so many further joins; behind the one it is read again behind a
/// comparison, which is of no use to the other.
fn joined(proven: [i32; 2], joins: usize, way: usize, at: i32) -> String {
    let (between, register) = WAYS[way];
    let prove = |bytes: i32| match bytes {
        0 => String::new(),
        _ => format!("r4 = r2\nr4 += {bytes}\nif r4 > r3 goto out\n"),
    };
    let [first, second] = proven.map(prove);
    let joins: String = (0..joins).map(fork).collect();
    format!(
        "{PACKET}
         r0 = *(u32 *)(r1 +16)
         if r0 == 7 goto second
         {first}
         r4 = 0
         r0 = 0
         goto both
         second:
         {second}
         r4 = 0
         r0 = 0
         both:
         {joins}
         {between}
         r0 = *(u8 *)({register} +{at})
         out:
         r0 = 0
         exit"
    )
}

#[test]
fn an_access_needs_what_was_proven_on_every_path() {
    let (mut accepted, mut rejected) = (0, 0);
    for way in 0..WAYS.len() {
        for joins in 0..3 {
            for bits in 0..64 {
                let [first, second, at] = [bits & 3, bits >> 2 & 3, bits >> 4].map(|n| n * 8);
                let text = joined([first, second], joins, way, at);
                let there = first.min(second).max(PROVEN[way]) - LEFT_OUT[way];
                let good = at < there;
                assert_eq!(XDP.verify(&text).is_ok(), good, "{there} {text}");
                accepted += u32::from(good);
                rejected += u32::from(!good);
            }
        }
    }
    assert!(accepted > 200 && rejected > 200, "{accepted} {rejected}");
}

#[test]
fn a_comparison_that_was_decided_needs_what_was_proven() {
    for (first, second) in [(32, 24), (24, 32), (32, 32), (24, 24), (32, 8)] {
        for joins in 0..3 {
            let wrong = "r4 = r2\nr4 += 28\nif r4 <= r3 goto out\nr0 = r9\ngoto out";
            let text = joined([first, second], joins, 0, 0);
            let text = text.replace("r0 = *(u8 *)(r2 +0)", wrong);
            assert_eq!(XDP.verify(&text).is_ok(), first.min(second) >= 28, "{text}");
        }
    }
}

/// Three paths, on each of which so many bytes are proven behind an address that is kept as
/// `form` says; those with a bit in `late` leave out the first of two joins.
fn three(form: usize, proven: [i32; 3], late: usize) -> String {
    let [before, prepared, read] = FORMS[form];
    let sources: Vec<String> = proven
        .iter()
        .enumerate()
        .map(|(path, bytes)| {
            let next = path + 1;
            let leave =
                if path < 2 { format!("if r0 > {path} goto path{next}") } else { String::new() };
            let to = if late >> path & 1 == 1 { "second" } else { "first" };
            format!(
                "path{path}:
                 {leave}
                 r4 = r2
                 r4 += {bytes}
                 if r4 > r3 goto out
                 {prepared}
                 r4 = 0
                 r0 = 0
                 goto {to}\n"
            )
        })
        .collect();
    let forks = [fork(100), fork(101)];
    format!(
        "{PACKET}
         {before}
         r0 = *(u32 *)(r1 +16)
         {}
         first:
         {}
         second:
         {}
         {read}
         out:
         r0 = 0
         exit",
        sources.concat(),
        forks[0],
        forks[1],
    )
}

/// Where an address is: what comes before the proof, what behind that, and the access.
const FORMS: [[&str; 3]; 4] = [
    ["", "", "r0 = *(u8 *)(r2 +15)"],
    ["", "*(u64 *)(r10 -8) = r2\nr2 = 0", "r4 = *(u64 *)(r10 -8)\nr0 = *(u8 *)(r4 +15)"],
    ["r5 = *(u32 *)(r1 +16)\nr5 &= 7\nr2 += r5\nr5 = 0", "", "r0 = *(u8 *)(r2 +15)"],
    [
        "r5 = *(u32 *)(r1 +16)\nr5 &= 7\nr2 += r5\nr5 = 0",
        "*(u64 *)(r10 -8) = r2\nr2 = 0",
        "r4 = *(u64 *)(r10 -8)\nr0 = *(u8 *)(r4 +15)",
    ],
];

#[test]
fn who_ends_at_an_older_state_needs_what_that_needed() {
    for form in 0..FORMS.len() {
        // Somebody comes to the first join.
        for late in 0..7 {
            for bits in 0..8 {
                let proven = [0, 1, 2].map(|path| if bits >> path & 1 == 1 { 24 } else { 8 });
                let text = three(form, proven, late);
                assert_eq!(XDP.verify(&text).is_ok(), bits == 7, "{text}");
            }
        }
    }
}

#[test]
fn what_was_found_of_the_end_is_needed_though_bytes_are_proven_later() {
    for (first, second) in [(true, true), (true, false), (false, true), (false, false)] {
        let found = |found: bool| if found { "if r4 < r3 goto out" } else { "r0 = 0" };
        let text = format!(
            "{PACKET}
             r4 = r2
             r4 += 8
             if r4 > r3 goto out
             r4 = r2
             r4 += 14
             r0 = *(u32 *)(r1 +16)
             if r0 == 7 goto second
             {}
             goto both
             second:
             {}
             both:
             {}
             r5 = r2
             r5 += 14
             if r5 > r3 goto out
             if r4 >= r3 goto out
             r0 = r9
             out:
             r0 = 0
             exit",
            found(first),
            found(second),
            fork(100),
        );
        assert_eq!(XDP.verify(&text).is_ok(), first && second, "{text}");
    }
}

#[test]
fn what_nobody_needs_may_be_proven_or_not() {
    // Each comparison gives another number of bytes, and none of them serves.
    let compared: Vec<String> = (1..40)
        .map(|n| {
            format!(
                "r4 = r2\nr4 += {n}\nif r4 > r3 goto less{n}\nr6 = 1\nless{n}:\nr4 = 0\nr6 = 0\n"
            )
        })
        .collect();
    let text = format!("{PACKET}\n{}\nr0 = 0\nexit", compared.concat());
    let steps = XDP.accepts(&text).processed;
    assert!(steps < 40 * 14, "{steps}");
}

/// An address that was found not to lie before the end, in a slot of the stack. One path shows
/// that it serves behind `last`; many others join at `many`, become one state there, and come
/// to `last` with what the first one had. The last one comes to `many`, and has it or not.
fn found_on_the_way(found: bool) -> String {
    let forks: Vec<String> = (0..9)
        .map(|bit| {
            format!(
                "r0 = *(u32 *)(r1 +16)
                 r6 <<= 1
                 if r0 > {bit} goto bit{bit}
                 r6 |= 1
                 bit{bit}:\n"
            )
        })
        .collect();
    let compared = if found { "if r4 < r3 goto out" } else { "" };
    format!(
        "{PACKET}
         r4 = r2
         r4 += 14
         r0 = *(u32 *)(r1 +16)
         if r0 == 7 goto other
         if r4 < r3 goto out
         *(u64 *)(r10 -8) = r4
         r4 = 0
         if r0 > 100 goto forks
         goto last
         forks:
         r6 = 0
         {}
         goto many
         other:
         {compared}
         *(u64 *)(r10 -8) = r4
         r4 = 0
         r6 = 5
         many:
         if r6 > 1000 goto out
         r6 = 0
         if r2 > r3 goto out
         last:
         r5 = *(u64 *)(r10 -8)
         if r5 >= r3 goto out
         r0 = r9
         out:
         r0 = 0
         exit",
        forks.concat(),
    )
}

#[test]
fn what_was_found_in_a_slot_serves_whoever_comes_there() {
    for found in [true, false] {
        let text = found_on_the_way(found);
        assert_eq!(XDP.verify(&text).is_ok(), found, "{text}");
    }
}
