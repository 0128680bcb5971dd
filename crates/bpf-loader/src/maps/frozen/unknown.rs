//! Constants of an object that nobody keeps: what they are is not known when the
//! program is verified.

use bpf_profile::PhysicalProfile;

use super::{FrozenMaps, Map};
use crate::LoadError;

#[allow(clippy::unnecessary_wraps, reason = "the other profile copies")]
pub(crate) fn find<P: PhysicalProfile>(_: &[Map<'_>]) -> Result<FrozenMaps<P>, LoadError> {
    Ok(FrozenMaps::<P>::default())
}
