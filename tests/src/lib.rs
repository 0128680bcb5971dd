//! Corpus and harness of the integration tests: one list of cases as data, run
//! through every engine of the build.

pub mod case;
pub mod corpus;
pub mod engine;
pub mod generate;
pub mod outcome;
pub mod random;
