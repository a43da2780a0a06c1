//! `edgeplan explain`: what binds in the plan, and what more of it would be worth.

use std::time::Instant;

use anyhow::Result;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_problem::{Cost, Limits, Verdict};
use edgeplan_what_if::{Slack, Worth, looser_quality, more_memory, slacks, worth};
use serde_json::{Map, Value, json};

use crate::confidence::Known;
use crate::diagnosis::Diagnosis;
use crate::plan::headline;
use crate::question::Asked;
use crate::reply::Reply;
use crate::report::{amount, outcome_json, table};
use crate::watch;

// --time is that of everything: half of it, at most, is for the plan.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    asked: Asked,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Asked { question, json: as_json, .. } = &arguments.asked;
    let (stated, entry) = arguments.asked.read()?;
    let instance = &stated.deployment;
    watch::listen();
    let solver = (entry.make)();
    let begin = Instant::now();
    let half = watch::limits(question).time.map(|time| time / 2);
    let limits = Limits { time: half, ..watch::limits(question) };
    let outcome = watch::answer_within(instance, entry.name, solver.as_ref(), limits);
    let mut json = outcome_json(instance, entry.name, &outcome);
    let mut text = headline(instance, entry.name, &outcome);
    if let (Some(plan), Some(cost)) = (&outcome.plan, outcome.cost()) {
        let _line = watch::busy("solving the instance with each limit relaxed");
        let (memory, quality) = (more_memory(instance), looser_quality(instance));
        let (links, faster) = question.faster_links(instance)?;
        let count = memory.len() + quality.len() + links;
        let changes = memory.chain(quality).map(Ok).chain(faster);
        let limits = watch::limits(question);
        let time = limits.time.map(|time| time.saturating_sub(begin.elapsed()));
        let limits = Limits { time, ..limits };
        let worths = worth((count, changes), solver.as_ref(), limits)?;
        let left = count - worths.len();
        let slacks = slacks(instance, plan);
        json.append(&mut explained_json(instance, &slacks, &worths, cost));
        text = format!("{text}\n{}", explained(instance, &slacks, &worths, cost));
        json.insert("changes_not_asked".into(), json!(left));
        if left > 0 {
            text += &format!("\n\n{left} of {count} changes were not solved: --time is too short");
        }
        text = format!("{text}\n{}", unused(instance, plan));
        let confidence = Known::of(&stated, plan);
        json.append(&mut confidence.json());
        text = format!("{text}\n{}", confidence.text());
    } else if let Verdict::Infeasible = outcome.verdict {
        let diagnosis = Diagnosis::of(instance, solver.as_ref(), question);
        json.append(&mut diagnosis.json(instance));
        text = format!("{text}\n{}", diagnosis.text(instance));
    } else {
        text += "\nNo plan was found, and infeasibility is not proven: more --time is needed.";
    }
    let reply = Reply::either(*as_json, &json, &text).found(outcome.cost().is_some());
    Ok(reply.wrong(outcome.verdict.is_wrong()))
}

fn explained(instance: &Deployment, slacks: &[Slack], worths: &[Worth], cost: Cost) -> String {
    let mut limits = table(&["limit", "used", "allowed", "free", "full"], &[1, 2, 3, 4]);
    for Slack { limit, used, allowed } in slacks {
        limits.add_row([
            limit.name(instance),
            limit.amount(*used),
            limit.amount(*allowed),
            limit.amount(allowed.saturating_sub(*used)),
            format!("{:.1} %", 100.0 * *used as f64 / (*allowed).max(1) as f64),
        ]);
    }
    let mut changes = table(&["change", "new cost", "saves", "at most"], &[1, 2, 3]);
    for worth in worths {
        let (least, most) = worth.saving(cost);
        let share = |saving: Cost| match saving {
            Cost::ZERO => "nothing".into(),
            _ => format!(
                "{} ({:.2} %)",
                amount(instance, saving),
                100.0 * saving.as_f64() / cost.as_f64().max(1.0)
            ),
        };
        changes.add_row([
            worth.name.clone(),
            worth.cost.map_or("-".into(), |cost| amount(instance, cost)),
            share(least),
            most.map_or("-".into(), share),
        ]);
    }
    format!("{limits}\n\n{changes}")
}

/// A sentence on the devices that the plan leaves out.
fn unused(instance: &Deployment, plan: &Plan) -> String {
    let used = |id| plan.models.iter().flatten().any(|assignment| assignment.device == id);
    let idle: Vec<&str> = instance
        .device_ids()
        .filter(|&id| !used(id))
        .map(|id| instance.device(id).name.as_str())
        .collect();
    match idle.is_empty() {
        true => "\nEvery device is used.".into(),
        false => format!("\nNot used: {}.", idle.join(", ")),
    }
}

fn explained_json(
    instance: &Deployment,
    slacks: &[Slack],
    worths: &[Worth],
    cost: Cost,
) -> Map<String, Value> {
    let slack = |slack: &Slack| {
        json!({
            "limit": slack.limit.name(instance),
            "used": slack.used,
            "allowed": slack.allowed,
        })
    };
    let change = |worth: &Worth| {
        let (least, most) = worth.saving(cost);
        json!({
            "change": worth.name,
            "cost": worth.cost,
            "saves_at_least": least,
            "saves_at_most": most,
        })
    };
    let mut json = Map::new();
    json.insert("limits".into(), json!(slacks.iter().map(slack).collect::<Vec<Value>>()));
    json.insert("changes".into(), json!(worths.iter().map(change).collect::<Vec<Value>>()));
    json
}
