//! How near to the optimum the schedulers come, and how many more users GUS satisfies than each
//! baseline: every scheduler on seeded frames, a record per answer, and the summary of the records
//! with 95 % confidence intervals (Student's t over instances).
//!
//! ```sh
//! cargo run --release -p edgeplan-solvers --example schedules -- --instances 200 --out FOLDER
//! cargo run --release -p edgeplan-solvers --example schedules -- --summary FOLDER/records.csv
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use comfy_table::{CellAlignment, Table, presets};
use edgeplan_files::write_atomic;
use edgeplan_problem::scheduling::{Mode, Plan, Scheduling};
use edgeplan_problem::{Limits, Outcome, Problem as _, Silent, Verdict, reconcile, solve};
use edgeplan_scheduling::{Frame, Settings, frame};
use edgeplan_solvers::SCHEDULING;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

#[derive(Debug, clap::Parser)]
struct Arguments {
    /// Instances per number of requests
    #[arg(long, default_value_t = 200)]
    instances: u64,
    /// Seed of the first one
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// gus, pies-final, pies-triangular or pies-uniform
    #[arg(long, default_value = "gus")]
    settings: String,
    /// Requests of a frame; several are measured one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [100])]
    requests: Vec<usize>,
    /// Demands cost their shortfall instead of being constraints
    #[arg(long)]
    soft: bool,
    /// Seconds per answer
    #[arg(long, default_value_t = 20.0)]
    time: f64,
    /// Relative gap at which an answer counts as proven, in what users miss
    #[arg(long, default_value_t = 1e-4)]
    gap: f64,
    /// Leave these solvers out
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// Write records.csv to this folder
    #[arg(long)]
    out: Option<PathBuf>,
    /// Run nothing, and sum up these records instead
    #[arg(long, num_args = 1..)]
    summary: Vec<PathBuf>,
}

/// One answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    instance: String,
    requests: usize,
    seed: u64,
    solver: String,
    verdict: String,
    /// Sum over users, in billionths.
    satisfaction_ppb: u64,
    /// No plan has more, where the solver proves that.
    most_satisfaction_ppb: Option<u64>,
    satisfied: usize,
    seconds: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let known = Settings::ALL.iter().find(|(name, _)| *name == arguments.settings);
    let Some(&(_, settings)) = known else { bail!("no settings `{}`", arguments.settings) };
    let mut records = Vec::new();
    for path in &arguments.summary {
        let mut reader =
            csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
        for record in reader.deserialize() {
            records.push(record.with_context(|| path.display().to_string())?);
        }
    }
    if !arguments.summary.is_empty() {
        let all: Vec<&Record> = records.iter().collect();
        println!("{}", summary(&all));
        return Ok(());
    }
    for &requests in &arguments.requests {
        for seed in arguments.first..arguments.first + arguments.instances {
            let mode = if arguments.soft { Mode::Soft } else { Frame::new(settings).mode };
            let parameters = Frame { requests, mode, seed, ..Frame::new(settings) };
            let instance = frame(&parameters)?;
            records.extend(answers(&arguments, &instance, seed)?);
        }
        let here: Vec<&Record> =
            records.iter().filter(|r: &&Record| r.requests == requests).collect();
        println!("\n{requests} requests, {} instances, {}", arguments.instances, settings.name());
        println!("{}", summary(&here));
    }
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let mut writer = csv::Writer::from_writer(Vec::new());
        records.iter().try_for_each(|record| writer.serialize(record))?;
        let text = String::from_utf8(writer.into_inner()?)?;
        write_atomic(&folder.join("records.csv"), &text)?;
    }
    Ok(())
}

/// Every solver's answer to one instance, and GUS's where one capacity has no end.
fn answers(arguments: &Arguments, instance: &Scheduling, seed: u64) -> Result<Vec<Record>> {
    let time = Some(Duration::from_secs_f64(arguments.time));
    let limits = Limits { time, gap: arguments.gap, seed, ..Limits::default() };
    let mut outcomes: Vec<(&str, Outcome<Plan>)> = Vec::new();
    for entry in SCHEDULING.iter().filter(|e| !arguments.without.iter().any(|n| n == e.name)) {
        let outcome = solve(instance, (entry.make)().as_ref(), limits, &mut Silent);
        outcomes.push((entry.name, outcome));
    }
    reconcile(&mut outcomes);
    let mut records = Vec::new();
    for (name, outcome) in &outcomes {
        if let Verdict::Wrong(why) = &outcome.verdict {
            println!("{name} is wrong on {}: {why}", instance.name);
        }
        records.extend(record(instance, seed, name, outcome));
    }
    let gus = (edgeplan_solvers::find_scheduling("gus").context("registered")?.make)();
    let mut boundless = instance.clone();
    boundless.servers.iter_mut().for_each(|server| server.computation = 1 << 60);
    let outcome = solve(&boundless, gus.as_ref(), limits, &mut Silent);
    records.extend(record(&boundless, seed, "gus, computation relaxed", &outcome));
    boundless = instance.clone();
    boundless.servers.iter_mut().for_each(|server| server.communication = 1 << 60);
    let outcome = solve(&boundless, gus.as_ref(), limits, &mut Silent);
    records.extend(record(&boundless, seed, "gus, communication relaxed", &outcome));
    Ok(records)
}

fn record(
    instance: &Scheduling,
    seed: u64,
    solver: &str,
    outcome: &Outcome<Plan>,
) -> Option<Record> {
    let account = instance.evaluate(outcome.plan.as_ref()?).account;
    let most = outcome.lower_bound().map(|bound| instance.satisfaction_of(bound).0);
    Some(Record {
        instance: instance.name.clone(),
        requests: instance.requests.len(),
        seed,
        solver: solver.to_owned(),
        verdict: outcome.verdict.word().to_owned(),
        satisfaction_ppb: account.satisfaction.0,
        most_satisfaction_ppb: most,
        satisfied: account.satisfied,
        seconds: outcome.elapsed.as_secs_f64(),
    })
}

/// Per solver: users satisfied, satisfaction over the best bound, GUS's gain over it, time.
fn summary(records: &[&Record]) -> Table {
    let mut best: BTreeMap<u64, u64> = BTreeMap::new();
    let mut gus: BTreeMap<u64, usize> = BTreeMap::new();
    for record in records {
        if record.solver == "gus" {
            gus.insert(record.seed, record.satisfied);
        }
        // The least that is proven to be the most.
        if let Some(most) = record.most_satisfaction_ppb {
            best.entry(record.seed).and_modify(|least| *least = most.min(*least)).or_insert(most);
        }
    }
    let mut solvers: Vec<&str> = records.iter().map(|record| record.solver.as_str()).collect();
    solvers.dedup();
    let mut seen = std::collections::BTreeSet::new();
    solvers.retain(|name| seen.insert(*name));
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "solver",
        "proven",
        "satisfied users",
        "satisfaction / best bound",
        "gus satisfies more users by",
        "seconds",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for name in solvers {
        let of: Vec<&&Record> = records.iter().filter(|record| record.solver == name).collect();
        let proven = of.iter().filter(|record| record.verdict == "optimal").count();
        let users = |r: &&&Record| 100.0 * r.satisfied as f64 / r.requests.max(1) as f64;
        let ratio = |r: &&&Record| {
            let most = best.get(&r.seed).filter(|&&most| most > 0)?;
            Some(100.0 * r.satisfaction_ppb as f64 / *most as f64)
        };
        let gain = |r: &&&Record| {
            let gus = *gus.get(&r.seed)? as f64;
            (r.satisfied > 0).then(|| 100.0 * (gus / r.satisfied as f64 - 1.0))
        };
        let seconds: f64 = of.iter().map(|r| r.seconds).sum::<f64>() / of.len().max(1) as f64;
        table.add_row([
            name.to_owned(),
            proven.to_string(),
            interval(&of.iter().map(users).collect::<Vec<_>>()),
            interval(&of.iter().filter_map(ratio).collect::<Vec<_>>()),
            interval(&of.iter().filter_map(gain).collect::<Vec<_>>()),
            format!("{seconds:.4}"),
        ]);
    }
    table
}

/// Mean and half width of its 95 % confidence interval, in percent.
fn interval(values: &[f64]) -> String {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let Ok(student) = StudentsT::new(0.0, 1.0, count - 1.0) else {
        return "-".into();
    };
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let half = student.inverse_cdf(0.975) * (variance / count).sqrt();
    format!("{mean:.2} ± {half:.2} %")
}
