//! `kbpf`: verify, run, disassemble and inspect eBPF programs.
fn main() {}
