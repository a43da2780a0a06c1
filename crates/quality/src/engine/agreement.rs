//! Whether llama.cpp predicts of every architecture what is computed here, where its programs are:
//! in the folder that `EDGEPLAN_LLAMA_CPP` names, or where `./x fetch llama.cpp` builds them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::{D, Device, Tensor};
use edgeplan_model::{Experts, Shape};
use edgeplan_problem::format::Format;

use super::logits::Saved;
use crate::apply::{apply, from_mix};
use crate::checkpoint::Checkpoint;
use crate::teacher::Training;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data");
const CONTEXT: usize = 128;

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

/// The same model with every matrix in f32.
fn widened(model: &Path, out: &Path) {
    let spec = edgeplan_model::load(&model.display().to_string()).unwrap();
    let formats = from_mix(&spec, &Format::F32.into()).unwrap();
    let mut checkpoint = Checkpoint::open(model).unwrap();
    apply(&mut checkpoint, &formats, &BTreeMap::new(), out, |_| {}).unwrap();
}

/// Divergence of what is predicted here from what llama.cpp predicts, in nats per token.
fn divergence(program: &Path, folder: &Path, model: &Path) -> f64 {
    let (wide, saved) = (folder.join("wide.gguf"), folder.join("logits.bin"));
    widened(model, &wide);
    let text = format!("{DATA}/teacher/romans.txt");
    let ran = Command::new(program)
        .arg("--model")
        .arg(&wide)
        .args(["--file", &text, "--ctx-size", "128", "--chunks", "2", "--threads", "1"])
        .arg("--save-all-logits")
        .arg(&saved)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let mut saved = Saved::open(&saved).unwrap();
    let (windows, tokens) = (saved.windows as usize, saved.tokens.clone());
    let tokens = Tensor::from_vec(tokens, (windows, CONTEXT), &Device::Cpu).unwrap();
    let decoder = Checkpoint::open(&wide).unwrap().decoder(CONTEXT).unwrap();
    let logits = decoder.logits(&tokens).unwrap();
    let ours = candle_nn::ops::log_softmax(&logits, D::Minus1).unwrap().to_vec3::<f32>().unwrap();
    let (mut sum, mut count, mut theirs) = (0.0, 0, Vec::new());
    for window in ours {
        for ours in &window[CONTEXT / 2..CONTEXT - 1] {
            saved.next(&mut theirs).unwrap();
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
    let plain = Shape {
        blocks: 3,
        hidden: 64,
        ffn: 96,
        heads: 4,
        kv_heads: 2,
        head_dim: 32,
        vocab: 256,
        ..Shape::default()
    };
    let named = |name: &str| Shape { architecture: Some(name.into()), ..plain.clone() };
    let normed = |name: &str| Shape { qk_norm: true, tied: true, ..named(name) };
    let routed = |shape: Shape| {
        Shape { experts: Some(Experts::in_every_block(5, 2, 32)), ffn: 32, tied: false, ..shape }
    };
    let near = Shape { norms: 4, window: Some(8), global_every: Some(3), ..normed("gemma3") };
    let shapes = [
        Shape { qkv_bias: true, ..named("qwen2") },
        normed("qwen3"),
        routed(normed("qwen3moe")),
        routed(plain.clone()),
        near,
    ];
    let folder = tempfile::tempdir().unwrap();
    let text = PathBuf::from(format!("{DATA}/teacher/romans.txt"));
    for shape in shapes {
        let name = shape.architecture().to_owned();
        let model = folder.path().join("trained.gguf");
        let training =
            Training { shape, steps: 5, batch: 1, context: CONTEXT, rate: 0.02, seed: 3 };
        training.run(&text, &text, &model, &mut |_, _| true).unwrap();
        let found = divergence(&program, folder.path(), &model);
        assert!(found.abs() < 1e-4, "{name}: {found}");
    }
    for teacher in ["teacher", "teacher-experts"] {
        let model = PathBuf::from(format!("{DATA}/{teacher}/teacher.gguf"));
        let found = divergence(&program, folder.path(), &model);
        assert!(found.abs() < 1e-4, "{teacher}: {found}");
    }
}
