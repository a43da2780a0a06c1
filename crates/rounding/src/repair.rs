//! From any plan to a local optimum: first as little violated as possible, then as cheap.

use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, OptionId, Plan, Segment, Violation,
};
use edgeplan_problem::{Cost, Problem, Run, Stop};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;

/// A problem whose plans can be repaired.
pub trait Repair: Problem {
    /// Improves a plan, which need not be feasible, and offers what it finds to the run.
    ///
    /// # Errors
    /// The limit that ended it.
    fn repair(
        &self,
        plan: Self::Plan,
        run: &mut Run<'_, Self>,
        random: &mut Pcg64Mcg,
    ) -> Result<(), Stop>
    where
        Self: Sized;
}

/// What is made small: violation in millionths, then cost.
pub(crate) type Rank = (u64, Cost);

/// The rank of a plan, where a violation is worth so many millionths.
pub(crate) fn rank<P: Problem>(
    instance: &P,
    plan: &P::Plan,
    excess_ppm: fn(&P::Violation) -> u64,
) -> Rank {
    let evaluation = instance.evaluate(plan);
    let excess = evaluation.violations.iter().map(excess_ppm);
    (excess.fold(0, u64::saturating_add), evaluation.cost)
}

/// Pairs of option changes that are tried at a local optimum of single changes.
const PAIRS: u32 = 400;

impl Repair for Deployment {
    /// First improvement over three kinds of change, in random order: another option of a layer; a
    /// run, or its head or tail, moves to another device; two runs swap devices. Then random pairs
    /// of option changes (one layer up, one down).
    ///
    /// # Complexity
    /// O(layers * (options + devices)) evaluations per pass.
    fn repair(
        &self,
        mut plan: Plan,
        run: &mut Run<'_, Self>,
        random: &mut Pcg64Mcg,
    ) -> Result<(), Stop> {
        let mut best = rank(self, &plan, Violation::excess_ppm);
        loop {
            let mut changes = changes(self, &plan);
            changes.shuffle(random);
            let before = best;
            for change in changes {
                run.step()?;
                try_change(self, &mut plan, &mut best, &[change]);
            }
            for _ in 0..PAIRS {
                run.step()?;
                let pair = [any_option(self, random), any_option(self, random)];
                try_change(self, &mut plan, &mut best, &pair);
            }
            run.incumbent(&plan);
            if best == before {
                return Ok(());
            }
        }
    }
}

/// Makes the changes if that improves the plan.
fn try_change(instance: &Deployment, plan: &mut Plan, best: &mut Rank, changes: &[Change]) {
    let undo: Vec<(usize, Vec<Assignment>)> = changes
        .iter()
        .map(|change| (change.model(), plan.models[change.model()].clone()))
        .collect();
    for change in changes {
        change.apply(plan);
    }
    let new = rank(instance, plan, Violation::excess_ppm);
    if new < *best {
        *best = new;
        return;
    }
    for (model, layers) in undo.into_iter().rev() {
        plan.models[model] = layers;
    }
}

/// A change of a plan. The plan may have changed since it was listed: it is then another change,
/// and judged as what it is.
#[derive(Debug, Clone, Copy)]
enum Change {
    Option { model: usize, layer: usize, option: OptionId },
    Device { model: usize, first: usize, last: usize, device: DeviceId },
    Swap { model: usize, runs: (Segment, Segment) },
}

impl Change {
    fn model(&self) -> usize {
        match *self {
            Self::Option { model, .. } | Self::Device { model, .. } | Self::Swap { model, .. } => {
                model
            }
        }
    }

    fn apply(&self, plan: &mut Plan) {
        let mut place = |model: usize, first: usize, last: usize, device: DeviceId| {
            for assignment in &mut plan.models[model][first..=last] {
                assignment.device = device;
            }
        };
        match *self {
            Self::Option { model, layer, option } => plan.models[model][layer].option = option,
            Self::Device { model, first, last, device } => place(model, first, last, device),
            Self::Swap { model, runs: (a, b) } => {
                place(model, a.first, a.last, b.device);
                place(model, b.first, b.last, a.device);
            }
        }
    }
}

fn any_option(instance: &Deployment, random: &mut Pcg64Mcg) -> Change {
    let model = random.random_range(0..instance.models.len());
    let layers = &instance.models[model].layers;
    let layer = random.random_range(0..layers.len());
    let option = OptionId(random.random_range(0..layers[layer].options.len()) as u16);
    Change::Option { model, layer, option }
}

/// Every single change of a plan.
fn changes(instance: &Deployment, plan: &Plan) -> Vec<Change> {
    let mut found = Vec::new();
    for (index, model) in instance.models.iter().enumerate() {
        for layer in 0..model.layers.len() {
            let option = |option| Change::Option { model: index, layer, option };
            found.extend(model.option_ids(layer).map(option));
        }
        let runs = plan.segments(index);
        for (position, run) in runs.iter().enumerate() {
            let swap = |&other: &Segment| Change::Swap { model: index, runs: (other, *run) };
            found.extend(runs[..position].iter().map(swap));
            for device in instance.device_ids().filter(|&device| device != run.device) {
                add_moves(index, *run, device, &mut found);
            }
        }
    }
    found
}

/// A run, or its head or tail of any length, moves to a device.
fn add_moves(model: usize, run: Segment, device: DeviceId, found: &mut Vec<Change>) {
    let Segment { first, last, .. } = run;
    found.push(Change::Device { model, first, last, device });
    for cut in first..last {
        found.push(Change::Device { model, first, last: cut, device });
        found.push(Change::Device { model, first: cut + 1, last, device });
    }
}
