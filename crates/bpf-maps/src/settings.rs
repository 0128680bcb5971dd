//! What a kernel decides about a map beyond its definition.

/// Choices at a map's creation.
///
/// ```
/// use bpf_maps::Settings;
/// let settings = Settings::new().cpus(4).seed(0x1234);
/// assert_eq!(settings, Settings { cpus: 4, seed: 0x1234 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// CPUs for which per-CPU maps keep values, numbered from 0. A program on
    /// another CPU finds nothing.
    pub cpus: u32,
    /// Seed of a hash map's hash function. Give a random one where keys come
    /// from outside, else whoever sends them can choose keys that collide.
    /// `BPF_F_ZERO_SEED` in the definition overrides it.
    pub seed: u64,
}

impl Settings {
    /// One CPU and a fixed seed.
    pub const fn new() -> Self {
        Self { cpus: 1, seed: 0x5ca1_ab1e_0ddb_a115 }
    }

    /// The same for this many CPUs.
    #[must_use]
    pub const fn cpus(self, cpus: u32) -> Self {
        Self { cpus, ..self }
    }

    /// The same with this seed.
    #[must_use]
    pub const fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}
