//! A bench as jobs of a cluster's scheduler: its script, and how long it takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use edgeplan_files::write_atomic;
use edgeplan_harness::job::{Estimate, Job, Launcher};
use edgeplan_harness::runner::Bench;
use edgeplan_problem::Bytes;
use edgeplan_records::folder::Folder;

use super::Arguments;
use crate::reply::Reply;

/// A job instead of a run.
#[derive(Debug, clap::Args)]
pub(super) struct Submission {
    /// Write a script that runs the suites as tasks, one per shard, and merges their records, in
    /// place of running them: slurm (a job array), hyperqueue, parallel (GNU parallel or xargs)
    #[arg(long, value_name = "LAUNCHER", value_parser = launcher, requires = "out")]
    pub(super) job: Option<Launcher>,
    /// Shards of --job, one task each
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    shards: u16,
    /// File of the script of --job
    #[arg(long, default_value = "job.sh")]
    script: PathBuf,
    /// Count trials and hours, also of --job, and run nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

fn launcher(text: &str) -> Result<Launcher, String> {
    let known = Launcher::ALL.into_iter().find(|launcher| launcher.word() == text);
    known.ok_or_else(|| format!("{} are allowed", Launcher::ALL.map(Launcher::word).join(", ")))
}

/// What each task of a script needs beside the trials that it runs at once.
const OWN_MEMORY: Bytes = Bytes(1 << 30);
/// What a task needs beside its trials: to start, and to read the suite.
const OWN_TIME: Duration = Duration::from_secs(120);

/// Counts what this bench would do, and writes the script of a job unless nothing is to be done.
pub(super) fn reply(arguments: &Arguments, bench: &Bench<'_>, out: &Path) -> Result<Reply> {
    let Submission { job, shards, script, dry_run } = &arguments.submission;
    let records = if out.join("records.csv").exists() { Folder::read(out)? } else { Vec::new() };
    let mut estimate = Estimate::new(bench, &records, job.map(|_| *shards));
    let mut text = estimate.to_string();
    if let (Some(launcher), Some(time), false) = (job, estimate.task, dry_run) {
        write(arguments, bench, *launcher, time, out)?;
        let start = launcher.command(&script.display().to_string());
        text += &format!("\n{} is written; start it: {start}", script.display());
        estimate.script = Some(script.clone());
    }
    Ok(Reply::either(arguments.json, &estimate, &text))
}

fn write(
    arguments: &Arguments,
    bench: &Bench<'_>,
    launcher: Launcher,
    time: Duration,
    out: &Path,
) -> Result<()> {
    let folder = std::env::current_dir().context("the current folder")?;
    let names: Vec<&str> = bench.suites.iter().map(|suite| suite.name.as_str()).collect();
    let at_once = u64::from(arguments.jobs);
    let job = Job {
        name: &format!("edgeplan-{}", names.join("-")),
        program: bench.program,
        bench: &words(arguments),
        out,
        folder: &folder,
        shards: arguments.submission.shards.into(),
        cores: usize::from(arguments.jobs) * arguments.threads as usize,
        memory: Bytes(at_once.saturating_mul(arguments.memory.0).saturating_add(OWN_MEMORY.0)),
        time: time.saturating_add(OWN_TIME),
    };
    let script = &arguments.submission.script;
    write_atomic(script, &job.script(launcher, script))?;
    Ok(())
}

/// The words of `bench` that say what a trial is, as every task needs them.
fn words(arguments: &Arguments) -> Vec<String> {
    let Arguments {
        suites, solver, seed, time, grace, gap, memory, cpu, threads, jobs, pin, ..
    } = arguments;
    let mut words: Vec<String> = suites.iter().map(|suite| suite.display().to_string()).collect();
    let mut say = |name: &str, value: String| words.push(format!("--{name}={value}"));
    if !solver.is_empty() {
        say("solver", solver.join(","));
    }
    say("seed", seed.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
    say("time", time.to_string());
    say("grace", grace.to_string());
    say("gap", gap.to_string());
    say("memory", memory.to_string());
    if let Some(seconds) = cpu {
        say("cpu", seconds.to_string());
    }
    say("threads", threads.to_string());
    say("jobs", jobs.to_string());
    if *pin {
        words.push("--pin".into());
    }
    words
}
