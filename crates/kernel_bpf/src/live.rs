//! Live maps as objects and flat images define them, with their initial contents.
//!
//! Both functions give the maps in the order of their definitions, which is the order in
//! which programs refer to them and an [`Environment`](crate::execution::Environment)
//! takes them: variables have their first values, constants are frozen, and the entries of
//! program arrays are positions among the programs of the object or image. Executors that
//! make tail calls are given the programs in that order (`with_programs`).
//!
//! ```
//! use kernel_bpf::live::{self, LiveMapError};
//! use kernel_bpf::loader::Object;
//! use kernel_bpf::maps::{AnyMap, BpfMap};
//! use kernel_bpf::profile::ActiveProfile;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes = include_bytes!("../../../examples/programs/xdp_firewall.bpf.o");
//! let object = Object::<ActiveProfile>::parse(bytes)?;
//! let maps = live::of_object(&object).collect::<Result<Vec<AnyMap<_>>, LiveMapError>>()?;
//! let maps: Vec<&dyn BpfMap> = maps.iter().map(|map| map as &dyn BpfMap).collect();
//! assert_eq!(maps.len(), object.maps().len());
//! # Ok(())
//! # }
//! ```
//!
//! Where there is no heap, the iterator fills whatever the kernel has set aside. Maps take
//! the profile's own storage ([`create`]); who hands storage in makes them one by one.

use bpf_bytecode::abi::frozen::FrozenBytes;
#[cfg(feature = "cloud-profile")]
use bpf_bytecode::abi::frozen::FrozenMap;
use bpf_bytecode::abi::map::flags::BPF_ANY;
use bpf_loader::flat::{FlatContents, FlatImage, FlatMap};
use bpf_loader::{Contents, LoadError, Object};
use bpf_maps::{AnyMap, BpfMap, MapError, create};
use bpf_profile::PhysicalProfile;

/// Why there is no live map of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveMapError {
    /// The map cannot be made, or not be filled.
    #[error("map {map}: {error}")]
    Map {
        /// Position of the definition.
        map: usize,
        /// What is wrong.
        error: MapError,
    },
    /// What the object says of a program array's entries makes no sense.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An entry of a program array is to hold a program that is none of the object's.
    #[error("map {map}: entry {entry} names no program")]
    NoProgram {
        /// Position of the definition.
        map: usize,
        /// Index of the entry in the array.
        entry: u32,
    },
}

/// The maps of an object, live.
///
/// # Errors
/// [`LiveMapError`], as an item; what follows it may still be made.
pub fn of_object<'o, P: PhysicalProfile>(
    object: &'o Object<'_, P>,
) -> impl Iterator<Item = Result<AnyMap<P>, LiveMapError>> + 'o {
    object.maps().iter().enumerate().map(move |(index, map)| {
        let frozen = object.frozen(index).cloned();
        let initial = match map.contents {
            Contents::Bytes(bytes) => bytes,
            Contents::Empty | Contents::Zeroed => &[],
        };
        let live = create(map.def).and_then(|live| filled(live, frozen, initial));
        let live = live.map_err(|error| LiveMapError::Map { map: index, error })?;
        for entry in object.prog_array_values(index) {
            let (entry, name) = entry?;
            let program = object.programs().position(|program| program.name() == name);
            enter(&live, index, entry, program)?;
        }
        Ok(live)
    })
}

/// The maps of a flat image, live. On embedded the image lives for ever, as live maps
/// borrow their constants from it.
///
/// # Errors
/// As [`of_object`].
pub fn of_image<'i, P: PhysicalProfile>(
    image: &FlatImage<'i>,
) -> impl Iterator<Item = Result<AnyMap<P>, LiveMapError>> + use<'i, P>
where
    FlatMap<'i>: Constants,
{
    image.maps().enumerate().map(move |(index, map)| {
        let initial = match map.contents {
            FlatContents::Value(bytes) => bytes,
            FlatContents::Empty | FlatContents::Programs => &[],
        };
        let live = map.constants().and_then(|frozen| filled(create(map.def)?, frozen, initial));
        let live = live.map_err(|error| LiveMapError::Map { map: index, error })?;
        for (entry, program) in map.programs() {
            enter(&live, index, entry, Some(program))?;
        }
        Ok(live)
    })
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::FlatMap<'_> {}
}

/// A map of an image whose constants may go into a live map: of any image on cloud, where
/// they are copied, of one that lives for ever on embedded. Sealed.
pub trait Constants: sealed::Sealed {
    /// The constants, if the map holds any.
    ///
    /// # Errors
    /// [`MapError::OutOfMemory`] where there is no room for a copy.
    fn constants(&self) -> Result<Option<FrozenBytes>, MapError>;
}

#[cfg(feature = "cloud-profile")]
impl Constants for FlatMap<'_> {
    fn constants(&self) -> Result<Option<FrozenBytes>, MapError> {
        match self.contents {
            FlatContents::Value(bytes) if FrozenMap::can_be(&self.def) => {
                Ok(Some(FrozenBytes::copy_of(bytes)?))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(feature = "embedded-profile")]
impl Constants for FlatMap<'static> {
    fn constants(&self) -> Result<Option<FrozenBytes>, MapError> {
        Ok(self.frozen())
    }
}

fn filled<P: PhysicalProfile>(
    live: AnyMap<P>,
    frozen: Option<FrozenBytes>,
    initial: &[u8],
) -> Result<AnyMap<P>, MapError> {
    match frozen {
        Some(constants) => live.freeze(constants),
        None if initial.is_empty() => Ok(live),
        None => live.filled(initial),
    }
}

/// Puts the program at a position into a program array.
fn enter<P: PhysicalProfile>(
    live: &AnyMap<P>,
    map: usize,
    entry: u32,
    program: Option<usize>,
) -> Result<(), LiveMapError> {
    let program = program.and_then(|program| u32::try_from(program).ok());
    let program = program.ok_or(LiveMapError::NoProgram { map, entry })?;
    live.update(&entry.to_ne_bytes(), &program.to_ne_bytes(), BPF_ANY)
        .map_err(|error| LiveMapError::Map { map, error })
}
