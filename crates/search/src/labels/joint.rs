//! Label setting where a device's memory is not one run's alone: free placement, several models.
//!
//! A label carries what every device has spent. Models are placed one after the other; what is left
//! of a model is bounded by its own relaxation, the models after it by theirs.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{
    Assignment, Deployment, Device, DeviceId, Model, Objective, Placement, Plan,
};
use rustc_hash::FxHashMap;

use crate::chain::{Chain, Hop, Room, Scarce};
use crate::labels::{Devices, Width};
use crate::relaxation::{Place, Relaxation};

/// A model as the search sees it.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) chain: &'a Chain,
    /// Absent where nothing bounds the cost (the bottleneck is a maximum, not a sum).
    pub(crate) relaxation: Option<&'a Relaxation>,
    /// Least cost of all models after this one.
    pub(crate) later: f64,
}

/// What a search found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The best plan.
    pub(crate) plan: Option<Plan>,
    /// The least bound of a label that was dropped for want of room; none if none was.
    pub(crate) dropped: Option<f64>,
    /// Labels that were extended.
    pub(crate) labels: u64,
}

/// A partial plan. What its devices have spent stands beside it.
#[derive(Debug, Clone, Copy, Default)]
struct Label {
    bound: f64,
    /// Scaled cost so far.
    cost: f64,
    /// The part of the cost that no table knows: earlier models, overheads, shared tensors.
    known: f64,
    /// Priced cost of the current model so far.
    priced: f64,
    loss: u64,
    /// Time of the current model's request so far.
    latency: u64,
    /// Devices that hold a layer of any model, and of the current one.
    used: Devices,
    touched: Devices,
    /// Shared tensors of the current model that are stored: bit `device * shared + index`.
    stored: u128,
    device: u16,
    choice: u16,
    parent: u32,
}

/// Labels of one layer, each with its row of what the devices have spent.
#[derive(Debug, Default)]
struct Layer {
    labels: Vec<Label>,
    spent: Vec<u64>,
}

/// What is spent of a device: an offset into its part of a row.
const BYTES: usize = 0;
const COMPUTE: usize = 1;
const SENDING: usize = 2;
const SENT: usize = 3;

/// The search.
pub(crate) struct Joint<'a> {
    instance: &'a Deployment,
    stages: Vec<Stage<'a>>,
    /// Only plans of at most this scaled cost are looked for.
    limit: f64,
    /// Numbers per device: bytes, and times where they matter.
    parts: usize,
}

/// Whether the tensors that a model's layers share can be kept track of.
pub(crate) fn can_share(instance: &Deployment) -> bool {
    let bits = |model: &Model| model.shared.len() * instance.devices.len();
    instance.models.iter().all(|model| bits(model) <= 128)
}

impl<'a> Joint<'a> {
    pub(crate) fn new(instance: &'a Deployment, stages: Vec<Stage<'a>>, limit: f64) -> Self {
        let timed = |device: &Device| device.compute_max.is_some() || device.traffic_max.is_some();
        let timed = instance.objective == Objective::Bottleneck
            || instance.bottleneck_max.is_some()
            || instance.devices.iter().any(timed);
        Self { instance, stages, limit, parts: if timed { 4 } else { 1 } }
    }

    /// Searches forward, model by model, layer by layer. Exact where nothing had to be dropped.
    pub(crate) fn search(
        &self,
        width: Width,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<Found, Stop> {
        let mut found = Found::default();
        let mut traces: Vec<Vec<(u32, u16, u16)>> = Vec::new();
        let row = self.instance.devices.len() * self.parts;
        let mut layer = Layer { labels: vec![Label::default()], spent: vec![0; row] };
        for (model, stage) in self.stages.iter().enumerate() {
            for at in 0..stage.chain.layers {
                let mut next = Layer::default();
                for index in 0..layer.labels.len() {
                    tick()?;
                    self.extend((model, at), &layer, index, &mut next);
                    if next.labels.len() > (1 << 16).max(2 * width.labels) {
                        self.thin(&mut next, width, &mut found.dropped);
                    }
                }
                self.thin(&mut next, width, &mut found.dropped);
                layer = next;
                found.labels += layer.labels.len() as u64;
                let trace = |label: &Label| (label.parent, label.device, label.choice);
                traces.push(layer.labels.iter().map(trace).collect());
            }
        }
        let labels = layer.labels.iter().enumerate();
        let best = labels.min_by(|a, b| a.1.cost.total_cmp(&b.1.cost));
        found.plan = best.map(|(index, _)| self.plan(index, &traces));
        Ok(found)
    }

    fn model(&self, model: usize) -> &Model {
        &self.instance.models[model]
    }

    /// All ways to place one more layer.
    fn extend(&self, (model, at): (usize, usize), from: &Layer, index: usize, next: &mut Layer) {
        let (label, chain) = (&from.labels[index], self.stages[model].chain);
        let row = self.instance.devices.len() * self.parts;
        let spent = &from.spent[index * row..(index + 1) * row];
        if at == 0 {
            let fresh = Label { known: label.cost, ..reset(label) };
            for device in 0..chain.devices {
                let Some(hop) = chain.enter[device] else { continue };
                self.move_on((model, at), (&fresh, spent, index), (chain.source, &hop), next);
            }
            return;
        }
        self.place((model, at), (label, spent, index), next);
        let device = usize::from(label.device);
        for hop in &chain.hops[chain.at(at - 1, device)] {
            let barred = self.instance.placement == Placement::Contiguous;
            if !(barred && label.touched >> hop.to & 1 == 1) {
                self.move_on((model, at), (label, spent, index), (device, hop), next);
            }
        }
    }

    /// Sends a message, then places the layer where it arrives.
    fn move_on(
        &self,
        place: (usize, usize),
        (label, spent, parent): (&Label, &[u64], usize),
        (from, hop): (usize, &Hop),
        next: &mut Layer,
    ) {
        let mut spent = spent.to_vec();
        let mut label = *label;
        if !self.send(place.0, &mut label, &mut spent, (from, hop)) {
            return;
        }
        if let Some(relaxation) = self.stages[place.0].relaxation {
            label.priced += relaxation.arrive(hop.cost, hop.time, hop.to);
        }
        label.device = hop.to as u16;
        self.place(place, (&label, &spent, parent), next);
    }

    /// Books a message on its sender; false if a limit forbids it.
    fn send(
        &self,
        model: usize,
        label: &mut Label,
        spent: &mut [u64],
        (from, hop): (usize, &Hop),
    ) -> bool {
        if self.instance.latency_max.is_some() {
            label.latency += hop.time;
        }
        if self.instance.objective == Objective::Latency {
            label.cost += hop.cost;
        }
        if self.parts == 1 || from == hop.to {
            return true;
        }
        let weight = u64::from(self.model(model).weight);
        let at = from * self.parts;
        spent[at + SENDING] += hop.time * weight;
        spent[at + SENT] += hop.bytes * weight;
        self.times_allow(from, label, spent)
    }

    /// Whether a device's compute and sending are within their limits; a bottleneck is raised.
    fn times_allow(&self, device: usize, label: &mut Label, spent: &[u64]) -> bool {
        let (limits, at) = (&self.instance.devices[device], device * self.parts);
        let (compute, sending) = (spent[at + COMPUTE], spent[at + SENDING]);
        let busiest = compute.max(sending);
        if self.instance.objective == Objective::Bottleneck {
            label.cost = label.cost.max(busiest as f64 * self.stages[0].chain.scale);
        }
        limits.compute_max.is_none_or(|max| compute <= max.0)
            && limits.traffic_max.is_none_or(|max| spent[at + SENT] <= max.0)
            && self.instance.bottleneck_max.is_none_or(|max| busiest <= max.0)
    }

    /// Places a layer on the label's device in every choice that can still be in a plan.
    fn place(
        &self,
        (model, at): (usize, usize),
        (label, spent, parent): (&Label, &[u64], usize),
        next: &mut Layer,
    ) {
        let (chain, device) = (self.stages[model].chain, usize::from(label.device));
        for index in 0..chain.choices[chain.at(at, device)].len() {
            let mut child = Label { choice: index as u16, parent: parent as u32, ..*label };
            let start = next.spent.len();
            next.spent.extend_from_slice(spent);
            let row = &mut next.spent[start..];
            if self.store((model, at), &mut child, row)
                && self.bounded((model, at), &mut child, row)
            {
                next.labels.push(child);
            } else {
                next.spent.truncate(start);
            }
        }
    }

    /// Books a layer on its device; false if it does not fit or breaks a limit.
    fn store(&self, (model, at): (usize, usize), label: &mut Label, spent: &mut [u64]) -> bool {
        let (stage, device) = (&self.stages[model], usize::from(label.device));
        let (chain, place) = (stage.chain, stage.chain.at(at, device));
        let index = usize::from(label.choice);
        let choice = &chain.choices[place][index];
        let (spec, limits) = (self.model(model), &self.instance.devices[device]);
        let mut extra = 0;
        if label.used >> device & 1 == 0 {
            extra += limits.overhead.0;
        }
        if label.touched >> device & 1 == 0 {
            extra += spec.activation.0;
        }
        (label.used, label.touched) = (label.used | 1 << device, label.touched | 1 << device);
        if let Some(shared) = choice.shared {
            let bit = 1u128 << (device * spec.shared.len() + usize::from(shared));
            if label.stored & bit == 0 {
                label.stored |= bit;
                extra += spec.shared[usize::from(shared)].0;
            }
        }
        let bytes = &mut spent[device * self.parts + BYTES];
        *bytes += extra + choice.bytes;
        if *bytes > limits.memory.0 {
            return false;
        }
        label.loss += choice.loss;
        if self.instance.latency_max.is_some() {
            label.latency += choice.time;
        }
        label.priced += stage.relaxation.map_or(0.0, |tables| tables.priced(place, index));
        match self.instance.objective {
            Objective::Latency => label.cost += choice.cost,
            Objective::Memory => {
                label.known += extra as f64 * chain.scale;
                label.cost += choice.cost + extra as f64 * chain.scale;
            }
            Objective::Bottleneck => {}
        }
        if self.parts == 1 {
            return true;
        }
        spent[device * self.parts + COMPUTE] += choice.time * u64::from(spec.weight);
        self.times_allow(device, label, spent)
    }

    /// Bounds the label; false if no plan within the limits begins so. The model's last layer also
    /// sends the answer.
    fn bounded(&self, (model, at): (usize, usize), label: &mut Label, spent: &mut [u64]) -> bool {
        let (stage, device) = (&self.stages[model], usize::from(label.device));
        let chain = stage.chain;
        let last = at + 1 == chain.layers;
        if last {
            let Some(leave) = chain.leave[device] else { return false };
            if !self.send(model, label, spent, (device, &leave)) {
                return false;
            }
        }
        let late = self.instance.latency_max.is_some_and(|max| label.latency > max.0);
        if late || label.loss > chain.loss_max {
            return false;
        }
        let rest = stage.relaxation.map(|tables| {
            if last {
                return label.cost;
            }
            let subset = tables.neighbours.remembered(device, label.touched);
            let row = tables.row(Place { layer: at, device, subset });
            let left = self.left(model, device, spent, &chain.room[device]);
            let step = tables.grids[device].step(at, left);
            label.known + label.priced + row.at(step) - tables.budget
        });
        label.bound = label.cost.max(rest.unwrap_or(0.0) + stage.later);
        label.bound <= self.limit
    }

    /// What is left of the scarce resource on a device.
    fn left(&self, model: usize, device: usize, spent: &[u64], room: &Room) -> u64 {
        let weight = u64::from(self.model(model).weight);
        let spent = &spent[device * self.parts..(device + 1) * self.parts];
        match room.scarce {
            Scarce::Bytes => {
                let memory = self.instance.device(DeviceId(device as u16)).memory.0;
                memory.saturating_sub(spent[BYTES]).min(room.bytes)
            }
            Scarce::Time => {
                // Where no time is limited, none is booked and none is scarce.
                let used = spent.get(COMPUTE).map_or(0, |used| used / weight);
                room.time.saturating_sub(used)
            }
        }
    }

    /// Drops dominated labels, then those beyond the width.
    fn thin(&self, layer: &mut Layer, width: Width, dropped: &mut Option<f64>) {
        let row = self.instance.devices.len() * self.parts;
        let mut order: Vec<u32> = (0..layer.labels.len() as u32).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&layer.labels[a as usize], &layer.labels[b as usize]);
            a.bound.total_cmp(&b.bound).then(a.cost.total_cmp(&b.cost))
        });
        let mut groups: FxHashMap<(u16, Devices, u128), Vec<u32>> = FxHashMap::default();
        let mut kept = Layer::default();
        for index in order {
            let label = &layer.labels[index as usize];
            let spent = &layer.spent[index as usize * row..(index as usize + 1) * row];
            let touched = match self.instance.placement {
                Placement::Contiguous => label.touched,
                Placement::Free => 0,
            };
            let group = groups.entry((label.device, touched, label.stored)).or_default();
            let beaten = group.iter().rev().take(COMPARED_MAX).any(|&other| {
                let at = other as usize * row;
                dominates(&kept.labels[other as usize], label)
                    && kept.spent[at..at + row].iter().zip(spent).all(|(a, b)| a <= b)
            });
            if beaten {
                continue;
            }
            if kept.labels.len() == width.labels {
                // In the order of their bounds: all that follow are no less.
                *dropped = Some(dropped.map_or(label.bound, |least| least.min(label.bound)));
                break;
            }
            group.push(kept.labels.len() as u32);
            kept.labels.push(*label);
            kept.spent.extend_from_slice(spent);
        }
        *layer = kept;
    }

    fn plan(&self, index: usize, traces: &[Vec<(u32, u16, u16)>]) -> Plan {
        let mut models: Vec<Vec<Assignment>> = Vec::new();
        let (mut at, mut layer) = (index as u32, traces.len());
        for stage in self.stages.iter().rev() {
            let mut layers = Vec::with_capacity(stage.chain.layers);
            for own in (0..stage.chain.layers).rev() {
                layer -= 1;
                let (parent, device, choice) = traces[layer][at as usize];
                let place = stage.chain.at(own, usize::from(device));
                let option = stage.chain.choices[place][usize::from(choice)].option;
                layers.push(Assignment { device: DeviceId(device), option });
                at = parent;
            }
            layers.reverse();
            models.push(layers);
        }
        models.reverse();
        Plan { models }
    }
}

/// Labels of its group that a label is compared with.
const COMPARED_MAX: usize = 300;

/// The label as the next model begins.
fn reset(label: &Label) -> Label {
    Label { priced: 0.0, loss: 0, latency: 0, touched: 0, stored: 0, ..*label }
}

/// No worse in anything but what the devices have spent.
fn dominates(a: &Label, b: &Label) -> bool {
    a.cost <= b.cost && a.loss <= b.loss && a.latency <= b.latency
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use edgeplan_problem::{Bytes, Cost, Loss, Nanos, Problem as _};

    const ALL: Width = Width { labels: usize::MAX / 4, alike: usize::MAX };

    /// The least cost, without any tables.
    fn least(question: &Deployment) -> Option<Cost> {
        let measure = match question.objective {
            Objective::Memory => Measure::Memory,
            Objective::Latency | Objective::Bottleneck => Measure::Latency,
        };
        let chains = Chain::all(question, measure);
        let stage = |chain| Stage { chain, relaxation: None, later: 0.0 };
        let joint = Joint::new(question, chains.iter().map(stage).collect(), f64::MAX);
        let found = joint.search(ALL, &mut || Ok(())).expect("nothing stops it");
        assert_eq!(found.dropped, None);
        let evaluation = question.evaluate(&found.plan?);
        assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
        Some(evaluation.cost)
    }

    fn free(memory: &[u64], layers: &[(u64, u64)]) -> Deployment {
        Deployment { placement: Placement::Free, ..question(memory, layers) }
    }

    #[test]
    fn nothing_is_read_beyond_a_row_where_no_time_is_limited() {
        let mut question = free(&[0], &[(0, 0), (0, 1)]);
        assert_eq!(least(&question), Some(Cost(1)));
        question.models[0].layers[1].options[0].loss = Loss(2);
        question.models[0].loss_max = Some(Loss(0));
        assert_eq!(least(&question), None);
        // Neither is the next device's memory taken for this one's time.
        assert_eq!(least(&free(&[0, 5], &[(0, 3), (0, 4)])), Some(Cost(7)));
    }

    #[test]
    fn a_device_is_visited_again_where_it_may_be() {
        let mut question = free(&[2, 2], &[(1, 1), (2, 1), (1, 1)]);
        assert_eq!(least(&question), Some(Cost(3)));
        question.placement = Placement::Contiguous;
        assert_eq!(least(&question), None);
    }

    #[test]
    fn what_a_device_needs_once_is_paid_once() {
        let mut question = free(&[10, 10], &[(1, 1), (1, 1)]);
        question.objective = Objective::Memory;
        question.devices[0].overhead = Bytes(3);
        question.devices[1].overhead = Bytes(2);
        question.models[0].activation = Bytes(1);
        assert_eq!(least(&question), Some(Cost(5)));
    }

    #[test]
    fn limits_on_time_are_met_exactly_or_not_at_all() {
        let mut question = free(&[9], &[(0, 3), (0, 4)]);
        question.models[0].weight = 2;
        for (limit, cost) in [(14, Some(Cost(14))), (13, None), (u64::MAX, Some(Cost(14)))] {
            question.devices[0].compute_max = Some(Nanos(limit));
            assert_eq!(least(&question), cost, "{limit}");
        }
    }
}
