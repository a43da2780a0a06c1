//! `edgeplan plan`: find a plan and prove how good it is.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_instances::file::{check_writable, to_json, write_atomic};
use edgeplan_instances::instance::PlanFile;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Outcome, Problem as _, Stop, Verdict, gap};
use edgeplan_report::page::html;
use edgeplan_report::picture::{Picture, svg};

use crate::baselines::Baselines;
use crate::certificate;
use crate::confidence::Known;
use crate::diagnosis::Diagnosis;
use crate::question::Asked;
use crate::rederived::Rederived;
use crate::reply::Reply;
use crate::report::{account_json, account_tables, amount, command_line, outcome_json, reason};
use crate::second_opinion;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    asked: Asked,
    /// Write the plan to this JSON file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a picture of the plan to this SVG file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Write a page with the picture and all numbers to this HTML file
    #[arg(long)]
    html: Option<PathBuf>,
    /// Write a certificate of the lower bound to this JSON file, for `edgeplan check`; exit code 1
    /// if no certificate exists for this kind of instance or within --time
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Run a second solver for as long as the first; the verdict is `wrong` if their answers
    /// contradict each other. Instances of a few thousand plans are always double-checked
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
    let limits = watch::limits(question);
    let mut outcome = watch::unchecked(instance, entry.name, solver.as_ref(), limits);
    let asked_twice = arguments.double_check;
    let effort = match asked_twice {
        true => second_opinion::asked_for(question.time),
        false => second_opinion::USUAL,
    };
    let opinion = second_opinion::check(instance, entry.name, &mut outcome, effort);
    let rederived = Rederived::on(instance, entry.name, &mut outcome, question);
    let mut json = outcome_json(instance, entry.name, &outcome);
    json.insert("second_opinion".into(), second_opinion::json(instance, opinion.as_ref()));
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
        write_files(arguments, instance, plan, (entry.name, &outcome))?;
    }
    if let Verdict::Infeasible = outcome.verdict {
        let diagnosis = Diagnosis::of(instance, solver.as_ref(), question);
        json.append(&mut diagnosis.json(instance));
        text = diagnosis.text(instance);
    }
    if let Some(rederived) = rederived {
        json.append(&mut rederived.json());
        text = format!("{text}\n{}", rederived.text(instance, entry.name));
    }
    let mut found = outcome.cost().is_some();
    if let Some(path) = certificate {
        let written = certificate::write(path, instance, question, outcome.cost())?;
        json.append(&mut written.json());
        text = format!("{text}\n{}", written.text(instance));
        found &= !written.is_missing();
    }
    let mut head = headline(instance, entry.name, &outcome);
    if asked_twice || outcome.verdict.is_wrong() {
        let line = second_opinion::text(instance, &outcome.verdict, opinion.as_ref());
        head = format!("{head}\n{line}");
    }
    let reply = Reply::either(*as_json, &json, &format!("{head}\n{text}")).found(found);
    Ok(reply.wrong(outcome.verdict.is_wrong()))
}

/// The plan file, the picture and the page, those of them that are asked for.
fn write_files(
    arguments: &Arguments,
    instance: &Deployment,
    plan: &Plan,
    (solver, outcome): (&str, &Outcome<Plan>),
) -> Result<()> {
    if let Some(path) = &arguments.out {
        write_atomic(path, &to_json(&PlanFile::new(instance, plan)))?;
    }
    let picture = Picture {
        instance,
        plan,
        verdict: outcome.verdict.word(),
        lower_bound: outcome.lower_bound(),
        solver,
        elapsed: Some(outcome.elapsed),
    };
    if let Some(path) = &arguments.svg {
        write_atomic(path, &svg(&picture))?;
    }
    if let Some(path) = &arguments.html {
        write_atomic(path, &html(&picture, &command_line()))?;
    }
    Ok(())
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
