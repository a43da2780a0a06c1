//! `edgeplan generate`: write an instance of a seeded family, or a model of random weights.

pub(crate) mod gguf;
mod teacher;

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_families::{Draw, Network};
use edgeplan_files::deployment::write_instance;
use edgeplan_harness::suite::written;
use edgeplan_problem::deployment::{Objective, Placement};

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    model: Option<What>,
    #[command(flatten)]
    instance: Instance,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write a GGUF file of random weights in any recipe, for `edgeplan verify`
    Gguf(gguf::Arguments),
    /// Train a small byte-level language model, for quality measurements
    Teacher(teacher::Arguments),
    /// Write an instance of any family of suites, hard problems with known answers among them:
    /// `three-partition bins=4 answer=no seeds=7`
    Family {
        /// The family; bench-data/suites/README.md lists all
        family: String,
        /// Its keys as in a suite, each with one value
        #[arg(value_name = "KEY=VALUE")]
        keys: Vec<String>,
        /// File to write [default: standard output]
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, clap::Args)]
struct Instance {
    /// Instance family
    #[arg(value_enum, default_value_t = Family::Random)]
    family: Family,
    /// Layers of the model, 1 to 1024; at least 3 in families other than random
    #[arg(long, default_value_t = 26, allow_negative_numbers = true)]
    layers: usize,
    /// Devices, 1 to 1024
    #[arg(long, default_value_t = 5, allow_negative_numbers = true)]
    devices: usize,
    /// Formats per layer, 1 to 8
    #[arg(long, default_value_t = 4, allow_negative_numbers = true)]
    formats: usize,
    /// home-lab, edge-sites, classes: recipes per layer, uniform and mixed
    #[arg(long, default_value_t = 24, allow_negative_numbers = true)]
    recipes: usize,
    /// home-lab, edge-sites, classes: model whose blocks are cut or repeated to --layers;
    /// `catalog:NAME`, a GGUF file or a config.json
    #[arg(long, default_value = "catalog:llama-3.1-8b")]
    model: String,
    /// classes: number of classes of identical devices
    #[arg(long, default_value_t = 3, allow_negative_numbers = true)]
    classes: usize,
    /// random: total memory as a percentage of the model at 5 bits per weight
    #[arg(long, default_value_t = 143, allow_negative_numbers = true)]
    memory_percent: u64,
    /// Scale memory to this percentage of the best uniform format's need; 105 is tight
    #[arg(long, allow_negative_numbers = true)]
    tight: Option<u64>,
    /// Objective to minimise
    #[arg(long, value_enum, default_value_t = Goal::Latency)]
    objective: Goal,
    /// Free placement: a device may hold several runs of layers
    #[arg(long)]
    free: bool,
    /// Random seed
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// File to write [default: standard output]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// A family that a person may ask for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Family {
    /// Layers of unequal size on devices of unequal speed, random hops
    Random,
    /// Home devices on one switch
    HomeLab,
    /// Servers in a plane with latency by distance; the source is behind a slow link
    EdgeSites,
    /// Classes of identical devices on one switch
    Classes,
}

impl Family {
    /// Its network; `classes` is how many classes of identical devices there are.
    fn network(self, classes: usize) -> Option<Network> {
        match self {
            Self::Random => None,
            Self::HomeLab => Some(Network::HomeLab),
            Self::EdgeSites => Some(Network::EdgeSites),
            Self::Classes => Some(Network::Classes(classes)),
        }
    }
}

/// An objective, in words for a person.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Goal {
    /// Time of one request
    Latency,
    /// Time of the busiest pipeline stage, the inverse of throughput
    Bottleneck,
    /// Bytes in use on all devices
    Memory,
}

impl From<Goal> for Objective {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::Latency => Self::Latency,
            Goal::Bottleneck => Self::Bottleneck,
            Goal::Memory => Self::Memory,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    match &arguments.model {
        Some(What::Gguf(arguments)) => gguf::run(arguments),
        Some(What::Teacher(arguments)) => teacher::run(arguments),
        Some(What::Family { family, keys, out }) => {
            let (text, known) = written(family, keys)?;
            known.iter().for_each(|known| eprintln!("{known}"));
            Reply::file(text, out.as_deref())
        }
        None => instance(&arguments.instance),
    }
}

fn instance(arguments: &Instance) -> Result<Reply> {
    let draw = Draw {
        network: arguments.family.network(arguments.classes),
        model: arguments.model.clone(),
        layers: arguments.layers,
        devices: arguments.devices,
        formats: arguments.formats,
        recipes: arguments.recipes,
        memory_percent: arguments.memory_percent,
        tight: arguments.tight,
        objective: arguments.objective.into(),
        placement: if arguments.free { Placement::Free } else { Placement::Contiguous },
        seed: arguments.seed,
    };
    Reply::file(write_instance(&draw.instance()?), arguments.out.as_deref())
}
