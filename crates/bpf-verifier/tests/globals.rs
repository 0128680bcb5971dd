//! Global functions: verified once, apart from their callers, by what they take.

mod common;

use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Privilege, VerifiedInfo, Verifier, VerifyError, VerifyErrorKind};
use common::{LOOKUP, program, with_globals};

const NUMBER: &[Param] = &[Param::Number];
const CONTEXT: &[Param] = &[Param::Context];
const EIGHT: &[Param] = &[Param::Memory(8)];
const MAYBE: &[Param] = &[Param::MemoryOrNull(8)];

fn verify_as(
    prog_type: BpfProgType,
    text: &str,
    takes: &[&[Param]],
) -> Result<VerifiedInfo, VerifyError> {
    let program = with_globals(prog_type, text, takes);
    let verifier = Verifier::<ActiveProfile>::new;
    let result = verifier().verify_program(&program).map(|verified| *verified.info());
    let strict = verifier().compare_everything().unroll_loops().verify(&program);
    assert_eq!(result.is_ok(), strict.is_ok(), "{result:?} {strict:?}\n{text}");
    result
}

#[track_caller]
fn accepts(text: &str, takes: &[&[Param]]) -> VerifiedInfo {
    verify_as(BpfProgType::Xdp, text, takes).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[track_caller]
fn rejects(reason: &str, text: &str, takes: &[&[Param]]) -> VerifyError {
    match verify_as(BpfProgType::Xdp, text, takes) {
        Ok(_) => panic!("accepted, should be refused for: {reason}\n{text}"),
        Err(error) => {
            assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
            error
        }
    }
}

#[test]
fn a_function_is_walked_once() {
    let calls = "r1 = 1\ncall local f\n".repeat(8);
    let text = format!("{calls}r0 = 0\nexit\nf: r0 = r1\nr0 *= 7\nr0 += 3\nexit");
    let info = accepts(&text, &[NUMBER]);
    // Sixteen, two, and four in the function; it is executed eight times.
    assert_eq!((info.processed, info.max_insns), (22, 16 + 2 + 8 * 4));
    assert_eq!((info.frames, info.stack_bytes), (2, 0));
    // Where nothing is said of it, it is walked at each call.
    assert_eq!(accepts(&text, &[]).max_insns, 16 + 2 + 8 * 4);
    assert!(accepts(&text, &[]).processed > 22);
}

#[test]
fn arguments_and_results_are_any_numbers() {
    let text = |f: &str| format!("r1 = 4\ncall local f\nr0 = 0\nexit\nf: {f}\nexit");
    // What would do for the argument that there is does not do for all.
    let access = format!("r6 = r1\n{LOOKUP}if r0 == 0 goto +2\nr0 += r6\nr0 = *(u8 *)(r0 +0)");
    accepts(&text(&access), &[]);
    rejects("unbounded", &text(&access), &[NUMBER]);
    let bounded = access.replace("r6 = r1", "r6 = r1\nr6 &= 31");
    accepts(&text(&bounded), &[NUMBER]);
    // And the caller knows nothing of the result.
    let result = |f: &str| {
        format!(
            "r1 = 0\ncall local f\nr6 = r0\n{LOOKUP}if r0 == 0 goto +2\nr0 += r6
             r0 = *(u8 *)(r0 +0)\nexit\nf: {f}\nexit"
        )
    };
    accepts(&result("r0 = 5"), &[]);
    rejects("unbounded", &result("r0 = 5"), &[NUMBER]);
    // Which must be a number, on every path.
    rejects("R0 is not a known value", &text("r0 = r10"), &[NUMBER]);
    rejects("R0 !read_ok", &text("if r1 == 0 goto +1\nr0 = 1"), &[NUMBER]);
}

#[test]
fn arguments_must_be_what_is_taken() {
    let text = |before: &str| format!("{before}\ncall local f\nr0 = 0\nexit\nf: r0 = 0\nexit");
    rejects("R1 type=fp expected=number", &text("r1 = r10"), &[NUMBER]);
    rejects("R1 type=ctx expected=number", &text(""), &[NUMBER]);
    accepts(&text(""), &[CONTEXT]);
    rejects("dereference of modified ctx ptr", &text("r1 += 4"), &[CONTEXT]);
    rejects("R1 type=scalar expected=ctx", &text("r1 = 0"), &[CONTEXT]);
    rejects("R1 type=scalar expected=memory", &text("r1 = 0"), &[EIGHT]);
    accepts(&text("r1 = 0"), &[MAYBE]);
    rejects("R1 type=scalar expected=memory or null", &text("r1 = 8"), &[MAYBE]);
    // Two are taken, and one is given.
    let two = &[Param::Number, Param::Number];
    rejects("R2 !read_ok", &text("r1 = 0"), &[two]);
    accepts(&text("r1 = 0\nr2 = 0"), &[two]);
}

#[test]
fn memory_is_as_large_as_was_said() {
    let text = |off: i32, f: &str| {
        format!("r1 = r10\nr1 += {off}\ncall local f\nr0 = 0\nexit\nf: {f}\nr0 = 0\nexit")
    };
    accepts(&text(-8, "r2 = *(u64 *)(r1 +0)\n*(u32 *)(r1 +4) = r2"), &[EIGHT]);
    rejects("invalid access to mem", &text(-8, "r2 = *(u8 *)(r1 +8)"), &[EIGHT]);
    rejects("invalid access to mem", &text(-8, "r2 = *(u8 *)(r1 -1)"), &[EIGHT]);
    rejects("invalid stack access", &text(-4, ""), &[EIGHT]);
    // It may be null where that was not excluded.
    rejects("it may be null", &text(-8, "r2 = *(u8 *)(r1 +0)"), &[MAYBE]);
    accepts(&text(-8, "if r1 == 0 goto +1\nr2 = *(u8 *)(r1 +0)"), &[MAYBE]);
    // A value that may be null will do there, and only there.
    let value = format!("{LOOKUP}r1 = r0\ncall local f\nr0 = 0\nexit\nf: r0 = 0\nexit");
    accepts(&value, &[MAYBE]);
    rejects("R1 type=map_value_or_null expected=memory", &value, &[EIGHT]);
    accepts(&value.replace("r1 = r0", "if r0 == 0 goto +2\nr1 = r0"), &[EIGHT]);
    rejects("invalid access to map_value", &value, &[&[Param::MemoryOrNull(49)]]);
    // What may only be read is not given away to be written.
    let readonly = "r1 = map[idx:4][0] ll\ncall local f\nr0 = 0\nexit\nf: r0 = 0\nexit";
    rejects("write of map_value is not allowed", readonly, &[MAYBE]);
}

#[test]
fn what_a_function_may_have_written() {
    // A number on the stack is none that is known, behind the call.
    let text = |access: &str| {
        format!(
            "*(u64 *)(r10 -8) = 4\nr1 = r10\nr1 += -8\ncall local f\nr6 = *(u64 *)(r10 -8)
             {access}\nr0 = 0\nexit\nf: r0 = 0\nexit"
        )
    };
    let access = "r7 = r10\nr7 += -64\nr7 += r6\n*(u8 *)(r7 +0) = 0";
    accepts(&text(access), &[]);
    rejects("unbounded", &text(access), &[EIGHT]);
    // And no pointer.
    let pointer = "*(u64 *)(r10 -8) = r1\nr1 = r10\nr1 += -8\ncall local f
                   r1 = *(u64 *)(r10 -8)\nr0 = *(u32 *)(r1 +0)\nexit\nf: r0 = 0\nexit";
    accepts(pointer, &[]);
    rejects("R1 invalid mem access 'scalar'", pointer, &[EIGHT]);
}

#[test]
fn functions_that_move_the_packet() {
    let packet = "r6 = r1\nr7 = *(u32 *)(r1 +0)\nr8 = *(u32 *)(r1 +4)\nr2 = r7\nr2 += 8
                  if r2 > r8 goto out\n";
    let behind = "r0 = *(u8 *)(r7 +0)\nout: r0 = 0\nexit\n";
    let moves = "f: r2 = 4\ncall 44\nr0 = 0\nexit";
    let call = format!("{packet}r1 = r6\ncall local f\n{behind}");
    accepts(&format!("{call}f: r0 = *(u32 *)(r1 +12)\nexit"), &[CONTEXT]);
    rejects("R7 invalid mem access 'scalar'", &format!("{call}{moves}"), &[CONTEXT]);
    // So may what takes over.
    let tail = format!("{call}f: r2 = map[idx:3] ll\nr3 = 0\ncall 12\nr0 = 0\nexit");
    rejects("R7 invalid mem access 'scalar'", &tail, &[CONTEXT]);
    // Also through another function, global or not.
    let through = format!("{call}f: call local g\nr0 = 0\nexit\n{}", moves.replace("f:", "g:"));
    rejects("R7 invalid mem access 'scalar'", &through, &[CONTEXT]);
    rejects("R7 invalid mem access 'scalar'", &through, &[CONTEXT, CONTEXT]);
    // Part of the packet as memory: it must not move under the function.
    let given = format!("{packet}r1 = r7\nr2 = r6\ncall local f\n{behind}");
    let takes: &[Param] = &[Param::Memory(8), Param::Context];
    accepts(&format!("{given}f: r0 = *(u64 *)(r1 +0)\nexit"), &[takes]);
    rejects(
        "R1 type=pkt expected=memory",
        &format!("{given}f: r6 = r1\nr1 = r2\nr2 = 4\ncall 44\nr0 = *(u64 *)(r6 +0)\nexit"),
        &[takes],
    );
    rejects(
        "proven to be in the packet",
        &format!("{given}f: r0 = 0\nexit"),
        &[&[Param::Memory(9), Param::Context]],
    );
}

#[test]
fn atomics_on_given_memory() {
    let text = |off: i32| {
        format!(
            "r1 = r10\nr1 += {off}\ncall local f\nr0 = 0\nexit
             f: r2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 0\nexit"
        )
    };
    accepts(&text(-16), &[EIGHT]);
    rejects("misaligned access", &text(-12), &[EIGHT]);
    // Through a second function.
    let through = "r1 = r10\nr1 += -12\ncall local f\nr0 = 0\nexit
                   f: call local g\nr0 = 0\nexit
                   g: r2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 0\nexit";
    rejects("misaligned access", through, &[EIGHT, EIGHT]);
    accepts(&through.replace("-12", "-16"), &[EIGHT, EIGHT]);
    // No packet allows them.
    rejects(
        "atomic access to pkt",
        "r7 = *(u32 *)(r1 +0)\nr8 = *(u32 *)(r1 +4)\nr2 = r7\nr2 += 8\nif r2 > r8 goto out
         r1 = r7\ncall local f\nout: r0 = 0\nexit
         f: r2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 0\nexit",
        &[EIGHT],
    );
    // Nor does a slice of one.
    let slice = "r2 = 0\nr3 = r10\nr3 += -16\ncall kfunc 137\nr1 = r10\nr1 += -16\nr2 = 0
        r3 = 0\nr4 = 8\ncall kfunc 139\nif r0 == 0 goto out\nr1 = r0\ncall local f
        out: r0 = 0\nexit\nf: r2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 0\nexit";
    let linux = |text: &str| {
        let program = with_globals(BpfProgType::Xdp, text, &[EIGHT]);
        Verifier::<ActiveProfile>::with_env(HelperTable::linux()).verify(&program)
    };
    linux(&slice.replace("lock *(u64 *)(r1 +0) += r2", "*(u64 *)(r1 +0) = r2")).unwrap();
    let error = linux(slice).expect_err("an atomic operation on a packet");
    assert!(error.to_string().contains("atomic access to pkt"), "{error}");
}

#[test]
fn references_stay_where_they_are() {
    let reserve = "r1 = map[idx:2] ll\nr2 = 8\nr3 = 0\ncall 131\nif r0 == 0 goto out\nr6 = r0\n";
    let submit = "r1 = r6\nr2 = 0\ncall 132\n";
    // A record may be filled elsewhere, not released.
    let fill = format!(
        "{reserve}r1 = r6\ncall local f\n{submit}out: r0 = 0\nexit
         f: *(u64 *)(r1 +0) = 1\nr0 = 0\nexit"
    );
    accepts(&fill, &[EIGHT]);
    let release = fill.replace("*(u64 *)(r1 +0) = 1", "r2 = 0\ncall 132");
    rejects("R1 type=mem expected=start of reserved memory", &release, &[EIGHT]);
    // What a function reserves it releases.
    let leak = format!("call local f\nr0 = 0\nexit\nf: {reserve}out: r0 = 0\nexit");
    rejects("Unreleased reference", &leak, &[&[]]);
    let whole = format!("call local f\nr0 = 0\nexit\nf: {reserve}{submit}out: r0 = 0\nexit");
    accepts(&whole, &[&[]]);
}

#[test]
fn a_function_is_no_program() {
    // What takes over, or 0 where a packet is too short, comes back to its caller.
    let text = |f: &str, after: &str| {
        format!("call local f\n{after}\nr0 = 0\nexit\nf: r6 = r1\n{f}\nr0 = 1\nexit")
    };
    let verify = |f, after| verify_as(BpfProgType::SocketFilter, &text(f, after), &[CONTEXT]);
    for f in ["r2 = map[idx:3] ll\nr3 = 0\ncall 12", "r0 = *(u8 *)skb[4]"] {
        verify(f, "").expect(f);
        verify(f, "if r0 == 1 goto +1\nr0 = r9").expect_err(f);
    }
    // Nor is its result one of the program's.
    let result = "call local f\nr0 = 0\nexit\nf: r0 = 77\nexit";
    verify_as(BpfProgType::CgroupSkb, result, &[&[]]).expect("any number");
    let own = result.replace("r0 = 0\n", "");
    verify_as(BpfProgType::CgroupSkb, &own, &[&[]]).expect_err("any number is too much");
}

#[test]
fn only_what_is_called_is_verified() {
    // The condition never holds.
    let text = "r6 = 1\nif r6 == 1 goto out\ncall local f\nout: r0 = 0\nexit
                f: r0 = *(u64 *)(r1 +0)\nexit";
    accepts(text, &[NUMBER]);
    rejects("R1 invalid mem access 'scalar'", &text.replace("== 1", "== 2"), &[NUMBER]);
}

#[test]
fn errors_are_where_they_are() {
    let text = "r1 = 0\ncall local f\nr0 = 0\nexit\nf: call local g\nexit
                g: if r1 > 4 goto +1\nr1 = 0\nr0 = *(u64 *)(r1 +0)\nexit";
    let program = with_globals(BpfProgType::Xdp, text, &[NUMBER, NUMBER]);
    let mut last = common::Last::default();
    let verifier = Verifier::<ActiveProfile>::new();
    let error = verifier.verify_with(&program, &mut last).expect_err("refused");
    assert_eq!((error.pc(), last.events), (8, 1), "{error}");
    assert_eq!(last.state, "R1=0 R10=fp0");
}

#[test]
fn recursion_and_stack_over_all_calls() {
    let text = "r1 = 0\ncall local f\nr0 = 0\nexit\nf: r1 = 0\ncall local f\nr0 = 0\nexit";
    rejects("recursive call", text, &[NUMBER]);
    let mutual = "r1 = 0\ncall local f\nr0 = 0\nexit\nf: r1 = 0\ncall local g\nr0 = 0\nexit
                  g: r1 = 0\ncall local f\nr0 = 0\nexit";
    rejects("recursive call", mutual, &[NUMBER, NUMBER]);
    // 256 bytes each, and 288.
    let deep = |a: i32, b: i32| {
        format!(
            "*(u64 *)(r10 -{a}) = 0\nr1 = 0\ncall local f\nr0 = 0\nexit
             f: *(u64 *)(r10 -{b}) = 0\nr0 = 0\nexit"
        )
    };
    assert_eq!(accepts(&deep(256, 256), &[NUMBER]).stack_bytes, 512);
    rejects("combined stack size of 2 calls is 544", &deep(256, 288), &[NUMBER]);
}

#[test]
fn callbacks_count_over_calls() {
    // `bpf_loop` in the program, whose function calls a global one, and so on.
    let level = |name: &str, next: &str| {
        format!(
            "{name}: r1 = 2\nr2 = subprog[{name}_round] ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 0\nexit
             {name}_round: r1 = 0\n{next}\nr0 = 0\nexit\n"
        )
    };
    let text = |last: &str| {
        let start = "r1 = 0\ncall local a\nr0 = 0\nexit\n";
        let (a, b) = (level("a", "call local b"), level("b", "call local c"));
        format!("{start}{a}{b}{}{}", level("c", "call local d"), level("d", last))
    };
    let policy = bpf_verifier::StackPolicy::new::<ActiveProfile>(256, 1024, 16).expect("a policy");
    let verify = |text: &str, takes: &[&[Param]]| {
        let program = with_globals(BpfProgType::Xdp, text, takes);
        Verifier::<ActiveProfile>::new().stack_policy(policy).verify(&program)
    };
    let takes = [NUMBER, NUMBER, NUMBER, NUMBER, NUMBER];
    let four = text("r0 = 0");
    let five = format!("{}{}", text("call local e"), level("e", "r0 = 0"));
    for takes in [&takes[..0], &takes[..4], &takes[..]] {
        verify(&four, takes).unwrap_or_else(|error| panic!("{error}"));
        let error = verify(&five, takes).expect_err("five at a time");
        assert!(error.to_string().contains("4 functions called by helpers"), "{error}");
    }
}

#[test]
fn in_loops() {
    // The loop has a summary, the function is verified in the middle of it.
    let text =
        "r6 = 0\nagain: r1 = r6\ncall local f\nr6 += 1\nif r6 < 1000 goto again\nr0 = 0\nexit
                f: r2 = 0\nround: r2 += 1\nif r2 < 100 goto round\nr0 = r1\nexit";
    let info = accepts(text, &[NUMBER]);
    assert!((200_000..300_000).contains(&info.max_insns), "{info:?}");
    rejects(
        "R0 invalid mem access 'scalar'",
        &text.replace("r0 = r1", "r0 = *(u8 *)(r0 +0)").replace("r2 = 0", "r0 = 0\nr2 = 0"),
        &[NUMBER],
    );
    // It is called only where the walk's first guess goes too far.
    let guess = "r6 = 0\nagain: if r6 < 1000 goto next\ncall local f\nnext: r6 += 1
                 if r6 != 500 goto again\nr0 = 0\nexit\nf: r0 = *(u8 *)(r1 +0)\nexit";
    accepts(guess, &[NUMBER]);
}

#[test]
fn signatures_that_are_not_supported() {
    let text = "call local f\nr0 = 0\nexit\nf: r0 = 0\nexit";
    let kind = rejects("not supported", text, &[&[Param::Other]]).kind();
    assert!(matches!(kind, VerifyErrorKind::Unsupported(_)));
    let plain = program(BpfProgType::Xdp, text);
    let function = GlobalFunction { returns_number: false, ..GlobalFunction::new(3, &[]) };
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp)
        .insns(plain.insns())
        .global_function(function)
        .build()
        .expect("a program");
    let error = Verifier::new().verify(&program).expect_err("no number");
    assert!(matches!(error.kind(), VerifyErrorKind::Unsupported(_)));
}

#[test]
fn addresses_are_guarded() {
    let text = "*(u64 *)(r10 -8) = r1\nr1 = r10\nr1 += -8\ncall local f\nr0 = 0\nexit
                f: r0 = *(u64 *)(r1 +0)\nexit";
    let program = with_globals(BpfProgType::SocketFilter, text, &[EIGHT]);
    let verifier = Verifier::<ActiveProfile>::with_env(HelperTable::standard());
    verifier.verify(&program).expect("privileged");
    let verifier = verifier.privilege(Privilege::Unprivileged);
    let error = verifier.verify(&program).expect_err("an address in memory that a function reads");
    assert!(error.to_string().contains("leaks addr into global function"), "{error}");
}

#[test]
fn arguments_are_where_the_signature_has_them() {
    let text = |second: &str| {
        format!(
            "*(u64 *)(r10 -8) = 0
             r1 = r10
             r1 += -8
             r2 = {second}
             call local f
             r0 = 0
             exit
             f: r0 = *(u64 *)(r2 +0)
             exit"
        )
    };
    let verify = |second: &str| {
        let plain = program(BpfProgType::Xdp, &text(second));
        let last = plain.instructions().last().map_or(0, |(pc, _)| pc - 1);
        let mut function = GlobalFunction::new(u32::try_from(last).expect("a slot"), &[]);
        function.params[1] = Some(Param::Memory(8));
        let builder = ProgramBuilder::new(BpfProgType::Xdp).insns(plain.insns());
        let built = builder.global_function(function).build().expect("it is a program");
        Verifier::<ActiveProfile>::new().verify(&built)
    };
    verify("r1").expect("memory in R2");
    let error = verify("6").expect_err("no memory in R2");
    assert!(matches!(error.kind(), VerifyErrorKind::GlobalArgument { arg: 2, .. }), "{error}");
}

/// A function that makes a tail call is called where one may be made.
#[test]
fn tail_calls_are_known_to_callers() {
    let tail = "f: r2 = map[idx:3] ll\nr3 = 0\ncall 12\nr0 = 0\nexit";
    let called = |text: &str| accepts(text, &[CONTEXT]);
    called(&format!("call local f\nr0 = 0\nexit\n{tail}"));
    let text = format!(
        "*(u64 *)(r10 -8) = r1\nr3 = r10\nr3 += -8\nr1 = 4\nr2 = subprog[round] ll\nr4 = 0
         call 181\nr0 = 0\nexit
         round: r1 = *(u64 *)(r2 +0)\ncall local f\nr0 = 0\nexit\n{tail}"
    );
    rejects("tail calls from functions that helpers call", &text, &[CONTEXT]);
    let held = format!(
        "r6 = r1\nr1 = map[idx:2] ll\nr2 = 16\nr3 = 0\ncall 131\nif r0 == 0 goto out\nr7 = r0
         r1 = r6\ncall local f\nr1 = r7\nr2 = 0\ncall 133\nout: r0 = 0\nexit\n{tail}"
    );
    rejects("tail_call would lead to reference leak", &held, &[CONTEXT]);
}
