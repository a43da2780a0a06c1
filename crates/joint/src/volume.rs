//! The climb by means of what is cheapest, without a master.

use std::collections::VecDeque;
use std::rc::Rc;

use edgeplan_problem::SolverError;

use crate::ascent::Ascent;
use crate::bound::Bounded;
use crate::domain::Domain;
use crate::paths::{Arc, Ways};
use crate::prices::{Ceilings, Prices, Terms};
use crate::pricing::{LabelsMax, Priced};
use crate::recipes::Care;
use crate::search::{Aim, Left, Search, failed};

/// Where a climb ends.
pub(crate) enum Climbed {
    Left(Left),
    /// A master is the shorter way from these prices: pricing takes so long that fewer trials are
    /// worth it, or a free placement's master has its optimum soon.
    Columns(Rc<Prices>),
}

/// How a kind of node climbs.
#[derive(Debug, Clone, Copy)]
struct Pace {
    trials: u32,
    /// The first step, in what would reach the target if the bound were linear.
    length: f64,
}

/// The root, and nodes that begin at the prices of the node above. A node's trials between 30 and
/// 100 and its length between 0.01 and 0.05 took the same time within a fifth (multi4-rand-8x6).
const ROOT: Pace = Pace { trials: 1000, length: 1.0 };
const NODE: Pace = Pace { trials: 60, length: 0.02 };
const PLAN: Pace = Pace { trials: 10, length: 0.02 };
/// Trials without labels before those: of eight models of 12 layers on 16 devices 400 bring the
/// root to its end in 3.9 s in place of 5.7; the root of free placements is no quicker for them.
const ROUGH_TRIALS: u32 = 400;
/// Trials of the root between two looks at what pricing costs, and between two plans.
const LOOK_EVERY: u32 = 50;
/// The root ends where its bound rose between two looks by less than this share of what it lacks.
const LOOK_WORTH: f64 = 0.02;
/// A master's optimum counts as the square of its rows, a trial as so much for each label. Random
/// questions of three models (8x4x4, 12x4x4: 15 squares of rows for each label) take a third of the
/// time by volume; of multi2-home-lab-D4 (6 squares) columns prove half the gap.
const LABEL: u64 = 10;
/// Trials whose columns a master begins with.
const RECENT: usize = 50;

/// What the root's climb left behind.
#[derive(Default)]
struct Trail {
    /// What was cheapest in the last trials: contents of devices, and ways of models.
    recent: VecDeque<(Vec<Priced>, Vec<Vec<Arc>>)>,
    labels: u64,
    /// What was proven at the last look.
    looked: f64,
}

/// What the root does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Climb,
    End,
    Columns,
}

impl Search<'_, '_, '_> {
    /// Climbs the bound of a node until it is closed, or steps are short or many.
    pub(crate) fn climb_by_volume(
        &mut self,
        domain: &mut Domain,
        bound: u64,
        prices: Rc<Prices>,
        aim: Aim,
    ) -> Result<Climbed, SolverError> {
        let question = self.question;
        let pace = match aim {
            Aim::Root => ROOT,
            Aim::Node => NODE,
            Aim::Plan => PLAN,
        };
        let prices = match aim {
            Aim::Root if question.is_contiguous() => self.climb_roughly(domain, prices)?,
            _ => prices,
        };
        let mut ascent = Ascent::new(
            question,
            self.costliest(),
            &prices,
            pace.length,
            self.relaxation.by_options,
        );
        let mut center = prices;
        let mut best = i128::from(bound) << question.shift;
        let mut trail = Trail::default();
        let mut next = Next::Climb;
        while next == Next::Climb && ascent.trials() < pace.trials && !ascent.is_slow() {
            self.run.step()?;
            let tried = ascent.trial();
            let ceilings = Ceilings::new(question, self.cutoff());
            let terms = Terms { prices: &tried, ceilings: &ceilings };
            let bounded = self.bounded(domain, terms)?;
            self.run.count("trials", 1);
            self.run.count("labels", bounded.labels());
            if bounded.cost(question) >= self.cutoff() {
                return Ok(Climbed::Left(Left::Nothing));
            }
            let ways = Ways::new(question, domain, &tried, &ceilings).all_cheapest(&bounded.tables);
            let is_first = ascent.trials() == 0;
            if ascent.learn(&bounded, &ways) || is_first {
                best = best.max(bounded.scaled);
                center = Rc::new(tried);
                if aim == Aim::Root {
                    self.learn_root(&bounded, &center);
                }
            }
            if aim == Aim::Root {
                trail.add(bounded, ways);
                next = self.next(domain, &ascent, &center, &mut trail)?;
            }
        }
        if next == Next::Columns || aim == Aim::Root && !question.is_contiguous() {
            self.add_recent(&trail)?;
            return Ok(Climbed::Columns(center));
        }
        self.end_climb(domain, best, center, ascent.mixture()).map(Climbed::Left)
    }

    /// Prices of the root by what the relaxation of devices' contents shows, without labels: most
    /// of the way for a part of the time.
    fn climb_roughly(
        &mut self,
        domain: &Domain,
        prices: Rc<Prices>,
    ) -> Result<Rc<Prices>, SolverError> {
        let question = self.question;
        let mut ascent = Ascent::new(question, self.costliest(), &prices, ROOT.length, false);
        let (mut center, mut looked) = (prices, 0.0);
        while ascent.trials() < ROUGH_TRIALS && !ascent.is_slow() {
            self.run.step()?;
            let tried = ascent.trial();
            let ceilings = self.ceilings();
            let terms = Terms { prices: &tried, ceilings: &ceilings };
            let bounded = Bounded::new(question, domain, terms, self.effort(LabelsMax(0)))?;
            self.run.count("rough trials", 1);
            let ways = Ways::new(question, domain, &tried, &ceilings).all_cheapest(&bounded.tables);
            let is_first = ascent.trials() == 0;
            if ascent.learn(&bounded, &ways) || is_first {
                center = Rc::new(tried);
                self.learn_root(&bounded, &center);
            }
            if ascent.trials().is_multiple_of(LOOK_EVERY) {
                let proven = ascent.best();
                let rose = proven - std::mem::replace(&mut looked, proven);
                if rose < LOOK_WORTH * self.lacks(proven, proven) {
                    break;
                }
            }
        }
        Ok(center)
    }

    /// From time to time, rounds the root's mean to a plan, and looks whether it is worth going on.
    fn next(
        &mut self,
        domain: &Domain,
        ascent: &Ascent<'_>,
        center: &Rc<Prices>,
        trail: &mut Trail,
    ) -> Result<Next, SolverError> {
        if !ascent.trials().is_multiple_of(LOOK_EVERY) {
            return Ok(Next::Climb);
        }
        let rows = 2 * self.question.choices.len() as u64;
        if LABEL * trail.labels > rows * rows * u64::from(ascent.trials()) {
            return Ok(Next::Columns);
        }
        self.round(domain, &ascent.mixture(), center, Care::Thorough)?;
        let proven = ascent.best();
        let lacks = self.lacks(proven, proven);
        let rose = proven - std::mem::replace(&mut trail.looked, proven);
        Ok(if rose < LOOK_WORTH * lacks { Next::End } else { Next::Climb })
    }

    /// Adds what was cheapest lately to the master.
    fn add_recent(&mut self, trail: &Trail) -> Result<(), SolverError> {
        for (priced, ways) in &trail.recent {
            for (_, configuration) in priced.iter().flat_map(|priced| priced.found.first()) {
                self.master.add_configuration(configuration).map_err(failed)?;
            }
            for &arc in ways.iter().flatten() {
                self.master.add_arc(arc).map_err(failed)?;
            }
        }
        Ok(())
    }
}

impl Trail {
    fn add(&mut self, bounded: Bounded, ways: Vec<Vec<Arc>>) {
        self.labels += bounded.labels();
        self.recent.push_back((bounded.priced, ways));
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }
}
