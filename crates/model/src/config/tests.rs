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

/// Keys as the publishers' files have them (re-typed, those that tell sizes), and
/// the model of the catalog with the same shape, whose total is the published one.
const PUBLISHED: [(&str, &str); 22] = [
    (
        "qwen3-30b-a3b",
        r#"{"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144,
        "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4,
        "head_dim": 128, "vocab_size": 151936, "num_experts": 128, "num_experts_per_tok": 8,
        "moe_intermediate_size": 768, "decoder_sparse_step": 1, "attention_bias": false,
        "tie_word_embeddings": false, "use_sliding_window": false, "sliding_window": null,
        "max_position_embeddings": 40960}"#,
    ),
    (
        "gpt-oss-20b",
        r#"{"model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880,
        "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8,
        "head_dim": 64, "vocab_size": 201088, "num_local_experts": 32, "experts_per_token": 4,
        "num_experts_per_tok": 4, "sliding_window": 128, "attention_bias": true,
        "max_position_embeddings": 131072, "quantization_config": {"quant_method": "mxfp4"}}"#,
    ),
    (
        "deepseek-v3",
        r#"{"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432,
        "num_hidden_layers": 61, "num_attention_heads": 128, "num_key_value_heads": 128,
        "vocab_size": 129280, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 256,
        "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 2048,
        "first_k_dense_replace": 3, "moe_layer_freq": 1, "topk_method": "noaux_tc",
        "num_nextn_predict_layers": 1, "quantization_config": {"quant_method": "fp8"}}"#,
    ),
    (
        "deepseek-v2-lite",
        r#"{"model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944,
        "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16,
        "vocab_size": 102400, "q_lora_rank": null, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408,
        "first_k_dense_replace": 1, "topk_method": "greedy"}"#,
    ),
    (
        "mixtral-8x7b",
        r#"{"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "vocab_size": 32000, "num_local_experts": 8, "num_experts_per_tok": 2}"#,
    ),
    (
        "glm-4.5-air",
        r#"{"model_type": "glm4_moe", "hidden_size": 4096, "intermediate_size": 10944,
        "num_hidden_layers": 46, "num_attention_heads": 96, "num_key_value_heads": 8,
        "head_dim": 128, "vocab_size": 151552, "n_routed_experts": 128, "n_shared_experts": 1,
        "num_experts_per_tok": 8, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
        "attention_bias": true, "use_qk_norm": false, "num_nextn_predict_layers": 1}"#,
    ),
    (
        "qwen3-next-80b-a3b",
        r#"{"model_type": "qwen3_next", "hidden_size": 2048, "intermediate_size": 5120,
        "num_hidden_layers": 48, "num_attention_heads": 16, "num_key_value_heads": 2,
        "head_dim": 256, "vocab_size": 151936, "num_experts": 512, "num_experts_per_tok": 10,
        "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
        "full_attention_interval": 4, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
        "linear_num_key_heads": 16, "linear_num_value_heads": 32,
        "linear_value_head_dim": 128}"#,
    ),
    (
        "gemma-3-27b",
        r#"{"model_type": "gemma3", "text_config": {"model_type": "gemma3_text",
        "hidden_size": 5376, "intermediate_size": 21504, "num_hidden_layers": 62,
        "num_attention_heads": 32, "num_key_value_heads": 16, "head_dim": 128,
        "vocab_size": 262144, "sliding_window": 1024}, "vision_config": {"hidden_size": 1152}}"#,
    ),
    (
        "gemma-3-4b",
        r#"{"model_type": "gemma3", "text_config": {"model_type": "gemma3_text",
        "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
        "vocab_size": 262144, "sliding_window": 1024}}"#,
    ),
    (
        "gemma-2-9b",
        r#"{"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336,
        "num_hidden_layers": 42, "num_attention_heads": 16, "num_key_value_heads": 8,
        "head_dim": 256, "vocab_size": 256000, "sliding_window": 4096}"#,
    ),
    (
        "phi-3-mini-4k",
        r#"{"model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "vocab_size": 32064, "sliding_window": 2047}"#,
    ),
    (
        "command-r-35b",
        r#"{"model_type": "cohere", "hidden_size": 8192, "intermediate_size": 22528,
        "num_hidden_layers": 40, "num_attention_heads": 64, "num_key_value_heads": 64,
        "vocab_size": 256000, "use_qk_norm": false}"#,
    ),
    (
        "command-r7b",
        r#"{"model_type": "cohere2", "hidden_size": 4096, "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "vocab_size": 256000, "sliding_window": 4096, "sliding_window_pattern": 4}"#,
    ),
    (
        "falcon-7b",
        r#"{"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32,
        "num_attention_heads": 71, "vocab_size": 65024, "multi_query": true, "bias": false,
        "new_decoder_architecture": false, "parallel_attn": true}"#,
    ),
    (
        "gpt-neox-20b",
        r#"{"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576,
        "num_hidden_layers": 44, "num_attention_heads": 64, "vocab_size": 50432}"#,
    ),
    (
        "starcoder2-7b",
        r#"{"model_type": "starcoder2", "hidden_size": 4608, "intermediate_size": 18432,
        "num_hidden_layers": 32, "num_attention_heads": 36, "num_key_value_heads": 4,
        "vocab_size": 49152, "use_bias": true, "sliding_window": 4096,
        "tie_word_embeddings": true}"#,
    ),
    (
        "olmo-2-7b",
        r#"{"model_type": "olmo2", "hidden_size": 4096, "intermediate_size": 11008,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "vocab_size": 100352}"#,
    ),
    (
        "granite-4.0-h-tiny",
        r#"{"model_type": "granitemoehybrid", "hidden_size": 1536, "intermediate_size": 512,
        "num_hidden_layers": 40, "num_attention_heads": 12, "num_key_value_heads": 4,
        "vocab_size": 100352, "num_local_experts": 64, "num_experts_per_tok": 6,
        "shared_intermediate_size": 1024, "mamba_d_conv": 4, "mamba_d_head": 64,
        "mamba_d_state": 128, "mamba_n_groups": 1, "mamba_n_heads": 48,
        "tie_word_embeddings": true, "layer_types": TYPES}"#,
    ),
    (
        "nemotron-nano-9b-v2",
        r#"{"model_type": "nemotron_h", "hidden_size": 4480, "intermediate_size": 15680,
        "num_hidden_layers": 56, "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "vocab_size": 131072, "conv_kernel": 4, "mamba_head_dim": 80,
        "mamba_num_heads": 128, "n_groups": 8, "ssm_state_size": 128, "hybrid_override_pattern":
        "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"}"#,
    ),
    (
        "lfm2-1.2b",
        r#"{"model_type": "lfm2", "hidden_size": 2048, "intermediate_size": 12288,
        "block_auto_adjust_ff_dim": true, "block_ff_dim": 12288, "block_multiple_of": 256,
        "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
        "vocab_size": 65536, "conv_L_cache": 3, "full_attn_idxs": [2, 5, 8, 10, 12, 14]}"#,
    ),
    (
        "minimax-m2",
        r#"{"model_type": "minimax_m2", "hidden_size": 3072, "intermediate_size": 1536,
        "num_hidden_layers": 62, "num_attention_heads": 48, "num_key_value_heads": 8,
        "head_dim": 128, "vocab_size": 200064, "num_local_experts": 256,
        "num_experts_per_tok": 8, "use_qk_norm": true, "use_routing_bias": true}"#,
    ),
    (
        "llama-4-scout",
        r#"{"model_type": "llama4", "text_config": {"model_type": "llama4_text",
        "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
        "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8,
        "head_dim": 128, "vocab_size": 202048, "num_local_experts": 16,
        "num_experts_per_tok": 1, "interleave_moe_layer_step": 1,
        "attention_chunk_size": 8192}}"#,
    ),
];

/// Granite 4.0's blocks: attention in every tenth, from the sixth.
fn types() -> String {
    let kinds: Vec<&str> =
        (0..40).map(|block| if block % 10 == 5 { "attention" } else { "mamba" }).collect();
    serde_json::to_string(&kinds).unwrap()
}

#[test]
fn published_configs_have_the_published_totals() {
    for (name, text) in PUBLISHED {
        let found = parse("config.json", &text.replace("TYPES", &types())).unwrap();
        let known = crate::load(&format!("catalog:{name}")).unwrap();
        assert_eq!(found.parameters(), known.parameters(), "{name}");
        let caches = |model: &ModelSpec| -> Vec<_> {
            model.layers.iter().map(|layer| (layer.cache, layer.window)).collect()
        };
        assert_eq!(caches(&found), caches(&known), "{name}");
    }
}

#[test]
fn a_quantized_checkpoint_says_so() {
    let (_, text) = PUBLISHED[1];
    let notes = parse("config.json", text).unwrap().notes;
    assert!(notes.is_empty(), "its experts keep what they have: {notes:?}");
    let kept = parse("config.json", text).unwrap().kept();
    let known = crate::load("catalog:gpt-oss-20b").unwrap().kept();
    assert!(kept == known && kept.len() == 3, "{kept:?}");
    let floats = text.replace("quantization_config", "_");
    assert!(parse("config.json", &floats).unwrap().kept().is_empty());
    let awq = TINY.replace(
        "\"torch_dtype\": \"bfloat16\"",
        "\"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4}",
    );
    assert!(parse("config.json", &awq).unwrap().notes[0].contains("awq, 4 bits"));
}

#[test]
fn a_list_of_layer_types_is_believed() {
    let list = |kinds: &str| {
        TINY.replace("llama", "gpt_oss").replace(
            "\"torch_dtype\": \"bfloat16\"",
            &format!(
                "\"num_local_experts\": 4, \"num_experts_per_tok\": 2, \"sliding_window\": 128, \
                 \"layer_types\": {kinds}"
            ),
        )
    };
    let mut kinds = vec!["full_attention"; 22];
    kinds[3] = "sliding_attention";
    let model = parse("config.json", &list(&serde_json::to_string(&kinds).unwrap())).unwrap();
    let behind = |layer: &crate::LayerSpec| layer.window.is_some();
    assert_eq!(model.layers.iter().position(behind), Some(4));
    assert_eq!(model.layers.iter().filter(|layer| behind(layer)).count(), 1);
    let error = parse("config.json", &list("[1]")).unwrap_err().to_string();
    assert!(error.contains("layer_types: a list of 22 words is needed"), "{error}");
}
