//! What a program works on: opaque bytes, or a packet.

use core::marker::PhantomData;

/// The input of one execution, borrowed exclusively for `'a`.
#[derive(Debug)]
pub struct BpfContext<'a> {
    bytes: PhantomData<&'a mut [u8]>,
}

impl BpfContext<'_> {
    /// A context without bytes and without a packet.
    pub const fn empty() -> Self {
        Self { bytes: PhantomData }
    }
}
