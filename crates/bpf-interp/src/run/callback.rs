//! Helpers that call functions of the program: `bpf_loop` and
//! `bpf_for_each_map_elem`.
//!
//! Such a helper does not call by itself. It says what the engine has to call
//! next, and is told what came back, until it is done. So no engine is entered a
//! second time, and the native stack does not grow.

use core::ptr::NonNull;

use bpf_bytecode::abi::helper::id;
use bpf_bytecode::abi::map::MapType;
use bpf_maps::BpfMap;
use bpf_verifier::callback::{MAX_CALLBACKS, MAX_LOOPS, MAX_SHOWN_KEY};

use super::Run;
use super::pile::{Pile, Room};
use crate::error::Fault;
use crate::helpers::{E2BIG, EINVAL};

/// What a program holds for a function: no address, on any machine.
const FUNCTIONS: u64 = 0x4655_4e00_0000_0000;

const KEY_BYTES: usize = MAX_SHOWN_KEY as usize;
pub(super) const DEPTH: usize = MAX_CALLBACKS as usize;

/// What an engine has to do for a helper that calls functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callback {
    /// Call the function at this slot, in a frame of its own, with these values
    /// in R1 to R5 and 0 in R0; then ask again with
    /// [`Run::next_callback`].
    Call {
        /// The function's first slot.
        slot: u32,
        /// R1 to R5.
        args: [u64; 5],
    },
    /// The helper is done, and this is R0.
    Done(u64),
}

/// A helper that is calling.
#[derive(Clone, Copy)]
pub(super) struct Active<'r> {
    /// Live frames when it was called.
    depth: usize,
    slot: u32,
    context: u64,
    /// Calls so far, and calls at the most.
    calls: u32,
    most: u32,
    /// The map whose elements are shown, with the program's value for it.
    map: Option<(&'r dyn BpfMap, u64)>,
    /// The key that is shown, and the one after it.
    key: [u8; KEY_BYTES],
    next: [u8; KEY_BYTES],
    /// Whether there is a key after the one that is shown.
    more: bool,
}

/// The helpers that are calling, the innermost one last.
pub(super) struct Callbacks<'r> {
    active: Pile<'r, Active<'r>>,
}

impl<'r> Callbacks<'r> {
    pub fn new(room: &'r mut Room<Active<'r>, DEPTH>) -> Self {
        Self { active: Pile::new(room) }
    }

    /// Whether there are some.
    #[inline]
    pub const fn is_active(&self) -> bool {
        !self.active.is_empty()
    }

    /// How many.
    #[inline]
    pub const fn depth(&self) -> usize {
        self.active.len()
    }

    /// Takes all away.
    #[inline]
    pub const fn clear(&mut self) {
        self.active.clear();
    }

    fn last(&mut self) -> Option<&mut Active<'r>> {
        self.active.all_mut().last_mut()
    }

    /// Takes the innermost helper away.
    fn pop(&mut self) {
        self.active.pop();
    }

    /// The `len` bytes at `address`, if one of the keys that are shown holds all
    /// of them.
    #[inline]
    pub fn resolve(&self, address: usize, len: usize) -> Option<NonNull<u8>> {
        self.active.all().iter().find_map(|active| {
            let (map, _) = active.map?;
            let size = usize::try_from(map.def().key_size).ok()?;
            let key = active.key.get(..size)?;
            let offset = address.checked_sub(key.as_ptr().addr())?;
            key.get(offset..offset.checked_add(len)?).map(|part| NonNull::from(part).cast())
        })
    }
}

impl<'r> Run<'r> {
    /// What a program holds for the function at a slot.
    pub const fn function_handle(slot: u32) -> u64 {
        FUNCTIONS | slot as u64
    }

    /// Whether a helper calls functions of the program, so that the engine
    /// executes it with [`begin_callbacks`](Self::begin_callbacks).
    pub const fn calls_back(helper: u32) -> bool {
        matches!(helper, id::LOOP | id::FOR_EACH_MAP_ELEM)
    }

    /// Begins such a helper, called with R1 to R5. `is_function` knows at which
    /// slots of the running program instructions begin.
    ///
    /// # Errors
    /// [`Fault::HelperArgument`] for what is no map or no function,
    /// [`Fault::CallDepth`] when too many such helpers are calling already.
    pub fn begin_callbacks(
        &mut self,
        helper: u32,
        args: [u64; 5],
        is_function: &dyn Fn(u32) -> bool,
    ) -> Result<Callback, Fault> {
        let [first, function, context, flags, _] = args;
        let bad = |arg| Fault::HelperArgument { helper, arg };
        let slot = u32::try_from(function ^ FUNCTIONS).map_err(|_| bad(2))?;
        if !is_function(slot) {
            return Err(bad(2));
        }
        let map =
            if helper == id::LOOP { None } else { Some(self.enumerable(first).ok_or(bad(1))?) };
        if flags != 0 {
            return Ok(Callback::Done(EINVAL));
        }
        // As on Linux, the number of rounds is R1's low half.
        #[allow(clippy::cast_possible_truncation, reason = "as said")]
        // A proof counts on the definition, which a resize leaves alone and which the
        // definitions of all programs that run here agree with.
        let most = map.map_or(first as u32, |map| map.def().max_entries);
        if map.is_none() && most > MAX_LOOPS {
            return Ok(Callback::Done(E2BIG));
        }
        let mut active = Active {
            depth: self.stack.depth(),
            slot,
            context,
            calls: 0,
            most,
            map: map.map(|map| (map, first)),
            key: [0; KEY_BYTES],
            next: [0; KEY_BYTES],
            more: true,
        };
        active.more = active.map.is_none_or(|(map, _)| next_key(map, None, &mut active.next));
        self.callbacks.active.push(active).ok_or(Fault::CallDepth)?;
        Ok(self.call_next())
    }

    /// Whether helpers are calling functions.
    #[inline]
    pub(crate) const fn in_callback(&self) -> bool {
        self.callbacks.is_active()
    }

    /// Whether the function that was left has been called by a helper.
    #[inline]
    pub fn returns_to_helper(&mut self) -> bool {
        let depth = self.stack.depth();
        self.callbacks.last().is_some_and(|active| active.depth == depth)
    }

    /// The function that a helper called has returned `r0`, and its frame is
    /// left.
    pub fn next_callback(&mut self, r0: u64) -> Callback {
        match self.callbacks.last() {
            Some(active) if r0 != 0 => {
                let calls = active.calls;
                self.callbacks.pop();
                Callback::Done(calls.into())
            }
            _ => self.call_next(),
        }
    }

    /// The next call of the innermost helper.
    fn call_next(&mut self) -> Callback {
        let env = self.env;
        let Some(active) = self.callbacks.last() else { return Callback::Done(0) };
        while active.calls < active.most && active.more {
            let index = active.calls;
            let Some((map, handle)) = active.map else {
                active.calls = index.saturating_add(1);
                let args = [index.into(), active.context, 0, 0, 0];
                return Callback::Call { slot: active.slot, args };
            };
            active.key = active.next;
            active.more = next_key(map, Some(&active.key), &mut active.next);
            let size = usize::try_from(map.def().key_size).unwrap_or(KEY_BYTES);
            let key = active.key.get(..size).unwrap_or_default();
            // Somebody may have deleted it meanwhile.
            let cpu = *self.cpu.get_or_insert_with(|| env.platform().cpu());
            let Some(value) = map.lookup_ptr(key, cpu) else {
                active.most = active.most.saturating_sub(1);
                continue;
            };
            active.calls = index.saturating_add(1);
            let shown = u64::try_from(key.as_ptr().expose_provenance()).unwrap_or_default();
            let args = [handle, shown, super::memory::address(value), active.context, 0];
            return Callback::Call { slot: active.slot, args };
        }
        let calls = active.calls;
        self.callbacks.pop();
        Callback::Done(calls.into())
    }

    /// A map whose elements can be shown.
    fn enumerable(&self, handle: u64) -> Option<&'r dyn BpfMap> {
        let map = self.map(handle)?;
        let keyed = matches!(
            map.def().map_type,
            MapType::Array
                | MapType::PerCpuArray
                | MapType::Hash
                | MapType::PerCpuHash
                | MapType::LruHash
        );
        let shown = usize::try_from(map.def().key_size).is_ok_and(|size| size <= KEY_BYTES);
        (keyed && shown).then_some(map)
    }
}

/// The key after `previous`, if there is one.
fn next_key(
    map: &dyn BpfMap,
    previous: Option<&[u8; KEY_BYTES]>,
    out: &mut [u8; KEY_BYTES],
) -> bool {
    let size = usize::try_from(map.def().key_size).unwrap_or(0);
    let previous = previous.and_then(|key| key.get(..size));
    out.get_mut(..size).is_some_and(|out| map.next_key(previous, out).is_ok())
}
