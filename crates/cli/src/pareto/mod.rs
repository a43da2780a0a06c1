//! `edgeplan pareto`: size against loss. DILEMMA (arXiv:2503.01704) bounds the weight difference
//! between teacher and student while it chooses bits. Here quality budgets in three loss measures
//! are swept, each budget is planned to the least memory, and each plan's divergence is measured,
//! beside uniform formats and the paper's one point.

mod picture;
mod plans;

use std::path::PathBuf;

use anyhow::Result;
use clap::value_parser;
use edgeplan_instances::file::{check_writable, read_text, write_atomic};
use edgeplan_instances::model::{self, ModelSpec};
use edgeplan_instances::sensitivity::measured::Sensed;
use edgeplan_problem::Bytes;
use edgeplan_quality::apply::{self, Formats};
use edgeplan_quality::sense::{predicted, run_mix};
use edgeplan_quality::{Distance, Reference, Text, load};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use self::plans::{Measure, Planner};
use crate::reply::Reply;
use crate::report::{command_line, table};

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
    uniform: Vec<edgeplan_formats::Format>,
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

/// A way to store the model, and what came of it.
#[derive(Debug, Clone)]
struct Point {
    /// Which curve it is on.
    series: &'static str,
    /// Which point of it.
    what: String,
    formats: Formats,
    bytes: u64,
    /// Bits of all tensors over those of 32 per parameter.
    ratio: f64,
    /// What the sensitivity file adds up to, in nats.
    predicted: f64,
    measured: Distance,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    for path in [&arguments.out, &arguments.svg].into_iter().flatten() {
        check_writable(path)?;
    }
    let (path, file) = (&arguments.model, arguments.sensitivity.display().to_string());
    let sensed = Sensed::parse(&file, &read_text(&arguments.sensitivity)?)?;
    let spec = sensed.attach(model::load(&path.display().to_string())?)?;
    let context = arguments.context as usize;
    let pieces = Text::read(&arguments.text, path)?.pieces(arguments.tokens as usize, context)?;
    let original = load(path, context)?;
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {pos} plans measured, {elapsed} {msg}")?);
    let reference = Reference::new(&original, pieces, original.kept_max(), &mut || bar.tick())?;
    let mut trade = Trade { spec, sensed, reference, points: Vec::new(), bar };
    trade.measure(arguments)?;
    trade.bar.finish_and_clear();
    let csv = trade.csv();
    if let Some(path) = &arguments.out {
        write_atomic(path, &format!("# {}\n{csv}", command_line()))?;
    }
    if let Some(path) = &arguments.svg {
        let curves = picture::curves(&trade.spec.name, trade.reference.loss, &trade.points);
        write_atomic(path, &edgeplan_report::curves::svg(&curves))?;
    }
    Ok(Reply::either(arguments.json, &trade.json(), &trade.text()))
}

/// Points in the making.
struct Trade<'a> {
    spec: ModelSpec,
    sensed: Sensed,
    reference: Reference<'a>,
    points: Vec<Point>,
    bar: ProgressBar,
}

const UNIFORM: &str = "uniform";
const SAME_SIZE: &str = "plan, no larger";
const SAME_LOSS: &str = "plan, no worse";

impl Trade<'_> {
    fn measure(&mut self, arguments: &Arguments) -> Result<()> {
        let planner = Planner::new(self.spec.clone());
        let known = planner.uniform_formats();
        let wanted = |format: &edgeplan_formats::Format| {
            arguments.uniform.is_empty() || arguments.uniform.contains(format)
        };
        for format in known.iter().copied().filter(wanted) {
            let formats = apply::from_recipe(&self.spec, format, &Default::default())?;
            let uniform = self.point(UNIFORM, format.to_string(), formats)?;
            if uniform.measured.kl <= 0.0 {
                continue;
            }
            let name = format.to_string();
            if let Some(formats) = planner.within(uniform.bytes)? {
                self.point(SAME_SIZE, name.clone(), formats)?;
            }
            self.no_worse(&planner, &uniform)?;
        }
        for measure in Measure::ALL {
            let budgets = planner.budgets(measure, &known, arguments.budgets as usize)?;
            for (number, budget) in budgets.into_iter().enumerate() {
                let Some(formats) = planner.plan(measure, budget)? else { continue };
                self.point(measure.series(), format!("{}: {budget:.3e}", number + 1), formats)?;
            }
        }
        Ok(())
    }

    /// The smallest plan that diverges no more than that uniform format, as measured. What adds up
    /// to as much may diverge more; then less is asked for.
    fn no_worse(&mut self, planner: &Planner, uniform: &Point) -> Result<()> {
        // A little more, because budgets are rounded to billionths.
        let mut budget = uniform.predicted * 1.000_001 + 1e-8;
        for _ in 0..6 {
            let Some(formats) = planner.plan(Measure::Divergence, budget)? else { break };
            let measured = self.run(&formats)?;
            if measured.kl <= uniform.measured.kl {
                self.point(SAME_LOSS, uniform.what.clone(), formats)?;
                break;
            }
            budget *= (0.98 * uniform.measured.kl / measured.kl).min(0.95);
        }
        Ok(())
    }

    /// What comes of these formats; taken from a point that has the same.
    fn run(&self, formats: &Formats) -> Result<Distance> {
        if let Some(known) = self.points.iter().find(|point| point.formats == *formats) {
            return Ok(known.measured);
        }
        Ok(run_mix(&self.reference, formats)?)
    }

    fn point(&mut self, series: &'static str, what: String, formats: Formats) -> Result<Point> {
        let measured = self.run(&formats)?;
        let bytes = apply::bytes(&self.spec, &formats);
        let ratio = bytes as f64 / (4 * self.spec.parameters()) as f64;
        let predicted = predicted(&self.sensed, &formats).unwrap_or(f64::NAN);
        let point = Point { series, what, formats, bytes, ratio, predicted, measured };
        self.points.push(point.clone());
        self.bar.inc(1);
        Ok(point)
    }

    fn change(&self, point: &Point) -> f64 {
        point.measured.loss / self.reference.loss - 1.0
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
            self.spec.name, self.reference.loss
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
            "model": self.spec.name,
            "loss_nats": self.reference.loss,
            "points": points.collect::<Vec<_>>(),
        })
    }
}
