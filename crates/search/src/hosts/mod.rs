//! One model on hosts of several devices, least latency: branch and bound on *how many* layers of a
//! kind a device holds.
//!
//! Inside of a host every layer may lie on any device, so that memories are shared by what lies
//! between. They are priced, as the loss is; what is left is a shortest path over layers and
//! devices that enters each host once ([`tables`]). Blocks of a model are nearly all alike: a
//! decision on one of them leaves as good a plan with another one in its place. A decision on
//! *counts* does not ([`branching`]): at most, or at least, so many layers of a class on this
//! device in this option. A count is one more priced row of the same relaxation, no new search.

mod average;
mod branching;
pub(crate) mod certify;
mod dual;
mod master;
mod moves;
mod network;
mod rounding;
mod rows;
mod tables;
mod tuning;

use edgeplan_methods::frontier::Frontier;
use edgeplan_problem::deployment::{Deployment, Objective, Placement, Plan};
use edgeplan_problem::{Cost, Run, Stop, gap};

use rustc_hash::FxHashSet;

use crate::bounding::goal::{Goal, unscaled};
use crate::chain::Chain;
use crate::joint_bounds::JointSearch;
use crate::solver::ChainSearch;
use crate::tuning::TUNING;
use branching::{Gains, Near, Node};
use dual::{Ascent, Solved};
use network::Network;
use rounding::Rounding;
pub(crate) use tuning::{HOSTS, HostTuning};

/// The chains of an instance that the search of this module takes: one model with several devices
/// on a host, whose plans cost time, and whose limits are those of the priced rows. None of others.
pub(crate) fn cases(instance: &Deployment) -> Option<Vec<Chain>> {
    let sends_freely = instance.bottleneck_max.is_none()
        && instance.devices.iter().all(|device| device.traffic_max.is_none());
    let taken = instance.models.len() == 1
        && instance.has_hosts()
        && instance.objective == Objective::Latency
        && instance.placement == Placement::Contiguous
        && sends_freely;
    taken.then(|| network::cases(instance)).flatten()
}

/// No plan costs less than what is returned; [`Cost::MAX`] if there is none.
///
/// Few layers, whose sizes leave much of a memory idle, are enumerated by labels that carry what
/// every device has spent: prices bound them badly. Many layers are split.
pub(crate) fn prove(
    solver: &ChainSearch,
    run: &mut Run<'_, Deployment>,
    chains: &[Chain],
) -> Result<Cost, Stop> {
    let goal = Goal::Cheapest { reports: chains.len() == 1 };
    let mut proven = Cost::ZERO;
    if chains[0].layers <= TUNING.hosts.enumerated_layers_max {
        for chain in chains {
            HostSearch { chain, goal }.prove(run, Some(1))?;
        }
        proven = JointSearch::new(solver).prove(run)?;
        let is_closed = |(_, cost): &(Plan, Cost)| gap(*cost, proven) <= run.limits().gap;
        if run.best().map_or(proven == Cost::MAX, is_closed) {
            return Ok(proven);
        }
    }
    let mut least = Cost::MAX;
    for chain in chains {
        least = least.min(HostSearch { chain, goal }.prove(run, None)?);
    }
    Ok(least.max(proven))
}

/// The search of one case.
struct HostSearch<'a> {
    chain: &'a Chain,
    goal: Goal,
}

/// What a search learns on the way.
struct Learned<'a> {
    rounding: Rounding<'a>,
    gains: Gains,
    /// Where it was looked for plans.
    near: FxHashSet<Near>,
    /// Nodes of those searches, and of the proof.
    near_nodes: u32,
    nodes: u32,
}

impl<'a> Learned<'a> {
    fn nothing(network: &'a Network<'a>) -> Self {
        Self {
            rounding: Rounding::new(network),
            gains: Gains::default(),
            near: FxHashSet::default(),
            near_nodes: 0,
            nodes: 0,
        }
    }
}

impl HostSearch<'_> {
    /// Splits until every node is closed, or so many were bounded.
    fn prove(&self, run: &mut Run<'_, Deployment>, nodes_max: Option<usize>) -> Result<Cost, Stop> {
        let network = Network::new(self.chain, run.problem());
        let mut learned = Learned::nothing(&network);
        // Of equal bounds the deepest node is next.
        let mut open: Frontier<Node> = Frontier::default();
        let mut node = Node::root(&network);
        for _ in 0..nodes_max.unwrap_or(usize::MAX) {
            learned.nodes += 1;
            let mut children = self.solve(run, &mut learned, node)?.unwrap_or_default();
            self.improve(run, &mut learned)?;
            // Down to a plan first, on the side that the mixture is nearer to.
            if let Some(first) = children.pop() {
                for node in children {
                    open.push(node.bound, node.depth.into(), node);
                }
                node = first;
                continue;
            }
            let cutoff = self.goal.cutoff(run, self.chain);
            let Some(next) = open.pop().filter(|next| next.bound <= cutoff) else {
                return Ok(self.goal.beyond(run, self.chain));
            };
            self.goal.report(run, unscaled(next.bound, self.chain.scale));
            node = next;
        }
        let waiting = open.peek().map_or(node.bound, |next| next.bound.min(node.bound));
        Ok(unscaled(waiting, self.chain.scale))
    }

    /// Looks for better plans near the best one, until none is found or that has taken as many
    /// nodes as the proof.
    fn improve(
        &self,
        run: &mut Run<'_, Deployment>,
        learned: &mut Learned<'_>,
    ) -> Result<(), Stop> {
        let network = learned.rounding.network;
        while let Some((plan, _)) = run.best()
            && learned.near_nodes <= learned.nodes + TUNING.hosts.near_nodes
        {
            if !self.look_near(run, learned, Near::of(network, &plan.models[0]))? {
                break;
            }
        }
        Ok(())
    }

    /// Looks for plans near a place; whether it has, which is once for each.
    ///
    /// Where hosts, or devices, are decided, nearly, relaxed paths are nearly plans.
    fn look_near(
        &self,
        run: &mut Run<'_, Deployment>,
        learned: &mut Learned<'_>,
        near: Near,
    ) -> Result<bool, Stop> {
        let network = learned.rounding.network;
        if learned.near.contains(&near) {
            return Ok(false);
        }
        let root = Node::root(network).near(network, &near);
        learned.near.insert(near);
        let part = HostSearch { chain: self.chain, goal: self.goal.of_a_part() };
        let mut open = vec![root];
        for _ in 0..TUNING.hosts.near_nodes {
            let Some(node) = open.pop() else { break };
            learned.near_nodes += 1;
            if node.bound <= part.goal.cutoff(run, part.chain) {
                open.extend(part.solve(run, learned, node)?.unwrap_or_default());
            }
        }
        Ok(true)
    }

    /// Bounds a node, offers the plans near its relaxed paths, and splits what is left of it;
    /// nothing is left of a node without plans within the cutoff.
    fn solve(
        &self,
        run: &mut Run<'_, Deployment>,
        learned: &mut Learned<'_>,
        node: Node,
    ) -> Result<Option<Vec<Node>>, Stop> {
        run.count("nodes", 1);
        let Learned { rounding, gains, .. } = learned;
        polish(run, rounding);
        let (chain, network) = (self.chain, rounding.network);
        let is_root = node.depth == 0;
        let ascent = Ascent::of(network, &node);
        let Solved { bound, prices, mixture, ng_sets } = ascent.maximise(&mut |event| {
            run.count("passes", 1);
            if let Some(mixture) = event.mixture {
                let plan = rounding.round(mixture, &|| run.check().is_err());
                plan.map(|plan| run.incumbent(&Plan::single(plan)));
            }
            let cutoff = self.goal.cutoff(run, chain);
            if is_root {
                self.goal.report(run, unscaled(event.bound.min(cutoff), chain.scale));
            }
            run.step()?;
            Ok(cutoff)
        })?;
        let bound = bound.max(node.bound);
        if let Some(origin) = node.origin {
            gains.note(origin, bound);
        }
        if bound > self.goal.cutoff(run, chain) {
            return Ok(None);
        }
        // A node in which nothing is left to decide has one path, which may be a plan.
        if let Some(heaviest) = mixture.first() {
            run.incumbent(&Plan::single(heaviest.path.assignments.clone()));
        }
        if node.depth.is_multiple_of(TUNING.hosts.rounded_every) {
            let plan = rounding.round(&mixture, &|| run.check().is_err());
            plan.map(|plan| run.incumbent(&Plan::single(plan)));
        }
        if bound > self.goal.cutoff(run, chain) {
            return Ok(None);
        }
        Ok(branching::split(network, node, Solved { bound, prices, mixture, ng_sets }, gains))
    }
}

/// Makes the best plan cheaper by small changes, where another solver found it.
fn polish(run: &mut Run<'_, Deployment>, rounding: &mut Rounding<'_>) {
    let known = run.best().map(|(plan, _)| plan.models[0].clone());
    let polished = known.and_then(|plan| rounding.polish(&plan, &|| run.check().is_err()));
    polished.map(|plan| run.incumbent(&Plan::single(plan)));
}

#[cfg(test)]
mod tests {
    use edgeplan_families::{Random, random};
    use edgeplan_problem::deployment::HostId;
    use edgeplan_problem::{Limits, Silent, Verdict, solve};

    use super::*;

    /// Small instances whose devices are grouped to hosts, and some of whose layers are parts of
    /// one block.
    pub(super) fn grouped(seed: u64) -> Deployment {
        let (layers, devices) = (4 + seed as usize % 2, 3 + seed as usize / 2 % 2);
        let family = Random { layers, devices, formats: 2, seed, ..Random::default() };
        let mut instance = random(&family);
        instance.hosts = vec!["pc".into(), "server".into()];
        for (index, device) in instance.devices.iter_mut().enumerate() {
            device.host = match (seed / 4 % 3, index) {
                (0, 0 | 1) | (1, 1 | 2) => Some(HostId(0)),
                (2, _) => Some(HostId((index % 2) as u16)),
                _ => None,
            };
        }
        for layer in (2..layers).step_by(2).filter(|_| seed.is_multiple_of(3)) {
            instance.models[0].layers[layer].joined = true;
        }
        instance.checked().expect("the instance makes sense")
    }

    #[test]
    fn hosts_are_proven_as_brute_force_has_them() {
        let (mut feasible, mut searched) = (0, 0);
        for seed in 0..120 {
            let instance = grouped(seed);
            let best = instance.brute_force().map(|(cost, _)| cost);
            let limits = Limits { gap: 0.0, ..Limits::default() };
            let found = solve(&instance, &ChainSearch::default(), limits, &mut Silent);
            assert_eq!(found.cost(), best, "seed {seed}");
            let proven = match found.verdict {
                Verdict::Optimal { .. } => best.is_some(),
                Verdict::Infeasible => best.is_none(),
                _ => false,
            };
            assert!(proven, "seed {seed}: {:?}", found.verdict);
            feasible += usize::from(best.is_some());
            searched += usize::from(cases(&instance).is_some());
        }
        assert!(feasible > 60 && searched > 60, "{feasible}, {searched}");
    }

    #[test]
    fn the_only_plan_of_a_node_is_offered_at_any_depth() {
        let instance = grouped(0);
        let (_, plan) = instance.brute_force().expect("there is a plan");
        let chains = cases(&instance).expect("it takes this");
        let network = Network::new(&chains[0], &instance);
        let mut barred = Vec::new();
        for (place, choices) in network.chain.choices.iter().enumerate() {
            let (layer, device) = (place / network.chain.devices, place % network.chain.devices);
            let at = plan.models[0][layer];
            let is_taken = |option| at.device.index() == device && at.option == option;
            barred.extend(choices.iter().map(|choice| !is_taken(choice.option)));
        }
        for depth in 1..9 {
            let barred = Some(barred.clone().into());
            let node = Node { depth, barred, ..Node::root(&network) };
            let mut observer = Silent;
            let mut run = Run::new(&instance, Limits::default(), &mut observer);
            let goal = Goal::Cheapest { reports: false };
            let search = HostSearch { chain: &chains[0], goal };
            let left = search.solve(&mut run, &mut Learned::nothing(&network), node);
            assert!(left.expect("nothing stops it").is_none(), "nothing is left of it");
            assert_eq!(run.best().map(|(best, _)| best), Some(&plan), "at depth {depth}");
        }
    }

    #[test]
    fn nodes_alone_prove_what_brute_force_has() {
        let (mut closed, mut split) = (0, 0);
        for seed in 0..60 {
            let instance = grouped(seed);
            let best = instance.brute_force().map_or(Cost::MAX, |(cost, _)| cost);
            let limits = Limits { gap: 0.0, steps: Some(20_000), ..Limits::default() };
            let mut observer = Silent;
            let mut run = Run::new(&instance, limits, &mut observer);
            let [chain] = &cases(&instance).expect("it takes this")[..] else {
                panic!("no tensor is shared")
            };
            let search = HostSearch { chain, goal: Goal::Cheapest { reports: false } };
            let open = search.prove(&mut run, Some(3)).expect("three nodes are few steps");
            assert!(open <= best, "seed {seed}: {open} and {best}");
            let Ok(least) = search.prove(&mut run, None) else { continue };
            assert_eq!(least, best, "seed {seed}");
            closed += 1;
            split += usize::from(run.work()["nodes"] > 4);
        }
        assert!(closed > 40 && split > 20, "{closed}, {split}");
    }
}
