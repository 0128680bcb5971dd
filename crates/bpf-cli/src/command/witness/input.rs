//! What a program is run over, and what it finds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use kernel_bpf::bytecode::BpfProgram;
use kernel_bpf::bytecode::instruction::{Instruction, Operand};
use kernel_bpf::execution::Platform;
use kernel_bpf::profile::ActiveProfile;

use crate::command::run::frame::{ETH_HLEN, Form};

/// Bytes of a packet or context at the most.
pub const MOST: usize = 2048;

/// The source of all that is arbitrary, the same in every search.
pub struct Random(u64);

impl Random {
    pub const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub fn next(&mut self) -> u64 {
        // The xorshift64* sequence.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`; 0 where there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[7]).collect()
    }
}

/// The numbers that `get_prandom_u32` gives; zeros follow.
#[derive(Debug, Default)]
pub struct Numbers {
    pub given: Vec<u32>,
    at: AtomicUsize,
}

impl Numbers {
    pub fn rewind(&self) {
        self.at.store(0, Ordering::Relaxed);
    }

    /// Those that the last run asked for.
    pub fn used(&self) -> Vec<u32> {
        self.given.iter().copied().take(self.at.load(Ordering::Relaxed)).collect()
    }

    /// How many the last run asked for.
    pub fn asked(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }
}

impl From<Vec<u32>> for Numbers {
    fn from(given: Vec<u32>) -> Self {
        Self { given, at: AtomicUsize::new(0) }
    }
}

impl Clone for Numbers {
    fn clone(&self) -> Self {
        Self::from(self.given.clone())
    }
}

impl PartialEq for Numbers {
    fn eq(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl Platform for Numbers {
    fn random_u32(&self) -> u32 {
        let at = self.at.fetch_add(1, Ordering::Relaxed);
        self.given.get(at).copied().unwrap_or(0)
    }
}

/// All that an execution depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// The packet or the context.
    pub data: Vec<u8>,
    /// Values of maps, by map and key.
    pub entries: BTreeMap<(usize, Vec<u8>), Vec<u8>>,
    /// Fields of the context, by offset.
    pub fields: BTreeMap<u16, u32>,
    pub numbers: Numbers,
}

impl Input {
    /// The inputs to begin with: of lengths that mean something to the program.
    pub fn first(program: &BpfProgram<ActiveProfile>, random: &mut Random) -> Vec<Self> {
        let form = Form::of(program.prog_type());
        let least = if form == Form::Bytes { 0 } else { ETH_HLEN };
        let mut lengths: Vec<usize> = match form {
            Form::Bytes => vec![usize::from(program.prog_type().context().size).clamp(8, MOST)],
            _ => vec![64, 14, 34, 42, 54, 128, 300, 1500],
        };
        if form != Form::Bytes {
            for (_, insn) in program.instructions() {
                if let Instruction::Alu { src: Operand::Imm(imm), .. } = insn
                    && let Ok(length) = usize::try_from(imm)
                    && (least..MOST).contains(&length)
                {
                    lengths.push(length);
                }
            }
        }
        let mut seen = Vec::new();
        lengths.retain(|length| {
            let new = !seen.contains(length);
            seen.push(*length);
            new
        });
        lengths.truncate(24);
        let random_input = |length: &usize| Self {
            data: random.bytes(*length),
            entries: BTreeMap::new(),
            fields: BTreeMap::new(),
            numbers: Numbers::from(vec![0; 8]),
        };
        lengths.iter().map(random_input).collect()
    }

    /// The same with zeros for data.
    pub fn of_zeros(&self) -> Self {
        Self { data: vec![0; self.data.len()], ..self.clone() }
    }

    /// A simpler input, the first, second and so on of those there are: without
    /// an entry or a field, shorter, or with zeros.
    pub fn simpler(&self, which: usize) -> Option<Self> {
        /// Of what can be cut off, all, then halves, quarters and so on, by powers.
        const CUTS: [u32; 24] =
            [0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 7, 16, 16];
        const ENTRIES: usize = 8;
        const FIELDS: usize = 4;
        const VALUES: usize = 16;
        let mut next = self.clone();
        if which < ENTRIES {
            if let Some(key) = self.entries.keys().nth(which).cloned() {
                next.entries.remove(&key);
            }
            return Some(next);
        }
        if which < ENTRIES + FIELDS {
            if let Some(key) = self.fields.keys().nth(which - ENTRIES).copied() {
                next.fields.remove(&key);
            }
            return Some(next);
        }
        let cut = which - ENTRIES - FIELDS;
        if let Some(power) = CUTS.get(cut) {
            let most = self.data.len().saturating_sub(ETH_HLEN);
            let piece = (most >> power).max(1).min(most);
            next.data.truncate(self.data.len() - piece);
            return Some(next);
        }
        let at = cut - CUTS.len();
        // The values of entries.
        if at < VALUES {
            let mut bytes = next.entries.values_mut().flat_map(|value| value.chunks_mut(8));
            if let Some(bytes) = bytes.nth(at) {
                bytes.fill(0);
            }
            return Some(next);
        }
        let at = at - VALUES;
        // Pieces of eight bytes first, then each byte.
        let pieces = self.data.len().div_ceil(8);
        let range = if at < pieces {
            at * 8..(at * 8 + 8).min(self.data.len())
        } else {
            let byte = at - pieces;
            byte..byte + 1
        };
        next.data.get_mut(range)?.fill(0);
        Some(next)
    }
}
