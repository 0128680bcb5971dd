//! Calls of helpers: arguments, memory, results, reservations.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_profile::ActiveProfile;
use bpf_verifier::{HelperTable, Privilege, Verifier};
use common::{LOOKUP, PACKET, SOCKET, Suite, TC, UNPRIVILEGED, XDP, program, with_value};

#[test]
fn helpers_that_do_not_exist_or_may_not_be_called() {
    SOCKET.rejects("invalid func unknown#9999", "call 9999\nexit");
    SOCKET.rejects("program of type socket_filter cannot use helper #44", "r2 = 0\ncall 44\nexit");
    XDP.rejects("program of type xdp cannot use helper #26", "r0 = 0\ncall 26\nexit");
}

#[test]
fn arguments_are_of_the_right_kind() {
    SOCKET.rejects("R1 type=ctx expected=map_ptr", "r2 = r10\nr2 += -8\ncall 1\nr0 = 0\nexit");
    SOCKET.rejects("R1 type=scalar expected=map_ptr", "r1 = 0\nr2 = r10\ncall 1\nr0 = 0\nexit");
    SOCKET.rejects("R2 !read_ok", "r1 = map[idx:0] ll\ncall 1\nr0 = 0\nexit");
    SOCKET.rejects(
        "R2 type=scalar expected=memory with a key",
        "r1 = map[idx:0] ll\nr2 = 0\ncall 1\nexit",
    );
    SOCKET.rejects("R2 type=ctx expected=memory", "r2 = r1\nr1 = map[idx:0] ll\ncall 1\nexit");
    SOCKET.rejects("cannot pass map_type ringbuf", "r1 = map[idx:2] ll\nr2 = r10\ncall 1\nexit");
    SOCKET
        .rejects("cannot pass map_type hash", "r2 = map[idx:0] ll\nr3 = 0\ncall 12\nr0 = 0\nexit");
    SOCKET.rejects(
        "R1 type=scalar expected=ctx",
        "r1 = 0\nr2 = map[idx:3] ll\nr3 = 0\ncall 12\nr0 = 0\nexit",
    );
    SOCKET.rejects("modified ctx", "r1 += 4\nr2 = map[idx:3] ll\nr3 = 0\ncall 12\nr0 = 0\nexit");
    assert!(SOCKET.accepts("r2 = map[idx:3] ll\nr3 = 0\ncall 12\nr0 = 0\nexit").tail_calls);
}

#[test]
fn keys_are_initialised_and_inside() {
    let lookup = |key: &str| format!("r2 = r10\n{key}\nr1 = map[idx:0] ll\ncall 1\nr0 = 0\nexit");
    UNPRIVILEGED.rejects("invalid read from stack", &lookup("r2 += -8"));
    UNPRIVILEGED.rejects("invalid read from stack", &lookup("*(u32 *)(r10 -8) = 0\nr2 += -8"));
    SOCKET.accepts(&lookup("*(u64 *)(r10 -8) = 0\nr2 += -8"));
    SOCKET.accepts(&lookup("*(u32 *)(r10 -8) = 0\n*(u32 *)(r10 -4) = 0\nr2 += -8"));
    SOCKET.rejects("invalid stack access", &lookup("*(u64 *)(r10 -8) = 0\nr2 += -4"));
    SOCKET.rejects("invalid stack access", &lookup("r2 += -520"));
    // A value may be a key; null may not.
    SOCKET.accepts(&with_value("r2 = r0\nr2 += 40\nr1 = map[idx:0] ll\ncall 1\nr0 = 0\nexit"));
    SOCKET.rejects(
        "within its 48 bytes",
        &with_value("r2 = r0\nr2 += 41\nr1 = map[idx:0] ll\ncall 1\nr0 = 0\nexit"),
    );
    SOCKET.rejects(
        "R2 type=map_value_or_null expected=memory with a key",
        &format!("{LOOKUP}\nr2 = r0\nr1 = map[idx:0] ll\ncall 1\nr0 = 0\nexit"),
    );
    // Of 48 bytes of a value, all are read.
    UNPRIVILEGED.rejects(
        "invalid read from stack",
        "*(u64 *)(r10 -8) = 0
         r2 = r10
         r2 += -8
         r3 = r10
         r3 += -48
         r4 = 0
         r1 = map[idx:0] ll
         call 2
         exit",
    );
    // Packet bytes may be keys.
    XDP.accepts(&format!(
        "{PACKET}
         r4 = r2
         r4 += 8
         if r4 > r3 goto out
         r1 = map[idx:0] ll
         call 1
         out: r0 = 0
         exit"
    ));
    XDP.rejects(
        "off=0 size=8",
        &format!(
            "{PACKET}
             r4 = r2
             r4 += 7
             if r4 > r3 goto out
             r1 = map[idx:0] ll
             call 1
             out: r0 = 0
             exit"
        ),
    );
}

/// Fills `size` bytes of the stack at -16 from the packet.
fn skb_load(size: &str) -> String {
    format!(
        "r6 = r1
         call 7
         r4 = r0
         {size}
         r1 = r6
         r2 = 0
         r3 = r10
         r3 += -16
         call 26
         r0 = 0
         exit"
    )
}

#[test]
fn memory_with_a_size() {
    SOCKET.accepts(&skb_load("r4 = 16"));
    SOCKET.rejects("invalid stack access", &skb_load("r4 = 17"));
    SOCKET.rejects("invalid zero-sized", &skb_load("r4 = 0"));
    SOCKET.rejects("min value is negative", &skb_load("r4 = -1"));
    SOCKET.rejects("min value is negative", &skb_load(""));
    SOCKET.rejects("unbounded memory access", &skb_load("w4 = w4\nif r4 == 0 goto +6"));
    // Of an unknown size some bytes may be left as they were.
    UNPRIVILEGED.rejects("invalid read from stack", &skb_load("r4 &= 7\nr4 += 1"));
    SOCKET.accepts(&format!(
        "*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 0\n{}",
        skb_load("r4 &= 15\nr4 += 1")
    ));
    SOCKET.rejects(
        "invalid stack access",
        &format!("*(u64 *)(r10 -8) = 0\n*(u64 *)(r10 -16) = 0\n{}", skb_load("r4 &= 31\nr4 += 1")),
    );
    SOCKET.rejects("R4 type=ctx expected=size", &skb_load("r4 = r6"));
    // What was filled may be read, and is not what it was.
    SOCKET.rejects(
        "R9 !read_ok",
        "*(u64 *)(r10 -8) = 0
         r2 = 0
         r3 = r10
         r3 += -8
         r4 = 8
         call 26
         r0 = *(u64 *)(r10 -8)
         if r0 == 0 goto out
         r0 = r9
         out: exit",
    );
    // A pointer that lay there is one no more.
    SOCKET.rejects(
        "R1 invalid mem access 'scalar'",
        "*(u64 *)(r10 -8) = r1
         r2 = 0
         r3 = r10
         r3 += -8
         r4 = 8
         call 26
         r1 = *(u64 *)(r10 -8)
         r0 = *(u32 *)(r1 +0)
         exit",
    );
}

#[test]
fn memory_that_may_be_null() {
    let diff = |from: &str| {
        format!(
            "{from}\nr3 = r10\nr3 += -8\n*(u64 *)(r10 -8) = 0\nr4 = 8\nr5 = 0\ncall 28\nr0 = 0\nexit"
        )
    };
    TC.accepts(&diff("r1 = 0\nr2 = 0"));
    TC.rejects("R1 type=scalar expected=readable memory or null", &diff("r1 = 0\nr2 = 4"));
    TC.rejects("R1 type=scalar", &diff("r1 = 8\nr2 = 0"));
    TC.accepts(&diff("r1 = map[idx:1][0]+0 ll\nr2 = 64"));
    TC.rejects("within its 64 bytes", &diff("r1 = map[idx:1][0]+0 ll\nr2 = 68"));
    // Read-only data may be read.
    TC.accepts(&diff("r1 = map[idx:4][0]+0 ll\nr2 = 16"));
}

#[test]
fn formats_may_have_missing_arguments() {
    SOCKET.accepts("r1 = map[idx:4][0]+0 ll\nr2 = 4\ncall 6\nr0 = 0\nexit");
}

/// A reservation of 32 bytes, not null, in R0.
const RESERVED: &str = "
    r1 = map[idx:2] ll
    r2 = 32
    r3 = 0
    call 131
    if r0 != 0 goto held
    exit
    held:
";
const SUBMIT: &str = "r1 = r0\nr2 = 0\ncall 132\n";

fn reserved(text: &str) -> String {
    format!("{RESERVED}{text}\nr0 = 0\nexit")
}

/// Nobody has so much, but may ask for it, as on Linux. Of very large records the first
/// part is known, and of a number over 32 bits what its lower half says.
#[test]
fn records_of_any_size() {
    let reserve = |size: u64, at: u64| {
        format!(
            "r1 = map[idx:2] ll\nr2 = {size:#x} ll\nr3 = 0\ncall 131\nif r0 == 0 goto out\n\
             r1 = r0\nr2 = {at} ll\nr0 += r2\n*(u8 *)(r0 +0) = 1\nr2 = 0\ncall 133\n\
             out: r0 = 0\nexit"
        )
    };
    for size in [1 << 29, 1 << 30, u64::from(u32::MAX), u64::MAX] {
        SOCKET.accepts(&reserve(size, (1 << 29) - 1));
        SOCKET.rejects("math between ringbuf_mem", &reserve(size, 1 << 29));
    }
    SOCKET.accepts(&reserve(1 << 32 | 8, 7));
    SOCKET.rejects("R0", &reserve(1 << 32 | 8, 8));
}

#[test]
fn reservations_are_released_once_on_every_path() {
    SOCKET.accepts(&reserved(SUBMIT));
    SOCKET.accepts(&reserved(&SUBMIT.replace("132", "133")));
    SOCKET.rejects("Unreleased reference alloc_insn=4", &reserved(""));
    SOCKET.rejects(
        "R1 type=scalar",
        &reserved("r6 = r0\nr1 = r6\nr2 = 0\ncall 132\nr1 = r6\nr2 = 0\ncall 132"),
    );
    SOCKET.rejects(
        "Unreleased",
        &reserved(&format!("r6 = *(u64 *)(r0 +0)\nif r6 == 0 goto skip\n{SUBMIT}\nskip:")),
    );
    // Not checked, not null perhaps, lost altogether.
    SOCKET.rejects("Unreleased", "r1 = map[idx:2] ll\nr2 = 32\nr3 = 0\ncall 131\nr0 = 0\nexit");
    SOCKET.rejects(
        "R1 type=ringbuf_mem_or_null",
        "r1 = map[idx:2] ll\nr2 = 32\nr3 = 0\ncall 131\nr1 = r0\nr2 = 0\ncall 132\nr0 = 0\nexit",
    );
    // Two are two.
    SOCKET.rejects(
        "Unreleased",
        &reserved(
            "r6 = r0
             r1 = map[idx:2] ll
             r2 = 8
             r3 = 0
             call 131
             r1 = r6
             r2 = 0
             call 132",
        ),
    );
    SOCKET.accepts(&reserved(
        "r6 = r0
         r1 = map[idx:2] ll
         r2 = 8
         r3 = 0
         call 131
         if r0 == 0 goto first
         r1 = r0
         r2 = 0
         call 133
         first: r1 = r6
         r2 = 0
         call 132",
    ));
    SOCKET.rejects(
        "tail_call would lead to reference leak",
        &format!(
            "r7 = r1\n{}",
            reserved(&format!(
                "r6 = r0\nr1 = r7\nr2 = map[idx:3] ll\nr3 = 0\ncall 12\nr0 = r6\n{SUBMIT}"
            ))
        ),
    );
    SOCKET.rejects(
        "Unreleased",
        &format!(
            "r6 = r1\n{}",
            reserved(&format!("r7 = r0\nr0 = *(u8 *)skb[0]\nr0 = r7\n{SUBMIT}"))
        ),
    );
}

#[test]
fn reserved_memory_has_its_size() {
    SOCKET.accepts(&reserved(&format!("*(u64 *)(r0 +24) = 1\n{SUBMIT}")));
    SOCKET.rejects("within its 32 bytes", &reserved(&format!("*(u64 *)(r0 +25) = 1\n{SUBMIT}")));
    SOCKET.rejects("within its 32 bytes", &reserved(&format!("*(u8 *)(r0 -1) = 1\n{SUBMIT}")));
    // Released from its start only, and gone afterwards.
    SOCKET.rejects(
        "expected=start of reserved memory",
        &reserved("r1 = r0\nr1 += 8\nr2 = 0\ncall 132"),
    );
    SOCKET.rejects(
        "R6 invalid mem access 'scalar'",
        &reserved(&format!("r6 = r0\n{SUBMIT}\nr0 = *(u8 *)(r6 +0)")),
    );
    SOCKET.rejects(
        "R1 is not a known constant".replace("R1", "R2").as_str(),
        "r2 = *(u32 *)(r1 +0)\nr1 = map[idx:2] ll\nr3 = 0\ncall 131\nr0 = 0\nexit",
    );
    SOCKET.rejects(
        "expected=start of reserved memory",
        &with_value("r1 = r0\nr2 = 0\ncall 132\nr0 = 0\nexit"),
    );
}

#[test]
fn kernels_add_helpers() {
    const EXTRA: [HelperSig; 2] = [
        HelperSig::new(
            5000,
            "sensor_read",
            [ArgKind::MemWrite, ArgKind::Size, ArgKind::None, ArgKind::None, ArgKind::None],
            RetKind::Integer,
        ),
        // In the place of a standard one.
        HelperSig::new(5, "clock", [ArgKind::None; 5], RetKind::Void),
    ];
    let verifier =
        Verifier::<ActiveProfile>::with_env(HelperTable::with(&EXTRA).expect("numbers only"));
    let good = program(
        BpfProgType::SocketFilter,
        "r1 = r10\nr1 += -8\nr2 = 8\ncall 5000\nr0 = *(u64 *)(r10 -8)\nexit",
    );
    let info = verifier.verify_program(&good).expect("safe");
    assert_eq!(info.info().helpers, HelperTable::with(&EXTRA).expect("numbers only").fingerprint());
    assert_ne!(info.info().helpers, HelperTable::standard().fingerprint());
    let other = program(BpfProgType::SocketFilter, "call 5\nexit");
    assert!(verifier.verify(&other).is_err());
    assert!(Verifier::<ActiveProfile>::new().verify(&other).is_ok());
    assert!(Verifier::<ActiveProfile>::new().verify(&good).is_err());
}

/// Two reservations in two registers are not one in both and one lost.
#[test]
fn reservations_are_told_apart_where_paths_join() {
    let text = |other: &str| {
        format!(
            "r9 = *(u32 *)(r1 +0)
             {RESERVED}
             r6 = r0
             r1 = map[idx:2] ll
             r2 = 32
             r3 = 0
             call 131
             if r0 == 0 goto one
             r7 = r0
             r3 = 1
             r3 = 2
             if r9 == 0 goto other
             join: r3 = 3
             r1 = r7
             r2 = 0
             call 132
             one: r1 = r6
             r2 = 0
             call 132
             r0 = 0
             exit
             other: r3 = 4
             {other}
             goto join"
        )
    };
    SOCKET.accepts(&text("r3 = r6\nr6 = r7\nr7 = r3"));
    SOCKET.rejects("R1 type=scalar", &text("r6 = r7"));
    SOCKET.rejects("R1 type=scalar", &text("r7 = r6"));
}

#[test]
fn addresses_that_are_none_any_longer_stay_hidden() {
    // Reserved memory that was given back.
    let record = |read: &str| {
        format!(
            "r1 = map[idx:2] ll
             r2 = 8
             r3 = 0
             call 131
             if r0 == 0 goto out
             *(u64 *)(r10 -8) = r0
             r1 = r0
             r2 = 0
             call 133
             {read}
             out: r0 = 0
             exit"
        )
    };
    UNPRIVILEGED.accepts(&record("*(u64 *)(r10 -8) = 0\nr1 = *(u64 *)(r10 -8)"));
    for read in ["r1 = *(u64 *)(r10 -8)", "r1 = *(u8 *)(r10 -1)"] {
        SOCKET.accepts(&record(read));
        UNPRIVILEGED.rejects("invalid read from stack", &record(read));
    }
    // The packet's address, in a register of a caller and on the stack.
    let packet = |read: &str| {
        format!(
            "r6 = *(u32 *)(r1 +0)
             *(u64 *)(r10 -8) = r6
             call move
             {read}
             r0 = 0
             exit
             move: r2 = 0
             call 44
             r0 = 0
             exit"
        )
    };
    let unprivileged = Suite(BpfProgType::Xdp, Privilege::Unprivileged);
    unprivileged.accepts(&packet(""));
    for read in ["r1 = *(u64 *)(r10 -8)", "r1 = r6"] {
        XDP.accepts(&packet(read));
        unprivileged.rejects("", &packet(read));
    }
}
