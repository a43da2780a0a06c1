//! A session: loaded once, and the same answers in every view.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use edgeplan::{
    Error, Export, Limits, Problem as _, Quiet, Runtime, Session, Sources, Task, Verdict, View,
};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::to_json;

const MODEL: &str = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama",
    "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
    "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000,
    "tie_word_embeddings": false}"#;
const DEVICE: &str = "memory-gb = 8\nusable-percent = 75\nbandwidth-gb-s = 60\ntflops = 2\n\
    backend = 'cpu'\nsource = 'a test'\nstatus = 'estimated'\n";
const CLUSTER: &str = "source = 'laptop'\n\
    [device.laptop]\nprofile = 'own.toml'\nmemory = '2 GiB'\n\
    [device.desktop]\nprofile = 'own.toml'\n\
    [[link]]\nbetween = ['laptop', 'desktop']\nbandwidth = '1 Gbit/s'\nlatency = '1 ms'\n";

/// Files of a question in a folder.
fn sources(folder: &Path) -> Sources {
    for (name, text) in [
        ("config.json", MODEL),
        ("own.toml", DEVICE),
        ("cluster.toml", CLUSTER),
        ("workload.toml", "prompt = 64\ngenerate = 16\n"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    let path = |name: &str| -> PathBuf { folder.join(name) };
    Sources {
        models: vec![path("config.json").display().to_string()],
        cluster: Some(path("cluster.toml").into()),
        workload: Some(path("workload.toml").into()),
        ..Sources::default()
    }
}

fn task() -> Task<'static> {
    let limits = Limits { time: Some(Duration::from_secs(20)), ..Task::default().limits };
    Task { limits, ..Task::default() }
}

fn llama_cpp() -> &'static Runtime {
    Runtime::find("llama.cpp").unwrap()
}

#[test]
fn nothing_is_read_after_loading() {
    let folder = tempfile::tempdir().unwrap();
    let session: Session = sources(folder.path()).load().unwrap();
    let kept = tempfile::tempdir().unwrap();
    folder.close().unwrap();
    let planned = session.plan(&task(), &mut Quiet);
    assert!(matches!(planned.outcome.verdict, Verdict::Optimal { .. }), "{planned:?}");
    let explained = session.explain(&task(), &mut Quiet).unwrap();
    assert!(explained.worths.len() >= 3, "{explained:?}");
    let within = session.viewed(View::Within(llama_cpp())).unwrap();
    assert!(within.requests().unwrap().is_some());
    let plan = kept.path().join("plan.json");
    let file = PlanFile::new(session.deployment(), planned.outcome.plan.as_ref().unwrap());
    fs::write(&plan, to_json(&file)).unwrap();
    let checked = session.check(&plan).unwrap();
    assert_eq!(Some(checked.evaluation.cost), planned.outcome.cost());
    let addresses = BTreeMap::new();
    let export = Export {
        engine: llama_cpp(),
        plan: None,
        nearest: false,
        addresses: &addresses,
        command: "a test",
    };
    let exported = session.export(&export, &task(), &mut Quiet).unwrap().unwrap();
    assert!(exported.files.iter().any(|(name, _)| name == "serve.sh"), "{:?}", exported.files);
    assert!(exported.request.is_some());
}

#[test]
fn a_restriction_keeps_the_origin_of_times() {
    let folder = tempfile::tempdir().unwrap();
    let open: Session = sources(folder.path()).load().unwrap();
    for engine in edgeplan_runtimes::RUNTIMES {
        let Ok(within) = open.viewed(View::Within(engine)) else { continue };
        let planned = within.plan(&task(), &mut Quiet);
        let Some(plan) = &planned.outcome.plan else { continue };
        let used = within.deployment().evaluate(plan).account;
        let confidence = within.priced().confidence(plan);
        let devices = used.devices.iter().filter(|bill| bill.weights.0 > 0).count();
        assert_eq!(confidence.len(), devices, "{}: {confidence:?}", engine.name);
        for device in &confidence {
            let index = within.deployment().devices.iter().position(|d| d.name == device.device);
            assert_eq!(device.compute_ns, used.devices[index.unwrap()].compute, "{device:?}");
        }
    }
}

#[test]
fn a_deployment_of_the_caller_is_a_session_too() {
    let folder = tempfile::tempdir().unwrap();
    let built = sources(folder.path()).load().unwrap();
    let session = Session::of("mine", built.deployment().clone()).unwrap();
    assert!(session.inputs().is_none() && session.workload().is_none());
    assert!(session.requests().unwrap().is_none());
    let (mine, theirs) = (session.plan(&task(), &mut Quiet), built.plan(&task(), &mut Quiet));
    assert_eq!(mine.outcome.cost(), theirs.outcome.cost());
    let mut nonsense = built.deployment().clone();
    nonsense.devices.clear();
    let error = Session::of("mine", nonsense).unwrap_err();
    assert!(matches!(error, Error::Input(_)) && error.to_string().starts_with("mine: "), "{error}");
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = sources(folder.path());
    let missing =
        Sources { cluster: Some(folder.path().join("none.toml").into()), ..whole.clone() };
    assert!(missing.load().unwrap_err().to_string().contains("none.toml"));
    fs::write(folder.path().join("workload.toml"), "prompt = 0\n").unwrap();
    let error = whole.load().unwrap_err().to_string();
    assert!(error.contains("workload.toml: prompt"), "{error}");
}

#[test]
fn experts_that_keep_their_type_get_no_other() {
    let sources = Sources {
        models: vec!["catalog:gpt-oss-20b".into()],
        devices: vec!["rtx-3090-24".into()],
        ..Sources::default()
    };
    let addresses = BTreeMap::new();
    let export = Export {
        engine: llama_cpp(),
        plan: None,
        nearest: false,
        addresses: &addresses,
        command: "a test",
    };
    let session = sources.load().unwrap();
    let exported = session.export(&export, &task(), &mut Quiet).unwrap().unwrap();
    let (_, script) = exported.files.iter().find(|(name, _)| name == "quantize.sh").unwrap();
    for class in ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"] {
        let lines: Vec<&str> = script.lines().filter(|line| line.contains(class)).collect();
        assert!(lines.len() == 1 && lines[0].contains("$=mxfp4"), "{class}: {lines:?}");
    }
}
