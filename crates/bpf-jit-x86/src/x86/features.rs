//! What the CPU has beyond what every x86-64 has.

/// Instructions that are used where the CPU has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// `shlx`, `shrx`, `sarx`, `rorx`.
    pub(crate) bmi2: bool,
    /// `movbe`.
    pub(crate) movbe: bool,
}

impl Features {
    /// What this CPU has. None of it takes the operating system's consent.
    pub(crate) fn detect() -> Self {
        use core::arch::x86_64::{__cpuid, __cpuid_count};
        let bmi2 = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 8 != 0;
        Self { bmi2, movbe: __cpuid(1).ecx & 1 << 22 != 0 }
    }
}
