//! Valid files, each with most of the keys that there are.

pub(crate) const CONFIG: &str = r#"{"model_type": "gemma3_text", "num_hidden_layers": 2,
    "hidden_size": 256, "intermediate_size": 512, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 1000, "sliding_window": 16,
    "sliding_window_pattern": 6, "tie_word_embeddings": false, "attention_bias": true,
    "max_position_embeddings": 4096}"#;

/// Two blocks with a feed-forward length of 1024.
pub(crate) const DISTILP_MODEL: &str = r#"{"L": 2, "e_embed": 512, "hk": 2, "ek": 128, "hv": 2,
    "ev": 128, "V": 1000, "seq_len": 10, "b": [0, 1, 1], "is_moe": false,
    "f_q": {"prefill": {}, "decode": {"b_1": [0.0, 4739072.0, 4739072.0]}}}"#;

pub(crate) const WORKLOAD: &str = r#"prompt = 8
generate = 4
batch = 2
objective = "throughput"
quality = { max-kl = 0.5 }
max-layer-kl = 0.2
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
weight = { tiny = 2 }

[[pin]]
layers = "1..2"
device = "desktop"
model = "tiny"
"#;

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

[device.c]
profile = "catalog:rtx-3070-8"

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
between = ["a", "b"]
one-way = true
bandwidth = "8 Mbit/s"
latency = "1 ms"

[[link]]
between = ["s", "a"]
bandwidth = "940 Mbit/s"
latency = "0.2 ms"

[[link]]
between = ["s", "c"]
bandwidth = "1 GB/s"
latency = "3 us"

[[link]]
between = ["b", "s"]
bandwidth = "1 Gbit/s"
latency = "15 ns"
"#;

pub(crate) const DISTILP: &str = r#"{"name": "Ann's Mac", "is_head": true, "os_type": "mac_metal",
    "scpu": {"F16": {"b_1": 1e12}}, "T_cpu": 4e10, "t_comm": 0.02, "d_avail_ram": 8000000000,
    "sgpu_cuda": null, "sgpu_metal": {"Q4_K": {"b_1": 5e11, "b_2": 6e11}, "F16": {"b_1": 3e12}},
    "T_metal": 2e11, "d_avail_metal": 4096}"#;

pub(crate) const RTT: &str = "0\t10\t20\t0\n 30 0 -1 5\n\n20 8 0 5\n0 5 nan 0\n";

pub(crate) const HELIX: &str = "[NodeNames]
total_compute_nodes=2

[SourceNode]
connected_nodes=[0, 1]

[ComputeNode-0]
type=A100
connected_nodes=['source', 1]

[ComputeNode-1]
type=L4x2
connected_nodes=[0, 'sink']

[Link-source-0]
bandwidth=12.5 * mbps
latency=50 * MilliSec

[Link-0-sink]
bandwidth=1 * mbps
latency=40 * MilliSec

[Link-source-1]
bandwidth=1000000
latency=0.001

[Link-0-1]
bandwidth = 1 * gbps
latency = 1 * MilliSec
";
