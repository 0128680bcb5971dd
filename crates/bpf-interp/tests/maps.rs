//! Maps, ring buffers and tail calls, as programs use them.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::map::{MapDef, MapType, flags};
use bpf_interp::run::{MAX_RECORDS, MAX_TAIL_CALLS};
use bpf_interp::{
    BpfContext, BpfError, BpfExecutor, BpfResult, Environment, Fault, Interpreter, Platform,
    Refusal,
};
use bpf_maps::{
    ArrayMap, BpfMap, HashMap, MapError, MapValue, PerCpuArrayMap, ProgArray, RingBuf, Settings,
};
use bpf_profile::ActiveProfile;
use common::{Program, fault, memory_fault, minus, program, run_in};

type Array = ArrayMap<ActiveProfile>;
type Hash = HashMap<ActiveProfile>;
type Ring = RingBuf<ActiveProfile>;
type Programs = ProgArray<ActiveProfile>;

/// Runs over one map, which the program knows as number 0.
fn run_with(map: &dyn BpfMap, text: &str) -> BpfResult {
    let maps = [map];
    let env = Environment::new().with_maps(&maps);
    run_in(env, BpfProgType::Xdp, &[*map.def()], text, &BpfContext::empty())
}

/// What a value holds now.
fn bytes(value: &MapValue<'_>) -> Vec<u8> {
    let mut out = vec![0; value.len()];
    value.copy_to(&mut out);
    out
}

/// Code that leaves the address of the 32-bit key at `r10-4` in R2.
fn key(value: u32) -> String {
    format!("*(u32 *)(r10 -4) = {value}\nr2 = r10\nr2 += -4\n")
}

#[test]
fn lookup_gives_the_value_itself() {
    let map = Array::with_entries(16, 4).unwrap();
    let text = key(2)
        + "r1 = map[idx:0] ll
        call 1
        if r0 == 0 goto +3
        *(u64 *)(r0 +8) = 77
        r0 = *(u64 *)(r0 +8)
        exit
        r0 = -1
        exit";
    assert_eq!(run_with(&map, &text), Ok(77));
    let value = map.lookup(&2_u32.to_ne_bytes()).unwrap();
    assert_eq!(bytes(&value)[8..], 77_u64.to_ne_bytes());
    let missing = key(4) + "r1 = map[idx:0] ll\ncall 1\nexit";
    assert_eq!(run_with(&map, &missing), Ok(0));
}

#[test]
fn an_access_stays_within_one_value() {
    let map = Array::with_entries(12, 4).unwrap();
    for (access, size) in [
        ("r0 = *(u64 *)(r0 +5)", 8),
        ("*(u64 *)(r0 +8) = 1", 8),
        ("r0 = *(u8 *)(r0 +12)", 1),
        ("r0 = *(u8 *)(r0 -1)", 1),
        ("r1 = 1\nlock *(u64 *)(r0 +8) += r1", 8),
    ] {
        // Also when this value, or the next one, was accessed before.
        for before in ["", "r3 = *(u8 *)(r0 +11)", "r3 = *(u8 *)(r0 +16)"] {
            let text = key(1) + &format!("r1 = map[idx:0] ll\ncall 1\n{before}\n{access}\nexit");
            assert_eq!(memory_fault(run_with(&map, &text)).map(|f| f.1), Some(size), "{text}");
        }
    }
}

#[test]
fn values_by_address_and_by_flags() {
    let def = MapDef::new(MapType::Array, 4, 8, 1);
    let text = "r1 = map[idx:0][0]+4 ll
        *(u32 *)(r1 +0) = 5
        r0 = *(u32 *)(r1 +0)
        exit";
    let plain = Array::new(def).unwrap();
    assert_eq!(run_with(&plain, text), Ok(5));
    let read_only = Array::new(def.with_flags(flags::BPF_F_RDONLY_PROG)).unwrap();
    assert_eq!(memory_fault(run_with(&read_only, text)), Some((2, 4)));
    let write_only = Array::new(def.with_flags(flags::BPF_F_WRONLY_PROG)).unwrap();
    assert_eq!(memory_fault(run_with(&write_only, text)), Some((3, 4)));
    let read_first = "r1 = map[idx:0][0]+4 ll\nr0 = *(u32 *)(r1 +0)\n*(u32 *)(r1 +0) = 5\nexit";
    assert_eq!(memory_fault(run_with(&read_only, read_first)), Some((3, 4)));
    let beyond = "r1 = map[idx:0][0]+8 ll\nexit";
    assert_eq!(run_with(&plain, beyond), fault(0, Fault::InvalidInstruction));
    let known = "r1 = map[idx:0][0]+7 ll\nr1 = map[idx:0][0]+8 ll\nexit";
    assert_eq!(run_with(&plain, known), fault(2, Fault::InvalidInstruction));
}

#[test]
fn update_and_delete_answer_as_linux() {
    let map = Hash::new(MapDef::new(MapType::Hash, 4, 8, 2)).unwrap();
    let call = |number: u32, flags: u64, helper: u32| {
        let text = key(number)
            + &format!(
                "*(u64 *)(r10 -16) = 9
                r1 = map[idx:0] ll
                r3 = r10
                r3 += -16
                r4 = {flags}
                call {helper}
                exit"
            );
        run_with(&map, &text)
    };
    let errno = |number| Ok(minus(number));
    assert_eq!(call(1, flags::BPF_EXIST, 2), errno(2));
    assert_eq!(call(1, flags::BPF_NOEXIST, 2), Ok(0));
    assert_eq!(call(1, flags::BPF_NOEXIST, 2), errno(17));
    assert_eq!(call(1, 8, 2), errno(22));
    assert_eq!(call(2, 0, 2), Ok(0));
    assert_eq!(call(3, 0, 2), errno(7));
    assert_eq!(call(3, 0, 3), errno(2));
    assert_eq!(call(2, 0, 3), Ok(0));
    assert_eq!(map.len(), 1);
    assert_eq!(bytes(&map.lookup(&1_u32.to_ne_bytes()).unwrap()), 9_u64.to_ne_bytes());
}

#[test]
fn keys_and_values_come_from_the_programs_memory_only() {
    let map = Hash::new(MapDef::new(MapType::Hash, 8, 64, 2)).unwrap();
    let call = |setup: &str, helper: u32| {
        let text = format!("r1 = map[idx:0] ll\n{setup}\ncall {helper}\nexit");
        memory_fault(run_with(&map, &text)).map(|fault| fault.1)
    };
    assert_eq!(call("r2 = 0", 1), Some(8));
    assert_eq!(call("r2 = r10\nr2 += -4", 1), Some(8));
    assert_eq!(call("r2 = r10\nr2 += -8\nr3 = r10\nr3 += -63", 2), Some(64));
    assert_eq!(call("r2 = r1", 3), Some(8));
}

#[test]
fn a_value_may_be_another_maps_value() {
    let (a, b) = (Array::with_entries(600, 1).unwrap(), Array::with_entries(600, 1).unwrap());
    let maps: [&dyn BpfMap; 2] = [&a, &b];
    a.update(&0_u32.to_ne_bytes(), &[7; 600], 0).unwrap();
    let text = key(0)
        + "r1 = map[idx:1] ll
        r3 = map[idx:0][0]+0 ll
        r4 = 0
        call 2
        exit";
    let env = Environment::new().with_maps(&maps);
    let defs = [*a.def(), *b.def()];
    let result = run_in(env, BpfProgType::Xdp, &defs, &text, &BpfContext::empty());
    assert_eq!(result, Ok(0));
    assert_eq!(bytes(&b.lookup(&0_u32.to_ne_bytes()).unwrap()), [7; 600]);
}

#[test]
fn what_is_no_map_is_no_map() {
    let map = Array::with_entries(8, 1).unwrap();
    for helper in [1, 2, 3, 12, 130, 131, 134] {
        let arg = if helper == 12 { 2 } else { 1 };
        for value in ["0", "r10", "1", "-1"] {
            let text = format!("r1 = {value}\nr2 = {value}\ncall {helper}\nexit");
            let expected = fault(2, Fault::HelperArgument { helper, arg });
            assert_eq!(run_with(&map, &text), expected, "{text}");
        }
    }
    // A map of another type; one beyond the environment's.
    let ring = Ring::with_bytes(4096).unwrap();
    let text = key(0) + "r1 = map[idx:0] ll\ncall 1\nexit";
    assert_eq!(run_with(&ring, &text), fault(5, Fault::HelperArgument { helper: 1, arg: 1 }));
    let handle = bpf_interp::Run::map_handle(7);
    let text = key(0) + &format!("r1 = {handle:#x} ll\ncall 1\nexit");
    assert_eq!(run_with(&map, &text), fault(5, Fault::HelperArgument { helper: 1, arg: 1 }));
    // A map is no memory.
    let text = "r1 = map[idx:0] ll\nr0 = *(u8 *)(r1 +0)\nexit";
    assert_eq!(memory_fault(run_with(&map, text)), Some((2, 1)));
}

#[test]
fn live_maps_must_be_those_of_the_definitions() {
    let map = Array::with_entries(8, 1).unwrap();
    let maps: [&dyn BpfMap; 1] = [&map];
    let other = MapDef::new(MapType::Array, 4, 16, 1);
    let run = |env, defs: &[MapDef]| {
        run_in(env, BpfProgType::Xdp, defs, "r0 = 0\nexit", &BpfContext::empty())
    };
    let env = Environment::new().with_maps(&maps);
    let refused = |refusal| Err(BpfError::Refused(refusal));
    assert_eq!(run(env, &[*map.def()]), Ok(0));
    assert_eq!(run(env, &[map.def().named("other")]), Ok(0));
    assert_eq!(run(env, &[other]), refused(Refusal::MapMismatch { index: 0 }));
    assert_eq!(run(env, &[*map.def(), other]), refused(Refusal::MapMissing { index: 1 }));
    assert_eq!(run(Environment::new(), &[other]), refused(Refusal::MapMissing { index: 0 }));
}

struct Cpu(u32);

impl Platform for Cpu {
    fn cpu(&self) -> u32 {
        self.0
    }
}

#[test]
fn a_per_cpu_map_gives_the_cpus_own_value() {
    let def = MapDef::new(MapType::PerCpuArray, 4, 8, 1);
    let settings = Settings::new().cpus(2);
    let map = PerCpuArrayMap::<ActiveProfile>::with_settings(def, settings).unwrap();
    let maps: [&dyn BpfMap; 1] = [&map];
    let text = key(0)
        + "r1 = map[idx:0] ll
        call 1
        if r0 != 0 goto +2
        r0 = -1
        exit
        r1 = 1
        r1 = atomic_fetch_add((u64 *)(r0 +0), r1)
        r0 = r1
        exit";
    let on = |cpu| {
        let env = Environment::new().with_maps(&maps).with_platform(cpu);
        run_in(env, BpfProgType::Xdp, &[def], &text, &BpfContext::empty())
    };
    assert_eq!((on(&Cpu(0)), on(&Cpu(0)), on(&Cpu(1))), (Ok(0), Ok(1), Ok(0)));
    assert_eq!(on(&Cpu(2)), Ok(u64::MAX));
}

/// The records in a ring buffer.
fn records(ring: &Ring) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    ring.ring_buf().unwrap().consume(&mut |record| out.push(bytes(&record))).unwrap();
    out
}

#[test]
fn ring_buffer_output_and_query() {
    let ring = Ring::with_bytes(4096).unwrap();
    let output = |size: u32, flags: u32| {
        let text = format!(
            "*(u64 *)(r10 -8) = 0x55
            r1 = map[idx:0] ll
            r2 = r10
            r2 += -8
            r3 = {size}
            r4 = {flags}
            call 130
            exit"
        );
        run_with(&ring, &text)
    };
    assert_eq!(output(8, 0), Ok(0));
    assert_eq!(output(8, 4), Ok(minus(22)));
    assert_eq!(memory_fault(output(9, 0)).map(|f| f.1), Some(9));
    let query =
        |what: u32| run_with(&ring, &format!("r1 = map[idx:0] ll\nr2 = {what}\ncall 134\nexit"));
    assert_eq!((query(0), query(1), query(9)), (Ok(16), Ok(4096), Ok(0)));
    assert_eq!(records(&ring), [0x55_u64.to_ne_bytes()]);
}

#[test]
fn reserved_records_are_memory_until_they_are_given_back() {
    let ring = Ring::with_bytes(4096).unwrap();
    let with = |rest: &str| {
        let text = format!(
            "r1 = map[idx:0] ll
            r2 = 12
            r3 = 0
            call 131
            if r0 != 0 goto +1
            exit
            r6 = r0
            {rest}"
        );
        run_with(&ring, &text)
    };
    let submit = "*(u64 *)(r6 +4) = 3\nr1 = r6\nr2 = 0\ncall 132\nexit";
    assert_eq!(with(submit), Ok(0));
    let [record] = records(&ring).try_into().unwrap();
    assert_eq!((record.len(), &record[4..]), (12, &3_u64.to_ne_bytes()[..]));

    assert_eq!(with("r1 = r6\nr2 = 0\ncall 133\nexit"), Ok(0));
    assert_eq!(records(&ring), [[0; 0]; 0]);
    // Beyond its end, after it is gone, twice.
    assert_eq!(memory_fault(with("*(u64 *)(r6 +5) = 3\nexit")).map(|f| f.1), Some(8));
    let gone = "r1 = r6\nr2 = 0\ncall 133\nr0 = *(u8 *)(r6 +0)\nexit";
    assert_eq!(memory_fault(with(gone)).map(|f| f.1), Some(1));
    let twice = "r1 = r6\nr2 = 0\ncall 133\nr1 = r6\ncall 132\nexit";
    assert_eq!(with(twice), fault(12, Fault::HelperArgument { helper: 132, arg: 1 }));
    let middle = "r1 = r6\nr1 += 8\nr2 = 0\ncall 132\nexit";
    assert_eq!(with(middle), fault(11, Fault::HelperArgument { helper: 132, arg: 1 }));
    assert_eq!(records(&ring), [[0; 0]; 0]);
}

#[test]
fn leaked_records_hold_nothing_back() {
    let ring = Ring::with_bytes(4096).unwrap();
    let leak = "r1 = map[idx:0] ll\nr2 = 8\nr3 = 0\ncall 131\nexit";
    assert!(run_with(&ring, leak).is_ok());
    let leak_and_fault = "r1 = map[idx:0] ll\nr2 = 8\nr3 = 0\ncall 131\nr0 = *(u8 *)(r9 +0)\nexit";
    assert!(run_with(&ring, leak_and_fault).is_err());
    let more = "*(u64 *)(r10 -8) = 1
        r1 = map[idx:0] ll
        r2 = r10
        r2 += -8
        r3 = 8
        r4 = 0
        call 130
        exit";
    assert_eq!(run_with(&ring, more), Ok(0));
    assert_eq!(records(&ring).len(), 1);
    // As many as a run may hold at a time, and no more.
    let all = "r6 = 0
        r1 = map[idx:0] ll
        r2 = 8
        r3 = 0
        call 131
        if r0 == 0 goto +2
        r6 += 1
        goto -8
        r0 = r6
        exit";
    assert_eq!(run_with(&ring, all), Ok(MAX_RECORDS as u64));
}

/// Runs the first of `programs`, with all of them behind the program array.
fn chain(array: &Programs, programs: &[Program], budget: u64) -> BpfResult {
    let programs: Vec<&Program> = programs.iter().collect();
    let maps: [&dyn BpfMap; 1] = [array];
    let env = Environment::new().with_maps(&maps).with_budget(budget);
    let interp = Interpreter::<ActiveProfile>::with_env(env).with_programs(&programs);
    interp.execute(programs[0], &BpfContext::empty())
}

fn tail_call(array: &Programs, index: &str, rest: &str) -> Program {
    let text = format!("r9 = 9\nr2 = map[idx:0] ll\nr3 = {index}\ncall 12\n{rest}\nexit");
    program(BpfProgType::Xdp, &[*array.def()], &text)
}

fn set(array: &Programs, slot: u32, program: u32) -> Result<(), MapError> {
    array.update(&slot.to_ne_bytes(), &program.to_ne_bytes(), 0)
}

#[test]
fn a_tail_call_replaces_the_program() {
    let array = Programs::with_entries(4).unwrap();
    set(&array, 2, 1).unwrap();
    set(&array, 3, 77).unwrap();
    let caller = |index| tail_call(&array, index, "r0 = 5");
    let target = || program(BpfProgType::Xdp, &[*array.def()], "r0 = r9\nr0 += 3\nexit");
    // The target begins with fresh registers and a fresh frame.
    assert_eq!(chain(&array, &[caller("2"), target()], 100), Ok(3));
    assert_eq!(chain(&array, &[caller("0x500000002 ll"), target()], 100), Ok(3));
    // An empty slot, one beyond the array, one whose program nobody knows.
    for index in ["1", "4", "-1", "3"] {
        assert_eq!(chain(&array, &[caller(index), target()], 100), Ok(5), "{index}");
    }
    // A target of another type, or of other maps.
    let other = program(BpfProgType::Kprobe, &[*array.def()], "r0 = 1\nexit");
    assert_eq!(chain(&array, &[caller("2"), other], 100), Ok(5));
    let other = program(BpfProgType::Xdp, &[array.def().with_flags(1)], "r0 = 1\nexit");
    assert_eq!(chain(&array, &[caller("2"), other], 100), Ok(5));
}

#[test]
fn tail_calls_are_counted_and_budgets_are_per_program() {
    let array = Programs::with_entries(1).unwrap();
    set(&array, 0, 0).unwrap();
    let counter = Array::with_entries(8, 1).unwrap();
    let maps: [&dyn BpfMap; 2] = [&array, &counter];
    let text = "r1 = map[idx:1][0]+0 ll
        r2 = 1
        lock *(u64 *)(r1 +0) += r2
        r2 = map[idx:0] ll
        r3 = 0
        call 12
        r0 = 5
        exit";
    let defs = [*array.def(), *counter.def()];
    let looping = program(BpfProgType::Xdp, &defs, text);
    let programs = [&looping];
    let env = Environment::new().with_maps(&maps).with_budget(8);
    let interp = Interpreter::<ActiveProfile>::with_env(env).with_programs(&programs);
    assert_eq!(interp.execute(&looping, &BpfContext::empty()), Ok(5));
    let runs = bytes(&counter.lookup(&0_u32.to_ne_bytes()).unwrap());
    assert_eq!(runs, u64::from(MAX_TAIL_CALLS + 1).to_ne_bytes());
}

#[test]
fn a_tail_call_in_a_function_returns_to_the_caller() {
    let array = Programs::with_entries(1).unwrap();
    set(&array, 0, 1).unwrap();
    let text = "r6 = 40
        call f
        r0 += r6
        exit
    f:
        r6 = 1
        r2 = map[idx:0] ll
        r3 = 0
        call 12
        r0 = 100
        exit";
    let caller = program(BpfProgType::Xdp, &[*array.def()], text);
    let target = program(BpfProgType::Xdp, &[*array.def()], "r6 = 2\nr0 = 2\nexit");
    assert_eq!(chain(&array, &[caller, target], 100), Ok(42));
}

#[test]
fn a_fault_after_a_tail_call_names_the_targets_slot() {
    let array = Programs::with_entries(1).unwrap();
    set(&array, 0, 1).unwrap();
    let target = program(BpfProgType::Xdp, &[*array.def()], "r0 = 0\nr0 = *(u8 *)(r0 +0)\nexit");
    let result = chain(&array, &[tail_call(&array, "0", "r0 = 5"), target], 100);
    assert_eq!(memory_fault(result), Some((1, 1)));
}
