//! Questions as files of integer programs, read and solved by another hand than the one that wrote
//! them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use edgeplan::{ModelFormat, NamedProgram, write_program};
use edgeplan_families::{Random, several};
use edgeplan_files::deployment::write_instance;
use edgeplan_mip::{Request, SolvedFile, Status, solve_file};
use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{Assignment, Deployment, Objective, Placement, Plan};
use edgeplan_tests::{Optimum, brute_force, json, refused, run, small, text};
use serde_json::{Value, json};

fn solved(path: &Path) -> SolvedFile {
    let request = Request { time: Some(Duration::from_secs(60)), ..Request::default() };
    solve_file(path, &request).expect("HiGHS reads it")
}

/// The plan that the columns mean, by their names.
fn plan(instance: &Deployment, program: &NamedProgram, file: &SolvedFile) -> Plan {
    let values: BTreeMap<&str, f64> = file.values.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    assert_eq!(values.len(), program.names.columns.len(), "no column lost, none twice");
    let blank = |model: &edgeplan_problem::deployment::Model| vec![None; model.layers.len()];
    let mut models: Vec<Vec<Option<Assignment>>> = instance.models.iter().map(blank).collect();
    for choice in &program.choices {
        if values[program.names.columns[choice.column].as_str()] > 0.5 {
            let place = &mut models[choice.model][choice.layer];
            let assignment = Assignment { device: choice.device, option: choice.option };
            assert!(place.replace(assignment).is_none(), "one choice a layer");
        }
    }
    let layers = models.into_iter().map(|layers| layers.into_iter().map(Option::unwrap).collect());
    Plan { models: layers.collect() }
}

#[test]
fn files_have_the_optimum_of_their_questions() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = BTreeMap::new();
    for seed in 0..120 {
        let instance = small(seed);
        let program = NamedProgram::of(&instance, usize::MAX).unwrap();
        for format in [ModelFormat::Mps, ModelFormat::Lp] {
            let path = folder.path().join(format!("{seed}.{}", format.word()));
            write_program(&path, &program, format).unwrap();
            let file = solved(&path);
            match brute_force(&instance) {
                Optimum::Infeasible => assert_eq!(file.status, Status::Infeasible, "seed {seed}"),
                Optimum::Cost(cost, _) => {
                    assert_eq!(file.status, Status::Optimal, "seed {seed}, {}", format.word());
                    let plan = plan(&instance, &program, &file);
                    let evaluation = instance.evaluate(&plan);
                    assert!(evaluation.is_feasible(), "seed {seed}: {:?}", evaluation.violations);
                    assert_eq!(evaluation.cost, cost, "seed {seed}, {}", format.word());
                    let told = file.objective * program.formulated.scale;
                    let error = (told - cost.as_f64()).abs();
                    assert!(error <= 1e-6 * cost.as_f64().max(1.0), "seed {seed}: {told} {cost}");
                }
            }
        }
        let kind = (
            instance.models.len() > 1,
            instance.placement == Placement::Free,
            instance.has_hosts(),
            instance.objective == Objective::Bottleneck,
        );
        *seen.entry(kind).or_insert(0) += 1;
    }
    // Several models, free placement, hosts, throughput: each alone and in company.
    assert!(seen.len() >= 10, "{seen:?}");
}

#[test]
fn names_are_different_and_of_harmless_letters() {
    for seed in 0..120 {
        let mut instance = small(seed);
        // Names that differ in letters which formats do not take.
        for (index, device) in instance.devices.iter_mut().enumerate() {
            device.name = ["a b", "a-b", "a\u{e4}b", "free"][index % 4].repeat(1 + index / 4);
        }
        let program = NamedProgram::of(&instance, usize::MAX).unwrap();
        let counts =
            (program.formulated.program.columns.len(), program.formulated.program.rows.len());
        for (names, count) in [(&program.names.columns, counts.0), (&program.names.rows, counts.1)]
        {
            let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
            assert_eq!((names.len(), distinct.len()), (count, count), "seed {seed}");
            let plain = |c: char| c.is_ascii_alphanumeric() || "_.,()".contains(c);
            assert!(names.iter().all(|name| name.chars().all(plain)), "seed {seed}: {names:?}");
        }
    }
}

/// The plan file that a user's own program would write of a solution.
fn plan_file(told: &Value, solution: &SolvedFile) -> Value {
    let chosen = |column: &Value| {
        solution.values.iter().any(|(name, value)| column == name.as_str() && *value > 0.5)
    };
    let mut models: Vec<Value> = Vec::new();
    for choice in told["choices"].as_array().unwrap() {
        if !chosen(&choice["column"]) {
            continue;
        }
        if models.last().is_none_or(|model| model["name"] != choice["model"]) {
            models.push(json!({ "name": choice["model"], "layers": [] }));
        }
        let layers = models.last_mut().unwrap()["layers"].as_array_mut().unwrap();
        let [layer, device, recipe] = ["layer", "device", "recipe"].map(|key| &choice[key]);
        layers.push(json!({ "layer": layer, "device": device, "recipe": recipe }));
    }
    json!({ "schema": "edgeplan-plan/1", "models": models })
}

#[test]
fn a_solution_of_the_file_is_a_plan_of_the_question() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let [instance, lp, plan] = ["i.json", "program.lp", "plan.json"].map(path);
    let family = Random { layers: 7, devices: 4, ..Random::default() };
    std::fs::write(&instance, write_instance(&several(&family, 2))).unwrap();
    let told = json(&["export", &instance, "--to", "lp", "--out", &lp]);
    let solution = solved(Path::new(&lp));
    std::fs::write(&plan, plan_file(&told, &solution).to_string()).unwrap();
    let checked = json(&["check", &instance, &plan]);
    let best = json(&["plan", &instance, "--gap", "0"]);
    assert_eq!(checked["cost_ns"], best["cost_ns"]);
    let cost = solution.objective * told["cost_of_one"].as_f64().unwrap();
    assert!((cost / checked["cost_ns"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{cost}");
    assert_eq!(told["cost"], "cost_ns");
    // For people, the same in words; and of the example, which is no instance file.
    let mps = path("example.mps");
    let said = run(&["export", "--to", "mps", "--out", &mps]);
    assert!(text(&said.stdout).contains("those that are 1 are the plan"), "{said:?}");
    let written = std::fs::read_to_string(&mps).unwrap();
    assert!(written.contains("x(llama_3.1_8b,block_3,desktop,q4_K)"), "names of the example");
    assert!(written.contains("memory(desktop)") && written.contains("once(llama_3.1_8b,head)"));
    // Within an engine the program is another one.
    let within = run(&["export", "--to", "mps", "--for", "llama.cpp", "--out", &mps]);
    assert!(within.status.success(), "{}", text(&within.stderr));
    assert_ne!(std::fs::read_to_string(&mps).unwrap(), written);
}

#[test]
fn wrong_requests_for_programs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let nowhere = path("no/such/folder.mps");
    refused(&["export", "--to", "mps", "--out", &nowhere], "folder.mps: ");
    let whole = folder.path().display().to_string();
    refused(&["export", "--to", "lp", "--out", &whole], "this is a folder; a file is needed");
    let plan = path("plan.json");
    let with_plan = ["export", "--to", "lp", "--out", &path("a.lp"), "--plan", &plan];
    refused(&with_plan, "--plan and --at cannot be used with --to lp");
    refused(&["export", "--to", "mpx", "--out", &whole], "no engine is called `mpx`");
    let both = ["export", "--to", "exo", "--for", "exo", "--out", &path("x")];
    refused(&both, "--for cannot be used with --to exo");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_plan_needs_no_fingerprint_but_no_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let priced = (0..).map(small).find_map(|instance| match brute_force(&instance) {
        Optimum::Cost(cost, _) => Some((instance, cost)),
        Optimum::Infeasible => None,
    });
    let (instance, cost) = priced.expect("one has a plan");
    let [file, plan] = ["i.json", "p.json"].map(|n| folder.path().join(n).display().to_string());
    std::fs::write(&file, write_instance(&instance)).unwrap();
    assert!(run(&["plan", &file, "--out", &plan]).status.success());
    let whole: Value = serde_json::from_str(&std::fs::read_to_string(&plan).unwrap()).unwrap();
    let check = |change: fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        std::fs::write(&plan, changed.to_string()).unwrap();
        run(&["check", &file, &plan, "--json"])
    };
    let without = check(|plan| drop(plan.as_object_mut().unwrap().remove("instance")));
    let answer: Value = serde_json::from_slice(&without.stdout).expect("JSON");
    let key = if instance.objective == Objective::Memory { "cost_bytes" } else { "cost_ns" };
    assert_eq!(answer[key], json!(cost));
    for wrong in [(|plan| plan["instance"] = json!("")) as fn(&mut Value), |plan| {
        plan["instance"] = json!("0123456789abcdef");
    }] {
        let output = check(wrong);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("instance: made for instance"), "{output:?}");
    }
    let device = check(|plan| {
        plan.as_object_mut().unwrap().remove("instance");
        plan["models"][0]["layers"][0]["device"] = json!("nowhere");
    });
    assert!(text(&device.stderr).contains("models[0].layers[0]: no device nowhere"), "{device:?}");
}
