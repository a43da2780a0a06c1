//! The models of `tests/peers` against brute force, where Python has what they need; what they
//! share is tested wherever there is Python.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use edgeplan_external::External;
use edgeplan_files::deployment::write_instance;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Plan};
use edgeplan_problem::{Limits, Problem as _, Silent, Verdict, solve};
use edgeplan_tests::{Optimum, brute_force, small, text};
use rayon::prelude::*;
use serde_json::json;

/// The models, and the package of each.
const PEERS: [(&str, &str); 2] = [("cp_sat.py", "ortools"), ("scip.py", "pyscipopt")];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The Python of `$EDGEPLAN_PEERS_PYTHON`, or the one on the path, if it can import a module.
fn python(module: &str) -> Option<String> {
    let given = std::env::var("EDGEPLAN_PEERS_PYTHON").ok();
    let python = given.unwrap_or_else(|| "python3".into());
    let tried = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if tried.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    // On standard error, where `--nocapture` shows it.
    eprintln!("skipped: {python} has no {module}; see tests/peers/README.md");
    None
}

fn verdict(python: &str, script: &str, instance: &Deployment) -> Verdict {
    let script = folder().join(script).display().to_string();
    let rest = "{instance} {plan} {claim} {time} {threads} --gap {gap} --start {start}";
    let external = External::new(&format!("'{python}' '{script}' {rest}"), Path::new("."));
    let limits = Limits { time: Some(Duration::from_secs(60)), ..Limits::default() };
    solve(instance, &external.expect("a command"), limits, &mut Silent).verdict
}

#[test]
fn peers_agree_with_brute_force() {
    let answers = |(script, module): (&str, &str)| {
        let Some(python) = python(module) else { return };
        (0..60).into_par_iter().for_each(|seed| {
            let instance = small(seed);
            let verdict = verdict(&python, script, &instance);
            if instance.has_hosts() {
                let Verdict::Failed(why) = &verdict else { panic!("{seed}: {verdict:?}") };
                assert!(why.contains("unsupported: this model knows no hosts"), "{seed}: {why}");
                return;
            }
            match brute_force(&instance) {
                Optimum::Infeasible => {
                    assert_eq!(verdict, Verdict::Infeasible, "{script}, seed {seed}");
                }
                Optimum::Cost(cost, _) => {
                    assert_eq!(verdict.cost(), Some(cost), "{script}, seed {seed}: {verdict:?}");
                    assert_eq!(verdict.word(), "optimal", "{script}, seed {seed}: {verdict:?}");
                }
            }
        });
    };
    PEERS.into_iter().for_each(answers);
}

/// Plans of a question, some of them infeasible: one in so many of all.
fn plans(instance: &Deployment) -> Vec<Plan> {
    let layers: Vec<(usize, usize)> = (instance.models.iter().enumerate())
        .flat_map(|(model, m)| m.layers.iter().map(move |layer| (model, layer.options.len())))
        .collect();
    let plan = |index: u64| {
        let mut state = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ((state >> 33) % below as u64) as u16
        };
        let mut models = vec![Vec::new(); instance.models.len()];
        for &(model, options) in &layers {
            let device = DeviceId(next(instance.devices.len()));
            models[model].push(Assignment { device, option: OptionId(next(options)) });
        }
        Plan { models }
    };
    (0..200).map(plan).collect()
}

const EVALUATE: &str = "import json, sys, question\n\
    for path, plans in json.load(sys.stdin):\n    \
    q = question.Question(path)\n    \
    print(json.dumps([q.evaluate(plan) for plan in plans]))\n";

#[test]
fn the_bill_of_the_peers_is_that_of_evaluate() {
    use std::io::Write as _;
    let Some(python) = python("json") else { return };
    let place = tempfile::tempdir().unwrap();
    let questions: Vec<Deployment> = (0..100).map(small).filter(|i| !i.has_hosts()).collect();
    let mut asked = Vec::new();
    for (index, instance) in questions.iter().enumerate() {
        let path = place.path().join(format!("{index}.json"));
        std::fs::write(&path, write_instance(instance)).unwrap();
        let rows = |plan: Plan| -> Vec<Vec<(u16, u16)>> {
            let row =
                |layers: Vec<Assignment>| layers.iter().map(|a| (a.device.0, a.option.0)).collect();
            plan.models.into_iter().map(row).collect()
        };
        asked.push(json!([path, plans(instance).into_iter().map(rows).collect::<Vec<_>>()]));
    }
    let mut command = Command::new(&python);
    let pipe = std::process::Stdio::piped;
    command.args(["-c", EVALUATE]).env("PYTHONPATH", folder()).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = command.stdin(pipe()).stdout(pipe()).spawn().unwrap();
    let question = json!(asked).to_string();
    let mut stdin = child.stdin.take().unwrap();
    let feed = std::thread::spawn(move || stdin.write_all(question.as_bytes()));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(output.status.success());
    let (mut feasible, mut lines) =
        (0, text(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>().into_iter());
    for instance in &questions {
        let costs: Vec<Option<u64>> = serde_json::from_str(&lines.next().unwrap()).unwrap();
        for (plan, cost) in plans(instance).iter().zip(costs) {
            let evaluation = instance.evaluate(plan);
            let expected = evaluation.is_feasible().then_some(evaluation.cost.0);
            assert_eq!(cost, expected, "{}: {plan:?}: {:?}", instance.name, evaluation.violations);
            feasible += u32::from(cost.is_some());
        }
    }
    assert!(feasible > 500, "the test finds feasible plans: {feasible}");
}

#[test]
fn a_peer_without_its_package_says_so() {
    let Some(python) = python("json") else { return };
    let place = tempfile::tempdir().unwrap();
    let instance = place.path().join("i.json");
    std::fs::write(&instance, write_instance(&small(3))).unwrap();
    for (script, module) in PEERS {
        let mut command = Command::new(&python);
        // `-S` leaves out what pip installed.
        command.args(["-S", "-B"]).arg(folder().join(script)).arg(&instance);
        let output = command.args(["plan", "claim", "1", "1"]).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("Python has no {module} here: pip install")), "{said}");
    }
}
