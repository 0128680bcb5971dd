//! The ready queue.

use core::fmt;

use bpf_profile::config::QUEUE_CAPACITY;
use bpf_profile::{ActiveProfile, MemoryStrategy, PhysicalProfile, Sequence};

use crate::policy::{AdmissionError, QueuePolicy};
use crate::request::{BpfExecRequest, QueuedProgram};

type Storage<T, const N: usize> =
    <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Vec<T, N>;

/// Requests that wait. On a static build there is room for `N`; on an elastic
/// one the queue grows.
pub struct ReadyQueue<'a, H, const N: usize = QUEUE_CAPACITY> {
    waiting: Storage<QueuedProgram<'a, H>, N>,
}

impl<'a, H, const N: usize> ReadyQueue<'a, H, N> {
    /// An empty queue.
    pub fn new() -> Self {
        Self { waiting: Storage::<_, N>::default() }
    }

    /// Requests that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The requests that wait, in no particular order.
    pub fn waiting(&self) -> &[QueuedProgram<'a, H>] {
        &self.waiting
    }

    /// Puts `queued` in.
    ///
    /// # Errors
    /// Gives it back when there is no room.
    pub(crate) fn insert(
        &mut self,
        queued: QueuedProgram<'a, H>,
    ) -> Result<(), QueuedProgram<'a, H>> {
        self.waiting.try_push(queued)
    }

    /// Makes room for one more, so that the next [`insert`](Self::insert) succeeds.
    pub(crate) fn reserve(&mut self) -> Result<(), AdmissionError> {
        self.waiting.try_reserve(1).map_err(|_| AdmissionError::QueueFull)
    }

    /// Takes out what `policy` selects.
    pub(crate) fn select<Q: QueuePolicy>(
        &mut self,
        policy: &mut Q,
    ) -> Option<QueuedProgram<'a, H>> {
        let index = policy.select(&self.waiting)?;
        self.waiting.take(index)
    }

    /// Takes out the first request that `remove` names.
    pub(crate) fn take_where(
        &mut self,
        remove: impl Fn(&BpfExecRequest<'a, H>) -> bool,
    ) -> Option<QueuedProgram<'a, H>> {
        let index = self.waiting.iter().position(|q| remove(q.request()))?;
        self.waiting.take(index)
    }
}

impl<H, const N: usize> Default for ReadyQueue<'_, H, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H, const N: usize> fmt::Debug for ReadyQueue<'_, H, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.waiting.iter()).finish()
    }
}
