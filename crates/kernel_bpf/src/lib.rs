//! Single-source eBPF subsystem with build-time physical profiles.
#![no_std]
