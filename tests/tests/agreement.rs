//! Every solver against the oracle: exact ones equal it, others are never better and never wrong.
//!
//! A failure prints the smallest part of the instance on which the solver still fails, as a file
//! that `edgeplan plan FILE --solver NAME --gap 0` takes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use edgeplan_families::{Random, random};
use edgeplan_files::deployment::write_instance;
use edgeplan_problem::deployment::{Deployment, Model, Objective, Placement};
use edgeplan_problem::{Limits, Silent, Verdict, gap, reconcile, solve};
use edgeplan_search::ChainSearch;
use edgeplan_solvers::{DEPLOYMENT, Effort, Entry, Guarantee, find, second_opinion};
use edgeplan_tests::{FEATURES, Optimum, brute_force, large, shrunk, varied};
use rayon::prelude::*;

/// Solvers on engines of floats, which take milliseconds, and whose proofs end at a relative
/// tolerance.
const ENGINES: [&str; 5] = ["highs", "cbc", "counts", "lp-rounding", "lp-weak"];
/// CBC claims false optima now and then, on programs that HiGHS solves rightly; how often is
/// tested.
const MAY_BE_WRONG: &str = "cbc";
/// What every solver is asked, in half a minute; `EDGEPLAN_SEEDS=20000..90000` asks others.
const SEEDS: Range<u64> = 0..3_000;
/// What those without an engine are asked besides.
const MORE_SEEDS: Range<u64> = 3_000..30_000;

fn seeds(usual: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("EDGEPLAN_SEEDS") else { return usual };
    let ends = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    ends.unwrap_or_else(|| panic!("EDGEPLAN_SEEDS={text}: FROM..TO is needed"))
}

fn is_engine(entry: &Entry) -> bool {
    ENGINES.contains(&entry.name)
}

/// What an answer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// The optimum, or that there is none, proven.
    Proven,
    /// A feasible plan; its bound, if it has one, is sound.
    Plan,
    /// No plan and no false claim.
    Nothing,
    /// A false claim of the one engine that may err: of a bound, or that there is no plan.
    Caught,
    /// Refused by name: a plan may cost more than the solver's sums hold exactly.
    Refused,
}

/// Asks one solver; what it says must be compatible with the truth.
fn check(entry: &Entry, instance: &Deployment, truth: &Optimum) -> Result<Worth, String> {
    let gap_max = if is_engine(entry) { Limits::GAP } else { 0.0 };
    let asked = AssertUnwindSafe(|| {
        let limits = Limits { gap: gap_max, ..Limits::default() };
        solve(instance, (entry.make)().as_ref(), limits, &mut Silent)
    });
    let outcome = catch_unwind(asked).map_err(|_| "panics".to_owned())?;
    let (verdict, best) = (&outcome.verdict, truth.cost());
    let complain = |what: &str| Err(format!("{what}: {verdict:?}, truth {best:?}"));
    let must_prove = entry.guarantee == Guarantee::Exact
        || entry.guarantee == Guarantee::ExactForGivenFormats && has_one_format(instance);
    match verdict {
        Verdict::Wrong(_) if entry.name == MAY_BE_WRONG => Ok(Worth::Caught),
        _ if best.is_some() && outcome.lower_bound() > best => match entry.name {
            MAY_BE_WRONG => Ok(Worth::Caught),
            _ => complain("false bound"),
        },
        Verdict::Wrong(_) => complain("wrong"),
        // HiGHS refuses a program of days now and then, and says so; how often is tested.
        Verdict::Failed(_) if is_engine(entry) => Ok(Worth::Nothing),
        Verdict::Failed(_) => complain("fails"),
        Verdict::Infeasible if best.is_some() => match entry.name {
            MAY_BE_WRONG => Ok(Worth::Caught),
            _ => complain("denies that there is a plan"),
        },
        Verdict::Optimal { cost, .. } | Verdict::Feasible { cost, .. }
            if best.is_none_or(|best| *cost < best) =>
        {
            complain("better than the optimum")
        }
        Verdict::Optimal { cost, .. } if best.is_some_and(|best| gap(*cost, best) > gap_max) => {
            complain("false optimum")
        }
        Verdict::Optimal { .. } | Verdict::Infeasible => Ok(Worth::Proven),
        Verdict::Unsupported(_) if entry.guarantee != Guarantee::Exact => Ok(Worth::Nothing),
        Verdict::Unsupported(_)
            if ["chain-search", "joint", "portfolio"].contains(&entry.name)
                && is_huge(instance) =>
        {
            Ok(Worth::Refused)
        }
        Verdict::Unsupported(_) if entry.name == "joint" && has_parts(instance) => {
            Ok(Worth::Refused)
        }
        // An engine may give up where a limit is missed within its tolerance; how often is tested.
        _ if must_prove && !is_engine(entry) => complain("proves nothing"),
        Verdict::Feasible { .. } => Ok(Worth::Plan),
        Verdict::Unknown { .. } | Verdict::Unsupported(_) => Ok(Worth::Nothing),
    }
}

/// Whether hosts have several devices, or blocks several parts.
fn has_parts(instance: &Deployment) -> bool {
    let mut layers = instance.models.iter().flat_map(|model| &model.layers);
    instance.has_hosts() || layers.any(|layer| layer.joined)
}

/// Whether all amounts of the instance together exceed what floats count one by one, with the
/// bits to spare that the chain search says it needs.
fn is_huge(instance: &Deployment) -> bool {
    const EXACT: u128 = 1 << 50;
    let devices = instance.devices.len() as u128;
    let model = |model: &Model| {
        let options = model.layers.iter().flat_map(|layer| &layer.options);
        let messages = model.messages.iter().flat_map(|message| &message.time);
        let computing = options.clone().flat_map(|option| &option.compute);
        let times = computing.chain(messages).flatten().map(|time| u128::from(time.0));
        let stored = options.map(|option| u128::from(option.bytes.0) + u128::from(option.loss.0));
        let caches = model.layers.iter().map(|layer| u128::from(layer.kv.0));
        let shared = model.shared.iter().map(|bytes| u128::from(bytes.0) * devices);
        let buffers = u128::from(model.activation.0) * devices;
        let ways = model.layers.len() as u128 + 2; // a message may be sent after each layer
        times.sum::<u128>() * u128::from(model.weight) * ways
            + stored.chain(caches).chain(shared).sum::<u128>()
            + buffers * ways
    };
    // A path of the relaxation may come back after each layer.
    let layers: usize = instance.models.iter().map(|model| model.layers.len() + 2).sum();
    let overheads = instance.devices.iter().map(|device| u128::from(device.overhead.0));
    let overheads = overheads.map(|overhead| overhead * layers as u128);
    instance.models.iter().map(model).chain(overheads).sum::<u128>() >= EXACT
}

/// Whether placement alone is to be decided, by a program that says so of itself: one option that
/// runs somewhere per layer, contiguous on hosts of one device, no latency limit beside another
/// objective.
fn has_one_format(instance: &Deployment) -> bool {
    let model = &instance.models[0];
    let runs = |layer: usize| {
        let options = model.option_ids(layer);
        options.filter(move |&option| {
            instance.device_ids().any(|device| model.compute(layer, device, option).is_some())
        })
    };
    instance.placement == Placement::Contiguous
        && !instance.has_hosts()
        && (instance.latency_max.is_none() || instance.objective == Objective::Latency)
        && (0..model.layers.len()).all(|layer| runs(layer).count() == 1)
}

/// The complaint, and the smallest part of the instance that gives rise to one of its kind.
fn replayable(entry: &Entry, seed: u64, complaint: &str) -> String {
    let kind = |text: &str| text.split(':').next().map(str::to_owned);
    let complains = |next: &Deployment| {
        check(entry, next, &brute_force(next)).err().filter(|text| kind(text) == kind(complaint))
    };
    let smallest = shrunk(&varied(seed), &|next| complains(next).is_some());
    let now = complains(&smallest).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&write_instance(&smallest)).expect("JSON");
    format!("{} on seed {seed}: {complaint}\nits smallest part: {now}\n{json}", entry.name)
}

/// What all these solvers say of all these questions: how often each is worth what.
fn judged(entries: &[&Entry], seeds: Range<u64>) -> BTreeMap<(&'static str, Worth), usize> {
    let worths: Vec<Vec<Result<Worth, String>>> = seeds
        .clone()
        .into_par_iter()
        .map(|seed| {
            let instance = varied(seed);
            let truth = brute_force(&instance);
            entries.iter().map(|entry| check(entry, &instance, &truth)).collect()
        })
        .collect();
    let mut counts = BTreeMap::new();
    let mut complaints = Vec::new();
    for (seed, worths) in seeds.zip(worths) {
        for (entry, worth) in entries.iter().zip(worths) {
            match worth {
                Ok(worth) => *counts.entry((entry.name, worth)).or_default() += 1,
                Err(text) => complaints.push((*entry, seed, text)),
            }
        }
    }
    println!("{counts:#?}");
    // One of each solver, so that one fault does not hide another's.
    let total = complaints.len();
    let mut by_solver: BTreeMap<&str, usize> = BTreeMap::new();
    complaints.iter().for_each(|(entry, ..)| *by_solver.entry(entry.name).or_default() += 1);
    complaints.sort_by_key(|&(entry, seed, _)| (entry.name, seed));
    complaints.dedup_by_key(|(entry, ..)| entry.name);
    let shown = complaints.iter().map(|(entry, seed, text)| replayable(entry, *seed, text));
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert_eq!(total, 0, "errors: {by_solver:?}; one of each solver:\n{shown}");
    counts
}

#[test]
fn every_solver_agrees_with_brute_force() {
    let entries: Vec<&Entry> = DEPLOYMENT.iter().filter(|entry| !is_slow(entry)).collect();
    let seeds = seeds(SEEDS);
    let total = (seeds.end - seeds.start) as usize;
    let counts = judged(&entries, seeds);
    let count = |name: &'static str, worth| counts.get(&(name, worth)).copied().unwrap_or_default();
    for entry in entries {
        let (proven, plans) = (count(entry.name, Worth::Proven), count(entry.name, Worth::Plan));
        // CBC's false claims are rare; more would be a fault of ours. So are questions of days and
        // petabytes, which the generator draws more often than people ask them.
        let caught = count(entry.name, Worth::Caught);
        let refused = count(entry.name, Worth::Refused);
        assert!(refused * 7 <= total, "{} refuses {refused}", entry.name);
        assert!(caught * 200 <= total, "{} errs on {caught}", entry.name);
        let least = match entry.guarantee {
            Guarantee::Exact if is_engine(entry) => total - caught - total / 1000,
            Guarantee::Exact => total - refused,
            Guarantee::ExactForGivenFormats => total / 20,
            // It has no plans: all that it proves is that there is none.
            Guarantee::Bounded if entry.name == "lp-weak" => total / 4,
            // It takes one contiguous model without a bottleneck, and denies nothing.
            Guarantee::Bounded if entry.name == "counts" => total / 20,
            Guarantee::Bounded => total / 2,
            Guarantee::Heuristic => 0,
        };
        assert!(proven >= least, "{} proves {proven} of {total}", entry.name);
        // Rules for a host's accelerators are for hosts whose source is the processor.
        let rare = ["llama-fit", "n-cpu-moe", "gpu-layers", "counts"].contains(&entry.name);
        assert!(rare || proven + plans > total / 10, "{} answers {proven} + {plans}", entry.name);
    }
}

#[test]
fn solvers_without_an_engine_agree_on_many_more() {
    let asked = |entry: &&Entry| !is_engine(entry) && !is_slow(entry);
    let entries: Vec<&Entry> = DEPLOYMENT.iter().filter(asked).collect();
    let counts = judged(&entries, seeds(MORE_SEEDS));
    let worths: Vec<Worth> = counts
        .keys()
        .filter(|(name, _)| *name == "chain-search")
        .map(|&(_, worth)| worth)
        .collect();
    assert_eq!(worths, [Worth::Proven, Worth::Refused], "{counts:?}");
}

/// A linear program for each question takes too long for tens of thousands.
fn is_slow(entry: &Entry) -> bool {
    ["joint", "portfolio"].contains(&entry.name)
}

#[test]
fn slow_solvers_agree_with_brute_force_on_some() {
    let entries: Vec<&Entry> = DEPLOYMENT.iter().filter(|entry| is_slow(entry)).collect();
    let counts = judged(&entries, seeds(0..60));
    let known = |worth: &Worth| [Worth::Proven, Worth::Refused].contains(worth);
    assert!(counts.keys().all(|(_, worth)| known(worth)), "{counts:?}");
}

/// Where brute force would take too long, two methods that have nothing in common agree.
#[test]
fn the_chain_search_agrees_with_a_second_opinion_on_larger_questions() {
    let entry = find("chain-search").expect("registered");
    let opinions: Vec<Option<&str>> = (0..400)
        .into_par_iter()
        .map(|seed| {
            let instance = large(seed);
            let limits = Limits { steps: Some(200_000), gap: 1e-4, ..Limits::default() };
            let solver = (entry.make)();
            let mut outcome = solve(&instance, solver.as_ref(), limits, &mut Silent);
            let effort = Effort { plans_max: 0, ..Effort::SMALL };
            let opinion = second_opinion(&instance, (entry.name, &mut outcome), effort)?;
            let wrong = [&outcome, &opinion.outcome]
                .into_iter()
                .any(|outcome| matches!(outcome.verdict, Verdict::Wrong(_)));
            let file = write_instance(&instance);
            assert!(!wrong, "seed {seed}: {:?}, {opinion:?}\n{file}", outcome.verdict);
            Some(opinion.by)
        })
        .collect();
    for by in ["chain-exact", "highs"] {
        let count = opinions.iter().filter(|opinion| **opinion == Some(by)).count();
        println!("{by}: {count}");
        assert!(count >= 20, "{by} has an opinion on {count}");
    }
}

/// What the generator promises: each of these often, and with a plan.
#[test]
fn the_questions_contain_what_solvers_could_trip_over() {
    const QUESTIONS: u64 = 4_000;
    let questions: Vec<(Deployment, Optimum)> = (0..QUESTIONS)
        .into_par_iter()
        .map(|seed| {
            let instance = varied(seed);
            let truth = brute_force(&instance);
            (instance, truth)
        })
        .collect();
    let feasible = questions.iter().filter(|(_, truth)| truth.cost().is_some()).count() as u64;
    assert!((QUESTIONS / 2..QUESTIONS * 9 / 10).contains(&feasible), "{feasible} have a plan");
    for (feature, has) in FEATURES {
        let with = questions.iter().filter(|(instance, truth)| has(instance, truth));
        let (with, without): (Vec<_>, Vec<_>) = with.partition(|(_, truth)| truth.cost().is_some());
        println!("{feature:28} {:5} with a plan, {:5} without", with.len(), without.len());
        let enough = if *feature == "infeasible" { without.len() } else { with.len() };
        assert!(
            enough as u64 >= QUESTIONS / 100,
            "{feature}: {} and {}",
            with.len(),
            without.len()
        );
    }
}

/// With hardly any labels everything must be proven by bounds and branching.
#[test]
fn branching_agrees_with_labels() {
    let question = |seed: u64| {
        let objective = [Objective::Latency, Objective::Latency, Objective::Memory];
        let family = Random {
            layers: 10 + seed as usize % 7,
            devices: 4 + seed as usize % 3,
            formats: 4,
            memory_percent: 115,
            objective: objective[seed as usize % 3],
            seed,
            ..Random::default()
        };
        random(&family).checked().expect("the generator makes sense")
    };
    let results: Vec<(bool, bool)> = (0..200)
        .into_par_iter()
        .map(|seed| {
            let instance = question(seed);
            let limits = Limits { steps: Some(100_000), ..Limits::default() };
            let roomy = solve(&instance, &ChainSearch::default(), limits, &mut Silent);
            let cramped = ChainSearch { labels_max: 2, ..ChainSearch::default() };
            let cramped = solve(&instance, &cramped, limits, &mut Silent);
            let mut outcomes = [("labels", roomy), ("branching", cramped)];
            reconcile(&mut outcomes);
            for (_, outcome) in &outcomes {
                assert!(!matches!(outcome.verdict, Verdict::Wrong(_)), "seed {seed}: {outcomes:?}");
            }
            let cramped = &outcomes[1].1;
            let closed = matches!(cramped.verdict, Verdict::Optimal { .. } | Verdict::Infeasible);
            (cramped.work.contains_key("nodes"), closed)
        })
        .collect();
    let branched = results.iter().filter(|result| result.0).count();
    let proven = results.iter().filter(|result| **result == (true, true)).count();
    println!("{branched} branch, {proven} of them are proven");
    assert!(branched >= 60, "only {branched} branch");
    assert!(proven >= 30, "only {proven} of {branched} are proven");
}

#[test]
fn highs_and_cbc_agree_on_larger_questions() {
    for seed in 0..6 {
        let family = Random {
            layers: 12,
            devices: 3,
            formats: 3,
            memory_percent: 143,
            objective: [Objective::Latency, Objective::Bottleneck, Objective::Memory]
                [seed as usize % 3],
            placement: [Placement::Contiguous, Placement::Free][seed as usize / 3],
            seed,
        };
        let instance = random(&family).checked().expect("the generator makes sense");
        let mut outcomes = ["highs", "cbc"].map(|name| {
            let solver = (find(name).expect("registered").make)();
            (name, solve(&instance, solver.as_ref(), Limits::default(), &mut Silent))
        });
        reconcile(&mut outcomes);
        let costs = outcomes.each_ref().map(|(_, outcome)| outcome.cost());
        assert!(
            matches!(outcomes[0].1.verdict, Verdict::Optimal { .. }),
            "seed {seed}: {outcomes:?}"
        );
        assert!(
            matches!(outcomes[1].1.verdict, Verdict::Optimal { .. }),
            "seed {seed}: {outcomes:?}"
        );
        let [Some(highs), Some(cbc)] = costs else { panic!("seed {seed}: {costs:?}") };
        assert!(gap(cbc.max(highs), cbc.min(highs)) <= Limits::GAP, "seed {seed}: {costs:?}");
    }
}
