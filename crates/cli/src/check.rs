//! `edgeplan check`: evaluate a plan file against an instance.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan::{CertificateFile, Checked, Sources, amount};
use edgeplan_problem::gap;
use serde_json::json;

use crate::certificate::{bound_json, bound_text};
use crate::reply::Reply;
use crate::report::{account_json, account_tables, cost_key};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Instance file (JSON)
    instance: PathBuf,
    /// Plan file (JSON)
    plan: PathBuf,
    /// Certificate of a lower bound to verify (JSON)
    #[arg(long)]
    certificate: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let instance = Some(arguments.instance.clone());
    let session = Sources { instance, ..Sources::default() }.load()?;
    let instance = session.deployment();
    let Checked { plan, evaluation } = session.check(&arguments.plan)?;
    let violations: Vec<String> = evaluation.violations.iter().map(ToString::to_string).collect();
    let feasible = violations.is_empty();
    let verdict = match feasible {
        true => format!("feasible: {}", amount(instance, evaluation.cost)),
        false => violations.iter().map(|violation| format!("infeasible: {violation}\n")).collect(),
    };
    let mut text = format!("{}\n{verdict}", account_tables(instance, &evaluation.account, &plan));
    let mut json = account_json(instance, &evaluation.account, &plan);
    json.insert("instance".into(), json!(instance.name));
    json.insert("feasible".into(), json!(feasible));
    json.insert("violations".into(), json!(violations));
    json.insert(cost_key(instance).into(), json!(evaluation.cost));
    if let Some(path) = &arguments.certificate {
        let known = feasible.then_some(evaluation.cost);
        let bound =
            CertificateFile::read(path)?.proven(&path.display().to_string(), instance, known)?;
        json.append(&mut bound_json(bound));
        text = format!("{text}\n{}", bound_text(instance, bound));
        if let Some(cost) = known {
            let gap = gap(cost, bound);
            json.insert("certified_gap".into(), json!(gap));
            text = format!("{text} (gap {:.4} %)", 100.0 * gap);
        }
    }
    Ok(Reply::either(arguments.json, &json, &text).found(feasible))
}
