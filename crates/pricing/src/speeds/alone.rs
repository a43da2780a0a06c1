//! What a model takes alone on one device, by rates, whether it fits or not.

use edgeplan_cost_model::Prediction;
use edgeplan_files::InputError;
use edgeplan_machines::device::{Rates, Stage};
use edgeplan_model::sensitivity::formats_of;
use edgeplan_model::{Allocation, ModelSpec};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;

use crate::machine::{CHUNK, Machine, Passes, Product, format_of};

/// Seconds of one stage: of a prompt, or of one generated token.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Parts {
    /// Starting kernels.
    pub(crate) starting: f64,
    /// Tensors that every token uses, and the KV cache.
    pub(crate) dense: f64,
    /// Experts.
    pub(crate) experts: f64,
}

impl Parts {
    pub(crate) fn sum(self) -> f64 {
        self.starting + self.dense + self.experts
    }
}

/// A request of one public speed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// A format, or one of llama.cpp's mixes.
    pub(crate) format: &'a str,
    pub(crate) prompt: u64,
    pub(crate) generate: u64,
}

/// The parts of one stage of a request.
///
/// # Errors
/// An unknown format.
pub(crate) fn parts(
    rates: &Rates,
    model: &ModelSpec,
    request: Request<'_>,
    stage: Stage,
) -> Result<Parts, InputError> {
    let machine = Machine::rated("public speeds", rates.clone());
    let Request { format, prompt, generate } = request;
    let generated = if stage == Stage::Decode { generate } else { 0 };
    let prefill = stage == Stage::Prefill;
    let cache = Format::F16;
    let passes = Passes { prompt, prefill, generate: generated, batch: 1, estimate: true, cache };
    let seconds = |time: Prediction| time.median.as_f64() / 1e9 / generated.max(1) as f64;
    let mut parts = Parts::default();
    for (layer, formats) in model.layers.iter().zip(formats_of(model, format)?) {
        let kv = layer.kv_bytes(&ALLOCATION).0 / ALLOCATION.context;
        // llama-bench generates from an empty cache.
        let seen = layer.window.map_or(generate, |window| generate.min(window));
        let starting = seconds(machine.fixed(passes, model, layer, Bytes::ZERO)?);
        let fixed = seconds(machine.fixed(passes, model, layer, Bytes(kv * seen))?);
        parts.starting += starting;
        parts.dense += fixed - starting;
        for (tensor, format) in layer.tensors.iter().zip(formats) {
            // Rows that are no whole number of blocks stay in a format with smaller ones.
            let fitting = if tensor.bytes(format).is_some() { format } else { Format::Q8_0 };
            let format = if tensor.quantizable { fitting } else { format_of(tensor) };
            let product = Product { layer, tensor, format, experts: model.has_experts() };
            let time = seconds(machine.tensor(passes, product, None)?);
            match tensor.experts {
                Some(_) => parts.experts += time,
                None => parts.dense += time,
            }
        }
    }
    Ok(parts)
}

/// One cell of a cache for each position.
const ALLOCATION: Allocation = Allocation {
    context: 256,
    sequences: 1,
    ubatch: CHUNK,
    keys: Format::F16,
    values: Format::F16,
};
