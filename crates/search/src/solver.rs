//! The chain solver: which searches an instance needs, and what they prove together.

use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{
    Answer, Cost, Limits, Run, Silent, Solver, SolverError, Stop, Unsupported, Verdict, solve,
};

use crate::bottleneck::BottleneckSearch;
use crate::bounding::goal::Goal;
use crate::bounding::{CaseSearch, Effort};
use crate::chain::{COST_MAX, Chain, DEVICES_MAX, Measure};
use crate::joint_bounds::JointSearch;
use crate::labels::joint::can_share;
use crate::tuning::{ROUNDS, TUNING};
use crate::{crowd, hosts};

/// The exact chain solver.
pub struct ChainSearch {
    /// Quick solvers whose plans it starts from.
    pub starts: Vec<Box<dyn Solver<Deployment> + Send>>,
    /// Labels that a search may hold per layer; about 250 bytes each, and 8 for each layer.
    pub labels_max: usize,
    /// Values that the tables may hold, 4 bytes each; the open nodes of the tree may take twice as
    /// much.
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
            return crowd::refusal(problem).map_or(Ok(()), unsupported);
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
        match measures(problem).find(|&measure| Chain::cost_max_of(problem, measure) > COST_MAX) {
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
        run.start_from(&self.starts, TUNING.solver.start_share);
        if run.problem().devices.len() > DEVICES_MAX {
            let bound = crowd::prove(self, run)?;
            return Ok(answer(run, bound));
        }
        if self.starts_from_limits(run) == Start::Infeasible {
            return Ok(Answer::Infeasible);
        }
        let bound = match (hosts::cases(run.problem()), run.problem().objective) {
            (Some(chains), _) => hosts::prove(self, run, &chains)?,
            _ if is_joint(run.problem()) => JointSearch::new(self).prove(run)?,
            (_, Objective::Latency | Objective::Memory) => self.cheapest(run)?,
            (_, Objective::Bottleneck) => BottleneckSearch::new(self, run)?.prove(run)?,
        };
        Ok(answer(run, bound))
    }
}

/// The best plan, below which no plan costs less than the bound.
fn answer(run: &Run<'_, Deployment>, bound: Cost) -> Answer<Plan> {
    match run.best().cloned() {
        Some((plan, cost)) => Answer::Plan { plan, lower_bound: Some(bound.min(cost)) },
        None if bound == Cost::MAX => Answer::Infeasible,
        None => Answer::Unknown { lower_bound: Some(bound) },
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
    /// Where no plan is known yet and a quantity other than the objective is limited: minimises
    /// that quantity. The result is a feasible plan if there is one at all.
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
            let time = run.remaining().map(|time| time / TUNING.solver.limit_share);
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
        for Case { chain, allows_one_run } in cases {
            let goal = Goal::Cheapest { reports: sole };
            let search = CaseSearch { solver: self, chain, allows_one_run, goal };
            least = least.min(search.prove(run, UNTIL_PROVEN)?);
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
    problem.models.len() > 1 || problem.placement == Placement::Free || problem.has_hosts()
}

/// Until the proof is complete or time is up.
const UNTIL_PROVEN: Effort = Effort { rounds: ROUNDS, nodes: None };

/// A part of all plans that is one chain.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) chain: Chain,
    /// Whether a plan may have just one run.
    pub(crate) allows_one_run: bool,
}

/// The cases of a chain. Ends on one device share a tensor only if everything is there: then one
/// case for each device, and one for all plans of several runs, where nothing is shared.
pub(crate) fn cases(chain: Chain) -> Vec<Case> {
    if !chain.ends_share() {
        return vec![Case { chain, allows_one_run: true }];
    }
    let alone = |device| Case { chain: chain.only(device), allows_one_run: true };
    let mut cases: Vec<Case> = (0..chain.devices).map(alone).collect();
    cases.push(Case { chain: chain.with_shared_counted(), allows_one_run: false });
    cases
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::Bytes;

    use super::*;
    use crate::chain::tests::question;

    #[test]
    fn ends_that_share_a_tensor_make_a_case_of_every_device() {
        let mut question = question(&[9, 9], &[(1, 1), (1, 1), (1, 1)]);
        let sole = cases(Chain::new(&question, Measure::Latency, None));
        assert!(sole.len() == 1 && sole[0].allows_one_run);
        question.models[0].shared = vec![Bytes(3)];
        for layer in [0, 2] {
            question.models[0].layers[layer].options[0].shared = Some(0);
        }
        let cases = cases(Chain::new(&question, Measure::Latency, None));
        let one_run: Vec<bool> = cases.iter().map(|case| case.allows_one_run).collect();
        assert_eq!(one_run, [true, true, false]);
    }

    #[test]
    fn what_cannot_be_numbered_is_unsupported() {
        let solver = ChainSearch::default();
        assert_eq!(solver.supports(&question(&[1, 2], &[(1, 1)])), Ok(()));
        let mut many = question(&[1; DEVICES_MAX + 1], &[(1, 1)]);
        assert_eq!(solver.supports(&many), Ok(()));
        // Two devices of one host.
        many.hosts = vec!["pc".into()];
        for device in &mut many.devices[..2] {
            device.host = Some(edgeplan_problem::deployment::HostId(0));
        }
        assert!(solver.supports(&many).is_err());
        // Costs whose sums are not exact.
        assert!(solver.supports(&question(&[1], &[(1, 1 << 51)])).is_err());
    }

    #[test]
    fn a_limit_besides_the_objective_gives_a_plan_to_start_from() {
        let mut question = question(&[2, 2], &[(1, 5), (1, 7), (1, 3)]);
        question.objective = Objective::Memory;
        let (best, _) = question.brute_force().expect("there is a plan");
        for (limit, feasible) in [(15, true), (14, false)] {
            question.latency_max = Some(edgeplan_problem::Nanos(limit));
            let found = solve(&question, &ChainSearch::default(), Limits::default(), &mut Silent);
            assert_eq!(found.cost(), feasible.then_some(best), "{limit}");
            assert_eq!(found.verdict == Verdict::Infeasible, !feasible, "{limit}");
        }
    }
}
