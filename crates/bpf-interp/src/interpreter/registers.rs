//! The register file of a running program.

use bpf_bytecode::Register;

/// R0 to R10. There is room for every number that fits the field of an
/// instruction, so that no access needs a check; a program that was built names
/// none above 10.
#[derive(Default)]
pub(super) struct Registers([u64; 16]);

impl Registers {
    /// The registers at a program's entry.
    #[inline(always)]
    pub fn new(entry: [u64; Register::COUNT]) -> Self {
        let mut all = [0; 16];
        for (slot, value) in all.iter_mut().zip(entry) {
            *slot = value;
        }
        Self(all)
    }

    /// Gives those their values that a verified program may read at its entry, beside R10.
    #[inline(always)]
    pub const fn begin(&mut self, first: u64, second: u64) {
        let [_, r1, r2, ..] = &mut self.0;
        (*r1, *r2) = (first, second);
    }

    /// Sets R10.
    #[inline(always)]
    pub const fn set_frame_pointer(&mut self, pointer: u64) {
        let [_, _, _, _, _, _, _, _, _, _, r10, ..] = &mut self.0;
        *r10 = pointer;
    }

    #[inline(always)]
    pub fn get(&self, number: u8) -> u64 {
        self.0.get(usize::from(number & 0xf)).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub fn set(&mut self, number: u8, value: u64) {
        if let Some(slot) = self.0.get_mut(usize::from(number & 0xf)) {
            *slot = value;
        }
    }

    /// R0 to R10.
    #[inline(always)]
    pub fn all(&self) -> &[u64; Register::COUNT] {
        // There are more of them in the array.
        self.0.first_chunk().unwrap_or(&[0; Register::COUNT])
    }

    /// R1 to R5.
    pub const fn arguments(&self) -> [u64; 5] {
        let [_, r1, r2, r3, r4, r5, ..] = self.0;
        [r1, r2, r3, r4, r5]
    }

    /// The registers at the entry of a function that a helper calls.
    pub const fn enter(&mut self, args: [u64; 5], frame_pointer: u64) {
        let [r0, r1, r2, r3, r4, r5, _, _, _, _, r10, ..] = &mut self.0;
        *r0 = 0;
        [*r1, *r2, *r3, *r4, *r5] = args;
        *r10 = frame_pointer;
    }

    /// R6 to R9.
    pub const fn preserved(&self) -> [u64; 4] {
        let [_, _, _, _, _, _, r6, r7, r8, r9, ..] = self.0;
        [r6, r7, r8, r9]
    }

    /// Gives R6 to R9 and R10 their values back.
    pub fn restore(&mut self, preserved: [u64; 4], frame_pointer: u64) {
        let [_, _, _, _, _, _, r6, r7, r8, r9, r10, ..] = &mut self.0;
        [*r6, *r7, *r8, *r9] = preserved;
        *r10 = frame_pointer;
    }
}
