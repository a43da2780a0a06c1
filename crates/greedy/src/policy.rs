//! The policies: in which order devices come and how many layers each gets.

use edgeplan_problem::deployment::{Deployment, DeviceId, Mix, mixes};
use edgeplan_problem::{Answer, Run, Solver, SolverError, Unsupported};

use crate::runs::{Counts, chain_time, fitting, plan, proportional};

/// Which policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Fill the fastest device, then the next fastest.
    FastestFirst,
    /// Layers in proportion to memory, most memory first (exo's ring).
    RamProportional,
    /// As many layers on each device, in listed order.
    EvenSplit,
    /// Everything on the source (EdgeShard's Edge-Solo).
    EdgeSolo,
    /// Half on the source, half on the fastest other device (EdgeShard's Cloud-Edge-Even).
    CloudEdgeEven,
    /// The best cut between the two (EdgeShard's Cloud-Edge-Opt).
    CloudEdgeOpt,
}

/// A policy, tried with every mix. O(mixes * devices * layers) or, for the best cut,
/// O(mixes * layers^2).
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Which one.
    pub kind: Kind,
    /// Mixes to try.
    pub mixes: usize,
}

impl Policy {
    /// That policy with the usual number of mixes.
    pub fn new(kind: Kind) -> Self {
        Self { kind, mixes: 24 }
    }
}

impl Solver<Deployment> for Policy {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        match problem.models.len() {
            1 => Ok(()),
            models => Err(Unsupported(format!("places one model, this has {models}"))),
        }
    }

    fn solve(
        &self,
        run: &mut Run<'_, Deployment>,
    ) -> Result<Answer<edgeplan_problem::deployment::Plan>, SolverError> {
        let instance = run.problem();
        for mix in mixes(instance, 0, self.mixes) {
            run.step()?;
            for counts in candidates(self.kind, instance, &mix) {
                if counts.iter().map(|&(_, count)| count).sum::<usize>() == mix.len() {
                    run.incumbent(&plan(&mix, &counts));
                }
            }
        }
        Ok(match run.best() {
            Some((plan, _)) => Answer::Plan { plan: plan.clone(), lower_bound: None },
            None => Answer::Unknown { lower_bound: None },
        })
    }
}

/// The splits that a policy considers for one mix.
fn candidates(kind: Kind, instance: &Deployment, mix: &Mix) -> Vec<Counts> {
    let (source, layers) = (instance.source, mix.len());
    let cloud = fastest(instance, mix).into_iter().find(|&device| device != source);
    match kind {
        Kind::FastestFirst => fill(instance, mix, &fastest(instance, mix)),
        Kind::RamProportional => {
            let mut order: Vec<DeviceId> = instance.device_ids().collect();
            order.sort_by_key(|&device| std::cmp::Reverse(instance.device(device).memory));
            let memory = |&device: &DeviceId| instance.device(device).memory.0;
            let order = pinned_first(instance, order);
            vec![split(layers, &order, &order.iter().map(memory).collect::<Vec<_>>())]
        }
        Kind::EvenSplit => {
            let order = pinned_first(instance, instance.device_ids().collect());
            vec![split(layers, &order, &vec![1; order.len()])]
        }
        Kind::EdgeSolo => vec![vec![(source, layers)]],
        Kind::CloudEdgeEven => match cloud {
            Some(cloud) => vec![split(layers, &[source, cloud], &[1, 1])],
            None => vec![vec![(source, layers)]],
        },
        Kind::CloudEdgeOpt => match cloud {
            Some(cloud) => {
                let cut = |first: usize| vec![(source, first), (cloud, layers - first)];
                (0..=layers).map(cut).collect()
            }
            None => vec![vec![(source, layers)]],
        },
    }
}

/// Devices that can run the chain, fastest first.
fn fastest(instance: &Deployment, mix: &Mix) -> Vec<DeviceId> {
    let timed = instance.device_ids().map(|device| (chain_time(instance, mix, device), device));
    let mut able: Vec<_> = timed.filter_map(|(time, device)| Some((time?, device))).collect();
    able.sort();
    able.into_iter().map(|(_, device)| device).collect()
}

/// The order with the first layer's pin in front.
fn pinned_first(instance: &Deployment, mut order: Vec<DeviceId>) -> Vec<DeviceId> {
    if let Some(pin) = instance.models[0].layers[0].pin {
        order.retain(|&device| device != pin);
        order.insert(0, pin);
    }
    order
}

fn split(layers: usize, order: &[DeviceId], shares: &[u64]) -> Counts {
    order.iter().copied().zip(proportional(layers, shares)).collect()
}

/// Fills devices in order. A pinned first layer's device comes first: with that layer alone, or
/// filled as well.
fn fill(instance: &Deployment, mix: &Mix, order: &[DeviceId]) -> Vec<Counts> {
    let filled = |order: &[DeviceId], mut counts: Counts| {
        let mut next: usize = counts.iter().map(|&(_, count)| count).sum();
        for &device in order {
            let fits = fitting(instance, mix, device, next);
            counts.push((device, fits));
            next += fits;
        }
        counts
    };
    match instance.models[0].layers[0].pin {
        None => vec![filled(order, Vec::new())],
        Some(pin) => {
            let others: Vec<DeviceId> = order.iter().copied().filter(|&d| d != pin).collect();
            vec![
                filled(&others, vec![(pin, 1)]),
                filled(&pinned_first(instance, order.to_vec()), Vec::new()),
            ]
        }
    }
}
