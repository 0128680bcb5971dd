//! What is proven of the verifier's abstract operations.
//!
//! The domain's own source files are compiled into this crate. Each function
//! below takes abstract operands and concrete numbers, all of them arbitrary,
//! and gives true where a property holds for them. `prove.py` translates what
//! the compiler makes of a function into one formula, and an SMT solver shows
//! that it is never false. Nothing is restated in another language: a change of
//! the domain changes the formula.
#![no_std]
#![allow(unsafe_code, reason = "functions are found by their unmangled names")]

#[path = "../../crates/bpf-verifier/tests/common/concrete.rs"]
mod concrete;
mod domain;
mod property;
