//! The price of a stage: a run of layers on a device and what that device sends.
//!
//! Devices come in groups whose members are interchangeable (single devices for EdgeShard's
//! Algorithm 2). A contiguous plan gives a device one run and one message to send, except the
//! source, which also sends the prompt when it does not hold the first layer. All prices are per
//! round of requests: times and traffic are multiplied by the model's weight.

use edgeplan_problem::deployment::{DeviceId, Objective};
use edgeplan_problem::{Bytes, Nanos};

use crate::chain::Chain;

/// The price of what cannot be.
pub(crate) const NEVER: u64 = u64::MAX;

/// What a program minimises, and under which limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    /// The price that counts.
    pub(crate) objective: Objective,
    /// No device may compute or send for longer per round; [`NEVER`] for no limit.
    pub(crate) cap: u64,
}

impl Goal {
    /// Price of a plan of two parts.
    pub(crate) fn join(self, part: u64, other: u64) -> u64 {
        match self.objective {
            Objective::Latency | Objective::Memory => part.saturating_add(other),
            Objective::Bottleneck => part.max(other),
        }
    }

    /// Times of sending the prompt that must be told apart: if the source is busy with it, its own
    /// output comes on top. `None` where that does not matter.
    pub(crate) fn prompts(self, chain: Chain<'_>) -> Vec<Option<u64>> {
        if self.objective != Objective::Bottleneck && self.cap == NEVER {
            return vec![None];
        }
        let (problem, weight) = (chain.problem, u64::from(chain.model.weight));
        let firsts = problem.device_ids().filter(|&d| d != problem.source);
        let firsts = firsts.filter(|&device| chain.compute(0, device).is_some());
        let times = firsts.filter_map(|device| problem.enter(chain.model, device));
        let mut times: Vec<Option<u64>> = times.map(|time| Some((time * weight).0)).collect();
        times.sort_unstable();
        times.dedup();
        if times.is_empty() { vec![Some(0)] } else { times }
    }
}

/// The prices of all stages for one goal and one time of sending the prompt.
pub(crate) struct Stages {
    pub(crate) goal: Goal,
    layers: usize,
    groups: usize,
    source: usize,
    runs: Vec<Vec<Vec<u64>>>, // [group][first layer][further layers]
    hops: Vec<u64>,           // [sender][group][layers done]
    starts: Vec<u64>,         // [group]
    leaves: Vec<u64>,         // [sender]
}

impl Stages {
    /// Prices everything. With `prompt`, the first layer is on the source or on a device to which
    /// the prompt takes that long.
    pub(crate) fn new(
        chain: Chain<'_>,
        groups: &[Vec<DeviceId>],
        goal: Goal,
        prompt: Option<u64>,
    ) -> Self {
        let count = groups.len();
        let is_source = |group: &Vec<DeviceId>| group.contains(&chain.problem.source);
        let source = groups.iter().position(is_source).unwrap_or(count);
        let pricing = Pricing { chain, goal, prompt };
        let first = |group: &Vec<DeviceId>| group[0];
        let mut hops = Vec::with_capacity((count + 1) * count * chain.layers());
        for sender in 0..=count {
            let from = groups.get(sender).map_or(chain.problem.source, first);
            for (index, group) in groups.iter().enumerate() {
                // From one member to another within a group; a single device has nowhere to go.
                let to = group[usize::from(index == sender && group.len() > 1)];
                let hop = |done| pricing.hop(sender == count, done, from, to);
                hops.extend((0..chain.layers()).map(hop));
            }
        }
        let leave = |sender| match groups.get(sender).map(first) {
            Some(from) if sender != source => pricing.leave(from),
            _ => 0,
        };
        Self {
            goal,
            layers: chain.layers(),
            groups: count,
            source,
            runs: groups.iter().map(|group| pricing.runs(group[0])).collect(),
            hops,
            starts: groups.iter().map(|group| pricing.start(group[0])).collect(),
            leaves: (0..=count).map(leave).collect(),
        }
    }

    /// Who sends, for [`Stages::hops`] and [`Stages::leave`]: the group, or, if it is the source
    /// and not the first stage, the busy source.
    pub(crate) fn sender(&self, group: usize, is_first: bool) -> usize {
        if group == self.source && !is_first { self.groups } else { group }
    }

    /// Price of sending on the output of the first `done` layers, by `done` (at 0: nothing sent).
    pub(crate) fn hops(&self, sender: usize, to: usize) -> &[u64] {
        let begin = (sender * self.groups + to) * self.layers;
        &self.hops[begin..begin + self.layers]
    }

    /// Price of bringing the prompt to the first stage.
    pub(crate) fn start(&self, group: usize) -> u64 {
        self.starts[group]
    }

    /// Price of bringing the answer home.
    pub(crate) fn leave(&self, sender: usize) -> u64 {
        self.leaves[sender]
    }

    /// Prices of the runs that begin with layer `first`, by number of further layers; only those
    /// that the device can hold.
    pub(crate) fn runs(&self, group: usize, first: usize) -> &[u64] {
        &self.runs[group][first]
    }

    /// Lowers `done[j]` (j layers done, the last of them in this group) to what is reached by a run
    /// that begins after `i` layers at the price `arrive[i]`.
    pub(crate) fn extend(&self, group: usize, arrive: &[u64], done: &mut [u64]) {
        for (first, &before) in arrive.iter().enumerate().filter(|&(_, &price)| price != NEVER) {
            for (run, best) in self.runs(group, first).iter().zip(&mut done[first + 1..]) {
                *best = (*best).min(self.goal.join(before, *run));
            }
        }
    }

    /// Where the last run begins in the best way to have `end` layers done: the first layer that
    /// attains the value of [`Stages::extend`].
    pub(crate) fn begin(&self, group: usize, arrive: &[u64], end: usize) -> usize {
        let price = |&first: &usize| match self.runs(group, first).get(end - first - 1) {
            Some(&run) if arrive[first] != NEVER => self.goal.join(arrive[first], run),
            _ => NEVER,
        };
        (0..end).min_by_key(price).unwrap_or(0)
    }
}

/// What a price depends on.
struct Pricing<'a> {
    chain: Chain<'a>,
    goal: Goal,
    prompt: Option<u64>,
}

impl Pricing<'_> {
    /// Runs on `device` by first layer: they end before the first layer that the device cannot
    /// run, has no memory left for, or has no compute time left for.
    fn runs(&self, device: DeviceId) -> Vec<Vec<u64>> {
        let (problem, model) = (self.chain.problem, self.chain.model);
        let Some(room) = problem.room(device, model) else {
            return vec![Vec::new(); model.layers.len()];
        };
        let own = problem.device(device);
        let compute_max = own.compute_max.map_or(NEVER, |budget| budget.0).min(self.goal.cap);
        let mut runs = Vec::with_capacity(model.layers.len());
        for first in 0..model.layers.len() {
            let (mut time, mut bytes, mut prices) = (Nanos::ZERO, Bytes::ZERO, Vec::new());
            let mut stored = vec![false; model.shared.len()];
            for (layer, option) in self.chain.mix.iter().enumerate().skip(first) {
                let choice = &model.layers[layer].options[option.index()];
                bytes += choice.bytes + model.layers[layer].kv;
                if let Some(tensor) = choice.shared.filter(|&tensor| !stored[tensor]) {
                    stored[tensor] = true;
                    bytes += model.shared[tensor];
                }
                let Some(compute) = self.chain.compute(layer, device) else { break };
                time += compute * u64::from(model.weight);
                if bytes > room || time.0 > compute_max {
                    break;
                }
                prices.push(match self.goal.objective {
                    Objective::Latency | Objective::Bottleneck => time.0,
                    Objective::Memory => (bytes + own.overhead + model.activation).0,
                });
            }
            runs.push(prices);
        }
        runs
    }

    /// The output of the first `done` layers, sent on; the `busy` source has sent the prompt.
    fn hop(&self, busy: bool, done: usize, from: DeviceId, to: DeviceId) -> u64 {
        if done == 0 || from == to {
            return NEVER;
        }
        let model = self.chain.model;
        let time = self.chain.problem.transfer(model, done - 1, from, to);
        let price = |time| {
            let bytes = model.messages[model.layers[done - 1].output].bytes;
            self.sent(from, time, bytes, busy)
        };
        time.map_or(NEVER, price)
    }

    fn leave(&self, from: DeviceId) -> u64 {
        let model = self.chain.model;
        let bytes = model.messages[model.leave].bytes;
        let time = self.chain.problem.leave(model, from);
        time.map_or(NEVER, |time| self.sent(from, time, bytes, false))
    }

    /// The prompt, sent by the source.
    fn start(&self, to: DeviceId) -> u64 {
        let (problem, model) = (self.chain.problem, self.chain.model);
        if to == problem.source {
            return 0;
        }
        let bytes = model.messages[model.enter].bytes;
        let weight = u64::from(model.weight);
        match problem.enter(model, to) {
            Some(time) if self.prompt.is_none_or(|prompt| prompt == (time * weight).0) => {
                self.sent(problem.source, time, bytes, false)
            }
            _ => NEVER,
        }
    }

    /// Price of a message, or [`NEVER`] if its sender's traffic or time does not allow it.
    fn sent(&self, from: DeviceId, time: Nanos, bytes: Bytes, busy: bool) -> u64 {
        let model = self.chain.model;
        let weight = u64::from(model.weight);
        let time = time * weight;
        let (mut sending, mut traffic) = (time, bytes * weight);
        if busy {
            sending += Nanos(self.prompt.unwrap_or(0));
            traffic += model.messages[model.enter].bytes * weight;
        }
        let traffic_max = self.chain.problem.device(from).traffic_max;
        if sending.0 > self.goal.cap || traffic_max.is_some_and(|budget| traffic > budget) {
            return NEVER;
        }
        match self.goal.objective {
            Objective::Latency => time.0,
            Objective::Bottleneck => sending.0,
            Objective::Memory => 0,
        }
    }
}
