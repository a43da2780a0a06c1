//! How families differ from Llama.

use super::experts::{
    deepseek, glm4_moe, gpt_oss, granite_moe, llama4, minimax, mixtral, olmoe, qwen2_moe, qwen3_moe,
};
use super::hybrid::{granite_hybrid, lfm2, nemotron_h, qwen3_next};
use super::keys::{Keys, MOST};
use crate::Shape;
use crate::shape::GlobalHeads;
use edgeplan_files::InputError;

pub(super) const BLOCKS_MOST: u64 = 1024;

type Read = fn(&Keys<'_>, &mut Shape) -> Result<(), InputError>;

/// A `model_type`, GGUF's name of its architecture, and how it differs from Llama.
const FAMILIES: [(&str, &str, Read); 52] = [
    ("bloom", "bloom", bloom),
    ("cohere", "command-r", cohere),
    ("cohere2", "cohere2", cohere),
    ("deepseek_v2", "deepseek2", deepseek),
    ("deepseek_v3", "deepseek2", deepseek),
    ("falcon", "falcon", falcon),
    ("gemma", "gemma", gemma),
    ("gemma2", "gemma2", gemma),
    ("gemma3", "gemma3", gemma),
    ("gemma3_text", "gemma3", gemma),
    ("gemma4", "gemma4", gemma4),
    ("gemma4_text", "gemma4", gemma4),
    ("glm4", "glm4", glm4),
    ("glm4_moe", "glm4moe", glm4_moe),
    ("gpt_neox", "gptneox", gpt_neox),
    ("gpt_oss", "gpt-oss", gpt_oss),
    ("granite", "granite", llama),
    ("granitemoe", "granitemoe", granite_moe),
    ("granitemoehybrid", "granitehybrid", granite_hybrid),
    ("kimi_k2", "deepseek2", deepseek),
    ("lfm2", "lfm2", lfm2),
    ("llama", "llama", llama),
    ("llama4", "llama4", llama4),
    ("llama4_text", "llama4", llama4),
    ("minimax", "minimax-m2", minimax),
    ("minimax_m2", "minimax-m2", minimax),
    ("ministral", "llama", llama),
    ("mistral", "llama", llama),
    ("mistral3", "llama", llama),
    ("mixtral", "llama", mixtral),
    ("nemotron_h", "nemotron_h", nemotron_h),
    ("olmo", "olmo", olmo),
    ("olmo2", "olmo2", olmo2),
    ("olmo3", "olmo2", olmo2),
    ("olmoe", "olmoe", olmoe),
    ("opt", "opt", opt),
    ("phi3", "phi3", phi3),
    ("qwen2", "qwen2", qwen2),
    ("qwen2_moe", "qwen2moe", qwen2_moe),
    ("qwen3", "qwen3", qwen3),
    ("qwen3_5", "qwen35", qwen3_next),
    ("qwen3_5_moe", "qwen35moe", qwen3_next),
    ("qwen3_5_moe_text", "qwen35moe", qwen3_next),
    ("qwen3_5_text", "qwen35", qwen3_next),
    ("qwen3_moe", "qwen3moe", qwen3_moe),
    ("qwen3_next", "qwen3next", qwen3_next),
    ("qwen3_vl", "qwen3vl", qwen3),
    ("qwen3_vl_moe", "qwen3vlmoe", qwen3_moe),
    ("qwen3_vl_text", "qwen3vl", qwen3),
    ("smollm", "llama", llama),
    ("smollm3", "smollm3", llama),
    ("starcoder2", "starcoder2", starcoder2),
];

/// The shape of the language model.
///
/// # Errors
/// A family that is not supported, a key that is missing or out of range.
pub(super) fn shape(keys: &Keys<'_>) -> Result<Shape, InputError> {
    let family = keys.text("model_type").ok_or_else(|| keys.error("model_type", "is missing"))?;
    let known = FAMILIES.iter().find(|(name, ..)| *name == family);
    let Some((_, architecture, read)) = known else {
        let known: Vec<&str> = FAMILIES.iter().map(|(name, ..)| *name).collect();
        let problem = format!("`{family}` is not supported; these are: {}", known.join(", "));
        return Err(keys.error("model_type", problem));
    };
    let mut shape = base(keys, family)?;
    shape.architecture = Some((*architecture).into());
    read(keys, &mut shape)?;
    Ok(shape)
}

/// What all families have, and what transformers assumes where a family's file is silent.
fn base(keys: &Keys<'_>, family: &str) -> Result<Shape, InputError> {
    let gemma3 = family.starts_with("gemma3");
    let usual = |value: u64| gemma3.then_some(value);
    let blocks = keys.number(&["num_hidden_layers", "n_layer"], 1, BLOCKS_MOST)?;
    let blocks = blocks.ok_or_else(|| keys.error("num_hidden_layers", "is missing"))?;
    let hidden = keys.needed(&["hidden_size", "n_embed", "n_embd"], None)?;
    let heads = keys.needed(&["num_attention_heads", "n_head"], usual(8))?;
    let kv = ["num_key_value_heads", "num_kv_heads"];
    let kv_heads = keys.number(&kv, 1, heads)?.or(usual(4)).unwrap_or(heads);
    let head_dim = keys.number(&["head_dim"], 1, MOST)?.or(usual(256)).unwrap_or(hidden / heads);
    let ffn = ["intermediate_size", "ffn_dim", "ffn_hidden_size"];
    let ffn = keys.number(&ffn, 0, MOST)?;
    let four = matches!(family, "bloom" | "falcon").then_some(4 * hidden);
    let ffn = ffn.or(four).ok_or_else(|| keys.error("intermediate_size", "is missing"))?;
    let tied = keys.anywhere(&["tie_word_embeddings"]).and_then(serde_json::Value::as_bool);
    let ties = ["gemma", "opt", "bloom", "cohere", "falcon"];
    let tied = tied.unwrap_or(ties.iter().any(|name| family.starts_with(name)));
    Ok(Shape {
        blocks,
        hidden,
        ffn,
        heads,
        kv_heads,
        head_dim,
        vocab: keys.needed(&["vocab_size"], usual(262_208))?,
        tied,
        context: keys.number(
            &["max_position_embeddings", "n_positions"],
            1,
            u64::from(u32::MAX),
        )?,
        bias: false,
        ..Shape::default()
    })
}

pub(super) fn llama(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.qkv_bias = keys.truth("attention_bias").unwrap_or(false);
    shape.output_bias = shape.qkv_bias;
    window(keys, shape)
}

/// The window of models that use one in every block.
fn window(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    let used = keys.truth("use_sliding_window").unwrap_or(true);
    shape.window = keys.number(&["sliding_window"], 1, MOST)?.filter(|_| used);
    Ok(())
}

/// The window of models that list the blocks behind it, or have a rule.
pub(super) fn windowed(keys: &Keys<'_>, shape: &mut Shape, every: u64) -> Result<(), InputError> {
    window(keys, shape)?;
    match keys.blocks_of(shape.blocks, "sliding_attention")? {
        Some(listed) if listed.is_empty() => shape.window = None,
        Some(listed) => shape.windowed = listed,
        None => {
            let every = keys.number(&["sliding_window_pattern"], 1, BLOCKS_MOST)?.or(Some(every));
            shape.global_every = every;
        }
    }
    Ok(())
}

fn opt(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    // The table of positions starts at position 2.
    shape.positions = 2 + keys.needed(&["max_position_embeddings"], None)?;
    let width = keys.number(&["word_embed_proj_dim"], 1, MOST)?;
    shape.embedding = width.filter(|&width| width != shape.hidden);
    (shape.gate, shape.bias) = (false, true);
    shape.final_norm = keys.truth("do_layer_norm_before").unwrap_or(true);
    Ok(())
}

fn bloom(_: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.gate, shape.bias, shape.fused_qkv) = (false, true, true);
    shape.embedding_norm = true;
    Ok(())
}

fn falcon(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    let newer = keys.truth("new_decoder_architecture").unwrap_or(false);
    let one = keys.truth("multi_query").unwrap_or(true) && !newer;
    if one {
        shape.kv_heads = 1;
    }
    (shape.gate, shape.fused_qkv) = (false, true);
    shape.bias = keys.truth("bias").unwrap_or(false);
    shape.norm_bias = Some(true);
    let parallel = keys.truth("parallel_attn").unwrap_or(true);
    let norms = if newer || !parallel { 2 } else { 1 };
    shape.norms = keys.number(&["num_ln_in_parallel_attn"], 1, 2)?.unwrap_or(norms);
    Ok(())
}

fn gpt_neox(_: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.gate, shape.bias, shape.fused_qkv) = (false, true, true);
    Ok(())
}

fn starcoder2(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.gate = false;
    shape.bias = keys.truth("use_bias").unwrap_or(true);
    shape.norm_bias = Some(true);
    window(keys, shape)
}

fn phi3(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.fused_qkv, shape.fused_gate) = (true, true);
    window(keys, shape)
}

pub(super) fn qwen2(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.qkv_bias = true;
    window(keys, shape)
}

pub(super) fn qwen3(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    llama(keys, shape)?;
    shape.qk_norm = true;
    Ok(())
}

fn glm4(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.norms, shape.fused_gate) = (4, true);
    shape.qkv_bias = keys.truth("attention_bias").unwrap_or(false);
    Ok(())
}

fn gemma(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    match shape.architecture() {
        "gemma" => return Ok(()),
        "gemma2" => {
            shape.norms = 4;
            return windowed(keys, shape, 2);
        }
        _ => {}
    }
    (shape.norms, shape.qk_norm) = (4, true);
    windowed(keys, shape, 6)
}

fn gemma4(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    if keys.or_zero(&["hidden_size_per_layer_input"])? > 0 {
        let problem = "embeddings per layer are not supported; a GGUF file is";
        return Err(keys.error("hidden_size_per_layer_input", problem));
    }
    if keys.truth("enable_moe_block").unwrap_or(false) {
        let problem = "experts of this family are not supported; a GGUF file is";
        return Err(keys.error("enable_moe_block", problem));
    }
    (shape.norms, shape.qk_norm) = (4, true);
    shape.shared_kv = keys.or_zero(&["num_kv_shared_layers"])?;
    let kv_heads = keys.number(&["num_global_key_value_heads"], 1, shape.heads)?;
    let head_dim = keys.number(&["global_head_dim"], 1, MOST)?;
    let keys_as_values = keys.truth("attention_k_eq_v").unwrap_or(false);
    shape.global_heads = Some(GlobalHeads {
        kv_heads: kv_heads.filter(|_| keys_as_values).unwrap_or(shape.kv_heads),
        head_dim: head_dim.unwrap_or(shape.head_dim),
        keys_as_values,
    });
    windowed(keys, shape, 6)
}

fn cohere(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.norms = 1;
    shape.qkv_bias = keys.truth("attention_bias").unwrap_or(false);
    if keys.truth("use_qk_norm").unwrap_or(false) {
        // Every head has norms of its own.
        (shape.qk_norm, shape.whole_qk_norm) = (true, true);
    }
    match shape.architecture() {
        "cohere2" => windowed(keys, shape, 4),
        _ => Ok(()),
    }
}

fn olmo(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    // Norms without weights.
    (shape.norms, shape.final_norm) = (0, false);
    shape.qkv_bias = keys.truth("attention_bias").unwrap_or(false);
    Ok(())
}

pub(super) fn olmo2(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.qk_norm, shape.whole_qk_norm) = (true, true);
    windowed(keys, shape, 4)
}
