//! Rounds of: finer grid, climb, labels, fixing; until the proof is complete.

use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Stop, Unsupported};

use crate::ascent::{Climb, climb};
use crate::chain::Chain;
use crate::fixing::fix;
use crate::grid::Grid;
use crate::labels::{DEVICES_MAX, Labels, Width};
use crate::neighbours::Neighbours;
use crate::relaxation::{Prices, Relaxation};

/// The exact chain solver.
#[derive(Debug, Clone, Copy)]
pub struct ChainSearch {
    /// Labels that a search may hold at once; about 150 bytes each.
    pub labels_max: usize,
    /// Values that the tables may hold; 8 bytes each.
    pub table_max: usize,
}

impl Default for ChainSearch {
    fn default() -> Self {
        Self { labels_max: 4_000_000, table_max: 64_000_000 }
    }
}

/// One round: grid steps, steps of the climb, labels per layer, alike labels.
#[derive(Debug, Clone, Copy)]
struct Round {
    steps: u64,
    climb: u32,
    /// Times that neighbour sets may grow.
    grow: u32,
    width: Width,
}

/// Members of a neighbour set.
const SET_MAX: usize = 4;

const ROUNDS: [Round; 6] = [
    round((64, 20, 0), (50, 10)),
    round((64, 60, 8), (300, 40)),
    round((256, 60, 8), (2_000, 200)),
    round((1024, 60, 8), (50_000, usize::MAX)),
    round((4096, 40, 4), (500_000, usize::MAX)),
    round((16_384, 40, 0), (usize::MAX, usize::MAX)),
];

const fn round((steps, climb, grow): (u64, u32, u32), (labels, alike): (usize, usize)) -> Round {
    Round { steps, climb, grow, width: Width { labels, alike } }
}

impl Solver<Deployment> for ChainSearch {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let unsupported = |text: String| Err(Unsupported(text));
        if problem.models.len() > 1 {
            return unsupported("several models share the devices".into());
        }
        if problem.placement == Placement::Free {
            return unsupported("placement is free".into());
        }
        if problem.objective == Objective::Bottleneck {
            return unsupported("the bottleneck is minimised".into());
        }
        let (devices, shared) = (problem.devices.len(), problem.models[0].shared.len());
        if devices > DEVICES_MAX {
            return unsupported(format!("{devices} devices; at most {DEVICES_MAX} are allowed"));
        }
        if shared > 64 {
            return unsupported(format!("{shared} shared tensors; at most 64 are allowed"));
        }
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let chain = Chain::new(run.problem(), 0, None);
        let mut cases = vec![];
        match chain.ends_share() {
            // Ends on one device share a tensor only if everything is there: cases of their own.
            true => {
                cases.extend((0..chain.devices).map(|device| (chain.only(device), true)));
                cases.push((chain.with_shared_counted(), false));
            }
            false => cases.push((chain, true)),
        }
        let mut least: Option<Cost> = None;
        let sole = cases.len() == 1;
        for (chain, one_run) in cases {
            let bound = Search { solver: *self, chain, one_run, sole }.prove(run)?;
            least = Some(least.map_or(bound, |least| least.min(bound)));
        }
        let (best, bound) = (run.best().cloned(), least.unwrap_or(Cost::MAX));
        Ok(match best {
            Some((plan, cost)) => Answer::Plan { plan, lower_bound: Some(bound.min(cost)) },
            None if bound == Cost::MAX => Answer::Infeasible,
            None => Answer::Unknown { lower_bound: Some(bound) },
        })
    }
}

/// The search of one case.
struct Search {
    solver: ChainSearch,
    chain: Chain,
    /// Whether a plan may have just one run.
    one_run: bool,
    /// Whether this case's bound is the instance's.
    sole: bool,
}

impl Search {
    /// No plan of this case costs less than what is returned; [`Cost::MAX`] if there is none.
    fn prove(mut self, run: &mut Run<'_, Deployment>) -> Result<Cost, Stop> {
        let mut prices = Prices::zero(self.chain.devices);
        let mut bound = Cost::ZERO;
        let mut neighbours = Neighbours::none(self.chain.devices);
        let mut references = vec![vec![0; self.chain.layers]; self.chain.devices];
        for round in ROUNDS {
            let steps = round.steps.min(self.steps_max());
            let grids = references.iter().enumerate();
            let grids =
                grids.map(|(device, choices)| Grid::new(&self.chain, device, steps, choices));
            let grids: Vec<Grid> = grids.collect();
            let mut relaxation = Relaxation::new(&self.chain, grids, neighbours);
            relaxation.prices = prices;
            self.climb(run, &mut relaxation, round.climb)?;
            for _ in 0..round.grow {
                let path = relaxation.path(&self.chain);
                let grown = path.and_then(|p| relaxation.neighbours.grown(&p, SET_MAX));
                let Some(grown) = grown.filter(|_| relaxation.bound <= self.limit(run)) else {
                    break;
                };
                let prices = relaxation.prices;
                relaxation = Relaxation::new(&self.chain, relaxation.grids, grown);
                relaxation.prices = prices;
                self.climb(run, &mut relaxation, round.climb / 4)?;
            }
            if relaxation.bound > self.limit(run) {
                return Ok(self.beyond(run));
            }
            bound = bound.max(self.cost(relaxation.bound));
            self.report(run, bound);
            let width =
                Width { labels: round.width.labels.min(self.solver.labels_max), ..round.width };
            let labels = Labels::new(&self.chain, &relaxation, self.limit(run), self.one_run);
            let found = labels.search(width, &mut || run.step())?;
            run.count("labels", found.labels);
            if let Some((plan, _)) = found.plan {
                run.incumbent(&Plan::single(plan));
            }
            if std::env::var_os("DBG").is_some() {
                eprintln!(
                    "{:7.3} steps {} root {:.0} best {:?} dropped {:?} labels {} visits {:?} lossprice {}",
                    run.elapsed().as_secs_f64(),
                    steps,
                    relaxation.bound / self.chain.scale,
                    run.best().map(|b| b.1.0),
                    found.dropped.map(|d| d / self.chain.scale),
                    found.labels,
                    relaxation
                        .prices
                        .visit
                        .iter()
                        .map(|v| (v / self.chain.scale) as u64)
                        .collect::<Vec<_>>(),
                    relaxation.prices.loss / self.chain.scale
                );
            }
            match found.dropped {
                None => return Ok(self.beyond(run)),
                Some(dropped) => bound = bound.max(self.cost(dropped.min(self.limit(run)))),
            }
            self.report(run, bound);
            if relaxation.bound > self.limit(run) {
                return Ok(self.beyond(run));
            }
            let limit = self.limit(run);
            let fixed = fix(&mut self.chain, &relaxation, limit);
            run.count("fixed", fixed.removed as u64);
            prices = relaxation.prices.clone();
            references = fixed.best;
            neighbours = relaxation.neighbours;
        }
        Ok(bound)
    }

    /// Steps of a grid whose tables fit.
    fn steps_max(&self) -> u64 {
        let places = self.chain.layers * self.chain.devices;
        (self.solver.table_max / places).max(16) as u64
    }

    /// Scaled cost above which plans do not matter: they are no better than the incumbent, by more
    /// than the asked gap.
    fn limit(&self, run: &Run<'_, Deployment>) -> f64 {
        let instance = run.problem();
        match run.best() {
            Some((_, cost)) => {
                let better = (cost.as_f64() - 1.0) * self.chain.scale;
                let enough = (cost.as_f64() * (1.0 - run.limits().gap) * self.chain.scale).floor();
                better.min(enough)
            }
            None => match (instance.objective, instance.latency_max) {
                (Objective::Latency, Some(limit)) => {
                    limit.as_f64() * f64::from(instance.models[0].weight) * self.chain.scale
                }
                _ => f64::MAX,
            },
        }
    }

    /// What is proven once every plan within the limit is known.
    fn beyond(&self, run: &Run<'_, Deployment>) -> Cost {
        match run.best() {
            Some((_, cost)) => self.cost(self.limit(run) + 1.0).min(*cost),
            None => Cost::MAX,
        }
    }

    /// A scaled bound as a cost.
    fn cost(&self, bound: f64) -> Cost {
        match bound <= 0.0 {
            true => Cost::ZERO,
            false if bound >= f64::MAX => Cost::MAX,
            false => Cost((bound / self.chain.scale).ceil() as u64),
        }
    }

    fn report(&self, run: &mut Run<'_, Deployment>, bound: Cost) {
        if self.sole && bound < Cost::MAX {
            run.lower_bound(bound);
        }
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
        let known = run.best().map(|(_, cost)| cost.as_f64() * self.chain.scale);
        let target = known.unwrap_or((relaxation.bound * 1.1).max(1.0));
        let goal = Climb { steps, target, enough: limit };
        climb(&self.chain, relaxation, goal, &mut |bound| {
            run.count("passes", 1);
            // What was fixed may have cost no more than the limit.
            self.report(run, self.cost(bound.min(limit)));
            run.step()
        })
    }
}
