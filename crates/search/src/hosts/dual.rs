//! The bound of a node: prices are raised until the relaxed paths keep to the rows on average.

use std::rc::Rc;

use edgeplan_problem::Stop;

use super::branching::Node;
use super::master::{Master, Solution};
use super::network::Network;
use super::rows::{Path, Prices, Row, base_rows};
use super::tables::Tables;
use crate::dual::ng_sets::{NgSets, WeightedVisits};
use crate::tuning::TUNING;

/// A path and its share of a mixture.
#[derive(Debug, Clone)]
pub(super) struct Weighted {
    pub(super) path: Rc<Path>,
    pub(super) share: f64,
}

/// An event of a climb.
pub(super) struct Event<'p> {
    /// The best bound so far, scaled.
    pub(super) bound: f64,
    /// A mixture that it may pay to make a plan of.
    pub(super) mixture: Option<&'p [Weighted]>,
}

/// What a climb leaves.
pub(super) struct Solved {
    /// No plan of the node costs less, scaled.
    pub(super) bound: f64,
    /// By row.
    pub(super) prices: Vec<f64>,
    /// The paths that attain the bound together, the largest share first.
    pub(super) mixture: Vec<Weighted>,
    pub(super) ng_sets: NgSets,
}

/// What a climb begins with.
pub(super) struct Ascent<'a> {
    network: &'a Network<'a>,
    rows: Vec<Row>,
    node: &'a Node,
    evaluations: u32,
}

/// OnEvent of progress; gives the scaled cost above which plans do not matter.
pub(super) type OnEvent<'t> = dyn FnMut(Event<'_>) -> Result<f64, Stop> + 't;

impl<'a> Ascent<'a> {
    pub(super) fn of(network: &'a Network<'a>, node: &'a Node) -> Self {
        let mut rows = base_rows(network);
        rows.extend(&node.counts);
        let tuning = &TUNING.hosts;
        let evaluations =
            if node.depth == 0 { tuning.root_evaluations } else { tuning.node_evaluations };
        Self { network, rows, node, evaluations }
    }

    /// Climbs, and where relaxed paths return to a host, climbs again with hosts remembered.
    pub(super) fn maximise(self, on_event: &mut OnEvent<'_>) -> Result<Solved, Stop> {
        let mut prices = self.node.prices.clone();
        prices.resize(self.rows.len(), 0.0);
        let mut solved = Solved {
            bound: f64::NEG_INFINITY,
            prices,
            mixture: self.node.paths.clone(),
            ng_sets: self.node.ng_sets.clone(),
        };
        for growth in 0..=TUNING.hosts.growths {
            self.climb(&mut solved, on_event)?;
            let returns = solved.mixture.iter().filter(|part| !part.path.is_contiguous());
            let visits = returns.map(|part| WeightedVisits {
                devices: self.hosts_of(&part.path),
                share: part.share,
            });
            let grown = solved.ng_sets.grown(visits, TUNING.hosts.rows_max);
            match grown.filter(|_| growth < TUNING.hosts.growths) {
                Some(grown) => solved.ng_sets = grown,
                None => break,
            }
        }
        Ok(solved)
    }

    fn hosts_of(&self, path: &Path) -> Vec<usize> {
        let hosts = path.assignments.iter().map(|at| self.network.host[at.device.index()]);
        let mut hosts: Vec<usize> = hosts.collect();
        hosts.dedup();
        hosts
    }

    fn climb(&self, solved: &mut Solved, on_event: &mut OnEvent<'_>) -> Result<(), Stop> {
        let network = self.network;
        let mut tables = Tables::new(network, solved.ng_sets.clone(), self.node.barred.as_deref());
        let prices = Prices::new(network, &self.rows, &solved.prices);
        let mut best = (tables.fill(&prices), prices.of_rows.clone());
        let Some(path) = tables.path(&prices) else {
            (solved.bound, solved.mixture) = (f64::INFINITY, Vec::new());
            return Ok(());
        };
        let mut paths = vec![Rc::new(Path::of(network, path))];
        let event = Event { bound: best.0.max(solved.bound), mixture: None };
        let mut cutoff = on_event(event)?;
        let target = if cutoff < network.chain.cost_max { cutoff } else { paths[0].cost };
        let target = target.clamp(TARGET_MIN, network.chain.cost_max.max(TARGET_MIN));
        let sizes: Vec<f64> = self.rows.iter().map(|row| row.size(network)).collect();
        let excess = |path: &Path| -> Vec<f64> {
            let rows = self.rows.iter().zip(&sizes);
            rows.map(|(row, size)| path.excess(network, row) / size).collect()
        };
        let price_max = vec![TUNING.hosts.price_max; self.rows.len()];
        let mut master = Master::new(paths[0].cost / target, excess(&paths[0]), price_max);
        for known in &solved.mixture {
            master.add(known.path.cost / target, excess(&known.path));
            paths.push(Rc::clone(&known.path));
        }
        let mut solution = master.solve();
        let mut smoothing = TUNING.hosts.smoothing;
        for evaluation in 1..self.evaluations {
            if best.0 > cutoff {
                break;
            }
            let settled = TUNING.hosts.predicted_gain_min * target;
            if solution.value * target - best.0 <= settled && !raise(&mut master, &mut solution) {
                break;
            }
            let asked =
                solution.prices.iter().zip(&best.1).zip(&sizes).map(|((new, old), size)| {
                    smoothing * old + (1.0 - smoothing) * new * target / size
                });
            let prices = Prices::new(network, &self.rows, &asked.collect::<Vec<f64>>());
            let bound = tables.fill(&prices);
            let Some(path) = tables.path(&prices) else {
                best.0 = f64::INFINITY;
                break;
            };
            if bound > best.0 {
                best = (bound, prices.of_rows);
            }
            let path = Rc::new(Path::of(network, path));
            let every = TUNING.hosts.rounded_every;
            let mixed = (self.node.depth == 0 && evaluation.is_multiple_of(every))
                .then(|| mixture(&solution.shares, &paths));
            cutoff = on_event(Event { bound: best.0, mixture: mixed.as_deref() })?;
            let excess = excess(&path);
            // What the master's own prices make of the path: nothing new where that is its value.
            let priced: f64 = excess.iter().zip(&solution.prices).map(|(a, price)| a * price).sum();
            let is_new = path.cost / target + priced < solution.value - COST_TOLERANCE;
            smoothing = if is_new { TUNING.hosts.smoothing } else { smoothing * 0.3 };
            if !is_new && smoothing < SMOOTHING_MIN {
                smoothing = 0.0;
            }
            master.add(path.cost / target, excess);
            paths.push(path);
            solution = master.solve();
        }
        solved.mixture = mixture(&solution.shares, &paths);
        solved.bound = solved.bound.max(best.0);
        solved.prices = best.1;
        Ok(())
    }
}

/// Allows higher prices of rows that are broken at their highest ones; whether there are any.
fn raise(master: &mut Master, solution: &mut Solution) -> bool {
    let rows = 0..solution.excess.len();
    let over: Vec<usize> = rows.filter(|&row| solution.excess[row] > OVER).collect();
    if over.is_empty() || solution.value > PRICED_OUT {
        return false;
    }
    over.iter().for_each(|&row| master.raise_price_max(row, RAISE));
    *solution = master.solve();
    true
}

/// The paths that have shares, the largest first.
fn mixture(shares: &[f64], paths: &[Rc<Path>]) -> Vec<Weighted> {
    let mut shares: Vec<(f64, usize)> = shares.iter().copied().zip(0..).collect();
    shares.retain(|(share, _)| *share > SHARE_MIN);
    shares.sort_by(|a, b| b.0.total_cmp(&a.0));
    let weighted =
        |&(share, path): &(f64, usize)| Weighted { path: Rc::clone(&paths[path]), share };
    shares.iter().map(weighted).collect()
}

/// Targets are at least this: units of prices are not lost beside rounding.
const TARGET_MIN: f64 = (1u32 << 20) as f64;
/// What is used too much counts from this on, in shares of what is allowed.
const OVER: f64 = 1e-6;
/// A row that is still broken at its highest price gets one so many times as high; a master that
/// costs so many targets has no solution.
const RAISE: f64 = 16.0;
const PRICED_OUT: f64 = 1e3;
/// A path must be cheaper by this share of the target to be new.
const COST_TOLERANCE: f64 = 1e-9;
/// Smoothing below this is none, shares below this are none.
const SMOOTHING_MIN: f64 = 0.02;
const SHARE_MIN: f64 = 1e-6;
