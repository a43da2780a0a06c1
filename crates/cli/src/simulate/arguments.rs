//! What a simulation is asked.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::builder::RangedU64ValueParser;
use edgeplan_problem::Nanos;
use edgeplan_service::Planned;
use edgeplan_simulator::trace::Poisson;
use edgeplan_simulator::{Continuous, Epochs, Layout, Policy, ServiceTimes, Size, StaticBatch};

use crate::batch::find_solver;
use crate::question::{Question, seconds};

/// More requests or bars than this are a slip of the pen.
const COUNT_MAX: u64 = 20_000_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Plan file for the instance [default: the solver's plan]
    #[arg(long)]
    pub(crate) plan: Option<PathBuf>,
    /// The solver that plans where no plan file is given
    #[arg(long, default_value = "chain-search")]
    pub(crate) solver: String,
    /// Trace: CSV (TIMESTAMP, ContextTokens, GeneratedTokens) or JSON lines (timestamp in ms,
    /// input_length, output_length)
    #[arg(long)]
    pub(crate) trace: Option<PathBuf>,
    /// Poisson arrivals at this many requests per second, where no trace is given
    #[arg(long, default_value = "0.2", conflicts_with = "trace", value_parser = rate)]
    poisson: f64,
    /// Requests to take from the trace [default: all], or to draw [default: 1000]
    #[arg(long, value_parser = counts())]
    pub(crate) requests: Option<usize>,
    /// poisson: prompt tokens, drawn from this list [default: the workload's]
    #[arg(long, value_delimiter = ',', conflicts_with = "trace", value_parser = tokens(1))]
    prompt: Vec<u32>,
    /// poisson: generated tokens, drawn from this list [default: the workload's]
    #[arg(long, value_delimiter = ',', conflicts_with = "trace", value_parser = tokens(0))]
    generate: Vec<u32>,
    /// The request that an instance file's times are of: prompt and generated tokens
    #[arg(long, default_value = "512,128", value_parser = size, requires = "instance")]
    pub(crate) priced: Size,
    /// Multiply all times of arrival by this
    #[arg(long, default_value_t = 1.0, value_parser = factor)]
    pub(crate) stretch: f64,
    /// Who is served when; several are compared
    #[arg(
        long = "policy",
        value_enum,
        value_delimiter = ',',
        default_values = ["fcfs", "static", "continuous"]
    )]
    pub(crate) policies: Vec<Name>,
    /// Most requests of a batch
    #[arg(long, default_value_t = 8, value_parser = counts())]
    batch: usize,
    /// Batches on their way at once, per model [default: as many as the plan has stages]
    #[arg(long, value_parser = counts())]
    pub(crate) lanes: Option<usize>,
    /// Requests join only in epochs of this many seconds
    #[arg(long, value_parser = epoch)]
    epoch: Option<f64>,
    /// Count requests that take more seconds than this
    #[arg(long, value_parser = seconds)]
    pub(crate) deadline: Option<f64>,
    /// Write a Gantt chart to this file
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,
    /// Write a page with the chart and every number to this file
    #[arg(long)]
    pub(crate) html: Option<PathBuf>,
    /// Seconds after the first request at which the chart begins
    #[arg(long, default_value_t = 0.0, value_parser = seconds)]
    pub(crate) from: f64,
    /// Bars of the chart, per policy
    #[arg(long, default_value_t = 400, value_parser = counts())]
    pub(crate) bars: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A batching policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// First come, first served, one by one
    Fcfs,
    /// Batches that begin and end together
    Static,
    /// Requests join and leave a batch between any two tokens
    Continuous,
    /// The largest batch that is in time, by DFTSP
    Dftsp,
    /// The same by our search
    BatchSearch,
}

impl Arguments {
    /// The policy of that name on a plan with those times.
    pub(crate) fn policy(
        &self,
        name: Name,
        on: (&Layout, &dyn ServiceTimes),
    ) -> Result<Box<dyn Policy>> {
        let size = self.batch;
        let planned = |solver: &str| -> Result<Box<dyn Policy>> {
            let solver = (find_solver(solver)?.make)();
            Ok(Box::new(Planned::new(solver, size, on, self.lanes)))
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
    within(text, 1e-6..=1e6, "requests per second from 0.000001 to 1000000")
}

fn factor(text: &str) -> Result<f64, String> {
    within(text, 1e-6..=1e6, "factor from 0.000001 to 1000000")
}

fn epoch(text: &str) -> Result<f64, String> {
    within(text, 1e-3..=1e6, "seconds from 0.001 to 1000000")
}

fn within(text: &str, range: std::ops::RangeInclusive<f64>, what: &str) -> Result<f64, String> {
    match f64::from_str(text) {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("a number of {what} is allowed")),
    }
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
