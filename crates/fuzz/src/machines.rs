//! Machines: what edgeplan reads, and what it makes of other tools' files.

use std::path::Path;

use edgeplan_files::quantity::Memory;
use edgeplan_machines::cluster::Cluster;
use edgeplan_machines::device::{Device, EngineMeasured, Measured, Rates};
use edgeplan_machines::import::{Kind, Options, import};
use edgeplan_pricing::llama_bench::{Bench, llama_bench as import_bench};
use edgeplan_pricing::workload::Workload;

use crate::place::{with_file, with_files};
use crate::samples::{CLUSTER, ask, gguf, model};

pub(crate) fn cluster(bytes: &[u8]) {
    if let Ok(cluster) = Cluster::parse("c.toml", &String::from_utf8_lossy(bytes)) {
        ask(model(), &cluster, &Workload::default());
    }
}

pub(crate) fn cluster_seeds() -> Vec<Vec<u8>> {
    vec![CLUSTER.into()]
}

/// A device that can be read has rates, or says what is missing.
fn readable(text: &str) -> bool {
    match Device::parse("d.toml", text) {
        Ok(device) => {
            if let Ok(rates) = Rates::new(&device) {
                rates.tokens_per_s(model(), edgeplan_problem::format::Format::Q4K);
            }
            true
        }
        Err(_) => false,
    }
}

pub(crate) fn device(bytes: &[u8]) {
    readable(&String::from_utf8_lossy(bytes));
}

pub(crate) fn device_seeds() -> Vec<Vec<u8>> {
    let device = r#"memory-gb = 8
usable-percent = 50
bandwidth-gb-s = 10
tflops = 1
source = "me"
status = "measured"
layer-overhead-us = 3
[[rate]]
format = "q4_K"
tflops = 0.5
bandwidth-gb-s = 9
[[speed]]
model = "llama-3.1-8b"
format = "q8_0"
decode = 9.5
prefill = 120
source = "you"
"#;
    vec![device.into()]
}

pub(crate) fn profile(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    drop(Measured::parse("p.json", &text));
    drop(EngineMeasured::parse("p.json", &text));
}

pub(crate) fn profile_seeds() -> Vec<Vec<u8>> {
    let machine = r#"{"processor":"p","features":["avx2"],"cores":2,"threads":2,
        "memory-bytes":17179869184,"free-bytes":12884901888,"system":"s","engine":"e 1",
        "revision":"0","date":"2026-11-21"}"#;
    let timing = |work: &str, nanos: u64| {
        format!(r#"{{"work":{work},"median-ns":{nanos},"mad-ns":1,"repeats":9}}"#)
    };
    let mut timings = vec![
        timing(r#"{"kind":"triad","threads":2,"bytes":268435456}"#, 13_000_000),
        timing(r#"{"kind":"dispatch"}"#, 1000),
    ];
    for (rows, batch) in [(512, 1), (1024, 1), (4096, 1), (512, 16), (1024, 16), (4096, 16)] {
        let work = format!(
            r#"{{"kind":"matmul","format":"q4_K","rows":{rows},"row-len":512,"batch":{batch}}}"#
        );
        timings.push(timing(&work, 5000 + rows * batch * 30));
        let work = format!(r#"{{"kind":"norm","width":{rows},"batch":{batch}}}"#);
        timings.push(timing(&work, 900 + rows * batch));
        let work = format!(
            r#"{{"kind":"attention","heads":8,"kv-heads":2,"head-dim":64,
                "context":{rows},"batch":{batch}}}"#
        );
        timings.push(timing(&work, 9000 + rows * batch * 3));
    }
    let text = format!(
        r#"{{"schema":2,"machine":{machine},"complete":true,"notes":[],"timings":[{}]}}"#,
        timings.join(",")
    );
    vec![text.into(), engine_seed(machine).into()]
}

/// A profile of an engine: two models in one format, a cache at two depths, a kernel.
fn engine_seed(machine: &str) -> String {
    let model = |name: &str, layers: u64, hidden: u64| {
        let elements = layers * hidden * hidden * 11;
        format!(
            r#"{{"name":"{name}","layers":{layers},"hidden":{hidden},"heads":8,"kv-heads":4,
            "head-dim":64,"weights":[{{"format":"q8_0","elements":{elements}}}]}}"#
        )
    };
    let time =
        |nanos: u64| format!(r#"{{"min-ns":{nanos},"median-ns":{nanos},"mad-ns":1,"repeats":5}}"#);
    let pass = |name: &str, rows: u64, depth: u64, way: &str| {
        let nanos = 1_000_000 + rows * 50_000 + depth * 900;
        format!(
            r#"{{"pass":{{"model":"{name}","rows":{rows},"depth":{depth},"passes":1,
            "cache":"f16","way":"{way}"}},"time":{}}}"#,
            time(nanos)
        )
    };
    let mut passes = Vec::new();
    for name in ["a", "b"] {
        passes.extend([pass(name, 1, 0, "plain"), pass(name, 16, 0, "plain")]);
        passes.extend([pass(name, 1, 512, "plain"), pass(name, 1, 0, "remote")]);
    }
    let kernel = format!(
        r#"{{"kernel":{{"kind":"product","format":"q4_K","rows":4096,"row-len":4096,"batch":1}},
        "time":{}}}"#,
        time(900_000)
    );
    format!(
        r#"{{"schema":2,"engine":"llama.cpp","machine":{machine},"backend":"CPU","complete":true,
        "models":[{},{}],"passes":[{}],"kernels":[{kernel}]}}"#,
        model("a", 4, 512),
        model("b", 12, 768),
        passes.join(",")
    )
}

pub(crate) fn llama_bench(bytes: &[u8]) {
    let options = Bench { memory: Memory(8 << 30), threads: None };
    with_files(&[("b.json", bytes), ("m.gguf", &gguf(12))], |folder| {
        // The promise of an importer: what it writes is read again.
        if let Ok(text) = import_bench(&[folder.join("b.json")], options) {
            assert!(readable(&text), "{:?}: {text}", Device::parse("d.toml", &text));
        }
    });
}

pub(crate) fn llama_bench_seeds() -> Vec<Vec<u8>> {
    let test = |prompt: u64, generate: u64, nanos: f64, model: &str| {
        format!(
            r#"{{"build_commit":"abc","cpu_info":"p","gpu_info":"","model_filename":"{model}",
            "n_ubatch":512,"n_threads":2,"n_prompt":{prompt},"n_gen":{generate},"n_depth":0,
            "test_time":"2026-01-01T0","avg_ns":{nanos:?},"samples_ns":[{nanos:?}]}}"#
        )
    };
    let two = |model: &str| format!("[{},{}]", test(0, 10, 1e6, model), test(512, 0, 5e8, model));
    vec![two("m.gguf").into(), format!("[{}]", test(512, 0, 5e11, "m.gguf")).into()]
}

fn imported(kind: Kind, bytes: &[u8]) {
    let devices = match kind {
        Kind::Rtt => vec!["catalog:l4-24".to_owned()],
        Kind::Distilp | Kind::Helix => Vec::new(),
    };
    let options = Options { devices, ..Options::default() };
    let read = |path: &Path| import(kind, &[path], &options);
    if let Ok(text) = with_file("other.tool", bytes, read) {
        let cluster = Cluster::parse("c.toml", &text).expect("an importer writes what is read");
        ask(model(), &cluster, &Workload::default());
    }
}

pub(crate) fn distilp(bytes: &[u8]) {
    imported(Kind::Distilp, bytes);
}

pub(crate) fn distilp_seeds() -> Vec<Vec<u8>> {
    let device = r#"{"name": "Ann's Mac", "is_head": true, "os_type": "mac_metal",
        "scpu": {"F16": {"b_1": 1e12}}, "T_cpu": 4e10, "t_comm": 0.02, "d_avail_ram": 8000000000,
        "sgpu_cuda": null, "sgpu_metal": {"Q4_K": {"b_1": 5e11}, "F16": {"b_1": 3e12}},
        "T_metal": 2e11, "d_avail_metal": 4096}"#;
    vec![device.into()]
}

pub(crate) fn rtt(bytes: &[u8]) {
    imported(Kind::Rtt, bytes);
}

pub(crate) fn rtt_seeds() -> Vec<Vec<u8>> {
    vec!["0\t10\t20\t0\n 30 0 -1 5\n\n20 8 0 5\n0 5 nan 0\n".into(), "0,1\n1,0\n".into()]
}

pub(crate) fn helix(bytes: &[u8]) {
    imported(Kind::Helix, bytes);
}

pub(crate) fn helix_seeds() -> Vec<Vec<u8>> {
    let cluster = "[NodeNames]\ntotal_compute_nodes=2\n\n[SourceNode]\nconnected_nodes=[0, 1]\n\n\
        [ComputeNode-0]\ntype=A100\nconnected_nodes=['source', 1]\n\n[ComputeNode-1]\ntype=L4x2\n\
        connected_nodes=[0, 'sink']\n\n[Link-source-0]\nbandwidth=12.5 * mbps\n\
        latency=50 * MilliSec\n\n[Link-0-1]\nbandwidth = 1 * gbps\nlatency = 1 * MilliSec\n";
    vec![cluster.into()]
}
