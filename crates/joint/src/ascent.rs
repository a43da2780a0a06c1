//! Prices without a linear program: the volume algorithm.
//!
//! Steps along the mean of what the cheapest ways and configurations break (Barahona and Anbil,
//! "The volume algorithm", Mathematical Programming 87, 2000). The same mean of their shares is
//! nearly a solution of the master, so that plans and branches come out of it.

use edgeplan_problem::deployment::Objective;
use rustc_hash::FxHashMap;

use crate::bound::Bounded;
use crate::master::Mixture;
use crate::paths::Arc;
use crate::prices::Prices;
use crate::question::Question;
use crate::rows::{Rows, places};

// The factors and the reach are those of the paper, which shortens after 20 trials. The rest was
// not measured one by one.

/// Trials without a better bound after which steps are shortened, and by how much.
const FAILED_MAX: u32 = 10;
const SHORTER: f64 = 0.66;
/// Steps that went well are followed by longer ones, up to a length.
const LONGER: f64 = 1.1;
const LENGTH_MAX: f64 = 2.0;
/// Steps shorter than this add nothing that is worth a trial.
const LENGTH_MIN: f64 = 1e-4;
/// Steps reach for a bound that is by this share above the best one, which counts as at least a
/// share of the costliest plan of interest.
const REACH: f64 = 0.05;
const BEST_MIN: f64 = 0.2;
/// The most share of a trial in the mean; halved, down to a least one, where so many trials raised
/// the bound by less than a share.
const FRESH: f64 = 0.1;
const FRESH_MIN: f64 = 1e-5;
const FRESH_EVERY: u32 = 100;
const FRESH_WORTH: f64 = 0.01;
/// Shares below this are none.
const SHARE_MIN: f64 = 1e-3;

/// Shares of ways and configurations: those of one trial, or their mean over trials.
struct Shares {
    /// By row: what is taken beyond what there is.
    excess: Vec<f64>,
    /// By place: how much of the layer ways have there.
    places: Vec<f64>,
    /// By place and choice: how much of the layer configurations hold so.
    choices: Vec<f64>,
    /// In costs.
    objective: f64,
}

impl Shares {
    fn nothing(rows: &Rows<'_>, places: usize, choices_max: usize) -> Self {
        Self {
            excess: rows.room.iter().map(|room| -room).collect(),
            places: vec![0.0; places],
            choices: vec![0.0; places * choices_max],
            objective: 0.0,
        }
    }

    /// Gives a share to the fresh one, and leaves the rest to this.
    fn mix(&mut self, share: f64, fresh: &Self) {
        let mix = |own: &mut f64, fresh: f64| *own += share * (fresh - *own);
        let parts = [
            (&mut self.excess, &fresh.excess),
            (&mut self.places, &fresh.places),
            (&mut self.choices, &fresh.choices),
        ];
        for (own, fresh) in parts {
            own.iter_mut().zip(fresh).for_each(|(own, &fresh)| mix(own, fresh));
        }
        mix(&mut self.objective, fresh.objective);
    }

    /// The share of the fresh one with which the mean breaks least, within a tenth of `most` and
    /// `most`.
    fn best_share(&self, fresh: &Self, most: f64) -> f64 {
        let (mut rise, mut run) = (0.0, 0.0);
        for (&own, &fresh) in self.excess.iter().zip(&fresh.excess) {
            rise += own * (own - fresh);
            run += (own - fresh) * (own - fresh);
        }
        if run > 0.0 { (rise / run).clamp(most / 10.0, most) } else { most }
    }
}

/// The search for prices.
pub(crate) struct Ascent<'a> {
    question: &'a Question<'a>,
    rows: Rows<'a>,
    /// The most choices of a place.
    choices_max: usize,
    /// No plan of interest costs more.
    most: f64,
    /// The best values so far, and the cost that they prove.
    center: Vec<f64>,
    best: f64,
    /// Values that are tried next.
    trial: Vec<f64>,
    mean: Shares,
    trials: u32,
    /// Steps are so much longer than what would reach the aim if the bound were linear.
    length: f64,
    /// Trials since the best one, or since steps were shortened.
    failed: u32,
    fresh: f64,
    /// The best bound when `fresh` was looked at.
    best_before: f64,
}

impl<'a> Ascent<'a> {
    /// Begins at these prices. No plan of interest costs more than `most`.
    pub(crate) fn new(
        question: &'a Question<'a>,
        most: u64,
        prices: &Prices,
        length: f64,
        by_options: bool,
    ) -> Self {
        let rows = Rows::new(question, by_options);
        let choices_max = question.choices_max();
        let center = rows.values(prices);
        Self {
            question,
            most: most as f64,
            trial: center.clone(),
            center,
            best: f64::NEG_INFINITY,
            mean: Shares::nothing(&rows, question.choices.len(), choices_max),
            rows,
            choices_max,
            trials: 0,
            length,
            failed: 0,
            fresh: FRESH,
            best_before: 0.0,
        }
    }

    /// The prices to look at next.
    pub(crate) fn trial(&self) -> Prices {
        self.rows.prices(&self.trial)
    }

    /// How many trials were looked at.
    pub(crate) fn trials(&self) -> u32 {
        self.trials
    }

    /// The cost that the best values prove.
    pub(crate) fn best(&self) -> f64 {
        self.best
    }

    /// Whether further steps promise little.
    pub(crate) fn is_slow(&self) -> bool {
        self.length < LENGTH_MIN
    }

    /// Takes what the trial's prices prove, and each model's cheapest way under them; whether they
    /// prove more than those before.
    pub(crate) fn learn(&mut self, bounded: &Bounded, ways: &[Vec<Arc>]) -> bool {
        let value = self.question.in_costs(bounded.scaled);
        let fresh = self.shares(bounded, ways);
        let agree = self.mean.excess.iter().zip(&fresh.excess).map(|(a, b)| a * b).sum::<f64>();
        let is_better = value > self.best;
        let share = if self.trials == 0 { 1.0 } else { self.mean.best_share(&fresh, self.fresh) };
        self.mean.mix(share, &fresh);
        self.trials += 1;
        if is_better {
            self.best = value;
            self.center.clone_from(&self.trial);
            self.failed = 0;
            if agree > 0.0 {
                self.length = (self.length * LONGER).min(LENGTH_MAX);
            }
        } else {
            self.failed += 1;
            if self.failed >= FAILED_MAX {
                self.failed = 0;
                self.length *= SHORTER;
            }
        }
        if self.trials.is_multiple_of(FRESH_EVERY) {
            if self.best < self.best_before + FRESH_WORTH * self.best.abs() {
                self.fresh = (self.fresh / 2.0).max(FRESH_MIN);
            }
            self.best_before = self.best;
        }
        self.step();
        is_better
    }

    /// From the best values along what the mean breaks.
    fn step(&mut self) {
        let reach = REACH * self.best.max(BEST_MIN * self.most);
        let is_free = |row: usize, excess: f64| {
            !self.rows.is_limit(row) || excess > 0.0 || self.center[row] > 0.0
        };
        let excess = self.mean.excess.iter().enumerate();
        let square: f64 = excess.map(|(row, &e)| if is_free(row, e) { e * e } else { 0.0 }).sum();
        let step = self.length * reach / square.max(f64::MIN_POSITIVE);
        for row in 0..self.trial.len() {
            let value = self.center[row] + step * self.mean.excess[row];
            self.trial[row] = if self.rows.is_limit(row) { value.max(0.0) } else { value };
        }
    }

    /// The shares of what is cheapest.
    fn shares(&self, bounded: &Bounded, ways: &[Vec<Arc>]) -> Shares {
        let question = self.question;
        let choices_max = self.choices_max;
        let mut shares = Shares::nothing(&self.rows, question.choices.len(), choices_max);
        for way in ways {
            self.rows.add_way(way, &mut shares.excess);
            for place in places(question, way) {
                shares.places[place] += 1.0;
            }
            if question.deployment.objective == Objective::Latency {
                shares.objective +=
                    way.iter().map(|&arc| question.sending(arc) as f64).sum::<f64>();
            }
        }
        for (model, recipe) in bounded.recipes.iter().enumerate() {
            if let Some(recipe) = recipe {
                self.rows.add_recipe(model, recipe, &mut shares.excess);
            }
        }
        for priced in &bounded.priced {
            let Some((value, configuration)) = priced.found.first() else { continue };
            if *value >= 0 {
                continue;
            }
            self.rows.add_configuration(configuration, &mut shares.excess);
            shares.objective += configuration.cost(question) as f64;
            for held in &configuration.held {
                let place = question.place(held.slot as usize, configuration.device);
                shares.choices[place * choices_max + usize::from(held.choice)] += 1.0;
            }
        }
        shares
    }

    /// The mean as a solution of the master.
    pub(crate) fn mixture(&self) -> Mixture {
        let choices_max = self.choices_max;
        let held = self.mean.choices.iter().enumerate().filter(|(_, share)| **share > SHARE_MIN);
        let choices: FxHashMap<(usize, u16), f64> = held
            .map(|(at, &share)| ((at / choices_max, (at % choices_max) as u16), share))
            .collect();
        Mixture {
            objective: self.mean.objective.max(self.best),
            prices: self.rows.prices(&self.center),
            places: self.mean.places.clone(),
            choices,
            misses: false,
        }
    }
}
