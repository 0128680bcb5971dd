//! Keeps the map traits from being implemented elsewhere: engines dereference
//! the addresses that a map gives them.

use bpf_profile::PhysicalProfile;

/// Implemented by the maps of this crate alone.
pub trait Sealed {}

macro_rules! seal {
    ($($(#[$gate:meta])* $map:ident),* $(,)?) => {
        $($(#[$gate])* impl<P: PhysicalProfile> Sealed for crate::$map<P> {})*
    };
}

seal! {
    AnyMap,
    ArrayMap,
    HashMap,
    PerCpuArrayMap,
    PerCpuHashMap,
    ProgArray,
    RingBuf,
    #[cfg(feature = "cloud-profile")]
    LruHashMap,
    #[cfg(feature = "cloud-profile")]
    LpmTrie,
}
