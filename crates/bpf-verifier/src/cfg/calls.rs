//! The call graph: recursion, frames and stack of the deepest chain.

use super::functions::function_named;
use super::{CfgError, Code, reject, slot_number};
use crate::arena::{Arena, high, low, pair};
use crate::error::VerifyErrorKind;
use crate::policy::StackPolicy;

/// The deepest chain of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chain {
    /// Bytes of stack of all its frames.
    pub bytes: u32,
    /// Frames.
    pub frames: u32,
}

/// How far the walk has come with a function.
const NEW: u32 = 0;
const OPEN: u32 = 1;
const DONE: u32 = 2;

/// Bytes to which the stack of each frame is rounded up, as Linux does for compiled
/// programs.
const FRAME_ROUNDING: u32 = 16;

impl Code<'_> {
    /// Walks the call graph from the first function and from the one that is called
    /// behind `bpf_throw`, callees first, without
    /// recursion: the third word of a function is how far it has come and the
    /// slot to go on at, the fourth one its caller.
    pub(super) fn walk_calls(
        &self,
        arena: &mut Arena<'_>,
        policy: &StackPolicy,
    ) -> Result<Chain, CfgError> {
        for index in 0..self.function_count {
            let at = self.function_at(index);
            for word in 1..4 {
                arena.set(at.saturating_add(word), 0);
            }
            arena.set(at.saturating_add(2), pair(NEW, low(arena.word(at))));
        }
        let chain = self.walk_calls_from(arena, policy, 0)?;
        match self.exception_callback(arena) {
            Some((function, _)) => {
                let other = self.walk_calls_from(arena, policy, function)?;
                let (bytes, frames) =
                    (chain.bytes.max(other.bytes), chain.frames.max(other.frames));
                Ok(Chain { bytes, frames })
            }
            None => Ok(chain),
        }
    }

    fn walk_calls_from(
        &self,
        arena: &mut Arena<'_>,
        policy: &StackPolicy,
        first: u32,
    ) -> Result<Chain, CfgError> {
        let mut function = first;
        loop {
            let at = self.function_at(function);
            let progress = at.saturating_add(2);
            let mut pc = high(arena.word(progress)) as usize;
            arena.set(progress, pair(OPEN, slot_number(pc)));
            let end = self.function_end(arena, function);
            let mut entered = None;
            while pc < end && self.names_functions {
                let insn = self.slot(pc);
                // Whoever takes the address of a function may have it called; of itself,
                // by a timer.
                let named = function_named(pc, insn).map(|target| {
                    let callee = self.function_of(arena, target);
                    (target, callee)
                });
                let own = |callee| insn.slots() == 2 && callee == function && function != 0;
                if let Some((target, callee)) = named.filter(|(_, callee)| !own(*callee)) {
                    let state = low(arena.word(self.function_at(callee).saturating_add(2)));
                    // What catches a throw does not begin the program anew, either.
                    if state == OPEN || callee == 0 {
                        let target = slot_number(target);
                        return reject(VerifyErrorKind::Recursion { target }, pc);
                    }
                    if state == NEW {
                        entered = Some(callee);
                        break;
                    }
                    self.add_callee(arena, function, callee);
                }
                pc = pc.saturating_add(insn.slots());
            }
            arena.set(progress, pair(OPEN, slot_number(pc)));
            if let Some(callee) = entered {
                arena.set(self.function_at(callee).saturating_add(3), function.into());
                function = callee;
                continue;
            }
            let chain = self.close(arena, function);
            self.check_chain(arena, function, chain, policy)?;
            if function == first {
                return Ok(chain);
            }
            function = low(arena.word(at.saturating_add(3)));
        }
    }

    /// Lets the chain below a function be at least that of `callee`.
    fn add_callee(&self, arena: &mut Arena<'_>, function: u32, callee: u32) {
        let below = arena.word(self.function_at(callee).saturating_add(1));
        let at = self.function_at(function).saturating_add(1);
        let own = arena.word(at);
        arena.set(at, pair(low(own).max(low(below)), high(own).max(high(below))));
    }

    /// All callees are known: adds the function's own frame.
    fn close(&self, arena: &mut Arena<'_>, function: u32) -> Chain {
        let at = self.function_at(function);
        let below = arena.word(at.saturating_add(1));
        let depth = high(arena.word(at));
        let own = depth.checked_next_multiple_of(FRAME_ROUNDING).unwrap_or(u32::MAX);
        let chain =
            Chain { bytes: low(below).saturating_add(own), frames: high(below).saturating_add(1) };
        arena.set(at.saturating_add(1), pair(chain.bytes, chain.frames));
        let pc = high(arena.word(at.saturating_add(2)));
        arena.set(at.saturating_add(2), pair(DONE, pc));
        chain
    }

    fn check_chain(
        &self,
        arena: &Arena<'_>,
        function: u32,
        chain: Chain,
        policy: &StackPolicy,
    ) -> Result<(), CfgError> {
        let pc = self.function_start(arena, function);
        let limit = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let (frames, bytes) = (limit(policy.frames()), limit(policy.chain_bytes()));
        if chain.frames > frames {
            let kind = VerifyErrorKind::CallDepth { frames: chain.frames, limit: frames };
            return reject(kind, pc);
        }
        if chain.bytes > bytes {
            let kind = VerifyErrorKind::StackDepth {
                frames: chain.frames,
                bytes: chain.bytes,
                limit: bytes,
            };
            return reject(kind, pc);
        }
        Ok(())
    }
}
