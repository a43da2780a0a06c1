//! EdgeShard's times per token: cases whose instance is published, too.

use anyhow::{Context as _, Result};
use edgeplan_instances::known::{Evidence, Known, known};
use edgeplan_problem::{Limits, Nanos, Silent, solve};

use super::{Finding, difference};
use crate::question::find_solver;

pub(super) fn findings() -> Result<Vec<Finding>> {
    known()?.iter().map(finding).collect()
}

fn finding(case: &Known) -> Result<Finding> {
    let Known { what, instance, published, evidence, source, .. } = case;
    let solver = (find_solver(&case.solver)?.make)();
    let outcome = solve(instance, solver.as_ref(), Limits::default(), &mut Silent);
    let cost = outcome.cost().with_context(|| format!("{what}: no plan"))?;
    // "EdgeShard, arXiv 2405.14371, Llama2-7B"
    let cut = source.match_indices(", ").nth(1).map_or(source.len(), |(place, _)| place);
    let (paper, remark) = source.split_at(cut);
    Ok(Finding {
        paper: paper.into(),
        what: what.clone(),
        published: published.to_string(),
        known: match evidence {
            Evidence::Read => "read".into(),
            Evidence::SecondHand => "second-hand".into(),
            Evidence::Recalled => "recalled".into(),
        },
        ours: Nanos(cost.0).to_string(),
        difference: difference(cost.as_f64(), published.as_f64()),
        command: format!("edgeplan reproduce ({})", case.solver),
        remark: remark.trim_start_matches(", ").into(),
    })
}
