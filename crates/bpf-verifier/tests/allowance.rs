//! What is known once the allowance of `may_goto` is used up, and loops that nothing else bounds.

mod common;

use common::{SOCKET, TC};

/// Rounds that `may_goto` grants.
const GRANTED: u64 = 8 << 20;

/// A counted loop that may end early, in one without a count: whoever leaves the inner one for want
/// of a grant leaves the outer one, too.
#[test]
fn loops_in_each_other_share_the_allowance() {
    for rounds in [2, 32, 100_000] {
        let info = SOCKET.accepts(&format!(
            "outer: may_goto out
             r1 = 0
             inner: may_goto outer
             r1 += 1
             if r1 == {rounds} goto outer
             goto inner
             out: r0 = 0
             exit"
        ));
        assert!(info.processed < 60, "{info:?}");
        // Four instructions a grant, and five for the one that leaves the inner loop.
        assert!(info.max_insns >= 4 * GRANTED, "{info:?}");
    }
}

/// What decides a jump counts the rounds that are granted.
#[test]
fn the_allowance_bounds_what_nothing_else_does() {
    let info = SOCKET.accepts(
        "r6 = r1
         r7 = 0
         outer: may_goto out
         r0 = *(u32 *)(r6 +0)
         if r0 == 0 goto out
         r7 = 0
         inner: may_goto counted
         r0 = *(u32 *)(r6 +4)
         if r0 == 0 goto counted
         r7 += 1
         goto inner
         counted: if r7 > 1000 goto outer
         r8 = r7
         down: if r8 == 0 goto outer
         r8 += -1
         goto down
         out: r0 = 0
         exit",
    );
    assert!(info.processed < 1000, "{info:?}");
    assert!(info.max_insns > 8 * GRANTED, "{info:?}");
    // A number that is added to in every round that is granted, and says where to read.
    let reads = |most: u32| {
        format!(
            "r6 = r1
             r7 = 0
             again: may_goto out
             r0 = *(u32 *)(r6 +0)
             if r0 == 0 goto out
             r7 += 1
             goto again
             out: if r7 > {most} goto end
             r1 = r10
             r1 += -8
             r1 += r7
             r0 = *(u8 *)(r1 +0)
             end: r0 = 0
             exit"
        )
    };
    let fill = "*(u64 *)(r10 -8) = 0\n";
    SOCKET.accepts(&format!("{fill}{}", reads(7)));
    SOCKET.rejects("stack", &format!("{fill}{}", reads(8)));
}

/// No grant is used on one of the ways round: nothing bounds the loop.
#[test]
fn every_way_round_uses_a_grant() {
    SOCKET.rejects(
        "infinite loop",
        "r6 = r1
         r7 = 0
         again: r7 += 1
         r0 = *(u32 *)(r6 +0)
         if r0 == 0 goto again
         may_goto out
         goto again
         out: r0 = r7
         exit",
    );
}

/// What is walked first at `meet` comes from where no grant was given, so that `meet` is given none,
/// either. Another way comes there with grants left.
#[test]
fn what_is_left_of_the_allowance_is_told_apart() {
    let wrong = "r1 = 1\nr0 = *(u8 *)(r1 +0)";
    for wide in [0, 1, 30] {
        let more = "r0 = 0\n".repeat(wide);
        // At once, behind more instructions, in a function, in a loop with a summary, and behind
        // a place where paths join.
        let meets = [
            format!("meet: {more}may_goto end\n{wrong}\nend: r0 = 0\nexit"),
            format!(
                "meet: {more}call inside\nexit\n
                 inside: may_goto end\n{wrong}\nend: r0 = 0\nexit"
            ),
            format!(
                "meet: {more}r8 = 0
                 again: r8 += 1
                 may_goto end
                 if r8 == 100 goto bad
                 goto again
                 bad: {wrong}
                 end: r0 = 0
                 exit"
            ),
            format!(
                "meet: {more}call 7
                 if r0 > 5 goto join
                 r0 = 1
                 {more}
                 join: {more}may_goto end
                 {wrong}
                 end: r0 = 0
                 exit"
            ),
        ];
        for meet in meets {
            // The first `may_goto` has something to give, as always; so there are two.
            let text = |granted: &str| {
                format!(
                    "may_goto out
                     r6 = 0
                     may_goto meet
                     {more}goto {granted}
                     out: r0 = 0
                     exit
                     {meet}"
                )
            };
            SOCKET.rejects("R1", &text("meet"));
            SOCKET.accepts(&text("out"));
        }
    }
}

/// In each of its rounds the program asks for the allowance as long as there is something.
#[test]
fn an_iterator_goes_on_without_the_allowance() {
    let info = TC.accepts(
        "r6 = r1
         r1 = r10
         r1 += -8
         r2 = 0
         r3 = 16
         call kfunc 1
         next: r1 = r10
         r1 += -8
         call kfunc 2
         if r0 == 0 goto end
         r7 = 0
         count: may_goto counted
         r0 = *(u32 *)(r6 +0)
         if r0 == 0 goto counted
         r7 += 1
         goto count
         counted: if r7 > 100 goto next
         down: if r7 == 0 goto next
         r7 += -1
         goto down
         end: r1 = r10
         r1 += -8
         call kfunc 3
         r0 = 0
         exit",
    );
    assert!(info.processed < 1500, "{info:?}");
    assert!(info.max_insns > 5 * GRANTED, "{info:?}");
}

/// A loop that compares what it counts ends long before the allowance does, by a step of no power of
/// two as well; what is counted in the loop lies in no other.
#[test]
fn bounds_are_those_of_few_rounds() {
    for (end, rounds) in [(30, 10), (300, 100)] {
        let info = SOCKET.accepts(&format!(
            "r7 = 0
             again: may_goto out
             r7 += 3
             if r7 == {end} goto out
             goto again
             out: r0 = 0
             exit"
        ));
        assert!((4 * rounds..4 * rounds + 5).contains(&info.max_insns), "{info:?}");
    }
    let info = SOCKET.accepts(
        "r9 = 0
         first: r1 = 4
         may_goto third
         second: may_goto out
         goto second
         third: r9 += 1
         may_goto out
         goto first
         out: r0 = 0
         exit",
    );
    assert!(info.max_insns < 8 * GRANTED, "{info:?}");
}

/// Who was refused long ago is known to be so at once.
#[test]
fn a_refusal_is_known_far_behind() {
    let join = |at: usize| {
        format!(
            "r0 = *(u32 *)(r6 +0)
             if r0 > {at} goto join{at}
             r0 = 0
             r0 = 0
             join{at}: r1 = 0
             r1 = 0
             r1 = 0
             r1 = 0
             r1 = 0\n"
        )
    };
    // As many as the profile has room for.
    let many = if cfg!(feature = "cloud-profile") { 1000 } else { 25 };
    let joins = (0..many).map(join).collect::<Vec<_>>().concat();
    let text = format!(
        "r6 = r1
         may_goto out
         r6 = r6
         may_goto mid
         r6 = r6
         mid: {joins}
         may_goto out
         r6 = r6
         out: r0 = 0
         exit"
    );
    let info = SOCKET.accepts(&text);
    assert!(info.processed < 40 * many as u64, "{info:?}");
}
