//! What a program sees of the machine it runs on.

/// The machine under the programs: clock, randomness, CPU number, trace output.
///
/// Every method has a deterministic and harmless default.
pub trait Platform: Sync {
    /// Nanoseconds since some fixed moment, never going back.
    fn now_ns(&self) -> u64 {
        0
    }

    /// A number that programs may take for random.
    fn random_u32(&self) -> u32 {
        0
    }

    /// Number of the CPU that the caller runs on. A run asks once at the most: as on
    /// Linux, a program stays on the CPU where it began until it ends.
    fn cpu(&self) -> u32 {
        0
    }

    /// Takes one message of `bpf_trace_printk`, formatted, at most
    /// [`TRACE_BYTES`] long. `%s` and `%c` may bring in any byte but 0.
    fn trace(&self, message: &[u8]) {
        let _ = message;
    }
}

/// Bytes of a trace message at the most; what goes beyond is cut off.
pub const TRACE_BYTES: usize = 512;

/// A machine where it is always the same moment, nothing is random and nobody
/// listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullPlatform;

impl Platform for NullPlatform {}
