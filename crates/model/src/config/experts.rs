//! Families with experts.

use super::families::{BLOCKS_MOST, llama, qwen2, qwen3, windowed};
use super::keys::{Keys, MOST};
use crate::Shape;
use crate::shape::{Experts, Latent};
use edgeplan_files::InputError;

pub(super) fn qwen_experts(keys: &Keys<'_>) -> Result<Option<Experts>, InputError> {
    let Some(count) = keys.number(&["num_experts"], 1, MOST)? else { return Ok(None) };
    let shared = keys.or_zero(&["shared_expert_intermediate_size"])?;
    Ok(Some(Experts {
        count,
        used: keys.needed(&["num_experts_per_tok"], None)?,
        ffn: keys.needed(&["moe_intermediate_size"], None)?,
        shared,
        shared_gate: shared > 0,
        every: keys.number(&["decoder_sparse_step"], 1, BLOCKS_MOST)?.unwrap_or(1),
        ..none()
    }))
}

pub(super) fn qwen2_moe(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    qwen2(keys, shape)?;
    shape.experts = qwen_experts(keys)?;
    Ok(())
}

pub(super) fn qwen3_moe(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    qwen3(keys, shape)?;
    shape.experts = qwen_experts(keys)?;
    Ok(())
}

/// No experts yet.
pub(super) fn none() -> Experts {
    Experts::in_every_block(0, 0, 0)
}

/// Experts under the names of Mixtral, which have the feed-forward network's length.
pub(super) fn local_experts(keys: &Keys<'_>, shape: &Shape) -> Result<Experts, InputError> {
    Ok(Experts {
        count: keys.needed(&["num_local_experts", "num_experts"], None)?,
        used: keys.needed(&["num_experts_per_tok", "experts_per_token"], None)?,
        ffn: shape.ffn,
        ..none()
    })
}

pub(super) fn mixtral(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    llama(keys, shape)?;
    shape.experts = Some(local_experts(keys, shape)?);
    Ok(())
}

pub(super) fn minimax(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.qk_norm = keys.truth("use_qk_norm").unwrap_or(true);
    shape.whole_qk_norm = true;
    let choice_bias = keys.truth("use_routing_bias").unwrap_or(true);
    shape.experts = Some(Experts { choice_bias, ..local_experts(keys, shape)? });
    Ok(())
}

pub(super) fn gpt_oss(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.qkv_bias, shape.output_bias, shape.sinks) = (true, true, true);
    shape.experts = Some(Experts { bias: true, ..local_experts(keys, shape)? });
    windowed(keys, shape, 2)
}

pub(super) fn granite_moe(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.experts = Some(local_experts(keys, shape)?);
    Ok(())
}

pub(super) fn glm4_moe(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.qkv_bias = keys.truth("attention_bias").unwrap_or(false);
    shape.qk_norm = keys.truth("use_qk_norm").unwrap_or(false);
    shape.experts = deepseek_experts(keys, true)?;
    Ok(())
}

pub(super) fn deepseek_experts(
    keys: &Keys<'_>,
    choice_bias: bool,
) -> Result<Option<Experts>, InputError> {
    let Some(count) = keys.number(&["n_routed_experts"], 1, MOST)? else { return Ok(None) };
    let ffn = keys.needed(&["moe_intermediate_size"], None)?;
    Ok(Some(Experts {
        count,
        used: keys.needed(&["num_experts_per_tok"], None)?,
        ffn,
        shared: ffn.saturating_mul(keys.or_zero(&["n_shared_experts"])?),
        dense_first: keys.or_zero(&["first_k_dense_replace"])?,
        every: keys.number(&["moe_layer_freq"], 1, BLOCKS_MOST)?.unwrap_or(1),
        choice_bias,
        ..none()
    }))
}

pub(super) fn deepseek(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    let choice = keys.text("topk_method") == Some("noaux_tc");
    shape.experts = deepseek_experts(keys, choice)?;
    shape.latent = Some(Latent {
        query_rank: keys.number(&["q_lora_rank"], 1, MOST)?,
        rank: keys.needed(&["kv_lora_rank"], None)?,
        rope: keys.needed(&["qk_rope_head_dim"], None)?,
        nope: keys.needed(&["qk_nope_head_dim"], None)?,
        value: keys.needed(&["v_head_dim"], None)?,
    });
    Ok(())
}

pub(super) fn llama4(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    let experts = local_experts(keys, shape)?;
    let every = keys.number(&["interleave_moe_layer_step"], 1, BLOCKS_MOST)?.unwrap_or(1);
    shape.experts = Some(Experts { shared: experts.ffn, every, ..experts });
    shape.ffn = keys.needed(&["intermediate_size_mlp"], Some(shape.ffn))?;
    shape.window = keys.number(&["attention_chunk_size"], 1, MOST)?;
    shape.global_every = Some(4);
    Ok(())
}

pub(super) fn olmoe(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.qk_norm, shape.whole_qk_norm) = (true, true);
    shape.experts = Some(local_experts(keys, shape)?);
    Ok(())
}
