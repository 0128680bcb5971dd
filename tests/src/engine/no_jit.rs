//! A build without a JIT compiler.

use super::Engine;

/// None.
pub fn engines() -> Vec<Engine> {
    Vec::new()
}
