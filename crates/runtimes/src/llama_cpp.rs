//! llama.cpp: `llama-quantize` per tensor, an RPC server per device, `llama-server` on the source.
//!
//! `load_tensors` (src/llama-model.cpp) keeps the input layer on the CPU, gives the last
//! `--gpu-layers` layers, the output layer counting as one, to the devices in the order of
//! `--device`, and cuts them where the cumulated shares of `--tensor-split` say. Shares that are
//! numbers of layers cut exactly there.

use edgeplan_problem::deployment::Part;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::{Recipe, TensorClass};

use crate::chain::Placed;
use crate::export::{Order, Run, Written, runs};
use crate::shell::{option, quoted, script};

/// Where `rpc-server` listens unless told otherwise.
const PORT: u16 = 50052;

/// The matrices of a block.
const CLASSES: [TensorClass; 8] = [
    TensorClass::AttnQ,
    TensorClass::AttnK,
    TensorClass::AttnV,
    TensorClass::AttnQkv,
    TensorClass::AttnOutput,
    TensorClass::FfnGate,
    TensorClass::FfnUp,
    TensorClass::FfnDown,
];

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let mut files = Vec::new();
    let mut steps = Vec::new();
    if let Some((text, step)) = quantize(layers) {
        files.push(("quantize.sh".into(), text));
        steps.push(step);
    }
    let source = order.deployment.source;
    let remote: Vec<_> = runs(layers).into_iter().filter(|run| run.device != source).collect();
    let mut endpoints = Vec::new();
    for run in &remote {
        let endpoint = order.address(run.device, &format!(":{PORT}"))?;
        let (file, port) = (format!("worker-{}.sh", order.file_word(run.device)), port(&endpoint)?);
        let name = order.name(run.device);
        files.push((file.clone(), worker(name, port)));
        steps.push(format!("On {name}, in a network that you trust: `./{file}`"));
        endpoints.push(endpoint);
    }
    files.push(("serve.sh".into(), serve(order, layers, &endpoints)?));
    steps.push(format!(
        "On {}: `./serve.sh model.gguf`, then ask <http://127.0.0.1:8080>",
        order.name(source)
    ));
    Ok(Written { files, steps })
}

/// The script that quantizes, and how it is used; none where the file is served as it is.
pub(crate) fn quantize(layers: &[Placed]) -> Option<(String, String)> {
    let [embedding, .., head] = layers else { return None };
    if layers.iter().all(|layer| layer.recipe == Recipe::Native) {
        return None;
    }
    let mut arguments = vec!["\"${LLAMA_QUANTIZE:-llama-quantize}\"".to_owned()];
    let ends = [
        ("--token-embedding-type", format(embedding, TensorClass::TokenEmbd)),
        ("--output-tensor-type", format(head, TensorClass::Output)),
    ];
    arguments.extend(ends.into_iter().filter_map(|(name, format)| Some(option(name, format?))));
    arguments.extend(tensor_types(layers).iter().map(|value| option("--tensor-type", value)));
    // A type with blocks of 32 for whatever is not named: any other one might overrule the rest.
    arguments.push("\"$1\" \"${2:-model.gguf}\" Q8_0".into());
    let what = "Stores each tensor as planned: quantize.sh FLOAT.gguf [OUT.gguf]";
    let text = script(what, ": \"${1:?a GGUF file in f32, f16 or bf16}\"\n", &arguments);
    let step = "Once: `./quantize.sh float.gguf model.gguf` (from an f32, f16 or bf16 file); only \
                the source needs the result";
    Some((text, step.into()))
}

/// The format of a class of a layer's tensors; none where they stay as the file has them.
fn format(layer: &Placed, class: TensorClass) -> Option<Format> {
    layer.recipe.mix().map(|mix| mix.format(class))
}

/// Which tensors of blocks get which type: patterns of which one tensor matches one at most,
/// because versions of llama-quantize differ in which of several wins.
fn tensor_types(layers: &[Placed]) -> Vec<String> {
    let mut groups: Vec<(Format, Vec<usize>, Vec<&str>)> = Vec::new();
    for class in CLASSES {
        let mut formats: Vec<(Format, Vec<usize>)> = Vec::new();
        for layer in layers {
            let (Part::Block(block), Some(format)) = (layer.part, format(layer, class)) else {
                continue;
            };
            match formats.iter_mut().find(|(known, _)| *known == format) {
                Some((_, blocks)) => blocks.push(block),
                None => formats.push((format, vec![block])),
            }
        }
        for (format, blocks) in formats {
            match groups.iter_mut().find(|group| (group.0, &group.1) == (format, &blocks)) {
                Some((_, _, classes)) => classes.push(class.name()),
                None => groups.push((format, blocks, vec![class.name()])),
            }
        }
    }
    let pattern = |(format, blocks, classes): (Format, Vec<usize>, Vec<&str>)| {
        let blocks: Vec<String> = blocks.iter().map(usize::to_string).collect();
        let (blocks, classes) = (blocks.join("|"), classes.join("|"));
        format!("^blk\\.({blocks})\\.({classes})\\.weight$={format}")
    };
    groups.into_iter().map(pattern).collect()
}

/// The port of an address.
fn port(endpoint: &str) -> Result<u16, String> {
    let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| format!("address {endpoint}: HOST:PORT is needed"))
}

fn worker(name: &str, port: u16) -> String {
    let arguments = [
        "\"${RPC_SERVER:-ggml-rpc-server}\"".to_owned(),
        "--host \"${RPC_HOST:-0.0.0.0}\"".to_owned(),
        option("--port", port),
        "${RPC_THREADS:+--threads \"$RPC_THREADS\"}".to_owned(),
        // The source counts on one device per server.
        "${RPC_DEVICE:+--device \"$RPC_DEVICE\"}".to_owned(),
        "--cache".into(),
    ];
    let what = format!(
        "Serves {} to the source. With several accelerators, name one: RPC_DEVICE=CUDA0\n\
         # On a processor: RPC_THREADS=8. To one network only: RPC_HOST=ADDRESS. Older versions\n\
         # call the program rpc-server: RPC_SERVER=rpc-server",
        quoted(name).replace(|c: char| c.is_control(), "?")
    );
    script(&what, "", &arguments)
}

fn serve(order: &Order, layers: &[Placed], endpoints: &[String]) -> Result<String, String> {
    let source = order.deployment.source;
    let (own, remote): (Vec<Run>, Vec<Run>) =
        runs(layers).into_iter().partition(|run| run.device == source);
    let own: usize = own.iter().map(|run| run.count).sum();
    let head_here = layers.last().is_some_and(|head| head.device == source);
    // By default the source computes on its CPU, which takes what the devices leave.
    let local = order.addresses.get(order.name(source)).map_or("CPU", String::as_str);
    let mut devices = Vec::new();
    let mut shares: Vec<usize> = Vec::new();
    if local != "CPU" && (own > 0 || remote.is_empty()) {
        devices.push(local.to_owned());
        shares.push(own);
    }
    for (index, run) in remote.iter().enumerate() {
        devices.push(format!("RPC{index}"));
        shares.push(run.count);
    }
    // The output layer counts for whoever holds the last block.
    if let Some(last) = shares.last_mut() {
        *last += 1;
    }
    let mut arguments = vec!["\"${LLAMA_SERVER:-llama-server}\"".to_owned()];
    arguments.push("--model \"$1\"".into());
    if !endpoints.is_empty() {
        arguments.push(option("--rpc", endpoints.join(",")));
    }
    let joined =
        |shares: &[usize]| shares.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    match devices.is_empty() {
        true => arguments.push(option("--device", "none")),
        false => arguments.push(option("--device", devices.join(","))),
    }
    arguments.push(option("--gpu-layers", shares.iter().sum::<usize>()));
    if shares.len() > 1 {
        arguments.push(option("--split-mode", "layer"));
        arguments.push(option("--tensor-split", joined(&shares)));
    }
    if head_here && !remote.is_empty() {
        arguments
            .push(option("--override-tensor", format!("^(output|token_embd)\\.weight$={local}")));
    }
    arguments.push(format!("--ctx-size {}", order.context()));
    if let Some(request) = order.request {
        arguments.push(option("--parallel", request.batch));
        if request.kv != Format::F16 {
            let kv = request.kv.name().to_ascii_lowercase();
            arguments.push(option("--cache-type-k", &kv));
            arguments.push(option("--cache-type-v", &kv));
            arguments.push(option("--flash-attn", "on"));
        }
    }
    let what = "Serves the model: serve.sh MODEL.gguf. Start the workers first.";
    Ok(script(what, ": \"${1:?the quantized GGUF file}\"\n", &arguments))
}
