//! Tensors that do not lie on their layer's device.

use std::collections::BTreeMap;

use edgeplan_problem::deployment::{DeviceId, Part};

use super::sites::{Cut, Sites, layer_devices};
use crate::chain::Placed;

/// An option of `llama-server` and its value.
pub(super) struct Override {
    pub(super) name: &'static str,
    pub(super) value: String,
}

/// The tensors of a block's second part, as llama.cpp's own `--n-cpu-moe` names them
/// (`LLM_FFN_EXPS_REGEX`, `LLM_FFN_DENSE_REGEX` of common/common.h).
const EXPERTS: &str = "ffn_(up|down|gate|gate_up)_(ch|)exps";
const DENSE: &str = "ffn_(up|down|gate)\\.";

/// Second parts that are on another device than their layer, then the head if it is.
pub(super) fn overrides(layers: &[Placed], sites: &Sites, cut: &Cut) -> Vec<Override> {
    let by_layer = layer_devices(layers);
    let mut apart: BTreeMap<(&str, DeviceId), Vec<usize>> = BTreeMap::new();
    let mut experts = Vec::new();
    for layer in layers {
        let (block, pattern) = match layer.part {
            Part::Experts(block) => (block, EXPERTS),
            Part::FeedForward(block) => (block, DENSE),
            _ => continue,
        };
        if pattern == EXPERTS {
            experts.push(block);
        }
        if by_layer.get(&block) != Some(&layer.device) {
            apart.entry((pattern, layer.device)).or_default().push(block);
        }
    }
    let override_tensor = |value: String| Override { name: "--override-tensor", value };
    let mut found = Vec::new();
    for ((pattern, device), blocks) in apart {
        let first = (pattern == EXPERTS && sites.is_own_cpu(device))
            .then(|| first_blocks(&blocks, &experts))
            .flatten();
        found.push(match first {
            Some(count) => Override { name: "--n-cpu-moe", value: count.to_string() },
            None => {
                let blocks: Vec<String> = blocks.iter().map(usize::to_string).collect();
                let (blocks, buffer) = (blocks.join("|"), sites.buffer(device));
                override_tensor(format!("blk\\.({blocks})\\.{pattern}={buffer}"))
            }
        });
    }
    if let Some(head) = cut.head_apart {
        let buffer = sites.buffer(head);
        found.push(override_tensor(format!("^(output|token_embd)\\.weight$={buffer}")));
    }
    found
}

/// How many blocks `--n-cpu-moe` names to mean exactly these of all that have experts, if any
/// number does.
fn first_blocks(blocks: &[usize], experts: &[usize]) -> Option<usize> {
    let count = blocks.last()? + 1;
    let meant = experts.iter().filter(|&&block| block < count);
    meant.eq(blocks).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_blocks_means_those_with_experts_among_the_first() {
        assert_eq!(first_blocks(&[1, 2], &[1, 2, 3]), Some(3));
        assert_eq!(first_blocks(&[0, 2], &[0, 1, 2]), None);
        assert_eq!(first_blocks(&[2], &[1, 2]), None);
    }
}
