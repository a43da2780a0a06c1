//! The chain solver: which searches an instance needs, and what they prove together.

use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Stop, Unsupported};

use crate::chain::{Chain, Measure};
use crate::joint::can_share;
use crate::labels::DEVICES_MAX;
use crate::prefix::{self, Reach};
use crate::rounds::{Effort, Goal, ROUNDS, Search};

/// The exact chain solver.
pub struct ChainSearch {
    /// Quick solvers whose plans it starts from.
    pub starts: Vec<Box<dyn Solver<Deployment> + Send>>,
    /// Labels that a search may hold per layer; about 250 bytes each, and 8 for each layer.
    pub labels_max: usize,
    /// Values that the tables may hold; 8 bytes each.
    pub table_max: usize,
}

impl Default for ChainSearch {
    fn default() -> Self {
        Self { starts: Vec::new(), labels_max: 1_000_000, table_max: 32_000_000 }
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
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        run.start_from(&self.starts, START_SHARE);
        let bound = match run.problem().objective {
            _ if is_joint(run.problem()) => self.together(run)?,
            Objective::Latency | Objective::Memory => self.cheapest(run)?,
            Objective::Bottleneck => self.narrowest(run)?,
        };
        Ok(match run.best().cloned() {
            Some((plan, cost)) => Answer::Plan { plan, lower_bound: Some(bound.min(cost)) },
            None if bound == Cost::MAX => Answer::Infeasible,
            None => Answer::Unknown { lower_bound: Some(bound) },
        })
    }
}

impl ChainSearch {
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

    /// The plan of least bottleneck: halves the interval between a cycle time within which no plan
    /// is possible and the best one known; for each, looks for the plan of least latency. What
    /// little effort leaves open is first passed over on both sides, then tried with more.
    fn narrowest(&self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        if run.best().is_none() && self.fits(run, LONGEST, ALL, true)? == Some(false) {
            return Ok(Cost::MAX);
        }
        for effort in EFFORTS {
            for open_is_possible in [false, true] {
                let (mut below, mut above) = self.interval(run);
                while below < above && !run.is_proven() {
                    let cycle = below + (above - below) / 2;
                    let fits = self.fits(run, cycle, effort, open_is_possible)?;
                    if fits == Some(false) {
                        run.lower_bound(Cost(cycle + 1));
                    }
                    if fits.unwrap_or(open_is_possible) {
                        above = cycle.min(self.interval(run).1);
                    } else {
                        below = cycle + 1;
                    }
                }
            }
        }
        let (below, above) = self.interval(run);
        Ok(if below >= above { Cost(above) } else { Cost(below) })
    }

    /// Cycle times that may or may not be possible: from the bound to the best one known.
    fn interval(&self, run: &Run<'_, Deployment>) -> (u64, u64) {
        let above = run.best().map_or(LONGEST, |(_, cost)| cost.0);
        (run.bound().map_or(0, |bound| bound.0), above)
    }

    /// Finds a plan with a bottleneck of at most that, or proves that there is none; nothing if
    /// that effort does neither. With `doubt` it begins with what proves quickly, else with what
    /// finds plans.
    fn fits(
        &self,
        run: &mut Run<'_, Deployment>,
        cycle: u64,
        effort: Effort,
        doubt: bool,
    ) -> Result<Option<bool>, Stop> {
        let mut guides = guides(run.problem());
        if !doubt {
            guides.reverse();
        }
        for (measure, cost_max) in guides {
            let chain = Chain::new(run.problem(), measure, Some(cycle));
            if prefix::applies(&chain) {
                match prefix::reach(&chain, &mut || run.step())? {
                    Reach::Short => return Ok(Some(false)),
                    Reach::Whole(plan) => {
                        if run.incumbent(&Plan::single(plan)).is_some_and(|cost| cost.0 <= cycle) {
                            return Ok(Some(true));
                        }
                    }
                }
            }
            let mut none = true;
            for (chain, one_run) in cases(chain) {
                let goal = Goal::AnyWithin { cycle, cost_max };
                let bound = Search { solver: self, chain, one_run, goal }.prove(run, effort)?;
                none &= bound == Cost::MAX;
                if run.best().is_some_and(|(_, cost)| cost.0 <= cycle) {
                    return Ok(Some(true));
                }
            }
            if none {
                return Ok(Some(false));
            }
        }
        Ok(None)
    }
}

/// Whether a device's memory is not one run's alone.
fn is_joint(problem: &Deployment) -> bool {
    problem.models.len() > 1 || problem.placement == Placement::Free
}

/// What to look for among the plans within a cycle time, and how much of it is allowed: the least
/// loss, where formats can be chosen within a budget (its proofs are short); the least latency.
fn guides(instance: &Deployment) -> Vec<(Measure, Option<u64>)> {
    let model = &instance.models[0];
    let loss = (Measure::Loss, model.loss_max.map(|loss| loss.0));
    let weight = u64::from(model.weight);
    let latency = (Measure::Latency, instance.latency_max.map(|limit| limit.0 * weight));
    let chosen = model.layers.iter().any(|layer| layer.options.len() > 1);
    match chosen && model.loss_max.is_some() {
        true => vec![loss, latency],
        false => vec![latency],
    }
}

/// Until time is up.
const ALL: Effort = Effort { rounds: ROUNDS, nodes: usize::MAX };
/// What is tried for one cycle time before others are tried.
const EFFORTS: [Effort; 4] = [
    Effort { rounds: 2, nodes: 0 },
    Effort { rounds: ROUNDS, nodes: 5 },
    Effort { rounds: ROUNDS, nodes: 200 },
    ALL,
];
/// Longer than any cycle.
const LONGEST: u64 = 1 << 62;

/// Ends on one device share a tensor only if everything is there: then one case for each device,
/// and one for all plans of several runs. With each case: whether a plan may have just one run.
fn cases(chain: Chain) -> Vec<(Chain, bool)> {
    if !chain.ends_share() {
        return vec![(chain, true)];
    }
    let alone = (0..chain.devices).map(|device| (chain.only(device), true));
    alone.chain([(chain.with_shared_counted(), false)]).collect()
}
