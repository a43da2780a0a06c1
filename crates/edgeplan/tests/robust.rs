//! Robust plans, held against every plan there is.

use edgeplan::{Document, Plan, Quiet, Session, Sources, Task};
use edgeplan_files::{TextFile, to_json};
use edgeplan_pricing::End;
use edgeplan_problem::deployment::{Assignment, DeviceId, OptionId};
use edgeplan_problem::{Cost, Problem as _};

/// A machine of which little is known, and a slower one of which speeds are published.
const CLUSTER: &str = r#"
source = "a"
[device.a]
profile = "catalog:tesla-p40-24"
[device.b]
profile = "catalog:apple-m2-pro"
[[link]]
between = ["a", "b"]
bandwidth = "1 Gbit/s"
latency = "0.2 ms"
"#;

fn text(name: &str, text: &str) -> Document {
    Document::Text(TextFile { name: name.into(), text: text.into() })
}

fn session(objective: &str) -> Session {
    let cluster = text("two.toml", CLUSTER);
    let workload = format!(
        "objective = '{objective}'\nformats = ['q4_0']\nquality = 'any'\nprivacy = false\n\
         prompt = 64\ngenerate = 32\ncontext = 512\n"
    );
    let workload = text("few.toml", &workload);
    let sources = Sources {
        models: vec!["catalog:tinyllama-1.1b".into()],
        cluster: Some(cluster),
        workload: Some(workload),
        ..Sources::default()
    };
    sources.load().unwrap()
}

/// Every plan with one cut, and those without.
fn plans(session: &Session) -> Vec<Plan> {
    let layers = session.deployment().models[0].layers.len();
    let mut found = Vec::new();
    for first in [0, 1] {
        for cut in 0..=layers {
            let on = |layer: usize| DeviceId(if layer < cut { first } else { 1 - first });
            let assign = |layer| Assignment { device: on(layer), option: OptionId(0) };
            found.push(Plan::single((0..layers).map(assign).collect()));
        }
    }
    found.retain(|plan| session.deployment().evaluate(plan).violations.is_empty());
    found
}

/// The largest regret of a plan over all scenarios of two devices.
fn regret(session: &Session, plans: &[Plan], plan: &Plan) -> Cost {
    let (low, high) = (Some(End::Low), Some(End::High));
    let ends = [
        [None, None],
        [low, None],
        [high, None],
        [None, low],
        [None, high],
        [low, low],
        [high, high],
    ];
    let most = ends.iter().map(|ends| {
        let there = session.priced().at_some(ends);
        let cost = |plan: &Plan| there.evaluate(plan).cost.0;
        cost(plan) - plans.iter().map(cost).min().unwrap()
    });
    Cost(most.max().unwrap())
}

#[test]
fn no_plan_regrets_less_than_the_bound_and_the_robust_one_no_more_than_it_says() {
    for objective in ["latency", "throughput"] {
        let session = session(objective);
        let plans = plans(&session);
        assert!(plans.len() > 10, "{}", plans.len());
        let planned = session.plan_robust(&Task::default(), &mut Quiet).unwrap();
        let robust = planned.robust.as_ref().unwrap();
        let own = regret(&session, &plans, &robust.plan);
        let least = plans.iter().map(|plan| regret(&session, &plans, plan)).min().unwrap();
        assert!(own <= robust.regret, "{objective}: {own:?} {:?}", robust.regret);
        assert!(robust.regret_bound <= least, "{objective}: {:?} {least:?}", robust.regret_bound);
        assert!(robust.regret <= robust.nominal_regret, "{objective}");
        // The optima of scenarios and of their means hold the best of all plans here.
        assert!(own.0 <= least.0 + least.0 / 20, "{objective}: {own:?} {least:?}");
        if objective == "latency" {
            // The machine that is known better costs more as predicted, and regrets less.
            assert!(robust.regret < robust.nominal_regret && robust.costs[0] > robust.costs[1]);
        }
        let verdict = &planned.outcome.verdict;
        assert_eq!(verdict.cost(), Some(robust.costs[0]), "{objective}");
        let text = planned.text(&session, None, false).unwrap();
        assert!(text.contains("off the best in any scenario"), "{text}");
        let keys = to_json(&planned.keys(&session, None).unwrap());
        assert!(keys.contains(&format!("\"regret\": {},", robust.regret.0)), "{keys}");
        assert_eq!(keys.matches("\"name\": \"all ").count(), 2, "{keys}");
    }
}

#[test]
fn what_has_no_bands_has_no_robust_plan() {
    let deployment = session("latency").deployment().clone();
    let file = Session::of("a file", deployment).unwrap();
    let error = file.plan_robust(&Task::default(), &mut Quiet).unwrap_err().to_string();
    assert_eq!(error, "no robust plan: no band of times is known; an instance file has none");
}
