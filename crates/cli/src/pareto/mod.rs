//! `edgeplan pareto`: size against loss. DILEMMA (arXiv:2503.01704) bounds the weight difference
//! between teacher and student while it chooses bits. Here quality budgets in three loss measures
//! are swept, each budget is planned to the least memory, and each plan's divergence is measured,
//! beside uniform formats and the paper's one point.

mod picture;

use std::path::PathBuf;

use anyhow::Result;
use clap::value_parser;
use edgeplan_files::{check_writable, read_text, write_atomic};
use edgeplan_model::sensitivity::measured::Sensed;
use edgeplan_pareto::{Point, Sweep, points};
use edgeplan_problem::Bytes;
use edgeplan_quality::{Distance, Reference, Text, load};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::reply::Reply;
use crate::report::{command_line, table};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Unquantized model: a GGUF file of the llama architecture, or a folder of safetensors (llama
    /// or OPT)
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
    for path in [&arguments.out, &arguments.svg].into_iter().flatten() {
        check_writable(path)?;
    }
    let (path, file) = (&arguments.model, arguments.sensitivity.display().to_string());
    let sensed = Sensed::parse(&file, &read_text(&arguments.sensitivity)?)?;
    let spec = sensed.attach(edgeplan_model::load(&path.display().to_string())?)?;
    let context = arguments.context as usize;
    let pieces = Text::read(&arguments.text, path)?.pieces(arguments.tokens as usize, context)?;
    let original = load(path, context)?;
    watch::listen();
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {pos} plans measured, {elapsed} {msg}")?);
    let reference = Reference::new(&original, pieces, original.kept_max(), &mut || bar.tick())?;
    let sweep = Sweep { budgets: arguments.budgets as usize, uniform: arguments.uniform.clone() };
    let points = points(&spec, &sensed, &reference, &sweep, &mut || {
        bar.inc(1);
        !watch::interrupted()
    });
    bar.finish_and_clear();
    let found = Found { model: &spec.name, loss: reference.loss, points: points? };
    if let Some(path) = &arguments.out {
        write_atomic(path, &format!("# {}\n{}", command_line(), found.csv()))?;
    }
    if let Some(path) = &arguments.svg {
        let curves = picture::curves(found.model, found.loss, &found.points);
        write_atomic(path, &edgeplan_report::curves::svg(&curves))?;
    }
    Ok(Reply::either(arguments.json, &found.json(), &found.text()))
}

/// What was measured.
struct Found<'a> {
    model: &'a str,
    /// Of the original, in nats per token.
    loss: f64,
    points: Vec<Point>,
}

impl Found<'_> {
    fn change(&self, point: &Point) -> f64 {
        point.measured.loss / self.loss - 1.0
    }

    fn csv(&self) -> String {
        let mut text = "series,point,bytes,ratio,predicted_kl_nats,kl_nats,loss_nats\n".to_owned();
        for point in &self.points {
            let Point { series, what, bytes, ratio, predicted, measured, .. } = point;
            let Distance { kl, loss } = measured;
            let series = series.replace(", ", " ");
            text += &format!("{series},{what},{bytes},{ratio:.5},");
            text += &format!("{predicted:.6},{kl:.6},{loss:.6}\n");
        }
        text
    }

    fn text(&self) -> String {
        let header = ["", "", "size", "of 32 bits", "predicted", "divergence", "loss", "change"];
        let mut rows = table(&header, &[2, 3, 4, 5, 6, 7]);
        for point in &self.points {
            rows.add_row([
                point.series.to_owned(),
                point.what.clone(),
                Bytes(point.bytes).to_string(),
                format!("{:.2} %", 100.0 * point.ratio),
                format!("{:.5}", point.predicted),
                format!("{:.5}", point.measured.kl),
                format!("{:.4}", point.measured.loss),
                format!("{:+.2} %", 100.0 * self.change(point)),
            ]);
        }
        format!(
            "{}: loss {:.4} nats per token\n\n{rows}\n\nDILEMMA, OPT-350m: 12.75 % of 32 bits, \
             loss 0.0591 -> 0.0605 (+2.4 %)\n",
            self.model, self.loss
        )
    }

    fn json(&self) -> serde_json::Value {
        let points = self.points.iter().map(|point| {
            json!({
                "series": point.series,
                "point": point.what,
                "bytes": point.bytes,
                "ratio": point.ratio,
                "predicted_kl_nats": point.predicted,
                "kl_nats": point.measured.kl,
                "loss_nats": point.measured.loss,
            })
        });
        json!({
            "model": self.model,
            "loss_nats": self.loss,
            "points": points.collect::<Vec<_>>(),
        })
    }
}
