//! `edgeplan bench`: measure solvers on suites, or say what was measured.

mod compare;
mod rank;
mod show;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use edgeplan_harness::registry::ALL;
use edgeplan_harness::runner::{Bench, Progress};
use edgeplan_harness::shard::Shard;
use edgeplan_harness::suite::Suite;
use edgeplan_harness::trial::{Allowance, answer};
use edgeplan_instances::quantity::Memory;
use edgeplan_problem::Bytes;
use edgeplan_records::folder::{Folder, merge};
use edgeplan_records::row::Record;
use edgeplan_records::summary::{reconciled, summarize};
use indicatif::{ProgressBar, ProgressStyle};

use crate::question::{fraction, seconds};
use crate::reply::Reply;
use crate::report::command_line;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Suite files, see bench-data/suites
    #[arg(required_unless_present_any = ["summary", "compare", "merge"], requires = "out")]
    suites: Vec<PathBuf>,
    /// Folder for the records; trials that it has are not run again
    #[arg(long)]
    out: Option<PathBuf>,
    /// Solvers, separated by commas [default: those that each suite names]
    #[arg(long, value_delimiter = ',')]
    solver: Vec<String>,
    /// Seeds of the solvers, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0")]
    seed: Vec<u64>,
    /// Seconds that a solver gets per instance
    #[arg(long, default_value_t = 60.0, value_parser = seconds)]
    time: f64,
    /// Seconds past that after which its process is killed
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    grace: f64,
    /// Relative gap at which a plan counts as proven
    #[arg(long, default_value_t = 1e-4, value_parser = fraction)]
    gap: f64,
    /// Address space of a solver's process
    #[arg(long, default_value = "4 GiB")]
    memory: Memory,
    /// Seconds of processor time of a solver's process [default: --time and --grace, for each
    /// thread]
    #[arg(long, value_parser = seconds)]
    cpu: Option<f64>,
    /// Threads of HiGHS and CBC; the other solvers use one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// Run a part of the instances, such as 2/8; --merge joins the parts' records
    #[arg(long, default_value_t = Shard::WHOLE, hide_default_value = true)]
    shard: Shard,
    /// Instances to work on at once; times are only worth comparing with 1, or with --pin
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Keep each trial on as many cores of its own as it has threads (Linux)
    #[arg(long)]
    pin: bool,
    /// Sum up the records of these folders instead; the later one holds for a trial of both
    #[arg(long, value_name = "FOLDER", num_args = 1.., conflicts_with_all = ["suites", "out"])]
    summary: Vec<PathBuf>,
    /// Compare the records of the last folder with those of the one before; more folders before
    /// these are the history that tells what is unusual
    #[arg(
        long,
        value_name = "FOLDER",
        num_args = 2..,
        conflicts_with_all = ["suites", "out", "summary"]
    )]
    compare: Vec<PathBuf>,
    /// Write the records of these folders, such as shards, to the new folder --out
    #[arg(
        long,
        value_name = "FOLDER",
        num_args = 1..,
        requires = "out",
        conflicts_with_all = ["suites", "summary", "compare"]
    )]
    merge: Vec<PathBuf>,
    /// Rank the solvers by ratios to the best, with confidence intervals
    #[arg(long)]
    rank: bool,
    /// Show every trial, too
    #[arg(long)]
    table: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if let Some((new, old)) = arguments.compare.split_last() {
        let read = |path: &PathBuf| Ok(reconciled(Folder::read(path)?));
        let old = old.iter().map(read).collect::<Result<Vec<_>>>()?;
        return Ok(compare::reply(&old, &read(new)?, arguments.json));
    }
    if let (Some(out), false) = (&arguments.out, arguments.merge.is_empty()) {
        let count = merge(&arguments.merge, out)?;
        return Ok(Reply::text(&format!("{count} trials in {}", out.display())));
    }
    let (records, folders) = match &arguments.summary[..] {
        [] => (measure(arguments)?, arguments.out.iter().cloned().collect()),
        folders => (Folder::read_all(folders)?, folders.to_vec()),
    };
    let records = reconciled(records);
    let wrong = records.iter().any(|record| record.verdict.is_wrong());
    if arguments.rank {
        let curve = Folder::read_all_curves(&folders)?;
        return Ok(rank::reply(&records, &curve, arguments.json).wrong(wrong));
    }
    let suites = summarize(&records);
    let text = show::text(&suites, &records, arguments.table);
    Ok(Reply::either(arguments.json, &suites, &text).wrong(wrong))
}

/// The process of one trial.
pub(crate) fn trial() -> Result<Reply> {
    answer(std::io::stdin(), &mut std::io::stdout(), &ALL)?;
    Ok(Reply::raw(String::new()))
}

fn measure(arguments: &Arguments) -> Result<Vec<Record>> {
    let suites = &arguments.suites;
    let read = |path: &PathBuf| Suite::read(path, &ALL);
    let suites = suites.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let Some(out) = &arguments.out else { bail!("--out FOLDER is needed") };
    watch::listen();
    let bench = Bench {
        suites: &suites,
        solvers: &arguments.solver,
        seeds: &arguments.seed,
        allowance: Allowance {
            time_s: arguments.time,
            grace_s: arguments.grace,
            gap: arguments.gap,
            memory: Bytes(arguments.memory.0),
            cpu_s: arguments
                .cpu
                .unwrap_or((arguments.time + arguments.grace) * f64::from(arguments.threads)),
            threads: arguments.threads,
        },
        shard: arguments.shard,
        jobs: arguments.jobs.into(),
        pin: arguments.pin,
        registry: ALL,
        executable: std::env::current_exe().context("this executable cannot be found")?,
        command: &command_line(),
    };
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed}{msg}");
    bar.set_style(style.context("the progress bar")?);
    let mut folder = Folder::create(out)?;
    let show = &mut |Progress { done, all, instance, solver, left }: Progress<'_>| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        let left = left.map(|left| format!(", {} left", until(left))).unwrap_or_default();
        bar.set_message(format!("{left}: {solver} on {instance}"));
    };
    let result = bench.run(&mut folder, watch::flag(), show);
    bar.finish_and_clear();
    result?;
    if watch::interrupted() {
        eprintln!("interrupted; the same command goes on from here");
    }
    Ok(folder.records().to_vec())
}

/// A time to come, to the minute or second.
fn until(left: Duration) -> String {
    let seconds = left.as_secs();
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
