//! DFTSP against brute force and against our search, by load; what it serves beside other ways to
//! form batches.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use edgeplan_batching::paper::{MODELS, Setting};
use edgeplan_problem::batching::Batching;
use edgeplan_problem::{Limits, Silent, Verdict, solve};
use edgeplan_solvers::{Entry, find_batching};

use super::{Finding, Mark, Ours, Published, verdict};
use edgeplan::epochs::served_per_s;

const PAPER: &str = "DFTSP, arXiv 2405.07140";
/// Epochs of each load whose batches are searched.
const EPOCHS: u64 = 20;
/// Waiting requests: more take brute force minutes.
const LOADS: [usize; 4] = [4, 8, 14, 20];
/// Each search is timed so often; the quickest counts, so that other programs count less.
const REPEATS: u32 = 3;
/// Arrivals per second, and epochs of 2 s of each.
const RATES: [f64; 3] = [4.0, 16.0, 32.0];
const SERVED_EPOCHS: u32 = 100;
const SETTINGS: &str = "settings are second-hand or recalled";
const LESS: Published = Published { value: "more than 45 %", mark: Mark::V, source: "abstract" };

pub(crate) fn findings() -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for load in LOADS {
        let mut sums = [Work::default(), Work::default()];
        for model in MODELS {
            let [brute, dftsp, own] =
                ["brute-force", "dftsp", "batch-search"].map(|name| work(model, load, name));
            let (brute, dftsp) = (brute?, dftsp?);
            findings.push(less_search(model, load, brute, dftsp));
            sums = [sums[0] + dftsp, sums[1] + own?];
        }
        findings.push(our_search(load, sums));
    }
    for rate in RATES {
        for model in MODELS {
            findings.extend(served(model, rate)?);
        }
    }
    findings.push(Finding::missing(
        PAPER,
        "throughput over arrival rate",
        Published { value: "not found", mark: Mark::None, source: "figures" },
        "the paper's curves were not found; ours are in reports/batching",
    ));
    Ok(findings)
}

/// What a search takes, over all epochs.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    nodes: u64,
    relaxations: u64,
    time: Duration,
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            nodes: self.nodes + other.nodes,
            relaxations: self.relaxations + other.relaxations,
            time: self.time + other.time,
        }
    }
}

impl Work {
    fn milliseconds(&self) -> f64 {
        self.time.as_secs_f64() * 1e3
    }
}

fn entry(name: &str) -> Result<&'static Entry<Batching>> {
    find_batching(name).with_context(|| format!("{name} is registered"))
}

/// Every epoch's optimum, found by that solver.
fn work(model: &str, load: usize, name: &str) -> Result<Work> {
    let entry = entry(name)?;
    let mut sum = Work::default();
    for seed in 0..EPOCHS {
        let instance = Setting::of(model).scenario(load, seed).build("reproduce")?;
        let mut quickest = Duration::MAX;
        for repeat in 0..REPEATS {
            let solver = (entry.make)();
            let outcome = solve(&instance, solver.as_ref(), Limits::default(), &mut Silent);
            let proven = matches!(outcome.verdict, Verdict::Optimal { .. });
            ensure!(proven, "{name}: {}", outcome.verdict.word());
            quickest = quickest.min(outcome.elapsed);
            if repeat == 0 {
                let count = |kind| outcome.work.get(kind).copied().unwrap_or_default();
                sum.nodes += count("nodes");
                sum.relaxations += count("relaxations");
            }
        }
        sum.time += quickest;
    }
    Ok(sum)
}

/// The paper's claim: how much of brute force's search is left out.
fn less_search(model: &str, load: usize, brute: Work, dftsp: Work) -> Finding {
    let less = 1.0 - dftsp.nodes as f64 / brute.nodes as f64;
    let remark = format!(
        "{} against {} nodes in {EPOCHS} epochs; in time {:.2} against {:.2} ms; {SETTINGS}",
        brute.nodes,
        dftsp.nodes,
        brute.milliseconds(),
        dftsp.milliseconds()
    );
    let ours = Ours {
        convention: format!("{load} waiting requests; a node is a partial batch looked at"),
        value: format!("{:.1} %", 100.0 * less),
        difference: verdict(less > 0.45),
        command: "edgeplan reproduce (dftsp, brute-force)".into(),
        remark,
    };
    Finding::new(PAPER, &format!("{model}, search less than brute force"), LESS, ours)
}

/// Our search beside DFTSP: its relaxations are work, too.
fn our_search(load: usize, [dftsp, own]: [Work; 2]) -> Finding {
    let work = (own.nodes + own.relaxations) as f64 / dftsp.nodes as f64;
    let time = own.time.as_secs_f64() / dftsp.time.as_secs_f64();
    let remark = format!(
        "{} nodes and {} relaxations against {} nodes, {:.2} against {:.2} ms, {} epochs; both \
         prove every optimum",
        own.nodes,
        own.relaxations,
        dftsp.nodes,
        own.milliseconds(),
        dftsp.milliseconds(),
        EPOCHS * MODELS.len() as u64
    );
    let ours = Ours {
        convention: format!(
            "{load} waiting requests; a relaxation sorts the requests into five knapsacks and \
             counts as one node"
        ),
        value: format!("{:.0} % of the work, {:.0} % of the time", 100.0 * work, 100.0 * time),
        difference: "-".into(),
        command: "edgeplan reproduce (batch-search, dftsp)".into(),
        remark,
    };
    Finding::new(PAPER, "this project's batch-search, of DFTSP's", Published::NOTHING, ours)
}

/// DFTSP beside the paper's two ways to form batches.
fn served(model: &str, rate: f64) -> Result<Vec<Finding>> {
    let served = |name: &str| -> Result<(f64, f64)> {
        Ok(served_per_s(Setting::of(model), rate, SERVED_EPOCHS, entry(name)?)?)
    };
    let (own, own_half) = served("dftsp")?;
    let mut findings = Vec::new();
    for (name, shown) in [("static", "static batching"), ("no-batching", "no batching")] {
        let (other, other_half) = served(name)?;
        let published = Published {
            value: "higher in all settings",
            mark: Mark::V,
            source: "abstract; the benchmarks' rules are recalled",
        };
        let ours = Ours {
            convention: format!(
                "{rate} arrivals/s, {SERVED_EPOCHS} epochs of 2 s; the same arrivals for both"
            ),
            value: format!("{own:.2} against {other:.2} served/s"),
            difference: verdict(own > other),
            command: format!("edgeplan reproduce (dftsp, {name})"),
            remark: format!(
                "95 % confidence of the means +-{own_half:.2} and +-{other_half:.2}; {SETTINGS}"
            ),
        };
        let what = format!("{model}, throughput over {shown}");
        findings.push(Finding::new(PAPER, &what, published, ours));
    }
    Ok(findings)
}
