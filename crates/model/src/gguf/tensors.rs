//! Tensors of a file as the planner sees them.

use edgeplan_problem::Bytes;

use super::Tensor;
use crate::{ModelSpec, TensorClass, TensorSpec};

/// A tensor as the planner sees it; `used` is how many experts a token uses.
pub(super) fn spec(tensor: &Tensor, quantized: bool, used: Option<u64>) -> TensorSpec {
    let class = class(&tensor.name);
    let several = tensor.name.contains("_exps.") && tensor.dimensions[2] > 1;
    let by_head = matches!(class, TensorClass::AttnKB | TensorClass::AttnVB);
    let plain =
        tensor.dimensions[2..] == [1, 1] || (several || by_head) && tensor.dimensions[3] == 1;
    let matrix = tensor.dimensions[1] > 1 && plain;
    let chosen = TensorClass::MATRICES.contains(&class) && matrix && !quantized;
    let experts = tensor.dimensions[2];
    TensorSpec {
        name: tensor.name.clone(),
        class,
        rows: tensor.rows(),
        row_len: tensor.dimensions[0],
        quantizable: chosen,
        native: Some(tensor.stored),
        experts: used.filter(|&used| several && used < experts).map(|used| (used, experts)),
        measured: Vec::new(),
    }
}

/// Adds a tensor to a layer. A recipe names each class once, so a second matrix of a class is
/// not covered by it and keeps its type.
pub(super) fn add(tensors: &mut Vec<TensorSpec>, mut tensor: TensorSpec) {
    let named = TensorClass::MATRICES.contains(&tensor.class);
    if named && tensors.iter().any(|known| known.class == tensor.class) {
        tensor.class = TensorClass::Other;
        tensor.quantizable = false;
    }
    tensors.push(tensor);
}

/// What part of a model of floats stays as it is although its matrices may be quantized; a
/// note where that is more than a hundredth, which small tensors are not.
pub(super) fn kept(model: &ModelSpec, quantized: bool) -> Option<String> {
    if quantized {
        return None;
    }
    let stored = |tensor: &TensorSpec| {
        let bytes = tensor.native.and_then(|stored| stored.bytes(tensor.rows, tensor.row_len));
        bytes.unwrap_or_default()
    };
    let tensors = || model.layers.iter().flat_map(|layer| &layer.tensors);
    let all: Bytes = tensors().map(stored).sum();
    let kept: Vec<&TensorSpec> = tensors().filter(|tensor| !tensor.quantizable).collect();
    let bytes: Bytes = kept.iter().map(|tensor| stored(tensor)).sum();
    let largest = kept.iter().max_by_key(|tensor| stored(tensor))?;
    let native = largest.native.map_or("f32", |stored| stored.name);
    (bytes.0 > all.0 / 100).then(|| {
        format!(
            "{bytes} of {all} cannot be quantized and keep their type, the largest {} in {native}",
            largest.name
        )
    })
}

/// `blk.3.attn_q.weight` is an [`TensorClass::AttnQ`].
fn class(name: &str) -> TensorClass {
    let Some((stem, suffix)) = name.rsplit_once('.') else { return TensorClass::Other };
    let stem = match stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.')) {
        Some((_, stem)) => stem,
        None => stem,
    };
    match suffix {
        "bias" => TensorClass::Bias,
        "weight" if stem.contains("norm") => TensorClass::Norm,
        "weight" => {
            let known = TensorClass::MATRICES
                .into_iter()
                .chain([TensorClass::PositionEmbd, TensorClass::Router]);
            known.into_iter().find(|class| class.name() == stem).unwrap_or(TensorClass::Other)
        }
        _ => TensorClass::Other,
    }
}
