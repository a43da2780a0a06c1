//! `edgeplan replan`: the next plan after a device left, slowed or lost memory.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan::{Event, Horizon, Plan, Replan};
use edgeplan_files::deployment::PlanFile;
use edgeplan_files::{check_writable, to_json, write_atomic};

use crate::question::SolveArguments;
use crate::reply::Reply;
use crate::watch::{self, Watcher};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Plan that runs (JSON), as `plan --out` wrote it for the same question
    plan: PathBuf,
    #[command(flatten)]
    happened: Happened,
    /// Write the next plan to this JSON file
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What happened, and for how long the next plan will serve.
#[derive(Debug, clap::Args)]
pub(crate) struct Happened {
    #[command(flatten)]
    pub(crate) solve: SolveArguments,
    /// Device or host that left; repeat for several
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// What slowed: `NAME-NAME=100 Mbit/s` or `link=...` is a link's rate now, `NAME=3` a device on
    /// which everything takes three times as long; repeat for several
    #[arg(long, value_name = "WHAT", value_parser = Event::slow)]
    slow: Vec<Event>,
    /// Memory of a device that is gone, such as `desktop=4 GiB`; repeat for several
    #[arg(long, value_name = "NAME=SIZE", value_parser = Event::less)]
    less: Vec<Event>,
    /// How long the next plan will serve, such as `30 min` or `2 d`
    #[arg(long, default_value = "1 h")]
    horizon: Horizon,
    /// Requests per hour [default: back to back]
    #[arg(long)]
    rate: Option<f64>,
    /// Device whose disk has the model in every format [default: the source]
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

impl Happened {
    /// The question for the plan that runs.
    pub(crate) fn ask(&self, plan: Plan) -> Replan {
        let left = self.without.iter().cloned().map(Event::Left);
        Replan {
            plan,
            events: self.slow.iter().chain(&self.less).cloned().chain(left).collect(),
            store: self.store.clone(),
            horizon: self.horizon,
            per_hour: self.rate,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    watch::listen();
    let Happened { solve, .. } = &arguments.happened;
    let session = solve.question.load()?;
    let ask = arguments.happened.ask(session.check(&arguments.plan)?.plan);
    arguments.out.iter().try_for_each(|path| check_writable(path))?;
    let mut progress = Watcher::new(session.deployment().objective);
    let replanned = session.replan(&ask, &solve.task()?, &mut progress)?;
    drop(progress);
    if let (Some(path), Some(plan)) = (&arguments.out, replanned.plan()) {
        write_atomic(path, &to_json(&PlanFile::new(replanned.session.deployment(), plan)))?;
    }
    let reply = match solve.json {
        true => Reply::json(&replanned.keys()?),
        false => Reply::text(&replanned.text()?),
    };
    let wrong = replanned.planned.outcome.verdict.is_wrong();
    Ok(reply.found(replanned.best.is_some()).wrong(wrong))
}
