//! `edgeplan explain`: what binds in the plan, and what more of it would be worth.

use anyhow::Result;
use edgeplan::{Explained, amount, headline};
use edgeplan_problem::Cost;
use edgeplan_problem::deployment::{Deployment, Plan};
use edgeplan_what_if::{Slack, Worth};
use serde_json::{Map, Value, json};

use crate::confidence::Confidence;
use crate::diagnosis;
use crate::question::Asked;
use crate::reply::Reply;
use crate::report::{outcome_json, table};
use crate::watch::{self, Watcher};

// --time is that of everything: half of it, at most, is for the plan.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    asked: Asked,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let (session, task) = (arguments.asked.question.load()?, arguments.asked.task()?);
    watch::listen();
    let instance = session.deployment();
    let explained = session.explain(&task, &mut Watcher::new(instance.objective))?;
    let outcome = &explained.outcome;
    let mut json = outcome_json(instance, task.solver.name, outcome);
    let mut text = headline(instance, task.solver.name, outcome);
    if let (Some(plan), Some(cost)) = (&outcome.plan, outcome.cost()) {
        let Explained { slacks, worths, not_asked: left, .. } = &explained;
        json.append(&mut explained_json(instance, slacks, worths, cost));
        text = format!("{text}\n{}", tables(instance, slacks, worths, cost));
        json.insert("changes_not_asked".into(), json!(left));
        if *left > 0 {
            let count = worths.len() + left;
            text += &format!("\n\n{left} of {count} changes were not solved: --time is too short");
        }
        text = format!("{text}\n{}", unused(instance, plan));
        let confidence = Confidence::of(session.priced(), plan);
        json.append(&mut confidence.json());
        text = format!("{text}\n{}", confidence.text());
    } else if let Some(diagnosis) = &explained.diagnosis {
        json.append(&mut diagnosis::json(diagnosis, instance));
        text = format!("{text}\n{}", diagnosis::text(diagnosis, instance));
    } else {
        text += "\nNo plan was found, and infeasibility is not proven: more --time is needed.";
    }
    let reply = Reply::either(arguments.asked.json, &json, &text).found(outcome.cost().is_some());
    Ok(reply.wrong(outcome.verdict.is_wrong()))
}

fn tables(instance: &Deployment, slacks: &[Slack], worths: &[Worth], cost: Cost) -> String {
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
