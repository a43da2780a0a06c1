//! An exact search of our own, on the same idea as DFTSP: fix what makes the problem linear, choose
//! prefixes of chains, depth first. It differs in three ways.
//!
//! 1. A chain is ordered by all that can make a difference, so that requests of different output
//!    lengths share one; a resource that all candidates together cannot exhaust makes none. Where
//!    bandwidth does not bind, one chain is left and the tree is a path.
//! 2. It maximises instead of asking for a size: each of four sums and their total is a fractional
//!    knapsack, whose optimum bounds what a subtree can add.
//! 3. A tree is for a padded prompt and a least slack, not for a member; trees come by bound, and
//!    those whose bound is not above the best batch are never built.
//!
//! # Complexity
//! O(modes * slacks * n log n) for the bounds of the trees, exponential in the number of chains
//! for those that are searched.

use edgeplan_problem::batching::{Batch, Batching, Mode, NodeId, Plan, RequestId};
use edgeplan_problem::{Answer, Cost, Nanos, Run, Solver, SolverError, Stop, Unsupported};

use crate::items::{Item, chains};
use crate::relaxed::Relaxed;

/// The exact search for one node.
#[derive(Default)]
pub struct BatchSearch {
    /// Quick solvers whose plans it starts from.
    pub starts: Vec<Box<dyn Solver<Batching> + Send>>,
}

impl std::fmt::Debug for BatchSearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchSearch").finish_non_exhaustive()
    }
}

/// The part of the time that the starting solvers may use, each.
const START_SHARE: u32 = 10;

impl BatchSearch {
    /// Starts from that solver's plan, if it is the best of those given.
    pub fn starting_from(mut self, start: impl Solver<Batching> + Send + 'static) -> Self {
        self.starts.push(Box::new(start));
        self
    }
}

impl Solver<Batching> for BatchSearch {
    fn supports(&self, problem: &Batching) -> Result<(), Unsupported> {
        match problem.nodes.len() {
            1 => Ok(()),
            nodes => Err(Unsupported(format!("plans one node, this has {nodes}"))),
        }
    }

    fn solve(&self, run: &mut Run<'_, Batching>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        run.incumbent(&Plan::idle(instance));
        run.start_from(&self.starts, START_SHARE);
        let best = run.best().cloned();
        let (plan, cost) = best.unwrap_or((Plan::idle(instance), Cost(instance.weight())));
        let served = instance.weight() - cost.0;
        let goal = Goal { node: NodeId(0), plan, served, tell_bound: true };
        let plan = best_batch(run, goal)?;
        let bound = instance.weight() - weight(instance, &plan);
        Ok(Answer::Plan { plan, lower_bound: Some(Cost(bound)) })
    }
}

/// What to look for: the best batch of a node among the requests that no other node of the plan
/// serves.
pub(super) struct Goal {
    pub(super) node: NodeId,
    /// The best plan known.
    pub(super) plan: Plan,
    /// What its batch of this node weighs.
    pub(super) served: u64,
    /// Whether this node's optimum is that of the instance.
    pub(super) tell_bound: bool,
}

/// What a plan serves, in weight.
pub(super) fn weight(instance: &Batching, plan: &Plan) -> u64 {
    let members = plan.batches.iter().flat_map(|batch| &batch.members);
    members.map(|&id| u64::from(instance.request(id).weight)).sum()
}

/// A tree: how to run the batch, and the least slack of a member.
struct Root {
    bound: u64,
    mode: Mode,
    slack: Nanos,
}

/// The plan with the best batch for that node. Better plans on the way are offered to the run.
pub(super) fn best_batch(run: &mut Run<'_, Batching>, goal: Goal) -> Result<Plan, Stop> {
    let instance = run.problem();
    let others = goal.plan.batches.iter().enumerate().filter(|(i, _)| *i != goal.node.index());
    let taken: Vec<RequestId> = others.flat_map(|(_, batch)| batch.members.clone()).collect();
    let free: Vec<RequestId> = instance.request_ids().filter(|id| !taken.contains(id)).collect();
    let mut roots = roots(run, goal.node, &free)?;
    let relaxations = roots.len() as u64;
    roots.sort_by_key(|root| (std::cmp::Reverse(root.bound), root.mode, root.slack));
    let tell_bound = goal.tell_bound;
    let mut search = Search { run, goal, counts: Vec::new(), nodes: 0, trees: 0, relaxations };
    let mut outcome = Ok(());
    for root in &roots {
        if tell_bound {
            let most = root.bound.max(search.goal.served);
            search.run.lower_bound(Cost(instance.weight() - most));
        }
        if root.bound <= search.goal.served {
            break;
        }
        outcome = search.tree(root, &free);
        if outcome.is_err() {
            break;
        }
    }
    let (nodes, trees, relaxations) = (search.nodes, search.trees, search.relaxations);
    let plan = search.goal.plan;
    run.count("nodes", nodes);
    run.count("trees", trees);
    run.count("relaxations", relaxations);
    outcome.map(|()| plan)
}

/// Every mode with every slack that matters, and what it can serve at most.
fn roots(run: &mut Run<'_, Batching>, node: NodeId, free: &[RequestId]) -> Result<Vec<Root>, Stop> {
    let instance = run.problem();
    let mut roots = Vec::new();
    for mode in instance.modes(node) {
        // Beyond the compute phase, slack is all the same.
        let slack = |id: &RequestId| instance.slack(*id).map(|s| s.min(instance.epoch.compute));
        let mut slacks: Vec<Nanos> = free.iter().filter_map(slack).collect();
        slacks.sort_unstable();
        slacks.dedup();
        for slack in slacks {
            run.step()?;
            let Some((items, capacity)) = candidates(instance, mode, slack, free) else { continue };
            let bound = Relaxed::new(items.iter(), capacity).most(capacity);
            roots.push(Root { bound, mode, slack });
        }
    }
    Ok(roots)
}

/// Who may be in such a batch, and what there is for it.
fn candidates(
    instance: &Batching,
    mode: Mode,
    slack: Nanos,
    free: &[RequestId],
) -> Option<(Vec<Item>, [u64; 4])> {
    let capacity = instance.capacity(mode, slack)?.to_array();
    let patient = free.iter().filter(|&&id| instance.slack(id).is_some_and(|own| own >= slack));
    let items = patient.filter_map(|&id| Item::new(instance, mode, id));
    let alone = |item: &Item| item.demand.iter().zip(capacity).all(|(needs, has)| *needs <= has);
    Some((items.filter(|item| item.weight > 0 && alone(item)).collect(), capacity))
}

/// The search of one node's trees.
struct Search<'t, 'r> {
    run: &'t mut Run<'r, Batching>,
    goal: Goal,
    /// How many of each chain, on the way down.
    counts: Vec<usize>,
    nodes: u64,
    trees: u64,
    /// Items sorted into knapsacks: for the bound of a tree, and for each of its levels. This is
    /// work like that of nodes, which look one of them up each.
    relaxations: u64,
}

/// A tree, ready to be searched.
struct Tree {
    mode: Mode,
    chains: Vec<Chain>,
    /// `rest[level]`: what this chain and all later ones can add.
    rest: Vec<Relaxed>,
}

/// A chain and its sums.
struct Chain {
    items: Vec<Item>,
    /// `demand[count]`: of so many of its first.
    demand: Vec<[u64; 4]>,
    /// `weight[count]`: of the same.
    weight: Vec<u64>,
}

impl Search<'_, '_> {
    fn tree(&mut self, root: &Root, free: &[RequestId]) -> Result<(), Stop> {
        let found = candidates(self.run.problem(), root.mode, root.slack, free);
        let Some((items, capacity)) = found else { return Ok(()) };
        self.trees += 1;
        let tree = Tree::new(root.mode, items, capacity);
        self.relaxations += tree.rest.len() as u64;
        self.descend(&tree, capacity, 0)
    }

    /// Chooses how many of the next chain, most first.
    fn descend(&mut self, tree: &Tree, left: [u64; 4], served: u64) -> Result<(), Stop> {
        self.run.step()?;
        self.nodes += 1;
        if served > self.goal.served {
            self.keep(tree, served);
        }
        let level = self.counts.len();
        let Some(chain) = tree.chains.get(level) else { return Ok(()) };
        if served + tree.rest[level].most(left) <= self.goal.served {
            return Ok(());
        }
        let fits = |demand: &[u64; 4]| demand.iter().zip(left).all(|(needs, has)| *needs <= has);
        let most = chain.demand.partition_point(fits) - 1;
        // Of the last chain, fewer than possible are never better.
        let least = if level + 1 == tree.chains.len() { most } else { 0 };
        for count in (least..=most).rev() {
            let demand = chain.demand[count];
            let after = [0, 1, 2, 3].map(|r| left[r] - demand[r]);
            self.counts.push(count);
            let outcome = self.descend(tree, after, served + chain.weight[count]);
            self.counts.pop();
            outcome?;
        }
        Ok(())
    }

    /// A better batch.
    fn keep(&mut self, tree: &Tree, served: u64) {
        let prefix = |(chain, &count): (&'_ Chain, &usize)| -> Vec<RequestId> {
            chain.items[..count].iter().map(|item| item.request).collect()
        };
        let mut members: Vec<RequestId> =
            tree.chains.iter().zip(&self.counts).flat_map(prefix).collect();
        members.sort_unstable();
        let format = tree.mode.format;
        self.goal.plan.batches[self.goal.node.index()] = Batch { format, members };
        self.goal.served = served;
        self.run.incumbent(&self.goal.plan);
    }
}

impl Tree {
    fn new(mode: Mode, items: Vec<Item>, capacity: [u64; 4]) -> Self {
        let all = |r: usize| items.iter().map(|item| item.demand[r]).fold(0, u64::saturating_add);
        let counted = [0, 1, 2, 3].map(|r| all(r) > capacity[r]);
        let mut chains = chains(items, counted);
        chains.sort_by_key(|chain| std::cmp::Reverse(chain.len()));
        let rest = |level: usize| Relaxed::new(chains[level..].iter().flatten(), capacity);
        let rest = (0..chains.len()).map(rest).collect();
        Self { mode, chains: chains.into_iter().map(Chain::new).collect(), rest }
    }
}

impl Chain {
    fn new(items: Vec<Item>) -> Self {
        let (mut demand, mut weight) = (vec![[0; 4]], vec![0]);
        for (count, item) in items.iter().enumerate() {
            let before: [u64; 4] = demand[count];
            demand.push([0, 1, 2, 3].map(|r| before[r].saturating_add(item.demand[r])));
            weight.push(weight[count] + item.weight);
        }
        Self { items, demand, weight }
    }
}
