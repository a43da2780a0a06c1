//! `edgeplan bench`: measure solvers on suites, or say what was measured.

mod job;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use edgeplan_files::quantity::Memory;
use edgeplan_harness::job::until;
use edgeplan_harness::registry::ALL;
use edgeplan_harness::runner::{Bench, Progress};
use edgeplan_harness::shard::Shard;
use edgeplan_harness::suite::Suite;
use edgeplan_harness::trial::{Allowance, answer};
use edgeplan_problem::Bytes;
use edgeplan_records::comparison::compare;
use edgeplan_records::folder::{Folder, merge};
use edgeplan_records::row::Record;
use edgeplan_records::summary::{reconciled, summarize};
use edgeplan_report::bench::{comparison, ranking, ranks, summaries};

use crate::argument::{fraction, number, seconds};
use crate::reply::{Reply, command_line};
use crate::{started, watch};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Suite files (TOML), such as bench-data/suites/smoke.toml
    #[arg(required_unless_present_any = ["summary", "compare", "merge"], requires = "out")]
    suites: Vec<PathBuf>,
    /// Folder of the records; recorded trials are not run again
    #[arg(long)]
    out: Option<PathBuf>,
    /// Solvers, separated by commas [default: those that the suite names]
    #[arg(long, value_delimiter = ',')]
    solver: Vec<String>,
    /// Random seeds of the solvers, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0")]
    seed: Vec<u64>,
    /// Time limit per trial, in seconds
    #[arg(long, default_value_t = 60.0, value_parser = seconds)]
    time: f64,
    /// Seconds past --time after which a trial is killed
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    grace: f64,
    /// Relative gap between cost and lower bound at which a plan counts as optimal
    #[arg(long, default_value_t = 1e-4, value_parser = fraction)]
    gap: f64,
    /// Address space limit per trial
    #[arg(long, default_value = "4 GiB")]
    memory: Memory,
    /// CPU time limit per trial, in seconds [default: (--time + --grace) x --threads]
    #[arg(long, value_parser = seconds)]
    cpu: Option<f64>,
    /// Threads of HiGHS, CBC, joint and portfolio; other solvers use one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// Shard of the instances to run, such as 2/8; --merge joins the records of shards [default:
    /// 1/1]
    #[arg(long, default_value_t = Shard::WHOLE, hide_default_value = true)]
    shard: Shard,
    /// Instances run at the same time; times are comparable only with 1 or with --pin
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Pin each trial to cores of its own, one per thread (Linux)
    #[arg(long)]
    pin: bool,
    /// Repeat a trial, up to twice, beside which other programs kept more cores busy (Linux)
    #[arg(long, value_name = "CORES", value_parser = |cores: &str| number(cores, 0.0.., "from 0"))]
    foreign: Option<f64>,
    /// Summarise the records of these folders; for a trial in several folders the last one counts
    #[arg(long, value_name = "FOLDER", num_args = 1.., conflicts_with_all = ["suites", "out"])]
    summary: Vec<PathBuf>,
    /// Compare the records of the last folder with those of the folder before it; earlier folders
    /// are the history that gives the usual variation
    #[arg(
        long,
        value_name = "FOLDER",
        num_args = 2..,
        conflicts_with_all = ["suites", "out", "summary"]
    )]
    compare: Vec<PathBuf>,
    /// Merge the records of these folders, such as shards, into the new folder --out
    #[arg(
        long,
        value_name = "FOLDER",
        num_args = 1..,
        requires = "out",
        conflicts_with_all = ["suites", "summary", "compare"]
    )]
    merge: Vec<PathBuf>,
    #[command(flatten)]
    submission: job::Submission,
    /// Rank solvers by ratios to the best solver, with confidence intervals
    #[arg(long)]
    rank: bool,
    /// Show all trials as well
    #[arg(long)]
    table: bool,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if let Some((new, old)) = arguments.compare.split_last() {
        let read = |path: &PathBuf| Ok(reconciled(Folder::read(path)?));
        let old = old.iter().map(read).collect::<Result<Vec<_>>>()?;
        let comparisons = compare(&old, &read(new)?);
        let text = match comparisons.is_empty() {
            true => "The two have no trial in common.".into(),
            false => comparison(&comparisons),
        };
        let reply = Reply::either(arguments.json, &comparisons, &text);
        return Ok(reply.found(!comparisons.is_empty()));
    }
    if let (Some(out), false) = (&arguments.out, arguments.merge.is_empty()) {
        let count = merge(&arguments.merge, out)?;
        return Ok(Reply::text(&format!("{count} trials in {}", out.display())));
    }
    let (records, folders) = match &arguments.summary[..] {
        [] => match measure(arguments)? {
            Measured::Records(records) => (records, arguments.out.iter().cloned().collect()),
            Measured::Counted(reply) => return Ok(reply),
        },
        folders => (Folder::read_all(folders)?, folders.to_vec()),
    };
    let records = reconciled(records);
    let wrong = records.iter().any(|record| record.verdict.is_wrong());
    if arguments.rank {
        let curve = Folder::read_all_curves(&folders)?;
        let ranks = ranks(&records, &curve);
        return Ok(Reply::either(arguments.json, &ranks, &ranking(&ranks)).wrong(wrong));
    }
    let suites = summarize(&records);
    let text = summaries(&suites, &records, arguments.table);
    // Who is not done has not found: a script that waits for the records must not go on.
    let done = !watch::interrupted();
    Ok(Reply::either(arguments.json, &suites, &text).found(done).wrong(wrong))
}

/// The process of one trial.
pub(crate) fn trial() -> Result<Reply> {
    answer(std::io::stdin(), &mut std::io::stdout(), &ALL)?;
    Ok(Reply::raw(String::new()))
}

/// What came of suites.
enum Measured {
    Records(Vec<Record>),
    /// Nothing was run.
    Counted(Reply),
}

fn measure(arguments: &Arguments) -> Result<Measured> {
    let suites = &arguments.suites;
    let read = |path: &PathBuf| Suite::read(path, &ALL);
    let suites = suites.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let Some(out) = &arguments.out else { bail!("--out FOLDER is needed") };
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
        foreign_max: arguments.foreign,
        registry: ALL,
        program: &started::again().context("this executable cannot be found")?,
        command: &command_line(),
    };
    if arguments.submission.job.is_some() || arguments.submission.dry_run {
        return Ok(Measured::Counted(job::reply(arguments, &bench, out)?));
    }
    watch::listen();
    let bar = watch::bar(0, "{pos}/{len} {elapsed}{msg}");
    let mut folder = Folder::create(out)?;
    let show = &mut |Progress { done, all, instance, solver, left }: Progress<'_>| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        let left = left.map(|left| format!(", {} left", until(left))).unwrap_or_default();
        bar.set_message(format!("{left}: {solver} on {instance}"));
    };
    let result = bench.run(&mut folder, watch::flag(), show);
    drop(bar);
    result?;
    if watch::interrupted() {
        eprintln!("interrupted; the same command goes on from here");
    }
    Ok(Measured::Records(folder.records().to_vec()))
}
