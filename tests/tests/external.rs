//! Solvers that are programs of their own, as a user meets them: in suites, `plan` and `compare`.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use edgeplan_problem::Verdict;
use edgeplan_records::folder::Folder;
use edgeplan_tests::{edgeplan, generate, json, refused, run, text};

/// A program that answers with a plan that `edgeplan` made before, and claims its cost as a bound.
fn honest(folder: &Path, instance: &str) -> String {
    let plan = folder.join("good.json").display().to_string();
    let answer = json(&["plan", instance, "--gap", "0", "--out", &plan]);
    let claim = format!(
        "{{\"schema\": \"edgeplan-claim/1\", \"lower_bound\": {}, \"nodes\": 1}}",
        answer["cost_ns"]
    );
    script(folder, "honest.sh", &format!("cp '{plan}' \"$2\"\necho '{claim}' > \"$3\""))
}

fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name).display().to_string();
    std::fs::write(&path, format!("{text}\n")).unwrap();
    path
}

#[test]
fn a_program_plans_and_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let command = format!("sh {}", honest(folder.path(), &instance));
    let answer = json(&["plan", &instance, "--solver-command", &command]);
    assert_eq!((&answer["verdict"], &answer["solver"]), (&"optimal".into(), &"external".into()));
    assert_eq!(answer["work"]["nodes"], 1, "{answer}");
    let liar = "sh -c 'printf \"{{\\\"schema\\\": \\\"edgeplan-claim/1\\\", \
                \\\"infeasible\\\": true}}\" > \"$1\"' sh {claim} {instance} {plan}";
    let commands = ["--solver-command", &command, "--solver-command", liar];
    let output = run(&[&["compare", &instance, "--time", "5", "--json"], &commands[..]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = |name: &str| {
        let mut rows = all["solvers"].as_array().unwrap().iter();
        rows.find(|row| row["solver"] == name).map(|row| row["verdict"].clone())
    };
    assert_eq!(verdict("external"), Some("optimal".into()), "{all}");
    assert_eq!(verdict("external-2"), Some("wrong".into()), "{all}");
    // It stands behind every command that asks one solver.
    let explained = json(&["explain", &instance, "--solver-command", &command]);
    assert_eq!(explained["solver"], "external");
}

#[test]
fn what_a_program_does_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let plan = |command: &str| run(&["plan", &instance, "--solver-command", command]);
    let failed = plan("sh -c 'echo no licence >&2; exit 7' sh {instance} {plan}");
    assert_eq!(failed.status.code(), Some(1));
    let said = text(&failed.stdout);
    assert!(said.contains("exit status: 7: no licence"), "{said}");
    let false_bound = "sh -c 'printf \"{{\\\"schema\\\": \\\"edgeplan-claim/1\\\", \
                       \\\"infeasible\\\": true}}\" > \"$1\"' sh {claim} {instance} {plan}";
    // A second solver knows better.
    let denied = run(&["plan", &instance, "--double-check", "--solver-command", false_bound]);
    assert_eq!(denied.status.code(), Some(3), "{denied:?}");
    let with = |command| ["plan", &instance, "--solver-command", command];
    refused(&with("x {instance}"), "{plan} is missing");
    refused(&with("x {instnce} {plan}"), "did you mean {instance}?");
    refused(&with("x 'y"), "a quote is open");
    refused(&with(""), "a program and its arguments are needed");
    let both = [&with("x")[..], &["--solver", "highs"]].concat();
    refused(&both, "cannot be used with");
}

/// The code of that language on the page that explains all this.
fn example(language: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/external-solvers.md");
    let page = std::fs::read_to_string(page).unwrap();
    let code = page.split_once(&format!("```{language}\n")).expect("an example").1;
    code.split_once("```").expect("its end").0.to_owned()
}

#[test]
fn the_example_in_python_does_what_its_page_says() {
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no python3 here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let code = script(folder.path(), "mine.py", &example("python"));
    let command = format!("python3 '{code}'");
    let plan = ["plan", &instance, "--solver-command", &command];
    let failed = run(&plan);
    assert!(text(&failed.stdout).contains("no device takes everything"), "{failed:?}");
    let mut question: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&instance).unwrap()).unwrap();
    for device in question["deployment"]["devices"].as_array_mut().unwrap() {
        device["memory"] = (1u64 << 40).into();
    }
    std::fs::write(&instance, question.to_string()).unwrap();
    let answer = json(&plan);
    assert_eq!((&answer["verdict"], &answer["stages"][1]), (&"feasible".into(), &().into()));
}

const FAMILY: &str = "\n[[family]]\nname = \"random\"\nlayers = [4]\ndevices = [3]\nseeds = [0]\n";

fn suite(folder: &Path, solvers: &str, tables: &str) -> String {
    let text = format!("analysis = \"\"\nsolvers = {solvers}\n{tables}{FAMILY}");
    script(folder, "own.toml", &text)
}

#[test]
fn suites_measure_programs() {
    let folder = tempfile::tempdir().unwrap();
    // `{here}` is the suite's folder, wherever the bench is started.
    script(folder.path(), "one.sh", "echo \"out of $4 s with $5 threads\" >&2; exit 4");
    let tables = "[solver.one]\ncommand = 'sh {here}/one.sh'\n[solver.two]\n\
                  command = 'sh -c \"sleep 1000 & wait\" sh {instance} {plan}'\n";
    let suite = suite(folder.path(), "['one', 'chain-exact']", tables);
    let out = folder.path().join("record").display().to_string();
    let bench = ["bench", &suite, "--out", &out, "--time", "1", "--grace", "5"];
    let output = run(&bench);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // Also those that the suite describes and does not name.
    assert!(run(&[&bench[..], &["--solver", "two"]].concat()).status.success());
    let records = Folder::read(Path::new(&out)).unwrap();
    let reason = |solver: &str| {
        let record = records.iter().find(|record| record.solver == solver).expect("a row");
        assert!(matches!(record.verdict, Verdict::Failed(_)), "{record:?}");
        record.reason().to_owned()
    };
    assert!(reason("one").contains("exit status: 4: out of "), "{}", reason("one"));
    assert!(reason("one").contains(" s with 1 threads"), "{}", reason("one"));
    assert!(reason("two").contains("killed 2 s past its limit"), "{}", reason("two"));
    assert_eq!(records.len(), 3);
    let machine = std::fs::read_to_string(Path::new(&out).join("machine.txt")).unwrap();
    assert!(machine.contains("solver_one: sh {here}/one.sh\n"), "{machine}");
}

#[test]
fn mistakes_in_suites_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("record").display().to_string();
    let cases = [
        ("['mine']", "", "solvers[0]: no solver is called `mine`"),
        ("['a']", "[solver.a]\n", "solver.a: missing field `command`"),
        ("['a']", "[solver.a]\ncommand = ''\n", "solver.a.command: empty; a program"),
        ("['a']", "[solver.a]\ncommand = 'x {plan}'\n", "solver.a.command: {instance} is missing"),
        ("['a']", "[solver.a]\ncomand = 'x'\n", "did you mean `command`?"),
        ("['highs']", "[solver.highs]\ncommand = 'x'\n", "highs is a solver of the registry"),
        ("['exact']", "[solver.exact]\ncommand = 'x'\n", "exact is a set of solvers"),
        ("['A']", "[solver.A]\ncommand = 'x'\n", "solver.A: small letters, digits and `-`"),
    ];
    for (solvers, tables, expected) in cases {
        let suite = suite(folder.path(), solvers, tables);
        refused(&["bench", &suite, "--out", &out], expected);
    }
    let frames = "analysis = \"\"\nsolvers = ['a']\n[solver.a]\ncommand = 'x'\n[[family]]\n\
                  name = \"gus\"\nrequests = [4]\nseeds = [0]\n";
    let suite = script(folder.path(), "frames.toml", frames);
    refused(&["bench", &suite, "--out", &out], "solver.a: programs solve deployments");
    assert!(!Path::new(&out).exists());
}

/// What a program said of itself before it fell asleep: its process, a child, and its folder.
struct Sleeper {
    processes: Vec<String>,
    folder: PathBuf,
}

impl Sleeper {
    fn script(folder: &Path) -> String {
        let said = folder.join("said").display().to_string();
        let text = format!(
            "sleep 1000 &\necho $$ $! \"$2\" > '{said}.new'\n\
                            mv '{said}.new' '{said}'\nwait"
        );
        script(folder, "sleeper.sh", &text)
    }

    fn heard(folder: &Path) -> Self {
        let deadline = Instant::now() + Duration::from_secs(60);
        let said = loop {
            match std::fs::read_to_string(folder.join("said")) {
                Ok(said) => break said,
                Err(_) => assert!(Instant::now() < deadline, "the program did not start"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let words: Vec<&str> = said.split_whitespace().collect();
        let processes = words[..2].iter().map(|&id| id.to_owned()).collect();
        Self { processes, folder: Path::new(words[2]).parent().unwrap().to_path_buf() }
    }

    fn vanishes(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let alive = |id: &String| {
            let state = Command::new("ps").args(["-o", "stat=", "-p", id]).output().unwrap();
            let state = text(&state.stdout);
            !state.trim().is_empty() && !state.trim().starts_with('Z')
        };
        while self.processes.iter().any(alive) || self.folder.exists() {
            assert!(Instant::now() < deadline, "{} is left behind", self.folder.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn nothing_of_a_program_outlives_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let instance = generate(folder.path(), "instance.json", "3");
    let command = format!("sh {}", Sleeper::script(folder.path()));
    let mut plan = Command::new(edgeplan());
    plan.args(["plan", &instance, "--solver-command", &command]);
    let mut plan = plan.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let sleeper = Sleeper::heard(folder.path());
    assert!(sleeper.folder.exists());
    plan.kill().unwrap();
    plan.wait().unwrap();
    sleeper.vanishes();

    // A bench that is killed takes its trial with it, and that one its program.
    if cfg!(target_os = "linux") {
        std::fs::remove_file(folder.path().join("said")).unwrap();
        let table = "[solver.sleeper]\ncommand = 'sh {here}/sleeper.sh'\n";
        let suite = suite(folder.path(), "['sleeper']", table);
        let out = folder.path().join("record").display().to_string();
        let mut bench = Command::new(edgeplan());
        bench.args(["bench", &suite, "--out", &out]);
        let mut bench = bench.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let sleeper = Sleeper::heard(folder.path());
        bench.kill().unwrap();
        bench.wait().unwrap();
        sleeper.vanishes();
    }
}

#[test]
fn a_trial_that_is_killed_past_its_grace_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    Sleeper::script(folder.path());
    let table = "[solver.sleeper]\ncommand = 'sh {here}/sleeper.sh'\n";
    let suite = suite(folder.path(), "['sleeper']", table);
    let out = folder.path().join("record").display().to_string();
    // Less grace than the program would get.
    let output = run(&["bench", &suite, "--out", &out, "--time", "0.5", "--grace", "0.5"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    Sleeper::heard(folder.path()).vanishes();
    let records = Folder::read(Path::new(&out)).unwrap();
    assert!(records[0].reason().contains("killed 0.5 s past its limit"), "{records:?}");
}
