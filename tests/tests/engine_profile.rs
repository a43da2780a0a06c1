//! `edgeplan profile --engine llama.cpp`, and plans on what it writes.

use std::path::Path;

use edgeplan_cost_model::engine::EngineProfile;
use edgeplan_files::to_json;
use edgeplan_tests::{json, refused, run, text};
use serde_json::Value;

use crate::engine_machine::profile;

const CLUSTER: &str = "source = 'this'\n[device.this]\nprofile = 'engine.json'\n\
    memory = '3 GiB'\n[device.twin]\nprofile = 'engine.json'\n[[link]]\n\
    between = ['this', 'twin']\nbandwidth = '1 Gbit/s'\nlatency = '0.2 ms'\n";
const WORKLOAD: &str = "prompt = 128\ngenerate = 32\nquality = 'any'\n";

/// Paths of a profile, of a cluster with its twin, and of a workload.
fn files(folder: &Path, profile: &EngineProfile, workload: &str) -> [String; 3] {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).display().to_string()
    };
    let engine = write("engine.json", &to_json(profile));
    [engine, write("cluster.toml", CLUSTER), write("workload.toml", workload)]
}

fn plan(folder: &Path, workload: &str, more: &[&str]) -> Value {
    let [_, cluster, workload] = files(folder, &profile(), workload);
    let model = "catalog:tinyllama-1.1b";
    let words = ["plan", "--model", model, "--cluster", &cluster, "--workload", &workload];
    json(&[&words[..], more].concat())
}

#[test]
fn programs_that_are_missing_are_said_once_with_the_way_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let [out, none] = ["engine.json", "none"].map(|name| folder.path().join(name));
    let [out, none] = [out, none].map(|path| path.display().to_string());
    let words = ["profile", "--engine", "llama.cpp", "--programs", &none, "--out", &out];
    refused(&words, &format!("{none}: `llama-bench` is missing; `./x fetch llama.cpp` builds"));
    refused(&["profile", "--engine", "llama.cpp", "--out", &out], "--programs");
    // A file of something else is not gone on with.
    std::fs::write(&out, "{\"schema\": 2}").unwrap();
    refused(&words, "engine.json: ");
}

#[test]
fn a_profile_of_an_engine_is_shown_with_its_errors() {
    let folder = tempfile::tempdir().unwrap();
    let [engine, ..] = files(folder.path(), &profile(), WORKLOAD);
    let output = run(&["inspect", "device", &engine]);
    let shown = text(&output.stdout);
    for part in ["1.10 times the quickest", "iq4_xs *", "a pass in another process", "bias"] {
        let part = if part == "bias" { "Signed, in the middle: " } else { part };
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let facts = json(&["inspect", "device", &engine]);
    let held = facts["held_out"].as_array().unwrap();
    assert!(held.iter().all(|held| held["ours"]["median"].as_f64().unwrap() < 0.05), "{facts}");
    assert!(facts["bias"].as_f64().unwrap().abs() < 0.03, "{facts}");
}

#[test]
fn plans_for_the_engine_have_bands_and_price_formats_by_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let formats = format!("{WORKLOAD}formats = ['q8_0', 'q4_0']\n");
    let found = plan(folder.path(), &formats, &["--for", "llama.cpp"]);
    assert_eq!(found["verdict"], "optimal");
    for times in found["times"].as_array().unwrap() {
        assert_eq!(times["basis"], "measured", "{times}");
        let nanos = |key: &str| times[key].as_u64().unwrap();
        assert!(nanos("low_ns") < nanos("compute_ns") && nanos("compute_ns") < nanos("high_ns"));
        // Models were held out; nothing else disturbs what is made up.
        assert!(nanos("high_ns") < nanos("low_ns") * 2, "{times}");
    }
    // Fewer bytes are read faster on the source, where q4_0 is repacked.
    let stages = found["stages"].as_array().unwrap();
    let recipes = stages[0]["recipes"].to_string();
    assert!(recipes.contains("q4_0"), "{found}");
}

#[test]
fn depth_and_cache_are_priced_apart() {
    let folder = tempfile::tempdir().unwrap();
    let cost = |workload: &str| {
        let workload = format!("{workload}formats = ['q8_0']\nquality = 'any'\n");
        plan(folder.path(), &workload, &["--for", "llama.cpp"])["cost_ns"].as_u64().unwrap()
    };
    let base = cost("prompt = 128\ngenerate = 32\nobjective = 'decode'\n");
    let deep = cost("prompt = 1920\ngenerate = 32\nobjective = 'decode'\n");
    let small = cost("prompt = 1920\ngenerate = 32\nobjective = 'decode'\nkv = 'q8_0'\n");
    // The cache in q8_0 was made up to be read more slowly.
    assert!(base < deep && deep < small, "{base} {deep} {small}");
}

#[test]
fn a_format_that_was_not_timed_needs_an_estimate() {
    let folder = tempfile::tempdir().unwrap();
    let workload = format!("{WORKLOAD}formats = ['q2_K']\nestimate = false\n");
    let [_, cluster, workload] = files(folder.path(), &profile(), &workload);
    let model = "catalog:tinyllama-1.1b";
    let words = ["plan", "--model", model, "--cluster", &cluster, "--workload", &workload];
    refused(&words, "matrix products in q2_K were not measured");
    let estimated = plan(folder.path(), &format!("{WORKLOAD}formats = ['q2_K']\n"), &[]);
    let basis = estimated["times"][0]["basis"].as_str().unwrap();
    assert_eq!(basis, "measured, partly estimated");
}

#[test]
fn a_robust_plan_says_what_it_regrets_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let found = plan(folder.path(), WORKLOAD, &["--robust", "--for", "llama.cpp"]);
    let robust = &found["robust"];
    let cost = |key: &str| robust[key].as_u64().unwrap();
    assert!(cost("regret_bound") <= cost("regret") && cost("regret") <= cost("nominal_regret"));
    assert_eq!(robust["cost"], found["cost_ns"]);
    // Twins err together: as predicted, faster, slower.
    assert_eq!(robust["scenarios"].as_array().unwrap().len(), 3, "{robust}");
}
