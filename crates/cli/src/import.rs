//! `edgeplan import`: what other tools and measurements publish becomes a cluster.toml or
//! a device or a sensitivity file.

use std::path::PathBuf;

use anyhow::{Result, bail};
use edgeplan_machines::import::{Kind, Options, import};
use edgeplan_pricing::llama_bench::{Bench, llama_bench};
use edgeplan_files::quantity::{Bandwidth, Memory, Time};
use edgeplan_model::sensitivity::suite;

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the files are
    #[arg(value_enum)]
    kind: Format,
    /// distilp: device profiles; rtt: one matrix; helix: a cluster and, if any, its machines;
    /// sensitivity: the table by tensor and that of the whole model; llama-bench: what it printed
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// rtt: how long a 1 in the matrix is
    #[arg(long, default_value = "1 ms")]
    unit: Time,
    /// rtt and distilp: bandwidth of every link
    #[arg(long, default_value = "100 Mbit/s")]
    bandwidth: Bandwidth,
    /// distilp: latency of a device that nobody timed
    #[arg(long, default_value = "1 ms")]
    latency: Time,
    /// rtt: a profile, dealt out to the nodes in turn; helix: TYPE=PROFILE
    #[arg(long)]
    device: Vec<String>,
    /// rtt: rows to take, the source's first [default: all]
    #[arg(long, value_delimiter = ',')]
    nodes: Vec<usize>,
    /// rtt: keep both directions of a pair apart
    #[arg(long)]
    one_way: bool,
    /// llama-bench: memory of the device, as `16 GiB`
    #[arg(long)]
    memory: Option<Memory>,
    /// llama-bench: which tests count, where they ran with several numbers of threads
    #[arg(long)]
    threads: Option<u32>,
    /// sensitivity: the model, as for `plan`
    #[arg(long, default_value = "")]
    model: String,
    /// sensitivity: the type that every tensor was measured in
    #[arg(long, default_value = "q2_k_r4")]
    probe: String,
    /// Write to this file instead of the terminal
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    /// Device profiles of distilp (JSON)
    Distilp,
    /// A square matrix of round-trip times
    Rtt,
    /// A cluster of Helix (INI)
    Helix,
    /// Divergence by tensor from the GGUF Tool Suite of Thireus and contributors (CSV), as a file
    /// for `plan --sensitivity`
    Sensitivity,
    /// What `llama-bench -o json` printed on a device (JSON), as a file for `profile = "FILE"` in a
    /// cluster.toml: how fast llama.cpp is there
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
                bail!("how much memory has the device? `--memory '16 GiB'` says so");
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
