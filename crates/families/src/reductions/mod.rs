//! Reductions as families: hard problems of the literature, written as deployments, schedules and
//! batches, with answers that are known by construction. `docs/hardness.md` states and proves each.

mod costs;
mod deployments;
mod groups;
mod planted;
mod requests;
pub mod source;

use edgeplan_batching::Scenario;
use edgeplan_files::InputError;
use edgeplan_problem::Cost;
use edgeplan_problem::batching::Batching;
use edgeplan_problem::deployment::Deployment;
use edgeplan_problem::scheduling::Scheduling;

pub use costs::{CostSet, Costs, costs, worth};
pub use deployments::{
    Shape, halves, halves_cost, knapsacks, knapsacks_cost, packing, packing_cost,
};
pub use planted::{
    Agents, Bins, Nodes, Wanted, assignment, bin_packing, multiple_knapsack, partition,
    three_partition, two_resources,
};
pub use requests::{PROFIT_MAX, epoch, epoch_cost, schedule, schedule_cost};

/// A hard problem, and the parameters that an instance of it is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Bin packing into deployment.
    BinPacking(Bins, Shape),
    /// 3-partition into deployment.
    ThreePartition(Bins, Shape),
    /// Multiple knapsack into deployment.
    MultipleKnapsack(Bins),
    /// Partition into the quality budget of a deployment.
    Partition {
        /// Items.
        items: usize,
        /// Bits of their sizes.
        bits: u64,
        /// The answer.
        wanted: Wanted,
        /// The seed.
        seed: u64,
    },
    /// Generalized assignment and multiple-choice knapsack into scheduling.
    Assignment(Agents),
    /// The same as its literature draws it: costs to minimise, every item assigned.
    Costs(Costs),
    /// Bin packing in two resources into batching.
    TwoResources(Nodes),
}

/// The question that a problem becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// Which device runs each layer.
    Deployment(Deployment),
    /// Which server serves each request.
    Scheduling(Scheduling),
    /// Which requests form the next batch.
    Batching(Batching),
}

/// An instance, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reduced {
    /// The instance.
    pub question: Question,
    /// Its answer; none where it is not known.
    pub known: Option<Known>,
}

/// What is known of an instance by construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Whether there is a plan that costs no more than [`Known::within`].
    pub possible: bool,
    /// The cost that the problem asks about.
    pub within: Cost,
}

impl Reduction {
    /// The answer that it is drawn with.
    pub fn wanted(&self) -> Wanted {
        match self {
            Self::BinPacking(bins, _)
            | Self::ThreePartition(bins, _)
            | Self::MultipleKnapsack(bins) => bins.wanted,
            Self::Partition { wanted, .. } => *wanted,
            Self::Assignment(agents) => agents.wanted,
            Self::Costs(_) => Wanted::Open,
            Self::TwoResources(nodes) => nodes.wanted,
        }
    }

    /// The file of a batch; none of other questions.
    ///
    /// # Errors
    /// Parameters out of range.
    pub fn scenario(&self, name: &str) -> Result<Option<Scenario>, InputError> {
        match self {
            Self::TwoResources(nodes) => Ok(Some(epoch(&two_resources(nodes)?, name))),
            Self::BinPacking(..)
            | Self::ThreePartition(..)
            | Self::MultipleKnapsack(_)
            | Self::Partition { .. }
            | Self::Assignment(_)
            | Self::Costs(_) => Ok(None),
        }
    }

    /// Draws the instance.
    ///
    /// # Errors
    /// Parameters out of range.
    pub fn draw(&self) -> Result<Reduced, InputError> {
        let (question, within) = match *self {
            Self::BinPacking(bins, shape) => {
                let source = bin_packing(&bins)?;
                (deployed(packing(&source, shape))?, packing_cost(&source))
            }
            Self::ThreePartition(bins, shape) => {
                let source = three_partition(&bins)?;
                (deployed(packing(&source, shape))?, packing_cost(&source))
            }
            Self::MultipleKnapsack(bins) => {
                let source = multiple_knapsack(&bins)?;
                (deployed(knapsacks(&source))?, knapsacks_cost(&source))
            }
            Self::Partition { items, bits, wanted, seed } => {
                let source = partition(items, bits, wanted, seed)?;
                (deployed(halves(&source))?, halves_cost(&source))
            }
            Self::Assignment(agents) => assigned(&assignment(&agents)?)?,
            Self::Costs(family) => assigned(&costs(&family)?)?,
            Self::TwoResources(nodes) => {
                let source = two_resources(&nodes)?;
                let built = epoch(&source, "two-resources").build("two-resources")?;
                (Question::Batching(built), epoch_cost(&source).unwrap_or(0))
            }
        };
        let known = match self.wanted() {
            Wanted::Yes => Some(true),
            Wanted::No => Some(false),
            Wanted::Open => None,
        };
        let known = known.map(|possible| Known { possible, within: Cost(within) });
        Ok(Reduced { question, known })
    }
}

fn deployed(deployment: Deployment) -> Result<Question, InputError> {
    let checked = deployment.checked().map_err(|error| impossible(&error.to_string()))?;
    Ok(Question::Deployment(checked))
}

/// The schedule of an assignment, and the cost that it asks about.
fn assigned(source: &source::Assignment) -> Result<(Question, u64), InputError> {
    let checked = schedule(source).checked();
    let checked = checked.map_err(|error| impossible(&error.to_string()))?;
    Ok((Question::Scheduling(checked), schedule_cost(source).unwrap_or(0)))
}

fn impossible(problem: &str) -> InputError {
    InputError::file("generate", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_carry_half_a_token_more_than_was_asked_for() {
        for (nodes, seed) in [(1, 0), (2, 1), (5, 2)] {
            let family = Nodes { nodes, each: 3, capacity: 100_000, wanted: Wanted::Yes, seed };
            let source = two_resources(&family).unwrap();
            let built = epoch(&source, "e").build("e").unwrap();
            for request in &built.requests {
                for channel in &request.channels {
                    let channel = channel.unwrap();
                    for (rate, tokens) in
                        [channel.uplink, channel.downlink].into_iter().zip(source.capacity)
                    {
                        // A second at that rate, in quarters of a token of 16 bits.
                        let quarters = rate / 4;
                        assert!((4 * tokens + 1..=4 * tokens + 2).contains(&quarters), "{rate}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_parameters_draw_the_same_instance() {
        let bins = Bins { bins: 4, capacity: 500, slack_permille: 0, wanted: Wanted::No, seed: 7 };
        let family = Reduction::ThreePartition(bins, Shape::Hosts);
        let reduced = family.draw().unwrap();
        assert_eq!(reduced, family.draw().unwrap());
        assert_eq!(reduced.known, Some(Known { possible: false, within: Cost(12_000_000) }));
        let Question::Deployment(instance) = reduced.question else { panic!() };
        assert_eq!((instance.hosts.len(), instance.models.len()), (2, 12));
    }
}
