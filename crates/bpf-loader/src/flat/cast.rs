//! Instructions of an image where they lie.
#![allow(unsafe_code)]

use bpf_bytecode::BpfInsn;

/// Bytes at an address that is a multiple of 8, so that the instructions of an
/// image can be used where they lie.
///
/// ```
/// use bpf_loader::flat::{Aligned, FlatImage};
/// static IMAGE: &Aligned<[u8]> =
///     &Aligned(*include_bytes!("../../../../examples/programs/sensor_filter.bpf.kbi"));
///
/// let image = FlatImage::parse(&IMAGE.0).unwrap();
/// let program = image.program("sensor_filter").unwrap();
/// assert!(program.insns_in_place().is_some() || cfg!(target_endian = "big"));
/// ```
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
pub struct Aligned<T: ?Sized>(pub T);

const _: () = assert!(size_of::<BpfInsn>() == 8 && align_of::<BpfInsn>() <= 8);

/// The slots in `bytes` without a copy. None where the address does not suit,
/// the length is no multiple of 8, or the host's numbers are big-endian.
pub(super) fn slots(bytes: &[u8]) -> Option<&[BpfInsn]> {
    if cfg!(target_endian = "big") {
        return None;
    }
    // SAFETY: `BpfInsn` is `repr(C)` of two bytes, an `i16` and an `i32`, 8 bytes
    // in all and thus without padding; every pattern of bits is a value of it.
    let (before, slots, after) = unsafe { bytes.align_to::<BpfInsn>() };
    (before.is_empty() && after.is_empty()).then_some(slots)
}
