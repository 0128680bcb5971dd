//! Which bytes of its frame a function may still read: where memory is elastic, that is not
//! worth finding.

use bpf_bytecode::BpfInsn;

use super::Code;
use crate::HelperTable;
use crate::arena::{Arena, NoRoom};

/// What is tracked of a function's frame.
pub(crate) enum Frame {}

impl Frame {
    pub const fn is_dead(&self, _: u32, _: i32, _: u32) -> bool {
        match *self {}
    }
}

/// What is found of a program: nothing.
#[derive(Clone, Copy)]
pub(super) struct Frames;

impl Frames {
    pub const EMPTY: Self = Self;

    #[allow(clippy::unused_self, reason = "as where something is found")]
    pub const fn note(&mut self, _: &[BpfInsn]) {}
}

impl Code<'_> {
    /// The words of all slots of the program have served.
    #[allow(clippy::unnecessary_wraps, reason = "as where something is found")]
    pub(super) fn find_stacks(
        &mut self,
        arena: &mut Arena<'_>,
        _: &HelperTable<'_>,
    ) -> Result<(), NoRoom> {
        arena.free(self.flow, self.insns.len());
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "as where something is found")]
    pub const fn frame(&self, _: &Arena<'_>, _: usize) -> Option<(Frame, u32)> {
        None
    }
}
