//! More devices than a set can hold: a bound over all of them, and plans on the most promising.
//!
//! The bound is Lagrangian, of paths that may come back to any device while memory and loss are
//! priced. What it shows to be in no better plan is left out; once a set can hold the rest, the
//! search of the rest is exact.

mod part;
mod relaxation;

use std::time::Duration;

use edgeplan_methods::bundle::Bundle;
use edgeplan_problem::deployment::{Deployment, DeviceId, Objective};
use edgeplan_problem::{Cost, Limits, Run, Silent, SolverError, Verdict, gap, solve};

use crate::chain::{COST_MAX, DEVICES_MAX, Measure};
use crate::solver::ChainSearch;
use crate::tuning::TUNING;
use part::Part;
use relaxation::{PRICES_MAX, Prices, Relaxation};

/// What the search among many devices may spend.
#[derive(Debug)]
pub(crate) struct CrowdTuning {
    /// Trials of prices before the first plans are looked for, and how many times more each time.
    pub(crate) trials: u32,
    pub(crate) growth: u32,
    /// One part in so many of the time that is left, for plans on promising devices.
    pub(crate) part: u32,
    /// Time for plans where none is given.
    pub(crate) plans: Duration,
    /// A price that is tried first, as a share of the best plan's cost.
    pub(crate) proximity: f64,
    /// The gain that prices must promise, as a share of the best plan's cost.
    pub(crate) gain_min: f64,
}

/// Of random devices 1,000 with a chain of 128 layers: a trial takes about a third of a second. Not
/// measured one by one.
pub(crate) const CROWD: CrowdTuning = CrowdTuning {
    trials: 2,
    growth: 2,
    part: 4,
    plans: Duration::from_secs(10),
    proximity: 0.02,
    gain_min: 1e-4,
};

/// Why a question about many devices is not taken, if it is not.
pub(crate) fn refusal(problem: &Deployment) -> Option<String> {
    let devices = problem.devices.len();
    let pins = forced(problem).len();
    if problem.has_hosts() {
        return Some(format!("{devices} devices on hosts; at most {DEVICES_MAX} are allowed"));
    }
    if pins > DEVICES_MAX {
        return Some(format!("layers pinned to {pins} devices; at most {DEVICES_MAX} are allowed"));
    }
    let most = Relaxation::new(problem, measure(problem)).cost_max();
    (most > COST_MAX).then(|| "plans of more than 2^50 units; such sums are not exact".into())
}

/// No plan costs less than what is returned; [`Cost::MAX`] if there is none.
pub(crate) fn prove(
    solver: &ChainSearch,
    run: &mut Run<'_, Deployment>,
) -> Result<Cost, SolverError> {
    let problem = run.problem();
    let relaxation = Relaxation::new(problem, measure(problem));
    if problem.objective == Objective::Bottleneck {
        run.lower_bound(longest(problem));
    }
    let Some(mut climb) = Climb::new(&relaxation, run) else { return Ok(Cost::MAX) };
    let (mut trials, mut share) = (TUNING.crowd.trials, TUNING.crowd.part);
    let mut tried = None;
    loop {
        climb.go(&relaxation, run, trials)?;
        trials = trials.saturating_mul(TUNING.crowd.growth);
        let bound = run.bound().unwrap_or_default();
        if run.best().is_some_and(|&(_, cost)| gap(cost, bound) <= run.limits().gap) {
            return Ok(bound);
        }
        let promising = Promising::of(problem, &relaxation.through(&climb.best), run);
        let is_new = tried.as_ref() != Some(&promising.devices);
        if is_new || climb.is_done() {
            share = if is_new { TUNING.crowd.part } else { share.div_ceil(2) };
            let proven = plans(solver, run, &promising, share);
            match proven {
                Some(proven) if promising.is_all => return Ok(proven),
                // Better plans and bounds lie elsewhere, if anywhere.
                Some(_) if climb.is_done() => return Ok(run.bound().unwrap_or_default()),
                _ => run.check()?,
            }
        }
        tried = Some(promising.devices);
    }
}

/// No bottleneck is shorter: every layer runs somewhere.
fn longest(problem: &Deployment) -> Cost {
    let layers = problem
        .models
        .iter()
        .flat_map(|model| model.layers.iter().map(move |layer| (u64::from(model.weight), layer)));
    let shortest = layers.filter_map(|(weight, layer)| {
        let times = layer.options.iter().flat_map(|option| option.compute.iter().flatten());
        times.map(|time| time.0.saturating_mul(weight)).min()
    });
    Cost(shortest.max().unwrap_or(0))
}

/// The relaxation's costs. A bottleneck's devices are chosen by latency, which bounds nothing.
fn measure(problem: &Deployment) -> Measure {
    match problem.objective {
        Objective::Memory => Measure::Memory,
        Objective::Latency | Objective::Bottleneck => Measure::Latency,
    }
}

/// Devices that every part has: the source, and what layers are pinned to.
fn forced(problem: &Deployment) -> Vec<DeviceId> {
    let layers = problem.models.iter().flat_map(|model| &model.layers);
    let mut forced: Vec<DeviceId> = layers.filter_map(|layer| layer.pin).collect();
    forced.push(problem.source);
    forced.sort_unstable();
    forced.dedup();
    forced
}

/// The devices that plans are looked for on.
struct Promising {
    /// In order.
    devices: Vec<DeviceId>,
    /// Whether no better plan uses another one.
    is_all: bool,
}

impl Promising {
    /// The best plan's devices, and those over which the cheapest paths lead.
    fn of(problem: &Deployment, through: &[i128], run: &Run<'_, Deployment>) -> Self {
        let cutoff = match (problem.objective, run.best()) {
            (Objective::Latency | Objective::Memory, Some(&(_, cost))) => i128::from(cost.0),
            _ => i128::MAX,
        };
        let mut open: Vec<DeviceId> =
            problem.device_ids().filter(|device| through[device.index()] < cutoff).collect();
        open.sort_by_key(|device| (through[device.index()], *device));
        let mut devices = forced(problem);
        let known = run.best().into_iter().flat_map(|(plan, _)| plan.models.iter().flatten());
        let mut wanted: Vec<DeviceId> = known.map(|assigned| assigned.device).collect();
        wanted.extend(&open);
        for device in wanted {
            if devices.len() < DEVICES_MAX && !devices.contains(&device) {
                devices.push(device);
            }
        }
        let is_all = open.iter().all(|device| devices.contains(device));
        devices.sort_unstable();
        Self { devices, is_all }
    }
}

/// Looks for plans on these devices in a share of the time, one in so many; what is proven of them,
/// if the search came to its end.
fn plans(
    solver: &ChainSearch,
    run: &mut Run<'_, Deployment>,
    promising: &Promising,
    share: u32,
) -> Option<Cost> {
    let part = Part::of(run.problem(), promising.devices.clone());
    let quick = ChainSearch { starts: Vec::new(), ..*solver };
    let share = if promising.is_all { 1 } else { share };
    let time = run.remaining().map_or(TUNING.crowd.plans, |time| time / share);
    let limits = Limits { time: Some(time), ..run.limits() };
    let found = solve(&part.deployment, &quick, limits, &mut Silent);
    run.count("parts", 1);
    if let Some(plan) = &found.plan {
        run.incumbent(&part.plan(plan));
    }
    match found.verdict {
        Verdict::Optimal { lower_bound, .. } => Some(lower_bound),
        // The best plan that is known, which may be none, is the best.
        Verdict::Infeasible => Some(run.best().map_or(Cost::MAX, |&(_, cost)| cost)),
        _ => None,
    }
}

/// Prices that raise the bound.
struct Climb {
    bundle: Bundle,
    best: Prices,
    bound: i128,
    /// What prices are shares of.
    unit: f64,
    /// Whether the bound is the question's.
    counts: bool,
}

impl Climb {
    /// From no prices at all; none if there is no path, and so no plan.
    fn new(relaxation: &Relaxation, run: &mut Run<'_, Deployment>) -> Option<Self> {
        let free = relaxation.free();
        let first = relaxation.relaxed(&free)?;
        let known = run.best().map(|&(_, cost)| cost.as_f64());
        let counts = run.problem().objective != Objective::Bottleneck;
        let unit = match known.filter(|_| counts) {
            Some(cost) => cost.max(1.0),
            None => 2.0 * first.bound.max(1) as f64,
        };
        let center = vec![0.0; free.memory.len() + free.loss.len()];
        let slope = flat(&first.excess);
        let value = first.bound as f64 / unit;
        let bundle = Bundle::new(center, value, slope, TUNING.crowd.proximity);
        let mut climb = Self { bundle, best: free, bound: first.bound, unit, counts };
        climb.tell(run);
        Some(climb)
    }

    fn go(
        &mut self,
        relaxation: &Relaxation,
        run: &mut Run<'_, Deployment>,
        trials: u32,
    ) -> Result<(), SolverError> {
        for _ in 0..trials {
            run.step()?;
            let mut point = self.bundle.trial();
            // Little gain near the best prices is no proof that there is little further out.
            while self.is_done() && self.bundle.loosen() {
                point = self.bundle.trial();
            }
            if self.is_done() {
                break;
            }
            let prices = self.prices(&point);
            let point =
                flat(&prices).into_iter().map(|price| price / self.unit).collect::<Vec<_>>();
            let Some(found) = relaxation.relaxed(&prices) else { break };
            run.count("trials", 1);
            self.bundle.learn(&point, found.bound as f64 / self.unit, flat(&found.excess));
            if found.bound > self.bound {
                (self.bound, self.best) = (found.bound, prices);
                self.tell(run);
            }
        }
        Ok(())
    }

    /// Whether no prices promise more.
    fn is_done(&self) -> bool {
        self.bundle.predicted_gain() < TUNING.crowd.gain_min
    }

    /// Shares of the unit as prices, which together are at most [`PRICES_MAX`].
    fn prices(&self, point: &[f64]) -> Prices {
        let sum = self.unit * point.iter().sum::<f64>();
        let unit = if sum > PRICES_MAX { self.unit * (PRICES_MAX / sum) } else { self.unit };
        let priced = |share: &f64| share * unit;
        let (memory, loss) = point.split_at(self.best.memory.len());
        let of = |shares: &[f64]| shares.iter().map(priced).collect();
        Prices { memory: of(memory), loss: of(loss) }
    }

    fn tell(&mut self, run: &mut Run<'_, Deployment>) {
        if self.counts {
            run.lower_bound(Cost(u64::try_from(self.bound).unwrap_or(0)));
        }
    }
}

fn flat(prices: &Prices) -> Vec<f64> {
    prices.memory.iter().chain(&prices.loss).copied().collect()
}
