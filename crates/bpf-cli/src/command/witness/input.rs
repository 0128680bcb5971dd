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

impl Clone for Numbers {
    fn clone(&self) -> Self {
        Self { given: self.given.clone(), at: AtomicUsize::new(0) }
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
    pub numbers: Numbers,
}

impl Input {
    /// The inputs to begin with: of lengths that mean something to the program.
    pub fn first(
        form: Form,
        program: &BpfProgram<ActiveProfile>,
        random: &mut Random,
    ) -> Vec<Self> {
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
            numbers: Numbers { given: vec![0; 8], at: AtomicUsize::new(0) },
        };
        lengths.iter().map(random_input).collect()
    }

    /// A simpler input, the first, second and so on of those there are: without
    /// an entry, shorter, or with zeros.
    pub fn simpler(&self, which: usize) -> Option<Self> {
        const CUTS: usize = 24;
        let mut next = self.clone();
        let entries = 8;
        if which < entries {
            if let Some(key) = self.entries.keys().nth(which).cloned() {
                next.entries.remove(&key);
            }
            return Some(next);
        }
        let cut = which - entries;
        if cut < CUTS {
            // Ever smaller pieces off the end, then single bytes.
            let piece = (self.data.len() >> (cut + 1)).max(1);
            let length = self.data.len().saturating_sub(piece).max(ETH_HLEN.min(self.data.len()));
            next.data.truncate(length);
            return Some(next);
        }
        let at = cut - CUTS;
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
