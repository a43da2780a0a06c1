//! Plans after an event on the machines, and what other machines would buy.

use edgeplan::{Event, Horizon, Kind, Quiet, Replan, Replanned, Session, Sources, Task};
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Plan};
use edgeplan_problem::{Nanos, Problem as _};
use edgeplan_tests::{json, refused, run, small, text};

const TINY: [&str; 2] = ["--model", "catalog:tinyllama-1.1b"];

/// All plans of a small question.
fn all_plans(instance: &Deployment) -> Vec<Plan> {
    let [model] = &instance.models[..] else { return Vec::new() };
    let mut plans = vec![Vec::new()];
    for layer in &model.layers {
        let options = 0..layer.options.len();
        let choices = options.flat_map(|option| {
            instance
                .device_ids()
                .map(move |device| Assignment { device, option: OptionId(option as u16) })
        });
        let choices: Vec<Assignment> = choices.collect();
        plans = plans
            .iter()
            .flat_map(|plan: &Vec<Assignment>| {
                choices.iter().map(move |&choice| [&plan[..], &[choice]].concat())
            })
            .collect();
        if plans.len() > 60_000 {
            return Vec::new();
        }
    }
    plans.into_iter().map(Plan::single).collect()
}

fn replanned(instance: &Deployment, plan: &Plan, events: Vec<Event>, horizon: u64) -> Replanned {
    let session = Session::of("small", instance.clone()).unwrap();
    let ask = Replan {
        plan: plan.clone(),
        events,
        store: None,
        horizon: Horizon(Nanos(horizon)),
        per_hour: None,
    };
    session.replan(&ask, &Task::default(), &mut Quiet).unwrap()
}

/// What a plan takes over the horizon, computed apart: every transfer at the rate of the largest
/// message, each pair of devices a lane of its own.
fn total(now: &Deployment, old: &Plan, plan: &Plan, requests: u64) -> Option<u64> {
    let evaluated = now.evaluate(plan);
    if !evaluated.is_feasible() {
        return None;
    }
    let (model, devices) = (&now.models[0], now.devices.len());
    let message = model.messages.iter().max_by_key(|message| message.bytes)?;
    let mut bytes = vec![0u128; devices * devices];
    let mut add = |from: DeviceId, to: DeviceId, more: u64| {
        bytes[from.index() * devices + to.index()] += u128::from(more);
    };
    let shared = |layer: usize, at: &Assignment| {
        model.layers[layer].options[at.option.index()].shared.map(|id| (at.device, id))
    };
    let all = |plan: &Plan| -> std::collections::BTreeSet<(DeviceId, usize)> {
        let layers = plan.models[0].iter().enumerate();
        layers.filter_map(|(layer, at)| shared(layer, at)).collect()
    };
    for (layer, (was, is)) in old.models[0].iter().zip(&plan.models[0]).enumerate() {
        if was != is {
            let from = if was.option == is.option { was.device } else { now.source };
            add(from, is.device, model.layers[layer].options[is.option.index()].bytes.0);
        }
    }
    let held = all(old);
    for &(device, id) in all(plan).difference(&held) {
        let holder = held.iter().find(|(_, other)| *other == id);
        let from = holder.map_or(now.source, |(holder, _)| *holder);
        add(from, device, model.shared[id].0);
    }
    let mut longest = 0;
    for (pair, &bytes) in bytes.iter().enumerate() {
        if pair / devices == pair % devices || bytes == 0 {
            continue;
        }
        let time = u128::from(message.time[pair]?.0.max(1));
        let bits = (u128::from(message.bytes.0) * 8_000_000_000 / time).max(1);
        longest = longest.max((bytes * 8_000_000_000).div_ceil(bits));
    }
    Some(u64::try_from(longest).ok()?.saturating_add(evaluated.cost.0.saturating_mul(requests)))
}

#[test]
fn the_best_of_all_plans_is_between_the_bound_and_the_answer() {
    let (mut asked, mut moved, mut priced) = (0, 0, 0);
    for seed in 0..160 {
        let instance = small(seed);
        let plans = all_plans(&instance);
        let feasible = plans.iter().filter(|plan| instance.evaluate(plan).is_feasible());
        let cost = |plan: &&Plan| instance.evaluate(plan).cost;
        let Some(old) = feasible.max_by_key(cost) else { continue };
        if instance.objective == edgeplan_problem::deployment::Objective::Memory {
            continue;
        }
        let slow = instance.device(old.models[0][0].device).name.clone();
        for horizon in [1, 300, 100_000] {
            let answer =
                replanned(&instance, old, vec![Event::SlowDevice(slow.clone(), 3.0)], horizon);
            let now = answer.session.deployment();
            let totals = plans.iter().filter_map(|plan| total(now, old, plan, answer.requests));
            let Some(least) = totals.min() else {
                assert_eq!(answer.best, None, "seed {seed}");
                continue;
            };
            let bound = answer.lower_bound.expect("the optimum is proven").0;
            assert!(bound <= least, "seed {seed}: bound {bound}, but {least} is possible");
            let best = &answer.candidates[answer.best.expect("there is a plan")];
            let found = best.total.expect("it is feasible").0;
            assert!(found >= least, "seed {seed}: {found} is less than any of {least}");
            let plan = best.plan.as_ref().expect("it is feasible");
            assert_eq!(total(now, old, plan, answer.requests), Some(found), "seed {seed}");
            asked += 1;
            moved += usize::from(!best.moving.moves.is_empty());
            priced += usize::from(best.kind == Kind::WithMoves);
        }
    }
    assert!(asked > 60 && moved > 10 && priced > 3, "{asked} asked, {moved} {priced} moved");
}

#[test]
fn a_device_that_left_holds_nothing_and_sends_nothing() {
    let mut asked = 0;
    for seed in 0..60 {
        let instance = small(seed);
        let session = Session::of("small", instance.clone()).unwrap();
        let planned = session.plan(&Task::default(), &mut Quiet);
        let Some(old) = planned.outcome.plan.filter(|_| instance.models.len() == 1) else {
            continue;
        };
        let used = old.models[0].iter().map(|at| at.device).find(|&id| id != instance.source);
        let Some(gone) = used else { continue };
        let name = instance.device(gone).name.clone();
        let answer = replanned(&instance, &old, vec![Event::Left(name.clone())], 10_000);
        let stay = &answer.candidates[0];
        assert!(stay.kind == Kind::Stay && stay.total.is_none(), "seed {seed}");
        assert!(answer.session.deployment().devices.iter().all(|device| device.name != name));
        let moves = answer.candidates.iter().flat_map(|one| &one.moving.moves);
        assert!(moves.into_iter().all(|one| one.from != name && one.to != name));
        if answer.best.is_none() {
            assert!(answer.planned.outcome.cost().is_none(), "seed {seed}");
            assert!(answer.text().unwrap().contains("old plan"));
        }
        asked += 1;
    }
    assert!(asked > 10, "{asked}");
}

#[test]
fn a_better_plan_is_worth_its_move_only_for_long_enough() {
    let models = vec!["catalog:tinyllama-1.1b".to_owned()];
    let session = Sources { models, ..Sources::default() }.load().unwrap();
    let (deployment, task) = (session.deployment(), Task::default());
    let best = session.plan(&task, &mut Quiet).outcome.plan.unwrap();
    // The same, but one block after another on a slow machine.
    let slow = deployment.device_ids().find(|&id| deployment.device(id).name == "jetson-a");
    let mut plan = best.clone();
    let last = plan.models[0].len() - 1;
    plan.models[0].iter_mut().skip(1).for_each(|at| at.device = slow.unwrap());
    assert!(last > 20 && deployment.evaluate(&plan).is_feasible());
    let ask = |horizon: &str| {
        let horizon = horizon.parse().unwrap();
        let events = vec![Event::SlowDevice("jetson-b".into(), 2.0)];
        let store = Some("jetson-a".to_owned());
        let ask = Replan { plan: plan.clone(), events, store, horizon, per_hour: None };
        session.replan(&ask, &task, &mut Quiet).unwrap()
    };
    let (short, long) = (ask("1 s"), ask("2 d"));
    assert_eq!(short.candidates[short.best.unwrap()].kind, Kind::Stay);
    let moved = &long.candidates[long.best.unwrap()];
    assert!(moved.kind != Kind::Stay && moved.moving.bytes().0 > 100_000_000);
    assert!(long.gap().unwrap() < 0.01, "{:?}", long.gap());
    // No link to the machines is faster than 940 Mbit/s.
    let least = moved.moving.moves.iter().map(|one| one.bytes.0).max().unwrap() * 8;
    assert!(moved.moving.time.as_f64() >= least as f64 / 0.94, "{:?}", moved.moving);
    assert!(long.wait.is_some() && short.wait.is_some());
    let slower = long.candidates[0].total.unwrap();
    assert!(moved.total.unwrap() < slower);
}

#[test]
fn the_command_line_writes_a_plan_that_the_changed_cluster_has() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (plan, next, cluster) = (path("plan.json"), path("next.json"), path("less.toml"));
    let planned = run(&["plan", "--out", &plan]);
    assert!(planned.status.success(), "{}", text(&planned.stderr));
    // The laptop keeps the model on its disk unless another machine does.
    let events = ["--without", "desktop", "--store", "jetson-b", "--out", &next];
    let answer = json(&[&["replan", &plan], &events[..]].concat());
    assert!(answer["gap"].as_f64().unwrap() < 0.05, "{answer}");
    assert_eq!(answer["candidates"][0]["feasible"], false);
    assert!(answer["moves"][0]["bytes"].as_u64() > Some(1 << 30), "{answer}");
    let bytes = |moves: &serde_json::Value| {
        moves.as_array().unwrap().iter().map(|one| one["bytes"].as_u64().unwrap()).sum::<u64>()
    };
    let candidates = answer["candidates"].as_array().unwrap();
    let best = candidates.iter().find(|one| one["candidate"] == answer["best"]).unwrap();
    assert_eq!(Some(bytes(&answer["moves"])), best["move_bytes"].as_u64());
    // The cluster without its last device and link.
    let home = include_str!("../../bench-data/clusters/home-lab.toml");
    let home = home.replace("[device.desktop]\nprofile = \"catalog:rtx-3070-8\"\n", "");
    let home = home.rsplit_once("[[link]]").unwrap().0;
    std::fs::write(&cluster, home).unwrap();
    let same = ["--cluster", &cluster, "--less", "laptop=1 B", "--json"];
    let again = run(&[&["replan", &next], &same[..]].concat());
    assert!(again.status.success(), "the plan is one of that cluster: {}", text(&again.stderr));
}

#[test]
fn nothing_is_feasible_without_enough_memory_and_the_diagnosis_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json").display().to_string();
    assert!(run(&[&["plan", "--out", &plan], &TINY[..]].concat()).status.success());
    let all = ["laptop", "desktop", "jetson-a", "jetson-b"];
    let less: Vec<String> = all.iter().map(|name| format!("--less={name}=500 GiB")).collect();
    let less: Vec<&str> = less.iter().map(String::as_str).collect();
    let output = run(&[&["replan", &plan], &TINY[..], &less].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("Any plan that keeps every other limit needs at least"), "{said}");
    assert!(said.contains("old plan"), "{said}");
}

#[test]
fn wrong_events_are_refused_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json").display().to_string();
    assert!(run(&[&["plan", "--out", &plan], &TINY[..]].concat()).status.success());
    for (arguments, expected) in [
        (["--without", "dektop"], "did you mean `desktop`?"),
        (["--without", "laptop"], "requests enter at laptop"),
        (["--slow", "laptop-hom=1 Mbit/s"], "did you mean `laptop-home`?"),
        (["--slow", "desktop=0.2"], "a factor from 1"),
        (["--slow", "desktop=5 GHz"], "`940 Mbit/s`"),
        (["--less", "desktop=4"], "`12 GiB`"),
        (["--store", "nas"], "no device is called `nas`"),
        (["--horizon", "1 week"], "`30 min`"),
        (["--rate", "0"], "1 to 1e12 are allowed"),
    ] {
        refused(&[&["replan", &plan], &TINY[..], &arguments].concat(), expected);
    }
    refused(&["replan", &plan, "--without", "desktop"], "made for instance");
}

#[test]
fn alternatives_are_ranked_by_what_they_gain_for_their_price() {
    let asked = [
        "explain",
        "--time=20",
        "--what-if=-desktop",
        "--what-if=+rtx-3090-24@700",
        "--what-if=+rtx-4090-24@7000000",
        "--what-if=link=10 Gbit/s@100",
    ];
    let answer = json(&asked);
    assert_eq!(answer["ranked_by"], "gained");
    let answer = json(&[&asked[..2], &asked[3..]].concat());
    assert_eq!(answer["ranked_by"], "gained_per_price");
    let alternatives = answer["alternatives"].as_array().unwrap();
    let today = answer["today"]["decode_tokens_per_s"].as_f64().unwrap();
    for one in alternatives {
        let rate = one["decode_tokens_per_s"].as_f64().unwrap();
        assert!((one["gained"].as_f64().unwrap() - (rate - today)).abs() < 1e-9, "{one}");
        assert_eq!(one["verdict"], "optimal", "{one}");
    }
    let per: Vec<f64> =
        alternatives.iter().map(|one| one["gained_per_price"].as_f64().unwrap()).collect();
    assert!(per.is_sorted_by(|a, b| a >= b), "{per:?}");
    let card = alternatives.iter().find(|one| one["change"] == "+rtx-3090-24").unwrap();
    assert!(card["gained"].as_f64().unwrap() > 1.0, "{card}");
}

#[test]
fn worse_and_impossible_alternatives_are_shown_and_wrong_ones_refused() {
    let answer = json(&["explain", "--what-if=-desktop", "--what-if=link=1 Mbit/s"]);
    for one in answer["alternatives"].as_array().unwrap() {
        assert!(one["gained"].as_f64().unwrap() <= 0.0, "{one}");
    }
    // Too small for the model without the others.
    let pc = ["--device", "rtx-3060-12", "--device", "ryzen-7950x-64", "--model"];
    let gone = ["catalog:qwen3-30b-a3b", "--what-if=-pc/cuda0", "--what-if=+rtx-3090-24"];
    let answer = json(&[&["explain"], &pc[..], &gone].concat());
    assert_eq!(answer["alternatives"][0]["change"], "+rtx-3090-24", "{answer}");
    let output = run(&[&["explain", "--what-if=-pc/cpu"], &pc[..], &gone[..1]].concat());
    assert!(text(&output.stdout).contains("infeasible"), "{}", text(&output.stdout));
    for (change, expected) in [
        ("+rtx-3091-24", "did you mean `catalog:rtx-3090-24`?"),
        ("+labtop:rtx-3090-24", "did you mean `laptop`?"),
        ("-dektop", "did you mean `desktop`?"),
        ("laptop-hom=1 Gbit/s", "did you mean `laptop-home`?"),
        ("link=10 GHz", "`940 Mbit/s`"),
        ("rtx-3090-24", "`+DEVICE`"),
        ("-desktop@free", "a price above 0"),
    ] {
        refused(&["explain", "--what-if", change], expected);
    }
}
