//! What Linux declares, beyond what the engines here have.

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{ErrorClass, HelperTable, Verifier, VerifyError};

const MAPS: [MapDef; 9] = [
    MapDef::new(MapType::ArrayOfMaps, 4, 4, 2).holding(1),
    MapDef::new(MapType::Array, 4, 8, 4),
    MapDef::new(MapType::SockHash, 4, 8, 4),
    MapDef::new(MapType::CgroupStorage, 16, 8, 0),
    MapDef::new(MapType::HashOfMaps, 4, 4, 2),
    MapDef::new(MapType::Queue, 0, 8, 4),
    MapDef::new(MapType::SkStorage, 4, 8, 0),
    MapDef::new(MapType::Arena, 0, 0, 4),
    MapDef::new(MapType::XskMap, 4, 4, 4),
];

fn verify(prog_type: BpfProgType, helpers: HelperTable<'_>, text: &str) -> Result<(), VerifyError> {
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut builder = ProgramBuilder::new(prog_type).insns(&insns);
    for map in MAPS {
        builder = builder.map(map);
    }
    let program = builder.build().unwrap_or_else(|error| panic!("{error}"));
    Verifier::<ActiveProfile>::with_env(helpers).verify(&program)
}

#[track_caller]
fn accepts(prog_type: BpfProgType, text: &str) {
    if let Err(error) = verify(prog_type, HelperTable::linux(), text) {
        panic!("refused: {error}\n{text}");
    }
}

#[track_caller]
fn rejects(prog_type: BpfProgType, reason: &str, text: &str) {
    let error = verify(prog_type, HelperTable::linux(), text).expect_err("it had to be refused");
    assert!(error.to_string().contains(reason), "{error}\nnot: {reason}\n{text}");
}

const TC: BpfProgType = BpfProgType::SchedCls;

/// R0 is a socket, or null, that has to be released; R6 is the context.
const LOOK_UP: &str = "
    r6 = r1
    r2 = 0
    *(u64 *)(r10 -8) = r2
    *(u64 *)(r10 -16) = r2
    r2 = r10
    r2 += -16
    r3 = 12
    r4 = 0
    r5 = 0
    call 84
";

#[test]
fn sockets_are_released_once_and_on_every_path() {
    let held = |rest: &str| format!("{LOOK_UP}\nif r0 == 0 goto out\n{rest}\nout: r0 = 0\nexit");
    accepts(TC, &held("r1 = r0\ncall 86"));
    rejects(TC, "reference", &held("r0 = 1"));
    // What was released is none any longer.
    rejects(TC, "expected=acquired socket", &held("r7 = r0\nr1 = r0\ncall 86\nr1 = r7\ncall 86"));
    rejects(TC, "invalid mem access", &held("r7 = r0\nr1 = r0\ncall 86\nr0 = *(u32 *)(r7 +4)"));
    // It may be null.
    rejects(TC, "null", &format!("{LOOK_UP}\nr0 = *(u32 *)(r0 +4)\nexit"));
    rejects(TC, "expected=acquired socket", &format!("{LOOK_UP}\nr1 = r0\ncall 86\nr0 = 0\nexit"));
    // Another socket found by it goes with it.
    let found = "r7 = r0\nr1 = r0\ncall 96\nr8 = r0\nr1 = r7\n";
    accepts(TC, &held(&format!("{found} call 86")));
    let used = "call 86\nif r8 == 0 goto out\nr0 = *(u32 *)(r8 +0)";
    rejects(TC, "invalid mem access", &held(&format!("{found} {used}")));
    // A listener is another one, and nobody's to release.
    let listener = "r7 = r0\nr1 = r0\ncall 98\nr8 = r0\nr1 = r7\n";
    accepts(TC, &held(&format!("{listener} {used}")));
    rejects(
        TC,
        "expected=acquired socket",
        &held(&format!("{listener} call 86\nr1 = r8\ncall 86")),
    );
}

#[test]
fn the_contexts_socket_is_no_one_to_release() {
    let socket = "r1 = *(u64 *)(r1 +168)\nif r1 == 0 goto out\n";
    let rest = "\nout: r0 = 0\nexit";
    accepts(TC, &format!("{socket} r0 = *(u32 *)(r1 +4){rest}"));
    rejects(TC, "expected=acquired socket", &format!("{socket} call 86{rest}"));
    // Of a socket of any kind, type and protocol are not there.
    rejects(
        TC,
        "read of sock_common is not allowed",
        &format!("{socket} r0 = *(u32 *)(r1 +8){rest}"),
    );
    let full = format!("{socket} call 95\nif r0 == 0 goto out\n");
    accepts(TC, &format!("{full} r0 = *(u32 *)(r0 +8){rest}"));
    rejects(TC, "do not lie within", &format!("{full} r0 = *(u32 *)(r0 +80){rest}"));
    rejects(TC, "of sock is not allowed", &format!("{full} *(u32 *)(r0 +16) = 1{rest}"));
    rejects(TC, "arithmetic", &format!("{full} r0 += 4\nr0 = *(u32 *)(r0 +0){rest}"));
    // The engines here have no sockets.
    let plain = format!("{socket} r0 = *(u32 *)(r1 +4){rest}");
    assert!(verify(TC, HelperTable::standard(), &plain).is_err());
}

/// A kernel translates the fields of each kind of socket by a table of its own.
#[test]
fn an_instruction_accesses_one_kind_of_socket() {
    let either = |kinds: &str, load: &str| {
        format!(
            "r6 = r1
             r7 = *(u64 *)(r6 +168)
             if r7 == 0 goto out
             r1 = r7
             call 95
             if r0 == 0 goto out
             r8 = r0
             r1 = r7
             call 96
             if r0 == 0 goto out
             r9 = r0
             r5 = *(u32 *)(r6 +0)
             {kinds}
             {load}
             out: r0 = 0
             exit"
        )
    };
    let ways = |one: &str, other: &str| {
        format!("r3 = {one}\nif r5 == 0 goto load\nr3 = {other}\nload: r4 = 0")
    };
    let reason = "same insn cannot be used with different pointers";
    let load = "r0 = *(u32 *)(r3 +4)";
    rejects(TC, reason, &either(&ways("r8", "r9"), load));
    rejects(TC, reason, &either(&ways("r9", "r8"), load));
    rejects(TC, reason, &either(&ways("r9", "r7"), load));
    let stack = "*(u64 *)(r10 -8) = 0\nr2 = r10\nr2 += -8\n";
    rejects(TC, reason, &either(&format!("{stack}{}", ways("r8", "r2")), load));
    // What all sockets have is in one place of one table.
    accepts(TC, &either(&ways("r8", "r7"), load));
    let apart = format!("{}\nif r5 == 0 goto other", ways("r9", "r8"));
    let loads = format!("r0 = *(u32 *)(r3 +4)\ngoto out\nother: {load}");
    accepts(TC, &either(&apart, &loads));
}

/// They are bytes as on the stack, and no kernel translates what accesses them.
#[test]
fn the_keys_of_a_flow_are_plain_memory() {
    let either = |other: &str| {
        format!(
            "r6 = r1
             r2 = 0
             *(u64 *)(r10 -8) = r2
             r7 = *(u64 *)(r6 +144)
             r8 = r10
             r8 += -8
             call 7
             r3 = r7
             if r0 == 0 goto use
             r3 = {other}
             use: *(u16 *)(r3 +2) = r0
             r0 = 0
             exit"
        )
    };
    accepts(BpfProgType::FlowDissector, &either("r7"));
    accepts(BpfProgType::FlowDissector, &either("r8"));
}

#[test]
fn maps_of_maps_give_maps() {
    let outer = |index: u32, rest: &str| {
        format!(
            "*(u32 *)(r10 -4) = 0
             r2 = r10
             r2 += -4
             r1 = map[idx:{index}] ll
             call 1
             if r0 == 0 goto out
             {rest}
             out: r0 = 0
             exit"
        )
    };
    let inner = "r1 = r0\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out";
    accepts(TC, &outer(0, &format!("{inner}\nr1 = *(u64 *)(r0 +0)")));
    rejects(TC, "do not lie within", &outer(0, &format!("{inner}\nr1 = *(u64 *)(r0 +8)")));
    rejects(TC, "map_ptr", &outer(0, "r1 = *(u64 *)(r0 +0)").replace("if r0 == 0 goto out", ""));
    let unknown = verify(TC, HelperTable::linux(), &outer(4, inner)).expect_err("no inner map");
    assert_eq!(unknown.kind().class(), ErrorClass::Unsupported);
}

#[test]
fn a_known_index_of_an_array_is_found() {
    let look_up = |map: u32, key: &str, rest: &str| {
        format!(
            "r6 = *(u32 *)(r1 +0)
             {key}
             r2 = r10
             r2 += -4
             r1 = map[idx:{map}] ll
             call 1
             {rest}
             out: r0 = 0
             exit"
        )
    };
    let deref = "r0 = *(u64 *)(r0 +0)";
    let maps = |text: &str| {
        let insns = assemble::<ActiveProfile>(text).unwrap();
        let mut builder = ProgramBuilder::new(TC).insns(&insns);
        for map in MAPS {
            builder = builder.map(map);
        }
        builder = builder.map(MapDef::new(MapType::Array, 4, 8, 4));
        builder = builder.map(MapDef::new(MapType::PerCpuArray, 4, 8, 4));
        builder = builder.map(MapDef::new(MapType::Hash, 4, 8, 4));
        builder.build().unwrap()
    };
    let linux =
        |text: &str| Verifier::<ActiveProfile>::with_env(HelperTable::linux()).verify(&maps(text));
    for map in [9, 10] {
        for key in [
            "*(u32 *)(r10 -4) = 3",
            "*(u64 *)(r10 -8) = 0",
            "r1 = 2\n*(u32 *)(r10 -4) = r1",
            "*(u16 *)(r10 -4) = 1\n*(u16 *)(r10 -2) = 0",
            "if r6 != 3 goto out\n*(u32 *)(r10 -4) = r6",
        ] {
            linux(&look_up(map, key, deref)).unwrap_or_else(|error| panic!("{map} {key}: {error}"));
        }
        for key in [
            "*(u32 *)(r10 -4) = 4",
            "*(u32 *)(r10 -4) = -1",
            "*(u32 *)(r10 -4) = r6",
            "r6 &= 3\n*(u32 *)(r10 -4) = r6",
            "*(u32 *)(r10 -4) = 0\n*(u8 *)(r10 -2) = r6",
            "*(u32 *)(r10 -4) = 0\nif r6 == 0 goto +1\n*(u32 *)(r10 -4) = 7",
            "if r6 > 4 goto out\n*(u32 *)(r10 -4) = r6",
        ] {
            let error = linux(&look_up(map, key, deref)).expect_err(key);
            assert!(error.to_string().contains("may be null"), "{map} {key}: {error}");
        }
    }
    let known = "*(u32 *)(r10 -4) = 0";
    // Neither where others may have fewer, nor where elements come and go, nor
    // where arrays change their size.
    assert!(linux(&look_up(1, known, deref)).is_err());
    assert!(linux(&look_up(11, known, deref)).is_err());
    let program = maps(&look_up(9, known, deref));
    assert!(Verifier::<ActiveProfile>::with_env(HelperTable::standard()).verify(&program).is_err());
    // The value ends where it ends.
    assert!(linux(&look_up(9, known, "r0 = *(u64 *)(r0 +8)")).is_err());
    // A state in which the key was another one covers nothing.
    let rest = "if r7 == 0 goto out\nr0 = *(u64 *)(r0 +0)";
    let key = "*(u32 *)(r10 -4) = 0\nr7 = 1\nif r6 == 0 goto +1\n*(u32 *)(r10 -4) = 9";
    assert!(linux(&look_up(9, key, rest)).is_err());
}

#[test]
fn helpers_differ_by_type_and_place() {
    let bind = "r2 = r10\nr2 += -16\n*(u64 *)(r10 -16) = 0\n*(u64 *)(r10 -8) = 0\nr3 = 16\ncall 64\nr0 = 1\nexit";
    accepts(BpfProgType::Connect4, bind);
    rejects(BpfProgType::Bind4, "cannot use helper #64", bind);
    // 0 to 3 at a bind, 1 alone where nothing can be refused.
    accepts(BpfProgType::Bind4, "r0 = 3\nexit");
    rejects(BpfProgType::Connect4, "should have been in 0..=1", "r0 = 3\nexit");
    rejects(BpfProgType::Recvmsg4, "should have been in 1..=1", "r0 = 0\nexit");
    // IPv6 is not there for IPv4.
    accepts(BpfProgType::Connect6, "r0 = *(u32 *)(r1 +8)\nr0 = 1\nexit");
    rejects(
        BpfProgType::Connect4,
        "invalid bpf_context access",
        "r0 = *(u32 *)(r1 +8)\nr0 = 1\nexit",
    );
    // A result is set where something can be refused.
    accepts(BpfProgType::Connect4, "r1 = -1\ncall 187\nr0 = 1\nexit");
    accepts(BpfProgType::CgroupGetsockopt, "r1 = -1\ncall 187\nr0 = 1\nexit");
    rejects(BpfProgType::Recvmsg4, "cannot use helper #187", "r1 = -1\ncall 187\nr0 = 1\nexit");
    // The socket of a context that is none.
    let cookie = "r1 = *(u64 *)(r1 +40)\ncall 46\nr0 = 1\nexit";
    accepts(BpfProgType::SkReuseport, cookie);
    rejects(BpfProgType::SkReuseport, "R1 type=ctx", "call 46\nr0 = 1\nexit");
    accepts(BpfProgType::SockOps, "call 46\nr0 = 1\nexit");
    let option = "r6 = r1\nr1 = *(u64 *)(r6 +0)\nr2 = 6\nr3 = 13\n*(u64 *)(r10 -8) = 0
         r4 = r10\nr4 += -8\nr5 = 8\ncall 57\nr0 = 1\nexit";
    accepts(BpfProgType::CgroupGetsockopt, option);
    rejects(
        BpfProgType::CgroupGetsockopt,
        "R1 type=ctx",
        &option.replace("r1 = *(u64 *)(r6 +0)\n", ""),
    );
    // Only 0 is a flag.
    let local = |flags: &str| {
        format!("r1 = map[idx:3] ll\nr2 = {flags}\ncall 81\nr1 = *(u64 *)(r0 +0)\nr0 = 1\nexit")
    };
    accepts(BpfProgType::CgroupSkb, &local("0"));
    rejects(BpfProgType::CgroupSkb, "expected=0", &local("1"));
    rejects(TC, "cannot use helper #81", &local("0"));
}

#[test]
fn results_are_bounded_by_the_size_asked_for() {
    let read = |limit: u32| {
        format!(
            "r7 = r10
             r7 += -16
             r1 = r7
             r2 = 16
             r3 = 0
             call 115
             if r0 s< 1 goto out
             r0 += -1
             r7 += r0
             *(u8 *)(r7 +{limit}) = 0
             out: r0 = 0
             exit"
        )
    };
    accepts(BpfProgType::Kprobe, &read(0));
    rejects(BpfProgType::Kprobe, "stack", &read(1));
}

#[test]
fn queues_fill_memory_of_a_value() {
    let pop = |off: i32| {
        format!("r1 = map[idx:5] ll\nr2 = r10\nr2 += {off}\ncall 88\nr0 = *(u64 *)(r10 -8)\nexit")
    };
    accepts(BpfProgType::Xdp, &pop(-8));
    rejects(BpfProgType::Xdp, "stack", &pop(-4));
}

#[test]
fn kernel_only_matter_is_unsupported_and_not_unsafe() {
    let cases = [
        "call 158\nr0 = 0\nexit",
        "r1 = r10\nr1 += -8\nr2 = 0\ncall 194\nr0 = 0\nexit",
        "r1 = map[idx:7] ll\nr0 = 0\nexit",
    ];
    for text in cases {
        let error = verify(BpfProgType::Kprobe, HelperTable::linux(), text);
        let class = error.expect_err("it had to be refused").kind().class();
        assert_eq!(class, ErrorClass::Unsupported, "{text}");
    }
    // What a hook is given.
    for off in [0, 8] {
        let text = format!("r1 = *(u64 *)(r1 +{off})\nr0 = 1\nexit");
        let error = verify(BpfProgType::Netfilter, HelperTable::linux(), &text).expect_err(&text);
        assert_eq!(error.kind().class(), ErrorClass::Unsupported, "{error}");
    }
    for text in ["r1 = *(u64 *)(r1 +16)", "r1 = *(u32 *)(r1 +0)", "*(u64 *)(r1 +0) = 0"] {
        rejects(
            BpfProgType::Netfilter,
            "invalid bpf_context access",
            &format!("{text}\nr0 = 1\nexit"),
        );
    }
}

/// The attributes of a system call hold addresses, and the size of a tracepoint's buffer is
/// known where a program is attached.
#[test]
fn system_calls_and_buffers_of_tracepoints_are_unsupported() {
    let call = "r6 = 0\n*(u64 *)(r10 -8) = r6\nr1 = 0\nr2 = r10\nr2 += -8\nr3 = 8\ncall 166
         r0 = 0\nexit";
    rejects(BpfProgType::Syscall, "helpers that take a system call's attributes", call);
    rejects(BpfProgType::SchedCls, "helper", call);
    let load = "r1 = *(u64 *)(r1 +0)\nr0 = *(u32 *)(r1 +0)\nexit";
    let reason = "fields of the context that point to the kernel's structures";
    rejects(BpfProgType::RawTracepointWritable, reason, load);
    // What is no buffer is a number, and stays one.
    for place in ["u64 *)(r1 +8", "u32 *)(r1 +4", "u8 *)(r1 +95"] {
        let text = format!("r0 = *({place})\nexit");
        accepts(BpfProgType::RawTracepointWritable, &text);
    }
    rejects(BpfProgType::RawTracepoint, "invalid mem access 'scalar'", load);
}

#[test]
fn an_xdp_socket_tells_its_queue() {
    let look = |rest: &str| {
        format!(
            "*(u32 *)(r10 -4) = 0
             r2 = r10
             r2 += -4
             r1 = map[idx:8] ll
             call 1
             if r0 == 0 goto out
             {rest}
             out: r0 = 2
             exit"
        )
    };
    accepts(BpfProgType::Xdp, &look("r1 = *(u32 *)(r0 +0)"));
    rejects(BpfProgType::Xdp, "do not lie within", &look("r1 = *(u32 *)(r0 +4)"));
    rejects(BpfProgType::Xdp, "is not allowed", &look("*(u32 *)(r0 +0) = 1"));
    rejects(BpfProgType::Xdp, "arithmetic", &look("r0 += 0"));
}

#[test]
fn sockets_go_into_maps_of_sockets_and_nothing_else() {
    let put = |value: &str| {
        format!(
            "r6 = *(u64 *)(r1 +168)
             if r6 == 0 goto out
             *(u64 *)(r10 -8) = 0
             r2 = r10
             r2 += -8
             r3 = {value}
             r4 = 0
             r1 = map[idx:2] ll
             call 2
             out: r0 = 0
             exit"
        )
    };
    accepts(TC, &put("r6"));
    rejects(TC, "helper #2", &put("r2"));
    rejects(BpfProgType::CgroupSkb, "cannot pass map_type sockhash", &put("r6"));
}

/// Only a probe of the kernel knows the function that it is in.
#[test]
fn a_tracepoint_is_in_no_function() {
    let text = "call 173\nr0 = 0\nexit";
    accepts(BpfProgType::Kprobe, text);
    for other in [BpfProgType::Tracepoint, BpfProgType::PerfEvent, BpfProgType::RawTracepoint] {
        rejects(other, "cannot use helper #173", text);
    }
}
