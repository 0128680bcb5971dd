//! Packets: comparisons with their end, unknown parts, metadata, moves.

mod common;

use common::{PACKET, SOCKET, TC, XDP};

/// The first bytes of the packet behind a comparison of R4, `bytes` in.
fn checked(test: &str, bytes: u32, access: &str) -> String {
    format!(
        "{PACKET}
         r4 = r2
         r4 += {bytes}
         {test}
         {access}
         out: r0 = 0
         exit"
    )
}

#[test]
fn every_shape_of_comparison() {
    // Each proves 14 bytes, or 15 where equality is excluded.
    for test in ["if r4 > r3 goto out", "if r3 < r4 goto out"] {
        XDP.accepts(&checked(test, 14, "r0 = *(u8 *)(r2 +13)"));
        XDP.rejects("off=14 size=1", &checked(test, 14, "r0 = *(u8 *)(r2 +14)"));
        XDP.rejects("off=13 size=2", &checked(test, 14, "r0 = *(u16 *)(r2 +13)"));
    }
    for test in ["if r4 >= r3 goto out", "if r3 <= r4 goto out"] {
        XDP.accepts(&checked(test, 14, "r0 = *(u8 *)(r2 +14)"));
        XDP.rejects("off=15 size=1", &checked(test, 14, "r0 = *(u8 *)(r2 +15)"));
    }
    let within = |test: &str, access: &str| checked(&format!("{test}\ngoto out\nin:"), 14, access);
    for test in ["if r4 <= r3 goto in", "if r3 >= r4 goto in", "if r4 == r3 goto in"] {
        XDP.accepts(&within(test, "r0 = *(u8 *)(r2 +13)"));
        XDP.rejects("off=14 size=1", &within(test, "r0 = *(u8 *)(r2 +14)"));
    }
    for test in ["if r4 < r3 goto in", "if r3 > r4 goto in"] {
        XDP.accepts(&within(test, "r0 = *(u8 *)(r2 +14)"));
        XDP.rejects("off=15 size=1", &within(test, "r0 = *(u8 *)(r2 +15)"));
    }
}

#[test]
fn comparisons_that_prove_nothing() {
    // The wrong side of each.
    for test in [
        "if r4 <= r3 goto out",
        "if r4 < r3 goto out",
        "if r3 >= r4 goto out",
        "if r3 > r4 goto out",
        "if r4 == r3 goto out",
        "if r4 s> r3 goto out",
        "if w4 > w3 goto out",
        "if r4 & r3 goto out",
    ] {
        XDP.rejects("off=0 size=1", &checked(test, 14, "r0 = *(u8 *)(r2 +0)"));
    }
    XDP.rejects("off=0 size=1", &format!("{PACKET}\nr0 = *(u8 *)(r2 +0)\nexit"));
    // The end itself may not be read, nor anything before the start.
    XDP.rejects(
        "R3 invalid mem access 'pkt_end'",
        &checked("if r4 > r3 goto out", 14, "r0 = *(u8 *)(r3 -1)"),
    );
    XDP.rejects("off=-1 size=1", &checked("if r4 > r3 goto out", 14, "r0 = *(u8 *)(r2 -1)"));
    // Not with the start of another pointer type.
    XDP.rejects("off=0", &checked("if r4 > r10 goto out", 14, "r0 = *(u8 *)(r2 +0)"));
}

#[test]
fn what_is_proven_holds_for_copies_and_spills() {
    XDP.accepts(&format!(
        "{PACKET}
         *(u64 *)(r10 -8) = r2
         r5 = r2
         r4 = r2
         r4 += 14
         if r4 > r3 goto out
         r0 = *(u8 *)(r5 +13)
         r5 = *(u64 *)(r10 -8)
         r0 = *(u8 *)(r5 +13)
         r0 = *(u8 *)(r4 -14)
         out: r0 = 0
         exit"
    ));
}

/// An IPv4 header with options, as clang compiles the walk over it.
#[test]
fn headers_of_unknown_length() {
    let walk = |bytes: i32, access: &str| {
        format!(
            "{PACKET}
             r4 = r2
             r4 += 34
             if r4 > r3 goto out
             r5 = *(u8 *)(r2 +14)
             w5 <<= 2
             w5 &= 60
             if w5 < 20 goto out
             r2 += 14
             r2 += r5
             r4 = r2
             r4 += {bytes}
             if r4 > r3 goto out
             {access}
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&walk(4, "r0 = *(u32 *)(r2 +0)"));
    XDP.rejects(
        "off=15 size=4, proven to be in the packet are 18",
        &walk(4, "r0 = *(u32 *)(r2 +1)"),
    );
    XDP.accepts(&walk(4, "*(u16 *)(r2 +2) = 7"));
    // Before the unknown part lie at least 34 bytes.
    XDP.accepts(&walk(4, "r0 = *(u32 *)(r2 -20)"));
    XDP.accepts(&walk(4, "r0 = *(u32 *)(r2 -34)"));
    XDP.rejects("off=-1 size=4", &walk(4, "r0 = *(u32 *)(r2 -35)"));
    XDP.accepts(&walk(-4, "r0 = *(u32 *)(r2 -8)"));
    XDP.rejects("size=4", &walk(-4, "r0 = *(u32 *)(r2 -7)"));
}

#[test]
fn unknown_parts_must_be_small_and_not_negative() {
    let offset = |bound: &str, access: &str| {
        format!(
            "{PACKET}
             r6 = r1
             call 7
             r5 = r0
             r2 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             {bound}
             r2 += r5
             r4 = r2
             r4 += 8
             if r4 > r3 goto out
             {access}
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&offset("r5 &= 0xff", "r0 = *(u64 *)(r2 +0)"));
    XDP.rejects("off=0", &offset("w5 = w5", "r0 = *(u64 *)(r2 +0)"));
    XDP.rejects("unbounded", &offset("", "r0 = *(u64 *)(r2 +0)"));
    // Sums above the limit might wrap.
    XDP.rejects("off=0", &offset("r5 &= 0xffff", "r0 = *(u64 *)(r2 +0)"));
    XDP.accepts(&offset("r5 &= 0x7fff", "r0 = *(u64 *)(r2 +0)"));
    // Negative ones would point before the packet.
    XDP.rejects("size=8", &offset("r5 &= 0xff\nr5 += -64", "r0 = *(u64 *)(r2 +0)"));
}

/// Two pointers with different unknown parts prove nothing for each other.
#[test]
fn unknown_parts_are_told_apart() {
    XDP.rejects(
        "size=4",
        &format!(
            "{PACKET}
             r4 = r2
             r4 += 2
             if r4 > r3 goto out
             r5 = *(u8 *)(r2 +0)
             r6 = *(u8 *)(r2 +1)
             r7 = r2
             r7 += r5
             r2 += r6
             r4 = r7
             r4 += 4
             if r4 > r3 goto out
             r0 = *(u32 *)(r2 +0)
             out: r0 = 0
             exit"
        ),
    );
    // Nor does a pointer for what it becomes when more is added than it was proven for.
    XDP.rejects(
        "size=1",
        &format!(
            "{PACKET}
             r4 = r2
             r4 += 8
             if r4 > r3 goto out
             r5 = *(u8 *)(r2 +0)
             r5 &= 15
             r2 += r5
             r0 = *(u8 *)(r2 +0)
             out: r0 = 0
             exit"
        ),
    );
}

#[test]
fn moving_the_packet_invalidates_pointers() {
    let moved = |helper: u32, after: &str| {
        format!(
            "r6 = r1
             r7 = *(u32 *)(r1 +0)
             r8 = *(u32 *)(r1 +4)
             r4 = r7
             r4 += 14
             if r4 > r8 goto out
             *(u64 *)(r10 -8) = r7
             r2 = -4
             call {helper}
             {after}
             out: r0 = 0
             exit"
        )
    };
    for helper in [44, 65] {
        XDP.rejects("R7 invalid mem access 'scalar'", &moved(helper, "r0 = *(u8 *)(r7 +0)"));
        XDP.rejects(
            "R7 invalid mem access 'scalar'",
            &moved(helper, "r7 = *(u64 *)(r10 -8)\nr0 = *(u8 *)(r7 +0)"),
        );
        // Loaded again, they must be compared again.
        XDP.rejects("off=0 size=1", &moved(helper, "r7 = *(u32 *)(r6 +0)\nr0 = *(u8 *)(r7 +0)"));
        XDP.accepts(&moved(
            helper,
            "r7 = *(u32 *)(r6 +0)
             r8 = *(u32 *)(r6 +4)
             r4 = r7
             r4 += 1
             if r4 > r8 goto out
             r0 = *(u8 *)(r7 +0)",
        ));
        // The old end is none.
        XDP.rejects(
            "off=0 size=1",
            &moved(
                helper,
                "r7 = *(u32 *)(r6 +0)
                 r4 = r7
                 r4 += 1
                 if r4 > r8 goto out
                 r0 = *(u8 *)(r7 +0)",
            ),
        );
    }
    // Also where a function of the program moves it.
    XDP.rejects(
        "R7 invalid mem access 'scalar'",
        "r6 = r1
         r7 = *(u32 *)(r1 +0)
         r8 = *(u32 *)(r1 +4)
         r4 = r7
         r4 += 14
         if r4 > r8 goto out
         call local shrink
         r0 = *(u8 *)(r7 +0)
         out: r0 = 0
         exit
         shrink: r2 = 4
         call 44
         exit",
    );
}

#[test]
fn metadata_ends_where_the_packet_begins() {
    let meta = |access: &str| {
        format!(
            "r2 = *(u32 *)(r1 +8)
             r3 = *(u32 *)(r1 +0)
             r4 = r2
             r4 += 4
             if r4 > r3 goto out
             {access}
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&meta("r0 = *(u32 *)(r2 +0)"));
    XDP.rejects("off=4 size=4", &meta("r0 = *(u32 *)(r2 +4)"));
    // The packet's end says nothing of it.
    XDP.rejects(
        "off=0",
        "r2 = *(u32 *)(r1 +8)
         r3 = *(u32 *)(r1 +4)
         r4 = r2
         r4 += 4
         if r4 > r3 goto out
         r0 = *(u32 *)(r2 +0)
         out: r0 = 0
         exit",
    );
    // Nor does a place inside of the packet.
    XDP.rejects(
        "off=0",
        "r2 = *(u32 *)(r1 +8)
         r3 = *(u32 *)(r1 +0)
         r3 += 8
         r4 = r2
         r4 += 4
         if r4 > r3 goto out
         r0 = *(u32 *)(r2 +0)
         out: r0 = 0
         exit",
    );
}

#[test]
fn some_may_only_read_packets() {
    let packet = |data: u32, end: u32, access: &str| {
        format!(
            "r2 = *(u32 *)(r1 +{data})
             r3 = *(u32 *)(r1 +{end})
             r4 = r2
             r4 += 14
             if r4 > r3 goto out
             {access}
             out: r0 = 0
             exit"
        )
    };
    TC.accepts(&packet(76, 80, "*(u8 *)(r2 +0) = 1"));
    let cgroup = common::Suite(bpf_bytecode::BpfProgType::CgroupSkb, TC.1);
    cgroup.accepts(&packet(76, 80, "r0 = *(u8 *)(r2 +0)"));
    cgroup.rejects("write of pkt is not allowed", &packet(76, 80, "*(u8 *)(r2 +0) = 1"));
    SOCKET.rejects("invalid bpf_context access", &packet(76, 80, "r0 = *(u8 *)(r2 +0)"));
    XDP.rejects("atomic access to pkt", &packet(0, 4, "r1 = 1\nlock *(u64 *)(r2 +0) += r1"));
}

/// Where one of two pointers is further behind its unknown part, less is proven behind it.
#[test]
fn another_constant_part_at_a_join() {
    let text = |behind: &str, range: u32| {
        format!(
            "r6 = r1
             call 7
             r8 = r0
             call 7
             r9 = r0
             r7 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             if r9 == 0 goto other
             r8 &= 31
             r7 += r8
             r4 = r7
             r4 += 8
             if r4 > r3 goto out
             goto join
             other: r8 &= 7
             r7 += r8
             r4 = r7
             r4 += {range}
             if r4 > r3 goto out
             r7 += {behind}
             join: r0 = *(u64 *)(r7 +0)
             out: r0 = 0
             exit"
        )
    };
    XDP.accepts(&text("8", 16));
    XDP.rejects("invalid access to packet", &text("8", 8));
    XDP.rejects("invalid access to packet", &text("1", 8));
}

/// Addresses that differ in an unknown part, or in what was added, where paths meet that
/// have found the same of the packet.
#[test]
fn another_part_at_a_join() {
    let text = |first: &str, second: &str, behind: &str| {
        format!(
            "r6 = r1
             call 7
             r7 = r0
             r2 = *(u32 *)(r6 +0)
             r3 = *(u32 *)(r6 +4)
             r4 = r2
             r4 += 14
             if r4 > r3 goto out
             if r0 s< 0 goto other
             {first}
             goto meet
             other:
             {second}
             meet:
             r0 = 0
             r1 = 0
             r4 = 0
             {behind}
             out: r0 = 0
             exit"
        )
    };
    let read = "r0 = *(u64 *)(r2 +0)";
    XDP.accepts(&text("r2 += 6", "r2 += 2", read));
    XDP.rejects("off=7", &text("r2 += 6", "r2 += 7", read));
    XDP.rejects("off=7", &text("r2 += 7", "r2 += 6", read));
    // What is taken away again leads before the start.
    let back = "r2 += 8\nr7 &= 15\nr2 -= r7";
    let one = "r0 = *(u8 *)(r2 +0)";
    XDP.accepts(&text("r2 += 8", &back.replace("15", "7"), one));
    XDP.rejects("off=-7", &text("r2 += 8", back, one));
    XDP.rejects("off=-7", &text(back, "r2 += 8", one));
    let again = "r1 = r2\nr1 += 14\nif r1 > r3 goto out\nr0 = *(u64 *)(r2 +0)";
    XDP.accepts(&text("", "r7 &= 255\nr2 += r7", again));
    for (first, second) in [("", "r2 += r7"), ("r2 += r7", "")] {
        XDP.rejects("R2", &text(first, &format!("w7 = w7\n{second}"), again));
        XDP.rejects("R2", &text(second, &format!("w7 = w7\n{first}"), again));
    }
}
