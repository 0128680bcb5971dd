//! In the place of the rules about time, where there are none.
#![allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other profile's look")]

use core::marker::PhantomData;

use bpf_bytecode::Instruction;
use bpf_bytecode::abi::helper::HelperSig;

use crate::error::VerifyErrorKind;
use crate::meter::Meter;

/// Any time may be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Realtime<'e>(PhantomData<&'e ()>);

impl Realtime<'_> {
    pub const STANDARD: Self = Self(PhantomData);

    /// What one execution of an instruction costs.
    pub const fn cost(self, _: &Instruction) -> Meter {
        Meter([1])
    }

    /// What it costs that a helper calls a function.
    #[allow(clippy::unused_self, reason = "the other profile's needs it")]
    pub const fn round_cost(self) -> Meter {
        Meter::ZERO
    }

    /// Any helper may be called.
    pub const fn check_helper(self, _: &HelperSig) -> Result<(), VerifyErrorKind> {
        Ok(())
    }
}
