//! DFTSP against brute force: how much less it searches.

use anyhow::{Context as _, Result, ensure};
use edgeplan_instances::batching::paper::{MODELS, Setting};
use edgeplan_problem::{Limits, Silent, solve};
use edgeplan_solvers::find_batching;

use super::Finding;

const PAPER: &str = "DFTSP, arXiv 2405.07140";
const EPOCHS: u64 = 20;
/// Waiting requests: more take brute force minutes.
const REQUESTS: usize = 14;

pub(super) fn findings() -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for model in MODELS {
        let (ours, theirs) = (nodes(model, "dftsp")?, nodes(model, "brute-force")?);
        let less = 1.0 - ours as f64 / theirs as f64;
        findings.push(Finding {
            paper: PAPER.into(),
            what: format!("nodes searched for {model}, less than brute force"),
            published: "more than 45 %".into(),
            known: "read".into(),
            ours: format!("{:.1} %", 100.0 * less),
            difference: if less > 0.45 { "holds" } else { "does not hold" }.into(),
            command: "edgeplan reproduce (dftsp, brute-force)".into(),
            remark: format!(
                "{theirs} against {ours} nodes, {EPOCHS} epochs of {REQUESTS} requests, in \
                 settings that are second-hand or recalled"
            ),
        });
    }
    findings.push(Finding::missing(
        PAPER,
        "throughput over arrival rate",
        ("curves", "not found"),
        "the paper's curves were not found; ours are in reports/batching",
    ));
    Ok(findings)
}

/// Nodes that a solver looks at, over all epochs.
fn nodes(model: &str, name: &str) -> Result<u64> {
    let entry = find_batching(name).with_context(|| format!("{name} is registered"))?;
    let mut sum = 0;
    for seed in 0..EPOCHS {
        let instance = Setting::of(model).scenario(REQUESTS, seed).build("reproduce")?;
        let outcome = solve(&instance, (entry.make)().as_ref(), Limits::default(), &mut Silent);
        ensure!(outcome.stopped.is_none() && outcome.plan.is_some(), "{name}: no batch");
        sum += outcome.work.get("nodes").copied().unwrap_or_default();
    }
    Ok(sum)
}
