//! Sound no_std verifier for eBPF programs.
#![no_std]
