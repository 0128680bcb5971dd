//! Working memory, sizes, and input that means harm.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{Effort, InsnFact, Observer, Verifier, VerifyError, VerifyErrorKind};
use common::{LOOKUP, MAPS, SOCKET, built, program, with_value};
use proptest::prelude::*;

#[test]
fn errors_are_small() {
    assert!(size_of::<VerifyError>() <= 48, "{}", size_of::<VerifyError>());
}

/// Forty branches, each with a number of its own that decides something later.
fn branching() -> String {
    let mut text = String::from("r6 = r1\nr7 = 0\n");
    for at in 0..20 {
        text += &format!("r2 = *(u32 *)(r6 +0)\nif r2 != {at} goto over{at}\nr7 += 1\nover{at}:\n");
    }
    text + "r2 = r10\nr2 += -64\nr2 += r7\n*(u8 *)(r2 +0) = 1\nr0 = 0\nexit"
}

#[test]
fn workspaces_of_every_size() {
    let program = program(BpfProgType::SocketFilter, &branching());
    let mut fits = None;
    for words in [0, 1, 2, 8, 32, 64, 100, 200, 400, 800, 1600, 3200, 6400, 12800] {
        let mut workspace = vec![0_u64; words];
        let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace);
        match verifier.verify_program(&program) {
            Ok(verified) => {
                let bytes = verified.info().workspace_bytes;
                assert!(bytes <= words * 8, "{bytes}");
                fits.get_or_insert(words);
            }
            Err(error) => {
                let VerifyErrorKind::WorkspaceExhausted { needed_about, available } = error.kind()
                else {
                    panic!("{error}");
                };
                assert_eq!(available, words as u64 * 8);
                assert!(needed_about > available);
                assert_eq!(fits, None, "less would do");
            }
        }
    }
    assert!(fits.is_some_and(|words| words <= 6400), "{fits:?}");
}

/// A verifier's own memory serves one program after the other: what it was found for is as if
/// it were fresh, and it is not more than allowed.
#[test]
fn memory_that_served_is_as_good_as_fresh() {
    let large = program(BpfProgType::SocketFilter, &branching());
    let small = program(BpfProgType::SocketFilter, "r0 = 0\nexit");
    let found = |verifier: &Verifier<'_, ActiveProfile>, program| {
        *verifier.verify_program(program).expect("safe").info()
    };
    let verifier = Verifier::new();
    for program in [&large, &small, &large, &small, &small, &large] {
        assert_eq!(found(&verifier, program), found(&Verifier::new(), program));
    }
    let limited = verifier.memory_limit(1024);
    let fresh = Verifier::<ActiveProfile>::new().memory_limit(1024);
    assert_eq!(limited.verify(&large), fresh.verify(&large));
    #[cfg(feature = "cloud-profile")]
    assert!(fresh.verify(&large).is_err());
}

/// What a round leaves in a slot is an address, and a number in the first. A summary takes it
/// for a number in all of them; round by round it is refused. Where there is no room for a
/// summary, nothing is wrong with the program but that.
#[test]
fn without_room_for_a_summary_nothing_else_is_wrong() {
    let mut text = String::from("r9 = r1\nr7 = *(u32 *)(r1 +0)\n");
    // A state of some size, so that a summary of it is large.
    for slot in 3..40 {
        text += &format!("r2 = *(u32 *)(r1 +{})\n", slot % 4 * 4);
        text += &format!("r2 += {slot}\n*(u64 *)(r10 -{}) = r2\n", slot * 8);
    }
    text += "*(u64 *)(r10 -8) = r7\nr8 = 0\n\
        again: may_goto out\nr1 = *(u64 *)(r10 -8)\nif r1 > 56 goto over\nr1 &= -8\n\
        over: *(u64 *)(r10 -8) = r9\nr8 += 1\nif r8 > 9 goto out\ngoto again\nout:\n";
    for slot in 3..40 {
        text += &format!("r2 = *(u64 *)(r10 -{})\nr8 += r2\n", slot * 8);
    }
    let program = program(BpfProgType::SocketFilter, &(text + "r0 = 0\nexit"));
    let (mut fits, mut short) = (0, 0);
    for words in (400..4000).step_by(10) {
        let mut workspace = vec![0_u64; words];
        match Verifier::<ActiveProfile>::with_workspace(&mut workspace).verify(&program) {
            Ok(()) => fits += 1,
            Err(error) if matches!(error.kind(), VerifyErrorKind::WorkspaceExhausted { .. }) => {
                short += 1;
            }
            Err(error) => panic!("{words} words: {error}"),
        }
    }
    assert!(fits > 0 && short > 0, "{fits}, {short}");
}

/// The same verifier again and again, with the same memory.
#[test]
fn workspaces_serve_again() {
    let mut workspace = vec![0_u64; 4096];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace);
    for _ in 0..3 {
        assert!(verifier.verify(&program(BpfProgType::SocketFilter, "r0 = 0\nexit")).is_ok());
        assert!(verifier.verify(&program(BpfProgType::SocketFilter, "exit")).is_err());
        let value = program(BpfProgType::SocketFilter, &with_value("r0 = *(u64 *)(r0 +0)\nexit"));
        assert!(verifier.verify(&value).is_ok());
    }
}

#[test]
fn a_thousand_instructions() {
    // What a sensor's filter may look like: straight code with bounds checks.
    let mut insns: Vec<BpfInsn> = Vec::new();
    insns.push(BpfInsn::mov64_imm(0, 0));
    while insns.len() < 990 {
        insns.push(BpfInsn::ldx_w(2, 1, 0));
        insns.push(BpfInsn::rsh64_imm(2, 3));
        insns.push(BpfInsn::jgt_imm(2, 700, 1));
        insns.push(BpfInsn::add64_reg(0, 2));
    }
    insns.push(BpfInsn::exit());
    let insns: &'static [BpfInsn] = insns.leak();
    let program =
        ProgramBuilder::from_static(BpfProgType::SocketFilter, insns).build().expect("valid");
    let mut workspace = vec![0_u64; 16 << 10];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace);
    assert_eq!(verifier.verify(&program), Ok(()));
    let facts = vec![InsnFact::Unreached; insns.len()].leak();
    let verified = verifier.verify_program_into(&program, facts).expect("safe");
    assert_eq!(verified.facts().len(), insns.len());
    let short = vec![InsnFact::Unreached; 10].leak();
    let error = verifier.verify_program_into(&program, short).unwrap_err();
    assert!(matches!(error.kind(), VerifyErrorKind::OutOfMemory(_)));
}

#[test]
fn facts_name_what_is_accessed() {
    use InsnFact::{Context, MapValue, Plain, Stack, Unreached};
    let text = format!(
        "r6 = *(u32 *)(r1 +0)
         {LOOKUP}
         if r0 == 0 goto out
         r0 = *(u64 *)(r0 +0)
         r6 = 1
         if r6 == 1 goto out
         r6 = 2
         out: r0 = 0
         exit"
    );
    let program = program(BpfProgType::SocketFilter, &text);
    let verified = Verifier::<ActiveProfile>::new().verify_program(&program).expect("safe");
    let expected = [
        Context, Plain, Stack, Plain, Plain, Plain, Unreached, Plain, Plain, MapValue, Plain,
        Plain, Unreached, Plain, Plain,
    ];
    assert_eq!(verified.facts(), expected);
    assert_eq!(verified.program(), &program);
}

/// The same program twice costs the same and gives the same.
#[test]
fn verification_is_deterministic() {
    let program = program(BpfProgType::SocketFilter, &branching());
    let verifier = Verifier::<ActiveProfile>::new();
    let infos = [0, 1].map(|_| *verifier.verify_program(&program).expect("safe").info());
    assert_eq!(infos[0], infos[1]);
    assert!(infos[0].processed < 20_000 && infos[0].peak_states > 0, "{:?}", infos[0]);
}

/// A program whose paths double at every step, with a number that decides.
#[test]
fn no_input_costs_more_than_the_budget() {
    let mut text = String::from("r6 = r1\nr7 = 0\n");
    for at in 0..40 {
        text += &format!(
            "r2 = *(u32 *)(r6 +0)\nr7 <<= 1\nif r2 != {at} goto over{at}\nr7 |= 1\nover{at}:\n"
        );
    }
    text += "r2 = r10\nr7 &= 63\nr2 += -64\nr2 += r7\n*(u8 *)(r2 +0) = 1\nr0 = 0\nexit";
    let program = program(BpfProgType::SocketFilter, &text);
    let verifier = Verifier::<ActiveProfile>::new().step_limit(100_000).memory_limit(4 << 20);
    match verifier.verify_program(&program) {
        Ok(verified) => assert!(verified.info().processed <= 100_000),
        Err(error) => assert!(matches!(
            error.kind(),
            VerifyErrorKind::TooComplex { .. } | VerifyErrorKind::WorkspaceExhausted { .. }
        )),
    }
}

/// Keeps how many instructions were walked.
struct Walked(u64);

impl Observer for Walked {
    fn ended(&mut self, effort: Effort<'_>) {
        self.0 = effort.processed();
        // What one step may do beyond.
        assert!(effort.work() < effort.work_limit() + 50_000, "{}", effort.work());
    }
}

/// Counted loops one behind the other: each has its summary, and all that follows is
/// walked before the first one is known to hold.
#[test]
fn rows_of_loops_cost_in_proportion() {
    let walked = |loops: usize| {
        let mut insns = vec![BpfInsn::mov64_imm(0, 0)];
        for _ in 0..loops {
            let round = [BpfInsn::add64_imm(0, 1), BpfInsn::add64_imm(1, 1)];
            insns.push(BpfInsn::mov64_imm(1, 0));
            insns.extend(round);
            insns.push(BpfInsn::jlt_imm(1, 1000, -3));
        }
        insns.push(BpfInsn::exit());
        let program = ProgramBuilder::from_static(BpfProgType::SocketFilter, insns.leak());
        let mut workspace = vec![0_u64; 1 << 21];
        let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace);
        let mut seen = Walked(0);
        verifier.verify_with(&program.build().expect("valid"), &mut seen).expect("safe");
        seen.0
    };
    let (few, many) = (walked(1_000), walked(8_000));
    assert!(many < 9 * few, "{many}, {few}");
}

/// Paths that double at every step, over a state of many parts or of few.
#[test]
fn large_states_leave_room_for_fewer_instructions() {
    let walked = |parts: usize| {
        let mut text = String::from("r6 = r1\nr8 = 0\nr9 = 0\nr3 = *(u32 *)(r6 +0)\n");
        text += "r4 = r3\nr4 &= 3\nr5 = r3\nr5 &= 7\n";
        for part in 1..=parts {
            text += &format!("*(u8 *)(r10 -{part}) = r{}\n", 4 + part % 2);
        }
        for at in 0..20 {
            text += &format!("r3 = *(u32 *)(r6 +4)\nif r3 > {at} goto o{at}\n");
            text += &format!("r8 |= {0}\nr9 |= {0}\no{at}: r8 += 0\n", 1 << at);
        }
        // That both are equal is known of each path, and of no two together.
        text += "r8 -= r9\nr2 = r10\nr2 += -1\nr2 += r8\n*(u8 *)(r2 +0) = 1\n";
        // All parts are read at last.
        text += &format!("r1 = r10\nr1 += -{parts}\nr2 = {parts}\ncall 6\nr0 = 0\nexit");
        let program = program(BpfProgType::SocketFilter, &text);
        let mut seen = Walked(0);
        let verifier = Verifier::<ActiveProfile>::new().step_limit(20_000);
        let error = verifier.verify_with(&program, &mut seen).expect_err("too many paths");
        assert!(matches!(error.kind(), VerifyErrorKind::TooComplex { .. }), "{error}");
        seen.0
    };
    let (few, many) = (walked(2), walked(136));
    // Embedded walks somewhat fewer in as many steps.
    let least = if cfg!(feature = "embedded-profile") { 9_000 } else { 10_000 };
    assert!(few >= least, "{few}");
    assert!((1_000..few / 4).contains(&many), "{many} of {few}");
}

/// Straight code that reads the stack, at a place that is not known or by way of a slice
/// that may be lent bytes of it: each time all that lies there is looked at.
#[cfg(feature = "cloud-profile")]
#[test]
fn reads_of_a_large_stack_are_work() {
    const READS: usize = 3_000;
    let parts = |count: usize| {
        let part = |at: usize| format!("r4 = r3\nr4 &= {at}\n*(u8 *)(r10 -{}) = r4\n", 24 + at);
        let head = String::from("r6 = r1\nr3 = *(u32 *)(r6 +0)\n");
        (1..=count).fold(head, |text, at| text + &part(at))
    };
    let place = "r3 &= 255\nr2 = r10\nr2 += -500\nr2 += r3\n";
    let anywhere = place.to_owned() + &"r4 = *(u8 *)(r2 +0)\n".repeat(READS);
    let slice = format!(
        "{LOOKUP}if r0 == 0 goto out\nr1 = r0\nr2 = 48\nr3 = 0\nr4 = r10\nr4 += -16\ncall 197
         r1 = r10\nr1 += -16\nr2 = 0\nr3 = 8\ncall 203\nif r0 == 0 goto out\n{}out:",
        "r3 = *(u64 *)(r0 +0)\n".repeat(READS)
    );
    for body in [anywhere, slice] {
        let verify = |count| {
            let text = format!("{}{body}\nr0 = 0\nexit", parts(count));
            let program = program(BpfProgType::SchedCls, &text);
            let mut workspace = vec![0_u64; 1 << 17];
            let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace);
            verifier.helpers(bpf_verifier::HelperTable::linux()).step_limit(10_000).verify(&program)
        };
        assert_eq!(verify(2), Ok(()));
        let error = verify(400).expect_err("too much work");
        assert!(matches!(error.kind(), VerifyErrorKind::TooComplex { .. }), "{error}");
    }
}

/// States that wait as copies are made small where there are too many. If all else is given up
/// for the room, they still have what was written since the last node.
/// States are so large that some of them are too many, and there is little more memory than that.
#[test]
fn what_waits_keeps_its_cells() {
    let lines = |numbers: std::ops::Range<usize>, line: &dyn Fn(usize) -> String| -> String {
        numbers.map(line).collect()
    };
    let cells = lines(5..29, &|at| format!("*(u64 *)(r10 -{}) = {at}\n", 8 * at));
    let joins = lines(0..6, &|at| {
        format!("if r7 == {at} goto j{at}\n{}j{at}: r0 = 1\n", "r0 = 1\n".repeat(5))
    });
    let forks = lines(10..30, &|at| format!("if r7 == {at} goto read\n"));
    let text = format!(
        "{LOOKUP}if r0 == 0 goto out\nr6 = r0\nr7 = *(u64 *)(r6 +0)\nr8 = *(u64 *)(r6 +8)
         {cells}{joins}*(u64 *)(r10 -40) = 3\n*(u64 *)(r10 -48) = 4\nif r8 == 1 goto read
         {forks}read: r1 = *(u64 *)(r10 -40)\nr2 = *(u64 *)(r10 -48)\nr6 += r1
         r0 = *(u8 *)(r6 +0)\nout: r0 = 0\nexit"
    );
    let program = program(BpfProgType::SocketFilter, &text);
    let mut accepted = 0;
    for words in (3500..7500).step_by(3) {
        let mut workspace = vec![0_u64; words];
        match Verifier::<ActiveProfile>::with_workspace(&mut workspace).verify(&program) {
            Ok(()) => accepted += 1,
            Err(error) => {
                let kind = error.kind();
                let room = matches!(kind, VerifyErrorKind::WorkspaceExhausted { .. });
                assert!(room, "{words} words: {error}");
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}

/// Paths that end where they come to the head of a loop again, one after the other and far
/// from the node before it that asks: what looking for that costs is within the limit.
#[cfg(feature = "cloud-profile")]
#[test]
fn paths_that_are_covered_are_work() {
    const FORKS: usize = 4_000;
    let iterator = "r1 = r10\nr1 += -8\n";
    let mut text = format!("r6 = r1\nr7 = 0\n{iterator}r2 = 0\nr3 = 1000000\ncall kfunc 1\n");
    text += &format!("again: {iterator}call kfunc 2\nif r0 != 0 goto on\ngotol out\non: r4 = 0\n");
    for at in 0..FORKS {
        text += &format!("r3 = *(u32 *)(r6 +0)\nif r3 > {at} goto n{at}\nr7 = {at}\n");
        text += &format!("if r3 == 12345 goto t{at}\ngoto n{at}\nt{at}: gotol again\n");
        text += &format!("n{at}: r4 = r3\nr4 = 1\nr4 = 2\n");
    }
    text += &format!("gotol again\nout: {iterator}call kfunc 3\nr0 = 0\nr7 &= 1\nr7 = -r7\n");
    text += "r2 = r10\nr2 += r7\n";
    text += "*(u8 *)(r2 -1) = 1\nexit";
    let insns = bpf_bytecode::text::assemble::<ActiveProfile>(&text).expect("valid");
    let program =
        ProgramBuilder::from_static(BpfProgType::SocketFilter, Vec::from(&insns[..]).leak());
    let program = program.build().expect("valid");
    let mut workspace = vec![0_u64; 1 << 20];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace).step_limit(200_000);
    let mut seen = Walked(0);
    // Whatever is said of it.
    let _ = verifier.verify_with(&program, &mut seen);
    assert!(seen.0 > 0);
}

#[test]
fn map_types_of_the_profile() {
    let verify = |map_type| {
        let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
            .map(MapDef::new(map_type, 8, 8, 4))
            .insns(&BpfInsn::ld_map(1, 0))
            .insn(BpfInsn::mov64_imm(0, 0))
            .insn(BpfInsn::exit())
            .build()
            .expect("valid");
        Verifier::<ActiveProfile>::new().verify(&program).map_err(|error| error.to_string())
    };
    assert_eq!(verify(MapType::Hash), Ok(()));
    for (map_type, name) in [(MapType::LruHash, "lru_hash"), (MapType::LpmTrie, "lpm_trie")] {
        let expected = if cfg!(feature = "embedded-profile") {
            Err(format!("insn 0: maps of type {name} do not exist on the embedded profile"))
        } else {
            Ok(())
        };
        assert_eq!(verify(map_type), expected);
    }
}

fn any_insn() -> impl Strategy<Value = BpfInsn> {
    let code = prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![
            0x07_u8, 0x0f, 0x17, 0x57, 0x67, 0x77, 0xb7, 0xbf, 0xb4, 0xbc, 0x61, 0x79, 0x71, 0x63,
            0x7b, 0x73, 0x7a, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x55, 0x65, 0xb5, 0x05, 0x85, 0x95,
            0xdb, 0x16, 0x26, 0x66, 0xe5, 0x81, 0x91,
        ]),
    ];
    let imm = prop_oneof![-64..64_i32, any::<i32>(), Just(0)];
    let off = prop_oneof![-64..8_i16, 0..12_i16, Just(0)];
    (code, 0..11_u8, 0..11_u8, off, imm).prop_map(|(code, dst, src, off, imm)| {
        let (src, imm) = match code {
            // Calls of helpers that exist, and of functions.
            0x85 if imm & 1 == 0 => {
                (0, [1, 2, 5, 7, 12, 26, 131, 132][(imm.unsigned_abs() as usize >> 1) % 8])
            }
            0x85 => (1, imm % 8),
            _ => (src, imm),
        };
        BpfInsn::new(code, dst, src, off, imm)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Whatever a program is, the answer comes, and within the limits.
    #[test]
    fn random_programs(
        mut insns in prop::collection::vec(any_insn(), 1..40),
        kind in prop::sample::select(BpfProgType::ALL.to_vec()),
        words in 0..4000_usize,
    ) {
        // Slots that decode, so that most programs can be built.
        insns.retain(|insn| bpf_bytecode::Instruction::decode(&[*insn], 0).is_ok());
        insns.insert(0, BpfInsn::mov64_imm(0, 0));
        insns.push(BpfInsn::exit());
        let mut builder = ProgramBuilder::<ActiveProfile>::new(kind).insns(&insns);
        for map in MAPS {
            builder = builder.map(map);
        }
        if let Ok(program) = builder.build() {
            let verifier = Verifier::<ActiveProfile>::new().step_limit(20_000);
            let result = verifier.verify(&program);
            let mut workspace = vec![u64::MAX; words];
            let small = Verifier::<ActiveProfile>::with_workspace(&mut workspace).step_limit(20_000);
            // Less memory can only refuse more.
            match (result, small.verify(&program)) {
                (Err(_), Ok(())) => prop_assert!(false, "accepted in less memory"),
                (Ok(()), Err(error)) => {
                    let limit = matches!(
                        error.kind(),
                        VerifyErrorKind::WorkspaceExhausted { .. }
                            | VerifyErrorKind::TooComplex { .. }
                    );
                    prop_assert!(limit, "{error}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn structure_is_checked_in_linear_time() {
    // A ladder of jumps backwards, which liveness passes do not like.
    let mut insns = vec![BpfInsn::mov64_imm(0, 0), BpfInsn::ja(199)];
    for _ in 0..198 {
        insns.push(BpfInsn::jeq_imm(0, 1, 0));
    }
    insns.push(BpfInsn::exit());
    insns.push(BpfInsn::ja(-200));
    let program = built(BpfProgType::SocketFilter, &insns);
    assert!(Verifier::<ActiveProfile>::new().verify(&program).is_ok());
    SOCKET.accepts("goto b\na: r0 = 1\nexit\nb: goto c\nd: goto a\nc: goto d");
}
