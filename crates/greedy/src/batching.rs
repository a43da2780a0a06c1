//! Batches that people form today. Every node is filled in turn from those whom no node before it
//! serves, once in each of its formats; the best one stays. No bound is claimed.

use edgeplan_problem::batching::{Batch, Batching, FormatId, NodeId, Plan, RequestId, Violation};
use edgeplan_problem::{Answer, Evaluation, Nanos, Problem as _, Run, Solver, SolverError};

/// How a node picks its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchPolicy {
    /// Requests in order of arrival, as long as they fit.
    FirstCome,
    /// The cheapest first (operations per weight, at their own length), as long as they fit.
    Cheapest,
    /// Static batching (the paper's StB): the first so many in order of arrival; without a number,
    /// as many as fit if all were as long as the longest waiting prompt and answer. While they need
    /// too much, the newest leaves. All of them run; a request that is answered too late is not
    /// served.
    Static(Option<usize>),
    /// No batching (the paper's NoB): in order of arrival, as many as there are devices, each
    /// request alone on one of them if that answers it in time. Where padding would keep them from
    /// being one batch, the request with the earliest deadline is dropped.
    Alone,
}

impl Solver<Batching> for BatchPolicy {
    /// O(nodes * formats * requests^2) at worst.
    fn solve(&self, run: &mut Run<'_, Batching>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        let mut plan = Plan::idle(instance);
        let mut free: Vec<RequestId> = instance.request_ids().collect();
        for node in instance.node_ids() {
            for format in instance.node(node).format_ids() {
                run.step()?;
                let admitted = |id: &RequestId| instance.admits(node, format, *id);
                let waiting: Vec<RequestId> = free.iter().copied().filter(admitted).collect();
                let members = self.members(Place { instance, node, format }, &waiting);
                if worth(instance, &members) > worth(instance, &plan.batch(node).members) {
                    plan.batches[node.index()] = Batch { format, members };
                }
            }
            free.retain(|id| !plan.batch(node).members.contains(id));
        }
        run.incumbent(&plan);
        Ok(Answer::Plan { plan, lower_bound: None })
    }
}

impl BatchPolicy {
    fn members(self, place: Place<'_>, waiting: &[RequestId]) -> Vec<RequestId> {
        match self {
            Self::FirstCome => place.all_that_fit(waiting),
            Self::Cheapest => place.all_that_fit(&place.by_cost(waiting)),
            Self::Static(size) => {
                let size = size.unwrap_or_else(|| place.safe_size(waiting));
                place.in_time(place.while_too_much(waiting.iter().copied().take(size).collect()))
            }
            Self::Alone => {
                let devices = place.instance.node(place.node).devices as usize;
                let in_time = waiting.iter().copied().filter(|&id| place.alone_in_time(id));
                place.without_hurry(in_time.take(devices).collect())
            }
        }
    }
}

fn worth(instance: &Batching, members: &[RequestId]) -> u64 {
    members.iter().map(|&id| u64::from(instance.request(id).weight)).sum()
}

/// A node in one of its formats.
#[derive(Clone, Copy)]
struct Place<'a> {
    instance: &'a Batching,
    node: NodeId,
    format: FormatId,
}

impl Place<'_> {
    fn evaluate(&self, members: &[RequestId]) -> Evaluation<Batching> {
        let mut plan = Plan::idle(self.instance);
        let members = members.to_vec();
        plan.batches[self.node.index()] = Batch { format: self.format, members };
        self.instance.evaluate(&plan)
    }

    fn is_feasible(&self, members: &[RequestId]) -> bool {
        self.evaluate(members).is_feasible()
    }

    /// In that order, each one with whom the batch is still feasible.
    fn all_that_fit(&self, order: &[RequestId]) -> Vec<RequestId> {
        let mut members = Vec::new();
        for &id in order {
            members.push(id);
            if !self.is_feasible(&members) {
                members.pop();
            }
        }
        members
    }

    /// Drops requests from the end while a limit other than a deadline is exceeded.
    fn while_too_much(&self, mut members: Vec<RequestId>) -> Vec<RequestId> {
        let late = |violation: &Violation| matches!(violation, Violation::Deadline { .. });
        while !self.evaluate(&members).violations.iter().all(late) {
            members.pop();
        }
        members
    }

    /// Those whom a batch of all of them answers in time.
    fn in_time(&self, members: Vec<RequestId>) -> Vec<RequestId> {
        let latency = self.evaluate(&members).account.latency;
        let served = |id: &RequestId| {
            latency[id.index()].is_some_and(|time| time <= self.instance.request(*id).deadline)
        };
        members.into_iter().filter(served).collect()
    }

    /// Without the least patient ones, until the rest is feasible as a batch.
    fn without_hurry(&self, mut members: Vec<RequestId>) -> Vec<RequestId> {
        members.sort_by_key(|&id| std::cmp::Reverse(self.instance.slack(id)));
        while !self.is_feasible(&members) {
            members.pop();
        }
        members
    }

    /// Operations of a request at its own length.
    fn work(&self, id: RequestId) -> u64 {
        let request = self.instance.request(id);
        self.instance.node(self.node).work.of(request.prompt, request.output)
    }

    fn by_cost(&self, waiting: &[RequestId]) -> Vec<RequestId> {
        let mut order = waiting.to_vec();
        let weight = |id: RequestId| u128::from(self.instance.request(id).weight);
        order.sort_by(|&a, &b| {
            let left = u128::from(self.work(a)) * weight(b);
            left.cmp(&(u128::from(self.work(b)) * weight(a)))
        });
        order
    }

    /// How many of the longest prompt and answer fit memory and compute phase; at least one.
    fn safe_size(&self, waiting: &[RequestId]) -> usize {
        let asked = || waiting.iter().map(|&id| self.instance.request(id));
        let prompt = asked().map(|request| request.prompt).max().unwrap_or(1);
        let output = asked().map(|request| request.output).max().unwrap_or(1);
        let node = self.instance.node(self.node);
        let format = node.format(self.format);
        let kv = format.kv_per_token.0 * (u64::from(prompt) + u64::from(output));
        let compute = self.instance.epoch.compute;
        let in_time = self.instance.work_within(self.node, self.format, compute);
        let in_memory = node.memory.saturating_sub(format.weights).0 / kv.max(1);
        in_memory.min(in_time / node.work.of(prompt, output).max(1)).max(1) as usize
    }

    /// Whether one device, which has its share of the node's speed, answers the request in time.
    fn alone_in_time(&self, id: RequestId) -> bool {
        let devices = u64::from(self.instance.node(self.node).devices);
        let time = self.instance.time(self.node, self.format, self.work(id)) * devices;
        let slack = self.instance.slack(id).unwrap_or(Nanos::ZERO);
        time <= slack.min(self.instance.epoch.compute)
    }
}
