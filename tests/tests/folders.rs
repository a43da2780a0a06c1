//! Folders of `config.json` and safetensors, against models computed in plain loops.

use std::path::Path;

use edgeplan_tests::{Tiny, json, refused, run, safetensors, text};
use serde_json::Value;

/// Three windows of 32 bytes.
const TEXT: &str = "In the beginning God created the heaven and the earth. And the earth was \
                    without form, and void; a";
const CONTEXT: usize = 32;

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

/// The text of three windows, in a file.
fn words(folder: &Path) -> String {
    let words = path(folder, "text.txt");
    std::fs::write(&words, &TEXT[..3 * CONTEXT]).unwrap();
    words
}

fn verify(model: &str, original: &str, words: &str) -> Value {
    let asked = ["verify", model, "--against", original, "--text", words];
    json(&[&asked[..], &["--tokens", "96", "--context", "32"]].concat())
}

fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 2e-5 * expected, "{found} {expected}");
}

#[test]
fn losses_are_those_of_plain_loops() {
    let folder = tempfile::tempdir().unwrap();
    let words = words(folder.path());
    let windows: Vec<Vec<usize>> = TEXT.as_bytes()[..3 * CONTEXT]
        .chunks(CONTEXT)
        .map(|w| w.iter().map(|&b| b.into()).collect())
        .collect();
    let models = [
        ("opt-like-350m", Tiny::opt(1, true), 1, false),
        ("opt", Tiny::opt(2, false), 3, false),
        ("llama", Tiny::llama(3), 2, true),
    ];
    for (name, tiny, files, whole) in models {
        tiny.write(&folder.path().join(name), files, whole);
        let model = path(folder.path(), name);
        let found = verify(&model, &model, &words);
        close(&found["original_loss_nats"], tiny.loss(&windows));
        assert_eq!((&found["kl_nats"], &found["tokens"]), (&0.0.into(), &96.into()), "{name}");
        let elements: usize = tiny.tensors.values().map(|(_, values)| values.len()).sum();
        assert_eq!(found["bytes"], 4 * elements, "{name}");
    }
}

#[test]
fn of_questions_the_loss_is_that_of_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (model, words) = (path(folder.path(), "opt"), path(folder.path(), "squad.json"));
    let tiny = Tiny::opt(4, true);
    tiny.write(Path::new(&model), 1, false);
    let asked = [("Where is heaven?", "above"), ("What was void?", "the earth"), ("Who?", "God")];
    let questions: Vec<Value> = asked
        .iter()
        .map(|(question, answer)| {
            serde_json::json!({"question": question, "answers": [{"text": answer}]})
        })
        .collect();
    let paragraph = serde_json::json!({"context": TEXT, "qas": questions});
    let file = serde_json::json!({"data": [{"paragraphs": [paragraph]}]});
    std::fs::write(&words, file.to_string()).unwrap();
    // A byte is a token: windows are the last bytes up to the end of an answer and its newline.
    let windows: Vec<(Vec<usize>, usize)> = asked
        .iter()
        .map(|(question, answer)| {
            let whole = format!("{TEXT}\nQuestion: {question}\nAnswer: {answer}\n");
            let window = &whole.as_bytes()[whole.len() - CONTEXT..];
            (window.iter().map(|&byte| byte.into()).collect(), answer.len() + 2)
        })
        .collect();
    let found = verify(&model, &model, &words);
    close(&found["original_loss_nats"], tiny.loss_of_last(&windows));
    assert_eq!(found["tokens"], 3 * CONTEXT);
    // DILEMMA's figure: its constraint on weights, a format for each layer, loss of answers.
    let (sensed, points) = (path(folder.path(), "sense.jsonl"), path(folder.path(), "points.csv"));
    let on = ["--text", &words, "--tokens", "96", "--context", "32"];
    let formats = ["--formats", "f16,q8_0,q4_0", "--probes", "q4_0", "--out", &sensed];
    json(&[&["sensitivity", &model], &on[..], &formats].concat());
    let asked = ["pareto", &model, "--sensitivity", &sensed, "--budgets", "4", "--out", &points];
    let found = json(&[&asked[..], &on].concat());
    close(&found["loss_nats"], tiny.loss_of_last(&windows));
    let all = found["points"].as_array().unwrap();
    let own: Vec<&Value> = all.iter().filter(|p| p["series"] == "DILEMMA's constraint").collect();
    let ratio = |point: &Value| point["ratio"].as_f64().unwrap();
    assert!(own.len() >= 3 && ratio(own[0]) > 1.3 * ratio(own[own.len() - 1]), "{found}");
}

#[test]
fn an_opt_is_measured_and_planned_but_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let words = words(folder.path());
    let model = path(folder.path(), "opt");
    Tiny::opt(5, true).write(Path::new(&model), 1, false);
    let (sensed, points) = (path(folder.path(), "sense.jsonl"), path(folder.path(), "points.csv"));
    let on = ["--text", &words, "--tokens", "96", "--context", "32"];
    let formats = ["--formats", "q8_0,q5_0,q4_0", "--mixes", "8", "--out", &sensed];
    let found = json(&[&["sensitivity", &model], &on[..], &formats].concat());
    // Six matrices of two blocks, two projections, embedding and head.
    assert_eq!(found["rows"], 3 * (2 * 6 + 4));
    let lines = std::fs::read_to_string(&sensed).unwrap();
    for name in ["project_in.weight", "project_out.weight", "blk.1.ffn_up.weight"] {
        assert!(lines.contains(&format!("{{\"tensor\":\"{name}\",\"format\":\"q4_0\"")), "{name}");
    }
    let asked = ["pareto", &model, "--sensitivity", &sensed, "--budgets", "3", "--out", &points];
    let found = json(&[&asked[..], &on].concat());
    let points = found["points"].as_array().unwrap();
    let of = |series: &str| points.iter().filter(|p| p["series"] == series).collect::<Vec<_>>();
    let (uniform, same) = (of("uniform"), of("plan, no larger"));
    assert_eq!(uniform.len(), 3, "{found}");
    assert!(of("on weight difference").len() >= 2 && !same.is_empty(), "{found}");
    for plan in same {
        let size = uniform.iter().find(|point| point["point"] == plan["point"]).unwrap();
        assert!(plan["bytes"].as_u64() <= size["bytes"].as_u64(), "{plan} {size}");
    }
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    let out = path(folder.path(), "out.gguf");
    let no = "config.json: model_type: `opt` is measured and planned, but no engine reads one";
    refused(&["quantize", "--recipe", "q8_0", &model, "--out", &out], no);
    let distill = ["distill", "--recipe", "q8_0", &model, "--text", &words, "--out", &out];
    refused(&distill, no);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
    let long = ["--tokens", "96", "--context", "48", "--out", &out];
    refused(
        &[&["sensitivity", &model, "--text", &words], &long[..]].concat(),
        "max_position_embeddings: 34; windows of 48 tokens do not fit",
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
}

#[test]
fn a_llama_becomes_a_file_that_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let words = words(folder.path());
    let model = path(folder.path(), "llama");
    let mut tiny = Tiny::llama(7);
    // Which becomes a tensor of the file.
    tiny.config["rope_scaling"] = serde_json::json!({"rope_type": "llama3", "factor": 8.0,
        "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64});
    tiny.write(Path::new(&model), 3, true);
    let (plain, coarse) = (path(folder.path(), "plain.gguf"), path(folder.path(), "q4.gguf"));
    for (recipe, out) in [("f32", &plain), ("q4_0+output:q8_0", &coarse)] {
        let made = run(&["quantize", "--recipe", recipe, &model, "--out", out]);
        assert!(made.status.success(), "{}", text(&made.stderr));
    }
    // Queries and keys are in another order there, and so is what turns them.
    let found = verify(&plain, &model, &words);
    assert!(found["kl_nats"].as_f64().unwrap() < 1e-9, "{found}");
    let plain = verify(&coarse, &model, &words);
    assert!(plain["kl_nats"].as_f64().unwrap() > 1e-4, "{plain}");
    // The original could be either.
    let found = verify(&coarse, &path(folder.path(), "plain.gguf"), &words);
    close(&found["kl_nats"], plain["kl_nats"].as_f64().unwrap());
    // Distillation reads the folder and writes a file.
    let long = path(folder.path(), "long.txt");
    std::fs::write(&long, TEXT.repeat(40)).unwrap();
    let out = path(folder.path(), "taught.gguf");
    let rest = ["--tokens", "512", "--context", "32", "--steps", "20", "--out", &out];
    let asked = ["distill", "--recipe", "q4_0+output:q8_0", &model, "--text", &long];
    let taught = json(&[&asked[..], &rest].concat());
    assert!(taught["kl_after_nats"].as_f64() < taught["kl_before_nats"].as_f64(), "{taught}");
    let size = |file: &str| std::fs::metadata(file).unwrap().len();
    assert_eq!(size(&out), size(&coarse));
}

#[test]
fn what_is_broken_is_refused_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let words = words(folder.path());
    let (model, out) = (path(folder.path(), "model"), path(folder.path(), "out.gguf"));
    let tiny = Tiny::llama(11);
    let good = || {
        let _ = std::fs::remove_dir_all(&model);
        tiny.write(Path::new(&model), 2, true);
    };
    let complains = |expected: &str| {
        let on = ["--text", &words, "--tokens", "96", "--context", "32", "--out", &out];
        refused(&[&["sensitivity", &model], &on[..]].concat(), expected);
        refused(&["quantize", "--recipe", "q8_0", &model, "--out", &out], expected);
        let names = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
        let names: std::collections::BTreeSet<_> = names.collect();
        assert!(names.iter().eq(["model", "text.txt"]), "nothing is written: {names:?}");
    };
    let file = |name: &str| Path::new(&model).join(name);
    let first = "model-00001-of-00002.safetensors";
    let change = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        good();
        let bytes = std::fs::read(file(name)).unwrap();
        std::fs::write(file(name), change(bytes)).unwrap();
    };
    change(first, &|bytes| bytes[..bytes.len() - 1].to_vec());
    complains(&format!("{first}: would end at byte"));
    change(first, &|bytes| bytes[..4].to_vec());
    complains(&format!("{first}: 4 bytes; a safetensors file has 8 and more"));
    change(first, &|bytes| [&[0xff; 8], &bytes[8..]].concat());
    complains(&format!("{first}: a header of 18446744073709551615 bytes; up to"));
    change(first, &|bytes| [&bytes[..8], b"]", &bytes[9..]].concat());
    complains(&format!("{first}: "));
    change("config.json", &|bytes| bytes[..bytes.len() / 2].to_vec());
    complains("config.json: ");
    let words = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes()
    };
    change("config.json", &words("\"silu\"", "\"gelu\""));
    complains("config.json: hidden_act: `gelu` cannot be run; `silu` is allowed");
    change("config.json", &words("\"llama\"", "\"bloom\""));
    complains("config.json: model_type: ");
    change("config.json", &words("\"num_hidden_layers\":2", "\"num_hidden_layers\":1"));
    complains("model.layers.1.input_layernorm.weight: is no tensor of a model of type `llama`");
    change("config.json", &words("\"num_hidden_layers\":2", "\"num_hidden_layers\":3"));
    complains("model.layers.2.self_attn.q_proj.weight: is missing");
    change("config.json", &words("\"intermediate_size\":128", "\"intermediate_size\":160"));
    complains("mlp.gate_proj.weight: shape [128, 64]; [160, 64] is allowed");
    change("model.safetensors.index.json", &words(first, "other.safetensors"));
    complains("other.safetensors: ");
    change("model.safetensors.index.json", &words(first, "../up.safetensors"));
    complains("`../up.safetensors`; the name of a file beside it is allowed");
    change("tokenizer.json", &words("\"BPE\"", "\"WordPiece\""));
    complains("tokenizer.json: ");
    good();
    std::fs::remove_file(file("tokenizer.json")).unwrap();
    complains("tokenizer.json");
    // Elements that are no numbers, and types that are no floats.
    let mut broken = tiny.tensors.clone();
    broken.get_mut("model.norm.weight").unwrap().1[5] = f32::NAN;
    good();
    let parts = [first, "model-00002-of-00002.safetensors", "model.safetensors.index.json"];
    for part in parts {
        std::fs::remove_file(file(part)).unwrap();
    }
    complains("holds no *.safetensors");
    std::fs::write(file("model.safetensors"), safetensors(&broken)).unwrap();
    complains("model.norm.weight: element 5 is NaN; finite numbers are needed");
    let whole = safetensors(&tiny.tensors);
    let at = whole.windows(5).position(|bytes| bytes == b"\"F32\"").unwrap();
    let whole = [&whole[..at], b"\"I32\"", &whole[at + 5..]].concat();
    std::fs::write(file("model.safetensors"), whole).unwrap();
    complains("lm_head.weight: type I32; F32, F16 and BF16 are allowed");
}
