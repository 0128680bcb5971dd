//! Inner loops that move the number of the loop around them.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::{LOOKUP, SOCKET, XDP, program};

/// Up to 400: an inner loop that goes on with a number for as long as chance says, and moves it by
/// `step`, and what the outer one does `behind` it.
fn nest(step: &str, behind: &str) -> String {
    format!(
        "r6 = 0
         r8 = 0
         outer: r9 = 0
         again: if r6 s> 399 goto past
         call 7
         if r0 == 0 goto past
         {step}
         r9 += 1
         if r9 s< 600 goto again
         past: r9 = 0
         {behind}
         if r6 s< 400 goto outer
         out: r0 = 0
         exit"
    )
}

/// It is not gone round.
#[track_caller]
fn is_summed(text: &str) {
    let info = SOCKET.accepts(text);
    assert!(info.processed < 1_500, "{info:?}");
}

/// It may go on for ever: refused, whatever else is found of it.
#[track_caller]
fn goes_on(text: &str) {
    let program = program(BpfProgType::Xdp, text);
    let verifier = || Verifier::<ActiveProfile>::new().step_limit(20_000);
    assert!(verifier().verify(&program).is_err(), "accepted\n{text}");
    assert!(verifier().compare_everything().verify(&program).is_err(), "accepted\n{text}");
}

#[test]
fn what_an_inner_loop_moves_shows_that_the_outer_one_ends() {
    for (step, behind) in [
        ("r6 += 1", "r6 += 1"),
        ("r6 += 3", "r6 += 2"),
        ("r6 += 1", "r6 += 2\ncall 7\nif r0 == 3 goto on\nr6 += -1\non: r6 += 0"),
        ("call 7\nif r0 == 3 goto on\nr6 += 1\non: r6 += 1", "r6 += 1"),
        // In 32 bits.
        ("w6 += 1", "w6 += 1"),
        ("r6 <<= 32\nr6 >>= 32\nr6 += 1", "r6 += 1"),
        // In another register, and on the stack.
        ("r7 = r6\nr7 += 1\nr6 = r7\nr7 = 0", "r7 = r6\nr7 += 1\nr6 = r7"),
        ("r6 += 1", "*(u64 *)(r10 -8) = r6\nr6 = 0\nr6 = *(u64 *)(r10 -8)\nr6 += 1"),
        ("r6 += 1", "*(u64 *)(r10 -8) = r6\nr6 = *(u64 *)(r10 -8)\nr6 += 1"),
    ] {
        is_summed(&nest(step, behind));
    }
}

/// Where the loop goes round at least once, it moves the number by that much.
#[test]
fn a_first_round_counts() {
    is_summed(
        "r6 = 0
         outer: r7 = r6
         again: r7 += 1
         call 7
         if r0 == 0 goto past
         if r7 s< 400 goto again
         past: r6 = r7
         if r6 s< 400 goto outer
         r0 = 0
         exit",
    );
}

#[test]
fn a_loop_may_be_left_at_once() {
    goes_on(&nest("r6 += 1", "r6 += 0"));
    goes_on(&nest("r6 += 1", "call 7\nif r0 == 3 goto on\nr6 += 1\non: r0 = 0"));
    goes_on(&nest("r6 += 1", "call 7\nif r0 != 3 goto on\nr6 += 1\non: r0 = 0"));
    goes_on(&nest("r6 += 2", "r6 += -1"));
}

/// On some way round the inner loop goes back, or to somewhere else.
#[test]
fn an_inner_loop_may_not_only_go_on() {
    for step in [
        "r6 += -1",
        "call 7\nif r0 == 3 goto on\nr6 += 2\non: r6 += -1",
        "call 7\nif r0 != 3 goto on\nr6 += 2\non: r6 += -1",
        "call 7\nr6 = r0\nr6 &= 255",
        "call 7\nif r0 == 3 goto on\nr6 = r0\nr6 &= 255\non: r6 += 1",
        "call 7\nif r0 != 3 goto on\nr6 = r0\nr6 &= 255\non: r6 += 1",
        "call 7\nif r0 == 3 goto on\nr6 = 5\non: r6 += 1",
        "call 7\nif r0 != 3 goto on\nr6 = 5\non: r6 += 1",
        "r6 ^= 1",
        "r6 >>= 1",
    ] {
        goes_on(&nest(step, "r6 += 1"));
    }
}

/// What is moved comes round to where it was.
#[test]
fn a_number_may_pass_an_end() {
    let nest = |step: &str, behind: &str, more: &str| {
        format!(
            "r6 = 0
             outer: r9 = 0
             again: call 7
             if r0 == 0 goto past
             {step}
             r9 += 1
             if r9 s< 600 goto again
             past: {behind}
             {more} goto outer
             r0 = 0
             exit"
        )
    };
    for (step, behind, more) in [
        ("w6 += 0x7fffffff", "w6 += 2", "if w6 < 1000"),
        ("w6 += 0x7fffffff", "w6 += 2", "if w6 s< 1000"),
        ("r6 <<= 1\nr6 += 1", "r6 += 1", "if r6 s< 1000"),
        ("r6 *= 3", "r6 += 1", "if r6 < 1000"),
    ] {
        goes_on(&nest(step, behind, more));
    }
}

/// In place of what the inner loop has moved the outer one goes on with something else.
#[test]
fn a_number_may_become_another() {
    for behind in [
        "call 7\nr6 = r0\nr6 &= 255\nr6 += 1",
        "call 7\nif r0 == 3 goto on\nr6 = r0\nr6 &= 255\non: r6 += 1",
        "call 7\nif r0 != 3 goto on\nr6 = r0\nr6 &= 255\non: r6 += 1",
        "call 7\nif r0 == 3 goto on\nr6 = r8\non: r6 += 1\nr8 = 7",
        "w6 += 1\nr6 &= 255",
        "*(u64 *)(r10 -8) = r6\n*(u8 *)(r10 -8) = 1\nr6 = *(u64 *)(r10 -8)\nr6 += 1",
    ] {
        goes_on(&nest("r6 += 1", behind));
    }
    let loads = nest("r6 += 1", "r6 = *(u8 *)(r7 +0)\nr6 &= 255");
    goes_on(&format!("{LOOKUP}\nif r0 == 0 goto out\nr7 = r0\n{loads}"));
}

/// An inner loop is come to on two ways, of which one moves the number, and the other does not
/// or has another one.
#[test]
fn an_inner_loop_is_entered_with_less() {
    let nest = |first: &str, cond: &str, behind: &str| {
        format!(
            "r6 = 0
             r8 = 200
             outer: call 7
             r7 = r6
             if r0 {cond} 0 goto less
             more: {first}
             goto on
             less: if r7 == 0 goto more
             on: r9 = 0
             again: if r7 s> 399 goto past
             call 7
             if r0 == 0 goto past
             r7 += 1
             goto again
             past: r9 = 0
             {behind}
             r6 = r7
             if r6 s< 400 goto outer
             r0 = 0
             exit"
        )
    };
    for cond in ["==", "!="] {
        for (first, behind) in
            [("r7 += 1", "r9 = 0"), ("r7 += 2", "r7 += -1"), ("r7 = r8", "r7 += 1")]
        {
            goes_on(&nest(first, cond, behind));
        }
    }
}

/// Behind the inner loop ways meet, of which one has moved the number further.
#[test]
fn ways_meet_behind_an_inner_loop() {
    for cond in ["==", "!="] {
        let meet = |more: &str, last: &str| {
            let work = "r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\n";
            let fork = format!(
                "if r6 s< 4 goto out\ncall 7\nif r0 {cond} 3 goto on\n{more}\non: {work}{work}"
            );
            format!("{fork}call 7\nif r0 == 0 goto there\nr8 ^= 1\nthere: {work}{last}")
        };
        is_summed(&nest("r6 += 1", &meet("r6 += 1", "r6 += 1")));
        goes_on(&nest("r6 += 1", &meet("r6 += 1", "r6 += 0")));
        goes_on(&nest("r6 += 1", &meet("r6 = 3", "r6 += 1")));
        goes_on(&nest("r6 += 1", &meet("r6 >>= 1", "r6 += 1")));
        goes_on(&nest("r6 += 1", &meet("r6 = r8", "r6 += 1")));
        goes_on(&nest("r6 += 1", &meet("w6 = -w6\nr6 &= 255", "r6 += 1")));
        // The same on the stack.
        let keep = |more: &str, last: &str| {
            let keep = "*(u64 *)(r10 -8) = r6\nr6 = 0";
            let got = "r6 = *(u64 *)(r10 -8)";
            meet(&format!("{more}\non2: r0 = 0"), &format!("{got}\n{last}")).replacen(
                "call 7",
                &format!("{keep}\ncall 7"),
                1,
            )
        };
        let more = "r1 = *(u64 *)(r10 -8)\nr1 += 1\n*(u64 *)(r10 -8) = r1";
        is_summed(&nest("r6 += 1", &keep(more, "r6 += 1")));
        goes_on(&nest("r6 += 1", &keep(more, "r6 += 0")));
        let less = "r1 = 7\n*(u32 *)(r10 -8) = r1";
        goes_on(&nest("r6 += 1", &keep(less, "r6 += 1")));
    }
}

/// An inner loop that goes down while the outer one goes up, and the other way round.
#[test]
fn loops_go_in_two_directions() {
    let nest = |step: &str, behind: i32| {
        format!(
            "r6 = 200
             outer: r9 = 0
             again: if r6 s> 399 goto out
             if r6 s< 1 goto out
             call 7
             if r0 == 0 goto past
             {step}
             r9 += 1
             if r9 s< 600 goto again
             past: r6 += {behind}
             if r6 s> 399 goto out
             if r6 s< 1 goto out
             goto outer
             out: r0 = 0
             exit"
        )
    };
    is_summed(&nest("r6 += 1", 1));
    is_summed(&nest("r6 += -1", -1));
    is_summed(&nest("r6 += -1", -2));
    goes_on(&nest("r6 += 1", -1));
    goes_on(&nest("r6 += -1", 1));
    goes_on(&nest("r6 += -2", 1));
    goes_on(&nest("r6 += -1", 0));
    for cond in ["==", "!="] {
        let both = format!("call 7\nif r0 {cond} 3 goto on\nr6 += 2\non: r6 += -1");
        goes_on(&nest(&both, -1));
        goes_on(&nest(&both, -2));
        goes_on(&nest(&both, 1));
    }
}

/// What held when the inner loop was come to first does not hold later.
#[test]
fn a_loop_moves_the_number_in_another_direction_later() {
    let nest = |cond: &str, other: &str| {
        format!(
            "r6 = 0
             outer: r9 = 0
             r8 = 1
             call 7
             if r0 {cond} 0 goto again
             r8 = 0
             again: if r6 s> 399 goto out
             if r6 s< 0 goto out
             call 7
             if r0 == 0 goto past
             if r8 == 1 goto up
             {other}
             goto on
             up: r6 += 1
             on: r9 += 1
             if r9 s< 600 goto again
             past: r6 += 3
             goto outer
             out: r0 = 0
             exit"
        )
    };
    for cond in ["==", "!="] {
        is_summed(&nest(cond, "r6 += 1"));
        is_summed(&nest(cond, "r6 += 2"));
        goes_on(&nest(cond, "r6 += -1"));
        goes_on(&nest(cond, "r6 += -2"));
        goes_on(&nest(cond, "if r6 s< 9 goto on\nr6 += -1"));
        goes_on(&nest(cond, "if r6 s< 9 goto on\nr6 += -2"));
        goes_on(&nest(cond, "r6 &= 7"));
        goes_on(&nest(cond, "r6 = 7"));
    }
}

/// The inner loop is a function's.
#[test]
fn a_function_moves_the_number() {
    let nest = |before: &str, step: &str, behind: &str| {
        format!(
            "r6 = 0
             outer: r1 = r6
             call skip
             r6 = r0
             {behind}
             if r6 s< 400 goto outer
             r0 = 0
             exit
             skip: r6 = r1
             {before}
             again: if r6 s> 399 goto past
             call 7
             if r0 == 0 goto past
             {step}
             if r6 s> -1 goto again
             past: r0 = r6
             exit"
        )
    };
    is_summed(&nest("r7 = 0", "r6 += 1", "r6 += 1"));
    goes_on(&nest("r7 = 0", "r6 += 1", "r6 += 0"));
    goes_on(&nest("r6 += -1", "r6 += 1", "r6 += 1"));
    goes_on(&nest("r6 = 0", "r6 += 1", "r6 += 1"));
    goes_on(&nest("r6 &= 127", "r6 += 1", "r6 += 1"));
    goes_on(&nest("r7 = 0", "r6 += -1", "r6 += 1"));
}

/// Three of them in each other.
#[test]
fn the_innermost_loop_moves_the_number_of_the_outermost() {
    let nest = |step: &str, between: &str, behind: &str| {
        format!(
            "r6 = 0
             outer: r9 = 0
             between: r9 = 0
             again: if r6 s> 399 goto past
             call 7
             if r0 == 0 goto on
             {step}
             goto again
             on: {between}
             call 7
             if r0 != 0 goto between
             past: {behind}
             if r6 s< 400 goto outer
             r0 = 0
             exit"
        )
    };
    is_summed(&nest("r6 += 1", "r6 += 1", "r6 += 1"));
    goes_on(&nest("r6 += 1", "r6 += 0", "r6 += 1"));
    is_summed(&nest("r6 += 1", "r6 += 1", "r6 += 0"));
    goes_on(&nest("r6 += 1", "r6 += 1", "r6 += -1"));
}

/// An index into a packet, of which each byte is asked for.
#[test]
fn a_packet_is_cut_into_words() {
    let nest = |behind: &str| {
        format!(
            "r2 = *(u32 *)(r1 +0)
             r3 = *(u32 *)(r1 +4)
             r6 = 0
             outer: r9 = 0
             again: if r6 > 499 goto past
             r4 = r2
             r4 += r6
             r5 = r4
             r5 += 1
             if r5 > r3 goto out
             r5 = *(u8 *)(r4 +0)
             if r5 == 32 goto past
             r6 += 1
             goto again
             past: {behind}
             if r6 < 500 goto outer
             out: r0 = 1
             exit"
        )
    };
    let info = XDP.accepts(&nest("r6 += 1"));
    assert!(info.processed < 1_500, "{info:?}");
    goes_on(&nest("r6 += 0"));
}

/// Two inner loops, one up and one down; a number that is what it was; sums that wrap.
#[test]
fn what_comes_back_shows_no_progress() {
    let two = |first: &str, second: &str, behind: &str| {
        format!(
            "r6 = 200
             outer: r9 = 0
             one: if r6 s> 399 goto out
             if r6 s< 1 goto out
             call 7
             if r0 == 0 goto on
             {first}
             goto one
             on: r9 = 0
             two: if r6 s> 399 goto out
             if r6 s< 1 goto out
             call 7
             if r0 == 0 goto past
             {second}
             goto two
             past: {behind}
             goto outer
             out: r0 = 0
             exit"
        )
    };
    is_summed(&two("r6 += 1", "r6 += 1", "r6 += 1"));
    goes_on(&two("r6 += 1", "r6 += 1", "r6 += 0"));
    for behind in ["r6 += 1", "r6 += 0", "r6 += -1"] {
        goes_on(&two("r6 += 1", "r6 += -1", behind));
        goes_on(&two("r6 += -1", "r6 += 1", behind));
    }
    // What it was saved as before the inner loop.
    let saved = "call 7\nr6 += 1\nif r0 == 2 goto on\nr6 = r8\non: r8 = r6";
    goes_on(&nest("r6 += 1", saved));
    goes_on(
        &nest("r6 += 0x1000000\nr6 = (s32)r6", "r6 += 1\nr6 = (s32)r6")
            .replace("399", "0x7ffffff0"),
    );
}
