//! Inputs that may go further than one that was run.

use super::input::{Input, MOST, Random};
use super::trace::{Mismatch, Trace};
use crate::command::run::frame::ETH_HLEN;

/// Places at which a value is looked for, at the most.
const PLACES: usize = 12;
/// Bytes of a packet that most depends on.
const HEADERS: usize = 96;
/// Numbers at which things often change.
const CORNERS: [u64; 10] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];

/// Inputs to try next.
pub struct Changes(pub Vec<Input>);

impl Changes {
    pub fn of(input: &Input, trace: &Trace, random: &mut Random) -> Self {
        let mut changes = Self(Vec::new());
        changes.look_up(input, trace, random);
        changes.set_field(input, trace, random);
        if let Some(mismatch) = &trace.mismatch {
            changes.turn(input, mismatch);
        }
        if trace.reached {
            changes.at_the_edge(input, trace);
        }
        if trace.mismatch.is_some() || trace.reached {
            changes.corners(input, trace, random);
        }
        changes.anything(input, random);
        changes
    }

    fn data(&mut self, input: &Input, data: Vec<u8>) {
        self.0.push(Input { data, ..input.clone() });
    }

    /// Another length.
    fn resize(&mut self, input: &Input, length: i64) {
        let least = i64::try_from(ETH_HLEN.min(input.data.len())).unwrap_or(0);
        if let Ok(length) = usize::try_from(length.max(least))
            && length <= MOST
        {
            let mut data = input.data.clone();
            data.truncate(length);
            data.extend((data.len()..length).map(filling));
            self.data(input, data);
        }
    }

    /// What was looked up is there, or is not.
    fn look_up(&mut self, input: &Input, trace: &Trace, random: &mut Random) {
        for (index, key) in &trace.lookups {
            let at = (*index, key.clone());
            let mut next = input.clone();
            if next.entries.remove(&at).is_none() {
                // Maps cut values to their size.
                next.entries.insert(at, random.bytes(64));
            }
            self.0.push(next);
        }
    }

    /// A field of the context that was loaded has another value.
    fn set_field(&mut self, input: &Input, trace: &Trace, random: &mut Random) {
        for offset in &trace.fields {
            let value = u32::try_from(random.next() >> 32).unwrap_or(0);
            let mut next = input.clone();
            next.fields.insert(*offset, value >> random.below(32));
            self.0.push(next);
        }
    }

    /// What was compared becomes what it was compared with, or its neighbour.
    pub fn turn(&mut self, input: &Input, mismatch: &Mismatch) {
        let Mismatch { first, second, wide } = *mismatch;
        for (old, new) in [(first, second), (second, first)] {
            for wanted in [new, new.wrapping_add(1), new.wrapping_sub(1)] {
                self.replace(input, old, wanted, wide);
            }
        }
        // Two addresses: the packet's end is compared with a place in it.
        let distance = first.wrapping_sub(second).cast_signed();
        if distance.unsigned_abs() <= MOST as u64 {
            let length = i64::try_from(input.data.len()).unwrap_or(0);
            for step in [-1, 0, 1] {
                self.resize(input, length + distance + step);
                self.resize(input, length - distance + step);
            }
        }
    }

    /// Where the input holds `old`, in either byte order, it holds `new`.
    fn replace(&mut self, input: &Input, old: u64, new: u64, wide: bool) {
        for size in [8, 4, 2, 1] {
            if (size == 8 && !wide) || (size < 8 && old >> (8 * size) != 0) {
                continue;
            }
            for big in [false, true] {
                let (old, new) = (encoded(old, size, big), encoded(new, size, big));
                for at in places(&input.data, &old) {
                    let mut data = input.data.clone();
                    data[at..at + size].copy_from_slice(&new);
                    self.data(input, data);
                }
                for (key, value) in &input.entries {
                    for at in places(value, &old) {
                        let mut next = input.clone();
                        if let Some(value) = next.entries.get_mut(key) {
                            value[at..at + size].copy_from_slice(&new);
                        }
                        self.0.push(next);
                    }
                }
            }
        }
        for (offset, value) in &input.fields {
            if u64::from(*value) == old {
                let mut next = input.clone();
                next.fields.insert(*offset, u32::try_from(new & 0xffff_ffff).unwrap_or(0));
                self.0.push(next);
            }
        }
        for (at, given) in input.numbers.given.iter().enumerate().take(input.numbers.asked()) {
            if u64::from(*given) == old & 0xffff_ffff {
                let mut next = input.clone();
                next.numbers.given[at] = u32::try_from(new & 0xffff_ffff).unwrap_or(0);
                self.0.push(next);
            }
        }
    }

    /// The path was gone to its end and nothing happened: an input that ends
    /// earlier may show it.
    fn at_the_edge(&mut self, input: &Input, trace: &Trace) {
        let length = i64::try_from(input.data.len()).unwrap_or(0);
        for less in [1, 2, 3, 4, 8, 16] {
            self.resize(input, length - less);
        }
        for halves in 1..=5 {
            self.resize(input, length >> halves);
        }
        let addresses = trace.at_fault.iter().flatten().filter(|register| **register > 0xffff);
        for first in addresses.clone() {
            for second in addresses.clone() {
                let distance = first.wrapping_sub(*second).cast_signed();
                if distance != 0 && distance.unsigned_abs() <= MOST as u64 {
                    for step in [-1, 0, 1] {
                        self.resize(input, length + distance + step);
                    }
                }
            }
        }
        for register in trace.at_fault.iter().flatten() {
            for corner in CORNERS {
                self.replace(input, *register, corner, true);
            }
        }
    }

    /// What was loaded becomes a number at which things change.
    fn corners(&mut self, input: &Input, trace: &Trace, random: &mut Random) {
        for _ in 0..6 {
            let Some(loaded) = trace.loads.get(random.below(trace.loads.len())) else { return };
            let length = input.data.len() as u64;
            let corner = match random.below(CORNERS.len() + 4) {
                0 => length,
                1 => length.wrapping_sub(1),
                2 => length / 2,
                at => CORNERS.get(at - 3).copied().unwrap_or_else(|| random.next()),
            };
            let mask = if loaded.size == 8 { u64::MAX } else { (1 << (8 * loaded.size)) - 1 };
            self.replace(input, loaded.value & mask, corner & mask, true);
        }
    }

    /// Any byte is anything.
    fn anything(&mut self, input: &Input, random: &mut Random) {
        if !input.data.is_empty() {
            let mut data = input.data.clone();
            // Headers come first.
            let among = if random.below(2) == 0 { data.len() } else { HEADERS.min(data.len()) };
            let at = random.below(among);
            data[at] = random.next().to_le_bytes()[0];
            self.data(input, data);
        }
        let mut next = input.clone();
        let at = random.below(next.numbers.given.len());
        if let Some(number) = next.numbers.given.get_mut(at)
            && input.numbers.asked() > at
        {
            *number = u32::try_from(random.next() >> 32).unwrap_or(0);
            self.0.push(next);
        }
    }
}

/// The byte that a longer input has at `at`: bytes that differ are told apart where
/// one of them is compared.
fn filling(at: usize) -> u8 {
    at.wrapping_mul(0x9e37_79b1).to_le_bytes()[3]
}

fn encoded(value: u64, size: usize, big: bool) -> Vec<u8> {
    if big {
        value.to_be_bytes()[8 - size..].to_vec()
    } else {
        value.to_le_bytes()[..size].to_vec()
    }
}

/// Where `bytes` holds `wanted`.
fn places(bytes: &[u8], wanted: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows.filter(|(_, window)| *window == wanted).map(|(at, _)| at).take(PLACES).collect()
}
