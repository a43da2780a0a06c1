//! Models of other tools, and what formats cost them.

use std::path::Path;

use edgeplan_files::InputError;
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::{measured::MeasuredSensitivity, suite};
use edgeplan_pricing::workload::Workload;
use edgeplan_quality::Folder;

use crate::place::{with_file, with_files};
use crate::samples::{self, CONFIG, ask, home, model};

fn load(path: &Path) -> Result<ModelSpec, InputError> {
    edgeplan_model::load(&path.display().to_string())
}

/// Prices a model if it is one.
fn priced(found: Result<ModelSpec, InputError>) {
    if let Ok(model) = found {
        assert!(model.layers.len() > 2 && model.parameters() > 0);
        // More blocks than any model has only take time.
        if model.layers.len() < 300 {
            ask(&model, home(), &Workload::default());
        }
    }
}

pub(crate) fn gguf(bytes: &[u8]) {
    priced(with_file("x.gguf", bytes, load));
}

pub(crate) fn gguf_seeds() -> Vec<Vec<u8>> {
    // ggml's numbers of f16, q4_K and iq4_xs.
    [1, 12, 23].map(samples::gguf).into()
}

pub(crate) fn config(bytes: &[u8]) {
    priced(with_file("config.json", bytes, load));
}

pub(crate) fn config_seeds() -> Vec<Vec<u8>> {
    let gemma = r#"{"model_type": "gemma3_text", "num_hidden_layers": 2, "hidden_size": 256,
        "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
        "head_dim": 64, "vocab_size": 1000, "sliding_window": 16, "sliding_window_pattern": 6,
        "tie_word_embeddings": false, "attention_bias": true, "max_position_embeddings": 64}"#;
    vec![CONFIG.into(), gemma.into()]
}

pub(crate) fn distilp(bytes: &[u8]) {
    priced(with_file("model.json", bytes, load));
}

pub(crate) fn distilp_seeds() -> Vec<Vec<u8>> {
    let model = r#"{"L": 2, "e_embed": 512, "hk": 2, "ek": 128, "hv": 2, "ev": 128, "V": 1000,
        "seq_len": 10, "b": [0, 1, 1], "is_moe": false,
        "f_q": {"prefill": {}, "decode": {"b_1": [0.0, 4739072.0, 4739072.0]}}}"#;
    vec![model.into()]
}

/// A llama whose tensors are as small as can be.
const TINY: &str = r#"{"model_type": "llama", "num_hidden_layers": 1, "hidden_size": 4,
    "intermediate_size": 4, "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 4,
    "tie_word_embeddings": true, "rms_norm_eps": 1e-5, "max_position_embeddings": 8}"#;

pub(crate) fn safetensors(bytes: &[u8]) {
    let files = [("config.json", TINY.as_bytes()), ("model.safetensors", bytes)];
    with_files(&files, |folder| {
        if let Ok(mut opened) = Folder::open(folder) {
            // Reads every tensor that the header tells of.
            drop(opened.decoder(4));
        }
    });
}

pub(crate) fn safetensors_seeds() -> Vec<Vec<u8>> {
    let square = |name: &str| (format!("model.layers.0.{name}.weight"), vec![4, 4]);
    let vector = |name: &str| (format!("model.{name}.weight"), vec![4]);
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![4, 4]),
        vector("norm"),
        vector("layers.0.input_layernorm"),
        vector("layers.0.post_attention_layernorm"),
    ];
    tensors.extend(
        ["q_proj", "k_proj", "v_proj", "o_proj"].map(|n| square(&format!("self_attn.{n}"))),
    );
    tensors.extend(["gate_proj", "up_proj", "down_proj"].map(|n| square(&format!("mlp.{n}"))));
    let data = [0; 4 * 4 * 4];
    let view = |shape: &Vec<usize>| {
        let bytes = 4 * shape.iter().product::<usize>();
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), &data[..bytes])
            .expect("as many bytes as elements")
    };
    let views = tensors.iter().map(|(name, shape)| (name, view(shape)));
    let good = safetensors::serialize(views, None).expect("a small file");
    // Sizes whose sum with the header is beyond 2^64.
    let header = format!(
        r#"{{"a.rotary_emb.inv_freq":{{"dtype":"U8","shape":[{0}],"data_offsets":[0,{0}]}}}}"#,
        u64::MAX
    );
    let wraps = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    vec![good, wraps, u64::MAX.to_le_bytes().into()]
}

pub(crate) fn sensitivity(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(sensed) = MeasuredSensitivity::parse("s.jsonl", &text)
        && let Ok(measured) = sensed.attach(model().clone())
    {
        ask(&measured, home(), &Workload::default());
    }
}

const HEADER: &str =
    r#"{"schema":"edgeplan-sensitivity/1","model":"m","source":"s","tokens":1,"context":1}"#;

pub(crate) fn sensitivity_seeds() -> Vec<Vec<u8>> {
    let tensors = model().layers.iter().flat_map(|layer| &layer.tensors);
    let rows = tensors.filter(|tensor| tensor.quantizable).map(|tensor| {
        let rows = ["q4_0", "q8_0"].map(|format| {
            let numbers = r#""weight_difference":0.01,"variance":0.001,"kl_nats":0.002"#;
            let name = &tensor.name;
            format!(r#"{{"tensor":"{name}","format":"{format}","norm":1.5,{numbers}}}"#)
        });
        rows.join("\n")
    });
    let lines: Vec<String> = std::iter::once(HEADER.to_owned()).chain(rows).collect();
    let mix = r#"{"mix":3,"kl_nats":0.1,"loss_change_nats":-0.5}"#;
    vec![(lines.join("\n") + "\n").into(), format!("{HEADER}\n{mix}\n").into()]
}

/// The table of tensors, a zero byte, the table of whole models.
pub(crate) fn import_sensitivity(bytes: &[u8]) {
    let (tensors, whole) =
        bytes.split_at(bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len()));
    let whole = whole.get(1..).unwrap_or_default();
    with_files(&[("kld_results.csv", tensors), ("whole.csv", whole)], |folder| {
        let at = |name: &str| folder.join(name);
        // What is written is what can be read: the importer's promise.
        if let Ok(text) = suite::import(model(), &at("kld_results.csv"), &at("whole.csv"), "q4_k") {
            let sensed = MeasuredSensitivity::parse("s.jsonl", &text)
                .expect("an importer writes what is read");
            sensed.attach(model().clone()).expect("every tensor was imported");
        }
    });
}

pub(crate) fn import_sensitivity_seeds() -> Vec<Vec<u8>> {
    let tensors = model().layers.iter().flat_map(|layer| &layer.tensors);
    let names: Vec<&str> =
        tensors.filter(|tensor| tensor.quantizable).map(|tensor| tensor.name.as_str()).collect();
    let values = vec!["0.004"; names.len()].join(",");
    let by_tensor = format!("QTYPE,{}\nq4_k,{values}\n", names.join(","));
    let doubled = format!("{by_tensor}q4_K,{values}\n");
    let whole = "QTYPE,group0\nq4_k,0.05\nq8_0,0.001\niq1_kt,3\n";
    [by_tensor, doubled].map(|tensors| format!("{tensors}\0{whole}").into_bytes()).into()
}
