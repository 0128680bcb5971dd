//! Numbers that look like chance, and are the same each time.

/// The state of a generator.
pub struct Chance(pub u64);

impl Chance {
    /// One of its own for each seed; `kind` tells those apart who have the same.
    pub fn seeded(seed: u64, kind: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ kind)
    }

    /// A number below a limit, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// One of a list, which is not empty.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Whether it is so once in `of` times.
    pub fn in_all(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}
