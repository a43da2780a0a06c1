//! One case: a node, a rate and a solver.

use std::time::Duration;

use anyhow::Result;
use edgeplan_batching::WireRequest;
use edgeplan_batching::paper::Setting;
use edgeplan_batching::traffic::Arrival;
use edgeplan_files::quantity::Time;
use edgeplan_problem::batching::Batching;
use edgeplan_problem::{Limits, Nanos, Problem as _, Silent, Verdict, solve};
use edgeplan_solvers::Entry;
use statrs::distribution::{ContinuousCDF as _, StudentsT};
use statrs::statistics::{Data, OrderStatistics as _, Statistics as _};

use crate::reply::believed;
use crate::watch;

/// What is simulated.
pub(super) struct Case {
    pub(super) setting: Setting,
    /// Arrivals per second.
    pub(super) rate: f64,
    pub(super) epochs: u32,
    pub(super) seed: u64,
    /// For each epoch's batch.
    pub(super) time: Duration,
}

/// What came of it. The names are the columns of files.
#[derive(serde::Serialize)]
pub(super) struct Record {
    pub(super) model: String,
    pub(super) arrivals_per_s: f64,
    pub(super) solver: &'static str,
    epochs: u32,
    arrived: usize,
    served: usize,
    /// Mean over the epochs.
    pub(super) served_per_s: f64,
    /// Half the width of its 95 % confidence interval.
    pub(super) confidence_95: f64,
    /// From arrival to answer, of those served.
    latency_median_s: Option<f64>,
    latency_95_s: Option<f64>,
    /// Nodes of trees, mean over the epochs.
    nodes_per_epoch: Option<f64>,
    /// Epochs whose batch was not proven optimal.
    unproven_epochs: u32,
    /// What the solver took in all.
    solver_s: f64,
}

/// Runs the node epoch by epoch. A request that is not served waits on as long as it can still be
/// answered in time.
pub(super) fn simulate(case: &Case, entry: &'static Entry<Batching>) -> Result<Record> {
    let scenario = case.setting.empty();
    let base = scenario.build("epochs")?;
    let length = base.epoch.uplink + base.epoch.compute + base.epoch.downlink;
    let end = length * u64::from(case.epochs);
    let arrivals = case.setting.traffic().arrivals(case.rate, Time(end.0), case.seed);
    let arrived = arrivals.len();
    let mut arrivals = arrivals.into_iter().peekable();
    let solver = (entry.make)();
    let mut waiting: Vec<Arrival> = Vec::new();
    let mut tally = Tally::default();
    for epoch in 1..=u64::from(case.epochs) {
        let now = length * epoch;
        waiting.extend(std::iter::from_fn(|| arrivals.next_if(|next| next.at.0 < now.0)));
        let radio = base.epoch.uplink + base.epoch.downlink;
        waiting.retain(|one| (now - Nanos(one.at.0)) + radio <= Nanos(one.request.deadline.0));
        let requests: Vec<WireRequest> = waiting.iter().map(|one| waited(one, now)).collect();
        let problem = Batching { requests: scenario.requests(&requests), ..base.clone() };
        let limits = Limits {
            time: Some(case.time),
            seed: case.seed,
            interrupt: Some(watch::flag()),
            ..Limits::default()
        };
        let problem = problem.checked()?;
        let outcome = solve(&problem, solver.as_ref(), limits, &mut Silent);
        let outcome = believed(entry.name, outcome)?;
        tally.thought += outcome.elapsed;
        tally.nodes.extend(outcome.work.get("nodes").map(|&nodes| nodes as f64));
        tally.unproven += u32::from(!matches!(outcome.verdict, Verdict::Optimal { .. }));
        let Some(plan) = &outcome.plan else {
            tally.served.push(0.0);
            continue;
        };
        let account = problem.evaluate(plan).account;
        tally.served.push(account.served as f64);
        tally.latency.extend(account.latency.iter().flatten().map(|time| time.as_f64() / 1e9));
        let mut left = account.latency.iter().map(Option::is_none);
        waiting.retain(|_| left.next().unwrap_or(true));
    }
    Ok(tally.record(case, entry.name, (arrived, length)))
}

/// The request as it is now.
fn waited(arrival: &Arrival, now: Nanos) -> WireRequest {
    WireRequest { waited: Time(now.0 - arrival.at.0), ..arrival.request.clone() }
}

/// What is counted, by epoch or by request.
#[derive(Default)]
struct Tally {
    served: Vec<f64>,
    nodes: Vec<f64>,
    latency: Vec<f64>,
    unproven: u32,
    thought: Duration,
}

impl Tally {
    fn record(
        self,
        case: &Case,
        solver: &'static str,
        (arrived, length): (usize, Nanos),
    ) -> Record {
        let seconds = length.as_f64() / 1e9;
        let per_second: Vec<f64> = self.served.iter().map(|served| served / seconds).collect();
        let count = per_second.len() as f64;
        let t = StudentsT::new(0.0, 1.0, count - 1.0).map_or(2.0, |t| t.inverse_cdf(0.975));
        let error = t * (&per_second).std_dev() / count.sqrt();
        let (answered, mut latency) = (!self.latency.is_empty(), Data::new(self.latency));
        let mut quantile = |share: f64| answered.then(|| latency.quantile(share));
        Record {
            model: case.setting.model.clone(),
            arrivals_per_s: case.rate,
            solver,
            epochs: case.epochs,
            arrived,
            served: self.served.iter().sum::<f64>() as usize,
            served_per_s: (&per_second).mean(),
            confidence_95: error,
            latency_median_s: quantile(0.5),
            latency_95_s: quantile(0.95),
            nodes_per_epoch: (!self.nodes.is_empty()).then(|| (&self.nodes).mean()),
            unproven_epochs: self.unproven,
            solver_s: self.thought.as_secs_f64(),
        }
    }
}

impl Record {
    /// For people.
    pub(super) fn cells(&self) -> [String; 10] {
        let show = |seconds: Option<f64>| seconds.map_or("-".into(), |s| format!("{s:.2} s"));
        [
            self.model.clone(),
            self.arrivals_per_s.to_string(),
            self.solver.into(),
            format!("{:.2}", self.served_per_s),
            format!("{:.2}", self.confidence_95),
            format!("{:.1} %", 100.0 * self.served as f64 / self.arrived.max(1) as f64),
            show(self.latency_median_s),
            show(self.latency_95_s),
            self.nodes_per_epoch.map_or("-".into(), |nodes| format!("{nodes:.1}")),
            self.unproven_epochs.to_string(),
        ]
    }
}
