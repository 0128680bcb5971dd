//! Who may write and who may execute.
//!
//! The image gets pages of 4 KiB with the permissions of its sections; all
//! memory above it loses the permission to execute. The pages of the arena are
//! the one place where code appears at run time, and a page of it is writable
//! or executable and never both.
#![expect(unsafe_code, reason = "page tables are memory that the CPU reads")]

use core::arch::asm;

use spin::Mutex;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;

/// Bytes of a page.
pub const PAGE: usize = 4096;
/// Bytes that one page table maps.
const SPAN: usize = 512 * PAGE;
/// Page tables of the image: it ends below 4 MiB (the linker script asserts it).
const IMAGE_TABLES: usize = 2;
/// The executable arena: the span after the image.
pub const ARENA_START: usize = IMAGE_TABLES * SPAN;
/// Its length.
pub const ARENA_LENGTH: usize = SPAN;

/// What a page of the arena may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Data that may be written, not executed.
    ReadWrite,
    /// Code that may be executed, not written.
    ReadExecute,
}

#[repr(C, align(4096))]
struct Table([u64; 512]);

static TABLES: Mutex<[Table; IMAGE_TABLES + 1]> =
    Mutex::new([const { Table([0; 512]) }; IMAGE_TABLES + 1]);

// SAFETY: the names and types are those that the stub and the linker script define.
unsafe extern "C" {
    safe static image_start: u8;
    safe static text_end: u8;
    safe static rodata_end: u8;
    static mut boot_pd: [u64; 512];
}

fn leaf(address: usize) -> u64 {
    let code = &raw const image_start as usize;
    let constants = &raw const text_end as usize;
    let data = &raw const rodata_end as usize;
    let permissions = if (code..constants).contains(&address) {
        PRESENT
    } else if (constants..data).contains(&address) {
        PRESENT | NO_EXECUTE
    } else if address < PAGE {
        0 // a null pointer faults
    } else {
        PRESENT | WRITABLE | NO_EXECUTE
    };
    address as u64 | permissions
}

/// Takes back the boot stub's permission to write and execute everything.
pub fn protect_image() {
    let mut tables = TABLES.lock();
    for (index, table) in tables.iter_mut().enumerate() {
        for (slot, entry) in table.0.iter_mut().enumerate() {
            *entry = leaf(index * SPAN + slot * PAGE);
        }
    }
    let directory = &raw mut boot_pd;
    for slot in 0..512 {
        let entry = match tables.get(slot) {
            Some(table) => (&raw const table.0) as u64 | PRESENT | WRITABLE,
            None => (slot * SPAN) as u64 | PRESENT | WRITABLE | LARGE | NO_EXECUTE,
        };
        // SAFETY: the directory is the one the boot stub filled, in the bss,
        // mapped onto itself; the tables lie in a static and map every page
        // where it was, with at least the permissions its section needs.
        unsafe { (&raw mut (*directory)[slot]).write_volatile(entry) };
    }
    flush_all();
}

/// Pages, of whatever size, that are both writable and executable.
pub fn writable_and_executable() -> usize {
    let is_loose =
        |entry: &u64| entry & (PRESENT | WRITABLE) == PRESENT | WRITABLE && entry & NO_EXECUTE == 0;
    let tables = TABLES.lock();
    let small = tables.iter().flat_map(|table| &table.0).filter(|entry| is_loose(entry)).count();
    // SAFETY: the directory is written by `protect_image` alone, before this.
    let directory = unsafe { (&raw const boot_pd).read_volatile() };
    let large = directory.iter().filter(|entry| *entry & LARGE != 0 && is_loose(entry)).count();
    small + large
}

fn flush_all() {
    // SAFETY: loading CR3 with its own value only drops cached translations.
    unsafe { asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack)) };
}

/// Sets what `length` bytes of the arena at `address` may do. Both are whole pages.
///
/// # Panics
///
/// When the span is not made of pages of the arena.
pub fn set_access(address: usize, length: usize, access: Access) {
    let end = address.checked_add(length).expect("a span of the arena");
    assert!(
        address >= ARENA_START && end <= ARENA_START + ARENA_LENGTH,
        "outside of the executable arena"
    );
    assert!(address.is_multiple_of(PAGE) && length.is_multiple_of(PAGE), "not whole pages");
    let permissions = match access {
        Access::ReadWrite => PRESENT | WRITABLE | NO_EXECUTE,
        Access::ReadExecute => PRESENT,
    };
    let mut tables = TABLES.lock();
    for page in (address..end).step_by(PAGE) {
        let slot = (page - ARENA_START) / PAGE;
        // SAFETY: the entry is a live page-table entry of the arena, which no
        // Rust object occupies but the provider's own buffers.
        unsafe {
            (&raw mut tables[IMAGE_TABLES].0[slot]).write_volatile(page as u64 | permissions);
        }
    }
    drop(tables);
    flush_all();
}
