//! Jumps, calls, the end.

use std::format;
use std::string::String;

use super::decode::decode;
use super::{checked, execute, from_insns, gives, hardened, program, proven, proven_with};
use bpf_bytecode::BpfInsn;
use bpf_interp::{BpfContext, BpfError, BpfExecutor, Environment, Fault};
use bpf_verifier::InsnFact;
use iced_x86::OpKind;

use crate::JitExecutor;

type Holds64 = fn(u64, u64) -> bool;

const CONDITIONS: [(&str, Holds64, Holds64); 11] = [
    ("==", |a, b| a == b, |a, b| low(a) == low(b)),
    ("!=", |a, b| a != b, |a, b| low(a) != low(b)),
    ("&", |a, b| a & b != 0, |a, b| low(a & b) != 0),
    (">", |a, b| a > b, |a, b| low(a) > low(b)),
    (">=", |a, b| a >= b, |a, b| low(a) >= low(b)),
    ("<", |a, b| a < b, |a, b| low(a) < low(b)),
    ("<=", |a, b| a <= b, |a, b| low(a) <= low(b)),
    ("s>", |a, b| s(a) > s(b), |a, b| s32(a) > s32(b)),
    ("s>=", |a, b| s(a) >= s(b), |a, b| s32(a) >= s32(b)),
    ("s<", |a, b| s(a) < s(b), |a, b| s32(a) < s32(b)),
    ("s<=", |a, b| s(a) <= s(b), |a, b| s32(a) <= s32(b)),
];

#[allow(clippy::cast_possible_truncation)]
fn low(value: u64) -> u32 {
    value as u32
}

fn s(value: u64) -> i64 {
    value.cast_signed()
}

fn s32(value: u64) -> i32 {
    low(value).cast_signed()
}

#[test]
#[allow(clippy::cast_sign_loss)]
fn every_condition() {
    let values = [0, 1, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 1 << 63, u64::MAX];
    for (sign, long, short) in CONDITIONS {
        for a in values {
            for b in values {
                for (reg, holds) in [("r", long), ("w", short)] {
                    let text = format!(
                        "r6 = {a:#x} ll\nr3 = {b:#x} ll\nr0 = 1
                         if {reg}6 {sign} {reg}3 goto +1\nr0 = 0\nexit"
                    );
                    gives(&text, holds(a, b).into());
                }
            }
            for imm in [0, 1, 5, -1, 127, 128, -128, -129, i32::MAX, i32::MIN] {
                for (reg, holds) in [("r", long), ("w", short)] {
                    for dst in [0, 7] {
                        let text = format!(
                            "r1 = 1\nr{dst} = {a:#x} ll
                             if {reg}{dst} {sign} {imm} goto +1\nr1 = 0\nr0 = r1\nexit"
                        );
                        gives(&text, holds(a, i64::from(imm) as u64).into());
                    }
                }
            }
        }
    }
}

#[test]
fn loops_and_long_jumps() {
    gives("r0 = 0\nr1 = 1000\nagain: r0 += r1\nr1 += -1\nif r1 != 0 goto again\nexit", 500_500);
    gives("r0 = 1\ngotol out\nr0 = 2\nout: exit", 1);
    // Farther than a near jump reaches, both ways.
    let mut text = String::from("r0 = 0\nr1 = 3\nagain: if r1 == 0 goto out\n");
    for _ in 0..100 {
        text += "r0 += 1\n";
    }
    text += "r1 += -1\ngoto again\nout: exit";
    gives(&text, 300);
}

/// Expects a result of every way of compiling, for a number in the context.
#[track_caller]
fn gives_for(number: u32, text: &str, expected: u64) {
    let program = program(text);
    let ways = [("proven", proven(&program)), ("checked", checked(&program))];
    for (way, compiled) in ways.into_iter().chain(hardened::ways(&program)) {
        let mut bytes = number.to_ne_bytes();
        let result = execute(&compiled, &BpfContext::bytes(&mut bytes));
        assert_eq!(result, Ok(expected), "{way}, {number}:\n{text}");
    }
}

/// Instructions of so many bytes in all, at least 6, that change R0, and how.
fn of_bytes(bytes: usize) -> (String, u64) {
    let short = (4 - bytes % 4) % 4;
    let long = (bytes - 3 * short) / 4;
    let changes = [0, 3][short % 2] ^ [0, 5][long % 2];
    ("w0 ^= 3\n".repeat(short) + &"r0 ^= 5\n".repeat(long), changes)
}

/// Jumps are short where a byte holds the distance, and nowhere else.
#[test]
fn jumps_as_far_as_a_short_one_reaches() {
    let mut farthest = [0; 2];
    for bytes in 108..136 {
        let (body, once) = of_bytes(bytes);
        let over = format!("if r2 == 0 goto out\n{body}out: exit");
        let again = format!("again: {body}r2 += -1\nif w2 != 0 goto again\nexit");
        let both = format!("goto over\nback: {body}exit\nover: {body}goto back");
        for (text, [none, one, two]) in
            [(over, [0, once, once]), (again, [0, once, 0]), (both, [0; 3])]
        {
            let text = format!("r2 = *(u32 *)(r1 +0)\nr0 = 0\n{text}");
            for (number, expected) in [(0, none), (1, one), (2, two)] {
                // That often it would go round.
                if number != 0 || !text.contains("again") {
                    gives_for(number, &text, expected);
                }
            }
            for insn in decode(proven(&program(&text)).code()) {
                if insn.op0_kind() != OpKind::NearBranch64 {
                    continue;
                }
                let distance = insn.near_branch_target().wrapping_sub(insn.next_ip());
                let distance = distance.cast_signed();
                let fits = i8::try_from(distance).is_ok();
                assert_eq!(fits, insn.len() == 2, "{bytes} {distance}\n{text}");
                if fits {
                    let [back, ahead] = farthest;
                    farthest = [distance.min(back), distance.max(ahead)];
                }
            }
        }
    }
    assert_eq!(farthest, [-128, 127]);
}

/// Slots that lead to themselves, in front of which what is read behind them is set.
#[test]
fn jumps_to_themselves() {
    let sum = "r0 += r6\nr0 += r7\nr0 += r8\nexit";
    let set = "r0 = 1\nr6 = 2\nr7 = 4\nr8 = 8\nr9 = *(u32 *)(r1 +0)\n";
    for condition in ["r9 == 0", "w9 s> 5", "r9 & 2", "r9 != 1", "r9 > r6", "w6 <= w9"] {
        gives_for(1, &format!("{set}again: if {condition} goto again\n{sum}"), 15);
    }
    for jump in ["goto again", "gotol again"] {
        let text = format!("{set}if r9 == 1 goto over\nr6 = 7\nagain: {jump}\nover: {sum}");
        gives_for(1, &text, 15);
    }
}

#[test]
fn calls_keep_r6_to_r9_and_have_frames_of_their_own() {
    gives(
        "r6 = 6\nr7 = 7\nr8 = 8\nr9 = 9
         *(u64 *)(r10 -8) = 77
         r1 = 5
         call local function
         r0 += r6\nr0 += r7\nr0 += r8\nr0 += r9
         r1 = *(u64 *)(r10 -8)
         r0 += r1
         exit
         function: r0 = 0
         r6 = 100\nr7 = 100\nr8 = 100\nr9 = 100
         *(u64 *)(r10 -8) = 1
         if r1 == 0 goto end
         *(u64 *)(r10 -16) = 1000
         r1 += -1
         call local function
         r1 = *(u64 *)(r10 -16)
         r0 += r1
         r0 += 1
         end: exit",
        5 * 1001 + 6 + 7 + 8 + 9 + 77,
    );
}

#[test]
fn functions_without_a_frame_keep_what_their_callers_read() {
    // Of the registers that `leaf` writes the caller reads some again; `inner`
    // asks the host, from under an odd and an even number of saved registers.
    for read in ["r0 += r6", "r0 += r6\nr0 += r7", "r0 += r6\nr0 += r7\nr0 += r8"] {
        let sum: u64 = [100, 200, 300].iter().take(read.lines().count()).sum();
        let text = format!(
            "r6 = 100\nr7 = 200\nr8 = 300\nr1 = 1
             call local leaf\n{read}\nr9 = r0\nr1 = 2\ncall local inner\nr0 += r9\n{read}\nexit
             leaf: r6 = r1\nr7 = 5\nr8 = 6\nr0 = r6\nr0 += r7\nr0 += r8\nexit
             inner: r6 = r1\nr7 = r1\nr8 = r1\n*(u64 *)(r10 -8) = r1\ncall 8
             r0 &= 0\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nr0 += r7\nr0 += r8\nr0 += r6\nexit"
        );
        gives(&text, 12 + sum + 8 + sum);
    }
}

#[test]
fn a_caller_s_frame_is_reached_by_its_address() {
    gives(
        "r1 = r10\nr1 += -8\n*(u64 *)(r1 +0) = 3
         call pc+2
         r0 = *(u64 *)(r10 -8)
         exit
         *(u64 *)(r1 +0) = 4
         exit",
        4,
    );
}

#[test]
fn unreached_code_stops() {
    let program = program("r0 = 1\nexit\nr0 = 2\nr0 = 3\nexit");
    let mut facts = [InsnFact::Unreached; 5];
    facts[0] = InsnFact::Plain;
    facts[1] = InsnFact::Plain;
    let compiled = proven_with(&program, &facts);
    assert_eq!(execute(&compiled, &BpfContext::empty()), Ok(1));
    // A wrong fact: control comes where it never should.
    facts[1] = InsnFact::Unreached;
    let compiled = proven_with(&program, &facts);
    let error = execute(&compiled, &BpfContext::empty()).unwrap_err();
    assert!(matches!(error, BpfError::Fault { fault: Fault::InvalidInstruction, .. }));
}

#[test]
fn the_budget_ends_what_does_not_end() {
    let program = program("r0 = 0\nr0 += 1\ngoto -2");
    let compiled = checked(&program);
    for budget in [0, 1, 2, 3, 4, 1000, 1001] {
        let jit = JitExecutor::with_env(Environment::new().with_budget(budget));
        let pc = match budget {
            0 => 0,
            _ => 1 + u32::from(budget % 2 == 0),
        };
        let result = jit.execute(&compiled, &BpfContext::empty());
        assert_eq!(result, Err(BpfError::Fault { pc, fault: Fault::Budget }), "{budget}");
    }
}

#[test]
fn may_goto_ends_a_loop() {
    let program = program("r0 = 0\nmay_goto +2\nr0 += 1\ngoto -3\nexit");
    let expected = u64::from(bpf_interp::run::MAY_GOTO_ALLOWANCE);
    assert_eq!(execute(&proven(&program), &BpfContext::empty()), Ok(expected));
}

#[test]
fn faults_name_the_instruction() {
    let cases = [
        ("r0 = 0\nr10 += 1\nexit", 1, Some(Fault::FramePointerWrite)),
        ("r0 = 0\nr10 = *(u64 *)(r0 +0)\nexit", 1, Some(Fault::Memory { addr: 0, size: 8 })),
        ("r0 = 0\nr10 = *(u64 *)(r10 -8)\nexit", 1, Some(Fault::FramePointerWrite)),
        ("r0 = *(u64 *)(r10 -4)\nexit", 0, None),
        ("*(u8 *)(r10 +0) = 1\nexit", 0, None),
        ("r0 = 0\ncall pc-1\nexit", 1, None),
        ("call 99999\nexit", 0, Some(Fault::UnknownHelper(99_999))),
        ("r1 = 8\nr1 = atomic_fetch_add((u64 *)(r10 -4), r1)\nexit", 1, None),
    ];
    for (text, slot, expected) in cases {
        let program = program(text);
        match execute(&checked(&program), &BpfContext::empty()) {
            Err(BpfError::Fault { pc, fault }) => {
                assert_eq!(pc, slot, "{text}");
                assert!(expected.is_none_or(|f| f == fault), "{text}: {fault}");
            }
            other => panic!("{other:?} for\n{text}"),
        }
    }
    let deep = program("r0 = 0\ncall pc-2\nexit");
    let result = execute(&checked(&deep), &BpfContext::empty());
    assert_eq!(result, Err(BpfError::Fault { pc: 1, fault: Fault::CallDepth }));
}

#[test]
fn unverified_code_may_jump_from_function_to_function() {
    // The main program jumps into the function, whose exit then ends it.
    let program = program("r0 = 1\nr1 = 0\ncall pc+1\ngoto +0\nr0 += 1\nexit");
    assert_eq!(execute(&checked(&program), &BpfContext::empty()), Ok(3));
}

#[test]
fn entry_registers_are_zero_but_for_the_context() {
    let text = "r0 = r3\nr0 |= r4\nr0 |= r5\nr0 |= r6\nr0 |= r7\nr0 |= r8\nr0 |= r9\nr0 |= r0\n\
                r0 += r2\nr3 = *(u8 *)(r1 +1)\nr0 += r3\nexit";
    let compiled = checked(&program(text));
    let mut bytes = [1, 100, 3];
    assert_eq!(execute(&compiled, &BpfContext::bytes(&mut bytes)), Ok(103));
}

#[test]
fn helpers_keep_the_arguments_of_unverified_programs() {
    let insns = [
        BpfInsn::mov64_imm(1, 10),
        BpfInsn::mov64_imm(2, 20),
        BpfInsn::mov64_imm(3, 30),
        BpfInsn::mov64_imm(4, 40),
        BpfInsn::mov64_imm(5, 50),
        BpfInsn::call(8),
        BpfInsn::add64_reg(0, 1),
        BpfInsn::add64_reg(0, 2),
        BpfInsn::add64_reg(0, 3),
        BpfInsn::add64_reg(0, 4),
        BpfInsn::add64_reg(0, 5),
        BpfInsn::exit(),
    ];
    let compiled = checked(&from_insns(&insns));
    assert_eq!(execute(&compiled, &BpfContext::empty()), Ok(150));
}
