//! Loops whose rounds depend on the round of the loop around them: the bound beside the
//! longest run.

mod common;
#[path = "common/concrete.rs"]
mod concrete;
#[path = "bounds/machine.rs"]
mod machine;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::Verifier;
use common::program;
use machine::Machine;

/// Instructions of the longest run, and the bound; none, where proving one takes long.
fn runs(text: &str) -> Option<(u64, u64)> {
    let program = program(BpfProgType::Xdp, text);
    let verified = Verifier::<ActiveProfile>::new().step_limit(40_000).verify_program(&program);
    let bound = verified.ok()?.info().max_insns;
    let longest = Machine::new(&program, 0).longest().expect("not too many runs");
    assert!(longest <= bound, "{longest} instructions, the bound is {bound}\n{text}");
    Some((longest, bound))
}

/// R6 goes from 1 to 39, once for each of these bodies.
fn outer(body: &str) -> String {
    format!(
        "r6 = 0\nouter: r6 += 1\nif r6 == 40 goto out\n{body}
         goto outer
         out: r0 = 0\nexit"
    )
}

/// The bound is no more than a twentieth above the longest run.
#[track_caller]
fn is_tight(text: &str) {
    let (longest, bound) = runs(text).expect(text);
    assert!(
        bound <= longest + longest / 20,
        "{longest} instructions, the bound is {bound}\n{text}"
    );
}

const DOWN: &str = "r7 = r6\ninner: r7 += -1\nif r7 != 0 goto inner";
const REST: &str = "r7 = r6\ninner: r7 += 1\nif r7 < 41 goto inner";
const SLOT: &str = "*(u64 *)(r10 -8) = r6\ninner: r7 = *(u64 *)(r10 -8)\nr7 += -1
     *(u64 *)(r10 -8) = r7\nif r7 != 0 goto inner";

#[test]
fn it_begins_at_the_outer_number() {
    for body in [
        DOWN,
        REST,
        SLOT,
        "r7 = r6\nr7 += 5\ninner: r7 += -1\nif r7 s> 3 goto inner",
        "r7 = r6\nr7 += -1\ninner: r7 += 3\nif r7 s< 90 goto inner",
        "r7 = r6\ninner: if r7 == 0 goto on\nr7 += -1\ngoto inner\non: r0 = 0",
        // It may end sooner.
        "r7 = r6\ninner: r7 += -1\nif r7 == 0 goto on\ncall 7\nif r0 != 0 goto inner\non: r0 = 0",
    ] {
        is_tight(&outer(body));
    }
    // The outer one counts down, in larger steps, begins anywhere, and ends at the bottom.
    let other = |first: &str, step: &str, end: &str, body: &str| {
        format!("{first}\nouter: {end}\n{body}\n{step}\ngoto outer\nout: r0 = 0\nexit")
    };
    is_tight(&other("r6 = 50", "r6 += -1", "if r6 == 0 goto out", DOWN));
    is_tight(&other("r6 = 1", "r6 += 3", "if r6 s> 80 goto out", DOWN));
    is_tight(&other("call 7\nr6 = r0\nr6 &= 3\nr6 += 1", "r6 += 1", "if r6 > 60 goto out", DOWN));
    is_tight(&format!("r6 = 0\nouter: r6 += 1\n{DOWN}\nif r6 < 39 goto outer\nr0 = 0\nexit"));
    is_tight(&(outer("r1 = r6\ncall local f") + &format!("\nf: r6 = r1\n{DOWN}\nr0 = 0\nexit")));
    // One behind the other, and one in the other's loop around.
    is_tight(&outer(&format!("{REST}\n{}", DOWN.replace("inner", "other"))));
    is_tight(&format!(
        "r8 = 0\nfirst: r8 += 1\nif r8 == 9 goto end\nr6 = r8\nouter: r6 += 1
         if r6 > 39 goto first\n{DOWN}\ngoto outer\nend: r0 = 0\nexit"
    ));
}

/// Each of these is just within the bound, if that counts all that may happen.
#[test]
fn nothing_is_left_out() {
    let far = "r7 = r6\ninner: r7 += 1\nif r7 < 400 goto inner";
    for text in [
        // The outer loop comes to the inner one once more than it goes round.
        format!("r6 = 0\nouter: r6 += 1\n{far}\nif r6 < 20 goto outer\nr0 = 0\nexit"),
        // Its number goes on by one, or by five.
        "r6 = 0\nouter: if r6 > 200 goto out\nr7 = r6\nr7 += 1\ninner: r7 += -1
         if r7 != 0 goto inner\ncall 7\nif r0 == 0 goto one\nr6 += 4\ngoto outer
         one: r6 += 1\ngoto outer\nout: r0 = 0\nexit"
            .to_owned(),
        // So does the inner one's.
        outer(
            "call 7\nr7 = r6\ninner: r7 += -1\nif r7 s< 1 goto on\ncall 7\nif r0 == 0 goto inner
             r7 += -4\nif r7 s> 0 goto inner\non: r0 = 0",
        ),
    ] {
        assert!(runs(&text).is_some(), "{text}");
    }
    // There are more inner loops than are counted so.
    let one = |label: &str| DOWN.replace("inner", label);
    let three = outer(&format!("{}\n{}\n{}", one("a"), one("b"), one("c")));
    assert!(runs(&three).is_some());
    // No two outer numbers are the same, but what the inner loop begins with is.
    for body in [
        "call 7\nr0 &= 3\nr7 = r6\nr7 += r0\nif r7 > 30 goto outer\n
         inner: r7 += -1\nif r7 s> 0 goto inner",
        "call 7\nr7 = r6\nr7 &= 28\nr7 += r0\ninner: r7 += -1\nif r7 s> 0 goto inner",
        "r7 = r6\nr7 >>= 1\ninner: r7 += -1\nif r7 s> 0 goto inner",
    ] {
        assert!(runs(&outer(body)).is_some(), "{body}");
    }
    let half = "r6 = 0\nr1 = 64\nr1 <<= 30\nouter: r2 = 0x40000000\nr6 += r2\nif r6 s> r1 goto out\nw7 = w6
         inner: r7 += -0x10000000\nif r7 s> 0 goto inner\ngoto outer\nout: r0 = 0\nexit";
    assert!(runs(half).is_some());
    // Another number goes further in each round; and the number comes again.
    let beside = "r8 = 0\nr6 = 0\nouter: r6 += 4\nif r6 s> 400 goto out\nr8 += 1\nif r8 == 40 goto out\nr7 = r8
         inner: r7 += -1\nif r7 != 0 goto inner\ngoto outer\nout: r0 = r6\nr0 = 0\nexit";
    let again = "r9 = 0\nr6 = 31\nouter: r9 += 1\nif r9 == 30 goto out\nr7 = r6
         inner: r7 += -1\nif r7 s> 0 goto inner\ncall 7\nr6 = r0\nr6 &= 3\nr6 += 28\ngoto outer
         out: r0 = 0\nexit";
    // Either goes to and fro, and something else ends it.
    let to_and_fro =
        "r9 = 0\nr6 = 30\nouter: r9 += 1\nif r9 == 40 goto out\ncall 7\nif r0 == 0 goto less
         r6 += 1\ngoto on\nless: r6 += -1\non: if r6 s> 40 goto out\nif r6 s< 20 goto out\nr7 = r6
         inner: r7 += -1\nif r7 != 0 goto inner\ngoto outer\nout: r0 = 0\nexit";
    let inside = "r6 = 0\nouter: r6 += 1\nif r6 == 14 goto out\nr7 = r6\nr8 = 0
         inner: r8 += 1\nif r8 == 40 goto outer\ncall 7\nif r0 == 0 goto less
         r7 += 1\ngoto on\nless: r7 += -1\non: if r7 s> 20 goto outer\nif r7 s< 0 goto outer
         goto inner\nout: r0 = 0\nexit";
    for text in [beside, again, to_and_fro, inside] {
        assert!(runs(text).is_some(), "{text}");
    }
    // Three loops in each other, where the outer two take long beside.
    for beside in [0, 9, 99, 220] {
        let more = "r0 = 1\n".repeat(beside);
        let inner = DOWN.replace("r7", "r8").replace("r6", "r7");
        let body = format!(
            "r7 = r6\nr7 += 1\nmiddle: r7 += -1\nif r7 == 0 goto on\n{inner}\ngoto middle\non: r0 = 0\n{more}"
        );
        assert!(runs(&outer(&body)).is_some(), "{body}");
    }
    // The middle one has triangles itself, and beside it there is much that might pay for them.
    for rounds in [300, 600, 900, 2000] {
        let body = format!(
            "r1 = {rounds}\nwork: r1 += -1\nif r1 != 0 goto work\nr7 = r6\nr7 += 1
             middle: r7 += -1\nif r7 == 0 goto on\nr8 = r7
             inner: r8 += -1\nif r8 != 0 goto inner\ngoto middle\non: r0 = 0"
        );
        assert!(runs(&outer(&body)).is_some(), "{body}");
    }
    // Some way round leads past the inner loop, through another one, or to it by another number,
    // and takes longer; it is found before the inner loop or behind it.
    let long = "r0 = 1\n".repeat(70);
    let far = "r7 = 70\nfar: r7 += -1\nif r7 != 0 goto far";
    // States are kept in front of it.
    let joined = format!(
        "r1 = 0\nr2 = 0\nr3 = 0\nr0 = 0\ncall 7\nif r0 == 9 goto out\nif r6 == 77 goto join\nr1 = 1
         join: r2 = 0\n{DOWN}"
    );
    for way in [long.as_str(), far] {
        for (one, other) in [(DOWN, way), (way, DOWN), (&joined, way), (way, &joined)] {
            let ways = format!("if r0 == 0 goto other\n{one}\ngoto outer\nother: {other}");
            assert!(runs(&outer(&format!("call 7\n{ways}"))).is_some(), "{ways}");
        }
    }
    for (one, other) in [("r7 = r6", "r7 = 39"), ("r7 = 39", "r7 = r6")] {
        let ways = format!("{one}\nif r0 == 0 goto inner\n{other}");
        let body = format!("call 7\n{ways}\ninner: r7 += -1\nif r7 s> 0 goto inner");
        assert!(runs(&outer(&body)).is_some(), "{body}");
    }
    // The loop is come to on another way, which takes longer, and is the same or another one:
    // R9 matters behind it, but not where the program ends in it.
    let ways = |second: &str, rounds: u32, last: &str, body: &str| {
        format!(
            "r8 = 0\nr6 = 0\nr9 = 1\ncall 7\nif r0 == 0 goto slow\ngoto outer\nslow: r1 = 0
             work: r1 += 1\nif r1 < {rounds} goto work\nr9 = {second}\nr6 = 0
             outer: r6 += 1\nif r6 {last} goto out\n{body}\nout: r0 = r9\nr0 = 0\nexit"
        )
    };
    // It goes round only where R8 is what it never is.
    let ends = format!(
        "call 7\nif r0 != 0 goto outer\ncall 7\nif r0 == 0 goto in\nr0 = 1
         in: r0 = 0\nr1 = 0\nr2 = 0\nr3 = 0\n{DOWN}\nif r8 == 5 goto outer\nr0 = 0\nexit"
    );
    let goes_round = format!("{DOWN}\ngoto outer");
    for text in [
        ways("1", 99, "== 40", &goes_round),
        ways("r10", 99, "== 40", &goes_round),
        ways("1", 30_000, "> 200", &ends),
        ways("r10", 30_000, "> 200", &ends),
    ] {
        assert!(runs(&text).is_some(), "{text}");
    }
}

/// What looks the same, and is not.
#[test]
fn no_run_is_longer_where_more_is_possible() {
    let mut accepted = 0;
    let mut runs = |text: &str| accepted += u32::from(self::runs(text).is_some());
    // The inner loop is come to twice in a round of the outer one, or any number of times.
    let twice =
        |inner: &str| outer(&format!("r8 = 0\nagain: {inner}\nr8 += 1\nif r8 != 2 goto again"));
    let asked = |inner: &str| {
        let it = "r1 = r10\nr1 += -16";
        outer(&format!(
            "{it}\nr2 = 0\nr3 = 5\ncall kfunc 1\nagain: {it}\ncall kfunc 2\nif r0 == 0 goto over
             {inner}\ngoto again\nover: {it}\ncall kfunc 3"
        ))
    };
    let chance = |inner: &str| {
        outer(&format!(
            "r8 = 0\nagain: {inner}\ncall 7\nr8 += 1\nif r8 > 3 goto on\nif r0 != 1 goto again\non: r0 = 0"
        ))
    };
    for inner in [DOWN, REST, SLOT] {
        runs(&twice(inner));
        runs(&asked(inner));
        runs(&chance(inner));
    }
    // Two ways lead there, and one has another number.
    for (start, rest) in [
        ("r7 = 0", "r7 += 1\nif r7 < r6 goto in"),
        ("r7 = r6", "r7 += -1\nif r7 s> 0 goto in"),
        ("r7 = r6", "r7 += 1\nif r7 < 41 goto in"),
    ] {
        for from in ["r7 = 39", "r7 = 1", "r7 = 0", "r7 = r6\nr7 += 5\nr7 &= 31"] {
            for (one, other) in [(start, from), (from, start)] {
                runs(&outer(&format!("call 7\n{one}\nif r0 == 0 goto in\n{other}\nin: {rest}")));
            }
        }
    }
    // A function is called twice, or by a helper, in a round of the outer loop.
    for inner in [DOWN, REST, SLOT] {
        let text = |call: &str, number: &str| {
            outer(call) + &format!("\nf: {number}\n{inner}\nr0 = 0\nexit")
        };
        runs(&text("r1 = r6\ncall local f\nr1 = r6\ncall local f", "r6 = r1"));
        let helper = "*(u64 *)(r10 -8) = r6\nr1 = 3\nr2 = subprog[f] ll\nr3 = r10\nr3 += -8
             r4 = 0\ncall 181";
        runs(&text(helper, "r6 = *(u64 *)(r2 +0)"));
    }
    for body in [
        // Some way round is not compared.
        "r7 = 0\ninner: r7 += 1\ncall 7\nif r7 > 44 goto on\nif r0 == 0 goto inner\nif r7 < r6 goto inner\non: r0 = 0",
        // What it is compared with goes on, too.
        "r7 = 0\nr8 = r6\ninner: r7 += 1\nif r8 > 60 goto on\nr8 += 1\ncall 7\nif r0 == 0 goto inner\nif r7 < r8 goto inner\non: r0 = 0",
        // It is another number than the outer one.
        "r8 = r6\nr8 ^= 63\nr7 = 0\ninner: r7 += 1\nif r7 < r8 goto inner",
    ] {
        runs(&outer(body));
    }
    // The outer number comes to the same value again.
    let text = "r6 = 5\nr9 = 0\nouter: r9 += 1\nif r9 == 20 goto out\nr6 = 9\nr7 = 0
         inner: r7 += 1\nif r7 < r6 goto inner\nr6 += 1\ngoto outer\nout: r0 = 0\nexit";
    runs(text);
    assert!(accepted > 20, "{accepted} of them have a bound");
}
