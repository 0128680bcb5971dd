//! Arithmetic against a model of its own, and programs nobody wrote.

mod common;

use bpf_bytecode::opcode::{AluOp, ByteOrder, Cond, Size, Width};
use bpf_bytecode::table::INSTRUCTION_SET;
use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor, Environment, Interpreter, semantics};
use bpf_maps::{ArrayMap, BpfMap, HashMap, ProgArray, RingBuf};
use bpf_profile::ActiveProfile;
use proptest::prelude::*;

/// The value of the low `bits` bits as an unsigned number.
fn low(value: i128, bits: u32) -> i128 {
    value & ((1 << bits) - 1)
}

/// The same bits as a signed number.
fn signed(value: i128, bits: u32) -> i128 {
    let value = low(value, bits);
    if value >> (bits - 1) == 1 { value - (1 << bits) } else { value }
}

/// What RFC 9669 says, in numbers that never overflow.
fn model(op: AluOp, width: Width, dst: u64, src: u64) -> u64 {
    let bits = width.bits();
    let (a, b) = (low(i128::from(dst), bits), low(i128::from(src), bits));
    let (sa, sb) = (signed(a, bits), signed(b, bits));
    let count = b % i128::from(bits);
    let result = match op {
        AluOp::Add => a + b,
        AluOp::Sub => a - b,
        // The product of two 64-bit numbers is wider than what is left of it.
        AluOp::Mul => {
            (0..bits).filter(|bit| b >> bit & 1 == 1).fold(0, |sum, bit| sum + low(a << bit, bits))
        }
        AluOp::Div | AluOp::Sdiv if b == 0 => 0,
        AluOp::Div => a / b,
        AluOp::Sdiv => sa / sb,
        AluOp::Mod | AluOp::Smod if b == 0 => a,
        AluOp::Mod => a % b,
        AluOp::Smod => sa % sb,
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Xor => a ^ b,
        AluOp::Lsh => a << count,
        AluOp::Rsh => a >> count,
        AluOp::Arsh => sa >> count,
        AluOp::Mov => b,
    };
    u64::try_from(low(result, bits)).unwrap()
}

const OPS: [AluOp; 14] = [
    AluOp::Add,
    AluOp::Sub,
    AluOp::Mul,
    AluOp::Div,
    AluOp::Sdiv,
    AluOp::Mod,
    AluOp::Smod,
    AluOp::Or,
    AluOp::And,
    AluOp::Xor,
    AluOp::Lsh,
    AluOp::Rsh,
    AluOp::Arsh,
    AluOp::Mov,
];

fn number() -> impl Strategy<Value = u64> {
    let edges = prop::sample::select(vec![
        0,
        1,
        2,
        u64::MAX,
        1 << 63,
        (1 << 63) - 1,
        1 << 31,
        (1 << 31) - 1,
        u64::from(u32::MAX),
        1 << 32,
        63,
        64,
    ]);
    prop_oneof![edges, any::<u64>(), (0..64_u32).prop_map(|bit| 1 << bit)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arithmetic_is_the_models(
        op in prop::sample::select(OPS.to_vec()),
        wide in any::<bool>(),
        dst in number(),
        src in number(),
    ) {
        let width = if wide { Width::W64 } else { Width::W32 };
        prop_assert_eq!(semantics::alu(op, width, dst, src), model(op, width, dst, src));
        prop_assert_eq!(semantics::neg(width, dst), model(AluOp::Sub, width, 0, dst));
    }

    #[test]
    fn conditions_are_the_models(wide in any::<bool>(), dst in number(), src in number()) {
        let width = if wide { Width::W64 } else { Width::W32 };
        let bits = width.bits();
        let (a, b) = (low(i128::from(dst), bits), low(i128::from(src), bits));
        let (sa, sb) = (signed(a, bits), signed(b, bits));
        for (cond, expected) in [
            (Cond::Eq, a == b), (Cond::Ne, a != b), (Cond::Set, a & b != 0),
            (Cond::Gt, a > b), (Cond::Ge, a >= b), (Cond::Lt, a < b), (Cond::Le, a <= b),
            (Cond::Sgt, sa > sb), (Cond::Sge, sa >= sb), (Cond::Slt, sa < sb), (Cond::Sle, sa <= sb),
        ] {
            prop_assert_eq!(semantics::condition(cond, width, dst, src), expected, "{:?}", cond);
        }
    }

    #[test]
    fn extensions_and_swaps_are_the_models(value in number()) {
        for size in [Size::B, Size::H, Size::W, Size::Dw] {
            let extended = signed(i128::from(value), size.bits());
            prop_assert_eq!(i128::from(semantics::sign_extend(size, value).cast_signed()), extended);
            let bytes = value.to_be_bytes();
            let swapped = bytes.iter().rev().take(size.bytes()).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            prop_assert_eq!(semantics::byte_swap(ByteOrder::Swap, size, value), swapped);
            let [kept, other] = if cfg!(target_endian = "little") {
                [ByteOrder::Little, ByteOrder::Big]
            } else {
                [ByteOrder::Big, ByteOrder::Little]
            };
            let low = u64::try_from(low(i128::from(value), size.bits())).unwrap();
            prop_assert_eq!(semantics::byte_swap(kept, size, value), low);
            prop_assert_eq!(semantics::byte_swap(other, size, value), swapped);
        }
    }
}

/// One slot of a legal instruction, with operands that now and then make sense.
fn insn() -> impl Strategy<Value = BpfInsn> {
    let rows: Vec<_> = INSTRUCTION_SET.iter().filter(|row| row.code != 0x18).collect();
    let offset = prop_oneof![-8..8_i16, (-64..0_i16).prop_map(|eights| eights * 8), any::<i16>()];
    let helper = prop::sample::select(vec![
        1, 2, 3, 5, 6, 7, 8, 12, 26, 28, 44, 65, 130, 131, 132, 133, 134,
    ]);
    let imm = prop_oneof![-16..64_i32, helper, any::<i32>()];
    (prop::sample::select(rows), 0..11_u8, 0..11_u8, offset, imm).prop_map(
        |(row, dst, src, off, imm)| {
            let (ops, fixed) = (row.operands, row.fixed);
            BpfInsn::new(
                row.code,
                if ops.has_dst() { dst } else { fixed.dst() },
                if ops.has_src() { src } else { fixed.src() },
                if ops.has_off() { off } else { fixed.off() },
                if ops.has_imm() { imm } else { fixed.imm() },
            )
        },
    )
}

/// Makes a program of `insns`: registers hold something useful at first, jumps
/// and calls are bent to stay inside, and an `exit` stands at the end.
fn patched(insns: &[BpfInsn]) -> Vec<BpfInsn> {
    let mut out =
        vec![BpfInsn::mov64_reg(6, 1), BpfInsn::mov64_reg(9, 10), BpfInsn::add64_imm(9, -64)];
    out.extend(BpfInsn::ld_map(7, 0));
    out.extend(BpfInsn::ld_map_value(8, 1, 0));
    let (start, len) = (out.len(), out.len() + insns.len() + 1);
    let bend = |pc: usize, off: i32| {
        let target = start + off.unsigned_abs() as usize % (len - start);
        i32::try_from(target).unwrap() - i32::try_from(pc).unwrap() - 1
    };
    for insn in insns {
        let pc = out.len();
        out.push(match insn.code() {
            0x06 => insn.with_imm(bend(pc, insn.imm())),
            0x85 if insn.src() == 1 => insn.with_imm(bend(pc, insn.imm())),
            0x85 => *insn,
            code if matches!(code & 7, 5 | 6) && code != 0x95 => {
                insn.with_off(i16::try_from(bend(pc, i32::from(insn.off()))).unwrap())
            }
            _ => *insn,
        });
    }
    out.push(BpfInsn::exit());
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the program does, it ends, and nothing panics.
    #[test]
    fn random_programs_end(
        insns in prop::collection::vec(insn(), 1..60),
        kind in 0..4_usize,
        map in 0..4_usize,
    ) {
        let slots = patched(&insns);
        let (array, hash) = (
            ArrayMap::<ActiveProfile>::with_entries(16, 1).unwrap(),
            HashMap::<ActiveProfile>::new(bpf_bytecode::abi::map::MapDef::new(
                bpf_bytecode::abi::map::MapType::Hash, 8, 16, 4,
            )).unwrap(),
        );
        let (ring, programs) = (
            RingBuf::<ActiveProfile>::with_bytes(4096).unwrap(),
            ProgArray::<ActiveProfile>::with_entries(2).unwrap(),
        );
        programs.update(&1_u32.to_ne_bytes(), &0_u32.to_ne_bytes(), 0).unwrap();
        let first: [&dyn BpfMap; 4] = [&array, &hash, &ring, &programs];
        let maps: [&dyn BpfMap; 2] = [first[map], &array];
        let types = [BpfProgType::Xdp, BpfProgType::SocketFilter, BpfProgType::SchedCls, BpfProgType::Kprobe];
        let program = ProgramBuilder::<ActiveProfile>::new(types[kind])
            .insns(&slots)
            .map(*maps[0].def())
            .map(*maps[1].def())
            .build()
            .unwrap();
        let mut buffer = [3; 128];
        let context = match kind {
            0 => BpfContext::xdp_md(&mut buffer, 32..96).unwrap(),
            1 | 2 => BpfContext::socket(&mut buffer),
            _ => BpfContext::bytes(&mut buffer),
        };
        let env = Environment::new().with_maps(&maps).with_budget(2_000);
        let targets = [&program];
        let interp = Interpreter::<ActiveProfile>::with_env(env).with_programs(&targets);
        let first = interp.execute(&program, &context);
        prop_assert!(!matches!(first, Err(bpf_interp::BpfError::Refused(_))), "{:?}", first);
        prop_assert!(context.packet_range().is_ok());
        // Nothing is held back by records that the program left.
        ring.ring_buf().unwrap().consume(&mut |_| ()).unwrap();
        prop_assert_eq!(ring.len(), 0);
    }
}
