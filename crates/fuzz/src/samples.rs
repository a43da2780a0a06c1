//! Small valid files that several targets share.

use std::sync::LazyLock;

use edgeplan_families::{Random, random};
use edgeplan_files::to_json;
use edgeplan_machines::cluster::Cluster;
use edgeplan_model::ModelSpec;
use edgeplan_model::gguf::draft::{Draft, Tensor, Value};
use edgeplan_pricing::deployment;
use edgeplan_pricing::workload::Workload;
use edgeplan_problem::Problem as _;
use edgeplan_problem::deployment::{Assignment, Deployment, DeviceId, OptionId, Plan, Violation};

use crate::place::with_file;

/// A llama of two blocks.
pub(crate) const CONFIG: &str = r#"{"model_type": "llama", "num_hidden_layers": 2,
    "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 320, "tie_word_embeddings": false}"#;

/// Two devices, a switch, a profile of the file's own.
pub(crate) const CLUSTER: &str = r#"source = "a"
[device.a]
profile = "cluster:mine"
memory = "2 GiB"
overhead = "10 MiB"
formats = ["q8_0", "q4_K"]
compute-max = "9 s"
traffic-max = "1 GB"
[device.b]
profile = "catalog:l4-24"
relay = true
[switch.s]
[profile.mine]
memory-gb = 8
usable-percent = 50
bandwidth-gb-s = 10
tflops = 1
source = "me"
status = "measured"
[[profile.mine.rate]]
format = "q4_K"
tflops = 0.5
[[link]]
between = ["a", "s"]
bandwidth = "940 Mbit/s"
latency = "0.2 ms"
[[link]]
between = ["b", "s"]
bandwidth = "1 GB/s"
latency = "3 us"
"#;

const HOME: &str = include_str!("../../../bench-data/clusters/home-lab.toml");

static MODEL: LazyLock<ModelSpec> = LazyLock::new(|| {
    let load = |path: &std::path::Path| edgeplan_model::load(&path.display().to_string());
    with_file("config.json", CONFIG.as_bytes(), load).expect("the sample is valid")
});
static CLUSTER_OF_HOME: LazyLock<Cluster> =
    LazyLock::new(|| Cluster::parse("home", HOME).expect("the example is valid"));

/// The model of [`CONFIG`].
pub(crate) fn model() -> &'static ModelSpec {
    &MODEL
}

/// The example cluster.
pub(crate) fn home() -> &'static Cluster {
    &CLUSTER_OF_HOME
}

/// Prices a question, and evaluates a plan of it.
pub(crate) fn ask(model: &ModelSpec, cluster: &Cluster, workload: &Workload) {
    if let Ok(instance) = deployment(std::slice::from_ref(model), cluster, workload) {
        let checked = instance.clone().checked().expect("what is priced is sound");
        evaluate(&checked);
    }
}

/// Evaluates plans of an instance: all layers on one device, layers in turn, and a device too many.
pub(crate) fn evaluate(instance: &Deployment) {
    let devices = instance.devices.len();
    for (first, step, beyond) in [(0, 0, 0), (0, 1, 0), (devices - 1, 1, 1)] {
        let place = |layer: usize| DeviceId(((first + layer * step) % (devices + beyond)) as u16);
        let models = instance.models.iter().map(|model| {
            let layers = model.layers.iter().enumerate().map(|(layer, of)| Assignment {
                device: place(layer),
                option: OptionId(((first + layer) % of.options.len()) as u16),
            });
            layers.collect()
        });
        let evaluation = instance.evaluate(&Plan { models: models.collect() });
        let shape = evaluation.violations.iter().any(|v| matches!(v, Violation::Shape(_)));
        assert_eq!(shape, evaluation.account.devices.is_empty(), "{:?}", evaluation.violations);
        assert!(shape || evaluation.cost.0 < 1 << 62, "{:?}", evaluation.cost);
    }
}

/// A small instance of that seed.
pub(crate) fn instance(seed: u64) -> Deployment {
    random(&Random { layers: 3, devices: 2, formats: 2, seed, ..Random::default() })
}

/// The text of a value as JSON, for seeds.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    to_json(value).into_bytes()
}

/// A GGUF file of one block without data.
pub(crate) fn gguf(stored: u32) -> Vec<u8> {
    let text = |text: &str| Value::Text(text.into());
    let numbers = [
        ("llama.block_count", 1),
        ("llama.embedding_length", 256),
        ("llama.attention.head_count", 4),
        ("llama.attention.head_count_kv", 2),
    ];
    let mut metadata =
        vec![("general.architecture".into(), text("llama")), ("general.name".into(), text("m"))];
    metadata.extend(numbers.map(|(key, number)| (key.into(), Value::U32(number))));
    let tokens = (0..16).map(|token| token.to_string()).collect();
    metadata.push(("tokenizer.ggml.tokens".into(), Value::Texts(tokens)));
    let sizes: [(&str, &[u64], u32); 12] = [
        ("token_embd", &[256, 16], stored),
        ("blk.0.attn_q", &[256, 256], stored),
        ("blk.0.attn_k", &[256, 128], stored),
        ("blk.0.attn_v", &[256, 128], stored),
        ("blk.0.attn_output", &[256, 256], stored),
        ("blk.0.ffn_gate", &[256, 512], stored),
        ("blk.0.ffn_up", &[256, 512], stored),
        ("blk.0.ffn_down", &[512, 256], stored),
        ("blk.0.attn_norm", &[256], 0),
        ("blk.0.ffn_norm", &[256], 0),
        ("output_norm", &[256], 0),
        ("output", &[256, 16], stored),
    ];
    let tensors = sizes.map(|(name, dimensions, kind)| Tensor {
        name: format!("{name}.weight"),
        dimensions: dimensions.to_vec(),
        kind,
    });
    Draft { metadata, tensors: tensors.into(), ..Draft::default() }.header()
}
