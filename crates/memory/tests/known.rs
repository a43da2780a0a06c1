//! Caches of models of the catalog against what llama.cpp's dry run prints for them.

use edgeplan_memory::{Placement, estimate};
use edgeplan_model::{Allocation, ModelSpec, load};
use edgeplan_problem::format::Format;

const CONTEXTS: [u64; 3] = [4096, 32_768, 131_072];

fn model(name: &str) -> ModelSpec {
    load(&format!("catalog:{name}")).unwrap()
}

/// MiB of cache and state, rounded down as the engine prints them.
fn mib(model: &ModelSpec, context: u64, format: Format) -> u64 {
    let allocation = Allocation { context, keys: format, values: format, ..Allocation::default() };
    let (cache, state) = model.cache_bytes(&allocation);
    (cache.0 + state.0) >> 20
}

/// What `llama-fit-params` of September 2026 (llama-cpp-python 0.3.36) prints: f16, physical
/// batches of 512, one sequence.
#[test]
fn caches_are_those_of_the_engine() {
    let known = [
        ("qwen3-30b-a3b", [384, 3072, 12_288]),
        ("gpt-oss-20b", [114, 786, 3090]),
        ("glm-4.5-air", [736, 5888, 23_552]),
        ("qwen3.6-27b", [405, 2197, 8341]),
        ("gemma-3-12b", [736, 2528, 8672]),
        ("llama-3.1-70b", [1280, 10_240, 40_960]),
        ("phi-3-mini-4k", [1536, 12_288, 49_152]),
    ];
    for (name, expected) in known {
        let found = CONTEXTS.map(|context| mib(&model(name), context, Format::F16));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn windows_that_the_engine_passes_over_cost_the_whole_context() {
    // 32 blocks of 8 heads of 128 for keys and as many for values.
    assert_eq!(mib(&model("mistral-7b-v0.1"), 32_768, Format::F16), 4096);
    assert!(model("mistral-7b-v0.1").layers.iter().all(|layer| layer.window.is_none()));
}

/// From a public report of Gemma 3 270M: window and physical batch in whole cells of 256, not the
/// window alone.
#[test]
fn windows_hold_a_physical_batch_more() {
    let contexts = [4096, 8192, 9216];
    let found = contexts.map(|context| mib(&model("gemma-3-270m"), context, Format::F16));
    // 3 blocks of 18 see everything; the other 15 keep 512 + 512 tokens.
    assert_eq!(found, [27, 39, 42]);
}

/// DeepSeek-V3: 61 blocks of 512 compressed elements and 64 rotated ones, no values.
#[test]
fn latent_attention_keeps_keys_alone() {
    let bytes = 61 * (512 + 64) * 2 * 32_768u64;
    assert_eq!(mib(&model("deepseek-v3"), 32_768, Format::F16), bytes >> 20);
}

#[test]
fn a_quantized_cache_has_the_bytes_of_its_blocks() {
    let (whole, quantized) = (Format::F16, Format::Q8_0);
    let model = model("qwen3-30b-a3b");
    assert_eq!(mib(&model, 32_768, quantized), mib(&model, 32_768, whole) * 34 / 64);
    assert!(model.caches_in(quantized));
}

#[test]
fn what_is_on_the_device_is_not_on_the_host() {
    let model = model("glm-4.5-air");
    let recipe = "q8_0".parse().unwrap();
    let allocation = Allocation::default();
    let at = |gpu_layers, cpu_moe| {
        estimate(&model, &recipe, &allocation, Placement { gpu_layers, cpu_moe })
    };
    let [host, none] = at(0, 0);
    assert_eq!(none.total().0, 0);
    for (gpu_layers, cpu_moe) in [(1, 0), (20, 0), (1000, 0), (1000, 30), (1000, 1000)] {
        let [left, moved] = at(gpu_layers, cpu_moe);
        assert_eq!(left.weights + moved.weights, host.weights, "{gpu_layers} {cpu_moe}");
        assert_eq!(left.context + moved.context, host.context, "{gpu_layers} {cpu_moe}");
    }
    let [whole, experts] = [at(1000, 0), at(1000, 1000)];
    // 45 blocks of 128 experts, three matrices of 1408 x 4096 each, 34 bytes per 32 elements.
    let moved = 45 * 128 * 3 * 1408 * 4096 / 32 * 34u64;
    assert_eq!(whole[1].weights.0 - experts[1].weights.0, moved);
}
