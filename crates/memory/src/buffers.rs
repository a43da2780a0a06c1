//! Compute buffers: what is alive at once in the largest pass of a physical batch.
//!
//! llama.cpp reserves them for a prompt of one physical batch whose every token needs logits
//! (`llama_context::sched_reserve`). Three moments can be the largest: attention and feed-forward
//! network of a block, while the masks of attention are alive, and the head with its logits. This
//! counts the tensors of each moment; the allocator's holes are not counted, so it is an estimate.

use edgeplan_model::{Allocation, Heads, LayerSpec, ModelSpec, Part, TensorClass};
use edgeplan_problem::Bytes;

use crate::estimate::Placement;

/// Bytes of f32, and of f16 in which masks are kept.
const F32: u64 = 4;
const F16: u64 = 2;

/// Bytes on the host and on the device.
pub(crate) fn compute(
    model: &ModelSpec,
    allocation: &Allocation,
    placement: Placement,
) -> [Bytes; 2] {
    let rows = allocation.ubatch.min(allocation.context);
    let state = F32 * rows * model.hidden;
    let masks = masks(model, allocation, rows);
    let mut largest = [0u64; 2];
    for layer in &model.layers {
        let device = usize::from(placement.on_device(model, layer));
        let alive = match layer.part {
            Part::Embedding => state,
            // The masks of the last attention are gone by then.
            Part::Head => F32 * rows * model.vocab + 2 * state,
            _ => {
                let apart = layer.tensors.iter().any(|tensor| placement.kept(layer, tensor));
                let routed = if apart { 0 } else { experts(layer) };
                masks + 4 * state + F32 * rows * widest(layer).max(routed)
            }
        };
        largest[device] = largest[device].max(alive);
        // Experts on the host work on states that the device sends.
        if device == 1 && layer.tensors.iter().any(|tensor| placement.kept(layer, tensor)) {
            largest[0] = largest[0].max(2 * state + F32 * rows * experts(layer));
        }
    }
    // The host hands inputs to the device: hidden states and masks.
    if placement.gpu_layers > 0 {
        largest[0] = largest[0].max(state + masks);
    }
    largest.map(Bytes)
}

/// Masks of attention over all cells, and over those of windows.
fn masks(model: &ModelSpec, allocation: &Allocation, rows: u64) -> u64 {
    let mask = |windowed: bool| {
        let cells = model
            .layers
            .iter()
            .filter(|layer| layer.attention.is_some() && layer.window.is_some() == windowed)
            .map(|layer| allocation.cells(layer.window));
        cells.max().map_or(0, |cells| F16 * rows * cells)
    };
    mask(true) + mask(false)
}

/// Elements per token that one tensor of a layer puts out, over all experts that a token uses.
fn outputs(layer: &LayerSpec, class: TensorClass) -> u64 {
    let tensor = layer.tensors.iter().find(|tensor| tensor.class == class);
    tensor.map_or(0, |tensor| {
        let (used, experts) = tensor.experts.unwrap_or((1, 1));
        tensor.rows / experts * used
    })
}

/// Elements per token that routed experts hold at once: gates, first projections and their
/// products, or the outputs of second projections and these weighed.
fn experts(layer: &LayerSpec) -> u64 {
    let of = |class| outputs(layer, class);
    let (gate, up) = (of(TensorClass::FfnGateExps), of(TensorClass::FfnUpExps));
    let both = of(TensorClass::FfnGateUpExps);
    (gate + 2 * up).max(both + both / 2).max(2 * of(TensorClass::FfnDownExps))
}

/// Elements per token that are alive at once in a block beside hidden states and routed experts.
fn widest(layer: &LayerSpec) -> u64 {
    let of = |class| outputs(layer, class);
    // Gate, first projection and their product.
    let dense = of(TensorClass::FfnGate) + 2 * of(TensorClass::FfnUp);
    // One tensor holds gate and first projection where nothing else is a gate.
    let fused = of(TensorClass::FfnGate) == 0 && of(TensorClass::FfnUp) > 0;
    let down = layer.tensors.iter().find(|tensor| tensor.class == TensorClass::FfnDown);
    let dense = match down {
        Some(down) if fused && of(TensorClass::FfnUp) == 2 * down.row_len => 3 * down.row_len,
        _ => dense,
    };
    let attention = layer.attention.map_or(0, |heads| {
        let Heads { query, key, length } = heads;
        2 * (query + 2 * key) * length
    });
    let recurrence = match layer.cache.state {
        0 => 0,
        _ => 2 * (of(TensorClass::AttnQkv) + of(TensorClass::AttnGate) + of(TensorClass::SsmIn)),
    };
    dense.max(attention).max(recurrence)
}
