//! `edgeplan check`: evaluate a plan file against an instance.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use edgeplan_instances::file::{read_text, to_json};
use edgeplan_instances::instance::{PlanFile, read_instance};
use edgeplan_problem::Problem as _;
use serde_json::json;

use crate::report::{account_json, account_tables, amount};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Instance file
    instance: PathBuf,
    /// Plan file
    plan: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let file = arguments.instance.display().to_string();
    let instance = read_instance(&file, &read_text(&arguments.instance)?)?;
    let file = arguments.plan.display().to_string();
    let plan = PlanFile::parse(&file, &read_text(&arguments.plan)?)?.resolve(&file, &instance)?;
    let evaluation = instance.evaluate(&plan);
    let violations: Vec<String> = evaluation.violations.iter().map(ToString::to_string).collect();
    if arguments.json {
        let mut json = account_json(&instance, &evaluation.account, &plan);
        json.insert("feasible".into(), json!(violations.is_empty()));
        json.insert("violations".into(), json!(violations));
        json.insert("cost".into(), json!(evaluation.cost));
        print!("{}", to_json(&json));
    } else {
        println!("{}", account_tables(&instance, &evaluation.account, &plan));
        match violations.is_empty() {
            true => println!("feasible: {}", amount(&instance, evaluation.cost)),
            false => violations.iter().for_each(|violation| println!("infeasible: {violation}")),
        }
    }
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
