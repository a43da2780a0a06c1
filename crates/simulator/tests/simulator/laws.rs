//! Conservation: every request ends once, no server does two things at once, no cache overflows.

use std::sync::atomic::{AtomicBool, Ordering};

use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::DeviceId;
use edgeplan_simulator::{
    Continuous, Epochs, Keep, Layout, Memory, Outcome, Policy, Record, Refusal, Request, Setup,
    Shares, Size, StaticBatch, Turn, View, operate, operate_until, summarize,
};
use proptest::prelude::*;

use crate::support::{chain, traces};

const SIZE: Size = Size { prompt: 8, generate: 4 };

/// Policies, and whether each takes every request in the end.
fn policies() -> Vec<(Box<dyn Policy>, bool)> {
    let epochs = |inner: Box<dyn Policy>| Box::new(Epochs::new(Nanos(70), inner));
    vec![
        (Box::new(StaticBatch { size: 1 }), true),
        (Box::new(StaticBatch { size: 3 }), true),
        (Box::new(Continuous { size: 4 }), true),
        (epochs(Box::new(StaticBatch { size: 2 })), true),
        (epochs(Box::new(Continuous { size: 2 })), true),
        (Box::new(Newest), false),
        (Box::new(Never), false),
    ]
}

/// Takes the newest requests first, drops those that are too late, and asks for nonsense.
#[derive(Debug)]
struct Newest;

impl Policy for Newest {
    fn decide(&mut self, view: &View<'_>, turn: &mut Turn) {
        let late = |request: &Request| {
            request.deadline.is_some_and(|limit| request.arrival + limit < view.now)
        };
        turn.drop.extend(view.waiting().enumerate().filter(|(_, r)| late(r)).map(|(at, _)| at));
        let count = view.waiting().len();
        turn.join.extend((0..count).rev().take(3 - view.running.min(3)));
        turn.join.extend([count, count - 1, usize::MAX]);
        turn.drop.push(count + 7);
    }
}

/// Takes no request, and asks to be asked again.
#[derive(Debug)]
struct Never;

impl Policy for Never {
    fn decide(&mut self, _: &View<'_>, _: &mut Turn) {}

    fn wake(&self, now: Nanos) -> Option<Nanos> {
        Some(now + Nanos(13))
    }
}

/// Checks one run; returns how many requests were served.
fn check(layout: &Layout, requests: &[Request], record: &Record) -> usize {
    assert_eq!(record.outcomes.len(), requests.len());
    let memory = Memory::new(layout, SIZE);
    let mut changes: Vec<(Nanos, bool, usize)> = Vec::new();
    for (index, (request, outcome)) in requests.iter().zip(&record.outcomes).enumerate() {
        match *outcome {
            Outcome::Served { joined, first, end } => {
                assert!(request.arrival <= joined && joined <= first && first <= end);
                assert!(end <= record.end);
                changes.push((joined, true, index));
                changes.push((end, false, index));
            }
            Outcome::Refused(why) => {
                let large = matches!(why, Refusal::TooLarge(_));
                assert_eq!(large, memory.too_small(request).is_some(), "{why:?}");
            }
        }
    }
    let mut used = vec![0_i128; layout.room.len()];
    changes.sort();
    for (position, &(time, taken, index)) in changes.iter().enumerate() {
        for (device, bytes) in memory.need(&requests[index]) {
            used[device.index()] += if taken { 1 } else { -1 } * i128::from(bytes.0);
        }
        if changes.get(position + 1).is_some_and(|next| next.0 == time) {
            continue;
        }
        for (used, (peak, room)) in used.iter().zip(record.cache_peak.iter().zip(&layout.room)) {
            assert!(*used >= 0 && *used <= i128::from(peak.0) && peak <= room);
        }
    }
    let mut busy = vec![Nanos::ZERO; layout.servers.len()];
    let mut free = busy.clone();
    for span in &record.spans {
        assert!(span.start >= free[span.server], "two things at once: {span:?}");
        assert!(span.end >= span.start && span.end <= record.end);
        free[span.server] = span.end;
        busy[span.server] += span.end - span.start;
    }
    assert_eq!(busy, record.busy);
    assert_eq!(record.spans.len() as u64, record.events);
    let summary = summarize(requests, record);
    let lost = summary.too_large + summary.dropped;
    assert_eq!(summary.served + lost, requests.len());
    assert!(summary.utilisation.iter().all(|share| (0.0..=1.000_001).contains(share)));
    summary.served
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_run_obeys(
        layers in proptest::collection::vec((0..4u16, 0..300u64, 0..9u64), 1..7),
        hop in 0..40u64,
        caches in 0..60u64,
        lanes in proptest::option::of(1..4usize),
        requests in traces(),
    ) {
        // A request of the size that the instance is priced for fits, or the plan is refused.
        let (instance, plan) = chain(&layers, hop, caches + 54);
        let layout = Layout::new(&instance, &plan).unwrap();
        let times = Shares::even(&layout, SIZE);
        let setup =
            Setup { layout: &layout, times: &times, size: SIZE, lanes, keep: Keep::ALL };
        for ((mut policy, takes_all), (mut again, _)) in policies().into_iter().zip(policies()) {
            let record = operate(&setup, &requests, policy.as_mut());
            let served = check(&layout, &requests, &record);
            let pairs = requests.iter().zip(&record.outcomes);
            let ended = pairs.filter(|(_, outcome)| matches!(outcome, Outcome::Served { .. }));
            prop_assert_eq!(record.turns, ended.map(|(r, _)| r.size.passes()).sum::<u64>());
            let refused = |why: &Outcome| matches!(why, Outcome::Refused(Refusal::TooLarge(_)));
            let large = record.outcomes.iter().filter(|outcome| refused(outcome)).count();
            prop_assert!(!takes_all || served == requests.len() - large, "{policy:?}");
            prop_assert_eq!(operate(&setup, &requests, again.as_mut()), record);
        }
        let record = operate(&setup, &requests, &mut Never);
        prop_assert_eq!(check(&layout, &requests, &record), 0);
    }
}

/// One device, 10 ns per pass, room for two requests of [`SIZE`].
fn small() -> (Layout, Shares) {
    let (instance, plan) = chain(&[(0, 50, 12)], 0, 24);
    let layout = Layout::new(&instance, &plan).unwrap();
    let times = Shares::even(&layout, SIZE);
    (layout, times)
}

fn ends(policy: &mut dyn Policy, requests: &[Request]) -> Vec<Option<u64>> {
    let (layout, times) = small();
    let setup = Setup { layout: &layout, times: &times, size: SIZE, lanes: None, keep: Keep::ALL };
    let record = operate(&setup, requests, policy);
    check(&layout, requests, &record);
    let end = |outcome: &Outcome| match outcome {
        Outcome::Served { end, .. } => Some(end.0),
        Outcome::Refused(_) => None,
    };
    record.outcomes.iter().map(end).collect()
}

fn request(arrival: u64, prompt: u32, generate: u32) -> Request {
    let size = Size { prompt, generate };
    Request { arrival: Nanos(arrival), size, model: 0, deadline: None }
}

#[test]
fn policies_differ_as_they_should() {
    let requests = [request(0, 8, 4), request(1, 8, 4), request(12, 8, 4)];
    assert_eq!(ends(&mut StaticBatch { size: 1 }, &requests), [50, 100, 150].map(Some));
    // The first goes alone; the others wait for it and go together, reading both prompts in 20 ns.
    assert_eq!(ends(&mut StaticBatch { size: 8 }, &requests), [50, 110, 110].map(Some));
    // The second joins at 10, in a pass of 9 tokens (11 ns); the third finds no room before 51.
    assert_eq!(ends(&mut Continuous { size: 8 }, &requests), [51, 62, 102].map(Some));
    let mut epochs = Epochs::new(Nanos(100), Box::new(StaticBatch { size: 8 }));
    assert_eq!(ends(&mut epochs, &requests), [50, 160, 160].map(Some));
}

#[test]
fn what_never_fits_is_refused_at_once() {
    let requests = [request(0, 30, 4), request(0, 20, 4)];
    assert_eq!(ends(&mut Continuous { size: 8 }, &requests), [None, Some(65)]);
    let (layout, _) = small();
    assert_eq!(Memory::new(&layout, SIZE).too_small(&requests[0]), Some(DeviceId(0)));
}

#[test]
fn late_requests_are_counted() {
    let late = |limit| Request { deadline: Some(Nanos(limit)), ..request(0, 8, 4) };
    let requests = [late(50), late(99), late(150), request(0, 8, 4)];
    let (layout, times) = small();
    let setup =
        Setup { layout: &layout, times: &times, size: SIZE, lanes: None, keep: Keep::default() };
    let record = operate(&setup, &requests, &mut StaticBatch { size: 1 });
    let summary = summarize(&requests, &record);
    assert_eq!((summary.served, summary.missed), (4, 1));
    assert_eq!(summary.duration_ns, Nanos(200));
    assert_eq!(summary.end_to_end_ns.p50, Nanos(100));
    assert_eq!(summary.first_token_ns.max, Nanos(160));
    assert_eq!(summary.per_token_ns.max, Nanos(10));
    assert_eq!(summary.tokens_per_s, 16e9 / 200.0);
    assert_eq!(summary.utilisation, [1.0]);
}

/// Serves one by one, and wants the run to end when the third request begins.
#[derive(Debug)]
struct Ending<'a> {
    decisions: u32,
    stop: &'a AtomicBool,
}

impl Policy for Ending<'_> {
    fn decide(&mut self, view: &View<'_>, turn: &mut Turn) {
        self.decisions += u32::from(view.running == 0);
        self.stop.store(self.decisions >= 3, Ordering::Relaxed);
        StaticBatch { size: 1 }.decide(view, turn);
    }
}

#[test]
fn a_run_that_is_ended_keeps_what_it_has() {
    let (layout, times) = small();
    let setup =
        Setup { layout: &layout, times: &times, size: SIZE, lanes: Some(1), keep: Keep::ALL };
    let requests = vec![request(0, 8, 4); 50];
    let stop = AtomicBool::new(true);
    let none = operate_until(&setup, &requests, &mut StaticBatch { size: 1 }, &stop);
    assert_eq!(none.outcomes, vec![Outcome::Refused(Refusal::BrokenOff); 50]);
    let run = |stop: &AtomicBool, policy: &mut dyn Policy| {
        let record = operate_until(&setup, &requests, policy, stop);
        (summarize(&requests, &record), record)
    };
    let flag = AtomicBool::new(false);
    let (whole, _) = run(&flag, &mut StaticBatch { size: 1 });
    assert_eq!((whole.served, whole.broken_off), (50, 0));
    let mut ending = Ending { decisions: 0, stop: &flag };
    let (part, record) = run(&flag, &mut ending);
    assert_eq!((part.served, part.broken_off, part.missed), (2, 48, 0));
    assert_eq!(record.outcomes.len(), 50);
}
