//! What a comparison with a number teaches, and what that rests on.

mod common;

use std::fmt::Write as _;

use common::SOCKET;

/// R6 and R7 are any 32-bit numbers, R9 is the context. Then one of two ways is walked
/// first, and the other one comes to the same place.
fn two_ways(first: &str, second: &str, rest: &str) -> String {
    format!(
        "r9 = r1\nr6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +8)\nr8 = *(u32 *)(r1 +12)
         *(u64 *)(r10 -8) = r6\n*(u64 *)(r10 -16) = r7\nif r8 != 0 goto second
         {first}\ngoto join\nsecond: {second}\njoin: r0 = 0\nr8 = 1\nr8 += 2\nr8 += 3
         {rest}"
    )
}

/// The byte that so far above the lowest is chosen by a register.
fn index_by(register: &str) -> String {
    format!("r3 = r10\nr3 += -64\nr3 += {register}\n*(u8 *)(r3 +0) = 1\nr0 = 0\nexit")
}

/// Behind a comparison that holds, this register is an index.
fn chosen(compare: &str, register: &str) -> String {
    format!("if {compare} goto use\nexit\nuse: {}", index_by(register))
}

#[track_caller]
fn rejects(first: &str, second: &str, rest: &str) {
    SOCKET.rejects("stack", &two_ways(first, second, rest));
}

#[track_caller]
fn accepts(first: &str, second: &str, rest: &str) -> u64 {
    SOCKET.accepts(&two_ways(first, second, rest)).processed
}

#[test]
fn what_was_known_of_a_number_does_not_matter_where_it_is_told() {
    let rest = chosen("r6 == 5", "r6");
    let narrow = "r6 &= 15\nr6 += 0";
    // What is behind the join is walked once, whichever way is walked first.
    let once = accepts("r6 += 0\nr6 += 0", "r6 += 0\nr6 += 0", &rest);
    assert_eq!(accepts(narrow, "r6 += 0\nr6 += 0", &rest), once);
    // Where it is no constant, it does.
    let below = chosen("r6 < 6", "r6");
    assert!(accepts(narrow, "r6 += 0\nr6 += 0", &below) > once);
}

/// A number that is found beside the one that is compared is known by the name of that.
#[test]
fn a_copy_rests_on_being_one() {
    let load = "r2 = *(u64 *)(r10 -8)\n";
    let rest = format!("if r6 == 5 goto use\nexit\nuse: {load}{}", index_by("r2"));
    accepts("r8 = 0", "r8 = 0", &rest);
    rejects("r8 = 0", "*(u64 *)(r10 -8) = r7", &rest);
    rejects("r8 = 0", "r6 = r7", &rest);
    // Also where a register is compared with one that holds the number.
    let with = format!("r4 = 5\nif r4 == r6 goto use\nexit\nuse: {load}{}", index_by("r2"));
    accepts("r8 = 0", "r8 = 0", &with);
    rejects("r8 = 0", "*(u64 *)(r10 -8) = r7", &with);
    // And where what was told is compared with a copy.
    let again = "if r6 == 5 goto told\nexit\ntold: r2 = *(u64 *)(r10 -8)\nif r2 == r6 goto fine
                 *(u64 *)(r10 +8) = 1\nfine: exit";
    accepts("r8 = 0", "r8 = 0", again);
    rejects("r8 = 0", "*(u64 *)(r10 -8) = r7", again);
}

#[test]
fn the_other_operand_matters() {
    for compare in ["r6 == r7", "r7 == r6"] {
        for used in ["r6", "r7"] {
            accepts("r7 = 5", "r7 = 6", &chosen(compare, used));
            rejects("r7 = 5", "r7 = *(u32 *)(r9 +0)", &chosen(compare, used));
            rejects("r7 = 5", "r7 = 600", &chosen(compare, used));
        }
    }
}

#[test]
fn half_a_comparison_tells_half() {
    accepts("r8 = 0", "r8 = 0", &chosen("w6 == 5", "r6"));
    rejects("r8 = 0", "r6 <<= 20", &chosen("w6 == 0", "r6"));
    rejects("r8 = 0", "r6 <<= 20\nr6 += 5", &chosen("w6 == 5", "r6"));
}

#[test]
fn an_end_is_told_by_the_other_end() {
    rejects("if r6 > 9 goto join", "r8 = 0", &chosen("r6 >= 9", "r6"));
    rejects("r6 &= 1", "r8 = 0", &chosen("r6 != 0", "r6"));
    rejects("r6 &= 8", "r8 = 0", &chosen("r6 & 8", "r6"));
}

/// A binary search of `depth` steps in a table, unrolled, as clang makes one: R9 is what was
/// found, `none` before; R7 and R6 are the ends. What is known of these differs on each way.
fn search(depth: usize, none: &str) -> String {
    let mut text = String::new();
    for step in 0..depth {
        let _ = write!(
            text,
            "if r7 >= r6 goto found\nr1 = r6\nr1 += r7\nr1 >>= 1\n*(u32 *)(r10 -4) = r1
             r2 = r10\nr2 += -4\nr1 = map[idx:6] ll\ncall 1\nif r0 != 0 goto row{step}
             {none}\ngoto found\nrow{step}: r3 = *(u16 *)(r0 +0)\nr1 = *(u32 *)(r10 -4)
             if r3 > r8 goto a{step}\nr9 = r1\na{step}: if r3 > r8 goto b{step}\nr7 = r1
             r7 += 1\nr7 <<= 32\nr7 >>= 32\ngoto c{step}\nb{step}: r6 = r1\nc{step}: r4 = 0\n"
        );
    }
    text
}

/// What was found is compared with what stands for nothing, and is an index else, in each
/// round of a loop.
fn searches(depth: usize, none: &str, test: &str) -> String {
    format!(
        "*(u64 *)(r10 -32) = r1\n*(u64 *)(r10 -40) = 5\nloop: {none}\nr1 = *(u64 *)(r10 -32)
         r7 = *(u32 *)(r1 +0)\nr6 = *(u32 *)(r1 +4)\nr8 = *(u32 *)(r1 +12)\nr8 &= 65535
         {}found: *(u64 *)(r10 -24) = r9\n{test}r2 = r10\nr2 += -24\nr1 = map[idx:6] ll\ncall 1
         if r0 == 0 goto out\nr1 = *(u64 *)(r10 -40)\nr1 += -1\n*(u64 *)(r10 -40) = r1
         if r1 != 0 goto loop\nout: r0 = 0\nexit",
        search(depth, none)
    )
}

#[test]
fn a_search_in_a_loop_takes_as_long_as_it_is() {
    let test = "if r9 == 12234669 goto n\nif r9 == 16431834 goto n\nif r9 != 65535 goto f
                n: if r9 != 12234669 goto out\nr1 = r7\nif r1 == 0 goto out\ngoto out\nf:\n";
    let steps = |depth| SOCKET.accepts(&searches(depth, "r9 = 12234669", test)).processed;
    let (short, long) = (steps(4), steps(8));
    assert!(long < 3 * short && long < 4000, "{short} {long}");
}

/// Here each decision rests on what was found being no more than 32 bits, and so on all ends of
/// the search. One round takes too long for a summary: it is given up in the middle, and what
/// it took keeps nobody from making states one.
/// A static workspace has no room for that.
#[cfg(feature = "cloud-profile")]
#[test]
fn a_round_that_takes_too_long_is_given_up() {
    let test = "r1 = 0xfabadafabada ll\nif r9 == r1 goto n\nr1 = 0xbadfadbadfad ll\nif r9 != r1 goto f
                n: r1 = 0xfabadafabada ll\nif r9 != r1 goto out\nr1 = r7\nif r1 == 0 goto out\ngoto out\nf:\n";
    let text = searches(17, "r9 = 0xfabadafabada ll", test);
    let info = SOCKET.accepts(&text);
    assert!(info.processed < 80_000, "{info:?}");
}
