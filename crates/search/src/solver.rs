//! The chain solver: which searches an instance needs, and what they prove together.

use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Stop, Unsupported};

use crate::bottleneck::Narrowest;
use crate::chain::{Chain, Measure};
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
            Objective::Bottleneck => Narrowest::new(self, run)?.prove(run)?,
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
