//! `cargo xtask capture`: writes the example packet capture.

use std::ffi::OsString;

use anyhow::{Result, bail};

/// Writes `examples/captures/traffic.pcap`.
pub fn run(_args: Vec<OsString>) -> Result<()> {
    bail!("`capture` is not written yet");
}
