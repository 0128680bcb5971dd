//! What `build()` accepts, and each of its errors.

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_bytecode::program::ProgramError;
use bpf_bytecode::{BpfInsn, BpfProgType, BpfProgram, DecodeError, ProgramBuilder};
use bpf_profile::config::{MAP_DEFS_CAPACITY, PROGRAM_CAPACITY};
use bpf_profile::{ActiveProfile, OutOfMemory, PhysicalProfile};

type Builder = ProgramBuilder<ActiveProfile>;

static EXIT: [BpfInsn; 1] = [BpfInsn::exit()];

fn builder() -> Builder {
    ProgramBuilder::new(BpfProgType::SocketFilter)
}

fn error(builder: Builder) -> ProgramError {
    builder.build().expect_err("build() had to refuse")
}

fn error_of(text: &str) -> ProgramError {
    error(builder().asm(text).expect("the text is legal"))
}

#[test]
fn a_program_keeps_what_it_was_given() {
    let program = builder()
        .name("a_name_that_is_too_long")
        .map(MapDef::new(MapType::Array, 4, 8, 1))
        .ld_map(1, 0)
        .ld_map_value(1, 0, 4)
        .ld_imm64(0, 1 << 40)
        .insns(&BpfInsn::ld_code(2, 2))
        .insn(BpfInsn::call_local(0))
        .insn(BpfInsn::exit())
        .build()
        .expect("a program");
    assert_eq!(program.name(), "a_name_that_is_");
    assert_eq!((program.len(), program.map_defs().len()), (10, 1));
    let starts: Vec<_> = program.instructions().map(|(pc, _)| pc).collect();
    assert_eq!(starts, [0, 2, 4, 6, 8, 9]);
    assert_eq!(program.try_clone().as_ref(), Ok(&program));
}

#[test]
fn empty() {
    assert_eq!(error(builder()), ProgramError::Empty);
    assert_eq!(BpfProgram::<ActiveProfile>::from_static(&[]), Err(ProgramError::Empty));
}

#[test]
fn too_long() {
    let limit = ActiveProfile::MAX_INSN_COUNT;
    let insns: &'static [BpfInsn] = vec![BpfInsn::exit(); limit + 1].leak();
    let program = BpfProgram::<ActiveProfile>::from_static(insns);
    assert_eq!(program, Err(ProgramError::TooLong { slots: limit + 1, limit }));
    assert!(BpfProgram::<ActiveProfile>::from_static(&insns[..limit]).is_ok());
}

#[test]
fn out_of_memory() {
    let full = builder().insns(&[BpfInsn::exit(); PROGRAM_CAPACITY]);
    let over = full.insn(BpfInsn::exit()).build();
    let maps = (0..=MAP_DEFS_CAPACITY)
        .fold(builder(), |builder, _| builder.map(MapDef::new(MapType::Hash, 4, 4, 1)))
        .insn(BpfInsn::exit())
        .build();
    if cfg!(feature = "cloud-profile") {
        assert!(over.is_ok() && maps.is_ok());
    } else {
        assert_eq!(over, Err(ProgramError::OutOfMemory(OutOfMemory { requested: 8 })));
        assert!(matches!(maps, Err(ProgramError::OutOfMemory(_))));
    }
    // Static slots never grow.
    let grown = Builder::from_static(BpfProgType::Xdp, &EXIT).insn(BpfInsn::exit());
    assert_eq!(error(grown), ProgramError::OutOfMemory(OutOfMemory { requested: 8 }));
}

/// Definitions that the kernel keeps are as many as it likes, and are not copied.
#[test]
fn map_definitions_in_storage_of_the_kernel() {
    const DEFS: usize = 3 * MAP_DEFS_CAPACITY + 1;
    static MAPS: [MapDef; DEFS] = [MapDef::new(MapType::Array, 4, 8, 1); DEFS];
    let last = u32::try_from(DEFS - 1).expect("small");
    let over = |index| builder().with_map_defs(&MAPS).ld_map(1, index).insn(BpfInsn::exit());

    let program = over(last).build().expect("valid");
    assert_eq!(program.map_defs().as_ptr(), MAPS.as_ptr());
    let copy = program.try_clone().expect("room for three slots");
    assert_eq!(copy.map_defs().as_ptr(), MAPS.as_ptr());
    assert_eq!(copy, program);
    let missing = ProgramError::NoSuchMap { pc: 0, index: last + 1, count: DEFS };
    assert_eq!(error(over(last + 1)), missing);
    // They never grow.
    let grown = over(last).map(MAPS[0]);
    let requested = size_of::<MapDef>();
    assert_eq!(error(grown), ProgramError::OutOfMemory(OutOfMemory { requested }));
}

#[test]
fn decode() {
    let at = |pc, error| ProgramError::Decode { pc, error };
    let exit = BpfInsn::exit();
    for (insn, wrong) in [
        (BpfInsn::new(0xff, 0, 0, 0, 0), DecodeError::UnknownOpcode(0xff)),
        (BpfInsn::mov64_imm(0, 0).with_off(1), DecodeError::ReservedField(0xb7)),
        (BpfInsn::mov64_imm(0, 0).with_src(1), DecodeError::ReservedField(0xb7)),
        (BpfInsn::be16(0).with_imm(8), DecodeError::ReservedField(0xdc)),
        (BpfInsn::atomic_add64(1, 0, 2).with_imm(0x10), DecodeError::ReservedField(0xdb)),
        (BpfInsn::mov64_imm(11, 0), DecodeError::InvalidRegister(11)),
        (BpfInsn::mov64_reg(0, 200), DecodeError::InvalidRegister(15)),
        (BpfInsn::ld_imm64(0, 0)[0], DecodeError::IncompleteImm64),
    ] {
        assert_eq!(error(builder().insn(exit).insn(insn).insn(exit)), at(1, wrong), "{insn:?}");
    }
    let half = builder().insn(exit).insn(BpfInsn::ld_imm64(0, 0)[0]);
    assert_eq!(error(half), at(1, DecodeError::IncompleteImm64));
    let map = builder().insns(&BpfInsn::ld_imm64_pair(1, 7, 0, 0)).insn(exit);
    assert_eq!(error(map), at(0, DecodeError::ReservedField(0x18)));
    let high = builder().insns(&BpfInsn::ld_imm64_pair(1, 1, 0, 1)).insn(exit);
    assert_eq!(error(high), at(0, DecodeError::ReservedField(0x18)));
}

#[test]
fn jump_out_of_range() {
    for text in [
        "goto -2\nexit",
        "goto +1\nexit",
        "gotol -2147483648\nexit",
        "if r1 == 0 goto +2\nexit",
        "may_goto +7\nexit",
        "call pc+1\nexit",
        "r1 = subprog[+2]\nexit",
        "goto end\nend:",
    ] {
        assert_eq!(error_of(text), ProgramError::JumpOutOfRange { pc: 0 }, "{text}");
    }
}

#[test]
fn jump_into_imm64() {
    let wrong = ProgramError::JumpIntoImm64 { pc: 0, target: 2 };
    assert_eq!(error_of("goto +1\nr1 = 0 ll\nexit"), wrong);
    assert_eq!(error_of("call pc+1\nr1 = 0 ll\nexit"), wrong);
}

#[test]
fn falls_off_end() {
    for text in ["exit\nr0 = 0", "exit\nif r0 == 0 goto -2", "exit\ncall 5", "exit\nmay_goto -1"] {
        assert_eq!(error_of(text), ProgramError::FallsOffEnd { pc: 1 }, "{text}");
    }
    assert_eq!(error_of("r0 = 0 ll"), ProgramError::FallsOffEnd { pc: 0 });
    assert!(builder().asm("exit\ngoto -2").expect("text").build().is_ok());
    assert!(builder().asm("exit\ngotol -2").expect("text").build().is_ok());
}

#[test]
fn no_such_map() {
    let none = ProgramError::NoSuchMap { pc: 0, index: 0, count: 0 };
    assert_eq!(error_of("r1 = map[idx:0]\nexit"), none);
    assert_eq!(error_of("r1 = map[idx:0][0]+4\nexit"), none);
    let one =
        builder().map(MapDef::new(MapType::Array, 4, 4, 1)).ld_map(1, 1).insn(BpfInsn::exit());
    assert_eq!(error(one), ProgramError::NoSuchMap { pc: 0, index: 1, count: 1 });
    // References by file descriptor are the verifier's to refuse.
    assert!(builder().asm("r1 = map[fd:3]\nexit").expect("text").build().is_ok());
}

#[test]
fn asm_reports_where() {
    let error = builder().asm("r0 = 0\nexit now").expect_err("no text of a program");
    assert_eq!((error.line, error.column), (2, 6));
    assert_eq!(error.to_string(), "2:6: expected end of statement");
}
