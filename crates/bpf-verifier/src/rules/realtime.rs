//! What a verification goes by where time is bounded.

use bpf_bytecode::Instruction;
use bpf_bytecode::abi::helper::HelperSig;

use crate::cost::CostTable;
use crate::error::VerifyErrorKind;
use crate::meter::Meter;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Place {
    /// In a task, or at a hook that may take its time.
    #[default]
    Thread,
    /// In an interrupt handler: helpers must be safe there.
    Interrupt,
}

/// What time a program may take, and where it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Realtime<'e> {
    pub costs: CostTable<'e>,
    pub wcet_budget: Option<u64>,
    pub place: Place,
}

impl Realtime<'_> {
    pub const STANDARD: Self =
        Self { costs: CostTable::DEFAULT, wcet_budget: None, place: Place::Thread };

    /// What one execution of an instruction costs.
    pub fn cost(&self, insn: &Instruction) -> Meter {
        Meter([1, self.costs.cost(insn)])
    }

    /// What it costs that a helper calls a function.
    pub fn round_cost(&self) -> Meter {
        Meter([0, self.costs.call.into()])
    }

    /// Nothing allocates, and in interrupts only what is safe there is called.
    pub fn check_helper(&self, sig: &HelperSig) -> Result<(), VerifyErrorKind> {
        if sig.allocates {
            return Err(VerifyErrorKind::DynamicAllocation(sig.id));
        }
        if self.place == Place::Interrupt && !sig.interrupt_safe {
            return Err(VerifyErrorKind::InterruptUnsafe(sig.id));
        }
        Ok(())
    }

    /// Why a program that takes so long is refused, if it is.
    pub fn over_budget(&self, bound: Meter) -> Option<VerifyErrorKind> {
        let (wcet, budget) = (bound.time(), self.wcet_budget?);
        (wcet > budget).then_some(VerifyErrorKind::WcetExceeded { wcet, budget })
    }
}
