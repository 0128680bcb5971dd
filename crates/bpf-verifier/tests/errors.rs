//! What an error tells, and the way to it.
#![allow(clippy::format_push_string, reason = "texts are put together as they are read")]

mod common;

use bpf_bytecode::BpfProgType;
use bpf_profile::ActiveProfile;
use bpf_verifier::{ErrorClass, Event, Observer, Path, StateView, Verifier, VerifyError};
use common::{LOOKUP, PACKET, program};

#[derive(Default)]
struct Report {
    events: Vec<Event>,
    state: String,
}

impl Observer for Report {
    fn rejected(&mut self, _: &VerifyError, path: Path<'_>, state: &StateView<'_>) {
        self.events = path.collect();
        self.state = state.to_string();
    }
}

fn refuse(prog_type: BpfProgType, text: &str) -> (VerifyError, Report) {
    let mut report = Report::default();
    let program = program(prog_type, text);
    let result = Verifier::<ActiveProfile>::new().verify_with(&program, &mut report);
    (result.expect_err("refused"), report)
}

#[test]
fn errors_have_words() {
    let (error, report) =
        refuse(BpfProgType::SocketFilter, &format!("{LOOKUP}\nr0 = *(u8 *)(r0 +0)\nexit"));
    assert_eq!(error.pc(), 7);
    assert_eq!(error.kind().class(), ErrorClass::MemorySafety);
    assert_eq!(error.kind().class().to_string(), "memory safety");
    assert_eq!(error.kind().title(), "access through a null pointer");
    assert_eq!(error.kind().suggestion(), "compare the pointer with null first");
    assert_eq!(
        error.to_string(),
        "insn 7: R0 invalid mem access 'map_value_or_null': it may be null"
    );
    assert_eq!(report.state, "R0=map_value_or_null(id=1,map=hash,ks=8,vs=48) R10=fp0 fp-8=0");
}

#[test]
fn states_in_the_fields_notation() {
    let (_, report) = refuse(
        BpfProgType::Xdp,
        &format!(
            "{PACKET}
             r4 = r2
             r4 += 14
             if r4 > r3 goto out
             r5 = *(u8 *)(r2 +13)
             *(u16 *)(r10 -10) = 7
             r6 = r10
             r6 += -16
             r7 = map[idx:1][0]+8 ll
             r8 = r5
             r9 = -1
             r0 = *(u8 *)(r2 +14)
             out: r0 = 0
             exit"
        ),
    );
    assert_eq!(
        report.state,
        "R1=ctx() R2=pkt(r=14) R3=pkt_end() R4=pkt(off=14,r=14) \
         R5=scalar(id=1,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff)) R6=fp-16 \
         R7=map_value(map=one,ks=4,vs=64,off=8) \
         R8=scalar(id=1,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff)) R9=-1 R10=fp0 fp-10[2]=7"
    );
}

#[test]
fn the_way_to_an_error() {
    let text = "r6 = r1
         r0 = *(u32 *)(r1 +0)
         if r0 == 0 goto left
         r1 = 3
         call local f
         goto join
         left: r0 = 7
         join: if r0 == 7 goto bad
         exit
         bad: r0 = r9
         exit
         f: r0 = 5
         if r1 == 3 goto deep
         exit
         deep: r0 = 6
         exit";
    let (error, report) = refuse(BpfProgType::SocketFilter, text);
    assert_eq!(error.pc(), 9);
    assert_eq!(
        report.events,
        [Event::Branch { pc: 2, taken: true }, Event::Branch { pc: 7, taken: true }]
    );
    let (error, report) =
        refuse(BpfProgType::SocketFilter, &text.replace("deep: r0 = 6", "deep: r0 = r8"));
    assert_eq!(error.pc(), 14);
    assert_eq!(
        report.events,
        [
            Event::Branch { pc: 2, taken: false },
            Event::Call { pc: 4, target: 11 },
            Event::Branch { pc: 12, taken: true },
        ]
    );
    let (_, report) =
        refuse(BpfProgType::SocketFilter, &text.replace("deep: r0 = 6", "deep: r0 = 7"));
    assert!(report.events.contains(&Event::Return { pc: 15, target: 5 }));
}

/// A long way, over many kept states and more jumps than one can remember.
#[test]
fn long_ways() {
    let (error, report) = refuse(
        BpfProgType::SocketFilter,
        "r6 = r1
         r7 = 0
         again: r0 = *(u32 *)(r6 +0)
         if r0 == 0 goto skip
         r8 = 1
         r8 = 2
         skip: r7 += 1
         if r7 < 300 goto again
         r0 = r9
         exit",
    );
    assert_eq!(error.pc(), 8);
    assert_eq!(report.events.len(), 600);
    let closes = report.events.iter().filter(|event| matches!(event, Event::Branch { pc: 7, .. }));
    assert_eq!(closes.count(), 300);
    assert_eq!(report.events.last(), Some(&Event::Branch { pc: 7, taken: false }));
    // A ladder of comparisons without a join.
    let mut ladder = String::from("r0 = *(u32 *)(r1 +0)\n");
    for at in 0..150 {
        ladder += &format!("if r0 == {at} goto out\n");
    }
    ladder += "r0 = r9\nout: exit";
    let (_, report) = refuse(BpfProgType::SocketFilter, &ladder);
    assert_eq!(report.events.len(), 150);
}

/// A loop with a known number of rounds is left out.
#[test]
fn loops_on_the_way() {
    let (error, report) = refuse(
        BpfProgType::SocketFilter,
        "r0 = *(u32 *)(r1 +0)
         if r0 == 3 goto start
         exit
         start: call local f
         if r0 == 0 goto bad
         exit
         bad: r0 = r9
         exit
         f: r1 = 0
         again: r1 += 1
         if r1 < 10000 goto again
         r0 = 0
         exit",
    );
    assert_eq!(error.pc(), 6);
    assert!(report.events.len() < 400, "{}", report.events.len());
    assert_eq!(report.events.first(), Some(&Event::Branch { pc: 1, taken: true }));
    assert!(matches!(report.events.last(), Some(Event::Skipped { target: 6, .. })));
}
