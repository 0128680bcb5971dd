//! Order, ceiling and admission, against brute force and a simulated processor.

use std::vec::Vec;

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::{CeilingError, Deadline, DeadlinePolicy, MAX_HELD};
use crate::energy::EnergyBudget;
use crate::policy::AdmissionError;
use crate::request::ExecPriority;
use crate::testing::{Scheduler, drain, request};

const PRIORITIES: [ExecPriority; ExecPriority::COUNT] =
    [ExecPriority::Low, ExecPriority::Normal, ExecPriority::High, ExecPriority::Critical];

/// One unit of proven time takes a nanosecond.
fn unit_rate() -> Scheduler {
    Scheduler::with_policy(DeadlinePolicy::new().with_rate(1000))
}

fn due(absolute_ns: u64) -> Deadline {
    Deadline::from_now(0, absolute_ns)
}

#[test]
fn the_earliest_deadline_goes_first_and_requests_without_one_last() {
    let mut scheduler = Scheduler::new();
    scheduler.submit(request(1, 1).with_priority(ExecPriority::Critical)).unwrap();
    scheduler.submit(request(2, 1)).unwrap();
    scheduler.submit(request(3, 1).with_deadline(due(u64::MAX))).unwrap();
    scheduler.submit(request(4, 1).with_deadline(due(20))).unwrap();
    scheduler.submit(request(5, 1).with_deadline(due(10))).unwrap();
    assert_eq!(drain(&mut scheduler), [5, 4, 3, 1, 2]);
}

#[test]
fn equal_deadlines_go_by_priority_and_then_by_arrival() {
    let mut scheduler = Scheduler::new();
    for (id, priority) in [(1, 0), (2, 3), (3, 1), (4, 3)] {
        let request = request(id, 1).with_deadline(due(10)).with_priority(PRIORITIES[priority]);
        scheduler.submit(request).unwrap();
    }
    assert_eq!(drain(&mut scheduler), [2, 4, 3, 1]);
}

#[test]
fn a_deadline_is_met_until_it_has_passed() {
    let deadline = Deadline::from_now(10, 5);
    assert_eq!((deadline.released_ns(), deadline.absolute_ns()), (10, 15));
    assert!(!deadline.is_missed(15) && deadline.is_missed(16));
    assert_eq!(Deadline::from_now(10, u64::MAX).absolute_ns(), u64::MAX);
}

#[test]
fn a_ceiling_blocks_its_own_priority_and_lower_ones() {
    for ceiling in PRIORITIES {
        for priority in PRIORITIES {
            let mut scheduler = Scheduler::new();
            scheduler.submit(request(1, 1).with_priority(priority)).unwrap();
            scheduler.policy_mut().acquire(ceiling).unwrap();
            assert_eq!(scheduler.next().is_some(), priority > ceiling, "{priority:?} {ceiling:?}");
            assert_eq!(scheduler.policy_mut().release(), Ok(ceiling));
            assert_eq!(scheduler.next().is_some(), priority <= ceiling);
        }
    }
}

/// Otherwise the holder would wait for the later deadline, and the earlier one
/// for the holder.
#[test]
fn nothing_goes_past_the_earliest_deadline() {
    let mut scheduler = Scheduler::new();
    let (low, critical) = (ExecPriority::Low, ExecPriority::Critical);
    scheduler.submit(request(1, 1).with_deadline(due(10)).with_priority(low)).unwrap();
    scheduler.submit(request(2, 1).with_deadline(due(20)).with_priority(critical)).unwrap();
    scheduler.policy_mut().acquire(ExecPriority::High).unwrap();
    assert!(scheduler.next().is_none());
    scheduler.policy_mut().release().unwrap();
    assert_eq!(drain(&mut scheduler), [1, 2]);
}

#[test]
fn the_highest_ceiling_counts_and_resources_nest() {
    let mut policy = DeadlinePolicy::new();
    assert_eq!((policy.ceiling(), policy.release()), (None, Err(CeilingError::NothingHeld)));
    policy.acquire(ExecPriority::High).unwrap();
    policy.acquire(ExecPriority::Low).unwrap();
    assert_eq!(policy.ceiling(), Some(ExecPriority::High));
    assert_eq!(policy.release(), Ok(ExecPriority::Low));
    assert_eq!(policy.ceiling(), Some(ExecPriority::High));
    assert_eq!(policy.release(), Ok(ExecPriority::High));
    assert_eq!(policy.ceiling(), None);
    for _ in 0..MAX_HELD {
        policy.acquire(ExecPriority::Low).unwrap();
    }
    assert_eq!(policy.acquire(ExecPriority::Critical), Err(CeilingError::TooMany));
    assert_eq!(policy.ceiling(), Some(ExecPriority::Low));
}

#[test]
fn the_lateness_is_named() {
    let mut scheduler = unit_rate();
    scheduler.submit(request(1, 60).with_deadline(due(100))).unwrap();
    let refused = scheduler.submit(request(2, 50).with_deadline(due(80))).unwrap_err();
    assert_eq!(refused.reason, AdmissionError::DeadlineInfeasible { late_ns: 10 });
    scheduler.submit(request(3, 40).with_deadline(due(80))).unwrap();
    assert_eq!(drain(&mut scheduler), [3, 1]);
}

#[test]
fn time_that_has_passed_and_what_runs_count() {
    let submit = |now: u64, blocking: u64| {
        let mut scheduler = unit_rate();
        scheduler.policy_mut().set_now_ns(now);
        scheduler.policy_mut().set_blocking_ns(blocking);
        scheduler.submit(request(1, 50).with_deadline(due(100))).is_ok()
    };
    assert!(submit(0, 0) && submit(50, 0) && submit(0, 50) && submit(20, 30));
    assert!(!submit(51, 0) && !submit(0, 51) && !submit(20, 31) && !submit(u64::MAX, 1));
}

/// A fraction of a nanosecond at the end of all work is a whole one.
#[test]
fn times_are_rounded_up() {
    let mut scheduler = Scheduler::with_policy(DeadlinePolicy::new().with_rate(3000));
    assert!(scheduler.submit(request(1, 4).with_deadline(due(1))).is_err());
    scheduler.submit(request(1, 4).with_deadline(due(2))).unwrap();
    assert!(scheduler.submit(request(2, 3).with_deadline(due(2))).is_err());
    scheduler.submit(request(2, 2).with_deadline(due(2))).unwrap();
    assert!(scheduler.submit(request(3, 1).with_deadline(due(2))).is_err());
}

/// The last moment of the clock is a deadline too.
#[test]
fn the_largest_times_do_not_wrap() {
    for units in [1, u64::MAX] {
        let mut scheduler = unit_rate();
        scheduler.policy_mut().set_now_ns(u64::MAX);
        let refused = scheduler.submit(request(1, units).with_deadline(due(u64::MAX)));
        let reason = refused.map_err(|refused| refused.reason);
        assert_eq!(reason, Err(AdmissionError::DeadlineInfeasible { late_ns: units }));
    }
}

#[test]
fn without_a_rate_every_deadline_is_taken() {
    for policy in [DeadlinePolicy::new(), DeadlinePolicy::new().with_rate(1).with_rate(0)] {
        let mut scheduler = Scheduler::with_policy(policy);
        scheduler.submit(request(1, u64::MAX).with_deadline(due(0))).unwrap();
    }
}

#[test]
fn a_budget_of_energy_is_compared_with_the_proven_cost() {
    let policy = || DeadlinePolicy::new().with_energy_model(70);
    let submit = |wcet: u64, budget: EnergyBudget| {
        let mut scheduler = Scheduler::with_policy(policy());
        scheduler.submit(request(1, wcet).with_energy(budget)).map_err(|e| e.reason)
    };
    assert_eq!(submit(1000, EnergyBudget::from_nanojoules(70)), Ok(()));
    let refusal = AdmissionError::EnergyExceeded { budget_nj: 70, needed_nj: 71 };
    assert_eq!(submit(1001, EnergyBudget::from_nanojoules(70)), Err(refusal));
    assert!(submit(u64::MAX, EnergyBudget::from_microjoules(1)).is_err());
    assert_eq!(EnergyBudget::from_microjoules(3), EnergyBudget::from_nanojoules(3000));
    assert_eq!(EnergyBudget::from_microjoules(u64::MAX).nanojoules(), u64::MAX);

    // Without a budget, and without a model, nothing is refused.
    let mut scheduler = Scheduler::with_policy(policy());
    scheduler.submit(request(1, u64::MAX)).unwrap();
    let mut scheduler = Scheduler::new();
    scheduler.submit(request(1, 1).with_energy(EnergyBudget::from_nanojoules(0))).unwrap();
}

/// Whether some order of these jobs, given as time and deadline, meets every
/// deadline when the processor starts on them at `start`.
fn some_order_is_in_time(jobs: &[(u64, u64)], start: u64) -> bool {
    jobs.is_empty()
        || (0..jobs.len()).any(|first| {
            let (time, deadline) = jobs[first];
            let rest: Vec<_> = jobs[..first].iter().chain(&jobs[first + 1..]).copied().collect();
            start + time <= deadline && some_order_is_in_time(&rest, start + time)
        })
}

/// A request that comes at a time: time it takes, time that it is proven to take
/// at the most, deadline from then on.
#[derive(Clone, Debug)]
struct Arrival {
    after: u64,
    time: u64,
    proven: u64,
    relative: Option<u64>,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let deadline = prop_oneof![4 => (1_u64..200).prop_map(Some), 1 => Just(None)];
    let arrival =
        (0_u64..40, 1_u64..30, 0_u64..10, deadline).prop_map(|(after, time, slack, relative)| {
            Arrival { after, time, proven: time + slack, relative }
        });
    many(arrival, 1..60)
}

proptest! {
    #[test]
    fn what_is_next_has_the_earliest_deadline_of_all(
        steps in many(prop_oneof![3 => (0_u64..20).prop_map(Some), 2 => Just(None)], 1..100),
    ) {
        let mut scheduler = Scheduler::new();
        let mut waiting = Vec::new();
        for step in steps {
            if let Some(deadline) = step {
                if scheduler.submit(request(1, 1).with_deadline(due(deadline))).is_ok() {
                    waiting.push(deadline);
                }
            } else {
                let next = scheduler.next().and_then(|q| q.request().deadline());
                prop_assert_eq!(next.map(Deadline::absolute_ns), waiting.iter().copied().min());
                let at = waiting.iter().position(|d| Some(*d) == waiting.iter().copied().min());
                at.map(|at| waiting.swap_remove(at));
            }
        }
    }

    /// A request is admitted if and only if there is an order, of all that can
    /// be thought of, in which it and all that wait are in time.
    #[test]
    fn admission_is_exact(jobs in many((1_u64..10, 1_u64..40), 1..7), blocking in 0_u64..10) {
        let mut scheduler = unit_rate();
        scheduler.policy_mut().set_blocking_ns(blocking);
        let mut admitted = Vec::new();
        for (time, deadline) in jobs {
            admitted.push((time, deadline));
            let feasible = some_order_is_in_time(&admitted, blocking);
            let result = scheduler.submit(request(1, time).with_deadline(due(deadline)));
            prop_assert_eq!(result.is_ok(), feasible, "{:?}", admitted);
            if !feasible {
                admitted.pop();
            }
        }
    }

    /// A processor that works on what comes, with requests coming while it is at
    /// work: no admitted deadline is missed.
    #[test]
    fn no_admitted_deadline_is_missed(arrivals in arrivals()) {
        let mut scheduler = unit_rate();
        let times: Vec<u64> = arrivals.iter().map(|a| a.time).collect();
        let mut comes_at = 0;
        let mut pending: Vec<(u64, u32, Arrival)> = Vec::new();
        for (serial, arrival) in (0..).zip(arrivals) {
            comes_at += arrival.after;
            pending.push((comes_at, serial, arrival));
        }
        pending.reverse();
        let mut now = 0;
        loop {
            while pending.last().is_some_and(|(at, ..)| *at <= now) {
                let Some((at, serial, arrival)) = pending.pop() else { break };
                let mut request = crate::testing::numbered(serial, 1, arrival.proven);
                if let Some(relative) = arrival.relative {
                    request = request.with_deadline(Deadline::from_now(at, relative));
                }
                // `now` is when the program that runs will be done.
                scheduler.policy_mut().set_now_ns(at);
                scheduler.policy_mut().set_blocking_ns(now - at);
                let _ = scheduler.submit(request);
            }
            if let Some(queued) = scheduler.next() {
                now += times[*queued.request().program() as usize];
                if let Some(deadline) = queued.request().deadline() {
                    prop_assert!(!deadline.is_missed(now), "{deadline:?} at {now}");
                }
            } else if let Some((at, ..)) = pending.last() {
                now = *at;
            } else {
                break;
            }
        }
    }
}
