//! `edgeplan batch`: which waiting requests an edge node serves in the epoch that begins now.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use edgeplan::{ask, ranked};
use edgeplan_batching::Scenario;
use edgeplan_batching::paper::{self, Band, Setting};
use edgeplan_files::{read_text, write_atomic};
use edgeplan_problem::batching::{Batching, Plan};
use edgeplan_problem::{Limits, Outcome, Problem as _, Verdict};
use edgeplan_solvers::{BATCHING, Entry};
use serde_json::{Map, Value, json};

use crate::question::{find_among, seconds};
use crate::reply::Reply;
use crate::report::table;
use crate::watch;
use edgeplan::reason;
use table::{account_json, account_tables};

const EXAMPLE: &str = include_str!("../../../../bench-data/batching/edge-node.toml");

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Scenario: a batch.toml [default: one node on a narrow band, 14 requests]
    #[arg(conflicts_with = "draw")]
    file: Option<PathBuf>,
    /// Random requests in the settings of the DFTSP paper for this model: `bloom-3b`, `bloom-7b1`,
    /// `opt-13b`, or any model of `plan --model`
    #[arg(long)]
    draw: Option<String>,
    #[command(flatten)]
    radio: Radio,
    /// Number of random requests
    #[arg(long, default_value_t = 20, requires = "draw", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    requests: u32,
    /// Write the scenario to this TOML file
    #[arg(long)]
    save: Option<PathBuf>,
    /// Solver, one of --solvers
    #[arg(long, default_value = "batch-search", conflicts_with = "compare")]
    solver: String,
    /// Run all batching solvers and rank them
    #[arg(long)]
    compare: bool,
    /// List the batching solvers
    #[arg(long)]
    solvers: bool,
    /// Time limit per solver, in seconds
    #[arg(long, default_value_t = 60.0, allow_negative_numbers = true, value_parser = seconds)]
    time: f64,
    /// Random seed
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Threads of HiGHS and CBC; other solvers use one
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// The radio and formats of drawn requests.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Radio {
    /// Radio band of random requests
    #[arg(long, value_enum, default_value_t = Width::Wide)]
    band: Width,
    /// Formats of 16, 8 and 4 bits to choose from, in place of the paper's 8
    #[arg(long)]
    all_formats: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Width {
    /// 20 MHz, as in the paper; bandwidth never binds
    Wide,
    /// 180 kHz at the edge of a cell; bandwidth binds
    Narrow,
}

impl Radio {
    /// The paper's setting for that model, with this radio and these formats.
    pub(crate) fn setting(self, model: &str) -> Setting {
        let band = match self.band {
            Width::Wide => Band::Wide,
            Width::Narrow => Band::Narrow,
        };
        let usual = Setting::of(model);
        let formats = if self.all_formats { paper::formats() } else { usual.formats.clone() };
        Setting { band, formats, ..usual }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    if arguments.solvers {
        return Ok(list(arguments.json));
    }
    let (file, scenario) = arguments.scenario()?;
    let instance = scenario.build(&file)?;
    if let Some(path) = &arguments.save {
        write_atomic(path, &scenario.to_toml()?)?;
    }
    watch::listen();
    if arguments.compare {
        return Ok(arguments.ranking(&instance));
    }
    let entry = find_solver(&arguments.solver)?;
    let outcome = arguments.answer(&instance, entry);
    let mut json = outcome_json(&instance, entry.name, &outcome);
    let mut text = headline(&instance, entry.name, &outcome);
    if let Some(plan) = &outcome.plan {
        let account = instance.evaluate(plan).account;
        json.append(&mut account_json(&instance, plan, &account));
        text = format!("{text}\n{}", account_tables(&instance, plan, &account));
    }
    let reply = Reply::either(arguments.json, &json, &text).found(outcome.cost().is_some());
    Ok(reply.wrong(outcome.verdict.is_wrong()))
}

/// The batching solver of that name, or an error with the nearest one.
pub(crate) fn find_solver(name: &str) -> Result<&'static Entry<Batching>> {
    find_among(BATCHING, name, "batching solver", "`edgeplan batch --solvers` lists them")
}

impl Arguments {
    /// The question and where it comes from.
    fn scenario(&self) -> Result<(String, Scenario)> {
        if let Some(model) = &self.draw {
            let setting = self.radio.setting(model);
            return Ok(("draw".into(), setting.scenario(self.requests as usize, self.seed)));
        }
        let (file, text) = match &self.file {
            Some(path) => (path.display().to_string(), read_text(path)?),
            None => ("example".into(), EXAMPLE.to_owned()),
        };
        let scenario = Scenario::parse(&file, &text)?;
        Ok((file, scenario))
    }

    fn limits(&self) -> Limits<'static> {
        Limits {
            time: Some(Duration::from_secs_f64(self.time)),
            seed: self.seed,
            threads: self.threads,
            interrupt: Some(watch::flag()),
            ..Limits::default()
        }
    }

    /// A solver's answer, a line telling who thinks.
    fn answer(&self, instance: &Batching, entry: &'static Entry<Batching>) -> Outcome<Plan> {
        let _busy = watch::busy(entry.name);
        ask(instance, entry, self.limits())
    }

    /// Every solver, ranked by what it leaves out, then time. Wrong answers are shown, not ranked.
    fn ranking(&self, instance: &Batching) -> Reply {
        let one = |entry| self.answer(instance, entry);
        let outcomes = ranked(BATCHING, self.limits(), one);
        let found = outcomes.iter().any(|(_, outcome)| outcome.cost().is_some());
        let wrong = outcomes.iter().any(|(_, outcome)| outcome.verdict.is_wrong());
        if self.json {
            let rows: Vec<_> =
                outcomes.iter().map(|(name, o)| outcome_json(instance, name, o)).collect();
            let json = json!({ "instance": instance.name, "solvers": rows });
            return Reply::json(&json).found(found).wrong(wrong);
        }
        let mut ranking =
            table(&["solver", "verdict", "served", "at most", "nodes", "seconds"], &[2, 3, 4, 5]);
        let served = |cost: Option<edgeplan_problem::Cost>| {
            cost.map_or("-".into(), |cost| (instance.weight() - cost.0).to_string())
        };
        for (name, outcome) in &outcomes {
            ranking.add_row([
                (*name).to_owned(),
                outcome.verdict.word().to_owned(),
                served(outcome.cost()),
                served(outcome.lower_bound()),
                outcome.work.get("nodes").map_or("-".into(), u64::to_string),
                format!("{:.3}", outcome.elapsed.as_secs_f64()),
            ]);
        }
        let reasons = outcomes.iter().filter_map(|(name, outcome)| {
            reason(&outcome.verdict).map(|reason| format!("{name}: {reason}\n"))
        });
        let reasons: String = reasons.collect();
        let text = format!("{}\n{ranking}\n{reasons}", instance.name);
        Reply::text(&text).found(found).wrong(wrong)
    }
}

/// The registry as a table.
fn list(as_json: bool) -> Reply {
    let row = |entry: &Entry<Batching>| {
        json!({
            "name": entry.name,
            "guarantee": entry.guarantee.label(),
            "about": entry.about,
            "reference": entry.reference,
        })
    };
    if as_json {
        return Reply::json(&BATCHING.iter().map(row).collect::<Vec<Value>>());
    }
    let mut rows = table(&["solver", "guarantee", "what it is", "source"], &[]);
    for entry in BATCHING {
        rows.add_row([entry.name, entry.guarantee.label(), entry.about, entry.reference]);
    }
    Reply::text(&rows.to_string())
}

/// Instance, verdict, what is served and at most could be, solver and seconds on one line.
fn headline(instance: &Batching, solver: &str, outcome: &Outcome<Plan>) -> String {
    let all = instance.weight();
    let unit = match instance.requests.iter().all(|request| request.weight == 1) {
        true => "requests",
        false => "weight",
    };
    let served = outcome.cost().map(|cost| format!(": {} of {all} {unit} served", all - cost.0));
    let most = outcome.lower_bound().map(|bound| all - bound.0);
    let proof = match (&outcome.verdict, most) {
        (Verdict::Optimal { .. }, _) => ", no plan serves more".into(),
        (_, Some(most)) => format!(", no plan serves more than {most}"),
        (_, None) => String::new(),
    };
    let why = reason(&outcome.verdict).map(|reason| format!(": {reason}"));
    let stopped = outcome.stopped.map(|stop| format!(", stopped: {stop}"));
    let nodes = outcome.work.get("nodes").map(|nodes| format!(", {nodes} nodes"));
    format!(
        "{}: {}{}{proof}{}{} [{solver}, {:.3} s{}]",
        instance.name,
        outcome.verdict.word(),
        served.unwrap_or_default(),
        why.unwrap_or_default(),
        stopped.unwrap_or_default(),
        outcome.elapsed.as_secs_f64(),
        nodes.unwrap_or_default(),
    )
}

/// The stable keys of an outcome, without its plan.
fn outcome_json(instance: &Batching, solver: &str, outcome: &Outcome<Plan>) -> Map<String, Value> {
    let all = instance.weight();
    let values = [
        ("instance", json!(instance.name)),
        ("solver", json!(solver)),
        ("verdict", json!(outcome.verdict.word())),
        ("reason", json!(reason(&outcome.verdict))),
        ("weight", json!(all)),
        ("weight_served", json!(outcome.cost().map(|cost| all - cost.0))),
        ("weight_served_at_most", json!(outcome.lower_bound().map(|bound| all - bound.0))),
        ("elapsed_s", json!(outcome.elapsed.as_secs_f64())),
        ("stopped", json!(outcome.stopped.map(|stop| stop.to_string()))),
        ("work", json!(outcome.work)),
    ];
    values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
