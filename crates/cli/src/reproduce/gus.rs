//! GUS against its baselines: how many more users it satisfies.

use std::time::Duration;

use anyhow::{Context as _, Result};
use edgeplan_instances::schedule::{Frame, Settings, frame};
use edgeplan_problem::scheduling::{Plan, Scheduling};
use edgeplan_problem::{Limits, Outcome, Problem as _, Silent, solve};
use edgeplan_solvers::find_scheduling;

use super::{Finding, difference};

const PAPER: &str = "GUS, arXiv 2011.08381";
const FRAMES: u64 = 40;
/// Recalled: GUS's share of what CPLEX reaches.
const NEAR: f64 = 0.9;
const BASELINES: [&str; 5] =
    ["local-all", "offload-all", "random", "happy-computation", "happy-communication"];
/// Seconds for a bound of a frame.
const TIME: Duration = Duration::from_millis(500);

pub(super) fn findings() -> Result<Vec<Finding>> {
    let frames = (0..FRAMES).map(|seed| frame(&Frame { seed, ..Frame::new(Settings::Gus) }));
    let frames: Vec<Scheduling> = frames.collect::<Result<_, _>>()?;
    let own = satisfied(&frames, "gus")?;
    let mut findings = Vec::new();
    for name in BASELINES {
        let gain = own / satisfied(&frames, name)? - 1.0;
        findings.push(Finding {
            paper: PAPER.into(),
            what: format!("satisfied users, over {name}"),
            published: "+50 % or more".into(),
            known: "read".into(),
            ours: format!("{:+.1} %", 100.0 * gain),
            difference: if gain >= 0.5 { "holds" } else { "does not hold" }.into(),
            command: "edgeplan reproduce (gus)".into(),
            remark: format!("{FRAMES} frames of the recalled size; capacities and times are ours"),
        });
    }
    let (mut reached, mut possible) = (0.0, 0.0);
    for instance in &frames {
        reached += satisfaction(instance, &answer(instance, "gus")?);
        let bound = answer(instance, "schedule-search")?.lower_bound().context("a bound")?;
        possible += instance.satisfaction_of(bound).0 as f64;
    }
    findings.push(Finding {
        paper: PAPER.into(),
        what: "satisfaction, share of the optimum".into(),
        published: "near-optimal; 90 % or more".into(),
        known: "recalled".into(),
        ours: format!("at least {:.1} %", 100.0 * reached / possible),
        difference: difference(reached / possible, NEAR),
        command: "edgeplan reproduce (gus, schedule-search's bound)".into(),
        remark: "of what schedule-search proves nobody can exceed".into(),
    });
    let why = "the testbed's times and images were not found";
    findings.push(Finding::missing(
        PAPER,
        "satisfied users on the testbed",
        ("+50 %", "read"),
        why,
    ));
    Ok(findings)
}

fn answer(instance: &Scheduling, name: &str) -> Result<Outcome<Plan>> {
    let entry = find_scheduling(name).with_context(|| format!("{name} is registered"))?;
    let limits = Limits { time: Some(TIME), ..Limits::default() };
    Ok(solve(instance, (entry.make)().as_ref(), limits, &mut Silent))
}

fn satisfaction(instance: &Scheduling, outcome: &Outcome<Plan>) -> f64 {
    let account = outcome.plan.as_ref().map(|plan| instance.evaluate(plan).account);
    account.map_or(0.0, |account| account.satisfaction.0 as f64)
}

/// Users that a solver satisfies, over all frames.
fn satisfied(frames: &[Scheduling], name: &str) -> Result<f64> {
    let mut sum = 0;
    for instance in frames {
        let plan = answer(instance, name)?.plan;
        sum += plan.map_or(0, |plan| instance.evaluate(&plan).account.satisfied);
    }
    Ok(sum as f64)
}
