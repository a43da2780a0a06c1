//! A plan in the order that an engine can say.

use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, Model, Plan};

use crate::runtime::Runtime;

impl Runtime {
    /// The plan with the blocks of each host in runs by the device of their layer, those of the
    /// source's processor first, where that costs no more or where the engine cannot run the plan
    /// as it is. Inside a host a solver has no reason to prefer one order of like blocks; engines
    /// that cut layers into runs do.
    ///
    /// # Complexity
    /// O(blocks log blocks), and two evaluations.
    pub fn arranged(&self, deployment: &Deployment, plan: &Plan) -> Plan {
        if !self.engine.parts || deployment.hosts.is_empty() {
            return plan.clone();
        }
        let mut arranged = plan.clone();
        for (model, layers) in deployment.models.iter().zip(&mut arranged.models) {
            arrange(deployment, &blocks_of(model), layers);
        }
        let (before, after) = (deployment.evaluate(plan), deployment.evaluate(&arranged));
        let cannot = || self.misfits(deployment, plan).is_ok_and(|misfits| !misfits.is_empty());
        match after.is_feasible() && (after.cost <= before.cost || cannot()) {
            true => arranged,
            false => plan.clone(),
        }
    }
}

/// How many blocks have their layer on each device of a host, in the order of an engine's runs.
type Counts = Vec<(DeviceId, usize)>;

/// Blocks in runs, as engines place layers: of each host, its blocks and how many of them follow
/// each other on each device. A layer is where the attention is; the other part may lie elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRuns {
    hosts: Vec<(Vec<Span>, Counts)>,
}

impl BlockRuns {
    /// As many blocks on each device as a plan of one model has there, the source's processor
    /// first.
    pub fn of(deployment: &Deployment, plan: &Plan) -> Self {
        let (model, layers) = (&deployment.models[0], &plan.models[0]);
        let counted = |run: Vec<Span>| {
            let mut counts: Counts = Vec::new();
            for &(first, _) in &run {
                let device = layers[first].device;
                match counts.iter_mut().find(|(known, _)| *known == device) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((device, 1)),
                }
            }
            counts.sort_by_key(|(device, _)| *device != deployment.source);
            (run, counts)
        };
        let runs = runs_of_hosts(deployment, &blocks_of(model), layers);
        Self { hosts: runs.into_iter().map(counted).collect() }
    }

    /// These runs with 1, 2, 4, ... blocks from one device to another of its host, in every way.
    pub fn near(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for (host, (_, counts)) in self.hosts.iter().enumerate() {
            let pairs = (0..counts.len()).flat_map(|a| (0..counts.len()).map(move |b| (a, b)));
            for (from, to) in pairs.filter(|(from, to)| from != to) {
                let moves = std::iter::successors(Some(1), |moved| Some(2 * moved));
                for moved in moves.take_while(|&moved| moved <= counts[from].1) {
                    let mut runs = self.clone();
                    runs.hosts[host].1[from].1 -= moved;
                    runs.hosts[host].1[to].1 += moved;
                    found.push(runs);
                }
            }
        }
        found
    }

    /// The question with the layers of blocks pinned so; `None` where one is pinned elsewhere.
    pub fn question(&self, deployment: &Deployment) -> Option<Deployment> {
        let mut question = deployment.clone();
        for (run, counts) in &self.hosts {
            let devices = counts.iter().flat_map(|&(at, count)| std::iter::repeat_n(at, count));
            for (&(first, _), device) in run.iter().zip(devices) {
                let pin = &mut question.models[0].layers[first].pin;
                if pin.is_some_and(|pin| pin != device) {
                    return None;
                }
                *pin = Some(device);
            }
        }
        Some(question)
    }
}

/// First layer and number of layers of a block.
type Span = (usize, usize);

/// The blocks in runs of those that one host holds.
fn runs_of_hosts(
    deployment: &Deployment,
    blocks: &[Option<usize>],
    layers: &[Assignment],
) -> Vec<Vec<Span>> {
    let mut spans: Vec<Span> = Vec::new();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.is_some()) {
        match spans.last_mut() {
            Some((first, count)) if blocks[*first] == *block => *count += 1,
            _ => spans.push((index, 1)),
        }
    }
    let together = |one: &Span, two: &Span| {
        let devices = [one, two].map(|&(first, _)| layers[first].device);
        one.1 == two.1 && deployment.share_host(devices[0], devices[1])
    };
    spans.chunk_by(together).map(<[_]>::to_vec).collect()
}

/// The block of each layer; none of those at the ends.
fn blocks_of(model: &Model) -> Vec<Option<usize>> {
    model.layers.iter().map(|layer| layer.role.part().and_then(|part| part.block())).collect()
}

/// Gives the blocks of each host its devices in runs; recipes stay.
fn arrange(deployment: &Deployment, blocks: &[Option<usize>], layers: &mut [Assignment]) {
    for run in runs_of_hosts(deployment, blocks, layers) {
        let mut placed: Vec<Vec<DeviceId>> = (run.iter())
            .map(|&(first, count)| {
                layers[first..first + count].iter().map(|layer| layer.device).collect()
            })
            .collect();
        let order: Vec<DeviceId> = placed.iter().map(|devices| devices[0]).collect();
        let rank = |device: DeviceId| order.iter().position(|&known| known == device);
        placed.sort_by_key(|devices| (devices[0] != deployment.source, rank(devices[0])));
        for ((first, _), devices) in run.into_iter().zip(placed) {
            for (layer, device) in layers[first..].iter_mut().zip(devices) {
                layer.device = device;
            }
        }
    }
}
