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
    model.context_max = None;
    model
}

#[test]
fn a_file_of_floats_is_planned_like_its_shape() {
    for stored in ["f16", "bf16", "f32"] {
        for tied in [false, true] {
            let model = Llama { tied, stored, ..TINY }.file().load().unwrap();
            assert_eq!(at_home(&model), at_home(&shape(tied)));
            assert_eq!(model.stored_types().iter().map(|stored| stored.tensors).sum::<usize>(), {
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
    let names: Vec<&str> = model.stored_types().iter().map(|stored| stored.name).collect();
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

/// [`TINY`] with six blocks, as if it were of another architecture.
fn of(architecture: &str) -> Gguf {
    let mut file = Llama { blocks: 6, ..TINY }.file();
    for (key, _) in &mut file.metadata {
        *key = key.replace("llama.", &format!("{architecture}."));
    }
    file.set("general.architecture", Value::Text(architecture.into()));
    file
}

#[test]
fn windows_follow_the_file_or_the_architecture() {
    let mut file = of("gemma3");
    let window = "gemma3.attention.sliding_window";
    let pattern = "gemma3.attention.sliding_window_pattern";
    let (all, seen) = (None, Some(100));
    assert_eq!(windows(&file.load().unwrap()), [None; 8]);
    file.set(window, Value::U32(100));
    assert_eq!(windows(&file.load().unwrap()), [all, seen, seen, seen, seen, seen, all, all]);
    file.set(pattern, Value::U32(3));
    let every_third = windows(&file.load().unwrap());
    assert_eq!(every_third, [all, seen, seen, all, seen, seen, all, all]);
    file.set(pattern, Value::Truths(vec![false, true, true, false, false, true]));
    let listed = windows(&file.load().unwrap());
    assert_eq!(listed, [all, all, seen, seen, all, all, seen, all]);
    file.set("gemma3.attention.key_length_swa", Value::U32(16));
    let kv = |layer: &LayerSpec| layer.kv_elements();
    let kv: Vec<u64> = file.load().unwrap().layers.iter().map(kv).collect();
    assert_eq!(kv, [0, 256, 160, 160, 256, 256, 160, 0]);
    file.set(window, Value::U32(0));
    assert_eq!(windows(&file.load().unwrap()), [None; 8]);
}

/// As llama.cpp loads these: some begin with a block that sees everything, some have windows of a
/// length of their own, most have none whatever the file says.
#[test]
fn every_architecture_has_windows_of_its_own() {
    let (all, seen) = (None, Some(100));
    for architecture in ["llama", "phi3", "qwen2", "mistral3"] {
        let mut file = of(architecture);
        file.set(&format!("{architecture}.attention.sliding_window"), Value::U32(100));
        assert_eq!(windows(&file.load().unwrap()), [None; 8], "{architecture}");
    }
    let mut laguna = of("laguna");
    laguna.set("laguna.attention.sliding_window", Value::U32(100));
    let found = windows(&laguna.load().unwrap());
    assert_eq!(found[1..7], [all, seen, seen, seen, all, seen]);
    let chunked = windows(&of("llama4").load().unwrap());
    assert_eq!(chunked[1..7], [Some(8192), Some(8192), Some(8192), all, Some(8192), Some(8192)]);
    assert_eq!(windows(&of("gemma2").load().unwrap())[1..3], [Some(4096), all]);
}

#[test]
fn latent_attention_caches_keys_alone() {
    let mut file = of("deepseek2");
    file.set("deepseek2.attention.head_count_kv", Value::U32(1));
    file.set("deepseek2.attention.key_length", Value::U32(576));
    file.set("deepseek2.attention.value_length", Value::U32(512));
    file.set("deepseek2.attention.key_length_mla", Value::U32(192));
    let model = file.load().unwrap();
    let cache = model.layers[1].cache;
    assert_eq!((cache.keys, cache.values, model.layers[1].kv_elements()), (576, 0, 576));
}

#[test]
fn recurrent_blocks_have_a_state_and_no_cache() {
    let mut file = of("qwen35");
    for (key, value) in
        [("conv_kernel", 4), ("inner_size", 64), ("state_size", 16), ("group_count", 2)]
    {
        file.set(&format!("qwen35.ssm.{key}"), Value::U32(value));
    }
    let model = file.load().unwrap();
    let kinds: Vec<(u64, u64)> =
        model.layers.iter().map(|layer| (layer.kv_elements(), layer.cache.state)).collect();
    // The convolution's last 3 inputs of 64 + 2 * 2 * 16 channels, and 64 x 16 of state.
    let (recurrent, attends) = ((0, 3 * 128 + 64 * 16), (256, 0));
    assert_eq!(kinds[1..7], [recurrent, recurrent, recurrent, attends, recurrent, recurrent]);
    file.set("qwen35.full_attention_interval", Value::U32(2));
    assert_eq!(file.load().unwrap().layers[2].kv_elements(), 256);
}

#[test]
fn later_blocks_may_read_the_cache_of_an_earlier_one() {
    let mut file = of("gemma4");
    file.set("gemma4.attention.shared_kv_layers", Value::U32(2));
    let kv: Vec<u64> = file.load().unwrap().layers.iter().map(LayerSpec::kv_elements).collect();
    assert_eq!(kv, [0, 256, 256, 256, 256, 0, 0, 0]);
}

#[test]
fn blocks_that_only_predict_further_tokens_are_left_out() {
    let mut file = of("glm4moe");
    let whole = file.load().unwrap();
    file.set("glm4moe.nextn_predict_layers", Value::U32(1));
    let loaded = file.load().unwrap();
    assert_eq!((loaded.layers.len(), loaded.further_blocks), (whole.layers.len() - 1, 1));
    assert!(loaded.parameters() < whole.parameters());
    assert!(loaded.notes[0].contains("1 of 6 blocks only predict further tokens"));
}

#[test]
fn a_block_may_have_no_tensors() {
    let mut file = of("deci");
    file.tensors.retain(|tensor| !tensor.name.starts_with("blk.2."));
    let model = file.load().unwrap();
    assert!(model.layers[3].tensors.is_empty());
}

#[test]
fn a_split_model_is_read_from_all_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let name = |part: u32| folder.path().join(format!("tiny-{part:05}-of-00002.gguf"));
    let whole = TINY.file();
    let mut parts = [whole.clone(), whole.clone()];
    for (index, part) in parts.iter_mut().enumerate() {
        part.tensors.retain(|tensor| tensor.name.starts_with("blk.1.") == (index == 1));
        part.set("split.no", Value::U32(index as u32));
        part.set("split.count", Value::U32(2));
        std::fs::write(name(index as u32 + 1), part.header()).unwrap();
    }
    let load = |part| edgeplan_model::load(name(part).to_str().unwrap());
    assert_eq!(load(1).unwrap().layers, whole.load().unwrap().layers);
    assert_eq!(load(2), load(1));
    std::fs::remove_file(name(2)).unwrap();
    let error = load(1).unwrap_err().to_string();
    let expected = "split.count: 2 files, of which tiny-00002-of-00002.gguf is missing";
    assert!(error.contains(expected), "{error}");
    let other = folder.path().join("other.gguf");
    std::fs::rename(name(1), &other).unwrap();
    let error = edgeplan_model::load(other.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("NAME-00001-of-00002.gguf are needed"), "{error}");
}

#[test]
fn heads_may_differ_by_block() {
    let mut file = TINY.file();
    file.set("llama.attention.head_count_kv", Value::Numbers(vec![0, 4]));
    file.set("llama.attention.key_length", Value::U64(96));
    file.set("llama.attention.value_length", Value::I32(32));
    let model = file.load().unwrap();
    let kv: Vec<u64> = model.layers.iter().map(|layer| layer.kv_elements()).collect();
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
    assert_eq!((tensor.class, tensor.experts), (TensorClass::FfnUpExps, Some((2, 8))));
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
