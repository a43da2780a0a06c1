//! Plans for an engine that wants the blocks of each device in one run.

use std::collections::BTreeMap;
use std::time::Duration;

use edgeplan::{Changes, Export, Limits, Problem as _, Quiet, Runtime, Sources, Task};

/// gpt-oss has windows in every other block, so that those whose caches are large lie in RAM where
/// a card is full; llama.cpp puts the first blocks there, and no others.
#[test]
fn a_plan_for_an_engine_is_one_that_it_can_run() {
    let engine = Runtime::find("llama.cpp").unwrap();
    let sources = Sources {
        models: vec!["catalog:gpt-oss-20b".into()],
        devices: vec!["rtx-3060-12".into()],
        ram: Some("32 GiB".into()),
        changes: Changes { context: Some(65_536), ..Changes::default() },
        engine: Some(engine),
        ..Sources::default()
    };
    let session = sources.load().unwrap();
    let limits = Limits { time: Some(Duration::from_secs(20)), ..Task::default().limits };
    let task = Task { limits, ..Task::default() };
    let planned = session.plan(&task, &mut Quiet);
    let plan = planned.outcome.plan.as_ref().unwrap();
    let deployment = session.deployment();
    assert_eq!(engine.misfits(deployment, plan), Ok(Vec::new()));
    let evaluation = deployment.evaluate(plan);
    assert!(evaluation.is_feasible());
    // The bound is that of blocks in any order, which are cheaper here.
    let in_runs = planned.in_runs.unwrap();
    assert!(planned.outcome.lower_bound().unwrap() <= in_runs.cost_in_any_order);
    assert!(in_runs.cost_in_any_order < evaluation.cost);
    let text = planned.text(&session, None, false).unwrap();
    assert!(text.contains("llama.cpp holds one run of blocks on each device: +"), "{text}");
    let addresses = BTreeMap::new();
    let whole =
        Export { engine, plan: None, nearest: false, addresses: &addresses, command: "edgeplan" };
    let exported = session.export(&whole, &task, &mut Quiet).unwrap().unwrap();
    assert!(exported.files.iter().any(|(name, _)| name == "serve.sh"));
}
