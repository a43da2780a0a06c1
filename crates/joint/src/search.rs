//! Branch and price: nodes are domains; each climbs its bound by columns until it is closed, or is
//! split where the mixture of columns is undecided.

use std::rc::Rc;
use std::time::Duration;

use edgeplan_mip::EngineError;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Run, SolverError, Stop, gap};
use rustc_hash::FxHashMap;

use crate::bound::{Bounded, fix, unscaled};
use crate::branch::{decide, split};
use crate::domain::Domain;
use crate::improve::improved;
use crate::master::{Master, Mixture};
use crate::paths::{Arc, Ways};
use crate::place::placement;
use crate::prices::{Ceilings, Prices, Terms};
use crate::pricing::LabelsMax;
use crate::propagate::propagate;
use crate::question::Question;
use crate::recipes::{Care, Guide, Layout, guided, repaired};
use crate::tree::{Node, Open};

/// The search of one question.
pub(crate) struct Search<'a, 'r, 'q> {
    question: &'a Question<'a>,
    run: &'r mut Run<'q, Deployment>,
    master: Master<'a>,
    made: u64,
    /// Time that searches for better placements took.
    improving: Duration,
    /// Nothing that costs as much is looked for, whatever is known of plans.
    ceiling: u64,
    /// The root's prices, each better than the one before.
    root: Vec<Rc<Prices>>,
}

/// What is left of a node.
enum Left {
    /// Nothing that costs less than the cutoff.
    Nothing,
    /// What is between the cutoff and that bound, with the prices that show it.
    Open { bound: u64, prices: Rc<Prices>, mixture: Box<Mixture> },
}

/// Labels for one configuration.
const LABELS: LabelsMax = LabelsMax(20_000);
/// The share of the best prices so far in the prices that are tried.
const SMOOTHING: f64 = 0.7;
/// A node is split once what columns may still add to its bound is at most this share of what it
/// lacks, or of its bound.
const SHARE_LEFT: f64 = 0.02;
const GAP_LEFT: f64 = 1e-7;
/// What a bound lacks counts as at most this share of it: the best plan may be a bad one.
const LACKS_MAX: f64 = 0.1;
/// Solutions of the master between two that are rounded.
const ROUND_EVERY: u64 = 6;
/// Searches for better placements may take this long, and this part of the run so far.
const IMPROVE_TIME: Duration = Duration::from_millis(500);
const IMPROVE_SHARE: u32 = 4;

impl<'a, 'r, 'q> Search<'a, 'r, 'q> {
    pub(crate) fn new(
        question: &'a Question<'a>,
        run: &'r mut Run<'q, Deployment>,
    ) -> Result<Self, SolverError> {
        let most = run.best().map_or(question.cost_max, |(_, cost)| cost.0).max(1);
        let master = Master::new(question, most, run.limits().threads).map_err(failed)?;
        let (made, improving, ceiling, root) = (0, Duration::ZERO, u64::MAX, Vec::new());
        Ok(Self { question, run, master, made, improving, ceiling, root })
    }

    /// Prices of the root, for plans that cost less than a ceiling, each better than the one
    /// before, as far as time allows. Nothing is propagated: a checker that does not would find
    /// prices of what is closed to be worth nothing.
    pub(crate) fn root_prices(mut self, ceiling: Option<Cost>) -> Result<Vec<Prices>, SolverError> {
        self.ceiling = ceiling.map_or(u64::MAX, |cost| cost.0);
        let mut domain = self.question.whole();
        let start = Rc::new(Prices::zero(self.question));
        let climbed = self.climb(&mut domain, 0, Rc::clone(&start), true);
        if !matches!(climbed, Ok(_) | Err(SolverError::Stopped(_))) {
            climbed?;
        }
        let found = self.root.iter().map(|prices| (**prices).clone());
        Ok(std::iter::once((*start).clone()).chain(found).collect())
    }

    /// The least cost that is not known to be out of reach: plans that cost as much are of no
    /// interest.
    fn cutoff(&self) -> u64 {
        let known = match self.run.best() {
            Some(&(_, cost)) => within(cost, self.run.limits().gap),
            None => self.question.cost_max.saturating_add(1),
        };
        known.min(self.ceiling)
    }

    /// No plan costs less than what is returned; [`Cost::MAX`] if there is none.
    pub(crate) fn prove(mut self) -> Result<Cost, SolverError> {
        let mut domain = self.question.whole();
        if propagate(self.question, &mut domain).is_err() {
            return Ok(Cost::MAX);
        }
        if let Some((plan, _)) = self.run.best().cloned() {
            self.learn(&plan)?;
        }
        let prices = Rc::new(Prices::zero(self.question));
        let mut open = Open::default();
        open.push(Node { bound: 0, number: 0, domain, prices });
        let mut looked = 0;
        while let Some(node) = open.pop(looked) {
            if node.bound >= self.cutoff() {
                continue;
            }
            let is_root = looked == 0;
            looked += 1;
            self.run.lower_bound(Cost(open.least().min(node.bound)));
            self.run.count("nodes", 1);
            let Node { bound, mut domain, prices, .. } = node;
            let Left::Open { bound, prices, mixture } =
                self.climb(&mut domain, bound, prices, is_root)?
            else {
                continue;
            };
            if is_root {
                self.dive(domain.clone(), &mixture, &prices)?;
            }
            for mut domain in split(self.question, &domain, &mixture) {
                if propagate(self.question, &mut domain).is_ok() {
                    self.made += 1;
                    let prices = Rc::clone(&prices);
                    open.push(Node { bound, number: self.made, domain, prices });
                }
            }
        }
        Ok(match self.run.best() {
            Some(_) => Cost(self.cutoff()),
            None => Cost::MAX,
        })
    }

    /// Decides what is nearly decided, again and again, to a plan.
    fn dive(
        &mut self,
        mut domain: Domain,
        mixture: &Mixture,
        prices: &Rc<Prices>,
    ) -> Result<(), SolverError> {
        let mut decided = decide(self.question, &mut domain, mixture);
        let mut prices = Rc::clone(prices);
        while decided && propagate(self.question, &mut domain).is_ok() {
            let left = self.climb(&mut domain, 0, prices, false)?;
            let Left::Open { prices: better, mixture, .. } = left else { break };
            decided = decide(self.question, &mut domain, &mixture);
            prices = better;
        }
        Ok(())
    }

    fn bounded(&self, domain: &Domain, terms: Terms<'_>) -> Result<Bounded, Stop> {
        Bounded::new(self.question, domain, terms, LABELS, &|| self.run.check())
    }

    /// Adds a plan's columns.
    fn learn(&mut self, plan: &Plan) -> Result<(), SolverError> {
        let Some(layout) = Layout::of(self.question, plan) else { return Ok(()) };
        for configuration in layout.configurations(self.question) {
            self.master.add_configuration(&configuration).map_err(failed)?;
        }
        for arc in layout.arcs(self.question) {
            self.master.add_arc(arc).map_err(failed)?;
        }
        Ok(())
    }

    /// Climbs the bound of a node until it is closed, or columns add little.
    fn climb(
        &mut self,
        domain: &mut Domain,
        bound: u64,
        prices: Rc<Prices>,
        is_root: bool,
    ) -> Result<Left, SolverError> {
        if let Some(layout) = sole_layout(self.question, domain) {
            self.run.incumbent(&layout.plan(self.question));
            return Ok(Left::Nothing);
        }
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
                self.run.count("labels", bounded.priced.iter().map(|p| p.labels).sum());
                added = self.add(domain, terms, &bounded, exact)?;
                if bounded.scaled > best || first {
                    best = best.max(bounded.scaled);
                    center = Rc::new(tried);
                    if is_root {
                        self.root.push(Rc::clone(&center));
                        self.run.lower_bound(Cost(bounded.cost(self.question).min(self.cutoff())));
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
                return Err(SolverError::Engine("the master has no optimum".into()));
            };
            self.run.count("masters", 1);
            smoothing = SMOOTHING;
            trial = Some(center.mixed(smoothing, &mixture.prices));
            if self.is_settled(best, &mixture) {
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
        self.fix(domain, Terms { prices: &center, ceilings: &ceilings })?;
        self.round(domain, &mixture, &center, Care::Thorough)?;
        let bound = unscaled(self.question, best).max(bound);
        if bound >= self.cutoff() {
            return Ok(Left::Nothing);
        }
        Ok(Left::Open { bound, prices: center, mixture: Box::new(mixture) })
    }

    /// Whether more columns add little to a scaled bound: the master's value is near it, or near
    /// enough to what the cutoff asks.
    fn is_settled(&self, best: i128, mixture: &Mixture) -> bool {
        let proven = best as f64 / (1u64 << self.question.shift) as f64;
        let lacks = (self.cutoff() as f64 - proven).min(LACKS_MAX * mixture.objective);
        let left = mixture.objective - proven;
        left <= SHARE_LEFT * lacks || left <= GAP_LEFT * mixture.objective
    }

    /// Takes out of a domain what reduced costs at these prices show to be useless.
    fn fix(&mut self, domain: &mut Domain, terms: Terms<'_>) -> Result<(), SolverError> {
        let bounded = self.bounded(domain, terms)?;
        if bounded.scaled < i128::MAX {
            let fixed = fix(self.question, domain, terms, &bounded, self.cutoff());
            self.run.count("fixed", fixed);
        }
        Ok(())
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

    /// Offers the plan that a mixture is nearest to.
    fn round(
        &mut self,
        domain: &Domain,
        mixture: &Mixture,
        prices: &Prices,
        care: Care,
    ) -> Result<(), SolverError> {
        let question = self.question;
        let Some(devices) = placement(question, domain, mixture) else { return Ok(()) };
        let unit = (1u64 << question.shift) as f64 * (1u64 << crate::prices::FRACTION) as f64;
        let guide = Guide { loss: prices.loss.iter().map(|&price| price as f64 / unit).collect() };
        let Some(layout) = guided(question, domain, &devices, &guide) else { return Ok(()) };
        let layout = match repaired(question, domain, layout.clone(), care) {
            Some((layout, _)) => layout,
            // Only moves to other devices help.
            None if self.run.best().is_none() || care == Care::Thorough => {
                self.improved(domain, layout)
            }
            None => return Ok(()),
        };
        self.offer(&layout)
    }

    /// A better layout near that one.
    fn improved(&mut self, domain: &Domain, layout: Layout) -> Layout {
        let began = self.run.elapsed();
        let until = began + (began / IMPROVE_SHARE + IMPROVE_TIME).saturating_sub(self.improving);
        let more = &mut || self.run.check().is_ok() && self.run.elapsed() < until;
        let layout = improved(self.question, domain, layout, more);
        self.improving += self.run.elapsed() - began;
        layout
    }

    /// Offers a layout's plan; of a better one the master learns the columns, and better ones near
    /// it are looked for.
    fn offer(&mut self, layout: &Layout) -> Result<(), SolverError> {
        let before = self.run.best().map(|&(_, cost)| cost);
        let plan = layout.plan(self.question);
        self.run.incumbent(&plan);
        if self.run.best().map(|&(_, cost)| cost) == before {
            return Ok(());
        }
        self.learn(&plan)?;
        let near = self.improved(&self.question.whole(), layout.clone());
        let plan = near.plan(self.question);
        match self.run.incumbent(&plan) {
            Some(_) => self.learn(&plan),
            None => Ok(()),
        }
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

/// The only layout that a domain allows.
fn sole_layout(question: &Question<'_>, domain: &Domain) -> Option<Layout> {
    let mut layout = Layout { devices: Vec::new(), choices: Vec::new() };
    for slot in 0..question.slots() {
        let device = crate::propagate::sole_device(question, domain, slot)?;
        let mut choices = domain.choices(question.place(slot, device));
        layout.choices.push(choices.next()?);
        layout.devices.push(device);
        if choices.next().is_some() {
            return None;
        }
    }
    Some(layout)
}

/// The least bound that proves a plan within a gap.
fn within(cost: Cost, gap_max: f64) -> u64 {
    let mut bound = (cost.as_f64() * (1.0 - gap_max)).ceil().clamp(0.0, cost.as_f64()) as u64;
    bound = bound.min(cost.0);
    while bound < cost.0 && gap(cost, Cost(bound)) > gap_max {
        bound += 1;
    }
    bound
}

pub(crate) fn failed(error: EngineError) -> SolverError {
    SolverError::Engine(error.to_string())
}
