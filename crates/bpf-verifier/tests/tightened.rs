//! Guesses that go further than any round, and the bounds that follow.

mod common;

use common::SOCKET;

/// The head R6 of a queue follows its tail R7, which `moves`.
fn queue(moves: &str) -> String {
    format!(
        "r6 = 0
         r7 = 1
         again: if r6 >= r7 goto out
         call 7
         {moves}
         r6 += 1
         goto again
         out: r0 = 0
         exit"
    )
}

/// Guesses let the head come as far as the tail does while that has no end yet. What bounds the
/// rounds is how far the head comes in fact: the longest run is not much shorter than the bound.
#[test]
fn what_follows_another_number_ends_where_that_does() {
    // The tail moves up to 64, by one a round; or up to 41, by three or four.
    let by_one = "if r0 s< 0 goto on\nr7 += 1\non: if r7 > 64 goto out";
    let by_three = "if r7 > 40 goto out\nr7 += 3\nif r0 s< 0 goto on\nr7 += 1\non:";
    for (moves, longest, most) in [(by_one, 451, 470), (by_three, 2 + 14 * 7 + 5, 130)] {
        let info = SOCKET.accepts(&queue(moves));
        assert!((longest..=most).contains(&info.max_insns), "{info:?}\n{moves}");
        assert!(info.processed < 200, "{info:?}");
    }
}

/// The guess is made no narrower than what comes back: an access with the head as the index ends
/// at the last byte that the tail allows.
#[test]
fn the_head_comes_as_far_as_the_tail() {
    let access = |last: u32, at: i32| {
        queue(&format!(
            "r1 = 0
             *(u64 *)(r10 -8) = r1
             *(u64 *)(r10 -16) = r1
             r1 = r10
             r1 += {at}
             r1 += r6
             r1 = *(u8 *)(r1 +0)
             if r0 s< 0 goto on
             r7 += 1
             on: if r7 > {last} goto out"
        ))
    };
    // With a tail of up to 15, the head is at 14 at the most, and one byte behind at 15.
    SOCKET.accepts(&access(15, -15));
    SOCKET.rejects("invalid stack access", &access(15, -14));
    SOCKET.rejects("invalid stack access", &access(16, -15));
}

/// A tail that goes far lets the head go as far, and the bound says so.
#[test]
fn a_far_end_is_one() {
    let info =
        SOCKET.accepts(&queue("if r0 s< 0 goto on\nr7 += 1\non: if r7 > 1000000000 goto out"));
    assert!(info.max_insns > 6_999_999_990, "{info:?}");
}
