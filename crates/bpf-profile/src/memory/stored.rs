//! Values that are owned, or that the kernel keeps for good.

use core::ops::Deref;

use super::{MemoryStrategy, OutOfMemory, Sequence};

/// A sequence of values: owned, on the heap or in place with room for `N`, or
/// borrowed for good from storage that the kernel keeps itself, however long.
///
/// In place, it takes as many bytes as `N` values also where it borrows. A kernel
/// that borrows everywhere sets the capacity to 0; see [`config`](crate::config).
pub enum Stored<M: MemoryStrategy, T: 'static, const N: usize> {
    /// Owned values.
    Owned(M::Vec<T, N>),
    /// The kernel's.
    Static(&'static [T]),
}

impl<M: MemoryStrategy, T: Clone, const N: usize> Stored<M, T, N> {
    /// Appends the values of `values`, all of them or none.
    ///
    /// # Errors
    /// [`OutOfMemory`] when they do not fit; nothing fits behind borrowed ones.
    pub fn try_extend(&mut self, values: &[T]) -> Result<(), OutOfMemory> {
        match self {
            Self::Owned(vec) => vec.try_extend(values),
            Self::Static(_) => Err(OutOfMemory { requested: size_of_val(values) }),
        }
    }

    /// A copy, which borrows where this one does.
    ///
    /// # Errors
    /// [`OutOfMemory`] when there is no storage for it.
    pub fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Ok(match self {
            Self::Owned(vec) => Self::Owned(Sequence::try_from_slice(vec)?),
            Self::Static(slice) => Self::Static(slice),
        })
    }
}

impl<M: MemoryStrategy, T, const N: usize> Default for Stored<M, T, N> {
    fn default() -> Self {
        Self::Owned(Default::default())
    }
}

impl<M: MemoryStrategy, T, const N: usize> Deref for Stored<M, T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Owned(vec) => vec,
            Self::Static(slice) => slice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stored;
    use crate::{ActiveProfile, MemoryStrategy, OutOfMemory, PhysicalProfile};

    type Memory = <ActiveProfile as PhysicalProfile>::Memory;

    #[test]
    fn borrowed_values_take_no_more() {
        let mut stored = Stored::<Memory, u32, 2>::Static(&[1, 2, 3]);
        assert_eq!(stored.try_extend(&[4, 5]), Err(OutOfMemory { requested: 8 }));
        assert_eq!(*stored, [1, 2, 3]);
        let copy = stored.try_clone().expect("it borrows");
        assert_eq!(copy.as_ptr(), stored.as_ptr());
    }

    #[test]
    fn owned_values_are_taken_whole_or_not() {
        let mut stored = Stored::<Memory, u32, 2>::default();
        stored.try_extend(&[1]).expect("room");
        let more = stored.try_extend(&[2, 3]);
        if Memory::ELASTIC {
            assert_eq!((more, &*stored), (Ok(()), &[1, 2, 3][..]));
        } else {
            assert_eq!((more, &*stored), (Err(OutOfMemory { requested: 8 }), &[1][..]));
        }
        assert_eq!(*stored.try_clone().expect("room"), *stored);
    }

    /// With a capacity of 0 only the borrowed slice is left.
    #[test]
    fn no_capacity_takes_no_room() {
        assert!(size_of::<Stored<Memory, [u64; 8], 0>>() <= 4 * size_of::<usize>());
    }
}
