//! Figures that papers report: EdgeShard's case, computed again, and beside it by arithmetic that
//! shares nothing with solvers and `evaluate()`.

use std::path::Path;

use edgeplan_families::published::{EdgeShard, edgeshard, published_figures};
use edgeplan_pricing::workload::Returns;
use edgeplan_problem::deployment::{Deployment, Objective};
use edgeplan_problem::{Cost, Limits, Outcome, Silent, Verdict, solve};
use edgeplan_solvers::{DEPLOYMENT, Guarantee, find};

type Answer = Outcome<edgeplan_problem::deployment::Plan>;

/// EdgeShard's and Cloud-Edge-Even's times per token of Llama2-7B (arXiv 2405.14371).
const EDGESHARD_MS: f64 = 75.88;
const EVEN_MS: f64 = 227.35;

fn answer(instance: &Deployment, solver: &str) -> Answer {
    let solver = (find(solver).expect("registered").make)();
    solve(instance, solver.as_ref(), Limits::default(), &mut Silent)
}

fn case(agx: usize, nx: usize, returns: Returns, objective: Objective) -> Deployment {
    edgeshard(EdgeShard { agx, nx, returns }, objective).expect("embedded")
}

/// (device, first layer, last layer) of each run.
fn runs(answer: &Answer) -> Vec<(u16, usize, usize)> {
    let plan = answer.plan.as_ref().expect("a plan");
    plan.segments(0).iter().map(|run| (run.device.0, run.first, run.last)).collect()
}

/// EdgeShard's testbed out of the published profile: times in nanoseconds, memory in millionths
/// of a GiB. The first device is the source, the last the cloud.
struct Testbed {
    /// By device: kind, room, time of each layer.
    devices: Vec<(&'static str, u64, Vec<u64>)>,
    memory: Vec<u64>,
    returned_bits: u64,
}

impl Testbed {
    fn new(agx: usize, nx: usize, returned_values: u64) -> Self {
        let path = "../bench-data/known/edgeshard-llama2-7b.csv";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(path).unwrap();
        let rows: Vec<Vec<u64>> = text
            .lines()
            .skip(1)
            .map(|l| l.split(',').map(|n| n.parse().unwrap()).collect())
            .collect();
        let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<u64>>();
        let times = |at: usize| column(at).into_iter().map(|micros| 1000 * micros).collect();
        let mut devices = vec![("agx", 29_000_000, times(3)); agx];
        devices.extend(vec![("nx", 14_000_000, times(2)); nx]);
        devices.push(("rtx", 22_000_000, times(4)));
        Self { devices, memory: column(1), returned_bits: 32 * returned_values }
    }

    /// 1 Mbit/s between source and cloud, 50 Mbit/s elsewhere.
    fn hop(&self, from: usize, to: usize, bits: u64) -> u64 {
        match (from.min(to), from.max(to)) {
            (from, to) if from == to => 0,
            (0, to) if to == self.devices.len() - 1 => 1000 * bits,
            _ => 1000 * bits / 50,
        }
    }

    /// What these runs of (device, layers) take, in nanoseconds; None where one does not fit.
    fn time(&self, runs: &[(usize, usize)]) -> Option<u64> {
        let (mut time, mut layer) = (0, 0);
        for (index, &(device, layers)) in runs.iter().enumerate() {
            let own = layer..layer + layers;
            let (_, room, times) = &self.devices[device];
            if self.memory[own.clone()].iter().sum::<u64>() > *room {
                return None;
            }
            let before = if index == 0 { 0 } else { runs[index - 1].0 };
            let state = if index == 0 { 0 } else { self.hop(before, device, 32 * 4096) };
            time += times[own].iter().sum::<u64>() + state;
            layer += layers;
        }
        (layer == self.memory.len()).then_some(())?;
        Some(time + self.hop(runs[runs.len() - 1].0, 0, self.returned_bits))
    }

    /// The least time of all ways to cut the layers, by trying them.
    fn least(&self) -> u64 {
        let mut best = u64::MAX;
        // The first layer is the source's.
        self.extend(&mut vec![(0, 1)], self.devices[0].2[0], &mut best);
        best
    }

    /// Tries all that begins with these runs, which take `so_far`.
    fn extend(&self, runs: &mut Vec<(usize, usize)>, so_far: u64, best: &mut u64) {
        let layer: usize = runs.iter().map(|(_, layers)| layers).sum();
        if layer == self.memory.len() {
            *best = self.time(runs).map_or(*best, |time| time.min(*best));
            return;
        }
        let quickest = |layer: usize| self.devices.iter().map(|(.., times)| times[layer]).min();
        let rest: u64 = (layer..self.memory.len()).filter_map(quickest).sum();
        if so_far + rest >= *best {
            return;
        }
        let (last, layers) = runs[runs.len() - 1];
        *runs.last_mut().unwrap() = (last, layers + 1);
        self.extend(runs, so_far + self.devices[last].2[layer], best);
        *runs.last_mut().unwrap() = (last, layers);
        for (device, (kind, _, times)) in self.devices.iter().enumerate().skip(1) {
            // Of devices alike the first free one stands for all.
            let used = |device: usize| runs.iter().any(|(other, _)| *other == device);
            let alike = |other: usize| self.devices[other].0 == *kind && !used(other);
            if used(device) || (1..device).any(alike) {
                continue;
            }
            let hop = self.hop(last, device, 32 * 4096);
            runs.push((device, 1));
            self.extend(runs, so_far + hop + times[layer], best);
            runs.pop();
        }
    }
}

/// How far a cost is from a published time, as a share of that time.
fn off(cost: Option<Cost>, published_ms: f64) -> f64 {
    cost.expect("a plan").as_f64() / 1e6 / published_ms - 1.0
}

#[test]
fn the_latency_plan_is_the_known_optimum() {
    let instance = case(4, 1, Returns::Logits, Objective::Latency);
    let least = Cost(Testbed::new(4, 1, 32_000).least());
    for entry in DEPLOYMENT.iter().filter(|entry| entry.guarantee == Guarantee::Exact) {
        let found = answer(&instance, entry.name);
        let Verdict::Optimal { cost, .. } = found.verdict else {
            panic!("{}: {found:?}", entry.name)
        };
        // Within the gap that counts as proven.
        let error = cost.as_f64() / least.as_f64() - 1.0;
        assert!((0.0..1e-4).contains(&error), "{}: {cost}, not {least}", entry.name);
    }
    let found = answer(&instance, "chain-exact");
    assert_eq!(runs(&found), [(0, 0, 0), (1, 1, 1), (5, 2, 30), (2, 31, 33)]);
    // The paper's own figure, up to what its profile leaves open.
    assert!((-0.05..0.0).contains(&off(found.cost(), EDGESHARD_MS)), "{found:?}");
    let published = answer(&instance, "edgeshard-latency");
    assert!(published.cost().expect("a plan") >= found.cost().unwrap(), "{published:?}");
}

#[test]
fn the_baselines_are_as_published() {
    let instance = case(4, 1, Returns::Token, Objective::Latency);
    let even = answer(&instance, "cloud-edge-even");
    assert_eq!(runs(&even), [(0, 0, 16), (5, 17, 33)]);
    assert!((0.0..0.02).contains(&off(even.cost(), EVEN_MS)), "{even:?}");
    // The slow link makes every cut dearer than staying at home.
    let opt = answer(&instance, "cloud-edge-opt");
    assert_eq!(runs(&opt), [(0, 0, 33)]);
    assert_eq!(opt.cost(), Some(Cost(173_973_000)));
    assert_eq!(answer(&instance, "edge-solo").cost(), opt.cost());
}
#[test]
fn sets_and_count_vectors_agree() {
    let instance = case(4, 1, Returns::Logits, Objective::Bottleneck);
    let counted = answer(&instance, "chain-exact");
    assert!(matches!(counted.verdict, Verdict::Optimal { .. }), "{counted:?}");
    assert_eq!(counted.verdict, answer(&instance, "edgeshard-throughput").verdict);
}

#[test]
fn fifteen_devices_are_three_classes() {
    let found = answer(&case(12, 2, Returns::Logits, Objective::Bottleneck), "chain-exact");
    // Logits at 50 Mbit/s take 20.48 ms unless the last layer is on the source, which the first is.
    assert!(matches!(found.verdict, Verdict::Optimal { cost: Cost(20_480_000), .. }), "{found:?}");
}

#[test]
fn every_known_value_is_computed_again() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench-data/known/values.toml");
    let text: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let declared = text["value"].as_array().unwrap();
    let cases = published_figures().expect("embedded");
    assert!(cases.len() >= 4 && cases.len() == declared.len());
    for (case, declared) in cases.iter().zip(declared) {
        let number = |key: &str| declared["case"][key].as_integer().unwrap() as usize;
        let returned = match declared["case"]["returns"].as_str().unwrap() {
            "token" => 1,
            "logits" => 32_000,
            other => panic!("{}: returns {other}", case.what),
        };
        let testbed = Testbed::new(number("agx"), number("nx"), returned);
        let (layers, cloud) = (testbed.memory.len(), testbed.devices.len() - 1);
        let cut = |home: usize| testbed.time(&[(0, home), (cloud, layers - home)]);
        let expected = match case.solver.as_str() {
            "chain-exact" => testbed.least(),
            "cloud-edge-even" => cut(layers / 2).unwrap(),
            "edge-solo" => testbed.time(&[(0, layers)]).unwrap(),
            "cloud-edge-opt" => {
                let cuts = (1..layers).filter_map(cut);
                cuts.chain(testbed.time(&[(0, layers)])).min().unwrap()
            }
            other => panic!("{}: nothing here computes what {other} should", case.what),
        };
        let found = answer(&case.instance, &case.solver).cost();
        assert_eq!(found, Some(Cost(expected)), "{}", case.what);
    }
}
