//! Ring buffer.

use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use bpf_bytecode::abi::map::{MapDef, MapType};
use bpf_profile::PhysicalProfile;
use portable_atomic::{AtomicBool, AtomicU32, AtomicUsize};

use crate::create::{Build, constructors};
use crate::memory::{Cells, View};
use crate::storage::{Bytes, Source, total};
use crate::{BpfMap, MapError, MapValue, RingBuffer, Settings, ValueRegion, Wakeup};

/// Submit, discard, output: do not wake the consumer.
pub const BPF_RB_NO_WAKEUP: u64 = 1;
/// Submit, discard, output: wake the consumer in any case.
pub const BPF_RB_FORCE_WAKEUP: u64 = 2;
/// Query: bytes not yet consumed.
pub const BPF_RB_AVAIL_DATA: u64 = 0;
/// Query: size of the ring in bytes.
pub const BPF_RB_RING_SIZE: u64 = 1;
/// Query: position of the consumer.
pub const BPF_RB_CONS_POS: u64 = 2;
/// Query: position of the producers.
pub const BPF_RB_PROD_POS: u64 = 3;

mod reserved;

use reserved::Reserved;

/// Bytes before each record: its length with one of the states below, and four
/// more.
const HEADER: usize = 8;
/// The state's bits. They tell what Linux's busy and discard bits tell, coded so
/// that zeroed memory means that nobody has reserved it.
const STATE: u32 = 3 << 30;
/// Nobody has reserved this. The consumer comes upon it where a producer has
/// moved the position and not yet written the header, and waits.
const VACANT: u32 = 0;
/// Reserved: the consumer waits.
const BUSY: u32 = 1 << 30;
/// To be consumed.
const SUBMITTED: u32 = 2 << 30;
/// To be skipped.
const DISCARDED: u32 = 3 << 30;
/// Bytes of a record at the most, as in Linux.
const MAX_RECORD: usize = u32::MAX as usize / 4;

/// A ring buffer: programs write records, the host reads them in order.
///
/// Positions and lengths are Linux's, as far as programs can see them. Where
/// Linux maps the ring twice in a row, so that a record that runs over its end is
/// in one piece, the ring here has as much memory again after its end. It takes
/// twice its size, and a bit for every eight bytes of it.
///
/// ```
/// use bpf_maps::{BpfMap, RingBuf, RingBuffer};
/// use bpf_profile::ActiveProfile;
///
/// let ring = RingBuf::<ActiveProfile>::with_bytes(4096).unwrap();
/// ring.output(b"hello".as_slice().into(), 0).unwrap();
/// let mut seen = 0;
/// ring.consume(&mut |record| {
///     assert_eq!(record, b"hello");
///     seen += 1;
/// })
/// .unwrap();
/// assert_eq!(seen, 1);
/// ```
pub struct RingBuf<P: PhysicalProfile> {
    def: MapDef,
    bytes: Bytes<P>,
    reserved: Reserved<P>,
    producer: AtomicUsize,
    consumer: AtomicUsize,
    /// Whether somebody consumes.
    consuming: AtomicBool,
}

constructors!(RingBuf, MapType::RingBuf);

impl<P: PhysicalProfile> RingBuf<P> {
    /// A ring of `bytes` bytes: a power of two, and a multiple of
    /// [`RING_PAGE`](crate::RING_PAGE).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_bytes(bytes: u32) -> Result<Self, MapError> {
        Self::new(MapDef::new(MapType::RingBuf, 0, 0, bytes))
    }

    const fn storage(def: &MapDef, _cpus: u32) -> Option<usize> {
        total(&[(def.max_entries as usize).checked_mul(2), Some(Reserved::<P>::bytes(def))])
    }

    fn size(&self) -> usize {
        self.def.max_entries as usize
    }

    fn offset(&self, position: usize) -> usize {
        position & self.size().wrapping_sub(1)
    }

    fn header(&self, position: usize) -> Option<&AtomicU32> {
        self.bytes.cells().atomic(self.offset(position))
    }

    fn payload(&self, position: usize, len: usize) -> Option<Cells<'_>> {
        self.bytes.cells().part(self.offset(position).checked_add(HEADER)?, len)
    }

    fn pending(&self) -> usize {
        let consumer = self.consumer.load(Acquire);
        self.producer.load(Acquire).wrapping_sub(consumer)
    }

    /// Moves the producers' position over a record and gives where it begins.
    fn claim(&self, span: usize) -> Option<usize> {
        let mut position = self.producer.load(Acquire);
        loop {
            let next = position.wrapping_add(span);
            if next.wrapping_sub(self.consumer.load(Acquire)) >= self.size() {
                // Seen from a position that is no longer the producers', the
                // consumer may be anywhere.
                let present = self.producer.load(Acquire);
                if present == position {
                    return None;
                }
                position = present;
                continue;
            }
            match self.producer.compare_exchange(position, next, SeqCst, Acquire) {
                Ok(_) => return Some(position),
                Err(present) => position = present,
            }
        }
    }

    /// Reserves a record and gives its payload.
    fn reserve_cells(&self, size: usize) -> Option<Cells<'_>> {
        if size > MAX_RECORD {
            return None;
        }
        let span = span(size)?;
        if span > self.size() {
            return None;
        }
        let position = self.claim(span)?;
        let payload = self.payload(position, size)?;
        self.header(position)?.store(u32::try_from(size).ok()? | BUSY, Release);
        self.reserved.add(self.offset(position));
        Some(payload)
    }

    /// Gives the record whose payload begins at `record` to the consumer.
    fn commit(&self, record: NonNull<u8>, flags: u64, state: u32) -> Result<Wakeup, MapError> {
        let base = self.bytes.cells().as_ptr().addr().get();
        let offset = record
            .addr()
            .get()
            .checked_sub(base)
            .and_then(|offset| offset.checked_sub(HEADER))
            .filter(|&offset| self.reserved.remove(offset))
            .ok_or(MapError::InvalidValue)?;
        let header = self.header(offset).ok_or(MapError::InvalidValue)?;
        header.store(header.load(Relaxed) & !STATE | state, SeqCst);
        let next = self.offset(self.consumer.load(SeqCst)) == offset;
        let wanted = flags & BPF_RB_FORCE_WAKEUP != 0 || next && flags & BPF_RB_NO_WAKEUP == 0;
        Ok(if wanted { Wakeup::Needed } else { Wakeup::NotNeeded })
    }

    /// Makes the part of the ring that a record took look as if nobody had
    /// reserved it. What lies beyond the end has no headers in it.
    fn vacate(&self, position: usize, span: usize) {
        let start = self.offset(position);
        let end = start.saturating_add(span).min(self.size());
        for offset in (start..end).step_by(HEADER) {
            self.bytes.cells().store(offset, VACANT, Relaxed);
        }
    }
}

/// Bytes that a record takes in the ring.
fn span(size: usize) -> Option<usize> {
    size.checked_add(HEADER)?.checked_next_multiple_of(HEADER)
}

/// Ends consuming when it is dropped, also where the host's closure unwinds.
struct Consuming<'a>(&'a AtomicBool);

impl Drop for Consuming<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl<P: PhysicalProfile> Build for RingBuf<P> {
    fn build(def: MapDef, _: Settings, source: &mut Source) -> Result<Self, MapError> {
        let bytes = source.take((def.max_entries as usize).checked_mul(2))?;
        let reserved = Reserved::new(&def, source)?;
        Ok(Self {
            def,
            bytes,
            reserved,
            producer: AtomicUsize::new(0),
            consumer: AtomicUsize::new(0),
            consuming: AtomicBool::new(false),
        })
    }
}

impl<P: PhysicalProfile> RingBuffer for RingBuf<P> {
    fn reserve(&self, size: u64, flags: u64) -> Option<NonNull<u8>> {
        if flags != 0 {
            return None;
        }
        Some(self.reserve_cells(usize::try_from(size).ok()?)?.as_ptr())
    }

    fn submit(&self, record: NonNull<u8>, flags: u64) -> Result<Wakeup, MapError> {
        self.commit(record, flags, SUBMITTED)
    }

    fn discard(&self, record: NonNull<u8>, flags: u64) -> Result<Wakeup, MapError> {
        self.commit(record, flags, DISCARDED)
    }

    fn output(&self, data: View<'_>, flags: u64) -> Result<Wakeup, MapError> {
        if flags & !(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP) != 0 {
            return Err(MapError::InvalidFlags);
        }
        let payload = self.reserve_cells(data.len()).ok_or(MapError::Again)?;
        payload.write_view(0, data).ok_or(MapError::Again)?;
        self.commit(payload.as_ptr(), flags, SUBMITTED)
    }

    fn query(&self, what: u64) -> u64 {
        let answer = match what {
            BPF_RB_AVAIL_DATA => self.pending(),
            BPF_RB_RING_SIZE => self.size(),
            BPF_RB_CONS_POS => self.consumer.load(Acquire),
            BPF_RB_PROD_POS => self.producer.load(Acquire),
            _ => 0,
        };
        answer as u64
    }

    fn consume(&self, each: &mut dyn FnMut(MapValue<'_>)) -> Result<usize, MapError> {
        if self.consuming.swap(true, Acquire) {
            return Err(MapError::Busy);
        }
        let _consuming = Consuming(&self.consuming);
        let mut given = 0_usize;
        let mut position = self.consumer.load(Relaxed);
        while position != self.producer.load(SeqCst) {
            let header = self.header(position).map_or(VACANT, |header| header.load(SeqCst));
            let state = header & STATE;
            if state == VACANT || state == BUSY {
                break;
            }
            let size = (header & !STATE) as usize;
            let Some(taken) = span(size) else { break };
            if state == SUBMITTED
                && let Some(payload) = self.payload(position, size)
            {
                each(MapValue::new(payload.view()));
                given = given.saturating_add(1);
            }
            self.vacate(position, taken);
            position = position.wrapping_add(taken);
            self.consumer.store(position, SeqCst);
        }
        Ok(given)
    }
}

/// A ring buffer has neither keys nor values.
impl<P: PhysicalProfile> BpfMap for RingBuf<P> {
    fn def(&self) -> &MapDef {
        &self.def
    }

    /// Bytes not yet consumed.
    fn len(&self) -> usize {
        self.pending()
    }

    fn lookup(&self, _key: &[u8]) -> Result<MapValue<'_>, MapError> {
        Err(MapError::NotSupported)
    }

    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    fn next_key(&self, _previous: Option<&[u8]>, _out: &mut [u8]) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    /// Positions are taken modulo the size: it cannot change.
    #[cfg(feature = "cloud-profile")]
    fn resize(&self, _max_entries: u32) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    fn value_region(&self, _index: usize) -> Option<ValueRegion> {
        None
    }

    fn lookup_ptr(&self, _key: &[u8], _cpu: u32) -> Option<NonNull<u8>> {
        None
    }

    fn update_from(
        &self,
        _key: &[u8],
        _value: View<'_>,
        _flags: u64,
        _cpu: u32,
    ) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    fn delete_on(&self, _key: &[u8], _cpu: u32) -> Result<(), MapError> {
        Err(MapError::NotSupported)
    }

    fn ring_buf(&self) -> Option<&dyn RingBuffer> {
        Some(self)
    }
}
