//! Decides how handlers of the threaded interpreter go from one to the next.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(tail_dispatch)");
    // Calls at the end of a function become jumps where the optimiser runs, on
    // CPUs that pass all of a handler's arguments in registers.
    let optimised = env::var("OPT_LEVEL").is_ok_and(|level| level != "0");
    let cpu = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let miri = env::var_os("CARGO_CFG_MIRI").is_some();
    if optimised && !miri && matches!(cpu.as_str(), "x86_64" | "aarch64") {
        println!("cargo:rustc-cfg=tail_dispatch");
    }
}
