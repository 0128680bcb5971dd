//! No request is lost, whatever becomes of it.

use std::collections::BTreeSet;
use std::string::ToString;
use std::vec::Vec;

use bpf_interp::{BpfError, Fault, Refusal};
use proptest::collection::vec as many;
use proptest::prelude::*;

use super::BpfScheduler;
use crate::policy::{AdmissionError, QueuePolicy};
use crate::request::{BpfExecRequest, ProgId, QueuedProgram};
use crate::testing::{Scheduler, numbered, request};
use crate::{ActivePolicy, Outcome};

const FAULT: BpfError = BpfError::Fault { pc: 3, fault: Fault::Budget };
const REFUSED: BpfError = BpfError::Refused(Refusal::HelperMismatch);

#[test]
fn a_waiting_request_can_be_cancelled() {
    let mut scheduler = Scheduler::new();
    for (serial, id) in [(0, 1), (1, 2), (2, 1)] {
        scheduler.submit(numbered(serial, id, 1)).unwrap();
    }
    let serial = |queued: Option<QueuedProgram<'_, u32>>| queued.map(|q| *q.request().program());
    assert_eq!(serial(scheduler.cancel(ProgId(1))), Some(0));
    assert_eq!(serial(scheduler.cancel(ProgId(1))), Some(2));
    assert_eq!(serial(scheduler.cancel(ProgId(1))), None);
    assert_eq!((scheduler.len(), scheduler.is_empty()), (1, false));
    assert_eq!(serial(scheduler.next()), Some(1));
    assert!(scheduler.is_empty());
}

/// A policy from elsewhere: what came last goes first, and number 7 is refused.
#[derive(Debug)]
struct LastFirst;

impl QueuePolicy for LastFirst {
    fn admit<H>(
        &mut self,
        request: &BpfExecRequest<'_, H>,
        waiting: &[QueuedProgram<'_, H>],
    ) -> Result<u64, AdmissionError> {
        if request.id() == ProgId(7) {
            return Err(AdmissionError::QueueFull);
        }
        Ok(waiting.iter().map(|q| q.tag() + 1).max().unwrap_or_default())
    }

    fn select<H>(&mut self, waiting: &[QueuedProgram<'_, H>]) -> Option<usize> {
        waiting.iter().enumerate().max_by_key(|(_, q)| q.tag()).map(|(index, _)| index)
    }
}

#[test]
fn a_kernel_may_bring_its_own_policy() {
    let mut scheduler: BpfScheduler<'_, u32, LastFirst> = BpfScheduler::with_policy(LastFirst);
    for id in 1..4 {
        scheduler.submit(request(id, 1)).unwrap();
    }
    let refused = scheduler.submit(numbered(70, 7, 1)).unwrap_err();
    assert_eq!(*refused.request.program(), 70);
    assert_eq!(refused.to_string(), "request of program 7 not admitted: the queue is full");
    let order: Vec<_> = core::iter::from_fn(|| scheduler.next())
        .map(|q| (q.request().id().0, q.sequence()))
        .collect();
    assert_eq!(order, [(3, 2), (2, 1), (1, 0)]);
}

/// One of the things that can happen to a scheduler.
#[derive(Clone, Debug)]
enum Step {
    Submit(u32),
    Cancel(u32),
    Serve(Result<u64, BpfError>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let result = prop_oneof![Just(Ok(0)), Just(Err(FAULT)), Just(Err(REFUSED))];
    let step = prop_oneof![
        4 => (0_u32..5).prop_map(Step::Submit),
        1 => (0_u32..5).prop_map(Step::Cancel),
        3 => result.prop_map(Step::Serve),
    ];
    many(step, 1..200)
}

/// Takes a request out and says how it ended; its number if it left for good.
#[cfg(feature = "cloud-profile")]
fn serve(scheduler: &mut Scheduler, result: Result<u64, BpfError>) -> Option<u32> {
    let queued = scheduler.next()?;
    let serial = *queued.request().program();
    match scheduler.complete(queued, result) {
        Outcome::Done(_) => Some(serial),
        Outcome::Restarted { .. } => None,
        Outcome::GivenUp { request, .. } => Some(*request.program()),
    }
}

#[cfg(feature = "embedded-profile")]
fn serve(scheduler: &mut Scheduler, result: Result<u64, BpfError>) -> Option<u32> {
    let queued = scheduler.next()?;
    let serial = *queued.request().program();
    let mut recovered = 0;
    let left = match scheduler.complete(queued, result, &mut |_, _: &BpfError| recovered += 1) {
        Outcome::Done(_) => serial,
        Outcome::Recovered { request, .. } => *request.program(),
    };
    assert_eq!(recovered, i32::from(result.is_err()));
    Some(left)
}

proptest! {
    /// Every request that was submitted is in exactly one place: given back,
    /// waiting, or done.
    #[test]
    fn no_request_is_lost_and_none_comes_twice(steps in steps()) {
        let mut scheduler = Scheduler::with_policy(ActivePolicy::new());
        let mut waiting = BTreeSet::new();
        for (serial, step) in (0..).zip(steps) {
            match step {
                Step::Submit(id) => match scheduler.submit(numbered(serial, id, 5)) {
                    Ok(()) => prop_assert!(waiting.insert(serial)),
                    Err(refused) => prop_assert_eq!(*refused.request.program(), serial),
                },
                Step::Cancel(id) => {
                    if let Some(queued) = scheduler.cancel(ProgId(id)) {
                        prop_assert_eq!(queued.request().id(), ProgId(id));
                        prop_assert!(waiting.remove(queued.request().program()));
                    }
                }
                Step::Serve(result) => {
                    if let Some(left) = serve(&mut scheduler, result) {
                        prop_assert!(waiting.remove(&left));
                    }
                }
            }
            prop_assert_eq!(scheduler.len(), waiting.len());
        }
        for _ in 0..waiting.len() {
            let left = serve(&mut scheduler, Ok(0));
            prop_assert!(left.is_some_and(|serial| waiting.remove(&serial)));
        }
        prop_assert!(waiting.is_empty() && scheduler.is_empty());
    }
}

#[cfg(feature = "cloud-profile")]
mod restart {
    use super::*;
    use crate::restart::MAX_RESTARTS;
    use bpf_profile::OutOfMemory;

    #[test]
    fn a_failed_request_is_restarted_so_many_times_and_then_comes_back() {
        let mut scheduler = Scheduler::new();
        scheduler.submit(numbered(9, 1, 1)).unwrap();
        for attempt in 0..=MAX_RESTARTS {
            let queued = scheduler.next().expect("it waits");
            assert_eq!((queued.restarts(), queued.sequence()), (attempt, 0));
            match scheduler.complete(queued, Err(FAULT)) {
                Outcome::Restarted { error } => {
                    assert_eq!(error, FAULT);
                    assert!(attempt < MAX_RESTARTS);
                }
                Outcome::GivenUp { error, request } => {
                    assert_eq!((error, *request.program()), (FAULT, 9));
                    assert_eq!(attempt, MAX_RESTARTS);
                }
                Outcome::Done(r0) => panic!("done with {r0}"),
            }
        }
        assert!(scheduler.is_empty());
    }

    #[test]
    fn a_refusal_that_would_come_again_is_not_tried_again() {
        let restarted = |refusal: Refusal| {
            let mut scheduler = Scheduler::new();
            scheduler.submit(request(1, 1)).unwrap();
            let queued = scheduler.next().expect("it waits");
            let outcome = scheduler.complete(queued, Err(BpfError::Refused(refusal)));
            matches!(outcome, Outcome::Restarted { .. })
        };
        assert!(restarted(Refusal::ContextBusy));
        assert!(restarted(Refusal::OutOfMemory(OutOfMemory { requested: 8 })));
        assert!(!restarted(Refusal::HelperMismatch));
        assert!(!restarted(Refusal::MapMissing { index: 0 }));
        assert!(!restarted(Refusal::BudgetTooSmall { bound: 2, budget: 1 }));
    }

    /// A program that fails all the time gets no more than its share.
    #[test]
    fn a_program_pays_for_its_restarts() {
        let mut scheduler = Scheduler::new();
        for _ in 0..4 {
            scheduler.submit(request(1, 10)).unwrap();
            scheduler.submit(request(2, 10)).unwrap();
        }
        let mut order = Vec::new();
        while let Some(queued) = scheduler.next() {
            let id = queued.request().id().0;
            order.push(id);
            let _ = scheduler.complete(queued, if id == 1 { Err(FAULT) } else { Ok(0) });
        }
        assert_eq!(order[..8], [1, 2, 1, 2, 1, 2, 1, 2]);
        assert_eq!(order.len(), 4 * (1 + MAX_RESTARTS as usize) + 4);
    }
}

#[cfg(feature = "embedded-profile")]
mod recovery {
    use super::*;
    use bpf_profile::config::QUEUE_CAPACITY;

    #[test]
    fn the_handler_is_called_once_for_a_failure_and_nothing_is_restarted() {
        let mut scheduler = Scheduler::new();
        for id in [4, 5] {
            scheduler.submit(request(id, 1)).unwrap();
        }
        let mut calls = Vec::new();
        let mut handler = |id: ProgId, error: &BpfError| calls.push((id, *error));
        let queued = scheduler.next().expect("two wait");
        match scheduler.complete(queued, Err(FAULT), &mut handler) {
            Outcome::Recovered { error, request } => {
                assert_eq!((error, request.id()), (FAULT, ProgId(4)));
            }
            Outcome::Done(r0) => panic!("done with {r0}"),
        }
        let queued = scheduler.next().expect("one waits");
        assert!(matches!(scheduler.complete(queued, Ok(8), &mut handler), Outcome::Done(8)));
        assert_eq!(calls, [(ProgId(4), FAULT)]);
        assert!(scheduler.is_empty());
    }

    #[test]
    fn a_full_queue_gives_the_request_back_and_has_room_again() {
        fn fill<const N: usize>() {
            let mut scheduler: BpfScheduler<'_, u32, ActivePolicy, N> =
                BpfScheduler::with_policy(ActivePolicy::new());
            for _ in 0..N {
                scheduler.submit(request(1, 1)).unwrap();
            }
            let refused = scheduler.submit(numbered(5, 2, 1)).unwrap_err();
            assert_eq!(refused.reason, AdmissionError::QueueFull);
            assert_eq!(*refused.request.program(), 5);
            assert_eq!(scheduler.len(), N);
            assert!(scheduler.next().is_some());
            scheduler.submit(refused.request).unwrap();
        }
        fill::<1>();
        fill::<3>();
        fill::<QUEUE_CAPACITY>();
    }
}
