//! DFTSP, depth-first tree search with online pruning (Zhang et al., "Edge Intelligence
//! Optimization for Large Language Model Inference with Batching and Quantization", WCNC 2024,
//! arXiv 2405.07140).
//!
//! Once the batch's size `z`, its tightest member and the padded prompt `s'` are fixed, bandwidth,
//! memory and time are four sums over its members, and within a class of equal output length a
//! cheaper request is never worse than a dearer one. So a tree over "how many of each class"
//! finds a batch of size `z` if there is one, and the first that is found at the largest `z` is
//! optimal.
//!
//! Stated here where the paper leaves it open: the padded prompt is enumerated over the lengths
//! that occur, and so is the node's format; a class whose members' shares of the two bands
//! disagree is split until they agree.
//!
//! # Complexity
//! Exponential in the number of classes; O(n^2) trees per mode.

use edgeplan_problem::batching::{Batch, Batching, Mode, NodeId, Plan, RequestId};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Stop, Unsupported};

use crate::items::Item;
use crate::tree::{Tree, classes, spend};

/// The published search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dftsp {
    /// What subtrees are skipped.
    pub pruning: Pruning,
}

/// What subtrees are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruning {
    /// Those that exceed a sum already, or have too few candidates left to reach the size.
    Online,
    /// None: the brute force that the paper compares with.
    None,
}

/// The requests that a mode admits, the most patient first.
struct Queue {
    mode: Mode,
    items: Vec<Item>,
}

impl Solver<Batching> for Dftsp {
    fn supports(&self, problem: &Batching) -> Result<(), Unsupported> {
        if problem.nodes.len() != 1 {
            let nodes = problem.nodes.len();
            return Err(Unsupported(format!("plans one node, this has {nodes}")));
        }
        let mut weights = problem.requests.windows(2);
        match weights.all(|pair| pair[0].weight == pair[1].weight) {
            true => Ok(()),
            false => Err(Unsupported("counts requests, these differ in weight".into())),
        }
    }

    fn solve(&self, run: &mut Run<'_, Batching>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        let weight = instance.requests.first().map_or(0, |request| u64::from(request.weight));
        run.incumbent(&Plan::idle(instance));
        // Steps 1 and 2: which requests are admitted, by slack.
        let queues: Vec<Queue> =
            instance.modes(NodeId(0)).into_iter().map(|mode| queue(instance, mode)).collect();
        let largest = queues.iter().map(|queue| queue.items.len()).max().unwrap_or(0);
        // Step 3: the largest size first; the d-th request is the tightest of the batch.
        for size in (1..=largest).rev() {
            let bound = Cost(instance.weight() - weight * size as u64);
            run.lower_bound(bound);
            for queue in &queues {
                for tightest in size - 1..queue.items.len() {
                    if let Some(members) = self.batch(run, queue, tightest, size)? {
                        let plan =
                            Plan { batches: vec![Batch { format: queue.mode.format, members }] };
                        return Ok(Answer::Plan { plan, lower_bound: Some(bound) });
                    }
                }
            }
        }
        let bound = Some(Cost(instance.weight()));
        Ok(Answer::Plan { plan: Plan::idle(instance), lower_bound: bound })
    }
}

impl Dftsp {
    /// Step 4: a batch of that size whose tightest member is this one, its companions being more
    /// patient.
    fn batch(
        &self,
        run: &mut Run<'_, Batching>,
        queue: &Queue,
        tightest: usize,
        size: usize,
    ) -> Result<Option<Vec<RequestId>>, Stop> {
        let last = &queue.items[tightest];
        let slack = run.problem().slack(last.request).unwrap_or_default();
        let capacity = run.problem().capacity(queue.mode, slack);
        let left = capacity.and_then(|capacity| spend(capacity, &[*last]));
        let classes = classes(queue.items[..tightest].to_vec());
        let mut tree = Tree::new(run, self.pruning, &classes);
        let found = tree.search(0, size - 1, left);
        let nodes = tree.nodes;
        run.count("nodes", nodes);
        Ok(found?.map(|mut members| {
            members.push(last.request);
            members.sort_unstable();
            members
        }))
    }
}

/// Who is admitted in that mode, by slack descending.
fn queue(instance: &Batching, mode: Mode) -> Queue {
    let items = instance.request_ids().filter_map(|id| Item::new(instance, mode, id));
    let mut items: Vec<Item> = items.collect();
    items.sort_by_key(|item| std::cmp::Reverse(instance.slack(item.request)));
    Queue { mode, items }
}
