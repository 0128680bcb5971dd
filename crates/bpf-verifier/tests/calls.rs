//! Functions of the program: frames, registers, stack, recursion.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{StackPolicy, Verifier, VerifyErrorKind};
use common::{LOOKUP, SOCKET, UNPRIVILEGED, program};

#[test]
fn arguments_and_results() {
    let info = SOCKET.accepts(
        "r6 = r1
         r1 = 3
         r2 = 4
         call local sum
         r0 += 1
         if r0 == 8 goto out
         r0 = r9
         out: r1 = *(u32 *)(r6 +0)
         exit
         sum: r0 = r1
         r0 += r2
         exit",
    );
    assert_eq!((info.frames, info.stack_bytes, info.max_insns), (2, 0, 11));
    SOCKET.rejects("R2 !read_ok", "call local f\nr0 = 0\nexit\nf: r0 = r2\nexit");
    SOCKET.rejects("R0 !read_ok", "r0 = 0\ncall local f\nexit\nf: exit");
    SOCKET.rejects("R1 !read_ok", "call local f\nr0 = r1\nexit\nf: r0 = 0\nexit");
}

#[test]
fn saved_registers() {
    // The callee sees none of the caller's R6 to R9, and cannot change them.
    SOCKET.rejects("R6 !read_ok", "r6 = 1\ncall local f\nr0 = r6\nexit\nf: r0 = r6\nexit");
    SOCKET.accepts(
        "r6 = 1
         call local f
         if r6 == 1 goto out
         r0 = r9
         out: exit
         f: r6 = 2
         r0 = 0
         exit",
    );
}

#[test]
fn frames_are_apart() {
    UNPRIVILEGED.rejects(
        "invalid read from stack",
        "*(u64 *)(r10 -8) = 1\ncall local f\nexit\nf: r0 = *(u64 *)(r10 -8)\nexit",
    );
    // Through a pointer the callee reaches the caller's.
    SOCKET.accepts(
        "*(u64 *)(r10 -8) = 1
         r1 = r10
         r1 += -8
         call local f
         r0 = *(u64 *)(r10 -8)
         if r0 == 5 goto out
         r0 = r9
         out: exit
         f: r2 = *(u64 *)(r1 +0)
         *(u64 *)(r1 +0) = 5
         r0 = 0
         exit",
    );
    SOCKET.rejects(
        "invalid stack access",
        "r1 = r10\ncall local f\nexit\nf: *(u64 *)(r1 +0) = 5\nr0 = 0\nexit",
    );
    // It may initialise the caller's bytes, on every path.
    UNPRIVILEGED.rejects(
        "invalid read from stack",
        "r2 = *(u32 *)(r1 +0)
         r1 = r10
         r1 += -8
         call local f
         r0 = *(u64 *)(r10 -8)
         exit
         f: if r2 == 0 goto out
         *(u64 *)(r1 +0) = 5
         out: r0 = 0
         exit",
    );
    // The dead frame's bytes are not the next one's.
    UNPRIVILEGED.rejects(
        "invalid read from stack",
        "call local f
         call local g
         exit
         f: *(u64 *)(r10 -8) = 7
         r0 = 0
         exit
         g: r0 = *(u64 *)(r10 -8)
         exit",
    );
}

#[test]
fn pointers_do_not_outlive_their_frame() {
    SOCKET.rejects(
        "cannot return stack pointer",
        "call local f\nr0 = *(u64 *)(r0 -8)\nexit\nf: r0 = r10\nexit",
    );
    SOCKET.rejects(
        "stack frame of the caller",
        "r1 = r10
         r1 += -8
         call local f
         r0 = *(u64 *)(r10 -8)
         exit
         f: *(u64 *)(r1 +0) = r10
         r0 = 0
         exit",
    );
    // The caller's own may come back.
    SOCKET.accepts(
        "*(u64 *)(r10 -8) = 3
         r1 = r10
         r1 += -8
         call local f
         r0 = *(u64 *)(r0 +0)
         exit
         f: r0 = r1
         exit",
    );
    SOCKET.accepts(
        "*(u64 *)(r10 -16) = 3
         r1 = r10
         r1 += -16
         call local f
         r1 = *(u64 *)(r10 -8)
         r0 = *(u64 *)(r1 +0)
         exit
         f: *(u64 *)(r1 +8) = r1
         r0 = 0
         exit",
    );
}

#[test]
fn null_checks_reach_all_frames() {
    SOCKET.accepts(&format!(
        "{LOOKUP}
         r6 = r0
         r1 = r0
         call local check
         if r0 == 0 goto out
         r0 = 0
         out: exit
         check: r0 = 0
         if r1 == 0 goto null
         r0 = *(u64 *)(r1 +40)
         null: exit"
    ));
    SOCKET.accepts(
        &format!(
            "{LOOKUP}
         r6 = r0
         r1 = r0
         call local check
         r0 = *(u8 *)(r6 +0)
         exit
         check: if r1 != 0 goto fine
         r6 = 0
         forever: r6 += 1
         if r6 < 5 goto forever
         r0 = 1
         exit
         fine: r0 = 0
         exit"
        )
        .replace("r0 = *(u8 *)(r6 +0)\n", "if r0 == 1 goto none\n r0 = *(u8 *)(r6 +0)\n none:\n"),
    );
}

#[test]
fn recursion() {
    SOCKET.rejects("recursive call", "call local f\nexit\nf: call local f\nr0 = 0\nexit");
    SOCKET.rejects(
        "recursive call",
        "call local f\nexit\nf: call local g\nexit\ng: call local f\nr0 = 0\nexit",
    );
    SOCKET
        .rejects("recursive call", "main: r0 = 0\nif r0 == 0 goto out\ncall local main\nout: exit");
}

/// A chain of `depth` functions behind the first, each with `bytes` of stack.
fn chain(depth: usize, bytes: usize) -> String {
    let mut text = String::from("call local f1\nexit\n");
    for at in 1..=depth {
        text += &format!("f{at}: *(u8 *)(r10 -{bytes}) = 0\n");
        if at < depth {
            text += &format!("call local f{}\n", at + 1);
        }
        text += "r0 = 0\nexit\n";
    }
    text
}

#[test]
fn chains_of_calls_have_limits() {
    assert_eq!(SOCKET.accepts(&chain(7, 8)).frames, 8);
    SOCKET.rejects("the call stack of 9 frames is too deep", &chain(8, 8));
    assert_eq!(SOCKET.accepts(&chain(3, 160)).stack_bytes, 480);
    SOCKET.rejects("combined stack size of 3 calls is 576", &chain(3, 192));
    // Side by side they share.
    SOCKET.accepts(
        "call local f
         call local g
         exit
         f: *(u64 *)(r10 -400) = 0
         r0 = 0
         exit
         g: *(u64 *)(r10 -400) = 0
         r0 = 0
         exit",
    );
}

#[test]
fn kernels_raise_the_limits() {
    let policy = StackPolicy::new::<ActiveProfile>(1024, 4000, 8).expect("fits");
    let verifier = Verifier::<ActiveProfile>::new().stack_policy(policy);
    let deep = program(BpfProgType::SocketFilter, &chain(3, 1000));
    assert!(verifier.verify(&deep).is_ok());
    let error = Verifier::<ActiveProfile>::new().verify(&deep).unwrap_err();
    assert!(matches!(error.kind(), VerifyErrorKind::StackOutOfBounds { .. }));
    let info = *verifier.verify_program(&deep).expect("safe").info();
    assert_eq!((info.stack_bytes, info.stack_policy), (3 * 1008, policy));
    let deeper = program(BpfProgType::SocketFilter, &chain(4, 1000));
    assert!(matches!(
        verifier.verify(&deeper).unwrap_err().kind(),
        VerifyErrorKind::StackDepth { bytes: 4032, limit: 4000, .. }
    ));
}

/// A function is walked anew where it returns elsewhere.
#[test]
fn states_of_different_callers_differ() {
    SOCKET.rejects(
        "R9 !read_ok",
        "r6 = *(u32 *)(r1 +0)
         r7 = *(u32 *)(r1 +4)
         r1 = r7
         if r6 == 0 goto other
         call local f
         exit
         other: call local f
         r0 = r9
         exit
         f: r0 = 0
         if r1 == 3 goto join
         r0 = 1
         r0 = 2
         join: r0 = 3
         r0 = 4
         exit",
    );
}

/// Paths that differ in a result that nobody reads are one.
#[test]
fn results_that_nobody_reads() {
    let walked = |after: &str| {
        let text = format!(
            "call local f
             {after}
             r0 = 0
             exit
             f: r6 = r1
             call 7
             if r0 == 0 goto join
             r0 = r6
             join: r1 = 1
             r2 = 2
             r3 = 3
             r4 = 4
             exit"
        );
        SOCKET.accepts(&text).processed
    };
    // The function and what follows it are walked once, or once more.
    assert_eq!((walked("r7 = 0"), walked("r7 = r0")), (13, 21));
}
