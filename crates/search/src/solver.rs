//! The chain solver: which searches an instance needs, and what they prove together.

use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Stop, Unsupported};

use crate::chain::Chain;
use crate::labels::DEVICES_MAX;
use crate::rounds::{Goal, Search};

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
        if problem.models.len() > 1 {
            return unsupported("several models share the devices".into());
        }
        if problem.placement == Placement::Free {
            return unsupported("placement is free".into());
        }
        let (devices, shared) = (problem.devices.len(), problem.models[0].shared.len());
        if devices > DEVICES_MAX {
            return unsupported(format!("{devices} devices; at most {DEVICES_MAX} are allowed"));
        }
        if shared > 64 {
            return unsupported(format!("{shared} shared tensors; at most 64 are allowed"));
        }
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        run.start_from(&self.starts, START_SHARE);
        let bound = match run.problem().objective {
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
        let cases = cases(Chain::new(run.problem(), 0, None));
        let sole = cases.len() == 1;
        let mut least = Cost::MAX;
        for (chain, one_run) in cases {
            let goal = Goal::Cheapest { report: sole };
            least = least.min(Search { solver: self, chain, one_run, goal }.prove(run)?);
        }
        Ok(least)
    }

    /// The plan of least bottleneck: halves the interval between a cycle time within which no plan
    /// is possible and the best one known; for each, looks for the plan of least loss.
    fn narrowest(&self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        let mut impossible: Option<Cost> = None;
        loop {
            let below = impossible.map_or(0, |cost| cost.0 + 1);
            let goal = match run.best() {
                Some(&(_, best)) if best.0 <= below => return Ok(best),
                Some(&(_, best)) if run.is_proven() => return Ok(run.bound().unwrap_or(best)),
                Some(&(_, best)) => below + (best.0 - below) / 2,
                None if impossible == Some(Cost(LONGEST)) => return Ok(Cost::MAX),
                None => LONGEST,
            };
            if self.fits(run, goal)? {
                continue;
            }
            impossible = Some(Cost(goal));
            if goal < LONGEST {
                run.lower_bound(Cost(goal + 1));
            }
        }
    }

    /// Finds a plan with a bottleneck of at most that, or proves that there is none.
    fn fits(&self, run: &mut Run<'_, Deployment>, cycle: u64) -> Result<bool, Stop> {
        let chain = Chain::new(run.problem(), 0, Some(cycle));
        for (chain, one_run) in cases(chain) {
            let search = Search { solver: self, chain, one_run, goal: Goal::AnyWithin(cycle) };
            search.prove(run)?;
            if run.best().is_some_and(|(_, cost)| cost.0 <= cycle) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

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
