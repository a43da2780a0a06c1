//! The format of the KV cache as a choice: what is found with several formats is the best of what
//! is found with each of them alone.

use std::time::Duration;

use edgeplan::{Changes, Limits, Quiet, Runtime, Session, Sources, Task, Verdict, Worth};
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::Goal;
use edgeplan_problem::format::Format::{self, F16, F32, Q4_0, Q5_1, Q8_0};

fn task() -> Task<'static> {
    let limits = Limits { time: Some(Duration::from_secs(120)), ..Task::default().limits };
    Task { limits, ..Task::default() }
}

fn card(changes: Changes) -> Sources {
    Sources {
        models: vec!["catalog:llama-3.1-8b".into()],
        devices: vec!["rtx-3060-12".into()],
        changes,
        ..Sources::default()
    }
}

fn resolved(changes: &Changes, kv: &[Format]) -> Session {
    let sources = card(Changes { kv: kv.to_vec(), ..changes.clone() });
    sources.load().unwrap().resolved(&task(), &mut Quiet).unwrap()
}

/// What is found, less being better; none where nothing is.
fn worth(session: &Session) -> Option<u64> {
    let planned = session.plan(&task(), &mut Quiet);
    let cost = planned.outcome.cost()?;
    Some(match session.sought() {
        Some(sought) if sought.aim == edgeplan::Aim::Context => u64::MAX - sought.value,
        Some(sought) => sought.value,
        None => cost.0,
    })
}

#[test]
fn several_formats_are_as_good_as_the_best_of_them() {
    let kv = [F16, Q8_0, Q4_0];
    let quality = |name: &str| Some(Quality::Like(name.into()));
    let any = Some(Quality::Any);
    let asked = |objective, context, quality| Changes {
        objective: Some(objective),
        context,
        quality,
        ..Changes::default()
    };
    let cases = [
        asked(Goal::Latency, Some(8192), None),
        asked(Goal::Latency, Some(65_536), any.clone()),
        asked(Goal::Latency, Some(100_000), any.clone()),
        asked(Goal::Memory, Some(32_768), quality("q4_K_M")),
        asked(Goal::Decode, Some(40_960), quality("q4_K_M")),
        asked(Goal::Quality, Some(32_768), None),
        asked(Goal::Context, None, quality("q4_K_M")),
        asked(Goal::Context, None, quality("q8_0")),
    ];
    let mut chosen = Vec::new();
    for changes in cases {
        let session = resolved(&changes, &kv);
        let choice = session.cache_choice().expect("several were offered").clone();
        let alone = kv.map(|format| (worth(&resolved(&changes, &[format])), format));
        let known = alone.iter().filter_map(|(worth, _)| *worth).min();
        assert_eq!(worth(&session), known, "{changes:?}: {choice:?}");
        let (_, of_choice) = alone.iter().find(|(worth, _)| *worth == known).unwrap();
        assert_eq!(session.workload().unwrap().kv.all(), [choice.format], "{changes:?}");
        assert_eq!(choice.format, *of_choice, "{changes:?}");
        assert!(choice.others.iter().all(|other| other.excluded), "{choice:?}");
        assert_eq!(choice.others.len(), 2);
        chosen.push(choice.format);
    }
    // Room for a cache costs quality or is bought with it, as the question has it.
    for format in [F16, Q4_0] {
        assert!(chosen.contains(&format), "{format} is never the best: {chosen:?}");
    }
}

#[test]
fn a_cache_counts_in_the_loss_of_the_plan() {
    let loss = |kv: Format| {
        let changes = Changes { quality: Some(Quality::Any), ..Changes::default() };
        let session = resolved(&changes, &[kv]);
        let plan = session.plan(&task(), &mut Quiet).outcome.plan.unwrap();
        let notes = session.priced().notes.join("\n");
        assert_eq!(notes.contains("beellama.cpp"), kv != F16, "{notes}");
        session.summary(&plan).unwrap()[0].loss
    };
    let (f16, q4_0) = (loss(F16), loss(Q4_0));
    assert!((q4_0 - f16 - 0.004673).abs() < 1e-8, "{f16} {q4_0}");
    // Below what the cache alone loses there is no plan.
    let tight = Changes { quality: Some(Quality::MaxKl(0.005)), ..Changes::default() };
    let session = resolved(&tight, &[Q4_0]);
    assert_eq!(session.plan(&task(), &mut Quiet).outcome.verdict, Verdict::Infeasible);
    let session = resolved(&tight, &[Q4_0, Q8_0]);
    assert!(session.plan(&task(), &mut Quiet).outcome.plan.is_some());
}

#[test]
fn formats_that_cannot_be_used_are_left_out_with_the_reason() {
    let oss = |kv: &[Format]| {
        let models = vec!["catalog:gpt-oss-20b".into()];
        let sources = card(Changes { kv: kv.to_vec(), ..Changes::default() });
        let session = Sources { models, devices: vec!["rtx-3090-24".into()], ..sources };
        session.load().and_then(|session| session.resolved(&task(), &mut Quiet))
    };
    let session = oss(&[Q8_0, F16]).unwrap();
    let choice = session.cache_choice().unwrap();
    assert_eq!(choice.format, F16);
    let [other] = &choice.others[..] else { panic!("{choice:?}") };
    let Worth::Refused(reason) = &other.worth else { panic!("{other:?}") };
    assert!(reason.contains("`kv-loss = { q8_0 = NATS }`"), "{reason}");
    assert!(oss(&[Q8_0]).unwrap_err().to_string().contains("kv: q8_0; gpt-oss-20b loses more"));
}

#[test]
fn an_engine_takes_of_the_formats_those_that_it_has() {
    let session = |engine: &str, kv: &[Format]| {
        let changes =
            Changes { kv: kv.to_vec(), quality: Some(Quality::Any), ..Changes::default() };
        let engine = Some(Runtime::find(engine).unwrap());
        Sources { engine, models: vec!["catalog:tinyllama-1.1b".into()], ..card(changes) }.load()
    };
    let has = |engine: &str, kv: &[Format]| {
        session(engine, kv).unwrap().workload().unwrap().kv.all().to_vec()
    };
    assert_eq!(has("llama.cpp", &[]), [F16]);
    // The file does not ask for f16, which the engine lacks.
    assert_eq!(has("distributed-llama", &[]), [F32]);
    assert_eq!(has("ollama", &[Q5_1, Q8_0]), [Q8_0]);
    let refused = session("ollama", &[Q5_1]).unwrap_err().to_string();
    assert!(refused.contains("kv: q5_1; ollama has f16, q8_0, q4_0"), "{refused}");
}
