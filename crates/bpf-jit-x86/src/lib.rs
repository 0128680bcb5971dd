//! x86-64 JIT compiler for eBPF (cloud profile only).
#![no_std]
