//! See [`kernel_bpf_fuzz::kernel`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kernel_bpf_fuzz::kernel::check(data));
