//! Over every row of the table: text and slots are each other's inverse, in
//! both dialects, and so are slots and decoded instructions. What is no
//! instruction, and what is no program text, is met without a panic.

use bpf_bytecode::registers::Register;
use bpf_bytecode::table::{Form, INSTRUCTION_SET, InsnDef};
use bpf_bytecode::text::{Dialect, Listing, assemble, assemble_into};
use bpf_bytecode::{BpfInsn, Instruction};
use bpf_profile::ActiveProfile;
use proptest::prelude::*;

/// The slots of a row with these operands; the last two numbers are the kind of
/// a 64-bit immediate and its high half.
fn slots(
    def: &InsnDef,
    (dst, src, off, imm, kind, high): (u8, u8, i16, i32, u8, i32),
) -> Vec<BpfInsn> {
    if def.form == Form::LoadImm64 {
        let high = if matches!(kind, 0 | 2 | 6) { high } else { 0 };
        return BpfInsn::ld_imm64_pair(dst, kind, imm, high).to_vec();
    }
    vec![def.with_operands(dst, src, off, imm)]
}

fn edges<T: Arbitrary + Clone + 'static>(edges: &'static [T]) -> impl Strategy<Value = T> {
    prop_oneof![any::<T>(), proptest::sample::select(edges)]
}

fn instruction() -> impl Strategy<Value = Vec<BpfInsn>> {
    let imm = || edges(&[0, 1, -1, i32::MIN, i32::MAX]);
    let operands =
        (0..=10_u8, 0..=10_u8, edges(&[0, 1, -1, i16::MIN, i16::MAX]), imm(), 0..=6_u8, imm());
    (0..INSTRUCTION_SET.len(), operands)
        .prop_map(|(row, operands)| slots(&INSTRUCTION_SET[row], operands))
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Llvm), Just(Dialect::Mnemonic)]
}

/// Any eight bytes, often with a known opcode.
fn slot() -> impl Strategy<Value = BpfInsn> {
    let code = prop_oneof![
        any::<u8>(),
        (0..INSTRUCTION_SET.len()).prop_map(|row| INSTRUCTION_SET[row].code),
    ];
    (code, edges(&[0_u8, 0x10, 0xa0, 0x0b]), edges(&[0_i16, 1, 8]), edges(&[0_i32, 16, 64, 1]))
        .prop_map(|(code, regs, off, imm)| BpfInsn::new(code, regs & 0xf, regs >> 4, off, imm))
}

/// Pieces of program text in any order.
fn shreds() -> impl Strategy<Value = String> {
    const SHREDS: &[&str] = &[
        "r0",
        "w3",
        "r10",
        "r11",
        "%r1",
        "=",
        "+=",
        "s>",
        "s>>=",
        "-",
        "*(u8 *)",
        "(",
        ")",
        "[",
        "]",
        ",",
        ":",
        "#",
        "# ",
        ";",
        " ; ",
        "//",
        "/*",
        "*/",
        "\n",
        " ",
        "if",
        "goto",
        "lock",
        "fetch",
        "add32",
        "call",
        "exit",
        "map",
        "subprog",
        "pc",
        "ll",
        "l1",
        "l1:",
        "l2:",
        "0",
        "+14",
        "-8",
        "0x",
        "0xffffffffffffffff",
        "99999999999999999999",
        ".8byte",
        "bpf_ktime_get_ns",
        "mov64",
        "be16",
        "cmpxchg_64",
        "{dst}",
        "ä",
        "\u{0}",
    ];
    proptest::collection::vec(proptest::sample::select(SHREDS), 0..40)
        .prop_map(|parts| parts.concat())
}

fn survives(text: &str) {
    let mut out = [BpfInsn::default(); 64];
    if let Err(error) = assemble_into::<ActiveProfile>(text, &mut out) {
        let lines = text.split('\n').collect::<Vec<_>>();
        let line = lines.get(error.line as usize - 1).expect("the line exists");
        assert!(error.column as usize <= line.chars().count() + 1, "{error} in {text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn text_is_read_back(insns in instruction(), dialect in dialect()) {
        let text = Listing::new(&insns).source().dialect(dialect).to_string();
        let read = assemble::<ActiveProfile>(&text);
        prop_assert_eq!(read.as_deref(), Ok(&insns[..]), "{}", text);
    }

    #[test]
    fn decoded_is_encoded_back(insns in instruction()) {
        let decoded = Instruction::decode(&insns, 0).expect("the operands are legal");
        let encoded = decoded.encode().expect("it came from slots");
        prop_assert_eq!(Instruction::decode(encoded.slots(), 0), Ok(decoded));
        // Only jumps have a shorter form.
        if !matches!(decoded, Instruction::Jump { .. }) {
            prop_assert_eq!(encoded.slots(), &insns[..]);
        }
        prop_assert!(!decoded.to_string().contains(".8byte"));
    }

    #[test]
    fn any_slots_are_listed_and_read_back(
        insns in proptest::collection::vec(slot(), 0..24),
        dialect in dialect(),
        words in 0..2_usize,
    ) {
        let mut targets = vec![0; words];
        let listing = Listing::new(&insns).dialect(dialect).source().labels(&mut targets);
        let read = assemble::<ActiveProfile>(&listing.to_string());
        prop_assert_eq!(read.as_deref(), Ok(&insns[..]), "{}", listing);
        for pc in 0..=insns.len() {
            let _ = Instruction::decode(&insns, pc);
        }
    }

    #[test]
    fn any_text_is_survived(text in ".*") {
        survives(&text);
    }

    #[test]
    fn shredded_text_is_survived(text in shreds()) {
        survives(&text);
    }
}

#[test]
fn every_row_and_every_register_is_read_back() {
    for def in INSTRUCTION_SET {
        for register in Register::all() {
            let number = register.number();
            for kind in 0..=6 {
                let insns = slots(def, (number, 10 - number, -3, -5, kind, 7));
                for dialect in [Dialect::Llvm, Dialect::Mnemonic] {
                    let text = Listing::new(&insns).source().dialect(dialect).to_string();
                    let read = assemble::<ActiveProfile>(&text);
                    assert_eq!(read.as_deref(), Ok(&insns[..]), "{}: {text}", def.name);
                }
            }
        }
    }
}

#[test]
fn time_grows_with_the_text() {
    // Each would take minutes if labels were searched one by one, or if a
    // statement were read again for each of its tokens.
    let labels = (0..100_000).fold(String::new(), |text, n| text + &format!("goto l{n}\nl{n}:"));
    let tokens = "r0 ".repeat(300_000);
    let comments = "a/**/".repeat(200_000);
    let name = "a".repeat(500_000);
    for text in [labels, tokens, comments, format!("{name}:\ngoto {name}\ngoto {name}b")] {
        let mut out = vec![BpfInsn::default(); 100_000];
        let _ = assemble_into::<ActiveProfile>(&text, &mut out);
    }
}
