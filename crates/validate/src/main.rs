//! `edgeplan-validate`: runs exported plans on llama.cpp, and holds predictions against it.

mod bench;
mod case;
mod child;
mod class;
mod planner;
mod quantized;
mod record;
mod relay;
mod rows;
mod server;
mod splits;
mod suite;
mod summary;
mod trial;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use edgeplan_files::read_text;
use edgeplan_measure::machine::set_revision;

use crate::record::Record;
use crate::suite::Suite;
use crate::trial::Places;

/// Runs exported plans on llama.cpp and records what was predicted and what was measured.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Arguments {
    /// Settings, as bench-data/validation/llama-cpp.toml
    suite: PathBuf,
    /// Folder for the record; rows and profiles that are there are kept
    #[arg(long)]
    out: PathBuf,
    /// Folder of the models that the settings name
    #[arg(long)]
    models: PathBuf,
    /// Folder of llama.cpp's programs; beside it are those for older instruction sets, with `-avx`
    /// and `-sse4.2` behind its name
    #[arg(long)]
    programs: PathBuf,
    /// Folder of profiles of one core by llama.cpp, which are measured where they are missing
    /// [default: the record]
    #[arg(long)]
    profiles: Option<PathBuf>,
    /// Folder for logs and exports [default: one among the models]
    #[arg(long)]
    work: Option<PathBuf>,
    /// Start nothing more after that many seconds; another run goes on from there
    #[arg(long, default_value_t = 1500)]
    time: u64,
    /// The command that the record names
    #[arg(long, default_value = "./x validate-llamacpp FOLDER")]
    command: String,
}

fn main() -> ExitCode {
    set_revision(env!("EDGEPLAN_REVISION"));
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let name = arguments.suite.display().to_string();
    let suite = Suite::parse(&name, &read_text(&arguments.suite)?)?;
    let work = arguments.work.clone().unwrap_or_else(|| arguments.models.join("work"));
    for folder in [&arguments.out, &work] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let places = Places {
        programs: arguments.programs.clone(),
        models: arguments.models.clone(),
        out: arguments.out.clone(),
        work,
    };
    let profiles = arguments.profiles.clone();
    let record = Record {
        profiles: profiles.unwrap_or_else(|| arguments.out.clone()),
        places,
        command: arguments.command.clone(),
        time: Duration::from_secs(arguments.time),
        start: Instant::now(),
    };
    record.all(&suite)
}
