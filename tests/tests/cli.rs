//! The command line as a user meets it.

use edgeplan_tests::{generate, refused, run, text};

#[test]
fn a_plan_is_found_proven_written_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let plan = folder.path().join("plan.json").display().to_string();
    let svg = folder.path().join("plan.svg").display().to_string();
    let html = folder.path().join("plan.html").display().to_string();
    let files = ["--out", &plan, "--svg", &svg, "--html", &html];
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
    let checked = run(&["check", &instance, &plan, "--json"]);
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["cost"], answer["cost_ns"]);
    assert_eq!(checked["feasible"], true);
}

#[test]
fn the_example_is_proven() {
    let output = run(&["plan", "--json", "--time", "300"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["verdict"], "optimal", "{answer}");
    assert_eq!(answer["stages"][0]["device"], "laptop");
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
    refused(&["plan", "no-such-file.json"], "no-such-file.json: No such file");
    refused(&["inspect", "model", "catalog:qwen3-4c"], "did you mean `catalog:qwen3-4b`?");
    refused(&["plan", "--solver", "hihgs"], "did you mean `highs`?");
    refused(&["plan", "--time=-1"], "is allowed");
    refused(&["generate", "--layers", "0"], "1 to 1024 are allowed");
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
    assert!(costs.is_sorted());
    assert!(rows.iter().all(|row| row["verdict"] != "wrong"), "{rows:?}");
}
