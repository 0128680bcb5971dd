//! Ring buffers.

use bpf_bytecode::abi::helper::id;
use bpf_maps::RingBuffer;

use super::{bad, failed};
use crate::error::Fault;
use crate::run::Run;

fn ring<'r>(run: &Run<'r>, helper: u32, handle: u64) -> Result<&'r dyn RingBuffer, Fault> {
    run.map(handle).and_then(|map| map.ring_buf()).ok_or(bad(helper, 1))
}

/// `long bpf_ringbuf_output(map, void *data, u64 size, u64 flags)`
pub(super) fn output(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [map, data, size, flags, _] = args;
    let ring = ring(run, id::RINGBUF_OUTPUT, map)?;
    let size = usize::try_from(size).map_err(|_| bad(id::RINGBUF_OUTPUT, 3))?;
    let written = ring.output(run.view(data, size)?, flags);
    Ok(written.map_or_else(|error| failed(error.errno()), |_| 0))
}

/// `void *bpf_ringbuf_reserve(map, u64 size, u64 flags)`
pub(super) fn reserve(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [map, size, flags, ..] = args;
    let ring = ring(run, id::RINGBUF_RESERVE, map)?;
    Ok(run.reserve(ring, size, flags))
}

/// `void bpf_ringbuf_submit(void *data, u64 flags)`; R0 is 0 afterwards.
pub(super) fn submit(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [data, flags, ..] = args;
    run.submit(data, flags, bad(id::RINGBUF_SUBMIT, 1))
}

/// `void bpf_ringbuf_discard(void *data, u64 flags)`; R0 is 0 afterwards.
pub(super) fn discard(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [data, flags, ..] = args;
    run.discard(data, flags, bad(id::RINGBUF_DISCARD, 1))
}

/// `u64 bpf_ringbuf_query(map, u64 flags)`
pub(super) fn query(run: &mut Run<'_>, args: [u64; 5]) -> Result<u64, Fault> {
    let [map, what, ..] = args;
    Ok(ring(run, id::RINGBUF_QUERY, map)?.query(what))
}
