//! `edgeplan bench` as a user meets it: records, resumption, trials that die, files with mistakes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use edgeplan_records::folder::Folder;
use edgeplan_tests::{edgeplan, json, refused, run, text};

fn smoke() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench-data/suites/smoke.toml");
    folder.display().to_string()
}

/// Runs the smoke suite with more arguments; what it prints.
fn bench(out: &Path, more: &[&str]) -> String {
    let out = out.display().to_string();
    let output = run(&[&["bench", &smoke(), "--time", "1", "--out", &out], more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The rows of a CSV file of the folder, without its header.
fn rows(file: PathBuf) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_suite_is_measured_once_and_summed_up_from_its_records() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("record");
    let printed = bench(&out, &["--solver", "highs", "--table"]);
    assert!(printed.starts_with("smoke: 4 instances, revision "), "{printed}");
    let first = rows(out.join("records.csv"));
    assert_eq!(first.len(), 4);
    assert!(first.iter().all(|row| row.contains(",highs,0,optimal,")), "{first:?}");
    assert!(rows(out.join("curve.csv")).iter().any(|row| row.contains(",bound,")));
    let machine = std::fs::read_to_string(out.join("machine.txt")).unwrap();
    assert!(machine.starts_with("command: edgeplan bench ") && machine.contains("processor: "));

    // What is there stays as it was, to the nanosecond; the other solver is added.
    bench(&out, &["--solver", "fastest-first,highs"]);
    let second = rows(out.join("records.csv"));
    assert_eq!((&second[..4], second.len()), (&first[..], 8));

    let folder = out.display().to_string();
    let summary = run(&["bench", "--summary", &folder]);
    let summary = text(&summary.stdout);
    assert_eq!(bench(&out, &["--solver", "fastest-first,highs"]), summary);
    let line = |solver| summary.lines().find(|line| line.trim().starts_with(solver)).unwrap();
    let cells = |solver| line(solver).split_whitespace().take(4).collect::<Vec<_>>();
    assert_eq!(cells("highs"), ["highs", "4", "4", "4"]);
    assert_eq!(cells("fastest-first"), ["fastest-first", "4", "0", "4"]);
    assert_eq!(rows(out.join("records.csv")), second);
}

#[test]
fn a_run_that_was_cut_off_goes_on() {
    let place = tempfile::tempdir().unwrap();
    bench(place.path(), &["--solver", "chain-exact"]);
    let file = place.path().join("records.csv");
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    std::fs::write(&file, format!("{}\n{}", lines[..3].join("\n"), &lines[3][..20])).unwrap();
    bench(place.path(), &["--solver", "chain-exact"]);
    let again = rows(file);
    assert_eq!(again.len(), 4);
    assert_eq!(again[..2], lines[1..3]);
    let start = |row: &str| row.split(",chain-exact").next().map(str::to_owned);
    assert!(again.iter().zip(&lines[1..]).all(|(row, line)| start(row) == start(line)));
}

#[cfg(unix)]
#[test]
fn a_trial_that_dies_is_a_row() {
    let place = tempfile::tempdir().unwrap();
    // Less address space than the program itself takes.
    let printed = bench(place.path(), &["--solver", "highs", "--memory", "16 MiB"]);
    let rows = rows(place.path().join("records.csv"));
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.contains(",highs,0,failed,")), "{rows:?}");
    assert!(rows.iter().all(|row| row.contains("died (")), "{rows:?}");
    assert!(printed.contains("highs on edgeshard-2-1: failed: died ("), "{printed}");
}

#[test]
fn records_of_other_limits_are_not_mixed() {
    let place = tempfile::tempdir().unwrap();
    bench(place.path(), &["--solver", "chain-exact"]);
    let out = place.path().display().to_string();
    let again = ["bench", &smoke(), "--out", &out, "--time", "2"];
    refused(&again, "time_limit_s: 1 there, 2 now: choose another folder");
    assert_eq!(rows(place.path().join("records.csv")).len(), 4);
}

#[test]
fn two_at_once_do_not_mix_their_rows() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("record");
    let out_text = out.display().to_string();
    let start = || {
        let mut command = Command::new(edgeplan());
        command.args(["bench", &smoke(), "--solver", "highs", "--time", "1", "--out", &out_text]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started = [start(), start()];
    let ended = started.map(|child| child.wait_with_output().unwrap());
    // One may have ended before the other one began.
    assert!(ended.iter().any(|output| output.status.success()), "{ended:?}");
    for output in ended.iter().filter(|output| !output.status.success()) {
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("record: locked by "), "{complaint}");
    }
    assert_eq!(rows(out.join("records.csv")).len(), 4);
    assert_eq!(Folder::read(&out).unwrap().len(), 4);
}

#[test]
fn a_folder_that_is_being_written_is_refused_with_its_writers_name() {
    let place = tempfile::tempdir().unwrap();
    let held = Folder::create(place.path()).unwrap();
    let out = place.path().display().to_string();
    let asked = ["bench", &smoke(), "--solver", "fastest-first", "--out", &out];
    refused(&asked, &format!("locked by process {} since 20", std::process::id()));
    drop(held);
    assert!(run(&asked).status.success());
}

#[test]
fn shards_are_measured_apart_and_merged() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    for part in ["1", "2"] {
        let shard = format!("{part}/2");
        bench(&place.path().join(part), &["--solver", "fastest-first", "--shard", &shard]);
    }
    let output = run(&["bench", "--merge", &path("1"), &path("2"), "--out", &path("all")]);
    assert_eq!(text(&output.stdout), format!("4 trials in {}\n", path("all")));
    assert_eq!(rows(place.path().join("all/records.csv")).len(), 4);
    refused(&["bench", "--merge", &path("1"), "--out", &path("all")], "has records already");
    refused(&["bench", "--merge", &path("1")], "--out");
    refused(&["bench", &smoke(), "--out", &path("x"), "--shard", "3/2"], "`3/2`; 1/8 to 8/8");
}

#[test]
fn records_are_ranked_and_compared() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    bench(&place.path().join("old"), &["--solver", "highs,fastest-first"]);
    bench(&place.path().join("new"), &["--solver", "highs", "--jobs", "2"]);
    let ranks = json(&["bench", "--summary", &path("old"), "--rank"]);
    let ranks = ranks["smoke"].as_array().unwrap();
    assert_eq!((ranks.len(), &ranks[0]["solver"]), (2, &"highs".into()));
    assert_eq!(ranks[0]["proven"], 4);
    assert!(ranks[1]["cost_ratio"].as_f64().unwrap() >= 1.0);
    let compared = json(&["bench", "--compare", &path("old"), &path("new")]);
    let compared = compared.as_array().unwrap();
    assert_eq!((compared.len(), &compared[0]["trials"]), (1, &4.into()));
    assert!(compared[0]["time_ratio"].as_f64().unwrap() > 0.0);
    let summary = json(&["bench", "--summary", &path("old"), &path("new")]);
    assert_eq!(summary[0]["suite"], "smoke");
    assert_eq!(summary[0]["solvers"].as_array().unwrap().len(), 2);
    refused(&["bench", "--compare", &path("old")], "2 values required");
}

#[test]
fn schedules_and_batches_are_measured_too() {
    let place = tempfile::tempdir().unwrap();
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench-data/suites/quick");
    let suite = |name: &str| suites.join(name).display().to_string();
    let out = place.path().join("record").display().to_string();
    let (schedules, batches) = (suite("quick-schedules.toml"), suite("quick-batching.toml"));
    let solvers = ["--solver", "highs,lp-rounding", "--time", "2"];
    let output = run(&[&["bench", &schedules, &batches, "--out", &out], &solvers[..]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = rows(place.path().join("record/records.csv"));
    assert_eq!(rows.len(), 2 * (5 + 6));
    assert!(rows.iter().all(|row| !row.contains(",failed,") && !row.contains(",wrong,")));
    let drawn = r#",scheduling,"{""capacity"":100,""family"":""gus-hard"",""requests"":15,"#;
    assert!(rows.iter().any(|row| row.contains(drawn)));
    assert!(rows.iter().any(|row| row.contains(r#",batching,"{""family"":""dftsp-narrow"","#)));
    // A solver of another kind of question is none here.
    let again = ["bench", &schedules, "--out", &out, "--solver", "chain-exact", "--time", "2"];
    refused(&again, "no solver is called `chain-exact`");
}

#[test]
fn mistakes_get_one_clear_error() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("record").display().to_string();
    let suite = place.path().join("bad.toml").display().to_string();
    let bad = |text: &str, expected: &str| {
        std::fs::write(&suite, text).unwrap();
        refused(&["bench", &suite, "--out", &out], expected);
    };
    bad("analysis = \"\"\nsolvres = []", "bad.toml: solvres: unknown field");
    bad("analysis = \"\"\nsolver = []", "bad.toml: solver: invalid type: sequence");
    bad("analysis = \"\"\nsolvers = [\"hihgs\"]\nfamily = []", "family: empty");
    let family = "[[family]]\nname = \"homelab\"";
    bad(&format!("analysis = \"\"\nsolvers = [\"highs\"]\n{family}"), "did you mean `home-lab`?");
    let smoke = smoke();
    refused(&["bench", &smoke], "--out");
    refused(&["bench", &smoke, "--out", &out, "--solver", "hihgs"], "did you mean `highs`?");
    refused(&["bench", &smoke, "--out", &out, "--memory", "4"], "is allowed");
    refused(&["bench", "none.toml", "--out", &out], "none.toml: there is no such file");
    refused(&["bench", "--summary", &out], "records.csv");
}
