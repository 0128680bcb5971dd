//! Objects at addresses of their own. What is gone is at none.

use std::collections::BTreeMap;
use std::ops::Range;

use kernel_bpf::bytecode::abi::field::MapField;

use crate::mutate::{self, Rng};

/// Why a program misbehaves.
pub(super) type Wrong = String;
/// What a step gives, if nothing is wrong.
pub(super) type Step<T = ()> = Result<T, Wrong>;

/// From one object to the next.
const STRIDE: u64 = 1 << 36;
/// No object begins before.
const FIRST: u64 = 0x1234_0000_0000_0000;

/// An object.
pub(super) struct Object {
    pub bytes: Vec<u8>,
    /// Where the part begins and ends that programs may access.
    pub inside: Range<usize>,
    /// Bytes that only the kernel accesses.
    pub fields: &'static [MapField],
}

/// All objects.
pub(super) struct Memory {
    objects: BTreeMap<u64, Object>,
    next: u64,
}

/// Bytes of which nothing is known.
pub(super) fn any(rng: &mut Rng, len: usize) -> Vec<u8> {
    (0..len).map(|_| mutate::byte(rng)).collect()
}

impl Memory {
    pub const fn new() -> Self {
        Self { objects: BTreeMap::new(), next: FIRST }
    }

    /// A new object: where it begins.
    pub fn add(&mut self, bytes: Vec<u8>) -> u64 {
        let inside = 0..bytes.len();
        self.put(Object { bytes, inside, fields: &[] })
    }

    pub fn put(&mut self, object: Object) -> u64 {
        let at = self.next;
        self.next += STRIDE;
        self.objects.insert(at, object);
        at
    }

    /// The object at this address goes.
    pub fn remove(&mut self, at: u64) -> Option<Object> {
        self.objects.remove(&at)
    }

    /// The object that begins at this address.
    pub fn object(&self, at: u64) -> Option<&Object> {
        self.objects.get(&at)
    }

    /// Whether the bytes are all in one object, at places for programs.
    pub fn check(&self, address: u64, len: usize) -> Step<(u64, usize)> {
        let wrong = || format!("{len} bytes at {address:#x}");
        let (start, object) = self.objects.range(..=address).next_back().ok_or_else(wrong)?;
        let from = usize::try_from(address - start).map_err(|_| wrong())?;
        let to = from.checked_add(len).ok_or_else(wrong)?;
        if from < object.inside.start || to > object.inside.end {
            return Err(wrong());
        }
        let end = |offset: usize| u64::try_from(offset).expect("small");
        let (first, last) = (end(from).cast_signed(), end(to).cast_signed());
        match object.fields.iter().find(|field| len > 0 && field.meets(first, last)) {
            Some(field) => Err(format!("{} of a {:?}", wrong(), field.field)),
            None => Ok((*start, from)),
        }
    }

    pub fn read(&self, address: u64, len: usize) -> Step<&[u8]> {
        let (start, from) = self.check(address, len)?;
        Ok(&self.objects[&start].bytes[from..from + len])
    }

    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Step {
        let (start, from) = self.check(address, bytes.len())?;
        let object = self.objects.get_mut(&start).expect("it was there");
        object.bytes[from..from + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    /// A number of so many bytes.
    pub fn load(&self, address: u64, len: usize) -> Step<u64> {
        let mut wide = [0; 8];
        let bytes = self.read(address, len)?;
        let at = if cfg!(target_endian = "big") { 8 - len } else { 0 };
        wide[at..at + len].copy_from_slice(bytes);
        Ok(u64::from_ne_bytes(wide))
    }

    pub fn store(&mut self, address: u64, len: usize, value: u64) -> Step {
        let all = value.to_ne_bytes();
        let low = if cfg!(target_endian = "big") { &all[8 - len..] } else { &all[..len] };
        self.write(address, low)
    }
}
