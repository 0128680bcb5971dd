//! A frame as the context of a program, as Linux's `BPF_PROG_TEST_RUN` has it.
//!
//! Where the loopback device is what the frame comes in by: interface 1, of
//! hardware address 0.

use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::bytecode::abi::context::{CtxForm, sk_buff};
use kernel_bpf::execution::BpfContext;
use kernel_bpf::execution::context::PacketRangeError;

/// Bytes of an Ethernet header.
pub const ETH_HLEN: usize = 14;
/// By how many bytes an XDP packet can grow at its front: of 256 Linux keeps 40
/// for itself.
const HEADROOM: usize = 256 - 40;
/// Up to where an XDP packet can grow at its back: of a page, Linux keeps 320
/// bytes for itself there, and 40 in front of the headroom.
const FRAME_END: usize = 4096 - 320 - 40;
/// The loopback device.
const IFINDEX: u32 = 1;

/// Kinds of packet, by whom they are for.
const PACKET_HOST: u32 = 0;
const PACKET_MULTICAST: u32 = 2;
const PACKET_OTHERHOST: u32 = 3;

/// `EtherType`s.
const ETH_P_802_3: u16 = 0x0001;
const ETH_P_802_2: u16 = 0x0004;
/// The least number that is a type; what is below is a length.
const ETH_P_802_3_MIN: u16 = 0x0600;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

/// Bytes of an IP header without options.
const IPV4_HLEN: usize = 20;
const IPV6_HLEN: usize = 40;

/// Offsets in `struct __sk_buff` of what Linux knows of the socket.
const FAMILY: u16 = 88;
const REMOTE_IP4: u16 = 92;
const LOCAL_IP4: u16 = 96;
const REMOTE_IP6: u16 = 100;
const LOCAL_IP6: u16 = 116;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

/// The form of a program's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A packet under `xdp_md`.
    Xdp,
    /// A frame under `__sk_buff`.
    Frame,
    /// What follows the Ethernet header, under `__sk_buff`: where Linux's test
    /// runs start for programs that are not attached to a link.
    Network,
    /// Plain bytes.
    Bytes,
}

impl Form {
    /// The form for programs of this type.
    pub fn of(prog_type: BpfProgType) -> Self {
        match prog_type.context().form {
            CtxForm::Xdp => Self::Xdp,
            CtxForm::SkBuff if prog_type.context().packet_writable => Self::Frame,
            CtxForm::SkBuff => Self::Network,
            CtxForm::Bytes | CtxForm::Foreign => Self::Bytes,
        }
    }

    /// Whether `data` is enough for a run. Linux gives no program a frame
    /// without an Ethernet header, and none a `__sk_buff` that is cut within its
    /// IP header.
    pub fn suffices(self, data: &[u8]) -> bool {
        let header = data.split_first_chunk::<ETH_HLEN>();
        match (self, header) {
            (Self::Bytes, _) | (Self::Xdp, Some(_)) => true,
            (_, None) => false,
            (Self::Frame | Self::Network, Some((header, payload))) => {
                match protocol(header, payload) {
                    ETH_P_IP => payload.len() >= IPV4_HLEN,
                    ETH_P_IPV6 => payload.len() >= IPV6_HLEN,
                    _ => true,
                }
            }
        }
    }

    /// Where the frame begins in its buffer.
    const fn start(self) -> usize {
        if matches!(self, Self::Xdp) { HEADROOM } else { 0 }
    }

    /// A buffer for a frame, with room for it to grow.
    pub fn buffer(self, data: &[u8]) -> Vec<u8> {
        let end = self.start() + data.len();
        vec![0; if self == Self::Xdp { end.max(FRAME_END) } else { end }]
    }

    /// The context of a run over `data`, which is copied to `buffer`.
    pub fn context<'b>(
        self,
        data: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<BpfContext<'b>, PacketRangeError> {
        let (start, end) = (self.start(), self.start() + data.len());
        buffer.fill(0);
        if let Some(frame) = buffer.get_mut(start..end) {
            frame.copy_from_slice(data);
        }
        let context = match self {
            Self::Xdp => BpfContext::xdp_md(buffer, start..end)?.with_ifindex(IFINDEX),
            Self::Frame => described(BpfContext::sk_buff(buffer, start..end)?, data),
            Self::Network => {
                let network = ETH_HLEN.min(end);
                let context = BpfContext::sk_buff(buffer, network..end)?;
                described(context.with_headers(0, network)?, data)
            }
            Self::Bytes => BpfContext::bytes(buffer),
        };
        Ok(context)
    }
}

/// Sets the fields of a `__sk_buff` that Linux derives from the frame.
fn described<'b>(context: BpfContext<'b>, data: &[u8]) -> BpfContext<'b> {
    let Some((header, payload)) = data.split_first_chunk::<ETH_HLEN>() else { return context };
    let protocol = protocol(header, payload);
    let context = context
        .with_ifindex(IFINDEX)
        .with_protocol(protocol)
        .with_field(sk_buff::PKT_TYPE, packet_type(header));
    match protocol {
        ETH_P_IP => with_ipv4(context.with_field(FAMILY, AF_INET), payload),
        ETH_P_IPV6 => with_ipv6(context.with_field(FAMILY, AF_INET6), payload),
        _ => context,
    }
}

fn packet_type(header: &[u8; ETH_HLEN]) -> u32 {
    match header[..6] {
        [0, 0, 0, 0, 0, 0] => PACKET_HOST,
        [first, ..] if first & 1 == 1 => PACKET_MULTICAST,
        _ => PACKET_OTHERHOST,
    }
}

fn protocol(header: &[u8; ETH_HLEN], payload: &[u8]) -> u16 {
    let ethertype = u16::from_be_bytes([header[12], header[13]]);
    if ethertype >= ETH_P_802_3_MIN {
        ethertype
    } else if payload.starts_with(&[0xff, 0xff]) {
        ETH_P_802_3
    } else {
        ETH_P_802_2
    }
}

/// The addresses in an IPv4 header.
fn with_ipv4<'b>(context: BpfContext<'b>, payload: &[u8]) -> BpfContext<'b> {
    let Some(header) = payload.first_chunk::<IPV4_HLEN>() else { return context };
    let word = |at: usize| {
        u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    context.with_field(LOCAL_IP4, word(12)).with_field(REMOTE_IP4, word(16))
}

/// The addresses in an IPv6 header.
fn with_ipv6<'b>(context: BpfContext<'b>, payload: &[u8]) -> BpfContext<'b> {
    let Some(header) = payload.first_chunk::<IPV6_HLEN>() else { return context };
    let word = |at: usize| {
        u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    (0..4_u16).fold(context, |context, i| {
        let at = usize::from(4 * i);
        context
            .with_field(LOCAL_IP6 + 4 * i, word(8 + at))
            .with_field(REMOTE_IP6 + 4 * i, word(24 + at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(destination: [u8; 6], rest: &[u8]) -> Vec<u8> {
        [&destination[..], &[2; 6], rest].concat()
    }

    fn field(data: &[u8], offset: u16) -> u32 {
        let form = Form::Network;
        let mut buffer = form.buffer(data);
        let context = form.context(data, &mut buffer).unwrap();
        context.field(offset).unwrap().unwrap()
    }

    #[test]
    fn fields_are_those_that_linux_sets() {
        let host = frame([0; 6], &[0x08, 0x00, 1, 2, 3]);
        assert_eq!(field(&host, sk_buff::PKT_TYPE), PACKET_HOST);
        assert_eq!(field(&host, sk_buff::PROTOCOL), u32::from(0x0800_u16.to_be()));
        assert_eq!(field(&host, sk_buff::LEN), 3);
        assert_eq!(field(&host, sk_buff::IFINDEX), 1);
        assert_eq!((field(&host, FAMILY), field(&host, LOCAL_IP4)), (AF_INET, 0));

        let broadcast = frame([0xff; 6], &[0x00, 0x2e, 0xff, 0xff]);
        assert_eq!(field(&broadcast, sk_buff::PKT_TYPE), PACKET_MULTICAST);
        assert_eq!(field(&broadcast, sk_buff::PROTOCOL), u32::from(ETH_P_802_3.to_be()));

        let other = frame([2; 6], &[0x00, 0x2e, 0x42, 0x42]);
        assert_eq!(field(&other, sk_buff::PKT_TYPE), PACKET_OTHERHOST);
        assert_eq!(field(&other, sk_buff::PROTOCOL), u32::from(ETH_P_802_2.to_be()));
    }

    #[test]
    fn addresses_come_from_the_header() {
        let mut ipv4 = vec![0x08, 0x00];
        ipv4.extend(0..20);
        let ipv4 = frame([2; 6], &ipv4);
        assert_eq!(field(&ipv4, LOCAL_IP4).to_ne_bytes(), [12, 13, 14, 15]);
        assert_eq!(field(&ipv4, REMOTE_IP4).to_ne_bytes(), [16, 17, 18, 19]);

        let mut ipv6 = vec![0x86, 0xdd];
        ipv6.extend(0..40);
        let ipv6 = frame([2; 6], &ipv6);
        assert_eq!(field(&ipv6, LOCAL_IP6 + 12).to_ne_bytes(), [20, 21, 22, 23]);
        assert_eq!(field(&ipv6, REMOTE_IP6).to_ne_bytes(), [24, 25, 26, 27]);
    }

    #[test]
    fn xdp_packets_have_room_as_on_linux() {
        let data = frame([2; 6], &[0x08, 0x00]);
        let mut buffer = Form::Xdp.buffer(&data);
        assert_eq!(buffer.len(), 3776 - 40);
        let context = Form::Xdp.context(&data, &mut buffer).unwrap();
        assert_eq!(context.packet_range(), Ok(216..230));
    }

    #[test]
    fn frames_that_are_no_frames_do_not_suffice() {
        assert!(!Form::Xdp.suffices(&[0; 13]) && Form::Xdp.suffices(&[0; 14]));
        assert!(!Form::Network.suffices(&[0; 13]) && Form::Network.suffices(&[0; 14]));
        assert!(Form::Bytes.suffices(&[]));
        let ipv4 = |len| frame([2; 6], &[&[0x08, 0x00][..], &vec![0; len]].concat());
        assert!(!Form::Frame.suffices(&ipv4(19)) && Form::Frame.suffices(&ipv4(20)));
        assert!(Form::Xdp.suffices(&ipv4(0)));
    }
}
