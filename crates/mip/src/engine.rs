//! What is asked of an engine, and what it may answer.

use std::ops::ControlFlow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Program;

/// How to solve a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Wall-clock limit.
    pub time: Option<Duration>,
    /// Relative gap at which to stop; 0 for exact.
    pub gap: f64,
    /// Threads of the engine.
    pub threads: u32,
    /// Random seed of the engine.
    pub seed: u32,
    /// Branch-and-bound nodes at which to stop.
    pub nodes: Option<u64>,
    /// A value for every column to start from.
    pub start: Option<Vec<f64>>,
    /// Ignore integrality.
    pub relax: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self { time: None, gap: 0.0, threads: 1, seed: 0, nodes: None, start: None, relax: false }
    }
}

/// Why an engine stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It claims an optimum within the asked gap.
    Optimal,
    /// It claims that there is no solution.
    Infeasible,
    /// It claims that the objective has no bound.
    Unbounded,
    /// It claims one of the two.
    InfeasibleOrUnbounded,
    /// The time was up.
    TimeLimit,
    /// The nodes were used up.
    NodeLimit,
    /// A limit on iterations or solutions was hit.
    OtherLimit,
    /// The caller interrupted it.
    Interrupted,
    /// It ran out of memory.
    MemoryLimit,
    /// It gave up and does not say why.
    Abandoned,
}

/// An engine's answer. Its values are to be re-checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Why it stopped.
    pub status: Status,
    /// The best solution, one value per column.
    pub values: Option<Vec<f64>>,
    /// Its objective, constant included.
    pub objective: Option<f64>,
    /// No solution is better than this, constant included; for a relaxation, its optimum.
    pub bound: Option<f64>,
    /// Branch-and-bound nodes, where the engine tells.
    pub nodes: Option<u64>,
    /// Simplex iterations.
    pub iterations: Option<u64>,
}

impl Reply {
    /// The answer where there is nothing to decide, which engines are not asked: HiGHS reports a
    /// status of -1 for it, on which its bindings panic.
    pub(crate) fn without_columns(program: &Program) -> Option<Self> {
        if !program.columns.is_empty() {
            return None;
        }
        let solved = program.accepts(&[], 0.0).then_some(program.constant);
        Some(Self {
            status: if solved.is_some() { Status::Optimal } else { Status::Infeasible },
            values: solved.map(|_| Vec::new()),
            objective: solved,
            bound: solved,
            nodes: None,
            iterations: None,
        })
    }
}

/// What an engine reports on the way.
#[derive(Debug)]
pub struct Progress<'a> {
    /// A new incumbent, one value per column.
    pub incumbent: Option<&'a [f64]>,
    /// The dual bound, constant included.
    pub bound: Option<f64>,
    /// Where the engine takes vectors from outside just then: a better one than its own, if one
    /// is known.
    pub wanted: Option<&'a mut Option<Vec<f64>>>,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine is not installed; the text says how to get it.
    #[error("{0}")]
    Missing(String),
    /// The engine refused the program or an option.
    #[error("{engine} refused the program: {reason}")]
    Refused {
        /// The engine.
        engine: &'static str,
        /// What it said.
        reason: String,
    },
    /// The engine's process died, or its reply is malformed.
    #[error("{engine} {reason}")]
    Crashed {
        /// The engine.
        engine: &'static str,
        /// What happened.
        reason: String,
    },
}

/// A solver of mixed-integer programs.
pub trait Engine: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Whether it can be used here.
    ///
    /// # Errors
    /// How to install it.
    fn available(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Whether it works in a process of its own, which it ends in time itself.
    fn has_own_process(&self) -> bool {
        false
    }

    /// Solves a program. `progress` is called a few times a second or more and ends the run by
    /// breaking.
    ///
    /// # Errors
    /// When there is no reply at all; running out of a limit is a reply.
    fn solve(
        &self,
        program: &Program,
        request: &Request,
        progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Reply, EngineError>;
}
