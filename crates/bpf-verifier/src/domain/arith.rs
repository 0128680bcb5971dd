//! The instructions' arithmetic on sets of numbers.

use bpf_bytecode::opcode::{AluOp, ByteOrder, Width};

use super::bits::{mask, signed, signed_max, signed_min};
use super::range::Range;
use super::scalar::Scalar;
use super::tnum::Tnum;

/// A set as one width sees it: what an operation works on and gives.
#[derive(Clone, Copy)]
struct View {
    bits: Tnum,
    range: Range,
}

impl View {
    /// Whether every number of `w` bits is a member.
    fn is_unknown(&self, w: u32) -> bool {
        self.bits.mask() == mask(w) && self.range == Range::full(w)
    }
}

/// `a op b` at `width`; a result of the low half is zero-extended.
#[must_use]
pub fn alu<const BITS: u32>(
    op: AluOp,
    width: Width,
    a: Scalar<BITS>,
    b: Scalar<BITS>,
) -> Scalar<BITS> {
    let half_bits = Scalar::<BITS>::HALF;
    let w = if matches!(width, Width::W64) { BITS } else { half_bits };
    if let (Some(x), Some(y)) = (a.as_constant(), b.as_constant()) {
        return Scalar::constant(concrete(op, x, y, w));
    }
    if matches!(op, AluOp::Mov) {
        return if matches!(width, Width::W64) { b } else { b.low_half() };
    }
    if let Some(sum) = small_sum(op, width, &a, &b) {
        return sum;
    }
    if let Some(moved) = moved_half(op, width, &a, &b) {
        return moved;
    }
    by_views(op, width, &a, &b)
}

/// `a op b` at `width`, whatever they are: each view by itself, and then each sharpened by the
/// others.
fn by_views<const BITS: u32>(
    op: AluOp,
    width: Width,
    a: &Scalar<BITS>,
    b: &Scalar<BITS>,
) -> Scalar<BITS> {
    let half_bits = Scalar::<BITS>::HALF;
    let (ha, hb) = (half_view(a), half_view(b));
    let one_to_one = matches!(op, AluOp::Add | AluOp::Sub | AluOp::Xor);
    if matches!(width, Width::W32) {
        if one_to_one && (ha.is_unknown(half_bits) || hb.is_unknown(half_bits)) {
            return Scalar::of_bits(half_bits);
        }
        let out = apply(op, half_bits, ha, hb);
        return Scalar::of_half(out.bits, out.range);
    }
    if one_to_one && (a.is_unknown() || b.is_unknown()) {
        return Scalar::UNKNOWN;
    }
    let full = View { bits: a.bits, range: a.full };
    let by = View { bits: b.bits, range: b.full };
    let mut out = apply(op, BITS, full, by);
    if matches!(op, AluOp::Lsh) && b.as_constant() == Some(half_bits.into()) {
        out.range = out.range.meet(raised(&ha.range, half_bits));
    }
    let half = low_half_of(op, ha, hb, by, half_bits);
    Scalar { bits: out.bits, full: out.range, half }.or_unknown()
}

/// A low half as the upper one, zeros behind it.
const fn raised(half: &Range, by: u32) -> Range {
    Range {
        umin: half.umin.wrapping_shl(by),
        umax: half.umax.wrapping_shl(by),
        smin: half.smin.wrapping_shl(by),
        smax: half.smax.wrapping_shl(by),
    }
}

/// A low half of which nothing is known moved to the upper one, or back with its sign: how
/// programs extend it by that. It is what [`by_views`] finds.
fn moved_half<const BITS: u32>(
    op: AluOp,
    width: Width,
    a: &Scalar<BITS>,
    b: &Scalar<BITS>,
) -> Option<Scalar<BITS>> {
    let half = Scalar::<BITS>::HALF;
    let shifts = matches!((op, width), (AluOp::Lsh | AluOp::Arsh, Width::W64));
    if !shifts || b.as_constant() != Some(half.into()) {
        return None;
    }
    let upper = upper_half();
    match op {
        AluOp::Lsh if a.is_unknown() || *a == Scalar::of_bits(half) => Some(upper),
        AluOp::Arsh if a.is_unknown() || *a == upper => {
            let (umin, umax) = (0, mask(BITS));
            let full = Range { umin, umax, smin: signed_min(half), smax: signed_max(half) };
            Some(Scalar { full, ..Scalar::UNKNOWN })
        }
        _ => None,
    }
}

/// Every number of which the low half is 0.
const fn upper_half<const BITS: u32>() -> Scalar<BITS> {
    let half = Scalar::<BITS>::HALF;
    let (umax, smin) = (mask(BITS) & !mask(half), signed_min(BITS));
    let smax = signed_max(BITS) & umax.cast_signed();
    let full = Range { umin: 0, umax, smin, smax };
    Scalar { bits: Tnum::new(0, umax), full, half: Range::constant(0, half) }
}

/// A sum or difference that the low half holds without its sign, whatever the numbers are: it
/// does not wrap, and there is one interval.
fn small_sum<const BITS: u32>(
    op: AluOp,
    width: Width,
    a: &Scalar<BITS>,
    b: &Scalar<BITS>,
) -> Option<Scalar<BITS>> {
    let (x, y) = if matches!(width, Width::W64) { (&a.full, &b.full) } else { (&a.half, &b.half) };
    let (smin, smax) = match op {
        AluOp::Add => (x.smin.checked_add(y.smin)?, x.smax.checked_add(y.smax)?),
        AluOp::Sub => (x.smin.checked_sub(y.smax)?, x.smax.checked_sub(y.smin)?),
        _ => return None,
    };
    if smin < 0 || smax > signed_max(Scalar::<BITS>::HALF) {
        return None;
    }
    let bits = if matches!(op, AluOp::Add) { a.bits.add(b.bits) } else { a.bits.sub(b.bits) };
    let (umin, umax) = (smin.cast_unsigned(), smax.cast_unsigned());
    let range = Range { umin, umax, smin, smax };
    let bits = bits.low(Scalar::<BITS>::HALF);
    Some(Scalar { bits, full: range, half: range }.or_unknown())
}

const fn half_view<const BITS: u32>(s: &Scalar<BITS>) -> View {
    View { bits: s.bits.low(Scalar::<BITS>::HALF), range: s.half }
}

/// What a full-width operation does to the low half, where that depends on the
/// operands' low halves alone.
fn low_half_of(op: AluOp, a: View, b: View, by: View, half_bits: u32) -> Range {
    match op {
        AluOp::Add | AluOp::Sub | AluOp::Mul | AluOp::And | AluOp::Or | AluOp::Xor => {
            apply(op, half_bits, a, b).range
        }
        // The count is masked to the full width, so the low half may be
        // shifted out whole.
        AluOp::Lsh if by.range.umax < u64::from(half_bits) => apply(op, half_bits, a, by).range,
        _ => Range::full(half_bits),
    }
}

/// `a op b` at `w` bits.
fn apply(op: AluOp, w: u32, a: View, b: View) -> View {
    let unknown = Tnum::of_bits(w);
    let (x, y) = (&a.range, &b.range);
    match op {
        AluOp::Add => View { bits: a.bits.add(b.bits).low(w), range: add(x, y, w) },
        AluOp::Sub => View { bits: a.bits.sub(b.bits).low(w), range: sub(x, y, w) },
        AluOp::Mul => View { bits: a.bits.mul(b.bits).low(w), range: mul(x, y, w) },
        AluOp::And => {
            let range = Range::unsigned(0, x.umax.min(y.umax), w);
            View { bits: a.bits.and(b.bits), range }
        }
        AluOp::Or => {
            let range = Range::unsigned(x.umin.max(y.umin), mask(w), w);
            View { bits: a.bits.or(b.bits), range }
        }
        AluOp::Xor => View { bits: a.bits.xor(b.bits), range: Range::full(w) },
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => shift(op, w, a, y),
        AluOp::Div => View { bits: unknown, range: div(x, y, w) },
        AluOp::Mod => View { bits: unknown, range: rem(x, y, w) },
        AluOp::Sdiv => View { bits: unknown, range: signed_div(x, y, w) },
        AluOp::Smod => View { bits: unknown, range: signed_rem(x, y, w) },
        AluOp::Mov => b,
    }
}

fn add(a: &Range, b: &Range, w: u32) -> Range {
    if w == u64::BITS {
        return add_words(a, b);
    }
    let by_unsigned = Range::wrapping(
        wide(a.umin).wrapping_add(wide(b.umin)),
        wide(a.umax).wrapping_add(wide(b.umax)),
        w,
    );
    let by_signed = Range::wrapping(
        i128::from(a.smin).wrapping_add(i128::from(b.smin)),
        i128::from(a.smax).wrapping_add(i128::from(b.smax)),
        w,
    );
    by_unsigned.meet(by_signed)
}

/// The sums of numbers that take a whole word.
fn add_words(a: &Range, b: &Range) -> Range {
    let ends = Ends {
        umin: a.umin.overflowing_add(b.umin),
        umax: a.umax.overflowing_add(b.umax),
        smin: a.smin.overflowing_add(b.smin),
        smax: a.smax.overflowing_add(b.smax),
    };
    ends.range((a.smin < 0, a.smax < 0))
}

/// Their differences.
fn sub_words(a: &Range, b: &Range) -> Range {
    let ends = Ends {
        umin: a.umin.overflowing_sub(b.umax),
        umax: a.umax.overflowing_sub(b.umin),
        smin: a.smin.overflowing_sub(b.smax),
        smax: a.smax.overflowing_sub(b.smin),
    };
    ends.range((a.smin < 0, a.smax < 0))
}

/// The ends of an interval of words, and whether they wrapped.
struct Ends {
    umin: (u64, bool),
    umax: (u64, bool),
    smin: (i64, bool),
    smax: (i64, bool),
}

impl Ends {
    /// The interval, in each order in which it is one: ends keep their order
    /// where both wrap the same way or neither does. `down` says whether the
    /// signed ends, if they wrap, do so below the least number.
    fn range(self, down: (bool, bool)) -> Range {
        let mut range = Range::full(u64::BITS);
        let (smin, smax) = (self.smin.0, self.smax.0);
        let both = self.smin.1 && self.smax.1;
        if self.smin.1 == self.smax.1 && (!both || down.0 == down.1) {
            (range.smin, range.smax) = (smin, smax);
        } else if self.smin.1 != self.smax.1 && (smin < 0) != (smax < 0) && smin >= 0 {
            // Across the greatest signed number, or the least: in unsigned
            // order where the other end keeps to its side of 0.
            (range.umin, range.umax) = (smin.cast_unsigned(), smax.cast_unsigned());
        }
        let (umin, umax) = (self.umin.0, self.umax.0);
        if self.umin.1 == self.umax.1 {
            range.umin = range.umin.max(umin);
            range.umax = range.umax.min(umax);
        } else if umin > i64::MAX.cast_unsigned() && umax <= i64::MAX.cast_unsigned() {
            // Across 0: in signed order.
            range.smin = range.smin.max(umin.cast_signed());
            range.smax = range.smax.min(umax.cast_signed());
        }
        range
    }
}

fn sub(a: &Range, b: &Range, w: u32) -> Range {
    if w == u64::BITS {
        return sub_words(a, b);
    }
    let by_unsigned = Range::wrapping(
        wide(a.umin).wrapping_sub(wide(b.umax)),
        wide(a.umax).wrapping_sub(wide(b.umin)),
        w,
    );
    let by_signed = Range::wrapping(
        i128::from(a.smin).wrapping_sub(i128::from(b.smax)),
        i128::from(a.smax).wrapping_sub(i128::from(b.smin)),
        w,
    );
    by_unsigned.meet(by_signed)
}

fn mul(a: &Range, b: &Range, w: u32) -> Range {
    // The product of two 64-bit numbers may pass the greatest i128.
    let by_unsigned = match wide(a.umax).checked_mul(wide(b.umax)) {
        Some(high) => Range::wrapping(wide(a.umin).wrapping_mul(wide(b.umin)), high, w),
        None => Range::full(w),
    };
    let product = |x: i64, y: i64| i128::from(x).wrapping_mul(i128::from(y));
    let ends = [
        product(a.smin, b.smin),
        product(a.smin, b.smax),
        product(a.smax, b.smin),
        product(a.smax, b.smax),
    ];
    let (low, high) =
        ends.iter().fold((i128::MAX, i128::MIN), |(low, high), &end| (low.min(end), high.max(end)));
    by_unsigned.meet(Range::wrapping(low, high, w))
}

/// Shifts by the count in `by`, which is masked to the width.
fn shift(op: AluOp, w: u32, a: View, by: &Range) -> View {
    let last = w.wrapping_sub(1);
    let (min, max) =
        if by.umax <= u64::from(last) { (count(by.umin), count(by.umax)) } else { (0, last) };
    let x = &a.range;
    let constant = min == max;
    match op {
        AluOp::Lsh => {
            let bits = if constant {
                a.bits.shift_left(min).low(w)
            } else {
                // At least `min` zeros come in.
                Tnum::UNKNOWN.shift_left(min).low(w)
            };
            let low = wide(x.umin).wrapping_shl(min);
            let by_unsigned = Range::wrapping(low, wide(x.umax).wrapping_shl(max), w);
            let (smin, smax) = (i128::from(x.smin), i128::from(x.smax));
            let low = smin.wrapping_shl(min).min(smin.wrapping_shl(max));
            let high = smax.wrapping_shl(min).max(smax.wrapping_shl(max));
            View { bits, range: by_unsigned.meet(Range::wrapping(low, high, w)) }
        }
        AluOp::Rsh => {
            let known = if constant { a.bits } else { Tnum::of_bits(w) };
            let range = Range::unsigned(x.umin.wrapping_shr(max), x.umax.wrapping_shr(min), w);
            View { bits: known.shift_right(min), range }
        }
        _ => {
            let bits =
                if constant { a.bits.shift_right_signed(min, w).low(w) } else { Tnum::of_bits(w) };
            let smin = x.smin.wrapping_shr(min).min(x.smin.wrapping_shr(max));
            let smax = x.smax.wrapping_shr(min).max(x.smax.wrapping_shr(max));
            View { bits, range: Range::signed(smin, smax, w) }
        }
    }
}

/// Division; by zero gives 0.
fn div(a: &Range, b: &Range, w: u32) -> Range {
    let least_divisor = b.umin.max(1);
    let umax = a.umax.checked_div(least_divisor).unwrap_or(a.umax);
    let umin = if b.umin == 0 { 0 } else { a.umin.checked_div(b.umax).unwrap_or(0) };
    Range::unsigned(umin, umax, w)
}

/// Remainder; by zero leaves `a`.
fn rem(a: &Range, b: &Range, w: u32) -> Range {
    if b.umin > a.umax {
        return *a;
    }
    let below = b.umax.saturating_sub(1);
    let umax = if b.umin == 0 { a.umax } else { a.umax.min(below) };
    Range::unsigned(0, umax, w)
}

/// Signed division; by zero gives 0, the least number by -1 gives itself.
fn signed_div(a: &Range, b: &Range, w: u32) -> Range {
    let negated = a.smin == signed_min(w) && b.smin <= -1 && -1 <= b.smax;
    if negated {
        return Range::full(w);
    }
    // A quotient is no greater in magnitude than the dividend, and by a
    // divisor of one sign, monotonous in the dividend.
    let divide = |x: i64, y: i64| x.checked_div(y).unwrap_or(0);
    if b.smin > 0 || b.smax < 0 {
        let ends = [
            divide(a.smin, b.smin),
            divide(a.smin, b.smax),
            divide(a.smax, b.smin),
            divide(a.smax, b.smax),
        ];
        let low = ends.into_iter().fold(i64::MAX, i64::min);
        let high = ends.into_iter().fold(i64::MIN, i64::max);
        // Both signs of the dividend: quotients around 0 lie between.
        return Range::signed(low, high, w);
    }
    let top = i128::from(a.smax).max(0).max(i128::from(a.smin).wrapping_neg());
    Range::wrapping(top.wrapping_neg(), top, w)
}

/// Signed remainder, with the dividend's sign; by zero leaves `a`.
fn signed_rem(a: &Range, b: &Range, w: u32) -> Range {
    let mut low = a.smin.min(0);
    let mut high = a.smax.max(0);
    if b.smin > 0 || b.smax < 0 {
        let top = b.smax.unsigned_abs().max(b.smin.unsigned_abs()).saturating_sub(1);
        let top = i64::try_from(top).unwrap_or(i64::MAX).min(signed_max(w));
        low = low.max(top.wrapping_neg());
        high = high.min(top);
    }
    Range::signed(low, high, w)
}

/// `-a` at `width`.
#[must_use]
pub fn negate<const BITS: u32>(width: Width, a: Scalar<BITS>) -> Scalar<BITS> {
    alu(AluOp::Sub, width, Scalar::constant(0), a)
}

/// The low `from` bits of `a`, sign-extended to `width`.
#[must_use]
pub fn sign_extend<const BITS: u32>(width: Width, from: u32, a: Scalar<BITS>) -> Scalar<BITS> {
    let low = a.low(from);
    let (range, w) = match width {
        Width::W64 => (BITS, BITS),
        Width::W32 => (Scalar::<BITS>::HALF, Scalar::<BITS>::HALF),
    };
    let mut signed_range = Range::signed(signed_min(from), signed_max(from), range);
    if from == Scalar::<BITS>::HALF {
        signed_range = Range::signed(low.half.smin, low.half.smax, range);
    } else if low.umax() <= mask(from) >> 1 {
        signed_range = Range::unsigned(low.umin(), low.umax(), range).tighten(range);
    } else if signed_min(from) <= a.smin() && a.smax() <= signed_max(from) {
        signed_range = Range::signed(a.smin(), a.smax(), range);
    }
    let bits = low.bits.sign_extend(from).low(w);
    let half = Range::full(Scalar::<BITS>::HALF);
    match width {
        Width::W64 => Scalar { bits, full: signed_range, half }.or_unknown(),
        Width::W32 => {
            let out = Scalar { bits, full: Range::full(BITS), half: signed_range };
            out.or_unknown()
        }
    }
}

/// The low `bytes` bytes of `a` in the order that `order` asks for,
/// zero-extended.
#[must_use]
pub fn byte_swap(order: ByteOrder, bytes: u32, a: Scalar) -> Scalar {
    let little_host = cfg!(target_endian = "little");
    let reverse = match order {
        ByteOrder::Swap => true,
        ByteOrder::Big => little_host,
        ByteOrder::Little => !little_host,
    };
    if reverse { Scalar::with_bits(a.bits.reverse(bytes)) } else { a.low(bytes.wrapping_mul(8)) }
}

/// `x op y` on numbers of `w` bits.
fn concrete(op: AluOp, x: u64, y: u64, w: u32) -> u64 {
    let (x, y) = (x & mask(w), y & mask(w));
    let (sx, sy) = (signed(x, w), signed(y, w));
    let by = count(y & u64::from(w.wrapping_sub(1)));
    let value = match op {
        AluOp::Add => x.wrapping_add(y),
        AluOp::Sub => x.wrapping_sub(y),
        AluOp::Mul => x.wrapping_mul(y),
        AluOp::Div => x.checked_div(y).unwrap_or(0),
        AluOp::Mod => x.checked_rem(y).unwrap_or(x),
        AluOp::Sdiv if sy == 0 => 0,
        // Only the least number by -1 overflows.
        AluOp::Sdiv => sx.checked_div(sy).unwrap_or(sx).cast_unsigned(),
        AluOp::Smod if sy == 0 => x,
        AluOp::Smod => sx.checked_rem(sy).unwrap_or(0).cast_unsigned(),
        AluOp::Or => x | y,
        AluOp::And => x & y,
        AluOp::Xor => x ^ y,
        AluOp::Lsh => x.wrapping_shl(by),
        AluOp::Rsh => x.wrapping_shr(by),
        AluOp::Arsh => sx.wrapping_shr(by).cast_unsigned(),
        AluOp::Mov => y,
    };
    value & mask(w)
}

/// A shift count, below 64.
#[allow(clippy::cast_possible_truncation, reason = "counts are below 64")]
const fn count(value: u64) -> u32 {
    (value & 63) as u32
}

fn wide(value: u64) -> i128 {
    i128::from(value)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "tests may panic")]
mod tests {
    use super::{AluOp, Scalar, Width, alu, by_views, moved_half, upper_half};

    fn moved<const BITS: u32>() {
        let by = Scalar::<BITS>::constant((BITS / 2).into());
        let (mut found, low) = (0, Scalar::of_bits(BITS / 2));
        for op in [AluOp::Lsh, AluOp::Rsh, AluOp::Arsh] {
            for width in [Width::W64, Width::W32] {
                for a in [Scalar::UNKNOWN, low, upper_half()] {
                    if let Some(moved) = moved_half(op, width, &a, &by) {
                        assert_eq!(moved, by_views(op, width, &a, &by), "{op:?} {a:?}");
                        found += 1;
                    }
                }
            }
        }
        assert_eq!(found, 4);
    }

    /// A low half that is negative is so with zeros behind it, and again when it comes back.
    #[test]
    fn a_half_that_is_moved_keeps_its_sign() {
        let less = Scalar::<64>::signed_between(0, 6);
        let numbers = alu(AluOp::Sub, Width::W32, less, Scalar::constant(1));
        let half = numbers.half();
        assert_eq!((half.smin, half.smax), (-1, 5));
        let by = Scalar::constant(32);
        let up = alu(AluOp::Lsh, Width::W64, numbers, by);
        assert_eq!((up.full().smin, up.full().smax), (-1 << 32, 5 << 32));
        let down = alu(AluOp::Arsh, Width::W64, up, by);
        assert_eq!((down.full().smin, down.full().smax), (-1, 5));
    }

    #[test]
    fn a_half_that_is_moved_is_what_the_views_say() {
        moved::<64>();
        moved::<16>();
        moved::<8>();
    }
}
