//! What a compiler is asked for beside the program.

use core::fmt;

/// How a program is compiled. Without being asked for, nothing of this is done.
///
/// # Cost
/// `cargo bench -p kernel-bpf-benches --features cloud-profile -- --modes` prints the
/// figures for the machine at hand. On the one that this was written on, in the
/// geometric mean of 25 workloads, code with constant blinding took 1.29 times the time of plain
/// code and had 1.56 times the bytes; with retpolines it took the same time and had 1.07
/// times the bytes, and with both 1.33 times the time and 1.63 times the bytes. Programs
/// that call helpers all the time pay more for retpolines.
#[derive(Clone, Copy, Default)]
pub struct CompileOptions<'o> {
    random: Option<&'o dyn Fn() -> u64>,
    retpolines: bool,
}

impl<'o> CompileOptions<'o> {
    /// Plain code.
    pub const fn new() -> Self {
        Self { random: None, retpolines: false }
    }

    /// With *constant blinding*: no number that the program chose stands in the code,
    /// so that nobody can plant instructions in it that are reached by a jump into the
    /// middle of others. Each such number is put together at run time of two, one of
    /// which `random` gave, which is asked once for each. What it gives must be
    /// unpredictable to whoever writes programs.
    ///
    /// Left are counts of shifts, distances from a register between -128 and 127, the
    /// distances of jumps, and the numbers of the program's maps. Frozen maps are read
    /// and not folded, and operations with constants are combined with no others.
    #[must_use]
    pub const fn with_blinding(self, random: &'o dyn Fn() -> u64) -> Self {
        Self { random: Some(random), ..self }
    }

    /// With *retpolines*: code has no jump and no call to an address that a register or
    /// memory holds, whose target the CPU would guess. Tail calls, helpers, and functions
    /// that helpers call are reached by a return to which every guess leads into an
    /// endless loop. Returns themselves are as they were, as is the call by which
    /// an executor enters the code.
    ///
    /// A CPU that checks returns against a shadow stack stops such code.
    #[must_use]
    pub const fn with_retpolines(self) -> Self {
        Self { retpolines: true, ..self }
    }

    /// Where random numbers come from, with constant blinding.
    pub(crate) const fn random(&self) -> Option<&'o dyn Fn() -> u64> {
        self.random
    }

    /// Whether there are retpolines.
    pub(crate) const fn retpolines(&self) -> bool {
        self.retpolines
    }
}

impl fmt::Debug for CompileOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompileOptions")
            .field("blinding", &self.random.is_some())
            .field("retpolines", &self.retpolines)
            .finish()
    }
}
