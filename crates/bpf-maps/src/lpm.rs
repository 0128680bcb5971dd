//! Longest-prefix match.

mod bits;
mod map;
mod prefix;
mod trie;

pub use map::LpmTrie;
