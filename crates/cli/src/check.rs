//! `edgeplan check`: evaluate a plan file against an instance.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_instances::file::read_text;
use edgeplan_instances::instance::{PlanFile, read_instance};
use edgeplan_problem::{Problem as _, gap};
use serde_json::json;

use crate::certificate::proven;
use crate::reply::Reply;
use crate::report::{account_json, account_tables, amount, cost_key};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Instance file
    instance: PathBuf,
    /// Plan file
    plan: PathBuf,
    /// Also check this certificate of a lower bound
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let file = arguments.instance.display().to_string();
    let instance = read_instance(&file, &read_text(&arguments.instance)?)?;
    let file = arguments.plan.display().to_string();
    let plan = PlanFile::parse(&file, &read_text(&arguments.plan)?)?.resolve(&file, &instance)?;
    let evaluation = instance.evaluate(&plan);
    let violations: Vec<String> = evaluation.violations.iter().map(ToString::to_string).collect();
    let feasible = violations.is_empty();
    let verdict = match feasible {
        true => format!("feasible: {}", amount(&instance, evaluation.cost)),
        false => violations.iter().map(|violation| format!("infeasible: {violation}\n")).collect(),
    };
    let mut text = format!("{}\n{verdict}", account_tables(&instance, &evaluation.account, &plan));
    let mut json = account_json(&instance, &evaluation.account, &plan);
    json.insert("instance".into(), json!(instance.name));
    json.insert("feasible".into(), json!(feasible));
    json.insert("violations".into(), json!(violations));
    json.insert(cost_key(&instance).into(), json!(evaluation.cost));
    if let Some(path) = &arguments.certificate {
        let bound = proven(path, &instance)?;
        let gap = gap(evaluation.cost, bound);
        json.insert("certified_lower_bound".into(), json!(bound));
        json.insert("certified_gap".into(), json!(gap));
        let (bound, gap) = (amount(&instance, bound), 100.0 * gap);
        text = format!("{text}\ncertified: no plan is below {bound} (gap {gap:.4} %)");
    }
    Ok(Reply::either(arguments.json, &json, &text).found(feasible))
}
