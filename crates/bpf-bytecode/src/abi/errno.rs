//! Linux's error numbers, as helpers return them (negated).

/// Operation not permitted.
pub const EPERM: i64 = 1;
/// No such entry.
pub const ENOENT: i64 = 2;
/// Argument list too long; a map is full.
pub const E2BIG: i64 = 7;
/// Try again.
pub const EAGAIN: i64 = 11;
/// Out of memory.
pub const ENOMEM: i64 = 12;
/// Bad address.
pub const EFAULT: i64 = 14;
/// Busy.
pub const EBUSY: i64 = 16;
/// Exists already.
pub const EEXIST: i64 = 17;
/// Invalid argument.
pub const EINVAL: i64 = 22;
/// No space left.
pub const ENOSPC: i64 = 28;
/// Not supported.
pub const EOPNOTSUPP: i64 = 95;
