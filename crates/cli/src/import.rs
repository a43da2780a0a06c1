//! `edgeplan import`: what other tools and measurements publish becomes a cluster.toml or
//! a device or a sensitivity file.

use std::path::PathBuf;

use anyhow::{Result, bail};
use edgeplan_files::quantity::{Bandwidth, Memory, Time};
use edgeplan_machines::import::{Kind, Options, import};
use edgeplan_model::sensitivity::suite;
use edgeplan_pricing::llama_bench::{Bench, llama_bench};

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Format of the files
    #[arg(value_enum)]
    kind: Format,
    /// Files to convert. distilp: device profiles; rtt: one matrix; helix: a cluster and optionally
    /// its machines; sensitivity: the table by tensor, then that of the whole model; llama-bench:
    /// its output
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// rtt: time unit of the matrix
    #[arg(long, default_value = "1 ms")]
    unit: Time,
    /// rtt, distilp: bandwidth of every link
    #[arg(long, default_value = "100 Mbit/s")]
    bandwidth: Bandwidth,
    /// distilp: link latency of a device without a measured one
    #[arg(long, default_value = "1 ms")]
    latency: Time,
    /// rtt: device profiles, assigned to nodes in turn; helix: TYPE=PROFILE; repeat for several
    #[arg(long)]
    device: Vec<String>,
    /// rtt: rows of the matrix to use, the source first, separated by commas [default: all]
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<usize>,
    /// rtt: write a one-way link for each direction
    #[arg(long)]
    one_way: bool,
    /// llama-bench: memory of the device, such as `16 GiB`
    #[arg(long)]
    memory: Option<Memory>,
    /// llama-bench: thread count of the tests to use, where the output has several
    #[arg(long)]
    threads: Option<u32>,
    /// sensitivity: model, as for `plan --model`
    #[arg(long, default_value = "", hide_default_value = true)]
    model: String,
    /// sensitivity: quantization type that every tensor was measured in
    #[arg(long, default_value = "q2_k_r4")]
    probe: String,
    /// File to write [default: standard output]
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Device profiles of distilp (JSON)
    Distilp,
    /// Square matrix of round-trip times (text)
    Rtt,
    /// Cluster of Helix (INI)
    Helix,
    /// Divergence by tensor from the GGUF Tool Suite of Thireus and contributors (CSV), to a file
    /// for `plan --sensitivity`
    Sensitivity,
    /// Output of `llama-bench -o json` on a device (JSON), to a device file for `profile = "FILE"`
    /// in a cluster.toml
    LlamaBench,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let kind = match arguments.kind {
        Format::Distilp => Kind::Distilp,
        Format::Rtt => Kind::Rtt,
        Format::Helix => Kind::Helix,
        Format::Sensitivity => {
            let [tensors, whole] = &arguments.files[..] else {
                bail!(
                    "{} files; the table by tensor and that of the whole model are needed",
                    arguments.files.len()
                );
            };
            let model = edgeplan_model::load(&arguments.model)?;
            let text = suite::import(&model, tensors, whole, &arguments.probe)?;
            return Reply::file(text, arguments.out.as_deref());
        }
        Format::LlamaBench => {
            let Some(memory) = arguments.memory else {
                bail!("the memory of the device is needed, such as `--memory '16 GiB'`");
            };
            let bench = Bench { memory, threads: arguments.threads };
            let text = llama_bench(&arguments.files, bench)?;
            return Reply::file(text, arguments.out.as_deref());
        }
    };
    let options = Options {
        unit: arguments.unit,
        bandwidth: arguments.bandwidth,
        latency: arguments.latency,
        devices: arguments.device.clone(),
        nodes: arguments.nodes.clone(),
        one_way: arguments.one_way,
    };
    Reply::file(import(kind, &arguments.files, &options)?, arguments.out.as_deref())
}
