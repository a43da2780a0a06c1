//! Label setting: partial plans, layer by layer, cut by completion bounds and by dominance.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{Assignment, DeviceId};
use rustc_hash::FxHashMap;

use crate::chain::{Chain, Choice};
use crate::relaxation::{Place, Relaxation};

/// Sets of devices are bits of this.
pub(crate) type Devices = u128;

/// Devices that a set can hold.
pub(crate) const DEVICES_MAX: usize = Devices::BITS as usize;

/// A partial plan: layers up to some layer, the last one on `device`.
#[derive(Debug, Clone, Copy)]
struct Label {
    /// No plan that begins so costs less; scaled.
    bound: f64,
    /// Scaled cost so far.
    cost: f64,
    loss: u64,
    /// Time of the request so far; kept only where it is limited besides the objective.
    time: u64,
    /// Compute time of the run; kept only where the device limits it.
    run: u64,
    /// Bytes left to the run.
    left: u64,
    /// Shared tensors that the device of the run stores.
    stored: u64,
    /// Devices of the plan so far.
    used: Devices,
    /// The visits so far, priced.
    visits: f64,
    /// Device, and index of the label before.
    device: u16,
    choice: u16,
    parent: u32,
}

/// What is kept of a label to find its plan again.
#[derive(Debug, Clone, Copy)]
struct Trace {
    parent: u32,
    device: u16,
    choice: u16,
}

/// How a search is limited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    /// Labels kept per layer, those of the least bounds.
    pub(crate) labels: usize,
    /// Of these, per device and set of used devices.
    pub(crate) alike: usize,
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// The best plan, and its scaled cost.
    pub(crate) plan: Option<(Vec<Assignment>, f64)>,
    /// The least bound of a label that was dropped for want of room; none if none was.
    pub(crate) dropped: Option<f64>,
    /// Labels that were extended.
    pub(crate) labels: u64,
}

/// The search of one chain under one relaxation.
pub(crate) struct Labels<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) relaxation: &'a Relaxation,
    /// Only plans of at most this scaled cost are looked for.
    pub(crate) limit: f64,
    /// Whether a plan may have just one run.
    pub(crate) one_run: bool,
    /// Least loss of all layers after a layer.
    least_loss: Vec<u64>,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(
        chain: &'a Chain,
        relaxation: &'a Relaxation,
        limit: f64,
        one_run: bool,
    ) -> Self {
        let mut least_loss = vec![0u64; chain.layers];
        for layer in (1..chain.layers).rev() {
            let places = layer * chain.devices..(layer + 1) * chain.devices;
            let losses = chain.choices[places].iter().flatten().map(|choice| choice.loss);
            least_loss[layer - 1] = least_loss[layer] + losses.min().unwrap_or(0);
        }
        Self { chain, relaxation, limit, one_run, least_loss }
    }

    /// Searches forward, layer by layer. Exact where no label had to be dropped: then no plan costs
    /// less than the found one, or none within the limit exists.
    pub(crate) fn search(
        &self,
        width: Width,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<Found, Stop> {
        let mut found = Found::default();
        let mut traces: Vec<Vec<Trace>> = Vec::with_capacity(self.chain.layers);
        let mut labels = self.first();
        for layer in 0..self.chain.layers {
            if layer > 0 {
                let mut next = Vec::new();
                for (index, label) in labels.iter().enumerate() {
                    tick()?;
                    self.extend(layer, index as u32, label, &traces, &mut next);
                    if next.len() > CANDIDATES_MAX.max(16 * width.labels) {
                        self.thin(&mut next, width, &mut found.dropped);
                    }
                }
                labels = next;
            }
            self.thin(&mut labels, width, &mut found.dropped);
            found.labels += labels.len() as u64;
            traces.push(labels.iter().map(Label::trace).collect());
        }
        found.plan = self.best(&labels, &traces);
        Ok(found)
    }

    fn first(&self) -> Vec<Label> {
        let chain = self.chain;
        let mut labels = Vec::new();
        for device in 0..chain.devices {
            let Some(hop) = chain.enter[device] else { continue };
            if chain.class[device] != device {
                continue;
            }
            let root = Label {
                bound: 0.0,
                cost: 0.0,
                loss: 0,
                time: 0,
                run: 0,
                left: 0,
                stored: 0,
                used: 0,
                visits: 0.0,
                device: 0,
                choice: 0,
                parent: 0,
            };
            let arrived = self.arrive(&root, device, hop.cost, hop.time);
            self.place(0, 0, &arrived, &mut labels);
        }
        labels
    }

    /// The label as it arrives on a device, before any layer there.
    fn arrive(&self, label: &Label, device: usize, cost: f64, time: u64) -> Label {
        Label {
            cost: label.cost + cost,
            time: label.time + time,
            run: 0,
            left: self.chain.room[device].bytes,
            stored: 0,
            used: label.used | 1 << device,
            visits: label.visits + self.relaxation.prices.visit[device],
            device: device as u16,
            ..*label
        }
    }

    /// All ways to go on from a label: stay, or move to a device that is not used yet, of each
    /// class only the first.
    fn extend(
        &self,
        layer: usize,
        parent: u32,
        label: &Label,
        traces: &[Vec<Trace>],
        next: &mut Vec<Label>,
    ) {
        let (chain, device) = (self.chain, usize::from(label.device));
        self.place(layer, parent, label, next);
        let limited = device == chain.source && chain.source_limit != (u64::MAX, u64::MAX);
        for hop in &chain.hops[chain.at(layer - 1, device)] {
            if label.used & 1 << hop.to != 0 || !self.first_of_class(label.used, hop.to) {
                continue;
            }
            if limited && label.used.count_ones() > 1 {
                let first = first_device(traces, parent, label);
                if !chain.source_may_send(first, hop) {
                    continue;
                }
            }
            let arrived = self.arrive(label, hop.to, hop.cost, hop.time);
            let subset = self.relaxation.neighbours.remembered(hop.to, arrived.used);
            let place = Place { layer, device: hop.to, subset };
            let after = self.relaxation.arriving(place);
            if self.bound(&arrived, after) <= self.limit {
                self.place(layer, parent, &arrived, next);
            }
        }
    }

    /// Whether every device before this one in its class is used.
    fn first_of_class(&self, used: Devices, device: usize) -> bool {
        let class = self.chain.class[device];
        (class..device).all(|other| self.chain.class[other] != class || used & 1 << other != 0)
    }

    /// Adds the layer on the label's device, in every choice that can still be in a plan.
    fn place(&self, layer: usize, parent: u32, label: &Label, next: &mut Vec<Label>) {
        let (chain, device) = (self.chain, usize::from(label.device));
        let place = chain.at(layer, device);
        let run_limited = chain.room[device].time != u64::MAX;
        for (index, choice) in chain.choices[place].iter().enumerate() {
            let Some(mut child) = self.stored(label, choice) else { continue };
            child.loss += choice.loss;
            if child.loss + self.least_loss[layer] > chain.loss_max {
                continue;
            }
            if chain.time_max.is_some() {
                child.time += choice.time;
            }
            if run_limited {
                child.run += choice.time;
                if child.run > chain.room[device].time {
                    continue;
                }
            }
            let rest = self.relaxation.rest(layer, device, child.left, child.used);
            child.bound = self.bound(&child, rest);
            if child.bound <= self.limit {
                child.choice = index as u16;
                child.parent = parent;
                next.push(child);
            }
        }
    }

    /// Takes the choice's bytes from what is left; a shared tensor only once.
    fn stored(&self, label: &Label, choice: &Choice) -> Option<Label> {
        let mut child = *label;
        child.cost += choice.cost;
        let mut bytes = choice.bytes;
        if let Some(shared) = choice.shared.filter(|&shared| label.stored & 1 << shared == 0) {
            let shared_tensor = self.chain.shared[usize::from(shared)];
            bytes += shared_tensor.bytes;
            child.cost += shared_tensor.cost;
            child.stored |= 1 << shared;
        }
        child.left = label.left.checked_sub(bytes)?;
        Some(child)
    }

    /// Least cost of a plan that begins so and goes on at that priced cost.
    fn bound(&self, label: &Label, rest: f64) -> f64 {
        let prices = &self.relaxation.prices;
        let priced = prices.resources(label.loss, label.time);
        label.cost + priced + label.visits + rest - self.relaxation.budget
    }

    /// Drops dominated labels, then those beyond the width.
    fn thin(&self, labels: &mut Vec<Label>, width: Width, dropped: &mut Option<f64>) {
        let mut drop = |bound: f64| *dropped = Some(dropped.map_or(bound, |d: f64| d.min(bound)));
        dominate(labels, width.alike, &mut drop);
        if labels.len() > width.labels {
            labels.select_nth_unstable_by(width.labels, |a, b| a.bound.total_cmp(&b.bound));
            for label in labels.drain(width.labels..) {
                drop(label.bound);
            }
        }
    }

    /// The best complete plan among the last layer's labels.
    fn best(&self, labels: &[Label], traces: &[Vec<Trace>]) -> Option<(Vec<Assignment>, f64)> {
        let chain = self.chain;
        let cost = |label: &Label| {
            let leave = chain.leave[usize::from(label.device)]?;
            let timely = chain.time_max.is_none_or(|max| label.time + leave.time <= max);
            let runs = self.one_run || label.used.count_ones() > 1;
            (timely && runs).then_some(label.cost + leave.cost)
        };
        let costs = labels.iter().enumerate();
        let costs = costs.filter_map(|(index, label)| Some((cost(label)?, index)));
        let (cost, index) = costs.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let mut plan = Vec::with_capacity(chain.layers);
        let mut at = index as u32;
        for (layer, labels) in traces.iter().enumerate().rev() {
            let trace = labels[at as usize];
            let place = chain.at(layer, usize::from(trace.device));
            let option = chain.choices[place][usize::from(trace.choice)].option;
            plan.push(Assignment { device: DeviceId(trace.device), option });
            at = trace.parent;
        }
        plan.reverse();
        Some((plan, cost))
    }
}

/// New labels beyond which a layer is thinned before it is complete.
const CANDIDATES_MAX: usize = 1 << 18;

impl Label {
    fn trace(&self) -> Trace {
        Trace { parent: self.parent, device: self.device, choice: self.choice }
    }

    /// Same device, same devices used, same tensors stored: what is left to do is the same.
    fn key(&self) -> (u16, Devices, u64) {
        (self.device, self.used, self.stored)
    }

    /// No worse in anything.
    fn dominates(&self, other: &Self) -> bool {
        self.cost <= other.cost
            && self.loss <= other.loss
            && self.left >= other.left
            && self.time <= other.time
            && self.run <= other.run
    }
}

/// The device of the first layer.
fn first_device(traces: &[Vec<Trace>], index: u32, label: &Label) -> usize {
    let mut device = label.device;
    let mut at = index;
    for labels in traces.iter().rev() {
        let trace = labels[at as usize];
        (device, at) = (trace.device, trace.parent);
    }
    usize::from(device)
}

/// Keeps of each group of comparable labels those that no other one dominates, and of these the
/// `alike` of least bound.
///
/// # Complexity
/// O(n log n) for sorting, and for each label a scan over the kept ones of its group.
fn dominate(labels: &mut Vec<Label>, alike: usize, dropped: &mut dyn FnMut(f64)) {
    labels.sort_unstable_by(|a, b| {
        a.cost
            .total_cmp(&b.cost)
            .then(a.loss.cmp(&b.loss))
            .then(b.left.cmp(&a.left))
            .then(a.parent.cmp(&b.parent))
            .then(a.choice.cmp(&b.choice))
            .then(a.device.cmp(&b.device))
    });
    let mut groups: FxHashMap<(u16, Devices, u64), Vec<Label>> = FxHashMap::default();
    let mut order: Vec<(u16, Devices, u64)> = Vec::new();
    for label in labels.drain(..) {
        let group = groups.entry(label.key()).or_insert_with(|| {
            order.push(label.key());
            Vec::new()
        });
        if !group.iter().rev().any(|kept| kept.dominates(&label)) {
            group.push(label);
        }
    }
    for key in order {
        let Some(mut group) = groups.remove(&key) else { continue };
        if group.len() > alike {
            group.select_nth_unstable_by(alike, |a, b| a.bound.total_cmp(&b.bound));
            for label in group.drain(alike..) {
                dropped(label.bound);
            }
        }
        labels.append(&mut group);
    }
}
