//! The values of an array, for code that finds one by itself.

use core::ptr::NonNull;

use bpf_bytecode::abi::map::MapDef;
use portable_atomic::AtomicU32;

use crate::array;

/// Where an array has its values for a program on one CPU, for compiled code: the value
/// of an index below what [`bound`](Self::bound) holds at the moment lies at
/// [`base`](Self::base) plus the index times [`stride`](Self::stride).
///
/// Of indices that are not below it, those below what [`end`](Self::end) holds have
/// their values elsewhere, as a resize has added them, and others have none.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'m> {
    base: NonNull<u8>,
    bound: &'m AtomicU32,
    end: &'m AtomicU32,
}

impl<'m> Elements<'m> {
    /// The caller keeps `bound` at no more than the values that follow one another from
    /// `base` on.
    pub(crate) const fn new(base: NonNull<u8>, bound: &'m AtomicU32, end: &'m AtomicU32) -> Self {
        Self { base, bound, end }
    }

    /// Address of the first value.
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes from one value to the next in an array of this definition, per CPU or not;
    /// none, where they are too many.
    pub const fn stride(def: &MapDef) -> Option<usize> {
        array::stride(def)
    }

    /// Where the first index is that is no more found so, to be read only. A resize
    /// changes it.
    pub const fn bound(&self) -> *const u32 {
        self.bound.as_ptr().cast_const()
    }

    /// Where the first index is that has no value, to be read only. A resize changes
    /// it.
    pub const fn end(&self) -> *const u32 {
        self.end.as_ptr().cast_const()
    }
}
