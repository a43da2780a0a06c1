//! Label setting over runs: a label is a loss, the devices used, and the one that was used last.
//!
//! A run holds any number of layers, so that labels lead to all later layers and not to the next
//! one only: the kernel that goes layer by layer does not fit.

use edgeplan_problem::Stop;

use super::run_relaxation::RunRelaxation;
use super::runs::Visit;
use crate::chain::DeviceSet;
use crate::tuning::TUNING;

/// A partial plan: whole runs, up to some layer.
#[derive(Debug, Clone, Copy, Default)]
struct RunLabel {
    /// No plan that begins so loses less.
    bound: f64,
    /// Loss so far.
    loss: f64,
    /// The visits so far, priced.
    visits: f64,
    /// Devices of the plan so far.
    used: DeviceSet,
    /// The device of the last run.
    device: u16,
    /// Layers done before the last run.
    first: u16,
    /// Index of the label before the last run, among those of as many layers done.
    parent: u32,
}

/// A label and its index among those of as many layers done.
#[derive(Clone, Copy)]
struct Parent<'a> {
    label: &'a RunLabel,
    index: usize,
}

/// The search of one cycle time.
pub(super) struct RunLabels<'a> {
    relaxation: &'a RunRelaxation<'a>,
    /// What the prices give back.
    refund: f64,
}

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct FoundRuns {
    /// The runs of the plan of least loss.
    pub(super) visits: Option<Vec<Visit>>,
    /// Whether no label had to be dropped: then there is no other plan within the budget.
    pub(super) is_complete: bool,
    /// Labels that were extended.
    pub(super) labels: u64,
}

impl<'a> RunLabels<'a> {
    pub(super) fn new(relaxation: &'a RunRelaxation<'a>) -> Self {
        Self { relaxation, refund: relaxation.refund() }
    }

    /// Searches forward, by layers done; keeps so many labels of each number of them.
    pub(super) fn search(
        &self,
        width: usize,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<FoundRuns, Stop> {
        let layers = self.relaxation.chain.layers;
        let mut found = FoundRuns { is_complete: true, ..FoundRuns::default() };
        // By layers done.
        let mut labels: Vec<Vec<RunLabel>> = vec![Vec::new(); layers + 1];
        for done in 0..layers {
            let mut here = std::mem::take(&mut labels[done]);
            found.is_complete &= thin(&mut here, width) == Thinned::ToAll;
            found.labels += here.len() as u64;
            for (index, label) in here.iter().enumerate() {
                tick()?;
                for hop in self.relaxation.hops(done, usize::from(label.device)) {
                    self.visit(Parent { label, index }, hop.to, done, &mut labels);
                }
            }
            labels[done] = here;
            if done == 0 {
                let label = &RunLabel::default();
                (0..self.relaxation.chain.devices)
                    .filter(|&device| self.may_start(device))
                    .for_each(|device| {
                        self.visit(Parent { label, index: 0 }, device, 0, &mut labels)
                    });
            }
            for later in &mut labels[done + 1..] {
                if later.len() > TUNING.cycle.crowd * width {
                    found.is_complete &= thin(later, width) == Thinned::ToAll;
                }
            }
        }
        let best = labels[layers].iter().min_by(|a, b| a.loss.total_cmp(&b.loss));
        found.visits = best.map(|label| visits(*label, &labels));
        Ok(found)
    }

    fn may_start(&self, device: usize) -> bool {
        let ingress = self.relaxation.chain.ingress[device];
        ingress.is_some_and(|hop| self.relaxation.is_short(&hop))
    }

    /// All runs on a device that is not used yet; of each class only the first.
    fn visit(&self, parent: Parent<'_>, device: usize, done: usize, labels: &mut [Vec<RunLabel>]) {
        let (chain, label) = (self.relaxation.chain, parent.label);
        let class = chain.class[device];
        let mut before = (class..device).filter(|&other| chain.class[other] == class);
        if label.used >> device & 1 == 1 || before.any(|other| label.used >> other & 1 == 0) {
            return;
        }
        let used = label.used | 1 << device;
        let visits = label.visits + self.relaxation.price(device);
        for (&lost, end) in self.relaxation.runs(device, done).iter().zip(done + 1..) {
            let loss = label.loss + lost as f64;
            let onward = self.relaxation.onward(used, device, end);
            // Prices first: they are whole ticks, and their sum is exact.
            let bound = loss + (onward + visits - self.refund);
            if bound <= self.relaxation.budget {
                let (device, first) = (device as u16, done as u16);
                let parent = parent.index as u32;
                labels[end].push(RunLabel { bound, loss, visits, used, device, first, parent });
            }
        }
    }
}

/// What is left of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thinned {
    /// All that no other one dominates.
    ToAll,
    /// The best of these.
    ToBest,
}

/// Drops dominated labels, then those beyond the width.
fn thin(labels: &mut Vec<RunLabel>, width: usize) -> Thinned {
    // One that dominates comes first.
    labels.sort_unstable_by(|a, b| {
        let order = a.device.cmp(&b.device).then(a.loss.total_cmp(&b.loss));
        order.then(a.used.count_ones().cmp(&b.used.count_ones())).then(a.used.cmp(&b.used))
    });
    let mut kept: Vec<RunLabel> = Vec::with_capacity(labels.len());
    let mut first = 0;
    for label in labels.drain(..) {
        if kept.get(first).is_some_and(|other| other.device != label.device) {
            first = kept.len();
        }
        // Of a crowd only the best are compared.
        let better = &kept[first..kept.len().min(first + TUNING.cycle.compared_max)];
        if better.iter().all(|other| other.used & !label.used != 0) {
            kept.push(label);
        }
    }
    let thinned = if kept.len() <= width { Thinned::ToAll } else { Thinned::ToBest };
    if thinned == Thinned::ToBest {
        kept.select_nth_unstable_by(width, |a, b| a.bound.total_cmp(&b.bound));
        kept.truncate(width);
    }
    *labels = kept;
    thinned
}

/// The runs that lead to a label of all layers.
fn visits(last: RunLabel, labels: &[Vec<RunLabel>]) -> Vec<Visit> {
    let (mut label, mut end) = (last, labels.len() - 1);
    let mut visits = Vec::new();
    loop {
        let first = usize::from(label.first);
        visits.push(Visit { device: usize::from(label.device), first, end });
        if first == 0 {
            visits.reverse();
            return visits;
        }
        (label, end) = (labels[first][label.parent as usize], first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_less_loss_and_fewer_devices_stay() {
        let of = |device: u16, loss: f64, used: DeviceSet| RunLabel {
            bound: loss,
            loss,
            used,
            device,
            ..RunLabel::default()
        };
        let all = vec![
            of(0, 2.0, 0b011),
            of(0, 1.0, 0b001),
            of(0, 0.5, 0b111),
            of(1, 9.0, 0b010),
            of(1, 3.0, 0b110),
        ];
        let mut labels = all.clone();
        assert_eq!(thin(&mut labels, 10), Thinned::ToAll);
        let mut kept: Vec<(u16, f64)> = labels.iter().map(|l| (l.device, l.loss)).collect();
        kept.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        assert_eq!(kept, [(0, 0.5), (0, 1.0), (1, 3.0), (1, 9.0)]);
        let mut labels = all;
        assert_eq!(thin(&mut labels, 2), Thinned::ToBest);
        assert!(labels.len() == 2 && labels.iter().all(|label| label.loss <= 1.0), "{labels:?}");
    }
}
