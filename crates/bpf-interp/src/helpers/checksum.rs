//! Internet checksums.

use bpf_bytecode::BpfProgType;
use bpf_bytecode::abi::helper::id;
use bpf_bytecode::abi::prog_type::ProgTypes;
use bpf_maps::memory::View;

use super::low;
use crate::error::Fault;
use crate::run::Run;

/// `s64 bpf_csum_diff(__be32 *from, u32 from_size, __be32 *to, u32 to_size, __wsum seed)`
///
/// The checksum `seed` with the words of `from` taken out and those of `to` put
/// in, folded to 16 bits, not inverted. Sizes need not be multiples of 4, though
/// Linux once wanted that: zeros fill the last word.
pub(super) fn diff(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    const TYPES: ProgTypes =
        ProgTypes::of(&[BpfProgType::SchedCls, BpfProgType::SchedAct, BpfProgType::Xdp]);
    if !run.program().prog_type().def().helpers.meets(TYPES) {
        return Err(Fault::UnknownHelper(id::CSUM_DIFF));
    }
    let [from, from_size, to, to_size, seed] = args;
    let (from_size, to_size) = (low(from_size), low(to_size));
    let from = run.view(from, bytes(from_size))?;
    let to = run.view(to, bytes(to_size))?;
    let seed = low(seed);
    // In one's complement, taking out is adding the complement. The cases differ
    // in which of the two zeros they give.
    let sum = match (from_size, to_size) {
        (0, _) => partial(to, seed),
        (_, 0) => !partial(from, !seed),
        _ => add(partial(to, seed), !partial(from, 0)),
    };
    Ok(u64::from(fold(sum)))
}

fn bytes(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// The one's-complement sum of `sum` and the words of `data`.
fn partial(data: View<'_>, mut sum: u32) -> u32 {
    let mut offset = 0_usize;
    while let Some(left) = data.len().checked_sub(offset).filter(|left| *left > 0) {
        let mut word = [0; 4];
        let (part, _) = word.split_at_mut(left.min(4));
        if data.read(offset, part).is_none() {
            break;
        }
        sum = add(sum, u32::from_ne_bytes(word));
        offset = offset.saturating_add(4);
    }
    sum
}

/// One's-complement addition.
const fn add(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum.wrapping_add(carry as u32)
}

/// The sum folded to 16 bits.
const fn fold(sum: u32) -> u16 {
    let swapped = sum.rotate_left(16);
    let [high, low, ..] = sum.wrapping_add(swapped).to_be_bytes();
    u16::from_be_bytes([high, low])
}
