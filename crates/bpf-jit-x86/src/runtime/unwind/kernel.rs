//! Panics of helpers in a kernel, where nothing catches them: one that unwinds
//! out of a function that compiled code called ends in an abort.

/// Nothing.
#[derive(Default)]
pub(crate) struct Panic {}

impl Panic {
    /// What `call` gives.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as on a host")]
    pub fn catch<T>(&mut self, call: impl FnOnce() -> T) -> Option<T> {
        Some(call())
    }

    /// Nothing goes on.
    #[allow(clippy::unused_self, reason = "as on a host")]
    pub fn resume(&mut self) {}
}
