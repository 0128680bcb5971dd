//! The first serial port.
#![expect(unsafe_code, reason = "the port's address is this machine's")]

use core::fmt::{self, Write};

use spin::Mutex;
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550Tty};

const COM1: u16 = 0x3f8;

static PORT: Mutex<Option<Uart16550Tty<PioBackend>>> = Mutex::new(None);

/// Programs the port. Without it the console stays silent.
pub fn init() {
    // SAFETY: COM1 is where a PC has its first UART, and nothing but this
    // static, which is set once, drives it.
    let port = unsafe { Uart16550Tty::new_port(COM1, Config::default()) };
    *PORT.lock() = port.ok();
}

/// Writes formatted text; a write that fails or re-enters is dropped.
pub fn write(arguments: fmt::Arguments<'_>) {
    if let Some(mut guard) = PORT.try_lock()
        && let Some(port) = guard.as_mut()
    {
        // Losing console output is no reason to stop a kernel.
        let _ = port.write_fmt(arguments);
    }
}

/// Prints a line.
macro_rules! println {
    ($($argument:tt)*) => {
        $crate::console::write(format_args!("{}\n", format_args!($($argument)*)))
    };
}
pub(crate) use println;
