//! The `pcap` format.

use anyhow::{Context, Result};

use super::scan::{Order, part};
use super::{Packet, SECOND, check_link};

/// First word of a capture with time stamps in microseconds.
pub const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// First word of a capture with time stamps in nanoseconds.
pub const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Bytes of the header, and of a frame's.
const HEADER: usize = 24;
const RECORD: usize = 16;

/// The frames of a capture whose time stamps have fractions of `unit`
/// nanoseconds.
pub fn parse(bytes: &[u8], order: Order, unit: u64) -> Result<Vec<Packet>> {
    let link = order.u32(bytes, 20).context("the capture ends in its header")?;
    // What is above is about checksums.
    check_link(link & 0xffff)?;
    let mut packets = Vec::new();
    let mut at = HEADER;
    while at < bytes.len() {
        let (packet, next) = record(bytes, at, order, unit)
            .with_context(|| format!("the capture ends in frame {}", packets.len()))?;
        packets.push(packet);
        at = next;
    }
    Ok(packets)
}

/// The frame at `at`, and where the next one begins.
fn record(bytes: &[u8], at: usize, order: Order, unit: u64) -> Option<(Packet, usize)> {
    let seconds = u64::from(order.u32(bytes, at)?);
    let fraction = u64::from(order.u32(bytes, at + 4)?);
    let (start, len) = (at + RECORD, order.size(bytes, at + 8)?);
    order.u32(bytes, at + 12)?;
    let data = part(bytes, start, len)?.to_vec();
    let timestamp_ns = seconds * SECOND + fraction * unit;
    Some((Packet { timestamp_ns, data }, start + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(order: Order, words: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in words {
            match order {
                Order::Little => bytes.extend(word.to_le_bytes()),
                Order::Big => bytes.extend(word.to_be_bytes()),
            }
        }
        bytes.extend(data);
        bytes
    }

    #[test]
    fn both_orders_and_units() {
        // The frame was longer than the snapshot length, as is common.
        let words = [MICROSECONDS, 0x0004_0002, 0, 0, 64, 1, 3, 7, 2, 1514];
        for order in [Order::Little, Order::Big] {
            let packets = parse(&capture(order, &words, &[9, 8]), order, 1000).unwrap();
            let expected = Packet { timestamp_ns: 3_000_007_000, data: vec![9, 8] };
            assert_eq!(packets, [expected]);
        }
    }

    #[test]
    fn a_cut_capture_and_another_link_are_refused() {
        let words = [MICROSECONDS, 0x0004_0002, 0, 0, 64, 1, 3, 7, 2, 2];
        let whole = capture(Order::Little, &words, &[9, 8]);
        for len in (0..whole.len()).filter(|len| *len != HEADER) {
            assert!(parse(&whole[..len], Order::Little, 1000).is_err(), "{len}");
        }
        let mut wireless = whole.clone();
        wireless[20] = 105;
        assert!(parse(&wireless, Order::Little, 1000).is_err());
    }
}
