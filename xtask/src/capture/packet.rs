//! Building of packets, from the inside out: each function puts its header
//! before what it is given.

/// Types of what an Ethernet header is followed by.
pub mod ether {
    pub const IPV4: u16 = 0x0800;
    pub const ARP: u16 = 0x0806;
    pub const VLAN: u16 = 0x8100;
    pub const IPV6: u16 = 0x86DD;
    pub const QINQ: u16 = 0x88A8;
    pub const LLDP: u16 = 0x88CC;
}

/// IP protocol numbers.
pub mod protocol {
    pub const HOPOPTS: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const IGMP: u8 = 2;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const ICMPV6: u8 = 58;
    pub const SCTP: u8 = 132;
}

/// TCP flags.
pub mod flag {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
}

/// The more-fragments bit of the IPv4 fragment field.
pub const MORE_FRAGMENTS: u16 = 0x2000;

pub type V4 = [u8; 4];
pub type V6 = [u8; 16];

/// The two ends of a packet's way.
#[derive(Clone, Copy)]
pub enum Hosts {
    V4(V4, V4),
    V6(V6, V6),
}

impl Hosts {
    pub fn reversed(self) -> Self {
        match self {
            Self::V4(source, destination) => Self::V4(destination, source),
            Self::V6(source, destination) => Self::V6(destination, source),
        }
    }

    /// Sum of the pseudo header that transport checksums cover.
    fn pseudo_sum(self, protocol: u8, length: usize) -> u32 {
        let addresses = match self {
            Self::V4(source, destination) => sum(&source) + sum(&destination),
            Self::V6(source, destination) => sum(&source) + sum(&destination),
        };
        addresses + u32::from(protocol) + u32::from(short(length))
    }
}

/// An address in `2001:db8::/32`.
pub fn v6(subnet: u16, host: u16) -> V6 {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0x20, 0x01, 0x0D, 0xB8]);
    address[6..8].copy_from_slice(&subnet.to_be_bytes());
    address[14..].copy_from_slice(&host.to_be_bytes());
    address
}

pub fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Sum of big-endian 16-bit words, as internet checksums use it.
fn sum(bytes: &[u8]) -> u32 {
    bytes
        .chunks(2)
        .map(|pair| (u32::from(pair[0]) << 8) | pair.get(1).map_or(0, |&low| u32::from(low)))
        .sum()
}

fn checksum(mut sum: u32) -> [u8; 2] {
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap_or(0)).to_be_bytes()
}

pub fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    ethernet_to([0x02, 0, 0, 0, 0, 0x01], kind, payload)
}

pub fn ethernet_to(destination: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = destination.to_vec();
    out.extend([0x02, 0, 0, 0, 0, 0x02]);
    out.extend(kind.to_be_bytes());
    out.extend(payload);
    out
}

/// A tag for `vlan`, for use as the payload of type [`ether::VLAN`] or
/// [`ether::QINQ`].
pub fn tag(vlan: u16, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vlan.to_be_bytes().to_vec();
    out.extend(kind.to_be_bytes());
    out.extend(payload);
    out
}

/// IPv4 with `options` (a multiple of four bytes) and the fragment field.
pub fn ipv4_full(
    (source, destination): (V4, V4),
    protocol: u8,
    fragment: u16,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header = 20 + options.len();
    let mut out = vec![0x40 | u8::try_from(header / 4).unwrap_or(5), 0];
    out.extend(short(header + payload.len()).to_be_bytes());
    out.extend([0x1B, 0xAD]);
    out.extend(fragment.to_be_bytes());
    out.extend([64, protocol, 0, 0]);
    out.extend(source);
    out.extend(destination);
    out.extend(options);
    let check = checksum(sum(&out));
    out[10..12].copy_from_slice(&check);
    out.extend(payload);
    out
}

pub fn ipv4(source: V4, destination: V4, protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_full((source, destination), protocol, 0, &[], payload)
}

pub fn ipv6(source: V6, destination: V6, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend(short(payload.len()).to_be_bytes());
    out.extend([next, 64]);
    out.extend(source);
    out.extend(destination);
    out.extend(payload);
    out
}

/// An Ethernet frame with the transport packet `payload`.
pub fn frame(hosts: Hosts, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match hosts {
        Hosts::V4(source, destination) => {
            ethernet(ether::IPV4, &ipv4(source, destination, protocol, payload))
        }
        Hosts::V6(source, destination) => {
            ethernet(ether::IPV6, &ipv6(source, destination, protocol, payload))
        }
    }
}

pub fn udp(hosts: Hosts, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut out = ports.0.to_be_bytes().to_vec();
    out.extend(ports.1.to_be_bytes());
    out.extend(short(8 + payload.len()).to_be_bytes());
    out.extend([0, 0]);
    out.extend(payload);
    let check = checksum(sum(&out) + hosts.pseudo_sum(protocol::UDP, out.len()));
    // A sum of zero is sent as its complement: zero means none was made.
    let check = if check == [0, 0] { [0xFF, 0xFF] } else { check };
    out[6..8].copy_from_slice(&check);
    out
}

/// A TCP segment's numbers.
#[derive(Clone, Copy)]
pub struct Segment {
    pub ports: (u16, u16),
    pub sequence: u32,
    pub acknowledged: u32,
    pub flags: u8,
}

pub fn tcp(hosts: Hosts, segment: Segment, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = segment.ports.0.to_be_bytes().to_vec();
    out.extend(segment.ports.1.to_be_bytes());
    out.extend(segment.sequence.to_be_bytes());
    out.extend(segment.acknowledged.to_be_bytes());
    out.push(u8::try_from((20 + options.len()) / 4).unwrap_or(5) << 4);
    out.push(segment.flags);
    out.extend(0xFAF0u16.to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend(options);
    out.extend(payload);
    let check = checksum(sum(&out) + hosts.pseudo_sum(protocol::TCP, out.len()));
    out[16..18].copy_from_slice(&check);
    out
}

/// `ICMP` or `ICMPv6`, by the kind of addresses.
pub fn icmp(hosts: Hosts, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, code, 0, 0];
    out.extend(rest);
    let pseudo = match hosts {
        Hosts::V4(..) => 0,
        Hosts::V6(..) => hosts.pseudo_sum(protocol::ICMPV6, out.len()),
    };
    let check = checksum(sum(&out) + pseudo);
    out[2..4].copy_from_slice(&check);
    out
}

/// An ARP packet for IPv4 over Ethernet: `operation` 1 asks, 2 answers.
pub fn arp(operation: u16, sender: V4, target: V4) -> Vec<u8> {
    let mut out = vec![0, 1, 8, 0, 6, 4];
    out.extend(operation.to_be_bytes());
    out.extend([0x02, 0, 0, 0, 0, 0x02]);
    out.extend(sender);
    out.extend([0; 6]);
    out.extend(target);
    out
}
