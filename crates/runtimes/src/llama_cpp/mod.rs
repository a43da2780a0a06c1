//! llama.cpp: `llama-quantize` per tensor, an RPC server per other host, `llama-server` on the
//! source.
//!
//! `load_tensors` (src/llama-model.cpp) keeps the input layer on the CPU, gives the last
//! `--gpu-layers` layers, the output layer counting as one, to the devices in the order of
//! `--device`, and cuts them where the cumulated shares of `--tensor-split` say. Shares that are
//! numbers of layers cut exactly there. The KV cache of a layer is on the layer's device. Tensors
//! that `--override-tensor` names lie elsewhere: so parts of a block come apart.

pub(crate) mod koboldcpp;
mod overrides;
mod quantize;
mod sites;

use edgeplan_problem::format::Format;

use self::overrides::{Override, overrides};
pub(crate) use self::quantize::{quantized, quantized_by};
pub(crate) use self::sites::layer_devices;
use self::sites::{Remote, Sites, ggml_name};
use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::shell::{option, quoted, script};

/// Default port of `rpc-server`.
const PORT: u16 = 50052;

pub(crate) fn files(order: &Order, layers: &[Placed]) -> Result<Written, String> {
    let Written { mut files, mut steps } = quantized(order, layers);
    let sites = Sites::of(order, layers)?;
    for remote in &sites.remotes {
        let file = format!("worker-{}.sh", remote.file_word);
        files.push((file.clone(), worker(remote)?));
        steps.push(format!("On {}, in a network that you trust: `./{file}`", remote.name));
    }
    files.push(("serve.sh".into(), serve(order, layers, &sites)?));
    let home = order.deployment.host_name(order.deployment.source);
    steps.push(format!("On {home}: `./serve.sh model.gguf`, then ask <http://127.0.0.1:8080>"));
    Ok(Written { files, steps })
}

/// The port of an address.
fn port(endpoint: &str) -> Result<u16, String> {
    let port = endpoint.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| format!("address {endpoint}: HOST:PORT is needed"))
}

fn worker(remote: &Remote) -> Result<String, String> {
    let mut arguments = vec![
        "\"${RPC_SERVER:-ggml-rpc-server}\"".to_owned(),
        "--host \"${RPC_HOST:-0.0.0.0}\"".to_owned(),
        option("--port", port(&remote.endpoint)?),
        "${RPC_THREADS:+--threads \"$RPC_THREADS\"}".to_owned(),
    ];
    let devices = match remote.devices.len() {
        // The source counts on one device per server.
        1 => {
            arguments.push("${RPC_DEVICE:+--device \"$RPC_DEVICE\"}".to_owned());
            "With several accelerators, name one: RPC_DEVICE=CUDA0"
        }
        // It counts on these, in this order.
        _ => {
            let names: Vec<&str> = remote.ggml.iter().map(String::as_str).collect();
            arguments.push(option("--device", names.join(",")));
            "The source counts on its devices in this order."
        }
    };
    arguments.push("--cache".into());
    let what = format!(
        "Serves {} to the source. {devices}\n\
         # On a processor: RPC_THREADS=8. To one network only: RPC_HOST=ADDRESS. Older versions\n\
         # call the program rpc-server: RPC_SERVER=rpc-server",
        quoted(&remote.name).replace(|c: char| c.is_control(), "?")
    );
    Ok(script(&what, "", &arguments))
}

fn serve(order: &Order, layers: &[Placed], sites: &Sites) -> Result<String, String> {
    let cut = sites.cut(order, layers)?;
    let mut arguments = vec!["\"${LLAMA_SERVER:-llama-server}\"".to_owned()];
    arguments.push("--model \"$1\"".into());
    let endpoints: Vec<&str> = sites.remotes.iter().map(|r| r.endpoint.as_str()).collect();
    if !endpoints.is_empty() {
        arguments.push(option("--rpc", endpoints.join(",")));
    }
    let names: Vec<&str> = cut.devices.iter().map(|(name, _)| name.as_str()).collect();
    match names.is_empty() {
        true => arguments.push(option("--device", "none")),
        false => arguments.push(option("--device", names.join(","))),
    }
    let shares: Vec<usize> = cut.devices.iter().map(|&(_, share)| share).collect();
    arguments.push(option("--gpu-layers", shares.iter().sum::<usize>()));
    if shares.len() > 1 {
        let shares: Vec<String> = shares.iter().map(usize::to_string).collect();
        arguments.push(option("--split-mode", "layer"));
        arguments.push(option("--tensor-split", shares.join(",")));
    }
    if let Some((file, device)) = order.projector {
        arguments.push(option("--mmproj", file));
        match order.is_accelerator(device) {
            true => arguments.push(option("--mmproj-device", ggml_name(order, device)?)),
            false => arguments.push("--no-mmproj-offload".into()),
        }
    }
    for Override { name, value } in overrides(layers, sites, &cut) {
        arguments.push(option(name, value));
    }
    arguments.push(format!("--ctx-size {}", order.context()));
    if let Some(request) = order.request {
        arguments.push(option("--ubatch-size", edgeplan_pricing::CHUNK));
        arguments.push(option("--parallel", request.batch));
        if request.kv != Format::F16 {
            let kv = request.kv.name().to_ascii_lowercase();
            arguments.push(option("--cache-type-k", &kv));
            arguments.push(option("--cache-type-v", &kv));
            arguments.push(option("--flash-attn", "on"));
        }
    }
    let first = if endpoints.is_empty() { "" } else { " Start the workers first." };
    let what = format!("Serves the model: serve.sh MODEL.gguf.{first}");
    Ok(script(&what, ": \"${1:?the quantized GGUF file}\"\n", &arguments))
}
