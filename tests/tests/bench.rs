//! `edgeplan bench` as a user meets it: records, resumption, trials that die, files with mistakes.

use std::path::{Path, PathBuf};

use edgeplan_tests::{refused, run, text};

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
fn mistakes_get_one_clear_error() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("record").display().to_string();
    let suite = place.path().join("bad.toml").display().to_string();
    let bad = |text: &str, expected: &str| {
        std::fs::write(&suite, text).unwrap();
        refused(&["bench", &suite, "--out", &out], expected);
    };
    bad("analysis = \"\"\nsolver = []", "bad.toml: solver: unknown field");
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
