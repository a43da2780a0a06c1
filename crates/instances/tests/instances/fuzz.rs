//! No parser panics, whatever it is given; and what it lets through is sound all the way to the
//! evaluation of a plan.

use edgeplan_instances::build::build;
use edgeplan_instances::cluster::Cluster;
use edgeplan_instances::file::{InputError, read_text, to_json};
use edgeplan_instances::generate::{Random, random};
use edgeplan_instances::instance::{PlanFile, read_instance, write_instance};
use edgeplan_instances::model::ModelSpec;
use edgeplan_instances::workload::Workload;
use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{
    Assignment, Deployment, DeviceId, Model, OptionId, Plan, Violation, mixes,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::gguf::home;
use crate::writer::{Llama, TINY, load};

const CONFIG: &str = r#"{"model_type": "gemma3_text", "num_hidden_layers": 2, "hidden_size": 256,
    "intermediate_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 64, "vocab_size": 1000, "sliding_window": 16, "sliding_window_pattern": 6,
    "tie_word_embeddings": false, "attention_bias": true, "max_position_embeddings": 64}"#;

const WORKLOAD: &str = r#"prompt = 8
generate = 4
batch = 2
objective = "throughput"
quality = { max-kl = 0.5 }
placement = "free"
privacy = true
formats = ["q8_0", "q4_K"]
granularity = "layer"
recipes-max = 3
returns = "logits"
activations = "f16"
kv = "q8_0"
latency-max = "10 s"
throughput-min = 0.5
estimate = true
"#;

/// What people and other programs write when they should not, and the ends of every range.
const EXTREMES: [&str; 24] = [
    "",
    "0",
    "-1",
    "1",
    "65535",
    "65536",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e-400",
    "1e400",
    "-1e400",
    "NaN",
    "nan",
    "inf",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "device.\"\"",
    "\"1 B\"",
    "\"1152921504606846976 ns\"",
];

/// One change of a file.
#[derive(Debug, Clone)]
enum Edit {
    /// Another word or number.
    Word(Index, &'static str),
    /// The word of another place.
    Move(Index, Index),
    Byte(Index, u8),
    /// Eight bytes, as a number.
    Number(Index, u64),
    Cut(Index, usize),
    Double(Index, usize),
    End(Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let numbers = prop_oneof![0..3u64, 1u64 << 40..1 << 41, u64::MAX - 3..=u64::MAX, any::<u64>()];
    let edit = prop_oneof![
        6 => (any::<Index>(), proptest::sample::select(&EXTREMES[..]))
            .prop_map(|(place, word)| Edit::Word(place, word)),
        2 => any::<(Index, Index)>().prop_map(|(from, to)| Edit::Move(from, to)),
        1 => any::<(Index, u8)>().prop_map(|(place, byte)| Edit::Byte(place, byte)),
        1 => (any::<Index>(), numbers).prop_map(|(place, number)| Edit::Number(place, number)),
        1 => (any::<Index>(), 1..64usize).prop_map(|(place, count)| Edit::Cut(place, count)),
        1 => (any::<Index>(), 1..64usize).prop_map(|(place, count)| Edit::Double(place, count)),
        1 => any::<Index>().prop_map(Edit::End),
    ];
    proptest::collection::vec(edit, 1..4)
}

/// Where the words, numbers and quoted texts lie.
fn words(bytes: &[u8]) -> Vec<(usize, usize)> {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.+\" ".contains(byte);
    let mut found = Vec::new();
    let mut start = 0;
    for run in bytes.split(|byte| !inside(byte)) {
        if run.iter().any(u8::is_ascii_alphanumeric) {
            let blanks = run.iter().take_while(|byte| **byte == b' ').count();
            found.push((start + blanks, start + run.trim_ascii_end().len()));
        }
        start += run.len() + 1;
    }
    found
}

fn changed(valid: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for edit in edits {
        let words = words(&bytes);
        if bytes.is_empty() || words.is_empty() {
            break;
        }
        let at = |place: &Index| place.index(bytes.len());
        let end = |start: usize, count: usize| bytes.len().min(start + count);
        match edit {
            Edit::Word(place, word) => {
                let (start, end) = words[place.index(words.len())];
                bytes.splice(start..end, word.bytes());
            }
            Edit::Move(from, to) => {
                let (from, to) = (words[from.index(words.len())], words[to.index(words.len())]);
                let word = bytes[from.0..from.1].to_vec();
                bytes.splice(to.0..to.1, word);
            }
            Edit::Byte(place, byte) => {
                let place = at(place);
                bytes[place] = *byte;
            }
            Edit::Number(place, number) => {
                let (start, end) = (at(place), end(at(place), 8));
                bytes.splice(start..end, number.to_le_bytes());
            }
            Edit::Cut(place, count) => {
                let (start, end) = (at(place), end(at(place), *count));
                bytes.drain(start..end);
            }
            Edit::Double(place, count) => {
                let (start, end) = (at(place), end(at(place), *count));
                bytes.extend_from_within(start..end);
            }
            Edit::End(place) => bytes.truncate(at(place)),
        }
    }
    bytes
}

fn changed_text(valid: &str, edits: &[Edit]) -> String {
    String::from_utf8_lossy(&changed(valid.as_bytes(), edits)).into_owned()
}

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
    match build(std::slice::from_ref(model), cluster, workload) {
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
    let native = model.stored_types().iter().map(|(_, tensors, _)| tensors).sum::<usize>();
    assert_eq!(native > 0, model.stored_bytes().is_some());
    ask(&model, &home(), &Workload::default(), picks);
}

fn tiny(stored: &'static str) -> Llama {
    Llama { vocab: 8, stored, ..TINY }
}

fn cluster_text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench-data/clusters/home-lab.toml");
    read_text(path.as_ref()).unwrap()
}

fn checked_cluster(text: &str, picks: &Picks) {
    let model = tiny("q4_K").file().load().unwrap();
    match Cluster::parse("c.toml", text) {
        Ok(cluster) => ask(&model, &cluster, &Workload::default(), picks),
        Err(error) => explained(&error, "c.toml"),
    }
}

fn checked_workload(text: &str, stored: &'static str, picks: &Picks) {
    let model = tiny(stored).file().load().unwrap();
    match Workload::parse("w.toml", text) {
        Ok(workload) => ask(&model, &home(), &workload, picks),
        Err(error) => explained(&error, "w.toml"),
    }
}

fn checked_instance(text: &str, picks: &Picks) {
    match read_instance("i.json", text) {
        Ok(instance) => evaluate(&instance, picks),
        Err(error) => explained(&error, "i.json"),
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
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

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
    fn a_changed_config(edits in edits(), picks in picks()) {
        let bytes = changed(CONFIG.as_bytes(), &edits);
        checked_model(load("config.json", &bytes), "config.json", &picks);
    }

    #[test]
    fn a_changed_cluster(edits in edits(), picks in picks()) {
        checked_cluster(&changed_text(&cluster_text(), &edits), &picks);
    }

    #[test]
    fn a_changed_workload(edits in edits(), quantized: bool, picks in picks()) {
        let stored = if quantized { "iq4_xs" } else { "f16" };
        checked_workload(&changed_text(WORKLOAD, &edits), stored, &picks);
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

/// A valid text with each of its words replaced by each extreme.
fn extremes(valid: &str) -> impl Iterator<Item = String> {
    let words = words(valid.as_bytes()).into_iter();
    words.flat_map(move |(start, end)| {
        EXTREMES.map(|extreme| format!("{}{extreme}{}", &valid[..start], &valid[end..]))
    })
}

#[test]
fn extremes_in_every_place() {
    let picks = vec![(0, 0), (1, 3), (1, 2)];
    for text in extremes(CONFIG) {
        checked_model(load("config.json", text.as_bytes()), "config.json", &picks);
    }
    extremes(&cluster_text()).for_each(|text| checked_cluster(&text, &picks));
    extremes(WORKLOAD).for_each(|text| checked_workload(&text, "f16", &picks));
    let family = Random { layers: 2, devices: 2, formats: 2, ..Random::default() };
    let valid = random(&family);
    extremes(&write_instance(&valid)).for_each(|text| checked_instance(&text, &picks));
    extremes(&plan_text(&valid)).for_each(|text| checked_plan(&text, &valid));
}
