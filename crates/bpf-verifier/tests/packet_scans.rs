//! Loops through a packet in which addresses are made anew from its start and a counter.

mod common;

use common::{PACKET, XDP};

/// A scan of at most 400 bytes: the packet's start is in R2, its end in R3, a counter in R6.
fn scan(entry: &str, round: &str) -> String {
    format!(
        "{PACKET}
         r6 = 0
         {entry}
         again:
         {round}
         r6 += 1
         if r6 < 400 goto again
         out:
         r0 = 0
         exit"
    )
}

/// An address of what lies `off` bytes behind the counter, in R4.
fn at(off: i32) -> String {
    format!("r4 = r2\nr4 += r6\nr4 += {off}")
}

/// So many bytes behind the counter are there.
fn proven(bytes: i32) -> String {
    format!("{}\nif r4 > r3 goto out", at(bytes))
}

fn accepts(text: &str) {
    let info = XDP.accepts(text);
    assert!(info.processed < 200, "{info:?}\n{text}");
}

#[test]
fn an_address_is_made_twice_in_a_round() {
    let twice = |bytes: i32, off: i32| {
        let load = format!("{}\nr5 = *(u8 *)(r4 +0)", at(off));
        let first = format!("{}\nr5 = *(u8 *)(r4 +0)", at(0));
        scan("", &format!("{}\n{first}\n{load}", proven(bytes)))
    };
    for bytes in 1..5 {
        for off in 0..bytes {
            accepts(&twice(bytes, off));
        }
        XDP.rejects("access to packet", &twice(bytes, bytes));
    }
}

/// Bytes are proven for the next round, and for the first one in front of the loop.
#[test]
fn the_round_before_proves() {
    let ahead = |entry: i32, bytes: i32| {
        let entry = format!("r4 = r2\nr4 += {entry}\nif r4 > r3 goto out");
        let round = format!("{}\nr5 = *(u8 *)(r4 +0)\n{}", at(0), proven(bytes));
        scan(&entry, &round)
    };
    accepts(&ahead(1, 2));
    accepts(&ahead(7, 2));
    accepts(&ahead(1, 9));
    XDP.rejects("access to packet", &ahead(0, 2));
    XDP.rejects("access to packet", &ahead(1, 1));
}

#[test]
fn what_is_proven_on_one_way_alone_is_not() {
    let round = |other: &str| {
        format!(
            "r5 = *(u32 *)(r1 +16)
             if r5 == 7 goto other
             {}
             goto both
             other:
             {other}
             both:
             {}
             r5 = *(u8 *)(r4 +0)",
            proven(1),
            at(0)
        )
    };
    accepts(&scan("", &round(&proven(1))));
    accepts(&scan("", &round(&proven(3))));
    XDP.rejects("access to packet", &scan("", &round("r5 = 0")));
    XDP.rejects("access to packet", &scan("", &round(&proven(1).replace("r6", "r5"))));
}

/// Another number than the one that is proven: it went on, or was never that.
#[test]
fn another_number() {
    let after = |change: &str| {
        scan("", &format!("{}\n{change}\n{}\nr5 = *(u8 *)(r4 +0)", proven(4), at(0)))
    };
    accepts(&after("r6 += 3"));
    accepts(&after("r7 = r6\nr6 = r7\nr6 += 2"));
    accepts(&after("*(u64 *)(r10 -8) = r6\nr6 = 0\nr6 = *(u64 *)(r10 -8)"));
    accepts(&after("w6 = w6\nr6 += 1\nw6 = w6"));
    for change in [
        "r6 += 4",
        "r6 <<= 1",
        "r6 *= 3",
        "r6 ^= 1\nr6 += 3",
        "r7 = *(u32 *)(r1 +16)\nr7 &= 7\nr6 += r7",
    ] {
        XDP.rejects("access to packet", &after(change));
    }
}

/// The last of so many bytes, the one before that, and so on.
#[test]
fn backwards() {
    let back = |bytes: i32, off: i32| {
        format!(
            "{PACKET}
             r6 = 0
             again:
             r4 = r2
             r4 += r6
             r5 = r4
             r5 += {bytes}
             if r5 > r3 goto next
             r0 = *(u8 *)(r4 +{off})
             next:
             r6 += -1
             if r6 != -300 goto again
             r0 = 0
             exit"
        )
    };
    accepts(&back(300, 299));
    XDP.rejects("access to packet", &back(300, 300));
    XDP.rejects("access to packet", &back(300, 298));
}

/// A packet that moved has other bytes, wherever a number says that they are there.
#[test]
fn a_packet_that_moves() {
    let moved = |again: &str| {
        scan(
            "r9 = r1",
            &format!(
                "{}
                 r1 = r9
                 r2 = 0
                 call 44
                 r1 = r9
                 r2 = *(u32 *)(r1 +0)
                 r3 = *(u32 *)(r1 +4)
                 {again}
                 {}
                 r5 = *(u8 *)(r4 +0)",
                proven(1),
                at(0)
            ),
        )
    };
    XDP.accepts(&moved(&proven(1)));
    XDP.rejects("access to packet", &moved(""));
}

/// An address with the counter's name is not the one that was proven in front of the loop: it is
/// made anew behind a helper that moves the packet.
#[test]
fn an_address_made_anew_does_not_carry_what_was_proven() {
    let carried = |moves: &str, made: &str| {
        scan(
            "r9 = r1\nr5 = r2\nr5 += 400\nif r5 > r3 goto out\nr4 = r2",
            &format!("r0 = *(u8 *)(r4 +0)\n{moves}\n{made}\nr4 += 1"),
        )
    };
    let moves = "r1 = r9\nr2 = 20\ncall 44\nr1 = r9\nr2 = *(u32 *)(r1 +0)";
    let sometimes = format!("r5 = *(u32 *)(r9 +16)\nif r5 == 7 goto stays\n{moves}\nstays:");
    let anew = "r4 = r2\nr4 += r6";
    accepts(&carried("", ""));
    accepts(&carried("", anew));
    for moves in [moves, &sometimes] {
        XDP.rejects("access to packet", &carried(moves, anew));
        XDP.rejects("access to packet", &carried(moves, &format!("r7 = 0\n{anew}\nr4 += r7")));
    }
}

/// An inner loop that begins where the outer one is knows how much was proven there, and needs
/// nothing of it: what is left of that, one byte less in each round, is no reason to guess anew.
#[test]
fn what_is_proven_in_front_of_an_inner_loop_is_of_no_use_in_it() {
    let inner = |inside: &str| {
        scan(
            "r9 = r1",
            &format!(
                "{}
                 r7 = r6
                 inner:
                 r0 = *(u32 *)(r9 +16)
                 if r0 == 7 goto next
                 {inside}
                 next:
                 r7 += 1
                 if r7 < 1000 goto inner",
                proven(40)
            ),
        )
    };
    accepts(&inner("r0 = 0"));
    accepts(&inner(
        "r4 = r2\nr4 += r7\nr5 = r4\nr5 += 1\nif r5 > r3 goto out\nr0 = *(u8 *)(r4 +0)",
    ));
    XDP.rejects("access to packet", &inner("r4 = r2\nr4 += r7\nr0 = *(u8 *)(r4 +0)"));
}

/// What follows from what was proven in front of the loop rests on that, wherever the start lies
/// of which it was proven, and whatever of it the loop reads: another way that comes there proved
/// less.
#[test]
fn what_is_proven_in_front_of_the_loop_is_on_every_way() {
    let ways = |[first, second]: [i32; 2], keeps: &str, read: &str| {
        format!(
            "r9 = r1
             {PACKET}
             *(u64 *)(r10 -8) = r2
             r0 = *(u32 *)(r1 +16)
             if r0 == 7 goto second
             r4 = r2
             r4 += {first}
             if r4 > r3 goto out
             goto both
             second:
             r4 = r2
             r4 += {second}
             if r4 > r3 goto out
             both:
             r0 = 0
             r4 = 0
             {keeps}
             r6 = 0
             again:
             r2 = *(u32 *)(r9 +0)
             {}
             r0 = *(u8 *)(r4 +3)
             {}
             r6 += 1
             if r6 < 400 goto again
             {read}
             out:
             r0 = 0
             exit",
            at(0),
            proven(5)
        )
    };
    let places = [("", ""), ("", "r0 = *(u64 *)(r10 -8)"), ("r8 = r2", "r0 = r8"), ("r8 = r2", "")];
    for (keeps, read) in places {
        for proven in [[4, 3], [3, 4], [4, 0], [6, 2]] {
            XDP.rejects("access to packet", &ways(proven, keeps, read));
        }
    }
    for proven in [[4, 4], [4, 6]] {
        accepts(&ways(proven, "r8 = r2", "r0 = r8"));
    }
}
