//! Program execution engines.

pub use bpf_interp::*;
