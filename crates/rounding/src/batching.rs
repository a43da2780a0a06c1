//! Repair of batches: requests that break a limit are removed, then those that fit are added.

use edgeplan_problem::batching::{Batching, FormatId, NodeId, Plan, RequestId, Violation};
use edgeplan_problem::{Run, Stop};
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;

use crate::Repair;
use crate::repair::rank;

impl Repair for Batching {
    /// First improvement over three kinds of change, in random order: a request moves to a node or
    /// leaves; it takes a member's place; a node changes its format.
    ///
    /// # Complexity
    /// O(requests * (nodes + members)) evaluations per pass.
    fn repair(
        &self,
        mut plan: Plan,
        run: &mut Run<'_, Self>,
        random: &mut Pcg64Mcg,
    ) -> Result<(), Stop> {
        let mut best = rank(self, &plan, Violation::excess_ppm);
        loop {
            let before = best;
            let mut changes = changes(self, &plan);
            changes.shuffle(random);
            for change in changes {
                run.step()?;
                let mut changed = plan.clone();
                change.apply(&mut changed);
                let new = rank(self, &changed, Violation::excess_ppm);
                if new < best {
                    (best, plan) = (new, changed);
                }
            }
            run.incumbent(&plan);
            if best == before {
                return Ok(());
            }
        }
    }
}

/// A change of a plan. The plan may have changed since it was listed: it is then another change,
/// and judged as what it is.
#[derive(Debug, Clone, Copy)]
enum Change {
    Place { request: RequestId, node: Option<NodeId> },
    Replace { request: RequestId, member: RequestId },
    Format { node: NodeId, format: FormatId },
}

impl Change {
    fn apply(self, plan: &mut Plan) {
        match self {
            Self::Place { request, node } => place(plan, request, node),
            Self::Replace { request, member } => {
                let node = plan.node_of(member);
                place(plan, member, None);
                place(plan, request, node);
            }
            Self::Format { node, format } => plan.batches[node.index()].format = format,
        }
    }
}

fn place(plan: &mut Plan, request: RequestId, node: Option<NodeId>) {
    for batch in &mut plan.batches {
        batch.members.retain(|&member| member != request);
    }
    if let Some(node) = node {
        plan.batches[node.index()].members.push(request);
    }
}

/// Every single change of a plan.
fn changes(instance: &Batching, plan: &Plan) -> Vec<Change> {
    let mut found = Vec::new();
    for request in instance.request_ids() {
        let at = plan.node_of(request);
        found.extend(at.map(|_| Change::Place { request, node: None }));
        let elsewhere = instance.node_ids().filter(|&node| Some(node) != at);
        found.extend(elsewhere.map(|node| Change::Place { request, node: Some(node) }));
        if at.is_none() {
            let members = plan.batches.iter().flat_map(|batch| &batch.members);
            found.extend(members.map(|&member| Change::Replace { request, member }));
        }
    }
    for node in instance.node_ids() {
        let formats = instance.node(node).format_ids();
        let other = formats.filter(|&format| format != plan.batch(node).format);
        found.extend(other.map(|format| Change::Format { node, format }));
    }
    found
}
