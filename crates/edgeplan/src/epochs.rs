//! One edge node, epoch after epoch, while requests arrive at random.

use std::fmt::{Display, Formatter};
use std::time::Duration;

use edgeplan_batching::WireRequest;
use edgeplan_batching::paper::Setting;
use edgeplan_batching::traffic::Arrival;
use edgeplan_files::quantity::Time;
use edgeplan_problem::batching::Batching;
use edgeplan_problem::{Limits, Nanos, Problem as _, Silent, Verdict, solve};
use edgeplan_report::curves::{Curves, Panel, Series};
use edgeplan_report::table::{Table, csv, or_dash};
use edgeplan_solvers::Entry;
use statrs::distribution::{ContinuousCDF as _, StudentsT};
use statrs::statistics::{Data, OrderStatistics as _, Statistics as _};

use crate::Error;
use crate::answer::believed;

/// What is simulated.
///
/// See [`simulate`] for an example.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The node.
    pub setting: Setting,
    /// Arrivals per second.
    pub rate: f64,
    /// Epochs.
    pub epochs: u32,
    /// Of the arrivals.
    pub seed: u64,
    /// Of the solver, for each epoch's batch.
    pub limits: Limits<'a>,
}

/// The result of a simulation. The names are the columns of files.
///
/// See [`simulate`] for an example.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Record {
    /// The node's model.
    pub model: String,
    /// Arrivals per second.
    pub arrivals_per_s: f64,
    /// Who forms batches.
    pub solver: &'static str,
    /// Epochs.
    pub epochs: u32,
    /// Requests that arrived.
    pub arrived: usize,
    /// Requests that were served in time.
    pub served: usize,
    /// Mean over the epochs.
    pub served_per_s: f64,
    /// Half the width of its 95 % confidence interval.
    pub confidence_95: f64,
    /// From arrival to answer, of those served.
    pub latency_median_s: Option<f64>,
    /// 95 % quantile of the same.
    pub latency_95_s: Option<f64>,
    /// Nodes of trees, mean over the epochs.
    pub nodes_per_epoch: Option<f64>,
    /// Epochs whose batch was not proven optimal.
    pub unproven_epochs: u32,
    /// What the solver took in all.
    pub solver_s: f64,
}

/// Runs the node epoch by epoch. A request that is not served waits on as long as it can still be
/// answered in time.
///
/// ```
/// use edgeplan::epochs::{Case, Records, simulate};
/// use edgeplan_batching::paper::Setting;
/// use edgeplan_solvers::find_batching;
///
/// let setting = Setting::of("bloom-3b");
/// let limits = edgeplan::Limits::default();
/// let case = Case { setting, rate: 4.0, epochs: 3, seed: 0, limits };
/// let static_batches = find_batching("static").expect("it is registered");
/// let records = Records(vec![simulate(&case, static_batches)?]);
/// println!("{records}");
/// assert!(records.csv().starts_with("model,arrivals_per_s,solver"));
/// # Ok::<(), edgeplan::Error>(())
/// ```
///
/// # Errors
/// A setting that makes no sense, or a solver whose answer contradicts itself.
pub fn simulate(case: &Case<'_>, entry: &'static Entry<Batching>) -> Result<Record, Error> {
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
        let problem = problem.checked().map_err(|why| Error::Impossible(why.to_string()))?;
        let outcome = solve(&problem, solver.as_ref(), case.limits, &mut Silent);
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
    Ok(tally.record(case, entry.name, arrived, length))
}

/// Requests per second that a solver's batches serve, of a node in the paper's settings, and half
/// the width of the 95 % confidence interval of that mean.
///
/// See [`simulate`] for an example.
///
/// # Errors
/// As [`simulate`].
pub fn served_per_s(
    setting: Setting,
    rate: f64,
    epochs: u32,
    entry: &'static Entry<Batching>,
) -> Result<(f64, f64), Error> {
    let limits = Limits { time: Some(Duration::from_secs(10)), ..Limits::default() };
    let case = Case { setting, rate, epochs, seed: 0, limits };
    let record = simulate(&case, entry)?;
    Ok((record.served_per_s, record.confidence_95))
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
        case: &Case<'_>,
        solver: &'static str,
        arrived: usize,
        length: Nanos,
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

/// Several nodes, rates and solvers, each with each.
///
/// ```
/// use edgeplan::epochs::Sweep;
/// use edgeplan_batching::paper::Setting;
///
/// let sweep = Sweep {
///     settings: vec![Setting::of("bloom-3b")],
///     rates: vec![2.0, 4.0],
///     entries: edgeplan_solvers::find_batching("static").into_iter().collect(),
///     epochs: 3,
///     seed: 0,
///     limits: edgeplan::Limits::default(),
/// };
/// println!("{}", sweep.run(&mut |solver| println!("{solver} ..."))?);
/// # Ok::<(), edgeplan::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sweep<'a> {
    /// The nodes.
    pub settings: Vec<Setting>,
    /// Arrivals per second.
    pub rates: Vec<f64>,
    /// The solvers that form batches.
    pub entries: Vec<&'static Entry<Batching>>,
    /// Epochs of each case.
    pub epochs: u32,
    /// Of the arrivals.
    pub seed: u64,
    /// Of the solvers, for each epoch's batch.
    pub limits: Limits<'a>,
}

impl Sweep<'_> {
    /// Simulates every case, until the limits are interrupted; `asking` is called with the name of
    /// each solver before it runs. See [`Sweep`] for an example.
    ///
    /// # Errors
    /// As [`simulate`].
    pub fn run(&self, asking: &mut dyn FnMut(&'static str)) -> Result<Records, Error> {
        let &Self { epochs, seed, limits, .. } = self;
        let mut records = Vec::new();
        for setting in &self.settings {
            for &rate in &self.rates {
                for &entry in &self.entries {
                    asking(entry.name);
                    let case = Case { setting: setting.clone(), rate, epochs, seed, limits };
                    records.push(simulate(&case, entry)?);
                    if limits.interrupted() {
                        return Ok(Records(records));
                    }
                }
            }
        }
        Ok(Records(records))
    }
}

/// Results for several nodes, rates and solvers.
///
/// See [`simulate`] for an example.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(transparent)]
pub struct Records(pub Vec<Record>);

impl Display for Records {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let columns = [
            "model",
            "arrivals/s>",
            "solver",
            "served/s>",
            "+->",
            "of arrivals>",
            "median answer>",
            "95 % answer>",
            "nodes/epoch>",
            "unproven>",
        ];
        let seconds = |time: Option<f64>| or_dash(time.map(|time| format!("{time:.2} s")));
        let rows = self.0.iter().map(|record| {
            [
                record.model.clone(),
                record.arrivals_per_s.to_string(),
                record.solver.into(),
                format!("{:.2}", record.served_per_s),
                format!("{:.2}", record.confidence_95),
                format!("{:.1} %", 100.0 * record.served as f64 / record.arrived.max(1) as f64),
                seconds(record.latency_median_s),
                seconds(record.latency_95_s),
                or_dash(record.nodes_per_epoch.map(|nodes| format!("{nodes:.1}"))),
                record.unproven_epochs.to_string(),
            ]
        });
        Table::new(columns).with_rows(rows).fmt(f)
    }
}

impl Records {
    /// The records as CSV.
    ///
    /// See [`simulate`] for an example.
    pub fn csv(&self) -> String {
        csv(&self.0)
    }

    /// Throughput over arrival rate, a panel for each model and a curve for each solver.
    ///
    /// See [`simulate`] for an example.
    pub fn curves(&self) -> Curves {
        let distinct = |name: fn(&Record) -> &str| {
            let mut names: Vec<&str> = Vec::new();
            for record in &self.0 {
                if !names.contains(&name(record)) {
                    names.push(name(record));
                }
            }
            names
        };
        let (models, solvers) = (distinct(|one| &one.model), distinct(|one| one.solver));
        let series = |model: &str, solver: &str| Series {
            name: solver.to_owned(),
            points: (self.0.iter())
                .filter(|record| record.model == model && record.solver == solver)
                .map(|record| (record.arrivals_per_s, record.served_per_s, record.confidence_95))
                .collect(),
        };
        let panel = |model: &&str| Panel {
            title: (*model).to_owned(),
            series: solvers.iter().map(|solver| series(model, solver)).collect(),
        };
        Curves {
            title: "Requests served by one edge node".into(),
            remark: format!(
                "{} epochs per point, Poisson arrivals, bars: 95 % confidence of the mean",
                self.0.first().map_or(0, |record| record.epochs)
            ),
            x: "arrivals per second".into(),
            y: "served per second".into(),
            panels: models.iter().map(panel).collect(),
        }
    }
}
