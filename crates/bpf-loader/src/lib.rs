//! Loads eBPF objects and flat images into programs and map definitions.
//!
//! Two formats go in:
//!
//! * [`Object`]: ELF objects as clang, libbpf and aya make them, with BTF;
//! * [`FlatImage`]: one linked object in a format that a
//!   target too small for ELF reads without a copy.
//!
//! Both borrow their bytes and need no allocator; what has to be kept in tables
//! is in the storage of the profile. Bytes may be hostile: whatever they are,
//! the answer is a value or a [`LoadError`], after time that is bounded by the
//! size of the input. There are no panics, which lints hold this crate to.
//!
//! Programs refer to maps by position: an immediate load with source field 5
//! names a map of [`Object::maps`], one with 6 a byte of the only value of such
//! a map, which is how global variables are reached.
#![no_std]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(test)]
extern crate std;

mod annotation;
pub mod btf;
mod bytes;
mod config;
mod core_relo;
mod elf;
mod error;
pub mod flat;
mod function;
mod link;
mod maps;
mod object;
mod section;
mod variable;

pub use bpf_bytecode::BpfProgType;
pub use config::KernelConfig;
pub use error::{LoadError, Name};
pub use flat::FlatImage;
pub use link::{Linked, SourceLine};
pub use maps::{Contents, Map};
pub use object::{Object, Program};
pub use section::ProgramKind;
pub use variable::GlobalVariable;
