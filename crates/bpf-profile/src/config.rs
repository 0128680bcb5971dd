//! Sizes of the storage that a static build sets aside where the caller names
//! none.
//!
//! Every figure has a default and can be set, without touching the source, by
//! an environment variable that is read while this crate is compiled (for
//! instance in the `[env]` table of a firmware's `.cargo/config.toml`). A value
//! that is no decimal number stops the build.
//!
//! | constant | variable | unit | default |
//! |---|---|---|---|
//! | [`PROGRAM_CAPACITY`] | `KERNEL_BPF_PROGRAM_CAPACITY` | 8-byte slots | 256 |
//! | [`MAP_DEFS_CAPACITY`] | `KERNEL_BPF_MAP_DEFS_CAPACITY` | definitions per program | 16 |
//! | [`GLOBAL_FUNCTIONS_CAPACITY`] | `KERNEL_BPF_GLOBAL_FUNCTIONS_CAPACITY` | functions per program | 4 |
//! | [`POOL_BYTES`] | `KERNEL_BPF_POOL_BYTES` | bytes | 32 KiB on bare metal, 8 MiB on hosts |
//! | [`VERIFIER_WORKSPACE_BYTES`] | `KERNEL_BPF_VERIFIER_BYTES` | bytes | 16 KiB on bare metal, 256 KiB on hosts |
//! | [`QUEUE_CAPACITY`] | `KERNEL_BPF_QUEUE_CAPACITY` | requests | 32 |
//!
//! On an elastic build the same constants are only first estimates.
//!
//! Programs, the facts about them and their map definitions lie in place, so that
//! a program takes its capacity whatever its length. A kernel whose programs are
//! all over storage of its own sets `KERNEL_BPF_PROGRAM_CAPACITY` and
//! `KERNEL_BPF_MAP_DEFS_CAPACITY` to 0; one whose programs have no global
//! functions, `KERNEL_BPF_GLOBAL_FUNCTIONS_CAPACITY`.

/// Slots of 8 bytes that a program or a builder holds in place.
pub const PROGRAM_CAPACITY: usize = setting(option_env!("KERNEL_BPF_PROGRAM_CAPACITY"), 256);

/// Map definitions that one program may carry.
pub const MAP_DEFS_CAPACITY: usize = setting(option_env!("KERNEL_BPF_MAP_DEFS_CAPACITY"), 16);

/// Functions that one program may have verified apart, by their signature.
pub const GLOBAL_FUNCTIONS_CAPACITY: usize =
    setting(option_env!("KERNEL_BPF_GLOBAL_FUNCTIONS_CAPACITY"), 4);

/// Bytes of the crate's static pool, from which maps take their storage.
pub const POOL_BYTES: usize = setting(
    option_env!("KERNEL_BPF_POOL_BYTES"),
    if cfg!(target_os = "none") { 32 << 10 } else { 8 << 20 },
);

/// Bytes of working memory of a verifier that was handed none.
pub const VERIFIER_WORKSPACE_BYTES: usize = setting(
    option_env!("KERNEL_BPF_VERIFIER_BYTES"),
    if cfg!(target_os = "none") { 16 << 10 } else { 256 << 10 },
);

/// Requests that a scheduler queues at the most.
pub const QUEUE_CAPACITY: usize = setting(option_env!("KERNEL_BPF_QUEUE_CAPACITY"), 32);

/// The number in `text`, or `default` where the variable is not set.
const fn setting(text: Option<&str>, default: usize) -> usize {
    let Some(text) = text else { return default };
    match usize::from_str_radix(text, 10) {
        Ok(value) => value,
        Err(_) => panic!("a KERNEL_BPF_* variable is set to something that is no decimal number"),
    }
}
