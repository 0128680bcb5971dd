//! Program execution engines.
//!
//! | executor | runs | profile |
//! |---|---|---|
//! | [`Interpreter`] | any program, every access checked | both |
//! | [`VerifiedInterpreter`] | verified programs, as they are | both |
#![cfg_attr(
    feature = "cloud-profile",
    doc = "| [`TranslatedInterpreter`] | verified programs in translation | cloud |"
)]
#![cfg_attr(
    all(feature = "cloud-profile", target_arch = "x86_64"),
    doc = "| [`JitExecutor`] | compiled programs | cloud |"
)]
//! | [`DefaultExecutor`] | loaded programs | both |
//!
//! [`DefaultExecutor`] is the engine that suits the build: the JIT compiler
//! where profile and CPU have one, and the interpreter where there is none or a
//! program cannot be compiled: in translation on the cloud profile, in place on
//! embedded. What it runs is a [`LoadedProgram`], which `load` makes of a verified
//! one, once for any number of runs. (A kernel on the cloud profile has no
//! operating system to get executable memory from: it hands some to `load_into`, or to
//! `load_with`, which takes the JIT compiler's options, too.)
//! Code that is written against these
//! three names runs unchanged on every profile:
//!
#![cfg_attr(any(feature = "std", feature = "embedded-profile"), doc = "```")]
#![cfg_attr(not(any(feature = "std", feature = "embedded-profile")), doc = "```ignore")]
//! use kernel_bpf::bytecode::{BpfInsn, BpfProgType, ProgramBuilder};
//! use kernel_bpf::execution::{BpfContext, BpfExecutor, DefaultExecutor, load};
//! use kernel_bpf::profile::ActiveProfile;
//! use kernel_bpf::verifier::Verifier;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
//!     .insn(BpfInsn::mov64_imm(0, 42))
//!     .insn(BpfInsn::exit())
//!     .build()?;
//! let program = load(Verifier::new().verify_program(&program)?);
//!
//! let executor = DefaultExecutor::<ActiveProfile>::new();
//! assert_eq!(executor.execute(&program, &BpfContext::empty()), Ok(42));
//! # Ok(())
//! # }
//! ```

pub use bpf_interp::*;

#[cfg(feature = "cloud-profile")]
pub use bpf_jit_x86 as jit;
#[cfg(all(feature = "cloud-profile", target_arch = "x86_64"))]
pub use bpf_jit_x86::{CompiledProgram, JitExecutor, PreparedProgram};

/// An engine of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// The interpreter, of translations where the profile has them.
    Interpreter,
    /// The JIT compiler.
    #[cfg(feature = "cloud-profile")]
    Jit,
}

// The one place where the default engine is chosen.
#[cfg_attr(all(feature = "cloud-profile", target_arch = "x86_64"), path = "execution/compiled.rs")]
#[cfg_attr(
    all(feature = "cloud-profile", not(target_arch = "x86_64")),
    path = "execution/translated.rs"
)]
#[cfg_attr(not(feature = "cloud-profile"), path = "execution/interpreted.rs")]
mod default;
mod default_executor;
#[cfg(feature = "cloud-profile")]
mod fallback;

pub use default::*;
pub use default_executor::DefaultExecutor;
