//! Label setting: partial plans, layer by layer, cut by completion bounds and by dominance.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{Assignment, DeviceId};

use crate::chain::{Chain, Choice, Scarce, UNLIMITED};
use crate::dominance::{Kind, Rule, dominate};
use crate::relaxation::{Place, Relaxation};
use crate::ticks::Row;

/// Sets of devices are bits of this.
pub(crate) type Devices = u128;

/// Devices that a set can hold.
pub(crate) const DEVICES_MAX: usize = Devices::BITS as usize;

/// A partial plan: layers up to some layer, the last one on `device`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Label {
    /// No plan that begins so costs less; scaled.
    pub(crate) bound: f64,
    /// Scaled cost so far.
    pub(crate) cost: f64,
    pub(crate) loss: u64,
    /// Time of the request so far; kept only where it is limited besides the objective.
    pub(crate) time: u64,
    /// Compute time of the run; kept only where the device limits it.
    pub(crate) run: u64,
    /// Bytes left to the run.
    pub(crate) left: u64,
    /// Shared tensors that the device of the run stores.
    pub(crate) stored: u64,
    /// Devices of the plan so far.
    pub(crate) used: Devices,
    /// The visits so far, priced.
    pub(crate) visits: f64,
    /// The device of the first layer.
    pub(crate) first: u16,
    pub(crate) device: u16,
    pub(crate) choice: u16,
    pub(crate) parent: u32,
}

/// The labels of a layer in the making.
#[derive(Debug)]
struct Layer {
    labels: Vec<Label>,
    /// There are labels enough with bounds up to this.
    cut: f64,
    /// The least bound of a label that was dropped for want of room.
    dropped: Option<f64>,
}

impl Default for Layer {
    fn default() -> Self {
        Self { labels: Vec::new(), cut: f64::INFINITY, dropped: None }
    }
}

impl Layer {
    fn drop(&mut self, bound: f64) {
        self.dropped = Some(self.dropped.map_or(bound, |least| least.min(bound)));
    }
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
    /// Of these, per device and set of used devices; all in a search that hopes to be complete.
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
    /// The same relaxation at other prices of loss: whoever has spent little or much of the budget
    /// is bounded best by another price.
    pub(crate) others: &'a [Relaxation],
    /// Only plans of at most this scaled cost are looked for.
    pub(crate) limit: f64,
    /// Whether a plan may have just one run.
    pub(crate) one_run: bool,
    /// Least loss of all layers after a layer.
    least_loss: Vec<u64>,
    /// Whether labels differ in cost, loss and memory only.
    simple: bool,
    /// By place: the devices to which a plan can still go from there.
    ahead: Vec<Devices>,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(
        chain: &'a Chain,
        (relaxation, others): (&'a Relaxation, &'a [Relaxation]),
        limit: f64,
        one_run: bool,
    ) -> Self {
        let mut least_loss = vec![0u64; chain.layers];
        for layer in (1..chain.layers).rev() {
            let places = layer * chain.devices..(layer + 1) * chain.devices;
            let losses = chain.choices[places].iter().flatten().map(|choice| choice.loss);
            least_loss[layer - 1] = least_loss[layer] + losses.min().unwrap_or(0);
        }
        let run_limited = chain.room.iter().any(|room| room.time != UNLIMITED);
        let simple = chain.time_max.is_none() && !run_limited;
        let ahead = ahead(chain);
        Self { chain, relaxation, others, limit, one_run, least_loss, simple, ahead }
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
        let (mut reached, mut spare) = (self.first(), Vec::new());
        for layer in 0..self.chain.layers {
            if layer > 0 {
                let mut next =
                    Layer { labels: spare, dropped: reached.dropped, ..Layer::default() };
                for (index, label) in reached.labels.iter().enumerate() {
                    tick()?;
                    self.extend(layer, index as u32, label, &mut next);
                    if next.labels.len() > CANDIDATES_MIN.max(3 * width.labels) {
                        self.thin(layer, &mut next, width);
                    }
                }
                spare = std::mem::replace(&mut reached, next).labels;
                spare.clear();
            }
            self.thin(layer, &mut reached, width);
            found.labels += reached.labels.len() as u64;
            traces.push(reached.labels.iter().map(Label::trace).collect());
        }
        found.plan = self.best(&reached.labels, &traces);
        found.dropped = reached.dropped;
        Ok(found)
    }

    fn first(&self) -> Layer {
        let chain = self.chain;
        let mut labels = Layer::default();
        for device in 0..chain.devices {
            let Some(hop) = chain.enter[device] else { continue };
            if chain.class[device] != device {
                continue;
            }
            let start = Label { first: device as u16, ..Label::default() };
            let arrived = self.arrive(&start, device, hop.cost, hop.time);
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
    fn extend(&self, layer: usize, parent: u32, label: &Label, next: &mut Layer) {
        let (chain, device) = (self.chain, usize::from(label.device));
        self.place(layer, parent, label, next);
        let limited = device == chain.source && usize::from(label.first) != device;
        for hop in &chain.hops[chain.at(layer - 1, device)] {
            if label.used & 1 << hop.to != 0 || !self.first_of_class(label.used, hop.to) {
                continue;
            }
            if limited && !chain.source_may_send(usize::from(label.first), hop) {
                continue;
            }
            let arrived = self.arrive(label, hop.to, hop.cost, hop.time);
            let subset = self.relaxation.neighbours.remembered(hop.to, arrived.used);
            let place = Place { layer, device: hop.to, subset };
            let after = self.relaxation.onward(place);
            let within =
                |other: &Relaxation| bound(other, &arrived, other.onward(place)) <= self.limit;
            if bound(self.relaxation, &arrived, after) <= self.limit
                && self.others.iter().all(within)
            {
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
    fn place(&self, layer: usize, parent: u32, label: &Label, next: &mut Layer) {
        let (chain, device) = (self.chain, usize::from(label.device));
        let place = chain.at(layer, device);
        let room = &chain.room[device];
        let run_limited = room.time != UNLIMITED;
        let subset = self.relaxation.neighbours.remembered(device, label.used);
        let rest = self.relaxation.row(Place { layer, device, subset });
        let grid = &self.relaxation.grids[device];
        let here = Place { layer, device, subset };
        let others: [_; OTHERS] =
            std::array::from_fn(|at| self.others.get(at).map(|other| (other, other.row(here))));
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
                if child.run > room.time {
                    continue;
                }
            }
            let left = match room.scarce {
                Scarce::Bytes => child.left,
                Scarce::Time => room.time - child.run,
            };
            let step = grid.step(layer, left);
            child.bound = bound(self.relaxation, &child, rest.at(step));
            let within = |(other, rest): &(&Relaxation, Row<'_>)| {
                bound(other, &child, rest.at(step)) <= self.limit
            };
            if child.bound > self.limit || !others.iter().flatten().all(within) {
                continue;
            }
            if child.bound > next.cut {
                next.drop(child.bound);
                continue;
            }
            child.choice = index as u16;
            child.parent = parent;
            next.labels.push(child);
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

    /// Drops dominated labels, then those beyond the width.
    fn thin(&self, at: usize, layer: &mut Layer, width: Width) {
        let mut labels = std::mem::take(&mut layer.labels);
        let chain = self.chain;
        let limited = chain.source_limit != (UNLIMITED, UNLIMITED);
        let kind = |label: &Label| {
            let device = usize::from(label.device);
            let ahead = self.ahead[chain.at(at, device)];
            let sends = device == chain.source || ahead >> chain.source & 1 == 1;
            Kind {
                device: label.device,
                first: if limited && sends { label.first } else { 0 },
                lone: !self.one_run && label.used.count_ones() == 1,
                stored: label.stored,
                used: label.used & ahead,
            }
        };
        let rule = Rule { kind: &kind, simple: self.simple, alike: width.alike };
        dominate(&mut labels, &rule, &mut |bound| layer.drop(bound));
        if labels.len() > width.labels {
            labels.select_nth_unstable_by(width.labels, |a, b| a.bound.total_cmp(&b.bound));
            // None above this bound would be kept.
            layer.cut = labels[width.labels].bound;
            for label in labels.drain(width.labels..) {
                layer.drop(label.bound);
            }
        }
        layer.labels = labels;
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

/// By place: the devices to which a plan can go later.
fn ahead(chain: &Chain) -> Vec<Devices> {
    let mut ahead: Vec<Devices> = vec![0; chain.choices.len()];
    for layer in (1..chain.layers).rev() {
        for device in 0..chain.devices {
            let (from, stay) = (chain.at(layer - 1, device), chain.at(layer, device));
            let staying = if chain.choices[stay].is_empty() { 0 } else { ahead[stay] };
            let hops = chain.hops[from].iter();
            let moving = hops.map(|hop| 1 << hop.to | ahead[chain.at(layer, hop.to)]);
            ahead[from] = moving.fold(staying, |set: Devices, more: Devices| set | more);
        }
    }
    ahead
}

/// Least cost of a plan that begins with a label and goes on at that priced cost.
fn bound(relaxation: &Relaxation, label: &Label, rest: f64) -> f64 {
    let priced = relaxation.prices.resources(label.loss, label.time);
    label.cost + priced + label.visits + rest - relaxation.budget
}

/// Relaxations besides the first, at most.
pub(crate) const OTHERS: usize = 4;

/// New labels up to which a layer is not thinned before it is complete.
const CANDIDATES_MIN: usize = 1 << 12;

impl Label {
    fn trace(&self) -> Trace {
        Trace { parent: self.parent, device: self.device, choice: self.choice }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use crate::grid::Grid;
    use crate::neighbours::Neighbours;
    use crate::relaxation::Prices;
    use edgeplan_problem::Nanos;
    use edgeplan_problem::deployment::Deployment;

    const ALL: Width = Width { labels: usize::MAX / 4, alike: usize::MAX };

    fn search(question: &Deployment, limit: f64, width: Width) -> Found {
        let chain = Chain::new(question, Measure::Latency, None);
        let reference = vec![0; chain.layers];
        let grids = (0..chain.devices).map(|device| Grid::new(&chain, device, 64, &reference));
        let none = Neighbours::none(chain.devices);
        let mut relaxation = Relaxation::new(&chain, grids.collect(), none);
        relaxation.solve(&chain, &Prices::zero(chain.devices));
        let labels = Labels::new(&chain, (&relaxation, &[]), limit * chain.scale, true);
        labels.search(width, &mut || Ok(())).expect("nothing stops it")
    }

    #[test]
    fn layers_that_need_nothing_lie_on_a_device_that_has_nothing() {
        let found = search(&question(&[0], &[(0, 0), (0, 0)]), 0.0, ALL);
        assert_eq!(found.plan.map(|(plan, cost)| (plan.len(), cost)), Some((2, 0.0)));
        assert_eq!(found.dropped, None);
    }

    #[test]
    fn what_does_not_fit_is_not_found_and_nothing_is_dropped() {
        let found = search(&question(&[1, 1], &[(1, 1), (1, 1), (1, 1)]), f64::MAX, ALL);
        assert!(found.plan.is_none() && found.dropped.is_none(), "{found:?}");
    }

    #[test]
    fn a_limit_is_met_exactly_or_not_at_all() {
        let question = question(&[2, 2], &[(1, 3), (1, 4), (1, 5)]);
        assert!(search(&question, 12.0, ALL).plan.is_some());
        assert!(search(&question, 11.9, ALL).plan.is_none());
    }

    #[test]
    fn compute_time_of_a_run_is_met_exactly_or_not_at_all() {
        let mut question = question(&[9], &[(0, 3), (0, 4)]);
        for (limit, found) in [(7, true), (6, false), (0, false), (u64::MAX, true)] {
            question.devices[0].compute_max = Some(Nanos(limit));
            assert_eq!(search(&question, f64::MAX, ALL).plan.is_some(), found, "{limit}");
        }
    }

    #[test]
    fn whoever_drops_a_label_says_so() {
        let question = question(&[2, 3, 4], &[(1, 3), (1, 4), (1, 5)]);
        let found = search(&question, f64::MAX, Width { labels: 1, alike: 1 });
        assert!(found.dropped.is_some(), "{found:?}");
    }
}
