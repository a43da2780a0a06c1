//! `edgeplan pareto`: size against loss. DILEMMA (arXiv:2503.01704) bounds the weight difference
//! between teacher and student while it chooses bits. Here quality budgets in three loss measures
//! are swept, each budget is planned to the least memory, and each plan's divergence is measured,
//! beside uniform formats and the paper's one point.

use std::path::PathBuf;

use anyhow::Result;
use clap::value_parser;
use edgeplan_files::{read_text, write_atomic};
use edgeplan_model::sensitivity::measured::MeasuredSensitivity;
use edgeplan_pareto::contest::{Contest, MIXES};
use edgeplan_pareto::{Front, Sweep, points};
use edgeplan_quality::engine::{Programs, Work};
use edgeplan_quality::fidelity::Excerpt;
use edgeplan_quality::{Reference, Text, load};
use edgeplan_report::curves::svg;

use crate::engine::Engine;
use crate::reply::{Reply, check_all, write_record};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Unquantized model: a GGUF file (gemma3, llama, Mixtral, qwen2, qwen3 or qwen3moe; any with
    /// --engine), or a folder of safetensors (llama or OPT)
    model: PathBuf,
    /// Sensitivity file of the model, from `edgeplan sensitivity`
    #[arg(long)]
    sensitivity: PathBuf,
    /// Text to evaluate plans on
    #[arg(long)]
    text: PathBuf,
    /// Tokens of the text to evaluate
    #[arg(long, default_value_t = 8192, value_parser = value_parser!(u32).range(2..))]
    tokens: u32,
    /// Context window, in tokens
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(2..=65_536))]
    context: u32,
    /// Quality budgets per loss measure; 0 leaves only uniform formats and the plans of their size
    /// and of their divergence
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(0..=1000))]
    budgets: u32,
    /// Uniform formats to compare with, separated by commas [default: all measured ones]
    #[arg(long, value_delimiter = ',')]
    uniform: Vec<edgeplan_problem::format::Format>,
    #[command(flatten)]
    engine: Engine,
    /// engine: llama.cpp's own mixes to compare with, as llama-quantize names them, separated by
    /// commas
    #[arg(long, value_delimiter = ',', default_values_t = MIXES.map(str::to_owned))]
    mixes: Vec<String>,
    /// engine: measured swaps of formats that polish each plan, on the calibration text
    #[arg(long, default_value_t = 0, requires = "calibration")]
    swaps: usize,
    /// Write the points to this CSV file
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a plot of the points to this SVG file
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    check_all([arguments.out.as_ref(), arguments.svg.as_ref()])?;
    let (path, file) = (&arguments.model, arguments.sensitivity.display().to_string());
    let sensed = MeasuredSensitivity::parse(&file, &read_text(&arguments.sensitivity)?)?;
    if let Some((programs, work, _lock)) = arguments.engine.open(path, &arguments.text)? {
        return contest(arguments, &programs, &work, &sensed);
    }
    let spec = sensed.attach(edgeplan_model::load(&path.display().to_string())?)?;
    let context = arguments.context as usize;
    let pieces = Text::read(&arguments.text, path)?.pieces(arguments.tokens as usize, context)?;
    let original = load(path, context)?;
    watch::listen();
    let bar = watch::bar(0, "{pos} plans measured, {elapsed} {msg}");
    let reference = Reference::new(&original, pieces, original.kept_max(), &mut || bar.tick())?;
    let sweep = Sweep { budgets: arguments.budgets as usize, uniform: arguments.uniform.clone() };
    let points = points(&spec, &sensed, &reference, &sweep, &mut || {
        bar.inc(1);
        !watch::interrupted()
    });
    drop(bar);
    let front = Front { model: spec.name, loss_nats: reference.loss, points: points? };
    write_record(arguments.out.as_deref(), &front.csv())?;
    if let Some(path) = &arguments.svg {
        write_atomic(path, &svg(&front.curves()))?;
    }
    Ok(Reply::shown(arguments.json, &front))
}

/// Plans beside llama.cpp's own mixes.
fn contest(
    arguments: &Arguments,
    programs: &Programs,
    work: &Work,
    sensitivity: &MeasuredSensitivity,
) -> Result<Reply> {
    let Arguments { text, mixes, swaps, .. } = arguments;
    let (tokens, context) = (arguments.tokens as usize, arguments.context as usize);
    let excerpt = Excerpt { text, tokens, context };
    let calibration = arguments.engine.calibration.as_deref().unwrap_or(text);
    let calibration = Excerpt { text: calibration, ..excerpt };
    let swaps = *swaps;
    let contest = Contest { programs, work, excerpt, calibration, sensitivity, mixes, swaps };
    let bar = watch::bar(0, "{pos} steps, {elapsed}: {msg}");
    let contested = contest.run(&mut |step| {
        bar.inc(1);
        bar.set_message(step.to_owned());
    });
    drop(bar);
    let contested = contested?;
    write_record(arguments.out.as_deref(), &contested.csv())?;
    Ok(Reply::shown(arguments.json, &contested))
}
