//! eBPF instruction set: one table for encoding, decoding, validation, text and documentation.
#![no_std]
