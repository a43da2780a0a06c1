//! `edgeplan plan`: find a plan and prove how good it is.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use edgeplan_instances::file::{nearest, to_json, write_atomic};
use edgeplan_instances::instance::PlanFile;
use edgeplan_problem::{Problem as _, gap};
use edgeplan_solvers::DEPLOYMENT;

use crate::question::Question;
use crate::report::{account_json, account_tables, amount, outcome_json, reason, word};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    question: Question,
    /// The solver; `edgeplan solvers` lists them
    #[arg(long, default_value = "highs")]
    solver: String,
    /// Write the plan to this file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let instance = arguments.question.read()?;
    let Some(entry) = edgeplan_solvers::find(&arguments.solver) else {
        let near = nearest(&arguments.solver, DEPLOYMENT.iter().map(|entry| entry.name));
        let hint = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        bail!("no solver is called `{}`{hint}", arguments.solver);
    };
    watch::listen();
    let solver = (entry.make)();
    let outcome = watch::answer(&instance, entry.name, solver.as_ref(), &arguments.question);
    let mut json = outcome_json(&instance, entry.name, &outcome);
    let mut text = String::new();
    if let Some(plan) = &outcome.plan {
        let account = instance.evaluate(plan).account;
        json.append(&mut account_json(&instance, &account, plan));
        text = account_tables(&instance, &account, plan);
        if let Some(path) = &arguments.out {
            write_atomic(path, &to_json(&PlanFile::new(&instance, plan)))?;
        }
    }
    if arguments.json {
        print!("{}", to_json(&json));
    } else {
        let cost = outcome.cost().map(|cost| format!(": {}", amount(&instance, cost)));
        let bound = outcome.cost().zip(outcome.lower_bound()).map(|(cost, bound)| {
            let gap = 100.0 * gap(cost, bound);
            format!(", no plan is below {} (gap {gap:.4} %)", amount(&instance, bound))
        });
        let why = reason(&outcome.verdict).map(|reason| format!(": {reason}"));
        println!(
            "{}: {}{}{}{} [{}, {:.2} s]\n{text}",
            instance.name,
            word(&outcome.verdict),
            cost.unwrap_or_default(),
            bound.unwrap_or_default(),
            why.unwrap_or_default(),
            entry.name,
            outcome.elapsed.as_secs_f64(),
        );
    }
    Ok(if outcome.plan.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
