//! A plan in the order that an engine can say.

use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, Plan};

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
            let blocks: Vec<Option<usize>> = (model.layers.iter())
                .map(|layer| layer.role.part().and_then(|part| part.block()))
                .collect();
            arrange(deployment, &blocks, layers);
        }
        let (before, after) = (deployment.evaluate(plan), deployment.evaluate(&arranged));
        let cannot = || self.misfits(deployment, plan).is_ok_and(|misfits| !misfits.is_empty());
        match after.is_feasible() && (after.cost <= before.cost || cannot()) {
            true => arranged,
            false => plan.clone(),
        }
    }
}

/// Gives the blocks of each host its devices in runs; recipes stay.
fn arrange(deployment: &Deployment, blocks: &[Option<usize>], layers: &mut [Assignment]) {
    // First layer and number of layers of each block.
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.is_some()) {
        match spans.last_mut() {
            Some((first, count)) if blocks[*first] == *block => *count += 1,
            _ => spans.push((index, 1)),
        }
    }
    let together = |one: &(usize, usize), two: &(usize, usize)| {
        let devices = [one, two].map(|&(first, _)| layers[first].device);
        one.1 == two.1 && deployment.share_host(devices[0], devices[1])
    };
    let runs: Vec<Vec<(usize, usize)>> = spans.chunk_by(together).map(<[_]>::to_vec).collect();
    for run in runs {
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
