//! A platform under its expected load and others: what each site hosts, which site serves each
//! request, and the latencies of users, beside baseline policies.

mod curves;
mod keys;
mod tables;

use edgeplan_files::deployment::{PlanFile, write_instance};
use edgeplan_files::to_json;
use edgeplan_problem::scheduling::{Invalid, Scheduling};
use edgeplan_report::curves::Curves;
use edgeplan_report::table::Table;
use serde::Serialize;

use crate::equipment::Equipment;
use crate::hosting::{Chosen, Expected, choose, uniform};
use crate::load::{Load, UserRequest};
use crate::operation::{Strategy, StrategyRun, denser, rate, strategies};
use crate::platform::Platform;
use crate::replay::Levels;

/// The chosen deployments, and service levels of every strategy to operate them.
#[derive(Debug)]
pub struct Study<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// The requests of the load.
    pub requests: &'a [UserRequest],
    /// The load that deployments are chosen for.
    pub expected: Expected<'a>,
    /// What each site hosts.
    pub chosen: Chosen<'a>,
    /// The strategies, each with its run at the expected load.
    pub strategies: Vec<(Strategy<'a>, StrategyRun)>,
    /// Service levels at other loads.
    pub loads: Vec<LoadLevels>,
    /// Whether the load was stopped before all strategies and loads were simulated.
    pub interrupted: bool,
}

/// Service levels at one load.
#[derive(Debug, Clone)]
pub struct LoadLevels {
    /// Times the expected load.
    pub multiple: f64,
    /// Requests per second.
    pub rate: f64,
    /// By strategy.
    pub strategies: Vec<AllLevels>,
}

/// What all users saw, and those of each service.
#[derive(Debug, Clone)]
pub struct AllLevels {
    /// All users.
    pub all: Levels,
    /// By service.
    pub services: Vec<Levels>,
}

/// A step of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Choosing what each site hosts.
    Choosing,
    /// Simulating the expected load.
    ExpectedLoad,
    /// Simulating other loads.
    OtherLoads,
}

impl<'a> Study<'a> {
    /// Chooses what each site hosts among `choices`, by site, and simulates every strategy on it
    /// at the load and at these multiples of it. `step` is called at the beginning of each step.
    ///
    /// # Complexity
    /// As [`choose`], and a simulation for each strategy and load.
    pub fn new(
        load: Load<'a>,
        choices: &'a [Vec<Equipment>],
        multiples: &[f64],
        step: &mut dyn FnMut(Step),
    ) -> Self {
        let Load { platform, requests, .. } = load;
        step(Step::Choosing);
        let expected = Expected::new(load);
        let chosen = choose(&expected, choices);
        let strategies = strategies(load, &chosen.hosting, &uniform(platform, choices));
        step(Step::ExpectedLoad);
        let run = |strategy: Strategy<'a>| strategy.run(load).map(|run| (strategy, run));
        let strategies = strategies.into_iter().map_while(run).collect();
        let (loads, interrupted) = (Vec::new(), false);
        let mut study =
            Self { platform, requests, expected, chosen, strategies, loads, interrupted };
        step(Step::OtherLoads);
        let levels = multiples.iter().map_while(|&multiple| study.at(load, multiple));
        study.loads = levels.collect();
        study.interrupted = load.is_stopped();
        study
    }

    /// Every strategy at so many times the load; none if the load is stopped.
    fn at(&self, load: Load<'_>, multiple: f64) -> Option<LoadLevels> {
        if load.is_stopped() {
            return None;
        }
        let dense = denser(self.requests, multiple);
        let levels = |(strategy, run): &(Strategy<'_>, StrategyRun)| match multiple == 1.0 {
            true => Some(AllLevels::of(self.platform, self.requests, run)),
            false => Some(AllLevels::of(self.platform, &dense, &strategy.run(load.with(&dense))?)),
        };
        let strategies = self.strategies.iter().map(levels).collect::<Option<_>>()?;
        (!load.is_stopped()).then(|| LoadLevels { multiple, rate: rate(&dense), strategies })
    }

    /// Whether any site hosts anything.
    pub fn hosts_anything(&self) -> bool {
        self.chosen.hosting.iter().any(Option::is_some)
    }

    /// What the users of one service saw of a run at the expected load.
    fn of_service(&self, run: &StrategyRun, service: usize) -> Levels {
        run.replay.levels(self.requests, |asked| asked.service == service)
    }

    /// The study for people.
    pub fn text(&self) -> String {
        tables::text(self)
    }

    /// Its tables.
    pub fn tables(&self) -> Vec<Table> {
        tables::tables(self)
    }

    /// The study for programs, under stable keys.
    pub fn keys(&self) -> impl Serialize {
        keys::StudyKeys::new(self)
    }

    /// The share of satisfied users over the load.
    pub fn satisfied_curves(&self) -> Curves {
        curves::satisfied(self)
    }

    /// The time to the first answer over the load.
    pub fn first_token_curves(&self) -> Curves {
        curves::first_token(self)
    }

    /// `SITE.instance.json` and `SITE.plan.json`, by name, for each site that hosts anything.
    pub fn plan_files(&self) -> Vec<(String, String)> {
        let hosting = self.platform.sites.iter().zip(&self.chosen.hosting);
        let files = |(name, equipment): (&str, &Equipment)| {
            let Equipment { deployment, plan, .. } = equipment;
            let plan = to_json(&PlanFile::new(deployment, plan));
            [
                (format!("{name}.instance.json"), write_instance(deployment)),
                (format!("{name}.plan.json"), plan),
            ]
        };
        let hosting =
            hosting.filter_map(|(site, offered)| Some((&*site.name, (*offered)?.equipment)));
        hosting.flat_map(files).collect()
    }
}

impl AllLevels {
    fn of(platform: &Platform, requests: &[UserRequest], run: &StrategyRun) -> Self {
        let service = |index| run.replay.levels(requests, |asked| asked.service == index);
        let services = (0..platform.services.len()).map(service).collect();
        Self { all: run.levels.clone(), services }
    }
}

/// The decision frame of the expected load on what the sites would host.
///
/// # Errors
/// A frame that makes no sense ([`Scheduling::checked`]).
pub fn decision_frame(load: Load<'_>, choices: &[Vec<Equipment>]) -> Result<Scheduling, Invalid> {
    choose(&Expected::new(load), choices).question.scheduling.checked()
}
