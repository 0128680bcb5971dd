//! Checks, demos and generators of the repository.
fn main() {}
