//! Ring buffers.

use core::ptr::NonNull;
use std::collections::VecDeque;

use kernel_bpf::maps::{
    BPF_RB_AVAIL_DATA, BPF_RB_RING_SIZE, BpfMap, MapError, RingBuf, RingBuffer,
};
use kernel_bpf::profile::ActiveProfile;

use super::OPERATIONS;
use crate::input::Input;

const BYTES: u32 = 4096;

/// What became of a record.
enum State {
    Reserved(NonNull<u8>),
    /// With these bytes, where they are known.
    Submitted(Option<Vec<u8>>),
    Discarded,
}

struct Record {
    len: usize,
    state: State,
}

/// Bytes that a record takes: a header before it, and what rounds it up.
const fn room(len: usize) -> usize {
    (8 + len).next_multiple_of(8)
}

struct Pair {
    ring: RingBuf<ActiveProfile>,
    /// Records that were not consumed, in their order.
    records: VecDeque<Record>,
}

/// Works on a ring buffer.
pub fn check(input: &mut Input<'_>) {
    let ring = RingBuf::with_bytes(BYTES).expect("a small map");
    let mut pair = Pair { ring, records: VecDeque::new() };
    for _ in 0..OPERATIONS {
        if input.is_empty() {
            break;
        }
        match input.below(8) {
            0 | 1 => pair.output(input),
            2 | 3 => pair.reserve(input),
            4 | 5 => pair.finish(input),
            6 => pair.consume(),
            _ => pair.nonsense(input),
        }
        pair.agree();
    }
    pair.consume();
}

impl Pair {
    fn used(&self) -> usize {
        self.records.iter().map(|record| room(record.len)).sum()
    }

    /// A record was taken in if and only if there was room. The last bytes stay
    /// free, so that a full ring is not an empty one.
    fn admitted(&self, len: usize, taken: bool) {
        let (used, size) = (self.used() + room(len), BYTES as usize);
        assert_eq!(taken, used < size, "{len} bytes, {used} of {size} used");
    }

    fn length(input: &mut Input<'_>) -> usize {
        let len = usize::from(input.u16());
        if len.is_multiple_of(8) { len % 5000 } else { len % 200 }
    }

    fn output(&mut self, input: &mut Input<'_>) {
        let (len, byte) = (Self::length(input), input.u8());
        let bytes = vec![byte; len];
        let flags = u64::from(byte % 3);
        let taken = self.ring.output(bytes.as_slice().into(), flags);
        self.admitted(len, taken.is_ok());
        match taken {
            Ok(_) => {
                self.records.push_back(Record { len, state: State::Submitted(Some(bytes)) });
            }
            Err(error) => assert_eq!(error, MapError::Again),
        }
    }

    fn reserve(&mut self, input: &mut Input<'_>) {
        let len = Self::length(input);
        let record = self.ring.reserve(len as u64, 0);
        self.admitted(len, record.is_some());
        if let Some(at) = record {
            assert!(at.addr().get().is_multiple_of(8));
            self.records.push_back(Record { len, state: State::Reserved(at) });
        }
    }

    /// Submits or discards one of those that are reserved.
    fn finish(&mut self, input: &mut Input<'_>) {
        let (which, submit) = (usize::from(input.u8()), input.u8() & 1 == 0);
        let reserved = |record: &&mut Record| matches!(record.state, State::Reserved(_));
        let count = self.records.iter_mut().filter(reserved).count();
        let Some(which) = which.checked_rem(count) else { return };
        let Some(record) = self.records.iter_mut().filter(reserved).nth(which) else { return };
        let State::Reserved(at) = record.state else { return };
        let done = if submit { self.ring.submit(at, 0) } else { self.ring.discard(at, 0) };
        assert!(done.is_ok(), "{done:?}");
        record.state = if submit { State::Submitted(None) } else { State::Discarded };
        let again = if submit { self.ring.discard(at, 0) } else { self.ring.submit(at, 0) };
        assert_eq!(again.unwrap_err(), MapError::InvalidValue, "it is no longer reserved");
    }

    fn consume(&mut self) {
        let mut found = Vec::new();
        let consumed = self.ring.consume(&mut |value| {
            let mut bytes = vec![0; value.len()];
            value.copy_to(&mut bytes);
            found.push(bytes);
        });
        assert_eq!(consumed, Ok(found.len()));
        let mut found = found.into_iter();
        while let Some(record) = self.records.pop_front() {
            match record.state {
                State::Reserved(_) => {
                    self.records.push_front(record);
                    break;
                }
                State::Discarded => {}
                State::Submitted(bytes) => {
                    let got = found.next().expect("as many as were submitted");
                    assert_eq!(got.len(), record.len);
                    assert!(bytes.is_none_or(|bytes| bytes == got));
                }
            }
        }
        assert!(found.next().is_none(), "what is reserved holds back what comes after");
    }

    /// Addresses where no record begins, flags that do not exist.
    fn nonsense(&mut self, input: &mut Input<'_>) {
        let flag = 8 << input.below(40);
        assert!(self.ring.reserve(8, flag).is_none());
        assert!(self.ring.reserve(u64::from(BYTES), 0).is_none());
        assert!(self.ring.reserve(u64::MAX, 0).is_none());
        // Inside of a reserved record that nobody has written to. What a payload
        // holds could look like a record, which is why engines keep a list.
        let step = 1 + usize::from(input.u8());
        let inside = |record: &Record| match record.state {
            State::Reserved(at) if step < record.len => at.addr().checked_add(step),
            _ => None,
        };
        let Some(addr) = self.records.iter().find_map(inside) else { return };
        let at = NonNull::without_provenance(addr);
        assert_eq!(self.ring.submit(at, 0).unwrap_err(), MapError::InvalidValue);
    }

    fn agree(&self) {
        let used = self.used();
        assert_eq!(self.ring.len(), used);
        assert_eq!(self.ring.query(BPF_RB_AVAIL_DATA), used as u64);
        assert_eq!(self.ring.query(BPF_RB_RING_SIZE), u64::from(BYTES));
    }
}
