//! Families with recurrences between their attention.

use super::experts::{local_experts, qwen_experts};
use super::families::BLOCKS_MOST;
use super::keys::Keys;
use crate::Shape;
use crate::shape::{Experts, Recurrence, RecurrenceKind};
use edgeplan_files::InputError;

/// Qwen3-Next and what followed: three of four blocks are gated delta nets.
pub(super) fn qwen3_next(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    (shape.qk_norm, shape.gated_query) = (true, true);
    shape.experts = qwen_experts(keys)?;
    let heads = keys.needed(&["linear_num_value_heads"], None)?;
    let every = keys.number(&["full_attention_interval"], 1, BLOCKS_MOST)?.unwrap_or(4);
    let attention = keys.blocks_of(shape.blocks, "full_attention")?;
    shape.recurrent = Some(Recurrence {
        kind: RecurrenceKind::GatedDeltaNet,
        kernel: keys.needed(&["linear_conv_kernel_dim"], None)?,
        inner: heads.saturating_mul(keys.needed(&["linear_value_head_dim"], None)?),
        state: keys.needed(&["linear_key_head_dim"], None)?,
        groups: keys.needed(&["linear_num_key_heads"], None)?,
        heads,
        attention_every: attention.is_none().then_some(every),
        attention: attention.unwrap_or_default(),
        feed_forward: Vec::new(),
    });
    Ok(())
}

pub(super) fn granite_hybrid(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    let shared = keys.or_zero(&["shared_intermediate_size"])?;
    match keys.or_zero(&["num_local_experts"])? {
        // A dense model's only network is called the shared one.
        0 if shared > 0 => shape.ffn = shared,
        0 => {}
        _ => shape.experts = Some(Experts { shared, ..local_experts(keys, shape)? }),
    }
    let Some(attention) = keys.blocks_of(shape.blocks, "attention")? else { return Ok(()) };
    if attention.len() as u64 == shape.blocks {
        return Ok(());
    }
    let heads = keys.needed(&["mamba_n_heads"], None)?;
    shape.recurrent = Some(Recurrence {
        kind: RecurrenceKind::Mamba2,
        kernel: keys.needed(&["mamba_d_conv"], Some(4))?,
        inner: heads.saturating_mul(keys.needed(&["mamba_d_head"], None)?),
        state: keys.needed(&["mamba_d_state"], None)?,
        groups: keys.needed(&["mamba_n_groups"], Some(1))?,
        heads,
        attention_every: None,
        attention,
        feed_forward: Vec::new(),
    });
    Ok(())
}

/// Mamba 2, attention and feed-forward networks, each a block of its own, in the order of a word.
pub(super) fn nemotron_h(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    let word = keys.text("hybrid_override_pattern").unwrap_or_default();
    if word.chars().count() as u64 != shape.blocks || word.contains(|kind| !"M*-".contains(kind)) {
        let problem = format!("a word of {} letters `M`, `*` and `-` is needed", shape.blocks);
        return Err(keys.error("hybrid_override_pattern", problem));
    }
    let blocks = |wanted: char| {
        let kinds = (0..shape.blocks).zip(word.chars());
        kinds.filter(|(_, kind)| *kind == wanted).map(|(block, _)| block).collect()
    };
    let heads = keys.needed(&["mamba_num_heads"], None)?;
    let recurrence = Recurrence {
        kind: RecurrenceKind::Mamba2,
        kernel: keys.needed(&["conv_kernel"], Some(4))?,
        inner: heads.saturating_mul(keys.needed(&["mamba_head_dim"], None)?),
        state: keys.needed(&["ssm_state_size"], None)?,
        groups: keys.needed(&["n_groups"], None)?,
        heads,
        attention_every: None,
        attention: blocks('*'),
        feed_forward: blocks('-'),
    };
    shape.recurrent = Some(recurrence);
    shape.gate = false;
    Ok(())
}

pub(super) fn lfm2(keys: &Keys<'_>, shape: &mut Shape) -> Result<(), InputError> {
    shape.qk_norm = true;
    if keys.truth("block_auto_adjust_ff_dim").unwrap_or(false) {
        // Two thirds, as LLaMA has them, rounded up.
        let multiple = keys.needed(&["block_multiple_of"], Some(256))?;
        let width = keys.needed(&["block_ff_dim"], Some(shape.ffn))?;
        shape.ffn = (2 * width / 3).next_multiple_of(multiple);
    }
    shape.tied = keys.truth("tie_embedding").or(keys.truth("tie_word_embeddings")).unwrap_or(true);
    let listed = match keys.value(&["full_attn_idxs"]).and_then(serde_json::Value::as_array) {
        Some(list) => list.iter().map(serde_json::Value::as_u64).collect::<Option<Vec<u64>>>(),
        None => keys.blocks_of(shape.blocks, "full_attention")?,
    };
    let attention = listed.ok_or_else(|| keys.error("layer_types", "is missing"))?;
    shape.recurrent = Some(Recurrence {
        kind: RecurrenceKind::ShortConvolution,
        kernel: keys.needed(&["conv_L_cache"], Some(3))?,
        inner: 0,
        state: 0,
        groups: 0,
        heads: 0,
        attention_every: None,
        attention,
        feed_forward: Vec::new(),
    });
    Ok(())
}
