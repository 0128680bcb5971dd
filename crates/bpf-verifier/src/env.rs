//! What a program may call.

use bpf_bytecode::abi::helper::{self, HelperSig};

/// The helpers that programs are verified against: the standard ones and those
/// that a kernel adds. One of the kernel's replaces a standard one of the same
/// number.
#[derive(Clone, Copy, Debug, Default)]
pub struct HelperTable<'e> {
    extra: &'e [HelperSig],
}

impl<'e> HelperTable<'e> {
    /// The standard helpers.
    pub const fn standard() -> Self {
        Self { extra: &[] }
    }

    /// The standard helpers and `extra`.
    pub const fn with(extra: &'e [HelperSig]) -> Self {
        Self { extra }
    }

    /// The signatures that the kernel added.
    pub const fn extra(&self) -> &'e [HelperSig] {
        self.extra
    }

    /// The signature of helper `id`.
    pub fn find(&self, id: u32) -> Option<&'e HelperSig> {
        let added = self.extra.iter().find(|sig| sig.id == id);
        added.or_else(|| helper::find(helper::STANDARD, id))
    }

    /// A number that two tables share only if they agree on every signature
    /// (up to collisions of a 64-bit hash).
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::new();
        for sig in self.extra {
            core::hash::Hash::hash(&Key(sig), &mut hash);
        }
        core::hash::Hasher::finish(&hash)
    }
}

/// A signature as what it means to the verifier.
struct Key<'a>(&'a HelperSig);

impl core::hash::Hash for Key<'_> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        let sig = self.0;
        (sig.id, sig.args, sig.ret, sig.map_types, sig.prog_types).hash(state);
        (sig.packet_memory, sig.moves_packet, sig.interrupt_safe, sig.allocates).hash(state);
    }
}

/// The FNV-1a hash, 64 bits.
struct Fnv(u64);

impl Fnv {
    const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl core::hash::Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
