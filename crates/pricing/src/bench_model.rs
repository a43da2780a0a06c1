//! A model as far as an engine's times depend on it.

use std::collections::BTreeMap;

use edgeplan_cost_model::engine::{BenchModel, Share, Weights};
use edgeplan_model::{Heads, ModelSpec, Part};

use super::machine::{format_of, multiplied};

/// What a profile says of a model that was run: its matrices as stored, summed by what they have in
/// common. `given` marks a file that the user named.
pub fn bench_model(name: &str, model: &ModelSpec, given: bool) -> BenchModel {
    let mut sums = BTreeMap::new();
    let parts = model.clone().split();
    let last = parts.layers.iter().filter_map(|layer| layer.part.block()).max();
    for layer in &parts.layers {
        let second = matches!(layer.part, Part::FeedForward(_) | Part::Experts(_));
        let last = second && layer.part.block() == last;
        for tensor in layer.tensors.iter().filter(|tensor| multiplied(layer, tensor)) {
            let experts = tensor.experts.map(|(used, of)| Share { used, of });
            let key = (format_of(tensor), layer.part == Part::Head, last, experts);
            *sums.entry(key).or_insert(0) += tensor.elements();
        }
    }
    let weights = sums.into_iter().map(|((format, head, last, experts), elements)| Weights {
        format,
        elements,
        head,
        last,
        experts,
    });
    let heads = model.layers.iter().find_map(|layer| layer.attention);
    let Heads { query, key, length } = heads.unwrap_or(Heads { query: 1, key: 1, length: 1 });
    let blocks = model.layers.iter().filter(|layer| layer.part.is_block()).count();
    BenchModel {
        name: name.to_owned(),
        given,
        layers: blocks.max(1) as u64,
        hidden: model.hidden,
        heads: query,
        kv_heads: key,
        head_dim: length,
        weights: weights.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_summed_and_tables_left_out() {
        let model = edgeplan_model::load("catalog:tinyllama-1.1b").unwrap();
        let found = bench_model("tiny", &model, false);
        assert_eq!((found.layers, found.hidden), (22, 2048));
        assert_eq!((found.heads, found.kv_heads, found.head_dim), (32, 4, 64));
        let head = found.weights.iter().filter(|weights| weights.head);
        assert_eq!(head.map(|weights| weights.elements).sum::<u64>(), 2048 * 32_000);
        let all: u64 = found.weights.iter().map(|weights| weights.elements).sum();
        // All parameters but the embedding and the vectors.
        assert!((1_034_000_000..1_035_000_000).contains(&all), "{all}");
        let last = found.weights.iter().filter(|weights| weights.last);
        assert_eq!(last.map(|weights| weights.elements).sum::<u64>(), 3 * 2048 * 5632);
    }

    #[test]
    fn experts_are_apart() {
        let model = edgeplan_model::load("catalog:qwen3-30b-a3b").unwrap();
        let found = bench_model("moe", &model, true);
        let experts = found.weights.iter().find(|w| w.experts.is_some() && !w.last).unwrap();
        assert_eq!(experts.experts, Some(Share { used: 8, of: 128 }));
        assert!(found.given && experts.elements > 20_000_000_000);
    }
}
