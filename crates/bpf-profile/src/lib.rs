//! Physical profiles: what one build of the eBPF kernel may assume about
//! memory, time and failure.
//!
//! Exactly one of the features `cloud-profile` and `embedded-profile` is chosen
//! at build time. Each makes one implementation of [`PhysicalProfile`] exist;
//! the other is absent from the build, not merely unused.
//!
//! | | cloud | embedded |
//! |---|---|---|
//! | memory | heap | static pool, no allocator |
//! | stack | 512 KiB | 8 KiB |
//! | program length | 1,000,000 slots | 100,000 slots |
//! | scheduling | throughput | earliest deadline first |
//! | after a failure | restart is acceptable | recovery is required |
//!
//! ```
//! use bpf_profile::{ActiveProfile, PhysicalProfile};
//! assert!(ActiveProfile::MAX_STACK_SIZE >= 8 * 1024);
//! ```
#![no_std]

cfg_if::cfg_if! {
    if #[cfg(all(feature = "cloud-profile", feature = "embedded-profile"))] {
        compile_error!(
            "kernel_bpf: the features `cloud-profile` and `embedded-profile` exclude each other; \
             enable exactly one of them"
        );
    } else if #[cfg(any(feature = "cloud-profile", feature = "embedded-profile"))] {
        pub mod config;
        pub mod failure;
        pub mod memory;
        mod physical;
        pub mod scheduler;
        #[cfg(feature = "embedded-profile")]
        pub mod static_pool;

        pub use failure::{FailureAction, FailureSemantic};
        pub use memory::{MemoryBlock, MemoryStrategy, OutOfMemory, Sequence, Stored};
        pub use physical::{ActiveProfile, PhysicalProfile};
        pub use scheduler::SchedulerPolicy;

        #[cfg(feature = "cloud-profile")]
        pub use physical::CloudProfile;
        #[cfg(feature = "embedded-profile")]
        pub use physical::EmbeddedProfile;
    } else {
        compile_error!(
            "kernel_bpf: no physical profile chosen; build with `--features cloud-profile` or \
             with `--features embedded-profile`"
        );
    }
}
