//! Blocks as parts: attention here, feed-forward network or experts there.

use edgeplan_problem::recipe::TensorClass;

use crate::{LayerSpec, ModelSpec, Part, TensorSpec};

/// What the tensors of a block's second part begin with, behind `blk.N.`.
const EXPERTS: [&str; 4] = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps", "ffn_gate_up_exps"];
const DENSE: [&str; 3] = ["ffn_gate", "ffn_up", "ffn_down"];

impl ModelSpec {
    /// The same model with each block split in two, for hosts with more than one device: its
    /// attention or recurrence with all norms, router, shared expert and KV cache or state
    /// ([`Part::Attention`]), then its routed experts ([`Part::Experts`]) or its dense
    /// feed-forward network ([`Part::FeedForward`]). A block that has but one of these stays one
    /// part of that kind. The cut is that of llama.cpp's `--override-tensor` and `--n-cpu-moe`:
    /// `ffn_{gate,up,down}_exps` with their biases move, everything else of the block stays.
    ///
    /// Parts of a block are neighbours in the chain; [`Part::block`] says which belong together.
    /// Tensors, bytes and parameters are those of the whole model.
    ///
    /// # Complexity
    /// O(tensors).
    #[must_use]
    pub fn split(self) -> Self {
        Self { layers: self.layers.into_iter().flat_map(LayerSpec::split).collect(), ..self }
    }
}

impl LayerSpec {
    /// Whether the layer has routed experts.
    pub fn has_experts(&self) -> bool {
        self.tensors.iter().any(|tensor| begins_with(tensor, &EXPERTS))
    }

    fn split(mut self) -> Vec<Self> {
        let Part::Block(block) = self.part else { return vec![self] };
        let (names, part): (&[&str], _) = match self.has_experts() {
            true => (&EXPERTS, Part::Experts(block)),
            false => (&DENSE, Part::FeedForward(block)),
        };
        let (moved, stayed): (Vec<TensorSpec>, Vec<TensorSpec>) =
            self.tensors.drain(..).partition(|tensor| begins_with(tensor, names));
        let norms_alone = stayed
            .iter()
            .all(|tensor| matches!(tensor.class, TensorClass::Norm | TensorClass::Bias));
        let attention = |tensors| Self { part: Part::Attention(block), tensors, ..self.clone() };
        if moved.is_empty() {
            return vec![attention(stayed)];
        }
        let second = |tensors| Self::without_attention(part, tensors);
        // A block of a feed-forward network alone, as some hybrids have: nothing else is left.
        if norms_alone {
            return vec![second(stayed.into_iter().chain(moved).collect())];
        }
        vec![attention(stayed), second(moved)]
    }
}

/// Whether a tensor of a block has one of these names, as weight, bias or scale.
fn begins_with(tensor: &TensorSpec, names: &[&str]) -> bool {
    // `blk.3.ffn_up.weight`
    tensor.name.split('.').nth(2).is_some_and(|name| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    #[test]
    fn parts_hold_what_the_blocks_held() {
        let whole = load("catalog:llama-3.1-8b").unwrap();
        let split = whole.clone().split();
        assert_eq!(split.layers.len(), 2 + 2 * 32);
        assert_eq!(split.parameters(), whole.parameters());
        let parts: Vec<Part> = split.layers[..4].iter().map(|layer| layer.part).collect();
        let expected =
            [Part::Embedding, Part::Attention(0), Part::FeedForward(0), Part::Attention(1)];
        assert_eq!(parts, expected);
        assert_eq!(split.layers[2].kv_elements(), 0);
        assert_eq!(split.layers[1].cache, whole.layers[1].cache);
        let names: Vec<&str> = split.layers[2].tensors.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(
            names,
            ["blk.0.ffn_gate.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"]
        );
    }

    #[test]
    fn experts_move_and_the_shared_one_stays() {
        let mut whole = load("catalog:tinyllama-1.1b").unwrap();
        let block = &mut whole.layers[1];
        for (from, to) in [
            ("ffn_gate", "ffn_gate_exps"),
            ("ffn_up", "ffn_up_shexp"),
            ("ffn_down", "ffn_gate_inp"),
        ] {
            for tensor in &mut block.tensors {
                tensor.name = tensor.name.replace(&format!("{from}."), &format!("{to}."));
            }
        }
        let split = whole.split();
        let second = &split.layers[2];
        assert_eq!(second.part, Part::Experts(0));
        assert_eq!(second.tensors.len(), 1);
        assert!(split.layers[1].tensors.iter().any(|t| t.name == "blk.0.ffn_up_shexp.weight"));
        assert_eq!(split.layers[4].part, Part::FeedForward(1));
    }

    #[test]
    fn a_block_without_one_side_is_one_part() {
        let mut whole = load("catalog:tinyllama-1.1b").unwrap();
        whole.layers[1].tensors.retain(|tensor| !tensor.name.contains("ffn_"));
        whole.layers[2].tensors.retain(|tensor| tensor.name.contains("ffn_"));
        let split = whole.split();
        let parts: Vec<Part> = split.layers[1..4].iter().map(|layer| layer.part).collect();
        assert_eq!(parts, [Part::Attention(0), Part::FeedForward(1), Part::Attention(2)]);
        assert!(split.layers[2].tensors.iter().any(|t| t.class == TensorClass::Norm));
    }
}
