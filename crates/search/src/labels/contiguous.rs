//! Labels where a device's memory is one run's: one model, each device visited at most once.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::{Assignment, DeviceId};

use super::dominance::{Kind, Rule, dominate};
use super::{Expansion, LabelOutcome, Layer, Trace, Width};
use crate::chain::{Chain, Choice, DeviceSet, Limit, Scarce};
use crate::dual::relaxation::{Place, Relaxation};
use crate::dual::ticks::TableRow;
use crate::effort::Crowding;
use crate::tuning::{OTHER_PRICES, TUNING};

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
    pub(crate) used: DeviceSet,
    /// The visits so far and the bytes of runs before, priced.
    pub(crate) visits: f64,
    /// The device of the first layer.
    pub(crate) first: u16,
    pub(crate) device: u16,
    pub(crate) choice: u16,
    pub(crate) parent: u32,
}

/// Relaxations of one chain that bound its labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relaxations<'a> {
    /// The one at the best prices.
    pub(crate) best: &'a Relaxation<'a>,
    /// The same at other prices of loss, [`OTHER_PRICES`] at most: labels that have spent little or
    /// much of the budget is bounded best by another price.
    pub(crate) others: &'a [Relaxation<'a>],
}

/// The search of one chain.
pub(crate) struct ContiguousLabels<'a> {
    chain: &'a Chain,
    relaxation: &'a Relaxation<'a>,
    others: &'a [Relaxation<'a>],
    /// Only plans of at most this scaled cost are looked for.
    limit: f64,
    /// Whether a plan may have just one run.
    allows_one_run: bool,
    /// Least loss of all layers after a layer.
    least_loss: Vec<u64>,
    /// Whether labels differ in cost, loss and memory only.
    is_simple: bool,
    /// By place: the devices to which a plan can still go from there.
    ahead: Vec<DeviceSet>,
}

impl<'a> ContiguousLabels<'a> {
    /// A search for plans of at most that scaled cost.
    pub(crate) fn new(relaxations: Relaxations<'a>, limit: f64, allows_one_run: bool) -> Self {
        let chain = relaxations.best.chain;
        let mut least_loss = vec![0u64; chain.layers];
        for layer in (1..chain.layers).rev() {
            let places = layer * chain.devices..(layer + 1) * chain.devices;
            let losses = chain.choices[places].iter().flatten().map(|choice| choice.loss);
            least_loss[layer - 1] = least_loss[layer] + losses.min().unwrap_or(0);
        }
        let is_run_limited = chain.room.iter().any(|room| room.time != Limit::NONE);
        Self {
            chain,
            relaxation: relaxations.best,
            others: relaxations.others,
            limit,
            allows_one_run,
            least_loss,
            is_simple: chain.time_max.is_none() && !is_run_limited,
            ahead: ahead(chain),
        }
    }

    /// Searches forward. Exact where no label had to be dropped.
    pub(crate) fn search(
        &self,
        width: Width,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<LabelOutcome, Stop> {
        super::search(self, width, tick)
    }

    /// The label as it arrives on a device, before any layer there.
    fn arrive(&self, label: &Label, device: usize, cost: f64, time: u64) -> Label {
        let left_behind = if label.used == 0 { 0.0 } else { run_bytes(self.relaxation, label) };
        Label {
            cost: label.cost + cost,
            time: label.time + time,
            run: 0,
            left: self.chain.room[device].bytes,
            stored: 0,
            used: label.used | 1 << device,
            visits: label.visits + left_behind + self.relaxation.prices.visit[device],
            device: device as u16,
            ..*label
        }
    }

    /// All ways to go on from a label: stay, or move to a device that is not used yet, of each
    /// class only the first.
    fn go_on(&self, layer: usize, parent: u32, label: &Label, next: &mut Layer<Label>) {
        let (chain, device) = (self.chain, usize::from(label.device));
        self.place(layer, parent, label, next);
        let sends_again = device == chain.source && usize::from(label.first) != device;
        for hop in &chain.hops[chain.at(layer - 1, device)] {
            if label.used & 1 << hop.to != 0 || !self.is_first_of_class(label.used, hop.to) {
                continue;
            }
            if sends_again && !chain.source_may_send(usize::from(label.first), hop) {
                continue;
            }
            let arrived = self.arrive(label, hop.to, hop.cost, hop.time);
            let subset = self.relaxation.ng_sets.remembered(hop.to, arrived.used);
            let place = Place { layer, device: hop.to, subset };
            // Before any choice is looked at: most moves lead nowhere.
            let after = self.relaxation.onward(place);
            let within =
                |other: &Relaxation<'_>| bound(other, &arrived, other.onward(place)) <= self.limit;
            if bound(self.relaxation, &arrived, after) <= self.limit
                && self.others.iter().all(within)
            {
                self.place(layer, parent, &arrived, next);
            }
        }
    }

    /// Whether every device before this one in its class is used.
    fn is_first_of_class(&self, used: DeviceSet, device: usize) -> bool {
        let class = self.chain.class[device];
        (class..device).all(|other| self.chain.class[other] != class || used & 1 << other != 0)
    }

    /// Adds the layer on the label's device, in every choice that can still be in a plan.
    fn place(&self, layer: usize, parent: u32, label: &Label, next: &mut Layer<Label>) {
        let (chain, device) = (self.chain, usize::from(label.device));
        let place = chain.at(layer, device);
        let room = &chain.room[device];
        let is_run_limited = room.time != Limit::NONE;
        let subset = self.relaxation.ng_sets.remembered(device, label.used);
        let here = Place { layer, device, subset };
        let rest = self.relaxation.row(here);
        let grid = &self.relaxation.grids[device];
        let others: [_; OTHER_PRICES] =
            std::array::from_fn(|at| self.others.get(at).map(|other| (other, other.row(here))));
        for (index, choice) in chain.choices[place].iter().enumerate() {
            let Some(mut child) = self.stored(label, choice) else { continue };
            child.loss += choice.loss;
            // Hard limits first: they are compared without looking at a table.
            if !chain.loss_max.allows(child.loss + self.least_loss[layer]) {
                continue;
            }
            if chain.time_max.is_some() {
                child.time += choice.time;
            }
            if is_run_limited {
                child.run += choice.time;
                if !room.time.allows(child.run) {
                    continue;
                }
            }
            let left = match room.scarce {
                Scarce::Bytes => child.left,
                Scarce::Time(whole) => whole - child.run,
            };
            let step = grid.step(layer, left);
            child.bound = bound(self.relaxation, &child, rest.at(step));
            let within = |(other, rest): &(&Relaxation<'_>, TableRow<'_>)| {
                bound(other, &child, rest.at(step)) <= self.limit
            };
            if child.bound > self.limit || !others.iter().flatten().all(within) {
                continue;
            }
            // It could not be kept: not to build it halved the time of a search (fbcbe31).
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
}

impl Expansion for ContiguousLabels<'_> {
    type Label = Label;

    fn layers(&self) -> usize {
        self.chain.layers
    }

    fn crowding(&self) -> Crowding {
        TUNING.labels.crowding
    }

    fn start(&self, next: &mut Layer<Label>) {
        let chain = self.chain;
        for device in 0..chain.devices {
            let Some(hop) = chain.ingress[device] else { continue };
            // Of devices alike, the first one comes first.
            if chain.class[device] != device {
                continue;
            }
            let start = Label { first: device as u16, ..Label::default() };
            let arrived = self.arrive(&start, device, hop.cost, hop.time);
            self.place(0, 0, &arrived, next);
        }
    }

    #[inline]
    fn extend(&self, layer: usize, from: &Layer<Label>, parent: usize, next: &mut Layer<Label>) {
        self.go_on(layer, parent as u32, &from.labels[parent], next);
    }

    fn thin(&self, layer: usize, labels: &mut Layer<Label>, width: Width) {
        let mut thinned = std::mem::take(&mut labels.labels);
        let chain = self.chain;
        let kind = |label: &Label| {
            let device = usize::from(label.device);
            let ahead = self.ahead[chain.at(layer, device)];
            let sends = device == chain.source || ahead >> chain.source & 1 == 1;
            let counts_first = sends && !chain.source_limit.is_none();
            Kind {
                device: label.device,
                first: counts_first.then_some(label.first),
                // Where one run is not enough, a label that has but one is not as good as others.
                lone: !self.allows_one_run && label.used.count_ones() == 1,
                stored: label.stored,
                // Used devices that cannot be reached any more do not matter (aeaeebb).
                used: label.used & ahead,
            }
        };
        let rule = Rule { kind: &kind, is_simple: self.is_simple, per_kind: width.per_kind };
        dominate(&mut thinned, &rule, &mut |bound| labels.drop(bound));
        if thinned.len() > width.labels {
            thinned.select_nth_unstable_by(width.labels, |a, b| a.bound.total_cmp(&b.bound));
            // None above this bound would be kept.
            labels.cut = thinned[width.labels].bound;
            for label in thinned.drain(width.labels..) {
                labels.drop(label.bound);
            }
        }
        labels.labels = thinned;
    }

    fn best(&self, last: &Layer<Label>) -> Option<usize> {
        let chain = self.chain;
        let cost = |label: &Label| {
            let egress = chain.egress[usize::from(label.device)]?;
            let timely = chain.time_max.is_none_or(|max| label.time + egress.time <= max);
            let runs = self.allows_one_run || label.used.count_ones() > 1;
            (timely && runs).then_some(label.cost + egress.cost)
        };
        let costs = last.labels.iter().enumerate();
        let costs = costs.filter_map(|(index, label)| Some((cost(label)?, index)));
        costs.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, index)| index)
    }

    fn trace(label: &Label) -> Trace {
        Trace { parent: label.parent, device: label.device, choice: label.choice }
    }

    fn assignment(&self, layer: usize, trace: Trace) -> Assignment {
        let place = self.chain.at(layer, usize::from(trace.device));
        let option = self.chain.choices[place][usize::from(trace.choice)].option;
        Assignment { device: DeviceId(trace.device), option }
    }
}

/// By place: the devices to which a plan can go later.
fn ahead(chain: &Chain) -> Vec<DeviceSet> {
    let mut ahead: Vec<DeviceSet> = vec![0; chain.choices.len()];
    for layer in (1..chain.layers).rev() {
        for device in 0..chain.devices {
            let (from, stay) = (chain.at(layer - 1, device), chain.at(layer, device));
            let staying = if chain.choices[stay].is_empty() { 0 } else { ahead[stay] };
            let hops = chain.hops[from].iter();
            let moving = hops.map(|hop| 1 << hop.to | ahead[chain.at(layer, hop.to)]);
            ahead[from] = moving.fold(staying, |set: DeviceSet, more: DeviceSet| set | more);
        }
    }
    ahead
}

/// Least cost of a plan that begins with a label and goes on at that priced cost.
fn bound(relaxation: &Relaxation<'_>, label: &Label, rest: f64) -> f64 {
    let priced = relaxation.prices.resources(label.loss, label.time);
    label.cost + priced + label.visits + run_bytes(relaxation, label) + rest - relaxation.budget
}

/// The bytes of a label's run, priced.
fn run_bytes(relaxation: &Relaxation<'_>, label: &Label) -> f64 {
    let device = usize::from(label.device);
    relaxation.prices.stored(device, relaxation.chain.room[device].bytes - label.left)
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::deployment::{Deployment, Plan};
    use edgeplan_problem::{Nanos, Problem as _};

    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use crate::dual::prices::Prices;
    use crate::dual::relaxation::tests::relaxation;

    const ALL: Width = Width { labels: usize::MAX / 4, per_kind: None };

    fn search(question: &Deployment, limit: f64, width: Width) -> LabelOutcome {
        let chain = Chain::new(question, Measure::Latency, None);
        let relaxation = relaxation(&chain, &Prices::zero(chain.devices));
        let relaxations = Relaxations { best: &relaxation, others: &[] };
        let labels = ContiguousLabels::new(relaxations, limit * chain.scale, true);
        labels.search(width, &mut || Ok(())).expect("nothing stops it")
    }

    #[test]
    fn a_complete_search_finds_what_brute_force_finds() {
        let mut feasible = 0;
        for seed in 0..40 {
            let family = Random { layers: 4, devices: 3, formats: 2, seed, ..Random::default() };
            let question = random(&family).checked().expect("the generator makes sense");
            let best = question.brute_force().map(|(cost, _)| cost);
            let found = search(&question, f64::MAX, ALL);
            assert_eq!(found.dropped, None);
            let evaluation = found.plan.map(|plan| question.evaluate(&Plan::single(plan)));
            assert!(evaluation.as_ref().is_none_or(|evaluation| evaluation.is_feasible()));
            assert_eq!(evaluation.map(|evaluation| evaluation.cost), best, "seed {seed}");
            feasible += usize::from(best.is_some());
        }
        assert!(feasible > 20, "{feasible}");
    }

    #[test]
    fn what_a_narrow_search_drops_bounds_what_it_missed() {
        let mut missed = 0;
        for seed in 0..40 {
            let family = Random { layers: 4, devices: 3, formats: 2, seed, ..Random::default() };
            let question = random(&family).checked().expect("the generator makes sense");
            let Some((best, _)) = question.brute_force() else { continue };
            let scale = Chain::new(&question, Measure::Latency, None).scale;
            let found = search(&question, f64::MAX, Width { labels: 2, per_kind: Some(1) });
            let cost = |plan| question.evaluate(&Plan::single(plan)).cost.as_f64();
            let least = found.plan.map_or(f64::INFINITY, cost);
            let proven = least.min(found.dropped.map_or(f64::INFINITY, |bound| bound / scale));
            assert!(proven <= best.as_f64(), "seed {seed}: {proven}, and {best} is possible");
            missed += usize::from(least > best.as_f64());
        }
        assert!(missed > 0);
    }

    #[test]
    fn layers_that_need_nothing_lie_on_a_device_that_has_nothing() {
        let found = search(&question(&[0], &[(0, 0), (0, 0)]), 0.0, ALL);
        assert_eq!((found.plan.map(|plan| plan.len()), found.dropped), (Some(2), None));
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
    fn a_dropped_label_is_reported() {
        let question = question(&[2, 3, 4], &[(1, 3), (1, 4), (1, 5)]);
        let found = search(&question, f64::MAX, Width { labels: 1, per_kind: Some(1) });
        assert!(found.dropped.is_some(), "{found:?}");
    }
}
