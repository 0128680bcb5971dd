//! Helpers of the platform and of the kernel's own.

mod common;

use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_interp::{BpfContext, BpfResult, Environment, Fault, Helper, HelperCall, Platform};
use bpf_maps::{ArrayMap, BpfMap};
use bpf_profile::ActiveProfile;
use common::{fault, memory_fault, minus, run, run_in};

/// A machine that keeps what is traced.
#[derive(Default)]
struct Machine {
    traced: Mutex<Vec<String>>,
}

impl Platform for Machine {
    fn now_ns(&self) -> u64 {
        0x1_0000_0001
    }

    fn random_u32(&self) -> u32 {
        0xdead_beef
    }

    fn cpu(&self) -> u32 {
        3
    }

    fn trace(&self, message: &[u8]) {
        self.traced.lock().unwrap().push(String::from_utf8_lossy(message).into_owned());
    }
}

#[test]
fn the_platform_is_what_programs_see() {
    let machine = Machine::default();
    let env = Environment::new().with_platform(&machine);
    let call = |helper| {
        let text = format!("call {helper}\nexit");
        run_in(env, BpfProgType::Kprobe, &[], &text, &BpfContext::empty())
    };
    assert_eq!((call(5), call(7), call(8)), (Ok(0x1_0000_0001), Ok(0xdead_beef), Ok(3)));
    for helper in [5, 7, 8] {
        assert_eq!(run(&format!("call {helper}\nexit")), Ok(0));
    }
}

/// Prints `format` with three arguments; gives R0 and what was traced.
fn printk(format: &str, args: [&str; 3]) -> (BpfResult, Option<String>) {
    let mut bytes = format.as_bytes().to_vec();
    bytes.push(0);
    let size = bytes.len();
    bytes.resize(size.next_multiple_of(8), 0);
    let mut text = String::new();
    for (index, chunk) in bytes.chunks(8).enumerate() {
        let word = u64::from_ne_bytes(chunk.try_into().unwrap());
        let offset = bytes.len() - 8 * index;
        writeln!(text, "r1 = {word:#x} ll\n*(u64 *)(r10 -{offset}) = r1").unwrap();
    }
    let [a, b, c] = args;
    write!(
        text,
        "r1 = r10\nr1 += -{}\nr2 = {size}\nr3 = {a}\nr4 = {b}\nr5 = {c}\ncall 6\nexit",
        bytes.len()
    )
    .unwrap();
    let machine = Machine::default();
    let env = Environment::new().with_platform(&machine);
    let result = run_in(env, BpfProgType::Kprobe, &[], &text, &BpfContext::empty());
    let traced = machine.traced.lock().unwrap().pop();
    (result, traced)
}

#[test]
fn trace_printk_formats_as_the_kernel() {
    let big = "0xfffffffffffffffe ll";
    let cases: &[(&str, [&str; 3], &str)] = &[
        ("plain", ["0", "0", "0"], "plain"),
        ("%d %d %d", ["1", "-1", big], "1 -1 -2"),
        ("%i|%u|%x", ["-5", "-5", "-5"], "-5|4294967291|fffffffb"),
        ("%ld|%lu|%lx", [big, big, big], "-2|18446744073709551614|fffffffffffffffe"),
        ("%lld|%llu|%llX", [big, big, big], "-2|18446744073709551614|FFFFFFFFFFFFFFFE"),
        ("%5d|%-5d|%05d", ["42", "42", "-42"], "   42|42   |-0042"),
        ("%+d|% d|%+u", ["1", "1", "1"], "+1| 1|1"),
        ("%08x|%3x|%-3x", ["255", "255", "15"], "000000ff| ff|f  "),
        ("100%%|%c%c", ["65", "66", "0"], "100%|AB"),
        ("%3c|", ["65", "0", "0"], "  A|"),
        ("%p|%px", ["16", "32", "0"], "0000000000000010|0000000000000020"),
        ("%d\n", ["7", "0", "0"], "7\n"),
        ("%d", ["0", "0", "0"], "0"),
        ("%lld", ["0x8000000000000000 ll", "0", "0"], "-9223372036854775808"),
    ];
    for (format, args, expected) in cases {
        let (result, traced) = printk(format, *args);
        assert_eq!(traced.as_deref(), Some(*expected), "{format:?}");
        assert_eq!(result, Ok(expected.len() as u64), "{format:?}");
    }
}

#[test]
fn trace_printk_reads_what_strings_and_addresses_point_to() {
    // The format's own bytes are at r10-8, and serve as the string too.
    let (result, traced) = printk("%s %10s", ["r1", "r1", "0"]);
    assert_eq!((result, traced.as_deref()), (Ok(18), Some("%s %10s    %s %10s")));
    let (_, traced) = printk("[%s][%-3s]", ["0", "1", "0"]);
    assert_eq!(traced.as_deref(), Some("[][   ]"));
    let (_, traced) = printk("%pI4.", ["r1", "0", "0"]);
    assert_eq!(traced.as_deref(), Some("37.112.73.52."));
    let (_, traced) = printk("%pi4 %pI6", ["0", "0", "0"]);
    let zeros = "000.000.000.000 0000:0000:0000:0000:0000:0000:0000:0000";
    assert_eq!(traced.as_deref(), Some(zeros));
    let (_, traced) = printk("%pks", ["r1", "0", "0"]);
    assert_eq!(traced.as_deref(), Some("%pks"));
}

#[test]
fn trace_printk_refuses_what_linux_refuses() {
    for format in [
        "%",
        "%y",
        "%d %d %d %d",
        "%f",
        "%n",
        "%hd",
        "%#x",
        "%5.3d",
        "%sx",
        "%pz",
        "%s1",
        "%llld",
        "\u{e9}",
        "\u{1}",
        "%99999d",
        "%*d",
        "%pI5",
        "%pku",
    ] {
        let (result, traced) = printk(format, ["0", "0", "0"]);
        assert_eq!((result, traced), (Ok(minus(22)), None), "{format:?}");
    }
    // No zero within the size.
    let text = "*(u64 *)(r10 -8) = 0x61616161
        r1 = r10\nr1 += -8\nr2 = 4\ncall 6\nexit";
    if cfg!(target_endian = "little") {
        assert_eq!(run(text), Ok(minus(22)));
    }
    assert_eq!(memory_fault(run("r1 = r10\nr1 += -8\nr2 = 9\ncall 6\nexit")), Some((3, 9)));
}

#[test]
fn a_long_message_is_cut_and_its_length_is_not() {
    let (result, traced) = printk("%1000d|", ["7", "0", "0"]);
    assert_eq!(result, Ok(1001));
    assert_eq!(traced.map(|text| text.len()), Some(bpf_interp::platform::TRACE_BYTES));
}

const fn signature(args: [ArgKind; 5], ret: RetKind) -> HelperSig {
    HelperSig::new(10_000, "custom", args, ret)
}

const NONE: ArgKind = ArgKind::None;

fn call_custom(signature: HelperSig, helper: &dyn Helper, text: &str) -> BpfResult {
    let (signatures, helpers) = ([signature], [helper]);
    let env = Environment::new().with_helpers(&signatures, &helpers);
    run_in(env, BpfProgType::Kprobe, &[], text, &BpfContext::empty())
}

#[test]
fn a_helper_carries_a_context_and_takes_arguments() {
    let calls = AtomicU64::new(0);
    let helper = |call: &mut HelperCall<'_, '_>| -> Result<u64, Fault> {
        calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!((call.id(), call.arg(0), call.arg(6)), (10_000, 0, 0));
        Ok((1..=5).map(|arg| call.arg(arg)).sum())
    };
    let sig = signature([ArgKind::Anything; 5], RetKind::Integer);
    let text = "r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall 10000\nexit";
    assert_eq!(call_custom(sig, &helper, text), Ok(15));
    assert_eq!(calls.into_inner(), 1);
}

#[test]
fn a_helper_reaches_the_memory_its_signature_declares() {
    let swap = |call: &mut HelperCall<'_, '_>| -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        assert_eq!((call.len(1), call.len(2), call.len(3)), (8, 0, 8));
        call.read(1, 0, &mut bytes)?;
        bytes.reverse();
        call.write(3, 2, &bytes[..4])?;
        // Not declared to be written; too long; no memory at all.
        let bad = |arg| Err(Fault::HelperArgument { helper: 10_000, arg });
        assert_eq!(call.write(1, 0, &[0]), bad(1));
        assert_eq!(call.write(3, 5, &bytes[..4]), bad(3));
        assert_eq!(call.read(1, usize::MAX, &mut bytes), bad(1));
        assert_eq!(call.read(2, 0, &mut bytes), bad(2));
        assert_eq!(call.read(9, 0, &mut bytes), bad(9));
        Ok(0)
    };
    let args = [ArgKind::MemRead, ArgKind::Size, ArgKind::MemWrite, ArgKind::Size, NONE];
    let text = "r1 = 0x0102030405060708 ll
        r1 = be64 r1
        *(u64 *)(r10 -8) = r1
        *(u64 *)(r10 -16) = -1
        r1 = r10
        r1 += -8
        r2 = 8
        r3 = r10
        r3 += -16
        r4 = 8
        call 10000
        r0 = *(u64 *)(r10 -16)
        r0 = be64 r0
        exit";
    let result = call_custom(signature(args, RetKind::Integer), &swap, text);
    assert_eq!(result, Ok(0x0000_0807_0605_0000));
    // The program's claim about its memory is looked at all the same.
    let args = [ArgKind::MemWrite, ArgKind::Size, NONE, NONE, NONE];
    let nothing = |_: &mut HelperCall<'_, '_>| -> Result<u64, Fault> { Ok(0) };
    let text = "r1 = r10\nr1 += -8\nr2 = 9\ncall 10000\nexit";
    let result = call_custom(signature(args, RetKind::Integer), &nothing, text);
    assert_eq!(memory_fault(result), Some((3, 9)));
}

#[test]
fn helpers_see_what_their_signature_declares() {
    let seen = |args: [ArgKind; 5]| {
        let look = |call: &mut HelperCall<'_, '_>| -> Result<u64, Fault> {
            let packet = u64::try_from(call.packet().len()).unwrap_or(0);
            Ok(packet << 8 | u64::from(call.map(2).is_some()))
        };
        let signatures = [signature(args, RetKind::Integer)];
        let helpers: [&dyn Helper; 1] = [&look];
        let env = Environment::new().with_helpers(&signatures, &helpers);
        let map = ArrayMap::<ActiveProfile>::new(MapDef::new(MapType::Array, 4, 4, 1)).unwrap();
        let maps: [&dyn BpfMap; 1] = [&map];
        let mut packet = [0; 20];
        let text = "r2 = map[idx:0]\ncall 10000\nexit";
        let context = BpfContext::socket(&mut packet);
        run_in(env.with_maps(&maps), BpfProgType::SocketFilter, &[*map.def()], text, &context)
    };
    assert_eq!(seen([ArgKind::Context, ArgKind::Map, NONE, NONE, NONE]), Ok(20 << 8 | 1));
    assert_eq!(seen([ArgKind::Context, ArgKind::Anything, NONE, NONE, NONE]), Ok(20 << 8));
    assert_eq!(seen([ArgKind::Anything, ArgKind::Map, NONE, NONE, NONE]), Ok(1));
}

#[test]
fn a_helper_may_stop_the_program() {
    let stop = |call: &mut HelperCall<'_, '_>| -> Result<u64, Fault> { Err(call.bad_argument(2)) };
    let sig = signature([ArgKind::Anything, ArgKind::Anything, NONE, NONE, NONE], RetKind::Integer);
    let expected = fault(1, Fault::HelperArgument { helper: 10_000, arg: 2 });
    assert_eq!(call_custom(sig, &stop, "r0 = 0\ncall 10000\nexit"), expected);
}

#[test]
fn a_helper_that_would_return_a_pointer_is_not_called() {
    let forge = |_: &mut HelperCall<'_, '_>| -> Result<u64, Fault> { Ok(4096) };
    for ret in [RetKind::MapValueOrNull, RetKind::AllocMemOrNull] {
        let result = call_custom(signature([NONE; 5], ret), &forge, "call 10000\nexit");
        assert_eq!(result, fault(0, Fault::UnknownHelper(10_000)));
    }
    // Nor one that is declared and not there, or not for the program's type.
    let signatures = [signature([NONE; 5], RetKind::Integer)];
    let env = Environment::new().with_helpers(&signatures, &[]);
    let run = |env| run_in(env, BpfProgType::Kprobe, &[], "call 10000\nexit", &BpfContext::empty());
    assert_eq!(run(env), fault(0, Fault::UnknownHelper(10_000)));
    let signatures = [signatures[0].for_types(&[BpfProgType::Xdp])];
    let helpers: [&dyn Helper; 1] = [&forge];
    let env = Environment::new().with_helpers(&signatures, &helpers);
    assert_eq!(run(env), fault(0, Fault::UnknownHelper(10_000)));
}

#[test]
fn a_kernels_helper_replaces_a_standard_one() {
    let clock = |_: &mut HelperCall<'_, '_>| -> Result<u64, Fault> { Ok(99) };
    let sig = HelperSig::new(5, "ktime_get_ns", [NONE; 5], RetKind::Integer);
    assert_eq!(call_custom(sig, &clock, "call 5\nexit"), Ok(99));
}
