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
//! # From an object to a verdict
//!
//! ```
//! use kernel_bpf::execution::{BpfContext, BpfExecutor, Environment, VerifiedInterpreter};
//! use kernel_bpf::live;
//! use kernel_bpf::loader::Object;
//! use kernel_bpf::maps::BpfMap;
//! use kernel_bpf::profile::ActiveProfile;
//! use kernel_bpf::verifier::Verifier;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let bytes = include_bytes!("../../../examples/programs/xdp_firewall.bpf.o");
//! let object = Object::<ActiveProfile>::parse(bytes)?;
//! let program = object.program("xdp_firewall")?.link()?.build()?;
//! let program = Verifier::new().verify_program(&program)?;
//!
//! // A live map for each definition, in the same order, with its initial contents.
//! let maps = live::of_object(&object).collect::<Result<Vec<_>, _>>()?;
//! let live: Vec<&dyn BpfMap> = maps.iter().map(|map| map as &dyn BpfMap).collect();
//! let env = Environment::new().with_maps(&live);
//! let engine = VerifiedInterpreter::<ActiveProfile>::with_env(env);
//!
//! // A packet from an address that the firewall blocks.
//! let mut packet = [0; 60];
//! packet[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 0x00]);
//! packet[16..18].copy_from_slice(&46_u16.to_be_bytes());
//! packet[23] = 17;
//! packet[26..30].copy_from_slice(&[192, 0, 2, 66]);
//! const XDP_DROP: u64 = 1;
//! assert_eq!(engine.execute(&program, &BpfContext::xdp(&mut packet)), Ok(XDP_DROP));
//!
//! // What the program wrote to its ring buffer.
//! let (index, _) = object.map("dropped_flows").ok_or("no such map")?;
//! let ring = live[index].ring_buf().ok_or("no ring buffer")?;
//! let mut lengths = Vec::new();
//! ring.consume(&mut |record| lengths.push(record.len()))?;
//! assert_eq!(lengths, [32]);
//! # Ok(())
//! # }
//! ```
//!
//! A program array holds positions among the object's programs, and the executor
//! is given these (`with_programs`). Where there is no room for an object's tables
//! a [`FlatImage`](loader::FlatImage) takes its place ([`live::of_image`]).
//!
//! # Program types and helpers of a kernel's own
//!
//! Both are data, which the verifier and every engine go by.
//!
//! ```
//! use kernel_bpf::bytecode::abi::context::{CtxField, CtxLayout, Sizes};
//! use kernel_bpf::bytecode::abi::helper::{ArgKind, HelperSig, RetKind};
//! use kernel_bpf::bytecode::abi::prog_type::{ProgTypeDef, ProgTypes};
//! use kernel_bpf::bytecode::{BpfProgType, ProgramBuilder};
//! use kernel_bpf::execution::{
//!     BpfContext, BpfExecutor, Environment, Fault, Helper, HelperCall, VerifiedInterpreter,
//! };
//! use kernel_bpf::profile::ActiveProfile;
//! use kernel_bpf::verifier::{HelperTable, Verifier};
//!
//! // Programs find a reading of four bytes, and a limit that they may set.
//! static SENSOR: ProgTypeDef = ProgTypeDef::new(ProgTypes::FIRST_OWN, "sensor", {
//!     const READING: CtxField = CtxField::scalars(0, 4, Sizes::UP_TO_4);
//!     const LIMIT: CtxField = CtxField::scalars(4, 8, Sizes::ONLY_4).written(Sizes::ONLY_4);
//!     CtxLayout::bytes(8, &[READING, LIMIT])
//! })
//! .returning(0, 1);
//!
//! // `u64 calibrate(u64 reading)`
//! const NONE: ArgKind = ArgKind::None;
//! const CALIBRATE: HelperSig = HelperSig::new(
//!     10_000,
//!     "calibrate",
//!     [ArgKind::Scalar, NONE, NONE, NONE, NONE],
//!     RetKind::Integer,
//! );
//!
//! struct Calibrate(u64);
//!
//! impl Helper for Calibrate {
//!     fn call(&self, call: &mut HelperCall<'_, '_>) -> Result<u64, Fault> {
//!         Ok(call.arg(1).wrapping_mul(self.0))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let program = ProgramBuilder::<ActiveProfile>::new(BpfProgType::new(&SENSOR))
//!     .asm(
//!         "r6 = r1
//!          r1 = *(u32 *)(r1 +0)
//!          call 10000
//!          r1 = *(u32 *)(r6 +4)
//!          if r0 > r1 goto above
//!          r0 = 0
//!          exit
//!          above: *(u32 *)(r6 +4) = r0
//!          r0 = 1
//!          exit",
//!     )?
//!     .build()?;
//! let signatures = [CALIBRATE];
//! let verifier = Verifier::with_env(HelperTable::with(&signatures)?);
//! let program = verifier.verify_program(&program)?;
//!
//! let calibrate = Calibrate(3);
//! let helpers: [&dyn Helper; 1] = [&calibrate];
//! let env = Environment::new().with_helpers(&signatures, &helpers);
//! let engine = VerifiedInterpreter::<ActiveProfile>::with_env(env);
//! let mut sensor = [[7, 0, 0, 0], [20, 0, 0, 0]];
//! let context = BpfContext::bytes(sensor.as_flattened_mut());
//! assert_eq!(engine.execute(&program, &context), Ok(1));
//! drop(context);
//! assert_eq!(sensor[1], [21, 0, 0, 0]);
//! # Ok(())
//! # }
//! ```
//!
//! In an object the name of a section stands for such a type:
//! [`ProgTypeDef::in_sections`](bytecode::abi::prog_type::ProgTypeDef::in_sections) says
//! which, and [`Object::with_own_types`](loader::Object::with_own_types) goes by it.
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
pub mod live;

// What the README shows is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
