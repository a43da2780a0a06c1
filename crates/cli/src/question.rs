//! The question that a command is asked: an instance file, or a model on a cluster.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::Result;
use clap::builder::NonEmptyStringValueParser;
use edgeplan::{
    Changes, Entry, Error, Limits, Quiet, Runtime, Session, Sources, Task, solver_named,
};
use edgeplan_external::External;
use edgeplan_files::quantity::tokens;
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::Goal;
use edgeplan_problem::format::Format;
use edgeplan_runtimes::RUNTIMES;
use edgeplan_solvers::DEPLOYMENT;

use crate::argument::{fraction, seconds};
use crate::watch;

/// Which instance, and how long to think about it.
#[derive(Debug, clap::Args)]
pub(crate) struct Question {
    /// Instance file (JSON) in place of models, machines and a workload
    #[arg(conflicts_with_all = [
        "model", "cluster", "device", "workload", "sensitivity", "objective", "prompt", "generate",
        "context", "quality", "decode_min", "kv", "mmproj",
    ])]
    instance: Option<PathBuf>,
    /// Model: `catalog:NAME`, a GGUF file, or a Hugging Face config.json or its folder; repeat for
    /// several models on one cluster [default: catalog:llama-3.1-8b]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    model: Vec<String>,
    /// Vision projector beside the model, a GGUF file of the architecture clip
    #[arg(long)]
    mmproj: Option<PathBuf>,
    #[command(flatten)]
    machines: Machines,
    #[command(flatten)]
    request: RequestKeys,
    /// What is minimised: latency, decode, throughput, memory; or made as good as the limits
    /// allow: quality, context
    #[arg(long, value_parser = Goal::from_str, help_heading = KEYS)]
    objective: Option<Goal>,
    /// Workload: a workload.toml [default: 512 prompt tokens, 128 generated tokens, quality of
    /// q4_K_M]
    #[arg(long)]
    workload: Option<PathBuf>,
    #[arg(
        long = "for",
        value_name = "ENGINE",
        value_parser = Runtime::find,
        help = engine_help("Engine whose limits hold and whose overheads are priced")
    )]
    pub(crate) runtime: Option<&'static Runtime>,
    /// Measured loss by tensor and format, a file of `edgeplan sensitivity`, in place of estimates;
    /// repeat for several models
    #[arg(long)]
    sensitivity: Vec<PathBuf>,
    /// Time limit per solver, in seconds
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true, value_parser = seconds)]
    pub(crate) time: f64,
    /// Relative gap between cost and lower bound at which a plan counts as optimal
    #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true, value_parser = fraction)]
    pub(crate) gap: f64,
    /// Random seed
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Threads of HiGHS, CBC, joint and portfolio, whose solvers take turns on one; others use one
    /// [default: one per core]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
}

/// Which machines; the default is the command's.
#[derive(Debug, clap::Args)]
pub(crate) struct Machines {
    /// Cluster: a cluster.toml [default: a laptop, two Jetsons and a GPU desktop; of `fit`, this
    /// machine]
    #[arg(long)]
    pub(crate) cluster: Option<PathBuf>,
    /// Device of one PC, a profile such as rtx-3090-24, in place of --cluster; repeat for several
    /// devices and the processor
    #[arg(
        long,
        conflicts_with = "cluster",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub(crate) device: Vec<String>,
    /// Main memory of that PC, such as '64 GiB'; of a usual processor if --device names none
    #[arg(long, requires = "device")]
    pub(crate) ram: Option<String>,
}

impl Machines {
    /// These machines, and everything else by default.
    pub(crate) fn sources(&self) -> Sources {
        Sources {
            cluster: self.cluster.clone().map(Into::into),
            devices: self.device.clone(),
            ram: self.ram.clone(),
            ..Sources::default()
        }
    }
}

const KEYS: &str = "In place of the workload's keys";

/// What a request is and what it needs, where that is not as the workload says.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestKeys {
    /// Prompt tokens of a request
    #[arg(long, value_name = "TOKENS", value_parser = tokens, help_heading = KEYS)]
    prompt: Option<u32>,
    /// Tokens generated after the prompt
    #[arg(long, value_name = "TOKENS", value_parser = tokens, help_heading = KEYS)]
    generate: Option<u32>,
    /// Tokens that the KV cache is allocated for
    #[arg(long, value_name = "TOKENS", value_parser = tokens, help_heading = KEYS)]
    context: Option<u32>,
    /// Quality floor: a format or mix such as q4_K_M, a KL divergence in nats, or any
    #[arg(long, value_parser = Quality::from_str, help_heading = KEYS)]
    quality: Option<Quality>,
    /// Least speed in generated tokens per second, without the time of the prompt
    #[arg(long, value_name = "RATE", help_heading = KEYS)]
    decode_min: Option<f64>,
    /// Format of the KV cache; of several the one with the best plan: f16,q8_0
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', help_heading = KEYS)]
    kv: Vec<Format>,
}

impl RequestKeys {
    /// What they change of a workload.
    pub(crate) fn changes(&self, objective: Option<Goal>) -> Changes {
        Changes {
            prompt: self.prompt,
            generate: self.generate,
            context: self.context,
            objective,
            quality: self.quality.clone(),
            decode_min: self.decode_min,
            kv: self.kv.clone(),
        }
    }
}

/// A question for one solver.
#[derive(Debug, clap::Args)]
pub(crate) struct SolveArguments {
    #[command(flatten)]
    pub(crate) question: Question,
    /// Solver, one of `edgeplan solvers` [default: chain-search, or portfolio where models or runs
    /// share devices]
    #[arg(long, conflicts_with = "solver_command")]
    solver: Option<String>,
    /// Solver that is a program: `my-solver {instance} {plan} {claim} {time} {threads}`; these
    /// arguments may be left out
    #[arg(long, value_name = "COMMAND", value_parser = external)]
    solver_command: Option<External>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl SolveArguments {
    /// The solver, and its limits.
    pub(crate) fn task(&self) -> Result<Task<'static>> {
        let solver = match &self.solver_command {
            Some(command) => Some(command.clone().entry(EXTERNAL)),
            None => self.solver.as_deref().map(find_solver).transpose()?,
        };
        Ok(Task { solver, ..self.question.task() })
    }
}

/// What a solver of the command line is called.
pub(crate) const EXTERNAL: &str = "external";

/// A solver that is a program, whose relative paths are those of the shell.
pub(crate) fn external(command: &str) -> Result<External, String> {
    External::new(command, Path::new("."))
}

/// The help text of an argument that names an engine: what it is for, and all engines.
pub(crate) fn engine_help(what: &str) -> String {
    let names: Vec<&str> = RUNTIMES.iter().map(|runtime| runtime.name).collect();
    format!("{what}: {}", names.join(", "))
}

/// The solver of that name, or an error with the nearest one.
pub(crate) fn find_solver(name: &str) -> Result<&'static Entry, Error> {
    solver_named(DEPLOYMENT, name, "solver", "`edgeplan solvers` lists them")
}

impl Question {
    /// What the command line names.
    pub(crate) fn sources(&self) -> Sources {
        Sources {
            instance: self.instance.clone().map(Into::into),
            models: self.model.clone(),
            workload: self.workload.clone().map(Into::into),
            changes: self.request.changes(self.objective),
            sensitivity: self.sensitivity.clone(),
            projector: self.mmproj.clone(),
            engine: self.runtime,
            ..self.machines.sources()
        }
    }

    /// Loads and prices the question, and finds what its objective looks for before a plan.
    pub(crate) fn load(&self) -> Result<Session> {
        let session = self.sources().load()?;
        Ok(session.resolved(&self.task(), &mut Quiet)?)
    }

    /// The default solver under the limits of the command line; Ctrl-C ends a run.
    pub(crate) fn task(&self) -> Task<'static> {
        let limits = Limits {
            time: Some(Duration::from_secs_f64(self.time)),
            gap: self.gap,
            seed: self.seed,
            threads: self.threads.unwrap_or_else(cores),
            interrupt: Some(watch::flag()),
            ..Limits::default()
        };
        Task { limits, ..Task::default() }
    }
}

/// Cores that this process may use.
fn cores() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(cores).unwrap_or(1)
}

/// What solvers of schedules and of batches may take.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Effort {
    /// Time limit per solver, in seconds
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true, value_parser = seconds)]
    time: f64,
    /// Random seed
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Threads of HiGHS and CBC; other solvers use one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
}

impl Effort {
    /// The limits of the command line; Ctrl-C ends a run.
    pub(crate) fn limits(self) -> Limits<'static> {
        let Self { time, seed, threads } = self;
        let (time, interrupt) = (Some(Duration::from_secs_f64(time)), Some(watch::flag()));
        Limits { time, seed, threads, interrupt, ..Limits::default() }
    }
}
