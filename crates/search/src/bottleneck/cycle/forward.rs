//! Label setting over runs: a label is a loss, the devices used, and the one that was used last.

use edgeplan_problem::Stop;

use super::relaxed::Relaxed;
use super::runs::Visit;
use crate::labels::Label;

/// The search of one cycle time.
pub(super) struct Forward<'a> {
    relaxed: &'a Relaxed<'a>,
    /// What the prices give back.
    refund: f64,
}

/// What a search found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The runs of the plan of least loss.
    pub(super) visits: Option<Vec<Visit>>,
    /// Whether no label had to be dropped: then there is no other plan within the budget.
    pub(super) complete: bool,
    /// Labels that were extended.
    pub(super) labels: u64,
}

/// Labels up to which those of a layer are not thinned before their turn, times the width.
const CROWD: usize = 4;
/// Labels on a device that another one is compared with.
const COMPARED_MAX: usize = 1_000;

impl<'a> Forward<'a> {
    pub(super) fn new(relaxed: &'a Relaxed<'a>) -> Self {
        Self { relaxed, refund: relaxed.refund() }
    }

    /// Searches forward, by layers done; keeps so many labels of each number of them.
    pub(super) fn search(
        &self,
        width: usize,
        tick: &mut dyn FnMut() -> Result<(), Stop>,
    ) -> Result<Found, Stop> {
        let layers = self.relaxed.chain.layers;
        let mut found = Found { complete: true, ..Found::default() };
        // By layers done. A label's `choice` is the number of layers done before its last run.
        let mut labels: Vec<Vec<Label>> = vec![Vec::new(); layers + 1];
        for done in 0..layers {
            let mut here = std::mem::take(&mut labels[done]);
            found.complete &= thin(&mut here, width);
            found.labels += here.len() as u64;
            for (index, label) in here.iter().enumerate() {
                tick()?;
                for hop in self.relaxed.hops(done, usize::from(label.device)) {
                    self.visit((label, index), hop.to, done, &mut labels);
                }
            }
            labels[done] = here;
            if done == 0 {
                (0..self.relaxed.chain.devices)
                    .filter(|&device| self.may_start(device))
                    .for_each(|device| self.visit((&Label::default(), 0), device, 0, &mut labels));
            }
            for later in &mut labels[done + 1..] {
                if later.len() > CROWD * width {
                    found.complete &= thin(later, width);
                }
            }
        }
        let best = labels[layers].iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        found.visits = best.map(|label| visits(*label, &labels));
        Ok(found)
    }

    fn may_start(&self, device: usize) -> bool {
        self.relaxed.chain.enter[device].is_some_and(|hop| self.relaxed.is_short(&hop))
    }

    /// All runs on a device that is not used yet; of each class only the first.
    fn visit(
        &self,
        (label, parent): (&Label, usize),
        device: usize,
        done: usize,
        labels: &mut [Vec<Label>],
    ) {
        let (chain, used) = (self.relaxed.chain, label.used);
        let before =
            (chain.class[device]..device).filter(|&d| chain.class[d] == chain.class[device]);
        if used >> device & 1 == 1 || before.into_iter().any(|other| used >> other & 1 == 0) {
            return;
        }
        let (used, visits) = (used | 1 << device, label.visits + self.relaxed.price(device));
        for (&loss, end) in self.relaxed.runs(device, done).iter().zip(done + 1..) {
            let cost = label.cost + loss as f64;
            let onward = self.relaxed.onward(used, device, end);
            // Prices first: they are whole ticks, and their sum is exact.
            let bound = cost + (onward + visits - self.refund);
            if bound <= self.relaxed.budget {
                labels[end].push(Label {
                    bound,
                    cost,
                    used,
                    visits,
                    device: device as u16,
                    choice: done as u16,
                    parent: parent as u32,
                    ..Label::default()
                });
            }
        }
    }
}

/// Drops dominated labels, then those beyond the width; whether there were none of these.
fn thin(labels: &mut Vec<Label>, width: usize) -> bool {
    // One that dominates comes first.
    labels.sort_unstable_by(|a, b| {
        let order = a.device.cmp(&b.device).then(a.cost.total_cmp(&b.cost));
        order.then(a.used.count_ones().cmp(&b.used.count_ones())).then(a.used.cmp(&b.used))
    });
    let mut kept: Vec<Label> = Vec::with_capacity(labels.len());
    let mut first = 0;
    for label in labels.drain(..) {
        if kept.get(first).is_some_and(|other| other.device != label.device) {
            first = kept.len();
        }
        // Of a crowd only the best are compared.
        let better = &kept[first..kept.len().min(first + COMPARED_MAX)];
        if better.iter().all(|other| other.used & !label.used != 0) {
            kept.push(label);
        }
    }
    let fits = kept.len() <= width;
    if !fits {
        kept.select_nth_unstable_by(width, |a, b| a.bound.total_cmp(&b.bound));
        kept.truncate(width);
    }
    *labels = kept;
    fits
}

/// The runs that lead to a label of all layers.
fn visits(last: Label, labels: &[Vec<Label>]) -> Vec<Visit> {
    let (mut label, mut end) = (last, labels.len() - 1);
    let mut visits = Vec::new();
    loop {
        let first = usize::from(label.choice);
        visits.push(Visit { device: usize::from(label.device), first, end });
        if first == 0 {
            visits.reverse();
            return visits;
        }
        (label, end) = (labels[first][label.parent as usize], first);
    }
}
