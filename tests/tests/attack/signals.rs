//! Ctrl-C and other signals: commands stop with what they have, and leave nothing behind.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use edgeplan_tests::kills::{Victim, campaign};
use edgeplan_tests::{edgeplan, run, text};
use serde_json::Value;

const TEACHER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/teacher.gguf");
const ROMANS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/teacher/romans.txt");
/// After this a student is better on most machines.
const LESSONS: Duration = Duration::from_secs(3);
/// A board and a small cloud.
const SERVICE: &str = r#"
name = "tiny"
frame = "100 ms"
uniform = "q8_0"
batch = [1, 8]
[load]
rate = 8.0
requests = 200
[site.a]
users = 2
uplink = { bandwidth = "20 Mbit/s", latency = "5 ms" }
device.board = { profile = "catalog:raspberry-pi-5-16" }
[site.c]
tier = "cloud"
uplink = { bandwidth = "1 Gbit/s", latency = "30 ms" }
device.gpu = { profile = "catalog:tesla-t4-16" }
[service.chat]
model = "catalog:smollm2-135m"
accuracy = "50 %"
prompt = [32, 64]
generate = [8, 32]
quality = ["q8_0", "q4_0"]
[[service.chat.demand]]
accuracy-min = "40 %"
deadline = "1 s"
"#;
/// Starts a command, sends a signal after that time, and waits for its end. What it left behind
/// tells whether it was stopped; how long that took depends on what else the machine writes.
fn signalled(arguments: &[&str], signal: &str, after: Duration) -> (Output, Duration) {
    let child = Command::new(edgeplan())
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id().to_string();
    let waiter = std::thread::spawn(move || child.wait_with_output().unwrap());
    std::thread::sleep(after);
    assert!(!waiter.is_finished(), "{arguments:?} ends before it can be stopped");
    let clock = Instant::now();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    let output = waiter.join().unwrap();
    (output, clock.elapsed())
}

/// The JSON that a stopped command printed.
fn stopped(arguments: &[&str], after: Duration) -> Value {
    let (output, time) = signalled(&[arguments, &["--json"]].concat(), "-INT", after);
    eprintln!("{}: {} ms", arguments[0], time.as_millis());
    let shown = text(&output.stdout);
    serde_json::from_str(&shown)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {shown}{}", text(&output.stderr)))
}

#[test]
fn solvers_are_stopped_with_their_best_plan() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("i.json").display().to_string();
    let sizes = ["--layers", "60", "--devices", "30", "--formats", "8"];
    let made = run(&[&["generate", "random", "--out", &file][..], &sizes].concat());
    assert!(made.status.success(), "{}", text(&made.stderr));
    let found = stopped(&["plan", &file, "--time", "300", "--gap", "0"], Duration::from_secs(2));
    assert_eq!(found["stopped"], "interrupted", "{found}");
    assert!(found["stages"].as_array().is_some_and(|stages| !stages.is_empty()), "{found}");
    stopped(&["explain", &file, "--time", "300"], Duration::from_secs(2));
    stopped(&["compare", &file, "--time", "300"], Duration::from_secs(2));
}

#[test]
fn a_service_is_stopped_with_the_loads_that_were_simulated() {
    // Planning takes a second, the requests take minutes.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.toml").display().to_string();
    std::fs::write(&file, SERVICE).unwrap();
    let found = stopped(&["service", &file, "--requests", "1000000"], Duration::from_secs(10));
    assert_eq!(found["interrupted"], true);
    assert!(found["sites"].as_array().unwrap().iter().any(|site| !site["hosts"].is_null()));
}

#[test]
fn a_simulation_is_stopped_with_the_requests_that_were_served() {
    let requests = ["simulate", "--poisson", "0.1", "--requests", "1000000"];
    let found = stopped(&requests, Duration::from_secs(3));
    assert!(found.is_object(), "{found}");
}

#[test]
fn a_bench_is_stopped_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("record").display().to_string();
    let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/suites/chain.toml");
    let arguments = ["bench", suite, "--time", "60", "--out", &out];
    let (output, _) = signalled(&arguments, "-INT", Duration::from_secs(3));
    let shown = text(&output.stderr);
    assert!(shown.contains("interrupted; the same command goes on from here"), "{shown}");
    let names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == ".lock"), "{names:?}");
}

#[test]
fn measurements_and_lessons_are_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let out = at("s.jsonl");
    let rest = ["--tokens", "8192", "--out", &out];
    let sense = [&["sensitivity", TEACHER, "--text", ROMANS], &rest[..]].concat();
    let (output, _) = signalled(&sense, "-INT", Duration::from_secs(5));
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{shown}");
    assert!(shown.contains("s.jsonl: interrupted after "), "{shown}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    // None if it was stopped before the first row.
    assert!(left.len() <= 1, "{left:?}");
    let out = at("d.gguf");
    let small = ["--tokens", "512", "--held-out", "64", "--context", "16"];
    let rest = ["--text", ROMANS, "--steps", "1000000", "--out", &out];
    let lessons = [&["distill", "--recipe", "q2_K", TEACHER], &small[..], &rest].concat();
    let (output, _) = signalled(&[&lessons[..], &["--json"]].concat(), "-INT", LESSONS);
    match output.status.code() {
        // No student was better than the undistilled one yet.
        Some(130) => assert!(!Path::new(&out).exists()),
        code => {
            let found: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((code, &found["interrupted"]), (Some(0), &Value::Bool(true)));
            assert!(Path::new(&out).is_file(), "the best student so far");
        }
    }
}

/// `quantize` and `generate gguf` write whole models; no signal leaves a part of one.
#[test]
fn models_that_are_broken_off_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("m.gguf").display().to_string();
    for signal in ["-INT", "-TERM", "-HUP", "-QUIT"] {
        let like = ["generate", "gguf", "--like", "catalog:llama-3.1-8b", "--out", &out];
        signalled(&like, signal, Duration::from_millis(300));
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{signal}: {left:?}");
    }
}

/// A few of the thousand kills that reports/robustness records.
#[test]
fn kills_lose_double_and_leave_nothing() {
    for victim in Victim::ALL {
        let tally = campaign(victim, 6, 1);
        let tally = tally.unwrap_or_else(|damage| panic!("{}: {damage}", victim.name()));
        assert_eq!(tally.kills, 6);
    }
}
