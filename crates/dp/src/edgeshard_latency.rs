//! EdgeShard's latency program (Algorithm 1), as published.
//!
//! The best way to have layer `i` done by device `j` extends the best way to have layer `i - 1`
//! done by some device `k`. Memory makes that a heuristic: each state carries the residual memory
//! of its best predecessor's path only, so a slightly slower path that left more room is forgotten.
//! For the same reason a path may return to a device that it left; where placement is contiguous
//! the state also carries the set of visited devices, and steps to one that was left are forbidden.
//!
//! M. Zhang, X. Shen, J. Cao, Z. Cui, S. Jiang, "EdgeShard: Efficient LLM Inference via
//! Collaborative Edge Computing", IEEE Internet of Things Journal 12(10), 2025,
//! doi:10.1109/JIOT.2024.3524255 (arXiv 2405.14371), section IV, Algorithm 1.
//!
//! # Complexity
//! O(N M^2) time per mix for N layers and M devices, O(M^2 + N M) memory.

use edgeplan_problem::deployment::{Deployment, DeviceId, Objective, Placement, Plan};
use edgeplan_problem::{Answer, Bytes, Nanos, Run, Solver, SolverError, Stop, Unsupported};

use crate::chain::{Candidates, Chain, MIXES, candidates, conclude, one_model};

/// EdgeShard's Algorithm 1: a layer-by-layer program for the latency of one request.
///
/// Compute and traffic budgets and the limits on latency and bottleneck are not seen by the
/// program; a plan that breaks them is dropped. It proves no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeShardLatency {
    /// Most mixes to try.
    pub mixes: usize,
}

impl Default for EdgeShardLatency {
    fn default() -> Self {
        Self { mixes: MIXES }
    }
}

impl Solver<Deployment> for EdgeShardLatency {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        one_model(problem)?;
        match problem.objective {
            Objective::Latency => Ok(()),
            Objective::Bottleneck | Objective::Memory => {
                Err(Unsupported("minimises latency only".into()))
            }
        }
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let problem = run.problem();
        let Candidates { mixes, .. } = candidates(problem, self.mixes);
        for mix in &mixes {
            let chain = Chain::new(problem, mix);
            if let Some(devices) = place(chain, run)? {
                run.incumbent(&chain.plan(&devices));
            }
        }
        Ok(conclude(run, false, None))
    }
}

/// A state of the program: the best known way to have all layers so far done, ending on a device.
#[derive(Clone)]
struct Path {
    /// DP(i, j): time until the layer is done.
    time: Nanos,
    /// Memory left, by device.
    residual: Vec<Bytes>,
    /// Whether the path has been there, by device.
    visited: Vec<bool>,
    /// Whether a shared tensor is stored, by [device][tensor].
    stored: Vec<bool>,
}

/// The device of each layer, or `None` if the program gets stuck.
fn place(chain: Chain<'_>, run: &mut Run<'_, Deployment>) -> Result<Option<Vec<DeviceId>>, Stop> {
    let devices: Vec<DeviceId> = chain.problem.device_ids().collect();
    // DP(0, j): the prompt comes from the source; a pin leaves only the source itself.
    let nowhere = Path {
        time: Nanos::ZERO,
        residual: chain.problem.devices.iter().map(|device| device.memory).collect(),
        visited: vec![false; devices.len()],
        stored: vec![false; devices.len() * chain.model.shared.len()],
    };
    let first = |&device: &DeviceId| {
        let enter = chain.problem.enter(chain.model, device)?;
        let time = enter + chain.compute(0, device)?;
        nowhere.fits(chain, 0, device).then(|| nowhere.extended(chain, 0, device, time))
    };
    let mut paths: Vec<Option<Path>> = devices.iter().map(first).collect();

    // DP(i, j) = min_k DP(i - 1, k) + t_comm(i - 1, k, j) + t_comp(i, j), over k with enough memory
    let mut choice = Vec::with_capacity(chain.layers() * devices.len());
    choice.resize(devices.len(), 0); // [layer][device] -> k
    for layer in 1..chain.layers() {
        let mut next = Vec::with_capacity(devices.len());
        for &device in &devices {
            run.step()?;
            let best = predecessor(chain, &paths, layer, device);
            choice.push(best.map_or(0, |(_, k)| k));
            next.push(best.and_then(|(time, k)| {
                paths[k].as_ref().map(|path| path.extended(chain, layer, device, time))
            }));
        }
        paths = next;
    }

    // The last layer adds the return leg to the source.
    let total = |&device: &DeviceId| {
        let done = paths[device.index()].as_ref()?.time;
        Some((done + chain.problem.leave(chain.model, device)?, device))
    };
    let Some((_, mut last)) = devices.iter().filter_map(total).min() else { return Ok(None) };

    // Backtrace.
    let mut chosen = vec![last; chain.layers()];
    for layer in (1..chain.layers()).rev() {
        last = devices[choice[layer * devices.len() + last.index()]];
        chosen[layer - 1] = last;
    }
    Ok(Some(chosen))
}

/// The best k of DP(layer, device) and its value.
fn predecessor(
    chain: Chain<'_>,
    paths: &[Option<Path>],
    layer: usize,
    device: DeviceId,
) -> Option<(Nanos, usize)> {
    let compute = chain.compute(layer, device)?;
    let contiguous = chain.problem.placement == Placement::Contiguous;
    let mut best = None;
    for (from, path) in chain.problem.device_ids().zip(paths) {
        let Some(path) = path else { continue };
        let returns = from != device && path.visited[device.index()];
        if contiguous && returns {
            continue;
        }
        let Some(hop) = chain.problem.transfer(chain.model, layer - 1, from, device) else {
            continue;
        };
        let time = path.time + hop + compute;
        if best.is_none_or(|(least, _)| time < least) && path.fits(chain, layer, device) {
            best = Some((time, from.index()));
        }
    }
    best
}

impl Path {
    /// Index into `stored` of the shared tensor that `layer` needs on `device`.
    fn tensor(chain: Chain<'_>, layer: usize, device: DeviceId) -> Option<(usize, Bytes)> {
        let option = &chain.model.layers[layer].options[chain.mix[layer].index()];
        let tensor = option.shared?;
        let shared = &chain.model.shared;
        Some((device.index() * shared.len() + tensor, shared[tensor]))
    }

    /// Bytes that `layer` adds to `device`.
    fn needed(&self, chain: Chain<'_>, layer: usize, device: DeviceId) -> Bytes {
        let option = &chain.model.layers[layer].options[chain.mix[layer].index()];
        let mut bytes = option.bytes + chain.model.layers[layer].kv;
        match Self::tensor(chain, layer, device) {
            Some((index, size)) if !self.stored[index] => bytes += size,
            _ => {}
        }
        if !self.visited[device.index()] {
            bytes += chain.problem.device(device).overhead + chain.model.activation;
        }
        bytes
    }

    fn fits(&self, chain: Chain<'_>, layer: usize, device: DeviceId) -> bool {
        self.needed(chain, layer, device) <= self.residual[device.index()]
    }

    /// The path with one more layer, done at `time`.
    fn extended(&self, chain: Chain<'_>, layer: usize, device: DeviceId, time: Nanos) -> Self {
        let needed = self.needed(chain, layer, device);
        let mut path = Self { time, ..self.clone() };
        path.residual[device.index()] = path.residual[device.index()].saturating_sub(needed);
        path.visited[device.index()] = true;
        if let Some((index, _)) = Self::tensor(chain, layer, device) {
            path.stored[index] = true;
        }
        path
    }
}
