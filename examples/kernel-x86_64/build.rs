//! Hands the linker the image's layout.

use std::env;

fn main() {
    let dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:rustc-link-arg=-T{dir}/kernel.ld");
    // The image is linked where it is loaded; nobody would relocate it.
    println!("cargo:rustc-link-arg=--no-pie");
    println!("cargo:rerun-if-changed=kernel.ld");
    println!("cargo:rerun-if-changed=build.rs");
}
