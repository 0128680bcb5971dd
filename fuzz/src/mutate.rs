//! Input without a fuzzer: random bytes, and examples with a few of them
//! changed.

pub use kernel_bpf_tests::random::Rng;

/// Bytes for one try: one of `seeds` changed in places, or random ones where
/// there are no seeds, and now and then where there are.
pub fn bytes(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if seeds.is_empty() || rng.below(8) == 0 {
        let len = rng.below(600);
        return (0..len).map(|_| byte(rng)).collect();
    }
    let mut data = seeds[rng.below(seeds.len())].clone();
    for _ in 0..=rng.below(6) {
        change(rng, &mut data);
    }
    data
}

/// A byte that is often a small number or an extreme one.
pub(crate) fn byte(rng: &mut Rng) -> u8 {
    let random = rng.next_u64().to_le_bytes()[0];
    match rng.below(4) {
        0 => random & 15,
        1 => [0, 1, 0x7f, 0x80, 0xff, 8, 16, 24][rng.below(8)],
        _ => random,
    }
}

/// A number that is often at an edge.
pub(crate) fn number(rng: &mut Rng) -> u64 {
    match rng.below(5) {
        0 => [0, 1, 2, 7, 8, 31, 32, 63, 64, 0x7f, 0xff, 0xffff, u64::MAX][rng.below(13)],
        1 => (1_u64 << rng.below(64)).wrapping_sub(rng.next_u64() % 3),
        2 => rng.next_u64() & 0xffff_ffff,
        3 => rng.next_u64() % 80,
        _ => rng.next_u64(),
    }
}

fn change(rng: &mut Rng, data: &mut Vec<u8>) {
    if data.is_empty() {
        return data.push(byte(rng));
    }
    let at = rng.below(data.len());
    match rng.below(8) {
        0 => data.truncate(at),
        1 => data.insert(at, byte(rng)),
        2 => drop(data.remove(at)),
        // A number of two, four or eight bytes, where numbers are in tables.
        3 => {
            let width = [2, 4, 8][rng.below(3)];
            let start = at / width * width;
            let number = [0, 1, u64::MAX, 1 << 31, rng.next_u64(), data.len() as u64];
            let number = number[rng.below(6)].to_le_bytes();
            for (byte, new) in data[start..].iter_mut().zip(&number[..width]) {
                *byte = *new;
            }
        }
        // A part of the data somewhere else.
        4 => {
            let len = rng.below(64).min(data.len() - at);
            let part = data[at..at + len].to_vec();
            let to = rng.below(data.len());
            for (byte, new) in data[to..].iter_mut().zip(part) {
                *byte = new;
            }
        }
        5 => data[at] ^= 1 << rng.below(8),
        _ => data[at] = byte(rng),
    }
}
