//! Single-source eBPF subsystem with build-time physical profiles.
#![no_std]

pub use bpf_bytecode as bytecode;
pub use bpf_loader as loader;
pub use bpf_maps as maps;
pub use bpf_profile as profile;
pub use bpf_sched as scheduler;
pub use bpf_verifier as verifier;

pub mod execution;
