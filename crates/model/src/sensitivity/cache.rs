//! What a quantized KV cache costs in quality.
//!
//! Published: mean KL divergence of Qwen3.6-27B (weights in q5_K_S) with K and V in a format from
//! itself with a bf16 cache, on WikiText-2 at a context of 65536 tokens, with llama.cpp's rotation
//! of activations (Anbeeld/beellama.cpp, `docs/development/std-quant-kv-precision-tail.md`). q4_0
//! was measured as engines run it, 0.004673 nats, and with the last 64 tokens in bf16, 0.003609;
//! other formats with these tokens in bf16 only, so that their values count as many times as much
//! as q4_0's without them. Llama-3-8B lost less with q8_0, 0.00079 nats at 512 tokens
//! (ggml-org/llama.cpp, pull request 7412).

use edgeplan_problem::Loss;
use edgeplan_problem::format::Format;

use crate::ModelSpec;

/// Where the losses come from, for people.
pub const SOURCE: &str = "published of Qwen3.6-27B at 65536 tokens, scaled where the last 64 \
                          tokens were exact (beellama.cpp, std-quant-kv-precision-tail.md)";

/// Nano-nats of q4_0 without exact tokens, and with the last 64 of them.
const PLAIN: u64 = 4_673_000;
const TAILED: u64 = 3_609_000;

/// Models of which a loss many times as large is published, by parts of their names without
/// punctuation, and where that is said.
const SENSITIVE: [(&str, &str); 2] = [
    ("gptoss", "of gpt-oss-20b a median of 0.055 nats in q8_0 (llama-cpp-turboquant issue 305)"),
    ("gemma4", "of Gemma 4 0.108 to 0.377 nats in q8_0 (localbench, KV cache quantization)"),
];

/// Mean divergence that a cache in that format adds to a model's, in nano-nats per token.
///
/// # Errors
/// Why no published number can be used.
pub fn published(model: &ModelSpec, format: Format) -> Result<Loss, String> {
    let scaled = |tailed: u64| Loss(tailed * PLAIN / TAILED);
    let loss = match format {
        Format::F32 | Format::F16 | Format::BF16 => return Ok(Loss::ZERO),
        Format::Q8_0 => scaled(2_667_000),
        Format::Q5_1 => scaled(2_662_000),
        Format::Q5_0 => scaled(3_024_000),
        Format::Q4_1 => scaled(3_724_000),
        Format::IQ4NL => scaled(3_385_000),
        Format::Q4_0 => Loss(PLAIN),
        _ => return Err(format!("no loss of a cache in {format} is published")),
    };
    let plain: String = model.name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    match SENSITIVE.iter().find(|(part, _)| plain.contains(part)) {
        Some((_, said)) => Err(format!("{} loses more than others: {said}", model.name)),
        None => Ok(loss),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_caches_lose_less_and_floats_nothing() {
        let model = crate::load("catalog:llama-3.1-8b").unwrap();
        let loss = |format| published(&model, format).unwrap();
        assert_eq!([Format::F32, Format::BF16, Format::F16].map(loss), [Loss::ZERO; 3]);
        assert!(loss(Format::Q8_0) < loss(Format::Q5_0));
        assert!(loss(Format::Q5_0) < loss(Format::Q4_0));
        assert_eq!(loss(Format::Q4_0), Loss(4_673_000));
        assert!(published(&model, Format::Q2K).unwrap_err().contains("q2_K"));
    }

    #[test]
    fn models_of_which_more_is_published_have_no_usual_loss() {
        for name in ["gpt-oss-20b", "Gemma 4 31B it"] {
            let known = crate::load("catalog:gpt-oss-20b").unwrap();
            let model = ModelSpec { name: name.into(), ..known };
            assert_eq!(published(&model, Format::F16), Ok(Loss::ZERO));
            let error = published(&model, Format::Q8_0).unwrap_err();
            assert!(error.contains("loses more than others"), "{error}");
        }
    }
}
