//! DFTSP as a batching policy of the simulator, and `edgeplan simulate --policy dftsp`.

use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Plan};
use edgeplan_problem::{Nanos, Problem as _};
use edgeplan_service::Planned;
use edgeplan_simulator::{
    Keep, Layout, Outcome, Policy, Record, Refusal, Request, Setup, Shares, Size, StaticBatch,
    operate,
};
use edgeplan_solvers::find_batching;
use edgeplan_tests::{json, refused, small};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

const SIZE: Size = Size { prompt: 64, generate: 16 };
/// Most requests of a batch.
const BATCH: usize = 6;

fn change_times(instance: &mut Deployment, change: impl Fn(&mut Nanos)) {
    let change = |time: &mut Option<Nanos>| time.iter_mut().for_each(&change);
    for model in &mut instance.models {
        let options = model.layers.iter_mut().flat_map(|layer| &mut layer.options);
        options.flat_map(|option| &mut option.compute).for_each(change);
        model.messages.iter_mut().flat_map(|message| &mut message.time).for_each(change);
    }
}

/// Some feasible plan of a small instance, if a few throws find one, and its times.
fn thrown(seed: u64) -> Option<(Deployment, Layout, Shares)> {
    let mut instance = small(seed);
    // So long that a nanosecond more or less does not count.
    change_times(&mut instance, |time| time.0 *= 1000);
    (instance.latency_max, instance.bottleneck_max) = (None, None);
    instance.devices.iter_mut().for_each(|device| device.compute_max = None);
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let plan = (0..40).find_map(|_| {
        let mut assignment = |options: usize| Assignment {
            device: DeviceId(random.random_range(0..instance.devices.len()) as u16),
            option: OptionId(random.random_range(0..options) as u16),
        };
        let models = instance.models.iter();
        let mut layers = |model: &edgeplan_problem::deployment::Model| {
            model.layers.iter().map(|layer| assignment(layer.options.len())).collect()
        };
        let plan = Plan { models: models.map(&mut layers).collect() };
        instance.evaluate(&plan).is_feasible().then_some(plan)
    })?;
    let layout = Layout::new(&instance, &plan).ok()?;
    // A fifth of every time is the prompt's, which makes weights dear to read and tokens cheap.
    let mut prompt = instance.clone();
    change_times(&mut prompt, |time| time.0 /= 5);
    let times = Shares::priced(&layout, SIZE, &prompt, &plan).ok()?;
    Some((instance, layout, times))
}

/// Requests of model 0 that come within a few times what one of them takes, and can wait about as
/// long.
fn trace(instance: &Deployment, layout: &Layout, seed: u64) -> Vec<Request> {
    let mut random = Pcg64Mcg::seed_from_u64(seed ^ 0xd1ce);
    let line = &layout.lines[0];
    let alone: Nanos = line.compute.iter().copied().sum::<Nanos>()
        + line.hops.iter().map(|hop| hop.time).sum::<Nanos>();
    assert!(!instance.devices.is_empty());
    let request = |_| Request {
        arrival: Nanos(random.random_range(0..=3 * alone.0)),
        size: Size { prompt: random.random_range(1..=64), generate: random.random_range(0..=16) },
        model: 0,
        deadline: Some(Nanos(alone.0 / 4 + random.random_range(0..=3 * alone.0))),
    };
    (0..14).map(request).collect()
}

fn run(layout: &Layout, times: &Shares, requests: &[Request], policy: &mut dyn Policy) -> Record {
    let setup = Setup { layout, times, size: SIZE, lanes: Some(1), keep: Keep::ALL };
    operate(&setup, requests, policy)
}

fn planned(solver: &str, layout: &Layout, times: &Shares) -> Planned {
    let solver = (find_batching(solver).expect("registered").make)();
    Planned::new(solver, BATCH, layout, times, Some(1))
}

/// Requests that ended in time.
fn in_time(requests: &[Request], record: &Record) -> usize {
    let pairs = requests.iter().zip(&record.outcomes);
    let timely = pairs.filter(|(request, outcome)| match outcome {
        Outcome::Served { end, .. } => {
            request.deadline.is_none_or(|limit| *end <= request.arrival + limit)
        }
        Outcome::Refused(_) => false,
    });
    timely.count()
}

#[test]
fn whoever_is_taken_ends_in_time() {
    let (mut runs, mut served, mut one_by_one, mut fixed) = (0, 0, 0, 0);
    let (mut together, mut largest, mut apart) = (0, 0, 0);
    for seed in 0..300 {
        let Some((instance, layout, times)) = thrown(seed) else { continue };
        let requests = trace(&instance, &layout, seed);
        let mut first = Vec::new();
        for solver in ["dftsp", "batch-search"] {
            let mut policy = planned(solver, &layout, &times);
            let record = run(&layout, &times, &requests, &mut policy);
            for (request, outcome) in requests.iter().zip(&record.outcomes) {
                match *outcome {
                    Outcome::Served { joined, end, .. } => {
                        let latest = request.arrival + request.deadline.expect("all have one");
                        assert!(end <= latest, "seed {seed}: {end} after {latest}, from {joined}");
                    }
                    Outcome::Refused(Refusal::NeverChosen) => panic!("seed {seed}: forgotten"),
                    Outcome::Refused(_) => {}
                }
            }
            assert_eq!(layout.room.len(), record.cache_peak.len());
            let room = layout.room.iter().zip(&record.cache_peak);
            assert!(room.into_iter().all(|(room, peak)| peak <= room), "seed {seed}");
            together += usize::from(record.turns > record.passes);
            // Those who are there at the beginning are the same question for both.
            let at_once: Vec<Request> =
                requests.iter().map(|r| Request { arrival: Nanos::ZERO, ..*r }).collect();
            let mut policy = planned(solver, &layout, &times);
            let outcomes = run(&layout, &times, &at_once, &mut policy).outcomes;
            let begun =
                |outcome: &&Outcome| matches!(outcome, Outcome::Served { joined: Nanos::ZERO, .. });
            first.push(outcomes.iter().filter(begun).count());
            served += in_time(&requests, &record);
        }
        largest += first[0].max(first[1]);
        apart += first[0].abs_diff(first[1]);
        let again = run(&layout, &times, &requests, &mut planned("dftsp", &layout, &times));
        let once = run(&layout, &times, &requests, &mut planned("dftsp", &layout, &times));
        assert_eq!(again, once, "seed {seed}");
        let alone = run(&layout, &times, &requests, &mut StaticBatch { size: 1 });
        one_by_one += 2 * in_time(&requests, &alone);
        let batches = run(&layout, &times, &requests, &mut StaticBatch { size: BATCH });
        fixed += 2 * in_time(&requests, &batches);
        runs += 2;
    }
    assert!(runs > 200, "only {runs} plans");
    assert!(together > runs / 4, "batches in {together} of {runs} only");
    // Both answers are optimal, but the requests added to them depend on which optimum it was.
    assert!(apart * 50 < largest, "{apart} apart, of {largest}");
    assert!(served > one_by_one && served > fixed, "{served}, not {one_by_one} or {fixed}");
}

#[test]
fn without_deadlines_everybody_is_served() {
    let (mut served, mut too_large) = (0, 0);
    for seed in 0..60 {
        let Some((instance, layout, times)) = thrown(seed) else { continue };
        let mut requests = trace(&instance, &layout, seed);
        requests.iter_mut().for_each(|request| request.deadline = None);
        let record = run(&layout, &times, &requests, &mut planned("dftsp", &layout, &times));
        let refused = |outcome: &&Outcome| !matches!(outcome, Outcome::Served { .. });
        let large = |outcome: &&Outcome| matches!(outcome, Outcome::Refused(Refusal::TooLarge(_)));
        let outcomes = || record.outcomes.iter();
        assert_eq!(outcomes().filter(refused).count(), outcomes().filter(large).count());
        too_large += outcomes().filter(large).count();
        served += outcomes().count() - outcomes().filter(refused).count();
    }
    assert!(served > 10 * too_large, "{served} served, {too_large} too large");
    assert!(served > 100, "{served} served");
}

#[test]
fn the_command_line_knows_both() {
    let common = ["simulate", "--poisson", "2", "--requests", "200", "--deadline", "20"];
    let answer = json(&[&common[..], &["--policy", "static,dftsp,batch-search"]].concat());
    let missed = |run: usize| answer["runs"][run]["missed"].as_u64().expect("a number");
    assert_eq!(answer["runs"][1]["policy"], "dftsp 8");
    assert!(missed(1) < missed(0) && missed(2) < missed(0), "{answer}");
    refused(&["simulate", "--policy", "dftps"], "dftps");
}
