//! The packets of a capture that is linked into the image (pcap, little-endian).

/// A packet and when it was seen.
pub struct Packet<'d> {
    /// Nanoseconds since the epoch.
    pub time_ns: u64,
    /// The frame, as far as it was captured.
    pub data: &'d [u8],
}

/// Magic numbers of captures whose times have microseconds and nanoseconds.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Bytes of the file's header and of a packet's.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;

/// The packets of `capture`, up to the first that is not whole. None where it
/// is no capture.
pub fn packets(capture: &[u8]) -> Option<impl Iterator<Item = Packet<'_>>> {
    let unit = match word(capture, 0)? {
        MICROSECONDS => 1000,
        NANOSECONDS => 1,
        _ => return None,
    };
    let mut rest = capture.get(FILE_HEADER..)?;
    Some(core::iter::from_fn(move || {
        let (seconds, fraction) = (word(rest, 0)?, word(rest, 4)?);
        let length = usize::try_from(word(rest, 8)?).ok()?;
        let data = rest.get(PACKET_HEADER..)?.get(..length)?;
        rest = &rest[PACKET_HEADER + length..];
        Some(Packet {
            time_ns: u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit,
            data,
        })
    }))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
