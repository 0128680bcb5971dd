//! Safe eBPF interpreter, helpers and the run-time environment of a program.
#![no_std]
