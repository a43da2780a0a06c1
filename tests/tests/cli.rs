//! The command line as a user meets it.

use std::path::Path;

use edgeplan_tests::{edgeplan, generate, json, refused, run, text};

#[test]
fn a_plan_is_found_proven_written_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let plan = folder.path().join("plan.json").display().to_string();
    let svg = folder.path().join("plan.svg").display().to_string();
    let html = folder.path().join("plan.html").display().to_string();
    let bound = folder.path().join("bound.json").display().to_string();
    let files = ["--out", &plan, "--svg", &svg, "--html", &html, "--certificate", &bound];
    let output = run(&[&["plan", &instance, "--json"], &files[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["verdict"], "optimal");
    for key in ["cost_ns", "lower_bound_ns", "gap", "solver", "elapsed_s", "stages", "loss"] {
        assert!(!answer[key].is_null(), "{key} is missing");
    }
    assert_eq!(answer["memory_bytes"].as_object().unwrap().len(), 3);
    assert!(std::fs::read_to_string(svg).unwrap().contains("optimal"));
    assert!(std::fs::read_to_string(html).unwrap().contains("</html>"));
    let checked = run(&["check", &instance, &plan, "--json", "--certificate", &bound]);
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["cost_ns"], answer["cost_ns"]);
    assert_eq!(checked["feasible"], true);
    let certified = checked["certified_lower_bound"].as_u64().unwrap();
    assert!(certified > 0 && certified <= answer["cost_ns"].as_u64().unwrap());
    let spoiled = std::fs::read_to_string(&bound).unwrap().replace(
        &format!("\"lower_bound\": {}", answer["certified_lower_bound"]),
        "\"lower_bound\": 123456789123456",
    );
    std::fs::write(&bound, spoiled).unwrap();
    refused(&["check", &instance, &plan, "--certificate", &bound], "a feasible plan costs");
}

#[test]
fn the_example_is_proven() {
    let output = run(&["plan", "--json", "--time", "300"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["verdict"], "optimal", "{answer}");
    assert_eq!(answer["stages"][0]["device"], "laptop");
    for policy in ["fastest-first", "ram-proportional", "even-split"] {
        assert!(answer["baselines"][policy].as_u64() > answer["cost_ns"].as_u64(), "{answer}");
    }
}

#[test]
fn a_plan_for_another_instance_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let other = generate(folder.path(), "other.json", "4");
    let plan = folder.path().join("plan.json").display().to_string();
    assert!(run(&["plan", &instance, "--out", &plan]).status.success());
    refused(&["check", &other, &plan], "plan.json: instance: made for instance");
}

#[test]
fn bad_input_gets_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.json").display().to_string();
    std::fs::write(&path, "{\"schema\": \"edgeplan-instance/1\", \"deploiment\": {}}").unwrap();
    refused(&["plan", &path], "did you mean `deployment`?");
    std::fs::write(&path, "{\"schema\": 3").unwrap();
    refused(&["plan", &path], "broken.json");
    refused(&["plan", "no-such-file.json"], "no-such-file.json: there is no such file");
    refused(&["inspect", "model", "catalog:qwen3-4c"], "did you mean `catalog:qwen3-4b`?");
    refused(&["plan", "--solver", "hihgs"], "did you mean `highs`?");
    refused(&["plan", "--time=-1"], "is allowed");
    refused(&["generate", "--layers", "0"], "1 to 1024 are allowed");
}

/// A file of that content, and its path.
fn written(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn a_workload_is_refused_by_file_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("promt = 3", "w.toml: promt: unknown field"),
        ("prompt = '3'", "prompt: invalid type: string \"3\", expected a whole number from 0"),
        ("latency-max = 10", "latency-max: invalid type: integer `10`, expected a time such as"),
        ("latency-max = '10 weeks'", "latency-max: `10 weeks`: a time such as `0.3 ms`"),
        ("throughput-min = 1e300", "w.toml: throughput-min: 1e300; a number"),
        ("quality = { like = 'q4_K_X' }", "w.toml: quality.like: `q4_K_X`"),
        ("weight = { llama = 2 }", "w.toml: weight: "),
        ("estimate = false", "w.toml: estimate: desktop: no published speed for "),
    ];
    for (text, expected) in cases {
        let file = written(folder.path(), "w.toml", text);
        refused(&["plan", "--workload", &file], expected);
    }
}

#[test]
fn a_cluster_is_refused_by_file_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let example = include_str!("../../bench-data/clusters/home-lab.toml");
    let cases = [
        ("\"3 ms\"", "3", "c.toml: link[0].latency: invalid type: integer `3`, expected a time"),
        ("rtx-3070-8", "rtx-3077", "c.toml: device.desktop.profile: catalog:rtx-3077: no such"),
        ("source = \"laptop\"", "source = \"home\"", "c.toml: source: `home` is a switch"),
        ("catalog:rtx-3070-8", "no.toml", "no.toml: there is no such file"),
    ];
    for (from, to, expected) in cases {
        let file = written(folder.path(), "c.toml", example.replacen(from, to, 1));
        refused(&["plan", "--cluster", &file], expected);
    }
    // A profile is looked for beside the cluster.
    written(
        folder.path(),
        "mine.toml",
        "memory-gb = 8\nusable-percent = 90\nbandwidth-gb-s = 100\ntflops = 10\nsource = 'me'\n\
         status = 'measured'\n",
    );
    let file = written(folder.path(), "c.toml", example.replace("catalog:rtx-3070-8", "mine.toml"));
    let shown = json(&["inspect", "cluster", &file]);
    assert_eq!(shown["devices"][1]["usable_bytes"], 7_200_000_000_u64);
}

#[test]
fn what_is_no_text_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = written(folder.path(), "bytes.toml", [0xff, 0xfe]);
    let folder = folder.path().display().to_string();
    for option in ["--workload", "--cluster", "--model"] {
        refused(&["plan", option, &bytes], "bytes.toml: this is no text; UTF-8 is needed");
    }
    for option in ["--workload", "--cluster"] {
        refused(&["plan", option, &folder], "this is a folder; a file is needed");
    }
    refused(&["plan", &bytes], "UTF-8");
    refused(&["check", &bytes, &bytes], "UTF-8");
    refused(&["plan", "--model", &folder], "config.json: there is no such file");
    refused(&["plan", "--model", ""], "a value is required");
    refused(&["plan", "--model", "catalog:"], "it has bloom-3b, ");
    refused(&["plan", "--seed", "-1"], "invalid value '-1' for '--seed");
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/plan").display().to_string();
    let folder = folder.path().display().to_string();
    for option in ["--out", "--svg", "--html"] {
        refused(&["plan", option, &nowhere], "there is no folder ");
        refused(&["plan", option, &folder], "this is a folder; a file is needed");
    }
    refused(&["generate", "--out", &nowhere], "there is no folder ");
}

#[test]
fn a_spoiled_plan_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let plan = folder.path().join("plan.json").display().to_string();
    assert!(run(&["plan", &instance, "--out", &plan]).status.success());
    let good = std::fs::read_to_string(&plan).unwrap();
    let cases = [
        ("\"layer 3\"", "\"layer 9\"", "models[0].layers[3]: layer 9 instead of layer 3"),
        ("device-", "decive-", "models[0].layers[0]: no device decive-"),
        ("plan/1", "plan/2", "plan.json: schema: `edgeplan-plan/2`"),
        ("\"models\": [", "\"models\": [{\"name\": \"x\", \"layers\": []},", "2 instead of 1"),
    ];
    for (from, to, expected) in cases {
        let spoiled = written(folder.path(), "plan.json", good.replacen(from, to, 1));
        refused(&["check", &instance, &spoiled], expected);
    }
    let half = written(folder.path(), "plan.json", &good[..good.len() / 2]);
    refused(&["check", &instance, &half], "EOF while parsing");
}

#[test]
fn an_infeasible_question_gets_a_reason_and_a_fix() {
    let folder = tempfile::tempdir().unwrap();
    let text = "quality = { max-kl = 0.0001 }\nlatency-max = '10 ms'";
    let file = written(folder.path(), "w.toml", text);
    for command in ["plan", "explain"] {
        let output = run(&[command, "--workload", &file, "--json"]);
        assert_eq!(output.status.code(), Some(1));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["verdict"], "infeasible");
        assert_eq!(answer["joint_fix"].as_array().unwrap().len(), 2, "{answer}");
    }
    let shown = text_of(&["plan", "--workload", &file]);
    assert!(shown.contains("These together make a plan possible"), "{shown}");
    assert_eq!(run(&["compare", "--workload", &file, "--time", "5"]).status.code(), Some(1));
}

fn text_of(arguments: &[&str]) -> String {
    text(&run(arguments).stdout)
}

#[test]
fn out_of_time_is_said() {
    let output = run(&["plan", "--time", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("unknown, stopped: time limit"), "{output:?}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child = std::process::Command::new(edgeplan())
        .args(["generate", "--layers", "200", "--devices", "20"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
}

#[test]
fn every_shell_gets_completions_and_every_family_an_instance() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(text_of(&["completions", shell]).contains("inspect"), "{shell}");
    }
    for family in ["random", "home-lab", "edge-sites", "classes"] {
        let shown = text_of(&["generate", family, "--layers", "4", "--devices", "3"]);
        assert!(shown.contains("edgeplan-instance/1"), "{family}");
    }
}

#[test]
fn old_names_of_commands_still_work_and_are_not_listed() {
    let listed = text_of(&["--help"]);
    for (old, new) in [("sense", "sensitivity"), ("apply", "quantize"), ("dilemma", "pareto")] {
        let help = text_of(&[new, "--help"]);
        assert!(help.contains(&format!("Usage: edgeplan {new} ")), "{help}");
        assert_eq!(text_of(&[old, "--help"]), help);
        let lists = |name| listed.lines().any(|line| line.split_whitespace().next() == Some(name));
        assert!(lists(new) && !lists(old), "{old}, {new}: {listed}");
    }
}

#[test]
fn published_figures_are_reproduced() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("reproduction.csv").display().to_string();
    let rows = json(&["reproduce", "--out", &file]);
    let rows = rows.as_array().unwrap();
    for paper in ["EdgeShard", "DILEMMA", "GUS", "DFTSP"] {
        let of = |row: &&serde_json::Value| row["paper"].as_str().unwrap().starts_with(paper);
        assert!(rows.iter().filter(of).any(|row| row["ours"] != "-"), "{paper}: {rows:?}");
    }
    crate::conventions::check_rows(rows);
    // What could not be computed says why.
    let silent = |row: &&serde_json::Value| row["ours"] == "-" && row["remark"] == "";
    assert_eq!(rows.iter().filter(silent).count(), 0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# edgeplan reproduce"), "{text}");
    assert_eq!(text.lines().count(), rows.len() + 2);
}

#[test]
fn every_solver_is_listed_and_ranked() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "5");
    let output = run(&["compare", &instance, "--json"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = answer["solvers"].as_array().unwrap();
    assert_eq!(rows.len(), edgeplan_solvers::DEPLOYMENT.len());
    let costs: Vec<u64> = rows.iter().filter_map(|row| row["cost_ns"].as_u64()).collect();
    assert!(costs.len() > 10 && costs.is_sorted(), "{costs:?}");
    assert!(rows.iter().all(|row| row["verdict"] != "wrong"), "{rows:?}");
}
