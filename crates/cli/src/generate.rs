//! `edgeplan generate`: write a random instance.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use edgeplan_instances::file::write_atomic;
use edgeplan_instances::generate::{Random, random};
use edgeplan_instances::instance::write_instance;
use edgeplan_problem::deployment::{Objective, Placement};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Layers of the model, 1 to 1024
    #[arg(long, default_value_t = 26)]
    layers: usize,
    /// Devices, 1 to 1024
    #[arg(long, default_value_t = 5)]
    devices: usize,
    /// Formats per layer, 1 to 8
    #[arg(long, default_value_t = 4)]
    formats: usize,
    /// Memory of all devices over what the model needs at 5 bits, in percent
    #[arg(long, default_value_t = 143)]
    memory_percent: u64,
    /// What is minimised
    #[arg(long, value_enum, default_value_t = Goal::Latency)]
    objective: Goal,
    /// Let a device be visited again
    #[arg(long)]
    free: bool,
    /// Seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write to this file instead of the terminal
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Goal {
    Latency,
    Bottleneck,
    Memory,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let sizes = [
        ("layers", arguments.layers, 1024),
        ("devices", arguments.devices, 1024),
        ("formats", arguments.formats, 8),
    ];
    for (name, value, most) in sizes {
        if !(1..=most).contains(&value) {
            bail!("--{name} {value}: 1 to {most} are allowed");
        }
    }
    if !(1..=100_000).contains(&arguments.memory_percent) {
        bail!("--memory-percent {}: 1 to 100000 are allowed", arguments.memory_percent);
    }
    let family = Random {
        layers: arguments.layers,
        devices: arguments.devices,
        formats: arguments.formats,
        memory_percent: arguments.memory_percent,
        objective: match arguments.objective {
            Goal::Latency => Objective::Latency,
            Goal::Bottleneck => Objective::Bottleneck,
            Goal::Memory => Objective::Memory,
        },
        placement: if arguments.free { Placement::Free } else { Placement::Contiguous },
        seed: arguments.seed,
    };
    let text = write_instance(&random(&family).checked()?);
    match &arguments.out {
        Some(path) => write_atomic(path, &text)?,
        None => print!("{text}"),
    }
    Ok(ExitCode::SUCCESS)
}
