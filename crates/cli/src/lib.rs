//! The command `edgeplan` as a function, for the executable and for the Python package.

pub mod answers;
mod argument;
mod batch;
mod bench;
mod check;
mod compare;
mod distill;
mod engine;
mod epochs;
mod explain;
mod export;
mod fit;
mod generate;
mod import;
mod init;
mod inspect;
mod manual;
mod memory;
mod pareto;
mod plan;
mod profile;
mod program;
mod quantize;
mod question;
mod refresh;
mod replan;
mod reproduce;
mod schedule;
mod sensitivity;
mod service;
mod simulate;
mod solvers;
mod ui;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};
use edgeplan_measure::machine::set_revision;
use edgeplan_report::table::fit_terminal;
pub use edgeplan_terminal::started::Program;
use edgeplan_terminal::{reply, started, watch};

use crate::reply::{Reply, print_error};

/// Plans which device runs each layer of a large language model, and in which quantization format;
/// proves a lower bound beside every plan
#[derive(Debug, Parser)]
#[command(name = "edgeplan", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plan placement and formats of a model on a cluster, with a proven lower bound
    Plan(plan::Arguments),
    /// Rank models by what a machine makes of them: speed, quality, context
    Fit(fit::Arguments),
    /// Write a cluster file of this machine
    Init(init::Arguments),
    /// Plan in a browser: models, machines, links and limits on a local page
    Ui(ui::Arguments),
    /// Assign the requests of a decision frame to servers and model variants (GUS)
    Schedule(schedule::Arguments),
    /// Plan deployments, hosting and schedules of several sites, and simulate their users
    Service(service::Arguments),
    /// Rank all deployment solvers on one instance
    Compare(compare::Arguments),
    /// Choose the batch of requests of an edge node's next epoch (DFTSP)
    Batch(batch::Arguments),
    /// Compare batching solvers over many epochs of Poisson arrivals
    Epochs(epochs::Arguments),
    /// Benchmark solvers on suites of instances, one process per trial
    Bench(bench::Arguments),
    /// Regenerate tables, plots and pages of a report folder from its records
    Report(refresh::Arguments),
    /// Run one trial of `bench`, described on standard input
    #[command(hide = true)]
    Trial,
    /// Run a model on this machine: predicted against measured time and memory, or quality
    Verify(verify::Arguments),
    /// Measure the KL divergence of each tensor in each format, for `plan --sensitivity`
    #[command(alias = "sense")]
    Sensitivity(sensitivity::Arguments),
    /// Write the quantized GGUF file of a plan or a recipe
    #[command(alias = "apply")]
    Quantize(quantize::Arguments),
    /// Distill a model into its quantized version, and write the GGUF file
    Distill(distill::Arguments),
    /// Sweep quality budgets: plans of least size, and their measured divergence (DILEMMA)
    #[command(alias = "dilemma")]
    Pareto(pareto::Arguments),
    /// Show the binding limits of a plan, and the gain from relaxing each; --time bounds all of it
    Explain(explain::Arguments),
    /// Plan again after a device left, slowed or lost memory, with what has to move
    Replan(replan::Arguments),
    /// Evaluate a plan file on its instance, and verify a certificate
    Check(check::Arguments),
    /// Write the files and commands that run a plan on an engine, or the question as MPS or LP
    Export(export::Arguments),
    /// Show the data of a model, a device or a cluster, with sources
    Inspect(inspect::Arguments),
    /// Show bytes per device as llama.cpp allocates them, and what its dry run says
    Memory(memory::Arguments),
    /// Simulate a trace of requests on a plan, event by event
    Simulate(simulate::Arguments),
    /// Measure the kernels of this machine, or the link to another machine
    Profile(profile::Arguments),
    /// Convert data of other tools to a cluster, device or sensitivity file
    Import(import::Arguments),
    /// Write an instance of a seeded family, or a GGUF file of random weights
    Generate(generate::Arguments),
    /// Recompute published figures of four papers, and print the differences
    Reproduce(reproduce::Arguments),
    /// List the solvers of `plan` and `schedule` with their guarantees
    Solvers(solvers::Arguments),
    /// Print a completion script for a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (man), or write a page of each command to a folder
    Man {
        /// New or empty folder
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// Runs the command of these arguments, the program's name first, and prints what it answers; an
/// error goes to standard error. `program` is how this program is started again. The exit code is 0
/// with an answer, 1 without, 2 for a wrong input, 3 where a solver's answer is wrong.
pub fn run(program: Program, arguments: &[OsString]) -> u8 {
    set_revision(env!("EDGEPLAN_REVISION"));
    started::set(program, arguments);
    let command = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command }) => command,
        Err(refusal) => {
            // Help and version are refusals, too, and succeed.
            let _ = refusal.print();
            return refusal.exit_code().try_into().unwrap_or(2);
        }
    };
    fit_terminal();
    answer(command).and_then(Reply::print).unwrap_or_else(|error| print_error(&error))
}

fn answer(command: Command) -> Result<Reply> {
    match command {
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Ui(arguments) => ui::run(&arguments),
        Command::Schedule(arguments) => schedule::run(&arguments),
        Command::Service(arguments) => service::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        Command::Epochs(arguments) => epochs::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Report(arguments) => refresh::run(&arguments),
        Command::Trial => bench::trial(),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Sensitivity(arguments) => sensitivity::run(&arguments),
        Command::Quantize(arguments) => quantize::run(&arguments),
        Command::Distill(arguments) => distill::run(&arguments),
        Command::Pareto(arguments) => pareto::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Replan(arguments) => replan::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Solvers(arguments) => solvers::run(&arguments),
        Command::Completions { shell } => Ok(manual::completions(Arguments::command(), shell)),
        Command::Man { out } => manual::pages(Arguments::command(), out.as_deref()),
    }
}
