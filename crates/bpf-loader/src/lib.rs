//! Loads eBPF objects (ELF, BTF) and flat images into programs and map definitions.
#![no_std]
