//! What is measured: the C programs of `programs`, as objects of `clang`, and
//! the packets that they are given.
//!
//! `cargo bench -p kernel-bpf-benches --features cloud-profile` runs them on the
//! project's engines and on others.

mod input;
mod joined;
mod maps;
mod workload;

pub use maps::LiveMaps;
pub use workload::{Program, WORKLOADS, Workload};
