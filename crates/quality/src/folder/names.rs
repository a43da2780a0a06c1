//! What Hugging Face calls the tensors that GGUF names otherwise.

/// Names of a family, after these prefixes: ours, theirs.
pub(super) struct Names {
    /// Before everything but the head.
    prefix: &'static str,
    whole: &'static [(&'static str, &'static str)],
    /// In a block.
    block: &'static [(&'static str, &'static str)],
}

/// `transformers/models/llama/modeling_llama.py`; mistral and qwen2 have the same.
pub(super) const LLAMA: Names = Names {
    prefix: "model.",
    whole: &[("token_embd", "embed_tokens"), ("output_norm", "norm"), ("output", "lm_head")],
    block: &[
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("attn_norm", "input_layernorm"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
        ("ffn_norm", "post_attention_layernorm"),
    ],
};

/// `transformers/models/opt/modeling_opt.py`.
pub(super) const OPT: Names = Names {
    prefix: "model.decoder.",
    whole: &[
        ("token_embd", "embed_tokens"),
        ("position_embd", "embed_positions"),
        ("project_in", "project_in"),
        ("project_out", "project_out"),
        ("output_norm", "final_layer_norm"),
        ("output", "lm_head"),
    ],
    block: &[
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.out_proj"),
        ("attn_norm", "self_attn_layer_norm"),
        ("ffn_up", "fc1"),
        ("ffn_down", "fc2"),
        ("ffn_norm", "final_layer_norm"),
    ],
};

impl Names {
    /// Their name of a tensor: `blk.3.attn_q.weight` is `model.layers.3.self_attn.q_proj.weight`.
    /// A name that they do not know stays.
    pub(super) fn theirs(&self, ours: &str) -> String {
        let Some((stem, suffix)) = ours.rsplit_once('.') else { return ours.into() };
        let find = |names: &[(&str, &'static str)], stem: &str| {
            names.iter().find(|(known, _)| *known == stem).map(|(_, theirs)| *theirs)
        };
        let block = stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
        let theirs = match block {
            Some((block, stem)) => {
                find(self.block, stem).map(|theirs| format!("layers.{block}.{theirs}"))
            }
            None => find(self.whole, stem).map(str::to_owned),
        };
        match theirs {
            Some(head) if head == "lm_head" => format!("{head}.{suffix}"),
            Some(theirs) => format!("{}{theirs}.{suffix}", self.prefix),
            None => ours.into(),
        }
    }

    /// Their name without what stands before all names but the head's: base models are stored
    /// without the `model.` of those with a head.
    pub(super) fn bare(theirs: &str) -> &str {
        theirs.strip_prefix("model.").unwrap_or(theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_their_sources() {
        let cases = [
            (LLAMA, "blk.3.attn_q.weight", "model.layers.3.self_attn.q_proj.weight"),
            (LLAMA, "blk.12.ffn_norm.weight", "model.layers.12.post_attention_layernorm.weight"),
            (LLAMA, "output.weight", "lm_head.weight"),
            (OPT, "blk.0.attn_output.bias", "model.decoder.layers.0.self_attn.out_proj.bias"),
            (OPT, "blk.1.ffn_norm.bias", "model.decoder.layers.1.final_layer_norm.bias"),
            (OPT, "position_embd.weight", "model.decoder.embed_positions.weight"),
        ];
        for (names, ours, theirs) in cases {
            assert_eq!(names.theirs(ours), theirs);
        }
        assert_eq!(Names::bare("model.decoder.project_in.weight"), "decoder.project_in.weight");
    }
}
