//! Fair throughput with priorities and without starvation.
//!
//! # Inside a priority
//! Programs share by *start-time fair queueing*. A request costs its program's
//! proven bound on instructions. Its start tag is the later of two: the virtual
//! time, which is the start tag of the request served last, and the finish tag
//! of the program's request before it. Its finish tag lies the cost behind, and
//! the lowest start tag goes first. A program that floods the queue delays
//! itself, not the others:
//!
//! * over any time in which two programs have requests waiting, the work done
//!   for the one and for the other differs by no more than the cost of a
//!   request of each;
//! * the first request of a program that had none waits for at most one request
//!   of every other program.
//!
//! # Between priorities
//! The highest goes first. One that was passed over [`PATIENCE`] times in a row
//! while it had requests goes before all, of several the highest. So while a priority has requests, at most [`MAX_PASSED_OVER`] requests
//! of others are served before one of its own.

use bpf_profile::config::QUEUE_CAPACITY;
use bpf_profile::{ActiveProfile, MemoryStrategy, PhysicalProfile, Sequence};

use crate::policy::{AdmissionError, QueuePolicy};
use crate::request::{BpfExecRequest, ExecPriority, ProgId, QueuedProgram};

#[cfg(test)]
mod tests;

/// How often in a row a priority may be passed over before it goes first.
pub const PATIENCE: u32 = 8;

/// How often in a row a priority is passed over at the most: one more time for
/// each of the two others that can lose their patience together with it.
pub const MAX_PASSED_OVER: u32 = PATIENCE + 2;
const _: () = assert!(LEVELS == 4, "MAX_PASSED_OVER is for four priorities");

/// The cost that a request is charged at the most. Proven bounds above it
/// exceed every sensible budget, and would use up the tags.
pub const MAX_COST: u64 = 1 << 32;

const LEVELS: usize = ExecPriority::COUNT;

/// The finish tag of a program's last request at one priority.
#[derive(Clone, Copy, Debug)]
struct Finish {
    id: ProgId,
    level: usize,
    tag: u64,
}

/// One for every program that may still have to wait for its own work.
type Finishes =
    <<ActiveProfile as PhysicalProfile>::Memory as MemoryStrategy>::Vec<Finish, QUEUE_CAPACITY>;

/// What is kept of one priority.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// Start tag of the request served last.
    virtual_time: u64,
    /// How often in a row others were served while it had requests.
    passed_over: u32,
}

/// The discipline of the cloud profile.
#[derive(Debug, Default)]
pub struct ThroughputPolicy {
    levels: [Level; LEVELS],
    finishes: Finishes,
}

impl ThroughputPolicy {
    /// A policy that has served nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn virtual_time(&self, level: usize) -> u64 {
        self.levels.get(level).map_or(0, |l| l.virtual_time)
    }

    /// The priority to serve, among those that have requests.
    fn choose(&self, present: [bool; LEVELS]) -> Option<usize> {
        let waiting = || self.levels.iter().zip(present).enumerate().filter(|(_, (_, p))| *p);
        let impatient = waiting().rfind(|(_, (level, _))| level.passed_over >= PATIENCE);
        impatient.or_else(|| waiting().next_back()).map(|(index, _)| index)
    }

    /// Notes that `chosen` is served. A priority without requests starts from
    /// the beginning: it owes nobody anything.
    fn serve(&mut self, chosen: usize, present: [bool; LEVELS], start: u64) {
        for ((index, level), present) in self.levels.iter_mut().enumerate().zip(present) {
            if !present {
                *level = Level::default();
            } else if index == chosen {
                level.passed_over = 0;
                level.virtual_time = level.virtual_time.max(start);
            } else {
                level.passed_over = level.passed_over.saturating_add(1);
            }
        }
        self.forget(present);
    }

    /// Forgets finish tags that delay nothing any more.
    fn forget(&mut self, present: [bool; LEVELS]) {
        let mut kept = 0_usize;
        for index in 0..self.finishes.len() {
            let Some(finish) = self.finishes.get(index).copied() else { break };
            let busy = present.get(finish.level).copied().unwrap_or_default();
            if busy && finish.tag > self.virtual_time(finish.level) {
                if let Some(slot) = self.finishes.get_mut(kept) {
                    *slot = finish;
                }
                kept = kept.saturating_add(1);
            }
        }
        self.finishes.truncate(kept);
    }
}

impl QueuePolicy for ThroughputPolicy {
    fn admit<H>(
        &mut self,
        request: &BpfExecRequest<'_, H>,
        _waiting: &[QueuedProgram<'_, H>],
    ) -> Result<u64, AdmissionError> {
        let (id, level) = (request.id(), request.priority().index());
        let cost = request.max_insns().clamp(1, MAX_COST);
        let now = self.virtual_time(level);
        if let Some(last) = self.finishes.iter_mut().find(|f| f.id == id && f.level == level) {
            let start = last.tag.max(now);
            last.tag = start.saturating_add(cost);
            return Ok(start);
        }
        let finish = Finish { id, level, tag: now.saturating_add(cost) };
        self.finishes.try_push(finish).map_err(|_| AdmissionError::QueueFull)?;
        Ok(now)
    }

    fn select<H>(&mut self, waiting: &[QueuedProgram<'_, H>]) -> Option<usize> {
        let mut present = [false; LEVELS];
        for queued in waiting {
            if let Some(flag) = present.get_mut(queued.request().priority().index()) {
                *flag = true;
            }
        }
        let Some(chosen) = self.choose(present) else {
            self.levels = Default::default();
            self.finishes.truncate(0);
            return None;
        };
        let (index, next) = waiting
            .iter()
            .enumerate()
            .filter(|(_, q)| q.request().priority().index() == chosen)
            .min_by_key(|(_, q)| (q.tag, q.sequence))?;
        self.serve(chosen, present, next.tag);
        Some(index)
    }
}
