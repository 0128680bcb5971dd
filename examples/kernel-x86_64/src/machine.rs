//! Ending the machine, and the port instruction that does it.
#![expect(unsafe_code, reason = "port output is an instruction")]

use core::arch::asm;

/// Port of QEMU's `isa-debug-exit` device (`iobase=0xf4`).
const DEBUG_EXIT: u16 = 0xf4;

/// What the machine reports. QEMU's own exit status is `(code << 1) | 1`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum ExitCode {
    /// QEMU exits with 33.
    Success = 0x10,
    /// QEMU exits with 35.
    Failure = 0x11,
}

/// Ends the machine, or halts for good where there is no exit device.
pub fn exit(code: ExitCode) -> ! {
    // SAFETY: writing the exit port has no effect on memory, and where the
    // device is absent the write goes nowhere.
    unsafe {
        asm!("out dx, eax", in("dx") DEBUG_EXIT, in("eax") code as u32, options(nomem, nostack));
    }
    loop {
        // SAFETY: interrupts stay masked, so this stops the CPU for good.
        unsafe { asm!("hlt", options(nomem, nostack)) };
    }
}
