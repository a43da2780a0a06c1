//! What llama.cpp does by itself, or by the best value of one option, on a host with accelerators.
//!
//! The source is the processor with its RAM; the accelerators are the other devices of its host, in
//! listed order. `common/fit.cpp` and `load_tensors` of ggml-org/llama.cpp say which layer goes
//! where: layers of the CPU come first, each accelerator gets one run, the output layer is behind
//! the last of them.

use std::ops::Range;

use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, Layer, Mix, Part, Plan, mixes,
};
use edgeplan_problem::{Answer, Problem as _, Run, Solver, SolverError, Unsupported};

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offloading {
    /// `--fit`: all layers in proportion to memory where that fits. Else layers fill the accelerators
    /// from the last one on; of a model with experts first all layers without these, then whole layers from the front, so that the experts of the last
    /// blocks stay in RAM. Its last step, which parts one more layer, is left out.
    Fit,
    /// `--n-cpu-moe N` at its best N: the experts of the first N blocks stay in RAM.
    CpuExperts,
    /// `--gpu-layers N` at its best N: the last N layers, whole, are on the accelerators.
    GpuLayers,
}

/// One of these ways, tried with every mix.
///
/// # Complexity
/// O(mixes * devices * layers^2).
#[derive(Debug, Clone, Copy)]
pub struct LlamaCpp {
    /// Which one.
    pub way: Offloading,
    /// Mixes to try.
    pub mixes: usize,
}

impl LlamaCpp {
    /// That way with the usual number of mixes.
    pub fn new(way: Offloading) -> Self {
        Self { way, mixes: 24 }
    }
}

impl Solver<Deployment> for LlamaCpp {
    fn supports(&self, problem: &Deployment) -> Result<(), Unsupported> {
        let [model] = problem.models.as_slice() else {
            let models = problem.models.len();
            return Err(Unsupported(format!("places one model, this has {models}")));
        };
        if accelerators(problem).is_empty() {
            return Err(Unsupported("the source has no accelerators beside it".into()));
        }
        let has_experts = model.layers.iter().any(are_experts);
        match self.way == Offloading::CpuExperts && !has_experts {
            true => Err(Unsupported("the model has no experts that are placed apart".into())),
            false => Ok(()),
        }
    }

    fn solve(&self, run: &mut Run<'_, Deployment>) -> Result<Answer<Plan>, SolverError> {
        let instance = run.problem();
        for mix in mixes(instance, 0, self.mixes) {
            run.step()?;
            let host = Host::new(instance, &mix);
            match self.way {
                Offloading::Fit => {
                    run.incumbent(&host.fit());
                }
                Offloading::CpuExperts => {
                    for count in 0..=host.blocks.len() {
                        run.step()?;
                        run.incumbent(&host.plan(&host.split(host.blocks.len() + 1), count));
                    }
                }
                Offloading::GpuLayers => {
                    for count in 0..=host.blocks.len() + 1 {
                        run.step()?;
                        run.incumbent(&host.plan(&host.split(count), 0));
                    }
                }
            }
        }
        Ok(match run.best() {
            Some((plan, _)) => Answer::Plan { plan: plan.clone(), lower_bound: None },
            None => Answer::Unknown { lower_bound: None },
        })
    }
}

fn are_experts(layer: &Layer) -> bool {
    matches!(layer.role.part(), Some(Part::Experts(_)))
}

/// The other devices of the source's host.
fn accelerators(instance: &Deployment) -> Vec<DeviceId> {
    let beside = |&device: &DeviceId| {
        device != instance.source && instance.share_host(device, instance.source)
    };
    instance.device_ids().filter(beside).collect()
}

/// Blocks that an accelerator holds: a run of whole ones, then of some whose experts are in RAM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Share {
    whole: usize,
    without_experts: usize,
}

impl Share {
    fn blocks(self) -> usize {
        self.whole + self.without_experts
    }
}

/// Layers on the accelerators of a host: by accelerator, and which one has the head.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    shares: Vec<Share>,
    /// Index of an accelerator; none where the head is on the source.
    head: Option<usize>,
}

/// One host, and a model in given formats.
struct Host<'a> {
    instance: &'a Deployment,
    mix: &'a Mix,
    accelerators: Vec<DeviceId>,
    /// The layers of each block.
    blocks: Vec<Range<usize>>,
}

impl<'a> Host<'a> {
    fn new(instance: &'a Deployment, mix: &'a Mix) -> Self {
        let mut blocks: Vec<Range<usize>> = Vec::new();
        for (index, layer) in instance.models[0].layers.iter().enumerate() {
            if layer.role.part().and_then(Part::block).is_none() {
                continue;
            }
            match blocks.last_mut() {
                Some(block) if layer.joined => block.end = index + 1,
                _ => blocks.push(index..index + 1),
            }
        }
        Self { instance, mix, accelerators: accelerators(instance), blocks }
    }

    /// The plan of a layout in which the experts of the first `in_ram` blocks are in RAM, too.
    fn plan(&self, layout: &Layout, in_ram: usize) -> Plan {
        let source = self.instance.source;
        let layers = &self.instance.models[0].layers;
        let mut devices = vec![source; layers.len()];
        let on_accelerators: usize = layout.shares.iter().map(|share| share.blocks()).sum();
        let mut next = self.blocks.len() - on_accelerators;
        for (&device, share) in self.accelerators.iter().zip(&layout.shares) {
            for (place, block) in self.blocks[next..next + share.blocks()].iter().enumerate() {
                let apart = place >= share.whole || next + place < in_ram;
                for layer in block.clone() {
                    devices[layer] =
                        if apart && are_experts(&layers[layer]) { source } else { device };
                }
            }
            next += share.blocks();
        }
        let behind = self.blocks.last().map_or(1, |block| block.end);
        if let Some(head) = layout.head {
            devices[behind..].fill(self.accelerators[head]);
        }
        let assigned = devices.into_iter().zip(self.mix);
        Plan::single(assigned.map(|(device, &option)| Assignment { device, option }).collect())
    }

    /// The last `count` layers, of which the head is one, split in proportion to memory.
    fn split(&self, count: usize) -> Layout {
        let memory = |&device: &DeviceId| u128::from(self.instance.device(device).memory.0);
        let total: u128 = self.accelerators.iter().map(memory).sum();
        let mut shares = vec![Share::default(); self.accelerators.len()];
        let mut last = None;
        for layer in 0..count {
            let mut sum = 0;
            let below = |device: &DeviceId| {
                sum += memory(device);
                sum * count as u128 > layer as u128 * total
            };
            let place = self.accelerators.iter().position(below);
            let place = place.unwrap_or(self.accelerators.len() - 1);
            match layer + 1 == count {
                true => last = Some(place),
                false => shares[place].whole += 1,
            }
        }
        Layout { shares, head: last }
    }

    fn fits(&self, layout: &Layout, accelerator: usize) -> bool {
        let device = self.accelerators[accelerator];
        let account = self.instance.evaluate(&self.plan(layout, 0)).account;
        account.devices[device.index()].memory() <= self.instance.device(device).memory
    }

    fn fit(&self) -> Plan {
        // What fits without `--fit` stays as it is.
        let usual = self.split(self.blocks.len() + 1);
        if (0..self.accelerators.len()).all(|accelerator| self.fits(&usual, accelerator)) {
            return self.plan(&usual, 0);
        }
        let last = self.accelerators.len() - 1;
        let mut layout = Layout { shares: vec![Share::default(); last + 1], head: Some(last) };
        if !self.fits(&layout, last) {
            layout.head = None;
        }
        let experts = self.blocks.iter().any(|block| block.len() > 1)
            && self.instance.models[0].layers.iter().any(are_experts);
        // From the last accelerator to the first, whatever of the rest it takes.
        let mut left = self.blocks.len();
        for index in (0..=last).rev() {
            while left > 0 {
                let mut more = layout.clone();
                match experts {
                    true => more.shares[index].without_experts += 1,
                    false => more.shares[index].whole += 1,
                }
                if !self.fits(&more, index) {
                    break;
                }
                (layout, left) = (more, left - 1);
            }
        }
        if experts && left == 0 {
            for index in 0..=last {
                while let Some(more) = self.with_experts(&layout, index) {
                    layout = more;
                }
            }
        }
        self.plan(&layout, 0)
    }

    /// One block more with its experts on an accelerator: the first of those without, which may be
    /// on a later one; none if there is none, or no room.
    fn with_experts(&self, layout: &Layout, index: usize) -> Option<Layout> {
        let mut shares = layout.shares.iter();
        let from = shares.position(|share| share.without_experts > 0).filter(|&at| at >= index)?;
        // Blocks stay in the order of the accelerators.
        let between = layout.shares[index + 1..=from.max(index)].iter();
        if from > index && between.clone().any(|share| share.whole > 0) {
            return None;
        }
        let mut more = layout.clone();
        more.shares[from].without_experts -= 1;
        more.shares[index].whole += 1;
        self.fits(&more, index).then_some(more)
    }
}
