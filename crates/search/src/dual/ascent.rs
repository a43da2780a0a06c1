//! Climbing the Lagrangian bound with a bundle of its slopes.

use edgeplan_problem::Stop;

use crate::bundle::Bundle;
use crate::chain::{Chain, Room, UNLIMITED};
use crate::relaxation::{Path, Prices, Relaxation, visits};

/// How far to climb.
#[derive(Debug)]
pub(crate) struct Climb<'a> {
    /// Paths that are known.
    pub(crate) known: &'a Mixture,
    /// Evaluations at most.
    pub(crate) steps: u32,
    /// The cost of the best plan, scaled, or a guess: the unit of values and prices.
    pub(crate) target: f64,
    /// A bound above this is enough.
    pub(crate) enough: f64,
}

/// Paths and their shares: together they keep to what is relaxed, nearly, and attain nearly the
/// best bound possible; the largest share first.
pub(crate) type Mixture = Vec<(Path, f64)>;

/// What the model may still promise, relative to the target, when climbing ends.
const PROMISE_MIN: f64 = 2e-5;
/// The first pull: a device visited twice is priced at this share of the target.
const STEP: f64 = 0.02;

/// Raises the bound of a solved relaxation; leaves it solved for the best prices found. `tick` is
/// asked before every evaluation. Returns the mixture that nearly attains the best bound.
pub(crate) fn climb(
    chain: &Chain,
    relaxation: &mut Relaxation,
    climb: Climb<'_>,
    tick: &mut dyn FnMut(f64) -> Result<(), Stop>,
) -> Result<Mixture, Stop> {
    let scales = Scales::new(chain, climb.target);
    let start = relaxation.prices.clone();
    let Some(path) = relaxation.path(chain) else { return Ok(Mixture::new()) };
    let (value, slope) = (relaxation.bound / climb.target, scales.slope(chain, &path));
    let mut bundle = Bundle::new(scales.point(&start), value, slope, STEP);
    bundle = bundle.free(scales.free.clone());
    let mut paths = vec![path];
    for (path, _) in climb.known.iter().filter(|(path, _)| is_plan(chain, path)) {
        if let Some(value) = relaxation.value(chain, path) {
            bundle.know(value / climb.target, scales.slope(chain, path));
            paths.push(path.clone());
        }
    }
    let mut best = (relaxation.bound, start);
    let mut result = Ok(());
    for _ in 0..climb.steps {
        result = tick(best.0);
        if result.is_err() || best.0 > climb.enough {
            break;
        }
        let mut point = bundle.trial();
        while bundle.promise() < PROMISE_MIN && bundle.loosen() {
            point = bundle.trial();
        }
        if bundle.promise() < PROMISE_MIN {
            break;
        }
        let asked = scales.prices(&point);
        relaxation.solve(chain, &asked);
        let prices = relaxation.prices.clone();
        if prices != asked {
            // What was learnt is true of the prices that the tables are of.
            point = scales.point(&prices);
        }
        let Some(path) = relaxation.path(chain) else {
            // No path at all: the bound is infinite.
            best = (relaxation.bound, prices);
            break;
        };
        if relaxation.bound > best.0 {
            best = (relaxation.bound, prices);
        }
        let (value, slope) = (relaxation.bound / climb.target, scales.slope(chain, &path));
        bundle.learn(&point, value, slope);
        paths.push(path);
    }
    relaxation.solve(chain, &best.1);
    result?;
    let holding = bundle.holding();
    let share = |(number, weight): (usize, f64)| (std::mem::take(&mut paths[number]), weight);
    Ok(holding.into_iter().map(share).collect())
}

/// Whether a path returns nowhere, where it may not.
fn is_plan(chain: &Chain, path: &Path) -> bool {
    let mut visits = visits(path);
    visits.sort_unstable();
    !chain.once || visits.windows(2).all(|pair| pair[0] != pair[1])
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
        let loss = if chain.loss_max == UNLIMITED { 0.0 } else { budget(chain.loss_max as f64) };
        let time = chain.time_max.map_or(0.0, |max| budget(max as f64));
        let visit = if chain.once { target } else { 0.0 };
        let bytes = |room: &Room| if chain.once { 0.0 } else { budget(room.bytes as f64) };
        let mut units = vec![loss, time];
        units.resize(2 + chain.devices, visit);
        units.extend(chain.room.iter().map(bytes));
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
    fn slope(&self, chain: &Chain, path: &Path) -> Vec<f64> {
        let (mut loss, mut time) = (0.0, 0.0);
        let mut visits = vec![-1.0; chain.devices];
        let mut bytes = vec![0.0; chain.devices];
        let mut last = None;
        for (layer, &(device, choice)) in path.iter().enumerate() {
            let choice = &chain.choices[chain.at(layer, device)][choice];
            loss += choice.loss as f64;
            time += choice.time as f64;
            bytes[device] += choice.bytes as f64;
            if last != Some(device) {
                visits[device] += 1.0;
                time += hop_time(chain, layer, last, device);
            }
            last = Some(device);
        }
        time += last.and_then(|device| chain.leave[device]).map_or(0.0, |hop| hop.time as f64);
        let share = |used: f64, allowed: f64| (used - allowed) / allowed.max(1.0);
        let rooms = bytes.iter().zip(&chain.room);
        let slopes = [share(loss, chain.loss_max as f64)]
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
        None => chain.enter[device],
        Some(from) => {
            let hops = &chain.hops[chain.at(layer - 1, from)];
            hops.iter().find(|hop| hop.to == device).copied()
        }
    };
    hop.map_or(0.0, |hop| hop.time as f64)
}
