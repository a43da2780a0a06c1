//! Label setting: partial plans, layer by layer, cut by completion bounds and by dominance.
//!
//! One kernel drives the search: it extends all labels of a layer, thins the next layer, and keeps
//! of each label as much as finds its plan again. Two expansions say what a label is, how it is
//! extended and which ones dominate: [`contiguous`] (a device's memory is one run's) and [`joint`]
//! (runs and models share it). Dominance is not shared: the first compares few numbers in the order
//! of costs, the second vectors of what every device has spent in the order of bounds.
//!
//! Pricing in `crates/joint` (`pricing/labels.rs`) has a kernel of its own: its labels are contents
//! of one device, and most of them skip most layers, which here would be copies at every layer.

pub(crate) mod contiguous;
pub(crate) mod dominance;
pub(crate) mod joint;

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::Assignment;

use crate::effort::Crowding;

/// How a search is limited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Width {
    /// Labels kept per layer, those of the least bounds.
    pub(crate) labels: usize,
    /// Of these, per device and set of used devices; all if none, in a search that hopes to be
    /// complete.
    pub(crate) per_kind: Option<usize>,
}

/// What a search found.
#[derive(Debug, Clone, Default)]
pub(crate) struct LabelOutcome {
    /// The best plan: all layers' assignments, model by model.
    pub(crate) plan: Option<Vec<Assignment>>,
    /// The least bound of a label that was dropped for want of room; none if none was.
    pub(crate) dropped: Option<f64>,
    /// Labels that were extended.
    pub(crate) labels: u64,
}

/// What is kept of a label to find its plan again.
#[derive(Debug, Clone, Copy)]
struct Trace {
    /// Index of the label of the layer before.
    parent: u32,
    device: u16,
    /// Index of the choice.
    choice: u16,
}

/// The labels of a layer, in the making or complete.
#[derive(Debug)]
struct Layer<L> {
    labels: Vec<L>,
    /// Numbers that stand beside labels, as many for each; none where labels hold all they know.
    rows: Vec<u64>,
    /// There are labels enough with bounds up to this.
    cut: f64,
    /// The least bound of a label that was dropped for want of room, in this layer or before.
    dropped: Option<f64>,
}

impl<L> Layer<L> {
    fn new(dropped: Option<f64>) -> Self {
        Self { labels: Vec::new(), rows: Vec::new(), cut: f64::INFINITY, dropped }
    }

    /// The memory of a layer that is done, for another one.
    fn recycled(mut self, dropped: Option<f64>) -> Self {
        self.labels.clear();
        self.rows.clear();
        Self { cut: f64::INFINITY, dropped, ..self }
    }

    /// Says that a label of that bound went for want of room.
    fn drop(&mut self, bound: f64) {
        self.dropped = Some(self.dropped.map_or(bound, |least| least.min(bound)));
    }
}

/// What a label is, and what can become of it.
trait Expansion {
    /// A partial plan.
    type Label;

    /// Layers of all models.
    fn layers(&self) -> usize;

    /// New labels up to which a layer is not thinned before it is complete.
    fn crowding(&self) -> Crowding;

    /// Adds all ways to place the first layer.
    fn start(&self, next: &mut Layer<Self::Label>);

    /// Adds all ways to place one more layer, `layer`, after a label of the layer before.
    fn extend(
        &self,
        layer: usize,
        from: &Layer<Self::Label>,
        parent: usize,
        next: &mut Layer<Self::Label>,
    );

    /// Drops dominated labels, then those beyond the width.
    fn thin(&self, layer: usize, labels: &mut Layer<Self::Label>, width: Width);

    /// The index of the last layer's label whose plan costs least, of those that are complete.
    fn best(&self, last: &Layer<Self::Label>) -> Option<usize>;

    fn trace(label: &Self::Label) -> Trace;

    /// How a label places its layer.
    fn assignment(&self, layer: usize, trace: Trace) -> Assignment;
}

/// Searches forward, layer by layer. Exact where no label had to be dropped: then no plan costs
/// less than the found one, or none within the limit exists. `tick` is asked before each extension.
fn search<E: Expansion>(
    expansion: &E,
    width: Width,
    tick: &mut dyn FnMut() -> Result<(), Stop>,
) -> Result<LabelOutcome, Stop> {
    let layers = expansion.layers();
    let crowd = expansion.crowding().labels_max(width.labels);
    let mut extended = 0;
    let mut traces: Vec<Vec<Trace>> = Vec::with_capacity(layers);
    let (mut reached, mut spare) = (Layer::new(None), Layer::new(None));
    expansion.start(&mut reached);
    for layer in 0..layers {
        if layer > 0 {
            let mut next = spare.recycled(reached.dropped);
            for parent in 0..reached.labels.len() {
                tick()?;
                expansion.extend(layer, &reached, parent, &mut next);
                // Not only once the layer is complete: there may be many times as many candidates
                // as are kept, and what was thinned gives a cut that spares building the others.
                if next.labels.len() > crowd {
                    expansion.thin(layer, &mut next, width);
                }
            }
            spare = std::mem::replace(&mut reached, next);
        }
        expansion.thin(layer, &mut reached, width);
        extended += reached.labels.len() as u64;
        // A plan is found again by 8 bytes of each label; the labels of all layers would not fit.
        traces.push(reached.labels.iter().map(E::trace).collect());
    }
    let best = expansion.best(&reached);
    let plan = best.map(|index| assignments(expansion, index, &traces));
    Ok(LabelOutcome { plan, dropped: reached.dropped, labels: extended })
}

/// The plan of a label of the last layer.
fn assignments<E: Expansion>(
    expansion: &E,
    index: usize,
    traces: &[Vec<Trace>],
) -> Vec<Assignment> {
    let mut at = index as u32;
    let mut plan = Vec::with_capacity(traces.len());
    for (layer, labels) in traces.iter().enumerate().rev() {
        let trace = labels[at as usize];
        plan.push(expansion.assignment(layer, trace));
        at = trace.parent;
    }
    plan.reverse();
    plan
}
