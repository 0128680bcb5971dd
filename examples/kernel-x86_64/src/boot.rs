//! From the PVH entry (32-bit protected mode, paging off) to Rust in long mode.
//!
//! The stub maps the first GiB onto itself with large pages, writable and
//! executable; [`crate::paging`] takes those permissions back before anything
//! else runs.
#![expect(unsafe_code, reason = "the entry symbol is called by assembly")]

use core::arch::global_asm;

global_asm!(
    r#"
    .pushsection .note.pvh, "a", @note
    .balign 4
    .long 4                     # length of the name
    .long 8                     # length of the descriptor
    .long 18                    # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_start
    .popsection

    .pushsection .boot, "ax", @progbits
    .code32
    .global pvh_start
pvh_start:
    cli
    cld
    movl $boot_stack_top, %esp

    movl $boot_pdpt, %eax
    orl  $3, %eax
    movl %eax, boot_pml4
    movl $boot_pd, %eax
    orl  $3, %eax
    movl %eax, boot_pdpt
    xorl %ecx, %ecx
2:  movl %ecx, %eax
    shll $21, %eax
    orl  $0x83, %eax            # present, writable, 2 MiB
    movl %eax, boot_pd(,%ecx,8)
    incl %ecx
    cmpl $512, %ecx
    jne  2b

    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl  $0x20, %eax            # PAE
    movl %eax, %cr4
    movl $0xC0000080, %ecx      # EFER
    rdmsr
    orl  $0x900, %eax           # LME, NXE
    wrmsr
    movl %cr0, %eax
    orl  $0x80010001, %eax      # PG, WP, PE
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $0x08, $long_mode

    .code64
long_mode:
    movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl $boot_stack_top, %esp
    xorl %ebp, %ebp
    call rust_start
    ud2
    .popsection

    .pushsection .rodata.boot, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF    # 64-bit code
    .quad 0x00CF93000000FFFF    # data
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .quad boot_gdt
    .popsection

    .pushsection .bss.boot, "aw", @nobits
    .balign 4096
    .global boot_pd
boot_pml4: .skip 4096
boot_pdpt: .skip 4096
boot_pd:   .skip 4096
boot_stack:
    .skip 1048576
boot_stack_top:
    .popsection
    "#,
    options(att_syntax)
);

/// Where the stub lands.
// SAFETY: the name is this image's own and nothing else defines it.
#[unsafe(no_mangle)]
extern "C" fn rust_start() -> ! {
    crate::main()
}
