//! Maps whose contents are known: constants of a program.

use bpf_bytecode::abi::frozen::FrozenBytes;
use bpf_bytecode::abi::map::{MapDef, MapType, flags};
use bpf_bytecode::text::assemble;
use bpf_bytecode::{BpfProgType, ProgramBuilder, ProgramError};
use bpf_profile::ActiveProfile;
use bpf_verifier::{VerifiedInfo, Verifier, VerifyError};

/// Of the map's 16 bytes, 12 are given, the others are zero.
static BYTES: [u8; 12] = [1, 0, 0, 0, 0xff, 0xff, 0, 0x80, 7, 0, 0, 0];

const RODATA: MapDef =
    MapDef::new(MapType::Array, 4, 16, 1).with_flags(flags::BPF_F_RDONLY_PROG).named("rodata");

/// A program over maps 0 (constants) and 1 (the same, of unknown contents).
fn verify(text: &str) -> Result<VerifiedInfo, VerifyError> {
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
        .frozen_map(RODATA, FrozenBytes::from_static(&BYTES))
        .map(RODATA)
        .insns(&insns)
        .build()
        .unwrap();
    let verifier = Verifier::<ActiveProfile>::new();
    verifier.verify_program(&program).map(|program| *program.info())
}

/// Whether the verifier knows that the load gives this number.
fn gives(load: &str, number: u64) -> bool {
    let result = verify(&format!(
        "r2 = map[idx:0][0]+0 ll
         {load}
         r3 = {number:#x} ll
         if r1 == r3 goto out
         r0 = r9
         out: r0 = 0
         exit"
    ));
    result.is_ok()
}

#[test]
fn loads_of_constants_are_known() {
    let word = |at: usize| u32::from_ne_bytes(*BYTES[at..].first_chunk().unwrap());
    assert!(gives("r1 = *(u32 *)(r2 +0)", word(0).into()));
    assert!(gives("r1 = *(u32 *)(r2 +4)", word(4).into()));
    assert!(!gives("r1 = *(u32 *)(r2 +4)", word(0).into()));
    assert!(gives("r1 = *(u8 *)(r2 +7)", 0x80));
    assert!(gives("r1 = *(s8 *)(r2 +7)", 0xffff_ffff_ffff_ff80));
    assert!(gives("r1 = *(u8 *)(r2 +8)", 7));
    let long = u64::from_ne_bytes(*BYTES[4..].first_chunk().unwrap());
    assert!(gives("r1 = *(u64 *)(r2 +4)", long));
    // Zeros follow, also within one load.
    assert!(gives("r1 = *(u32 *)(r2 +12)", 0));
    assert!(gives("r2 += 12\nr1 = *(u32 *)(r2 +0)", 0));
    let mut tail = [0; 8];
    tail[..4].copy_from_slice(&BYTES[8..]);
    assert!(gives("r1 = *(u64 *)(r2 +8)", u64::from_ne_bytes(tail)));
}

#[test]
fn the_proof_says_what_it_rests_on() {
    let load = |map: u32| format!("r2 = map[idx:{map}][0]+0 ll\nr0 = *(u32 *)(r2 +0)\nexit");
    assert_eq!(verify(&load(0)).unwrap().known_maps, 1);
    assert_eq!(verify(&load(1)).unwrap().known_maps, 0);
    assert_eq!(verify("r0 = 0\nexit").unwrap().known_maps, 0);
}

#[test]
fn unknown_places_and_unknown_maps_give_unknown_numbers() {
    // Where the offset is not known.
    assert!(!gives("r1 = *(u32 *)(r1 +0)\nr1 &= 4\nr2 += r1\nr1 = *(u32 *)(r2 +0)", 1));
    // The map of the same definition, of which nothing is known.
    assert!(!gives("r2 = map[idx:1][0]+0 ll\nr1 = *(u32 *)(r2 +0)", 1));
    // Outside of the value.
    assert!(!gives("r1 = *(u64 *)(r2 +12)", 0));
}

/// A loop's bound, and a branch that is never taken.
#[test]
fn what_constants_decide() {
    let text = |map: u32| {
        format!(
            "r6 = map[idx:{map}][0]+0 ll
             r7 = *(u8 *)(r6 +8)
             r8 = 0
             again: if r8 >= r7 goto out
             r8 += 1
             goto again
             out: r1 = *(u32 *)(r6 +0)
             if r1 != 0 goto fine
             r0 = *(u64 *)(r1 +0)
             fine: r0 = 0
             exit"
        )
    };
    let info = verify(&text(0)).unwrap();
    assert!(info.max_insns < 40, "{info:?}");
    verify(&text(1)).unwrap_err();
}

#[test]
fn constants_are_not_written() {
    let refused = |text: &str, reason: &str| {
        let error = verify(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    refused("r2 = map[idx:0][0]+0 ll\n*(u32 *)(r2 +0) = 1\nr0 = 0\nexit", "is not allowed");
    let call = |helper: u32| {
        format!(
            "*(u64 *)(r10 -8) = 0
             *(u64 *)(r10 -16) = 0
             *(u64 *)(r10 -24) = 0
             r2 = r10
             r2 += -8
             r3 = r10
             r3 += -24
             r4 = 0
             r1 = map[idx:0] ll
             call {helper}
             r0 = 0
             exit"
        )
    };
    refused(&call(2), "write of map_ptr is not allowed");
    refused(&call(3), "write of map_ptr is not allowed");
    verify(&call(1)).unwrap();
}

#[test]
fn contents_belong_to_maps_that_can_be_frozen() {
    let build = |def| {
        ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
            .frozen_map(def, FrozenBytes::from_static(&BYTES))
            .asm("r0 = 0\nexit")
            .unwrap()
            .build()
            .map(|_| ())
    };
    build(RODATA).unwrap();
    let refused = Err(ProgramError::FrozenContents { index: 0 });
    assert_eq!(build(RODATA.with_flags(0)), refused);
    assert_eq!(build(MapDef { max_entries: 2, ..RODATA }), refused);
    assert_eq!(build(MapDef { value_size: 11, ..RODATA }), refused);
    assert_eq!(build(MapDef { map_type: MapType::PerCpuArray, ..RODATA }), refused);
}

/// What a map of maps holds only has the form of the map with these contents.
#[test]
fn maps_of_the_same_form_have_other_contents() {
    use bpf_verifier::HelperTable;
    let outer = MapDef::new(MapType::ArrayOfMaps, 4, 4, 4).holding(0).named("outer");
    let verify = |more: &[MapDef], find: &str| {
        let text = format!(
            "*(u32 *)(r10 -4) = 0
             r2 = r10
             r2 += -4
             {find}
             call 1
             if r0 == 0 goto out
             r1 = *(u32 *)(r0 +8)
             if r1 == 7 goto out
             r0 = r9
             out: r0 = 0
             exit"
        );
        let insns = assemble::<ActiveProfile>(&text).unwrap_or_else(|error| panic!("{error}"));
        let builder = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
            .frozen_map(RODATA, FrozenBytes::from_static(&BYTES));
        let builder = more.iter().fold(builder, |builder, def| builder.map(*def));
        let program = builder.insns(&insns).build().unwrap();
        Verifier::<ActiveProfile>::with_env(HelperTable::linux()).verify(&program)
    };
    verify(&[], "r1 = map[idx:0] ll").unwrap();
    let inner = "r1 = map[idx:1] ll
         call 1
         if r0 == 0 goto out
         r1 = r0
         r2 = r10
         r2 += -4";
    let error = verify(&[outer], inner).unwrap_err();
    assert!(error.to_string().contains("R9"), "{error}");
}

/// A map that another one holds may have more entries than the one that it is described by.
#[test]
fn maps_of_the_same_form_have_more_entries() {
    use bpf_verifier::HelperTable;
    let outer = MapDef::new(MapType::ArrayOfMaps, 4, 4, 4).holding(0).named("outer");
    let text = "*(u32 *)(r10 -4) = 0
         r2 = r10
         r2 += -4
         r1 = map[idx:1] ll
         call 1
         if r0 == 0 goto out
         r1 = r0
         r2 = subprog[each] ll
         r3 = 0
         r4 = 0
         call 164
         out: r0 = 0
         exit
         each: r0 = 0
         exit";
    let insns = assemble::<ActiveProfile>(text).unwrap_or_else(|error| panic!("{error}"));
    let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
        .map(MapDef::new(MapType::Hash, 4, 8, 16).named("inner"))
        .map(outer)
        .insns(&insns)
        .build()
        .unwrap();
    let verifier = Verifier::<ActiveProfile>::with_env(HelperTable::linux());
    let verified = verifier.verify_program(&program).unwrap();
    assert!(verified.info().max_insns > u64::from(u32::MAX) * 2, "{:?}", verified.info());
}
