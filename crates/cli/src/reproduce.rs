//! `edgeplan reproduce`: published figures beside ours.

mod throughput;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use edgeplan_instances::file::{check_writable, write_atomic};
use edgeplan_instances::known::{Evidence, Known, known};
use edgeplan_problem::{Limits, Nanos, Silent, solve};
use serde_json::{Value, json};

use crate::question::find_solver;
use crate::reply::Reply;
use crate::report::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// EdgeShard's throughput instead: the bottleneck model and pipelines, beside the paper's
    #[arg(long)]
    throughput: bool,
    /// throughput: draw the pipelines' first passes into this file
    #[arg(long, requires = "throughput")]
    svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if arguments.throughput {
        if let Some(path) = &arguments.svg {
            check_writable(path)?;
            write_atomic(path, &throughput::picture()?)?;
        }
        return throughput::run(arguments.json);
    }
    let mut rows =
        table(&["what", "paper", "ours", "difference", "verdict", "solver", "source"], &[1, 2, 3]);
    let mut json: Vec<Value> = Vec::new();
    for case in known()? {
        let Known { what, instance, published, evidence, source, .. } = &case;
        let solver = (find_solver(&case.solver)?.make)();
        let outcome = solve(instance, solver.as_ref(), Limits::default(), &mut Silent);
        let cost = outcome.cost().with_context(|| format!("{what}: no plan"))?;
        let difference = cost.as_f64() / published.as_f64() - 1.0;
        let recalled = if *evidence == Evidence::Recalled { " (recalled)" } else { "" };
        rows.add_row([
            what.clone(),
            published.to_string(),
            Nanos(cost.0).to_string(),
            format!("{:+.1} %", 100.0 * difference),
            outcome.verdict.word().to_owned(),
            case.solver.clone(),
            format!("{source}{recalled}"),
        ]);
        json.push(json!({
            "what": what,
            "paper_ns": published,
            "ours_ns": cost,
            "difference": difference,
            "verdict": outcome.verdict.word(),
            "solver": case.solver,
            "evidence": evidence,
            "source": source,
        }));
    }
    Ok(Reply::either(arguments.json, &json, &rows.to_string()))
}
