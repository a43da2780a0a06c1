//! From a model, a cluster and a workload to the deployment problem.
//!
//! Time of a layer is one request's: the prompt at once, then token by token. On a machine that was
//! measured it is the sum of its kernels ([`edgeplan_cost_model`]). Elsewhere a matrix product
//! takes the longer of reading its weights and computing (roofline), attention reads the KV cache,
//! and rates come from published speeds by format; [`edgeplan_machines::device::Rates`] says what
//! is estimated, and [`edgeplan_model::StoredType::rated_as`] what stands for types that are no
//! format.

mod bench_model;
mod cache;
pub mod engine;
mod engine_passes;
mod layers;
pub mod llama_bench;
mod machine;
mod measured;
mod memory;
mod phases;
pub mod pins;
mod priced;
mod prompt;
mod rpc;
pub mod speeds;
pub mod workload;

use std::borrow::Cow;

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, HostId, Layer, Message, Model, Objective, Placement as Where,
};
use edgeplan_problem::{Bytes, Nanos};

pub use self::bench_model::bench_model;
pub use self::cache::CacheFormats;
pub use self::machine::CHUNK;
use self::machine::{Machine, Passes};
use self::machine::{format_of, multiplied};
pub use self::measured::compute;
pub use self::phases::{MeasuredPasses, PhaseTimes, Runs};
pub use self::priced::{End, PricedDeployment, TimeConfidence};
use self::priced::{Origin, Times};
pub use self::prompt::{prompt_alone, whole_requests};
use crate::workload::{Goal, Placement, Returns, Workload};
use edgeplan_files::InputError;
use edgeplan_machines::cluster::{Cluster, ClusterDevice, Internal};
use edgeplan_machines::device::Backend;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::Sensitivity;

/// Messages of a model: hidden states first; where the engine's differ, those between the parts of
/// a block and those of blocks are last.
const STATES: usize = 0;
const WITHIN_BLOCKS: usize = 3;
const OF_BLOCKS: usize = 4;

/// What a reader of times must know where these are not of whole requests.
const DECODE_ALONE: &str = "those of decode alone, as if the prompt were in the KV cache already";

/// A token id on the wire.
const TOKEN_BYTES: u64 = 4;

/// The deployment problem of these models on these machines, priced for this workload.
///
/// # Errors
/// As [`price`].
pub fn deployment(
    models: &[ModelSpec],
    cluster: &Cluster,
    workload: &Workload,
) -> Result<Deployment, InputError> {
    price(models, cluster, workload).map(|priced| priced.deployment)
}

/// The deployment problem of these models on these machines, priced for this workload, with the
/// intervals of its compute times.
///
/// # Errors
/// A profile that cannot be read, a format without a known speed where estimates are not allowed,
/// a layer that no format fits, or numbers that are too large.
pub fn price(
    models: &[ModelSpec],
    cluster: &Cluster,
    workload: &Workload,
) -> Result<PricedDeployment, InputError> {
    let models = &*parts(models, cluster, workload);
    let builder = Builder::new(cluster, workload)?;
    let matrices = memory::matrices(models, workload);
    let (mut devices, mut origins, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for (index, (machine, (_, known))) in builder.machines.iter().zip(&cluster.devices).enumerate()
    {
        let (usable, overhead) = (known.usable(cluster.profile(index)?), Bytes(known.overhead.0));
        let (memory, note) =
            memory::after_copies(&builder.machines, machine, &matrices, usable, overhead);
        for text in note.into_iter().chain(machine.notes()) {
            notes.push((machine.name.to_owned(), text));
        }
        let measured = machine.origin();
        origins.push(Origin {
            measured: measured.is_some(),
            text: measured.unwrap_or_else(|| known.profile.clone()),
        });
        devices.push(Device {
            host: cluster.host_of[index].map(|host| HostId(host as u16)),
            name: machine.name.to_owned(),
            memory,
            overhead,
            compute_max: known.compute_max.map(|time| Nanos(time.0)),
            traffic_max: known.traffic_max.map(|bytes| Bytes(bytes.0)),
        });
    }
    notes.extend(said(models, workload)?);
    let (mut built, mut times) = (Vec::new(), Vec::new());
    for model in models {
        let (model, layers) = builder.model(model)?;
        built.push(model);
        times.push(layers);
    }
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let steps = Passes::from(workload).answers();
    let cycle = workload.throughput_min.map(|rate| {
        let tokens = (steps * u64::from(workload.batch)) as f64;
        Nanos((1e9 * tokens / rate) as u64)
    });
    let mut deployment = Deployment {
        hosts: cluster.hosts.clone(),
        name: names.join(" + "),
        objective: match workload.objective {
            Goal::Latency | Goal::Decode | Goal::Quality | Goal::Context => Objective::Latency,
            Goal::Throughput => Objective::Bottleneck,
            Goal::Memory => Objective::Memory,
        },
        placement: match workload.placement {
            Placement::Contiguous => Where::Contiguous,
            Placement::Free => Where::Free,
        },
        source: DeviceId(0),
        devices,
        models: built,
        latency_max: latency_max(workload),
        bottleneck_max: cycle,
    };
    pins::apply(workload, &mut deployment)?;
    let deployment = deployment
        .checked()
        .map_err(|error| InputError::file("model, cluster and workload", error.to_string()))?;
    Ok(PricedDeployment::new(deployment, origins, times, joined(notes)))
}

/// What a reader must know of the times, and of each model.
fn said(models: &[ModelSpec], workload: &Workload) -> Result<Vec<(String, String)>, InputError> {
    let times = workload.is_decode_alone().then(|| ("times".into(), DECODE_ALONE.into()));
    let mut notes: Vec<(String, String)> = times.into_iter().collect();
    for model in models {
        let cache = workload.cache_loss(model)?.1;
        notes.extend(model.notes.iter().chain(&cache).map(|n| (model.name.clone(), n.clone())));
    }
    Ok(notes)
}

/// The longest time of a request, or of its generated tokens.
fn latency_max(workload: &Workload) -> Option<Nanos> {
    let tokens = f64::from(workload.generate);
    let decode = workload.decode_min.map(|rate| Nanos((1e9 * tokens / rate) as u64));
    decode.or(workload.latency_max.map(|time| Nanos(time.0)))
}

/// The models as they are placed: with blocks in parts where a host has several devices and the
/// engine can part them.
fn parts<'a>(
    models: &'a [ModelSpec],
    cluster: &Cluster,
    workload: &Workload,
) -> Cow<'a, [ModelSpec]> {
    match workload.engine.parts && !cluster.hosts.is_empty() {
        true => models.iter().cloned().map(ModelSpec::split).collect::<Vec<_>>().into(),
        false => models.into(),
    }
}

/// Notes with the names of the devices that they are about, each note once.
fn joined(notes: Vec<(String, String)>) -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, text) in notes {
        match found.iter_mut().find(|(_, known)| *known == text) {
            Some((names, _)) => names.extend([", ", &name]),
            None => found.push((name, text)),
        }
    }
    found.into_iter().map(|(names, text)| format!("{names}: {text}")).collect()
}

struct Builder<'a> {
    cluster: &'a Cluster,
    workload: &'a Workload,
    machines: Vec<Machine<'a>>,
    /// By device: where passes of many rows multiply with weights of this one's memory, and the
    /// link on which these get there. None but for the RAM beside an accelerator.
    accelerators: Vec<Option<(usize, Internal)>>,
    /// By device: whether its host reaches it through an RPC server, as it reaches other hosts.
    served: Vec<bool>,
    /// Whether the token embedding lies in RAM that the cluster does not know of.
    embedding_elsewhere: bool,
}

impl<'a> Builder<'a> {
    fn new(cluster: &'a Cluster, workload: &'a Workload) -> Result<Self, InputError> {
        let devices = || cluster.devices.iter().enumerate();
        let machine = |(index, (name, device)): (usize, &'a (String, ClusterDevice))| {
            let abroad = !cluster.share_host(0, index);
            Machine::new(name, device, cluster.profile(index)?, workload.engine, abroad)
        };
        let backends: Vec<Option<Backend>> =
            devices().map(|(index, _)| cluster.backend(index)).collect::<Result<_, _>>()?;
        let accelerator = |device: usize| {
            let cpu = backends[device].is_some_and(Backend::is_cpu);
            let link = cluster.internal(device).filter(|_| cpu && workload.engine.offload)?;
            let beside = |&other: &usize| {
                let weighs_in = other != device && backends[other] != Some(Backend::Rpc);
                weighs_in && cluster.share_host(other, device)
            };
            Some(((0..backends.len()).find(beside)?, link))
        };
        Ok(Self {
            cluster,
            workload,
            machines: devices().map(machine).collect::<Result<_, _>>()?,
            accelerators: (0..backends.len()).map(accelerator).collect(),
            served: backends.iter().map(|backend| *backend == Some(Backend::Rpc)).collect(),
            embedding_elsewhere: workload.engine.embedding_in_ram && cluster.is_discrete(0)?,
        })
    }

    /// A model, and the times of its options by [layer][option].
    fn model(&self, spec: &ModelSpec) -> Result<(Model, Vec<Vec<Times>>), InputError> {
        let sensitivity = Sensitivity::new(spec, &self.workload.floor());
        let (mut shared, mut layers, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let cache = cache::shares(spec, self.workload.cache_loss(spec)?.0);
        for (layer, cache) in spec.layers.iter().zip(cache) {
            let (mut layer, known) = self.layer(spec, layer, sensitivity, &mut shared)?;
            layer.options.iter_mut().for_each(|option| option.loss += cache);
            layers.push(layer);
            times.push(known);
        }
        self.join(spec, &mut layers);
        let state = self.activation_bytes(spec.hidden);
        let rows = u64::from(self.workload.prompt).min(CHUNK) * u64::from(self.workload.batch);
        let model = Model {
            name: spec.name.clone(),
            weight: 1,
            layers,
            loss_max: sensitivity.budget(spec, &self.workload.floor())?,
            // Two hidden states of the longest pass, in and out.
            activation: Bytes(2 * state * rows),
            shared: shared.into_iter().map(|(_, bytes)| bytes).collect(),
            messages: self.messages(spec),
            enter: 1,
            leave: 2,
        };
        Ok((model, times))
    }

    /// Says which layers are parts of one block, and what the last part of each sends.
    fn join(&self, spec: &ModelSpec, layers: &mut [Layer]) {
        let block = |index: usize| spec.layers.get(index).and_then(|layer| layer.part.block());
        for (index, layer) in layers.iter_mut().enumerate() {
            let Some(own) = block(index) else { continue };
            layer.joined = index > 0 && block(index - 1) == Some(own);
            if self.workload.engine.rpc.tells_apart() {
                let last = block(index + 1) != Some(own);
                layer.output = if last { OF_BLOCKS } else { WITHIN_BLOCKS };
            }
        }
    }

    /// How often a message waits for the link. What a server of the host leaves is read a tensor at
    /// a time, each there and back; the first request is there with the command to compute.
    fn ways(&self, message: usize, from: usize, to: usize) -> u64 {
        let rpc = self.workload.engine.rpc;
        let reads = match message {
            WITHIN_BLOCKS => rpc.reads,
            OF_BLOCKS => rpc.states,
            _ => 1,
        };
        if self.served[from] && !self.served[to] { 2 * reads - 1 } else { 1 }
    }

    /// Whether the source sends commands to a device over RPC.
    fn is_abroad(&self, device: usize) -> bool {
        self.served[device] || !self.cluster.share_host(0, device)
    }

    fn activation_bytes(&self, elements: u64) -> u64 {
        // Rows that are no whole number of blocks are rounded up to one.
        let format = self.workload.activations;
        elements.div_ceil(format.block_elements()) * format.block_bytes()
    }

    /// Hidden states, the way in, and the way out.
    fn messages(&self, spec: &ModelSpec) -> Vec<Message> {
        let passes = Passes::from(self.workload);
        let (batch, steps) = (passes.batch, passes.answers());
        let tokens = batch * passes.tokens();
        let answer = match self.workload.returns {
            Returns::Token => TOKEN_BYTES,
            Returns::Logits => 4 * spec.vocab,
        };
        let sizes = [
            self.activation_bytes(spec.hidden) * tokens,
            TOKEN_BYTES * tokens,
            answer * batch * steps,
        ];
        let devices = self.cluster.devices.len();
        let rpc = self.workload.engine.rpc;
        let overhead = self.rpc_bytes();
        // Hidden states are not alone on their way to another host than the source's.
        let again = self.graphs_again(spec);
        // What experts in RAM make is weighed and added where the attention is.
        let tensors = spec.layers.iter().flat_map(|layer| &layer.tensors);
        let used = tensors.filter_map(|tensor| Some(tensor.experts?.0)).max();
        let results = used.unwrap_or(1).max(rpc.states);
        // The parts of a block on a server and beside it.
        let parted = |index: usize, from: usize, to: usize| {
            index == WITHIN_BLOCKS && self.served[from] != self.served[to]
        };
        let with = |index: usize, from: usize, to: usize, bytes: Bytes| {
            let apart = |from: usize| !self.cluster.share_host(from, to);
            let abroad = self.served[to] || apart(0) && apart(from);
            let more = if abroad { overhead } else { Bytes::ZERO };
            let more = if parted(index, from, to) { more + again } else { more };
            match index {
                STATES | WITHIN_BLOCKS => bytes + more,
                OF_BLOCKS if self.served[to] && !self.is_abroad(from) => bytes * results + more,
                OF_BLOCKS if abroad && !self.is_abroad(from) => bytes * rpc.states + more,
                OF_BLOCKS if abroad => bytes + more,
                _ => bytes,
            }
        };
        let message = |(index, bytes): (usize, u64)| {
            let states = matches!(index, STATES | WITHIN_BLOCKS | OF_BLOCKS);
            let count = if states { passes.messages() } else { steps };
            let time = (0..devices * devices).map(|pair| {
                let (from, to) = (pair / devices, pair % devices);
                let ways = count * self.ways(index, from, to);
                let bytes = with(index, from, to, Bytes(bytes));
                let time = self.cluster.transfer(from, to, ways, bytes)?;
                // Results go back by themselves; states start the next device's work.
                let starts = from != to && states;
                let time = if starts { time + self.machines[to].reached() * count } else { time };
                Some(if parted(index, from, to) { time + rpc::parting(again, count) } else { time })
            });
            Message { bytes: Bytes(bytes), time: time.collect() }
        };
        let more = if rpc.tells_apart() { 2 } else { 0 };
        let more = std::iter::repeat_n(sizes[STATES], more);
        sizes.into_iter().chain(more).enumerate().map(message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgeplan_problem::Problem as _;
    use edgeplan_problem::deployment::{Assignment, OptionId, Plan};
    use edgeplan_problem::format::Format;
    use edgeplan_problem::recipe::Recipe;

    use edgeplan_model::sensitivity::Quality;

    const HOME: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

    fn home(name: &str, workload: &Workload) -> Deployment {
        let cluster = Cluster::parse("home-lab.toml", HOME).unwrap();
        let model = edgeplan_model::load(&format!("catalog:{name}")).unwrap();
        deployment(&[model], &cluster, workload).unwrap()
    }

    #[test]
    fn the_example_has_uniform_and_mixed_recipes_within_reach() {
        let instance = home("llama-3.1-8b", &Workload::default());
        assert_eq!(instance.models[0].layers.len(), 34);
        let block = &instance.models[0].layers[1];
        let recipes: Vec<&Recipe> = block.options.iter().map(|o| &o.recipe).collect();
        for format in [Format::Q4K, Format::Q8_0] {
            assert!(recipes.contains(&&format.into()), "{recipes:?}");
        }
        assert!(recipes.iter().any(|recipe| !recipe.is_uniform()), "{recipes:?}");
        assert_eq!(block.kv, Bytes(2 * 8 * 128 * 2 * 8192));
    }

    #[test]
    fn decoding_on_the_source_reproduces_the_published_speed() {
        let workload = Workload {
            prompt: 1,
            generate: 100,
            formats: vec![Format::Q4_0],
            quality: Some(Quality::Any),
            ..Workload::default()
        };
        let instance = home("llama-2-7b", &workload);
        let mut open = instance.clone();
        open.devices[0].memory = Bytes(1 << 40);
        let plan = Plan::single(vec![
            Assignment { device: DeviceId(0), option: OptionId(0) };
            instance.models[0].layers.len()
        ]);
        let evaluation = open.evaluate(&plan);
        assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
        // An M2 Pro decodes 37.87 tokens per second; overheads and the cache cost a little.
        let rate = 101e9 / evaluation.cost.as_f64();
        assert!((36.0..38.0).contains(&rate), "{rate} tokens per second");
    }

    #[test]
    fn a_tied_tensor_is_shared() {
        let instance = home("smollm2-135m", &Workload::default());
        let model = &instance.models[0];
        assert!(!model.shared.is_empty());
        assert!(model.layers[0].options.iter().all(|option| option.shared.is_some()));
        assert_eq!(model.layers[0].options[0].bytes, Bytes(0));
    }
}
