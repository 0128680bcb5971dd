//! Verified programs: what was proven must hold where they run.

mod common;

use bpf_bytecode::abi::frozen::FrozenBytes;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_bytecode::abi::map::{MapDef, MapType, flags};
use bpf_bytecode::opcode::Size;
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_interp::run::{ProgramInfo, Run, Saved, StackMemory};
use bpf_interp::{
    BpfContext, BpfError, BpfExecutor, BpfResult, Environment, Fault, Helper, HelperCall, Refusal,
    VerifiedInterpreter,
};
use bpf_maps::{ArrayMap, BpfMap, ProgArray};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, StackPolicy, VerifiedInfo, VerifiedProgram, Verifier};
use common::program;

type Verified = VerifiedProgram<ActiveProfile>;

fn verified(prog_type: BpfProgType, maps: &[MapDef], text: &str) -> Verified {
    let program = program(prog_type, maps, text);
    let verifier = Verifier::<ActiveProfile>::new();
    verifier.verify_program(&program).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn execute(env: Environment<'_>, program: &Verified, context: &BpfContext<'_>) -> BpfResult {
    VerifiedInterpreter::<ActiveProfile>::with_env(env).execute(program, context)
}

fn refused(refusal: Refusal) -> BpfResult {
    Err(BpfError::Refused(refusal))
}

#[test]
fn a_verified_program_runs_as_the_bytecode_does() {
    let program = verified(BpfProgType::Xdp, &[], "r0 = 6\nr0 *= 7\nexit");
    assert_eq!(execute(Environment::new(), &program, &BpfContext::empty()), Ok(42));
}

#[test]
fn a_bound_over_the_budget_is_refused_before_the_start() {
    let program = verified(BpfProgType::Xdp, &[], "r0 = 1\nr0 = 2\nexit");
    let bound = program.info().max_insns;
    assert!(bound >= 3);
    let run =
        |budget| execute(Environment::new().with_budget(budget), &program, &BpfContext::empty());
    assert_eq!(run(bound), Ok(2));
    assert_eq!(run(bound - 1), refused(Refusal::BudgetTooSmall { bound, budget: bound - 1 }));
}

#[test]
fn a_context_that_is_read_must_be_there() {
    let reads = verified(BpfProgType::Kprobe, &[], "r0 = *(u64 *)(r1 +8)\nexit");
    let run = |context: &BpfContext<'_>| execute(Environment::new(), &reads, context);
    let mut bytes = [1; 16];
    assert_eq!(run(&BpfContext::bytes(&mut bytes)), Ok(0x0101_0101_0101_0101));
    let mut bytes = [1; 15];
    let small = Refusal::ContextTooSmall { actual: 15, needed: 16 };
    assert_eq!(run(&BpfContext::bytes(&mut bytes)), refused(small));
    let none = Refusal::ContextTooSmall { actual: 0, needed: 16 };
    assert_eq!(run(&BpfContext::empty()), refused(none));
    let mut packet = [0; 64];
    assert_eq!(run(&BpfContext::xdp(&mut packet)), refused(Refusal::ContextKind));
}

#[test]
fn bytes_cannot_stand_in_for_a_packet_that_is_read() {
    let text = "r2 = *(u32 *)(r1 +4)\nr1 = *(u32 *)(r1 +0)\nr0 = 0\nr3 = r1\nr3 += 1
        if r3 > r2 goto +1\nr0 = *(u8 *)(r1 +0)\nexit";
    let reads = verified(BpfProgType::Xdp, &[], text);
    let mut bytes = [7; 64];
    let result = execute(Environment::new(), &reads, &BpfContext::bytes(&mut bytes));
    assert_eq!(result, refused(Refusal::ContextKind));
    assert_eq!(execute(Environment::new(), &reads, &BpfContext::xdp(&mut bytes)), Ok(7));
    // One that reads nothing does not care.
    let ignores = verified(BpfProgType::Xdp, &[], "r0 = 1\nexit");
    assert_eq!(execute(Environment::new(), &ignores, &BpfContext::bytes(&mut bytes)), Ok(1));
}

#[test]
fn helpers_must_be_those_of_the_proof() {
    let seven = |_: &mut HelperCall<'_, '_>| -> Result<u64, Fault> { Ok(7) };
    let signature = |arg| {
        let none = ArgKind::None;
        [HelperSig::new(10_000, "seven", [arg, none, none, none, none], RetKind::Integer)]
    };
    let (proven, other) = (signature(ArgKind::None), signature(ArgKind::Anything));
    let program = program(BpfProgType::Xdp, &[], "call 10000\nexit");
    let verifier =
        Verifier::<ActiveProfile>::with_env(HelperTable::with(&proven).expect("numbers only"));
    let program = verifier.verify_program(&program).unwrap_or_else(|error| panic!("{error}"));
    let helpers: [&dyn Helper; 1] = [&seven];
    let run = |env| execute(env, &program, &BpfContext::empty());
    assert_eq!(run(Environment::new().with_helpers(&proven, &helpers)), Ok(7));
    let differing = Environment::new().with_helpers(&other, &helpers);
    assert_eq!(run(differing), refused(Refusal::HelperMismatch));
    assert_eq!(run(Environment::new()), refused(Refusal::HelperMismatch));
}

#[test]
fn maps_must_be_those_of_the_proof() {
    let (map, larger) = (
        ArrayMap::<ActiveProfile>::with_entries(8, 2).unwrap(),
        ArrayMap::<ActiveProfile>::with_entries(16, 2).unwrap(),
    );
    let text = "*(u32 *)(r10 -4) = 1
        r2 = r10
        r2 += -4
        r1 = map[idx:0] ll
        call 1
        if r0 == 0 goto +1
        r0 = *(u64 *)(r0 +0)
        exit";
    let program = verified(BpfProgType::Xdp, &[*map.def()], text);
    map.update(&1_u32.to_ne_bytes(), &77_u64.to_ne_bytes(), 0).unwrap();
    let run = |maps: &[&dyn BpfMap]| {
        execute(Environment::new().with_maps(maps), &program, &BpfContext::empty())
    };
    assert_eq!(run(&[&map]), Ok(77));
    assert_eq!(run(&[&larger]), refused(Refusal::MapMismatch { index: 0 }));
    assert_eq!(run(&[]), refused(Refusal::MapMissing { index: 0 }));
}

/// A proof that rests on a map's contents is one for maps that are frozen with
/// them.
#[test]
fn contents_must_be_those_of_the_proof() {
    static LIMIT: [u8; 4] = 3_u32.to_ne_bytes();
    let bytes = FrozenBytes::from_static(&LIMIT);
    let def = MapDef::new(MapType::Array, 4, 4, 1).with_flags(flags::BPF_F_RDONLY_PROG);
    let build = |text: &str| {
        let builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Xdp);
        let program = builder.frozen_map(def, bytes.clone()).asm(text).unwrap().build().unwrap();
        Verifier::<ActiveProfile>::new().verify_program(&program).unwrap()
    };
    let program = build("r1 = map[idx:0][0]+0 ll\nr0 = *(u32 *)(r1 +0)\nexit");
    let array = || ArrayMap::<ActiveProfile>::new(def).unwrap();
    let run = |program: &Verified, map: &dyn BpfMap| {
        execute(Environment::new().with_maps(&[map]), program, &BpfContext::empty())
    };
    let other = 4_u32.to_ne_bytes();
    let same = 3_u32.to_ne_bytes();
    assert_eq!(run(&program, &array().freeze(bytes.clone()).unwrap()), Ok(3));
    let equal = FrozenBytes::from_static(Vec::leak(same.to_vec()));
    assert_eq!(run(&program, &array().freeze(equal).unwrap()), Ok(3));
    let differing = FrozenBytes::from_static(Vec::leak(other.to_vec()));
    let refusal = refused(Refusal::MapContents { index: 0 });
    assert_eq!(run(&program, &array().freeze(differing).unwrap()), refusal);
    // The same bytes in a map that the host may change do not suffice.
    let open = array();
    open.update(&0_u32.to_ne_bytes(), &same, 0).unwrap();
    assert_eq!(run(&program, &open), refusal);
    // A program that does not look at them takes any.
    let program = build("r1 = map[idx:0] ll\nr0 = 7\nexit");
    assert_eq!(run(&program, &array()), Ok(7));
}

#[test]
fn the_stack_of_the_proof_must_be_there() {
    let policy = StackPolicy::new::<ActiveProfile>(1024, 1024, 4).unwrap();
    let program =
        program(BpfProgType::Xdp, &[], "*(u64 *)(r10 -1024) = 5\nr0 = *(u64 *)(r10 -1024)\nexit");
    let verifier = Verifier::<ActiveProfile>::new().stack_policy(policy);
    let program = verifier.verify_program(&program).unwrap_or_else(|error| panic!("{error}"));
    let run = |env| execute(env, &program, &BpfContext::empty());
    assert_eq!(run(Environment::new()), refused(Refusal::StackTooSmall));
    assert_eq!(run(Environment::new().with_stack_policy(policy)), Ok(5));
}

/// A verified target whose bound exceeds the budget is like an empty slot.
#[test]
fn a_verified_chain_is_admitted_link_by_link() {
    let array = ProgArray::<ActiveProfile>::with_entries(2).unwrap();
    let def = [*array.def()];
    let caller = |slot: u32| {
        let text = format!("r2 = map[idx:0] ll\nr3 = {slot}\ncall 12\nr0 = 5\nexit");
        verified(BpfProgType::Xdp, &def, &text)
    };
    let long = format!("{}exit", "r0 = 9\n".repeat(50));
    let programs = [
        &verified(BpfProgType::Xdp, &def, "r0 = 1\nexit"),
        &verified(BpfProgType::Xdp, &def, &long),
    ];
    for slot in 0..2_u32 {
        array.update(&slot.to_ne_bytes(), &slot.to_ne_bytes(), 0).unwrap();
    }
    let maps: [&dyn BpfMap; 1] = [&array];
    let run = |slot, budget| {
        let env = Environment::new().with_maps(&maps).with_budget(budget);
        let interp = VerifiedInterpreter::<ActiveProfile>::with_env(env).with_programs(&programs);
        interp.execute(&caller(slot), &BpfContext::empty())
    };
    assert_eq!((run(0, 20), run(1, 20), run(1, 100)), (Ok(1), Ok(5), Ok(9)));
}

/// What is claimed to be proven of a program that reads only what it wrote.
fn claimed(env: &Environment<'_>) -> VerifiedInfo {
    let helpers = env.helper_fingerprint().expect("a table");
    VerifiedInfo { frames: 3, helpers, ..VerifiedInfo::default() }
}

#[test]
fn what_a_run_lets_anybody_read_was_written() {
    let env = Environment::new();
    let info = claimed(&env);
    let program = ProgramInfo::new(BpfProgType::Xdp, &[], Some(&info));
    let (mut stack, mut context) = (StackMemory::<ActiveProfile>::new(), BpfContext::empty());
    // Whoever only says that a program is proven does not get a frame as it was left.
    for _ in 0..2 {
        let mut run = Run::begin(&env, program, &context, &mut stack).unwrap();
        for push in [false, true] {
            if push {
                run.push_frame(Saved::default()).unwrap();
            }
            let last = run.frame_pointer() - 8;
            assert_eq!(run.load(last, Size::Dw), Ok(0));
            run.store(last, Size::Dw, u64::MAX).unwrap();
        }
    }
    // Before it is entered, a run has no frame.
    let (mut run, contexts) = Run::prepare(&env, program, &mut stack).unwrap();
    let first = run.frame_pointer();
    for at in [first, first + 504, first - 8] {
        assert!(run.load(at, Size::Dw).is_err());
        assert!(run.store(at, Size::Dw, 0).is_err());
    }
    run.push_frame(Saved::default()).unwrap();
    assert!(run.load(run.frame_pointer(), Size::B).is_err());
    #[allow(unsafe_code)]
    // SAFETY: the run is dropped before the context.
    unsafe { run.enter_over(&contexts, &mut context) }.unwrap();
    assert_eq!(run.load(run.frame_pointer() - 8, Size::Dw), Ok(0));
    assert_eq!((run.frame_pointer(), run.pop_frame()), (first + 512, None));
}

/// What was the context's is no memory of a run that was left.
#[test]
fn a_run_that_was_left_has_no_context() {
    let env = Environment::new();
    let program = ProgramInfo::new(BpfProgType::Xdp, &[], None);
    let (mut buffer, mut stack) = ([7; 96], StackMemory::<ActiveProfile>::new());
    let (mut run, contexts) = Run::prepare(&env, program, &mut stack).unwrap();
    for _ in 0..2 {
        let mut context = BpfContext::xdp_md(&mut buffer, 32..64).unwrap();
        #[allow(unsafe_code)]
        // SAFETY: the run is left before the context ends.
        unsafe { run.enter_over(&contexts, &mut context) }.unwrap();
        let [_, structure, ..] = run.entry_registers();
        let packet = run.load(structure, Size::W).unwrap();
        assert_eq!(run.load(packet, Size::B), Ok(7));
        run.leave();
        for at in [structure, structure + 4, packet, packet + 31] {
            assert!(run.load(at, Size::B).is_err());
            assert!(run.store(at, Size::B, 0).is_err());
        }
        assert_eq!(run.packet().len(), 0);
        assert!(!context.is_empty() && context.packet_range().is_ok());
    }
}

#[test]
fn compiled_code_moves_frames_by_itself() {
    let env = Environment::new();
    let info = claimed(&env);
    let program = ProgramInfo::new(BpfProgType::Xdp, &[], Some(&info));
    let (mut stack, context) = (StackMemory::<ActiveProfile>::new(), BpfContext::empty());
    let mut run = Run::begin(&env, program, &context, &mut stack).unwrap();
    let first = run.frame_pointer();
    let saved = Saved { registers: [1, 2, 3, 4], pc: 5, program: 6 };
    let second = run.push_frame(saved).unwrap();
    assert_eq!(second, first + run.frame_stride());
    assert_eq!(run.pop_frame(), Some(saved));
    assert_eq!((run.pop_frame(), run.frame_pointer()), (None, first));
    // Without push and pop, the run is told; what is no frame is ignored.
    #[allow(unsafe_code)]
    let set = |run: &mut Run<'_>, pointer| {
        // SAFETY: nothing is read of the frames, and none of them is popped.
        unsafe { run.set_frame_pointer(pointer) }
    };
    set(&mut run, second);
    assert_eq!(run.frame_pointer(), second);
    for nowhere in [0, u64::MAX, first - 512, first + 8 * run.frame_stride()] {
        set(&mut run, nowhere);
        assert_eq!(run.frame_pointer(), second, "{nowhere:#x}");
    }
    // The first fault stands.
    assert_eq!(run.outcome(3), Ok(3));
    run.stop(4, Fault::Budget);
    run.stop(5, Fault::CallDepth);
    assert_eq!(run.outcome(3), common::fault(4, Fault::Budget));
}
