//! What a simulation is asked.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use edgeplan_problem::Nanos;
use edgeplan_service::Planned;
use edgeplan_simulator::trace::Poisson;
use edgeplan_simulator::{Continuous, Epochs, Layout, Policy, ServiceTimes, Size, StaticBatch};

use crate::argument::{number, seconds};
use crate::batch::find_solver;
use crate::question::Question;

/// More requests or bars than this are a typing error.
const COUNT_MAX: u64 = 20_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Plan file (JSON) of the instance [default: the solver's plan]
    #[arg(long)]
    pub(crate) plan: Option<PathBuf>,
    /// Solver of the plan, one of `edgeplan solvers` [default: the one that suits the question]
    #[arg(long)]
    pub(crate) solver: Option<String>,
    /// Request trace: CSV (TIMESTAMP, ContextTokens, GeneratedTokens) or JSON lines (timestamp in
    /// ms, input_length, output_length)
    #[arg(long)]
    pub(crate) trace: Option<PathBuf>,
    /// Rate of Poisson arrivals, in requests per second, where no trace is given
    #[arg(long, default_value = "0.2", conflicts_with = "trace", value_parser = rate)]
    poisson: f64,
    /// Number of requests: of the trace [default: all] or of Poisson arrivals [default: 1000]
    #[arg(long, value_parser = counts())]
    pub(crate) requests: Option<usize>,
    /// poisson: prompt lengths to draw from, in tokens, separated by commas [default: the
    /// workload's]
    #[arg(long, value_delimiter = ',', conflicts_with = "trace", value_parser = tokens(1))]
    prompt: Vec<u32>,
    /// poisson: output lengths to draw from, in tokens, separated by commas [default: the
    /// workload's]
    #[arg(long, value_delimiter = ',', conflicts_with = "trace", value_parser = tokens(0))]
    generate: Vec<u32>,
    /// Request that an instance file is priced for: prompt and generated tokens
    #[arg(long, default_value = "512,128", value_parser = size, requires = "instance")]
    pub(crate) priced: Size,
    /// Factor on all arrival times; above 1 lowers the load
    #[arg(long, default_value_t = 1.0, value_parser = factor)]
    pub(crate) stretch: f64,
    /// Batching policies to compare, separated by commas
    #[arg(
        long = "policy",
        value_enum,
        value_delimiter = ',',
        default_values = ["fcfs", "static", "continuous"]
    )]
    pub(crate) policies: Vec<Name>,
    /// Maximum batch size, in requests
    #[arg(long, default_value_t = 8, value_parser = counts())]
    batch: usize,
    /// Batches in flight per model [default: the number of stages of the plan]
    #[arg(long, value_parser = counts())]
    pub(crate) lanes: Option<usize>,
    /// Epoch length in seconds: requests join a batch at epoch boundaries only
    #[arg(long, value_parser = epoch)]
    epoch: Option<f64>,
    /// Deadline in seconds; requests that take longer are counted as missed
    #[arg(long, value_parser = seconds)]
    pub(crate) deadline: Option<f64>,
    /// Write a Gantt chart to this SVG file
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,
    /// Write a page with the chart and all numbers to this HTML file
    #[arg(long)]
    pub(crate) html: Option<PathBuf>,
    /// Start of the chart, in seconds after the first arrival
    #[arg(long, default_value_t = 0.0, value_parser = seconds)]
    pub(crate) from: f64,
    /// Bars of the chart per policy
    #[arg(long, default_value_t = 400, value_parser = counts())]
    pub(crate) bars: usize,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// A batching policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// First come, first served, one request at a time
    Fcfs,
    /// Static batching: a batch starts and ends together
    Static,
    /// Continuous batching: requests join and leave between any two tokens
    Continuous,
    /// Largest batch that meets all deadlines, by DFTSP
    Dftsp,
    /// Largest batch that meets all deadlines, by the batch-search solver
    BatchSearch,
}

impl Arguments {
    /// The policy of that name on a plan with those times.
    pub(crate) fn policy(
        &self,
        name: Name,
        layout: &Layout,
        times: &dyn ServiceTimes,
    ) -> Result<Box<dyn Policy>> {
        let size = self.batch;
        let planned = |solver: &str| -> Result<Box<dyn Policy>> {
            let solver = (find_solver(solver)?.make)();
            Ok(Box::new(Planned::new(solver, size, layout, times, self.lanes)))
        };
        let policy: Box<dyn Policy> = match name {
            Name::Fcfs => Box::new(StaticBatch { size: 1 }),
            Name::Static => Box::new(StaticBatch { size }),
            Name::Continuous => Box::new(Continuous { size }),
            Name::Dftsp => planned("dftsp")?,
            Name::BatchSearch => planned("batch-search")?,
        };
        Ok(match self.epoch {
            Some(seconds) => Box::new(Epochs::new(Nanos((seconds * 1e9) as u64), policy)),
            None => policy,
        })
    }

    /// What people call it.
    pub(crate) fn name(&self, name: Name) -> String {
        match name {
            Name::Fcfs => "fcfs".into(),
            Name::Static => format!("static {}", self.batch),
            Name::Continuous => format!("continuous {}", self.batch),
            Name::Dftsp => format!("dftsp {}", self.batch),
            Name::BatchSearch => format!("batch-search {}", self.batch),
        }
    }

    /// The arrivals that are drawn where there is no trace.
    pub(crate) fn poisson(&self, size: Size) -> Poisson {
        let or = |list: &[u32], usual: u32| match list {
            [] => vec![usual],
            list => list.to_vec(),
        };
        Poisson {
            rate: self.poisson,
            count: self.requests.unwrap_or(1000),
            prompts: or(&self.prompt, size.prompt),
            generates: or(&self.generate, size.generate),
            seed: self.question.seed,
        }
    }
}

fn counts() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=COUNT_MAX)
}

fn tokens(least: u64) -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(least..=u64::from(Size::TOKENS_MAX))
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 1e-6..=1e6, "of requests per second from 0.000001 to 1000000")
}

fn factor(text: &str) -> Result<f64, String> {
    number(text, 1e-6..=1e6, "from 0.000001 to 1000000")
}

fn epoch(text: &str) -> Result<f64, String> {
    number(text, 1e-3..=1e6, "of seconds from 0.001 to 1000000")
}

fn size(text: &str) -> Result<Size, String> {
    let number = |text: &str, least: u32| {
        let count = text.trim().parse::<u32>().ok();
        count.filter(|count| (least..=Size::TOKENS_MAX).contains(count))
    };
    text.split_once(',')
        .and_then(|(prompt, generate)| {
            Some(Size { prompt: number(prompt, 1)?, generate: number(generate, 0)? })
        })
        .ok_or_else(|| {
            let max = Size::TOKENS_MAX;
            format!("two whole numbers up to {max} such as `512,128` are allowed")
        })
}
