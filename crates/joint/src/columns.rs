//! The climb by columns: the master's duals are tried as prices, and what is cheapest under them
//! becomes columns of the master, until these add little.

use std::rc::Rc;

use edgeplan_problem::SolverError;
use rustc_hash::FxHashMap;

use crate::bound::Bounded;
use crate::domain::Domain;
use crate::master::Mixture;
use crate::paths::{Arc, Ways};
use crate::prices::{Ceilings, Prices, Terms};
use crate::recipes::Care;
use crate::search::{Aim, Left, Search, failed};

// Of 24 questions, most of them bottlenecks, at 20 s: a geometric mean of 4.1 s and 17 proven,
// where 0.7 of the best prices and 0.02 of what a node lacks (and targets up to a gap of 1 %) have
// 4.9 s and 15. 0.92 was worse than 0.85 on 14 of them.

/// The share of the best prices so far in the prices that are tried.
const SMOOTHING: f64 = 0.85;
/// A climb ends once what columns may still add to a bound is at most this share of what it lacks,
/// or of the bound: at the root, and at a node.
const SHARE_LEFT_ROOT: f64 = 0.02;
const SHARE_LEFT: f64 = 0.1;
const GAP_LEFT: f64 = 1e-7;
/// Solutions of the master between two that are rounded.
const ROUND_EVERY: u64 = 6;

impl Search<'_, '_, '_> {
    /// Climbs the bound of a node until it is closed, or columns add little.
    pub(crate) fn climb_by_columns(
        &mut self,
        domain: &mut Domain,
        bound: u64,
        prices: Rc<Prices>,
        aim: Aim,
    ) -> Result<Left, SolverError> {
        let ceilings = Ceilings::new(self.question, self.cutoff());
        self.master.focus(domain, &ceilings).map_err(failed)?;
        let mut center = Rc::clone(&prices);
        let mut best = i128::from(bound) << self.question.shift;
        let mut first = true;
        let mut smoothing = SMOOTHING;
        let mut masters = 0;
        let mut trial: Option<Prices> = Some((*prices).clone());
        let mut last: Option<Mixture> = None;
        loop {
            self.run.step()?;
            let tried = trial.take();
            let mut added = 0;
            if let Some(tried) = tried {
                let exact = last.as_ref().map(|mixture| &mixture.prices);
                let terms = Terms { prices: &tried, ceilings: &ceilings };
                let bounded = self.bounded(domain, terms)?;
                self.run.count("labels", bounded.labels());
                added = self.add(domain, terms, &bounded, exact)?;
                if bounded.scaled > best || first {
                    best = best.max(bounded.scaled);
                    center = Rc::new(tried);
                    if aim == Aim::Root {
                        self.learn_root(&bounded, &center);
                    }
                }
                if bounded.cost(self.question) >= self.cutoff() {
                    return Ok(Left::Nothing);
                }
            }
            first = false;
            if let Some(mixture) = last.as_ref().filter(|_| added == 0) {
                if smoothing <= 0.0 {
                    break;
                }
                // Nothing new at mixed prices: nearer to the duals themselves.
                smoothing = if smoothing > 0.2 { smoothing - 0.3 } else { 0.0 };
                trial = Some(center.mixed(smoothing.max(0.0), &mixture.prices));
                continue;
            }
            let Some(mixture) = self.master.optimum(self.run.remaining()).map_err(failed)? else {
                self.run.check()?;
                // HiGHS gives up where rows differ by many orders of magnitude (a partition of 24
                // sizes of 22 bits): what is proven stays, and the node is split.
                let even = || Mixture::even(self.question, domain, &center);
                last = Some(last.unwrap_or_else(even));
                break;
            };
            self.run.count("masters", 1);
            smoothing = SMOOTHING;
            trial = Some(center.mixed(smoothing, &mixture.prices));
            if self.is_settled(best, &mixture, aim) {
                last = Some(mixture);
                break;
            }
            masters += 1;
            if masters % ROUND_EVERY == 0 && !mixture.misses {
                self.round(domain, &mixture, &center, Care::Brief)?;
            }
            last = Some(mixture);
        }
        let mixture = last.expect("the master was solved");
        self.end_climb(domain, best, center, mixture)
    }

    /// Whether more columns add little to a scaled bound: the master's value is near it, or near
    /// enough to what the cutoff asks.
    fn is_settled(&self, best: i128, mixture: &Mixture, aim: Aim) -> bool {
        let proven = self.question.in_costs(best);
        // Below a target only the proof that nothing is left counts, and more columns only lower
        // the mixture.
        let is_target = self.ceiling < u64::MAX;
        if is_target && !mixture.misses && mixture.objective < self.cutoff() as f64 {
            return true;
        }
        let lacks = self.lacks(proven, mixture.objective);
        let left = mixture.objective - proven;
        let share = if aim == Aim::Root { SHARE_LEFT_ROOT } else { SHARE_LEFT };
        left <= share * lacks || left <= GAP_LEFT * mixture.objective
    }

    /// Adds the columns that pricing found and that the master lacks: how many.
    fn add(
        &mut self,
        domain: &Domain,
        Terms { prices: tried, ceilings }: Terms<'_>,
        bounded: &Bounded,
        exact: Option<&Prices>,
    ) -> Result<usize, SolverError> {
        let question = self.question;
        let mut added = 0;
        for priced in &bounded.priced {
            for (_, configuration) in &priced.found {
                added += usize::from(self.master.add_configuration(configuration).map_err(failed)?);
            }
        }
        if tried.routed {
            return Ok(added);
        }
        let exact = exact.unwrap_or(tried);
        let ways = Ways::new(question, domain, exact, ceilings);
        let tried_ways = Ways::new(question, domain, tried, ceilings);
        for (model, tables) in bounded.tables.iter().enumerate() {
            let mut arcs: Vec<Arc> = tried_ways.cheapest(model, tables);
            arcs.extend(best_arcs(&ways, model));
            for arc in arcs {
                added += usize::from(self.master.add_arc(arc).map_err(failed)?);
            }
        }
        Ok(added)
    }
}

/// What of a network one arc is enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lacking {
    Entry { device: usize },
    Exit { device: usize },
    Hop { slot: usize, to: usize },
}

/// The arcs that a master with these prices lacks most: the cheapest to each place.
fn best_arcs(ways: &Ways<'_>, model: usize) -> Vec<Arc> {
    let mut best: FxHashMap<Lacking, (i64, Arc)> = FxHashMap::default();
    for arc in ways.arcs(model) {
        let cost = ways.cost(arc);
        let key = match arc {
            Arc::Enter { device, .. } => Lacking::Entry { device },
            Arc::Leave { device, .. } => Lacking::Exit { device },
            Arc::Hop { slot, to, .. } => Lacking::Hop { slot, to },
        };
        // Only entering is held against a row of its own, whose dual is no price.
        if cost >= 0 && !matches!(arc, Arc::Enter { .. }) || cost >= crate::question::NEVER {
            continue;
        }
        let entry = best.entry(key).or_insert((cost, arc));
        if cost < entry.0 {
            *entry = (cost, arc);
        }
    }
    let mut arcs: Vec<(i64, Arc)> = best.into_values().collect();
    arcs.sort_by_key(|&(cost, arc)| (cost, order(arc)));
    arcs.into_iter().map(|(_, arc)| arc).collect()
}

/// Where an arc ends: to other devices first, then the way back, then the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Device(usize),
    Exit,
    Entry,
}

/// A total order, so that runs repeat.
fn order(arc: Arc) -> (usize, usize, End) {
    match arc {
        Arc::Enter { model, device } => (model, device, End::Entry),
        Arc::Hop { slot, from, to } => (slot, from, End::Device(to)),
        Arc::Leave { model, device } => (model, device, End::Exit),
    }
}
