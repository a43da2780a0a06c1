//! `edgeplan memory`: bytes per device as llama.cpp allocates them, and what its dry run says.

use std::path::PathBuf;
use std::str::FromStr as _;

use anyhow::{Context as _, Result, bail};
use edgeplan_memory::{Comparison, Engine, Placement, devices, dry_run, estimate, runnable};
use edgeplan_model::Allocation;
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;

use crate::reply::Reply;

/// What most people start with.
const CONTEXT: u64 = 8192;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Model: `catalog:NAME`, a GGUF file or its header alone, a config.json or its folder
    model: String,
    /// Formats of matrices that may be quantized: a base format and exceptions by tensor class
    #[arg(long, default_value = "q8_0", value_parser = FormatMix::from_str)]
    recipe: FormatMix,
    /// Tokens of one sequence, prompt and answer [default: 8192, or the model's own limit]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..1 << 32))]
    context: Option<u64>,
    /// Sequences at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    sequences: u64,
    /// Tokens of a physical batch
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=65536))]
    ubatch: u64,
    /// Format of the KV cache
    #[arg(long, default_value_t = Format::F16, value_parser = Format::from_str)]
    kv: Format,
    /// Layers on a device beside the host, counted from the last
    #[arg(long, default_value_t = 0)]
    gpu_layers: u64,
    /// First blocks whose experts stay on the host
    #[arg(long, default_value_t = 0)]
    n_cpu_moe: u64,
    /// Folder of llama.cpp's programs, as `./x fetch llama.cpp` prints it, to ask its dry run, too
    #[arg(long)]
    engine: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let model = edgeplan_model::load(&arguments.model)?;
    let (keys, values) = (arguments.kv, arguments.kv);
    let Arguments { sequences, ubatch, .. } = *arguments;
    let usual = model.context_max.map_or(CONTEXT, |most| most.min(CONTEXT));
    let context = arguments.context.unwrap_or(usual);
    if let Some(most) = model.context_max.filter(|&most| context > most) {
        bail!("--context {context}: {} was made for up to {most} tokens", model.name);
    }
    if !model.caches_in(keys) {
        let block = keys.block_elements();
        bail!("--kv {keys}: rows of its KV cache are no whole number of blocks of {block}");
    }
    let allocation = Allocation { context, sequences, ubatch, keys, values };
    let placement = Placement { gpu_layers: arguments.gpu_layers, cpu_moe: arguments.n_cpu_moe };
    let ours = estimate(&model, &arguments.recipe, &allocation, placement);
    let theirs = match &arguments.engine {
        None => None,
        Some(folder) => {
            let engine = Engine::in_folder(folder)?;
            let place = tempfile::tempdir().context("a folder for the header")?;
            let file = runnable(&arguments.model, &arguments.recipe, place.path())?;
            Some(dry_run(&engine, &file, &allocation, placement)?)
        }
    };
    let devices = devices(placement, ours, theirs);
    let found = Comparison { model: model.name, context, devices, notes: model.notes };
    Ok(Reply::shown(arguments.json, &found))
}
