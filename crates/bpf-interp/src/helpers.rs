//! The standard helpers, as Linux defines them, one file per family.

use bpf_bytecode::abi::errno;
use bpf_bytecode::abi::helper::id;

use crate::error::Fault;
use crate::helper;
use crate::run::Run;

mod checksum;
mod map;
mod packet;
mod ringbuf;
mod system;
mod trace;

impl Run<'_> {
    /// Calls helper `id` with the arguments R1 to R5 and gives R0. `bpf_tail_call`
    /// is not called but executed by the engine, see
    /// [`tail_call`](Self::tail_call).
    ///
    /// R1 to R5 keep their values over a call, in every engine.
    ///
    /// # Errors
    /// A [`Fault`], when the helper does not exist or the program has no right
    /// to what it passes.
    pub fn call_helper(&mut self, id: u32, args: [u64; 5]) -> Result<u64, Fault> {
        if let Some((signature, helper)) = self.environment().declared(id)
            && id != id::TAIL_CALL
        {
            let helper = helper.ok_or(Fault::UnknownHelper(id))?;
            return helper::call(self, helper, signature, args);
        }
        match id {
            id::MAP_LOOKUP_ELEM => map::lookup(self, args),
            id::MAP_UPDATE_ELEM => map::update(self, args),
            id::MAP_DELETE_ELEM => map::delete(self, args),
            id::KTIME_GET_NS => Ok(system::now(self)),
            id::TRACE_PRINTK => trace::printk(self, args),
            id::GET_PRANDOM_U32 => Ok(system::random(self)),
            id::GET_SMP_PROCESSOR_ID => Ok(system::cpu(self)),
            id::SKB_LOAD_BYTES => packet::load_bytes(self, args),
            id::CSUM_DIFF => checksum::diff(self, args),
            id::XDP_ADJUST_HEAD => packet::adjust_head(self, args),
            id::XDP_ADJUST_TAIL => packet::adjust_tail(self, args),
            id::RINGBUF_OUTPUT => ringbuf::output(self, args),
            id::RINGBUF_RESERVE => ringbuf::reserve(self, args),
            id::RINGBUF_SUBMIT => ringbuf::submit(self, args),
            id::RINGBUF_DISCARD => ringbuf::discard(self, args),
            id::RINGBUF_QUERY => ringbuf::query(self, args),
            id::LOOP | id::FOR_EACH_MAP_ELEM => {
                Err(Fault::Unsupported("callback outside an engine"))
            }
            id::TAIL_CALL => Err(Fault::Unsupported("tail call outside an engine")),
            _ => Err(Fault::UnknownHelper(id)),
        }
    }
}

/// An error number as R0 holds it.
const fn failed(errno: i64) -> u64 {
    errno.wrapping_neg().cast_unsigned()
}

/// The low half of an argument that Linux declares as 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "as said")]
const fn low(argument: u64) -> u32 {
    argument as u32
}

/// The fault of argument `arg` of helper `helper`.
const fn bad(helper: u32, arg: u8) -> Fault {
    Fault::HelperArgument { helper, arg }
}

pub(crate) const E2BIG: u64 = failed(errno::E2BIG);
pub(crate) const EINVAL: u64 = failed(errno::EINVAL);
const EFAULT: u64 = failed(errno::EFAULT);
