//! Policies that operate a platform, ours and baselines, on the same load.

use edgeplan_problem::Nanos;
use edgeplan_problem::scheduling::Scheduling;
use edgeplan_solvers::{Entry, SCHEDULING};

use crate::dispatch::{Rule, Ticket, by_rule, scheduled};
use crate::hosting::Hosting;
use crate::load::{Load, UserRequest, stretched};
use crate::replay::{Batching, Levels, Replay, replay};

/// A strategy to operate a platform: hosting, routing of requests, and forming of batches.
#[derive(Debug, Clone)]
pub struct Strategy<'a> {
    /// What tables call it.
    pub name: String,
    /// What each site hosts.
    pub hosting: Hosting<'a>,
    /// How requests are routed.
    pub router: Router,
    /// How batches are formed, by site.
    pub batching: Vec<Batching>,
}

/// How requests are routed.
#[derive(Debug, Clone, Copy)]
pub enum Router {
    /// A schedule for every frame, by this solver.
    Schedule(&'static Entry<Scheduling>),
    /// A rule of thumb.
    Rule(Rule),
}

/// A simulated load, operated under one strategy.
#[derive(Debug, Clone)]
pub struct StrategyRun {
    /// Where each request was sent.
    pub tickets: Vec<Option<Ticket>>,
    /// What became of it.
    pub replay: Replay,
    /// What all users saw.
    pub levels: Levels,
}

impl Strategy<'_> {
    /// Operates the platform so; `None` if the load is stopped before its end, because part of a
    /// load says nothing of its users.
    pub fn run(&self, load: Load<'_>) -> Option<StrategyRun> {
        let tickets = self.send(load);
        if load.is_stopped() {
            return None;
        }
        let replay = replay(&self.hosting, load, &tickets, &self.batching);
        let levels = replay.levels(load.requests, |_| true);
        (!load.is_stopped()).then_some(StrategyRun { tickets, replay, levels })
    }

    fn send(&self, load: Load<'_>) -> Vec<Option<Ticket>> {
        match self.router {
            Router::Schedule(entry) => scheduled(load, &self.hosting, (entry.make)().as_ref()),
            Router::Rule(rule) => by_rule(load.platform, &self.hosting, load.requests, rule),
        }
    }

    /// The same strategy, with the batches at each site that satisfy most of the users who are sent
    /// there; the first of those that satisfy as many.
    pub fn with_best_batches(mut self, load: Load<'_>) -> Self {
        let tickets = self.send(load);
        if load.is_stopped() {
            return self;
        }
        let runs = Batching::ALL.map(|batching| {
            let everywhere = vec![batching; self.hosting.len()];
            (batching, replay(&self.hosting, load, &tickets, &everywhere))
        });
        for (site, chosen) in self.batching.iter_mut().enumerate() {
            let satisfied =
                |run: &Replay| run.sites[site].as_ref().map_or(0, |site| site.satisfied);
            let most = runs.iter().map(|(_, run)| satisfied(run)).max().unwrap_or_default();
            let best = runs.iter().find(|(_, run)| satisfied(run) == most);
            *chosen = best.map_or(Batching::Continuous, |(batching, _)| *batching);
        }
        self
    }
}

/// Our strategy and the baselines: a schedule on what was `planned`, by our search and by GUS, and
/// rules of thumb on what is `uniform`.
pub fn strategies<'a>(
    load: Load<'_>,
    planned: &Hosting<'a>,
    uniform: &Hosting<'a>,
) -> Vec<Strategy<'a>> {
    let everywhere = |batching| vec![batching; load.platform.sites.len()];
    let strategy = |name: &str, hosting: &Hosting<'a>, router, batching| Strategy {
        name: name.into(),
        hosting: hosting.clone(),
        router,
        batching: everywhere(batching),
    };
    let schedule = |name: &str| SCHEDULING.iter().find(|entry| entry.name == name);
    let ours = [("planned, schedule-search", "schedule-search"), ("planned, gus", "gus")];
    let ours = ours.into_iter().filter_map(|(name, solver)| {
        let router = Router::Schedule(schedule(solver)?);
        let strategy = strategy(name, planned, router, Batching::Continuous);
        Some(strategy.with_best_batches(load))
    });
    let rule = |name: &str, rule, batching| strategy(name, uniform, Router::Rule(rule), batching);
    let near =
        strategy("planned, nearest", planned, Router::Rule(Rule::Nearest), Batching::Continuous);
    let others = [
        near,
        rule("uniform, nearest, continuous", Rule::Nearest, Batching::Continuous),
        rule("uniform, nearest, fcfs", Rule::Nearest, Batching::Fcfs),
        rule("uniform, in turn, continuous", Rule::InTurn, Batching::Continuous),
        rule("uniform, cloud, continuous", Rule::Cloud, Batching::Continuous),
    ];
    ours.chain(others).collect()
}

/// The same requests, so many times as dense.
pub fn denser(requests: &[UserRequest], load: f64) -> Vec<UserRequest> {
    let sooner = |asked: &UserRequest| UserRequest {
        arrival: stretched(asked.arrival, 1.0 / load),
        ..*asked
    };
    requests.iter().map(sooner).collect()
}

/// Requests per second of a load.
pub fn rate(requests: &[UserRequest]) -> f64 {
    let last = requests.iter().map(|asked| asked.arrival).max().unwrap_or(Nanos::ZERO);
    requests.len().saturating_sub(1) as f64 * 1e9 / last.as_f64().max(1.0)
}
