//! Requests with figures that a test chooses.

use bpf_interp::BpfContext;
use bpf_verifier::VerifiedInfo;

use crate::request::{BpfExecRequest, ProgId};
use crate::scheduler::BpfScheduler;

/// Requests that only are ordered: the handle is a serial number.
pub(crate) type Request = BpfExecRequest<'static, u32>;
pub(crate) type Scheduler = BpfScheduler<'static, u32>;

/// A request of program `id` whose proven bounds are `cost`.
pub(crate) fn request(id: u32, cost: u64) -> Request {
    numbered(0, id, cost)
}

/// A request with a serial number.
pub(crate) fn numbered(serial: u32, id: u32, cost: u64) -> Request {
    let info = VerifiedInfo {
        max_insns: cost,
        #[cfg(feature = "embedded-profile")]
        wcet: cost,
        ..VerifiedInfo::default()
    };
    BpfExecRequest::with_info(ProgId(id), serial, BpfContext::empty(), &info)
}

/// The numbers of the programs, in the order in which they come out.
pub(crate) fn drain(scheduler: &mut Scheduler) -> std::vec::Vec<u32> {
    core::iter::from_fn(|| scheduler.next()).map(|queued| queued.request().id().0).collect()
}
