//! Firmware for a Cortex-M4 without a heap: verifies the sensor filter, runs it
//! over bursts of readings, prints what came out over semihosting, and ends.
#![no_std]
#![no_main]

mod sensor;

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};

#[entry]
fn main() -> ! {
    hprintln!("firmware-cortex-m: up");
    match sensor::run() {
        Ok(()) => hprintln!("firmware-cortex-m: done"),
        Err(error) => {
            hprintln!("firmware-cortex-m: failed: {}", error);
            end(debug::EXIT_FAILURE);
        }
    }
    end(debug::EXIT_SUCCESS)
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
