//! Where things are while compiled code runs.
//!
//! | register | holds | across a helper |
//! |---|---|---|
//! | `rax` | R0 | result |
//! | `rdi` `rsi` `rdx` `rcx` `r8` | R1 to R5; `rdi` the session, before R1 has a value | lost |
//! | `rbx` `r13` `r14` `r12` | R6 to R9 | kept |
//! | `rbp` | R10 | kept |
//! | `r15` | the [session](crate::runtime::Session), if the program calls anything | kept |
//! | `r9` | checked code: instructions left; else scratch, or the session | lost |
//! | `r10` `r11` | scratch | lost |
//!
//! R1 to R5 are where the System V calling convention wants the arguments but
//! one further, as it wants the context first.

use bpf_bytecode::Register;

/// The number of the CPU's register for each of the program's; filled up to a
/// power of two, so that an index needs no check.
const MAPPING: [u8; 16] = [0, 7, 6, 2, 1, 8, 3, 13, 14, 12, 5, 0, 0, 0, 0, 0];

/// `rax`
pub(super) const RAX: u8 = 0;
/// `rcx`
pub(super) const RCX: u8 = 1;
/// `rdx`
pub(super) const RDX: u8 = 2;
/// `rsp`
pub(super) const RSP: u8 = 4;

/// `r15`
pub(super) const SESSION: u8 = 15;
/// `r9`: where a program calls nothing.
pub(super) const SESSION_TOO: u8 = 9;
/// `r11`
pub(super) const SCRATCH: u8 = 11;
/// `r10`
pub(super) const SCRATCH_TOO: u8 = 10;

/// The CPU's register for one of the program's.
pub(super) fn native(register: Register) -> u8 {
    MAPPING.get(register.index() & 15).copied().unwrap_or(RAX)
}
