//! `edgeplan bench`: measure solvers on suites, or sum up what was measured.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use edgeplan_harness::record::{Folder, Record};
use edgeplan_harness::runner::{Bench, Progress};
use edgeplan_harness::suite::Suite;
use edgeplan_harness::summary::{SolverSummary, SuiteSummary, reconciled, summarize};
use edgeplan_harness::trial::{Allowance, Word, answer};
use edgeplan_instances::quantity::Memory;
use edgeplan_problem::{Bytes, Cost, Nanos};
use indicatif::{ProgressBar, ProgressStyle};

use crate::question::{fraction, seconds};
use crate::reply::Reply;
use crate::report::{command_line, in_unit, table};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Suite files, see bench-data/suites
    #[arg(required_unless_present = "summary", requires = "out")]
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
    /// Sum up the records of this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["suites", "out"])]
    summary: Option<PathBuf>,
    /// Show every trial, too
    #[arg(long)]
    table: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let records = match &arguments.summary {
        Some(folder) => Folder::read(folder)?,
        None => measure(arguments)?,
    };
    let records = reconciled(records);
    let mut text = String::new();
    for suite in summarize(&records) {
        let of_suite = || records.iter().filter(|record| record.suite == suite.suite);
        text += &format!("{}\n", summary_text(&suite));
        if arguments.table {
            text += &format!("{}\n\n", trials_table(of_suite()));
        }
        let odd = |record: &&Record| matches!(record.verdict, Word::Wrong | Word::Failed);
        for Record { instance, solver, verdict, reason, .. } in of_suite().filter(odd) {
            text += &format!("{solver} on {instance}: {verdict}: {reason}\n");
        }
    }
    Ok(Reply::text(&text))
}

/// The process of one trial.
pub(crate) fn trial() -> Result<Reply> {
    answer(std::io::stdin(), &mut std::io::stdout())?;
    Ok(Reply::raw(String::new()))
}

fn measure(arguments: &Arguments) -> Result<Vec<Record>> {
    let suites = &arguments.suites;
    let suites = suites.iter().map(|path| Suite::read(path)).collect::<Result<Vec<_>, _>>()?;
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
        },
        executable: std::env::current_exe().context("this executable cannot be found")?,
        command: &command_line(),
    };
    let bar = ProgressBar::new(0);
    let template = "{bar:30} {pos}/{len} {elapsed}, {eta} left: {msg}";
    bar.set_style(ProgressStyle::with_template(template).context("the progress bar")?);
    let mut folder = Folder::create(out)?;
    let show = &mut |Progress { done, all, now: (instance, solver) }: Progress<'_>| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(format!("{solver} on {instance}"));
    };
    let result = bench.run(&mut folder, watch::flag(), show);
    bar.finish_and_clear();
    result?;
    if watch::interrupted() {
        eprintln!("interrupted; the same command goes on from here");
    }
    Ok(folder.records().to_vec())
}

fn summary_text(suite: &SuiteSummary) -> String {
    let mut rows = table(
        &[
            "solver",
            "trials",
            "proven",
            "plans",
            "wrong",
            "failed",
            "mean gap",
            "over best plan",
            "time to proof",
            "ratio",
            "first plan",
            "at most",
            "memory",
        ],
        &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    );
    for summary in &suite.solvers {
        rows.add_row(cells(summary));
    }
    let revisions: Vec<&str> = suite.revisions.iter().map(String::as_str).collect();
    let left_out = match suite.left_out {
        0 => String::new(),
        count => format!(", {count} trials left out that not every solver has"),
    };
    let head = format!(
        "{}: {} instances, revision {}{left_out}",
        suite.suite,
        suite.instances,
        revisions.join(" and ")
    );
    format!("{head}\n{rows}\n")
}

fn cells(summary: &SolverSummary) -> [String; 13] {
    let percent = |share: f64| format!("{:.3} %", 100.0 * share);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    [
        summary.solver.clone(),
        summary.trials.to_string(),
        summary.proven.to_string(),
        summary.plans.to_string(),
        summary.wrong.to_string(),
        summary.failed.to_string(),
        percent(summary.gap_mean),
        or_dash(summary.excess_mean.map(percent)),
        time(summary.proof_s),
        format!("{:.1}", summary.ratio),
        or_dash(summary.first_plan_median_s.map(time)),
        or_dash(summary.first_plan_max_s.map(time)),
        or_dash(summary.peak_memory_max_bytes.map(|bytes| Bytes(bytes).to_string())),
    ]
}

fn time(seconds: f64) -> String {
    Nanos((seconds * 1e9) as u64).to_string()
}

fn trials_table<'a>(records: impl Iterator<Item = &'a Record>) -> comfy_table::Table {
    let header = ["instance", "solver", "verdict", "cost", "bound", "gap", "seconds", "first plan"];
    let mut rows = table(&header, &[3, 4, 5, 6, 7]);
    for record in records {
        let cost = |cost: Option<Cost>| cost.map(|cost| in_unit(record.objective, cost));
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        rows.add_row([
            record.instance.clone(),
            record.solver.clone(),
            record.verdict.to_string(),
            or_dash(cost(record.cost)),
            or_dash(cost(record.lower_bound)),
            or_dash(record.gap.map(|gap| format!("{:.3} %", 100.0 * gap))),
            time(record.elapsed_s),
            or_dash(record.first_plan_s.map(time)),
        ]);
    }
    rows
}
