//! `evaluate()`: what a plan leaves out, what it takes, and what is wrong with it.

use super::{BAND, Batch, Batching, NodeId, Plan, RequestId, Violation};
use crate::{Bytes, Cost, Evaluation, Nanos, Problem};

/// The itemised bill of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// By node.
    pub nodes: Vec<BatchAccount>,
    /// Requests that are served.
    pub served: usize,
    /// By request: from its arrival to its answer, if it is served.
    pub latency: Vec<Option<Nanos>>,
}

/// The bill of one node's batch; all zero while it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchAccount {
    /// Tokens that every prompt is padded to.
    pub padded: u32,
    /// Bytes of the model.
    pub weights: Bytes,
    /// Bytes of keys and values.
    pub kv: Bytes,
    /// Operations.
    pub work: u64,
    /// Time of the batch in the compute phase.
    pub time: Nanos,
    /// Share of the uplink band, in billionths.
    pub uplink: u64,
    /// Share of the downlink band, in billionths.
    pub downlink: u64,
}

impl BatchAccount {
    /// Bytes in all.
    pub fn memory(&self) -> Bytes {
        self.weights + self.kv
    }
}

impl Problem for Batching {
    type Plan = Plan;
    type Violation = Violation;
    type Account = Account;

    /// The cost is the weight of the requests that are left out. O(requests + nodes).
    fn evaluate(&self, plan: &Plan) -> Evaluation<Self> {
        let mut violations = self.shape(plan);
        let mut account =
            Account { latency: vec![None; self.requests.len()], ..Account::default() };
        let mut cost = self.weight();
        if violations.is_empty() {
            for (node, batch) in self.node_ids().zip(&plan.batches) {
                let bill = self.bill(node, batch);
                self.limits(node, batch, &bill, &mut violations);
                for &member in &batch.members {
                    account.latency[member.index()] = Some(self.latency(member, bill.time));
                    cost -= u64::from(self.request(member).weight);
                }
                account.served += batch.members.len();
                account.nodes.push(bill);
            }
        }
        Evaluation { cost: Cost(cost), violations, account }
    }
}

impl Batching {
    /// What makes a plan unreadable.
    fn shape(&self, plan: &Plan) -> Vec<Violation> {
        let wrong = |text: String| vec![Violation::Shape(text)];
        if plan.batches.len() != self.nodes.len() {
            return wrong(format!("{} batches, {} nodes", plan.batches.len(), self.nodes.len()));
        }
        let mut seen = vec![false; self.requests.len()];
        for (node, batch) in self.nodes.iter().zip(&plan.batches) {
            if batch.format.index() >= node.formats.len() {
                return wrong(format!("{} has no format {}", node.name, batch.format.0));
            }
            for member in &batch.members {
                match seen.get_mut(member.index()) {
                    None => return wrong(format!("there is no request {}", member.0)),
                    Some(true) => {
                        let name = &self.request(*member).name;
                        return wrong(format!("{name} is served twice"));
                    }
                    Some(seen) => *seen = true,
                }
            }
        }
        Vec::new()
    }

    /// What a batch takes.
    fn bill(&self, node: NodeId, batch: &Batch) -> BatchAccount {
        let prompts = batch.members.iter().map(|&id| self.request(id).prompt);
        let Some(padded) = prompts.max() else { return BatchAccount::default() };
        let (own, format) = (self.node(node), self.node(node).format(batch.format));
        let mut bill = BatchAccount { padded, weights: format.weights, ..BatchAccount::default() };
        for &member in &batch.members {
            let output = self.request(member).output;
            bill.kv += format.kv_per_token * (u64::from(padded) + u64::from(output));
            bill.work = bill.work.saturating_add(own.work.of(padded, output));
            if let Some((uplink, downlink)) = self.shares(node, member) {
                bill.uplink = bill.uplink.saturating_add(uplink);
                bill.downlink = bill.downlink.saturating_add(downlink);
            }
        }
        bill.time = self.time(node, batch.format, bill.work);
        bill
    }

    /// From arrival to answer of a member of a batch that computes for so long.
    fn latency(&self, member: RequestId, time: Nanos) -> Nanos {
        self.request(member).waited + self.epoch.uplink + time + self.epoch.downlink
    }

    /// Every limit that a batch breaks, in the order of the paper's constraints.
    fn limits(
        &self,
        node: NodeId,
        batch: &Batch,
        bill: &BatchAccount,
        broken: &mut Vec<Violation>,
    ) {
        let (own, name) = (self.node(node), || self.node(node).name.clone());
        let format = own.format(batch.format);
        for &member in &batch.members {
            let asked = self.request(member);
            if asked.channels[node.index()].is_none() {
                let request = asked.name.clone();
                broken.push(Violation::Unreachable { request, node: name() });
            }
        }
        if bill.uplink > BAND {
            broken.push(Violation::Uplink { node: name(), needed: bill.uplink });
        }
        if bill.downlink > BAND {
            broken.push(Violation::Downlink { node: name(), needed: bill.downlink });
        }
        if bill.memory() > own.memory {
            let (needed, available) = (bill.memory(), own.memory);
            broken.push(Violation::Memory { node: name(), needed, available });
        }
        for &member in &batch.members {
            let (asked, needed) = (self.request(member), self.latency(member, bill.time));
            if needed > asked.deadline {
                let (request, available) = (asked.name.clone(), asked.deadline);
                broken.push(Violation::Deadline { request, needed, available });
            }
        }
        if bill.time > self.epoch.compute {
            let (needed, available) = (bill.time, self.epoch.compute);
            broken.push(Violation::Compute { node: name(), needed, available });
        }
        for &member in &batch.members {
            let asked = self.request(member);
            if asked.accuracy_ppm > format.accuracy_ppm {
                broken.push(Violation::Accuracy {
                    request: asked.name.clone(),
                    format: format.name.clone(),
                    asked_ppm: asked.accuracy_ppm,
                    reached_ppm: format.accuracy_ppm,
                });
            }
        }
    }
}
