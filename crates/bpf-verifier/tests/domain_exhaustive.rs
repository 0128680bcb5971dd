//! Every abstract operation, compared with the concrete one on every member, at
//! widths small enough to try everything.

#[path = "common/concrete.rs"]
mod concrete;

use std::collections::HashSet;

use bpf_bytecode::opcode::{AluOp, Cond, Width};
use bpf_verifier::domain::{Scalar, Tnum, alu, compare, negate, shows_that_it_holds, sign_extend};

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

fn members<const B: u32>(s: &Scalar<B>) -> Vec<u64> {
    (0..1_u64 << B).filter(|&v| s.contains(v)).collect()
}

fn tnums(bits: u32) -> Vec<Tnum> {
    let all = 1_u64 << bits;
    let pairs = (0..all).flat_map(|v| (0..all).map(move |m| (v, m)));
    pairs.filter(|(v, m)| v & m == 0).map(|(v, m)| Tnum::new(v, m)).collect()
}

/// Sets of every shape: each set of known bits, each interval (signed ones by
/// way of a comparison), each interval of the low half, and meets of those.
fn elements<const B: u32>(stride: usize) -> Vec<Scalar<B>> {
    let mut out: HashSet<Scalar<B>> = HashSet::new();
    out.extend(tnums(B).into_iter().map(Scalar::with_bits));
    let all = 1_u64 << B;
    for width in [Width::W64, Width::W32] {
        for min in 0..all {
            for max in 0..all {
                for (at_least, at_most) in [(Cond::Ge, Cond::Le), (Cond::Sge, Cond::Sle)] {
                    let from = compare(at_least, width, Scalar::UNKNOWN, Scalar::constant(min));
                    let Some((s, _)) = from.holds else { continue };
                    let to = compare(at_most, width, s, Scalar::constant(max));
                    out.extend(to.holds.map(|(s, _)| s));
                }
            }
        }
    }
    let mut shapes: Vec<_> = out.iter().copied().collect();
    shapes.sort_by_key(|s| format!("{s:?}"));
    for (i, a) in shapes.iter().enumerate() {
        for b in shapes.iter().skip(i % stride).step_by(stride) {
            out.extend(a.meet(*b));
        }
    }
    let mut out: Vec<_> = out.into_iter().collect();
    out.sort_by_key(|s| format!("{s:?}"));
    out
}

fn width_bits<const B: u32>(width: Width) -> u32 {
    if width == Width::W64 { B } else { B / 2 }
}

fn check_alu<const B: u32>(width: Width, op: AluOp, a: &Scalar<B>, b: &Scalar<B>) {
    let out = alu(op, width, *a, *b);
    let w = width_bits::<B>(width);
    for x in members(a) {
        for y in members(b) {
            let z = concrete::alu(op, x, y, w);
            assert!(
                out.contains(z),
                "{op:?} {width:?}: {x} op {y} = {z} not in {out:?}\n a {a:?}\n b {b:?}"
            );
        }
    }
}

fn check_compare<const B: u32>(width: Width, cond: Cond, a: &Scalar<B>, b: &Scalar<B>) {
    let out = compare(cond, width, *a, *b);
    let w = width_bits::<B>(width);
    for x in members(a) {
        for y in members(b) {
            let side = if concrete::holds(cond, x, y, w) { out.holds } else { out.fails };
            let fits = side.is_some_and(|(a, b)| a.contains(x) && b.contains(y));
            assert!(fits, "{cond:?} {width:?}: {x}, {y} not in {side:?}\n a {a:?}\n b {b:?}");
        }
    }
}

/// What shows at once of a comparison with a known number is so. How many show, and how many there
/// are that hold for some member.
fn check_shown<const B: u32>(elements: &[Scalar<B>]) -> (u32, u32) {
    let (mut shown, mut all) = (0, 0);
    for a in elements {
        let members = members(a);
        for (b, width) in (0..1 << B).flat_map(|b| [(b, Width::W64), (b, Width::W32)]) {
            for cond in Cond::ALL {
                let holds = |x: &u64| concrete::holds(cond, *x, b, width_bits::<B>(width));
                let (some, shows) =
                    (members.iter().any(holds), shows_that_it_holds(cond, width, a, b));
                assert!(some || !shows, "{cond:?} {width:?}: {b}\n a {a:?}");
                shown += u32::from(shows);
                all += u32::from(some);
            }
        }
    }
    (shown, all)
}

fn check_all<const B: u32>(elements: &[Scalar<B>], stride: usize) {
    for (i, a) in elements.iter().enumerate() {
        for b in elements.iter().skip(i % stride).step_by(stride) {
            for width in [Width::W64, Width::W32] {
                for op in OPS {
                    check_alu(width, op, a, b);
                }
                for cond in Cond::ALL {
                    check_compare(width, cond, a, b);
                }
            }
        }
    }
}

/// Unoptimised builds try a sample.
const STRIDE: usize = if cfg!(debug_assertions) { 331 } else { 7 };

#[test]
fn four_bits() {
    check_all::<4>(&elements(17), STRIDE);
    let (shown, all) = check_shown::<4>(&elements(17));
    assert!(shown < all && shown > all / 2, "{shown} of {all}");
}

#[test]
fn eight_bits() {
    let shapes: Vec<_> = elements::<8>(20_011).into_iter().step_by(STRIDE * 16).collect();
    check_all::<8>(&shapes, 13);
}

#[test]
fn one_operand() {
    for a in elements::<4>(17) {
        for x in members(&a) {
            for width in [Width::W64, Width::W32] {
                let w = width_bits::<4>(width);
                assert!(
                    negate(width, a).contains(concrete::low(x.wrapping_neg(), w)),
                    "-{x} of {a:?}"
                );
                for from in 1..=w {
                    let out = sign_extend(width, from, a);
                    let z = concrete::low(concrete::signed(x, from).cast_unsigned(), w);
                    assert!(out.contains(z), "{x} from {from} bits: {z} not in {out:?}, {a:?}");
                }
            }
            for bits in 1..=4 {
                assert!(a.low(bits).contains(concrete::low(x, bits)), "low {bits} of {x}, {a:?}");
            }
        }
    }
}

#[test]
fn meets_keep_every_common_member() {
    let all = elements::<4>(29);
    for (i, a) in all.iter().enumerate() {
        for b in all.iter().skip(i % STRIDE).step_by(STRIDE) {
            let common: Vec<_> = members(a).into_iter().filter(|&v| b.contains(v)).collect();
            let meet = a.meet(*b);
            for v in common {
                assert!(meet.is_some_and(|m| m.contains(v)), "{v} of {a:?} and {b:?}");
            }
            if a.covers(b) {
                assert!(members(b).iter().all(|&v| a.contains(v)));
            }
        }
    }
}

#[test]
fn known_bits_alone() {
    let all = tnums(4);
    let of = |t: Tnum| (0..16_u64).filter(move |&v| t.contains(v));
    for a in &all {
        for b in &all {
            let (sum, difference, product) = (a.add(*b), a.sub(*b), a.mul(*b));
            let (and, or, xor, join) = (a.and(*b), a.or(*b), a.xor(*b), a.join(*b));
            for x in of(*a) {
                assert!(join.contains(x));
                for y in of(*b) {
                    assert!(sum.contains(x + y) && product.contains(x * y));
                    assert!(difference.contains(x.wrapping_sub(y)));
                    assert!(and.contains(x & y) && or.contains(x | y) && xor.contains(x ^ y));
                }
            }
            assert_eq!(a.covers(*b), of(*b).all(|v| a.contains(v)));
            let common = of(*a).filter(|&v| b.contains(v)).count();
            let meet = a.meet(*b).map_or(0, |m| of(m).count());
            assert_eq!(common, meet, "{a:?} {b:?}");
        }
    }
}

#[test]
fn known_bits_between_bounds() {
    for min in 0..64_u64 {
        for max in min..64 {
            let t = Tnum::between(min, max);
            assert!((min..=max).all(|v| t.contains(v)));
        }
    }
}
