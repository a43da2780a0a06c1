//! Every engine's files against goldens and against the engine's own rules.

mod small;

use std::collections::BTreeMap;
use std::path::Path;

use edgeplan_machines::device::Backend;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::recipe::TensorClass;
use edgeplan_problem::{Nanos, Problem as _};
use edgeplan_runtimes::{Order, Request, Runtime, export, latency};
use serde::Deserialize;

use small::{DEVICES, plan, question};

type Files = BTreeMap<String, String>;

/// What `engine` gets for a plan of the open question.
fn exported(engine: &str, open: &Deployment, chosen: &Plan) -> Result<Files, String> {
    let runtime = Runtime::find(engine).unwrap();
    let misfits = runtime.misfits(open, chosen)?;
    if !misfits.is_empty() {
        return Err(misfits.join("; "));
    }
    let priced = runtime.price(open)?;
    let plan = runtime.translate(open, chosen, &priced)?;
    let local = [("laptop", "cpu"), ("jetson", "cuda[0]"), ("desktop", "cuda[1]")];
    let local = local.map(|(name, address)| (name.to_owned(), address.to_owned()));
    let addresses =
        if engine.starts_with("mistral.rs") { BTreeMap::from(local) } else { BTreeMap::new() };
    let request = Request {
        prompt: 500,
        generate: 100,
        batch: 1,
        context: 8192,
        kv: runtime.kv[0],
        first_token: Nanos(2_000_000),
        whole: latency(&priced, &plan),
    };
    let order = Order {
        runtime,
        deployment: &priced,
        plan: &plan,
        request: Some(request),
        model: Some("catalog:small"),
        addresses: &addresses,
        backends: &[Some(Backend::Cpu)],
        kept: &[],
        projector: None,
        remarks: &[],
        command: "edgeplan export",
    };
    Ok(export(&order)?.into_iter().collect())
}

#[test]
fn files_are_as_they_were() {
    let mixed = "q4_K+ffn_down:q6_K,attn_v:q8_0";
    let cases = [
        ("llama.cpp", "0 0 0 2 2 1 1 1", ["f16", mixed, "q4_K", "q6_K"]),
        ("prima.cpp", "0 0 0 2 2 1 1 0", ["q8_0", mixed, "q4_K", "q6_K"]),
        ("mistral.rs", "0 1 1 2 1 2 2 0", ["f16", mixed, "q4_K", "q6_K"]),
        ("distributed-llama", "0 0 0 0 0 0 0 0", ["f32", "q4_0", "q4_0", "q4_0"]),
        ("exo", "2 2 2 2 1 1 1 1", ["bf16"; 4]),
        ("exo-8bit", "2 2 2 2 1 1 1 1", ["q8_0"; 4]),
        ("exo-4bit", "2 2 2 2 1 1 1 1", ["q4_0"; 4]),
        ("koboldcpp", "0 0 0 0 0 0 0 0", ["q8_0", mixed, "q4_K", "q6_K"]),
        ("lm-studio", "0 0 0 0 0 0 0 0", ["q8_0", mixed, "q4_K", "q6_K"]),
        ("mistral.rs-gguf", "0 1 1 2 1 2 2 0", ["f16", mixed, "q4_K", "q6_K"]),
    ];
    for (engine, devices, recipes) in cases {
        let open = question(6);
        let files = exported(engine, &open, &plan(&open, devices, recipes)).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(engine);
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in &files {
                std::fs::write(folder.join(name), text).unwrap();
            }
        }
        let known = std::fs::read_dir(&folder).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        });
        assert_eq!(known.collect::<Files>(), files, "{engine}: with BLESS=1 these become golden");
    }
}

/// The value of an option in a script.
fn value<'a>(script: &'a str, option: &str) -> Option<&'a str> {
    let line = script.lines().find_map(|line| line.trim().strip_prefix(option))?;
    Some(line.trim_end_matches('\\').trim().trim_matches('\''))
}

/// Where llama.cpp puts layer `layer` of `blocks` and a head, by the words of its `load_tensors`:
/// the name of a device, or CPU.
fn device_of(script: &str, layer: usize, blocks: usize) -> String {
    let gpu_layers: usize = value(script, "--gpu-layers").unwrap().parse().unwrap();
    let devices: Vec<&str> = value(script, "--device").unwrap().split(',').collect();
    let start = (blocks + 1).saturating_sub(gpu_layers);
    let active = if devices == ["none"] { 0 } else { gpu_layers.min(blocks + 1) };
    if layer < start || layer - start >= active {
        return "CPU".into();
    }
    let shares = value(script, "--tensor-split").unwrap_or("1").split(',');
    let shares: Vec<f32> = shares.map(|share| share.parse().unwrap()).collect();
    let sum: f32 = shares.iter().sum();
    let mut end = 0.0;
    let ends = shares.iter().map(|share| {
        end += share;
        end / sum
    });
    let ends: Vec<f32> = ends.collect();
    let place = (layer - start) as f32 / active as f32;
    devices[ends.iter().position(|&end| end > place).unwrap()].to_owned()
}

#[test]
fn llama_cpp_cuts_where_the_plan_does() {
    for blocks in [6, 22, 80] {
        let open = question(blocks);
        let step = blocks.div_ceil(11);
        for first in (0..=blocks).step_by(step) {
            for second in (first..=blocks).step_by(step) {
                let device =
                    |block: usize| usize::from(block >= first) + usize::from(block >= second);
                let word = |block: usize| device(block).to_string();
                let words: Vec<String> = (0..blocks).map(word).collect();
                let last = words.last().unwrap();
                let devices = format!("0 {} {last}", words.join(" "));
                let chosen = plan(&open, &devices, ["f16", "q4_K", "q4_K", "q6_K"]);
                let files = exported("llama.cpp", &open, &chosen).unwrap();
                let script = &files["serve.sh"];
                let servers: Vec<&str> = value(script, "--rpc")
                    .map(|list| list.split(',').collect())
                    .unwrap_or_default();
                for layer in 0..=blocks {
                    let planned = DEVICES[device(layer.min(blocks - 1))];
                    let found = device_of(script, layer, blocks);
                    let found = match found.strip_prefix("RPC") {
                        Some(index) => servers[index.parse::<usize>().unwrap()],
                        None => "laptop:50052",
                    };
                    assert_eq!(found, format!("{planned}:50052"), "layer {layer} of\n{script}");
                }
            }
        }
    }
}

#[test]
fn each_tensor_gets_one_type() {
    let open = question(6);
    let recipes = ["f16", "q4_K+ffn_down:q6_K,attn_v:q8_0", "q4_K", "q6_K"];
    let files = exported("llama.cpp", &open, &plan(&open, "0 0 0 0 1 1 1 1", recipes)).unwrap();
    let script = &files["quantize.sh"];
    let lines = script.lines().filter_map(|line| line.trim().strip_prefix("--tensor-type "));
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let line = line.trim_end_matches([' ', '\\']).trim_matches('\'');
        let line = line.strip_prefix("^blk\\.(").unwrap();
        let (blocks, rest) = line.split_once(")\\.(").unwrap();
        let (classes, format) = rest.split_once(")\\.weight$=").unwrap();
        for (block, class) in
            blocks.split('|').flat_map(|b| classes.split('|').map(move |class| (b, class)))
        {
            let before = types.insert(format!("{block} {class}"), format.to_owned());
            assert_eq!(before, None, "two types for {class} of block {block}");
        }
    }
    let classes = TensorClass::MATRICES.into_iter().filter(|class| class.of_block());
    assert_eq!(types.len(), 6 * classes.count());
    // The recipes take turns: the first block is stored by the second of them.
    assert_eq!(types["0 ffn_down"], "q6_K");
    assert_eq!(types["0 attn_v"], "q8_0");
    assert_eq!(types["0 ffn_up"], "q4_K");
    assert_eq!(types["1 ffn_down"], "q4_K");
    assert_eq!(value(script, "--token-embedding-type"), Some("f16"));
    assert_eq!(value(script, "--output-tensor-type"), Some("q6_K"));
}

/// A topology as mistral.rs reads it (mistralrs-core 0.8.1, src/topology/mod.rs).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    isq: Option<String>,
    device: Option<String>,
}

#[test]
fn mistral_rs_reads_the_topology() {
    let open = question(6);
    let recipes = ["f16", "q4_K+ffn_down:q6_K,attn_v:f16", "q5_0", "q8_0"];
    let files = exported("mistral.rs", &open, &plan(&open, "0 1 1 2 2 0 1 0", recipes)).unwrap();
    let topology: BTreeMap<String, Entry> = serde_saphyr::from_str(&files["topology.yml"]).unwrap();
    let types = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2K", "Q3K", "Q4K", "Q5K", "Q6K"];
    let mut devices = BTreeMap::new();
    let mut uniform = BTreeMap::new();
    for (selector, entry) in &topology {
        if let Some(isq) = &entry.isq {
            assert!(types.contains(&isq.as_str()), "{isq}");
        }
        if let Some((start, end)) = selector.split_once('-').filter(|_| !selector.contains('/')) {
            let range = start.parse::<usize>().unwrap()..end.parse().unwrap();
            assert!(!range.is_empty(), "{selector}");
            for block in range {
                assert_eq!(devices.insert(block, entry.device.as_deref().unwrap()), None);
                uniform.insert(block, entry.isq.as_deref());
            }
        }
    }
    let devices: Vec<&str> = devices.into_values().collect();
    assert_eq!(devices, ["cuda[0]", "cuda[0]", "cuda[1]", "cuda[1]", "cpu", "cuda[0]"]);
    // Mixed blocks are written by name alone, because a range would quantize them once more.
    let uniform: Vec<Option<&str>> = uniform.into_values().collect();
    assert_eq!(uniform, [None, Some("Q5_0"), None, Some("Q5_0"), None, Some("Q5_0")]);
    assert!(topology.keys().any(|key| key.contains("mlp\\.down_proj")), "{topology:?}");
    assert!(!topology.keys().any(|key| key.contains("v_proj")), "f16 stays: {topology:?}");
    assert_eq!(topology["/lm_head\\.weight$/"].isq.as_deref(), Some("Q8_0"));
}

#[test]
fn an_address_must_be_one() {
    let runtime = Runtime::find("llama.cpp").unwrap();
    let open = question(6);
    let priced = runtime.price(&open).unwrap();
    let chosen = plan(&open, "0 1 1 1 1 1 1 1", ["f16", "q4_K", "q4_K", "q6_K"]);
    let chosen = runtime.translate(&open, &chosen, &priced).unwrap();
    assert!(priced.evaluate(&chosen).is_feasible());
    let cases = [
        ("jetson", "10.0.0.2", "HOST:PORT is needed"),
        ("jetson", "a;reboot:1", "letters, digits and -_.:[] are allowed"),
        ("jetsom", "b:1", "no such device; there are laptop, jetson, desktop"),
    ];
    for (name, address, expected) in cases {
        let addresses = BTreeMap::from([(name.to_owned(), address.to_owned())]);
        let order = Order {
            runtime,
            deployment: &priced,
            plan: &chosen,
            request: None,
            model: None,
            addresses: &addresses,
            backends: &[Some(Backend::Cpu)],
            kept: &[],
            projector: None,
            remarks: &[],
            command: "edgeplan export",
        };
        let error = export(&order).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
