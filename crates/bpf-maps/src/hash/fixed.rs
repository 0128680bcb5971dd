//! The heads of a number of chains that is known at creation.

use bpf_profile::PhysicalProfile;

use super::NEXT;
use super::heads::{Chains, Heads};
use crate::MapError;
use crate::storage::Source;

/// Bytes of a node's links: one table, one link.
pub(super) const LINK_BYTES: usize = 4;

/// The chains.
pub(super) struct Buckets<P: PhysicalProfile>(Heads<P>);

impl<P: PhysicalProfile> Buckets<P> {
    pub(super) fn new(source: &mut Source, max_entries: u32) -> Result<Self, MapError> {
        Ok(Self(Heads::new(source, max_entries)?))
    }

    #[inline]
    pub(super) fn current(&self) -> Chains<'_, P> {
        Chains::new(&self.0, NEXT)
    }
}
