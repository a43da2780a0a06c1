//! The tensors of one block, in GGUF's names.

use super::kinds::{Experts, Latent, Recurrence, RecurrenceKind};
use super::{Shape, Tensors};
use crate::{Cache, Heads, LayerSpec, Part, TensorClass};

impl Shape {
    pub(super) fn block(&self, block: u64) -> LayerSpec {
        let mut tensors = Tensors::new(format!("blk.{block}."));
        let part = Part::Block(block as usize);
        let recurrence = self.recurrent.as_ref();
        let alone = |recurrence: &&Recurrence| recurrence.feed_forward.contains(&block);
        let mut layer = LayerSpec::without_attention(part, Vec::new());
        match recurrence {
            Some(recurrence) if alone(&recurrence) => {}
            Some(recurrence) if !recurrence.attends(block) => {
                self.recurrence(&mut tensors, recurrence);
                layer.cache.state = recurrence.state_elements(self.hidden);
            }
            _ => self.attention(&mut tensors, &mut layer, block),
        }
        let separate = recurrence.is_some_and(|recurrence| !recurrence.feed_forward.is_empty());
        if !separate || recurrence.as_ref().is_some_and(alone) {
            self.feed_forward(&mut tensors, block);
        }
        if separate {
            tensors.norm("attn_norm", self.hidden, self.norm_bias());
        } else {
            for name in self.norm_names() {
                tensors.norm(name, self.hidden, self.norm_bias());
            }
        }
        layer.tensors = tensors.found;
        layer
    }

    /// The norms of a block: before attention and feed-forward network, or behind each.
    fn norm_names(&self) -> &'static [&'static str] {
        match (self.norms, self.architecture()) {
            (0, _) => &[],
            (1, _) => &["attn_norm"],
            (2, "glm4moe" | "gpt-oss" | "qwen35" | "qwen35moe" | "qwen3next") => {
                &["attn_norm", "post_attention_norm"]
            }
            (2, "olmo2") => &["post_attention_norm", "post_ffw_norm"],
            (2, _) => &["attn_norm", "ffn_norm"],
            _ => &["attn_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm"],
        }
    }

    fn attention(&self, tensors: &mut Tensors, layer: &mut LayerSpec, block: u64) {
        let sees_all = match self.windowed.as_slice() {
            [] => self.global_every.is_some_and(|every| (block + 1).is_multiple_of(every.max(1))),
            listed => !listed.contains(&block),
        };
        // Engines of GGUF files know the windows of some architectures and pass over the others.
        let known = crate::gguf::has_windows(self.architecture());
        layer.window = self.window.filter(|_| known && !sees_all);
        if let Some(latent) = &self.latent {
            self.latent_attention(tensors, latent);
            layer.cache = Cache { keys: latent.rank + latent.rope, ..Cache::default() };
            // In decode the compressed cache is one key head that all queries share.
            let length = latent.rank + latent.rope;
            layer.attention = Some(Heads { query: self.heads, key: 1, length });
            return;
        }
        let global = self.global_heads.as_ref().filter(|_| layer.window.is_none());
        let (kv_heads, head_dim) = global
            .map_or((self.kv_heads, self.head_dim), |global| (global.kv_heads, global.head_dim));
        let (query, key) = (self.heads * head_dim, kv_heads * head_dim);
        let rows = if self.gated_query { 2 * query } else { query };
        let qkv_bias = self.bias || self.qkv_bias;
        if self.fused_qkv {
            let rows = query + 2 * key;
            tensors.projection(TensorClass::AttnQkv, (rows, self.hidden), qkv_bias);
        } else {
            tensors.projection(TensorClass::AttnQ, (rows, self.hidden), qkv_bias);
        }
        let own = block < self.blocks.saturating_sub(self.shared_kv);
        if !self.fused_qkv && own {
            tensors.projection(TensorClass::AttnK, (key, self.hidden), qkv_bias);
            if !global.is_some_and(|global| global.keys_as_values) {
                tensors.projection(TensorClass::AttnV, (key, self.hidden), qkv_bias);
            }
        }
        let bias = self.bias || self.output_bias;
        tensors.projection(TensorClass::AttnOutput, (self.hidden, query), bias);
        if self.qk_norm {
            let whole = self.whole_qk_norm;
            tensors.norm("attn_q_norm", if whole { query } else { head_dim }, false);
            if own {
                tensors.norm("attn_k_norm", if whole { key } else { head_dim }, false);
            }
        }
        if self.sinks {
            tensors.fixed("attn_sinks.weight", TensorClass::Other, (1, self.heads));
        }
        let cached = if own { key } else { 0 };
        layer.cache = Cache { keys: cached, values: cached, ..Cache::default() };
        layer.attention = Some(Heads { query: self.heads, key: kv_heads, length: head_dim });
    }

    fn latent_attention(&self, tensors: &mut Tensors, latent: &Latent) {
        let Latent { query_rank, rank, rope, nope, value } = *latent;
        let (hidden, heads) = (self.hidden, self.heads);
        let query = heads * (nope + rope);
        match query_rank {
            Some(length) => {
                tensors.projection(TensorClass::AttnQA, (length, hidden), false);
                tensors.norm("attn_q_a_norm", length, false);
                tensors.projection(TensorClass::AttnQB, (query, length), false);
            }
            None => tensors.projection(TensorClass::AttnQ, (query, hidden), false),
        }
        tensors.projection(TensorClass::AttnKvA, (rank + rope, hidden), false);
        tensors.norm("attn_kv_a_norm", rank, false);
        // As llama.cpp stores it since April 2025: keys transposed, so that they need not expand.
        tensors.projection(TensorClass::AttnKB, (heads * rank, nope), false);
        tensors.projection(TensorClass::AttnVB, (heads * value, rank), false);
        tensors.projection(TensorClass::AttnOutput, (hidden, heads * value), false);
    }

    fn recurrence(&self, tensors: &mut Tensors, recurrence: &Recurrence) {
        let Recurrence { kind, kernel, inner, state, groups, heads, .. } = *recurrence;
        let hidden = self.hidden;
        let channels = inner + recurrence.keys();
        match kind {
            RecurrenceKind::GatedDeltaNet => {
                tensors.projection(TensorClass::AttnQkv, (channels, hidden), false);
                tensors.projection(TensorClass::AttnGate, (inner, hidden), false);
                if self.architecture() == "qwen3next" {
                    tensors.projection(TensorClass::SsmBa, (2 * heads, hidden), false);
                } else {
                    tensors.projection(TensorClass::SsmAlpha, (heads, hidden), false);
                    tensors.projection(TensorClass::SsmBeta, (heads, hidden), false);
                }
                tensors.fixed("ssm_conv1d.weight", TensorClass::Other, (channels, kernel));
                tensors.fixed("ssm_dt.bias", TensorClass::Bias, (1, heads));
                tensors.fixed("ssm_a", TensorClass::Other, (1, heads));
                tensors.norm("ssm_norm", state, false);
                tensors.projection(TensorClass::SsmOut, (hidden, inner), false);
            }
            RecurrenceKind::Mamba2 => {
                let rows = inner + channels + heads;
                tensors.projection(TensorClass::SsmIn, (rows, hidden), false);
                tensors.fixed("ssm_conv1d.weight", TensorClass::Other, (channels, kernel));
                tensors.fixed("ssm_conv1d.bias", TensorClass::Bias, (1, channels));
                tensors.fixed("ssm_dt.bias", TensorClass::Bias, (1, heads));
                tensors.fixed("ssm_a", TensorClass::Other, (heads, 1));
                tensors.fixed("ssm_d", TensorClass::Other, (heads, 1));
                tensors.fixed(
                    "ssm_norm.weight",
                    TensorClass::Norm,
                    (groups, inner / groups.max(1)),
                );
                tensors.projection(TensorClass::SsmOut, (hidden, inner), false);
            }
            RecurrenceKind::ShortConvolution => {
                tensors.projection(TensorClass::ShortconvIn, (3 * hidden, hidden), false);
                tensors.fixed("shortconv.conv.weight", TensorClass::Other, (hidden, kernel));
                tensors.projection(TensorClass::ShortconvOut, (hidden, hidden), false);
            }
        }
    }

    fn feed_forward(&self, tensors: &mut Tensors, block: u64) {
        let experts = self.experts.as_ref().filter(|experts| experts.in_block(block));
        if experts.is_none_or(|experts| experts.beside_dense) {
            let (hidden, ffn, bias) = (self.hidden, self.ffn, self.bias);
            if self.gate && !self.fused_gate {
                tensors.projection(TensorClass::FfnGate, (ffn, hidden), bias);
            }
            let rows = if self.fused_gate { 2 * ffn } else { ffn };
            tensors.projection(TensorClass::FfnUp, (rows, hidden), bias);
            tensors.projection(TensorClass::FfnDown, (hidden, ffn), bias);
        }
        if let Some(experts) = experts {
            self.experts(tensors, experts);
        }
    }

    fn experts(&self, tensors: &mut Tensors, experts: &Experts) {
        let (hidden, count) = (self.hidden, experts.count);
        tensors.fixed("ffn_gate_inp.weight", TensorClass::Router, (count, hidden));
        if experts.bias {
            tensors.fixed("ffn_gate_inp.bias", TensorClass::Bias, (1, count));
        }
        if experts.choice_bias {
            tensors.fixed("exp_probs_b.bias", TensorClass::Bias, (1, count));
        }
        let mut add = |class: TensorClass, (rows, row_len): (u64, u64)| {
            tensors.matrix(class.name(), class, (count * rows, row_len));
            if let Some(tensor) = tensors.found.last_mut() {
                tensor.experts = (experts.used < count).then_some((experts.used, count));
                tensor.native = experts.stored;
                tensor.quantizable = experts.stored.is_none();
            }
            if experts.bias {
                let name = format!("{}.bias", class.name());
                tensors.fixed(&name, TensorClass::Bias, (count, rows));
            }
        };
        if self.gate {
            add(TensorClass::FfnGateExps, (experts.ffn, hidden));
        }
        add(TensorClass::FfnUpExps, (experts.ffn, hidden));
        add(TensorClass::FfnDownExps, (hidden, experts.ffn));
        if experts.shared > 0 {
            if self.gate {
                tensors.projection(TensorClass::FfnGateShexp, (experts.shared, hidden), false);
            }
            tensors.projection(TensorClass::FfnUpShexp, (experts.shared, hidden), false);
            tensors.projection(TensorClass::FfnDownShexp, (hidden, experts.shared), false);
        }
        if experts.shared_gate {
            tensors.fixed("ffn_gate_inp_shexp.weight", TensorClass::Router, (1, hidden));
        }
    }
}
