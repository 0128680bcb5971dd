//! What the tests share: programs from text, and what becomes of them.
#![allow(dead_code, reason = "not every test uses everything")]

pub mod cases;
pub mod chance;
pub mod draft;

use bpf_bytecode::abi::global::{GlobalFunction, Param};
use bpf_bytecode::abi::map::{MapDef, MapType, flags};
use bpf_bytecode::instruction::{CallTarget, Instruction, jump_target};
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, ProgramBuilder};
use bpf_profile::ActiveProfile;
use bpf_verifier::{
    HelperTable, Observer, Path, Privilege, StateView, VerifiedInfo, Verifier, VerifyError,
    VerifyErrorKind,
};

/// The number that the environment sets by a name, if it does.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub type Program = BpfProgram<ActiveProfile>;

/// The maps that the tests' programs carry, by index.
pub const MAPS: [MapDef; 7] = [
    MapDef::new(MapType::Hash, 8, 48, 16).named("hash"),
    MapDef::new(MapType::Array, 4, 64, 1).named("one"),
    MapDef::new(MapType::RingBuf, 0, 0, 4096).named("ring"),
    MapDef::new(MapType::ProgArray, 4, 4, 4).named("programs"),
    MapDef::new(MapType::Array, 4, 16, 1).with_flags(flags::BPF_F_RDONLY_PROG).named("rodata"),
    MapDef::new(MapType::Array, 4, 16, 4).with_flags(flags::BPF_F_WRONLY_PROG).named("sink"),
    MapDef::new(MapType::Array, 4, 8, 8).named("counters"),
];

/// R0 is a value of the map `hash` at key 0, or null.
pub const LOOKUP: &str = "
    r1 = 0
    *(u64 *)(r10 -8) = r1
    r2 = r10
    r2 += -8
    r1 = map[idx:0] ll
    call 1
";

/// R2 is the packet, R3 its end.
pub const PACKET: &str = "
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
";

/// A program of this text.
pub fn program(prog_type: BpfProgType, text: &str) -> Program {
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    built(prog_type, &insns)
}

/// A program of these slots.
pub fn built(prog_type: BpfProgType, insns: &[BpfInsn]) -> Program {
    let mut builder = ProgramBuilder::new(prog_type).insns(insns);
    for map in MAPS {
        builder = builder.map(map);
    }
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

/// A program of this text, whose functions take these, in the order in which they
/// are called first.
pub fn with_globals(prog_type: BpfProgType, text: &str, takes: &[&[Param]]) -> Program {
    let plain = program(prog_type, text);
    let mut found: Vec<usize> = Vec::new();
    for (pc, insn) in plain.instructions() {
        if let Instruction::Call(CallTarget::Local(off)) = insn {
            let target = jump_target(pc, off).expect("inside");
            if !found.contains(&target) {
                found.push(target);
            }
        }
    }
    let mut builder = ProgramBuilder::new(prog_type).insns(plain.insns());
    for map in MAPS {
        builder = builder.map(map);
    }
    for (slot, params) in found.iter().zip(takes) {
        let slot = u32::try_from(*slot).expect("a slot");
        builder = builder.global_function(GlobalFunction::new(slot, params));
    }
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

/// Verifies against Linux's helpers; pruning and summaries change no verdict.
pub fn verify_linux(program: &Program, text: &str) -> Result<(), VerifyError> {
    let verifier = || Verifier::<ActiveProfile>::with_env(HelperTable::linux());
    let result = verifier().verify(program);
    let strict = verifier().compare_everything().unroll_loops().verify(program);
    assert_eq!(result.is_ok(), strict.is_ok(), "{result:?} {strict:?}\n{text}");
    result
}

/// The state at an error, as text.
#[derive(Default)]
pub struct Last {
    pub state: String,
    pub events: usize,
}

impl Observer for Last {
    fn rejected(&mut self, _: &VerifyError, path: Path<'_>, state: &StateView<'_>) {
        self.state = state.to_string();
        self.events = path.count();
    }
}

/// Programs of one type, loaded by someone with these rights.
#[derive(Clone, Copy)]
pub struct Suite(pub BpfProgType, pub Privilege);

pub const XDP: Suite = Suite(BpfProgType::Xdp, Privilege::Privileged);
pub const SOCKET: Suite = Suite(BpfProgType::SocketFilter, Privilege::Privileged);
pub const TC: Suite = Suite(BpfProgType::SchedCls, Privilege::Privileged);
pub const UNPRIVILEGED: Suite = Suite(BpfProgType::SocketFilter, Privilege::Unprivileged);

impl Suite {
    pub fn verify(self, text: &str) -> Result<VerifiedInfo, (VerifyError, String)> {
        let program = program(self.0, text);
        let mut last = Last::default();
        let verifier = Verifier::<ActiveProfile>::new().privilege(self.1);
        let result = verifier.verify_with(&program, &mut last);
        // Precision must not depend on what is forgotten where states meet.
        let strict = Verifier::<ActiveProfile>::new().privilege(self.1).compare_everything();
        assert_eq!(result.is_ok(), strict.verify(&program).is_ok(), "{text}");
        result.map_err(|error| (error, last.state))
    }

    /// The program is accepted.
    #[track_caller]
    pub fn accepts(self, text: &str) -> VerifiedInfo {
        match self.verify(text) {
            Ok(info) => info,
            Err((error, state)) => panic!("refused: {error}\n{state}\n{text}"),
        }
    }

    /// The program is refused for this reason, or part of one.
    #[track_caller]
    pub fn rejects(self, reason: &str, text: &str) -> VerifyErrorKind {
        match self.verify(text) {
            Ok(_) => panic!("accepted, should be refused for: {reason}\n{text}"),
            Err((error, state)) => {
                let found = error.to_string();
                assert!(found.contains(reason), "{found}\nnot: {reason}\n{state}\n{text}");
                error.kind()
            }
        }
    }
}

/// As [`Suite::accepts`], behind a lookup whose result, not null, is in R0.
#[track_caller]
pub fn accepts_value(text: &str) {
    SOCKET.accepts(&with_value(text));
}

/// As [`Suite::rejects`], behind a lookup whose result, not null, is in R0.
#[track_caller]
pub fn rejects_value(reason: &str, text: &str) {
    SOCKET.rejects(reason, &with_value(text));
}

pub fn with_value(text: &str) -> String {
    format!("{LOOKUP}\n if r0 != 0 goto found\n exit\n found:\n{text}")
}
