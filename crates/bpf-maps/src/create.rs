//! The constructors that all map types have.

use bpf_bytecode::abi::map::MapDef;

use crate::storage::Source;
use crate::{MapError, Settings};

/// How a map type is made.
pub(crate) trait Build: Sized {
    /// A map over storage from `source`. The definition was checked already.
    fn build(def: MapDef, settings: Settings, source: &mut Source) -> Result<Self, MapError>;
}

/// The constructors of a map type that has [`Build`] and a `const fn
/// storage(&MapDef, cpus) -> Option<usize>`.
macro_rules! constructors {
    ($name:ident, $map_type:expr) => {
        impl<P: bpf_profile::PhysicalProfile> $name<P> {
            /// A map of this definition, in the profile's own storage.
            ///
            /// # Errors
            /// As Linux does: [`MapError::InvalidDefinition`],
            /// [`MapError::InvalidFlags`], [`MapError::TooLarge`]; and
            /// [`MapError::OutOfMemory`].
            pub fn new(def: bpf_bytecode::abi::map::MapDef) -> Result<Self, $crate::MapError> {
                Self::with_settings(def, $crate::Settings::new())
            }

            /// As [`new`](Self::new), with settings.
            ///
            /// # Errors
            /// As [`new`](Self::new).
            pub fn with_settings(
                def: bpf_bytecode::abi::map::MapDef,
                settings: $crate::Settings,
            ) -> Result<Self, $crate::MapError> {
                Self::made(def, settings, &mut $crate::storage::Source::Profile)
            }

            /// As [`new`](Self::new), in storage that the kernel hands in.
            ///
            /// # Errors
            /// As [`new`](Self::new); [`MapError::OutOfMemory`] where the storage
            /// is smaller than [`storage_bytes`](Self::storage_bytes).
            pub fn with_storage(
                def: bpf_bytecode::abi::map::MapDef,
                storage: &'static mut [u8],
            ) -> Result<Self, $crate::MapError> {
                Self::with_settings_and_storage(def, $crate::Settings::new(), storage)
            }

            /// As [`with_storage`](Self::with_storage), with settings.
            ///
            /// # Errors
            /// As [`with_storage`](Self::with_storage).
            pub fn with_settings_and_storage(
                def: bpf_bytecode::abi::map::MapDef,
                settings: $crate::Settings,
                storage: &'static mut [u8],
            ) -> Result<Self, $crate::MapError> {
                Self::made(def, settings, &mut $crate::storage::Source::Handed(storage))
            }

            /// Bytes that storage for such a map must have, for any alignment,
            /// where values are kept for `cpus` CPUs. `None` where there can be
            /// no such map.
            pub const fn storage_bytes(
                def: &bpf_bytecode::abi::map::MapDef,
                cpus: u32,
            ) -> Option<usize> {
                match $crate::limits::check(def, $map_type) {
                    Ok(()) => Self::storage(def, cpus),
                    Err(_) => None,
                }
            }

            fn made(
                def: bpf_bytecode::abi::map::MapDef,
                settings: $crate::Settings,
                source: &mut $crate::storage::Source,
            ) -> Result<Self, $crate::MapError> {
                $crate::limits::check(&def, $map_type)?;
                if settings.cpus == 0 {
                    return Err($crate::MapError::InvalidDefinition("a map for no CPU"));
                }
                $crate::create::Build::build(def, settings, source)
            }
        }

        impl<P: bpf_profile::PhysicalProfile> core::fmt::Debug for $name<P> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("def", &self.def)
                    .field("len", &$crate::BpfMap::len(self))
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use constructors;
