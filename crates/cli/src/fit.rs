//! `edgeplan fit`: which models fit a machine, how fast, how well, and with how much context.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Parser as _;
use clap::builder::NonEmptyStringValueParser;
use edgeplan::fit::{Fit, Order, Ranked, catalog, machines, models_in};
use edgeplan::{Changes, Limits, Task};
use edgeplan_model::sensitivity::Quality;
use edgeplan_pricing::workload::{Goal, Workload};

use edgeplan_terminal::models;

use crate::answers::Given;
use crate::argument::seconds;
use crate::question::{Machines, RequestKeys};
use crate::reply::Reply;
use crate::watch;

#[derive(Debug, clap::Args)]
#[command(after_help = "Unless said otherwise, a model counts at 10 tokens/s and the quality of \
                        q4_K_M.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    machines: Machines,
    /// Model: `catalog:NAME`, a GGUF file, a config.json, or a folder of these; repeat for several
    /// [default: the whole catalog]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    model: Vec<String>,
    #[command(flatten)]
    request: RequestKeys,
    /// What comes first: the largest models, the fastest, the least loss, or the longest context
    #[arg(long, value_enum, default_value_t = Sort::Size)]
    sort: Sort,
    /// Filter and sort on the terminal; plan, explain and export from there
    #[arg(long, conflicts_with_all = ["json", "rows"])]
    view: bool,
    /// Rows to print; 0 prints all
    #[arg(long, default_value_t = 20)]
    rows: usize,
    /// Time limit of everything, in seconds
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true, value_parser = seconds)]
    time: f64,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Sort {
    Size,
    Speed,
    Quality,
    Context,
}

/// Default of --decode-min, in tokens per second: faster than most people read.
const DECODE_MIN: f64 = 10.0;
/// Default of --quality.
const FLOOR: &str = "q4_K_M";

/// Asks for every model, until `stop` is set, and ranks them; with what was asked.
fn ranked<'a>(arguments: &Arguments, stop: &'a AtomicBool) -> Result<(Fit, Task<'a>, Ranked)> {
    let (cluster, notes) = machines(&arguments.machines.sources())?;
    let asked = arguments.request.changes(Some(Goal::Quality));
    let changes = Changes {
        quality: asked.quality.or_else(|| Some(Quality::Like(FLOOR.into()))),
        decode_min: asked.decode_min.or(Some(DECODE_MIN)),
        ..asked
    };
    let mut workload = Workload::default();
    changes.apply(&mut workload)?;
    let models = match arguments.model.is_empty() {
        true => catalog(),
        false => arguments.model.iter().flat_map(|model| models_in(model)).collect(),
    };
    let limits = Limits {
        time: Some(Duration::from_secs_f64(arguments.time)),
        interrupt: Some(stop),
        ..Task::default().limits
    };
    let fit = Fit { models, cluster, workload };
    let task = Task { limits, ..Task::default() };
    let mut ranked = fit.run(&task);
    ranked.notes = notes;
    ranked.sort(match arguments.sort {
        Sort::Size => Order::Size,
        Sort::Speed => Order::Speed,
        Sort::Quality => Order::Quality,
        Sort::Context => Order::Context,
    });
    Ok((fit, task, ranked))
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    watch::listen();
    if arguments.view && !models::has_screen() {
        bail!("--view: standard output is no terminal; without --view the table is printed");
    }
    let (fit, task, mut ranked) = ranked(arguments, watch::flag())?;
    if arguments.view {
        models::show(&fit, &task, &mut ranked)?;
        return Ok(Reply::text(""));
    }
    let rows = if arguments.rows == 0 { usize::MAX } else { arguments.rows };
    let found = ranked.fitting().next().is_some();
    Ok(Reply::either(arguments.json, &ranked, &ranked.text(rows)).found(found))
}

/// As `edgeplan fit`.
///
/// # Errors
/// Arguments that are not understood, machines that make no sense.
pub fn given(arguments: &[String], stop: &AtomicBool) -> Result<Ranked> {
    Ok(ranked(&Given::<Arguments>::try_parse_from(arguments)?.arguments, stop)?.2)
}
