//! The shared traits: a question with one meaning of cost, and a way of answering it.

use serde::{Deserialize, Serialize};

use crate::{Cost, Run, Stop};

/// A question with one meaning of cost and feasibility.
pub trait Problem: Sync {
    /// An answer to the question.
    type Plan: Clone + Send + std::fmt::Debug;
    /// What can be wrong with a plan.
    type Violation: Clone + Send + std::fmt::Debug + std::fmt::Display;
    /// The itemised bill: where time, memory and quality go.
    type Account: Clone + Send + std::fmt::Debug;

    /// Prices a plan. This is the only definition of cost and feasibility.
    fn evaluate(&self, plan: &Self::Plan) -> Evaluation<Self>;
}

/// What a plan costs and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Evaluation<P: Problem + ?Sized> {
    /// The objective's value; says nothing of a plan with violations.
    pub cost: Cost,
    /// Every broken constraint; empty for a feasible plan.
    pub violations: Vec<P::Violation>,
    /// The itemised bill.
    pub account: P::Account,
}

impl<P: Problem + ?Sized> Evaluation<P> {
    /// Whether the plan breaks no constraint.
    pub fn is_feasible(&self) -> bool {
        self.violations.is_empty()
    }
}

/// A way of answering. Implementors are plain structs of their parameters, without state between
/// runs; the seed, the limits and the observer come in through [`Run`].
pub trait Solver<P: Problem>: Sync {
    /// Whether this solver can take the question.
    ///
    /// # Errors
    /// The reason why not, for a person to read.
    fn supports(&self, _problem: &P) -> Result<(), Unsupported> {
        Ok(())
    }

    /// Whether it works in a process of its own, which it ends in time itself.
    fn has_own_process(&self) -> bool {
        false
    }

    /// Answers as well as the limits allow.
    ///
    /// # Errors
    /// [`SolverError::Stopped`] when a limit was hit, in which case the best incumbent and bound
    /// that were reported to the run stand; [`SolverError::Engine`] when an engine failed.
    fn solve(&self, run: &mut Run<'_, P>) -> Result<Answer<P::Plan>, SolverError>;
}

/// What a solver says. Being out of budget is an answer, not an error.
#[derive(Debug, Clone)]
pub enum Answer<Plan> {
    /// A plan and, where the method has one, a proven lower bound on every plan's cost.
    Plan {
        /// The plan.
        plan: Plan,
        /// No feasible plan costs less than this.
        lower_bound: Option<Cost>,
    },
    /// Proof that no plan is feasible.
    Infeasible,
    /// No plan found; says nothing of whether one exists.
    Unknown {
        /// No feasible plan costs less than this.
        lower_bound: Option<Cost>,
    },
}

/// Why a solver cannot take a question, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// Why a solver ended without an answer of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolverError {
    /// A limit was hit.
    #[error(transparent)]
    Stopped(#[from] Stop),
    /// An engine is missing, crashed, or gave a malformed reply.
    #[error("{0}")]
    Engine(String),
}
