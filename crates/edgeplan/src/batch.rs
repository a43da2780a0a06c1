//! Which waiting requests an edge node serves in the epoch that begins now.
//!
//! ```
//! use edgeplan::Limits;
//! use edgeplan::batch::{batch, example};
//!
//! let epoch = example().build("example")?;
//! let batched = batch(&epoch, &edgeplan_solvers::BATCHING[0], Limits::default());
//! println!("{}", batched.text());
//! # Ok::<(), edgeplan::InputError>(())
//! ```

use edgeplan_batching::Scenario;
use edgeplan_problem::batching::{Batching, Plan};
use edgeplan_problem::{Limits, Outcome, Problem as _};
use edgeplan_report::answer::reasons;
use edgeplan_report::batch::{BatchAnswer, BatchBill, headline, ranking, tables};
use edgeplan_solvers::{BATCHING, Entry};
use serde::Serialize;

use crate::compare::{Ranked, ask, ranked};

const EXAMPLE: &str = include_str!("../../../bench-data/batching/edge-node.toml");

/// The embedded example: one node on a narrow band, 14 requests.
///
/// # Panics
/// Never: a test reads it.
pub fn example() -> Scenario {
    Scenario::parse("example", EXAMPLE).expect("a test reads it")
}

/// An epoch's batch, and how good it is. See the [module](self) for an example.
#[derive(Debug)]
pub struct Batched<'a> {
    /// The epoch.
    pub instance: &'a Batching,
    /// Who formed the batch.
    pub solver: &'static str,
    /// Batch, verdict, bound, time and work.
    pub outcome: Outcome<Plan>,
}

/// Forms a batch with that solver, and prices it again. See the [module](self) for an example.
pub fn batch<'a>(
    instance: &'a Batching,
    entry: &Entry<Batching>,
    limits: Limits<'_>,
) -> Batched<'a> {
    Batched { instance, solver: entry.name, outcome: ask(instance, entry, limits) }
}

/// A batch. Field names are stable keys.
#[derive(Serialize)]
struct BatchedKeys {
    #[serde(flatten)]
    answer: BatchAnswer,
    #[serde(flatten)]
    bill: Option<BatchBill>,
}

impl Batched<'_> {
    /// The batch for programs, under stable keys.
    pub fn keys(&self) -> impl Serialize {
        let bill =
            |plan| BatchBill::new(self.instance, plan, &self.instance.evaluate(plan).account);
        BatchedKeys {
            answer: BatchAnswer::new(self.instance, self.solver, &self.outcome),
            bill: self.outcome.plan.as_ref().map(bill),
        }
    }

    /// The batch for people.
    pub fn text(&self) -> String {
        let line = headline(self.instance, self.solver, &self.outcome);
        let Some(plan) = &self.outcome.plan else { return line };
        let account = self.instance.evaluate(plan).account;
        format!("{line}\n{}", tables(self.instance, plan, &account))
    }
}

/// Every solver's answer to one epoch, best first.
///
/// ```
/// use edgeplan::batch::{compare, example};
/// let epoch = example().build("example")?;
/// let limits = edgeplan::Limits { time: Some(std::time::Duration::ZERO), ..Default::default() };
/// println!("{}", compare(&epoch, limits, &mut |solver| println!("{solver} ...")).text());
/// # Ok::<(), edgeplan::InputError>(())
/// ```
#[derive(Debug)]
pub struct BatchRanking<'a> {
    /// The epoch.
    pub instance: &'a Batching,
    /// By what is left out, then time. Wrong answers are shown, never ranked.
    pub outcomes: Vec<(&'static str, Outcome<Plan>)>,
}

/// Asks every solver of batches, one after another; `asking` hears of each before. See
/// [`BatchRanking`] for an example.
pub fn compare<'a>(
    instance: &'a Batching,
    limits: Limits<'_>,
    asking: &mut dyn FnMut(&'static str),
) -> BatchRanking<'a> {
    let outcomes = ranked(BATCHING, limits, |entry| {
        asking(entry.name);
        ask(instance, entry, limits)
    });
    BatchRanking { instance, outcomes }
}

impl BatchRanking<'_> {
    /// The answers for programs, under stable keys.
    pub fn keys(&self) -> impl Serialize {
        let key = |(name, outcome): &(&str, _)| BatchAnswer::new(self.instance, name, outcome);
        Ranked::new(&self.instance.name, self.outcomes.iter().map(key))
    }

    /// The answers for people.
    pub fn text(&self) -> String {
        let table = ranking(self.instance, &self.outcomes);
        format!("{}\n{table}\n{}", self.instance.name, reasons(&self.outcomes))
    }
}
