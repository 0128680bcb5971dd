//! Tail calls.

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::abi::map::MapType;
use bpf_verifier::VerifiedInfo;

use super::{ProgramInfo, Run, admission};
use crate::context::ContextKind;
use crate::error::Fault;

/// Tail calls that may follow one another, as on Linux.
pub const MAX_TAIL_CALLS: u32 = 33;

impl<'r> Run<'r> {
    /// `bpf_tail_call` with the program's R2 and R3: replaces the running
    /// program by the one at `index` of the program array that `array` stands
    /// for, and gives its number. `programs` knows the engine's programs by
    /// that number.
    ///
    /// On success the running function's frame begins anew and the engine goes on
    /// at the target's first slot with [`entry_registers`](Self::entry_registers).
    /// `None` is a tail call that failed, after which the program goes on behind
    /// it: the slot is empty, too many tail calls went before, the target is of
    /// another type or was made for another environment, or its proven bound
    /// exceeds the budget. The budget is per program: a target starts a new one.
    ///
    /// # Errors
    /// [`Fault::HelperArgument`] when `array` stands for no program array.
    pub fn tail_call(
        &mut self,
        array: u64,
        index: u64,
        programs: &dyn Fn(u32) -> Option<ProgramInfo<'r>>,
    ) -> Result<Option<u32>, Fault> {
        let map = self.map(array).filter(|map| map.def().map_type == MapType::ProgArray);
        let map = map.ok_or(Fault::HelperArgument { helper: id::TAIL_CALL, arg: 2 })?;
        // As on Linux, the index is R3's low half.
        #[allow(clippy::cast_possible_truncation, reason = "as said")]
        let index = index as u32;
        if self.tail_calls >= MAX_TAIL_CALLS {
            return Ok(None);
        }
        let target = map.program(index).and_then(|number| Some((number, programs(number)?)));
        let Some((number, target)) = target else { return Ok(None) };
        if !self.admits(&target) {
            return Ok(None);
        }
        self.hot.budget = self.env.budget();
        self.tail_calls = self.tail_calls.saturating_add(1);
        self.program = target;
        self.stack.begin_program(target.wants_zeros());
        Ok(Some(number))
    }

    /// Whether `target` may follow the running program.
    fn admits(&self, target: &ProgramInfo<'r>) -> bool {
        let same_kind = target.prog_type() == self.program.prog_type()
            && target.verified().is_some() == self.program.verified().is_some();
        let (kind, bytes) = self
            .context
            .as_ref()
            .map_or((ContextKind::Empty, 0), |context| (context.kind(), context.structure().1));
        same_kind
            && admission::check_maps(self.env, target).is_ok()
            && admission::Contexts::of(target).check_kind(kind, bytes).is_ok()
            && target.verified().is_none_or(|info| self.admits_proof(info))
    }

    /// Whether what was proven of a target holds here.
    fn admits_proof(&self, info: &VerifiedInfo) -> bool {
        // The running function's frame becomes the target's first one.
        let frames = self.stack.depth().saturating_add(info.frames).saturating_sub(1);
        frames <= self.env.stack_policy().frames() && admission::check_proof(self.env, info).is_ok()
    }
}
