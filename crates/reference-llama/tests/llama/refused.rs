//! Files that are no llama, or not whole: one message that names file, key or tensor.

use std::path::Path;

use edgeplan_model::gguf::draft::{Draft, Tensor, Value};
use edgeplan_model::{Shape, gguf};
use edgeplan_problem::format::Format;
use edgeplan_reference_llama::random::Random;
use edgeplan_reference_llama::{Device, Model};

use crate::made::{Made, tiny};

/// What the engine says of a file.
fn complaint(path: &Path) -> String {
    Model::load(path, &Device::Cpu).map(|_| ()).unwrap_err().to_string()
}

/// A tiny llama of zeros.
fn draft() -> Draft {
    let shape = tiny(false);
    let mut draft = Draft { version: 3, ..Draft::default() };
    let numbers = [
        ("block_count", 2),
        ("embedding_length", 96),
        ("feed_forward_length", 160),
        ("attention.head_count", 6),
        ("attention.head_count_kv", 2),
    ];
    draft.set("general.architecture", Value::Text("llama".into()));
    for (key, number) in numbers {
        draft.set(&format!("llama.{key}"), Value::U32(number));
    }
    draft.set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    for tensor in shape.model("tiny").layers.iter().flat_map(|layer| &layer.tensors) {
        let dimensions = match tensor.rows {
            1 => vec![tensor.row_len],
            rows => vec![tensor.row_len, rows],
        };
        draft.tensors.push(Tensor { name: tensor.name.clone(), dimensions, kind: 0 });
    }
    draft
}

fn written(draft: &Draft) -> Vec<u8> {
    let mut bytes = Vec::new();
    draft
        .write(&mut bytes, |tensor, out| out.write_all(&vec![0; tensor.bytes() as usize]))
        .unwrap();
    bytes
}

fn refused(change: impl Fn(&mut Draft), expected: &str) {
    let mut draft = draft();
    change(&mut draft);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    std::fs::write(&path, written(&draft)).unwrap();
    let error = complaint(&path);
    assert!(error.contains("x.gguf: ") && error.contains(expected), "{expected}\n{error}");
}

#[test]
fn a_plain_draft_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    std::fs::write(&path, written(&draft())).unwrap();
    let model = Model::load(&path, &Device::Cpu).unwrap();
    assert_eq!((model.vocab(), model.layers(), model.llama().head_dim), (50, 4, 16));
}

#[test]
fn metadata_that_cannot_be_run_is_refused_by_key() {
    let text = |text: &str| Value::Text(text.into());
    let cases = [
        ("general.architecture", text("qwen2"), "general.architecture: `qwen2` cannot be run; `ll"),
        ("llama.expert_count", Value::U32(8), "llama.expert_count: 8; a model with experts"),
        ("llama.attention.head_count_kv", Value::U32(4), "4; a divisor of the 6 heads is allowed"),
        ("llama.attention.head_count_kv", Value::U32(7), "head_count_kv: 7; 1 to 6 are allowed"),
        ("llama.attention.head_count", Value::U32(97), "head_count: 97; 1 to 96 are allowed"),
        (
            "llama.attention.key_length",
            Value::U32(8),
            "attn_q.weight: dimensions [96, 96, 1, 1]; [96",
        ),
        ("llama.attention.value_length", Value::U32(8), "value_length: 8; the length of keys, 16"),
        ("llama.feed_forward_length", Value::F32(1.0), "feed_forward_length: a whole number"),
        (
            "llama.attention.layer_norm_rms_epsilon",
            Value::F32(f32::NAN),
            "epsilon: NaN; 0.0 to 1.0",
        ),
        ("llama.rope.dimension_count", Value::U32(15), "dimension_count: 15; an even number"),
        ("llama.rope.dimension_count", Value::U32(18), "dimension_count: 18; 2 to 16 are allowed"),
        ("llama.rope.freq_base", Value::F32(0.0), "llama.rope.freq_base: 0.0; 1.0 to"),
        ("llama.rope.scaling.type", text("longrope"), "`longrope`; none, linear and yarn"),
    ];
    for (key, value, expected) in cases {
        refused(|draft| draft.set(key, value.clone()), expected);
    }
    let gone = |key: &'static str| {
        move |draft: &mut Draft| draft.metadata.retain(|(known, _)| known != key)
    };
    for key in ["llama.feed_forward_length", "llama.attention.layer_norm_rms_epsilon"] {
        refused(gone(key), &format!("{key}: is missing"));
    }
}

#[test]
fn tensors_that_cannot_be_run_are_refused_by_name() {
    fn named<'a>(draft: &'a mut Draft, name: &str) -> &'a mut Tensor {
        draft.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap()
    }
    let without = |name: &'static str| {
        move |draft: &mut Draft| draft.tensors.retain(|tensor| tensor.name != name)
    };
    let more = |name: &'static str, dimensions: &'static [u64]| {
        move |draft: &mut Draft| {
            let dimensions = dimensions.to_vec();
            draft.tensors.push(Tensor { name: name.into(), dimensions, kind: 0 });
        }
    };
    for name in ["token_embd.weight", "blk.1.ffn_up.weight", "output_norm.weight"] {
        refused(without(name), &format!("{name}: is missing"));
    }
    refused(
        |draft| named(draft, "blk.0.ffn_up.weight").dimensions = vec![160, 96],
        "blk.0.ffn_up.weight: dimensions [160, 96, 1, 1]; [96, 160, 1, 1] are allowed",
    );
    refused(
        |draft| named(draft, "blk.0.ffn_up.weight").kind = 20,
        "blk.0.ffn_up.weight: iq4_nl cannot be run; q2_K, ",
    );
    refused(more("blk.0.attn_q_norm.weight", &[16]), "attn_q_norm.weight: is no tensor of a llama");
    refused(more("blk.0.attn_q.bias", &[95]), "attn_q.bias: dimensions [95, 1, 1, 1]; [96, 1,");
    refused(more("rope_freqs.weight", &[8]), "rope_freqs.weight: 0.0; numbers above 0 are allowed");
}

#[test]
fn a_header_alone_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    std::fs::write(&path, draft().header()).unwrap();
    assert!(complaint(&path).ends_with("only their header; a whole file is needed"));
}

#[test]
fn a_file_cut_or_spoiled_anywhere_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let bytes = written(&draft());
    for length in (0..bytes.len() - 1).step_by(2003) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(!complaint(&path).is_empty());
    }
    let header = draft().header().len();
    for at in (0..header).step_by(3) {
        let mut spoiled = bytes.clone();
        spoiled[at] ^= 0x55;
        std::fs::write(&path, spoiled).unwrap();
        // Whatever loads must run, too.
        if let Ok(model) = Model::load(&path, &Device::Cpu) {
            let mut session = model.session(2).unwrap();
            let _ = session.prefill(&[1, 2]);
        }
    }
}

#[test]
fn shapes_that_are_no_llama_are_not_made() {
    type Change = fn(&mut Shape);
    let cases: [(&str, Change, &str); 5] = [
        ("bias", |shape| shape.bias = true, "tiny: bias: is not that of a llama"),
        ("fused", |shape| shape.fused_qkv = true, "fused-qkv"),
        ("gate", |shape| shape.gate = false, "gate"),
        ("window", |shape| shape.window = Some(9), "window"),
        (
            "row",
            |shape| shape.ffn = 100,
            "ffn_down.weight: rows of 100 in q8_0; whole blocks of 32",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (what, change, expected) in cases {
        let mut shape = tiny(false);
        change(&mut shape);
        let recipe = Format::Q8_0.into();
        let random = Random { name: "tiny".into(), shape, recipe, seed: 0 };
        let error = random.write(&folder.path().join("x.gguf"), |_| {}).unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let opt = edgeplan_model::shape("catalog:opt-350m").unwrap();
    assert!(opt.bias);
}

#[test]
fn what_is_made_can_be_read_again() {
    let made = Made::new(&tiny(true), Format::Q8_0, &[]);
    assert_eq!(std::fs::read_dir(made.folder()).unwrap().count(), 1);
    let header = gguf::read(&made.path()).unwrap();
    assert_eq!(header.tensors.len(), 2 + 2 * 9);
    let spec = edgeplan_model::load(made.path().to_str().unwrap()).unwrap();
    assert!(spec.tied);
    assert_eq!(spec.vocab, 50);
}

#[test]
fn models_with_experts_are_made_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("experts.gguf");
    let config = r#"{"model_type": "qwen3_moe", "hidden_size": 256, "intermediate_size": 512,
        "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
        "vocab_size": 64, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
        "tie_word_embeddings": false, "max_position_embeddings": 4096}"#;
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let shape = edgeplan_model::shape(folder.path().to_str().unwrap()).unwrap();
    let recipe = "q8_0".parse().unwrap();
    let random = Random { name: "experts".into(), shape, recipe, seed: 0 };
    let mut written = 0;
    random.write(&path, |bytes| written += bytes).unwrap();
    let spec = edgeplan_model::load(path.to_str().unwrap()).unwrap();
    let experts = spec.layers.iter().flat_map(|layer| &layer.tensors);
    let experts: Vec<_> = experts.filter(|tensor| tensor.experts == Some((2, 4))).collect();
    assert_eq!(experts.len(), 3, "{:?}", spec.layers);
    // Gate, up and down of 4 experts of 64 x 256 weights, 34 bytes for 32 of them.
    let each = 4 * 64 * 256 / 32 * 34;
    assert!(experts.iter().all(|tensor| tensor.bytes(Format::Q8_0).unwrap().0 == each));
    assert!(written > 3 * each, "{written}");
}
