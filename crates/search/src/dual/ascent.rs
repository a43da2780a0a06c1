//! Maximising the Lagrangian dual with a bundle of its slopes.

use edgeplan_problem::Stop;
use edgeplan_problem::deployment::Assignment;

use super::path::{Mixture, WeightedPath, visits};
use super::prices::Prices;
use super::relaxation::Relaxation;
use crate::chain::{Chain, Limit, Room};
use crate::tuning::TUNING;
use edgeplan_methods::bundle::Bundle;

/// What a climb begins with, and how far it goes.
#[derive(Debug)]
pub(crate) struct Ascent<'a> {
    /// Paths that are known: those of them that are plans are cuts at any prices.
    pub(crate) known: &'a Mixture,
    /// Evaluations at most.
    pub(crate) evaluations: u32,
    /// The cost of the best plan, scaled, or a guess: the unit of values and prices.
    pub(crate) target: f64,
    /// A bound above this is enough.
    pub(crate) enough: f64,
}

/// Raises the bound of a relaxation; leaves it at the best prices found. `tick` is
/// asked before every evaluation, and told the best bound so far. Returns the mixture of paths that
/// nearly attains the best bound; none where there is no path.
pub(crate) fn maximise_dual(
    relaxation: &mut Relaxation<'_>,
    ascent: Ascent<'_>,
    tick: &mut dyn FnMut(f64) -> Result<(), Stop>,
) -> Result<Mixture, Stop> {
    let (chain, target, tuning) = (relaxation.chain, ascent.target, &TUNING.ascent);
    let scales = Scales::new(chain, target);
    let start = relaxation.prices.clone();
    let Some(path) = relaxation.path() else { return Ok(Mixture::new()) };
    let (value, slope) = (relaxation.bound / target, scales.slope(chain, &path));
    let mut bundle = Bundle::new(scales.point(&start), value, slope, tuning.proximity);
    bundle = bundle.with_free(scales.free.clone());
    let mut paths = vec![path];
    // A plan's value at new prices is an upper bound of the dual there, whatever grid or sets it
    // was found with: a climb on a finer grid begins with a model, not with nothing (e084cd3).
    for WeightedPath { path, .. } in ascent.known.iter().filter(|known| is_plan(chain, &known.path))
    {
        if let Some(value) = relaxation.value(path) {
            bundle.add_known(value / target, scales.slope(chain, path));
            paths.push(path.clone());
        }
    }
    let mut best = (relaxation.bound, start);
    let mut result = Ok(());
    for _ in 0..ascent.evaluations {
        result = tick(best.0);
        if result.is_err() || best.0 > ascent.enough {
            break;
        }
        let mut point = bundle.trial();
        // Little gain near the center is no proof that there is little further out.
        while bundle.predicted_gain() < tuning.predicted_gain_min && bundle.loosen() {
            point = bundle.trial();
        }
        if bundle.predicted_gain() < tuning.predicted_gain_min {
            break;
        }
        let asked = scales.prices(&point);
        relaxation.reprice(&asked);
        let prices = relaxation.prices.clone();
        if prices != asked {
            // What was learnt is true of the prices that the tables are of.
            point = scales.point(&prices);
        }
        let Some(path) = relaxation.path() else {
            // No path at all: the bound is infinite.
            best = (relaxation.bound, prices);
            break;
        };
        if relaxation.bound > best.0 {
            best = (relaxation.bound, prices);
        }
        bundle.learn(&point, relaxation.bound / target, scales.slope(chain, &path));
        paths.push(path);
    }
    // The last trial's tables are seldom the best ones.
    relaxation.reprice(&best.1);
    result?;
    let supports = bundle.supports().into_iter();
    let weighted = supports.map(|support| WeightedPath {
        path: std::mem::take(&mut paths[support.cut]),
        share: support.weight,
    });
    Ok(weighted.collect())
}

/// Whether a path returns nowhere, where it may not.
fn is_plan(chain: &Chain, path: &[Assignment]) -> bool {
    let mut visits = visits(path);
    visits.sort_unstable();
    !chain.contiguous || visits.windows(2).all(|pair| pair[0] != pair[1])
}

/// The units in which the bundle sees prices: loss, time, one per device for its visits and one
/// for its bytes; values are in units of the target. What has no price has no unit.
struct Scales {
    units: Vec<f64>,
    /// Which prices may be negative: rewards for visits that must be.
    free: Vec<bool>,
}

impl Scales {
    fn new(chain: &Chain, target: f64) -> Self {
        let budget = |allowed: f64| target / allowed.max(1.0);
        let loss =
            if chain.loss_max == Limit::NONE { 0.0 } else { budget(chain.loss_max.as_f64()) };
        let time = chain.time_max.map_or(0.0, |max| budget(max as f64));
        let visit = if chain.contiguous { target } else { 0.0 };
        let priced = |room: &Room| if chain.prices_bytes { budget(room.bytes as f64) } else { 0.0 };
        let mut units = vec![loss, time];
        units.resize(2 + chain.devices, visit);
        units.extend(chain.room.iter().map(priced));
        let mut free = vec![false; 2];
        free.extend(&chain.required);
        free.resize(units.len(), false);
        Self { units, free }
    }

    fn point(&self, prices: &Prices) -> Vec<f64> {
        let devices = prices.visit.iter().chain(&prices.bytes).copied();
        let all = [prices.loss, prices.time].into_iter().chain(devices);
        let over = |(price, unit): (f64, &f64)| if *unit > 0.0 { price / unit } else { 0.0 };
        all.zip(&self.units).map(over).collect()
    }

    fn prices(&self, point: &[f64]) -> Prices {
        let mut all = point.iter().zip(&self.units).map(|(x, unit)| x * unit);
        let devices = (self.units.len() - 2) / 2;
        let (loss, time) = (all.next().unwrap_or(0.0), all.next().unwrap_or(0.0));
        let visit = all.by_ref().take(devices).map(f64::floor).collect();
        Prices { loss, time, visit, bytes: all.collect() }
    }

    /// What a path uses of what is relaxed, minus what is allowed: the slope of the bound.
    fn slope(&self, chain: &Chain, path: &[Assignment]) -> Vec<f64> {
        let (mut loss, mut time) = (0.0, 0.0);
        let mut visits = vec![-1.0; chain.devices];
        let mut bytes = vec![0.0; chain.devices];
        let mut last = None;
        for (layer, &assigned) in path.iter().enumerate() {
            let device = assigned.device.index();
            let choice = chain.choice(layer, assigned).expect("a path of this chain");
            loss += choice.loss as f64;
            time += choice.time as f64;
            bytes[device] += choice.bytes as f64;
            if last != Some(device) {
                visits[device] += 1.0;
                time += hop_time(chain, layer, last, device);
            }
            last = Some(device);
        }
        time += last.and_then(|device| chain.egress[device]).map_or(0.0, |hop| hop.time as f64);
        let share = |used: f64, allowed: f64| (used - allowed) / allowed.max(1.0);
        let rooms = bytes.iter().zip(&chain.room);
        let slopes = [share(loss, chain.loss_max.as_f64())]
            .into_iter()
            .chain([chain.time_max.map_or(0.0, |max| share(time, max as f64))])
            .chain(visits)
            .chain(rooms.map(|(&used, room)| share(used, room.bytes as f64)));
        let priced = slopes.zip(&self.units);
        priced.map(|(slope, &unit)| if unit > 0.0 { slope } else { 0.0 }).collect()
    }
}

/// Time of the message that leads to a device at a layer.
fn hop_time(chain: &Chain, layer: usize, from: Option<usize>, device: usize) -> f64 {
    let hop = match from {
        None => chain.ingress[device],
        Some(from) => {
            let hops = &chain.hops[chain.at(layer - 1, from)];
            hops.iter().find(|hop| hop.to == device).copied()
        }
    };
    hop.map_or(0.0, |hop| hop.time as f64)
}

#[cfg(test)]
mod tests {
    use edgeplan_problem::deployment::LayerOption;
    use edgeplan_problem::{Bytes, Loss, Nanos};

    use super::*;
    use crate::chain::tests::question;
    use crate::dual::relaxation::tests::{chain, relaxation};

    #[test]
    fn the_bound_rises_to_the_best_mixture_of_plans() {
        // Six layers on one device, each quick and lossy or slow and exact: the dual's maximum is
        // the fractional knapsack over layers.
        let mut question = question(&[9], &[(1, 10), (1, 20), (1, 30), (1, 40), (1, 50), (1, 60)]);
        for (layer, spec) in question.models[0].layers.iter_mut().enumerate() {
            spec.options[0].loss = Loss(0);
            let faster = Nanos(spec.options[0].compute[0].expect("it runs").0 / 2);
            let (recipe, loss) = ("lossy".into(), Loss(3 + layer as u64 % 3));
            let compute = vec![Some(faster)];
            let option = LayerOption { recipe, bytes: Bytes(1), shared: None, loss, compute };
            spec.options.push(option);
        }
        question.models[0].loss_max = Some(Loss(10));
        let question = question.checked().expect("the question makes sense");
        // Savings per loss: 5/3, 10/4, 15/5, 20/3, 25/4, 30/5; the best three take 3 + 4 of 10 for
        // 45, and 3 of the 5 of the next for 3/5 of 30.
        let fractional = 210.0 - 20.0 - 25.0 - 30.0 * 3.0 / 5.0;
        let chain = chain(&question);
        let mut relaxation = relaxation(&chain, &Prices::zero(1));
        let mut evaluations = 0;
        let known = Mixture::new();
        let target = 160.0 * chain.scale;
        let ascent = Ascent { known: &known, evaluations: 60, target, enough: f64::MAX };
        let mixture = maximise_dual(&mut relaxation, ascent, &mut |_| {
            evaluations += 1;
            Ok(())
        })
        .expect("nothing stops it");
        let bound = relaxation.bound / chain.scale;
        assert!(bound <= fractional && bound > fractional - 0.1, "{bound}, not {fractional}");
        assert!(bound <= question.brute_force().expect("there is a plan").0.as_f64());
        assert!(evaluations <= 60);
        // The mixture keeps to the budget, nearly, and its shares are those of one path.
        let loss = |path: &[Assignment]| -> f64 {
            let choices = path.iter().enumerate().map(|(layer, &at)| chain.choice(layer, at));
            choices.map(|choice| choice.expect("of this chain").loss as f64).sum()
        };
        let lost: f64 = mixture.iter().map(|part| part.share * loss(&part.path)).sum();
        let shares: f64 = mixture.iter().map(|part| part.share).sum();
        assert!((shares - 1.0).abs() < 1e-6 && (lost - 10.0).abs() < 0.5, "{shares}, {lost}");
    }

    #[test]
    fn a_stop_leaves_the_tables_at_the_best_prices() {
        let chain = chain(&question(&[1, 1], &[(1, 5), (1, 7)]));
        let mut relaxation = relaxation(&chain, &Prices::zero(2));
        let before = relaxation.bound;
        let known = Mixture::new();
        let ascent = Ascent { known: &known, evaluations: 9, target: before, enough: f64::MAX };
        let stopped = maximise_dual(&mut relaxation, ascent, &mut |_| Err(Stop::Steps));
        assert_eq!(stopped.err(), Some(Stop::Steps));
        assert_eq!(relaxation.bound, before);
    }
}
