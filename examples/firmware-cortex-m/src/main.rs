//! Firmware for a Cortex-M4 without a heap: verifies the sensor filter, runs it
//! over bursts of readings, prints what came out over semihosting, looks what memory
//! larger programs take to verify, and ends.
#![no_std]
#![no_main]

mod memory;
mod sensor;

use core::fmt;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};

#[entry]
fn main() -> ! {
    hprintln!("firmware-cortex-m: up");
    check(sensor::run());
    check(memory::run());
    hprintln!("firmware-cortex-m: done");
    end(debug::EXIT_SUCCESS)
}

/// Ends the firmware where something failed.
fn check(result: Result<(), impl fmt::Display>) {
    if let Err(error) = result {
        hprintln!("firmware-cortex-m: failed: {}", error);
        end(debug::EXIT_FAILURE);
    }
}

fn end(status: debug::ExitStatus) -> ! {
    debug::exit(status);
    loop {
        cortex_m::asm::wfi();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("firmware-cortex-m: panic: {}", info);
    end(debug::EXIT_FAILURE)
}
