//! `edgeplan generate gguf` and `edgeplan verify`, as a user meets them.

use std::path::Path;

use edgeplan_tests::{json, refused, run, text};

/// A config.json of a llama that loads in no time.
const TINY: &str = r#"{"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 256,
    "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
    "vocab_size": 100}"#;

/// Makes a model in that recipe.
fn made(folder: &Path, recipe: &str) -> String {
    let (like, out) = (folder.join("config.json"), folder.join("tiny.gguf"));
    std::fs::write(&like, TINY).unwrap();
    let (like, out) = (like.display().to_string(), out.display().to_string());
    let made = run(&["generate", "gguf", "--like", &like, "--recipe", recipe, "--out", &out]);
    assert!(made.status.success() && made.stdout.is_empty(), "{}", text(&made.stderr));
    out
}

#[test]
fn a_generated_model_is_stored_as_asked_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let model = made(folder.path(), "q4_K+ffn_down:q6_K,attn_v:f16");
    let inspected = json(&["inspect", "model", &model]);
    let types: Vec<&str> = inspected["stored"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["f32", "f16", "q4_K", "q6_K"]);
    let size = std::fs::metadata(&model).unwrap().len();
    let stored = inspected["stored_bytes"].as_u64().unwrap();
    assert!((stored..stored + 8192).contains(&size), "{size} {stored}");

    let out = folder.path().join("verified.json").display().to_string();
    let asked = ["--prompt", "9", "--generate", "3", "--repeats", "2", "--out", &out];
    let profile = ["verify", &model, "--profile", "catalog:ryzen-7950x-64"];
    let found = json(&[&profile[..], &asked[..]].concat());
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(found, written);
    let layers = found["layers"].as_array().unwrap();
    let names: Vec<&str> = layers.iter().map(|layer| layer["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["embedding", "block 0", "block 1", "head"]);
    for (what, part) in [("first_token", "prompt"), ("each_further_token", "token")] {
        let whole = &found[what];
        assert!(whole["measured_ns"].as_u64() > Some(0), "{found}");
        // What plans say of a layer adds up to what they say of the model.
        let sum: u64 = layers.iter().map(|l| l[part]["predicted_ns"].as_u64().unwrap()).sum();
        let predicted = whole["predicted_ns"].as_u64().unwrap();
        assert!(predicted > 0 && predicted.abs_diff(sum) <= layers.len() as u64, "{found}");
        assert!(layers.iter().all(|l| l[part]["measured_ns"].as_u64() > Some(0)), "{found}");
    }
    let memory = &found["memory"];
    assert_eq!(memory["predicted_weights_bytes"].as_u64(), Some(stored));
    // Two blocks, 12 positions, 2 heads of 64 elements, keys and values, in f32.
    assert_eq!(memory["predicted_cache_bytes"], 2 * 12 * 2 * 64 * 2 * 4);
    assert!(
        found["notes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|n| n.as_str().unwrap().contains("not measured"))
    );

    let shown = run(&[&profile[..], &["--generate", "0", "--repeats", "1"]].concat());
    let shown = text(&shown.stdout);
    assert!(shown.contains("first token") && !shown.contains("each further"), "{shown}");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = made(folder.path(), "q8_0");
    let profile = ["--profile", "catalog:apple-m1"];
    let verify = |rest: &[&str], expected: &str| {
        refused(&[&["verify"], rest].concat(), expected);
    };
    verify(&["no.gguf", profile[0], profile[1]], "no.gguf: ");
    verify(&[&model, "--profile", "no.json"], "no.json: there is no such file");
    verify(&[&model, "--profile", "catalog:apple-m"], "no such device in the catalog");
    verify(&[&model, profile[0], profile[1], "--prompt", "0"], "0 is not in 1..=65536");
    verify(&[&model, profile[0], profile[1], "--out", "/no/where.json"], "there is no folder /no");
    verify(&["catalog:smollm2-135m", profile[0], profile[1]], "a GGUF file with its weights");
    verify(&[&model], "--profile");
    // Cut in the middle of its data, and as a header alone.
    let bytes = std::fs::read(&model).unwrap();
    let cut = folder.path().join("cut.gguf").display().to_string();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    verify(&[&cut, profile[0], profile[1]], "but the file ends at");
}

#[test]
fn models_that_cannot_be_made_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.gguf").display().to_string();
    let generate = |like: &str, recipe: &str, expected: &str| {
        let rest = ["--like", like, "--recipe", recipe, "--out", &out];
        refused(&[&["generate", "gguf"], &rest[..]].concat(), expected);
    };
    let smol = "catalog:smollm2-135m";
    generate("catalog:smollm", "q8_0", "no such model in the catalog");
    generate(smol, "q9_0", "`q9_0` is no format");
    generate(smol, "q8_0+ffn:q4_0", "`ffn` is no class of tensors; known are attn_q, ");
    generate(smol, "q8_0+ffn_up", "`ffn_up`; a class and its format");
    generate(smol, "q8_0+ffn_up:f16,ffn_up:f32", "`ffn_up` has two formats");
    generate(smol, "q4_K", "token_embd.weight: rows of 576 in q4_K; whole blocks of 256");
    generate("catalog:opt-350m", "q8_0", "opt-350m: architecture: `opt` cannot be made");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let out = folder.path().join("no/x.gguf").display().to_string();
    refused(&["generate", "gguf", "--like", smol, "--out", &out], "there is no folder ");
}
