//! What can go wrong with a map.

use bpf_bytecode::abi::errno;
use bpf_bytecode::abi::map::MapType;
use bpf_profile::OutOfMemory;

/// Linux's number for an operation that a map type does not have. It is not
/// among the numbers that user space knows, and Linux returns it all the same.
const ENOTSUPP: i64 = 524;

/// A failed operation on a map. [`errno`](Self::errno) is what Linux answers in
/// the same case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MapError {
    /// No entry has this key.
    #[error("no such key")]
    NotFound,
    /// `BPF_NOEXIST`, and the key exists.
    #[error("the key exists")]
    Exists,
    /// The map holds as many entries as it may.
    #[error("the map is full")]
    Full,
    /// The trie holds as many prefixes as it may.
    #[error("no space left in the trie")]
    NoSpace,
    /// The index lies beyond the array.
    #[error("index out of range")]
    IndexOutOfRange,
    /// A key of another length than the map's, or one that cannot be a key.
    #[error("not a key of this map")]
    InvalidKey,
    /// A value of another length than the map's, or one that cannot be a value.
    #[error("not a value of this map")]
    InvalidValue,
    /// Flags that the operation does not know.
    #[error("unknown flags")]
    InvalidFlags,
    /// The operation makes no sense for this type, as deleting from an array.
    #[error("invalid operation for this map type")]
    InvalidOperation,
    /// A definition that no map can have.
    #[error("invalid map definition: {0}")]
    InvalidDefinition(&'static str),
    /// A definition whose sizes are over Linux's limits.
    #[error("map definition too large: {0}")]
    TooLarge(&'static str),
    /// The storage does not suffice.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The map is being changed by whom this call interrupted, or still in use.
    #[error("the map is busy")]
    Busy,
    /// The ring buffer has no room at the moment.
    #[error("the ring buffer is full")]
    Again,
    /// The map's flags keep the host from doing this.
    #[error("not permitted by the map's flags")]
    NotPermitted,
    /// The type does not have this operation.
    #[error("operation not supported by this map type")]
    NotSupported,
    /// The build does not have this type.
    #[error("map type {map_type} is not available in the {profile} profile")]
    Unsupported {
        /// The type that was asked for.
        map_type: MapType,
        /// The profile of this build.
        profile: &'static str,
    },
}

impl MapError {
    /// Linux's error number, positive.
    pub const fn errno(&self) -> i64 {
        match self {
            Self::NotFound => errno::ENOENT,
            Self::Exists => errno::EEXIST,
            Self::Full | Self::IndexOutOfRange | Self::TooLarge(_) => errno::E2BIG,
            Self::NoSpace => errno::ENOSPC,
            Self::InvalidKey
            | Self::InvalidValue
            | Self::InvalidFlags
            | Self::InvalidOperation
            | Self::InvalidDefinition(_)
            | Self::Unsupported { .. } => errno::EINVAL,
            Self::OutOfMemory(_) => errno::ENOMEM,
            Self::Busy => errno::EBUSY,
            Self::Again => errno::EAGAIN,
            Self::NotPermitted => errno::EPERM,
            Self::NotSupported => ENOTSUPP,
        }
    }
}
