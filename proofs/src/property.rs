//! The properties, one function each.

use bpf_bytecode::opcode::{AluOp, ByteOrder, Cond, Width};

use crate::concrete;
use crate::domain::{
    Range, Scalar, Tnum, alu, byte_swap, compare, full_of, half_of, negate, of_half, sign_extend,
};

/// Words that stand for a set.
const WORDS: usize = 10;

/// Any set whatsoever whose bounds are of its width.
#[inline(always)]
fn set<const BITS: u32>(words: [u64; WORDS]) -> Scalar<BITS> {
    let [value, mask, umin, umax, smin, smax, half_umin, half_umax, half_smin, half_smax] = words;
    let full = Range { umin, umax, smin: smin.cast_signed(), smax: smax.cast_signed() };
    let half = Range {
        umin: half_umin,
        umax: half_umax,
        smin: half_smin.cast_signed(),
        smax: half_smax.cast_signed(),
    };
    Scalar::from_parts(Tnum::new(value, mask), full, half)
}

/// Whether bounds and bits are of the width, as they are in every set.
#[inline(always)]
fn fits<const BITS: u32>(s: &Scalar<BITS>) -> bool {
    let range = |range: &Range, w: u32| {
        let (low, high) = (concrete::signed(1 << (w - 1), w), !concrete::signed(1 << (w - 1), w));
        concrete::low(range.umin, w) == range.umin
            && concrete::low(range.umax, w) == range.umax
            && low <= range.smin
            && range.smin <= high
            && low <= range.smax
            && range.smax <= high
    };
    concrete::low(s.bits().max(), BITS) == s.bits().max()
        && range(s.full(), BITS)
        && range(s.half(), BITS / 2)
}

/// Whether `x` is a number of the width and in the set.
#[inline(always)]
fn member<const BITS: u32>(s: &Scalar<BITS>, x: u64) -> bool {
    fits(s) && concrete::low(x, BITS) == x && s.contains(x)
}

const fn width_bits<const BITS: u32>(width: Width) -> u32 {
    match width {
        Width::W64 => BITS,
        Width::W32 => BITS / 2,
    }
}

/// One operand, a member of it, and what the operation makes of that.
type One = [u64; WORDS + 2];
/// Two operands, a member of each, and what the operation makes of those.
type Two = [u64; 2 * WORDS + 3];

#[inline(always)]
fn one<const BITS: u32>(input: &One) -> Option<(Scalar<BITS>, u64, u64)> {
    let [words @ .., x, z] = *input;
    let s = set(words);
    member(&s, x).then_some((s, x, z))
}

#[inline(always)]
fn two<const BITS: u32>(input: &Two) -> Option<(Scalar<BITS>, Scalar<BITS>, [u64; 3])> {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, b @ .., x, y, z] = *input;
    let (a, b) = (set([a0, a1, a2, a3, a4, a5, a6, a7, a8, a9]), set(b));
    (member(&a, x) && member(&b, y)).then_some((a, b, [x, y, z]))
}

#[inline(always)]
fn arithmetic<const BITS: u32>(op: AluOp, width: Width, input: &Two) -> bool {
    let Some((a, b, [x, y, z])) = two::<BITS>(input) else { return true };
    z != concrete::alu(op, x, y, width_bits::<BITS>(width)) || member(&alu(op, width, a, b), z)
}

#[inline(always)]
fn comparison<const BITS: u32>(cond: Cond, width: Width, input: &Two) -> bool {
    let Some((a, b, [x, y, _])) = two::<BITS>(input) else { return true };
    let out = compare(cond, width, a, b);
    let holds = concrete::holds(cond, x, y, width_bits::<BITS>(width));
    let side = if holds { out.holds } else { out.fails };
    side.is_some_and(|(a, b)| member(&a, x) && member(&b, y))
}

#[inline(always)]
fn negation<const BITS: u32>(width: Width, input: &One) -> bool {
    let Some((a, x, z)) = one::<BITS>(input) else { return true };
    z != concrete::alu(AluOp::Sub, 0, x, width_bits::<BITS>(width)) || member(&negate(width, a), z)
}

#[inline(always)]
fn extension<const BITS: u32>(width: Width, from: u32, input: &One) -> bool {
    let Some((a, x, z)) = one::<BITS>(input) else { return true };
    let extended = concrete::signed(x, from).cast_unsigned();
    z != concrete::low(extended, width_bits::<BITS>(width))
        || member(&sign_extend(width, from, a), z)
}

#[inline(always)]
fn low_bits<const BITS: u32>(bits: u32, input: &One) -> bool {
    let Some((a, x, z)) = one::<BITS>(input) else { return true };
    z != concrete::low(x, bits) || member(&a.low(bits), z)
}

#[inline(always)]
fn swapped(order: ByteOrder, bytes: u32, input: &One) -> bool {
    let Some((a, x, z)) = one::<64>(input) else { return true };
    let reverse = match order {
        ByteOrder::Swap => true,
        ByteOrder::Big => cfg!(target_endian = "little"),
        ByteOrder::Little => cfg!(target_endian = "big"),
    };
    let low = concrete::low(x, bytes * 8);
    let swapped = if reverse { low.swap_bytes() >> (64 - bytes * 8) } else { low };
    z != swapped || member(&byte_swap(order, bytes, a), z)
}

#[inline(always)]
fn synced<const BITS: u32>(input: &One) -> bool {
    let Some((a, x, _)) = one::<BITS>(input) else { return true };
    a.sync().is_some_and(|out| member(&out, x))
}

/// What is in both is in the meet.
#[inline(always)]
fn met<const BITS: u32>(input: &Two) -> bool {
    let Some((a, b, [x, y, _])) = two::<BITS>(input) else { return true };
    x != y || a.meet(b).is_some_and(|out| member(&out, x))
}

/// What is in the covered set is in the covering one.
#[inline(always)]
fn covered<const BITS: u32>(input: &Two) -> bool {
    let Some((a, b, [_, y, _])) = two::<BITS>(input) else { return true };
    !a.covers(&b) || a.contains(y)
}

/// What synchronising a set, in one round or in all, must keep: a member.
#[inline(always)]
#[allow(clippy::ref_option, reason = "formulas find the value in memory, as lemmas have it")]
fn kept<const BITS: u32>(before: &Scalar<BITS>, after: &Option<Scalar<BITS>>, x: u64) -> bool {
    !member(before, x) || after.is_some_and(|after| member(&after, x))
}

macro_rules! lemma {
    ($($bits:literal)*) => {$(
        const _: () = {
            // SAFETY: nothing is linked with this; no other symbol has such a name.
            #[unsafe(export_name = concat!("lemma.", stringify!($bits)))]
            #[allow(clippy::ref_option, reason = "formulas find the value in memory")]
            extern "C" fn lemma(
                before: &Scalar<$bits>,
                after: &Option<Scalar<$bits>>,
                x: u64,
            ) -> bool {
                kept(before, after, x)
            }
        };
    )*};
}

lemma!(8 16 64);

/// What being a member is made of: each of these can be proven apart of what an
/// operation hands on to be synchronised.
macro_rules! parts {
    ($($bits:literal: $($name:ident $holds:expr;)*)*) => {$($(
        const _: () = {
            // SAFETY: nothing is linked with this; no other symbol has such a name.
            #[unsafe(export_name = concat!("part.", stringify!($name), ".", stringify!($bits)))]
            extern "C" fn part(set: &Scalar<$bits>, x: u64) -> bool {
                let holds: fn(&Scalar<$bits>, u64) -> bool = $holds;
                holds(set, x)
            }
        };
    )*)*};
}

parts! {
    64:
    fits |s, _| fits(s);
    bits |s, x| s.bits().contains(x);
    umin |s, x| s.full().umin <= x;
    umax |s, x| x <= s.full().umax;
    smin |s, x| s.full().smin <= x.cast_signed();
    smax |s, x| x.cast_signed() <= s.full().smax;
    half_umin |s, x| s.half().umin <= concrete::low(x, 32);
    half_umax |s, x| concrete::low(x, 32) <= s.half().umax;
    half_smin |s, x| s.half().smin <= concrete::signed(x, 32);
    half_smax |s, x| concrete::signed(x, 32) <= s.half().smax;
}

/// What a half of known bits and bounds is made of keeps what is in both.
#[inline(always)]
fn half_kept(input: &One) -> bool {
    let [words @ .., x, _] = *input;
    let s: Scalar = set(words);
    let known = s.bits().low(32).contains(x) && s.half().contains(x, 32);
    !known || !fits(&s) || member::<64>(&of_half(s.bits().low(32), *s.half()), x)
}

/// One step of synchronising a set of 64 bits. Each is given one number that is in what
/// the step is made of, and must keep it; `sync_once` is nothing but these.
#[inline(always)]
fn step(input: &One, kept: fn(&Scalar, u64) -> bool) -> bool {
    let Some((s, x, _)) = one::<64>(input) else { return true };
    kept(&s, x)
}

/// A function under the name of what it proves.
macro_rules! property {
    ($input:ident, $holds:expr, $($name:tt)*) => {
        const _: () = {
            // SAFETY: nothing is linked with this; no other symbol has such a name.
            #[unsafe(export_name = concat!("prove" $(, ".", stringify!($name))*))]
            extern "C" fn property(input: &$input) -> bool {
                let holds: fn(&$input) -> bool = $holds;
                holds(input)
            }
        };
    };
}

macro_rules! for_each_width {
    ($bits:literal) => {
        for_each_width!($bits, W64);
        for_each_width!($bits, W32);
        property!(One, synced::<$bits>, sync $bits);
        property!(Two, met::<$bits>, meet $bits);
        property!(Two, covered::<$bits>, covers $bits);
    };
    ($bits:literal, $width:ident) => {
        binary!($bits, $width: Add Sub Mul Div Sdiv Mod Smod Or And Xor Lsh Rsh Arsh Mov);
        conditions!($bits, $width: Eq Ne Set Gt Ge Lt Le Sgt Sge Slt Sle);
        property!(One, |i| negation::<$bits>(Width::$width, i), negate $width $bits);
    };
}

macro_rules! binary {
    ($bits:literal, $width:ident: $($op:ident)*) => {$(
        property!(Two, |i| arithmetic::<$bits>(AluOp::$op, Width::$width, i),
            alu $op $width $bits);
    )*};
}

macro_rules! conditions {
    ($bits:literal, $width:ident: $($cond:ident)*) => {$(
        property!(Two, |i| comparison::<$bits>(Cond::$cond, Width::$width, i),
            compare $cond $width $bits);
    )*};
}

for_each_width!(8);
for_each_width!(16);
for_each_width!(64);

macro_rules! from_sizes {
    ($($from:literal $width:ident)*) => {$(
        property!(One, |i| extension::<64>(Width::$width, $from, i),
            sign_extend $from $width 64);
    )*};
}

from_sizes!(8 W64 16 W64 32 W64 8 W32 16 W32);
property!(One, |i| extension::<8>(Width::W64, 3, i), sign_extend 3 W64 8);
property!(One, |i| extension::<8>(Width::W64, 4, i), sign_extend 4 W64 8);
property!(One, |i| extension::<8>(Width::W32, 2, i), sign_extend 2 W32 8);
property!(One, half_kept, low half 64);

macro_rules! steps {
    ($($name:ident $kept:expr;)*) => {$(
        property!(One, |i| step(i, $kept), step $name 64);
    )*};
}

steps! {
    full_by_bits |s, x| s.full().meet_bits(s.bits(), 64).contains(x, 64);
    half_by_bits |s, x| {
        s.half().meet_bits(s.bits().low(32), 32).contains(concrete::low(x, 32), 32)
    };
    full_tightened |s, x| s.full().tighten(64).contains(x, 64);
    half_tightened |s, x| s.half().tighten(32).contains(concrete::low(x, 32), 32);
    half_by_full |s, x| half_of(s.full()).contains(concrete::low(x, 32), 32);
    full_by_half |s, x| full_of(*s.full(), s.half()).contains(x, 64);
    bits_by_full |s, x| Tnum::between(s.full().umin, s.full().umax).contains(x);
    bits_by_half |s, x| {
        Tnum::between(s.half().umin, s.half().umax).contains(concrete::low(x, 32))
    };
}
property!(One, |i| low_bits::<64>(8, i), low 8 64);
property!(One, |i| low_bits::<64>(16, i), low 16 64);
property!(One, |i| low_bits::<64>(32, i), low 32 64);

macro_rules! orders {
    ($($order:ident $bytes:literal)*) => {$(
        property!(One, |i| swapped(ByteOrder::$order, $bytes, i),
            byte_swap $order $bytes);
    )*};
}

orders!(Swap 2 Swap 4 Swap 8 Big 2 Big 4 Big 8 Little 2 Little 4 Little 8);
