//! Batching where bandwidth does not bind: a sweep over slacks with a heap.
//!
//! Once the format and the padded prompt are fixed, a request's memory and time both grow with its
//! output length alone. So among the requests that are patient enough for a given tightest member
//! the shortest answers are best, and going from the most patient request to the least the budget
//! only shrinks: a request that left because of its long answer never returns. That is the argument
//! of Moore and Hodgson for late jobs (Management Science 15(1), 1968).
//!
//! # Complexity
//! O(n log n) per mode.

use std::collections::BinaryHeap;

use edgeplan_problem::batching::{Batch, Batching, Mode, NodeId, Plan, RequestId, Resources};
use edgeplan_problem::{Answer, Cost, Problem as _, Run, Solver, SolverError, Unsupported};

/// The sweep. It ignores bandwidth, so the size it finds is a bound on every batch's; where its
/// batch needs more than a band, the members with the widest shares leave, and the bound stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct BatchSweep;

impl Solver<Batching> for BatchSweep {
    fn supports(&self, problem: &Batching) -> Result<(), Unsupported> {
        if problem.nodes.len() != 1 {
            let nodes = problem.nodes.len();
            return Err(Unsupported(format!("plans one node, this has {nodes}")));
        }
        match problem.requests.windows(2).all(|pair| pair[0].weight == pair[1].weight) {
            true => Ok(()),
            false => Err(Unsupported("counts requests, these differ in weight".into())),
        }
    }

    fn solve(&self, run: &mut Run<'_, Batching>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        run.incumbent(&Plan::idle(instance));
        let mut largest = 0;
        for mode in instance.modes(NodeId(0)) {
            run.step()?;
            let members = sweep(instance, mode);
            largest = largest.max(members.len());
            run.incumbent(&narrowed(instance, mode, members));
        }
        let weight = instance.requests.first().map_or(0, |request| u64::from(request.weight));
        let bound = Cost(instance.weight() - weight * largest as u64);
        let plan = run.best().map_or_else(|| Plan::idle(instance), |(plan, _)| plan.clone());
        Ok(Answer::Plan { plan, lower_bound: Some(bound) })
    }
}

/// A member in the heap: the longest answer first, among equals the widest shares.
type Member = (u64, u64, u64, RequestId);

/// The largest batch of that mode, bandwidth aside.
fn sweep(instance: &Batching, mode: Mode) -> Vec<RequestId> {
    let demand = |id: RequestId| Some((id, instance.demand(mode, id)?));
    let mut order: Vec<(RequestId, Resources)> =
        instance.request_ids().filter_map(demand).collect();
    order.sort_by_key(|&(id, _)| std::cmp::Reverse(instance.slack(id)));
    let mut heap: BinaryHeap<Member> = BinaryHeap::new();
    let (mut memory, mut work) = (0, 0);
    let mut best = Vec::new();
    for (id, takes) in order {
        let slack = instance.slack(id).unwrap_or_default();
        let Some(capacity) = instance.capacity(mode, slack) else { break };
        memory += takes.memory;
        work += takes.work;
        let share = takes.uplink.saturating_add(takes.downlink);
        heap.push((takes.work, share, takes.memory, id));
        while memory > capacity.memory || work > capacity.work {
            let Some((longest, _, bytes, _)) = heap.pop() else { break };
            memory -= bytes;
            work -= longest;
        }
        if heap.len() > best.len() {
            best = heap.iter().map(|&(_, _, _, id)| id).collect();
        }
    }
    best
}

/// The plan of that batch, without the members of the widest shares until both bands suffice.
fn narrowed(instance: &Batching, mode: Mode, mut members: Vec<RequestId>) -> Plan {
    let share = |id: &RequestId| {
        let (uplink, downlink) = instance.shares(mode.node, *id).unwrap_or_default();
        uplink.max(downlink)
    };
    members.sort_by_key(share);
    loop {
        let batch = Batch { format: mode.format, members: members.clone() };
        let plan = Plan { batches: vec![batch] };
        if instance.evaluate(&plan).is_feasible() || members.pop().is_none() {
            return plan;
        }
    }
}
