//! What every map can do.

use core::ptr::NonNull;

use bpf_bytecode::abi::frozen::FrozenBytes;
use bpf_bytecode::abi::map::MapDef;

use crate::memory::View;
use crate::seal::Sealed;
use crate::{MapError, MapValue, ValueRegion};

/// Bytes of a key at the most, so that an engine can copy one to its stack.
pub const MAX_KEY_SIZE: usize = 512;

/// A live map.
///
/// A map has two sides. The *host* (the kernel, or a tool) calls
/// [`lookup`](Self::lookup), [`update`](Self::update), [`delete`](Self::delete)
/// and [`next_key`](Self::next_key); they answer as Linux's system call does. An
/// *engine* calls [`lookup_ptr`](Self::lookup_ptr),
/// [`update_from`](Self::update_from) and [`delete_on`](Self::delete_on) for a
/// program, which answer as Linux's helpers do, and name the CPU on which the
/// program runs.
///
/// # Concurrency and re-entrance
/// Lookups take no lock: they may run at any time, on any CPU, also from an
/// interrupt that hit in the middle of an update. Changes to one map exclude
/// each other with a short lock. Who finds it taken by the CPU it runs on, that
/// is, who has interrupted the holder, gets [`MapError::Busy`] at once, as on
/// Linux; who finds it taken by somebody else waits, for a bounded time, and
/// then gets [`MapError::Busy`] too. Array updates take no lock at all.
///
/// # Values
/// A value has one address for as long as its entry exists, and the memory stays
/// part of the map until the map is dropped: a pointer to the value of a deleted
/// entry is never dangling, and reads the old bytes or those of the entry that
/// came after.
pub trait BpfMap: Sealed + Send + Sync {
    /// The definition that the map was created from. After a resize it still
    /// states the original number of entries.
    fn def(&self) -> &MapDef;

    /// Entries at the most, at this moment; bytes, for a ring buffer.
    fn max_entries(&self) -> u32 {
        self.def().max_entries
    }

    /// Number of entries: all there are for an array, the bytes not yet
    /// consumed for a ring buffer.
    fn len(&self) -> usize;

    /// Whether there are no entries.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The CPUs for which a value is kept; 1 where the map is not per-CPU.
    fn cpus(&self) -> u32 {
        1
    }

    /// Bytes that the host reads and writes as one value: the definition's value
    /// size, or for a per-CPU map that size rounded up to 8, times the CPUs.
    fn host_value_size(&self) -> usize {
        usize::try_from(self.def().value_size).unwrap_or(usize::MAX)
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// [`MapError::NotFound`], and as Linux does for what the type does not
    /// have.
    fn lookup(&self, key: &[u8]) -> Result<MapValue<'_>, MapError>;

    /// Sets the value of `key`; `flags` is one of `BPF_ANY`, `BPF_NOEXIST` and
    /// `BPF_EXIST`.
    ///
    /// # Errors
    /// As Linux does for the map's type; the map is then unchanged.
    fn update(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), MapError>;

    /// Takes the entry of `key` away.
    ///
    /// # Errors
    /// [`MapError::NotFound`], and as Linux does for the map's type.
    fn delete(&self, key: &[u8]) -> Result<(), MapError>;

    /// Writes the key after `previous` to `out`: the first one where there is
    /// no `previous` or it is not in the map.
    ///
    /// # Errors
    /// [`MapError::NotFound`] after the last key.
    fn next_key(&self, previous: Option<&[u8]>, out: &mut [u8]) -> Result<(), MapError>;

    /// Changes how many entries the map may have. Values stay where they are.
    ///
    /// # Errors
    /// [`MapError::Busy`] where more entries exist than the new number;
    /// [`MapError::OutOfMemory`]; [`MapError::NotSupported`] for a type that
    /// cannot. The map is then unchanged.
    #[cfg(feature = "cloud-profile")]
    fn resize(&self, max_entries: u32) -> Result<(), MapError>;

    /// The `index`th run of values. An engine may keep what it gets: regions
    /// stay valid until the map is dropped. A map has one, and a resize may add
    /// to them; a type without values that programs can point to has none.
    fn value_region(&self, index: usize) -> Option<ValueRegion>;

    /// The values that an array has for a program on `cpu`, for code that finds them by
    /// itself; `None` for other types, and where the array has none for this CPU.
    #[cfg(feature = "cloud-profile")]
    fn elements(&self, cpu: u32) -> Option<crate::Elements<'_>> {
        let _ = cpu;
        None
    }

    /// A short way to [`lookup_ptr`](Self::lookup_ptr) and
    /// [`update_from`](Self::update_from), for code that takes it often; `None` where there
    /// is none.
    #[cfg(feature = "cloud-profile")]
    fn direct(&self) -> Option<crate::Direct<'_>> {
        None
    }

    /// The `len` bytes at `address`, if they are all within one value.
    fn resolve_value(&self, address: usize, len: usize) -> Option<NonNull<u8>> {
        (0..).map_while(|index| self.value_region(index)).find_map(|r| r.resolve(address, len))
    }

    /// The address of the value of `key` for a program on `cpu`, valid for
    /// `value_size` bytes until the map is dropped.
    fn lookup_ptr(&self, key: &[u8], cpu: u32) -> Option<NonNull<u8>>;

    /// As [`update`](Self::update), for a program on `cpu`: the value is of the
    /// definition's size, and a per-CPU map takes it for this CPU.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    fn update_from(
        &self,
        key: &[u8],
        value: View<'_>,
        flags: u64,
        cpu: u32,
    ) -> Result<(), MapError>;

    /// As [`delete`](Self::delete), for a program on `cpu`.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    fn delete_on(&self, key: &[u8], cpu: u32) -> Result<(), MapError>;

    /// The contents of a frozen map, which never change.
    fn frozen(&self) -> Option<&FrozenBytes> {
        None
    }

    /// The program that the kernel has put at `index` of a program array.
    fn program(&self, index: u32) -> Option<u32> {
        let _ = index;
        None
    }

    /// The map as a ring buffer, if it is one.
    fn ring_buf(&self) -> Option<&dyn RingBuffer> {
        None
    }
}

/// Whether a consumer is to be told that there is something to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wakeup {
    /// Tell it.
    Needed,
    /// It knows already, or the program did not want it told.
    NotNeeded,
}

/// What a ring buffer can do beyond [`BpfMap`].
///
/// Several programs may reserve, submit and discard at the same time and may
/// interrupt each other; none of it takes a lock. Records are consumed in the
/// order in which they were reserved: one that is still reserved holds back
/// those after it.
pub trait RingBuffer: Sealed + Send + Sync {
    /// Reserves a record of `size` bytes and gives the address of its first
    /// one, 8-aligned, valid for `size` bytes until it is submitted or
    /// discarded. `None` where there is no room, or where `flags` is not 0.
    fn reserve(&self, size: u64, flags: u64) -> Option<NonNull<u8>>;

    /// Hands a reserved record to the consumer.
    ///
    /// # Errors
    /// [`MapError::InvalidValue`] where no reserved record begins there.
    fn submit(&self, record: NonNull<u8>, flags: u64) -> Result<Wakeup, MapError>;

    /// Gives a reserved record up; the consumer will skip it.
    ///
    /// # Errors
    /// [`MapError::InvalidValue`] where no reserved record begins there.
    fn discard(&self, record: NonNull<u8>, flags: u64) -> Result<Wakeup, MapError>;

    /// Copies a record in and hands it to the consumer.
    ///
    /// # Errors
    /// [`MapError::Again`] where there is no room, [`MapError::InvalidFlags`]
    /// for flags other than those about waking.
    fn output(&self, data: View<'_>, flags: u64) -> Result<Wakeup, MapError>;

    /// Bytes not yet consumed (0), size (1), consumer's (2) and producer's (3)
    /// position; 0 for anything else.
    fn query(&self, what: u64) -> u64;

    /// Host: gives every record that is ready to `each`, in order, and frees it;
    /// gives their number, discarded ones not counted.
    ///
    /// # Errors
    /// [`MapError::Busy`] while another consumer is at work.
    fn consume(&self, each: &mut dyn FnMut(MapValue<'_>)) -> Result<usize, MapError>;
}
