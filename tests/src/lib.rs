//! Shared corpus and harness of the integration tests.
