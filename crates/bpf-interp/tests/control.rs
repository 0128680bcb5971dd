//! Jumps, calls, the budget, and what ends a program.

mod common;

use bpf_bytecode::{BpfInsn, BpfProgType};
use bpf_interp::{BpfContext, BpfExecutor, Environment, Fault, Interpreter};
use bpf_profile::ActiveProfile;
use bpf_verifier::StackPolicy;
use common::{built, fault, run, run_in};

#[test]
fn a_program_without_registers_set_returns_zero() {
    assert_eq!(run("exit"), Ok(0));
}

#[test]
fn jumps_of_both_lengths_and_directions() {
    let text = "goto +1
        exit
        r0 = 7
        gotol end
    back:
        r0 += 1
        exit
    end:
        if r0 != 0 goto back
        r0 = 99
        exit";
    assert_eq!(run(text), Ok(8));
}

#[test]
fn the_budget_ends_a_loop_at_the_first_instruction_not_covered() {
    let env = Environment::new().with_budget(10);
    let context = BpfContext::empty();
    let endless = run_in(env, BpfProgType::Xdp, &[], "goto -1", &context);
    assert_eq!(endless, fault(0, Fault::Budget));
    let three = "r0 = 1\nr0 = 2\nexit";
    for (budget, expected) in
        [(3, Ok(2)), (2, fault(2, Fault::Budget)), (0, fault(0, Fault::Budget))]
    {
        let env = Environment::new().with_budget(budget);
        assert_eq!(run_in(env, BpfProgType::Xdp, &[], three, &context), expected);
    }
}

#[test]
fn a_call_saves_what_the_rfc_says() {
    let text = "r6 = 6
        r7 = 7
        r8 = 8
        r9 = 9
        r1 = 1
        call callee
        r0 += r6
        r0 += r7
        r0 += r8
        r0 += r9
        exit
    callee:
        r6 = 100
        r7 = 100
        r8 = 100
        r9 = 100
        r0 = r1
        exit";
    assert_eq!(run(text), Ok(31));
}

#[test]
fn a_callee_sees_its_callers_registers() {
    let text = "r6 = 40\nr2 = 2\ncall callee\nexit\ncallee: r0 = r6\nr0 += r2\nexit";
    assert_eq!(run(text), Ok(42));
}

#[test]
fn recursion_ends_at_the_policy() {
    let text = "r6 = 0\ncall f\nexit\nf: r6 += 1\ncall f\nexit";
    // Eight frames: the call at slot 4 in the eighth one fails.
    assert_eq!(run(text), fault(4, Fault::CallDepth));
    let policy = StackPolicy::new::<ActiveProfile>(64, 64, 3).unwrap();
    let env = Environment::new().with_stack_policy(policy);
    let context = BpfContext::empty();
    let two = "call f\nexit\nf: call g\nexit\ng: r0 = 5\nexit";
    assert_eq!(run_in(env, BpfProgType::Xdp, &[], two, &context), Ok(5));
    let three = "call f\nexit\nf: call g\nexit\ng: call h\nexit\nh: r0 = 5\nexit";
    let result = run_in(env, BpfProgType::Xdp, &[], three, &context);
    assert_eq!(result, fault(4, Fault::CallDepth));
}

#[test]
fn a_larger_stack_takes_its_own_storage() {
    let policy = StackPolicy::new::<ActiveProfile>(1024, 1024, 7).unwrap();
    let env = Environment::new().with_stack_policy(policy);
    let text = "*(u64 *)(r10 -1024) = 77
        call f
        r0 = *(u64 *)(r10 -1024)
        exit
    f:
        *(u64 *)(r10 -1024) = 1
        exit";
    let result = run_in(env, BpfProgType::Xdp, &[], text, &BpfContext::empty());
    assert_eq!(result, Ok(77));
}

#[test]
fn may_goto_falls_through_until_the_allowance_is_used_up() {
    let once = "r0 = 1\nmay_goto +1\nr0 = 2\nexit";
    assert_eq!(run(once), Ok(2));
    let counting = "r0 = 0\nmay_goto +2\nr0 += 1\ngoto -3\nexit";
    assert_eq!(run(counting), Ok(8 << 20));
}

#[test]
fn what_no_engine_executes_is_refused_by_name() {
    let kfunc = built(
        BpfProgType::Xdp,
        &[],
        &[BpfInsn::mov64_imm(0, 0), BpfInsn::call_kfunc(7), BpfInsn::exit()],
    );
    let interp = Interpreter::<ActiveProfile>::new();
    let result = interp.execute(&kfunc, &BpfContext::empty());
    assert_eq!(result, fault(1, Fault::Unsupported("call of a kernel function")));
    let [low, high] = BpfInsn::ld_imm64_pair(1, 1, 3, 0);
    let by_fd = built(BpfProgType::Xdp, &[], &[low, high, BpfInsn::exit()]);
    let result = interp.execute(&by_fd, &BpfContext::empty());
    assert_eq!(result, fault(0, Fault::Unsupported("map by file descriptor")));
}

#[test]
fn the_frame_pointer_is_read_only() {
    let writes = [
        "r10 = 0",
        "r10 += -8",
        "w10 = w1",
        "r10 = *(u64 *)(r10 -8)",
        "r10 = -r10",
        "r10 = be16 r10",
        "r10 = 5 ll",
        "r10 = atomic_fetch_add((u64 *)(r1 +0), r10)",
        "r10 = load_acquire((u64 *)(r1 +0))",
    ];
    for write in writes {
        let text = format!("r1 = r10\nr1 += -8\n{write}\nexit");
        assert_eq!(run(&text), fault(2, Fault::FramePointerWrite), "{write}");
    }
}

#[test]
fn an_unknown_helper_is_a_fault() {
    assert_eq!(run("r0 = 0\ncall 9999\nexit"), fault(1, Fault::UnknownHelper(9999)));
    // Exists on Linux, and not here.
    assert_eq!(run("call 4\nexit"), fault(0, Fault::UnknownHelper(4)));
}

#[test]
fn helpers_keep_the_argument_registers() {
    let text = "r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall 5
        r0 += r1\nr0 += r2\nr0 += r3\nr0 += r4\nr0 += r5\nexit";
    assert_eq!(run(text), Ok(15));
}

#[test]
fn a_program_may_be_run_again_and_on_many_threads() {
    let program = common::program(BpfProgType::Xdp, &[], "r0 = 42\nexit");
    let interp = Interpreter::<ActiveProfile>::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    assert_eq!(interp.execute(&program, &BpfContext::empty()), Ok(42));
                }
            });
        }
    });
}
