//! Programs that are prepared once and run many times.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_bytecode::abi::map::MapDef;
use bpf_interp::run::StackMemory;
use bpf_interp::{
    BpfContext, BpfError, BpfResult, DEFAULT_BUDGET, Environment, Fault, Helper, HelperCall,
    Prepared, Refusal, VerifiedInterpreter,
};
use bpf_maps::{BpfMap, ProgArray, RingBuf, RingBuffer};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, VerifiedProgram, Verifier};
use common::{fault, program};

type Verified = VerifiedProgram<ActiveProfile>;

fn verified(prog_type: BpfProgType, maps: &[MapDef], text: &str) -> Verified {
    let verifier = Verifier::<ActiveProfile>::new();
    let program = program(prog_type, maps, text);
    verifier.verify_program(&program).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Shows the first program prepared, in each form that the profile has; the others
/// are targets of tail calls.
fn each_form(env: Environment<'_>, programs: &[Verified], look: &dyn Fn(&mut Prepared<'_>)) {
    let refs: Vec<&Verified> = programs.iter().collect();
    let in_place = VerifiedInterpreter::with_env(env).with_programs(&refs);
    look(&mut in_place.prepare(refs[0], &mut StackMemory::new()).unwrap());
    #[cfg(feature = "cloud-profile")]
    {
        use bpf_interp::{TranslatedInterpreter, TranslatedProgram};

        let programs: Vec<TranslatedProgram<ActiveProfile>> =
            refs.iter().map(|program| TranslatedProgram::new(program).unwrap()).collect();
        let refs: Vec<&TranslatedProgram<ActiveProfile>> = programs.iter().collect();
        let translated = TranslatedInterpreter::with_env(env).with_programs(&refs);
        look(&mut translated.prepare(refs[0], &mut StackMemory::new()).unwrap());
    }
}

/// A helper that fails, the next time panics, and does nothing the third time.
fn fails() -> impl Fn(&mut HelperCall<'_, '_>) -> Result<u64, Fault> + Sync {
    let calls = AtomicU32::new(0);
    move |_| match calls.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => Err(Fault::Unsupported("a test")),
        1 => panic!("as a test asks"),
        _ => Ok(0),
    }
}

fn refused(refusal: Refusal) -> BpfResult {
    Err(BpfError::Refused(refusal))
}

#[test]
fn each_run_sees_its_own_packet() {
    let text = "r2 = *(u32 *)(r1 +4)\nr1 = *(u32 *)(r1 +0)\nr0 = 0\nr3 = r1\nr3 += 4
        if r3 > r2 goto +3\nr0 = *(u8 *)(r1 +3)\nr4 = 9\n*(u8 *)(r1 +3) = r4\nexit";
    let program = [verified(BpfProgType::Xdp, &[], text)];
    each_form(Environment::new(), &program, &|prepared| {
        for round in 0..3_u8 {
            let mut packet = [round; 64];
            let mut context = BpfContext::xdp(&mut packet);
            assert_eq!(prepared.run(&mut context), Ok(round.into()));
            assert_eq!(prepared.run(&mut context), Ok(9));
            // The context is free again.
            assert_eq!(context.with_packet(|packet| packet[3]), Ok(9));
            assert_eq!(prepared.run(&mut BpfContext::xdp(&mut [7; 3])), Ok(0));
        }
    });
}

#[test]
fn a_context_that_does_not_fit_is_refused_and_changes_nothing() {
    let program = [verified(BpfProgType::Kprobe, &[], "r0 = *(u64 *)(r1 +8)\nexit")];
    each_form(Environment::new(), &program, &|prepared| {
        for _ in 0..2 {
            let small = refused(Refusal::ContextTooSmall { actual: 8, needed: 16 });
            assert_eq!(prepared.run(&mut BpfContext::bytes(&mut [1; 8])), small);
            let kind = refused(Refusal::ContextKind);
            assert_eq!(prepared.run(&mut BpfContext::xdp(&mut [1; 64])), kind);
            let mut bytes = [0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
            let expected = u64::from_ne_bytes([5, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(prepared.run(&mut BpfContext::bytes(&mut bytes)), Ok(expected));
        }
    });
}

#[test]
fn what_does_not_fit_the_environment_cannot_be_prepared() {
    let program = verified(BpfProgType::Xdp, &[], "r0 = 1\nr0 = 2\nexit");
    let bound = program.info().max_insns;
    let interp = VerifiedInterpreter::with_env(Environment::new().with_budget(1));
    let refusal = interp.prepare(&program, &mut StackMemory::new()).err();
    assert_eq!(refusal, Some(Refusal::BudgetTooSmall { bound, budget: 1 }));
}

#[test]
fn time_is_soft_on_cloud_alone() {
    let text = "r0 = 0
r0 += 1
if r0 < 100000000 goto -2
exit";
    let program = verified(BpfProgType::Xdp, &[], text);
    let bound = program.info().max_insns;
    let refused = |env| {
        let interp = VerifiedInterpreter::with_env(env);
        interp.prepare(&program, &mut StackMemory::new()).err()
    };
    let budget = DEFAULT_BUDGET;
    let refusal = Some(Refusal::BudgetTooSmall { bound, budget });
    assert_eq!(refused(Environment::new().with_budget(budget)), refusal);
    assert_eq!(refused(Environment::new().with_budget(bound)), None);
    #[cfg(feature = "cloud-profile")]
    assert_eq!(refused(Environment::new()), None);
    #[cfg(feature = "embedded-profile")]
    assert_eq!(refused(Environment::new()), refusal);
}

#[test]
fn bytes_that_are_not_written_are_zeros_in_each_run() {
    let text = "r0 = *(u64 *)(r10 -8)
        *(u64 *)(r10 -8) = 7
        r6 = r0
        call below
        r0 += r6
        exit
    below:
        r0 = *(u64 *)(r10 -8)
        *(u64 *)(r10 -8) = 9
        exit";
    let program = [verified(BpfProgType::Xdp, &[], text)];
    assert!(program[0].info().unwritten_reads);
    each_form(Environment::new(), &program, &|prepared| {
        for _ in 0..3 {
            assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(0));
        }
    });
}

#[test]
fn each_run_begins_with_the_first_program() {
    let array = ProgArray::<ActiveProfile>::with_entries(1).unwrap();
    array.update(&0_u32.to_ne_bytes(), &1_u32.to_ne_bytes(), 0).unwrap();
    let (maps, def): ([&dyn BpfMap; 1], _) = ([&array], [*array.def()]);
    let caller = "r2 = map[idx:0] ll\nr3 = 0\ncall 12\nr0 = 5\nexit";
    // The target reads what it has not written, the caller does not.
    let target = "r0 = *(u64 *)(r10 -8)\n*(u64 *)(r10 -8) = 3\nr0 += 8\nexit";
    let programs = [caller, target].map(|text| verified(BpfProgType::Xdp, &def, text));
    each_form(Environment::new().with_maps(&maps), &programs, &|prepared| {
        // As often as one run may call.
        for _ in 0..40 {
            assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(8));
        }
    });
}

/// Whose frames begin with zeros is known after a target that needs none has
/// returned to it, too.
#[test]
fn a_program_that_was_returned_to_has_its_zeros_in_the_next_run() {
    let array = ProgArray::<ActiveProfile>::with_entries(1).unwrap();
    array.update(&0_u32.to_ne_bytes(), &1_u32.to_ne_bytes(), 0).unwrap();
    let (maps, def): ([&dyn BpfMap; 1], _) = ([&array], [*array.def()]);
    let caller = "r6 = *(u64 *)(r10 -8)
        *(u64 *)(r10 -8) = 7
        call local f
        r0 += r6
        exit
    f:
        r2 = map[idx:0] ll
        r3 = 0
        call 12
        r0 = 5
        exit";
    let programs = [caller, "r0 = 3\nexit"].map(|text| verified(BpfProgType::Xdp, &def, text));
    assert!(programs[0].info().unwritten_reads && !programs[1].info().unwritten_reads);
    each_form(Environment::new().with_maps(&maps), &programs, &|prepared| {
        for _ in 0..3 {
            assert_eq!(prepared.run(&mut BpfContext::empty()), Ok(3));
        }
    });
}

#[test]
fn a_run_that_ends_early_holds_nothing() {
    let fails = fails();
    let none = ArgKind::None;
    let signatures = [HelperSig::new(10_000, "fails", [none; 5], RetKind::Integer)];
    let ring = RingBuf::<ActiveProfile>::with_bytes(4096).unwrap();
    let maps: [&dyn BpfMap; 1] = [&ring];
    // A record of half the ring: a second one finds no room beside it, and as long
    // as it is held, it cannot be consumed.
    let text = "r1 = map[idx:0] ll
        r2 = 2048
        r3 = 0
        call 131
        if r0 == 0 goto none
        r6 = r0
        call 10000
        r1 = r6
        r2 = 0
        call 133
        r0 = 4
        exit
    none:
        r0 = 1
        exit";
    let program = program(BpfProgType::Xdp, &[*ring.def()], text);
    let table = HelperTable::with(&signatures).unwrap();
    let program = [Verifier::<ActiveProfile>::with_env(table).verify_program(&program).unwrap()];
    let helpers: [&dyn Helper; 1] = [&fails];
    let env = Environment::new().with_maps(&maps).with_helpers(&signatures, &helpers);
    each_form(env, &program, &|prepared| {
        for _ in 0..3 {
            let mut context = BpfContext::empty();
            // A 64-bit load has two slots.
            let stopped = fault(7, Fault::Unsupported("a test"));
            assert_eq!(prepared.run(&mut context), stopped);
            ring.consume(&mut |_| ()).unwrap();
            let run = AssertUnwindSafe(|| prepared.run(&mut context));
            assert!(catch_unwind(run).is_err());
            ring.consume(&mut |_| ()).unwrap();
            assert_eq!(prepared.run(&mut context), Ok(4));
            ring.consume(&mut |_| ()).unwrap();
        }
    });
}

/// A program that was stopped in a function begins with its own frame again.
#[test]
fn what_was_stopped_in_a_function_begins_in_the_first_one() {
    let fails = fails();
    let signatures = [HelperSig::new(10_000, "fails", [ArgKind::None; 5], RetKind::Integer)];
    let text = "*(u64 *)(r10 -8) = 5
        call f
        r0 = *(u64 *)(r10 -8)
        exit
    f:
        *(u64 *)(r10 -8) = 9
        call 10000
        r0 = 0
        exit";
    let program = program(BpfProgType::Xdp, &[], text);
    let table = HelperTable::with(&signatures).unwrap();
    let program = [Verifier::<ActiveProfile>::with_env(table).verify_program(&program).unwrap()];
    let helpers: [&dyn Helper; 1] = [&fails];
    let env = Environment::new().with_helpers(&signatures, &helpers);
    each_form(env, &program, &|prepared| {
        for _ in 0..2 {
            let mut context = BpfContext::empty();
            let stopped = fault(5, Fault::Unsupported("a test"));
            assert_eq!(prepared.run(&mut context), stopped);
            let run = AssertUnwindSafe(|| prepared.run(&mut context));
            assert!(catch_unwind(run).is_err());
            assert_eq!(prepared.run(&mut context), Ok(5));
        }
    });
}
