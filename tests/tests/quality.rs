//! `edgeplan sensitivity`, `quantize`, `distill`, `pareto` and `verify --text` on the teacher.

use std::path::Path;

use edgeplan_model::gguf;
use edgeplan_records::lock::Lock;
use edgeplan_tests::{json, refused, run, text};

const TEACHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/teacher.gguf");
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/romans.txt");
const SENSED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/sense.jsonl");

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

fn applied(folder: &Path, recipe: &str) -> String {
    let out = path(folder, &format!("{}.gguf", recipe.replace([':', ','], "-")));
    let made = run(&["quantize", "--recipe", recipe, TEACHER, "--out", &out]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    out
}

fn distance(model: &str, rest: &[&str]) -> serde_json::Value {
    let asked = ["verify", model, "--against", TEACHER, "--text", TEXT, "--tokens", "1024"];
    json(&[&asked[..], rest].concat())
}

/// The bytes of a tensor, and its type's name.
fn tensor(file: &str, name: &str) -> (Vec<u8>, &'static str) {
    let header = gguf::read(Path::new(file)).unwrap();
    let tensor = header.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    let first = (header.data.unwrap() + tensor.offset) as usize;
    let bytes = std::fs::read(file).unwrap();
    (bytes[first..first + tensor.bytes.0 as usize].to_vec(), tensor.stored.name)
}

#[test]
fn a_file_in_its_own_formats_is_itself() {
    let folder = tempfile::tempdir().unwrap();
    let same = applied(folder.path(), "f16");
    assert!(std::fs::read(&same).unwrap() == std::fs::read(TEACHER).unwrap());
    let found = distance(&same, &[]);
    assert_eq!(found["kl_nats"], 0.0);
    assert_eq!(found["loss_nats"], found["original_loss_nats"]);
    // In nats per byte; 5.5 is what a model that knows nothing loses.
    let loss = found["loss_nats"].as_f64().unwrap();
    assert!((1.0..1.7).contains(&loss), "{loss}");
}

#[test]
fn a_recipe_changes_what_it_names_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let made = applied(folder.path(), "q4_K+ffn_down:q6_K,output:f16");
    for (name, expected) in [
        ("blk.0.attn_q.weight", "q4_K"),
        ("blk.3.ffn_down.weight", "q6_K"),
        ("output.weight", "f16"),
        ("blk.2.ffn_norm.weight", "f32"),
    ] {
        let (bytes, kind) = tensor(&made, name);
        assert_eq!(kind, expected, "{name}");
        let same = bytes == tensor(TEACHER, name).0;
        assert_eq!(same, kind.starts_with('f'), "{name}");
    }
    let pairs = |file: &str| {
        let header = gguf::read(Path::new(file)).unwrap();
        let bytes = std::fs::read(file).unwrap();
        let value = |pair: &gguf::Pair| {
            let span = pair.span.start as usize..pair.span.end as usize;
            (pair.key.clone(), pair.kind, bytes[span].to_vec())
        };
        header.pairs.iter().map(value).collect::<Vec<_>>()
    };
    let (before, after) = (pairs(TEACHER), pairs(&made));
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.last().unwrap().0, "general.quantization_version");
    // Its kernels run it.
    let profile = ["--profile", "catalog:ryzen-7950x-64", "--prompt", "4", "--repeats", "1"];
    json(&[&["verify", &made, "--generate", "2"], &profile[..]].concat());
}

#[test]
fn fewer_bits_are_further_away_and_distillation_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let kl = |recipe: &str| {
        let found = distance(&applied(folder.path(), recipe), &["--sensitivity", SENSED]);
        let [measured, predicted] = ["kl_nats", "predicted_kl_nats"].map(|key| &found[key]);
        (measured.as_f64().unwrap(), predicted.as_f64().unwrap())
    };
    let found = ["q8_0", "q5_K", "q4_K", "q2_K"].map(kl);
    assert!(found.is_sorted_by(|a, b| a.0 < b.0), "{found:?}");
    for (measured, predicted) in found {
        assert!((0.7..1.5).contains(&(predicted / measured)), "{found:?}");
    }
    let out = path(folder.path(), "taught.gguf");
    let rest = ["--tokens", "4096", "--steps", "20", "--rate", "0.003", "--out", &out];
    let asked = ["distill", "--recipe", "q2_K", TEACHER, "--text", TEXT];
    let taught = json(&[&asked[..], &rest[..]].concat());
    let [before, after] =
        ["kl_before_nats", "kl_after_nats"].map(|key| taught[key].as_f64().unwrap());
    assert!(after < before, "{taught}");
    let plain = path(folder.path(), "q2_K.gguf");
    let size = |file: &str| std::fs::metadata(file).unwrap().len();
    assert_eq!(size(&out), size(&plain));
    let name = "blk.1.ffn_up.weight";
    assert!(tensor(&out, name) == tensor(&plain, name), "matrices stay what they were");
    // A rate that ruins everything changes nothing.
    let rest = ["--tokens", "1024", "--steps", "1", "--rate", "1", "--out", &out];
    let taught = json(&[&asked[..], &rest[..]].concat());
    assert_eq!((&taught["steps"], &taught["recovered"]), (&0.into(), &0.0.into()));
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&plain).unwrap());
}

#[test]
fn matrices_are_taught_too_and_better() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(folder.path(), "taught.gguf");
    let taught = |rest: &[&str]| {
        let asked = ["distill", "--recipe", "q2_K", TEACHER, "--text", TEXT, "--out", &out];
        json(&[&asked[..], &["--tokens", "4096"], rest].concat())
    };
    let after = |taught: &serde_json::Value| taught["kl_after_nats"].as_f64().unwrap();
    let norms = after(&taught(&["--rate", "0.001", "--steps", "20"]));
    let found = taught(&["--matrices", "--rate", "0.001", "--steps", "20"]);
    assert!(after(&found) < norms, "{norms} {found}");
    // What is written is what was measured: another text, but the same direction.
    let plain = applied(folder.path(), "q2_K");
    let kl = |file: &str| distance(file, &[])["kl_nats"].as_f64().unwrap();
    assert!(kl(&out) < kl(&plain));
    let size = |file: &str| std::fs::metadata(file).unwrap().len();
    assert_eq!(size(&out), size(&plain));
    let name = "blk.1.ffn_up.weight";
    let (ours, theirs) = (tensor(&out, name), tensor(&plain, name));
    assert!(ours.1 == "q2_K" && theirs.1 == "q2_K" && ours.0 != theirs.0);
    // A rate that ruins everything changes nothing.
    let ruined = taught(&["--matrices", "--rate", "1", "--steps", "1"]);
    assert_eq!((&ruined["steps"], &ruined["recovered"]), (&0.into(), &0.0.into()));
    assert!(std::fs::read(&out).unwrap() == std::fs::read(&plain).unwrap());
}

#[test]
fn two_do_not_measure_into_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(folder.path(), "sense.jsonl");
    let held = Lock::hold(Path::new(&out)).unwrap();
    let owner = format!("sense.jsonl: locked by process {} since 20", std::process::id());
    let rest = ["--tokens", "256", "--formats", "q4_0", "--out", &out];
    refused(&[&["sense", TEACHER, "--text", TEXT], &rest[..]].concat(), &owner);
    drop(held);
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_broken_off_measurement_is_taken_up() {
    let folder = tempfile::tempdir().unwrap();
    let asked = |out: &str, mixes: &str| {
        let rest = ["--tokens", "256", "--formats", "q8_0,q4_0", "--probes", "q4_0"];
        let out = ["--mixes", mixes, "--out", out];
        json(&[&["sensitivity", TEACHER, "--text", TEXT], &rest[..], &out[..]].concat())
    };
    let sorted = |file: &str| {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (whole, broken) = (path(folder.path(), "whole"), path(folder.path(), "broken"));
    let found = asked(&whole, "3");
    assert_eq!(found["rows"], 2 * (4 * 7 + 2));
    assert_eq!(found["mixes"].as_array().unwrap().len(), 3);
    assert_eq!(asked(&whole, "3"), found);
    let text = std::fs::read_to_string(&whole).unwrap();
    // In the middle of a line.
    std::fs::write(&broken, &text[..text.len() / 3]).unwrap();
    asked(&broken, "3");
    assert_eq!(sorted(&broken), sorted(&whole));
    let other = ["sensitivity", TEACHER, "--text", TEXT, "--tokens", "512", "--out", &whole];
    refused(&other, "is about teacher of bytes on 256 tokens of romans.txt");
}

#[test]
fn adding_up_ranks_mixes_right() {
    let folder = tempfile::tempdir().unwrap();
    let copy = path(folder.path(), "sense.jsonl");
    std::fs::copy(SENSED, &copy).unwrap();
    // Nothing is left to measure, so the table speaks of what is recorded.
    let text = path(folder.path(), "bible-train.txt");
    std::fs::write(&text, "In the beginning God created the heaven and the earth.\n".repeat(200))
        .unwrap();
    let asked = ["sensitivity", TEACHER, "--text", &text, "--tokens", "8192", "--out", &copy];
    let found = json(&asked);
    assert!(found["mixes"].as_array().unwrap().len() >= 30);
    assert!(found["rank_correlation"].as_f64().unwrap() >= 0.95, "{found}");
    assert!(found["median_error"].as_f64().unwrap() < 0.1, "{found}");
}

#[test]
fn a_plan_by_measured_loss_becomes_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let workload = path(folder.path(), "workload.toml");
    std::fs::write(
        &workload,
        "prompt = 64\ngenerate = 32\nobjective = 'memory'\nquality = { max-kl = 0.003 }\n",
    )
    .unwrap();
    let (plan, out, lists) =
        (path(folder.path(), "plan.json"), path(folder.path(), "p.gguf"), path(folder.path(), "l"));
    let asked = ["plan", "--model", TEACHER, "--sensitivity", SENSED, "--workload", &workload];
    let planned = json(&[&asked[..], &["--out", &plan]].concat());
    let promised = planned["loss"].as_f64().unwrap();
    assert!(promised > 0.0 && promised <= 0.003, "{planned}");
    let made = json(&["quantize", &plan, TEACHER, "--out", &out, "--lists", &lists]);
    let found = distance(&out, &["--sensitivity", SENSED]);
    let expected = found["predicted_kl_nats"].as_f64().unwrap();
    assert!((expected - promised).abs() < 1e-6, "{expected} {promised}");
    let measured = found["kl_nats"].as_f64().unwrap();
    assert!((0.6..1.6).contains(&(measured / promised)), "{measured} {promised}");
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&lists).unwrap()).unwrap();
    assert_eq!(written, made["devices"]);
    let header = gguf::read(Path::new(&out)).unwrap();
    let listed = written.as_object().unwrap().values();
    let listed: usize = listed.map(|shard| shard["tensors"].as_array().unwrap().len()).sum();
    assert_eq!(listed, header.tensors.len());
}

#[test]
fn what_cannot_be_done_is_refused_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let out = path(folder.path(), "out");
    let apply = |rest: &[&str], expected: &str| {
        refused(&[&["quantize"], rest, &["--out", &out]].concat(), expected);
    };
    apply(&[TEACHER], "a plan or a --recipe is needed");
    apply(&["plan.json", TEACHER, "--recipe", "q8_0"], "not both");
    apply(&["--recipe", "q9", TEACHER], "`q9` is no format");
    apply(&["--recipe", "q8_0", "no.gguf"], "no.gguf: ");
    apply(&[TEXT, TEACHER], "romans.txt: ");
    let sense = ["sensitivity", TEACHER, "--out", &out, "--text"];
    let short = path(folder.path(), "short.txt");
    std::fs::write(&short, "In the beginning").unwrap();
    refused(&[&sense[..], &[&short]].concat(), "16 tokens; 128 or more are needed");
    let bytes = std::fs::read(TEACHER).unwrap();
    let cut = path(folder.path(), "cut.gguf");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    apply(&["--recipe", "q8_0", &cut], "but the file ends at");
    let bad = path(folder.path(), "bad.gguf");
    let mut bytes = bytes;
    // The last element of the last tensor is no number.
    let header = gguf::read(Path::new(TEACHER)).unwrap();
    let last = header.tensors.last().unwrap();
    let end = (header.data.unwrap() + last.offset + last.bytes.0) as usize;
    bytes[end - 2..end].copy_from_slice(&[0xff, 0x7f]);
    std::fs::write(&bad, bytes).unwrap();
    refused(
        &["sensitivity", &bad, "--out", &out, "--text", TEXT],
        "is NaN; finite numbers are needed",
    );
    apply(&["--recipe", "q8_0", &bad], "is NaN; finite numbers are needed");
    let coarse = applied(folder.path(), "q8_0");
    refused(&["sensitivity", &coarse, "--out", &out, "--text", TEXT], "is quantized already");
    assert!(!Path::new(&out).exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}
