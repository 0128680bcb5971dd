//! What only the embedded profile asks for: time, interrupts, no allocation.
#![cfg(feature = "embedded-profile")]

mod common;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_profile::ActiveProfile;
use bpf_verifier::{
    CostTable, ErrorClass, Event, HelperTable, Observer, Path, Place, StateView, Verifier,
    VerifyError, VerifyErrorKind,
};
use common::program;

const NO_ARGS: [ArgKind; 5] = [ArgKind::None; 5];

/// Costs that are told apart in a sum.
const COSTS: CostTable<'static> = CostTable {
    alu: 1,
    mul: 10,
    div: 100,
    load: 1_000,
    store: 10_000,
    jump: 100_000,
    call: 1_000_000,
    exit: 10_000_000,
    helper: 100_000_000,
    helpers: &[(5, 7)],
    ..CostTable::INSTRUCTIONS
};

fn wcet(text: &str) -> u64 {
    let program = program(BpfProgType::SocketFilter, text);
    let verifier = Verifier::<ActiveProfile>::new().cost_table(COSTS);
    verifier.verify_program(&program).expect("safe").info().wcet
}

#[test]
fn time_is_that_of_the_costliest_path() {
    assert_eq!(wcet("r0 = 0\nexit"), 10_000_001);
    assert_eq!(wcet("r0 = 6\nr0 *= 2\nr0 /= 3\nexit"), 10_000_111);
    assert_eq!(wcet("r0 = *(u32 *)(r1 +0)\n*(u64 *)(r10 -8) = r0\nexit"), 10_011_000);
    assert_eq!(wcet("call 5\nexit"), 10_000_007);
    assert_eq!(wcet("call 7\nexit"), 110_000_000);
    // The costlier side counts, not the longer one.
    let sides = "r0 = *(u32 *)(r1 +0)
        if r0 == 0 goto dear
        r0 = 1
        r0 = 2
        r0 = 3
        exit
        dear: r0 /= 3
        exit";
    assert_eq!(wcet(sides), 10_000_000 + 100_000 + 1_000 + 100);
    // Functions count where they are called, with their return.
    let calls = "call local f\ncall local f\nexit\nf: r0 = 0\nexit";
    assert_eq!(wcet(calls), 2 * (1_000_000 + 1 + 10_000_000) + 10_000_000);
    // Loops, as often as they go round.
    let rounds = "r0 = 0\nagain: r0 += 1\nif r0 < 10 goto again\nexit";
    assert_eq!(wcet(rounds), 1 + 10 * (1 + 100_000) + 10_000_000);
}

/// The helper costs once; a round costs the call of the function and what that does.
#[test]
fn rounds_of_helpers_and_iterators_take_what_they_do() {
    let (call, exit, helper) = (1_000_000, 10_000_000, 100_000_000);
    let text = "r1 = 10
        r2 = subprog[f] ll
        r3 = 0
        r4 = 0
        call 181
        r0 = 0
        exit
        f: r0 = 0
        exit";
    assert_eq!(wcet(text), 4 + helper + 10 * (call + 1 + exit) + 1 + exit);
    let it = "r1 = r10\nr1 += -8";
    let text = format!(
        "{it}
         r2 = 0
         r3 = 10
         call kfunc 1
         r6 = 0
         again: {it}
         call kfunc 2
         if r0 == 0 goto out
         r6 += 1
         goto again
         out: {it}
         call kfunc 3
         r0 = 0
         exit"
    );
    let asked = 2 + call + 100_000;
    let round = asked + 1 + 100_000;
    assert_eq!(wcet(&text), (4 + call) + 1 + 10 * round + asked + (2 + call) + 1 + exit);
}

#[test]
fn time_has_a_budget() {
    let program = program(BpfProgType::SocketFilter, "r0 = 1\nr0 += 1\nexit");
    let verifier = |budget| {
        Verifier::<ActiveProfile>::new().cost_table(CostTable::INSTRUCTIONS).wcet_budget(budget)
    };
    assert_eq!(verifier(3).verify(&program), Ok(()));
    let kind = verifier(2).verify(&program).unwrap_err().kind();
    assert_eq!(kind, VerifyErrorKind::WcetExceeded { wcet: 3, budget: 2 });
    assert_eq!(kind.class(), ErrorClass::RealTime);
    assert_eq!(kind.title(), "worst-case execution time exceeded");
}

/// The branches to where a program was refused.
#[derive(Default)]
struct Way(Vec<Event>);

impl Observer for Way {
    fn rejected(&mut self, _: &VerifyError, path: Path<'_>, _: &StateView<'_>) {
        self.0 = path.collect();
    }
}

#[test]
fn what_takes_too_long_is_named_by_its_path() {
    let program = program(
        BpfProgType::SocketFilter,
        "r2 = *(u32 *)(r1 +0)
         r3 = *(u32 *)(r1 +4)
         r0 = 0
         if r2 > 7 goto dear
         r0 = 1
         goto join
         dear: r0 = r2
         r0 *= r3
         r0 *= r2
         r0 /= 3
         join: if r3 > 9 goto out
         r0 += 1
         out: exit",
    );
    let wcet = Verifier::<ActiveProfile>::new().verify_program(&program).unwrap().info().wcet;
    let verifier = Verifier::<ActiveProfile>::new().wcet_budget(wcet);
    assert_eq!(verifier.verify(&program), Ok(()));
    let budget = wcet - 1;
    let verifier = Verifier::<ActiveProfile>::new().wcet_budget(budget);
    let mut way = Way::default();
    let error = verifier.verify_with(&program, &mut way).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::WcetExceeded { wcet, budget });
    // By the dear side, and past the addition where the path ends.
    assert_eq!(way.0.first(), Some(&Event::Branch { pc: 3, taken: true }));
    let second = way.0.get(1);
    assert!(matches!(second, None | Some(Event::Branch { pc: 10, taken: false })), "{second:?}");
    assert!(error.pc() >= 10, "{error}");
}

#[test]
fn interrupts_call_only_what_is_safe_there() {
    let prints =
        program(BpfProgType::SocketFilter, "r1 = map[idx:4][0]+0 ll\nr2 = 4\ncall 6\nr0 = 0\nexit");
    let verifier = Verifier::<ActiveProfile>::new();
    assert_eq!(verifier.verify(&prints), Ok(()));
    let verifier = verifier.runs_in(Place::Interrupt);
    let kind = verifier.verify(&prints).unwrap_err().kind();
    assert_eq!(kind, VerifyErrorKind::InterruptUnsafe(6));
    let clock = program(BpfProgType::SocketFilter, "call 5\nexit");
    assert_eq!(verifier.verify(&clock), Ok(()));
}

#[test]
fn nothing_allocates() {
    const EXTRA: [HelperSig; 1] = [HelperSig {
        allocates: true,
        ..HelperSig::new(6000, "make_room", NO_ARGS, RetKind::Integer)
    }];
    let program = program(BpfProgType::SocketFilter, "call 6000\nexit");
    let verifier =
        Verifier::<ActiveProfile>::with_env(HelperTable::with(&EXTRA).expect("numbers only"));
    let kind = verifier.verify(&program).unwrap_err().kind();
    assert_eq!(kind, VerifyErrorKind::DynamicAllocation(6000));
    assert_eq!(kind.title(), "dynamic allocation");
}
