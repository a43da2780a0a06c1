//! Model profiles of distilp (firstbatchxyz/distilp), which prepares the data of prima.cpp's
//! planner.
//!
//! A profile has sizes and operations per block but no tensors, so the blocks are
//! rebuilt: width, key and value heads, vocabulary and number of blocks are used as they stand,
//! heads are taken to fill the width, and the feed-forward length is what remains of the block's
//! operations, to the nearest multiple of 256. Ignored: bytes (they follow from the format that the
//! planner chooses), message sizes, and what the head costs (its shape says it).

use serde::Deserialize;

use crate::{ModelSpec, Shape};
use edgeplan_files::{InputError, parse_json};

#[derive(Debug, Deserialize)]
#[expect(non_snake_case, reason = "distilp's names")]
struct ModelProfile {
    L: u64,
    e_embed: u64,
    hk: u64,
    ek: u64,
    hv: u64,
    ev: u64,
    V: u64,
    #[serde(default)]
    seq_len: u64,
    f_q: serde_json::Value,
    #[serde(default)]
    is_moe: bool,
}

/// Whether a JSON text is a model profile of distilp rather than a `config.json`.
pub(crate) fn is_model(text: &str) -> bool {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.is_ok_and(|value| value.get("e_embed").is_some() && value.get("f_q").is_some())
}

/// A model of the size that a model profile describes; `file` is only named in errors.
///
/// # Errors
/// Keys that are missing or out of range, blocks that differ, experts, and the older layout without
/// operations of decoding.
pub(crate) fn model(file: &str, text: &str) -> Result<ModelSpec, InputError> {
    let profile: ModelProfile = parse_json(file, text)?;
    let path = std::path::Path::new(file);
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("model");
    Ok(profile.shape(file)?.model(name))
}

impl ModelProfile {
    fn shape(&self, file: &str) -> Result<Shape, InputError> {
        let error = |key: &str, problem: String| Err(InputError::key(file, key, problem));
        let numbers = [
            ("L", self.L, 1024),
            ("e_embed", self.e_embed, 1_000_000),
            ("hk", self.hk, 10_000),
            ("ek", self.ek, self.e_embed),
            ("V", self.V, 10_000_000),
        ];
        for (key, value, most) in numbers {
            if !(1..=most).contains(&value) {
                return error(key, format!("{value}; 1 to {most} are allowed"));
            }
        }
        if (self.hk, self.ek) != (self.hv, self.ev) {
            let problem = format!("{} x {}; the same as hk and ek is allowed", self.hv, self.ev);
            return error("hv", problem);
        }
        if self.is_moe {
            return error("is_moe", "true; models with experts are not supported".into());
        }
        let (hidden, kv) = (self.e_embed as f64, (self.hk * self.ek) as f64);
        let heads = self.e_embed / self.ek;
        // Two operations per weight, and two products of the context with every head.
        let attention_operations = 4.0 * hidden * self.seq_len as f64;
        let weights = (self.operations(file)? - attention_operations) / 2.0;
        let attention = 2.0 * hidden * (heads * self.ek) as f64 + 2.0 * hidden * kv;
        let ffn = 256.0 * ((weights - attention) / (3.0 * hidden * 256.0)).round();
        if !(1.0..=1e7).contains(&ffn) {
            let problem =
                format!("leaves a feed-forward length of {ffn}; 256 to 10000000 is allowed");
            return error("f_q.decode.b_1", problem);
        }
        Ok(Shape {
            blocks: self.L,
            hidden: self.e_embed,
            ffn: ffn as u64,
            heads,
            kv_heads: self.hk,
            head_dim: self.ek,
            vocab: self.V,
            ..Shape::default()
        })
    }

    /// Operations of one token in one block.
    fn operations(&self, file: &str) -> Result<f64, InputError> {
        let key = "f_q.decode.b_1";
        let list = self.f_q.pointer("/decode/b_1").and_then(serde_json::Value::as_array);
        let list: Option<Vec<f64>> =
            list.and_then(|list| list.iter().map(serde_json::Value::as_f64).collect());
        // The first entry stands for the embedding.
        let blocks = list.as_deref().and_then(|list| list.get(1..)).unwrap_or_default();
        if blocks.len() as u64 != self.L {
            let problem = format!(
                "{} blocks; a list of {} numbers is needed (older profiles have none)",
                blocks.len(),
                self.L + 1
            );
            return Err(InputError::key(file, key, problem));
        }
        if let Some(block) = blocks.iter().position(|operations| *operations != blocks[0]) {
            let problem = format!("block {block} is unlike the first; equal ones are supported");
            return Err(InputError::key(file, key, problem));
        }
        Ok(blocks[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two blocks of width 512 with 4 heads of 128, 2 of them for keys, and a feed-forward length of
    // 1024: 2 * 512^2 + 2 * 512 * 256 + 3 * 512 * 1024 weights, at a context of 10 tokens.
    const MODEL: &str = r#"{"L": 2, "e_embed": 512, "hk": 2, "ek": 128, "hv": 2, "ev": 128,
        "V": 1000, "seq_len": 10, "b": [0, 1, 1],
        "f_q": {"prefill": {}, "decode": {"b_1": [0.0, 4739072.0, 4739072.0]}}}"#;

    #[test]
    fn a_model_is_rebuilt_from_its_operations() {
        let model = model("tiny.json", MODEL).unwrap();
        assert!(is_model(MODEL) && !is_model("{\"model_type\": \"llama\"}"));
        assert_eq!((model.name.as_str(), model.layers.len()), ("tiny", 4));
        assert_eq!(model.layers[1].kv_elements(), 512);
        let block: u64 = 2 * 512 * 512 + 2 * 512 * 256 + 3 * 512 * 1024;
        let norms = 2 * 512;
        let elements = |layer: usize| -> u64 {
            model.layers[layer].tensors.iter().map(crate::TensorSpec::elements).sum()
        };
        assert_eq!(elements(1), block + norms);
    }

    #[test]
    fn wrong_models_are_refused_by_key() {
        let cases = [
            ("4739072.0]", "4739073.0]", "f_q.decode.b_1: block 1 is unlike the first"),
            ("4739072.0]", "\"x\"]", "f_q.decode.b_1: 0 blocks; a list of 3 numbers is needed"),
            ("\"decode\"", "\"encode\"", "f_q.decode.b_1: 0 blocks"),
            ("4739072.0", "10.0", "leaves a feed-forward length of"),
            ("\"L\": 2", "\"L\": 0", "L: 0; 1 to 1024 are allowed"),
            ("\"hv\": 2", "\"hv\": 3", "hv: 3 x 128"),
            ("\"V\": 1000,", "\"V\": 1000, \"is_moe\": true,", "experts are not supported"),
        ];
        for (from, to, expected) in cases {
            let error = model("tiny.json", &MODEL.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }
}
