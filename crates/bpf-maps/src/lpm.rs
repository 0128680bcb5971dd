//! Longest-prefix match.

mod map;
mod prefix;
mod trie;

pub use map::LpmTrie;
