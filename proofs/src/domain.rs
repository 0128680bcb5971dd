//! As `bpf-verifier`'s module of this name.
#![allow(dead_code, unused_imports, reason = "not all of it is an operation")]

#[path = "../../crates/bpf-verifier/src/domain/arith.rs"]
mod arith;
#[path = "../../crates/bpf-verifier/src/domain/bits.rs"]
mod bits;
#[path = "../../crates/bpf-verifier/src/domain/compare.rs"]
mod compare;
#[path = "../../crates/bpf-verifier/src/domain/range.rs"]
mod range;
#[path = "../../crates/bpf-verifier/src/domain/scalar.rs"]
mod scalar;
#[path = "../../crates/bpf-verifier/src/domain/tnum.rs"]
mod tnum;

pub use arith::{alu, byte_swap, negate, sign_extend};
pub use compare::compare;
pub use range::Range;
pub use scalar::Scalar;
pub use tnum::Tnum;

/// A number of the low half, by its bits and bounds.
pub fn of_half<const BITS: u32>(bits: Tnum, half: Range) -> Scalar<BITS> {
    Scalar::of_half(bits, half)
}

/// What the bounds of the whole say of the low half.
pub fn half_of(full: &Range) -> Range {
    Scalar::<64>::half_of(full)
}

/// Bounds of the whole without what those of the half exclude.
pub fn full_of(full: Range, half: &Range) -> Range {
    Scalar::<64>::full_of(full, half)
}
