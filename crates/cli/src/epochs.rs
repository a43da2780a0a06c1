//! `edgeplan epochs`: one edge node, epoch after epoch, while requests arrive at random: what
//! different ways to form batches get done.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use edgeplan::Limits;
use edgeplan::epochs::Sweep;
use edgeplan_batching::paper::MODELS;
use edgeplan_files::write_atomic;
use edgeplan_report::curves::svg;

use crate::argument::{number, seconds};
use crate::batch::{Radio, find_solver};
use crate::reply::{Reply, check_all, write_record};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Model of the node; repeat for several [default: bloom-3b, bloom-7b1, opt-13b]
    #[arg(long)]
    model: Vec<String>,
    #[command(flatten)]
    radio: Radio,
    /// Arrival rates, in requests per second, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "2,4,8,16,32", value_parser = per_second)]
    rate: Vec<f64>,
    /// Batching solvers of `edgeplan batch --solvers`, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "batch-search,static,no-batching")]
    solver: Vec<String>,
    /// Epochs per model, arrival rate and solver
    #[arg(long, default_value_t = 100, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    epochs: u32,
    /// Time limit per epoch and solver, in seconds
    #[arg(long, default_value_t = 10.0, allow_negative_numbers = true, value_parser = seconds)]
    time: f64,
    /// Random seed of the arrivals, which are the same for every solver
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Write the table to this CSV file
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Write a plot of throughput over arrival rate to this SVG file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// A rate of an argument.
fn per_second(text: &str) -> Result<f64, String> {
    number(text, 1e-6..=1e4, "of arrivals per second from 0.000001 to 10000")
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    check_all([arguments.csv.as_ref(), arguments.svg.as_ref()])?;
    let entries =
        arguments.solver.iter().map(|name| find_solver(name)).collect::<Result<Vec<_>>>()?;
    let models: Vec<String> = match arguments.model.is_empty() {
        true => MODELS.map(str::to_owned).to_vec(),
        false => arguments.model.clone(),
    };
    watch::listen();
    let limits = Limits {
        time: Some(Duration::from_secs_f64(arguments.time)),
        seed: arguments.seed,
        interrupt: Some(watch::flag()),
        ..Limits::default()
    };
    let sweep = Sweep {
        settings: models.iter().map(|model| arguments.radio.setting(model)).collect(),
        rates: arguments.rate.clone(),
        entries,
        epochs: arguments.epochs,
        seed: arguments.seed,
        limits,
    };
    let mut busy = watch::Steps::default();
    let records = sweep.run(&mut |solver| busy.begin(solver))?;
    drop(busy);
    if watch::interrupted() {
        bail!("interrupted after {} cases; nothing is written", records.0.len());
    }
    write_record(arguments.csv.as_deref(), &records.csv())?;
    if let Some(path) = &arguments.svg {
        write_atomic(path, &svg(&records.curves()))?;
    }
    Ok(Reply::shown(arguments.json, &records))
}
