//! What a run costs, where the profile proves a bound on that.

#[cfg_attr(feature = "embedded-profile", path = "cost/time.rs")]
#[cfg_attr(not(feature = "embedded-profile"), path = "cost/nothing.rs")]
mod profile;

pub(super) use profile::Cost;
