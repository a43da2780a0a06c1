//! The chain solver: which searches an instance needs, and what they prove together.

use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{
    Answer, Cost, Limits, Run, Silent, Solver, SolverError, Stop, Unsupported, Verdict, solve,
};

use crate::bottleneck::Narrowest;
use crate::chain::{COST_MAX, Chain, Measure};
use crate::joint::can_share;
use crate::labels::DEVICES_MAX;
use crate::rounds::{Effort, Goal, ROUNDS, Search};

/// The exact chain solver.
pub struct ChainSearch {
    /// Quick solvers whose plans it starts from.
    pub starts: Vec<Box<dyn Solver<Deployment> + Send>>,
    /// Labels that a search may hold per layer; about 250 bytes each, and 8 for each layer.
    pub labels_max: usize,
    /// Values that the tables may hold; 8 bytes each.
    pub table_max: usize,
    /// Whether it first looks for the least of what is limited besides the objective, where no plan
    /// is known.
    pub guided: bool,
}

impl Default for ChainSearch {
    fn default() -> Self {
        Self { starts: Vec::new(), labels_max: 1_000_000, table_max: 32_000_000, guided: true }
    }
}

impl std::fmt::Debug for ChainSearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainSearch")
            .field("labels_max", &self.labels_max)
            .field("table_max", &self.table_max)
            .finish_non_exhaustive()
    }
}

/// The part of the time that the starting solvers may use, each.
const START_SHARE: u32 = 10;
/// The part of the time in which the least of what is limited is looked for.
const LIMIT_SHARE: u32 = 4;
/// Layers are numbered in 16 bits.
const LAYERS_MAX: usize = u16::MAX as usize;

impl ChainSearch {
    /// Starts from that solver's plan, if it is the best of those given.
    pub fn starting_from(mut self, start: impl Solver<Deployment> + Send + 'static) -> Self {
        self.starts.push(Box::new(start));
        self
    }
}

impl Solver<Deployment> for ChainSearch {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let unsupported = |text: String| Err(Unsupported(text));
        let devices = problem.devices.len();
        let shared = problem.models.iter().map(|model| model.shared.len()).max().unwrap_or(0);
        if devices > DEVICES_MAX {
            return unsupported(format!("{devices} devices; at most {DEVICES_MAX} are allowed"));
        }
        if shared > 64 {
            return unsupported(format!("{shared} shared tensors; at most 64 are allowed"));
        }
        if is_joint(problem) && !can_share(problem) {
            return unsupported(format!("{shared} shared tensors on {devices} devices"));
        }
        let layers = problem.models.iter().map(|model| model.layers.len()).max().unwrap_or(0);
        if layers > LAYERS_MAX {
            return unsupported(format!("{layers} layers; at most {LAYERS_MAX} are allowed"));
        }
        match measures(problem).find(|&measure| Chain::dearest(problem, measure) > COST_MAX) {
            Some(measure) => {
                let amount = match measure {
                    Measure::Latency => "nanoseconds, by the models' weights",
                    Measure::Memory => "bytes",
                    Measure::Loss => "billionths of loss",
                };
                let text = format!("plans of more than 2^50 {amount}; so large sums are not exact");
                unsupported(text)
            }
            None => Ok(()),
        }
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        run.start_from(&self.starts, START_SHARE);
        if self.starts_from_limits(run) == Start::Infeasible {
            return Ok(Answer::Infeasible);
        }
        let bound = match run.problem().objective {
            _ if is_joint(run.problem()) => self.together(run)?,
            Objective::Latency | Objective::Memory => self.cheapest(run)?,
            Objective::Bottleneck => Narrowest::new(self, run)?.prove(run)?,
        };
        Ok(match run.best().cloned() {
            Some((plan, cost)) => Answer::Plan { plan, lower_bound: Some(bound.min(cost)) },
            None if bound == Cost::MAX => Answer::Infeasible,
            None => Answer::Unknown { lower_bound: Some(bound) },
        })
    }
}

/// What is known before the search begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// There is no plan at all.
    Infeasible,
    /// There may be.
    Open,
}

impl ChainSearch {
    /// Where no plan is known yet and something else than the objective is limited: looks for the
    /// plan of the least of that. It is a plan if there is one at all.
    fn starts_from_limits(&self, run: &mut Run<'_, Deployment>) -> Start {
        let problem = run.problem();
        let limits = [
            (Objective::Latency, problem.latency_max.is_some()),
            (Objective::Bottleneck, problem.bottleneck_max.is_some()),
        ];
        let others = limits.into_iter().filter(|&(other, is)| is && other != problem.objective);
        for (objective, _) in others {
            if run.best().is_some() {
                break;
            }
            // The sibling allows the same plans: if it is infeasible, so is the question. As its
            // objective, the limited quantity steers the search, where as a limit it only rejects.
            let sibling = Deployment { objective, ..problem.clone() };
            let quick = Self { starts: Vec::new(), guided: false, ..*self };
            if !self.guided || quick.supports(&sibling).is_err() {
                continue;
            }
            let time = run.remaining().map(|time| time / LIMIT_SHARE);
            let found = solve(&sibling, &quick, Limits { time, ..run.limits() }, &mut Silent);
            if found.verdict == Verdict::Infeasible {
                return Start::Infeasible;
            }
            if let Some(plan) = found.plan {
                run.incumbent(&plan);
            }
        }
        Start::Open
    }

    /// The plan of least cost. No plan costs less than what is returned; [`Cost::MAX`] if there is
    /// none.
    fn cheapest(&self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        let measure = match run.problem().objective {
            Objective::Memory => Measure::Memory,
            Objective::Latency | Objective::Bottleneck => Measure::Latency,
        };
        let cases = cases(Chain::new(run.problem(), measure, None));
        let sole = cases.len() == 1;
        let mut least = Cost::MAX;
        for (chain, one_run) in cases {
            let goal = Goal::Cheapest { report: sole };
            least = least.min(Search { solver: self, chain, one_run, goal }.prove(run, ALL)?);
        }
        Ok(least)
    }
}

/// What plans' costs are in the searches that a question takes.
fn measures(problem: &Deployment) -> impl Iterator<Item = Measure> {
    let limited = problem.models.iter().any(|model| model.loss_max.is_some());
    let (first, second) = match problem.objective {
        Objective::Latency => (Measure::Latency, None),
        Objective::Memory => (Measure::Memory, None),
        Objective::Bottleneck => (Measure::Latency, limited.then_some(Measure::Loss)),
    };
    [first].into_iter().chain(second)
}

/// Whether a device's memory is not one run's alone.
fn is_joint(problem: &Deployment) -> bool {
    problem.models.len() > 1 || problem.placement == Placement::Free
}

/// Until time is up.
pub(crate) const ALL: Effort = Effort { rounds: ROUNDS, nodes: usize::MAX };
/// Ends on one device share a tensor only if everything is there: then one case for each device,
/// and one for all plans of several runs. With each case: whether a plan may have just one run.
pub(crate) fn cases(chain: Chain) -> Vec<(Chain, bool)> {
    if !chain.ends_share() {
        return vec![(chain, true)];
    }
    let alone = (0..chain.devices).map(|device| (chain.only(device), true));
    alone.chain([(chain.with_shared_counted(), false)]).collect()
}
