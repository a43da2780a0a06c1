//! Objectives that are found before the plan: what is found has a plan, what is excluded has none.

use std::time::Duration;

use edgeplan::{Aim, Changes, Limits, Problem as _, Quiet, Session, Sources, Task, Verdict};
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::Goal;
use edgeplan_problem::deployment::Objective;
use edgeplan_problem::{Loss, Nanos, Silent, solve};

fn task() -> Task<'static> {
    let limits = Limits { time: Some(Duration::from_secs(60)), ..Task::default().limits };
    Task { limits, ..Task::default() }
}

/// A model with experts on one PC.
fn pc(changes: Changes) -> Sources {
    Sources {
        models: vec!["catalog:qwen3-30b-a3b".into()],
        devices: vec!["rtx-3060-12".into(), "ryzen-9-5900x".into()],
        ram: Some("64 GiB".into()),
        changes,
        ..Sources::default()
    }
}

fn resolved(changes: Changes) -> Session {
    pc(changes).load().unwrap().resolved(&task(), &mut Quiet).unwrap()
}

fn is_infeasible(session: &Session) -> bool {
    let planned = session.plan(&task(), &mut Quiet);
    planned.outcome.verdict == Verdict::Infeasible
}

#[test]
fn the_least_loss_has_a_plan_and_less_has_none() {
    let asked =
        Changes { objective: Some(Goal::Quality), decode_min: Some(40.0), ..Changes::default() };
    let session = resolved(asked.clone());
    let sought = session.sought().unwrap();
    assert_eq!(sought.aim, Aim::Loss);
    assert!(sought.bound <= sought.value && sought.value as f64 <= 1.001 * sought.bound as f64);
    let planned = session.plan(&task(), &mut Quiet);
    let plan = planned.outcome.plan.as_ref().unwrap();
    let summary = &session.summary(plan).unwrap()[0];
    assert!(
        summary.decode_tokens_per_s.unwrap() >= 40.0 && summary.loss <= 1e-9 * sought.value as f64
    );
    // Another solver agrees that a tenth less is impossible.
    let mut strict = session.deployment().clone();
    strict.models[0].loss_max = Some(Loss(sought.bound / 10 * 9));
    strict.objective = Objective::Memory;
    let highs = (edgeplan_solvers::find("highs").unwrap().make)();
    let outcome = solve(&strict, highs.as_ref(), task().limits, &mut Silent);
    assert_eq!(outcome.verdict, Verdict::Infeasible);
    // Faster costs quality.
    let faster = resolved(Changes { decode_min: Some(60.0), ..asked });
    assert!(faster.sought().unwrap().bound > sought.value);
}

#[test]
fn the_longest_context_has_a_plan_and_more_has_none() {
    let asked =
        Changes { objective: Some(Goal::Context), decode_min: Some(40.0), ..Changes::default() };
    let session = resolved(asked.clone());
    let sought = session.sought().unwrap();
    assert_eq!((sought.aim, sought.value), (Aim::Context, sought.bound));
    assert!(session.plan(&task(), &mut Quiet).outcome.cost().is_some());
    assert_eq!(u64::from(session.workload().unwrap().context.unwrap()), sought.value);
    let longer = Changes {
        objective: Some(Goal::Memory),
        context: Some(sought.value as u32 + 256),
        ..asked
    };
    assert!(is_infeasible(&pc(longer).load().unwrap()));
}

#[test]
fn without_a_plan_the_question_is_the_easiest_one() {
    let asked =
        Changes { objective: Some(Goal::Context), decode_min: Some(1e6), ..Changes::default() };
    let session = resolved(asked);
    assert!(session.sought().is_none() && is_infeasible(&session));
    assert_eq!(session.workload().unwrap().context, Some(640));
}

#[test]
fn decode_is_what_whole_requests_take_beyond_their_prompts() {
    let decode = Changes { objective: Some(Goal::Decode), ..Changes::default() };
    let session = pc(decode).load().unwrap();
    let requests = session.requests().unwrap().unwrap();
    let plan = session.plan(&task(), &mut Quiet).outcome.plan.unwrap();
    let [alone, whole, prompt] = [session.deployment(), &requests.whole, &requests.prompt]
        .map(|deployment| deployment.evaluate(&plan).account.models[0].latency);
    let beyond = whole.saturating_sub(prompt);
    assert!(alone.0.abs_diff(beyond.0) <= 1 + beyond.0 / 100_000, "{alone}, {beyond}");
    assert!(prompt > Nanos::ZERO);
}

#[test]
fn contradictions_of_a_workload_are_named() {
    let refused = |changes: Changes| pc(changes).load().unwrap_err().to_string();
    let objective = Some(Goal::Context);
    let both = refused(Changes { objective, context: Some(4096), ..Changes::default() });
    assert!(both.contains("command line: context:"), "{both}");
    let latency = refused(Changes { decode_min: Some(3.0), ..Changes::default() });
    assert!(latency.contains("decode-min: needs the objective"), "{latency}");
    let none =
        refused(Changes { objective: Some(Goal::Decode), generate: Some(0), ..Changes::default() });
    assert!(none.contains("generate: 0"), "{none}");
    let quality = Some(Quality::MaxKl(-1.0));
    let below = refused(Changes { quality, ..Changes::default() });
    assert!(below.contains("quality.max-kl"), "{below}");
}

#[test]
fn an_instance_file_has_nothing_to_look_for() {
    let session = Session::of("mine", pc(Changes::default()).load().unwrap().deployment().clone());
    let session = session.unwrap().resolved(&task(), &mut Quiet).unwrap();
    assert!(session.sought().is_none());
    let plan = session.plan(&task(), &mut Quiet).outcome.plan.unwrap();
    assert!(session.summary(&plan).unwrap().is_empty());
}
