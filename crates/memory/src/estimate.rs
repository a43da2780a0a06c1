//! Which tensors lie where, and what they add up to.

use edgeplan_model::{Allocation, LayerSpec, ModelSpec, Part, TensorClass, TensorSpec};
use edgeplan_problem::Bytes;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;
use serde::Serialize;

use crate::buffers;

/// Where llama.cpp puts a model: on the host, or partly on one device beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    /// Layers on the device, counted from the last, the head being one (`--gpu-layers`); 0 without
    /// a device.
    pub gpu_layers: u64,
    /// First blocks whose experts stay on the host (`--n-cpu-moe`).
    pub cpu_moe: u64,
}

/// Bytes of one memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Account {
    /// Weights.
    pub weights: Bytes,
    /// KV cache and recurrent state.
    pub context: Bytes,
    /// Buffers of the largest pass: an estimate.
    pub compute: Bytes,
}

impl Account {
    /// All of it.
    pub fn total(&self) -> Bytes {
        self.weights + self.context + self.compute
    }
}

impl Placement {
    /// Whether a layer is computed on the device; `index` is its place in the chain.
    pub(crate) fn on_device(self, model: &ModelSpec, layer: &LayerSpec) -> bool {
        let blocks = blocks(model);
        let first = (blocks + model.further_blocks + 1).saturating_sub(self.gpu_layers);
        match layer.part {
            Part::Embedding => false,
            Part::Head => self.gpu_layers > 0,
            Part::Block(block)
            | Part::Attention(block)
            | Part::FeedForward(block)
            | Part::Experts(block) => self.gpu_layers > 0 && block as u64 >= first,
        }
    }

    /// Whether a tensor of a layer on the device stays on the host.
    pub(crate) fn kept(self, layer: &LayerSpec, tensor: &TensorSpec) -> bool {
        let early = layer.part.block().is_some_and(|block| (block as u64) < self.cpu_moe);
        early && tensor.name.contains("_exps.")
    }
}

/// Blocks of a model.
pub(crate) fn blocks(model: &ModelSpec) -> u64 {
    let numbers = model.layers.iter().filter_map(|layer| layer.part.block());
    numbers.max().map_or(0, |last| last as u64 + 1)
}

/// Bytes on the host and on the device, in this order. Matrices that may be quantized are stored
/// as the recipe says, all others as their file stores them.
///
/// Weights and caches are exact up to the padding between tensors. Compute buffers are estimated
/// from what is alive at once in the largest pass.
///
/// # Complexity
/// O(tensors).
pub fn estimate(
    model: &ModelSpec,
    recipe: &FormatMix,
    allocation: &Allocation,
    placement: Placement,
) -> [Account; 2] {
    let mut accounts = [Account::default(); 2];
    for layer in &model.layers {
        let device = usize::from(placement.on_device(model, layer));
        for tensor in &layer.tensors {
            // A tied head reads the embedding's tensor where both are in one memory.
            if model.tied && tensor.class == TensorClass::Output && device == 0 {
                continue;
            }
            let place = if placement.kept(layer, tensor) { 0 } else { device };
            accounts[place].weights += bytes(tensor, recipe.format(tensor.class));
        }
        accounts[device].context += layer.cache_bytes(allocation);
    }
    let compute = buffers::compute(model, allocation, placement);
    for (account, compute) in accounts.iter_mut().zip(compute) {
        account.compute = compute;
    }
    accounts
}

/// Bytes of a tensor; where its rows are no whole number of blocks, in the format that
/// `llama-quantize` falls back to.
fn bytes(tensor: &TensorSpec, format: Format) -> Bytes {
    let tried = [Some(format), format.fallback(), Some(Format::F16)];
    tried.into_iter().flatten().find_map(|format| tensor.bytes(format)).unwrap_or_default()
}
