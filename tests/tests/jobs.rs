//! Suites as jobs of clusters: their scripts, run by shells and by stand-ins of schedulers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use edgeplan_records::folder::Folder;
use edgeplan_tests::{edgeplan, json, refused, run, text};

fn smoke() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../bench-data/suites/smoke.toml").into()
}

/// A folder whose name a shell must be told with care.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("it's a $HOME");
    fs::create_dir(&place).unwrap();
    (folder, place)
}

/// Writes the script of a job of two solvers on four instances in two shards; `out` is `record`.
fn write(place: &Path, launcher: &str) -> PathBuf {
    let words =
        ["--job", launcher, "--shards", "2", "--solver", "highs,chain-exact", "--time", "5"];
    let mut command = Command::new(edgeplan());
    command.args(["bench", &smoke(), "--out", "record"]).args(words).current_dir(place);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(
        said.starts_with("8 trials on 4 instances, 0 recorded; 8 to run: 2 min at most"),
        "{said}"
    );
    assert!(said.contains("2 tasks of at most 1 min each"), "{said}");
    assert!(!place.join("record").exists());
    place.join("job.sh")
}

/// Runs a script from another folder, with programs of this folder before all others.
fn sh(script: &Path, programs: &Path, arguments: &[&str]) -> Output {
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new("sh");
    command.arg(script).args(arguments).current_dir("/");
    command.env("PATH", format!("{}:{path}", programs.display()));
    command.output().unwrap()
}

fn program(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn trials(folder: &Path) -> usize {
    Folder::read(folder).map_or(0, |records| records.len())
}

#[test]
fn a_dry_run_counts_what_is_left() {
    let (_folder, place) = place();
    let out = place.join("record").display().to_string();
    let words = ["bench", &smoke(), "--out", &out, "--solver", "chain-exact,fastest-first"];
    let count = json(&[&words[..], &["--dry-run", "--seed", "0,1,2"]].concat());
    assert_eq!(
        (&count["instances"], &count["trials"], &count["left"]),
        (&4.into(), &24.into(), &24.into())
    );
    // 24 times 60 seconds and 10 of grace.
    assert!((count["hours_at_most"].as_f64().unwrap() - 24.0 * 70.0 / 3600.0).abs() < 1e-9);
    assert!(count["hours_expected"].is_null() && !Path::new(&out).exists());
    assert!(run(&[&words[..], &["--solver", "chain-exact"][..0]].concat()).status.success());
    let count = json(&[&words[..], &["--dry-run", "--seed", "0,1,2", "--jobs", "2"]].concat());
    assert_eq!((&count["trials"], &count["left"]), (&24.into(), &16.into()));
    assert!(count["hours_expected"].as_f64().unwrap() < 0.1);
    // Two at a time, and an instance's trials follow each other.
    let most = (8.0 + 4.0) * 70.0 / 3600.0;
    assert!((count["hours_at_most"].as_f64().unwrap() - most).abs() < 1e-9, "{count}");
    let job = json(&[&words[..], &["--dry-run", "--job", "slurm", "--shards", "4"]].concat());
    assert_eq!((&job["tasks"], &job["script"]), (&4.into(), &serde_json::Value::Null));
    refused(&["bench", &smoke(), "--out", &out, "--job", "pbs"], "slurm, parallel, hyperqueue");
    refused(&["bench", &smoke(), "--out", &out, "--job", "slurm", "--shards", "0"], "--shards");
}

#[test]
fn scripts_are_of_any_shell() {
    let (_folder, place) = place();
    for launcher in ["slurm", "parallel", "hyperqueue"] {
        let script = write(&place, launcher);
        let output = Command::new("sh").arg("-n").arg(&script).output().unwrap();
        assert!(output.status.success(), "{launcher}: {}", text(&output.stderr));
    }
}

#[test]
fn a_killed_task_is_not_merged_and_goes_on() {
    let (_folder, place) = place();
    let script = write(&place, "parallel");
    let mut command = Command::new("sh");
    command.arg(&script).env("JOBS", "2").stdout(Stdio::piped()).stderr(Stdio::piped());
    let job = command.current_dir("/").spawn().unwrap();
    let shard = |index: u32| place.join(format!("record.shards/{index}"));
    kill_owner(&shard(1).join(".lock"));
    let output = job.wait_with_output().unwrap();
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert!(!place.join("record").exists());
    // The other task was not harmed.
    let other = fs::read_to_string(shard(2).join("records.csv")).unwrap();
    assert_eq!(trials(&shard(2)), 4);
    assert!(trials(&shard(1)) < 4);

    let early = sh(&script, &place, &["merge"]);
    assert!(text(&early.stderr).contains("shard 1 of 2 has not ended"), "{early:?}");
    for _ in 0..2 {
        let again = sh(&script, &place, &[]);
        assert!(again.status.success(), "{}", text(&again.stderr));
        assert!(text(&again.stdout).contains("smoke: 4 instances"), "{}", text(&again.stdout));
        assert_eq!(trials(&place.join("record")), 8);
    }
    assert_eq!(fs::read_to_string(shard(2).join("records.csv")).unwrap(), other);
}

/// Kills the process that holds a lock, as soon as there is one.
fn kill_owner(lock: &Path) {
    let begun = Instant::now();
    loop {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{}: no process took it",
            lock.display()
        );
        let owner = fs::read_to_string(lock).unwrap_or_default();
        if let Some(id) = owner.strip_prefix("process ").and_then(|rest| rest.split(' ').next()) {
            let killed = Command::new("kill").args(["-KILL", id]).status().unwrap();
            assert!(killed.success());
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs the tasks of an array, which an option names, one after the other.
const SBATCH: &str = r#"#!/bin/sh
echo "$*" >>"$(dirname "$0")/submitted"
case "$*" in
*--dependency=afterok:17*) shift 4; exec sh "$@" ;;
esac
for script; do :; done
range=$(sed -n 's/^#SBATCH --array=1-//p' "$script")
for task in $(seq "$range"); do
    SLURM_ARRAY_TASK_ID=$task sh "$script" >/dev/null || exit 1
done
echo "17;cluster"
"#;

#[test]
fn slurm_is_given_an_array_and_what_follows_it() {
    let (_folder, place) = place();
    let script = write(&place, "slurm");
    let lines = fs::read_to_string(&script).unwrap();
    for line in ["job-name=edgeplan-smoke", "array=1-2", "cpus-per-task=1", "mem=5120M", "time=3"] {
        assert!(lines.lines().any(|one| one == format!("#SBATCH --{line}")), "{line}: {lines}");
    }
    let programs = place.join("bin");
    program(&programs, "sbatch", SBATCH);
    let output = sh(&script, &programs, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("smoke: 4 instances"), "{}", text(&output.stdout));
    assert_eq!(trials(&place.join("record")), 8);
    let submitted = fs::read_to_string(programs.join("submitted")).unwrap();
    assert_eq!(submitted.lines().count(), 2, "{submitted}");
    assert!(submitted.contains("--kill-on-invalid-dep=yes"), "{submitted}");
}

const HQ: &str = r#"#!/bin/sh
echo "$*" >>"$(dirname "$0")/submitted"
while [ "$1" != -- ]; do
    [ "$1" != --array ] || range=${2#1-}
    shift
done
shift
for task in $(seq "$range"); do
    HQ_TASK_ID=$task "$@" >/dev/null || exit 1
done
"#;

#[test]
fn hyperqueue_is_given_an_array() {
    let (_folder, place) = place();
    let script = write(&place, "hyperqueue");
    let programs = place.join("bin");
    program(&programs, "hq", HQ);
    let output = sh(&script, &programs, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(trials(&place.join("record")), 8);
    let submitted = fs::read_to_string(programs.join("submitted")).unwrap();
    let expected = "submit --name edgeplan-smoke --array 1-2 --cpus 1 --time-limit 180s --wait --";
    assert!(submitted.starts_with(expected), "{submitted}");
}
