//! Plans on the way: out of mixtures, by dives, and near the best plan.

use std::rc::Rc;
use std::time::Duration;

use edgeplan_problem::SolverError;

use crate::anneal::{Schedule, annealed, spread};
use crate::branch::{Part, decide, split};
use crate::domain::Domain;
use crate::improve::improved;
use crate::master::Mixture;
use crate::near::neighbourhood;
use crate::place::placement;
use crate::prices::Prices;
use crate::propagate::propagate;
use crate::recipes::{Care, Guide, Layout, guided, repaired};
use crate::search::{Aim, Left, Search};

/// What was spent on plans.
#[derive(Debug, Default)]
pub(crate) struct Hunt {
    /// Times that it was a node's turn.
    turns: u64,
    /// Parts near the best plan that were looked at.
    near: u64,
    /// Times that plans were annealed.
    annealed: u64,
    time: Duration,
}

/// Searches for better placements may take this long, and this part of the run so far.
const IMPROVE_TIME: Duration = Duration::from_millis(500);
const IMPROVE_SHARE: u32 = 4;
/// Dives and parts near the best plan, in turns, may take this part of the run so far.
const HUNT_SHARE: u32 = 8;
/// Annealing may take so long, and so large a part of the time that is left: a larger one before
/// there is a plan.
const ANNEAL_TIME: Duration = Duration::from_secs(1);
const ANNEAL_PART: u32 = 20;
const ANNEAL_FIRST_PART: u32 = 3;
const ANNEAL_MOVES: u64 = 400_000;
const HOT: f64 = 0.2;
/// Nodes of a part near the best plan.
const NEAR_NODES: usize = 12;

impl Search<'_, '_, '_> {
    /// Looks for a better plan from a node, if it is time.
    pub(crate) fn hunt(
        &mut self,
        domain: &Domain,
        mixture: &Mixture,
        prices: &Rc<Prices>,
    ) -> Result<(), SolverError> {
        let began = self.run.elapsed();
        if self.hunt.turns > 0 && self.hunt.time * HUNT_SHARE > began {
            return Ok(());
        }
        self.hunt.turns += 1;
        match self.hunt.turns % 3 {
            1 => self.dive(domain.clone(), mixture, prices)?,
            2 => self.look_near(mixture, prices)?,
            _ => self.anneal(ANNEAL_TIME)?,
        }
        self.hunt.time += self.run.elapsed().saturating_sub(began);
        Ok(())
    }

    /// Anneals so often, for a part of the time.
    pub(crate) fn anneal_first(&mut self, times: u64) -> Result<(), SolverError> {
        let began = self.run.elapsed();
        for _ in 0..times {
            let part = self.run.remaining().map_or(ANNEAL_TIME, |left| {
                let most = if self.run.best().is_some() { ANNEAL_PART } else { ANNEAL_FIRST_PART };
                (left / most).min(ANNEAL_TIME)
            });
            if self.run.elapsed() > began + part {
                break;
            }
            self.anneal(part)?;
        }
        Ok(())
    }

    /// Looks for a better plan by annealing from the best one, or from any layout.
    fn anneal(&mut self, most: Duration) -> Result<(), SolverError> {
        let best = self.run.best().cloned();
        let (start, cutoff) = match &best {
            Some((plan, _)) if self.hunt.annealed.is_multiple_of(2) => {
                (Layout::of(self.question, plan), u64::MAX)
            }
            Some((plan, cost)) => (Layout::of(self.question, plan), cost.0),
            None => (None, u64::MAX),
        };
        let Some(start) = start.or_else(|| spread(self.question)) else { return Ok(()) };
        let began = self.run.elapsed();
        let run = &self.run;
        let more = &mut || run.check().is_ok() && run.elapsed() < began + most;
        let schedule = Schedule { moves: ANNEAL_MOVES, hot: HOT, seed: self.hunt.annealed };
        self.hunt.annealed += 1;
        let found = annealed(self.question, start, cutoff, schedule, more);
        match found {
            Some(layout) => self.offer(&layout),
            None => Ok(()),
        }
    }

    /// Looks for better plans near the best one.
    fn look_near(&mut self, mixture: &Mixture, prices: &Rc<Prices>) -> Result<(), SolverError> {
        let Some((plan, _)) = self.run.best().cloned() else { return Ok(()) };
        let near = neighbourhood(self.question, &plan, mixture, self.hunt.near);
        self.hunt.near += 1;
        let Some(mut domain) = near else { return Ok(()) };
        if propagate(self.question, &mut domain, &self.ceilings()).is_err() {
            return Ok(());
        }
        let mut open = vec![(domain, Rc::clone(prices))];
        for _ in 0..NEAR_NODES {
            let Some((mut domain, prices)) = open.pop() else { break };
            let left = self.climb(&mut domain, 0, prices, Aim::Plan)?;
            let Left::Open { prices, mixture, .. } = left else { continue };
            for Part { mut domain, .. } in split(self.question, &domain, &mixture, &self.gains) {
                if propagate(self.question, &mut domain, &self.ceilings()).is_ok() {
                    open.push((domain, Rc::clone(&prices)));
                }
            }
        }
        Ok(())
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
        while decided && propagate(self.question, &mut domain, &self.ceilings()).is_ok() {
            let left = self.climb(&mut domain, 0, prices, Aim::Plan)?;
            let Left::Open { prices: better, mixture, .. } = left else { break };
            decided = decide(self.question, &mut domain, &mixture);
            prices = better;
        }
        Ok(())
    }

    /// Offers the plan that a mixture is nearest to.
    pub(crate) fn round(
        &mut self,
        domain: &Domain,
        mixture: &Mixture,
        prices: &Prices,
        care: Care,
    ) -> Result<(), SolverError> {
        let question = self.question;
        let Some(devices) = placement(question, domain, mixture) else { return Ok(()) };
        let unit = (1u64 << question.shift) as f64 * (1u64 << crate::prices::FRACTION) as f64;
        let loss = prices.loss.iter().map(|&price| price as f64 / unit).collect();
        let in_costs = |&price: &i64| question.in_costs(i128::from(price));
        let guide = Guide { loss, options: prices.options.iter().map(in_costs).collect() };
        let Some(layout) = guided(question, domain, &devices, &guide) else { return Ok(()) };
        let watch = self.run.watch();
        let layout = match repaired(question, domain, layout.clone(), care, watch) {
            Some(layout) => layout,
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
        let layout = improved(self.question, domain, layout, more, self.run.watch());
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
