//! The abstract operations at 64 bits against concrete values.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the reference is written in plain arithmetic"
)]

#[path = "common/concrete.rs"]
mod concrete;

use bpf_bytecode::opcode::{AluOp, ByteOrder, Cond, Width};
use bpf_verifier::domain::{Scalar, Tnum, alu, byte_swap, compare, negate, sign_extend};
use proptest::prelude::*;

/// Numbers near the places where something wraps.
fn number() -> impl Strategy<Value = u64> {
    let corners = [0, 1, 7, 31, 32, 63, 64, 0xff, 0x7f, 1 << 31, (1 << 31) - 1, u32::MAX.into()];
    prop_oneof![
        any::<u64>(),
        any::<u32>().prop_map(u64::from),
        any::<i32>().prop_map(|v| i64::from(v).cast_unsigned()),
        (prop::sample::select(corners.to_vec()), -2..3_i64)
            .prop_map(|(v, d)| u64::wrapping_add_signed(v, d)),
        (any::<u64>(), 0..64_u32).prop_map(|(v, s)| v >> s),
        (0..64_u32, -2..3_i64).prop_map(|(s, d)| (1_u64 << s).wrapping_add_signed(d)),
    ]
}

/// A set with one of its members.
fn member() -> impl Strategy<Value = (Scalar, u64)> {
    let bounds = (prop::option::of(number()), prop::option::of(number()), number(), 0..6_u8);
    (number(), bounds).prop_map(|(v, (a, b, mask, shape))| {
        let mut s = Scalar::<64>::UNKNOWN;
        if shape & 1 == 0 {
            s = Scalar::with_bits(Tnum::new(v, mask));
        }
        let width = if shape & 2 == 0 { Width::W64 } else { Width::W32 };
        let conds = [Cond::Le, Cond::Ge, Cond::Sle, Cond::Sge];
        for (bound, cond) in [a, b].into_iter().zip(conds.iter().cycle().skip(shape.into())) {
            let Some(bound) = bound else { continue };
            let out = compare(*cond, width, s, Scalar::constant(bound));
            // Whichever side the value is on.
            let side =
                if concrete::holds(*cond, v, bound, bits(width)) { out.holds } else { out.fails };
            s = side.expect("the value is on this side").0;
        }
        (s, v)
    })
}

fn bits(width: Width) -> u32 {
    if width == Width::W64 { 64 } else { 32 }
}

fn op() -> impl Strategy<Value = AluOp> {
    use AluOp::{Add, And, Arsh, Div, Lsh, Mod, Mov, Mul, Or, Rsh, Sdiv, Smod, Sub, Xor};
    prop::sample::select(vec![
        Add, Sub, Mul, Div, Sdiv, Mod, Smod, Or, And, Xor, Lsh, Rsh, Arsh, Mov,
    ])
}

fn cond() -> impl Strategy<Value = Cond> {
    use Cond::{Eq, Ge, Gt, Le, Lt, Ne, Set, Sge, Sgt, Sle, Slt};
    prop::sample::select(vec![Eq, Ne, Set, Gt, Ge, Lt, Le, Sgt, Sge, Slt, Sle])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 3000 } else { 100_000 }, ..ProptestConfig::default() })]

    #[test]
    fn arithmetic((a, x) in member(), (b, y) in member(), op in op()) {
        prop_assert!(a.contains(x) && b.contains(y));
        let (wide, narrow) = (alu(op, Width::W64, a, b), alu(op, Width::W32, a, b));
        prop_assert!(wide.contains(concrete::alu(op, x, y, 64)), "{wide:?}");
        prop_assert!(narrow.contains(concrete::alu(op, x, y, 32)), "{narrow:?}");
    }

    #[test]
    fn comparison((a, x) in member(), (b, y) in member(), cond in cond()) {
        for width in [Width::W64, Width::W32] {
            let out = compare(cond, width, a, b);
            let side = if concrete::holds(cond, x, y, bits(width)) { out.holds } else { out.fails };
            prop_assert!(side.is_some_and(|(a, b)| a.contains(x) && b.contains(y)), "{side:?}");
        }
    }

    #[test]
    fn one_operand((a, x) in member()) {
        prop_assert!(negate(Width::W64, a).contains(x.wrapping_neg()));
        prop_assert!(negate(Width::W32, a).contains((x as u32).wrapping_neg().into()));
        prop_assert!(sign_extend(Width::W64, 8, a).contains(x as i8 as u64));
        prop_assert!(sign_extend(Width::W64, 16, a).contains(x as i16 as u64));
        prop_assert!(sign_extend(Width::W64, 32, a).contains(x as i32 as u64));
        prop_assert!(sign_extend(Width::W32, 8, a).contains((x as i8 as u32).into()));
        prop_assert!(sign_extend(Width::W32, 16, a).contains((x as i16 as u32).into()));
        for bytes in [2, 4, 8] {
            let swapped = x.swap_bytes() >> (64 - 8 * bytes);
            let low = a.low(8 * bytes);
            prop_assert!(byte_swap(ByteOrder::Swap, bytes, a).contains(swapped));
            let little_host = cfg!(target_endian = "little");
            let big = byte_swap(ByteOrder::Big, bytes, a);
            let little = byte_swap(ByteOrder::Little, bytes, a);
            let in_order = x & (u64::MAX >> (64 - 8 * bytes));
            let (other, own) = if little_host { (big, little) } else { (little, big) };
            prop_assert!(other.contains(swapped));
            prop_assert!(low.contains(in_order));
            prop_assert!(own.contains(in_order));
        }
    }
}

#[test]
fn bounds_learned_on_one_half_reach_the_other() {
    // if w1 > 63: the upper half is still unknown.
    let below = compare(Cond::Gt, Width::W32, Scalar::<64>::UNKNOWN, Scalar::constant(63)).fails;
    let (w1, _) = below.expect("possible");
    assert_eq!((w1.half().umax, w1.umax()), (63, u64::MAX - 0xffff_ffff + 63));
    // w1 = w1 zero-extends.
    let r1 = alu(AluOp::Mov, Width::W32, Scalar::UNKNOWN, w1);
    assert_eq!((r1.umin(), r1.umax(), r1.smin()), (0, 63, 0));
}
