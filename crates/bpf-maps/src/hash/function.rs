//! The hash function.

/// Odd numbers without pattern: fractional parts of square roots of primes.
const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xbb67_ae85_84ca_a73b];

/// Hashes `key` under `seed`. The result is the same on every target.
///
/// Each word is mixed in by a product of double width, folded. Without the
/// seed, collisions cannot be prepared; with it, they can: it is to be kept
/// secret where keys come from outside.
#[inline(always)]
pub(super) fn hash(seed: u64, key: &[u8]) -> u32 {
    let [first, second] = FACTORS;
    let mut state = seed ^ (key.len() as u64).wrapping_mul(second);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), first);
    }
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        state = fold(state ^ word, first);
    }
    let mixed = fold(state, second);
    // The folded halves are both well mixed; the lower one is enough.
    u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or_default()
}

/// The two halves of a product, combined.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
    u64::try_from(low ^ high).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn the_same_on_every_target() {
        assert_eq!(hash(0, b""), hash(0, b""));
        let (a, b) = (hash(1, &[1, 2, 3, 4]), hash(1, &[1, 2, 3, 4, 5, 6, 7, 8, 9]));
        assert_ne!(a, b);
    }

    #[test]
    fn spreads_counters() {
        let mut buckets = [0_u32; 256];
        for key in 0..4096_u32 {
            buckets[hash(7, &key.to_le_bytes()) as usize % 256] += 1;
        }
        // 16 each, were they even.
        assert!(buckets.iter().all(|&n| (2..40).contains(&n)), "{buckets:?}");
    }

    #[test]
    fn length_and_seed_matter() {
        assert_ne!(hash(1, &[0; 4]), hash(1, &[0; 5]));
        assert_ne!(hash(1, &[0; 4]), hash(2, &[0; 4]));
    }
}
