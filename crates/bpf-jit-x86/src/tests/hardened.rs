//! Constant blinding and retpolines, by what was emitted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_verifier::InsnFact;
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::decode::{assert_sound, decode, every_instruction};
use super::generator::{Dice, Style, any, right};
use super::{Compiled, Program, from_insns, program, proven_as, with_maps};
use crate::x86::Features;
use crate::{CompileOptions, CompiledProgram, HostMemory};

/// Calls what compiles with everything that makes code harder to misuse.
fn with_all<R>(compile: impl FnOnce(&CompileOptions<'_>) -> R) -> R {
    let dice = RefCell::new(Dice::new(7));
    let random = || dice.borrow_mut().next();
    compile(&CompileOptions::new().with_blinding(&random).with_retpolines())
}

/// As proven.
pub(super) fn proven(program: &Program, features: Features) -> Compiled {
    let facts = vec![InsnFact::Plain; program.len()];
    with_all(|options| proven_as(program, &facts, features, options))
}

/// With run-time checks.
pub(super) fn checked(program: &Program) -> Compiled {
    with_all(|options| CompiledProgram::compile_checked_with(program, &HostMemory, options))
        .unwrap()
}

/// In each way there is.
pub(super) fn ways(program: &Program) -> [(&'static str, Compiled); 3] {
    [
        ("hardened", proven(program, Features::detect())),
        ("hardened, old CPU", proven(program, Features::default())),
        ("hardened, checked", checked(program)),
    ]
}

/// Expects code without any jump or call to an address in a register or in memory.
#[track_caller]
fn assert_direct(compiled: &Compiled) {
    for insn in decode(compiled.code()) {
        assert!(
            !insn.is_jmp_near_indirect() && !insn.is_call_near_indirect(),
            "at {:#x}: {insn}",
            insn.ip()
        );
    }
}

/// Expects code that has no number of the program's in sight: what is an immediate
/// or a distance is one half of a hidden number, or what the compiler says in
/// any program, or not more than a byte. Gives the hidden numbers.
#[track_caller]
fn assert_blinded(compiled: &Compiled) -> Vec<u64> {
    let insns = decode(compiled.code());
    let (mut hidden, mut keys) = (Vec::new(), BTreeSet::new());
    let mut at = 0;
    while let Some(insn) = insns.get(at) {
        if let Some((number, key, taken)) = hidden_number(&insns[at..]) {
            keys.insert(key);
            hidden.push(number);
            at += taken;
            continue;
        }
        assert!(!has_immediate(insn) || is_fixed(insn), "at {:#x}: {insn}", insn.ip());
        if (0..insn.op_count()).any(|op| insn.op_kind(op) == OpKind::Memory) {
            // The session, and places in the code itself.
            let own = matches!(insn.memory_base(), Register::R15 | Register::RIP);
            let near = i8::try_from(insn.memory_displacement64().cast_signed()).is_ok();
            assert!(own || near, "at {:#x}: {insn}", insn.ip());
        }
        at += 1;
    }
    // Of keys of 32 bits few are the same by chance.
    assert!(hidden.len() - keys.len() <= hidden.len() / 1000, "keys that were used before");
    hidden
}

fn has_immediate(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|op| {
        !matches!(insn.op_kind(op), OpKind::Register | OpKind::Memory | OpKind::NearBranch64)
    })
}

/// Nothing at all, what the compiler says in any program, and counts of shifts.
fn is_fixed(insn: &Instruction) -> bool {
    let value = insn.immediate(insn.op_count() - 1).cast_signed();
    if value == 0 {
        return true;
    }
    match insn.mnemonic() {
        Mnemonic::Shl
        | Mnemonic::Shr
        | Mnemonic::Sar
        | Mnemonic::Rol
        | Mnemonic::Ror
        | Mnemonic::Rorx => (0..64).contains(&value),
        // The budget, the entry, whether the program was stopped, and divisors.
        Mnemonic::Sub => {
            matches!((insn.op0_register(), value), (Register::R9, 1) | (Register::RSP, 8))
        }
        Mnemonic::And => (insn.op0_register(), value) == (Register::RSP, -16),
        Mnemonic::Cmp => match insn.op0_kind() {
            OpKind::Memory => false,
            _ => value == -1 && matches!(insn.op0_register(), Register::R11 | Register::R11D),
        },
        // What stands for a map.
        Mnemonic::Mov => (0..4).any(|map| value.cast_unsigned() == handle(map)),
        _ => false,
    }
}

fn handle(map: u32) -> u64 {
    bpf_interp::Run::map_handle(map)
}

/// The number, a key, and how many instructions put it together.
fn hidden_number(insns: &[Instruction]) -> Option<(u64, u64, usize)> {
    let loads = |insn: &Instruction| insn.mnemonic() == Mnemonic::Mov && has_immediate(insn);
    let [first, second, rest @ ..] = insns else { return None };
    if !loads(first) || first.op0_kind() != OpKind::Register {
        return None;
    }
    let target = first.op0_register().full_register();
    let one = first.immediate(1);
    let xors = |insn: &Instruction| {
        insn.mnemonic() == Mnemonic::Xor && insn.op0_register().full_register() == target
    };
    if xors(second) && has_immediate(second) {
        let narrow = second.op0_register().is_gpr32();
        let number = one ^ second.immediate(1);
        let number = if narrow { number & u64::from(u32::MAX) } else { number };
        return Some((number, second.immediate(1), 2));
    }
    let third = rest.first().filter(|third| xors(third) && loads(second))?;
    let other = second.op0_register().full_register();
    (third.op1_register() == other && other != target)
        .then(|| (one ^ second.immediate(1), second.immediate(1), 3))
}

#[test]
fn no_instruction_shows_its_number() {
    let program = from_insns(&every_instruction());
    for (_, compiled) in ways(&program) {
        assert_sound(&compiled);
        assert_direct(&compiled);
        let hidden = assert_blinded(&compiled);
        assert!(hidden.len() > 1000);
    }
}

#[test]
fn no_generated_program_shows_its_numbers() {
    for seed in 0..500 {
        for insns in [any(seed), right(seed, Style::Free)] {
            for (_, compiled) in ways(&from_insns(&insns)) {
                assert_sound(&compiled);
                assert_direct(&compiled);
                assert_blinded(&compiled);
            }
        }
    }
}

/// The numbers of a program, wherever they are, are among those that were hidden.
#[test]
fn numbers_are_hidden_where_they_are_used() {
    let program = program(
        "r1 = 0x11223344\nr2 = -0x11223355\nr3 = 0x1122334455667788 ll\nr0 = 0
         r0 += r1\nr0 += r2\nr0 += r3\nr0 += 0x1a1a1a1a
         w0 ^= 0x1b1b1b1b\nr0 /= 0x1c1c1c1c\n*(u32 *)(r10 -8) = 0x1d1d1d1d
         *(u64 *)(r10 -300) = -0x1e1e1e1e\nr4 = *(u8 *)(r10 -301)
         if r0 > 0x1f1f1f1f goto out\nif w0 & 0x20202020 goto out\ncall 7\nout: exit",
    );
    let proven = [
        0x1122_3344,
        (-0x1122_3355_i64).cast_unsigned(),
        0x1122_3344_5566_7788,
        0x1a1a_1a1a,
        0x1b1b_1b1b,
        0x1c1c_1c1c,
        0x1d1d_1d1d,
        (-0x1e1e_1e1e_i64).cast_unsigned(),
        (-300_i64).cast_unsigned(),
        0x1f1f_1f1f,
        0x2020_2020,
        // The helper, behind the slot that calls it.
        16 << 8 | 7,
    ];
    for (way, compiled) in ways(&program) {
        let hidden: BTreeSet<u64> = assert_blinded(&compiled).into_iter().collect();
        for number in proven {
            assert!(hidden.contains(&number), "{way}: {number:#x} of {hidden:x?}");
        }
    }
}

/// Values of maps: distances in them, and how far one is from the next.
#[test]
fn maps_show_no_numbers() {
    let text = "r6 = map[idx:1][0]+4000\nr7 = *(u64 *)(r6 +16)\n*(u64 *)(r10 -16) = r7
         r1 = map[idx:0]\nr2 = r10\nr2 += -16\ncall 1\nif r0 == 0 goto out
         r7 = *(u64 *)(r0 +8)\nout: r0 = r7\nexit";
    let maps = [MapDef::new(MapType::Array, 4, 4712, 100), MapDef::new(MapType::Array, 4, 5000, 1)];
    for (way, compiled) in ways(&with_maps(text, &maps)) {
        assert_sound(&compiled);
        assert_direct(&compiled);
        let hidden = assert_blinded(&compiled);
        if !way.ends_with("checked") {
            assert!(hidden.contains(&4000) && hidden.contains(&4712), "{way}: {hidden:x?}");
        }
    }
}

/// Every number asks for a key of its own, and another key gives other code.
#[test]
fn keys_are_fresh() {
    let program = program("r0 = 1\nr0 += 2\nr0 *= 3\nexit");
    let facts = vec![InsnFact::Plain; program.len()];
    let compile = |seed| {
        let asked = Cell::new(0);
        let dice = RefCell::new(Dice::new(seed));
        let random = || {
            asked.set(asked.get() + 1);
            dice.borrow_mut().next()
        };
        let options = CompileOptions::new().with_blinding(&random);
        let compiled = proven_as(&program, &facts, Features::default(), &options);
        (compiled.code().to_vec(), asked.get())
    };
    let ((one, asked), (two, _)) = (compile(1), compile(2));
    assert_eq!(asked, 3);
    assert_ne!(one, two);
}

/// Without being asked for, code is as it always was.
#[test]
fn plain_code_asks_for_nothing() {
    let program = from_insns(&right(1, Style::Free));
    let facts = vec![InsnFact::Plain; program.len()];
    let code = |options| proven_as(&program, &facts, Features::default(), &options).code().to_vec();
    let retpolines = CompileOptions::new().with_retpolines();
    assert_eq!(code(CompileOptions::new()), code(CompileOptions::default()));
    assert_ne!(code(CompileOptions::new()), code(retpolines));
}
