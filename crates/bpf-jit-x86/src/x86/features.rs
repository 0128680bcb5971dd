//! What the CPU has beyond what every x86-64 has.

use core::sync::atomic::{AtomicU8, Ordering};

/// Instructions that are used where the CPU has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// `shlx`, `shrx`, `sarx`, `rorx`.
    pub(crate) bmi2: bool,
    /// `movbe`.
    pub(crate) movbe: bool,
}

/// What was found, as bits. Asking the CPU takes microseconds in a virtual
/// machine, whose host answers in its place.
static FOUND: AtomicU8 = AtomicU8::new(0);
const ASKED: u8 = 1;
const BMI2: u8 = 2;
const MOVBE: u8 = 4;

impl Features {
    /// What this CPU has. None of it takes the operating system's consent.
    pub(crate) fn detect() -> Self {
        let mut found = FOUND.load(Ordering::Relaxed);
        if found == 0 {
            // Who asks at the same time finds the same.
            found = ask();
            FOUND.store(found, Ordering::Relaxed);
        }
        Self { bmi2: found & BMI2 != 0, movbe: found & MOVBE != 0 }
    }
}

#[cold]
fn ask() -> u8 {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    let bmi2 = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 8 != 0;
    let movbe = __cpuid(1).ecx & 1 << 22 != 0;
    ASKED | if bmi2 { BMI2 } else { 0 } | if movbe { MOVBE } else { 0 }
}
