//! Arithmetic on the low bits of a word.

/// The low `bits` bits set; `bits` from 1 to 64.
pub(super) const fn mask(bits: u32) -> u64 {
    u64::MAX.wrapping_shr(64_u32.wrapping_sub(bits))
}

/// The value of the low `bits` bits as a signed number.
pub(super) const fn signed(value: u64, bits: u32) -> i64 {
    let shift = 64_u32.wrapping_sub(bits);
    value.wrapping_shl(shift).cast_signed().wrapping_shr(shift)
}

/// The sign bit of a number of `bits` bits.
pub(super) const fn sign_bit(bits: u32) -> u64 {
    1_u64.wrapping_shl(bits.wrapping_sub(1))
}

/// The least signed number of `bits` bits.
pub(super) const fn signed_min(bits: u32) -> i64 {
    signed(sign_bit(bits), bits)
}

/// The greatest signed number of `bits` bits.
pub(super) const fn signed_max(bits: u32) -> i64 {
    !signed_min(bits)
}
