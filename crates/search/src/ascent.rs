//! Climbing the Lagrangian bound: deflected subgradient steps of Polyak's length.
//!
//! The prices are few (quality, time, one per device), the function concave and piecewise linear.
//! Steps aim at a target between bound and incumbent (Held, Wolfe and Crowder 1974); directions
//! keep a part of the last one where the two disagree (Camerini, Fratta and Maffioli 1975).

use edgeplan_problem::Stop;

use crate::chain::Chain;
use crate::relaxation::{Path, Prices, Relaxation};

/// What a path uses of what is relaxed, minus what is allowed, each in shares of the allowed.
#[derive(Debug, Clone, Default)]
struct Slope {
    loss: f64,
    time: f64,
    visit: Vec<f64>,
}

/// How far to climb.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Climb {
    /// Steps at most.
    pub(crate) steps: u32,
    /// The cost of the best plan, scaled, or a guess.
    pub(crate) target: f64,
    /// Bounds above this are good enough.
    pub(crate) enough: f64,
}

/// Raises the bound; leaves the relaxation solved for the best prices found. `tick` is asked before
/// every step.
pub(crate) fn climb(
    chain: &Chain,
    relaxation: &mut Relaxation,
    climb: Climb,
    tick: &mut dyn FnMut(f64) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut best = relaxation.prices.clone();
    relaxation.solve(chain, &best);
    let mut best_bound = relaxation.bound;
    let (mut factor, mut stale) = (1.0, 0);
    let mut direction = Slope { visit: vec![0.0; chain.devices], ..Slope::default() };
    let mut result = Ok(());
    for _ in 0..climb.steps {
        result = tick(best_bound);
        if result.is_err() || best_bound >= climb.enough || !relaxation.bound.is_finite() {
            break;
        }
        let Some(path) = relaxation.path(chain) else { break };
        let slope = slope(chain, &path);
        direction.deflect(&slope, &relaxation.prices);
        let norm = direction.dot(&direction);
        if norm <= 0.0 {
            break;
        }
        let short = (climb.target - relaxation.bound).max(climb.target * 1e-5);
        let length = factor * short / norm / climb.target;
        let prices = direction.step(chain, &relaxation.prices, length, climb.target);
        relaxation.solve(chain, &prices);
        if relaxation.bound > best_bound + climb.target * 1e-6 {
            (best, best_bound, stale) = (prices, relaxation.bound, 0);
        } else {
            stale += 1;
            if stale >= PATIENCE {
                stale = 0;
                factor *= 0.5;
                if factor < FACTOR_MIN {
                    break;
                }
                relaxation.solve(chain, &best);
                direction = Slope { visit: vec![0.0; chain.devices], ..Slope::default() };
            }
        }
    }
    relaxation.solve(chain, &best);
    result
}

/// Steps without progress before they are halved.
const PATIENCE: u32 = 6;
/// Steps this much shorter than Polyak's are no longer worth taking.
const FACTOR_MIN: f64 = 0.01;

/// The subgradient at a path.
fn slope(chain: &Chain, path: &Path) -> Slope {
    let (mut loss, mut time) = (0.0, 0.0);
    let mut visit = vec![-1.0; chain.devices];
    let mut last = None;
    for (layer, &(device, choice)) in path.iter().enumerate() {
        let choice = &chain.choices[chain.at(layer, device)][choice];
        loss += choice.loss as f64;
        time += choice.time as f64;
        if last != Some(device) {
            visit[device] += 1.0;
            let hop = match last {
                None => chain.enter[device],
                Some(from) => {
                    let hops = &chain.hops[chain.at(layer - 1, from)];
                    hops.iter().find(|hop| hop.to == device).copied()
                }
            };
            time += hop.map_or(0.0, |hop| hop.time as f64);
        }
        last = Some(device);
    }
    time += last.and_then(|device| chain.leave[device]).map_or(0.0, |hop| hop.time as f64);
    let share = |used: f64, allowed: f64| (used - allowed) / allowed.max(1.0);
    Slope {
        loss: match chain.loss_max {
            u64::MAX => 0.0,
            max => share(loss, max as f64),
        },
        time: chain.time_max.map_or(0.0, |max| share(time, max as f64)),
        visit,
    }
}

impl Slope {
    fn dot(&self, other: &Self) -> f64 {
        let visits = self.visit.iter().zip(&other.visit).map(|(a, b)| a * b).sum::<f64>();
        self.loss * other.loss + self.time * other.time + visits
    }

    /// The new direction: the subgradient, plus as much of the old direction as makes them not
    /// disagree. Prices at zero are not pushed below it.
    fn deflect(&mut self, slope: &Self, prices: &Prices) {
        let agree = self.dot(slope);
        let norm = self.dot(self);
        let keep = if agree < 0.0 && norm > 0.0 { -1.5 * agree / norm } else { 0.0 };
        let blend = |new: f64, old: f64, price: f64| {
            let value = new + keep * old;
            if price <= 0.0 && value < 0.0 { 0.0 } else { value }
        };
        self.loss = blend(slope.loss, self.loss, prices.loss);
        self.time = blend(slope.time, self.time, prices.time);
        for (device, old) in self.visit.iter_mut().enumerate() {
            *old = blend(slope.visit[device], *old, prices.visit[device]);
        }
    }

    /// The prices a step on. One share of a budget weighs as much as the target.
    fn step(&self, chain: &Chain, prices: &Prices, length: f64, target: f64) -> Prices {
        let unit = length * target;
        let per = |allowed: f64| unit / allowed.max(1.0);
        Prices {
            loss: (prices.loss + self.loss * per(chain.loss_max as f64)).max(0.0),
            time: match chain.time_max {
                Some(max) => (prices.time + self.time * per(max as f64)).max(0.0),
                None => 0.0,
            },
            visit: prices
                .visit
                .iter()
                .zip(&self.visit)
                .map(|(price, slope)| (price + slope * unit).max(0.0).floor())
                .collect(),
        }
    }
}
