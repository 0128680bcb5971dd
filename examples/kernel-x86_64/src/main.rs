//! A kernel for x86-64 that starts under QEMU without firmware or boot loader:
//! verifies the XDP firewall, compiles it, runs it over the packets of a capture
//! on both engines, prints what came out on the first serial port, and ends the
//! machine.
#![no_std]
#![no_main]

extern crate alloc;

mod boot;
mod capture;
mod code;
mod console;
mod firewall;
mod heap;
mod machine;
mod paging;
mod trap;

use core::panic::PanicInfo;

use console::println;
use machine::ExitCode;

/// What the boot stub calls in long mode, on a stack of its own.
fn main() -> ! {
    console::init();
    trap::init();
    paging::protect_image();
    heap::init();
    println!("kernel-x86_64: up");
    match firewall::run() {
        Ok(()) => println!("kernel-x86_64: done"),
        Err(error) => {
            println!("kernel-x86_64: failed: {error}");
            machine::exit(ExitCode::Failure);
        }
    }
    machine::exit(ExitCode::Success)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("kernel-x86_64: panic: {info}");
    machine::exit(ExitCode::Failure)
}
