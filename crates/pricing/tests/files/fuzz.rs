//! No parser panics, whatever it is given; and what it lets through is sound all the way to the
//! evaluation of a plan.

use std::sync::LazyLock;

use edgeplan_cost_model::profile::Profile;
use edgeplan_families::{Random, random};
use edgeplan_files::deployment::{PlanFile, read_instance, write_instance};
use edgeplan_files::{InputError, to_json};
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::device::Measured;
use edgeplan_machines::import::{Kind, Options, import};
use edgeplan_model::ModelSpec;
use edgeplan_pricing::deployment;
use edgeplan_pricing::workload::Workload;
use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, Model, OptionId, Plan, Violation, mixes,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::edits::{changed, changed_text, edits, extremes, numbers};
use crate::gguf::home;
use crate::machine::{SLOW_BITS, profile};
use crate::samples::{CLUSTER, CONFIG, DISTILP, DISTILP_MODEL, HELIX, RTT, WORKLOAD};
use crate::writer::{Llama, TINY, Value, load};

/// A device and an option for each layer, over again where there are more layers.
type Picks = Vec<(usize, usize)>;

fn picks() -> impl Strategy<Value = Picks> {
    proptest::collection::vec((0..1000usize, 0..1000usize), 1..8)
}

/// Every plan can be priced, also one that names a device too many.
fn evaluate(instance: &Deployment, picks: &Picks) {
    let checked = instance.clone().checked().expect("what was let through is sound");
    assert_eq!(read_instance("i.json", &write_instance(&checked)).as_ref(), Ok(instance));
    let too_many = usize::from(picks.len() == 1);
    let layers = |model: &Model| {
        let picks = model.layers.iter().zip(picks.iter().cycle());
        let picks = picks.map(|(layer, (device, option))| Assignment {
            device: DeviceId((device % (instance.devices.len() + too_many)) as u16),
            option: OptionId((option % layer.options.len()) as u16),
        });
        picks.collect()
    };
    let plan = Plan { models: instance.models.iter().map(layers).collect() };
    let evaluation = instance.evaluate(&plan);
    let shape = evaluation.violations.iter().any(|v| matches!(v, Violation::Shape(_)));
    assert_eq!(shape, evaluation.account.devices.is_empty(), "{:?}", evaluation.violations);
    if !shape {
        // Recipes may share a name, so it need not be the same plan.
        let again = PlanFile::new(instance, &plan).resolve("p.json", instance).unwrap();
        assert!(evaluation.cost.0 < 1 << 62 && instance.evaluate(&again).cost.0 < 1 << 62);
    }
    (0..instance.models.len()).for_each(|model| drop(mixes(instance, model, 8)));
}

/// A message that people can act on.
fn explained(error: &InputError, file: &str) {
    let text = error.to_string();
    assert!(text.contains(file) && !error.problem.trim().is_empty(), "{text}");
}

/// States the question, and prices a plan of it.
fn ask(model: &ModelSpec, cluster: &Cluster, workload: &Workload, picks: &Picks) {
    match deployment(std::slice::from_ref(model), cluster, workload) {
        Ok(instance) => evaluate(&instance, picks),
        Err(error) => explained(&error, ""),
    }
}

fn checked_model(found: Result<ModelSpec, InputError>, file: &str, picks: &Picks) {
    let model = match found {
        Ok(model) => model,
        Err(error) => return explained(&error, file),
    };
    assert!(
        model.layers.len() > 2 && model.hidden > 0 && model.vocab > 0 && model.parameters() > 0
    );
    let native = model.stored_types().iter().map(|stored| stored.tensors).sum::<usize>();
    assert_eq!(native > 0, model.stored_bytes().is_some());
    ask(&model, &home(), &Workload::default(), picks);
}

fn tiny(stored: &'static str) -> Llama {
    Llama { vocab: 8, stored, ..TINY }
}

static FLOATS: LazyLock<ModelSpec> = LazyLock::new(|| tiny("f16").file().load().unwrap());
static QUANTIZED: LazyLock<ModelSpec> = LazyLock::new(|| tiny("iq4_xs").file().load().unwrap());

fn checked_cluster(text: &str, picks: &Picks) {
    match Cluster::parse("c.toml", text) {
        Ok(cluster) => ask(&FLOATS, &cluster, &Workload::default(), picks),
        Err(error) => explained(&error, "c.toml"),
    }
}

const IMPORTS: [(Kind, &str); 3] =
    [(Kind::Distilp, DISTILP), (Kind::Rtt, RTT), (Kind::Helix, HELIX)];

fn imported(kind: Kind, bytes: &[u8]) -> Result<String, InputError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.tool");
    std::fs::write(&path, bytes).unwrap();
    let devices = match kind {
        Kind::Rtt => vec!["catalog:l4-24".to_owned()],
        Kind::Distilp | Kind::Helix => Vec::new(),
    };
    import(kind, &[&path], &Options { devices, ..Options::default() })
}

fn checked_import(kind: Kind, bytes: &[u8], picks: &Picks) {
    match imported(kind, bytes) {
        Ok(text) => {
            let cluster = Cluster::parse("c.toml", &text).expect("an importer checks its cluster");
            ask(&FLOATS, &cluster, &Workload::default(), picks);
        }
        Err(error) => explained(&error, "other.tool"),
    }
}

fn checked_workload(text: &str, model: &ModelSpec, picks: &Picks) {
    match Workload::parse("w.toml", text) {
        Ok(workload) => ask(model, &home(), &workload, picks),
        Err(error) => explained(&error, "w.toml"),
    }
}

fn checked_instance(text: &str, picks: &Picks) {
    match read_instance("i.json", text) {
        Ok(instance) => evaluate(&instance, picks),
        Err(error) => explained(&error, "i.json"),
    }
}

static PROFILE: LazyLock<String> = LazyLock::new(|| to_json(&few(profile(&SLOW_BITS))));

/// The profile with a few times of each kind, so that each is changed now and then.
fn few(mut profile: Profile) -> Profile {
    let mut index = 0;
    profile.timings.retain(|_| {
        index += 1;
        index < 3 || index % 29 == 0
    });
    profile
}

fn checked_profile(text: &str, picks: &Picks) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("laptop.json"), text).unwrap();
    let cluster = "source = 'a'\n[device.a]\nprofile = 'laptop.json'\n";
    let cluster = Cluster::parse(&folder.path().join("c.toml").display().to_string(), cluster);
    ask(&FLOATS, &cluster.unwrap(), &Workload::default(), picks);
    if let Err(error) = Measured::parse("laptop.json", text) {
        explained(&error, "laptop.json");
    }
}

fn plan_text(instance: &Deployment) -> String {
    let plan = Plan::single(vec![Assignment::default(); instance.models[0].layers.len()]);
    to_json(&PlanFile::new(instance, &plan))
}

fn checked_plan(text: &str, instance: &Deployment) {
    let found = PlanFile::parse("p.json", text);
    match found.and_then(|plan| plan.resolve("p.json", instance)) {
        Ok(plan) => assert!(!instance.evaluate(&plan).account.devices.is_empty()),
        Err(error) => explained(&error, "p.json"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..512), magic: bool) {
        let gguf = [if magic { &b"GGUF\x03\0\0\0"[..] } else { b"" }, &bytes].concat();
        explained(&load("x.gguf", &gguf).unwrap_err(), "x.gguf");
        explained(&load("config.json", &bytes).unwrap_err(), "config.json");
        let text = String::from_utf8_lossy(&bytes);
        explained(&Cluster::parse("c.toml", &text).unwrap_err(), "c.toml");
        if let Err(error) = Workload::parse("w.toml", &text) {
            explained(&error, "w.toml");
        }
        explained(&read_instance("i.json", &text).unwrap_err(), "i.json");
        explained(&PlanFile::parse("p.json", &text).unwrap_err(), "p.json");
    }

    #[test]
    fn a_changed_gguf(edits in edits(), quantized: bool, data: bool, picks in picks()) {
        let mut file = tiny(if quantized { "iq4_xs" } else { "f16" }).file();
        file.data = data;
        let valid = file.header().len();
        let mut bytes = changed(&file.bytes()[..valid], &edits);
        bytes.extend(&file.bytes()[valid..]);
        checked_model(load("x.gguf", &bytes), "x.gguf", &picks);
    }

    #[test]
    fn a_gguf_of_other_numbers(
        changes in proptest::collection::vec((any::<Index>(), numbers()), 1..4),
        picks in picks(),
    ) {
        let mut file = tiny("f16").file();
        for (place, number) in changes {
            let (values, tensors) = (file.metadata.len(), file.tensors.len());
            match place.index(values + 2 * tensors) {
                at if at < values => file.metadata[at].1 = Value::U64(number),
                at if at < values + tensors => file.tensors[at - values].kind = number as u32 % 50,
                at => file.tensors[at - values - tensors].dimensions[0] = number,
            }
        }
        checked_model(file.load(), "model.gguf", &picks);
    }

    #[test]
    fn a_changed_config(edits in edits(), picks in picks()) {
        let bytes = changed(CONFIG.as_bytes(), &edits);
        checked_model(load("config.json", &bytes), "config.json", &picks);
    }

    #[test]
    fn a_changed_cluster(edits in edits(), picks in picks()) {
        checked_cluster(&changed_text(CLUSTER, &edits), &picks);
    }

    #[test]
    fn a_changed_workload(edits in edits(), quantized: bool, picks in picks()) {
        let model = if quantized { &QUANTIZED } else { &FLOATS };
        checked_workload(&changed_text(WORKLOAD, &edits), model, &picks);
    }

    #[test]
    fn a_changed_import(edits in edits(), kind in 0..3usize, picks in picks()) {
        let (kind, valid) = IMPORTS[kind];
        checked_import(kind, &changed(valid.as_bytes(), &edits), &picks);
    }

    #[test]
    fn a_changed_distilp_model(edits in edits(), picks in picks()) {
        let bytes = changed(DISTILP_MODEL.as_bytes(), &edits);
        checked_model(load("model.json", &bytes), "model.json", &picks);
    }

    #[test]
    fn a_changed_profile(edits in edits(), picks in picks()) {
        checked_profile(&changed_text(&PROFILE, &edits), &picks);
    }

    #[test]
    fn a_changed_instance(edits in edits(), picks in picks(), seed: u64) {
        let family = Random { layers: 3, devices: 2, formats: 2, seed, ..Random::default() };
        checked_instance(&changed_text(&write_instance(&random(&family)), &edits), &picks);
    }

    #[test]
    fn a_changed_plan(edits in edits(), seed: u64) {
        let family = Random { layers: 3, devices: 2, formats: 2, seed, ..Random::default() };
        let valid = random(&family);
        checked_plan(&changed_text(&plan_text(&valid), &edits), &valid);
    }
}

#[test]
fn extremes_in_every_place() {
    let picks = vec![(0, 0), (1, 3), (1, 2)];
    for text in extremes(CONFIG) {
        checked_model(load("config.json", text.as_bytes()), "config.json", &picks);
    }
    extremes(CLUSTER).for_each(|text| checked_cluster(&text, &picks));
    for (kind, valid) in IMPORTS {
        extremes(valid).for_each(|text| checked_import(kind, text.as_bytes(), &picks));
    }
    for text in extremes(DISTILP_MODEL) {
        checked_model(load("model.json", text.as_bytes()), "model.json", &picks);
    }
    extremes(&PROFILE).for_each(|text| checked_profile(&text, &picks));
    extremes(WORKLOAD).for_each(|text| checked_workload(&text, &FLOATS, &picks));
    let family = Random { layers: 2, devices: 2, formats: 2, ..Random::default() };
    let valid = random(&family);
    extremes(&write_instance(&valid)).for_each(|text| checked_instance(&text, &picks));
    extremes(&plan_text(&valid)).for_each(|text| checked_plan(&text, &valid));
}

#[test]
fn the_samples_are_valid() {
    let picks = vec![(0, 0)];
    let cluster = Cluster::parse("c.toml", CLUSTER).unwrap();
    let workload = Workload::parse("w.toml", WORKLOAD).unwrap();
    let unpinned = Workload { pin: Vec::new(), ..workload.clone() };
    evaluate(&deployment(std::slice::from_ref(&FLOATS), &home(), &workload).unwrap(), &picks);
    evaluate(&deployment(std::slice::from_ref(&FLOATS), &cluster, &unpinned).unwrap(), &picks);
    for (kind, text) in IMPORTS {
        imported(kind, text.as_bytes()).unwrap();
    }
    for text in [CONFIG, DISTILP_MODEL] {
        let model = load("model.json", text.as_bytes()).unwrap();
        evaluate(&deployment(&[model], &home(), &Workload::default()).unwrap(), &picks);
    }
}

#[test]
fn the_largest_numbers_are_refused_instead_of_wrapping_round() {
    let tokens = Workload::parse("w.toml", "prompt = 4999999\ngenerate = 4999999").unwrap();
    let ask = |model: &ModelSpec| deployment(std::slice::from_ref(model), &home(), &tokens);
    let mut config: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
    for key in ["hidden_size", "num_attention_heads", "num_key_value_heads", "vocab_size"] {
        config[key] = 10_000_000.into();
    }
    config["max_position_embeddings"] = 10_000_000.into();
    let config = config.to_string();
    let model = load("config.json", config.as_bytes()).unwrap();
    assert!(ask(&model).unwrap_err().to_string().contains("sum to more than 2^62"));

    let mut file = tiny("q4_K").file();
    let largest = ["embedding_length", "attention.head_count_kv", "attention.key_length"];
    for key in largest {
        file.set(&format!("llama.{key}"), Value::U32(10_000_000));
    }
    file.add("blk.0.most.weight", &[1 << 20, 1 << 28], "q4_K");
    let model = file.load().unwrap();
    assert!(ask(&model).unwrap_err().to_string().contains("sum to more than 2^62"));
}
