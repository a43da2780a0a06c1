//! Rounds of: finer grid, climb, grow, labels, fixing; until the proof is complete.

use edgeplan_problem::deployment::{Deployment, Objective, Plan};
use edgeplan_problem::{Cost, Run, Stop};

use crate::ascent::{Climb, climb};
use crate::chain::Chain;
use crate::fixing::fix;
use crate::grid::Grid;
use crate::labels::{Found, Labels, Width};
use crate::neighbours::Neighbours;
use crate::relaxation::{Prices, Relaxation};
use crate::solver::ChainSearch;

/// One round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Steps of the grid.
    pub(crate) steps: u64,
    /// Evaluations of a climb.
    climb: u32,
    /// Climbs between which neighbour sets may grow.
    grow: u32,
    pub(crate) width: Width,
}

const SCHEDULE: [Round; ROUNDS] = [
    round((64, 30, 0), (100, 10)),
    round((256, 40, 12), (1_000, 50)),
    round((256, 30, 12), (4_000, 100)),
    round((1024, 30, 12), (10_000, 200)),
    round((1024, 20, 12), (100_000, usize::MAX)),
    round((2048, 20, 12), (20_000, 500)),
    round((4096, 20, 8), (500_000, usize::MAX)),
    round((16_384, 40, 0), (usize::MAX, usize::MAX)),
];

/// Rounds until a search gives up.
pub(crate) const ROUNDS: usize = 8;

pub(crate) const fn round(
    (steps, climb, grow): (u64, u32, u32),
    (labels, alike): (usize, usize),
) -> Round {
    Round { steps, climb, grow, width: Width { labels, alike } }
}

/// Other prices of loss, relative to the best one.
const OTHER_PRICES: [f64; 4] = [0.88, 1.14, 0.7, 1.5];
/// Values of a table that neighbour sets may grow to.
const GROWN_MAX: usize = 8_000_000;
/// Table values that the climbs of one round may fill between growths.
const GROW_WORK_MAX: u64 = 6_000_000_000;
/// Evaluations of the first climb, where they are cheap, for each device's price.
const CLIMB_PER_DEVICE: u32 = 3;
/// What labels of all layers may leave behind to find plans again.
const TRACES_MAX: usize = 64_000_000;

/// What rounding in floating point may add to a bound, in scaled units: products of prices are not
/// exact, sums are. Nothing is cut off, and no bound believed, by less than this.
const SLACK: f64 = 64.0;

/// Scaled cost above which plans do not matter, and a little: they are no better than the
/// incumbent, by more than the asked gap; or every request takes too long.
pub(crate) fn limit(run: &Run<'_, Deployment>, scale: f64) -> f64 {
    let instance = run.problem();
    match (run.best(), instance.objective, instance.latency_max) {
        (Some((_, cost)), ..) => {
            let enough = (cost.as_f64() * (1.0 - run.limits().gap) * scale).floor();
            enough.min((cost.as_f64() - 1.0) * scale) + SLACK
        }
        (None, Objective::Latency, Some(limit)) => {
            let weights = instance.models.iter().map(|model| f64::from(model.weight));
            limit.as_f64() * weights.sum::<f64>() * scale + SLACK
        }
        _ => f64::MAX,
    }
}

/// A scaled bound as a cost.
pub(crate) fn unscaled(bound: f64, scale: f64) -> Cost {
    match bound - SLACK {
        bound if bound <= 0.0 => Cost::ZERO,
        bound if bound >= f64::MAX => Cost::MAX,
        bound => Cost((bound / scale).ceil() as u64),
    }
}

/// What a search is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// The cheapest plan; whether bounds are of the whole instance and may be reported.
    Cheapest { report: bool },
    /// A part of a larger question: what of its plans costs at most that, scaled.
    Part { limit: f64 },
    /// Any plan whose bottleneck is at most `cycle`, of at most that cost.
    AnyWithin { cycle: u64, cost_max: Option<u64> },
}

/// What one round leaves to the next.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) prices: Prices,
    pub(crate) neighbours: Neighbours,
    /// By device, by layer: the likely choice.
    pub(crate) references: Vec<Vec<usize>>,
}

impl State {
    pub(crate) fn new(chain: &Chain) -> Self {
        Self {
            prices: Prices::zero(chain.devices),
            neighbours: Neighbours::none(chain.devices),
            references: vec![vec![0; chain.layers]; chain.devices],
        }
    }
}

/// The search of one case.
pub(crate) struct Search<'a> {
    pub(crate) solver: &'a ChainSearch,
    pub(crate) chain: Chain,
    /// Whether a plan may have just one run.
    pub(crate) one_run: bool,
    pub(crate) goal: Goal,
}

impl Search<'_> {
    /// No plan of this case costs less than what is returned; [`Cost::MAX`] if there is none.
    pub(crate) fn prove(
        mut self,
        run: &mut Run<'_, Deployment>,
        rounds: usize,
    ) -> Result<Cost, Stop> {
        let State { mut prices, mut neighbours, mut references } = State::new(&self.chain);
        let mut bound = Cost::ZERO;
        for round in SCHEDULE.into_iter().take(rounds) {
            let state = State { prices, neighbours, references };
            let relaxation = self.relax(run, round, state)?;
            if relaxation.bound > self.limit(run) {
                return Ok(self.beyond(run));
            }
            bound = bound.max(self.cost(relaxation.bound));
            self.report(run, bound);
            let found = self.labels(run, &relaxation, round.width)?;
            if self.is_reached(run) {
                return Ok(bound);
            }
            let limit = self.limit(run);
            match found.dropped {
                Some(dropped) if relaxation.bound <= limit => {
                    bound = bound.max(self.cost(dropped.min(limit)));
                }
                _ => return Ok(self.beyond(run)),
            }
            self.report(run, bound);
            let fixed = fix(&mut self.chain, &relaxation, limit);
            run.count("fixed", fixed.removed as u64);
            (prices, neighbours, references) =
                (relaxation.prices, relaxation.neighbours, fixed.best);
        }
        Ok(bound)
    }

    /// The relaxation of a round.
    pub(crate) fn relax(
        &self,
        run: &mut Run<'_, Deployment>,
        round: Round,
        state: State,
    ) -> Result<Relaxation, Stop> {
        let steps = round.steps.min(self.steps_max());
        let grids = state.references.iter().enumerate();
        let grids = grids.map(|(device, choice)| Grid::new(&self.chain, device, steps, choice));
        let mut relaxation = Relaxation::new(&self.chain, grids.collect(), state.neighbours);
        relaxation.prices = state.prices;
        let devices = self.chain.devices as u32;
        let first = round.climb + if round.grow == 0 { CLIMB_PER_DEVICE * devices } else { 0 };
        self.climb(run, &mut relaxation, first)?;
        if self.chain.once {
            self.grow(run, &mut relaxation, round)?;
        }
        Ok(relaxation)
    }

    /// Climbs again and again, growing neighbour sets where the relaxed path returns to a device.
    fn grow(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxation: &mut Relaxation,
        round: Round,
    ) -> Result<(), Stop> {
        let mut work = 0;
        for _ in 0..round.grow {
            work += relaxation.work(&self.chain) * u64::from(round.climb);
            if relaxation.bound > self.limit(run) || work > GROW_WORK_MAX {
                break;
            }
            let before = relaxation.bound;
            let rows_max =
                GROWN_MAX.min(self.solver.table_max) / (self.chain.layers * relaxation.width());
            let path = relaxation.path(&self.chain);
            let grown = path.and_then(|path| relaxation.neighbours.grown(&path, rows_max));
            let grew = grown.is_some();
            if let Some(grown) = grown {
                let grids = std::mem::take(&mut relaxation.grids);
                let prices = std::mem::take(&mut relaxation.prices);
                *relaxation = Relaxation::new(&self.chain, grids, grown);
                relaxation.prices = prices;
            }
            self.climb(run, relaxation, round.climb)?;
            if !grew && relaxation.bound < before + before.abs() * 1e-4 {
                break;
            }
        }
        Ok(())
    }

    fn climb(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxation: &mut Relaxation,
        steps: u32,
    ) -> Result<(), Stop> {
        let prices = relaxation.prices.clone();
        relaxation.solve(&self.chain, &prices);
        let limit = self.limit(run);
        let target = if limit < self.chain.most { limit } else { relaxation.bound * 1.1 };
        let target = target.clamp(f64::from(1 << 20), self.chain.most.max(f64::from(1 << 20)));
        let goal = Climb { steps, target, enough: limit };
        climb(&self.chain, relaxation, goal, &mut |bound| {
            run.count("passes", 1);
            // What was fixed may have cost no more than the limit.
            self.report(run, self.cost(bound.min(limit)));
            run.step()
        })
    }

    /// Searches forward, and offers what it finds.
    fn labels(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxation: &Relaxation,
        width: Width,
    ) -> Result<Found, Stop> {
        let most = self.solver.labels_max.min(TRACES_MAX / self.chain.layers);
        let complete = width.alike == usize::MAX;
        let width = Width { labels: width.labels.min(most), ..width };
        let others = if complete { self.others(relaxation) } else { Vec::new() };
        let relaxations = (relaxation, &others[..]);
        let labels = Labels::new(&self.chain, relaxations, self.limit(run), self.one_run);
        let found = labels.search(width, &mut || run.step())?;
        run.count("labels", found.labels);
        if let Some((plan, _)) = &found.plan {
            run.incumbent(&Plan::single(plan.clone()));
        }
        Ok(found)
    }

    /// The relaxation at other prices of loss, as many as there is room for.
    fn others(&self, relaxation: &Relaxation) -> Vec<Relaxation> {
        let count = self.solver.table_max / relaxation.values().max(1);
        let other = |factor: &f64| {
            let mut other = relaxation.clone();
            let loss = relaxation.prices.loss * factor;
            other.solve(&self.chain, &Prices { loss, ..relaxation.prices.clone() });
            other
        };
        OTHER_PRICES.iter().take(count.saturating_sub(1)).map(other).collect()
    }

    /// Steps of a grid whose tables fit.
    fn steps_max(&self) -> u64 {
        let places = self.chain.layers * self.chain.devices;
        (self.solver.table_max / places).max(16) as u64
    }

    /// Whether what was looked for is found.
    fn is_reached(&self, run: &Run<'_, Deployment>) -> bool {
        match self.goal {
            Goal::Cheapest { .. } | Goal::Part { .. } => false,
            Goal::AnyWithin { cycle, .. } => run.best().is_some_and(|(_, cost)| cost.0 <= cycle),
        }
    }

    /// Scaled cost above which plans do not matter: they are no better than the incumbent, by more
    /// than the asked gap; or they break a limit on the cost itself.
    fn limit(&self, run: &Run<'_, Deployment>) -> f64 {
        let scale = self.chain.scale;
        match self.goal {
            Goal::AnyWithin { cost_max, .. } => {
                cost_max.map_or(self.chain.most, |max| max as f64 * scale) + SLACK
            }
            Goal::Part { limit } => limit,
            Goal::Cheapest { .. } => limit(run, scale).min(self.chain.most + SLACK),
        }
    }

    /// What is proven once every plan within the limit is known.
    fn beyond(&self, run: &Run<'_, Deployment>) -> Cost {
        match (self.goal, run.best()) {
            (Goal::Cheapest { .. }, Some((_, cost))) => self.cost(self.limit(run) + 1.0).min(*cost),
            _ => Cost::MAX,
        }
    }

    /// A scaled bound as a cost.
    fn cost(&self, bound: f64) -> Cost {
        unscaled(bound, self.chain.scale)
    }

    fn report(&self, run: &mut Run<'_, Deployment>, bound: Cost) {
        if matches!(self.goal, Goal::Cheapest { report: true }) && bound < Cost::MAX {
            run.lower_bound(bound);
        }
    }
}
