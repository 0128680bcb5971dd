//! Helpers and instructions that work on packets.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_interp::{BpfContext, BpfResult, Environment, Fault};
use common::{fault, memory_fault, minus, run_in, run_on};

/// `-EFAULT` and `-EINVAL` in R0.
const EFAULT: u64 = minus(14);
const EINVAL: u64 = minus(22);

fn xdp(text: &str, context: &BpfContext<'_>) -> BpfResult {
    run_in(Environment::new(), BpfProgType::Xdp, &[], text, context)
}

#[test]
fn legacy_loads_are_big_endian_and_end_the_function_beyond_the_packet() {
    let load = |text: &str| {
        let mut packet = [0x11, 0x22, 0x33, 0x44, 0x85];
        run_on(&format!("r6 = r1\nr0 = 7\nr2 = 1\n{text}\nexit"), &BpfContext::socket(&mut packet))
    };
    assert_eq!(load("r0 = *(u8 *)skb[4]"), Ok(0x85));
    assert_eq!(load("r0 = *(u16 *)skb[1]"), Ok(0x2233));
    assert_eq!(load("r0 = *(u32 *)skb[1]"), Ok(0x2233_4485));
    assert_eq!(load("r0 = *(u32 *)skb[r2 +0]"), Ok(0x2233_4485));
    assert_eq!(load("r0 = *(u8 *)skb[r2 -1]"), Ok(0x11));
    // The register's low half counts.
    assert_eq!(load("r2 = 0xff00000002 ll\nr0 = *(u8 *)skb[r2 +1]"), Ok(0x44));
    for beyond in [
        "r0 = *(u32 *)skb[2]",
        "r0 = *(u8 *)skb[5]",
        "r0 = *(u8 *)skb[-1]",
        "r0 = *(u8 *)skb[0x7fffffff]",
        "r0 = *(u16 *)skb[r2 +3]",
        "r2 = 0x7fffffff\nr0 = *(u8 *)skb[r2 +1]",
    ] {
        assert_eq!(load(&format!("{beyond}\nr0 = 7")), Ok(0), "{beyond}");
    }
    // In a function it is the function that ends.
    assert_eq!(load("call f\nr0 += 9\nexit\nf: r0 = *(u8 *)skb[99]\nr0 = 7"), Ok(9));
    assert_eq!(load("call f\nr0 += 9\nexit\nf: r0 = *(u8 *)skb[0]"), Ok(0x1a));
    assert_eq!(common::run("r0 = 5\nr0 = *(u8 *)skb[0]\nr0 = 5\nexit"), Ok(0));
}

#[test]
fn legacy_loads_from_the_headers() {
    // A link-layer header of two bytes, then a network header, the packet from
    // there on.
    let run = |headers: Option<(usize, usize)>, text: &str| {
        let mut buffer = [0xaa, 0xbb, 0x11, 0x22, 0x33, 0x44];
        let mut context = BpfContext::sk_buff(&mut buffer, 2..6).unwrap();
        if let Some((link, network)) = headers {
            context = context.with_headers(link, network).unwrap();
        }
        run_on(&format!("r6 = r1\n{text}\nexit"), &context)
    };
    let load = |text: &str| run(Some((0, 2)), text);
    assert_eq!(load("r0 = *(u8 *)skb[-0x100000]"), Ok(0x11));
    assert_eq!(load("r0 = *(u32 *)skb[-0x100000]"), Ok(0x1122_3344));
    assert_eq!(load("r0 = *(u16 *)skb[-0xffffe]"), Ok(0x3344));
    assert_eq!(load("r2 = -0xfffff\nr0 = *(u8 *)skb[r2 +1]"), Ok(0x33));
    assert_eq!(load("r0 = *(u32 *)skb[-0x200000]"), Ok(0xaabb_1122));
    assert_eq!(load("r0 = *(u8 *)skb[-0x1ffffb]"), Ok(0x44));
    for beyond in [
        "r0 = *(u8 *)skb[-1]",
        "r0 = *(u32 *)skb[-0xfffff]",
        "r0 = *(u8 *)skb[-0x1ffffa]",
        "r0 = *(u8 *)skb[-0x100001]",
        "r0 = *(u8 *)skb[-0x200001]",
        "r0 = *(u8 *)skb[-0x80000000]",
    ] {
        assert_eq!(load(&format!("{beyond}\nr0 = 7")), Ok(0), "{beyond}");
    }
    // Unless said otherwise there are fourteen bytes of Ethernet.
    assert_eq!(run(None, "r0 = *(u8 *)skb[-0x200000]"), Ok(0x11));
    assert_eq!(run(None, "r0 = *(u8 *)skb[-0x100000]\nr0 = 7"), Ok(0));
    let mut packet = [7; 20];
    assert!(BpfContext::socket(&mut packet).with_headers(3, 2).is_err());
    assert!(BpfContext::socket(&mut packet).with_headers(0, 21).is_err());
}

#[test]
fn skb_load_bytes() {
    let load = |offset: &str, len: &str| {
        let mut packet = *b"0123456789";
        let text = format!(
            "*(u64 *)(r10 -8) = -1
            r2 = {offset}
            r3 = r10
            r3 += -8
            r4 = {len}
            call 26
            r7 = *(u64 *)(r10 -8)
            r7 = be64 r7
            if r0 == 0 goto +1
            exit
            r0 = r7
            exit"
        );
        run_on(&text, &BpfContext::socket(&mut packet))
    };
    assert_eq!(load("2", "8"), Ok(u64::from_be_bytes(*b"23456789")));
    assert_eq!(load("8", "2"), Ok(0x3839_ffff_ffff_ffff));
    assert_eq!(load("3", "8"), Ok(EFAULT));
    assert_eq!(load("-1", "1"), Ok(EFAULT));
    assert_eq!(load("10", "0"), Ok(u64::MAX));
}

#[test]
fn skb_load_bytes_zeroes_what_it_could_not_load() {
    let mut packet = [1; 4];
    let text = "*(u64 *)(r10 -8) = -1
        r2 = 1
        r3 = r10
        r3 += -8
        r4 = 4
        call 26
        r0 = *(u64 *)(r10 -8)
        r0 = be64 r0
        exit";
    assert_eq!(run_on(text, &BpfContext::socket(&mut packet)), Ok(0xffff_ffff));
}

#[test]
fn a_helper_writes_where_the_program_may_and_nowhere_else() {
    let call = |to: &str, len: &str| {
        let mut packet = [0; 1000];
        let text = format!("r2 = 0\nr3 = {to}\nr4 = {len}\ncall 26\nexit");
        run_on(&text, &BpfContext::socket(&mut packet))
    };
    assert_eq!(memory_fault(call("r10", "8")), Some((3, 8)));
    assert_eq!(memory_fault(call("0", "8")), Some((3, 8)));
    assert_eq!(memory_fault(call("-8", "16")), Some((3, 16)));
    assert_eq!(memory_fault(call("r1", "4")), Some((3, 4)));
    let text = "r2 = 0\nr3 = r10\nr3 += -512\nr4 = 513\ncall 26\nexit";
    let mut packet = [0; 1000];
    assert_eq!(memory_fault(run_on(text, &BpfContext::socket(&mut packet))), Some((4, 513)));
}

#[test]
fn packet_helpers_want_their_context_and_type() {
    let mut packet = [0; 60];
    let context = BpfContext::xdp(&mut packet);
    let bad = fault(1, Fault::HelperArgument { helper: 44, arg: 1 });
    assert_eq!(xdp("r1 = 8\ncall 44\nexit", &context), bad);
    assert_eq!(xdp("call 26\nexit", &context), fault(0, Fault::UnknownHelper(26)));
    let kprobe = |text: &str| {
        run_in(Environment::new(), BpfProgType::Kprobe, &[], text, &BpfContext::empty())
    };
    for helper in [26, 28, 44, 65] {
        assert_eq!(kprobe(&format!("call {helper}\nexit")), fault(0, Fault::UnknownHelper(helper)));
    }
    // Without a packet there is nothing to move.
    assert_eq!(xdp("r2 = 0\ncall 44\nexit", &BpfContext::empty()), Ok(EINVAL));
    assert_eq!(xdp("r2 = 0\ncall 65\nexit", &BpfContext::empty()), Ok(EINVAL));
}

#[test]
fn adjust_head_moves_within_the_headroom() {
    let adjust = |delta: i32| {
        let mut buffer = [0; 100];
        for (index, byte) in (0..).zip(&mut buffer) {
            *byte = index;
        }
        let context = BpfContext::xdp_md(&mut buffer, 40..80).unwrap().with_metadata(4).unwrap();
        let text = format!(
            "r6 = r1
            r2 = {delta}
            call 44
            if r0 == 0 goto +1
            exit
            r2 = *(u32 *)(r6 +0)
            r3 = *(u32 *)(r6 +8)
            r0 = *(u8 *)(r2 +0)
            r0 *= 1000
            r3 = *(u8 *)(r3 +0)
            r0 += r3
            exit"
        );
        (xdp(&text, &context), context.packet_range().unwrap())
    };
    // The metadata, which began with 36, moves along.
    assert_eq!(adjust(-30), (Ok(10_036), 10..80));
    assert_eq!(adjust(-36), (Ok(4_036), 4..80));
    assert_eq!(adjust(-37), (Ok(EINVAL), 40..80));
    assert_eq!(adjust(i32::MIN), (Ok(EINVAL), 40..80));
    assert_eq!(adjust(0), (Ok(40_036), 40..80));
    // An Ethernet header must be left.
    assert_eq!(adjust(26), (Ok(66_036), 66..80));
    assert_eq!(adjust(27), (Ok(EINVAL), 40..80));
    assert_eq!(adjust(i32::MAX), (Ok(EINVAL), 40..80));
}

#[test]
fn adjust_tail_zeroes_what_it_adds() {
    let adjust = |delta: i32| {
        let mut buffer = [0xff; 100];
        let context = BpfContext::xdp_md(&mut buffer, 40..80).unwrap();
        let text = format!("r2 = {delta}\ncall 65\nexit");
        let result = xdp(&text, &context);
        let (buffer, range) = context.into_buffer();
        let zeros = buffer.len() - buffer.iter().map(|byte| usize::from(*byte & 1)).sum::<usize>();
        (result, range, zeros)
    };
    assert_eq!(adjust(20), (Ok(0), 40..100, 20));
    assert_eq!(adjust(21), (Ok(EINVAL), 40..80, 0));
    assert_eq!(adjust(-26), (Ok(0), 40..54, 0));
    assert_eq!(adjust(-27), (Ok(EINVAL), 40..80, 0));
    assert_eq!(adjust(i32::MAX), (Ok(EINVAL), 40..80, 0));
    assert_eq!(adjust(i32::MIN), (Ok(EINVAL), 40..80, 0));
}

#[test]
fn the_old_bounds_no_longer_hold_after_a_move() {
    let mut buffer = [0; 100];
    let context = BpfContext::xdp_md(&mut buffer, 20..80).unwrap();
    let text = "r6 = r1
        r7 = *(u32 *)(r1 +4)
        r2 = -10
        call 65
        r0 = *(u8 *)(r7 -1)
        exit";
    assert_eq!(memory_fault(xdp(text, &context)), Some((4, 1)));
}

/// All results are those of Linux 6.18. One's complement has two zeros; which of
/// them comes out is its choice.
#[test]
fn csum_diff_is_folded_as_linux_folds_it() {
    let sum = |from: (&str, u32), to: (&str, u32), seed: &str| {
        let text = format!(
            "r1 = 0x0100000002000000 ll
            r1 = be64 r1
            *(u64 *)(r10 -16) = r1
            *(u64 *)(r10 -8) = 0
            r1 = {}
            r2 = {}
            r3 = {}
            r4 = {}
            r5 = {seed}
            call 28
            exit",
            from.0, from.1, to.0, to.1
        );
        // Bytes as they lie in memory: pointers are set up behind the moves.
        let text = text.replace("= zeros\n", "= r10\n            r_ += -8\n");
        let text = text.replace("= words\n", "= r10\n            r_ += -16\n");
        let mut fixed = String::new();
        let mut last = String::new();
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with("r_") {
                fixed.push_str(&line.replace("r_", &last));
            } else {
                last = line.split(' ').next().unwrap_or_default().to_owned();
                fixed.push_str(line);
            }
            fixed.push('\n');
        }
        xdp(&fixed, &BpfContext::empty())
    };
    let none = ("0", 0);
    assert_eq!(sum(none, none, "0"), Ok(0));
    assert_eq!(sum(none, none, "0x12345"), Ok(0x2346));
    assert_eq!(sum(none, none, "-1"), Ok(0xffff));
    assert_eq!(sum(none, ("zeros", 8), "0"), Ok(0));
    assert_eq!(sum(("zeros", 8), none, "0"), Ok(0));
    assert_eq!(sum(("zeros", 4), ("zeros", 4), "0"), Ok(0xffff));
    if cfg!(target_endian = "little") {
        assert_eq!(sum(none, ("words", 8), "0"), Ok(3));
        assert_eq!(sum(("words", 8), none, "0"), Ok(0xffff - 3));
        assert_eq!(sum(("words", 4), ("words", 8), "0"), Ok(2));
        assert_eq!(sum(("words", 8), none, "5"), Ok(2));
    }
    if cfg!(target_endian = "little") {
        assert_eq!(sum(("words", 6), none, "0"), Ok(0xfffc));
        assert_eq!(sum(none, ("words", 1), "0"), Ok(1));
        assert_eq!(sum(none, ("words", 5), "0"), Ok(3));
        assert_eq!(sum(none, ("words", 7), "0"), Ok(3));
    }
    assert_eq!(memory_fault(sum(("words", 20), none, "0")).map(|f| f.1), Some(20));
}
