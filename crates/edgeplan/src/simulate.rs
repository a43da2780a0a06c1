//! Requests on a plan, event by event.

use std::sync::atomic::{AtomicBool, Ordering};

use edgeplan_problem::Nanos;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_report::gantt::Gantt;
use edgeplan_report::table::Table;
use edgeplan_simulator::{
    Keep, Layout, Policy, Record, Request, Setup, Shares, Size, Summary, operate_until, summarize,
};

use serde::Serialize;

use crate::Error;
use crate::session::{Requests, Session};

mod keys;
mod picture;
mod tables;

/// A plan, ready to serve requests.
///
/// See [`Session::simulation`] for an example.
#[derive(Debug)]
pub struct Simulation {
    /// Devices, links and the lines of the models.
    pub layout: Layout,
    /// How long every step of a pass takes.
    pub times: Shares,
    /// The request that the problem's times are of.
    pub size: Size,
    /// Lanes per model; as many as the plan has stages if none.
    pub lanes: Option<usize>,
    /// Bars to keep for a Gantt chart.
    pub keep: Keep,
}

impl Session {
    /// A plan of this session, ready to serve requests. `priced_for` is the request that the times
    /// of an instance file are of; a workload says it itself.
    ///
    /// ```
    /// use std::sync::atomic::AtomicBool;
    ///
    /// use edgeplan::{PolicyRun, Quiet, Simulated, Sources, Task};
    /// use edgeplan_simulator::trace::Poisson;
    /// use edgeplan_simulator::{Continuous, Size};
    ///
    /// let session = Sources::default().load()?;
    /// let plan = session.plan(&Task::default(), &mut Quiet).outcome.plan.expect("there is one");
    /// let size = Size { prompt: 512, generate: 16 };
    /// let simulation = session.simulation(&plan, size)?;
    /// let (prompts, generates) = (vec![size.prompt], vec![size.generate]);
    /// let requests = Poisson { rate: 0.1, count: 5, prompts, generates, seed: 0 }.requests();
    /// let (record, summary) =
    ///     simulation.run(&requests, &mut Continuous { size: 4 }, &AtomicBool::new(false));
    /// assert_eq!(summary.served, 5);
    /// let simulated = Simulated {
    ///     deployment: session.deployment(),
    ///     layout: &simulation.layout,
    ///     requests: &requests,
    ///     runs: vec![PolicyRun { policy: "continuous 4".into(), record, summary }],
    ///     origin: "the optimal plan".into(),
    /// };
    /// println!("{}", simulated.text());
    /// # Ok::<(), edgeplan::Error>(())
    /// ```
    ///
    /// # Errors
    /// A plan that cannot be laid out, such as one that violates the problem.
    pub fn simulation(&self, plan: &Plan, priced_for: Size) -> Result<Simulation, Error> {
        let refused = |why: edgeplan_simulator::Refused| Error::Impossible(why.to_string());
        let (layout, times, size) = match self.requests()? {
            Some(Requests { size, whole, prompt }) => {
                let layout = Layout::new(whole, plan).map_err(refused)?;
                let times = Shares::priced(&layout, *size, prompt, plan).map_err(refused)?;
                (layout, times, *size)
            }
            None => {
                let layout = Layout::new(self.deployment(), plan).map_err(refused)?;
                let times = Shares::even(&layout, priced_for);
                (layout, times, priced_for)
            }
        };
        Ok(Simulation { layout, times, size, lanes: None, keep: Keep::default() })
    }
}

impl Simulation {
    /// Runs a trace under a batching policy, until it ends or `stop` is set.
    ///
    /// See [`Session::simulation`] for an example.
    pub fn run(
        &self,
        requests: &[Request],
        policy: &mut dyn Policy,
        stop: &AtomicBool,
    ) -> (Record, Summary) {
        let &Self { ref layout, ref times, size, lanes, keep } = self;
        let setup = Setup { layout, times, size, lanes, keep };
        let record = operate_until(&setup, requests, policy, stop);
        let summary = summarize(requests, &record);
        (record, summary)
    }
}

impl Simulation {
    /// Runs a trace under each of these policies, by name, until `stop` is set.
    ///
    /// See [`Session::simulation`] for an example of one run.
    pub fn run_each(
        &self,
        requests: &[Request],
        policies: Vec<(String, Box<dyn Policy>)>,
        stop: &AtomicBool,
    ) -> Vec<PolicyRun> {
        let mut runs = Vec::new();
        for (policy, mut maker) in policies {
            let (record, summary) = self.run(requests, maker.as_mut(), stop);
            runs.push(PolicyRun { policy, record, summary });
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        runs
    }
}

/// A run of a trace under one batching policy.
///
/// See [`Session::simulation`] for an example.
#[derive(Debug)]
pub struct PolicyRun {
    /// What people call the policy.
    pub policy: String,
    /// What happened.
    pub record: Record,
    /// Its figures.
    pub summary: Summary,
}

/// Runs of one trace on one plan.
///
/// See [`Session::simulation`] for an example.
#[derive(Debug)]
pub struct Simulated<'a> {
    /// The problem.
    pub deployment: &'a Deployment,
    /// Devices, links and the lines of the models.
    pub layout: &'a Layout,
    /// The trace.
    pub requests: &'a [Request],
    /// By policy.
    pub runs: Vec<PolicyRun>,
    /// Where the plan comes from, for people.
    pub origin: String,
}

impl Simulated<'_> {
    /// Servers that any run uses, by index.
    fn used(&self) -> Vec<usize> {
        let busy =
            |&server: &usize| self.runs.iter().any(|run| run.record.busy[server] > Nanos::ZERO);
        (0..self.layout.servers.len()).filter(busy).collect()
    }

    /// `laptop`, or `laptop > desktop`.
    fn server(&self, server: usize) -> String {
        self.layout.servers[server].name(self.deployment)
    }

    /// `1000 requests arrive within 4786 s; optimal plan of chain-search`.
    fn subtitle(&self) -> String {
        let last = self.requests.iter().map(|request| request.arrival).max().unwrap_or_default();
        format!("{} requests arrive within {last}; {}", self.requests.len(), self.origin)
    }

    /// The runs for people.
    ///
    /// See [`Session::simulation`] for an example.
    pub fn text(&self) -> String {
        tables::text(self)
    }

    /// Throughput, latency, busy devices and links, KV caches.
    ///
    /// See [`Session::simulation`] for an example.
    pub fn tables(&self) -> Vec<Table> {
        tables::tables(self)
    }

    /// The runs for programs, under stable keys.
    ///
    /// See [`Session::simulation`] for an example.
    pub fn keys(&self) -> impl Serialize {
        keys::SimulatedKeys::new(self)
    }

    /// A Gantt chart per policy, all from the same time on.
    ///
    /// See [`Session::simulation`] for an example.
    pub fn gantt(&self, from: Nanos) -> Gantt {
        picture::gantt(self, from)
    }
}
