//! The solver.

use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Unsupported};

use crate::domain::Domain;
use crate::question::Question;
use crate::search::{Relaxation, Search};

/// Branch and price over configurations of devices.
#[derive(Default)]
pub struct Joint {
    /// Quick solvers whose plans it starts from.
    pub starts: Vec<Box<dyn Solver<Deployment> + Send>>,
}

impl std::fmt::Debug for Joint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joint").field("starts", &self.starts.len()).finish()
    }
}

/// Each start may take this part of the time.
const START_SHARE: u32 = 10;
/// Tables of hops between more devices take too much memory.
const DEVICES_MAX: usize = 128;
/// Shared tensors of a model are bits of a set.
const SHARED_MAX: usize = 64;

impl Joint {
    /// Starts from that solver's plan, if it is the best of those given.
    pub fn starting_from(mut self, start: impl Solver<Deployment> + Send + 'static) -> Self {
        self.starts.push(Box::new(start));
        self
    }
}

impl Solver<Deployment> for Joint {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let unsupported = |text: String| Err(Unsupported(text));
        let devices = problem.devices.len();
        if devices > DEVICES_MAX {
            return unsupported(format!("{devices} devices; at most {DEVICES_MAX} are allowed"));
        }
        if problem.has_hosts() {
            return unsupported("hosts that have several devices".into());
        }
        if problem.models.iter().flat_map(|model| &model.layers).any(|layer| layer.joined) {
            return unsupported("blocks whose parts are placed apart".into());
        }
        let shared = problem.models.iter().map(|model| model.shared.len()).max().unwrap_or(0);
        if shared > SHARED_MAX {
            return unsupported(format!(
                "{shared} shared tensors; at most {SHARED_MAX} are allowed"
            ));
        }
        let question = Question::new(problem);
        let choices = question.choices_max();
        if choices > Domain::CHOICES_MAX {
            let most = Domain::CHOICES_MAX;
            return unsupported(format!(
                "{choices} options of a layer; at most {most} are allowed"
            ));
        }
        if !question.is_exact() {
            return unsupported("plans may cost so much that sums of prices are not exact".into());
        }
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        run.start_from(&self.starts, START_SHARE);
        let question = Question::new(run.problem());
        let bound = Search::new(&question, run, Relaxation::of(&question))?.prove()?;
        Ok(match run.best().cloned() {
            Some((plan, cost)) => Answer::Plan { plan, lower_bound: Some(bound.min(cost)) },
            None if bound == Cost::MAX => Answer::Infeasible,
            None => Answer::Unknown { lower_bound: Some(bound) },
        })
    }
}
