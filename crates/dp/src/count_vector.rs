//! The exact program for contiguous placement in a fixed mix, over count vectors.
//!
//! A partial plan is known by the layers done, by how many devices of each class it has used, and
//! by the class of the last one; which members they were does not matter, as they are
//! interchangeable. Since each device holds one run of layers, a run that fits when it is made
//! fits for good: memory and budgets are constraints on runs, not on states, and the program is
//! exact where EdgeShard's latency program is a heuristic. 12 + 2 + 1 devices have
//! 13 * 3 * 2 = 78 count vectors instead of 2^15 subsets.
//!
//! The state follows the pipeline scheduler of Y. Hu et al., "PipeEdge: Pipeline Parallelism for
//! Large-Scale Model Inference on Heterogeneous Edge Devices", DSD 2022 (arXiv 2110.14895); the
//! recurrence with the source and its return leg is that of EdgeShard (arXiv 2405.14371,
//! Algorithm 2).
//!
//! # Complexity
//! O(V C L (L + C)) time and O(V C L) memory per pass, for L layers, C classes and V count
//! vectors. One pass per mix for latency and memory; for the bottleneck one for each distinct time
//! of sending the prompt, and with a latency limit O(log range) times as many.

use edgeplan_problem::deployment::{Deployment, DeviceId, Objective, Plan};
use edgeplan_problem::{Answer, Cost, Run, Solver, SolverError, Stop, Unsupported};

use crate::chain::{Candidates, Chain, MIXES, candidates, conclude, one_model};
use crate::classes::Classes;
use crate::stages::{Goal, NEVER, Stages};

/// The exact program for contiguous placement and fixed options, for every objective.
///
/// It honours pins, unreachable pairs, memory with shared tensors, compute and traffic budgets, and
/// both limits. Its answer is proven (optimal or infeasible) where placement is contiguous and each
/// layer has one usable option; with more it is the best over the candidate mixes, and under free
/// placement a plan, both without a bound. With the objective memory and a latency limit the
/// bound ignores that limit, and the plan may not meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainExact {
    /// Most mixes to try.
    pub mixes: usize,
    /// More states (layers * count vectors * classes) than this are refused: eight bytes each.
    pub states_max: usize,
}

impl Default for ChainExact {
    fn default() -> Self {
        Self { mixes: MIXES, states_max: 20_000_000 }
    }
}

impl Solver<Deployment> for ChainExact {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let model = one_model(problem)?;
        let classes = Classes::of(problem);
        let per_vector = (model.layers.len() + 1).saturating_mul(classes.len());
        // The prices of runs grow with the square of the chain.
        let prices = per_vector.saturating_mul(model.layers.len());
        let states = per_vector.saturating_mul(classes.vectors()).max(prices);
        if states > self.states_max {
            return Err(Unsupported(format!(
                "{states} states for {} classes of devices; at most {} are allowed",
                classes.len(),
                self.states_max
            )));
        }
        Ok(())
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let problem = run.problem();
        let classes = Classes::of(problem);
        let Candidates { mixes, complete } = candidates(problem, self.mixes);
        let mut bound = None;
        for mix in &mixes {
            bound = Search { chain: Chain::new(problem, mix), classes: &classes }.best(run)?;
        }
        Ok(conclude(run, complete, bound))
    }
}

/// The search in one mix.
struct Search<'a> {
    chain: Chain<'a>,
    classes: &'a Classes,
}

impl Search<'_> {
    /// Offers the best plan of this mix; returns a lower bound on its contiguous plans, or `None`
    /// if there are none.
    fn best(&self, run: &mut Run<'_, Deployment>) -> Result<Option<Cost>, Stop> {
        let problem = self.chain.problem;
        let cap = problem.bottleneck_max.map_or(NEVER, |limit| limit.0);
        let goal = Goal { objective: problem.objective, cap };
        let Some((least, plan)) = self.program(goal, run)? else { return Ok(None) };
        // Only the latency limit is not in the program, so the plan is best if it meets that, and
        // a bound if it does not.
        if run.incumbent(&plan).is_some() {
            return Ok(Some(Cost(least)));
        }
        let worse = run.best().is_some_and(|&(_, best)| best.0 <= least);
        if problem.objective == Objective::Latency || worse {
            return Ok((problem.objective != Objective::Latency).then_some(Cost(least)));
        }
        let fastest = Goal { objective: Objective::Latency, cap };
        let Some((_, plan)) = self.program(fastest, run)? else { return Ok(None) };
        match run.incumbent(&plan) {
            None => Ok(None), // not even the fastest plan meets the latency limit
            Some(Cost(most)) if problem.objective == Objective::Bottleneck => {
                self.bisect(least, most, run).map(Some)
            }
            Some(_) => Ok(Some(Cost(least))),
        }
    }

    /// The least bottleneck under the latency limit: whether a cap allows it is the question of
    /// the least latency under that cap. The range's ends are a bound and a plan's bottleneck.
    fn bisect(
        &self,
        mut least: u64,
        mut most: u64,
        run: &mut Run<'_, Deployment>,
    ) -> Result<Cost, Stop> {
        while least < most {
            let cap = least + (most - least) / 2;
            let fastest = Goal { objective: Objective::Latency, cap };
            let plan = self.program(fastest, run)?.map(|(_, plan)| plan);
            match plan.and_then(|plan| run.incumbent(&plan)) {
                Some(Cost(bottleneck)) => most = bottleneck.min(cap),
                None => least = cap + 1,
            }
        }
        Ok(Cost(least))
    }

    /// The cheapest contiguous plan of this mix by a goal, with its price.
    fn program(
        &self,
        goal: Goal,
        run: &mut Run<'_, Deployment>,
    ) -> Result<Option<(u64, Plan)>, Stop> {
        let mut best: Option<(u64, Plan)> = None;
        for prompt in goal.prompts(self.chain) {
            let stages = Stages::new(self.chain, &self.classes.members, goal, prompt);
            let mut program = Program::new(&stages, self.classes, self.chain.layers());
            program.fill(run)?;
            let found = program.cheapest();
            if found.price != NEVER && best.as_ref().is_none_or(|(least, _)| found.price < *least) {
                best = Some((found.price, self.chain.plan(&program.trace(found))));
            }
        }
        Ok(best)
    }
}

/// A finished chain.
#[derive(Clone, Copy)]
struct End {
    price: u64,
    vector: usize,
    class: usize,
}

/// The table of one pass.
struct Program<'a> {
    stages: &'a Stages,
    classes: &'a Classes,
    layers: usize,
    done: Vec<u64>, // [count vector][class of the last device][layers done], NEVER if impossible
}

impl<'a> Program<'a> {
    fn new(stages: &'a Stages, classes: &'a Classes, layers: usize) -> Self {
        let cells = classes.vectors() * classes.len() * (layers + 1);
        Self { stages, classes, layers, done: vec![NEVER; cells] }
    }

    /// Where the prices of a count vector and a last class begin.
    fn cell(&self, vector: usize, class: usize) -> usize {
        (vector * self.classes.len() + class) * (self.layers + 1)
    }

    /// Classes of which a count vector has members.
    fn last(&self, vector: usize) -> impl Iterator<Item = usize> + use<'a> {
        let classes = self.classes;
        (0..classes.len()).filter(move |&class| classes.used(vector, class) > 0)
    }

    /// g(j, v, c) = min over i < j of the join of arrive(i, v, c) and the run of layers i..j on c.
    fn fill(&mut self, run: &mut Run<'_, Deployment>) -> Result<(), Stop> {
        let mut arrive = vec![NEVER; self.layers];
        for vector in 1..self.classes.vectors() {
            run.step()?;
            for class in self.last(vector) {
                self.arrive(vector, class, &mut arrive);
                let (cell, length) = (self.cell(vector, class), self.layers + 1);
                self.stages.extend(class, &arrive, &mut self.done[cell..cell + length]);
            }
        }
        run.count("states", self.done.len() as u64);
        Ok(())
    }

    /// arrive(i, v, c) = min over classes b of the join of g(i, v - c, b) and the hop from b to c:
    /// the price of standing before layer i with the next run on a fresh member of c.
    fn arrive(&self, vector: usize, class: usize, arrive: &mut [u64]) {
        arrive.fill(NEVER);
        let before = self.classes.without(vector, class);
        if before == 0 {
            arrive[0] = self.stages.start(class);
            return;
        }
        for from in self.last(before) {
            let hops = self.hops(before, from, class);
            let cell = self.cell(before, from);
            let done = &self.done[cell..cell + self.layers];
            for ((best, &price), &hop) in arrive.iter_mut().zip(done).zip(hops).skip(1) {
                *best = (*best).min(self.stages.goal.join(price, hop));
            }
        }
    }

    /// Prices of the hop between two classes, by layers done, after a count vector.
    fn hops(&self, before: usize, from: usize, to: usize) -> &[u64] {
        self.stages.hops(self.sender(before, from), to)
    }

    fn sender(&self, vector: usize, class: usize) -> usize {
        self.stages.sender(class, self.classes.used_in_all(vector) == 1)
    }

    /// The best finished chain, its answer brought back to the source.
    fn cheapest(&self) -> End {
        let mut best = End { price: NEVER, vector: 0, class: 0 };
        for vector in 1..self.classes.vectors() {
            for class in self.last(vector) {
                let done = self.done[self.cell(vector, class) + self.layers];
                let leave = self.stages.leave(self.sender(vector, class));
                let price = self.stages.goal.join(done, leave);
                if price < best.price {
                    best = End { price, vector, class };
                }
            }
        }
        best
    }

    /// The device of each layer, found backwards by asking again which choice was the best.
    fn trace(&self, End { mut vector, mut class, .. }: End) -> Vec<DeviceId> {
        let mut chosen = vec![DeviceId::default(); self.layers];
        let mut arrive = vec![NEVER; self.layers];
        let mut end = self.layers;
        while end > 0 && vector > 0 {
            self.arrive(vector, class, &mut arrive);
            let first = self.stages.begin(class, &arrive, end);
            // Each run takes the member whose turn it is, so no two runs share one.
            let member = self.classes.used(vector, class) - 1;
            chosen[first..end].fill(self.classes.members[class][member]);
            vector = self.classes.without(vector, class);
            let price = |&from: &usize| {
                let done = self.done[self.cell(vector, from) + first];
                self.stages.goal.join(done, self.hops(vector, from, class)[first])
            };
            class = self.last(vector).min_by_key(price).unwrap_or(0);
            end = first;
        }
        chosen
    }
}
