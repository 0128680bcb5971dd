//! A build without translation.

use super::Engine;

/// None.
pub fn engines() -> Vec<Engine> {
    Vec::new()
}
