//! What is proven of the verifier's abstract operations.
//!
//! The domain's own source files are compiled into this crate. Each function
//! below takes abstract operands and concrete numbers, all of them arbitrary,
//! and gives true where a property holds for them. `prove.py` translates what
//! the compiler makes of a function into one formula, and an SMT solver shows
//! that it is never false. Nothing is restated in another language: a change of
//! the domain changes the formula.
//!
//! Of 64 bits, too much of it is too much at once. What is proven there of a sum or a
//! difference is this, each for all inputs: every part (bits, and each bound of the whole
//! and of the half) of what is handed on to be synchronised holds for the result
//! (`alu.Add.W64.64`, whose last step takes it for granted that synchronising keeps
//! members); each step of which `sync_once` is made keeps members (`step.*`); and so does
//! what is made of a half by itself (`low.half`), as sums of 32 bits are. That `sync`,
//! `sync_once` and `alu` are put together of these as they are said to be is read in the
//! source and proven at 8 bits (`keeps.*`, `alu.*`), not at 64.
#![no_std]
#![allow(unsafe_code, reason = "functions are found by their unmangled names")]

#[path = "../../crates/bpf-verifier/tests/common/concrete.rs"]
mod concrete;
mod domain;
mod property;
