//! `edgeplan plan`: find a plan and prove how good it is.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_instances::file::{check_writable, to_json, write_atomic};
use edgeplan_instances::instance::PlanFile;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Outcome, Problem as _, Stop, Verdict, gap};
use edgeplan_report::page::html;
use edgeplan_report::picture::{Picture, svg};
use serde_json::json;

use crate::baselines::Baselines;
use crate::certificate;
use crate::confidence::Known;
use crate::diagnosis::Diagnosis;
use crate::question::Asked;
use crate::reply::Reply;
use crate::report::{account_json, account_tables, amount, command_line, outcome_json, reason};
use crate::second;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Write the plan to this file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a picture of the plan to this file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write a page with the picture and every number to this file
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write a certificate of a lower bound to this file; `edgeplan check` verifies it
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Let another solver answer as well, for as long again; if one denies the other, the verdict
    /// is `wrong`. Questions of a few thousand plans are always checked so
    #[arg(long)]
    double_check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Asked { question, json: as_json, .. } = &arguments.asked;
    let (stated, entry) = arguments.asked.read()?;
    let instance = &stated.deployment;
    // Before minutes of thought, not after them.
    let Arguments { out, svg: picture, html: page, certificate, .. } = arguments;
    for path in [out, picture, page, certificate].into_iter().flatten() {
        check_writable(path)?;
    }
    watch::listen();
    let solver = (entry.make)();
    let mut outcome = watch::unchecked(instance, entry.name, solver.as_ref(), question);
    let asked_twice = arguments.double_check;
    let effort = if asked_twice { second::asked_for(question.time) } else { second::USUAL };
    let opinion = second::check(instance, entry.name, &mut outcome, effort);
    let mut json = outcome_json(instance, entry.name, &outcome);
    json.insert("second_opinion".into(), second::json(instance, opinion.as_ref()));
    let mut text = String::new();
    if let Some(plan) = &outcome.plan {
        let account = instance.evaluate(plan).account;
        json.append(&mut account_json(instance, &account, plan));
        text = account_tables(instance, &account, plan);
        let confidence = Known::of(&stated, plan);
        json.append(&mut confidence.json());
        text = format!("{text}\n{}", confidence.text());
        if let Some(cost) = outcome.cost() {
            let baselines = Baselines::of(instance);
            json.insert("baselines".into(), baselines.json());
            text = format!("{text}\n{}", baselines.text(instance, cost));
        }
        if let Some(path) = &arguments.out {
            write_atomic(path, &to_json(&PlanFile::new(instance, plan)))?;
        }
        let picture = Picture {
            instance,
            plan,
            verdict: outcome.verdict.word(),
            lower_bound: outcome.lower_bound(),
            solver: entry.name,
            elapsed: Some(outcome.elapsed),
        };
        if let Some(path) = &arguments.svg {
            write_atomic(path, &svg(&picture))?;
        }
        if let Some(path) = &arguments.html {
            write_atomic(path, &html(&picture, &command_line()))?;
        }
    }
    if let Some(path) = certificate {
        let bound = certificate::write(path, instance, question)?;
        json.insert("certified_lower_bound".into(), json!(bound));
        text = format!("{text}\ncertified: no plan is below {}", amount(instance, bound));
    }
    if let Verdict::Infeasible = outcome.verdict {
        let diagnosis = Diagnosis::of(instance, solver.as_ref(), question);
        json.append(&mut diagnosis.json(instance));
        text = diagnosis.text(instance);
    }
    let mut head = headline(instance, entry.name, &outcome);
    if asked_twice || matches!(outcome.verdict, Verdict::Wrong(_)) {
        let line = second::text(instance, &outcome.verdict, opinion.as_ref());
        head = format!("{head}\n{line}");
    }
    let text = format!("{head}\n{text}");
    Ok(Reply::either(*as_json, &json, &text).found(outcome.plan.is_some()))
}

/// Instance, verdict, cost, bound, gap, solver and seconds on one line.
pub(crate) fn headline(instance: &Deployment, solver: &str, outcome: &Outcome<Plan>) -> String {
    let cost = outcome.cost().map(|cost| format!(": {}", amount(instance, cost)));
    let bound = outcome.cost().zip(outcome.lower_bound()).map(|(cost, bound)| {
        let gap = 100.0 * gap(cost, bound);
        format!(", no plan is below {} (gap {gap:.4} %)", amount(instance, bound))
    });
    let why = reason(&outcome.verdict).map(|reason| format!(": {reason}"));
    let stopped = outcome.stopped.filter(|&stop| stop != Stop::Gap);
    let stopped = stopped.map(|stop| format!(", stopped: {stop}"));
    format!(
        "{}: {}{}{}{}{} [{solver}, {:.3} s]",
        instance.name,
        outcome.verdict.word(),
        cost.unwrap_or_default(),
        bound.unwrap_or_default(),
        why.unwrap_or_default(),
        stopped.unwrap_or_default(),
        outcome.elapsed.as_secs_f64(),
    )
}
