//! From an input that goes far to one that goes farther, byte by byte.
//!
//! A branch that went the wrong way says by how much: the distance of what it
//! compared. An access that was reached and held says how far it lay from where
//! its address began. Each byte that changes this number is given the value
//! that is best, one byte after the other, until none gets better.

use super::input::Input;
use super::trace::Trace;
use super::{Search, Shown};

/// Bytes of packet and context that are tried.
const DATA: usize = 160;
/// Bytes of a map's value that are tried.
const VALUE: usize = 64;
/// How often all bytes are gone over.
const ROUNDS: usize = 3;

/// How far an execution came: the farther, the greater.
pub type Height = (usize, bool, std::cmp::Reverse<u64>);

/// Which way an access is to leave its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// How far `trace` came.
pub fn height(trace: &Trace, way: Way) -> Height {
    let (matched, reached) = trace.progress();
    let distance = match (&trace.mismatch, trace.offset) {
        (Some(mismatch), _) => {
            mismatch.first.wrapping_sub(mismatch.second).cast_signed().unsigned_abs()
        }
        (None, Some(offset)) => {
            let up = i64::MAX.abs_diff(offset);
            if way == Way::Up { up } else { u64::MAX - up }
        }
        (None, None) => u64::MAX,
    };
    (matched, reached, std::cmp::Reverse(distance))
}

/// A byte that an execution depends on.
#[derive(Clone, Debug)]
enum Place {
    Data(usize),
    /// Of a field of the context.
    Field(u16, u32),
    /// Of a map's value.
    Value((usize, Vec<u8>), usize),
    /// Of what `get_prandom_u32` gives.
    Number(usize, u32),
}

impl Place {
    fn all(input: &Input, trace: &Trace) -> Vec<Self> {
        let fields = trace.fields.iter().flat_map(|at| (0..4).map(|byte| Self::Field(*at, byte)));
        let values = input.entries.iter().flat_map(|(key, value)| {
            (0..value.len().min(VALUE)).map(|byte| Self::Value(key.clone(), byte))
        });
        let asked = input.numbers.asked().min(input.numbers.given.len());
        let numbers = (0..asked).flat_map(|at| (0..4).map(move |byte| Self::Number(at, byte)));
        let data = (0..input.data.len().min(DATA)).map(Self::Data);
        fields.chain(values).chain(numbers).chain(data).collect()
    }

    fn get(&self, input: &Input) -> u8 {
        let byte_of = |word: u32, byte: u32| word.to_le_bytes().get(byte as usize).copied();
        let byte = match self {
            Self::Data(at) => input.data.get(*at).copied(),
            Self::Field(at, byte) => byte_of(input.fields.get(at).copied().unwrap_or(0), *byte),
            Self::Value(key, byte) => input.entries.get(key).and_then(|v| v.get(*byte).copied()),
            Self::Number(at, byte) => {
                input.numbers.given.get(*at).and_then(|word| byte_of(*word, *byte))
            }
        };
        byte.unwrap_or(0)
    }

    fn with(&self, input: &Input, value: u8) -> Input {
        let mut next = input.clone();
        let put = |word: &mut u32, byte: u32| {
            *word = *word & !(0xff << (8 * byte)) | u32::from(value) << (8 * byte);
        };
        match self {
            Self::Data(at) => next.data[*at] = value,
            Self::Field(at, byte) => put(next.fields.entry(*at).or_insert(0), *byte),
            Self::Value(key, byte) => {
                if let Some(bytes) = next.entries.get_mut(key) {
                    bytes[*byte] = value;
                }
            }
            Self::Number(at, byte) => put(&mut next.numbers.given[*at], *byte),
        }
        next
    }
}

/// What a descent came to.
pub enum Reached {
    /// An input on which the program goes wrong.
    Wrong(Input, Shown),
    /// An input that goes farther.
    Farther(Input, Box<Trace>),
    /// Nothing.
    Same,
}

/// Changes `input` byte by byte, as long as `patient`.
pub fn descend(
    search: &mut Search<'_>,
    (input, trace): (&Input, &Trace),
    way: Way,
    patient: impl Fn() -> bool,
) -> Reached {
    let mut best = (height(trace, way), input.clone(), None);
    let mut places = Place::all(input, trace);
    for round in 0..ROUNDS {
        let before = best.0;
        // What changes nothing at first is not looked at again.
        let mut moved = Vec::new();
        for place in &places {
            let old = place.get(&best.1);
            let probes = [old ^ 1, old ^ 0x80, old ^ 0x10];
            let mut depends = round > 0;
            for (tried, value) in probes.into_iter().chain(0..=255).enumerate() {
                if tried == probes.len() && !depends {
                    break;
                }
                if !patient() {
                    return end(best, input);
                }
                let next = place.with(&best.1, value);
                let Some((trace, shown)) = search.run(&next) else { return Reached::Same };
                if let Some(shown) = shown {
                    return Reached::Wrong(next, shown);
                }
                let reached = height(&trace, way);
                depends |= reached != best.0;
                if reached > best.0 {
                    best = (reached, next, Some(Box::new(trace)));
                }
            }
            if depends {
                moved.push(place.clone());
            }
        }
        places = moved;
        if best.0 == before {
            break;
        }
    }
    end(best, input)
}

fn end(best: (Height, Input, Option<Box<Trace>>), from: &Input) -> Reached {
    match best {
        (_, input, Some(trace)) if input != *from => Reached::Farther(input, trace),
        _ => Reached::Same,
    }
}
