//! Map values, the context, null checks, pointer arithmetic.

mod common;

use common::{LOOKUP, SOCKET, TC, UNPRIVILEGED, XDP, accepts_value, rejects_value, with_value};

#[test]
fn the_whole_access_lies_inside() {
    accepts_value("r0 = *(u64 *)(r0 +40)\nexit");
    // A predecessor looked at the first byte only.
    for off in 41..=48 {
        rejects_value("do not lie within its 48 bytes", &format!("r0 = *(u64 *)(r0 +{off})\nexit"));
    }
    accepts_value("r0 = *(u8 *)(r0 +47)\nexit");
    rejects_value("within its 48 bytes", "r0 = *(u8 *)(r0 +48)\nexit");
    rejects_value("within its 48 bytes", "r0 = *(u8 *)(r0 -1)\nexit");
    rejects_value("within its 48 bytes", "*(u32 *)(r0 +45) = 0\nr0 = 0\nexit");
}

#[test]
fn null_is_checked_first() {
    SOCKET.rejects("it may be null", &format!("{LOOKUP}\nr0 = *(u8 *)(r0 +0)\nexit"));
    SOCKET.rejects(
        "null-check it first",
        &format!("{LOOKUP}\nr0 += 8\nif r0 == 0 goto out\nr0 = *(u8 *)(r0 +0)\nout: exit"),
    );
    SOCKET.rejects(
        "invalid mem access 'scalar'",
        &format!("{LOOKUP}\nif r0 == 0 goto null\nr0 = 0\nexit\nnull: r0 = *(u8 *)(r0 +0)\nexit"),
    );
    // Not by the low half, not by another comparison.
    for test in ["if w0 == 0 goto out", "if r0 s> 0 goto out", "if r0 == 1 goto out"] {
        SOCKET.rejects(
            "it may be null",
            &format!("{LOOKUP}\n{test}\nr0 = *(u8 *)(r0 +0)\nout: r0 = 0\nexit"),
        );
    }
    // Copies, also spilled ones, are checked together.
    SOCKET.accepts(&format!(
        "{LOOKUP}
         r6 = r0
         *(u64 *)(r10 -16) = r0
         if r6 == 0 goto out
         r1 = *(u64 *)(r10 -16)
         r2 = *(u8 *)(r1 +47)
         r3 = *(u8 *)(r0 +47)
         out: r0 = 0
         exit"
    ));
    // Two lookups are two values.
    SOCKET.rejects(
        "it may be null",
        &format!(
            "{LOOKUP}
             r6 = r0
             {LOOKUP}
             if r6 == 0 goto out
             r0 = *(u8 *)(r0 +0)
             out: r0 = 0
             exit"
        ),
    );
    // Null in a register is null, too.
    SOCKET.accepts(&format!(
        "{LOOKUP}
         r7 = 0
         if r0 == r7 goto out
         r0 = *(u8 *)(r0 +0)
         out: r0 = 0
         exit"
    ));
}

#[test]
fn variable_offsets_need_both_bounds() {
    let index = "r1 = *(u64 *)(r0 +0)";
    accepts_value(&format!("{index}\nr1 &= 31\nr0 += r1\nr0 = *(u64 *)(r0 +8)\nexit"));
    rejects_value(
        "within its 48",
        &format!("{index}\nr1 &= 31\nr0 += r1\nr0 = *(u64 *)(r0 +10)\nexit"),
    );
    accepts_value(&format!(
        "{index}\nif r1 > 40 goto out\nr0 += r1\nr0 = *(u64 *)(r0 +0)\nexit\nout: r0 = 0\nexit"
    ));
    rejects_value(
        "within its 48",
        &format!(
            "{index}\nif r1 > 41 goto out\nr0 += r1\nr0 = *(u64 *)(r0 +0)\nexit\nout: r0 = 0\nexit"
        ),
    );
    // A signed comparison leaves the lower end open.
    rejects_value(
        "unbounded",
        &format!(
            "{index}\nif r1 s> 40 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit\nout: r0 = 0\nexit"
        ),
    );
    accepts_value(&format!(
        "{index}\nif r1 s> 40 goto out\nif r1 s< 0 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit
         out: r0 = 0\nexit"
    ));
    // As clang has it with 32-bit registers.
    accepts_value(&format!(
        "{index}
         w1 += -3
         if w1 > 40 goto out
         r0 += r1
         r0 = *(u8 *)(r0 +0)
         exit
         out: r0 = 0
         exit"
    ));
    // The other side of the same branch.
    rejects_value(
        "within its 48",
        &format!(
            "{index}\nw1 = w1\nif r1 < 40 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit
             out: r0 = 0\nexit"
        ),
    );
    // Subtracted from the end.
    accepts_value(&format!("{index}\nr1 &= 31\nr0 += 40\nr0 -= r1\nr0 = *(u64 *)(r0 +0)\nexit"));
    rejects_value(
        "within its 48",
        &format!("{index}\nr1 &= 63\nr0 += 40\nr0 -= r1\nr0 = *(u64 *)(r0 +0)\nexit"),
    );
}

#[test]
fn arithmetic_that_addresses_do_not_allow() {
    rejects_value("32-bit Add on a pointer", "w0 += 8\nr0 = 0\nexit");
    rejects_value("64-bit And on a pointer", "r0 &= -8\nr0 = 0\nexit");
    rejects_value("64-bit Mul on a pointer", "r0 *= 2\nr0 = 0\nexit");
    rejects_value("64-bit Lsh on a pointer", "r0 <<= 1\nr0 = 0\nexit");
    rejects_value("64-bit Add on a pointer", "r0 += r10\nr0 = 0\nexit");
    rejects_value("64-bit Sub on a pointer", "r1 = 5\nr1 -= r0\nr0 = 0\nexit");
    accepts_value("r1 = 5\nr1 += r0\nr0 = *(u8 *)(r1 +0)\nexit");
    rejects_value("unbounded", "r1 = 0x20000000\nr0 += r1\nr0 = 0\nexit");
    rejects_value("unbounded", "r1 = 0x8000000000000000 ll\nr0 -= r1\nr0 = 0\nexit");
    SOCKET.rejects("pointer arithmetic on map_ptr", "r1 = map[idx:0] ll\nr1 += 8\nr0 = 0\nexit");
    XDP.rejects("pointer arithmetic on pkt_end", "r2 = *(u32 *)(r1 +4)\nr2 += -1\nr0 = 0\nexit");
    // A distance is a number of which nothing is known.
    accepts_value("r1 = r0\nr1 += 8\nr1 -= r0\nr0 = r1\nexit");
    rejects_value("unbounded", "r1 = r0\nr1 += 8\nr1 -= r0\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nexit");
    // 32 bits of an address are a number, too.
    rejects_value("R0 invalid mem access 'scalar'", "w0 = w0\nr0 = *(u8 *)(r0 +0)\nexit");
}

#[test]
fn data_sections() {
    let value = |off: u32, insn: &str| format!("r1 = map[idx:1][0]+{off} ll\n{insn}\nr0 = 0\nexit");
    SOCKET.accepts(&value(56, "*(u64 *)(r1 +0) = 1"));
    SOCKET.rejects("within its 64 bytes", &value(57, "*(u64 *)(r1 +0) = 1"));
    SOCKET.rejects("within its 64 bytes", &value(64, "r2 = 0"));
    SOCKET.accepts(&value(8, "*(u64 *)(r1 -8) = 1"));
    SOCKET.accepts("r1 = map[idx:4][0]+8 ll\nr0 = *(u64 *)(r1 +0)\nexit");
    SOCKET.rejects(
        "write of map_value is not allowed",
        "r1 = map[idx:4][0]+0 ll\n*(u8 *)(r1 +0) = 1\nr0 = 0\nexit",
    );
    SOCKET.rejects("no value with an address of its own", "r1 = map[idx:0][0]+0 ll\nr0 = 0\nexit");
    SOCKET.rejects("no value with an address of its own", "r1 = map[idx:6][0]+0 ll\nr0 = 0\nexit");
    SOCKET.rejects("fields of maps", "r1 = map[idx:0] ll\nr0 = *(u8 *)(r1 +0)\nexit");
}

#[test]
fn maps_for_writing_only() {
    let lookup = "*(u32 *)(r10 -4) = 0
        r2 = r10
        r2 += -4
        r1 = map[idx:5] ll
        call 1
        if r0 == 0 goto out";
    SOCKET.accepts(&format!("{lookup}\n*(u64 *)(r0 +0) = 1\nout: r0 = 0\nexit"));
    SOCKET.rejects(
        "read of map_value is not allowed",
        &format!("{lookup}\nr0 = *(u64 *)(r0 +0)\nout: r0 = 0\nexit"),
    );
    SOCKET.rejects(
        "read of map_value is not allowed",
        &format!("{lookup}\nr1 = 1\nlock *(u64 *)(r0 +0) += r1\nout: r0 = 0\nexit"),
    );
}

#[test]
fn context_fields() {
    SOCKET.accepts("r0 = *(u32 *)(r1 +0)\nexit");
    SOCKET.accepts("r0 = *(u8 *)(r1 +3)\nexit");
    SOCKET.accepts("*(u32 *)(r1 +48) = 7\nr0 = 0\nexit");
    SOCKET.rejects(
        "invalid bpf_context access off=0 size=4 (write)",
        "*(u32 *)(r1 +0) = 7\nr0 = 0\nexit",
    );
    SOCKET.rejects("invalid bpf_context access off=76", "r0 = *(u32 *)(r1 +76)\nexit");
    SOCKET.rejects("invalid bpf_context access off=192", "r0 = *(u32 *)(r1 +192)\nexit");
    SOCKET.rejects("invalid bpf_context access off=-4", "r0 = *(u32 *)(r1 -4)\nexit");
    SOCKET.rejects("invalid bpf_context access off=2", "r0 = *(u32 *)(r1 +2)\nexit");
    XDP.rejects("invalid bpf_context access off=0 size=8", "r0 = *(u64 *)(r1 +0)\nexit");
    XDP.rejects("invalid bpf_context access off=0 size=2", "r0 = *(u16 *)(r1 +0)\nexit");
    SOCKET.rejects("modified ctx", "r1 += 4\nr0 = *(u32 *)(r1 +0)\nexit");
    SOCKET.rejects(
        "modified ctx",
        "r2 = *(u32 *)(r1 +0)\nr2 &= 4\nr1 += r2\nr0 = *(u32 *)(r1 +0)\nexit",
    );
    SOCKET.rejects("atomic access to ctx", "r2 = 1\nlock *(u32 *)(r1 +48) += r2\nr0 = 0\nexit");
    assert_eq!(SOCKET.accepts("r0 = *(u32 *)(r1 +16)\nexit").context_bytes, 20);
    assert_eq!(SOCKET.accepts("r0 = 0\nexit").context_bytes, 0);
}

#[test]
fn one_instruction_for_the_context_and_for_other_memory() {
    SOCKET.rejects(
        "same insn cannot be used with different pointers",
        "r2 = *(u32 *)(r1 +0)
         if r2 > 7 goto access
         *(u64 *)(r10 -8) = 0
         r1 = r10
         r1 += -8
         access: r0 = *(u32 *)(r1 +0)
         exit",
    );
    // Stack and map values are alike.
    SOCKET.accepts(&with_value(
        "r2 = *(u64 *)(r0 +0)
         if r2 > 7 goto access
         r0 = r10
         r0 += -8
         access: r0 = *(u32 *)(r0 +0)
         exit",
    ));
}

#[test]
fn atomics() {
    accepts_value("r1 = 1\nlock *(u64 *)(r0 +0) += r1\nr0 = 0\nexit");
    accepts_value("r1 = 1\nr1 = atomic_fetch_add((u32 *)(r0 +4), r1)\nr0 = r1\nexit");
    rejects_value("misaligned", "r1 = 1\nlock *(u64 *)(r0 +4) += r1\nr0 = 0\nexit");
    rejects_value("within its 48", "r1 = 1\nlock *(u64 *)(r0 +48) += r1\nr0 = 0\nexit");
    UNPRIVILEGED
        .rejects("invalid read from stack", "r1 = 1\nlock *(u64 *)(r10 -8) += r1\nr0 = 0\nexit");
    SOCKET.rejects("R1 !read_ok", "r1 = 0\ncall 5\nlock *(u64 *)(r10 -8) += r1\nr0 = 0\nexit");
    // What is fetched is unknown, what is stored afterwards too.
    SOCKET.rejects(
        "R9 !read_ok",
        "*(u64 *)(r10 -8) = 0
         r1 = 1
         r1 = atomic_fetch_add((u64 *)(r10 -8), r1)
         r2 = *(u64 *)(r10 -8)
         if r2 == 1 goto out
         r1 = r9
         out: r0 = 0
         exit",
    );
    SOCKET.rejects(
        "R9 !read_ok",
        "*(u64 *)(r10 -8) = 0
         r1 = 0
         lock *(u64 *)(r10 -8) += r1
         r0 = *(u64 *)(r10 -8)
         if r0 == 0 goto out
         r0 = r9
         out: exit",
    );
    // cmpxchg reads and writes R0.
    SOCKET.rejects(
        "R0 !read_ok",
        "*(u64 *)(r10 -8) = 0\nr1 = 1\nr0 = cmpxchg_64(r10 -8, r0, r1)\nexit",
    );
    SOCKET.accepts("*(u64 *)(r10 -8) = 0\nr1 = 1\nr0 = 0\nr0 = cmpxchg_64(r10 -8, r0, r1)\nexit");
    // A pointer on the stack is no number to compute with, for some.
    UNPRIVILEGED.rejects(
        "invalid size of register spill",
        "*(u64 *)(r10 -8) = r1\nr2 = 8\nlock *(u64 *)(r10 -8) += r2\nr0 = 0\nexit",
    );
    UNPRIVILEGED.rejects(
        "invalid size of register spill",
        "*(u64 *)(r10 -8) = r1\nr2 = 8\nr2 = xchg_64(r10 -8, r2)\nr0 = *(u32 *)(r2 +0)\nexit",
    );
    accepts_value(
        "r1 = load_acquire((u64 *)(r0 +8))\nstore_release((u32 *)(r0 +4), w1)\nr0 = 0\nexit",
    );
    rejects_value("misaligned", "r1 = load_acquire((u64 *)(r0 +4))\nr0 = 0\nexit");
    SOCKET.rejects("atomic access to ctx", "w0 = load_acquire((u32 *)(r1 +0))\nexit");
}

#[test]
fn addresses_stay_inside_for_some() {
    let leak = "leaks addr into";
    UNPRIVILEGED.accepts("r0 = 0\nexit");
    UNPRIVILEGED.rejects(leak, "r0 = r1\nexit");
    SOCKET.accepts("r0 = r1\nexit");
    UNPRIVILEGED.rejects(leak, &with_value("*(u64 *)(r0 +0) = r10\nr0 = 0\nexit"));
    SOCKET.accepts(&with_value("*(u64 *)(r0 +0) = r10\nr0 = 0\nexit"));
    UNPRIVILEGED.rejects(leak, "r2 = r10\nr2 -= r1\nr0 = 0\nexit");
    UNPRIVILEGED.rejects(leak, "r1 = -r1\nr0 = 0\nexit");
    UNPRIVILEGED.rejects(leak, "w1 = w1\nr0 = 0\nexit");
    UNPRIVILEGED.rejects(leak, "r1 = be64 r1\nr0 = 0\nexit");
    UNPRIVILEGED.rejects(leak, "r2 = (s32)r1\nr0 = 0\nexit");
    UNPRIVILEGED.rejects(leak, "r0 = 0\nif r1 == 5 goto +0\nexit");
    UNPRIVILEGED.rejects(leak, "r0 = 0\nif r1 == r10 goto +0\nexit");
    UNPRIVILEGED.rejects(leak, &with_value("lock *(u64 *)(r0 +0) += r10\nr0 = 0\nexit"));
    UNPRIVILEGED.rejects(leak, "*(u32 *)(r1 +48) = r10\nr0 = 0\nexit");
    UNPRIVILEGED.rejects(
        leak,
        "*(u64 *)(r10 -8) = r10
         r2 = r10
         r2 += -8
         r1 = map[idx:0] ll
         call 1
         r0 = 0
         exit",
    );
    UNPRIVILEGED
        .accepts(&format!("{LOOKUP}\nif r0 == 0 goto out\nr0 = *(u32 *)(r0 +0)\nout: exit"));
}

#[test]
fn results() {
    TC.accepts("r0 = 77\nexit");
    let cgroup = common::Suite(bpf_bytecode::BpfProgType::CgroupSkb, common::SOCKET.1);
    cgroup.accepts("r0 = 1\nexit");
    cgroup.rejects("should have been in 0..=1", "r0 = 2\nexit");
    cgroup.rejects("should have been in 0..=1", "r0 = *(u32 *)(r1 +0)\nexit");
    cgroup.accepts("r0 = *(u32 *)(r1 +0)\nr0 &= 1\nexit");
    cgroup.rejects("is not a known value", "r0 = r1\nexit");
}

/// What is learned of a number holds for those that are a constant more or less.
#[test]
fn sums_of_copies_are_learned_of() {
    // A copy with something added is compared, the number itself is used.
    accepts_value(
        "r1 = *(u32 *)(r0 +0)\nr2 = r1\nr2 += 8\nif r2 > 47 goto out\nif r2 < 8 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +8)\nout: r0 = 0\nexit",
    );
    rejects_value(
        "invalid access",
        "r1 = *(u32 *)(r0 +0)\nr2 = r1\nr2 += 8\nif r2 > 48 goto out\nif r2 < 8 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +8)\nout: r0 = 0\nexit",
    );
    // The sum wraps at 32 bits: nothing is known of the number.
    rejects_value(
        "",
        "r1 = *(u32 *)(r0 +0)\nr2 = r1\nw2 += 8\nif r2 > 47 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +0)\nout: r0 = 0\nexit",
    );
    accepts_value(
        "r1 = *(u32 *)(r0 +0)\nr1 &= 0xffff\nr2 = r1\nw2 += 8\nif r2 > 47 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +8)\nout: r0 = 0\nexit",
    );
    // The other way round, with a spilled copy, less than the number.
    accepts_value(
        "r1 = *(u32 *)(r0 +0)\n*(u64 *)(r10 -16) = r1\nr1 -= 5\nif r1 > 10 goto out\nr2 = *(u64 *)(r10 -16)\nr0 += r2\nr0 = *(u8 *)(r0 +32)\nout: r0 = 0\nexit",
    );
    rejects_value(
        "invalid access",
        "r1 = *(u32 *)(r0 +0)\n*(u64 *)(r10 -16) = r1\nr1 -= 5\nif r1 > 11 goto out\nr2 = *(u64 *)(r10 -16)\nr0 += r2\nr0 = *(u8 *)(r0 +32)\nout: r0 = 0\nexit",
    );
    // Half of it stored: no copy.
    rejects_value(
        "",
        "r1 = *(u64 *)(r0 +0)\nr2 = r1\nr2 += 4\n*(u32 *)(r10 -16) = r2\nr3 = *(u32 *)(r10 -16)\nif r3 > 8 goto out\nr0 += r1\nr0 = *(u8 *)(r0 +4)\nout: r0 = 0\nexit",
    );
}

/// States in which sums are related otherwise do not cover each other.
#[test]
fn sums_are_compared() {
    let text = |more: i32| {
        format!(
            "r6 = *(u32 *)(r0 +0)
             r7 = *(u32 *)(r0 +4)
             r8 = r7
             r8 += {more}
             if r6 == 0 goto join
             r8 = r7
             r8 += 8
             join: if r8 > 40 goto out
             if r8 < 8 goto out
             r0 += r7
             r0 = *(u8 *)(r0 +15)
             out: r0 = 0
             exit"
        )
    };
    accepts_value(&text(8));
    rejects_value("", &text(-8));
}

/// What equals an address that is not null is not null.
#[test]
fn comparisons_with_addresses_that_are_not_null() {
    let compare = |with: &str, cond: &str| {
        format!(
            "{LOOKUP}
             r1 = {with}
             if r0 {cond} r1 goto equal
             r0 = 0
             exit
             equal: r0 = *(u64 *)(r0 +0)
             exit"
        )
    };
    SOCKET.accepts(&compare("map[idx:1]+0 ll", "=="));
    SOCKET.accepts(&compare("map[idx:1]+63 ll", "=="));
    SOCKET.accepts(&compare("r10", "=="));
    // Other comparisons say nothing, and nothing follows where they fail.
    SOCKET.rejects("map_value_or_null", &compare("map[idx:1]+0 ll", "!="));
    SOCKET.rejects("map_value_or_null", &compare("map[idx:1]+0 ll", ">="));
    // An address that may lie anywhere may be null.
    SOCKET.rejects("map_value_or_null", &compare("map[idx:1]+0 ll\nr1 += -64", "=="));
    SOCKET.rejects("map_value_or_null", &compare("r10\nr1 += 4096", "=="));
    // Two that may be null say nothing of each other.
    SOCKET.rejects(
        "map_value_or_null",
        &format!("{LOOKUP}\nr6 = r0\n{LOOKUP}\nif r0 != r6 goto +1\nr0 = *(u64 *)(r0 +0)\nexit"),
    );
    // A map is never null, nor is a place on the stack.
    for pointer in ["map[idx:0] ll", "r10", "r10\nr1 += -8"] {
        SOCKET.accepts(&format!("r1 = {pointer}\nif r1 != 0 goto +1\nr0 = r9\nr0 = 0\nexit"));
    }
    UNPRIVILEGED.accepts("r1 = map[idx:0] ll\nif r1 == 0 goto +0\nr0 = 0\nexit");
    UNPRIVILEGED.rejects("leaks addr", "r0 = 0\nif r10 == 0 goto +0\nexit");
}

#[test]
fn maps_have_no_fields() {
    SOCKET.rejects("fields of maps", "r1 = map[idx:0] ll\nr0 = *(u64 *)(r1 +0)\nexit");
    SOCKET.rejects("map_ptr", "r1 = map[idx:0] ll\n*(u64 *)(r1 +0) = 0\nr0 = 0\nexit");
    UNPRIVILEGED.rejects("map_ptr", "r1 = map[idx:0] ll\nr0 = *(u64 *)(r1 +0)\nexit");
}

/// An index that is masked rests on nothing, whatever was known of it before:
/// paths that differ in it are one where they join.
#[test]
fn masks_forget_what_they_mask() {
    let walked = |mask: &str| {
        let text = with_value(&format!(
            "r7 = r0
             call 7
             w6 = w0
             call 7
             if r0 == 0 goto join
             r6 &= 255
             join: r1 = 1
             r2 = 2
             r3 = 3
             r4 = 4
             {mask}
             r7 += r6
             r0 = *(u8 *)(r7 +0)
             r0 = 0
             exit"
        ));
        SOCKET.accepts(&text).processed
    };
    let (masked, known) = (walked("r6 &= 3"), walked("r6 >>= 30"));
    assert_eq!(known, masked + 9);
}
