//! `edgeplan inspect`: numbers with their sources.

use edgeplan_tests::{json, refused, run, text};

use crate::writer;

#[test]
fn a_model_has_a_size_in_each_format() {
    let model = json(&["inspect", "model", "catalog:llama-3.1-8b"]);
    assert_eq!(model["parameters"], 8_030_261_248_u64);
    assert_eq!(model["stored_bytes"], serde_json::Value::Null);
    assert_eq!(model["layers"].as_array().unwrap().len(), 34);
    assert!(json(&["inspect", "model"]).as_array().unwrap().len() >= 15);
}

#[test]
fn a_gguf_shows_how_it_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf").display().to_string();
    std::fs::write(&path, writer::TINY.file().bytes()).unwrap();
    let model = json(&["inspect", "model", &path]);
    let stored = model["stored"].as_array().unwrap();
    let sum: u64 = stored.iter().map(|row| row["bytes"].as_u64().unwrap()).sum();
    assert_eq!(stored.iter().map(|row| &row["type"]).collect::<Vec<_>>(), ["f32", "f16"]);
    assert_eq!(model["stored_bytes"], sum);
    let shown = text(&run(&["inspect", "model", &path]).stdout);
    assert!(shown.contains("stored as") && shown.contains("q4_K"), "{shown}");
    let quantized = writer::Llama { stored: "q4_K", ..writer::TINY };
    std::fs::write(&path, quantized.file().bytes()).unwrap();
    let shown = text(&run(&["inspect", "model", &path]).stdout);
    assert!(shown.contains("already quantized"), "{shown}");
}

#[test]
fn every_number_of_a_device_has_a_source_and_estimates_say_so() {
    let device = json(&["inspect", "device", "catalog:apple-m1"]);
    for fact in device["facts"].as_array().unwrap() {
        assert!(!fact["source"].as_str().unwrap().is_empty(), "{fact}");
    }
    let rate = |format: &str| {
        let rates = device["rates"].as_array().unwrap();
        rates.iter().find(|rate| rate["format"] == format).unwrap().clone()
    };
    // llama.cpp discussion 4167
    assert_eq!(rate("q4_0")["bandwidth_status"], "measured");
    assert!((rate("q4_0")["decode_7b_tokens_per_s"].as_f64().unwrap() - 14.15).abs() < 1e-9);
    assert_eq!(rate("q6_K")["bandwidth_status"], "estimated");
    assert!(json(&["inspect", "device"]).as_object().unwrap().len() >= 24);
    let orin = text(&run(&["inspect", "device", "catalog:jetson-orin-nano-8"]).stdout);
    assert!(orin.contains("reading measured, computing estimated"), "{orin}");
    refused(&["inspect", "device", "catalog:apple-m9"], "did you mean `catalog:apple-m");
}

#[test]
fn a_cluster_shows_what_a_message_takes() {
    let cluster = json(&["inspect", "cluster"]);
    let routes = cluster["routes"].as_array().unwrap();
    let to_desktop =
        |route: &&serde_json::Value| route["from"] == "laptop" && route["to"] == "desktop";
    let route = routes.iter().find(to_desktop).unwrap();
    // 3 + 0.2 ms, and 16 KiB at 300 Mbit/s
    assert_eq!(route["latency_ns"], 3_200_000);
    assert_eq!(route["time_ns"], 3_200_000 + (16_384 * 8 * 10_u64).div_ceil(3));
    assert_eq!(routes.len(), 12);
    let shown = text(&run(&["inspect", "cluster"]).stdout);
    assert!(shown.contains("Requests enter at laptop"), "{shown}");
    refused(&["inspect", "cluster", "none.toml"], "none.toml: ");
}
