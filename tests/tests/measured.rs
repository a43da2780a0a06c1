//! What was measured decides what is planned.

use std::path::Path;

use edgeplan_files::to_json;
use edgeplan_tests::{json, refused, run, text};
use serde_json::Value;

use crate::machine::{BY_BYTES, SLOW_BITS, Speed, profile};

const CLUSTER: &str = "source = 'this'\n[device.this]\nprofile = 'laptop.json'\n\
    [device.twin]\nprofile = 'laptop.json'\n[[link]]\nbetween = ['this', 'twin']\n\
    bandwidth = '1 Gbit/s'\nlatency = '0.2 ms'\n";
const WORKLOAD: &str = "prompt = 16\ngenerate = 64\nquality = 'any'\ngranularity = 'layer'\n\
    formats = ['q8_0', 'q4_K', 'q2_K']\n";

/// Paths of a laptop of these kernels, of a cluster with its twin, and of a workload.
fn files(folder: &Path, speeds: &[Speed]) -> [String; 3] {
    let write = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name).display().to_string()
    };
    let laptop = write("laptop.json", &to_json(&profile(speeds)));
    [laptop, write("cluster.toml", CLUSTER), write("workload.toml", WORKLOAD)]
}

fn question([_, cluster, workload]: &[String; 3]) -> [&str; 7] {
    let model = "catalog:llama-2-7b";
    ["plan", "--model", model, "--cluster", cluster, "--workload", workload]
}

/// How many layers of a plan have that recipe.
fn count(plan: &Value, recipe: &str) -> u32 {
    let stages = plan["stages"].as_array().unwrap().iter();
    let texts = stages.flat_map(|stage| stage["recipes"].as_array().unwrap());
    let counts = texts.filter_map(|text| text.as_str().unwrap().split_once(" x "));
    let found = counts.filter(|(_, name)| *name == recipe);
    found.map(|(count, _)| count.parse::<u32>().unwrap()).sum()
}

#[test]
fn a_smaller_format_is_chosen_only_where_it_is_faster() {
    let folder = tempfile::tempdir().unwrap();
    // The embedding is looked up, so its format takes no time: 33 of 34 layers are decided.
    for (speeds, fastest) in [(BY_BYTES, "q2_K"), (SLOW_BITS, "q4_K")] {
        let plan = json(&question(&files(folder.path(), &speeds)));
        assert_eq!(plan["verdict"], "optimal");
        assert!(count(&plan, fastest) >= 33, "{fastest}: {plan}");
    }
}

#[test]
fn a_plan_says_how_well_its_times_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path(), &SLOW_BITS);
    let plan = json(&question(&files));
    let times = &plan["times"][0];
    assert_eq!(times["basis"], "measured");
    let nanos = |key: &str| times[key].as_u64().unwrap();
    assert!(nanos("low_ns") < nanos("compute_ns") && nanos("compute_ns") < nanos("high_ns"));
    let [low, high] = [0, 1].map(|end| plan["latency_interval_ns"][0][end].as_u64().unwrap());
    let cost = plan["cost_ns"].as_u64().unwrap();
    assert!(low < cost && cost < high, "{low} {cost} {high}");
    let shown = text(&run(&question(&files)).stdout);
    assert!(shown.contains("laptop.json: none 1 on made up, 2026-11-21"), "{shown}");
    assert!(shown.contains(" s to ") && shown.contains(" s per request"), "{shown}");
    let published = text(&run(&["plan", "--time", "5"]).stdout);
    assert!(published.contains(" estimated ") && published.contains("90 %"), "{published}");
}

#[test]
fn a_measured_device_is_shown_with_its_errors() {
    let folder = tempfile::tempdir().unwrap();
    let [laptop, ..] = files(folder.path(), &SLOW_BITS);
    let device = json(&["inspect", "device", &laptop]);
    assert_eq!(device["usable_bytes"], 12_u64 << 30);
    let formats = device["formats"].as_array().unwrap();
    assert_eq!(formats.len(), 3);
    for format in formats {
        let error = |rows: &str, whose: &str| format[rows][whose]["median"].as_f64().unwrap();
        assert!(error("one_row", "ours") < error("one_row", "naive"), "{format}");
        assert!(error("several_rows", "ours") < error("several_rows", "naive"), "{format}");
        let decode = &format["decode_7b_tokens_per_s"];
        let [low, median, high] =
            ["low", "median", "high"].map(|key| decode[key].as_f64().unwrap());
        assert!(low < median && median < high, "{decode}");
    }
    // 6.6e9 weights at 0.034 ns each, and a little for the rest.
    let decode = formats.iter().find(|format| format["format"] == "q4_K").unwrap();
    let decode = decode["decode_7b_tokens_per_s"]["median"].as_f64().unwrap();
    assert!((4.0..4.46).contains(&decode), "{decode}");
    let of_all =
        |whose: &str, quantile: &str| device["held_out"][whose][quantile].as_f64().unwrap();
    assert!(of_all("ours", "median") < 0.01 && of_all("naive", "median") > 0.5, "{device}");
    assert!(of_all("ours", "ninth_decile") >= of_all("ours", "median"), "{device}");
    let shown = text(&run(&["inspect", "device", &laptop]).stdout);
    assert!(shown.contains("rule of thumb") && shown.contains("made up"), "{shown}");
    std::fs::write(&laptop, "{\"schema\": 7}").unwrap();
    refused(&["inspect", "device", &laptop], "laptop.json: schema: 7; 2 is allowed");
}

#[test]
fn the_recorded_machine_and_its_twin_can_be_planned_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench-data");
    let path = |name: &str| folder.join(name).display().to_string();
    let cluster = path("clusters/epyc-twins.toml");
    let plan = json(&["plan", "--model", "catalog:llama-3.1-8b", "--cluster", &cluster]);
    assert_eq!(plan["verdict"], "optimal");
    assert_eq!(plan["times"].as_array().unwrap().len(), 2, "8B on 4 GiB each: {plan}");
    assert_eq!(plan["times"][0]["basis"], "measured");
    // These were measured to be ten times slower than q8_0, which is twice as large.
    for slow in ["q4_1", "q5_0", "q5_1"] {
        assert_eq!(count(&plan, slow), 0, "{slow}: {plan}");
    }
    let profile = path("calibration/2026-11-21-epyc-2/profile.json");
    let held_out = &json(&["inspect", "device", &profile])["held_out_products"];
    let error = |whose: &str, quantile: &str| held_out[whose][quantile].as_f64().unwrap();
    assert!(error("ours", "median") <= 0.08 && error("ours", "ninth_decile") <= 0.2, "{held_out}");
    assert!(error("naive", "median") > 1.0, "{held_out}");
}
