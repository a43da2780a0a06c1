//! mistral.rs: a topology file (docs/TOPOLOGY.md of the project) and the command that reads it.
//!
//! A range without `isq` keeps its weights in the process's type, f16 here. A block whose matrices
//! differ is written as patterns of names and a range that says the device alone: a range with a
//! type quantizes after loading, what a pattern quantized while loading included.

use std::collections::BTreeMap;

use edgeplan_machines::device::Backend;
use edgeplan_problem::deployment::{DeviceId, Part};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::TensorClass;
use serde::{Serialize, Serializer};

use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::llama_cpp::quantized;
use crate::shell::{option, script};

/// What a matrix is called in the files that the engine reads.
const NAMES: [(TensorClass, &str); 7] = [
    (TensorClass::AttnQ, "self_attn.q_proj"),
    (TensorClass::AttnK, "self_attn.k_proj"),
    (TensorClass::AttnV, "self_attn.v_proj"),
    (TensorClass::AttnOutput, "self_attn.o_proj"),
    (TensorClass::FfnGate, "mlp.gate_proj"),
    (TensorClass::FfnUp, "mlp.up_proj"),
    (TensorClass::FfnDown, "mlp.down_proj"),
];

/// A selector and what holds there, in the order of the file: later patterns win.
struct Topology(Vec<(String, Entry)>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    isq: Option<String>,
    device: String,
}

impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(selector, entry)| (selector, entry)))
    }
}

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let topology = topology(order, layers)?;
    let yaml = serde_saphyr::to_string(&topology).map_err(|error| error.to_string())?;
    let header = "# Layers (end excluded) and weights: type and device.\n";
    let arguments = [
        "\"${MISTRALRS:-mistralrs}\" serve".to_owned(),
        option("-p", 1234),
        "-m \"$1\"".into(),
        option("--dtype", "f16"),
        "--topology \"$(dirname \"$0\")/topology.yml\"".into(),
    ];
    let what = "Serves the model: serve.sh MODEL, a name on Hugging Face or a folder";
    let serve = script(what, ": \"${1:?a float model}\"\n", &arguments);
    let files =
        vec![("topology.yml".into(), format!("{header}{yaml}")), ("serve.sh".into(), serve)];
    let home = order.name(order.deployment.source);
    let step = format!(
        "On the machine that holds all devices, with {home} as the device that the process starts \
         on: `./serve.sh MODEL`, a float model's folder or name, which is quantized as it loads"
    );
    Ok(Written { files, steps: vec![step, "Ask <http://127.0.0.1:1234/v1>".into()] })
}

/// Of a GGUF file, whose types are those of its tensors: the topology names devices alone.
pub(crate) fn gguf_files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let Written { mut files, mut steps } = quantized(order, layers);
    let mut ranges: Vec<(usize, usize, Entry)> = Vec::new();
    for layer in layers {
        match layer.part {
            Part::Embedding | Part::Head => {}
            Part::Block(block) => {
                let entry = Entry { isq: None, device: device(order, layer.device)? };
                push(&mut ranges, block, entry);
            }
            part => return Err(format!("{part} apart: mistral.rs places whole blocks")),
        }
    }
    let entries = ranges.into_iter().map(|(start, end, entry)| (format!("{start}-{end}"), entry));
    let yaml = serde_saphyr::to_string(&Topology(entries.collect()));
    let yaml = yaml.map_err(|error| error.to_string())?;
    files.push(("topology.yml".into(), format!("# Layers (end excluded): device.\n{yaml}")));
    let arguments = [
        "\"${MISTRALRS:-mistralrs}\" serve".to_owned(),
        option("-p", 1234),
        "-m \"$(dirname \"$1\")\"".into(),
        option("--format", "gguf"),
        "-f \"$(basename \"$1\")\"".into(),
        "--topology \"$(dirname \"$0\")/topology.yml\"".into(),
    ];
    let what = "Serves the model: serve.sh FOLDER/MODEL.gguf";
    files.push(("serve.sh".into(), script(what, ": \"${1:?the GGUF file}\"\n", &arguments)));
    let home = order.name(order.deployment.source);
    steps.push(format!(
        "On the machine that holds all devices, with {home} as the device that the process starts \
         on: `./serve.sh ./model.gguf`"
    ));
    steps.push("Ask <http://127.0.0.1:1234/v1>".into());
    Ok(Written { files, steps })
}

/// Adds a block to the range before it, or begins another one.
fn push(ranges: &mut Vec<(usize, usize, Entry)>, block: usize, entry: Entry) {
    match ranges.last_mut() {
        Some((_, end, known)) if *known == entry => *end = block + 1,
        _ => ranges.push((block, block + 1, entry)),
    }
}

fn topology(order: &Order, layers: &[Placed]) -> Result<Topology, String> {
    let mut ranges: Vec<(usize, usize, Entry)> = Vec::new();
    let mut patterns: BTreeMap<(Format, DeviceId, &str), Vec<usize>> = BTreeMap::new();
    let mut head = None;
    for layer in layers {
        let Some(mix) = layer.recipe.mix() else { continue };
        let device = device(order, layer.device)?;
        match layer.part {
            Part::Embedding => {}
            Part::Head => {
                let format = mix.format(TensorClass::Output);
                let entry = Entry { isq: isq(format), device };
                head = entry.isq.is_some().then(|| ("/lm_head\\.weight$/".to_owned(), entry));
            }
            Part::Attention(_) | Part::FeedForward(_) | Part::Experts(_) => {
                return Err(format!("{} apart: mistral.rs places whole blocks", layer.part));
            }
            Part::Block(block) => {
                let mixed = !mix.exceptions.is_empty();
                let isq = if mixed { None } else { isq(mix.base) };
                let entry = Entry { isq, device };
                push(&mut ranges, block, entry);
                for (class, name) in NAMES.into_iter().filter(|_| mixed) {
                    let format = mix.format(class);
                    patterns.entry((format, layer.device, name)).or_default().push(block);
                }
            }
        }
    }
    let mut entries: Vec<(String, Entry)> = Vec::new();
    for (start, end, entry) in ranges {
        entries.push((format!("{start}-{end}"), entry));
    }
    // Matrices of the same blocks in the same type share a pattern.
    let mut merged: BTreeMap<(Format, DeviceId, Vec<usize>), Vec<&str>> = BTreeMap::new();
    for ((format, device, name), blocks) in patterns {
        merged.entry((format, device, blocks)).or_default().push(name);
    }
    for ((format, at, blocks), names) in merged {
        let Some(isq) = isq(format) else { continue };
        let blocks: Vec<String> = blocks.iter().map(usize::to_string).collect();
        let names: Vec<String> = names.iter().map(|name| name.replace('.', "\\.")).collect();
        let (blocks, names) = (blocks.join("|"), names.join("|"));
        let selector = format!("/layers\\.({blocks})\\.({names})\\.weight$/");
        entries.push((selector, Entry { isq: Some(isq), device: device(order, at)? }));
    }
    entries.extend(head);
    Ok(Topology(entries))
}

/// The engine's name of a type; none for floats, which it leaves alone.
fn isq(format: Format) -> Option<String> {
    let name = format.name().to_ascii_uppercase();
    match format {
        Format::F16 | Format::BF16 | Format::F32 => None,
        Format::Q2K | Format::Q3K | Format::Q4K | Format::Q5K | Format::Q6K | Format::Q8K => {
            Some(name.replace('_', ""))
        }
        Format::Q4_0 | Format::Q4_1 | Format::Q5_0 | Format::Q5_1 | Format::Q8_0 | Format::Q8_1 => {
            Some(name)
        }
        // It makes no others while loading.
        _ => None,
    }
}

/// The engine's name of a device: `cpu`, `cuda[N]` or `metal[N]`.
fn device(order: &Order, device: DeviceId) -> Result<String, String> {
    let name = order.name(device);
    let address = order.addresses.get(name).map_or(name, String::as_str);
    let known = order.backend(device).filter(|_| !order.addresses.contains_key(name));
    match known {
        Some((Backend::Cpu, _)) => return Ok("cpu".into()),
        Some((Backend::Cuda, number)) => return Ok(format!("cuda[{number}]")),
        Some((Backend::Metal, number)) => return Ok(format!("metal[{number}]")),
        Some((Backend::Rocm | Backend::Vulkan | Backend::Sycl | Backend::Rpc, _)) | None => {}
    }
    let indexed = |kind: &str| {
        let index = address.strip_prefix(kind)?.strip_prefix('[')?.strip_suffix(']')?;
        index.parse::<u16>().ok()
    };
    match address == "cpu" || indexed("cuda").or(indexed("metal")).is_some() {
        true => Ok(address.into()),
        false => Err(format!(
            "device `{name}`: mistral.rs calls its devices cpu, cuda[N] and metal[N], all of one \
             machine; say which it is: `--at '{name}=cuda[0]'`"
        )),
    }
}
