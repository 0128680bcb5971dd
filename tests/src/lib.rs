//! Corpus and harness of the integration tests: one list of cases as data, run
//! through every engine of the build.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "cases are cut to widths on purpose, and a corpus at fault stops the tests"
)]

pub mod case;
pub mod corpus;
pub mod engine;
pub mod generate;
pub mod outcome;
pub mod random;
pub mod replay;
