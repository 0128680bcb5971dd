//! Dynptrs. What they are is kept apart; the program's stack has their numbers, and
//! who overwrites one of these has none any more.

use std::collections::BTreeMap;

use super::machine::Machine;
use super::memory::{Step, any};
use crate::mutate;

/// What one is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Null,
    /// Memory from this address on.
    Memory(u64),
    /// A record, or none, if there was no room for it.
    Record(Option<u64>),
    Packet,
}

#[derive(Clone, Copy)]
pub(super) struct Dynptr {
    pub source: Source,
    pub off: u64,
    pub size: u64,
}

/// By their numbers.
#[derive(Default)]
pub(super) struct Dynptrs {
    all: BTreeMap<u64, Dynptr>,
    last: u64,
}

/// Half of what is in the program's stack, for a dynptr of this number.
const fn token(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995_0000_0000
}

impl Machine<'_> {
    pub(super) fn make_dynptr(&mut self, at: u64, dynptr: Dynptr) -> Step {
        self.dynptrs.last += 1;
        let number = self.dynptrs.last;
        self.dynptrs.all.insert(number, dynptr);
        self.memory.store(at, 8, number)?;
        self.memory.store(at + 8, 8, token(number))
    }

    /// The dynptr at an address, and its number.
    pub(super) fn dynptr(&self, at: u64) -> Step<(u64, Dynptr)> {
        let number = self.memory.load(at, 8)?;
        let whole = self.memory.load(at.wrapping_add(8), 8)? == token(number);
        let found = self.dynptrs.all.get(&number).filter(|_| whole);
        found.map(|found| (number, *found)).ok_or_else(|| format!("no dynptr at {at:#x}"))
    }

    /// Whether one is over a packet that programs of this type do not write.
    pub(super) fn reads_packet(&self, at: u64) -> Step<bool> {
        let over_packet = self.dynptr(at)?.1.source == Source::Packet;
        Ok(over_packet && !self.prog_type.context().packet_writable)
    }

    pub(super) fn set_dynptr(&mut self, number: u64, dynptr: Dynptr) {
        self.dynptrs.all.insert(number, dynptr);
    }

    /// A record is submitted or discarded.
    pub(super) fn end_dynptr(&mut self, at: u64) -> Step {
        let (number, dynptr) = self.dynptr(at)?;
        let Source::Record(record) = dynptr.source else { return Err("no record".to_owned()) };
        self.dynptrs.all.remove(&number);
        if let Some(record) = record {
            self.memory.remove(record);
        }
        self.held.release()?;
        let left = any(self.rng, 16);
        self.memory.write(at, &left)
    }

    /// Where so many bytes of a dynptr's memory are: nothing, if it has not as many,
    /// and for a packet none of its own.
    pub(super) fn bytes_of(&self, dynptr: &Dynptr, off: u64, len: u64) -> Option<u64> {
        let end = off.checked_add(len).filter(|end| *end <= dynptr.size)?;
        let from = dynptr.off + off;
        match dynptr.source {
            Source::Null | Source::Record(None) => None,
            Source::Memory(at) | Source::Record(Some(at)) => Some(at + from),
            // What a packet has by now.
            Source::Packet => {
                let object = self.memory.object(self.packet)?;
                let data = object.inside.start as u64;
                let fits = dynptr.off + end <= object.inside.len() as u64;
                fits.then_some(self.packet + data + from)
            }
        }
    }

    /// `bpf_dynptr_slice`: the memory itself, or the buffer with a copy of it, or null.
    pub(super) fn slice(&mut self, at: u64, off: u64, buffer: u64, len: u64) -> Step<u64> {
        let (_, dynptr) = self.dynptr(at)?;
        let (off, len) = (off & 0xffff_ffff, len & 0xffff_ffff);
        let wide = usize::try_from(len).expect("a host's size");
        if buffer != 0 {
            self.memory.check(buffer, wide)?;
        }
        let Some(found) = self.bytes_of(&dynptr, off, len) else { return Ok(0) };
        if dynptr.source != Source::Packet || mutate::byte(self.rng) & 1 == 0 {
            return Ok(found);
        }
        if buffer == 0 {
            return Ok(0);
        }
        let bytes = self.memory.read(found, wide)?.to_vec();
        self.memory.write(buffer, &bytes)?;
        Ok(buffer)
    }
}
