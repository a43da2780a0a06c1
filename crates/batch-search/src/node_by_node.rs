//! Several nodes, one after the other: OT-GAH, the optimal tree search within a heuristic for the
//! generalised assignment problem (Zhang et al., "Beyond the Cloud: Edge Inference for Generative
//! Large Language Models in Wireless Networks", IEEE TWC 24(1), 2025, doi
//! 10.1109/TWC.2024.3497923; the heuristic is that of Cohen, Katz and Raz, Information Processing
//! Letters 100(4), 2006).
//!
//! Each node takes the best batch of what the nodes before it left. A request's weight does not
//! depend on the node that serves it, so the heuristic's residual profits come down to just that.
//! With an exact search per node the served weight is at least half of the most possible: what the
//! optimum serves at a node and the heuristic does not at all was there to be taken.
//!
//! # Complexity
//! As many rounds as nodes, each starting with another node; an exact search per node and round.

use edgeplan_problem::batching::{Batching, NodeId, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError};

use crate::exact::{Goal, best_batch, weight};

/// OT-GAH, once for each node that may come first.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeByNode;

impl Solver<Batching> for NodeByNode {
    fn solve(&self, run: &mut Run<'_, Batching>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        run.incumbent(&Plan::idle(instance));
        let nodes: Vec<NodeId> = instance.node_ids().collect();
        // Upper bounds: twice what any round serves; all requests; the sum of each node's best.
        let mut most = instance.weight();
        let mut apart = 0;
        for first in 0..nodes.len() {
            let mut plan = Plan::idle(instance);
            for place in 0..nodes.len() {
                let node = nodes[(first + place) % nodes.len()];
                let goal = Goal { node, plan, served: 0, tell_bound: false };
                plan = best_batch(run, goal)?;
                run.incumbent(&plan);
                if place == 0 {
                    apart += weight(instance, &plan);
                }
            }
            most = most.min(2 * weight(instance, &plan));
            run.lower_bound(Cost(instance.weight() - most));
        }
        let bound = Cost(instance.weight() - most.min(apart));
        run.lower_bound(bound);
        let plan = run.best().map_or_else(|| Plan::idle(instance), |(plan, _)| plan.clone());
        Ok(Answer::Plan { plan, lower_bound: Some(bound) })
    }
}
