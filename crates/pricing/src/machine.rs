//! What a layer takes on one device, by published rates or by what was measured there.

use edgeplan_cost_model::Prediction;
use edgeplan_problem::{Bytes, Nanos};

use super::engine_passes::EnginePasses;
use super::measured::Kernels;
use super::memory::Matrix;
use crate::engine::{EngineTraits, OFFLOAD_ROWS, RpcOverhead};
use crate::workload::Workload;
use edgeplan_files::InputError;
use edgeplan_machines::cluster::{ClusterDevice, Internal};
use edgeplan_machines::device::{
    Band, DeviceProfile, EngineMeasured, Measured, Pass, Rates, Stage, Starts, classes,
};
use edgeplan_model::{LayerSpec, ModelSpec, Part, StoredType, TensorClass, TensorSpec};
use edgeplan_problem::format::Format;

/// Engines run longer prompts in passes of that many positions (llama.cpp calls it `ubatch`):
/// products gain nothing from more rows, and the scores of attention stay small.
pub const CHUNK: u64 = 512;

/// The passes of one batch of requests: their prompts chunk by chunk, then token by token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passes {
    /// Tokens of a prompt.
    pub(super) prompt: u64,
    /// Whether prompts are timed; they are in the cache already where not.
    pub(super) prefill: bool,
    pub(super) generate: u64,
    pub(super) batch: u64,
    /// Whether times without a measurement or published rate may be estimated.
    pub(super) estimate: bool,
    /// Format of the KV cache.
    pub(super) cache: Format,
}

impl From<&Workload> for Passes {
    fn from(workload: &Workload) -> Self {
        Self {
            prompt: workload.prompt.into(),
            prefill: !workload.is_decode_alone(),
            generate: workload.generate.into(),
            batch: workload.batch.into(),
            estimate: workload.estimate,
            cache: workload.kv.used(),
        }
    }
}

impl Passes {
    /// Messages of hidden states: one for each chunk of the prompt, one for each generated token.
    pub(super) fn messages(&self) -> u64 {
        self.chunks().count() as u64 + self.generate
    }

    /// Answers to the source: one of the prompt, one of each generated token.
    pub(super) fn answers(&self) -> u64 {
        u64::from(self.prefill) + self.generate
    }

    /// The passes in which a layer's kernels are started.
    fn starts(&self) -> Starts {
        let (prompts, chunks) = (u64::from(self.prefill), self.chunks().count() as u64);
        Starts { prompts, chunks, generated: self.generate }
    }

    /// Tokens that pass through every layer, of each request.
    pub(super) fn tokens(&self) -> u64 {
        if self.prefill { self.prompt + self.generate } else { self.generate }
    }

    /// All of them, each of so many rows of activations.
    pub(super) fn sum<E>(
        &self,
        layer: &LayerSpec,
        mut pass: impl FnMut(u64, Stage) -> Result<Prediction, E>,
    ) -> Result<Prediction, E> {
        let mut time = pass(self.batch, Stage::Decode)? * self.generate;
        // Only the last position of a prompt needs logits.
        if layer.part == Part::Head {
            let last =
                if self.prefill { pass(self.batch, Stage::Decode)? } else { Prediction::ZERO };
            return Ok(time + last);
        }
        for (positions, _) in self.chunks() {
            time += pass(self.batch * positions, Stage::Prefill)?;
        }
        Ok(time)
    }

    /// The chunks that a prompt is cut into: new positions, and all positions so far.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (u64, u64)> {
        let prompt = if self.prefill { self.prompt } else { 0 };
        (0..prompt.div_ceil(CHUNK)).map(move |chunk| {
            let end = ((chunk + 1) * CHUNK).min(prompt);
            (end - chunk * CHUNK, end)
        })
    }

    /// The most rows of activations of a pass.
    pub(super) fn rows_max(&self, layer: &LayerSpec) -> u64 {
        match layer.part {
            Part::Head => self.batch,
            _ => self.batch * self.prompt.clamp(1, CHUNK),
        }
    }
}

/// A device with what is known of its speed.
pub(super) struct Machine<'a> {
    pub(super) name: &'a str,
    /// Formats that it can run; all if empty.
    formats: &'a [Format],
    /// How many times as long everything takes as its profile says.
    slowdown: Option<f64>,
    speed: Speed<'a>,
}

enum Speed<'a> {
    Published(Box<Rates>),
    Measured(&'a Measured),
    /// By an engine's own programs, and whether it is reached over RPC.
    Engine(&'a EngineMeasured, bool),
}

impl<'a> Machine<'a> {
    pub(super) fn new(
        name: &'a str,
        device: &'a ClusterDevice,
        profile: &'a DeviceProfile,
        engine: EngineTraits,
        abroad: bool,
    ) -> Result<Self, InputError> {
        let speed = match profile {
            DeviceProfile::Published(device) if engine.classes => {
                Speed::Published(Box::new(Rates::new(device)?))
            }
            DeviceProfile::Published(device) => {
                Speed::Published(Box::new(Rates::with(device, &classes().flat())?))
            }
            DeviceProfile::Measured(machine) => Speed::Measured(machine),
            DeviceProfile::Engine(machine) => {
                Speed::Engine(machine, abroad && engine.rpc != RpcOverhead::NONE)
            }
        };
        Ok(Self { name, formats: &device.formats, slowdown: device.slowdown, speed })
    }

    /// One of which these rates are known, and that runs every format.
    pub(super) fn rated(name: &'a str, rates: Rates) -> Self {
        Self { name, formats: &[], slowdown: None, speed: Speed::Published(Box::new(rates)) }
    }

    /// Where its times come from, if it was measured.
    pub(super) fn origin(&self) -> Option<String> {
        match &self.speed {
            Speed::Measured(machine) => Some(machine.origin()),
            Speed::Engine(machine, _) => Some(machine.origin()),
            Speed::Published(_) => None,
        }
    }

    /// What reaching it adds to a pass, links apart: a graph of its own, or a round to another
    /// process.
    pub(super) fn reached(&self) -> Nanos {
        let Speed::Engine(machine, remote) = self.speed else { return Nanos::ZERO };
        let time = if remote { machine.model.remote_pass() } else { machine.model.graph() };
        self.slowed(time).median
    }

    /// What the engine's server adds to all answers where this is the source.
    pub(super) fn served(&self, passes: Passes, vocab: u64) -> Prediction {
        let Speed::Engine(machine, _) = self.speed else { return Prediction::ZERO };
        self.slowed(machine.model.served(vocab) * passes.answers() * passes.batch)
    }

    /// What a reader of any plan must know of it.
    pub(super) fn notes(&self) -> Vec<String> {
        let machine = match self.speed {
            Speed::Measured(machine) => machine,
            Speed::Engine(machine, _) => return machine.profile.notes.clone(),
            Speed::Published(_) => return Vec::new(),
        };
        let share = |format: Format| {
            let share = Matrix { format, shape: (4096, 4096), batch: CHUNK }.share(self);
            (share >= 1.01).then(|| format!("{format} {share:.2} x"))
        };
        let copies: Vec<String> = machine.model.formats().filter_map(share).collect();
        let copied = format!("large weights in memory are {} their file", copies.join(", "));
        let said = machine.profile.notes.iter().cloned();
        (!copies.is_empty()).then_some(copied).into_iter().chain(said).collect()
    }

    /// Whether it may run that format.
    pub(super) fn runs(&self, format: Format) -> bool {
        self.formats.is_empty() || self.formats.contains(&format)
    }

    /// Memory of a matrix once it is loaded and used: some engines keep a second copy of it, in
    /// another layout.
    pub(super) fn resident(&self, matrix: Matrix) -> Bytes {
        let Matrix { format, shape: (rows, row_len), batch } = matrix;
        match &self.speed {
            Speed::Measured(machine) if format.is_computed() => {
                machine.model.resident(format, rows, row_len, batch)
            }
            Speed::Measured(_) | Speed::Engine(..) | Speed::Published(_) => {
                format.bytes(rows, row_len).unwrap_or_default()
            }
        }
    }

    /// Time of one batch in a layer without its tensors; `cache` is what it holds at the end.
    pub(super) fn fixed(
        &self,
        passes: Passes,
        model: &ModelSpec,
        layer: &LayerSpec,
        cache: Bytes,
    ) -> Result<Prediction, InputError> {
        let fixed = match &self.speed {
            Speed::Engine(machine, remote) => {
                let name = self.name;
                let engine = EnginePasses { machine, name, passes, remote: *remote };
                Ok(engine.fixed(model, layer))
            }
            Speed::Measured(machine) => {
                Kernels { machine, name: self.name, passes }.fixed(model.hidden, layer)
            }
            // Starting kernels, and reading the cache, on average at most that of a prompt and the
            // answer, at every step.
            Speed::Published(rates) => {
                let bandwidth = rates.bandwidth(Format::F16, true);
                let bytes = cache.as_f64() * passes.generate as f64;
                let reading = bandwidth.map_or(0.0, |rate| 1e9 * bytes / rate);
                let starting = rates.starting(model, layer, passes.starts());
                // Published overheads are those of whole blocks.
                let starting = if layer.part.is_half() { Nanos(starting.0 / 2) } else { starting };
                let time = starting + Nanos(reading.ceil() as u64);
                Ok(within(time, rates.band(Stage::Decode, model.has_experts())))
            }
        };
        fixed.map(|time| self.slowed(time))
    }

    fn slowed(&self, time: Prediction) -> Prediction {
        self.slowdown.map_or(time, |factor| time.slowed(factor))
    }

    /// Time of one batch in one tensor; passes of many rows on an accelerator of the host, where
    /// that is quicker.
    pub(super) fn tensor(
        &self,
        passes: Passes,
        product: Product,
        offload: Option<Offload>,
    ) -> Result<Prediction, InputError> {
        passes.sum(product.layer, |rows, stage| {
            let own = self.pass(passes, product, rows, stage)?;
            let Some(offload) = offload.filter(|_| rows >= OFFLOAD_ROWS && product.multiplies())
            else {
                return Ok(own);
            };
            let computed = offload.machine.pass(passes, product, rows, stage)?;
            let copied = computed + offload.copy(product, rows);
            Ok(if copied.median < own.median { copied } else { own })
        })
    }

    /// Time of one pass in one tensor.
    fn pass(
        &self,
        passes: Passes,
        product: Product,
        rows: u64,
        stage: Stage,
    ) -> Result<Prediction, InputError> {
        let Product { layer, tensor, format, .. } = product;
        let time = match &self.speed {
            Speed::Engine(machine, remote) => {
                let name = self.name;
                EnginePasses { machine, name, passes, remote: *remote }.pass(product, rows)
            }
            Speed::Measured(machine) => {
                let timed = timed_as(format);
                Kernels { machine, name: self.name, passes }
                    .pass(layer, tensor, timed, rows)
                    .map(|time| Prediction { estimated: time.estimated || timed != format, ..time })
            }
            Speed::Published(rates) if product.multiplies() => {
                let time = self.published(rates, passes, product, rows)?;
                let bounded = within(time.median, rates.band(stage, product.experts));
                Ok(Prediction { estimated: time.estimated, ..bounded })
            }
            // Vectors and look-ups take none.
            Speed::Published(_) => Ok(Prediction::ZERO),
        };
        time.map(|time| self.slowed(time))
    }

    fn published(
        &self,
        rates: &Rates,
        passes: Passes,
        product: Product,
        rows: u64,
    ) -> Result<Prediction, InputError> {
        let Product { tensor, format, .. } = product;
        let (used, experts) = tensor.experts.unwrap_or((1, 1));
        let operations = (tensor.elements() / experts * used).saturating_mul(2 * rows);
        let (bytes, experts) = (product.read(rows), tensor.experts.is_some());
        let timed = timed_as(format);
        let pass = Pass { format: timed, bytes, operations, experts };
        let time = rates.pass(pass, passes.estimate);
        let time = time.map_err(|error| {
            InputError::key("workload", "estimate", format!("{}: {error}", self.name))
        })?;
        let known = rates.bandwidth(timed, false).is_ok() && rates.compute(timed, false).is_ok();
        Ok(Prediction { estimated: !known || timed != format, ..Prediction::exact(time) })
    }
}

/// A time by rates: speeds may be off by that much, together on one device.
fn within(time: Nanos, band: &Band) -> Prediction {
    let at = |ratio: f64| time.as_f64() / ratio;
    let (low, high) = (Nanos(at(band.high).floor() as u64), Nanos(at(band.low).ceil() as u64));
    Prediction { low: low.min(time), high: high.max(time), ..Prediction::exact(time) }
}

/// Activations times a tensor of a layer, stored in a format.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) layer: &'a LayerSpec,
    pub(super) tensor: &'a TensorSpec,
    pub(super) format: Format,
    /// Whether its model has experts.
    pub(super) experts: bool,
}

impl Product<'_> {
    fn multiplies(&self) -> bool {
        multiplied(self.layer, self.tensor)
    }

    /// Bytes of the tensor that so many rows need: at worst no two tokens use the same expert.
    fn read(&self, rows: u64) -> Bytes {
        let bytes = self.tensor.bytes(self.format).unwrap_or_default();
        let (used, experts) = self.tensor.experts.unwrap_or((1, 1));
        Bytes(bytes.0 / experts * used.saturating_mul(rows).min(experts))
    }
}

/// An accelerator of the same host that multiplies with weights of its RAM.
#[derive(Clone, Copy)]
pub(super) struct Offload<'a> {
    pub(super) machine: &'a Machine<'a>,
    pub(super) link: Internal,
}

impl Offload<'_> {
    /// Time to copy what so many rows need of a tensor.
    fn copy(&self, product: Product, rows: u64) -> Prediction {
        let bits = 8e9 * product.read(rows).as_f64();
        let moving = Nanos((bits / self.link.bandwidth.0 as f64).ceil() as u64);
        Prediction::exact(moving + Nanos(self.link.latency.0))
    }
}

/// Whether activations are multiplied with a tensor: not with vectors and tables.
pub(crate) fn multiplied(layer: &LayerSpec, tensor: &TensorSpec) -> bool {
    let vector = matches!(tensor.class, TensorClass::Norm | TensorClass::Bias);
    let embedding = layer.part == Part::Embedding && tensor.class == TensorClass::Other;
    let table = matches!(
        tensor.class,
        TensorClass::TokenEmbd | TensorClass::PerLayerTokenEmbd | TensorClass::PositionEmbd
    );
    !(vector || table || embedding)
}

/// The format that stands for what a tensor keeps.
pub(crate) fn format_of(tensor: &TensorSpec) -> Format {
    tensor.native.map_or(Format::F32, StoredType::rated_as)
}

/// The format whose speed stands in for one that was not timed here.
fn timed_as(format: Format) -> Format {
    StoredType::from(format).rated_as()
}
