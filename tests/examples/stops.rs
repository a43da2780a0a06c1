//! Sends Ctrl-C to long commands and prints how long each took to end, as CSV, with its exit status
//! and whether it answered: `cargo run --release -p edgeplan-tests --example stops`. Run it when
//! nothing else does.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use edgeplan_tests::{edgeplan, run};

/// A command runs so long before it is stopped.
const RUNS: Duration = Duration::from_secs(3);

fn main() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (chain, free) = (path("chain.json"), path("free.json"));
    let record = path("record");
    let sizes = ["--layers", "128", "--devices", "64", "--formats", "8"];
    let free_sizes = ["--layers", "60", "--devices", "16", "--formats", "8", "--free"];
    for (out, sizes) in [(&chain, &sizes[..]), (&free, &free_sizes[..])] {
        assert!(run(&[&["generate", "random", "--out", out], sizes].concat()).status.success());
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let suite = format!("{root}/bench-data/suites/chain.toml");
    let long = ["--time", "300", "--gap", "0"];
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for solver in ["chain-search", "highs", "cbc", "lp-rounding"] {
        commands.push([&["plan", &chain, "--solver", solver][..], &long].concat());
    }
    for solver in ["joint", "portfolio"] {
        commands.push([&["plan", &free, "--solver", solver][..], &long].concat());
    }
    commands.push([&["explain", &free][..], &long].concat());
    commands.push([&["compare", &chain][..], &long].concat());
    commands.push(vec!["simulate", "--poisson", "0.1", "--requests", "1000000"]);
    commands.push(vec!["bench", &suite, "--time", "60", "--out", &record]);
    println!("command,solver,milliseconds,exit_status,answered");
    for arguments in commands {
        let solver = arguments.iter().position(|&word| word == "--solver");
        let solver = solver.map_or("", |at| arguments[at + 1]);
        println!("{},{solver},{}", arguments[0], stopped(&arguments));
    }
}

/// Milliseconds to its end, exit status, and whether it printed anything.
fn stopped(arguments: &[&str]) -> String {
    let mut command = Command::new(edgeplan());
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("edgeplan starts");
    sleep(RUNS);
    if child.try_wait().expect("a child").is_some() {
        return "ended before,,".into();
    }
    let clock = Instant::now();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().expect("kill").success());
    let output = child.wait_with_output().expect("a child");
    let status = output.status.code().map_or("killed".into(), |code| code.to_string());
    format!("{},{status},{}", clock.elapsed().as_millis(), !output.stdout.is_empty())
}
