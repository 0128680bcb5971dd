//! Physical profiles of an eBPF kernel: what a build may assume about memory, time and failure.
#![no_std]
