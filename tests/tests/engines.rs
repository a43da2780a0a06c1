//! An engine that misbehaves is named, whatever plan it was given to start from.
#![cfg(unix)]

use std::process::{Command, Output};

use edgeplan_tests::{edgeplan, generate, text};
use serde_json::Value;

/// What `edgeplan` says where CBC is a script that misbehaves so.
fn asked(fault: &str, arguments: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/data/fake_cbc.sh");
    let mut command = Command::new(edgeplan());
    command.env("EDGEPLAN_CBC", script).env("FAKE_CBC", fault);
    command.args(arguments).output().expect("edgeplan starts")
}

fn plan(fault: &str, instance: &str) -> (Option<i32>, Value) {
    let question = ["plan", instance, "--solver", "cbc", "--time", "1", "--json"];
    let output = asked(fault, &question);
    let json = serde_json::from_slice(&output.stdout).expect("JSON");
    (output.status.code(), json)
}

#[test]
fn a_failing_engine_is_not_hidden_by_the_plan_that_it_started_from() {
    let place = tempfile::tempdir().unwrap();
    let instance = generate(place.path(), "i.json", "1");
    let cases = [
        ("dies", "failed", "CBC died (signal: 6"),
        ("hangs", "failed", "CBC gave no answer within 8 s of its limit and was killed"),
        ("garbage", "failed", "CBC ended without a readable answer"),
        ("half", "failed", "CBC ended without a readable answer"),
        ("short", "failed", "CBC answered with 1 values for"),
        ("bound", "wrong", "claims that no plan costs less than"),
    ];
    for (fault, verdict, reason) in cases {
        let (code, json) = plan(fault, &instance);
        assert_eq!(json["verdict"], verdict, "{fault}: {json}");
        let told = json["reason"].as_str().unwrap_or_default();
        assert!(told.contains(reason), "{fault}: {told}");
        assert!(json["cost_ns"].is_null() && json["lower_bound_ns"].is_null(), "{fault}: {json}");
        assert!(verdict != "failed" || code == Some(1), "{fault}: {code:?}");
    }
}

#[test]
fn what_an_engine_did_not_say_is_missing() {
    let place = tempfile::tempdir().unwrap();
    let instance = generate(place.path(), "i.json", "1");
    let (_, json) = plan("none", &instance);
    // Out of time without output: the plan that it was given, and no lower bound.
    assert_eq!(json["verdict"], "feasible", "{json}");
    assert!(json["lower_bound_ns"].is_null() && json["gap"].is_null(), "{json}");
    assert_eq!(json["work"]["nodes"], 42);
    assert!(json["work"].get("iterations").is_none(), "{json}");
}

#[test]
fn the_record_of_a_dead_engine_says_failed() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("record");
    let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/suites/smoke.toml");
    let out_text = out.display().to_string();
    let output = asked("dies", &["bench", suite, "--out", &out_text, "--solver", "cbc"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let records = edgeplan_records::folder::Folder::read(&out).unwrap();
    assert!(!records.is_empty());
    for record in records {
        assert_eq!(record.verdict.word(), "failed", "{record:?}");
        assert!(record.reason().starts_with("CBC died (signal: 6"), "{record:?}");
        assert_eq!((record.cost(), record.lower_bound()), (None, None));
        assert_eq!((record.figure("nodes"), record.threads), (None, Some(1)));
    }
}
