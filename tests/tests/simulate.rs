//! The simulator against `evaluate()`, and `edgeplan simulate` as a user meets it.

use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Placement, Plan};
use edgeplan_problem::{Nanos, Problem as _};
use edgeplan_simulator::{
    Continuous, Keep, Layout, Outcome, Request, ServiceTimes, Setup, Shares, Size, StaticBatch,
    operate,
};
use edgeplan_tests::{generate, json, refused, run, small, text};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

fn any_plan(instance: &Deployment, random: &mut Pcg64Mcg) -> Plan {
    let mut assignment = |options: usize| Assignment {
        device: DeviceId(random.random_range(0..instance.devices.len()) as u16),
        option: OptionId(random.random_range(0..options) as u16),
    };
    let models = instance
        .models
        .iter()
        .map(|model| model.layers.iter().map(|layer| assignment(layer.options.len())).collect());
    Plan { models: models.collect() }
}

/// The same instance with a part of every time, as if priced for prompts alone.
fn part(instance: &Deployment, percent: u64) -> Deployment {
    let scale = |time: &mut Option<Nanos>| {
        time.iter_mut().for_each(|time| time.0 = time.0 * percent / 100);
    };
    let mut part = instance.clone();
    for model in &mut part.models {
        let options = model.layers.iter_mut().flat_map(|layer| &mut layer.options);
        options.flat_map(|option| &mut option.compute).for_each(scale);
        model.messages.iter_mut().flat_map(|message| &mut message.time).for_each(scale);
    }
    part
}

#[test]
fn one_request_takes_as_long_as_evaluate_says() {
    let sizes = [(1, 0), (1, 1), (7, 0), (3, 4), (512, 128)];
    let (mut contiguous, mut free) = (0, 0);
    for seed in 0..400 {
        let instance = small(seed);
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        for _ in 0..40 {
            let plan = any_plan(&instance, &mut random);
            let evaluation = instance.evaluate(&plan);
            let layout = Layout::new(&instance, &plan);
            assert_eq!(layout.is_ok(), evaluation.is_feasible());
            let Ok(layout) = layout else { continue };
            let (prompt, generate) = sizes[random.random_range(0..sizes.len())];
            let size = Size { prompt, generate };
            let prompts = part(&instance, random.random_range(0..=100));
            let split = Shares::priced(&layout, size, &prompts, &plan).unwrap();
            for times in [&Shares::even(&layout, size), &split] {
                agree(&layout, times, size, &evaluation.account.models);
            }
            match instance.placement {
                Placement::Contiguous => contiguous += 1,
                Placement::Free => free += 1,
            }
        }
    }
    assert!(contiguous > 200 && free > 400, "{contiguous} contiguous, {free} free");
}

/// Checks that a request of each model alone takes the time of its bill.
fn agree(
    layout: &Layout,
    times: &dyn ServiceTimes,
    size: Size,
    bills: &[edgeplan_problem::deployment::ModelAccount],
) {
    let setup = Setup { layout, times, size, lanes: None, keep: Keep::default() };
    for (model, bill) in bills.iter().enumerate() {
        let request = Request { arrival: Nanos(5), size, model, deadline: None };
        for record in [
            operate(&setup, &[request], &mut Continuous { size: 3 }),
            operate(&setup, &[request], &mut StaticBatch { size: 1 }),
        ] {
            let Outcome::Served { joined, end, .. } = record.outcomes[0] else {
                panic!("{:?}", record.outcomes)
            };
            assert_eq!((joined, end), (Nanos(5), Nanos(5) + bill.latency));
            let busy: Nanos = record.busy.iter().copied().sum();
            assert_eq!(busy, bill.latency);
        }
    }
}

#[test]
fn a_lone_request_of_the_example_takes_what_its_plan_says() {
    let plan = json(&["plan"]);
    let run = &json(&["simulate", "--requests", "1", "--policy", "fcfs"])["runs"][0];
    assert_eq!(run["end_to_end_ns"]["max"], plan["latency_ns"][0]);
    let first = run["first_token_ns"]["max"].as_u64().unwrap();
    let per_token = run["per_token_ns"]["max"].as_u64().unwrap();
    // 512 tokens of a prompt take longer than one token, and less than 512 times as long.
    assert!(first > 4 * per_token && first < 512 * per_token, "{first} {per_token}");
}

#[test]
fn a_trace_runs_under_every_policy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let instance = generate(folder.path(), "instance.json", "3");
    let (plan, trace) = (path("plan.json"), path("trace.csv"));
    assert!(run(&["plan", &instance, "--out", &plan]).status.success());
    let rows: String = (0..50).map(|row| format!("{}.5,{},{}\n", row / 7, 100, row % 9)).collect();
    std::fs::write(&trace, format!("TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")).unwrap();
    let (svg, html) = (path("run.svg"), path("run.html"));
    let common = ["simulate", &instance, "--plan", &plan, "--priced", "100,8"];
    let files = ["--trace", &trace, "--deadline", "3", "--svg", &svg, "--html", &html];
    let answer = json(&[&common[..], &files].concat());
    let runs = answer["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    for run in runs {
        assert_eq!((&run["requests"], &run["served"]), (&50.into(), &50.into()), "{run}");
        assert!(run["end_to_end_ns"]["p50"].as_u64() <= run["end_to_end_ns"]["p99"].as_u64());
    }
    let tokens = |run: usize| runs[run]["tokens_per_s"].as_f64().unwrap();
    assert!(tokens(2) >= tokens(0), "batches are no slower: {answer}");
    assert!(std::fs::read_to_string(&svg).unwrap().contains("continuous 8"));
    assert!(std::fs::read_to_string(&html).unwrap().contains("</html>"));
    let same = json(&[&common[..], &files].concat());
    assert_eq!(same["runs"], answer["runs"]);
    let output = run(&[&common[..], &["--poisson", "3", "--requests", "20"]].concat());
    assert!(text(&output.stdout).contains("end to end"), "{}", text(&output.stderr));
    std::fs::write(&trace, "TIMESTAMP,ContextTokens,GeneratedTokens\n1,2,3\n0,2,3\n").unwrap();
    refused(&[&common[..], &["--trace", &trace]].concat(), "trace.csv: row 2: it is earlier");
    refused(&[&common[..], &["--trace", "none.csv"]].concat(), "none.csv: there is no such file");
    refused(&[&common[..], &["--poisson", "0"]].concat(), "requests per second from");
    refused(&[&common[..], &["--epoch", "0"]].concat(), "from 0.001");
    refused(&["simulate", "--priced", "1,2"], "INSTANCE");
}

#[test]
fn edgeshards_pipelines_lie_between_one_micro_batch_and_the_bottleneck() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("pipelines.svg").display().to_string();
    let answer = json(&["reproduce", "--throughput", "--svg", &svg]);
    assert_eq!(answer["paper_tokens_per_s"], 52.45);
    let cases = answer["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let number = |key: &str| case[key].as_f64().unwrap();
        let speeds = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|speed| speed.as_f64().unwrap()).collect()
        };
        let (bubbles, none) = (speeds("bubbles_tokens_per_s"), speeds("no_bubbles_tokens_per_s"));
        let alone = 4e9 / number("latency_ns");
        for (start, speeds) in [(bubbles[0], &bubbles), (none[0], &none)] {
            assert!((start / alone - 1.0).abs() < 1e-9 && speeds.is_sorted(), "{case}");
            assert!(speeds.iter().all(|speed| *speed <= number("model_tokens_per_s")), "{case}");
        }
        assert_eq!(bubbles.len(), none.len(), "{case}");
        assert!(bubbles.iter().zip(&none).all(|(with, without)| with <= without), "{case}");
    }
    assert!(std::fs::read_to_string(&svg).unwrap().contains("No-bubbles"));
    refused(&["reproduce", "--svg", &svg], "--throughput");
}
