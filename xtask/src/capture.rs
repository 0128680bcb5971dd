//! `cargo xtask capture`: writes the example packet capture.
//!
//! The traffic is made up, and the same on every run: addresses are those
//! reserved for documentation and private networks, payloads come from a fixed
//! seed.

mod packet;
mod scenes;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lexopt::prelude::*;

const HELP: &str = "\
Writes examples/captures/traffic.pcap: several hundred Ethernet frames of many
kinds, the same on every run.

USAGE: cargo xtask capture [OPTIONS]

OPTIONS:
    --check        Write nothing; fail where the committed capture differs
    --out PATH     Write there instead
";

/// Bytes of a frame that the capture keeps.
const SNAP_LENGTH: usize = 1536;

/// Link type of Ethernet in the capture's header.
const LINK_TYPE_ETHERNET: u32 = 1;

/// A frame, and when it came.
pub struct Frame {
    /// Microseconds since the capture began.
    pub time_us: u64,
    /// What was captured, from the Ethernet header on, without checksum.
    pub bytes: Vec<u8>,
    /// Length on the wire, where the capture cut the frame off.
    pub wire_length: usize,
}

/// Writes `examples/captures/traffic.pcap`.
pub fn run(args: Vec<OsString>) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no repository root")?;
    let mut out = root.join("examples/captures/traffic.pcap");
    let mut check = false;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("check") => check = true,
            Long("out") => out = parser.value()?.into(),
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let frames = scenes::all();
    let bytes = pcap(&frames);
    if check {
        let old = fs::read(&out).with_context(|| out.display().to_string())?;
        ensure!(old == bytes, "{} differs; run `cargo xtask capture`", out.display());
        return Ok(());
    }
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&out, &bytes)?;
    println!("{}: {} frames, {} bytes", out.display(), frames.len(), bytes.len());
    Ok(())
}

/// The capture file: a header of 24 bytes, then each frame behind 16 bytes.
fn pcap(frames: &[Frame]) -> Vec<u8> {
    /// 2026-01-01T00:00:00Z, in seconds since the epoch.
    const BEGIN: u64 = 1_767_225_600;
    const MICROSECONDS: u32 = 0xA1B2_C3D4;

    let mut out = Vec::new();
    out.extend(MICROSECONDS.to_le_bytes());
    out.extend(2u16.to_le_bytes());
    out.extend(4u16.to_le_bytes());
    out.extend([0; 8]);
    out.extend(word(SNAP_LENGTH));
    out.extend(LINK_TYPE_ETHERNET.to_le_bytes());
    for frame in frames {
        let kept = frame.bytes.get(..SNAP_LENGTH).unwrap_or(&frame.bytes);
        let seconds = u32::try_from(BEGIN + frame.time_us / 1_000_000).unwrap_or(u32::MAX);
        let micros = u32::try_from(frame.time_us % 1_000_000).unwrap_or(0);
        out.extend(seconds.to_le_bytes());
        out.extend(micros.to_le_bytes());
        out.extend(word(kept.len()));
        out.extend(word(frame.wire_length.max(kept.len())));
        out.extend(kept);
    }
    out
}

fn word(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}
