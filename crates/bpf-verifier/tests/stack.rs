//! The stack: initialisation, spills, variable offsets.

mod common;

use common::{SOCKET, UNPRIVILEGED};

#[test]
fn frames_have_an_end() {
    SOCKET.accepts("*(u64 *)(r10 -512) = 0\nr0 = *(u64 *)(r10 -512)\nexit");
    SOCKET.rejects("invalid stack access", "*(u64 *)(r10 -520) = 0\nr0 = 0\nexit");
    SOCKET.rejects("invalid stack access", "*(u64 *)(r10 +0) = 0\nr0 = 0\nexit");
    SOCKET.rejects("invalid stack access", "*(u8 *)(r10 +0) = 0\nr0 = 0\nexit");
    // The access must fit as a whole, not only begin inside.
    SOCKET
        .rejects("misaligned", "*(u64 *)(r10 -4) = 0\nr0 = 0\nexit".replace("-4", "-12").as_str());
    SOCKET.rejects("invalid stack access", "*(u64 *)(r10 -4) = 0\nr0 = 0\nexit");
    SOCKET.rejects("misaligned", "*(u32 *)(r10 -6) = 0\nr0 = 0\nexit");
}

/// A predecessor addressed its stack backwards.
#[test]
fn the_stack_grows_down_and_reads_forward() {
    SOCKET.accepts(
        "r1 = 0x1122334455667788 ll
         *(u64 *)(r10 -8) = r1
         r0 = *(u32 *)(r10 -8)
         if r0 == 0x55667788 goto low
         r0 = r9
         low: r0 = *(u8 *)(r10 -1)
         if r0 == 0x11 goto out
         r0 = r9
         out: exit",
    );
}

#[test]
fn bytes_are_initialised_one_by_one() {
    UNPRIVILEGED.rejects("invalid read from stack", "r0 = *(u64 *)(r10 -8)\nexit");
    UNPRIVILEGED
        .rejects("invalid read from stack", "*(u32 *)(r10 -8) = 0\nr0 = *(u64 *)(r10 -8)\nexit");
    UNPRIVILEGED
        .rejects("invalid read from stack", "*(u8 *)(r10 -8) = 0\nr0 = *(u16 *)(r10 -8)\nexit");
    SOCKET.accepts("*(u32 *)(r10 -8) = 0\n*(u32 *)(r10 -4) = 0\nr0 = *(u64 *)(r10 -8)\nexit");
    SOCKET.accepts("*(u64 *)(r10 -8) = 0\nr0 = *(u8 *)(r10 -3)\nexit");
}

/// Who may see addresses may read what was never written: unknown numbers.
#[test]
fn unwritten_bytes_are_unknown_numbers() {
    let info = SOCKET.accepts("r0 = *(u64 *)(r10 -8)\nexit");
    assert!(info.unwritten_reads);
    let info = SOCKET.accepts("*(u64 *)(r10 -8) = 0\nr0 = *(u32 *)(r10 -4)\nexit");
    assert!(!info.unwritten_reads);
    // Not even that they are zero is known, and the width bounds them.
    SOCKET.rejects("R9 !read_ok", "r0 = *(u8 *)(r10 -8)\nif r0 == 0 goto out\nr0 = r9\nout: exit");
    SOCKET.accepts("r0 = *(u8 *)(r10 -8)\nif r0 <= 255 goto out\nr0 = r9\nout: exit");
    // Part of what is read was written.
    SOCKET.rejects(
        "R9 !read_ok",
        "*(u32 *)(r10 -8) = 0
         r0 = *(u64 *)(r10 -8)
         if r0 == 0 goto out
         r0 = r9
         out: exit",
    );
    SOCKET.accepts(
        "*(u32 *)(r10 -8) = 0
         r0 = *(u64 *)(r10 -8)
         w0 = w0
         r0 = 0
         exit",
    );
    // They are no addresses.
    SOCKET.rejects(
        "R1 invalid mem access 'scalar'",
        "r1 = *(u64 *)(r10 -8)\nr0 = *(u64 *)(r1 +0)\nexit",
    );
    // A state with fewer bytes written is covered, and counts as reading them.
    let info = SOCKET.accepts(
        "r6 = *(u32 *)(r1 +0)
         call 7
         if r6 == 0 goto join
         *(u64 *)(r10 -8) = r0
         join: r7 = 0
         r7 = 1
         r7 = 2
         r0 = *(u64 *)(r10 -8)
         exit",
    );
    assert!(info.unwritten_reads);
    // What a later branch rests on is not.
    SOCKET.rejects(
        "R9 !read_ok",
        "r6 = *(u32 *)(r1 +0)
         if r6 == 0 goto join
         *(u64 *)(r10 -8) = 0
         join: r7 = 0
         r7 = 1
         r7 = 2
         r0 = *(u64 *)(r10 -8)
         if r0 == 0 goto out
         r0 = r9
         out: exit",
    );
}

#[test]
fn numbers_of_every_width_come_back() {
    for (size, bytes) in [("u8", 1), ("u16", 2), ("u32", 4), ("u64", 8)] {
        for off in (bytes..=8).step_by(bytes) {
            SOCKET.accepts(&format!(
                "*({size} *)(r10 -{off}) = 77
                 r0 = *({size} *)(r10 -{off})
                 if r0 == 77 goto out
                 r0 = r9
                 out: exit"
            ));
        }
    }
    // Bounds survive, too, and what is learned of a copy holds for the slot.
    SOCKET.accepts(
        "r2 = *(u32 *)(r1 +0)
         *(u64 *)(r10 -8) = r2
         if r2 > 100 goto other
         r0 = *(u64 *)(r10 -8)
         if r0 <= 100 goto out
         r0 = r9
         out: exit
         other: r0 = 0
         exit",
    );
    SOCKET.accepts(
        "r2 = *(u32 *)(r1 +0)
         *(u32 *)(r10 -4) = r2
         r3 = *(u32 *)(r10 -4)
         if r3 > 100 goto other
         if r2 <= 100 goto out
         r0 = r9
         out: r0 = 1
         exit
         other: r0 = 0
         exit",
    );
}

#[test]
fn narrow_copies_are_no_copies() {
    // The slot has the low half only; the register may be larger.
    SOCKET.rejects(
        "R9 !read_ok",
        "call 5
         r2 = r0
         *(u32 *)(r10 -4) = r2
         r3 = *(u32 *)(r10 -4)
         if r3 > 100 goto other
         if r2 <= 100 goto out
         r0 = r9
         out: r0 = 1
         exit
         other: r0 = 0
         exit",
    );
}

#[test]
fn pointers_are_spilled_whole() {
    SOCKET.accepts("*(u64 *)(r10 -8) = r1\nr1 = *(u64 *)(r10 -8)\nr0 = *(u32 *)(r1 +0)\nexit");
    SOCKET.rejects("invalid size of register spill", "*(u32 *)(r10 -8) = r1\nr0 = 0\nexit");
    SOCKET.rejects(
        "invalid size of register spill",
        "*(u64 *)(r10 -8) = r1\nr0 = *(u32 *)(r10 -8)\nexit",
    );
    // Overwritten in part, it is no pointer any more.
    for store in ["*(u8 *)(r10 -8) = 0", "*(u8 *)(r10 -1) = 0", "*(u32 *)(r10 -4) = 0"] {
        SOCKET.rejects(
            "R1 invalid mem access 'scalar'",
            &format!(
                "*(u64 *)(r10 -8) = r1
                 {store}
                 r1 = *(u64 *)(r10 -8)
                 r0 = *(u32 *)(r1 +0)
                 exit"
            ),
        );
        UNPRIVILEGED.rejects(
            "invalid size of register spill",
            &format!("*(u64 *)(r10 -8) = r1\n{store}\nr0 = 0\nexit"),
        );
    }
    // Written over twice, the second pointer counts.
    SOCKET.accepts(
        "*(u64 *)(r10 -8) = r10
         *(u64 *)(r10 -8) = r1
         r1 = *(u64 *)(r10 -8)
         r0 = *(u32 *)(r1 +0)
         exit",
    );
}

const VARIABLE: &str = "
    r2 = *(u32 *)(r1 +0)
    r2 &= 8
    r3 = r10
    r3 += -16
    r3 += r2
";

#[test]
fn variable_offsets() {
    SOCKET.accepts(&format!(
        "*(u64 *)(r10 -8) = 0
         *(u64 *)(r10 -16) = 0
         {VARIABLE}
         r0 = *(u64 *)(r3 +0)
         exit"
    ));
    // Either slot may be read.
    SOCKET.rejects(
        "R9 !read_ok",
        &format!(
            "*(u64 *)(r10 -8) = 0
             {VARIABLE}
             r0 = *(u64 *)(r3 +0)
             if r0 == 0 goto out
             r0 = r9
             out: exit"
        ),
    );
    SOCKET
        .rejects("invalid stack access", &format!("{VARIABLE}\n*(u64 *)(r3 +8) = 0\nr0 = 0\nexit"));
    SOCKET.rejects(
        "unbounded",
        "call 5
         r3 = r10
         r3 += r0
         *(u8 *)(r3 +0) = 1
         r0 = 0
         exit",
    );
    SOCKET.rejects(
        "misaligned",
        "*(u64 *)(r10 -8) = 0
         *(u64 *)(r10 -16) = 0
         r2 = *(u32 *)(r1 +0)
         r2 &= 7
         r3 = r10
         r3 += -16
         r3 += r2
         r0 = *(u64 *)(r3 +0)
         exit",
    );
}

#[test]
fn variable_writes_initialise_nothing_for_sure() {
    SOCKET.rejects(
        "R9 !read_ok",
        &format!(
            "{VARIABLE}
             *(u64 *)(r3 +0) = 1
             r0 = *(u64 *)(r10 -8)
             if r0 == 1 goto out
             r0 = r9
             out: exit"
        ),
    );
    // They blur what was known.
    SOCKET.rejects(
        "R9 !read_ok",
        &format!(
            "*(u64 *)(r10 -8) = 0
             *(u64 *)(r10 -16) = 0
             {VARIABLE}
             *(u64 *)(r3 +0) = 5
             r0 = *(u64 *)(r10 -8)
             if r0 == 0 goto out
             r0 = r9
             out: exit"
        ),
    );
    // A spilled pointer in reach is none afterwards.
    SOCKET.rejects(
        "R4 invalid mem access 'scalar'",
        &format!(
            "*(u64 *)(r10 -8) = r1
             *(u64 *)(r10 -16) = 0
             {VARIABLE}
             *(u64 *)(r3 +0) = 5
             r4 = *(u64 *)(r10 -8)
             r0 = *(u32 *)(r4 +0)
             exit"
        ),
    );
}

#[test]
fn depth_is_what_is_used() {
    assert_eq!(SOCKET.accepts("r0 = 0\nexit").stack_bytes, 0);
    assert_eq!(SOCKET.accepts("*(u8 *)(r10 -33) = 0\nr0 = 0\nexit").stack_bytes, 48);
    assert_eq!(SOCKET.accepts("*(u8 *)(r10 -512) = 0\nr0 = 0\nexit").stack_bytes, 512);
}

/// A number that fits the bytes is the same one in the slot.
#[test]
fn narrow_slots_share_their_identity() {
    let spill = |size: &str, mask: &str, fill: &str| {
        format!(
            "call 7
             r0 &= {mask}
             *({size} *)(r10 -8) = r0
             r1 = *({fill} *)(r10 -8)
             if r1 != 0 goto out
             if r0 == 0 goto out
             r0 = r9
             out: r0 = 0
             exit"
        )
    };
    for (size, mask) in [("u8", "0x80"), ("u16", "0x8000"), ("u32", "0x40000000")] {
        SOCKET.accepts(&spill(size, mask, size));
        SOCKET.accepts(&spill("u64", mask, size));
    }
    // Where bits are cut off, nothing follows for the whole number.
    SOCKET.rejects("R9 !read_ok", &spill("u8", "0x180", "u8"));
    SOCKET.rejects("R9 !read_ok", &spill("u64", "0x180", "u8"));
    SOCKET.rejects("R9 !read_ok", &spill("u32", "0x18000", "u16"));
}

#[test]
fn atomic_operations_give_what_was_there() {
    let fetch = |then: &str| {
        format!(
            "r1 = 5
             *(u64 *)(r10 -8) = r1
             r1 = 1
             r1 = atomic_fetch_add((u64 *)(r10 -8), r1)
             {then}
             r0 = 0
             exit"
        )
    };
    SOCKET.accepts(&fetch("if r1 == 5 goto +1\nr0 = r9"));
    // What is there afterwards is not known.
    SOCKET.rejects("R9 !read_ok", &fetch("r1 = *(u64 *)(r10 -8)\nif r1 == 6 goto +1\nr0 = r9"));
    // An address is fetched as one, and is a number in memory.
    let pointer = |then: &str| {
        format!(
            "r6 = r1
             *(u64 *)(r10 -8) = r1
             r1 = 8
             r1 = atomic_fetch_add((u64 *)(r10 -8), r1)
             {then}
             exit"
        )
    };
    SOCKET.accepts(&pointer("r0 = *(u32 *)(r1 +0)"));
    SOCKET.rejects(
        "R1 invalid mem access 'scalar'",
        &pointer("r1 = *(u64 *)(r10 -8)\nr0 = *(u32 *)(r1 +0)"),
    );
    UNPRIVILEGED.rejects("invalid size of register spill", &pointer("r0 = 0"));
    SOCKET.rejects(
        "invalid size of register spill",
        "*(u64 *)(r10 -8) = r1\nr1 = 1\nlock *(u32 *)(r10 -8) += r1\nr0 = 0\nexit",
    );
}

#[test]
fn nothing_is_subtracted_from_the_stacks_address() {
    SOCKET.rejects("pointer arithmetic on fp prohibited", "r1 = r10\nr1 -= 8\nr0 = 0\nexit");
    SOCKET.accepts("r1 = r10\nr1 += -8\n*(u64 *)(r1 +0) = 0\nr0 = 0\nexit");
}

/// Addresses that are computed stay inside of what they point into, where they
/// are to be kept from the program.
#[test]
fn guarded_addresses_stay_inside() {
    UNPRIVILEGED.rejects("invalid stack access", "r1 = r10\nr1 += 8\nr0 = 0\nexit");
    UNPRIVILEGED.rejects("invalid stack access", "r1 = r10\nr1 += -520\nr0 = 0\nexit");
    UNPRIVILEGED.accepts("r1 = r10\nr1 += -512\nr0 = 0\nexit");
    UNPRIVILEGED.rejects("invalid stack access", &format!("{VARIABLE}\nr0 = 0\nexit"));
    SOCKET.accepts(&format!("{VARIABLE}\nr0 = 0\nexit"));
    SOCKET.accepts("r1 = r10\nr1 += 8\nr0 = 0\nexit");
}

/// What is loaded from among bytes of which nothing is known, and decided on, is the same when
/// it is loaded again; other bytes beside it are not.
#[test]
fn parts_of_what_is_unknown_are_what_they_were_found_to_be() {
    const FILL: &str = "r1 = r8\nr2 = 0\nr3 = r10\nr3 += -32\nr4 = 32\ncall 26";
    let text = |size: &str, first: i32, between: &str, again: (&str, i32)| {
        let (again_size, again) = again;
        format!(
            "r8 = r1
             {FILL}
             r6 = *({size} *)(r10 {first})
             if r6 == 0 goto out
             {between}
             r7 = *({again_size} *)(r10 {again})
             if r7 != 0 goto out
             r0 = r9
             out: r0 = 0
             exit"
        )
    };
    let unknown = |text: &str| {
        SOCKET.rejects("R9 !read_ok", text);
    };
    for size in ["u64", "u32", "u16", "u8"] {
        SOCKET.accepts(&text(size, -24, "", (size, -24)));
        SOCKET.accepts(&text(size, -32, "*(u64 *)(r10 -24) = 0", (size, -32)));
        SOCKET.accepts(&text(size, -8, "*(u8 *)(r10 -9) = 0", (size, -8)));
        unknown(&text(size, -24, "", (size, -16)));
        unknown(&text(size, -24, "", (size, -32)));
        unknown(&text(size, -24, "*(u8 *)(r10 -24) = r0", (size, -24)));
        unknown(&text(size, -24, FILL, (size, -24)));
    }
    // Nothing follows for a part of it.
    unknown(&text("u64", -24, "", ("u32", -24)));
    unknown(&text("u32", -24, "", ("u16", -22)));
}
