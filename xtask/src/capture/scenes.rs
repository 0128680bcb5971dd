//! What happens in the capture: scenes that overlap in time.

use super::Frame;
use super::packet::{
    Hosts, MORE_FRAGMENTS, Segment, V4, arp, ether, ethernet, ethernet_to, flag, frame, icmp, ipv4,
    ipv4_full, ipv6, protocol, tag, tcp, udp, v6,
};

const GATEWAY: V4 = [10, 0, 0, 1];
const RESOLVER: V4 = [10, 0, 0, 53];
const SERVER: V4 = [10, 0, 0, 80];
const BROADCAST: [u8; 6] = [0xFF; 6];

/// Sources that the firewall examples block from the start.
const BLOCKED: [V4; 4] = [[192, 0, 2, 66], [198, 51, 100, 23], [203, 0, 113, 7], [203, 0, 113, 99]];

/// The frames so far, and the source of payloads.
struct Stage {
    frames: Vec<Frame>,
    seed: u64,
}

impl Stage {
    fn put(&mut self, time_us: u64, bytes: Vec<u8>) {
        let wire_length = bytes.len();
        self.frames.push(Frame { time_us, bytes, wire_length });
    }

    /// A frame of which the capture kept `kept` bytes only.
    fn put_cut(&mut self, time_us: u64, mut bytes: Vec<u8>, kept: usize) {
        let wire_length = bytes.len();
        bytes.truncate(kept);
        self.frames.push(Frame { time_us, bytes, wire_length });
    }

    /// `length` bytes that look random and are the same on every run.
    fn payload(&mut self, length: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(length + 8);
        while out.len() < length {
            // A linear congruential generator; its high half is good enough.
            self.seed = self
                .seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            out.extend((self.seed >> 32).to_le_bytes().into_iter().take(4));
        }
        out.truncate(length);
        out
    }
}

/// Every frame of the capture, in order of time.
pub fn all() -> Vec<Frame> {
    let mut stage = Stage { frames: Vec::new(), seed: 0x6B62_7066 };
    neighbours(&mut stage, 0);
    lookups(&mut stage, 10_000);
    connections(&mut stage, 30_000);
    blocked(&mut stage, 120_000);
    pings(&mut stage, 60_000);
    burst(&mut stage, 300_000);
    tagged(&mut stage, 200_000);
    fragments(&mut stage, 400_000);
    version6(&mut stage, 150_000);
    uncommon(&mut stage, 500_000);
    truncated(&mut stage, 600_000);
    malformed(&mut stage, 700_000);
    burst(&mut stage, 1_300_000);
    stage.frames.sort_by_key(|frame| frame.time_us);
    stage.frames
}

fn neighbours(stage: &mut Stage, start: u64) {
    for (at, host) in (0u64..).zip([SERVER, RESOLVER, [10, 0, 0, 77]]) {
        let time = start + at * 1500;
        stage.put(time, ethernet_to(BROADCAST, ether::ARP, &arp(1, host, GATEWAY)));
        stage.put(time + 210, ethernet(ether::ARP, &arp(2, GATEWAY, host)));
    }
}

fn lookups(stage: &mut Stage, start: u64) {
    for at in 0u8..16 {
        let hosts = Hosts::V4([10, 0, 0, 20 + at % 4], RESOLVER);
        let ports = (40_000 + u16::from(at), 53);
        let time = start + u64::from(at) * 17_000;
        let question = stage.payload(28 + usize::from(at % 9));
        stage.put(time, frame(hosts, protocol::UDP, &udp(hosts, ports, &question)));
        let answer = stage.payload(90 + usize::from(at) * 7);
        let back = hosts.reversed();
        let reply = udp(back, (ports.1, ports.0), &answer);
        stage.put(time + 4_000, frame(back, protocol::UDP, &reply));
    }
}

/// A connection from set-up to end, with `exchanges` requests and answers.
fn connection(stage: &mut Stage, start: u64, hosts: Hosts, ports: (u16, u16), exchanges: u32) {
    const MSS_AND_SCALE: [u8; 8] = [2, 4, 0x05, 0xB4, 1, 3, 3, 7];
    let back = hosts.reversed();
    let (mut sent, mut received) = (1000 * u32::from(ports.0), 77_000);
    let mut time = start;
    let mut say =
        |stage: &mut Stage, hosts, flags, numbers: (u32, u32), options: &[u8], data: &[u8]| {
            let forth = matches!(
                (hosts, back),
                (Hosts::V4(a, _), Hosts::V4(_, b)) if a == b
            ) || matches!((hosts, back), (Hosts::V6(a, _), Hosts::V6(_, b)) if a == b);
            let ports = if forth { ports } else { (ports.1, ports.0) };
            let segment = Segment { ports, sequence: numbers.0, acknowledged: numbers.1, flags };
            stage.put(time, frame(hosts, protocol::TCP, &tcp(hosts, segment, options, data)));
            time += 900;
        };
    say(stage, hosts, flag::SYN, (sent, 0), &MSS_AND_SCALE, &[]);
    sent += 1;
    say(stage, back, flag::SYN | flag::ACK, (received, sent), &MSS_AND_SCALE, &[]);
    received += 1;
    say(stage, hosts, flag::ACK, (sent, received), &[], &[]);
    for at in 0..exchanges {
        let request = stage.payload(60 + 13 * at as usize);
        say(stage, hosts, flag::PSH | flag::ACK, (sent, received), &[], &request);
        sent += 60 + 13 * at;
        let answer = stage.payload(1460);
        say(stage, back, flag::ACK, (received, sent), &[], &answer);
        received += 1460;
        say(stage, hosts, flag::ACK, (sent, received), &[], &[]);
    }
    say(stage, hosts, flag::FIN | flag::ACK, (sent, received), &[], &[]);
    say(stage, back, flag::FIN | flag::ACK, (received, sent + 1), &[], &[]);
    say(stage, hosts, flag::ACK, (sent + 1, received + 1), &[], &[]);
}

fn connections(stage: &mut Stage, start: u64) {
    for at in 0u8..6 {
        let hosts = Hosts::V4([10, 0, 1, 10 + at], SERVER);
        let port = if at % 2 == 0 { 443 } else { 80 };
        let from = 50_000 + u16::from(at);
        connection(
            stage,
            start + u64::from(at) * 23_000,
            hosts,
            (from, port),
            2 + u32::from(at % 3),
        );
    }
    // Refused: nobody listens there.
    let hosts = Hosts::V4([10, 0, 1, 30], SERVER);
    let segment = Segment { ports: (50_100, 8081), sequence: 5, acknowledged: 0, flags: flag::SYN };
    stage.put(start + 5_000, frame(hosts, protocol::TCP, &tcp(hosts, segment, &[], &[])));
    let (back, flags) = (hosts.reversed(), flag::RST | flag::ACK);
    let segment = Segment { ports: (8081, 50_100), sequence: 0, acknowledged: 6, flags };
    stage.put(start + 5_120, frame(back, protocol::TCP, &tcp(back, segment, &[], &[])));
}

/// Scans and floods from blocked sources, and from a neighbour that only the
/// longest-prefix rules tell from them.
fn blocked(stage: &mut Stage, start: u64) {
    for at in 0u16..40 {
        let source = BLOCKED[usize::from(at % 4)];
        let hosts = Hosts::V4(source, SERVER);
        let time = start + u64::from(at) * 2_100;
        let packet = if at % 3 == 0 {
            let data = stage.payload(120);
            frame(hosts, protocol::UDP, &udp(hosts, (6000 + at, 123), &data))
        } else {
            let ports = (61_000, 20 + at);
            let segment = Segment { ports, sequence: 1, acknowledged: 0, flags: flag::SYN };
            frame(hosts, protocol::TCP, &tcp(hosts, segment, &[], &[]))
        };
        stage.put(time, packet);
    }
    for host in [10, 11, 200] {
        let hosts = Hosts::V4([203, 0, 113, host], SERVER);
        let data = stage.payload(64);
        let time = start + 50_000 + u64::from(host);
        stage.put(time, frame(hosts, protocol::UDP, &udp(hosts, (4500, 4500), &data)));
    }
    let hosts = Hosts::V4(BLOCKED[0], SERVER);
    let echo = icmp(hosts, 8, 0, &[0, 1, 0, 1, 0xDE, 0xAD]);
    stage.put(start + 60_000, frame(hosts, protocol::ICMP, &echo));
}

fn pings(stage: &mut Stage, start: u64) {
    for at in 0u8..8 {
        let hosts = Hosts::V4([10, 0, 0, 20], GATEWAY);
        let mut rest = vec![0x12, 0x34, 0, at];
        rest.extend(stage.payload(56));
        let time = start + u64::from(at) * 100_000;
        stage.put(time, frame(hosts, protocol::ICMP, &icmp(hosts, 8, 0, &rest)));
        let back = hosts.reversed();
        stage.put(time + 800, frame(back, protocol::ICMP, &icmp(back, 0, 0, &rest)));
    }
    // Port unreachable, quoting a datagram.
    let hosts = Hosts::V4(SERVER, RESOLVER);
    let quoted = Hosts::V4(RESOLVER, SERVER);
    let mut rest = vec![0; 4];
    rest.extend(ipv4(RESOLVER, SERVER, protocol::UDP, &udp(quoted, (53, 9), &[])));
    stage.put(start + 900, frame(hosts, protocol::ICMP, &icmp(hosts, 3, 3, &rest)));
}

/// Sixty datagrams of two sources within a millisecond, far above any rate.
fn burst(stage: &mut Stage, start: u64) {
    for at in 0u8..60 {
        let hosts = Hosts::V4([10, 0, 0, 77 + at % 2], SERVER);
        let data = stage.payload(18 + usize::from(at));
        let packet = udp(hosts, (7000, 514), &data);
        stage.put(start + u64::from(at) * 15, frame(hosts, protocol::UDP, &packet));
    }
}

fn tagged(stage: &mut Stage, start: u64) {
    for at in 0u8..12 {
        let source = if at % 5 == 4 { BLOCKED[2] } else { [10, 0, 2, 5 + at] };
        let hosts = Hosts::V4(source, SERVER);
        let data = stage.payload(40);
        let ip = ipv4(source, SERVER, protocol::UDP, &udp(hosts, (9000, 9001), &data));
        let inner = tag(100 + u16::from(at), ether::IPV4, &ip);
        let packet = match at % 4 {
            0 | 1 => ethernet(ether::VLAN, &inner),
            2 => ethernet(ether::QINQ, &tag(7, ether::VLAN, &inner)),
            // One tag more than the programs look through.
            _ => ethernet(ether::QINQ, &tag(7, ether::VLAN, &tag(8, ether::VLAN, &inner))),
        };
        stage.put(start + u64::from(at) * 7_000, packet);
    }
    let (source, target) = (v6(2, 1), v6(2, 2));
    let hosts = Hosts::V6(source, target);
    let echo = ipv6(source, target, protocol::ICMPV6, &icmp(hosts, 128, 0, &[0, 1, 0, 1]));
    stage.put(start + 400, ethernet(ether::VLAN, &tag(66, ether::IPV6, &echo)));
    let question = tag(66, ether::ARP, &arp(1, SERVER, GATEWAY));
    stage.put(start + 500, ethernet_to(BROADCAST, ether::VLAN, &question));
}

fn fragments(stage: &mut Stage, start: u64) {
    for (at, source) in (0u64..).zip([[10, 0, 0, 21], [10, 0, 0, 22], BLOCKED[1]]) {
        let hosts = Hosts::V4(source, SERVER);
        let data = stage.payload(3000);
        let whole = udp(hosts, (2049, 2049), &data);
        // Offsets count in units of eight bytes.
        for (index, part) in (0u16..).zip(whole.chunks(1480)) {
            let more = if part.len() == 1480 { MORE_FRAGMENTS } else { 0 };
            let field = more | (index * 185);
            let ip = ipv4_full((source, SERVER), protocol::UDP, field, &[], part);
            let time = start + at * 9_000 + u64::from(index) * 12;
            stage.put(time, ethernet(ether::IPV4, &ip));
        }
    }
    let (source, target) = (v6(1, 0x21), v6(1, 0x80));
    let data = stage.payload(1600);
    let whole = udp(Hosts::V6(source, target), (2049, 2049), &data);
    for (index, part) in (0u16..).zip(whole.chunks(1232)) {
        let more = u16::from(part.len() == 1232);
        let mut extension = vec![protocol::UDP, 0];
        extension.extend(((index * 1232) | more).to_be_bytes());
        extension.extend([0, 0, 0xAB, 0xCD]);
        extension.extend(part);
        let ip = ipv6(source, target, protocol::FRAGMENT, &extension);
        stage.put(start + 30_000 + u64::from(index) * 12, ethernet(ether::IPV6, &ip));
    }
}

fn version6(stage: &mut Stage, start: u64) {
    let (client, server) = (v6(1, 0x10), v6(1, 0x80));
    connection(stage, start, Hosts::V6(client, server), (52_000, 443), 3);
    connection(stage, start + 31_000, Hosts::V6(v6(1, 0x11), server), (52_001, 80), 1);
    for at in 0u8..6 {
        let hosts = Hosts::V6(client, v6(1, 0x53));
        let question = stage.payload(31);
        let packet = udp(hosts, (41_000 + u16::from(at), 53), &question);
        stage.put(start + u64::from(at) * 8_000, frame(hosts, protocol::UDP, &packet));
        let hosts = Hosts::V6(client, server);
        let echo = icmp(hosts, 128, 0, &[0, 9, 0, at, 1, 2, 3, 4]);
        stage.put(start + 300 + u64::from(at) * 8_000, frame(hosts, protocol::ICMPV6, &echo));
    }
    // Neighbour solicitation and advertisement.
    let hosts = Hosts::V6(client, server);
    let mut rest = vec![0; 4];
    rest.extend(server);
    stage.put(start + 50, frame(hosts, protocol::ICMPV6, &icmp(hosts, 135, 0, &rest)));
    let back = hosts.reversed();
    stage.put(start + 70, frame(back, protocol::ICMPV6, &icmp(back, 136, 0, &rest)));
    // Behind a hop-by-hop header of one unit, and of three.
    for units in [0u8, 2] {
        let mut extension = vec![protocol::UDP, units, 1, 4];
        extension.resize(8 * (usize::from(units) + 1), 0);
        extension.extend(udp(hosts, (5353, 5353), b"extension"));
        let ip = ipv6(client, server, protocol::HOPOPTS, &extension);
        stage.put(start + 90 + u64::from(units), ethernet(ether::IPV6, &ip));
    }
}

/// Legal, and seldom seen.
fn uncommon(stage: &mut Stage, start: u64) {
    let source = [10, 0, 0, 40];
    let hosts = Hosts::V4(source, SERVER);
    let group = [224, 0, 0, 22];
    let report = icmp(hosts, 0x16, 0, &group);
    let router_alert = [0x94, 4, 0, 0];
    let ip = ipv4_full((source, group), protocol::IGMP, 0, &router_alert, &report);
    stage.put(start, ethernet_to([1, 0, 0x5E, 0, 0, 22], ether::IPV4, &ip));
    let record_route = [&[7, 39, 4][..], &[0; 37]].concat();
    let data = udp(hosts, (3000, 3001), b"forty bytes of options");
    let ip = ipv4_full((source, SERVER), protocol::UDP, 0, &record_route, &data);
    stage.put(start + 1_000, ethernet(ether::IPV4, &ip));
    for (at, number) in (2u64..).zip([protocol::GRE, protocol::SCTP, 253]) {
        let data = stage.payload(32);
        stage.put(start + at * 1_000, ethernet(ether::IPV4, &ipv4(source, SERVER, number, &data)));
    }
    let data = stage.payload(46);
    stage.put(start + 6_000, ethernet_to([1, 0x80, 0xC2, 0, 0, 14], ether::LLDP, &data));
    stage.put(start + 7_000, ethernet(ether::IPV4, &ipv4(source, SERVER, protocol::UDP, &[])));
    // IEEE 802.3: the type field is a length.
    stage.put(start + 8_000, ethernet_to([1, 0x80, 0xC2, 0, 0, 0], 38, &data));
    // Padded to the shortest length that Ethernet permits.
    let mut padded = frame(hosts, protocol::UDP, &udp(hosts, (1, 2), b"pad"));
    padded.resize(60, 0);
    stage.put(start + 9_000, padded);
    // Longer than the capture keeps.
    let data = stage.payload(1700);
    stage.put_cut(start + 9_500, frame(hosts, protocol::UDP, &udp(hosts, (1, 3), &data)), 1536);
}

/// One frame of each kind, cut off at every place where a header ends and
/// within every header.
fn truncated(stage: &mut Stage, start: u64) {
    let hosts = Hosts::V4([10, 0, 0, 41], SERVER);
    let hosts6 = Hosts::V6(v6(1, 0x41), v6(1, 0x80));
    let segment = Segment { ports: (1024, 25), sequence: 1, acknowledged: 0, flags: flag::SYN };
    let v4 = frame(hosts, protocol::TCP, &tcp(hosts, segment, &[], &[]));
    let v6 = frame(hosts6, protocol::UDP, &udp(hosts6, (1024, 25), b"data"));
    let tagged = ethernet(ether::VLAN, &tag(5, ether::IPV4, &v4[14..]));
    let mut time = start;
    for kept in [0, 1, 6, 13, 14, 15, 23, 33, 34, 35, 37, 38, 41, 47, 53] {
        stage.put_cut(time, v4.clone(), kept);
        time += 700;
    }
    for kept in [14, 18, 53, 54, 57, 58, 61] {
        stage.put_cut(time, v6.clone(), kept);
        time += 700;
    }
    for kept in [14, 15, 17, 18, 19, 37, 38] {
        stage.put_cut(time, tagged.clone(), kept);
        time += 700;
    }
}

/// Complete frames whose contents are wrong.
fn malformed(stage: &mut Stage, start: u64) {
    let (source, hosts) = ([10, 0, 0, 42], Hosts::V4([10, 0, 0, 42], SERVER));
    let good = frame(hosts, protocol::UDP, &udp(hosts, (1111, 2222), b"well formed once"));
    let mut time = start;
    let mut damage = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        stage.put(time, bytes);
        time += 1_300;
    };
    damage(14, &[0x55]); // version 5
    damage(14, &[0x44]); // a header of 16 bytes
    damage(14, &[0x40]); // a header of none
    damage(14, &[0x4F]); // a header longer than the frame
    damage(16, &[0xFF, 0xFF]); // total length beyond the frame
    damage(16, &[0x00, 0x05]); // total length within the header
    damage(24, &[0x00, 0x00]); // wrong header checksum
    damage(38, &[0xFF, 0x00]); // UDP length beyond the frame
    damage(38, &[0x00, 0x04]); // UDP length within the header
    damage(12, &[0x86, 0xDD]); // IPv4 where IPv6 is announced
    damage(12, &[0x81, 0x00]); // IPv4 where a tag is announced
    damage(26, &source.map(|_| 0xFF)); // from the broadcast address
    damage(26, &SERVER); // from and to the same host
    for flags in [flag::SYN | flag::FIN, 0, 0xFF, flag::SYN | flag::RST] {
        let segment = Segment { ports: (31_337, 22), sequence: 9, acknowledged: 9, flags };
        stage.put(time, frame(hosts, protocol::TCP, &tcp(hosts, segment, &[], &[])));
        time += 1_300;
    }
    let hosts6 = Hosts::V6(v6(1, 0x42), v6(1, 0x80));
    let mut bytes = frame(hosts6, protocol::UDP, &udp(hosts6, (1, 2), b"data"));
    bytes[18..20].copy_from_slice(&[0xFF, 0xFF]); // payload length beyond the frame
    stage.put(time, bytes.clone());
    bytes[20] = protocol::HOPOPTS; // an extension header made of other bytes
    stage.put(time + 1_300, bytes);
    let noise = stage.payload(64);
    stage.put(time + 2_600, noise);
    stage.put(time + 3_900, vec![0xFF; 60]);
    stage.put(time + 5_200, vec![0; 60]);
}
