//! The command `edgeplan`.

mod apply;
mod baselines;
mod batch;
mod bench;
mod certificate;
mod check;
mod compare;
mod confidence;
mod diagnosis;
mod dilemma;
mod distill;
mod epochs;
mod explain;
mod export;
mod generate;
mod import;
mod inspect;
mod plan;
mod profile;
mod question;
mod rederived;
mod refresh;
mod reply;
mod report;
mod reproduce;
mod schedule;
mod second_opinion;
mod sense;
mod service;
mod simulate;
mod solvers;
mod verify;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use edgeplan_files::visible;
use edgeplan_measure::machine::set_revision;

use crate::reply::Reply;

/// Decides which device runs each layer of a language model, in which format, and proves how good
/// the plan is.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find a plan and prove how good it is
    Plan(plan::Arguments),
    /// Assign requests to servers and to variants of the service that they ask for
    Schedule(schedule::Arguments),
    /// Plan what a few sites host and who serves whom, and simulate what users see of it
    Service(service::Arguments),
    /// Run every solver on one instance and rank them
    Compare(compare::Arguments),
    /// Choose which waiting requests an edge node serves in its next epoch
    Batch(batch::Arguments),
    /// Let requests arrive epoch after epoch and compare what solvers get done
    Epochs(epochs::Arguments),
    /// Measure solvers on suites of instances, each trial in a process of its own
    Bench(bench::Arguments),
    /// Make the tables, plots and pages of reports again from their records
    Report(refresh::Arguments),
    /// Answer the question on standard input; what `bench` starts
    #[command(hide = true)]
    Trial,
    /// Run a model on this machine, and compare its times and memory with what plans expect
    Verify(verify::Arguments),
    /// Measure what each format costs in each tensor of a model, in a file that `plan` reads
    Sense(sense::Arguments),
    /// Write the GGUF file that a plan describes
    Apply(apply::Arguments),
    /// Let a model teach its quantized self, and write the file
    Distill(distill::Arguments),
    /// Trade bits for loss: sweep bounds, plan, and measure what comes of it (DILEMMA)
    Dilemma(dilemma::Arguments),
    /// Say why the plan is what it is: what binds, and what more of it would be worth
    Explain(explain::Arguments),
    /// Evaluate a plan file against an instance
    Check(check::Arguments),
    /// Write a plan as files and commands for an engine that runs it
    Export(export::Arguments),
    /// Show what is known of a model, a device or a cluster
    Inspect(inspect::Arguments),
    /// Run a trace of requests on a plan, event by event
    Simulate(simulate::Arguments),
    /// Measure this machine, or a link to another one
    Profile(profile::Arguments),
    /// Turn what other tools publish into a cluster.toml
    Import(import::Arguments),
    /// Write an instance of a seeded family
    Generate(generate::Arguments),
    /// Compute published figures again and print the difference
    Reproduce(reproduce::Arguments),
    /// List the solvers
    Solvers(solvers::Arguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    set_revision(env!("EDGEPLAN_REVISION"));
    let result = match Arguments::parse().command {
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Schedule(arguments) => schedule::run(&arguments),
        Command::Service(arguments) => service::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        Command::Epochs(arguments) => epochs::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Report(arguments) => refresh::run(&arguments),
        Command::Trial => bench::trial(),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Sense(arguments) => sense::run(&arguments),
        Command::Apply(arguments) => apply::run(&arguments),
        Command::Distill(arguments) => distill::run(&arguments),
        Command::Dilemma(arguments) => dilemma::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Profile(arguments) => profile::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Solvers(arguments) => solvers::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "edgeplan", &mut script);
            Ok(Reply::raw(String::from_utf8_lossy(&script).into_owned()))
        }
    };
    result.and_then(Reply::print).unwrap_or_else(|error| {
        // Nobody is left to be told if this fails, too.
        let text = format!("{error:#}");
        // Some errors quote files, and a terminal obeys what it is shown.
        let lines: Vec<_> = text.lines().map(visible).collect();
        let _ = writeln!(std::io::stderr(), "error: {}", lines.join("\n"));
        ExitCode::from(reply::exit_code(&error))
    })
}
