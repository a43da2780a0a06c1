//! `edgeplan memory`: bytes per device as llama.cpp allocates them, and what its dry run says.

use std::path::PathBuf;
use std::str::FromStr as _;

use anyhow::Result;
use edgeplan_memory::{Placement, Question};
use edgeplan_problem::format::Format;
use edgeplan_problem::recipe::FormatMix;

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Model: `catalog:NAME`, a GGUF file or its header alone, a config.json or its folder
    model: String,
    /// Formats of matrices that may be quantized: a base format and exceptions by tensor class
    #[arg(long, default_value = "q8_0", value_parser = FormatMix::from_str)]
    recipe: FormatMix,
    /// Tokens of one sequence, prompt and answer [default: 8192, or the model's own limit]
    #[arg(long, value_parser = edgeplan_files::quantity::tokens)]
    context: Option<u32>,
    /// Sequences at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    sequences: u64,
    /// Tokens of a physical batch
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=65536))]
    ubatch: u64,
    /// Format of the KV cache
    #[arg(long, default_value_t = Format::F16, value_parser = Format::from_str)]
    kv: Format,
    /// Vision projector beside the model, a GGUF file of the architecture clip
    #[arg(long)]
    mmproj: Option<PathBuf>,
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
    let &Arguments { context, sequences, ubatch, kv, gpu_layers, n_cpu_moe, json, .. } = arguments;
    let question = Question {
        model: &arguments.model,
        recipe: &arguments.recipe,
        context: context.map(u64::from),
        sequences,
        ubatch,
        kv,
        projector: arguments.mmproj.as_deref(),
        placement: Placement { gpu_layers, cpu_moe: n_cpu_moe },
    };
    Ok(Reply::shown(json, &question.compare(arguments.engine.as_deref())?))
}
