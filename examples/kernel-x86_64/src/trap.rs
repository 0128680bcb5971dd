//! CPU exceptions: every one prints its name and ends the machine, so that a
//! fault is a line in the log and not a reset loop.
#![expect(unsafe_code, reason = "the descriptor table is read by the CPU")]

use core::arch::{asm, global_asm};

use spin::Mutex;

use crate::console::println;
use crate::machine::{self, ExitCode};

const VECTORS: usize = 32;
/// Distance between two entry stubs.
const STUB: u64 = 16;
const CODE_SEGMENT: u16 = 0x08;
/// Last byte of the table.
#[expect(clippy::cast_possible_truncation, reason = "32 gates are 512 bytes")]
const LIMIT: u16 = (size_of::<[Gate; VECTORS]>() - 1) as u16;
/// Present, ring 0, 64-bit interrupt gate.
const GATE: u16 = 0x8E00;

global_asm!(
    r#"
    .pushsection .text.trap, "ax", @progbits
    .balign 16
    .global trap_stubs
trap_stubs:
    .set vector, 0
    .rept 32
    .balign 16
    # These push an error code themselves; the others get a zero.
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    push 0
    .endif
    push vector
    jmp trap_common
    .set vector, vector + 1
    .endr
trap_common:
    mov rdi, [rsp]
    mov rsi, [rsp + 8]
    mov rdx, [rsp + 16]
    and rsp, -16
    call rust_trap
    ud2
    .popsection
    "#
);

// SAFETY: the symbol is defined by the assembly above.
unsafe extern "C" {
    /// The first entry stub; the others follow at [`STUB`] bytes.
    safe static trap_stubs: u8;
}

/// A 64-bit gate descriptor.
#[derive(Clone, Copy)]
#[repr(C)]
struct Gate {
    offset_low: u16,
    segment: u16,
    flags: u16,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

impl Gate {
    const EMPTY: Self =
        Self { offset_low: 0, segment: 0, flags: 0, offset_middle: 0, offset_high: 0, reserved: 0 };

    #[expect(clippy::cast_possible_truncation, reason = "the address is split into its parts")]
    const fn to(handler: u64) -> Self {
        Self {
            offset_low: handler as u16,
            segment: CODE_SEGMENT,
            flags: GATE,
            offset_middle: (handler >> 16) as u16,
            offset_high: (handler >> 32) as u32,
            reserved: 0,
        }
    }
}

#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

static TABLE: Mutex<[Gate; VECTORS]> = Mutex::new([Gate::EMPTY; VECTORS]);

/// Installs the table.
pub fn init() {
    let mut table = TABLE.lock();
    let mut handler = &raw const trap_stubs as u64;
    for gate in table.iter_mut() {
        *gate = Gate::to(handler);
        handler += STUB;
    }
    let pointer = TablePointer { limit: LIMIT, base: table.as_ptr() as u64 };
    // SAFETY: the table lies in a static, is complete, and is not written again.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(readonly, nostack)) };
}

// SAFETY: the name is this image's own and nothing else defines it.
#[unsafe(no_mangle)]
extern "C" fn rust_trap(vector: u64, error: u64, instruction: u64) -> ! {
    let address: u64;
    // SAFETY: reading CR2 has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack)) };
    println!(
        "kernel-x86_64: exception {vector} (error {error:#x}) at {instruction:#x}, CR2 {address:#x}"
    );
    machine::exit(ExitCode::Failure)
}
