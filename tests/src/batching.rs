//! Batching: random questions small enough for brute force, and the oracle that tries every plan.

use edgeplan_problem::batching::{
    Batch, Batching, Channel, Epoch, FormatId, Node, NodeFormat, NodeId, Plan, Request, RequestId,
    Work,
};
use edgeplan_problem::{Bytes, Cost, Nanos, Problem as _};

use crate::random::Random;

/// The question of that seed. Small numbers, so that ties abound; no requests, identical ones, ones
/// that are worth nothing, too late, out of reach or too demanding, weights that fit nowhere,
/// phases of no length, bands that bind and bands that do not, several formats and nodes occur.
pub fn small_batching(seed: u64) -> Batching {
    let mut random = Random::seeded(seed);
    random.batching(seed).checked().expect("the generator makes sense")
}

/// The least weight that a plan leaves out: every assignment of requests to nodes in every
/// combination of formats, priced by `evaluate()` and nothing else.
pub fn batching_optimum(instance: &Batching) -> Cost {
    let mut best = Cost::MAX;
    let mut plan = Plan::idle(instance);
    choose_format(instance, 0, &mut plan, &mut best);
    best
}

fn choose_format(instance: &Batching, node: usize, plan: &mut Plan, best: &mut Cost) {
    let Some(own) = instance.nodes.get(node) else {
        return place(instance, 0, plan, best);
    };
    for format in 0..own.formats.len() {
        plan.batches[node] = Batch { format: FormatId(format as u16), members: Vec::new() };
        choose_format(instance, node + 1, plan, best);
    }
}

fn place(instance: &Batching, request: usize, plan: &mut Plan, best: &mut Cost) {
    if request == instance.requests.len() {
        let evaluation = instance.evaluate(plan);
        if evaluation.is_feasible() {
            *best = evaluation.cost.min(*best);
        }
        return;
    }
    place(instance, request + 1, plan, best);
    for NodeId(node) in instance.node_ids() {
        plan.batches[usize::from(node)].members.push(RequestId(request as u32));
        place(instance, request + 1, plan, best);
        plan.batches[usize::from(node)].members.pop();
    }
}

impl Random {
    fn batching(&mut self, seed: u64) -> Batching {
        let nodes = if self.chance(25) { 2 } else { 1 };
        let requests = self.up_to(if nodes == 1 { 8 } else { 5 });
        let weighted = self.chance(30);
        let identical = self.chance(15);
        // Bits per nanosecond, from a band that one request fills to one that never binds.
        let rate = [2, 6, 20, 1_000][self.up_to(3) as usize];
        let mut waiting: Vec<Request> =
            (0..requests).map(|index| self.waiting(index, nodes, weighted, rate)).collect();
        if let (true, Some(first)) = (identical, waiting.first().cloned()) {
            for request in &mut waiting {
                *request = Request { name: request.name.clone(), ..first.clone() };
            }
        }
        Batching {
            name: format!("small-{seed}"),
            epoch: Epoch {
                uplink: Nanos(self.phase()),
                compute: Nanos(30 + self.up_to(250)),
                downlink: Nanos(self.phase()),
            },
            token_bits: 1 + self.up_to(1) as u32,
            nodes: (0..nodes).map(|index| self.node(index)).collect(),
            requests: waiting,
        }
    }

    fn phase(&mut self) -> u64 {
        if self.chance(3) { 0 } else { 1 + self.up_to(4) }
    }

    fn node(&mut self, index: usize) -> Node {
        let formats = 1 + self.up_to(2);
        Node {
            name: format!("n{index}"),
            memory: Bytes(30 + self.up_to(80)),
            flops: 1_000_000_000,
            devices: 1 + self.up_to(3) as u32,
            work: Work { per_token: 1 + self.up_to(3), per_pair: 2 * self.up_to(1) },
            formats: (0..formats).map(|index| self.format(index)).collect(),
        }
    }

    fn format(&mut self, index: u64) -> NodeFormat {
        NodeFormat {
            name: format!("f{index}"),
            weights: Bytes(self.up_to(40)),
            kv_per_token: Bytes(self.up_to(2)),
            time_ppm: [500_000, 1_000_000, 1_300_007][self.up_to(2) as usize],
            accuracy_ppm: [600_000, 800_000, 1_000_000][self.up_to(2) as usize],
        }
    }

    fn waiting(&mut self, index: u64, nodes: usize, weighted: bool, rate: u64) -> Request {
        let channel = |random: &mut Self| {
            let speed = |random: &mut Self| (1 + random.up_to(3)) * rate * 500_000_000;
            let channel = Channel { uplink: speed(random), downlink: speed(random) };
            (!random.chance(5)).then_some(channel)
        };
        Request {
            name: format!("r{index}"),
            prompt: 1 + self.up_to(3) as u32,
            output: 1 + self.up_to(3) as u32,
            deadline: Nanos(20 + self.up_to(250)),
            waited: Nanos(self.up_to(30)),
            accuracy_ppm: [0, 0, 600_000, 900_000][self.up_to(3) as usize],
            weight: if weighted { self.up_to(4) as u32 } else { 1 },
            channels: (0..nodes).map(|_| channel(self)).collect(),
        }
    }
}
