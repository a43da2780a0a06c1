//! `edgeplan batch`: which waiting requests an edge node serves in the epoch that begins now.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan::batch::{batch, compare, example};
use edgeplan::solver_named;
use edgeplan_batching::Scenario;
use edgeplan_batching::paper::{self, Band, Setting};
use edgeplan_files::{read_text, write_atomic};
use edgeplan_problem::batching::Batching;
use edgeplan_solvers::{BATCHING, Entry};

use crate::question::Effort;
use crate::reply::Reply;
use crate::solvers::{listed, rows};
use crate::watch;

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
    #[command(flatten)]
    effort: Effort,
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
        return Ok(listed(arguments.json, rows(None, BATCHING).collect()));
    }
    let (file, scenario) = arguments.scenario()?;
    let instance = scenario.build(&file)?;
    if let Some(path) = &arguments.save {
        write_atomic(path, &scenario.to_toml()?)?;
    }
    watch::listen();
    if arguments.compare {
        let mut busy = watch::Steps::default();
        let ranking =
            compare(&instance, arguments.effort.limits(), &mut |solver| busy.begin(solver));
        drop(busy);
        let reply = Reply::either(arguments.json, &ranking.keys(), &ranking.text());
        return Ok(reply.of_all(&ranking.outcomes));
    }
    let entry = find_solver(&arguments.solver)?;
    let busy = watch::busy(entry.name);
    let batched = batch(&instance, entry, arguments.effort.limits());
    drop(busy);
    let reply = Reply::either(arguments.json, &batched.keys(), &batched.text());
    Ok(reply.of(&batched.outcome))
}

/// The batching solver of that name, or an error with the nearest one.
pub(crate) fn find_solver(name: &str) -> Result<&'static Entry<Batching>> {
    let instead = "`edgeplan batch --solvers` lists them";
    Ok(solver_named(BATCHING, name, "batching solver", instead)?)
}

impl Arguments {
    /// The question and where it comes from.
    fn scenario(&self) -> Result<(String, Scenario)> {
        if let Some(model) = &self.draw {
            let setting = self.radio.setting(model);
            return Ok(("draw".into(), setting.scenario(self.requests as usize, self.effort.seed)));
        }
        let Some(path) = &self.file else { return Ok(("example".into(), example())) };
        let file = path.display().to_string();
        let scenario = Scenario::parse(&file, &read_text(path)?)?;
        Ok((file, scenario))
    }
}
