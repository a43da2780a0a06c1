//! What integer programs and their relaxations need of a problem.

use edgeplan_mip::Program;
use edgeplan_problem::{Cost, Problem};

use crate::scale::safe_bound;

/// A problem that can be stated as an integer program.
pub trait Formulation: Problem {
    /// What it takes to read a vector as a plan and back.
    type Layout;

    /// States the program.
    ///
    /// # Errors
    /// When it would have more coefficients than `nonzeros_max`.
    fn formulate(&self, nonzeros_max: usize) -> Result<Formulated<Self::Layout>, TooLarge>;

    /// States a weaker program of the same plans, as a textbook would: what the rows of
    /// [`formulate`](Self::formulate) gain is the difference of the two relaxations. The same
    /// program unless a problem says otherwise.
    ///
    /// # Errors
    /// As [`formulate`](Self::formulate).
    fn formulate_weak(&self, nonzeros_max: usize) -> Result<Formulated<Self::Layout>, TooLarge> {
        self.formulate(nonzeros_max)
    }

    /// The plan that a vector means: each choice goes to the largest of its variables.
    fn decode(&self, formulated: &Formulated<Self::Layout>, values: &[f64]) -> Option<Self::Plan>;

    /// A plan drawn at random from a solution of the relaxation; it need not be feasible. `uniform`
    /// gives numbers in [0, 1).
    fn sample(
        &self,
        formulated: &Formulated<Self::Layout>,
        values: &[f64],
        uniform: &mut dyn FnMut() -> f64,
    ) -> Option<Self::Plan>;

    /// The vector that a plan means, to start from; `None` if the program excludes it.
    fn encode(&self, formulated: &Formulated<Self::Layout>, plan: &Self::Plan) -> Option<Vec<f64>>;

    /// The variables that are 1 in a plan, for a cut that excludes exactly this plan.
    fn chosen(&self, formulated: &Formulated<Self::Layout>, plan: &Self::Plan) -> Vec<u32>;
}

/// A stated program: costs are in units of `scale`.
#[derive(Debug, Clone)]
pub struct Formulated<Layout> {
    /// The program.
    pub program: Program,
    /// One unit of the program's objective in the problem's cost.
    pub scale: f64,
    /// Where each decision's variables are.
    pub layout: Layout,
}

impl<Layout> Formulated<Layout> {
    /// An engine's bound as an integer that no plan's cost is below.
    pub fn lower_bound(&self, bound: f64) -> Cost {
        safe_bound(bound, self.scale)
    }
}

/// The program would be too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the integer program would have {nonzeros} coefficients; at most {limit} are allowed")]
pub struct TooLarge {
    /// Coefficients that it would have.
    pub nonzeros: usize,
    /// Coefficients that are allowed.
    pub limit: usize,
}
