//! Captures: reading, and writing what was let through.
//!
//! Both formats are read here in full, as nothing in a capture may stop the
//! tool: not a frame longer than the header's snapshot length, which is common,
//! nor bytes that are no capture at all.

mod classic;
mod ng;
mod scan;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

use scan::Order;

/// Link type of Ethernet.
const ETHERNET: u32 = 1;
/// What is said of bytes that are of no known form.
const NO_CAPTURE: &str = "neither a pcap nor a pcapng capture";
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// One frame of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Nanoseconds since the capture's epoch.
    pub timestamp_ns: u64,
    /// The bytes that were captured.
    pub data: Vec<u8>,
}

/// The frames of a capture, in `pcap` or `pcapng` format.
pub fn read(path: &Path) -> Result<Vec<Packet>> {
    let name = path.display();
    let bytes = fs::read(path).with_context(|| format!("{name}"))?;
    parse(&bytes).with_context(|| format!("{name}"))
}

fn parse(bytes: &[u8]) -> Result<Vec<Packet>> {
    let Some(magic) = Order::Little.u32(bytes, 0) else { bail!(NO_CAPTURE) };
    match magic {
        ng::SECTION_HEADER => ng::parse(bytes),
        classic::MICROSECONDS => classic::parse(bytes, Order::Little, 1000),
        classic::NANOSECONDS => classic::parse(bytes, Order::Little, 1),
        _ if magic.swap_bytes() == classic::MICROSECONDS => classic::parse(bytes, Order::Big, 1000),
        _ if magic.swap_bytes() == classic::NANOSECONDS => classic::parse(bytes, Order::Big, 1),
        _ => bail!(NO_CAPTURE),
    }
}

/// Refuses what is not Ethernet.
fn check_link(link: u32) -> Result<()> {
    if link != ETHERNET {
        bail!("captured on link type {link}; programs want Ethernet frames (1)");
    }
    Ok(())
}

/// A capture of Ethernet frames with time stamps in nanoseconds.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    /// Its name, for errors.
    name: String,
}

impl Writer {
    /// Creates the file, or empties it.
    pub fn create(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = BufWriter::new(File::create(path).with_context(|| name.clone())?);
        let mut writer = Self { file, name };
        // Version 2.4, no time zone; frames of any length.
        for word in [classic::NANOSECONDS, 2 | 4 << 16, 0, 0, 0x7fff_ffff, ETHERNET] {
            writer.put(&word.to_le_bytes())?;
        }
        Ok(writer)
    }

    /// Appends a frame.
    pub fn write(&mut self, timestamp_ns: u64, data: &[u8]) -> Result<()> {
        let length = u32::try_from(data.len())?;
        let seconds = u32::try_from(timestamp_ns / SECOND)
            .context("a capture in `pcap` format has no time stamps after 2106")?;
        let fraction = u32::try_from(timestamp_ns % SECOND)?;
        for word in [seconds, fraction, length, length] {
            self.put(&word.to_le_bytes())?;
        }
        self.put(data)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).with_context(|| self.name.clone())
    }

    /// Writes what is still buffered; errors would else go unnoticed.
    pub fn finish(mut self) -> Result<()> {
        self.file.flush().with_context(|| self.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back() {
        let path = std::env::temp_dir().join(format!("kbpf-packets-{}.pcap", std::process::id()));
        let packets = [
            Packet { timestamp_ns: 0, data: Vec::new() },
            Packet { timestamp_ns: 1_700_000_000_123_456_789, data: vec![1, 2, 3] },
        ];
        let mut writer = Writer::create(&path).unwrap();
        for packet in &packets {
            writer.write(packet.timestamp_ns, &packet.data).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(read(&path).unwrap(), packets);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_time_that_the_format_lacks_is_named() {
        let path = std::env::temp_dir().join(format!("kbpf-late-{}.pcap", std::process::id()));
        let error = Writer::create(&path).unwrap().write(u64::MAX, &[]).unwrap_err();
        assert!(error.to_string().contains("after 2106"), "{error}");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        for bytes in [&b""[..], b"abc", b"no capture at all, by no means"] {
            assert!(parse(bytes).is_err());
        }
    }
}
