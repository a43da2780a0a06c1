//! Rounds of: finer grid, climb, grow, labels, fixing; until the proof is complete.

use edgeplan_problem::deployment::{Deployment, Objective, OptionId, Plan};
use edgeplan_problem::{Cost, Run, Stop};

use rustc_hash::FxHashSet;

use crate::ascent::{Climb, Mixture, climb};
use crate::chain::Chain;
use crate::fixing::fix;
use crate::grid::Grid;
use crate::labels::{Found, Labels, OTHERS, Width};
use crate::neighbours::Neighbours;
use crate::relaxation::{Path, Prices, Relaxation};
use crate::solver::ChainSearch;

/// One round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Steps of the grid.
    pub(crate) steps: u64,
    /// Evaluations of a climb, unless it stops rising before.
    climb: u32,
    /// Climbs between which neighbour sets may grow.
    pub(crate) grow: u32,
    pub(crate) width: Width,
}

const SCHEDULE: [Round; ROUNDS] = [
    round((64, 90, 0), (100, 10)),
    round((256, 120, 12), (1_000, 50)),
    round((256, 90, 12), (4_000, 100)),
    round((1024, 90, 12), (10_000, 200)),
];

/// Rounds before branching.
pub(crate) const ROUNDS: usize = 4;

pub(crate) const fn round(
    (steps, climb, grow): (u64, u32, u32),
    (labels, alike): (usize, usize),
) -> Round {
    Round { steps, climb, grow, width: Width { labels, alike } }
}

/// Other prices of loss, relative to the best one.
const OTHER_PRICES: [f64; OTHERS] = [0.88, 1.14, 0.7, 1.5];
/// Values of a table that neighbour sets may grow to.
const GROWN_MAX: usize = 8_000_000;
/// Table values that the climbs of one round may fill between growths.
const GROW_WORK_MAX: u64 = 6_000_000_000;
/// Evaluations of the first climb, where they are cheap, for each device's price.
const CLIMB_PER_DEVICE: u32 = 3;
/// What labels of all layers may leave behind to find plans again.
const TRACES_MAX: usize = 64_000_000;

/// Labels of a round whose width follows from the time of its climb.
pub(crate) const BALANCED: usize = 0;
/// Values of a table that may be computed for each label that such a round extends.
const VALUES_PER_LABEL: usize = 2_000;
/// Labels of a layer that such a round may extend if that seems to complete its proof.
const WIDEST: usize = 100_000;

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

impl Goal {
    /// The goal of a part: its bounds are not the whole's.
    pub(crate) fn of_a_part(self) -> Self {
        match self {
            Self::Cheapest { .. } => Self::Cheapest { report: false },
            other => other,
        }
    }
}

/// What one round leaves to the next.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) prices: Prices,
    pub(crate) neighbours: Neighbours,
    /// By device, by layer: the likely choice.
    pub(crate) references: Vec<Vec<usize>>,
    /// The paths that the relaxation mixes.
    pub(crate) mixture: Mixture,
}

impl State {
    pub(crate) fn new(chain: &Chain) -> Self {
        Self {
            prices: Prices::zero(chain.devices),
            neighbours: Neighbours::none(chain.devices),
            references: vec![vec![0; chain.layers]; chain.devices],
            mixture: Mixture::new(),
        }
    }
}

/// How much a search may do before it leaves a question open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds on the whole case, at most [`ROUNDS`].
    pub(crate) rounds: usize,
    /// Nodes of the tree after them.
    pub(crate) nodes: usize,
}

/// What a round leaves of a case.
pub(crate) enum Left {
    /// Every plan within the limit is known.
    Nothing,
    Open(Open),
}

/// A case that is not closed.
pub(crate) struct Open {
    /// No plan of it costs less, scaled.
    pub(crate) bound: f64,
    pub(crate) state: State,
}

/// Passes so far.
fn passed(run: &Run<'_, Deployment>) -> u64 {
    run.work().get("passes").copied().unwrap_or(0)
}

/// A path by the options that it chooses, which keep their names when others leave the chain.
type Options = Vec<(usize, OptionId)>;

/// The paths of a mixture by their options.
fn named(chain: &Chain, mixture: &Mixture) -> Vec<(Options, f64)> {
    let name = |(layer, &(device, choice)): (usize, &(usize, usize))| {
        (device, chain.choices[chain.at(layer, device)][choice].option)
    };
    let path = |path: &Path| path.iter().enumerate().map(name).collect();
    mixture.iter().map(|(steps, share)| (path(steps), *share)).collect()
}

/// Those of these paths that are still in the chain.
fn kept(chain: &Chain, paths: &[(Options, f64)]) -> Mixture {
    let place = |(layer, &(device, option)): (usize, &(usize, OptionId))| {
        let mut choices = chain.choices[chain.at(layer, device)].iter();
        Some((device, choices.position(|choice| choice.option == option)?))
    };
    let path =
        |options: &Options| -> Option<Path> { options.iter().enumerate().map(place).collect() };
    paths.iter().filter_map(|(options, share)| Some((path(options)?, *share))).collect()
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
        effort: Effort,
    ) -> Result<Cost, Stop> {
        let mut state = State::new(&self.chain);
        let (mut bound, mut tried) = (0.0f64, FxHashSet::default());
        for round in SCHEDULE.into_iter().take(effort.rounds) {
            match self.round(run, round, state)? {
                Left::Nothing => return Ok(self.beyond(run)),
                Left::Open(open) => {
                    bound = bound.max(open.bound);
                    state = open.state;
                }
            }
            self.report(run, self.cost(bound));
            if self.is_reached(run) {
                return Ok(self.cost(bound));
            }
            if round.grow > 0 {
                self.look_near(run, &state)?;
                self.look_along(run, &state, &mut tried)?;
            }
        }
        self.branch(run, Open { bound, state }, effort.nodes)
    }

    /// Climbs, searches, and fixes.
    pub(crate) fn round(
        &mut self,
        run: &mut Run<'_, Deployment>,
        round: Round,
        state: State,
    ) -> Result<Left, Stop> {
        let before = passed(run);
        let (relaxation, mixture) = self.relax(run, round, state)?;
        if relaxation.bound > self.limit(run) {
            return Ok(Left::Nothing);
        }
        self.report(run, self.cost(relaxation.bound));
        let passes = passed(run) - before;
        let complete = round.width.alike == usize::MAX;
        let others = if complete { self.others(&relaxation) } else { Vec::new() };
        let relaxations = (&relaxation, &others[..]);
        let found = match round.width.labels {
            BALANCED => self.balanced(run, relaxations, passes.saturating_mul(relaxation.work))?,
            _ => self.labels(run, relaxations, round.width)?,
        };
        let limit = self.limit(run);
        let Some(dropped) = found.dropped else { return Ok(Left::Nothing) };
        let bound = relaxation.bound.max(dropped);
        if bound > limit {
            return Ok(Left::Nothing);
        }
        let paths = named(&self.chain, &mixture);
        let fixed = fix(&mut self.chain, &relaxation, limit);
        run.count("fixed", fixed.removed as u64);
        let mixture = kept(&self.chain, &paths);
        let Relaxation { prices, neighbours, .. } = relaxation;
        let state = State { prices, neighbours, references: fixed.best, mixture };
        Ok(Left::Open(Open { bound, state }))
    }

    /// Searches with as many labels as take about the time of a climb that computed so many values;
    /// if some had to be dropped, then once more with as many as seem to be missing. Their number
    /// grows exponentially with the bound up to which none is dropped.
    fn balanced(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxations: (&Relaxation, &[Relaxation]),
        values: u64,
    ) -> Result<Found, Stop> {
        let width = |labels| Width { labels, alike: usize::MAX };
        let labels = values as usize / (VALUES_PER_LABEL * self.chain.layers);
        let labels = labels.clamp(1_000, WIDEST);
        let found = self.labels(run, relaxations, width(labels))?;
        let Some(dropped) = found.dropped else { return Ok(found) };
        let (bound, limit) = (relaxations.0.bound, self.limit(run));
        // From the bound to the limit, how far this was complete.
        let reach = (dropped - bound) / (limit - bound);
        let needed = 2.0 * (labels as f64).powf(1.0 / reach);
        if (0.0..1.0).contains(&reach) && needed <= WIDEST as f64 {
            return self.labels(run, relaxations, width(needed as usize));
        }
        Ok(found)
    }

    /// The relaxation of a round, and the mixture of paths that attains its bound.
    pub(crate) fn relax(
        &self,
        run: &mut Run<'_, Deployment>,
        round: Round,
        state: State,
    ) -> Result<(Relaxation, Mixture), Stop> {
        let steps = round.steps.min(self.steps_max());
        let grids = state.references.iter().enumerate();
        let grids = grids.map(|(device, choice)| Grid::new(&self.chain, device, steps, choice));
        let mut relaxation = Relaxation::new(&self.chain, grids.collect(), state.neighbours);
        relaxation.prices = state.prices;
        let devices = self.chain.devices as u32;
        let first = round.climb + if round.grow == 0 { CLIMB_PER_DEVICE * devices } else { 0 };
        let mixture = self.climb(run, &mut relaxation, first, &state.mixture)?;
        match self.chain.once {
            true => self.grow(run, relaxation, round, mixture),
            false => Ok((relaxation, mixture)),
        }
    }

    /// Climbs again and again, growing neighbour sets where the relaxed path returns to a device.
    fn grow(
        &self,
        run: &mut Run<'_, Deployment>,
        mut relaxation: Relaxation,
        round: Round,
        mut mixture: Mixture,
    ) -> Result<(Relaxation, Mixture), Stop> {
        let mut work = 0;
        for _ in 0..round.grow {
            work = relaxation.work.saturating_mul(u64::from(round.climb)).saturating_add(work);
            if relaxation.bound > self.limit(run) || work > GROW_WORK_MAX {
                break;
            }
            let before = relaxation.bound;
            let rows_max =
                GROWN_MAX.min(self.solver.table_max) / (self.chain.layers * relaxation.width());
            let grown = relaxation.neighbours.grown(&mixture, rows_max);
            let grew = grown.is_some();
            if let Some(grown) = grown {
                relaxation = relaxation.with_neighbours(&self.chain, grown);
            }
            mixture = self.climb(run, &mut relaxation, round.climb, &mixture)?;
            if !grew && relaxation.bound < before + before.abs() * 1e-4 {
                break;
            }
        }
        Ok((relaxation, mixture))
    }

    fn climb(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxation: &mut Relaxation,
        steps: u32,
        known: &Mixture,
    ) -> Result<Mixture, Stop> {
        let prices = relaxation.prices.clone();
        let limit = self.limit(run);
        relaxation.ceiling = limit.min(self.chain.most);
        relaxation.solve(&self.chain, &prices);
        let target = if limit < self.chain.most { limit } else { relaxation.bound * 1.1 };
        let target = target.clamp(f64::from(1 << 20), self.chain.most.max(f64::from(1 << 20)));
        let goal = Climb { known, steps, target, enough: limit };
        climb(&self.chain, relaxation, goal, &mut |bound| {
            run.count("passes", 1);
            // What was fixed may have cost no more than the limit.
            self.report(run, self.cost(bound.min(limit)));
            run.step()
        })
    }

    /// Searches forward under a relaxation, and others that cut, too; offers what it finds.
    fn labels(
        &self,
        run: &mut Run<'_, Deployment>,
        relaxations: (&Relaxation, &[Relaxation]),
        width: Width,
    ) -> Result<Found, Stop> {
        let most = self.solver.labels_max.min(TRACES_MAX / self.chain.layers);
        let width = Width { labels: width.labels.min(most), ..width };
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
        // Labels carry their visits at the first one's prices: others must have the same.
        let same = |other: &Relaxation| other.prices.visit == relaxation.prices.visit;
        OTHER_PRICES.iter().take(count.saturating_sub(1)).map(other).filter(same).collect()
    }

    /// Steps of a grid whose tables fit.
    fn steps_max(&self) -> u64 {
        let places = self.chain.layers * self.chain.devices;
        (self.solver.table_max / places).max(16) as u64
    }

    /// Whether what was looked for is found.
    pub(crate) fn is_reached(&self, run: &Run<'_, Deployment>) -> bool {
        match self.goal {
            Goal::Cheapest { .. } | Goal::Part { .. } => false,
            Goal::AnyWithin { cycle, .. } => run.best().is_some_and(|(_, cost)| cost.0 <= cycle),
        }
    }

    /// Scaled cost above which plans do not matter: they are no better than the incumbent, by more
    /// than the asked gap; or they break a limit on the cost itself.
    pub(crate) fn limit(&self, run: &Run<'_, Deployment>) -> f64 {
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
    pub(crate) fn beyond(&self, run: &Run<'_, Deployment>) -> Cost {
        match (self.goal, run.best()) {
            (Goal::Cheapest { .. }, Some((_, cost))) => self.cost(self.limit(run) + 1.0).min(*cost),
            _ => Cost::MAX,
        }
    }

    /// A scaled bound as a cost.
    pub(crate) fn cost(&self, bound: f64) -> Cost {
        unscaled(bound, self.chain.scale)
    }

    pub(crate) fn report(&self, run: &mut Run<'_, Deployment>, bound: Cost) {
        if matches!(self.goal, Goal::Cheapest { report: true }) && bound < Cost::MAX {
            run.lower_bound(bound);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Measure;
    use crate::chain::tests::question;
    use edgeplan_problem::{Limits, Nanos, Silent};

    #[test]
    fn a_scaled_bound_is_never_more_than_a_cost() {
        for scale in [1.0, 64.0, 1024.0, (1u64 << 40) as f64] {
            for cost in [0u64, 1, 2, 1_000] {
                let bound = unscaled(cost as f64 * scale, scale);
                assert!(bound.0 <= cost && bound.0 + 64 >= cost, "{cost} at {scale}: {bound}");
                assert!(scale < 1_000.0 || bound.0 == cost, "{cost} at {scale}: {bound}");
            }
        }
        assert_eq!(unscaled(f64::INFINITY, 1.0), Cost::MAX);
        assert_eq!(unscaled(f64::NEG_INFINITY, 1.0), Cost::ZERO);
        assert_eq!(unscaled(f64::MAX, 8.0), Cost::MAX);
    }

    #[test]
    fn without_a_plan_only_a_limit_on_the_objective_limits() {
        let mut question = question(&[0], &[(0, 1)]);
        let mut observer = Silent;
        assert_eq!(limit(&Run::new(&question, Limits::default(), &mut observer), 2.0), f64::MAX);
        question.latency_max = Some(Nanos(10));
        let run = Run::new(&question, Limits::default(), &mut observer);
        assert_eq!(limit(&run, 2.0), 20.0 + SLACK);
        question.latency_max = Some(Nanos::MAX);
        let run = Run::new(&question, Limits::default(), &mut observer);
        assert!(limit(&run, 2.0) > 1e18);
    }

    #[test]
    fn a_plan_of_no_cost_is_proven_at_once() {
        let question = question(&[0, 0], &[(0, 0), (0, 0)]);
        let chain = Chain::new(&question, Measure::Latency, None);
        let mut observer = Silent;
        let limits = Limits { gap: 0.0, ..Limits::default() };
        let mut run = Run::new(&question, limits, &mut observer);
        let solver = ChainSearch::default();
        let goal = Goal::Cheapest { report: true };
        let effort = Effort { rounds: ROUNDS, nodes: usize::MAX };
        let search = Search { solver: &solver, chain, one_run: true, goal };
        assert_eq!(search.prove(&mut run, effort).expect("nothing stops it"), Cost::ZERO);
        assert_eq!(run.best().map(|(_, cost)| *cost), Some(Cost::ZERO));
    }
}
