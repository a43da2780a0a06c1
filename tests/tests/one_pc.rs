//! What people ask of one PC: rows of wrong answers that were found in public reports, each right.

use std::path::Path;

use edgeplan_model::gguf::draft::{Draft, Tensor, Value};
use edgeplan_tests::{json, refused, run, text};

const GIB: f64 = (1u64 << 30) as f64;

/// What the first line of a plan tells, of a model on one PC.
fn summary(arguments: &[&str]) -> serde_json::Value {
    let answer = json(&[&["plan"], arguments].concat());
    assert!(answer["summary"][0]["model"].is_string(), "{arguments:?}: {answer}");
    answer["summary"][0].clone()
}

#[test]
fn a_card_of_24_gb_keeps_all_but_a_reserve_of_its_gib() {
    let facts = json(&["inspect", "device", "catalog:rtx-3090-24"]);
    let usable = facts["usable_bytes"].as_f64().unwrap() / GIB;
    assert!((22.0..=23.6).contains(&usable), "{usable} GiB");
}

#[test]
fn a_hybrid_model_fits_a_card_at_65k_tokens() {
    let card = ["--model", "catalog:qwen3.6-27b", "--device", "rtx-3090-24"];
    let found = summary(&[&card[..], &["--context", "65536", "--quality", "any"]].concat());
    assert_eq!(found["context"], 65_536);
}

#[test]
fn a_prompt_of_130816_tokens_fits_because_passes_are_short() {
    let card = ["--model", "catalog:llama-3.1-8b", "--device", "rtx-3090-24"];
    let long = ["--prompt", "130816", "--generate", "128", "--quality", "any"];
    let found = summary(&[&card[..], &long].concat());
    assert_eq!(found["context"], 130_944);
}

#[test]
fn a_window_that_the_engine_does_not_apply_takes_no_cache_away() {
    let memory = json(&["memory", "catalog:mistral-7b-v0.1", "--context", "32768"]);
    let cache = memory["devices"][0]["bytes"]["context"].as_u64().unwrap();
    assert_eq!(cache >> 20, 4096, "{memory}");
}

/// MiB of a model in q4_K on the host alone: weights, and cache and state.
fn on_the_host(model: &str, context: &str) -> [u64; 2] {
    let asked = ["memory", model, "--recipe", "q4_K", "--context", context];
    let bytes = json(&asked)["devices"][0]["bytes"].clone();
    ["weights", "context"].map(|key| bytes[key].as_u64().unwrap() >> 20)
}

/// As llama.cpp's dry run prints it: the block that predicts several tokens is not loaded.
#[test]
fn blocks_that_are_not_loaded_take_no_memory() {
    assert_eq!(on_the_host("catalog:glm-4.5-air", "32768"), [61_397, 5888]);
}

/// A public report has 16 GiB of cache, and 150 MiB of state.
#[test]
fn recurrent_blocks_have_a_state_and_no_cache() {
    let [_, cache] = on_the_host("catalog:qwen3.6-27b", "262144");
    assert_eq!(cache, (16 << 10) + 149);
}

#[test]
fn activations_are_those_of_a_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out").display().to_string();
    let card = ["--model", "catalog:llama-3.1-8b", "--device", "rtx-3090-24"];
    let long = ["--prompt", "130816", "--generate", "128", "--quality", "any"];
    let told = json(&[&["export", "--to", "llama.cpp", "--out", &path], &card[..], &long].concat());
    let activations = told["devices"]["pc/cuda0"]["activations_bytes"].as_u64().unwrap();
    assert!(activations < 64 << 20, "{told}");
}

/// Experts of a model in floats are quantized with all else: none stays in bf16.
#[test]
fn experts_in_floats_get_the_format_that_is_planned() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.gguf").display().to_string();
    let like = ["--like", "catalog:qwen3-30b-a3b", "--recipe", "bf16", "--header-only"];
    run(&[&["generate", "gguf", "--out", &model], &like[..]].concat());
    let workload = folder.path().join("workload.toml");
    std::fs::write(&workload, "formats = ['q2_K']\nquality = 'any'\n").unwrap();
    let (workload, out) = (workload.display().to_string(), folder.path().join("out"));
    let path = out.display().to_string();
    let pc = ["--device", "rtx-3060-12", "--device", "ryzen-9-5900x", "--ram", "64 GiB"];
    let asked = ["--model", &model, "--workload", &workload, "--to", "llama.cpp", "--out", &path];
    let told = json(&[&["export"], &asked[..], &pc].concat());
    let quantize = script(&out, "quantize.sh");
    assert!(quantize.contains("|ffn_down_exps|") && quantize.contains("=q2_K"), "{quantize}");
    let devices = told["devices"].as_object().unwrap().values();
    let weights: u64 = devices.map(|device| device["weights_bytes"].as_u64().unwrap()).sum();
    // 2.625 bits of 30.5 billion weights, 54.5 GiB in bf16.
    assert!((9.0..10.0).contains(&(weights as f64 / GIB)), "{told}");
}

/// The options of an exported script.
fn script(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn experts_of_a_large_model_lie_in_ram_and_its_attention_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = out.display().to_string();
    let pc = ["--model", "catalog:gpt-oss-120b", "--device", "rtx-3090-24"];
    let rest = ["--device", "ryzen-9-5900x", "--ram", "256 GiB", "--objective", "decode"];
    let export = ["export", "--to", "llama.cpp", "--out", &path];
    json(&[&export[..], &pc, &rest].concat());
    let serve = script(&out, "serve.sh");
    let experts = serve.contains("--n-cpu-moe") || serve.contains("_(ch|)exps=CPU");
    assert!(experts && serve.contains("--device CUDA0"), "{serve}");
    // All layers and the output layer are on the card, but for what is named.
    assert!(serve.contains("--gpu-layers 37"), "{serve}");
    assert!(!serve.contains("--rpc"), "{serve}");
}

#[test]
fn formats_of_the_cache_are_a_choice() {
    let card = ["--model", "catalog:llama-3.1-8b", "--device", "rtx-3060-12", "--quality", "any"];
    let long = ["--context", "65536", "--kv", "f16,q8_0,q4_0"];
    let answer = json(&[&["plan"], &card[..], &long].concat());
    let cache = &answer["cache"];
    assert_eq!(cache["others"].as_array().unwrap().len(), 2, "{cache}");
    assert!(cache["others"][0]["excluded"].as_bool().unwrap(), "{cache}");
    let said = text(&run(&[&["plan"], &card[..], &long].concat()).stdout);
    assert!(said.contains("KV cache in ") && said.contains("beellama.cpp"), "{said}");
    // The export writes the format that was chosen.
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = out.display().to_string();
    json(&[&["export", "--to", "llama.cpp", "--out", &path], &card[..], &long].concat());
    let serve = script(&out, "serve.sh");
    let chosen = cache["format"].as_str().unwrap();
    for option in ["--cache-type-k", "--cache-type-v"] {
        assert_eq!(serve.contains(&format!("{option} {chosen}")), chosen != "f16", "{serve}");
    }
    refused(&[&["plan"], &card[..], &["--kv", "q9"]].concat(), "`q9` is no format");
}

#[test]
fn a_projector_takes_memory_of_its_device_and_is_exported() {
    let folder = tempfile::tempdir().unwrap();
    let mmproj = folder.path().join("mmproj.gguf").display().to_string();
    let mut draft = Draft::default();
    draft.set("general.architecture", Value::Text("clip".into()));
    // 800 MB in f16, of which the header is enough.
    let dimensions = vec![4096, 97_656];
    draft.tensors.push(Tensor { name: "v.patch_embd.weight".into(), dimensions, kind: 1 });
    std::fs::write(&mmproj, draft.header()).unwrap();
    let bytes = 2 * 4096 * 97_656u64;
    let pc = ["--model", "catalog:gemma-3-4b", "--device", "rtx-3060-12"];
    let pc = [&pc[..], &["--device", "ryzen-9-5900x", "--ram", "32 GiB"]].concat();
    let with = [&pc[..], &["--mmproj", &mmproj]].concat();
    let needed = |arguments: &[&str]| {
        let out = folder.path().join(format!("{}", arguments.len()));
        let path = out.display().to_string();
        let told = json(&[&["export", "--to", "llama.cpp", "--out", &path], arguments].concat());
        let overhead = &told["devices"]["pc/cuda0"]["overhead_bytes"];
        (overhead.as_u64().unwrap(), script(&out, "serve.sh"))
    };
    let ((before, plain), (after, serve)) = (needed(&pc), needed(&with));
    assert_eq!(after - before, bytes);
    assert!(!plain.contains("--mmproj"), "{plain}");
    assert!(serve.contains("--mmproj ") && serve.contains("--mmproj-device CUDA0"), "{serve}");
    let memory = |arguments: &[&str]| {
        let told =
            json(&[&["memory", "catalog:gemma-3-4b", "--gpu-layers", "99"], arguments].concat());
        told["devices"][1]["bytes"]["weights"].as_u64().unwrap()
    };
    assert_eq!(memory(&["--mmproj", &mmproj]) - memory(&[]), bytes);
    refused(&["plan", "--model", &mmproj], "`clip` is a projector");
    let other = [&["export", "--to", "ollama", "--out", "never"], &with[..]].concat();
    refused(&other, "only llama.cpp and koboldcpp are told of one");
}

#[test]
fn koboldcpp_gets_the_same_facts_in_its_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let path = out.display().to_string();
    let pc = ["--model", "catalog:qwen3-30b-a3b", "--device", "rtx-3060-12"];
    let rest =
        ["--device", "ryzen-9-5900x", "--ram", "64 GiB", "--kv", "q8_0", "--context", "16384"];
    json(&[&["export", "--to", "koboldcpp", "--out", &path], &pc[..], &rest].concat());
    let serve = script(&out, "serve.sh");
    for option in ["--usecuda 0", "--contextsize 16384", "--quantkv 1", "--flashattention"] {
        assert!(serve.contains(option), "no {option} in\n{serve}");
    }
    assert!(serve.contains("--moecpu") || serve.contains("--overridetensors"), "{serve}");
}

#[test]
fn a_card_and_ram_are_enough_to_say() {
    let asked = ["plan", "--model", "catalog:qwen3-30b-a3b", "--device", "rtx-3060-12"];
    let pc = json(&[&asked[..], &["--ram", "64 GiB"]].concat());
    let named = json(&[&asked[..], &["--device", "ryzen-5-5600", "--ram", "64 GiB"]].concat());
    assert_eq!(pc["latency_ns"], named["latency_ns"]);
    let stages = pc["stages"].to_string();
    assert!(stages.contains("pc/cpu") && stages.contains("pc/cuda0"), "{stages}");
    // A machine of one memory has no other.
    let mac = ["plan", "--device", "apple-m4-24", "--ram", "24 GiB"];
    refused(&mac, "command line: host.pc.ram: no device of this host is a CPU");
}
