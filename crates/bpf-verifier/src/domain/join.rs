//! The least sets that cover others.

use super::range::Range;
use super::scalar::Scalar;

impl Range {
    /// The least range that covers both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            umin: self.umin.min(other.umin),
            umax: self.umax.max(other.umax),
            smin: self.smin.min(other.smin),
            smax: self.smax.max(other.smax),
        }
    }
}

impl<const BITS: u32> Scalar<BITS> {
    /// The least set of this kind that covers both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            bits: self.bits.join(other.bits),
            full: self.full.join(other.full),
            half: self.half.join(other.half),
        }
        .or_unknown()
    }
}
