//! Fair throughput with priorities and without starvation.
//!
//! Inside a priority, programs share by *start-time fair queueing*: a request's
//! start tag is the later of the queue's virtual time and the finish tag of the
//! program's request before it, its finish tag lies the program's proven bound
//! on instructions behind, and the lowest start tag goes first. A program that
//! floods the queue therefore delays itself, not the others.
//!
//! Between priorities the highest goes first, but a priority that was passed
//! over [`PATIENCE`] times in a row goes next, so none starves.

use bpf_profile::config::QUEUE_CAPACITY;
use bpf_profile::{ActiveProfile, MemoryStrategy, PhysicalProfile, Sequence};

use crate::policy::{AdmissionError, QueuePolicy};
use crate::request::{BpfExecRequest, ExecPriority, ProgId, QueuedProgram};

/// How often in a row a priority may be passed over while it has requests.
pub const PATIENCE: u32 = 8;

/// The finish tag of a program's last request at one priority.
#[derive(Clone, Copy, Debug)]
struct Finish {
    id: ProgId,
    priority: ExecPriority,
    tag: u64,
}

type Finishes =
    <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Vec<Finish, QUEUE_CAPACITY>;

/// The discipline of the cloud profile.
#[derive(Debug, Default)]
pub struct ThroughputPolicy {
    /// Start tag of the request served last, for each priority.
    virtual_time: [u64; ExecPriority::COUNT],
    passed_over: [u32; ExecPriority::COUNT],
    finishes: Finishes,
}

impl ThroughputPolicy {
    /// A policy that has served nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn now(&self, priority: ExecPriority) -> u64 {
        self.virtual_time.get(priority.index()).copied().unwrap_or_default()
    }

    /// The priority to serve, among those that have requests.
    fn level(&mut self, present: [bool; ExecPriority::COUNT]) -> Option<usize> {
        let waits = |level: &usize| present.get(*level).copied().unwrap_or_default();
        let highest = (0..ExecPriority::COUNT).rev().find(waits)?;
        let starved = (0..highest).filter(waits).max_by_key(|level| {
            let passed = self.passed_over.get(*level).copied().unwrap_or_default();
            if passed >= PATIENCE { passed } else { 0 }
        });
        let chosen = starved
            .filter(|l| self.passed_over.get(*l).is_some_and(|passed| *passed >= PATIENCE))
            .unwrap_or(highest);
        for (level, passed) in self.passed_over.iter_mut().enumerate() {
            *passed = if level == chosen || !waits(&level) { 0 } else { passed.saturating_add(1) };
        }
        Some(chosen)
    }

    /// Forgets finish tags that lie behind the virtual time: they no longer
    /// delay anything.
    fn forget_old(&mut self) {
        let mut index = 0;
        while let Some(finish) = self.finishes.get(index).copied() {
            if finish.tag <= self.now(finish.priority) {
                self.finishes.take(index);
            } else {
                index = index.saturating_add(1);
            }
        }
    }
}

impl QueuePolicy for ThroughputPolicy {
    fn admit<H>(
        &mut self,
        request: &BpfExecRequest<'_, H>,
        _waiting: &[QueuedProgram<'_, H>],
    ) -> Result<u64, AdmissionError> {
        let (id, priority) = (request.id(), request.priority());
        let cost = request.info().max_insns.max(1);
        self.forget_old();
        let now = self.now(priority);
        let known = self.finishes.iter_mut().find(|f| f.id == id && f.priority == priority);
        let start = known.as_ref().map_or(now, |f| f.tag.max(now));
        let finish = start.saturating_add(cost);
        if let Some(entry) = known {
            entry.tag = finish;
        } else {
            let entry = Finish { id, priority, tag: finish };
            self.finishes.try_push(entry).map_err(|_| AdmissionError::QueueFull)?;
        }
        Ok(start)
    }

    fn select<H>(&mut self, waiting: &[QueuedProgram<'_, H>]) -> Option<usize> {
        let mut present = [false; ExecPriority::COUNT];
        for queued in waiting {
            if let Some(flag) = present.get_mut(queued.request().priority().index()) {
                *flag = true;
            }
        }
        let level = self.level(present)?;
        let (index, chosen) = waiting
            .iter()
            .enumerate()
            .filter(|(_, q)| q.request().priority().index() == level)
            .min_by_key(|(_, q)| (q.tag, q.sequence))?;
        if let Some(time) = self.virtual_time.get_mut(level) {
            *time = chosen.tag.max(*time);
        }
        Some(index)
    }
}
