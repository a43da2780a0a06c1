//! `edgeplan compare`: every solver on one instance. Wrong answers are shown, never ranked.

use anyhow::Result;
use edgeplan::{Entry, Ranking, amount, reason};
use edgeplan_external::External;
use edgeplan_problem::{Cost, gap};
use serde_json::json;

use crate::question::{EXTERNAL, Question, external};
use crate::reply::Reply;
use crate::report::{outcome_json, table};
use crate::watch::{self, Watcher};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    question: Question,
    /// Solver that is a program, as of `plan`; repeat for several
    #[arg(long, value_name = "COMMAND", value_parser = external)]
    solver_command: Vec<External>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let session = arguments.question.load()?;
    let instance = session.deployment();
    watch::listen();
    let commands = arguments.solver_command.iter().zip(1..);
    let others: Vec<&'static Entry> = commands
        .map(|(command, count)| match count {
            1 => command.clone().entry(EXTERNAL),
            _ => command.clone().entry(&format!("{EXTERNAL}-{count}")),
        })
        .collect();
    let mut progress = Watcher::new(instance.objective);
    let Ranking { outcomes, lower_bound: bound } =
        session.compare(&arguments.question.task(), &others, &mut progress);
    drop(progress);
    let found = outcomes.iter().any(|(_, outcome)| outcome.cost().is_some());
    let wrong = outcomes.iter().any(|(_, outcome)| outcome.verdict.is_wrong());
    if arguments.json {
        let rows: Vec<_> =
            outcomes.iter().map(|(name, outcome)| outcome_json(instance, name, outcome)).collect();
        let json = json!({ "instance": instance.name, "solvers": rows });
        return Ok(Reply::json(&json).found(found).wrong(wrong));
    }
    let mut ranking = table(
        &["solver", "verdict", "cost", "its bound", "gap to best bound", "seconds"],
        &[2, 3, 4, 5],
    );
    for (name, outcome) in &outcomes {
        let show = |cost: Option<Cost>| cost.map_or("-".into(), |cost| amount(instance, cost));
        let gap = outcome.cost().zip(bound).map(|(cost, bound)| 100.0 * gap(cost, bound));
        ranking.add_row([
            (*name).to_owned(),
            outcome.verdict.word().to_owned(),
            show(outcome.cost()),
            show(outcome.lower_bound()),
            gap.map_or("-".into(), |gap| format!("{gap:.3} %")),
            format!("{:.3}", outcome.elapsed.as_secs_f64()),
        ]);
    }
    let mut text = format!("{}\n{ranking}\n", instance.name);
    for (name, outcome) in &outcomes {
        text.extend(reason(&outcome.verdict).map(|reason| format!("{name}: {reason}\n")));
    }
    if !found {
        text += "No plan was found; `edgeplan plan` says what stands in the way.";
    }
    Ok(Reply::text(&text).found(found).wrong(wrong))
}
