//! Engines on one host that take a GGUF file and the number of layers on the accelerator: what an
//! export needs of them is the names of a few options.

use edgeplan_problem::deployment::DeviceId;

use crate::chain::Placed;
use crate::export::{Order, Written};
use crate::llama_cpp::{layer_devices, quantized_by};
use crate::shell::{option, plain, script};

/// A program that serves a GGUF file, and its options.
#[derive(Debug)]
pub(crate) struct GpuLayers {
    /// Its name; the variable of that name in capitals replaces it.
    pub(crate) program: &'static str,
    /// The option for the model's file.
    pub(crate) model: &'static str,
    /// For the number of layers on the accelerator; the output layer counts as one.
    pub(crate) layers: &'static str,
    /// For the tokens that the KV cache is allocated for.
    pub(crate) context: &'static str,
    /// What else it is started with.
    pub(crate) others: &'static [&'static str],
}

impl GpuLayers {
    pub(crate) fn files(&self, order: &Order, layers: &[Placed]) -> Result<Written, String> {
        let Written { mut files, mut steps } = quantized(order, layers);
        let variable = plain(self.program).to_ascii_uppercase().replace(['-', '.'], "_");
        let mut arguments = vec![
            format!("\"${{{variable}:-{}}}\"", self.program),
            format!("{} \"$1\"", self.model),
            option(self.layers, on_accelerator(order, layers)),
            format!("{} {}", self.context, order.context()),
        ];
        arguments.extend(self.others.iter().map(|&other| other.to_owned()));
        let what = "Serves the model: serve.sh MODEL.gguf";
        let before = ": \"${1:?the quantized GGUF file}\"\n";
        files.push(("serve.sh".into(), script(what, before, &arguments)));
        let home = order.deployment.host_name(order.deployment.source);
        steps.push(format!("On {home}: `./serve.sh model.gguf`"));
        Ok(Written { files, steps })
    }
}

/// The script that quantizes the model as planned, if that is needed.
pub(crate) fn quantized(order: &Order, layers: &[Placed]) -> Written {
    quantized_by(order, layers, "with llama.cpp's llama-quantize")
}

/// Blocks on the accelerator, and one more if the output layer is there, too.
pub(crate) fn on_accelerator(order: &Order, layers: &[Placed]) -> usize {
    let (on, _) = blocks_on_accelerator(order, layers);
    on + usize::from(layers.last().is_some_and(|head| is_accelerated(order, head.device)))
}

/// Blocks on the accelerator, and all blocks.
pub(crate) fn blocks_on_accelerator(order: &Order, layers: &[Placed]) -> (usize, usize) {
    let devices = layer_devices(layers);
    let on = devices.values().filter(|&&device| is_accelerated(order, device)).count();
    (on, devices.len())
}

/// Whether a device is an accelerator: any but the source, which may be one itself.
fn is_accelerated(order: &Order, device: DeviceId) -> bool {
    let source = order.deployment.source;
    device != source || order.is_accelerator(source)
}
