//! How much of the profile's stack a program may use.

use bpf_profile::PhysicalProfile;

/// The stack that frames and call chains may use. The default is what Linux
/// allows, on both profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackPolicy {
    frame_bytes: usize,
    chain_bytes: usize,
    frames: usize,
}

/// A stack policy asks for more than the profile has, or for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stack policy of {wanted} bytes; the profile has {limit}")]
pub struct StackPolicyError {
    /// Bytes that all frames together would take.
    pub wanted: usize,
    /// Bytes that the profile has.
    pub limit: usize,
}

impl StackPolicy {
    /// What Linux allows: 512 bytes a frame, 512 bytes for the frames of a call
    /// chain together, eight frames.
    pub const LINUX: Self = Self { frame_bytes: 512, chain_bytes: 512, frames: 8 };

    /// A policy of `frames` frames of `frame_bytes` bytes (rounded up to a
    /// multiple of 8), of which a verified call chain may use `chain_bytes`.
    ///
    /// # Errors
    /// [`StackPolicyError`] when the frames together do not fit the stack of
    /// profile `P`, or a figure is zero.
    pub fn new<P: PhysicalProfile>(
        frame_bytes: usize,
        chain_bytes: usize,
        frames: usize,
    ) -> Result<Self, StackPolicyError> {
        let limit = P::MAX_STACK_SIZE;
        let rounded = frame_bytes.checked_next_multiple_of(8).unwrap_or(usize::MAX);
        let wanted = rounded.saturating_mul(frames).max(chain_bytes);
        if wanted > limit || frame_bytes == 0 || chain_bytes == 0 || frames == 0 {
            return Err(StackPolicyError { wanted, limit });
        }
        Ok(Self { frame_bytes: rounded, chain_bytes, frames })
    }

    /// Bytes of one frame, a multiple of 8.
    pub const fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    /// Bytes that the frames of a verified call chain may use together.
    pub const fn chain_bytes(&self) -> usize {
        self.chain_bytes
    }

    /// Frames that may be live at the same time.
    pub const fn frames(&self) -> usize {
        self.frames
    }
}

impl Default for StackPolicy {
    fn default() -> Self {
        Self::LINUX
    }
}
