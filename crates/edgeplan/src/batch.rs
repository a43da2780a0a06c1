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
use edgeplan_report::batch::{BatchAnswer, BatchBill, headline, ranking, tables};
use edgeplan_report::table::Table;
use edgeplan_solvers::{BATCHING, Entry};
use serde::Serialize;

use crate::solved::{Compared, Shown, Solved};

const EXAMPLE: &str = include_str!("../../../bench-data/batching/edge-node.toml");

/// The embedded example: one node on a narrow band, 14 requests.
///
/// See the [module](self) for an example.
///
/// # Panics
/// Never: a test reads it.
pub fn example() -> Scenario {
    Scenario::parse("example", EXAMPLE).expect("a test reads it")
}

/// An epoch's batch, and how good it is. See the [module](self) for an example.
pub type Batched<'a> = Solved<'a, Batching>;

/// Forms a batch with that solver, and prices it again. See the [module](self) for an example.
pub fn batch<'a>(
    instance: &'a Batching,
    entry: &Entry<Batching>,
    limits: Limits<'_>,
) -> Batched<'a> {
    Solved::new(instance, entry, limits)
}

/// Asks every solver of batches, one after another, and ranks them by what is left out; `asking`
/// is called with the name of each before it runs.
///
/// ```
/// use edgeplan::batch::{compare, example};
/// let epoch = example().build("example")?;
/// let limits = edgeplan::Limits { time: Some(std::time::Duration::ZERO), ..Default::default() };
/// println!("{}", compare(&epoch, limits, &mut |solver| println!("{solver} ...")).text());
/// # Ok::<(), edgeplan::InputError>(())
/// ```
pub fn compare<'a>(
    instance: &'a Batching,
    limits: Limits<'_>,
    asking: &mut dyn FnMut(&'static str),
) -> Compared<'a, Batching> {
    Compared::new(instance, BATCHING, limits, asking)
}

impl Shown for Batching {
    fn answer(&self, solver: &str, outcome: &Outcome<Plan>) -> impl Serialize {
        BatchAnswer::new(self, solver, outcome)
    }

    fn bill(&self, plan: &Plan) -> impl Serialize {
        BatchBill::new(self, plan, &self.evaluate(plan).account)
    }

    fn headline(&self, solver: &str, outcome: &Outcome<Plan>) -> String {
        headline(self, solver, outcome)
    }

    fn tables(&self, plan: &Plan) -> String {
        tables(self, plan, &self.evaluate(plan).account)
    }

    fn ranking(&self, outcomes: &[(&str, Outcome<Plan>)]) -> Table {
        ranking(self, outcomes)
    }

    fn title(&self) -> &str {
        &self.name
    }
}
