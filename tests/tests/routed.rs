//! `edgeplan sensitivity`, `quantize`, `verify` and `distill` on the teacher with experts.

use std::path::Path;

use edgeplan_model::gguf;
use edgeplan_tests::{json, run, text};

const TEACHER: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher-experts/teacher.gguf");
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/romans.txt");

#[test]
fn experts_are_measured_by_block_and_by_use() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sense.jsonl").display().to_string();
    let rest = ["--tokens", "256", "--formats", "q5_K,q3_K", "--out", &out];
    let asked = [&["sensitivity", TEACHER, "--text", TEXT], &rest[..]].concat();
    let found = json(&asked);
    // Attention has four matrices, experts have three, embedding and head are one each.
    assert_eq!(found["rows"], 2 * (4 * 7 + 2));
    let experts = found["experts"].as_array().unwrap();
    assert_eq!(experts.len(), 4);
    for (index, block) in experts.iter().enumerate() {
        assert_eq!(block["block"], index);
        let routed: Vec<u64> =
            block["routed"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        // Two of four for every token, and each of them for some.
        assert_eq!((routed.len(), routed.iter().sum::<u64>()), (4, 2 * 256));
        assert!(routed.iter().all(|&count| count > 0), "{routed:?}");
        let nats = |format: &str| block["nats"][format].as_f64().unwrap();
        assert!(nats("q5_K") < nats("q3_K") && nats("q3_K") < 0.1, "{block}");
    }
    // What is there is not measured again, and shown as it was.
    assert_eq!(json(&asked), found);
    let shown = text(&run(&asked).stdout);
    assert!(shown.contains("experts of block") && shown.contains(" % "), "{shown}");
}

#[test]
fn experts_are_quantized_measured_and_taught() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let recipe = "q2_K+ffn_down_exps:q3_K";
    let (plain, taught) = (path("plain.gguf"), path("taught.gguf"));
    let made = run(&["quantize", "--recipe", recipe, TEACHER, "--out", &plain]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let header = gguf::read(Path::new(&plain)).unwrap();
    let stored = |name: &str| {
        let tensor = header.tensors.iter().find(|tensor| tensor.name == name).unwrap();
        (tensor.stored.name, tensor.dimensions)
    };
    assert_eq!(stored("blk.2.ffn_up_exps.weight"), ("q2_K", [256, 256, 4, 1]));
    assert_eq!(stored("blk.2.ffn_down_exps.weight"), ("q3_K", [256, 256, 4, 1]));
    assert_eq!(stored("blk.2.ffn_gate_inp.weight"), ("f32", [256, 4, 1, 1]));
    let kl = |file: &str| {
        let asked = ["verify", file, "--against", TEACHER, "--text", TEXT, "--tokens", "512"];
        json(&asked)["kl_nats"].as_f64().unwrap()
    };
    let before = kl(&plain);
    assert!(before > 0.0 && before < 0.2, "{before}");
    let rest = ["--tokens", "2048", "--steps", "20", "--rate", "0.001", "--matrices"];
    let asked = ["distill", "--recipe", recipe, TEACHER, "--text", TEXT, "--out", &taught];
    let found = json(&[&asked[..], &rest[..]].concat());
    assert!(found["recovered"].as_f64().unwrap() > 0.05, "{found}");
    assert!(kl(&taught) < before);
    let size = |file: &str| std::fs::metadata(file).unwrap().len();
    assert_eq!(size(&taught), size(&plain));
}
