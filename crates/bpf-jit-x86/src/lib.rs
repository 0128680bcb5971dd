//! Compiles eBPF programs to x86-64 machine code and runs them.
//!
//! On the cloud profile this is the engine of choice; under the embedded profile
//! the crate is empty, and on a CPU that is no x86-64 only what other backends
//! would build on is left: `lower`, `flow`, `functions`,
//! `memory` and `error`.
//!
//! # Two ways to compile
//! `CompiledProgram::compile` takes a verified program and makes code that
//! checks nothing: what could go wrong was proven not to.
//! `CompiledProgram::compile_checked` takes any program and makes code that
//! has every access to memory checked, counts every instruction and every
//! frame, and gives what the interpreter gives, its faults included. It is the
//! way to run programs that nobody has verified, and not a fast one.
//!
//! # How it works
//! ```text
//! BpfProgram + facts ──lower──▶ [Effect] ──x86──▶ bytes ──CodeMemory──▶ CompiledProgram
//!                                  └──flow──▶ what is read later ─┘
//! ```
//! `lower` decides what to emit, `flow` what of it is read later, `x86` by which
//! instructions and how the CPU encodes them, `runtime` what the code finds when
//! it runs. Code calls the host only through a table that it
//! is given at its entry, so it holds no address of the host at all.
//!
//! # When not to use it
//! Where a program runs once or a few times, compiling costs more than it
//! saves; and where memory may never become executable there is the
//! interpreter.
#![cfg_attr(
    all(feature = "cloud-profile", feature = "std", target_arch = "x86_64"),
    doc = r"
# Example
```
use bpf_bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
use bpf_interp::{BpfContext, BpfExecutor};
use bpf_jit_x86::{CompiledProgram, HostMemory, JitExecutor};
use bpf_profile::ActiveProfile;

let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::Syscall)
    .insn(BpfInsn::mov64_reg(0, 2)) // the length of the context
    .insn(BpfInsn::lsh64_imm(0, 1))
    .insn(BpfInsn::exit())
    .build()?;
let compiled = CompiledProgram::compile_checked(&program, &HostMemory)?;

let mut bytes = [0; 21];
let result = JitExecutor::new().execute(&compiled, &BpfContext::bytes(&mut bytes));
assert_eq!(result, Ok(42));
# Ok::<(), Box<dyn std::error::Error>>(())
```
"
)]
#![no_std]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(test)]
extern crate std;

cfg_if::cfg_if! {
    if #[cfg(feature = "cloud-profile")] {
        extern crate alloc;

        pub mod error;
        pub mod flow;
        pub mod functions;
        pub mod lower;
        pub mod memory;
        pub mod options;

        pub use error::CompileError;
        pub use memory::{CodeMemory, CodeMemoryError};
        pub use options::CompileOptions;
        #[cfg(feature = "std")]
        pub use memory::HostMemory;
    }
}

cfg_if::cfg_if! {
    if #[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))] {
        pub mod compiled;
        pub mod compiler;
        mod descriptor;
        pub mod executor;
        pub mod prepared;
        mod runtime;
        mod x86;

        pub use compiled::CompiledProgram;
        pub use compiler::Compiler;
        pub use executor::JitExecutor;
        pub use prepared::PreparedProgram;
    }
}

#[cfg(all(test, feature = "cloud-profile", feature = "std", target_arch = "x86_64"))]
mod tests;
