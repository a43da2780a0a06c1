//! Models of every architecture that is run here, beside candle-transformers' of the same, and
//! beside llama.cpp where its programs are: in the folder that `EDGEPLAN_LLAMA_CPP` names, or where
//! `./x fetch llama.cpp` builds them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::quantized::gguf_file::Content;
use candle_core::{D, DType, Device, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::{gemma3, mixtral, quantized_qwen2, quantized_qwen3, qwen3_moe};
use edgeplan_model::gguf::draft::{Draft, Tensor as Place};
use edgeplan_model::{Experts, Shape};
use edgeplan_problem::format::Format;
use edgeplan_quality::Checkpoint;
use edgeplan_quality::apply::{apply, from_mix};
use edgeplan_quality::engine::logits::Saved;
use edgeplan_quality::teacher::Training;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data");
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data/teacher/romans.txt");
/// Tokens of llama.cpp's windows.
const WINDOW: usize = 128;
const TOKENS: usize = 24;
const CONTEXT: usize = 32;

/// Llama's kind of block.
fn llama() -> Shape {
    Shape {
        blocks: 3,
        hidden: 64,
        ffn: 96,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        vocab: 256,
        ..Shape::default()
    }
}

fn named(architecture: &str) -> Shape {
    Shape { architecture: Some(architecture.into()), ..llama() }
}

fn qwen3() -> Shape {
    Shape { head_dim: 32, qk_norm: true, tied: true, ..named("qwen3") }
}

fn with_experts(shape: Shape) -> Shape {
    Shape { experts: Some(Experts::in_every_block(5, 2, 32)), ffn: 32, tied: false, ..shape }
}

/// Every third block sees everything, as far as the file says; the text is shorter than the window,
/// because candle-transformers looks back on one position more. One head of keys: its cache takes
/// no more.
fn gemma3() -> Shape {
    let (architecture, window) = (Some("gemma3".into()), Some(64));
    Shape { architecture, kv_heads: 1, norms: 4, window, global_every: Some(3), ..qwen3() }
}

/// A model of that shape in f32, a few large steps from random weights, so that norms and biases
/// are no ones and zeros.
fn made(folder: &Path, shape: Shape) -> PathBuf {
    let training = Training { shape, steps: 5, batch: 1, context: CONTEXT, rate: 0.05, seed: 3 };
    let (trained, out) = (folder.join("trained.gguf"), folder.join("f32.gguf"));
    training.run(Path::new(TEXT), Path::new(TEXT), &trained, &mut |_, _| true).unwrap();
    widened(&trained, &out);
    out
}

/// The same model with every matrix in f32.
fn widened(model: &Path, out: &Path) {
    let spec = edgeplan_model::load(&model.display().to_string()).unwrap();
    let formats = from_mix(&spec, &Format::F32.into()).unwrap();
    let mut checkpoint = Checkpoint::open(model).unwrap();
    apply(&mut checkpoint, &formats, &BTreeMap::new(), out, |_| {}).unwrap();
}

fn tokens() -> Vec<u32> {
    std::fs::read(TEXT).unwrap()[..TOKENS].iter().map(|&byte| byte.into()).collect()
}

/// Logits after each of the first tokens must be those of another implementation, which is asked
/// for those of the last token of some.
fn same(path: &Path, theirs: &mut dyn FnMut(&Tensor) -> candle_core::Result<Tensor>) {
    let decoder = Checkpoint::open(path).unwrap().decoder(CONTEXT).unwrap();
    let input =
        |count: usize| Tensor::new(&tokens()[..count], &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let ours: Vec<Vec<f32>> =
        decoder.logits(&input(TOKENS)).unwrap().squeeze(0).unwrap().to_vec2().unwrap();
    for count in [1, 7, TOKENS] {
        let theirs = theirs(&input(count)).unwrap().flatten_all().unwrap();
        let theirs = theirs.to_vec1::<f32>().unwrap();
        let ours = &ours[count - 1];
        assert_eq!(ours.len(), theirs.len());
        let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let most = ours.iter().fold(0f32, |most, logit| most.max(logit.abs()));
        assert!(off < 1e-4 * most.max(1.0), "{count} tokens: {off} of {most}");
    }
}

fn content(path: &Path) -> (Content, File) {
    let mut file = File::open(path).unwrap();
    (Content::read(&mut file).unwrap(), file)
}

/// Tensors by Hugging Face's names, in which experts are apart. `rename` is asked for the end of
/// the name of a tensor of a block.
fn renamed(path: &Path, rename: &dyn Fn(&str) -> String) -> HashMap<String, Tensor> {
    let mut checkpoint = Checkpoint::open(path).unwrap();
    let mut all = HashMap::new();
    for tensor in checkpoint.header.tensors.clone() {
        let mut values = checkpoint.widened(&tensor.name).unwrap();
        let stem = tensor.name.strip_suffix(".weight").unwrap();
        if tensor.name.contains("norm") && rename("norms") == "less one" {
            values = (values - 1.0).unwrap();
        }
        let Some(rest) = stem.strip_prefix("blk.") else {
            let name = match stem {
                "token_embd" => "model.embed_tokens.weight",
                "output_norm" => "model.norm.weight",
                _ => "lm_head.weight",
            };
            all.insert(name.to_owned(), values);
            continue;
        };
        let (block, stem) = rest.split_once('.').unwrap();
        let name = |end: &str| format!("model.layers.{block}.{end}.weight");
        let count = tensor.dimensions[2] as usize;
        if !stem.ends_with("_exps") {
            all.insert(name(&rename(stem)), values);
            continue;
        }
        for (expert, values) in values.chunk(count, 0).unwrap().into_iter().enumerate() {
            let end = rename(stem).replace('#', &expert.to_string());
            all.insert(name(&end), values.contiguous().unwrap());
        }
    }
    all
}

fn builder(all: HashMap<String, Tensor>) -> VarBuilder<'static> {
    VarBuilder::from_tensors(all, DType::F32, &Device::Cpu)
}

fn attention(stem: &str) -> String {
    let kind = stem.strip_prefix("attn_").unwrap();
    match kind {
        "q" | "k" | "v" => format!("self_attn.{kind}_proj"),
        "output" => "self_attn.o_proj".into(),
        "q_norm" | "k_norm" => format!("self_attn.{kind}"),
        _ => "input_layernorm".into(),
    }
}

#[test]
fn qwen2_is_that_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), Shape { qkv_bias: true, ..named("qwen2") });
    let (content, mut file) = content(&path);
    let mut model =
        quantized_qwen2::ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap();
    same(&path, &mut |input| model.forward(input, 0));
}

#[test]
fn qwen3_is_that_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), qwen3());
    let (content, mut file) = content(&path);
    let mut model =
        quantized_qwen3::ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap();
    same(&path, &mut |input| {
        model.clear_kv_cache();
        model.forward(input, 0)
    });
}

#[test]
fn qwen3moe_is_that_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let shape = with_experts(Shape { architecture: Some("qwen3moe".into()), ..qwen3() });
    let path = made(folder.path(), shape);
    let vars = renamed(&path, &|stem| match stem {
        "ffn_norm" => "post_attention_layernorm".into(),
        "ffn_gate_inp" => "mlp.gate".into(),
        "ffn_gate_exps" => "mlp.experts.#.gate_proj".into(),
        "ffn_up_exps" => "mlp.experts.#.up_proj".into(),
        "ffn_down_exps" => "mlp.experts.#.down_proj".into(),
        "norms" => String::new(),
        _ => attention(stem),
    });
    let config = qwen3_moe::Config {
        vocab_size: 256,
        hidden_size: 64,
        intermediate_size: 32,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        head_dim: 32,
        attention_bias: false,
        num_key_value_heads: 2,
        max_position_embeddings: CONTEXT,
        sliding_window: None,
        max_window_layers: 0,
        tie_word_embeddings: false,
        rope_theta: 1e4,
        rms_norm_eps: 1e-5,
        use_sliding_window: false,
        hidden_act: Activation::Silu,
        decoder_sparse_step: 1,
        moe_intermediate_size: 32,
        num_experts_per_tok: 2,
        num_experts: 5,
        norm_topk_prob: true,
    };
    let mut model = qwen3_moe::ModelForCausalLM::new(&config, builder(vars)).unwrap();
    same(&path, &mut |input| {
        model.clear_kv_cache();
        model.forward(input, 0)
    });
}

#[test]
fn mixtral_is_that_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), with_experts(llama()));
    let vars = renamed(&path, &|stem| match stem {
        "ffn_norm" => "post_attention_layernorm".into(),
        "ffn_gate_inp" => "block_sparse_moe.gate".into(),
        "ffn_gate_exps" => "block_sparse_moe.experts.#.w1".into(),
        "ffn_up_exps" => "block_sparse_moe.experts.#.w3".into(),
        "ffn_down_exps" => "block_sparse_moe.experts.#.w2".into(),
        "norms" => String::new(),
        _ => attention(stem),
    });
    let vars = builder(halves(vars));
    let config = serde_json::json!({
        "vocab_size": 256, "hidden_size": 64, "intermediate_size": 32, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "hidden_act": "silu",
        "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 1e4,
        "sliding_window": 4096, "num_experts_per_tok": 2, "num_local_experts": 5,
        "use_flash_attn": false
    });
    let config: mixtral::Config = serde_json::from_value(config).unwrap();
    let mut ours = |input: &Tensor| {
        // It has no way to forget.
        mixtral::Model::new(&config, vars.clone())?.forward(input, 0)
    };
    same(&path, &mut ours);
}

/// The same with rows of queries and keys in Hugging Face's order, in which the elements that turn
/// together are half a head apart.
fn halves(mut all: HashMap<String, Tensor>) -> HashMap<String, Tensor> {
    for (name, tensor) in &mut all {
        if name.contains("q_proj") || name.contains("k_proj") {
            let shape = tensor.shape().clone();
            let rows = tensor.reshape((shape.dims()[0] / 16, 8, 2, 64)).unwrap();
            let rows = rows.transpose(1, 2).unwrap().contiguous().unwrap();
            *tensor = rows.reshape(shape).unwrap();
        }
    }
    all
}

#[test]
fn gemma3_is_that_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = made(folder.path(), gemma3());
    let vars = renamed(&path, &|stem| match stem {
        "ffn_norm" => "pre_feedforward_layernorm".into(),
        "post_attention_norm" => "post_attention_layernorm".into(),
        "post_ffw_norm" => "post_feedforward_layernorm".into(),
        "ffn_gate" | "ffn_up" | "ffn_down" => format!("mlp.{}_proj", &stem[4..]),
        "norms" => "less one".into(),
        _ => attention(stem),
    });
    let config = gemma3::Config {
        attention_bias: false,
        head_dim: 32,
        hidden_activation: Activation::GeluPytorchTanh,
        hidden_size: 64,
        intermediate_size: 96,
        num_attention_heads: 4,
        num_hidden_layers: 3,
        num_key_value_heads: 1,
        rms_norm_eps: 1e-5,
        rope_theta: 1e4,
        rope_local_base_freq: 1e4,
        vocab_size: 256,
        final_logit_softcapping: None,
        attn_logit_softcapping: None,
        query_pre_attn_scalar: 32,
        sliding_window: 64,
        sliding_window_pattern: 3,
        max_position_embeddings: CONTEXT,
    };
    let mut model = gemma3::Model::new(false, &config, builder(vars)).unwrap();
    same(&path, &mut |input| {
        model.clear_kv_cache();
        model.forward(input, 0)
    });
}

/// llama-perplexity, if it is there.
fn program() -> Option<PathBuf> {
    let named = std::env::var("EDGEPLAN_LLAMA_CPP").ok().map(PathBuf::from);
    let cache = || {
        let own = std::env::var("XDG_CACHE_HOME").ok().map(PathBuf::from);
        let cache = own.or_else(|| Some(Path::new(&std::env::var("HOME").ok()?).join(".cache")));
        let built = std::fs::read_dir(cache?.join("edgeplan")).ok()?.flatten();
        built.map(|entry| entry.path().join("build/bin")).find(|folder| folder.is_dir())
    };
    let program = named.or_else(cache)?.join("llama-perplexity");
    program.is_file().then_some(program)
}

/// Divergence of what is predicted here from what llama.cpp predicts, in nats per token.
fn divergence(program: &Path, wide: &Path) -> f64 {
    let saved = wide.with_extension("bin");
    let ran = Command::new(program)
        .arg("--model")
        .arg(wide)
        .args(["--file", TEXT, "--ctx-size", "128", "--chunks", "2", "--threads", "1"])
        .arg("--save-all-logits")
        .arg(&saved)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut saved = Saved::open(&saved).unwrap();
    let (windows, tokens) = (saved.windows as usize, saved.tokens.clone());
    let tokens = Tensor::from_vec(tokens, (windows, WINDOW), &Device::Cpu).unwrap();
    let decoder = Checkpoint::open(wide).unwrap().decoder(WINDOW).unwrap();
    let logits = decoder.logits(&tokens).unwrap();
    let ours = candle_nn::ops::log_softmax(&logits, D::Minus1).unwrap().to_vec3::<f32>().unwrap();
    let (mut sum, mut count, mut theirs) = (0.0, 0, Vec::new());
    for window in ours {
        for ours in &window[WINDOW / 2..WINDOW - 1] {
            saved.read(&mut theirs).unwrap();
            let pairs = theirs.iter().zip(ours);
            sum += pairs.map(|(t, o)| f64::from(t.exp() * (t - o))).sum::<f64>();
            count += 1;
        }
    }
    sum / f64::from(count)
}

#[test]
fn llama_cpp_predicts_the_same() {
    let Some(program) = program() else {
        // To stderr itself, because the test harness captures `eprintln!`.
        let _ = writeln!(
            std::io::stderr(),
            "not run: predictions of llama.cpp (`./x fetch llama.cpp` builds it; \
             EDGEPLAN_LLAMA_CPP names another folder)"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for shape in [
        Shape { qkv_bias: true, ..named("qwen2") },
        qwen3(),
        with_experts(Shape { architecture: Some("qwen3moe".into()), ..qwen3() }),
        with_experts(llama()),
        // A window that hides something.
        Shape { window: Some(8), ..gemma3() },
    ] {
        let name = shape.architecture().to_owned();
        let found = divergence(&program, &made(folder.path(), shape));
        assert!(found.abs() < 1e-4, "{name}: {found}");
    }
    for teacher in ["teacher", "teacher-experts"] {
        let model = format!("{DATA}/{teacher}/teacher.gguf");
        let wide = folder.path().join("wide.gguf");
        widened(Path::new(&model), &wide);
        let found = divergence(&program, &wide);
        assert!(found.abs() < 1e-4, "{teacher}: {found}");
    }
}

#[test]
fn another_architecture_is_refused_by_name_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.gguf");
    let mut draft = Draft::of("other", &named("phi3"), 32);
    let (name, kind) = ("token_embd.weight".into(), Format::F32.ggml_id());
    draft.tensors.push(Place { name, dimensions: vec![64, 256], kind });
    let file = File::create(&path).unwrap();
    draft.write(file, |place, out| out.write_all(&vec![0; place.bytes() as usize])).unwrap();
    let error = Checkpoint::open(&path).unwrap().decoder(CONTEXT).unwrap_err().to_string();
    let expected = "general.architecture: `phi3` cannot be run here; gemma3, llama, qwen2, qwen3, \
                    qwen3moe are allowed, and with `--engine`";
    assert!(error.contains(expected), "{error}");
}
