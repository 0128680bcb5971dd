//! An eBPF subsystem that a kernel or a firmware embeds: bytecode, verifier,
//! interpreter, JIT compiler, maps, scheduler and object loader, in one source
//! for two physical profiles.
//!
//! Choose exactly one profile by a feature: `cloud-profile` (heap, JIT, soft
//! time) or `embedded-profile` (static memory, proven time). What a profile may
//! not assume is absent from its build.
//!
//! # Creating and running a program
//!
//! ```
//! use kernel_bpf::bytecode::insn::BpfInsn;
//! use kernel_bpf::bytecode::program::{BpfProgType, ProgramBuilder};
//! use kernel_bpf::execution::{BpfContext, BpfExecutor, Interpreter};
//! use kernel_bpf::profile::ActiveProfile;
//!
//! // Build a simple program that returns 42
//! let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
//!     .insn(BpfInsn::mov64_imm(0, 42))  // r0 = 42
//!     .insn(BpfInsn::exit())             // return r0
//!     .build()
//!     .expect("valid program");
//!
//! // Execute with interpreter
//! let interp = Interpreter::<ActiveProfile>::new();
//! let result = interp.execute(&program, &BpfContext::empty());
//! assert_eq!(result, Ok(42));
//! ```
//!
//! # Verifying
//!
//! ```
//! # use kernel_bpf::bytecode::insn::BpfInsn;
//! # use kernel_bpf::bytecode::program::{BpfProgType, ProgramBuilder};
//! # use kernel_bpf::profile::ActiveProfile;
//! # let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
//! #     .insn(BpfInsn::mov64_imm(0, 42))
//! #     .insn(BpfInsn::exit())
//! #     .build()
//! #     .expect("valid program");
//! use kernel_bpf::verifier::Verifier;
//!
//! let verifier = Verifier::<ActiveProfile>::new();
//! match verifier.verify(&program) {
//!     Ok(()) => println!("Program is safe"),
//!     Err(e) => println!("Verification failed: {}", e),
//! }
//! # assert!(verifier.verify(&program).is_ok());
//! ```
//!
//! # Maps
//!
//! ```
//! use kernel_bpf::maps::{ArrayMap, BpfMap};
//! use kernel_bpf::profile::ActiveProfile;
//!
//! // Create an array map with 4-byte values and 100 entries
//! let map = ArrayMap::<ActiveProfile>::with_entries(4, 100)
//!     .expect("create map");
//!
//! // Write to index 5
//! let key = 5u32.to_ne_bytes();
//! let value = 42u32.to_ne_bytes();
//! map.update(&key, &value, 0).expect("update");
//!
//! // Read back
//! let result = map.lookup(&key).expect("lookup");
//! assert_eq!(result, value);
//! ```
//!
//! # Scheduling
//!
//! ```
//! # use kernel_bpf::bytecode::insn::BpfInsn;
//! # use kernel_bpf::bytecode::program::{BpfProgType, ProgramBuilder};
//! # use kernel_bpf::profile::ActiveProfile;
//! # use kernel_bpf::verifier::Verifier;
//! # let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
//! #     .insn(BpfInsn::mov64_imm(0, 42))
//! #     .insn(BpfInsn::exit())
//! #     .build()
//! #     .expect("valid program");
//! # let program = Verifier::new().verify_program(&program).expect("safe program");
//! use kernel_bpf::scheduler::{BpfScheduler, BpfExecRequest, ExecPriority, ProgId};
//! use kernel_bpf::execution::BpfContext;
//! use std::sync::Arc;
//!
//! let mut scheduler = BpfScheduler::new();
//!
//! // Submit a program for execution
//! let request = BpfExecRequest::new(
//!     ProgId(1),
//!     Arc::new(program),
//!     BpfContext::empty(),
//! ).with_priority(ExecPriority::High);
//!
//! scheduler.submit(request).expect("submit");
//!
//! // Get next program to execute
//! if let Some(queued) = scheduler.next() {
//!     // Execute the program...
//! #   use kernel_bpf::execution::VerifiedInterpreter;
//! #   assert_eq!(queued.execute(&VerifiedInterpreter::<ActiveProfile>::new()), Ok(42));
//! }
//! # assert!(scheduler.is_empty());
//! ```
//!
//! ## With a deadline, on the embedded profile
//!
//! ```
//! # #[cfg(feature = "embedded-profile")]
//! # use kernel_bpf::{
//! #     bytecode::insn::BpfInsn,
//! #     bytecode::program::{BpfProgType, ProgramBuilder},
//! #     execution::BpfContext,
//! #     profile::ActiveProfile,
//! #     scheduler::{BpfScheduler, ProgId},
//! #     verifier::Verifier,
//! # };
//! # #[cfg(feature = "embedded-profile")]
//! # let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::SocketFilter)
//! #     .insn(BpfInsn::mov64_imm(0, 42))
//! #     .insn(BpfInsn::exit())
//! #     .build()
//! #     .expect("valid program");
//! # #[cfg(feature = "embedded-profile")]
//! # let program = std::sync::Arc::new(Verifier::new().verify_program(&program).expect("safe"));
//! # #[cfg(feature = "embedded-profile")]
//! # let (mut scheduler, current_time_ns, context) =
//! #     (BpfScheduler::new(), 1_000, BpfContext::empty());
//! #[cfg(feature = "embedded-profile")]
//! {
//!     use kernel_bpf::scheduler::{Deadline, BpfExecRequest};
//!
//!     // Create request with a deadline
//!     let deadline = Deadline::from_now(current_time_ns, 1_000_000); // 1ms deadline
//!     let request = BpfExecRequest::new(ProgId(1), program, context)
//!         .with_deadline(deadline);
//!
//!     scheduler.submit(request).expect("submit");
//! }
//! ```
#![no_std]

pub use bpf_bytecode as bytecode;
pub use bpf_loader as loader;
pub use bpf_maps as maps;
pub use bpf_profile as profile;
pub use bpf_sched as scheduler;
pub use bpf_verifier as verifier;

#[cfg(feature = "cloud-profile")]
extern crate alloc;

pub mod execution;

// What the README shows is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
