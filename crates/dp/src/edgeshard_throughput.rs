//! EdgeShard's throughput program (Algorithm 2), as published.
//!
//! The best pipeline for the first `i` layers is known by the set of devices that it uses and by
//! the last of them: g(j, S + m, m) is the least, over i < j and k in S, of the largest of
//! g(i, S, k), the time that m computes layers i..j and the time that k sends to m. The source
//! also sends the prompt when it does not hold the first layer; both add up if it is used later.
//!
//! M. Zhang, X. Shen, J. Cao, Z. Cui, S. Jiang, "EdgeShard: Efficient LLM Inference via
//! Collaborative Edge Computing", IEEE Internet of Things Journal 12(10), 2025,
//! doi:10.1109/JIOT.2024.3524255 (arXiv 2405.14371), section IV, Algorithm 2.
//!
//! # Complexity
//! O(2^M M N (N + M)) time for N layers and M devices: the published O(N^2 2^M M^2) with the
//! minimum over k taken once per (i, S, m) instead of once per (i, j, S, m). O(2^M M N) memory.
//! Once per mix and per distinct time of sending the prompt.

use edgeplan_problem::deployment::{Deployment, DeviceId, Objective, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Stop, Unsupported};

use crate::chain::{Candidates, Chain, MIXES, candidates, conclude, one_model};
use crate::stages::{Goal, NEVER, Stages};

/// More devices than this are refused.
const DEVICES_MAX: usize = 16;
/// More states than this are refused: eight bytes each.
const STATES_MAX: usize = 1 << 26;

/// EdgeShard's Algorithm 2: a program over sets of devices for a pipeline's cycle time.
///
/// The run of layers on a device respects its memory and compute budget, a message its sender's
/// traffic budget. The latency limit is not seen by the program; a plan that breaks it is dropped.
/// The bound is proven where placement is contiguous and each layer has one usable option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeShardThroughput {
    /// Most mixes to try.
    pub mixes: usize,
}

impl Default for EdgeShardThroughput {
    fn default() -> Self {
        Self { mixes: MIXES }
    }
}

impl Solver<Deployment> for EdgeShardThroughput {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let model = one_model(problem)?;
        if problem.objective != Objective::Bottleneck {
            return Err(Unsupported("minimises the bottleneck only".into()));
        }
        let devices = problem.devices.len();
        if devices > DEVICES_MAX {
            let text = format!("2^{devices} sets of devices; at most 2^{DEVICES_MAX} are allowed");
            return Err(Unsupported(text));
        }
        let states = (model.layers.len() + 1).saturating_mul(devices << devices);
        if states > STATES_MAX {
            let text = format!("{states} states; at most {STATES_MAX} are allowed");
            return Err(Unsupported(text));
        }
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let problem = run.problem();
        let Candidates { mixes, complete } = candidates(problem, self.mixes);
        let cap = problem.bottleneck_max.map_or(NEVER, |limit| limit.0);
        let goal = Goal { objective: Objective::Bottleneck, cap };
        let groups: Vec<Vec<DeviceId>> = problem.device_ids().map(|device| vec![device]).collect();
        let mut bound = None;
        for mix in &mixes {
            let chain = Chain::new(problem, mix);
            for prompt in goal.prompts(chain) {
                let stages = Stages::new(chain, &groups, goal, prompt);
                let mut program = Subsets::new(&stages, groups.len(), chain.layers());
                program.fill(run)?;
                if let Some((bottleneck, devices)) = program.best() {
                    run.incumbent(&chain.plan(&devices));
                    bound = Some(bound.unwrap_or(bottleneck).min(bottleneck));
                }
            }
        }
        Ok(conclude(run, complete, bound.map(Cost)))
    }
}

/// The table g of one pass.
struct Subsets<'a> {
    stages: &'a Stages,
    devices: usize,
    layers: usize,
    g: Vec<u64>, // [set][last device][layers done], NEVER if impossible
}

impl<'a> Subsets<'a> {
    fn new(stages: &'a Stages, devices: usize, layers: usize) -> Self {
        let g = vec![NEVER; (devices << devices) * (layers + 1)];
        Self { stages, devices, layers, g }
    }

    /// g(0.., set, last).
    fn cell(&self, set: usize, last: usize) -> usize {
        (set * self.devices + last) * (self.layers + 1)
    }

    fn fill(&mut self, run: &mut Run<'_, Deployment>) -> Result<(), Stop> {
        let mut arrive = vec![NEVER; self.layers];
        for set in 1..1 << self.devices {
            run.step()?;
            for last in members(set) {
                self.arrive(set, last, &mut arrive);
                // g(j, S + m, m) = min over i < j of max(arrive(i), t_comp(i..j, m))
                let cell = self.cell(set, last);
                let done = &mut self.g[cell..=cell + self.layers];
                self.stages.extend(last, &arrive, done);
            }
        }
        run.count("states", self.g.len() as u64);
        Ok(())
    }

    /// arrive(i) = min over k in S of max(g(i, S, k), t_comm(k, m)), for m = `last`.
    fn arrive(&self, set: usize, last: usize, arrive: &mut [u64]) {
        arrive.fill(NEVER);
        let before = set & !(1 << last);
        if before == 0 {
            arrive[0] = self.stages.start(last);
            return;
        }
        for from in members(before) {
            let cell = self.cell(before, from);
            let hops = self.stages.hops(self.sender(before, from), last);
            let g = &self.g[cell..cell + self.layers];
            for ((best, &value), &hop) in arrive.iter_mut().zip(g).zip(hops).skip(1) {
                *best = (*best).min(value.max(hop));
            }
        }
    }

    fn sender(&self, set: usize, last: usize) -> usize {
        self.stages.sender(last, set == 1 << last)
    }

    /// The least max(g(N, S, k), t_return(k)) and the device of each layer, by backtracing.
    fn best(&self) -> Option<(u64, Vec<DeviceId>)> {
        let ends = (1..1 << self.devices).flat_map(|set| members(set).map(move |k| (set, k)));
        let priced = ends.map(|(set, last)| {
            let done = self.g[self.cell(set, last) + self.layers];
            (done.max(self.stages.leave(self.sender(set, last))), set, last)
        });
        let (bottleneck, mut set, mut last) = priced.min()?;
        if bottleneck == NEVER {
            return None;
        }
        let mut chosen = vec![DeviceId::default(); self.layers];
        let mut arrive = vec![NEVER; self.layers];
        let mut end = self.layers;
        while end > 0 && set != 0 {
            self.arrive(set, last, &mut arrive);
            let first = self.stages.begin(last, &arrive, end);
            chosen[first..end].fill(DeviceId(last as u16));
            set &= !(1 << last);
            let price = |&from: &usize| {
                let hop = self.stages.hops(self.sender(set, from), last)[first];
                self.g[self.cell(set, from) + first].max(hop)
            };
            last = members(set).min_by_key(price).unwrap_or(0);
            end = first;
        }
        Some((bottleneck, chosen))
    }
}

/// The devices of a set.
fn members(mut set: usize) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(lowest)
    })
}
