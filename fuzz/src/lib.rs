//! Oracles: what must hold for any bytes whatsoever.
//!
//! Each module has a function `check` that takes arbitrary bytes, makes input
//! of its kind from them, and panics where something that must hold does not.
//! The fuzz targets call nothing else, and so do the tests and the driver, which
//! need no fuzzer.

pub mod differential;
pub mod input;
pub mod kernel;
pub mod loader;
pub mod maps;
pub mod mutate;
mod place;
pub mod program;
mod reference;
pub mod soundness;
pub mod text;
pub mod verifier;

/// An oracle.
pub type Check = fn(&[u8]);

/// Every oracle, under the name of its fuzz target.
pub const CHECKS: [(&str, Check); 7] = [
    ("decode_text", text::check),
    ("loader", loader::check),
    ("verifier", verifier::check),
    ("differential", differential::check),
    ("soundness", soundness::check),
    ("kernel", kernel::check),
    ("maps", maps::check),
];
