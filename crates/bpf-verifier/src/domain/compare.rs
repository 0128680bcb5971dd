//! What a comparison's outcome says of its operands.

use bpf_bytecode::opcode::{Cond, Width};

use super::bits::{mask, signed, signed_max, signed_min};
use super::range::Range;
use super::scalar::Scalar;
use super::tnum::Tnum;

/// The operands for each outcome of a comparison; none where the outcome cannot
/// happen.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<const BITS: u32 = 64> {
    /// Both operands where the condition holds.
    pub holds: Option<(Scalar<BITS>, Scalar<BITS>)>,
    /// Both operands where it does not.
    pub fails: Option<(Scalar<BITS>, Scalar<BITS>)>,
}

/// Compares two numbers at `width`.
pub fn compare<const BITS: u32>(
    cond: Cond,
    width: Width,
    a: Scalar<BITS>,
    b: Scalar<BITS>,
) -> Outcome<BITS> {
    Outcome { holds: one_side(true, cond, width, a, b), fails: one_side(false, cond, width, a, b) }
}

/// The operands where a comparison holds, or where it does not; none where that cannot
/// be.
pub fn one_side<const BITS: u32>(
    holds: bool,
    cond: Cond,
    width: Width,
    a: Scalar<BITS>,
    b: Scalar<BITS>,
) -> Option<(Scalar<BITS>, Scalar<BITS>)> {
    let fact = if holds { Fact::of(cond) } else { Fact::negation(cond) };
    assume(fact, width, a, b)
}

/// Whether it shows at once that a comparison with `b` holds for some member of `a`: for one at
/// the end of its bounds, or for `b` itself. What does not show may be so all the same.
pub fn shows_that_it_holds<const BITS: u32>(
    cond: Cond,
    width: Width,
    a: &Scalar<BITS>,
    b: u64,
) -> bool {
    let w = bits_of::<BITS>(width);
    let (range, b) = (range_of(width, a), b & mask(w));
    let (least, most) =
        (range.smin.cast_unsigned() & mask(w), range.smax.cast_unsigned() & mask(w));
    let (member, holds) = match cond {
        Cond::Eq => (b, true),
        Cond::Ne => {
            (if range.umin == b { range.umax } else { range.umin }, range.umin < range.umax)
        }
        Cond::Set => (range.umax, range.umax & b != 0),
        Cond::Gt => (range.umax, range.umax > b),
        Cond::Ge => (range.umax, range.umax >= b),
        Cond::Lt => (range.umin, range.umin < b),
        Cond::Le => (range.umin, range.umin <= b),
        Cond::Sgt => (most, range.smax > signed(b, w)),
        Cond::Sge => (most, range.smax >= signed(b, w)),
        Cond::Slt => (least, range.smin < signed(b, w)),
        Cond::Sle => (least, range.smin <= signed(b, w)),
    };
    // Of 32 bits, it is the one whose upper half is zero.
    holds && a.contains(member)
}

/// A relation between two numbers, or between two numbers in turn.
#[derive(Clone, Copy)]
enum Fact {
    Eq,
    Ne,
    Set,
    Clear,
    /// `a < b`, unsigned.
    Below,
    /// `a <= b`, unsigned.
    UpTo,
    /// `a < b`, signed.
    SignedBelow,
    /// `a <= b`, signed.
    SignedUpTo,
    /// The same with operands exchanged.
    Above,
    From,
    SignedAbove,
    SignedFrom,
}

impl Fact {
    const fn of(cond: Cond) -> Self {
        match cond {
            Cond::Eq => Self::Eq,
            Cond::Ne => Self::Ne,
            Cond::Set => Self::Set,
            Cond::Gt => Self::Above,
            Cond::Ge => Self::From,
            Cond::Lt => Self::Below,
            Cond::Le => Self::UpTo,
            Cond::Sgt => Self::SignedAbove,
            Cond::Sge => Self::SignedFrom,
            Cond::Slt => Self::SignedBelow,
            Cond::Sle => Self::SignedUpTo,
        }
    }

    const fn negation(cond: Cond) -> Self {
        match cond {
            Cond::Eq => Self::Ne,
            Cond::Ne => Self::Eq,
            Cond::Set => Self::Clear,
            Cond::Gt => Self::UpTo,
            Cond::Ge => Self::Below,
            Cond::Lt => Self::From,
            Cond::Le => Self::Above,
            Cond::Sgt => Self::SignedUpTo,
            Cond::Sge => Self::SignedBelow,
            Cond::Slt => Self::SignedFrom,
            Cond::Sle => Self::SignedAbove,
        }
    }
}

type Pair<const BITS: u32> = Option<(Scalar<BITS>, Scalar<BITS>)>;

/// The pairs of `a` and `b` for which `fact` holds at `width`.
fn assume<const BITS: u32>(
    fact: Fact,
    width: Width,
    a: Scalar<BITS>,
    b: Scalar<BITS>,
) -> Pair<BITS> {
    let exchanged = |fact| assume(fact, width, b, a).map(|(b, a)| (a, b));
    match fact {
        Fact::Eq => equal(width, a, b),
        Fact::Ne => Some((differ(width, a, b)?, differ(width, b, a)?)),
        Fact::Set => Some((share(width, a, b)?, share(width, b, a)?)),
        Fact::Clear => Some((disjoint(width, a, b)?, disjoint(width, b, a)?)),
        Fact::Above => exchanged(Fact::Below),
        Fact::From => exchanged(Fact::UpTo),
        Fact::SignedAbove => exchanged(Fact::SignedBelow),
        Fact::SignedFrom => exchanged(Fact::SignedUpTo),
        Fact::Below | Fact::UpTo | Fact::SignedBelow | Fact::SignedUpTo => order(fact, width, a, b),
    }
}

/// Bits of a comparison at `width`.
const fn bits_of<const BITS: u32>(width: Width) -> u32 {
    match width {
        Width::W64 => BITS,
        Width::W32 => Scalar::<BITS>::HALF,
    }
}

/// The bounds that a comparison at `width` is about.
const fn range_of<const BITS: u32>(width: Width, s: &Scalar<BITS>) -> Range {
    match width {
        Width::W64 => s.full,
        Width::W32 => s.half,
    }
}

/// `s` within `range` at `width`. Of numbers with the same low bits, the first and the last one
/// have these, too.
fn within<const BITS: u32>(width: Width, s: Scalar<BITS>, range: Range) -> Option<Scalar<BITS>> {
    let (known, met) = (range_of(width, &s), range_of(width, &s).meet(range));
    if met == known {
        // That is no news, and the views of `s` agree already.
        return Some(s);
    }
    let met = met.meet_low_bits(s.bits, bits_of::<BITS>(width))?;
    match width {
        Width::W64 => Scalar { full: met, ..s }.sync(),
        Width::W32 => Scalar { half: met, ..s }.sync(),
    }
}

fn equal<const BITS: u32>(width: Width, a: Scalar<BITS>, b: Scalar<BITS>) -> Pair<BITS> {
    if matches!(width, Width::W64) {
        let both = a.meet(b)?;
        return Some((both, both));
    }
    let (low_a, low_b) = (a.bits.low(Scalar::<BITS>::HALF), b.bits.low(Scalar::<BITS>::HALF));
    let low = low_a.meet(low_b)?;
    let half = a.half.meet(b.half);
    let with_low = |s: Scalar<BITS>| {
        if let Some(value) = s.as_constant() {
            // Its low half is what both have in common, or there is nothing.
            let value = value & mask(Scalar::<BITS>::HALF);
            return half.contains(value, Scalar::<BITS>::HALF).then_some(s);
        }
        let high = !mask(Scalar::<BITS>::HALF);
        let (value, mask) = (s.bits.value() & high, s.bits.mask() & high);
        let bits = Tnum::new(value | low.value(), mask | low.mask());
        Scalar { bits, half, ..s }.sync()
    };
    Some((with_low(a)?, with_low(b)?))
}

/// The members of `a` that differ from some member of `b`.
fn differ<const BITS: u32>(width: Width, a: Scalar<BITS>, b: Scalar<BITS>) -> Option<Scalar<BITS>> {
    let bound = range_of(width, &b);
    if bound.umin != bound.umax {
        return Some(a);
    }
    // One value: it can be cut off at an end.
    let mut range = range_of(width, &a);
    let (u, s) = (bound.umin, bound.smin);
    if range.umin == range.umax && range.umin == u {
        return None;
    }
    if range.umin == u {
        range.umin = range.umin.saturating_add(1);
    }
    if range.umax == u {
        range.umax = range.umax.saturating_sub(1);
    }
    if bound.smin == bound.smax {
        if range.smin == s {
            range.smin = range.smin.saturating_add(1);
        }
        if range.smax == s {
            range.smax = range.smax.saturating_sub(1);
        }
    }
    within(width, a, range)
}

/// The members of `a` that have a bit in common with some member of `b`.
fn share<const BITS: u32>(width: Width, a: Scalar<BITS>, b: Scalar<BITS>) -> Option<Scalar<BITS>> {
    let w = mask(bits_of::<BITS>(width));
    let common = a.bits.max() & b.bits.max() & w;
    if common == 0 {
        return None;
    }
    // A single candidate must be set.
    if common.is_power_of_two() {
        let bits = Tnum::new(a.bits.value() | common, a.bits.mask() & !common);
        return Scalar { bits, ..a }.sync();
    }
    Some(a)
}

/// The members of `a` without bits in common with some member of `b`.
fn disjoint<const BITS: u32>(
    width: Width,
    a: Scalar<BITS>,
    b: Scalar<BITS>,
) -> Option<Scalar<BITS>> {
    let ones = b.bits.value() & mask(bits_of::<BITS>(width));
    if a.bits.value() & ones != 0 {
        return None;
    }
    let bits = Tnum::new(a.bits.value(), a.bits.mask() & !ones);
    Scalar { bits, ..a }.sync()
}

/// The pairs with `a` below `b`, or up to it.
fn order<const BITS: u32>(
    fact: Fact,
    width: Width,
    a: Scalar<BITS>,
    b: Scalar<BITS>,
) -> Pair<BITS> {
    let w = bits_of::<BITS>(width);
    let (mut x, mut y) = (range_of(width, &a), range_of(width, &b));
    let strict = matches!(fact, Fact::Below | Fact::SignedBelow);
    if matches!(fact, Fact::Below | Fact::UpTo) {
        if strict && (y.umax == 0 || x.umin == mask(w)) {
            return None;
        }
        let gap = u64::from(strict);
        let (top, bottom) = (y.umax.saturating_sub(gap), x.umin.saturating_add(gap));
        x.umax = x.umax.min(top);
        y.umin = y.umin.max(bottom);
    } else {
        if strict && (y.smax == signed_min(w) || x.smin == signed_max(w)) {
            return None;
        }
        let gap = i64::from(strict);
        let (top, bottom) = (y.smax.saturating_sub(gap), x.smin.saturating_add(gap));
        x.smax = x.smax.min(top);
        y.smin = y.smin.max(bottom);
    }
    Some((within(width, a, x)?, within(width, b, y)?))
}
