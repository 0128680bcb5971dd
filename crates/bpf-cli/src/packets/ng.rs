//! The `pcapng` format.

use anyhow::{Context, Result, bail};

use super::scan::{Order, part};
use super::{Packet, SECOND, check_link};

/// Type of the block that begins a section, the same in both orders.
pub const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// What stands behind a section's length and tells the order.
const ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Bytes of a block that are not its body.
const FRAME: usize = 12;
/// Options of an interface: the unit of its time stamps, and its epoch.
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
/// The unit where none is given: microseconds.
const MICROSECONDS: u8 = 6;

/// How an interface's packets are to be read.
#[derive(Clone, Copy, Debug)]
struct Interface {
    snap_len: usize,
    resolution: u8,
    /// Seconds to add.
    epoch: u64,
}

/// The frames of a capture.
pub fn parse(bytes: &[u8]) -> Result<Vec<Packet>> {
    let mut order = Order::Little;
    let mut interfaces = Vec::new();
    let mut packets = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let broken = || format!("malformed block at byte {at}");
        if Order::Little.u32(bytes, at) == Some(SECTION_HEADER) {
            order = section_order(bytes, at).with_context(broken)?;
            interfaces.clear();
        }
        let (kind, body, next) = block(bytes, at, order).with_context(broken)?;
        match kind {
            INTERFACE => {
                let link = order.u16(body, 0).with_context(broken)?;
                check_link(link.into())?;
                interfaces.push(interface(body, order).with_context(broken)?);
            }
            ENHANCED_PACKET | PACKET | SIMPLE_PACKET => {
                packets.push(packet(kind, body, order, &interfaces).with_context(broken)?);
            }
            _ => {}
        }
        at = next;
    }
    Ok(packets)
}

fn section_order(bytes: &[u8], at: usize) -> Result<Order> {
    match Order::Little.u32(bytes, at + 8) {
        Some(ORDER_MAGIC) => Ok(Order::Little),
        Some(magic) if magic.swap_bytes() == ORDER_MAGIC => Ok(Order::Big),
        _ => bail!("no byte order"),
    }
}

/// The block at `at`: type, body, and where the next one begins.
fn block(bytes: &[u8], at: usize, order: Order) -> Option<(u32, &[u8], usize)> {
    let kind = order.u32(bytes, at)?;
    let len = order.size(bytes, at + 4)?;
    let whole = part(bytes, at, len)?;
    let body = part(whole, 8, len.checked_sub(FRAME)?)?;
    Some((kind, body, at + len.checked_next_multiple_of(4)?))
}

fn interface(body: &[u8], order: Order) -> Option<Interface> {
    let snap_len = order.size(body, 4)?;
    let mut found = Interface { snap_len, resolution: MICROSECONDS, epoch: 0 };
    let mut at = 8;
    while let (Some(code), Some(len)) = (order.u16(body, at), order.u16(body, at + 2)) {
        let value = part(body, at + 4, len.into())?;
        match (code, value) {
            (0, _) => break,
            (IF_TSRESOL, [resolution]) => found.resolution = *resolution,
            // A 64-bit number in the section's order.
            (IF_TSOFFSET, [_, _, _, _, _, _, _, _]) => {
                let (first, second) = (order.u32(value, 0)?, order.u32(value, 4)?);
                let (low, high) = match order {
                    Order::Little => (first, second),
                    Order::Big => (second, first),
                };
                found.epoch = u64::from(high) << 32 | u64::from(low);
            }
            _ => {}
        }
        at += 4 + usize::from(len).next_multiple_of(4);
    }
    Some(found)
}

fn packet(kind: u32, body: &[u8], order: Order, interfaces: &[Interface]) -> Option<Packet> {
    if kind == SIMPLE_PACKET {
        let len = order.size(body, 0)?;
        let kept = match interfaces.first()?.snap_len {
            0 => len,
            limit => len.min(limit),
        };
        return Some(Packet { timestamp_ns: 0, data: part(body, 4, kept)?.to_vec() });
    }
    let number = match kind {
        PACKET => order.u16(body, 0)?.into(),
        _ => order.size(body, 0)?,
    };
    let interface = interfaces.get(number)?;
    let timestamp_ns = interface.nanoseconds(order.halves(body, 4)?);
    let data = part(body, 20, order.size(body, 12)?)?.to_vec();
    Some(Packet { timestamp_ns, data })
}

impl Interface {
    /// A time stamp in the interface's unit as nanoseconds.
    fn nanoseconds(&self, stamp: u64) -> u64 {
        let (stamp, second) = (u128::from(stamp), u128::from(SECOND));
        let exponent = u32::from(self.resolution & 0x7f);
        let since = if self.resolution & 0x80 == 0 {
            10_u128.checked_pow(exponent).map_or(0, |units| stamp * second / units)
        } else {
            (stamp * second) >> exponent
        };
        let epoch = u128::from(self.epoch) * second;
        u64::try_from(epoch + since).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_of(kind: u32, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + FRAME).unwrap();
        let parts = [&kind.to_le_bytes()[..], &len.to_le_bytes(), body, &len.to_le_bytes()];
        parts.concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn section() -> Vec<u8> {
        block_of(SECTION_HEADER, &words(&[ORDER_MAGIC, 1, u32::MAX, u32::MAX]))
    }

    #[test]
    fn stamps_are_in_the_unit_of_their_interface() {
        let mut capture = section();
        capture.extend(block_of(INTERFACE, &words(&[1, 0])));
        // Nanoseconds; the option's value is padded to a word.
        capture.extend(block_of(INTERFACE, &words(&[1, 0, 9 | 1 << 16, 9, 0])));
        for interface in 0..2 {
            let body = words(&[interface, 0, 5, 4, 4, 0x0403_0201]);
            capture.extend(block_of(ENHANCED_PACKET, &body));
        }
        capture.extend(block_of(SIMPLE_PACKET, &words(&[4, 0x0403_0201])));
        let packets = parse(&capture).unwrap();
        let stamps: Vec<u64> = packets.iter().map(|packet| packet.timestamp_ns).collect();
        assert_eq!(stamps, [5_000, 5, 0]);
        assert!(packets.iter().all(|packet| packet.data == [1, 2, 3, 4]));
    }

    #[test]
    fn a_cut_capture_is_refused_or_ends_at_a_block() {
        let mut capture = section();
        let header = capture.len();
        capture.extend(block_of(INTERFACE, &words(&[1, 0])));
        let interface = capture.len();
        capture.extend(block_of(ENHANCED_PACKET, &words(&[0, 0, 5, 4, 4, 7])));
        for len in 1..capture.len() {
            let whole = len == header || len == interface;
            assert_eq!(parse(&capture[..len]).is_ok(), whole, "{len}");
        }
    }

    #[test]
    fn units_from_seconds_to_less_than_nanoseconds() {
        let unit = |resolution| Interface { snap_len: 0, resolution, epoch: 1 };
        assert_eq!(unit(0).nanoseconds(2), 3 * SECOND);
        assert_eq!(unit(12).nanoseconds(5_000), SECOND + 5);
        assert_eq!(unit(0x80 | 1).nanoseconds(1), SECOND + SECOND / 2);
        assert_eq!(unit(0x7f).nanoseconds(u64::MAX), SECOND);
    }
}
