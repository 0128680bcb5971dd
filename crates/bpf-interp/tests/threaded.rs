//! Threaded execution: what other tests of verified programs do not come upon.

mod common;

use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor, BpfResult, Environment, VerifiedInterpreter};
use bpf_maps::{BpfMap, ProgArray};
use bpf_profile::ActiveProfile;
use bpf_verifier::{InsnFact, VerifiedProgram, Verifier};
use common::{Program, program};

type Verified = VerifiedProgram<ActiveProfile>;

fn verified(program: &Program) -> Verified {
    let facts = vec![InsnFact::default(); program.insns().len()].leak();
    let mut workspace = vec![0; 1 << 20];
    let verifier = Verifier::<ActiveProfile>::with_workspace(&mut workspace);
    verifier.verify_program_into(program, facts).unwrap()
}

/// Runs the first program, in each form that the profile has; the others are
/// targets of tail calls.
fn results(env: Environment<'_>, programs: &[Verified]) -> Vec<BpfResult> {
    results_over(env, programs, &BpfContext::empty())
}

/// The same over a context.
fn results_over(
    env: Environment<'_>,
    programs: &[Verified],
    context: &BpfContext<'_>,
) -> Vec<BpfResult> {
    let refs: Vec<&Verified> = programs.iter().collect();
    let in_place = VerifiedInterpreter::with_env(env).with_programs(&refs);
    let result = in_place.execute(refs[0], context);
    #[cfg(feature = "cloud-profile")]
    {
        use bpf_interp::{TranslatedInterpreter, TranslatedProgram};

        let programs: Vec<TranslatedProgram<ActiveProfile>> =
            refs.iter().map(|program| TranslatedProgram::new(program).unwrap()).collect();
        let refs: Vec<&TranslatedProgram<ActiveProfile>> = programs.iter().collect();
        let translated = TranslatedInterpreter::with_env(env).with_programs(&refs);
        vec![result, translated.execute(refs[0], context)]
    }
    #[cfg(not(feature = "cloud-profile"))]
    vec![result]
}

/// As [`results`], with a program array that holds the program of this number.
fn tail_calling(texts: &[&str], next: u32) -> Vec<BpfResult> {
    let array = ProgArray::<ActiveProfile>::with_entries(1).unwrap();
    array.update(&0_u32.to_ne_bytes(), &next.to_ne_bytes(), 0).unwrap();
    let maps: [&dyn BpfMap; 1] = [&array];
    let load = |text: &&str| verified(&program(BpfProgType::SocketFilter, &[*array.def()], text));
    let programs: Vec<Verified> = texts.iter().map(load).collect();
    results(Environment::new().with_maps(&maps), &programs)
}

/// Runs a program where the native stack holds far less than a byte for each
/// executed instruction.
fn on_a_small_stack(program: &Program) {
    const STACK: usize = 256 * 1024;
    let programs = [verified(program)];
    let run = move || results(Environment::new(), &programs);
    let results = std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    for result in results {
        assert_eq!(result, Ok(0));
    }
}

#[test]
fn loops_do_not_grow_the_native_stack() {
    on_a_small_stack(&program(
        BpfProgType::SocketFilter,
        &[],
        "r0 = 1000000
        next:
            r0 += -1
            if r0 != 0 goto next
            exit",
    ));
}

#[test]
fn straight_code_does_not_grow_the_native_stack() {
    let mut insns = vec![BpfInsn::mov64_imm(0, 0)];
    insns.resize(90_000, BpfInsn::xor64_reg(0, 0));
    insns.push(BpfInsn::exit());
    let program = ProgramBuilder::from_static(BpfProgType::SocketFilter, insns.leak());
    on_a_small_stack(&program.build().unwrap());
}

#[test]
fn every_register_is_where_it_belongs() {
    // More registers than are passed on, all of them changed in a loop, a call
    // and a helper's call.
    let text = "r1 = 1
            r2 = 2
            r3 = 3
            r4 = 4
            r5 = 5
            r6 = 6
            r7 = 7
            r8 = 8
            r9 = 9
            r0 = 0
        next:
            r1 += r9
            r2 += r1
            r3 ^= r2
            r4 += r3
            r5 -= r4
            r6 += r5
            r7 ^= r6
            r8 += r7
            r9 += r8
            r0 += 1
            if r0 < 10 goto next
            r0 = r6
            r0 ^= r7
            r0 ^= r8
            r0 ^= r9
            *(u64 *)(r10 -8) = r0
            call mix
            r1 = *(u64 *)(r10 -8)
            r0 ^= r1
            r0 += r6
            r0 ^= r9
            exit
        mix:
            r6 = r1
            r6 *= 3
            r6 ^= r5
            call 5
            r0 = r6
            exit";
    let program = program(BpfProgType::SocketFilter, &[], text);
    let expected =
        bpf_interp::Interpreter::<ActiveProfile>::new().execute(&program, &BpfContext::empty());
    assert!(expected.is_ok_and(|r0| r0 != 0));
    for result in results(Environment::new(), &[verified(&program)]) {
        assert_eq!(result, expected);
    }
}

#[test]
fn a_tail_call_goes_on_with_the_targets_own_registers() {
    let caller = "r6 = 1
            r7 = 2
            r6 += r7
            r8 = r1
            r2 = map[idx:0] ll
            r3 = 0
            call 12
            r0 = 5
            exit";
    // It names other registers, and others most often.
    let target = "r0 = 7
            r5 = 1
            r4 = 2
            r5 += r4
            r5 += r4
            r0 += r5
            exit";
    for result in tail_calling(&[caller, target], 1) {
        assert_eq!(result, Ok(12));
    }
}

/// What takes over in a function returns to the function's caller, whose registers,
/// stack and zeros are as they were.
#[test]
fn a_tail_call_in_a_function_returns_to_the_caller() {
    let caller = "r6 = 40
            r7 = r10
            *(u64 *)(r10 -8) = 100
            call local f
            r6 += r0
            call local g
            r0 += r6
            r1 = *(u64 *)(r7 -8)
            r0 += r1
            exit
        f: r2 = map[idx:0] ll
            r3 = 0
            call 12
            r0 = 5000
            exit
        g: call local zeros
            exit
        zeros: r0 = *(u64 *)(r10 -16)
            exit";
    let target = "r6 = 1
            r7 = 2
            r8 = 3
            *(u64 *)(r10 -8) = r8
            *(u64 *)(r10 -16) = r8
            call local h
            r0 += r6
            exit
        h: r6 = 9
            *(u64 *)(r10 -8) = r6
            *(u64 *)(r10 -16) = r6
            r0 = 1
            exit";
    for result in tail_calling(&[caller, target], 1) {
        assert_eq!(result, Ok(142));
    }
    // One that calls itself again comes back as often: by frames, of which there are
    // eight, or by the limit on tail calls.
    let nested = "call local f
            r0 += 1
            exit
        f: r2 = map[idx:0] ll
            r3 = 0
            call 12
            r0 = 0
            exit";
    let wide = "r6 = r1
            call local f
            r7 = r0
            r1 = r6
            call local f
            r0 += r7
            r0 += 1
            exit
        f: r2 = map[idx:0] ll
            r3 = 0
            call 12
            r0 = 0
            exit";
    for (text, runs) in [(nested, 7), (wide, 34)] {
        for result in tail_calling(&[text], 0) {
            assert_eq!(result, Ok(runs));
        }
    }
}

/// Instructions that are executed together are so by themselves, too, where a jump leads
/// to the second one.
#[test]
fn what_is_executed_in_pairs_is_executed_alone() {
    // A number and the exit, in the program and in a function of it; both widths.
    for (number, expected) in [("r0 = -2", u64::MAX - 1), ("w0 = -2", 0xffff_fffe)] {
        for (jumps, expected) in [(7, expected), (8, 40)] {
            let text = format!(
                "call f
                r6 = r0
                call g
                r7 = r0
                r1 = r6
                r1 += r7
                r0 = {jumps}
                r1 += r0
                r0 = 40
                if r1 == 12 goto out
                {number}
            out: exit
            f: r0 = 3
                exit
            g: w0 = 1
                r2 = 0
                if r2 == 0 goto to
                r0 = 9
            to: exit"
            );
            let program = verified(&program(BpfProgType::SocketFilter, &[], &text));
            for result in results(Environment::new(), &[program]) {
                assert_eq!(result, Ok(expected), "{text}");
            }
        }
    }
    // The packet's addresses, in both orders and either one twice; the second load alone
    // where there are marks.
    let first = ["data", "data_end"];
    for (one, other) in first.iter().flat_map(|one| first.map(|other| (*one, other))) {
        let load = |register: u8, field| {
            let offset = if field == "data" { 0 } else { 4 };
            format!("r{register} = *(u32 *)(r6 +{offset})\n")
        };
        let text = format!(
            "r6 = r1
            {}r3 = r2
            r5 = *(u32 *)(r1 +16)
            if r5 == 0 goto second
            {}second: {}r0 = r3
            r0 -= r2
            r0 &= 255
            exit",
            load(2, "data"),
            load(3, one),
            load(2, other)
        );
        let program = program(BpfProgType::Xdp, &[], &text);
        let verified = [verified(&program)];
        for queue in [0, 1] {
            let mut packet = [0; 60];
            let context = BpfContext::xdp(&mut packet).with_rx_queue(queue);
            let expected =
                bpf_interp::Interpreter::<ActiveProfile>::new().execute(&program, &context);
            assert!(expected.is_ok(), "{text}");
            for result in results_over(Environment::new(), &verified, &context) {
                assert_eq!(result, expected, "{text}");
            }
        }
    }
}
