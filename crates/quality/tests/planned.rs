//! Files that plans describe, opened by readers of other people: candle-transformers' llama, and
//! the Python package `gguf`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use edgeplan_files::deployment::{PlannedLayer, PlannedModel};
use edgeplan_model::TensorClass;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;
use edgeplan_quality::Checkpoint;
use edgeplan_quality::apply::{Formats, apply, from_mix, from_plan};
use edgeplan_reference_llama::{Model, Positions};

const TEACHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data/teacher/teacher.gguf");
const PROMPT: &[u8] = b"And the angel of the LORD ";

/// The teacher by a plan that has this recipe in every layer.
fn planned(folder: &Path, recipe: &str) -> PathBuf {
    let spec = edgeplan_model::load(TEACHER).unwrap();
    let layers = spec.layers.iter().map(|layer| PlannedLayer {
        layer: layer.part.into(),
        device: "device".into(),
        recipe: recipe.into(),
    });
    let plan = PlannedModel { name: spec.name.clone(), layers: layers.collect() };
    written(folder, recipe, &from_plan("plan", &plan, &spec).unwrap())
}

fn written(folder: &Path, name: &str, formats: &Formats) -> PathBuf {
    let out = folder.join(format!("{}.gguf", name.replace([':', ',', '+'], "-")));
    let mut teacher = Checkpoint::open(Path::new(TEACHER)).unwrap();
    apply(&mut teacher, formats, &BTreeMap::new(), &out, |_| {}).unwrap();
    out
}

fn tokens(bytes: &[u8]) -> Vec<u32> {
    bytes.iter().map(|&byte| byte.into()).collect()
}

/// candle-transformers' llama of a file.
fn theirs(path: &Path) -> ModelWeights {
    let mut file = File::open(path).unwrap();
    let content = Content::read(&mut file).unwrap();
    ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap()
}

/// Its logits after each of these tokens, one at a time.
fn their_logits(model: &mut ModelWeights, tokens: &[u32]) -> Vec<Vec<f32>> {
    let step = |(position, &token): (usize, &u32)| {
        let input = Tensor::new(&[[token]], &Device::Cpu).unwrap();
        let logits = model.forward(&input, position).unwrap();
        logits.flatten_all().unwrap().to_vec1().unwrap()
    };
    tokens.iter().enumerate().map(step).collect()
}

fn furthest(ours: &[Vec<f32>], theirs: &[Vec<f32>]) -> f32 {
    assert_eq!((ours.len(), ours[0].len()), (theirs.len(), theirs[0].len()));
    let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    pairs.map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max)
}

fn likeliest(logits: &[f32]) -> u32 {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap() as u32
}

#[test]
fn candle_transformers_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text = tokens(PROMPT);
    // In floats, against the decoder that quality is measured with.
    let path = planned(folder.path(), "f16");
    let decoder = Checkpoint::open(&path).unwrap().decoder(64).unwrap();
    let input = Tensor::new(text.clone(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let ours = decoder.logits(&input).unwrap().squeeze(0).unwrap().to_vec2().unwrap();
    let off = furthest(&ours, &their_logits(&mut theirs(&path), &text));
    assert!(off < 1e-3, "{off}");
    // In formats for which both round activations, against the engine.
    for recipe in ["q4_K+attn_v:q6_K,ffn_down:q5_0,output:q8_0", "q3_K+ffn_up:q2_K,attn_q:q4_0"] {
        let path = planned(folder.path(), recipe);
        let engine = Model::load(&path, &Device::Cpu).unwrap();
        let mut session = engine.session(64).unwrap();
        let ours: Vec<Vec<f32>> = (text.iter())
            .map(|&token| {
                let logits = session.run(&[token], Positions::All, &mut ()).unwrap();
                logits.flatten_all().unwrap().to_vec1().unwrap()
            })
            .collect();
        let off = furthest(&ours, &their_logits(&mut theirs(&path), &text));
        assert!(off < 1e-3, "{recipe}: {off}");
    }
}

#[test]
fn a_plan_in_f16_continues_a_text_as_the_original_does() {
    const LENGTH: usize = 96;
    let folder = tempfile::tempdir().unwrap();
    let prompt = tokens(PROMPT);
    let engine = Model::load(Path::new(TEACHER), &Device::Cpu).unwrap();
    let mut session = engine.session(prompt.len() + LENGTH).unwrap();
    let mut next = prompt.clone();
    let mut original = Vec::new();
    while original.len() < LENGTH {
        let logits = session.run(&next, Positions::Last, &mut ()).unwrap();
        let token = likeliest(&logits.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        original.push(token);
        next = vec![token];
    }
    // By way of f32, so that every matrix is written anew.
    let wide = planned(folder.path(), "f32");
    let out = folder.path().join("again.gguf");
    let spec = edgeplan_model::load(&wide.display().to_string()).unwrap();
    let formats = from_mix(&spec, &Format::F16.into()).unwrap();
    let mut checkpoint = Checkpoint::open(&wide).unwrap();
    apply(&mut checkpoint, &formats, &BTreeMap::new(), &out, |_| {}).unwrap();
    let mut model = theirs(&out);
    let mut logits = their_logits(&mut model, &prompt).pop().unwrap();
    let mut planned = Vec::new();
    while planned.len() < LENGTH {
        let token = likeliest(&logits);
        planned.push(token);
        let input = Tensor::new(&[[token]], &Device::Cpu).unwrap();
        let position = prompt.len() + planned.len() - 1;
        let found = model.forward(&input, position).unwrap();
        logits = found.flatten_all().unwrap().to_vec1().unwrap();
    }
    let text = |tokens: &[u32]| -> String {
        tokens.iter().map(|&token| char::from_u32(token).unwrap()).collect()
    };
    assert_eq!(text(&planned), text(&original));
    assert!(text(&original).contains(" the "), "{}", text(&original));
}

/// Prints a line for each tensor: name, type, lengths, and sums over what it stands for.
const READER: &str = r#"
import sys
from gguf import GGUFReader
from gguf.quants import dequantize
for tensor in GGUFReader(sys.argv[1]).tensors:
    values = dequantize(tensor.data, tensor.tensor_type).astype("float64")
    shape = "x".join(str(int(length)) for length in tensor.shape)
    print(tensor.name, tensor.tensor_type.name, shape, values.sum(), (values ** 2).sum())
"#;

#[test]
fn the_python_package_reads_types_and_values() {
    let python = std::env::var("EDGEPLAN_PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python).args(["-c", "import gguf"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        // To stderr itself, because the test harness captures `eprintln!`.
        let _ = writeln!(
            std::io::stderr(),
            "not run: GGUF files in Python (`{python}` has no package gguf; EDGEPLAN_PYTHON \
             names another)"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recipes = [
        "q4_K+attn_q:q5_K,attn_k:q6_K,attn_v:q8_0,attn_output:q5_0,ffn_gate:q3_K,ffn_up:q2_K,\
         token_embd:q4_0,output:q5_1",
        "q4_1+attn_q:f32,attn_k:f16,attn_v:bf16",
    ];
    for recipe in recipes {
        let path = planned(folder.path(), recipe);
        let output = Command::new(&python).args(["-c", READER]).arg(&path).output().unwrap();
        let (text, complaint) = (output.stdout, String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{complaint}");
        let text = String::from_utf8(text).unwrap();
        let mut checkpoint = Checkpoint::open(&path).unwrap();
        let tensors = checkpoint.header.tensors.clone();
        assert_eq!(text.lines().count(), tensors.len());
        let mix: FormatMix = recipe.parse().unwrap();
        for (line, tensor) in text.lines().zip(&tensors) {
            let words: Vec<&str> = line.split(' ').collect();
            let class = TensorClass::MATRICES.into_iter().find(|class| {
                tensor.name.rsplit('.').nth(1).is_some_and(|stem| stem == class.name())
            });
            let kind = class.map_or(Format::F32, |class| mix.format(class)).name();
            assert_eq!(
                (words[0], &*words[1].to_lowercase()),
                (&*tensor.name, &*kind.to_lowercase())
            );
            let used: Vec<String> =
                tensor.dimensions.iter().filter(|l| **l > 1).map(u64::to_string).collect();
            assert_eq!(words[2], used.join("x"));
            let ours = checkpoint.widened(&tensor.name).unwrap().flatten_all().unwrap();
            let ours: Vec<f64> =
                ours.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
            let squares: f64 = ours.iter().map(|value| value * value).sum();
            let near = |word: &str, value: f64| {
                (word.parse::<f64>().unwrap() - value).abs() < 1e-5 * squares.max(1.0)
            };
            assert!(near(words[3], ours.iter().sum()) && near(words[4], squares), "{line}");
        }
    }
}

#[test]
fn weights_drawn_anew_stay_within_their_rounding_and_follow_the_seed() {
    const TENSOR: &str = "blk.1.ffn_up.weight";
    let folder = tempfile::tempdir().unwrap();
    let coarse = planned(folder.path(), "q8_0");
    let spec = edgeplan_model::load(&coarse.display().to_string()).unwrap();
    let formats = from_mix(&spec, &"f32".parse::<FormatMix>().unwrap()).unwrap();
    let values = |file: &Path| -> Vec<f32> {
        let tensor = Checkpoint::open(file).unwrap().widened(TENSOR).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    };
    let drawn = |name: &str, seed: u64| {
        let out = folder.path().join(name);
        let mut checkpoint = Checkpoint::open(&coarse).unwrap().drawn_anew(seed);
        apply(&mut checkpoint, &formats, &BTreeMap::new(), &out, |_| {}).unwrap();
        values(&out)
    };
    let (grid, one) = (values(&coarse), drawn("one.gguf", 1));
    assert_eq!(one, drawn("again.gguf", 1));
    assert_ne!(one, drawn("two.gguf", 2));
    let mut moved = 0;
    for (grid, drawn) in grid.chunks(32).zip(one.chunks(32)) {
        let largest = grid.iter().fold(0.0f32, |most, weight| most.max(weight.abs()));
        // 127 steps to the largest; where no two weights are neighbours, a gap is several steps.
        for (grid, drawn) in grid.iter().zip(drawn) {
            assert!((grid - drawn).abs() <= largest / 127.0 * 4.0, "{grid} {drawn}");
            moved += usize::from(grid != drawn);
        }
    }
    assert!(moved > one.len() * 9 / 10, "{moved} of {}", one.len());
}
