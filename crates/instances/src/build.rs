//! From a model, a cluster and a workload to the deployment problem.
//!
//! Time of a layer is one request's: the prompt at once, then token by token. A matrix product
//! takes the longer of reading its weights and computing (roofline); attention reads the KV cache.
//! Rates come from published speeds by format; see [`Rates`] for what is estimated, and
//! [`StoredType::rated_as`] for types that are no format.

mod prompt;

use std::iter::repeat;

use edgeplan_problem::deployment::{
    Deployment, Device, DeviceId, Layer, LayerOption, Message, Model, Objective, Placement as Where,
};
use edgeplan_problem::{Bytes, Loss, Nanos};

use crate::cluster::{Cluster, Host};
use crate::device::Rates;
use crate::file::InputError;
use crate::format::Format;
use crate::model::{LayerKind, LayerSpec, ModelSpec, StoredType, TensorClass, TensorSpec};
use crate::pins;
use crate::recipes::{Choice, Price, TensorChoices, label, recipes};
use crate::sensitivity::Sensitivity;
use crate::workload::{Goal, Granularity, Placement, Returns, Workload};

pub use prompt::prompt_alone;

/// A token id on the wire.
const TOKEN_BYTES: u64 = 4;
/// An estimate of what starting a layer's kernels takes, per pass.
const LAYER_OVERHEAD: Nanos = Nanos(20_000);

/// A device with its rates.
struct Machine {
    name: String,
    rates: Rates,
    formats: Vec<Format>,
}

/// States the question.
///
/// # Errors
/// A profile that cannot be read, a format without a known speed where estimates are not allowed,
/// a layer that no format fits, or numbers that are too large.
pub fn build(
    models: &[ModelSpec],
    cluster: &Cluster,
    workload: &Workload,
) -> Result<Deployment, InputError> {
    let mut devices = Vec::new();
    for (index, (name, host)) in cluster.hosts.iter().enumerate() {
        devices.push(Device {
            name: name.clone(),
            memory: host.usable(&cluster.profile(index)?),
            overhead: Bytes(host.overhead.0),
            compute_max: host.compute_max.map(|time| Nanos(time.0)),
            traffic_max: host.traffic_max.map(|bytes| Bytes(bytes.0)),
        });
    }
    let machines = machines(cluster)?;
    let builder = Builder { cluster, workload, machines };
    let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
    let steps = u64::from(workload.generate) + 1;
    let cycle = workload.throughput_min.map(|rate| {
        let tokens = (steps * u64::from(workload.batch)) as f64;
        Nanos((1e9 * tokens / rate) as u64)
    });
    let mut deployment = Deployment {
        name: names.join(" + "),
        objective: match workload.objective {
            Goal::Latency => Objective::Latency,
            Goal::Throughput => Objective::Bottleneck,
            Goal::Memory => Objective::Memory,
        },
        placement: match workload.placement {
            Placement::Contiguous => Where::Contiguous,
            Placement::Free => Where::Free,
        },
        source: DeviceId(0),
        devices,
        models: models.iter().map(|model| builder.model(model)).collect::<Result<_, _>>()?,
        latency_max: workload.latency_max.map(|time| Nanos(time.0)),
        bottleneck_max: cycle,
    };
    pins::apply(workload, &mut deployment)?;
    deployment
        .checked()
        .map_err(|error| InputError::file("model, cluster and workload", error.to_string()))
}

fn machines(cluster: &Cluster) -> Result<Vec<Machine>, InputError> {
    let machine = |(index, (name, host)): (usize, &(String, Host))| {
        let rates = Rates::new(&cluster.profile(index)?)?;
        Ok(Machine { name: name.clone(), rates, formats: host.formats.clone() })
    };
    cluster.hosts.iter().enumerate().map(machine).collect()
}

struct Builder<'a> {
    cluster: &'a Cluster,
    workload: &'a Workload,
    machines: Vec<Machine>,
}

impl Builder<'_> {
    fn model(&self, spec: &ModelSpec) -> Result<Model, InputError> {
        let sensitivity = Sensitivity::new(spec, &self.workload.quality);
        let mut shared = Vec::new();
        let mut layers = Vec::new();
        for layer in &spec.layers {
            layers.push(self.layer(spec, layer, sensitivity, &mut shared)?);
        }
        let state = self.activation_bytes(spec.hidden);
        let tokens = u64::from(self.workload.prompt) * u64::from(self.workload.batch);
        Ok(Model {
            name: spec.name.clone(),
            weight: 1,
            layers,
            loss_max: sensitivity.budget(spec, &self.workload.quality)?,
            // Two hidden states of the longest pass, in and out.
            activation: Bytes(2 * state * tokens),
            shared: shared.into_iter().map(|(_, bytes)| bytes).collect(),
            messages: self.messages(spec),
            enter: 1,
            leave: 2,
        })
    }

    fn activation_bytes(&self, elements: u64) -> u64 {
        // Rows that are no whole number of blocks are rounded up to one.
        let format = self.workload.activations;
        elements.div_ceil(format.block_elements()) * format.block_bytes()
    }

    /// Hidden states, the way in, and the way out.
    fn messages(&self, spec: &ModelSpec) -> Vec<Message> {
        let batch = u64::from(self.workload.batch);
        let steps = u64::from(self.workload.generate) + 1;
        let tokens = batch * (u64::from(self.workload.prompt) + steps - 1);
        let answer = match self.workload.returns {
            Returns::Token => TOKEN_BYTES,
            Returns::Logits => 4 * spec.vocab,
        };
        let sizes = [
            self.activation_bytes(spec.hidden) * tokens,
            TOKEN_BYTES * tokens,
            answer * batch * steps,
        ];
        let devices = self.cluster.hosts.len();
        sizes
            .map(|bytes| {
                let bytes = Bytes(bytes);
                let time = (0..devices * devices).map(|pair| {
                    self.cluster.transfer(pair / devices, pair % devices, steps, bytes)
                });
                Message { bytes, time: time.collect() }
            })
            .to_vec()
    }

    fn layer(
        &self,
        model: &ModelSpec,
        spec: &LayerSpec,
        sensitivity: Sensitivity,
        shared: &mut Vec<(Format, Bytes)>,
    ) -> Result<Layer, InputError> {
        let (chosen, kept): (Vec<&TensorSpec>, Vec<&TensorSpec>) =
            spec.tensors.iter().partition(|tensor| tensor.quantizable);
        let choices: Vec<TensorChoices> = chosen
            .iter()
            .map(|tensor| self.choices(spec, tensor, sensitivity))
            .collect::<Result<_, _>>()?;
        let kept_bytes: Bytes = kept.iter().filter_map(|tensor| tensor.bytes(Format::F32)).sum();
        let kept_time = self.kept_time(spec, &kept)?;
        let uniform = self.workload.granularity == Granularity::Layer;
        let tied = |tensor: &&TensorSpec| {
            model.tied && matches!(tensor.class, TensorClass::TokenEmbd | TensorClass::Output)
        };
        let mut options = Vec::new();
        for recipe in recipes(&choices, self.workload.recipes_max, uniform) {
            // A tied tensor is stored once per device and format.
            let formats = recipe.formats.iter().copied().chain(repeat(Format::F32));
            let mut stored = chosen.iter().chain(&kept).zip(formats);
            let common = stored.find(|(tensor, _)| tied(tensor));
            let common =
                common.map(|(tensor, format)| (format, tensor.bytes(format).unwrap_or_default()));
            let id = common.map(|copy| {
                shared.iter().position(|known| *known == copy).unwrap_or_else(|| {
                    shared.push(copy);
                    shared.len() - 1
                })
            });
            let common = common.map(|(_, bytes)| bytes);
            let compute = kept_time.iter().enumerate().map(|(device, kept)| {
                // Where there is nothing to choose, there are no times of choices.
                let chosen = recipe.price.time.get(device).copied();
                Some(chosen.unwrap_or(Some(Nanos::ZERO))? + (*kept)?)
            });
            let bytes = recipe.price.bytes + kept_bytes;
            options.push(LayerOption {
                recipe: label(&choices, &recipe.formats),
                bytes: bytes.saturating_sub(common.unwrap_or_default()),
                shared: id,
                loss: recipe.price.loss,
                compute: compute.collect(),
            });
        }
        self.cap(spec, &mut options)?;
        let first = spec.kind == LayerKind::Embedding && self.workload.privacy;
        Ok(Layer {
            name: spec.name.clone(),
            options,
            kv: self.cache(spec),
            pin: first.then_some(DeviceId(0)),
            output: 0,
        })
    }

    /// Drops the options whose loss is above the ceiling for one layer.
    fn cap(&self, spec: &LayerSpec, options: &mut Vec<LayerOption>) -> Result<(), InputError> {
        let Some(nats) = self.workload.max_layer_kl else { return Ok(()) };
        let least = options.iter().map(|option| option.loss).min().unwrap_or_default();
        options.retain(|option| option.loss <= Loss((nats * 1e9) as u64));
        if options.is_empty() {
            let name = &spec.name;
            let problem = format!("{nats:?}; the finest recipe of {name} loses {least} nats");
            return Err(InputError::key("workload", "max-layer-kl", problem));
        }
        Ok(())
    }

    /// KV cache of all requests of the batch at the end of generation.
    fn cache(&self, spec: &LayerSpec) -> Bytes {
        let context = u64::from(self.workload.prompt) + u64::from(self.workload.generate);
        let context = spec.window.map_or(context, |window| context.min(window));
        let format = self.workload.kv;
        let blocks = spec.kv_elements.div_ceil(format.block_elements());
        Bytes(blocks) * format.block_bytes() * context * u64::from(self.workload.batch)
    }

    /// Time by device that does not depend on the recipe, tensors that keep their type included;
    /// `None` where a device cannot run one of these.
    fn kept_time(
        &self,
        spec: &LayerSpec,
        kept: &[&TensorSpec],
    ) -> Result<Vec<Option<Nanos>>, InputError> {
        let mut times = Vec::new();
        for (device, machine) in self.machines.iter().enumerate() {
            let mut time = Some(self.fixed_time(spec, device));
            for tensor in kept {
                let format = tensor.native.map_or(Format::F32, StoredType::rated_as);
                let more = self.tensor_time(machine, spec, tensor, format)?;
                time = time.zip(more).map(|(time, more)| time + more);
            }
            times.push(time);
        }
        Ok(times)
    }

    /// Time of a layer without its tensors: starting kernels, and reading the cache, on average
    /// that of a prompt and half of the answer, at every step.
    fn fixed_time(&self, spec: &LayerSpec, device: usize) -> Nanos {
        let steps = u64::from(self.workload.generate);
        let half = self.cache(spec).as_f64();
        let bandwidth = self.machines[device].rates.bandwidth(Format::F16, true);
        let reading = bandwidth.map_or(0.0, |rate| 1e9 * half * steps as f64 / rate);
        LAYER_OVERHEAD * (steps + 1) + Nanos(reading.ceil() as u64)
    }

    /// Every format of one tensor, priced on every device.
    fn choices(
        &self,
        layer: &LayerSpec,
        tensor: &TensorSpec,
        sensitivity: Sensitivity,
    ) -> Result<TensorChoices, InputError> {
        let mut choices = Vec::new();
        for format in self.workload.formats() {
            let Some(bytes) = tensor.bytes(format) else { continue };
            let loss: Loss = sensitivity.loss(tensor, format);
            let mut time = Vec::new();
            for machine in &self.machines {
                time.push(self.tensor_time(machine, layer, tensor, format)?);
            }
            choices.push(Choice { format, price: Price { bytes, loss, time } });
        }
        if choices.is_empty() {
            let problem =
                format!("none fits {}, whose rows have {} elements", tensor.name, tensor.row_len);
            return Err(InputError::key("workload", "formats", problem));
        }
        Ok(TensorChoices { class: tensor.class.name(), choices })
    }

    /// Time of one request in one tensor, `None` if the device cannot run the format. Vectors and
    /// look-ups take none; every device runs what keeps f32.
    fn tensor_time(
        &self,
        machine: &Machine,
        layer: &LayerSpec,
        tensor: &TensorSpec,
        format: Format,
    ) -> Result<Option<Nanos>, InputError> {
        if matches!(tensor.class, TensorClass::Norm | TensorClass::Bias | TensorClass::PositionEmbd)
        {
            return Ok(Some(Nanos::ZERO));
        }
        let usual = !tensor.quantizable && format == Format::F32;
        if !usual && !machine.formats.is_empty() && !machine.formats.contains(&format) {
            return Ok(None);
        }
        let table = tensor.class == TensorClass::Other && layer.kind == LayerKind::Embedding;
        if table || tensor.class == TensorClass::TokenEmbd {
            return Ok(Some(Nanos::ZERO)); // a look-up
        }
        let (batch, prompt) = (u64::from(self.workload.batch), u64::from(self.workload.prompt));
        // Only the last position of a prompt needs logits.
        let rows = if layer.kind == LayerKind::Head { batch } else { batch * prompt };
        let bytes = tensor.bytes(format).unwrap_or_default();
        let (used, experts) = tensor.experts.unwrap_or((1, 1));
        let pass = |rows: u64| {
            // At worst no two tokens use the same expert.
            let read = bytes.0 / experts * used.saturating_mul(rows).min(experts);
            let operations = (tensor.elements() / experts * used).saturating_mul(2 * rows);
            machine.rates.pass(format, Bytes(read), operations, self.workload.estimate).map_err(
                |error| {
                    let problem = format!("{}: {error}", machine.name);
                    InputError::key("workload", "estimate", problem)
                },
            )
        };
        Ok(Some(pass(rows)? + pass(batch)? * u64::from(self.workload.generate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;
    use edgeplan_problem::Problem as _;
    use edgeplan_problem::deployment::{Assignment, OptionId, Plan};

    const HOME: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

    fn home(name: &str, workload: &Workload) -> Deployment {
        let cluster = Cluster::parse("home-lab.toml", HOME).unwrap();
        let model = model::load(&format!("catalog:{name}")).unwrap();
        build(&[model], &cluster, workload).unwrap()
    }

    #[test]
    fn the_example_has_uniform_and_mixed_recipes_within_reach() {
        let instance = home("llama-3.1-8b", &Workload::default());
        assert_eq!(instance.models[0].layers.len(), 34);
        let block = &instance.models[0].layers[1];
        let recipes: Vec<&str> = block.options.iter().map(|o| o.recipe.as_str()).collect();
        assert!(recipes.contains(&"q4_K") && recipes.contains(&"q8_0"), "{recipes:?}");
        assert!(recipes.iter().any(|recipe| recipe.contains('+')), "{recipes:?}");
        assert_eq!(block.kv, Bytes(2 * 8 * 128 * 2 * 640));
    }

    #[test]
    fn decoding_on_the_source_reproduces_the_published_speed() {
        let workload = Workload {
            prompt: 1,
            generate: 100,
            formats: vec![Format::Q4_0],
            quality: crate::workload::Quality::Any,
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
