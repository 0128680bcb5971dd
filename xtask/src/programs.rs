//! `cargo xtask programs`: rebuilds the example objects from their C sources.

use std::ffi::OsString;

use anyhow::{Result, bail};

/// Rebuilds `examples/programs/*.o` and the flat images beside them.
pub fn run(_args: Vec<OsString>) -> Result<()> {
    bail!("`programs` is not written yet");
}
