//! Hugging Face's `config.json`.

use serde::Deserialize;

use super::{ModelSpec, Shape};
use edgeplan_files::{InputError, parse_json};

/// The keys that matter, under the names that the supported families use. Others are ignored:
/// every family has dozens.
#[derive(Debug, Deserialize)]
struct Config {
    model_type: String,
    #[serde(alias = "n_layer")]
    num_hidden_layers: Option<u64>,
    #[serde(alias = "n_embed")]
    hidden_size: Option<u64>,
    #[serde(alias = "ffn_dim")]
    intermediate_size: Option<u64>,
    #[serde(alias = "n_head")]
    num_attention_heads: Option<u64>,
    num_key_value_heads: Option<u64>,
    head_dim: Option<u64>,
    vocab_size: Option<u64>,
    max_position_embeddings: Option<u64>,
    word_embed_proj_dim: Option<u64>,
    tie_word_embeddings: Option<bool>,
    do_layer_norm_before: Option<bool>,
    attention_bias: Option<bool>,
    sliding_window: Option<u64>,
    sliding_window_pattern: Option<u64>,
    use_sliding_window: Option<bool>,
}

const FAMILIES: [&str; 8] =
    ["llama", "mistral", "qwen2", "qwen3", "gemma3_text", "opt", "bloom", "smollm"];

/// Numbers above this are no model.
const MOST: u64 = 10_000_000;
const BLOCKS_MOST: u64 = 1024;

/// Reads the text of a `config.json`.
///
/// # Errors
/// A missing key, a number out of range, or a family that is not supported.
pub(super) fn parse(file: &str, text: &str) -> Result<ModelSpec, InputError> {
    let config: Config = parse_json(file, text)?;
    let shape = config.shape(file)?;
    let name = std::path::Path::new(file).parent().and_then(|folder| folder.file_name());
    let name = name.and_then(|name| name.to_str()).unwrap_or(&config.model_type);
    Ok(shape.model(name))
}

/// The numbers of a `config.json`.
///
/// # Errors
/// As [`parse`].
pub(super) fn shape(file: &str, text: &str) -> Result<Shape, InputError> {
    parse_json::<Config>(file, text)?.shape(file)
}

impl Config {
    fn shape(&self, file: &str) -> Result<Shape, InputError> {
        let number = |key: &str, value: Option<u64>, most: u64| match value {
            Some(value) if (1..=most).contains(&value) => Ok(value),
            Some(value) => {
                Err(InputError::key(file, key, format!("{value}; 1 to {most} are allowed")))
            }
            None => Err(InputError::key(file, key, "is missing")),
        };
        let family = self.model_type.as_str();
        if !FAMILIES.contains(&family) {
            let problem =
                format!("`{family}` is not supported; these are: {}", FAMILIES.join(", "));
            return Err(InputError::key(file, "model_type", problem));
        }
        let (opt, bloom) = (family == "opt", family == "bloom");
        let gemma = family == "gemma3_text";
        let hidden = number("hidden_size", self.hidden_size, MOST)?;
        let heads = number("num_attention_heads", self.num_attention_heads, MOST)?;
        let ffn = if bloom { Some(4 * hidden) } else { self.intermediate_size };
        let head_dim = self.head_dim.or(Some(hidden / heads));
        let windowed = self.use_sliding_window.unwrap_or(true);
        let positions = match opt {
            // OPT's table starts at position 2.
            true => 2 + number("max_position_embeddings", self.max_position_embeddings, MOST)?,
            false => 0,
        };
        let embedding = self.word_embed_proj_dim.filter(|&width| width != hidden);
        Ok(Shape {
            blocks: number("num_hidden_layers", self.num_hidden_layers, BLOCKS_MOST)?,
            hidden,
            ffn: number("intermediate_size", ffn, MOST)?,
            heads,
            kv_heads: number(
                "num_key_value_heads",
                self.num_key_value_heads.or(Some(heads)),
                heads,
            )?,
            head_dim: number("head_dim", head_dim, MOST)?,
            vocab: number("vocab_size", self.vocab_size, MOST)?,
            tied: self.tie_word_embeddings.unwrap_or(opt || bloom || gemma),
            gate: !opt && !bloom,
            fused_qkv: bloom,
            qkv_bias: family == "qwen2" || self.attention_bias.unwrap_or(false),
            bias: opt || bloom,
            qk_norm: family == "qwen3" || gemma,
            norms: if gemma { 4 } else { 2 },
            final_norm: !opt || self.do_layer_norm_before.unwrap_or(true),
            embedding_norm: bloom,
            positions,
            embedding: embedding
                .map(|width| number("word_embed_proj_dim", Some(width), MOST))
                .transpose()?,
            window: self.sliding_window.filter(|_| windowed),
            global_every: self.sliding_window_pattern.filter(|_| gemma),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = r#"{"model_type": "llama", "num_hidden_layers": 22, "hidden_size": 2048,
        "intermediate_size": 5632, "num_attention_heads": 32, "num_key_value_heads": 4,
        "vocab_size": 32000, "torch_dtype": "bfloat16"}"#;
    const OPT: &str = r#"{"model_type": "opt", "num_hidden_layers": 24, "hidden_size": 1024,
        "ffn_dim": 4096, "num_attention_heads": 16, "vocab_size": 50272,
        "max_position_embeddings": 2048, "word_embed_proj_dim": 512,
        "do_layer_norm_before": false}"#;

    #[test]
    fn a_config_gives_the_same_model_as_the_catalog() {
        assert_eq!(parse("config.json", TINY).unwrap().parameters(), 1_100_048_384);
        assert_eq!(parse("config.json", OPT).unwrap().parameters(), 331_196_416);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_key() {
        let cases = [
            ("\"num_hidden_layers\": 22", "\"num_hidden_layers\": 0", "num_hidden_layers: 0; 1 to"),
            ("\"hidden_size\": 2048,", "", "hidden_size: is missing"),
            ("2048", "-1", "hidden_size"),
            ("2048", "NaN", "config.json"),
            ("\"llama\"", "\"mamba\"", "model_type: `mamba` is not supported"),
            ("\"num_key_value_heads\": 4", "\"num_key_value_heads\": 64", "1 to 32 are allowed"),
        ];
        for (from, to, expected) in cases {
            let error = parse("config.json", &TINY.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
