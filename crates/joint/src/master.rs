//! The master: shares of configurations and messages, a linear program in HiGHS. Nothing that it
//! says is believed: its duals become prices, and prices are evaluated in integers.

use std::time::Duration;

use edgeplan_mip::{EngineError, LinearOptimum, LinearProgram};
use edgeplan_problem::deployment::Objective;
use rustc_hash::FxHashMap;

use crate::configuration::Configuration;
use crate::domain::Domain;
use crate::paths::{Arc, Ends};
use crate::prices::{Ceilings, FRACTION, Prices};
use crate::propagate::devices;
use crate::question::Question;

mod rows;
#[cfg(test)]
mod tests;

use rows::Rows;

/// What a column stands for.
#[derive(Debug, Clone)]
enum Column {
    Configuration(Configuration),
    Arc(Arc),
    /// A model that is nowhere, at a cost beyond any plan's.
    Nowhere,
    /// The bottleneck.
    Cycle,
}

/// The program and what its columns stand for.
pub(crate) struct Master<'a> {
    question: &'a Question<'a>,
    program: LinearProgram,
    rows: Rows,
    columns: Vec<Column>,
    known: FxHashMap<Configuration, usize>,
    known_arcs: FxHashMap<Arc, usize>,
    /// Costs are divided by this.
    unit: f64,
    /// Whether a column may be used, by column.
    open: Vec<bool>,
    /// By column: the last solution that had a share of it, or the last one before it came.
    used: Vec<u32>,
    /// How often it was solved.
    solutions: u32,
    /// Whether configurations say what devices send: there are no arcs then, and no ends.
    routed: bool,
}

/// A solution of the master.
pub(crate) struct Mixture {
    /// In costs.
    pub(crate) objective: f64,
    /// Duals as prices.
    pub(crate) prices: Prices,
    /// By place: how much of the layer is there.
    pub(crate) places: Vec<f64>,
    /// By place and choice.
    pub(crate) choices: FxHashMap<(usize, u16), f64>,
    /// Whether some model is nowhere, in part.
    pub(crate) misses: bool,
}

impl Mixture {
    /// A mixture that says nothing: each layer in equal parts wherever a domain allows it.
    pub(crate) fn even(question: &Question<'_>, domain: &Domain, prices: &Prices) -> Self {
        let mut places = vec![0.0; question.choices.len()];
        let mut choices = FxHashMap::default();
        for slot in 0..question.slots() {
            let open: Vec<usize> = devices(question, domain, slot).collect();
            for &device in &open {
                let place = question.place(slot, device);
                places[place] = 1.0 / open.len() as f64;
                let held: Vec<usize> = domain.choices(place).collect();
                let share = places[place] / held.len() as f64;
                choices.extend(held.into_iter().map(|choice| ((place, choice as u16), share)));
            }
        }
        Self { objective: 0.0, prices: prices.clone(), places, choices, misses: true }
    }
}

/// What a model that is nowhere costs, in the most that a plan may.
const NOWHERE: f64 = 2.0;
/// Shares below this are none.
const SHARE_MIN: f64 = 1e-7;

// Without these a master of 150 rows grew to 8,000 columns in 10 s, a third of them open, and took
// half to three quarters of the time; with them masters are solved 1.2 to 2.8 times as often (seven
// bottlenecks of 4 to 8 devices, 20 s each). Half or twice as long made no difference beyond noise.

/// Columns from which on some are taken out.
const PURGED_MIN: usize = 400;
/// Solutions since a configuration had a share, if a node allows it, and if not.
const UNUSED_MAX: u32 = 100;
const UNUSED_CLOSED_MAX: u32 = 10;

impl<'a> Master<'a> {
    /// A master without configurations. No plan of interest costs more than `most`.
    pub(crate) fn new(
        question: &'a Question<'a>,
        most: u64,
        threads: u32,
        routed: bool,
    ) -> Result<Self, EngineError> {
        let (bounds, rows) = Rows::new(question, routed);
        let mut master = Self {
            question,
            program: LinearProgram::new(&bounds, threads)?,
            rows,
            columns: Vec::new(),
            known: FxHashMap::default(),
            known_arcs: FxHashMap::default(),
            unit: (most as f64 / 1000.0).max(f64::MIN_POSITIVE),
            open: Vec::new(),
            used: Vec::new(),
            solutions: 0,
            routed,
        };
        for model in 0..question.models() {
            let row = master.rows.unit[model];
            let nowhere = NOWHERE * 1000.0 * (1.0 + question.models() as f64);
            master.add(Column::Nowhere, nowhere, &[(row, 1.0)])?;
        }
        if question.deployment.objective == Objective::Bottleneck {
            let limited = master.rows.compute.iter().chain(&master.rows.sending).flatten();
            let terms: Vec<(usize, f64)> = limited.map(|&row| (row, -1.0)).collect();
            master.add(Column::Cycle, 1.0, &terms)?;
        }
        Ok(master)
    }

    fn add(
        &mut self,
        column: Column,
        cost: f64,
        terms: &[(usize, f64)],
    ) -> Result<(), EngineError> {
        self.program.add(cost, f64::INFINITY, terms)?;
        self.columns.push(column);
        self.open.push(true);
        self.used.push(self.solutions);
        Ok(())
    }

    /// Adds a configuration; whether it is new.
    pub(crate) fn add_configuration(
        &mut self,
        configuration: &Configuration,
    ) -> Result<bool, EngineError> {
        if let Some(&column) = self.known.get(configuration) {
            let closed = !std::mem::replace(&mut self.open[column], true);
            if closed {
                self.program.limit(column, f64::INFINITY)?;
            }
            return Ok(closed);
        }
        let question = self.question;
        let device = configuration.device;
        let mut terms = vec![(self.rows.device[device], 1.0)];
        for run in configuration.runs(question) {
            terms.push((self.rows.begin[question.place(run.start, device)], 1.0));
            if !self.routed {
                terms.push((self.rows.end[question.place(run.end - 1, device)], 1.0));
            }
        }
        terms.extend(configuration.sends.iter().flat_map(|&arc| self.sent(arc)));
        let mut losses = vec![(0u64, 0u64); question.models()];
        for (slot, choice) in configuration.choices(question) {
            let sums = &mut losses[question.model_of[slot]];
            *sums = (sums.0 + choice.loss, sums.1 + choice.time);
        }
        for (model, (loss, time)) in losses.into_iter().enumerate() {
            let budget = question.deployment.models[model].loss_max;
            let budget = budget.map_or(0, |budget| budget.0);
            terms.extend(self.rows.loss[model].map(|row| (row, ratio(loss, budget))));
            let limit = question.deployment.latency_max.map_or(0, |limit| limit.0);
            terms.extend(self.rows.latency[model].map(|row| (row, ratio(time, limit))));
        }
        if let Some(row) = self.rows.compute[device] {
            terms.push((row, configuration.taken(question).time as f64 / self.unit));
        }
        let terms = merged(terms);
        let cost = configuration.cost(question) as f64 / self.unit;
        self.known.insert(configuration.clone(), self.columns.len());
        self.add(Column::Configuration(configuration.clone()), cost, &terms)?;
        Ok(true)
    }

    /// Adds a message; whether it is new. Of those that there are, each has a time.
    pub(crate) fn add_arc(&mut self, arc: Arc) -> Result<bool, EngineError> {
        if let Some(&column) = self.known_arcs.get(&arc) {
            let closed = !std::mem::replace(&mut self.open[column], true);
            if closed {
                self.program.limit(column, f64::INFINITY)?;
            }
            return Ok(closed);
        }
        let question = self.question;
        let Some(sent) = question.sent(arc) else { return Ok(false) };
        let Ends { model, from, .. } = question.ends(arc);
        let end = |slot: usize| (self.rows.end[question.place(slot, from)], -1.0);
        let mut terms = self.sent(arc);
        match arc {
            Arc::Enter { .. } => {}
            Arc::Leave { .. } => terms.push(end(question.starts[model + 1] - 1)),
            Arc::Hop { slot, .. } => terms.push(end(slot)),
        }
        let terms = merged(terms);
        let weight = question.weight(model);
        let own = match question.deployment.objective {
            Objective::Latency => weight * sent.time,
            Objective::Bottleneck | Objective::Memory => 0,
        };
        self.known_arcs.insert(arc, self.columns.len());
        self.add(Column::Arc(arc), own as f64 / self.unit, &terms)?;
        Ok(true)
    }

    /// What a message takes of rows, but for the end of the run before it.
    fn sent(&self, arc: Arc) -> Vec<(usize, f64)> {
        let question = self.question;
        let sent = question.sent(arc).unwrap_or_default();
        let Ends { model, from, to, .. } = question.ends(arc);
        let begin = |slot: usize| (self.rows.begin[question.place(slot, to)], -1.0);
        let mut terms = match arc {
            Arc::Enter { .. } => {
                vec![(self.rows.unit[model], 1.0), begin(question.starts[model])]
            }
            Arc::Leave { .. } => Vec::new(),
            Arc::Hop { slot, .. } => vec![begin(slot + 1)],
        };
        let weight = question.weight(model);
        if let Some(row) = self.rows.sending[from] {
            let bottleneck = question.deployment.objective == Objective::Bottleneck;
            let limit = question.deployment.bottleneck_max.map_or(1, |limit| limit.0.max(1));
            let unit = if bottleneck { self.unit } else { limit as f64 };
            terms.push((row, (weight * sent.time) as f64 / unit));
        }
        if let Some(row) = self.rows.traffic[from] {
            let limit = question.deployment.devices[from].traffic_max.map_or(0, |limit| limit.0);
            terms.push((row, ratio(weight * sent.bytes, limit)));
        }
        if let Some(row) = self.rows.latency[model] {
            let limit = question.deployment.latency_max.map_or(0, |limit| limit.0);
            terms.push((row, ratio(sent.time, limit)));
        }
        terms
    }

    /// Allows what a domain and ceilings allow, and nothing else.
    pub(crate) fn focus(
        &mut self,
        domain: &Domain,
        ceilings: &Ceilings,
    ) -> Result<(), EngineError> {
        let question = self.question;
        for column in 0..self.columns.len() {
            let open = match &self.columns[column] {
                Column::Configuration(configuration) => {
                    configuration.is_allowed(question, domain, ceilings)
                }
                Column::Arc(arc) => question.is_open(domain, ceilings, *arc),
                Column::Nowhere | Column::Cycle => true,
            };
            if open != self.open[column] {
                self.open[column] = open;
                self.program.limit(column, if open { f64::INFINITY } else { 0.0 })?;
            }
        }
        self.purge(PURGED_MIN)
    }

    /// Takes out configurations that no solution had a share of for long, from so many columns on;
    /// what is missed is found again.
    fn purge(&mut self, columns_min: usize) -> Result<(), EngineError> {
        if self.columns.len() < columns_min {
            return Ok(());
        }
        let is_unwanted = |column: usize| {
            let unused = self.solutions - self.used[column];
            let most = if self.open[column] { UNUSED_MAX } else { UNUSED_CLOSED_MAX };
            matches!(self.columns[column], Column::Configuration(_)) && unused > most
        };
        let unwanted: Vec<bool> = (0..self.columns.len()).map(is_unwanted).collect();
        let is_left = self.program.remove(&unwanted)?;
        keep(&mut self.columns, &is_left);
        keep(&mut self.open, &is_left);
        keep(&mut self.used, &is_left);
        self.known.clear();
        self.known_arcs.clear();
        for (column, kind) in self.columns.iter().enumerate() {
            match kind {
                Column::Configuration(configuration) => {
                    self.known.insert(configuration.clone(), column);
                }
                Column::Arc(arc) => {
                    self.known_arcs.insert(*arc, column);
                }
                Column::Nowhere | Column::Cycle => {}
            }
        }
        Ok(())
    }

    /// Solves it; none if the time was too short.
    pub(crate) fn optimum(
        &mut self,
        time: Option<Duration>,
    ) -> Result<Option<Mixture>, EngineError> {
        let optimum = self.program.optimum(time)?;
        self.solutions += 1;
        let values = optimum.iter().flat_map(|optimum| &optimum.values);
        for (used, _) in self.used.iter_mut().zip(values).filter(|(_, share)| **share > SHARE_MIN) {
            *used = self.solutions;
        }
        Ok(optimum.map(|optimum| self.mixture(&optimum)))
    }

    fn mixture(&self, optimum: &LinearOptimum) -> Mixture {
        let question = self.question;
        let mut places = vec![0.0; question.choices.len()];
        let mut choices = FxHashMap::default();
        let mut misses = false;
        for (column, &share) in self.columns.iter().zip(&optimum.values) {
            if share < SHARE_MIN {
                continue;
            }
            match column {
                Column::Configuration(configuration) => {
                    for held in &configuration.held {
                        let place = question.place(held.slot as usize, configuration.device);
                        places[place] += share;
                        *choices.entry((place, held.choice)).or_default() += share;
                    }
                }
                Column::Nowhere => misses = true,
                Column::Arc(_) | Column::Cycle => {}
            }
        }
        let objective = optimum.objective * self.unit;
        Mixture { objective, prices: self.prices(&optimum.duals), places, choices, misses }
    }

    /// Duals as integers. Where one is more than a price may be, as where a model is nowhere, all
    /// are less in the same ratio: a part of what proves that nothing is left proves it, too.
    fn prices(&self, duals: &[f64]) -> Prices {
        let question = self.question;
        let deployment = question.deployment;
        let most = question.price_max as f64;
        let scale = self.unit * (1u64 << question.shift) as f64;
        let largest = duals.iter().fold(0.0f64, |largest, dual| largest.max(dual.abs())) * scale;
        let scale = scale * (most / largest).min(1.0);
        let price = |row: &usize| (-duals[*row] * scale).clamp(-most, most) as i64;
        let fraction = (1u64 << FRACTION) as f64;
        let multiplier = |row: &Option<usize>, unit: f64| {
            let dual = row.map_or(0.0, |row| -duals[row]);
            (dual * scale * fraction / unit).clamp(0.0, (1u64 << 60) as f64) as u64
        };
        let limit = |limit: Option<u64>| limit.unwrap_or(0).max(1) as f64;
        let latency_max = limit(deployment.latency_max.map(|limit| limit.0));
        let sending_unit = match deployment.objective {
            Objective::Bottleneck => self.unit,
            _ => limit(deployment.bottleneck_max.map(|limit| limit.0)),
        };
        let models = deployment.models.iter();
        let loss_max = models.map(|model| limit(model.loss_max.map(|limit| limit.0)));
        let devices = deployment.devices.iter();
        let traffic_max = devices.map(|device| limit(device.traffic_max.map(|limit| limit.0)));
        let rows = &self.rows;
        let by_place = |rows: &[usize]| rows.iter().map(price).collect();
        let mut prices = Prices {
            begin: by_place(&rows.begin),
            end: if self.routed { vec![0; rows.begin.len()] } else { by_place(&rows.end) },
            routed: self.routed,
            options: vec![0; question.slots() * question.options],
            by_options: false,
            loss: rows.loss.iter().zip(loss_max).map(|(row, max)| multiplier(row, max)).collect(),
            latency: rows.latency.iter().map(|row| multiplier(row, latency_max)).collect(),
            compute: rows.compute.iter().map(|row| multiplier(row, self.unit)).collect(),
            sending: rows.sending.iter().map(|row| multiplier(row, sending_unit)).collect(),
            traffic: (rows.traffic.iter().zip(traffic_max))
                .map(|(row, max)| multiplier(row, max))
                .collect(),
        };
        prices.share_one(question);
        prices
    }
}

impl Prices {
    /// Of the bottleneck, makes prices of devices add up to no more than it costs.
    pub(crate) fn share_one(&mut self, question: &Question<'_>) {
        if question.deployment.objective != Objective::Bottleneck {
            return;
        }
        let one = 1u128 << (question.shift + FRACTION);
        let sum: u128 = self.compute.iter().chain(&self.sending).map(|&p| u128::from(p)).sum();
        if sum > one {
            for price in self.compute.iter_mut().chain(&mut self.sending) {
                *price = (u128::from(*price) * one / sum) as u64;
            }
        }
    }
}

/// Terms of different rows, none of them zero.
fn merged(mut terms: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    terms.sort_by_key(|&(row, _)| row);
    terms.dedup_by(|next, sum| {
        let same = next.0 == sum.0;
        sum.1 += if same { next.1 } else { 0.0 };
        same
    });
    terms.retain(|&(_, factor)| factor != 0.0);
    terms
}

fn ratio(amount: u64, limit: u64) -> f64 {
    amount as f64 / limit.max(1) as f64
}

/// Leaves the entries that are marked.
fn keep<T>(entries: &mut Vec<T>, marks: &[bool]) {
    let mut marks = marks.iter();
    entries.retain(|_| marks.next().is_some_and(|&mark| mark));
}
