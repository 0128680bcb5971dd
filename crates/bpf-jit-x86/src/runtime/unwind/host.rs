//! Panics of helpers on a host: they go round compiled code, which has no frames
//! that could be unwound.

extern crate std;

use alloc::boxed::Box;
use core::any::Any;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

/// What a helper has panicked with.
#[derive(Default)]
pub(crate) struct Panic(Option<Box<dyn Any + Send>>);

impl Panic {
    /// What `call` gives; nothing where it panics, which is kept.
    #[inline(always)]
    pub fn catch<T>(&mut self, call: impl FnOnce() -> T) -> Option<T> {
        // What `call` left behind is not used: the execution ends, and the panic
        // goes on where it leaves compiled code.
        catch_unwind(AssertUnwindSafe(call)).map_err(|payload| self.0 = Some(payload)).ok()
    }

    /// Goes on with the panic, if there was one.
    #[inline]
    pub fn resume(&mut self) {
        if self.0.is_some() {
            self.go_on();
        }
    }

    #[cold]
    fn go_on(&mut self) {
        if let Some(payload) = self.0.take() {
            resume_unwind(payload);
        }
    }
}
