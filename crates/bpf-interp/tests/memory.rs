//! Loads, stores and atomics, and every way in which they can miss.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_interp::{BpfContext, Environment};
use common::{memory_fault, run, run_in, run_on};

#[test]
fn stores_are_read_back_in_every_size() {
    let cases: &[(&str, u64)] = &[
        ("r0 = *(u8 *)(r10 -8)", 0x88),
        ("r0 = *(u16 *)(r10 -8)", 0x7788),
        ("r0 = *(u32 *)(r10 -8)", 0x5566_7788),
        ("r0 = *(u64 *)(r10 -8)", 0x8122_3344_5566_7788),
        ("r0 = *(u8 *)(r10 -1)", 0x81),
        ("r0 = *(s8 *)(r10 -8)", 0xffff_ffff_ffff_ff88),
        ("r0 = *(s8 *)(r10 -2)", 0x22),
        ("r0 = *(s16 *)(r10 -2)", 0xffff_ffff_ffff_8122),
        ("r0 = *(s32 *)(r10 -4)", 0xffff_ffff_8122_3344),
        ("r0 = *(u32 *)(r10 -7)", 0x4455_6677),
    ];
    for (load, expected) in cases {
        let text = format!("r1 = 0x8122334455667788 ll\n*(u64 *)(r10 -8) = r1\n{load}\nexit");
        if cfg!(target_endian = "little") {
            assert_eq!(run(&text), Ok(*expected), "{load}");
        }
    }
}

#[test]
fn stores_of_immediates_are_sign_extended() {
    let cases: &[(&str, u64)] = &[
        ("*(u8 *)(r10 -8) = -1", 0xff),
        ("*(u16 *)(r10 -8) = -1", 0xffff),
        ("*(u32 *)(r10 -8) = -1", 0xffff_ffff),
        ("*(u64 *)(r10 -8) = -1", u64::MAX),
    ];
    for (store, expected) in cases {
        let text = format!("{store}\nr0 = *(u64 *)(r10 -8)\nr0 = le64 r0\nexit");
        assert_eq!(run(&text), Ok(*expected), "{store}");
    }
}

/// An earlier engine read a `u64` stored at `r10-8` back as the `u32` 0.
#[test]
fn the_stack_is_addressed_forwards() {
    let text = "r1 = 0x1122334455667788 ll
        *(u64 *)(r10 -8) = r1
        r2 = r10
        r2 += -8
        r0 = *(u32 *)(r2 +0)
        exit";
    let low = if cfg!(target_endian = "little") { 0x5566_7788 } else { 0x1122_3344 };
    assert_eq!(run(text), Ok(low));
}

/// An earlier engine looked at the first byte of an access alone.
#[test]
fn the_whole_access_must_be_inside() {
    for (size, bytes) in [("u8", 1_i32), ("u16", 2), ("u32", 4), ("u64", 8)] {
        for (offset, fits) in [
            (-512, true),
            (-512 - 1, false),
            (-512 - bytes, false),
            (-bytes, true),
            (-bytes + 1, false),
            (0, false),
            (-520, false),
            (8, false),
        ] {
            let load = format!("r0 = *({size} *)(r10 {offset:+})\nr0 = 1\nexit");
            let store = format!("*({size} *)(r10 {offset:+}) = 5\nr0 = 1\nexit");
            for text in [load, store] {
                let result = run(&text);
                if fits {
                    assert_eq!(result, Ok(1), "{text}");
                } else {
                    let size = u32::try_from(bytes).unwrap();
                    assert_eq!(memory_fault(result), Some((0, size)), "{text}");
                }
            }
        }
    }
}

#[test]
fn no_address_is_valid_by_itself() {
    let addresses: [u64; 8] =
        [0, 1, 8, 0x1000, 0x7fff_ffff, 0x8000_0000_0000_0000, u64::MAX, u64::MAX - 6];
    for address in addresses {
        for access in ["r0 = *(u64 *)(r1 +0)", "*(u64 *)(r1 +0) = 1", "r0 = *(u8 *)(r1 +7)"] {
            let text = format!("r1 = {address:#x} ll\n{access}\nexit");
            let size = if access.contains("u8") { 1 } else { 8 };
            assert_eq!(memory_fault(run(&text)), Some((2, size)), "{text}");
        }
    }
}

#[test]
fn frames_are_apart() {
    // A callee reaches its caller's frame by a pointer...
    let through = "r1 = r10\nr1 += -8\ncall f\nr0 = *(u64 *)(r10 -8)\nexit
        f: *(u64 *)(r1 +0) = 9\nexit";
    assert_eq!(run(through), Ok(9));
    // ... its own is another one...
    let own = "*(u64 *)(r10 -8) = 1\ncall f\nr0 = *(u64 *)(r10 -8)\nexit
        f: *(u64 *)(r10 -8) = 9\nexit";
    assert_eq!(run(own), Ok(1));
    // ... and one access never reaches two of them, from either side.
    for offset in [-513, -516, -519, -520, -576, -577, -580] {
        let text = format!("call f\nr0 = 1\nexit\nf: *(u64 *)(r10 {offset}) = 9\nexit");
        let hits_callers_frame = offset <= -512 - 64 - 8;
        if !hits_callers_frame {
            assert_eq!(memory_fault(run(&text)), Some((3, 8)), "{text}");
        }
    }
    for offset in [-7, -1, 0, 1, 56, 63, 64, 72, 500] {
        let text = format!("call f\nr0 = *(u64 *)(r10 {offset:+})\nexit\nf: r0 = 0\nexit");
        assert_eq!(memory_fault(run(&text)), Some((1, 8)), "{text}");
    }
}

#[test]
fn a_frame_that_was_left_is_gone() {
    let text = "call f\nr0 = *(u64 *)(r0 +0)\nexit\nf: r0 = r10\nr0 += -8\nexit";
    assert_eq!(memory_fault(run(text)), Some((1, 8)));
}

#[test]
fn every_frame_begins_zeroed() {
    let text = "call f\ncall g\nexit
        f: *(u64 *)(r10 -8) = -1\nexit
        g: r0 = *(u64 *)(r10 -8)\nexit";
    assert_eq!(run(text), Ok(0));
    let first = "r0 = *(u64 *)(r10 -512)\nr1 = *(u64 *)(r10 -8)\nr0 |= r1\nexit";
    assert_eq!(run(first), Ok(0));
}

#[test]
fn atomics() {
    let cases: &[(&str, u64, u64)] = &[
        ("lock *(u64 *)(r10 -8) += r1", 13, 0),
        ("lock *(u64 *)(r10 -8) |= r1", 11, 0),
        ("lock *(u64 *)(r10 -8) &= r1", 2, 0),
        ("lock *(u64 *)(r10 -8) ^= r1", 9, 0),
        ("r1 = atomic_fetch_add((u64 *)(r10 -8), r1)", 13, 10),
        ("r1 = atomic_fetch_or((u64 *)(r10 -8), r1)", 11, 10),
        ("r1 = atomic_fetch_and((u64 *)(r10 -8), r1)", 2, 10),
        ("r1 = atomic_fetch_xor((u64 *)(r10 -8), r1)", 9, 10),
        ("r1 = xchg_64(r10 -8, r1)", 3, 10),
    ];
    for (insn, memory, fetched) in cases {
        let before = format!("*(u64 *)(r10 -8) = 10\nr1 = 3\nr0 = 0\n{insn}\n");
        let text = format!("{before}r0 = *(u64 *)(r10 -8)\nexit");
        assert_eq!(run(&text), Ok(*memory), "{insn}");
        if *fetched != 0 {
            assert_eq!(run(&format!("{before}r0 = r1\nexit")), Ok(*fetched), "{insn}");
        }
    }
}

#[test]
fn atomics_on_half_words_leave_the_rest_and_zero_extend() {
    let text = "r1 = 0xffffffff00000001 ll
        *(u64 *)(r10 -8) = -1
        w1 = atomic_fetch_add((u32 *)(r10 -8), w1)
        r0 = r1
        exit";
    assert_eq!(run(text), Ok(0xffff_ffff));
    let memory = "r1 = 1
        *(u64 *)(r10 -8) = -1
        lock *(u32 *)(r10 -8) += w1
        r0 = *(u64 *)(r10 -8)
        exit";
    let expected = if cfg!(target_endian = "little") { u64::MAX << 32 } else { u64::MAX >> 32 };
    assert_eq!(run(memory), Ok(expected));
}

#[test]
fn compare_and_exchange() {
    let with = |r0: &str, width: &str| {
        let insn = match width {
            "u64" => "r0 = cmpxchg_64(r10 -8, r0, r1)",
            _ => "w0 = cmpxchg32_32(r10 -8, w0, w1)",
        };
        let before = format!("*(u64 *)(r10 -8) = 10\nr1 = 3\nr0 = {r0}\n{insn}\n");
        let memory = run(&format!("{before}r0 = *({width} *)(r10 -8)\nexit"));
        (run(&format!("{before}exit")), memory)
    };
    assert_eq!(with("10", "u64"), (Ok(10), Ok(3)));
    assert_eq!(with("11", "u64"), (Ok(10), Ok(10)));
    if cfg!(target_endian = "little") {
        // Only the low half of R0 counts, and the result is zero-extended.
        assert_eq!(with("0xffffffff0000000a ll", "u32"), (Ok(10), Ok(3)));
        assert_eq!(with("0xffffffff0000000b ll", "u32"), (Ok(10), Ok(10)));
    }
}

#[test]
fn acquire_and_release() {
    let text = "r1 = 0x1122334455667788 ll
        store_release((u64 *)(r10 -8), r1)
        r0 = load_acquire((u64 *)(r10 -8))
        exit";
    assert_eq!(run(text), Ok(0x1122_3344_5566_7788));
    for (size, expected) in [("u8", 0x88), ("u16", 0x7788), ("u32", 0x5566_7788)] {
        let text = format!(
            "r1 = 0x1122334455667788 ll
            store_release(({size} *)(r10 -8), w1)
            w0 = load_acquire(({size} *)(r10 -8))
            exit"
        );
        assert_eq!(run(&text), Ok(expected), "{size}");
    }
}

#[test]
fn a_misaligned_atomic_is_a_fault_in_every_engine() {
    for text in [
        "r1 = 1\nlock *(u64 *)(r10 -9) += r1\nexit",
        "r1 = 1\nr1 = xchg_64(r10 -12, r1)\nexit",
        "r1 = 1\nr1 = load_acquire((u64 *)(r10 -9))\nexit",
        "r1 = 1\nstore_release((u64 *)(r10 -9), r1)\nexit",
    ] {
        assert_eq!(memory_fault(run(text)), Some((1, 8)), "{text}");
    }
}

#[test]
fn plain_bytes_are_read_and_written_within_their_length() {
    let mut bytes = *b"0123456789";
    let context = BpfContext::bytes(&mut bytes);
    let text = "if r2 != 10 goto +4
        *(u8 *)(r1 +9) = 33
        r0 = *(u16 *)(r1 +8)
        r0 = be16 r0
        exit
        r0 = -1
        exit";
    assert_eq!(run_on(text, &context), Ok(0x3821));
    for (access, size) in [
        ("r0 = *(u64 *)(r1 +3)", 8),
        ("r0 = *(u8 *)(r1 -1)", 1),
        ("r0 = *(u8 *)(r1 +10)", 1),
        ("*(u32 *)(r1 +7) = 0", 4),
    ] {
        let result = run_on(&format!("{access}\nexit"), &context);
        assert_eq!(memory_fault(result), Some((0, size)), "{access}");
    }
    assert_eq!(context.into_packet(), b"012345678!");
}

#[test]
fn an_opaque_context_is_writable_where_its_type_says_so() {
    let write = |prog_type| {
        let mut bytes = [0; 16];
        let context = BpfContext::bytes(&mut bytes);
        run_in(Environment::new(), prog_type, &[], "*(u64 *)(r1 +8) = 1\nr0 = 1\nexit", &context)
    };
    assert_eq!(write(BpfProgType::Syscall), Ok(1));
    assert_eq!(memory_fault(write(BpfProgType::Kprobe)), Some((0, 8)));
    assert_eq!(memory_fault(write(BpfProgType::Tracepoint)), Some((0, 8)));
}
