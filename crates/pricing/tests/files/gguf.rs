//! GGUF files become models and questions.

use edgeplan_files::read_text;
use edgeplan_machines::cluster::Cluster;
use edgeplan_model::{LayerSpec, ModelSpec, Shape, StoredType, TensorClass};
use edgeplan_pricing::deployment;
use edgeplan_pricing::workload::Workload;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Plan};
use edgeplan_problem::recipe::Recipe;
use edgeplan_problem::{Bytes, Loss, Problem as _};

use crate::writer::{Gguf, Llama, TINY, Value, kind, load};

pub(crate) fn home() -> Cluster {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data/clusters/home-lab.toml");
    Cluster::parse("home-lab.toml", &read_text(path.as_ref()).unwrap()).unwrap()
}

fn at_home(model: &ModelSpec) -> Deployment {
    deployment(std::slice::from_ref(model), &home(), &Workload::default()).unwrap()
}

/// The shape of [`TINY`].
fn shape(tied: bool) -> ModelSpec {
    let text = format!(
        "blocks = 2\nhidden = 256\nffn = 512\nheads = 4\nkv-heads = 2\nhead-dim = 64\n\
         vocab = 1000\ntied = {tied}"
    );
    let shape: Shape = edgeplan_files::parse_toml("shape", &text).unwrap();
    shape.model("tiny")
}

/// The model as if nothing were known but its shape.
fn bare(mut model: ModelSpec) -> ModelSpec {
    for tensor in model.layers.iter_mut().flat_map(|layer| &mut layer.tensors) {
        assert!(tensor.native.take().is_some());
    }
    model
}

#[test]
fn a_file_of_floats_is_planned_like_its_shape() {
    for stored in ["f16", "bf16", "f32"] {
        for tied in [false, true] {
            let model = Llama { tied, stored, ..TINY }.file().load().unwrap();
            assert_eq!(at_home(&model), at_home(&shape(tied)));
            assert_eq!(model.stored_types().iter().map(|(_, count, _)| count).sum::<usize>(), {
                2 + 2 * 9 + usize::from(!tied)
            });
            assert_eq!(bare(model), shape(tied), "{stored} {tied}");
        }
    }
}

#[test]
fn version_2_reads_the_same() {
    let file = TINY.file();
    assert_eq!(Gguf { version: 2, ..file.clone() }.load(), file.load());
}

#[test]
fn a_gguf_is_known_by_its_first_bytes_too() {
    let bytes = TINY.file().bytes();
    assert_eq!(load("model.bin", &bytes).unwrap(), load("MODEL.GGUF", &bytes).unwrap());
    let error = load("model.bin", b"GGML").unwrap_err().to_string();
    assert!(error.contains("model.bin: ") && !error.contains("GGUF"), "{error}");
}

/// q4_K with some q6_K, as llama.cpp mixes, and types that are no format.
fn mixed(tied: bool) -> Gguf {
    let mut file = Llama { tied, stored: "q4_K", ..TINY }.file();
    file.tensor("token_embd.weight").kind = kind("q6_K");
    file.tensor("blk.0.ffn_down.weight").kind = kind("q6_K");
    file.tensor("blk.1.attn_q.weight").kind = kind("iq4_xs");
    file.tensor("blk.1.attn_k.weight").kind = kind("mxfp4");
    file.data = true;
    file
}

#[test]
fn a_quantized_file_is_planned_as_it_is() {
    let model = mixed(false).load().unwrap();
    let instance = at_home(&model);
    let bytes: Vec<u64> =
        instance.models[0].layers.iter().map(|layer| layer.options[0].bytes.0).collect();
    let (q4, q6, norm) = (144, 210, 1024); // bytes per 256 elements, and of 256 in f32
    let block = q4 * (256 + 128 + 128 + 256 + 512 + 512) + 2 * norm;
    let down = 256 * 512 / 256;
    let other = block - q4 * (256 + 128) + 256 * 136 + 128 * 8 * 17 + q4 * down;
    assert_eq!(bytes, [1000 * q6, block + q6 * down, other, 1000 * q4 + norm]);
    for layer in &instance.models[0].layers {
        assert_eq!(layer.options.len(), 1, "{}", layer.role);
        assert_eq!((&layer.options[0].recipe, layer.options[0].loss), (&Recipe::Native, Loss(0)));
        assert!(layer.options[0].compute.iter().all(Option::is_some));
    }
    assert_eq!(model.stored_bytes(), Some(Bytes(bytes.iter().sum())));
    let names: Vec<&str> = model.stored_types().iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["f32", "q4_K", "q6_K", "iq4_xs", "mxfp4"]);
}

#[test]
fn a_tied_quantized_file_is_stored_once_per_device() {
    let model = mixed(true).load().unwrap();
    let instance = at_home(&model);
    assert_eq!(instance.models[0].shared, [Bytes(1000 * 210)]);
    let plan = Plan::single(vec![Assignment::default(); instance.models[0].layers.len()]);
    let evaluation = instance.evaluate(&plan);
    assert!(evaluation.is_feasible(), "{:?}", evaluation.violations);
    assert_eq!(Some(evaluation.account.devices[0].weights), model.stored_bytes());
    let mut split = plan;
    split.models[0][3] = Assignment { device: DeviceId(1), option: OptionId(0) };
    let account = instance.evaluate(&split).account;
    assert_eq!(account.devices[1].weights, Bytes(1000 * 210 + 1024));
}

#[test]
fn every_type_has_exact_bytes() {
    for stored in StoredType::all() {
        let mut file = TINY.file();
        file.add("blk.0.attn_sinks.weight", &[256, 3], stored.name);
        let model = file.load().unwrap();
        let tensor = model.layers[1].tensors.last().unwrap();
        assert_eq!(tensor.native, Some(stored));
        let bytes = stored.bytes(3, 256).unwrap();
        assert_eq!(tensor.bytes(edgeplan_problem::format::Format::Q4_0), Some(bytes));
        assert_eq!(at_home(&model).models[0].layers[1].options.len() == 1, stored.is_quantized());
    }
}

fn windows(model: &ModelSpec) -> Vec<Option<u64>> {
    model.layers.iter().map(|layer| layer.window).collect()
}

#[test]
fn windows_follow_the_file_or_the_architecture() {
    let mut file = Llama { blocks: 6, ..TINY }.file();
    let window = "llama.attention.sliding_window";
    let pattern = "llama.attention.sliding_window_pattern";
    let (all, seen) = (None, Some(100));
    file.set(window, Value::U32(100));
    let model = file.load().unwrap();
    assert_eq!(windows(&model), [all, seen, seen, seen, seen, seen, seen, all]);
    file.set(pattern, Value::U32(3));
    let every_third = windows(&file.load().unwrap());
    assert_eq!(every_third, [all, seen, seen, all, seen, seen, all, all]);
    file.set(pattern, Value::Truths(vec![false, true, true, false, false, true]));
    let listed = windows(&file.load().unwrap());
    assert_eq!(listed, [all, all, seen, seen, all, all, seen, all]);
    file.set("llama.attention.key_length_swa", Value::U32(16));
    let kv = |layer: &LayerSpec| layer.kv_elements;
    let kv: Vec<u64> = file.load().unwrap().layers.iter().map(kv).collect();
    assert_eq!(kv, [0, 256, 160, 160, 256, 256, 160, 0]);
    file.set(window, Value::U32(0));
    assert_eq!(windows(&file.load().unwrap()), [None; 8]);

    let mut gemma = Llama { blocks: 6, ..TINY }.file();
    for (key, _) in &mut gemma.metadata {
        *key = key.replace("llama.", "gemma3.");
    }
    gemma.set("general.architecture", Value::Text("gemma3".into()));
    gemma.set("gemma3.attention.sliding_window", Value::U32(100));
    assert_eq!(windows(&gemma.load().unwrap())[1..7], [seen, seen, seen, seen, seen, all]);
}

#[test]
fn heads_may_differ_by_block() {
    let mut file = TINY.file();
    file.set("llama.attention.head_count_kv", Value::Numbers(vec![0, 4]));
    file.set("llama.attention.key_length", Value::U64(96));
    file.set("llama.attention.value_length", Value::I32(32));
    let model = file.load().unwrap();
    let kv: Vec<u64> = model.layers.iter().map(|layer| layer.kv_elements).collect();
    assert_eq!(kv, [0, 0, 4 * 128, 0]);
}

#[test]
fn the_vocabulary_comes_from_key_tokens_or_rows() {
    let mut file = TINY.file();
    assert_eq!(file.load().unwrap().vocab, 1000);
    file.set("llama.vocab_size", Value::U32(999));
    assert_eq!(file.load().unwrap().vocab, 999);
    file.remove("llama.vocab_size");
    file.remove("tokenizer.ggml.tokens");
    assert_eq!(file.load().unwrap().vocab, 1000);
    file.remove("general.name");
    assert_eq!(file.load().unwrap().name, "model");
}

/// [`TINY`] with 8 experts instead of one feed-forward part.
pub(crate) fn experts(used: u32) -> ModelSpec {
    let mut file = TINY.file();
    file.tensors.retain(|tensor| !tensor.name.contains("ffn_up"));
    file.set("llama.expert_used_count", Value::U32(used));
    for block in 0..2 {
        file.add(&format!("blk.{block}.ffn_gate_inp.weight"), &[256, 8], "f32");
        file.add(&format!("blk.{block}.ffn_up_exps.weight"), &[256, 512, 8], "mxfp4");
    }
    file.add("rope_freqs.weight", &[32], "f32");
    file.load().unwrap()
}

#[test]
fn experts_keep_their_type_and_cost_what_a_token_uses() {
    let model = experts(2);
    let tensor = model.layers[1].tensors.last().unwrap();
    assert_eq!((tensor.class, tensor.experts), (TensorClass::Other, Some((2, 8))));
    assert_eq!((tensor.rows, tensor.row_len), (8 * 512, 256));
    for prompt in [1, 512] {
        let workload = Workload { prompt, ..Workload::default() };
        let block = |used| {
            let instance = deployment(&[experts(used)], &home(), &workload).unwrap();
            instance.models[0].layers[1].options[0].clone()
        };
        let (some, all) = (block(2), block(8));
        assert_eq!(some.bytes, all.bytes);
        assert!(some.compute.iter().zip(&all.compute).all(|(some, all)| some < all));
    }
}

#[test]
fn many_gigabytes_cost_only_their_header() {
    let mut file = Llama { stored: "q4_K", ..TINY }.file();
    file.add("blk.0.huge.weight", &[256, 1 << 28], "q4_K");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.gguf");
    std::fs::write(&path, file.header()).unwrap();
    let sparse = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    sparse.set_len(40 << 30).unwrap();
    let model = edgeplan_model::load(path.to_str().unwrap()).unwrap();
    assert!(model.stored_bytes() > Some(Bytes(36 << 30)));
}
