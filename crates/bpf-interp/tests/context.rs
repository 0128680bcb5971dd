//! What a program works on, and who may touch it when.

mod common;

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::context::{sk_buff, xdp_md};
use bpf_bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
use bpf_interp::context::{ContextKind, PacketRangeError};
use bpf_interp::{
    BpfContext, BpfError, BpfExecutor, Environment, Fault, Helper, HelperCall, Interpreter, Refusal,
};
use bpf_profile::ActiveProfile;
use common::{memory_fault, program, run_in, run_on};

static IDLE: BpfContext<'static> = BpfContext::empty();

#[test]
fn contexts_are_shared_between_threads_and_stand_in_statics() {
    const fn shared<T: Send + Sync>() {}
    shared::<BpfContext<'static>>();
    shared::<Interpreter<'static, ActiveProfile>>();
    shared::<Environment<'static>>();
    assert_eq!(run_on("r0 = r1\nr0 |= r2\nexit", &IDLE), Ok(0));
    let (kind, len) = (IDLE.kind(), IDLE.len());
    assert_eq!((kind, len, IDLE.is_empty()), (ContextKind::Empty, 0, true));
}

const AGAIN: HelperSig = HelperSig::new(10_000, "again", [ArgKind::None; 5], RetKind::Integer);

#[test]
fn a_second_run_over_a_context_is_refused_and_the_first_goes_on() {
    let mut packet = [7; 60];
    let context = BpfContext::xdp(&mut packet);
    let inner = program(BpfProgType::Xdp, &[], "r0 = 0\nexit");
    let again = |_: &mut HelperCall<'_, '_>| -> Result<u64, Fault> {
        let interp = Interpreter::<ActiveProfile>::new();
        let refused = Err(BpfError::Refused(Refusal::ContextBusy));
        assert_eq!(interp.execute(&inner, &context), refused);
        assert_eq!(context.with_packet(<[u8]>::len), Err(Refusal::ContextBusy));
        assert_eq!(context.packet_range(), Err(Refusal::ContextBusy));
        assert_eq!(context.field(xdp_md::RX_QUEUE_INDEX), Err(Refusal::ContextBusy));
        assert!(format!("{context:?}").contains("in use"));
        // Another context is another matter.
        assert_eq!(interp.execute(&inner, &BpfContext::empty()), Ok(0));
        Ok(5)
    };
    let helpers: [&dyn Helper; 1] = [&again];
    let env = Environment::new().with_helpers(&[AGAIN], &helpers);
    let text = "call 10000\nexit";
    assert_eq!(run_in(env, BpfProgType::Xdp, &[], text, &context), Ok(5));
    // Given back, also after a fault.
    assert_eq!(
        memory_fault(run_in(env, BpfProgType::Xdp, &[], "r0 = *(u8 *)(r0 +0)\nexit", &context)),
        Some((0, 1))
    );
    assert_eq!(context.with_packet(<[u8]>::len), Ok(60));
}

#[test]
fn a_packet_must_lie_in_its_buffer() {
    let mut buffer = [0; 100];
    let inverted = core::ops::Range { start: 50, end: 40 };
    for range in [90..101, 101..101, inverted] {
        let (start, end) = (range.start, range.end);
        let error = BpfContext::xdp_md(&mut buffer, range).err();
        assert_eq!(error, Some(PacketRangeError { start, end, len: 100 }));
    }
    assert!(BpfContext::sk_buff(&mut buffer, 0..101).is_err());
    let context = BpfContext::sk_buff(&mut buffer, 30..90).unwrap();
    assert!(context.with_metadata(31).is_err());
    let context = BpfContext::sk_buff(&mut buffer, 30..90).unwrap();
    assert_eq!(context.packet_range(), Ok(30..90));
    let (buffer, range) = context.into_buffer();
    assert_eq!((buffer.len(), range), (100, 30..90));
}

#[test]
fn xdp_fields() {
    let mut packet = [0; 20];
    let context = BpfContext::xdp(&mut packet)
        .with_ifindex(3)
        .with_rx_queue(4)
        .with_mark(9)
        .with_field(xdp_md::DATA, 9)
        .with_field(13, 9)
        .with_field(1000, 9);
    let text = "r0 = *(u32 *)(r1 +12)\nr0 <<= 8\nr2 = *(u32 *)(r1 +16)\nr0 |= r2\nexit";
    assert_eq!(run_in(Environment::new(), BpfProgType::Xdp, &[], text, &context), Ok(0x304));
    assert_eq!(context.field(xdp_md::INGRESS_IFINDEX), Ok(Some(3)));
    assert_eq!(context.field(xdp_md::DATA), Ok(None));
}

#[test]
fn socket_fields_are_read_and_written() {
    let mut packet = [0; 77];
    let context = BpfContext::socket(&mut packet)
        .with_protocol(0x0800)
        .with_mark(5)
        .with_priority(6)
        .with_ifindex(7)
        .with_rx_queue(8);
    let text = "r0 = *(u32 *)(r1 +0)
        r2 = *(u32 *)(r1 +8)
        r0 += r2
        r2 = *(u32 *)(r1 +16)
        r2 = be16 r2
        r0 += r2
        r2 = *(u32 *)(r1 +32)
        r0 += r2
        r2 = *(u32 *)(r1 +40)
        r0 += r2
        r2 = *(u32 *)(r1 +12)
        r0 += r2
        r2 = 99
        *(u32 *)(r1 +48) = r2
        exit";
    assert_eq!(run_on(text, &context), Ok(77 + 5 + 0x800 + 6 + 7 + 8));
    assert_eq!(context.field(sk_buff::CB), Ok(Some(99)));
    assert_eq!(context.field(sk_buff::DATA), Ok(None));
}

#[test]
fn what_the_type_does_not_have_cannot_be_accessed() {
    let xdp = [
        ("r0 = *(u64 *)(r1 +0)", 8),
        ("r0 = *(u16 *)(r1 +0)", 2),
        ("r0 = *(s32 *)(r1 +0)", 4),
        ("r0 = *(u32 *)(r1 +2)", 4),
        ("r0 = *(u32 *)(r1 +24)", 4),
        ("*(u32 *)(r1 +0) = 0", 4),
        ("*(u32 *)(r1 +12) = 0", 4),
        ("r0 = load_acquire((u32 *)(r1 +0))", 4),
    ];
    for (access, size) in xdp {
        let mut packet = [0; 20];
        let context = BpfContext::xdp(&mut packet);
        let text = format!("{access}\nexit");
        let result = run_in(Environment::new(), BpfProgType::Xdp, &[], &text, &context);
        assert_eq!(memory_fault(result), Some((0, size)), "{access}");
    }
    let socket = [
        ("r0 = *(u32 *)(r1 +76)", 4),
        ("*(u32 *)(r1 +8) = 0", 4),
        ("r0 = *(u32 *)(r1 +72)", 4),
        ("r0 = *(u32 *)(r1 +192)", 4),
    ];
    for (access, size) in socket {
        let mut packet = [0; 20];
        let context = BpfContext::socket(&mut packet);
        let result = run_on(&format!("{access}\nexit"), &context);
        assert_eq!(memory_fault(result), Some((0, size)), "{access}");
    }
}

#[test]
fn addresses_of_the_packet_are_whole_addresses() {
    let mut packet = [0xab; 64];
    let start = packet.as_ptr().addr() as u64;
    let context = BpfContext::xdp(&mut packet);
    let xdp = |text: &str| run_in(Environment::new(), BpfProgType::Xdp, &[], text, &context);
    assert_eq!(xdp("r0 = *(u32 *)(r1 +0)\nexit"), Ok(start));
    assert_eq!(xdp("r0 = *(u32 *)(r1 +4)\nexit"), Ok(start + 64));
    assert_eq!(xdp("r0 = *(u32 *)(r1 +8)\nexit"), Ok(start));
    let class = "r0 = *(u32 *)(r1 +80)\nr1 = *(u32 *)(r1 +76)\nr0 -= r1\nexit";
    let mut packet = [0; 64];
    let context = BpfContext::socket(&mut packet);
    let result = run_in(Environment::new(), BpfProgType::SchedCls, &[], class, &context);
    assert_eq!(result, Ok(64));
}

#[test]
fn packets_are_read_and_written_within_their_bounds() {
    let mut buffer = [0; 96];
    let context = BpfContext::xdp_md(&mut buffer, 32..80).unwrap().with_metadata(4).unwrap();
    let xdp = |text: &str| run_in(Environment::new(), BpfProgType::Xdp, &[], text, &context);
    let inside = "r2 = *(u32 *)(r1 +0)
        r3 = *(u32 *)(r1 +8)
        *(u8 *)(r2 +47) = 9
        *(u32 *)(r3 +0) = 7
        r0 = *(u64 *)(r2 +40)
        r0 = be64 r0
        exit";
    assert_eq!(xdp(inside), Ok(9));
    for (access, size) in [
        ("*(u64 *)(r2 +41) = 0", 8),
        ("r0 = *(u8 *)(r2 +48)", 1),
        ("r0 = *(u8 *)(r2 -5)", 1),
        ("r0 = *(u64 *)(r2 -6)", 8),
    ] {
        let text = format!("r2 = *(u32 *)(r1 +0)\n{access}\nexit");
        assert_eq!(memory_fault(xdp(&text)), Some((1, size)), "{access}");
    }
    context.with_packet(|packet| assert_eq!(packet[47], 9)).unwrap();
    let (buffer, range) = context.into_buffer();
    assert_eq!((buffer[28..32].to_vec(), range), (7_u32.to_ne_bytes().to_vec(), 32..80));
}

#[test]
fn control_groups_see_the_packet_read_only() {
    let mut packet = [5; 40];
    let context = BpfContext::socket(&mut packet);
    let run = |text: &str| run_in(Environment::new(), BpfProgType::CgroupSkb, &[], text, &context);
    assert_eq!(run("r2 = *(u32 *)(r1 +76)\nr0 = *(u8 *)(r2 +39)\nexit"), Ok(5));
    let write = run("r2 = *(u32 *)(r1 +76)\n*(u8 *)(r2 +39) = 1\nexit");
    assert_eq!(memory_fault(write), Some((1, 1)));
}

#[test]
fn a_packet_of_another_kind_is_refused() {
    let refused = Err(BpfError::Refused(Refusal::ContextKind));
    let run = |prog_type, context: &BpfContext<'_>| {
        run_in(Environment::new(), prog_type, &[], "r0 = 1\nexit", context)
    };
    let (mut a, mut b, mut c) = ([0; 20], [0; 20], [0; 20]);
    let (xdp, socket, bytes) =
        (BpfContext::xdp(&mut a), BpfContext::socket(&mut b), BpfContext::bytes(&mut c));
    assert_eq!(run(BpfProgType::SocketFilter, &xdp), refused);
    assert_eq!(run(BpfProgType::Kprobe, &xdp), refused);
    assert_eq!(run(BpfProgType::Xdp, &socket), refused);
    for prog_type in BpfProgType::STANDARD.iter().copied() {
        assert_eq!(run(prog_type, &bytes), Ok(1));
        assert_eq!(run(prog_type, &BpfContext::empty()), Ok(1));
    }
}
