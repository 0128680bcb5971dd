//! What accepted programs run on.

use kernel_bpf::bytecode::BpfProgType;
use kernel_bpf::bytecode::abi::context::CtxForm;
use kernel_bpf::verifier::VerifiedInfo;
use kernel_bpf_tests::case::Input;

use crate::mutate::{self, Rng};

/// An input that the program may be given.
pub(super) fn choose(rng: &mut Rng, prog_type: BpfProgType, info: &VerifiedInfo) -> Option<Input> {
    let len = rng.below(80);
    match prog_type.context().form {
        CtxForm::Xdp | CtxForm::SkBuff if rng.below(4) == 0 => Some(Input::Packet(frame(rng))),
        CtxForm::Xdp | CtxForm::SkBuff => Some(Input::Packet(bytes(rng, len))),
        CtxForm::Bytes => Some(Input::Bytes(bytes(rng, len.max(info.context_bytes)))),
        CtxForm::Foreign => None,
    }
}

fn bytes(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(mutate::number(rng).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A frame with the headers that programs look for: Ethernet, IPv4 or IPv6, TCP
/// or UDP; what is behind them, and a byte or two of them, is random.
fn frame(rng: &mut Rng) -> Vec<u8> {
    let mut frame = vec![0x02; 12];
    let protocol = [6, 17, 1][rng.below(3)];
    if rng.below(4) > 0 {
        frame.extend([8, 0, 0x45, 0, 0, 60, 0, 0, 0, 0, 64, protocol, 0, 0]);
        frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, protocol, 64]);
        frame.extend([0xfd; 32]);
    }
    let ports = [0, 22, 53, 80, 443, 8080];
    for _ in 0..2 {
        let port: u16 = ports[rng.below(ports.len())];
        frame.extend(port.to_be_bytes());
    }
    let more = rng.below(48);
    frame.extend(bytes(rng, more));
    for _ in 0..rng.below(3) {
        let at = rng.below(frame.len());
        frame[at] = mutate::byte(rng);
    }
    frame
}
