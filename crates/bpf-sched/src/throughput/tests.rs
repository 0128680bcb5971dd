//! The bounds that the module's documentation promises.

use std::vec::Vec;

use proptest::collection::vec as many;
use proptest::prelude::*;

use super::{MAX_PASSED_OVER, PATIENCE};
use crate::request::{ExecPriority, ProgId};
use crate::testing::{Scheduler, drain, request};

const PRIORITIES: [ExecPriority; ExecPriority::COUNT] =
    [ExecPriority::Low, ExecPriority::Normal, ExecPriority::High, ExecPriority::Critical];

fn submit(scheduler: &mut Scheduler, id: u32, cost: u64) {
    scheduler.submit(request(id, cost)).unwrap();
}

#[test]
fn a_program_that_floods_the_queue_delays_itself() {
    let mut scheduler = Scheduler::new();
    for _ in 0..4 {
        submit(&mut scheduler, 1, 10);
    }
    submit(&mut scheduler, 2, 10);
    submit(&mut scheduler, 3, 10);
    assert_eq!(drain(&mut scheduler), [1, 2, 3, 1, 1, 1]);
}

#[test]
fn shares_are_in_work_and_not_in_requests() {
    let mut scheduler = Scheduler::new();
    for _ in 0..2 {
        submit(&mut scheduler, 1, 30);
    }
    for _ in 0..6 {
        submit(&mut scheduler, 2, 10);
    }
    assert_eq!(drain(&mut scheduler), [1, 2, 2, 2, 1, 2, 2, 2]);
}

/// A program gets nothing for the time in which it asked for nothing.
#[test]
fn a_program_that_was_absent_has_saved_no_share() {
    let mut scheduler = Scheduler::new();
    for _ in 0..6 {
        submit(&mut scheduler, 1, 10);
    }
    for _ in 0..3 {
        let _ = scheduler.next();
    }
    for _ in 0..3 {
        submit(&mut scheduler, 2, 10);
    }
    assert_eq!(drain(&mut scheduler), [2, 1, 2, 1, 2, 1]);
}

/// Programs that always have one request on its way, never two.
#[test]
fn shares_hold_for_programs_that_wait_for_their_result() {
    let mut scheduler = Scheduler::new();
    let cost = |id: u32| if id == 1 { 1000 } else { 10 };
    submit(&mut scheduler, 1, cost(1));
    submit(&mut scheduler, 2, cost(2));
    let mut work = [0; 3];
    for _ in 0..1010 {
        let id = scheduler.next().unwrap().request().id().0;
        work[id as usize] += cost(id);
        submit(&mut scheduler, id, cost(id));
    }
    assert_eq!(work, [0, 10_000, 10_000]);
}

#[test]
fn what_nobody_waits_for_is_forgotten() {
    let mut scheduler = Scheduler::new();
    for id in 0..100 {
        submit(&mut scheduler, id, 10);
    }
    assert_eq!(scheduler.policy().finishes.len(), 100);
    assert_eq!(drain(&mut scheduler).len(), 100);
    assert_eq!(scheduler.policy().finishes.len(), 0);

    // A level that is idle while another one is busy.
    submit(&mut scheduler, 1, 10);
    scheduler.submit(request(2, 10).with_priority(ExecPriority::High)).unwrap();
    scheduler.submit(request(2, 10).with_priority(ExecPriority::High)).unwrap();
    let _ = (scheduler.next(), scheduler.next(), scheduler.next());
    submit(&mut scheduler, 3, 10);
    let _ = scheduler.next();
    let ids: Vec<_> = scheduler.policy().finishes.iter().map(|f| f.id).collect();
    assert_eq!(ids, [ProgId(1), ProgId(3)]);
}

#[test]
fn the_largest_costs_do_not_end_fairness() {
    let mut scheduler = Scheduler::new();
    for _ in 0..3 {
        submit(&mut scheduler, 1, u64::MAX);
    }
    for _ in 0..3 {
        submit(&mut scheduler, 2, u64::MAX);
    }
    assert_eq!(drain(&mut scheduler), [1, 2, 1, 2, 1, 2]);
}

#[test]
fn higher_priorities_go_first() {
    let mut scheduler = Scheduler::new();
    for (id, priority) in PRIORITIES.into_iter().enumerate() {
        let id = u32::try_from(id).unwrap();
        scheduler.submit(request(id, 10).with_priority(priority)).unwrap();
    }
    assert_eq!(drain(&mut scheduler), [3, 2, 1, 0]);
}

/// One priority is never passed over more often than `PATIENCE`; all three low
/// ones at once show that `MAX_PASSED_OVER` is reached.
#[test]
fn the_longest_wait_of_a_priority() {
    let wait = |waiting: &[ExecPriority]| {
        let mut scheduler = Scheduler::new();
        for priority in waiting {
            scheduler.submit(request(1, 10).with_priority(*priority)).unwrap();
        }
        for served in 0..100 {
            scheduler.submit(request(2, 10).with_priority(ExecPriority::Critical)).unwrap();
            if scheduler.next().unwrap().request().priority() == ExecPriority::Low {
                return served;
            }
        }
        panic!("the lowest priority starves");
    };
    assert_eq!(wait(&PRIORITIES[..1]), PATIENCE);
    assert_eq!(wait(&PRIORITIES[..3]), MAX_PASSED_OVER);
}

/// What happens to a queue: a request comes in, or the next one is served.
#[derive(Clone, Debug)]
enum Step {
    Submit { id: u32, cost: u64, priority: usize },
    Serve,
}

fn steps(priorities: usize) -> impl Strategy<Value = Vec<Step>> {
    let submit = (0_u32..4, 1_u64..50, 0..priorities)
        .prop_map(|(id, cost, priority)| Step::Submit { id, cost, priority });
    many(prop_oneof![3 => submit, 2 => Just(Step::Serve)], 1..200)
}

/// One service: what was served, and what waited when it was chosen.
struct Service {
    id: u32,
    cost: u64,
    /// Requests of each program that waited.
    waiting: [usize; 4],
}

fn serve_all(steps: &[Step]) -> Vec<Service> {
    let mut scheduler = Scheduler::new();
    let mut waiting = [0_usize; 4];
    let mut services = Vec::new();
    let mut serve = |scheduler: &mut Scheduler, waiting: &mut [usize; 4]| {
        let Some(queued) = scheduler.next() else { return false };
        let request = queued.request();
        let id = request.id().0;
        services.push(Service { id, cost: request.max_insns(), waiting: *waiting });
        waiting[id as usize] -= 1;
        true
    };
    for step in steps {
        match step {
            Step::Submit { id, cost, .. } => {
                submit(&mut scheduler, *id, *cost);
                waiting[*id as usize] += 1;
            }
            Step::Serve => {
                let _ = serve(&mut scheduler, &mut waiting);
            }
        }
    }
    while serve(&mut scheduler, &mut waiting) {}
    services
}

proptest! {
    /// The bound of start-time fair queueing, over every interval in which two
    /// programs always have requests.
    #[test]
    fn work_differs_by_one_request_of_each(steps in steps(1)) {
        let services = serve_all(&steps);
        let largest = |id: u32| {
            services.iter().filter(|s| s.id == id).map(|s| s.cost).max().unwrap_or(0)
        };
        for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let bound = largest(one) + largest(other);
            for from in 0..services.len() {
                let mut work = [0_u64; 4];
                for service in &services[from..] {
                    let both = service.waiting[one as usize] > 0 && service.waiting[other as usize] > 0;
                    if !both {
                        break;
                    }
                    work[service.id as usize] += service.cost;
                    let difference = work[one as usize].abs_diff(work[other as usize]);
                    prop_assert!(difference <= bound, "{difference} > {bound}");
                }
            }
        }
    }

    /// However full the queue is of requests of others, a program's first one
    /// waits for at most one of each.
    #[test]
    fn a_newcomer_waits_for_one_request_of_each(steps in steps(1), cost in 1_u64..50) {
        let mut scheduler = Scheduler::new();
        for step in &steps {
            match step {
                Step::Submit { id, cost, .. } => submit(&mut scheduler, *id, *cost),
                Step::Serve => drop(scheduler.next()),
            }
        }
        submit(&mut scheduler, 9, cost);
        let order = drain(&mut scheduler);
        let before: Vec<u32> = order.iter().copied().take_while(|id| *id != 9).collect();
        for id in 0..4 {
            prop_assert!(before.iter().filter(|b| **b == id).count() <= 1, "{before:?}");
        }
    }

    /// While a priority has requests, it is passed over `MAX_PASSED_OVER` times
    /// in a row at the most, and is not passed over at all in favour of a lower
    /// one that has patience left.
    #[test]
    fn no_priority_starves(steps in steps(4)) {
        let mut scheduler = Scheduler::new();
        let mut waiting = [0_usize; 4];
        let mut passed = [0_u32; 4];
        for step in &steps {
            match step {
                Step::Submit { id, cost, priority } => {
                    let request = request(*id, *cost).with_priority(PRIORITIES[*priority]);
                    scheduler.submit(request).unwrap();
                    waiting[*priority] += 1;
                }
                Step::Serve => {
                    let Some(queued) = scheduler.next() else { continue };
                    let served = queued.request().priority().index();
                    let higher_waits = waiting[served + 1..].iter().any(|count| *count > 0);
                    prop_assert!(!higher_waits || passed[served] >= PATIENCE);
                    waiting[served] -= 1;
                    for level in 0..4 {
                        let had_requests = level != served && waiting[level] > 0;
                        passed[level] = if had_requests { passed[level] + 1 } else { 0 };
                        prop_assert!(passed[level] <= MAX_PASSED_OVER, "{passed:?}");
                    }
                }
            }
        }
    }

    /// Requests of one program at one priority keep their order.
    #[test]
    fn a_programs_requests_keep_their_order(costs in many((0_u32..3, 1_u64..50), 1..40)) {
        let mut scheduler = Scheduler::new();
        for (id, cost) in &costs {
            submit(&mut scheduler, *id, *cost);
        }
        let mut last = [None; 3];
        while let Some(queued) = scheduler.next() {
            let last = &mut last[queued.request().id().0 as usize];
            prop_assert!(*last < Some(queued.sequence()));
            *last = Some(queued.sequence());
        }
    }
}
