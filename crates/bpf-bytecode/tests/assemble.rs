//! What the assembler reads, and where it points when it cannot.

use bpf_bytecode::BpfInsn;
use bpf_bytecode::text::{AsmError, AsmErrorKind, LABEL_CAPACITY, assemble, assemble_into};
use bpf_profile::ActiveProfile;
use bpf_profile::config::PROGRAM_CAPACITY;

fn read(source: &str) -> Vec<BpfInsn> {
    match assemble::<ActiveProfile>(source) {
        Ok(insns) => Vec::from(&insns[..]),
        Err(error) => panic!("{source:?}: {error}"),
    }
}

fn refuse(source: &str) -> AsmError {
    match assemble::<ActiveProfile>(source) {
        Ok(insns) => panic!("{source:?} was read as {insns:?}"),
        Err(error) => error,
    }
}

/// Asserts that each text is read as the one instruction.
fn all_read_as(insn: BpfInsn, texts: &[&str]) {
    for text in texts {
        assert_eq!(read(text), [insn], "{text}");
    }
}

#[test]
fn the_names_in_use_for_one_instruction() {
    all_read_as(
        BpfInsn::mov64_imm(0, 42),
        &[
            "r0 = 42",
            "r0 = 0x2a",
            "r0=+42",
            "mov64 r0, 42",
            "mov r0, 0x2A",
            "mov %r0,42",
            "%r0 = 42;",
        ],
    );
    all_read_as(BpfInsn::mov32_reg(0, 1), &["w0 = w1", "mov32 r0, r1", "mov32 %r0, %r1"]);
    all_read_as(BpfInsn::neg64(3), &["r3 = -r3", "r3=-r3", "neg64 r3", "neg %r3"]);
    all_read_as(BpfInsn::neg32(3), &["w3 = -w3", "neg32 r3"]);
    all_read_as(BpfInsn::sdiv64_imm(1, -3), &["r1 s/= -3", "sdiv r1, -3", "sdiv64 r1, 0xfffffffd"]);
    all_read_as(BpfInsn::bswap16(4), &["r4 = bswap16 r4", "swap16 r4", "bswap16 %r4"]);
    all_read_as(BpfInsn::be64(4), &["r4 = be64 r4", "be64 r4"]);
    all_read_as(BpfInsn::movsx8_64(0, 1), &["r0 = (s8)r1", "r0 = (s8) r1", "movsx864 %r0, %r1"]);
    all_read_as(
        BpfInsn::ldx_b(0, 1, 14),
        &[
            "r0 = *(u8 *)(r1 +14)",
            "r0 = *(u8 *)(r1 + 0xe)",
            "r0 = * (u8*) (r1+14)",
            "w0 = *(u8 *)(r1 + 14)",
            "ldxb r0, [r1+14]",
            "ldxb %r0, [%r1+0xe]",
            "ldxb r0, [r1 + 14]",
        ],
    );
    all_read_as(
        BpfInsn::ldx_dw(0, 2, 0),
        &["r0 = *(u64 *)(r2 +0)", "r0 = *(u64 *)(r2)", "ldxdw r0, [r2]"],
    );
    all_read_as(
        BpfInsn::stx_w(10, -4, 2),
        &["*(u32 *)(r10 -4) = r2", "*(u32 *)(r10 - 4) = w2", "stxw [r10-4], r2"],
    );
    all_read_as(
        BpfInsn::st_dw(10, -8, -1),
        &[
            "*(u64 *)(r10 -8) = -1",
            "stdw [%r10-0x8], 0xffffffff",
            "stdw [r10-8], 0xffffffffffffffff",
        ],
    );
    all_read_as(BpfInsn::ja(3), &["goto +3", "goto 3", "goto pc+3", "ja +3", "ja pc+3"]);
    all_read_as(BpfInsn::gotol(-70_000), &["gotol -70000", "gotol pc-70000", "ja32 -70000"]);
    all_read_as(BpfInsn::may_goto(2), &["may_goto +2", "may_goto pc+2"]);
    all_read_as(
        BpfInsn::jsgt32_imm(2, -1, 3),
        &[
            "if w2 s> -1 goto +3",
            "if w2 s> 0xffffffff goto pc+3",
            "if w2 s> 0xffffffffffffffff goto +3",
            "jsgt32 r2, -1, +3",
        ],
    );
    all_read_as(BpfInsn::jset_reg(1, 2, -2), &["if r1 & r2 goto -2", "jset r1, r2, -2"]);
    all_read_as(
        BpfInsn::call(1),
        &[
            "call 1",
            "call 0x1",
            "call bpf_map_lookup_elem",
            "call bpf_map_lookup_elem#1",
            "call helper 1",
        ],
    );
    all_read_as(
        BpfInsn::call(4_000),
        &["call 4000", "call bpf_something#4000", "call unknown#4000"],
    );
    all_read_as(BpfInsn::call_local(3), &["call pc+3", "call local +3", "call local pc+3"]);
    all_read_as(BpfInsn::call_kfunc(-7), &["call kfunc#-7", "call kfunc -7", "call runtime -7"]);
    all_read_as(
        BpfInsn::ld_abs_w(14),
        &["r0 = *(u32 *)skb[14]", "r0 = *(u32*)skb[0xe]", "ldabsw 14"],
    );
    all_read_as(
        BpfInsn::ld_ind_h(7, 4),
        &["r0 = *(u16 *)skb[r7 +4]", "r0 = *(u16 *)skb[r7 + 4]", "ldindh r7, 4"],
    );
    all_read_as(BpfInsn::ld_ind_h(7, 0), &["r0 = *(u16 *)skb[r7]", "ldindh r7, 0"]);
}

#[test]
fn the_names_in_use_for_atomics() {
    all_read_as(
        BpfInsn::atomic_add64(10, -8, 1),
        &[
            "lock *(u64 *)(r10 -8) += r1",
            "lock add [r10-8], r1",
            "lock add64 [r10-8], r1",
            "stxxadddw [r10-8], r1",
        ],
    );
    all_read_as(
        BpfInsn::atomic_add32(10, -8, 1),
        &[
            "lock *(u32 *)(r10 -8) += r1",
            "lock *(u32 *)(r10 -8) += w1",
            "lock add32 [r10-8], r1",
            "stxxaddw [r10-8], r1",
        ],
    );
    all_read_as(
        BpfInsn::atomic_fetch_add64(10, -8, 1),
        &[
            "r1 = atomic_fetch_add((u64 *)(r10 -8), r1)",
            "r1 = atomic64_fetch_add((u64 *)(r10 -8), r1)",
            "lock fetch_add [r10-8], r1",
            "lock fetch_add64 [r10-8], r1",
            "lock fetch add [r10-8], r1",
        ],
    );
    all_read_as(
        BpfInsn::atomic_fetch_xor32(10, -8, 1),
        &[
            "w1 = atomic_fetch_xor((u32 *)(r10 -8), w1)",
            "r1 = atomic_fetch_xor((u32 *)(r10 -8), r1)",
            "lock fetch_xor32 [r10-8], r1",
            "lock fetch xor32 [r10-8], r1",
        ],
    );
    all_read_as(
        BpfInsn::atomic_xchg64(2, 0, 1),
        &[
            "r1 = xchg_64(r2 +0, r1)",
            "r1 = atomic64_xchg((u64 *)(r2 +0), r1)",
            "lock xchg [r2], r1",
        ],
    );
    all_read_as(
        BpfInsn::atomic_cmpxchg32(2, 4, 1),
        &[
            "w0 = cmpxchg32_32(r2 +4, w0, w1)",
            "r0 = atomic_cmpxchg((u32 *)(r2 +4), r0, r1)",
            "lock cmpxchg32 [r2+4], r1",
        ],
    );
    all_read_as(
        BpfInsn::load_acquire_h(1, 2, 6),
        &[
            "w1 = load_acquire((u16 *)(r2 +6))",
            "r1 = load_acquire((u16 *)(r2 +6))",
            "load_acquire_h r1, [r2+6]",
        ],
    );
}

#[test]
fn wide_loads() {
    for (insns, texts) in [
        (
            BpfInsn::ld_imm64(1, 42),
            &["r1 = 42 ll", "r1 = 0x2a ll", "r1 = 42ll", "lddw r1, 42", "lddw %r1, 0x2a"][..],
        ),
        (
            BpfInsn::ld_imm64(1, u64::MAX),
            &["r1 = -1 ll", "r1 = 0xffffffffffffffff ll", "lddw r1, -1"],
        ),
        (BpfInsn::ld_map_fd(1, 3), &["r1 = map[fd:3]", "lddw r1, map[fd:3]", "r1 = map[fd:3] ll"]),
        (BpfInsn::ld_map_fd_value(1, 3, 8), &["r1 = map[fd:3][0]+8", "r1 = map[fd:3] + 8"]),
        (BpfInsn::ld_map(1, 0), &["r1 = map[idx:0]", "lddw r1, map[idx:0]"]),
        (BpfInsn::ld_map_value(1, 0, 16), &["r1 = map[idx:0][0]+16", "r1 = map[idx:0]+16"]),
        (BpfInsn::ld_map_value(1, 0, 0), &["r1 = map[idx:0][0]+0", "r1 = map[idx:0][0]"]),
        (BpfInsn::ld_var(1, 9), &["r1 = var[9]"]),
        (BpfInsn::ld_code(1, 5), &["r1 = subprog[+5]"]),
    ] {
        for text in texts {
            assert_eq!(read(text), insns, "{text}");
        }
    }
}

#[test]
fn labels_comments_and_lines() {
    let insns = read(
        "// a program\n\
         # of several\n\
         ; comments\n\
         entry: r0 = 0; r1 = 1 ; both count\n\
         /* over\n two lines */ again :\n\
         if r1 > 7 goto .Lout_1\n\
         call twice\n\
         r2 = twice ll\n\
         goto again # back\n\
         .Lout_1:\n\
         exit\n\
         twice: r0 += r0 // last line without end\n\
         exit",
    );
    let [low, high] = BpfInsn::ld_code(2, 3);
    assert_eq!(
        insns,
        [
            BpfInsn::mov64_imm(0, 0),
            BpfInsn::mov64_imm(1, 1),
            BpfInsn::jgt_imm(1, 7, 4),
            BpfInsn::call_local(4),
            low,
            high,
            BpfInsn::ja(-5),
            BpfInsn::exit(),
            BpfInsn::add64_reg(0, 0),
            BpfInsn::exit(),
        ]
    );
}

#[test]
fn exit_is_a_label_where_there_is_none() {
    assert_eq!(read("jne %r0, 0, exit\nexit\nexit"), read("jne r0, 0, +0\nexit\nexit"));
    assert_eq!(read("jne r0, 0, exit\nexit\nexit: exit"), read("jne r0, 0, +1\nexit\nexit"));
}

#[test]
fn empty_text_and_directives() {
    assert_eq!(read(""), []);
    assert_eq!(read(" \n\t\r\n // nothing"), []);
    assert_eq!(read(".8byte 0x95"), [BpfInsn::exit()]);
    assert_eq!(read(".8byte 0xffffffffffffffff"), [BpfInsn::from_bytes([0xff; 8])]);
}

#[test]
fn immediates_fit_as_signed_or_unsigned_number() {
    for (text, imm) in [
        ("-2147483648", i32::MIN),
        ("2147483647", i32::MAX),
        ("0x80000000", i32::MIN),
        ("4294967295", -1),
    ] {
        assert_eq!(read(&format!("r1 = {text}")), [BpfInsn::mov64_imm(1, imm)]);
    }
}

#[test]
fn errors_point_at_the_offending_token() {
    use AsmErrorKind::{
        DuplicateLabel, Expected, HelperNumber, ImmediateOutOfRange, InvalidRegister,
        MalformedNumber, NumberTooLarge, OffsetOutOfRange, RegistersDiffer, UnexpectedCharacter,
        UnexpectedEnd, UnexpectedToken, UnknownInstruction, UnknownLabel, UnterminatedComment,
    };
    let mut wrong = Vec::new();
    for (source, line, column, kind) in [
        ("exit\n  r0 = $", 2, 8, UnexpectedToken),
        ("r0 = @", 1, 6, UnexpectedCharacter('@')),
        ("r0 = 1\nr0 = ä", 2, 6, UnexpectedCharacter('ä')),
        ("/* ä */ r0 = {", 1, 14, UnexpectedCharacter('{')),
        ("r0 = 1 /* open\nexit", 1, 8, UnterminatedComment),
        ("r0 = 0x", 1, 6, MalformedNumber),
        ("r0 = 12ab", 1, 6, MalformedNumber),
        ("r0 = 0x10000000000000000 ll", 1, 6, NumberTooLarge),
        ("r0 = 0xffffffff7fffffff", 1, 6, ImmediateOutOfRange),
        ("r0 = -18446744073709551615 ll", 1, 6, NumberTooLarge),
        ("r0 = r11", 1, 6, InvalidRegister),
        ("r0 = %x", 1, 6, InvalidRegister),
        ("mov64 r01, 1", 1, 7, InvalidRegister),
        ("frobnicate r0", 1, 1, UnknownInstruction),
        ("  = 3", 1, 3, UnknownInstruction),
        ("r0 +", 1, 4, UnexpectedCharacter('+')),
        ("r0 += ", 1, 6, UnexpectedEnd),
        ("w0 += r1", 1, 7, UnexpectedToken),
        ("r0 = be16 r1", 1, 11, RegistersDiffer),
        ("r0 = 4294967296", 1, 6, ImmediateOutOfRange),
        ("mov r0, -2147483649", 1, 9, ImmediateOutOfRange),
        ("ldxw r0, [r1+32768]", 1, 13, OffsetOutOfRange),
        ("ldxw r0, [r1+4", 1, 15, Expected("]")),
        ("ldxw r0, [r1 4]", 1, 14, Expected("an offset with a sign")),
        ("ldxw r0 [r1+4]", 1, 9, Expected(",")),
        ("if r1 > 7 goto +40000", 1, 16, OffsetOutOfRange),
        ("if r1 > 7 goto", 1, 15, Expected("a jump target")),
        ("exit exit", 1, 6, Expected("end of statement")),
        ("exit\ngoto nowhere\nexit", 2, 6, UnknownLabel),
        ("call nothing", 1, 6, UnknownLabel),
        ("call bpf_ktime_get_ns#6", 1, 23, HelperNumber(5)),
        ("a: exit\na: exit", 2, 1, DuplicateLabel),
        ("r1: exit", 1, 1, UnexpectedToken),
        (".8byte", 1, 7, Expected("a number")),
        (".8byte 1 2", 1, 10, Expected("end of statement")),
        ("lock fetch_add32 [r1], w2", 1, 24, Expected("one of r0 to r10")),
        ("r0 = 1;comment", 1, 8, UnknownInstruction),
    ] {
        let (error, wanted) = (refuse(source), AsmError { line, column, kind });
        if error != wanted {
            wrong.push(format!("{source:?}: {error}, not {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn storage_that_is_full() {
    let many = "exit\n".repeat(PROGRAM_CAPACITY + 1);
    let mut slots = [BpfInsn::default(); 3];
    let error = assemble_into::<ActiveProfile>(&many, &mut slots).map(|slots| slots.len());
    assert_eq!(error, Err(AsmError { line: 4, column: 1, kind: AsmErrorKind::ProgramTooLong }));
    let fits =
        assemble_into::<ActiveProfile>("r0 = 1 ll\nexit", &mut slots).map(|slots| slots.len());
    assert_eq!(fits, Ok(3));

    // Where there is a heap, there is no limit but memory.
    let elastic = cfg!(feature = "cloud-profile");
    let labels = (0..=LABEL_CAPACITY).fold(String::new(), |text, n| text + &format!("l{n}:\n"));
    let line = u32::try_from(LABEL_CAPACITY + 1).expect("few labels");
    let full = AsmError { line, column: 1, kind: AsmErrorKind::TooManyLabels };
    let read = assemble::<ActiveProfile>(&labels);
    assert_eq!(read.map(|insns| insns.len()), if elastic { Ok(0) } else { Err(full) });

    let line = u32::try_from(PROGRAM_CAPACITY + 1).expect("few slots");
    let full = AsmError { line, column: 1, kind: AsmErrorKind::ProgramTooLong };
    let read = assemble::<ActiveProfile>(&many);
    assert_eq!(
        read.map(|insns| insns.len()),
        if elastic { Ok(PROGRAM_CAPACITY + 1) } else { Err(full) }
    );
}

#[test]
fn targets_out_of_reach() {
    let mut slots = vec![BpfInsn::default(); 40_000];
    let near = format!("goto end\n{}end: exit", "r0 = 0\n".repeat(32_767));
    assert!(assemble_into::<ActiveProfile>(&near, &mut slots).is_ok());
    let far = format!("gotol end\ngoto end\n{}end: exit", "r0 = 0\n".repeat(32_768));
    let error = assemble_into::<ActiveProfile>(&far, &mut slots).map(|slots| slots.len());
    assert_eq!(error, Err(AsmError { line: 2, column: 6, kind: AsmErrorKind::TargetOutOfReach }));
}
