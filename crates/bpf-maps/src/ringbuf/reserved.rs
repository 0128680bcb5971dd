//! Where in a ring records begin that are reserved and not yet given to the
//! consumer.

use bpf_bytecode::abi::map::MapDef;
use bpf_profile::PhysicalProfile;
use portable_atomic::AtomicU32;
use portable_atomic::Ordering::SeqCst;

use super::HEADER;
use crate::MapError;
use crate::storage::{Bytes, Source};

/// A bit for each place where a header can be. What a payload looks like says
/// nothing, as programs write it.
pub(super) struct Reserved<P: PhysicalProfile>(Bytes<P>);

impl<P: PhysicalProfile> Reserved<P> {
    pub(super) fn new(def: &MapDef, source: &mut Source) -> Result<Self, MapError> {
        Ok(Self(source.take(Some(Self::bytes(def)))?))
    }

    /// Bytes for the bits.
    pub(super) const fn bytes(def: &MapDef) -> usize {
        def.max_entries as usize / (HEADER * 8)
    }

    /// The word, and the bit in it, for the place `offset` bytes into the ring.
    fn bit(&self, offset: usize) -> Option<(&AtomicU32, u32)> {
        let place = offset.is_multiple_of(HEADER).then_some(offset / HEADER)?;
        let word = self.0.cells().atomic((place / 32).checked_mul(4)?)?;
        Some((word, 1_u32.wrapping_shl(u32::try_from(place % 32).ok()?)))
    }

    /// Notes that a record begins there.
    pub(super) fn add(&self, offset: usize) {
        if let Some((word, bit)) = self.bit(offset) {
            word.fetch_or(bit, SeqCst);
        }
    }

    /// Whether a record begins there; from now on no longer.
    pub(super) fn remove(&self, offset: usize) -> bool {
        self.bit(offset).is_some_and(|(word, bit)| word.fetch_and(!bit, SeqCst) & bit != 0)
    }
}
