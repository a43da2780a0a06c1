//! `edgeplan sense`: what each format does to each tensor of a model.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::value_parser;
use edgeplan_formats::Format;
use edgeplan_instances::file::{InputError, check_writable, read_text};
use edgeplan_instances::model::{self, ModelSpec};
use edgeplan_instances::sensitivity::measured::{Header, Line, SCHEMA, Sensed};
use edgeplan_instances::workload::USUAL_FORMATS;
use edgeplan_quality::additivity::Additivity;
use edgeplan_quality::sense::{self, Trial, predicted, sense, sense_mix, trials};
use edgeplan_quality::{Reference, Text, load};
use edgeplan_records::lock::Lock;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::reply::Reply;
use crate::report::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// GGUF file of a llama, or folder of safetensors of a llama or an OPT; in floats
    model: PathBuf,
    /// Text to measure on
    #[arg(long)]
    text: PathBuf,
    /// Tokens of it
    #[arg(long, default_value_t = 4096, value_parser = value_parser!(u32).range(2..))]
    tokens: u32,
    /// Tokens of a window
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(2..=65_536))]
    context: u32,
    /// Formats to measure
    #[arg(long, value_delimiter = ',', default_values_t = USUAL_FORMATS)]
    formats: Vec<Format>,
    /// Run the model with these only; divergence in the others is taken from the variance of their
    /// errors
    #[arg(long, value_delimiter = ',')]
    probes: Option<Vec<Format>>,
    /// Random mixes to run, to see how well tensors add up
    #[arg(long, default_value_t = 0)]
    mixes: u64,
    /// The file; one that is there is taken up where it ends
    #[arg(long)]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { model: path, text, out, .. } = arguments;
    check_writable(out)?;
    // From before it is read: what another process adds meanwhile would be measured again.
    let _lock = Lock::hold(out)?;
    let file = path.display().to_string();
    let spec = model::load(&file)?;
    sense::check(&spec, &file)?;
    let probes = arguments.probes.as_ref().unwrap_or(&arguments.formats);
    let wanted = trials(&spec, &arguments.formats, probes);
    let words = Text::read(text, path)?;
    let pieces = words.pieces(arguments.tokens as usize, arguments.context as usize)?;
    let tokens: usize = pieces.iter().map(|piece| piece.elem_count()).sum();
    let header = Header {
        schema: SCHEMA.into(),
        model: spec.name.clone(),
        source: text.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        tokens: tokens as u64,
        context: arguments.context.into(),
        loss_nats: None,
    };
    let known = read(out, &header)?;
    let left: Vec<Trial> = match &known {
        Some(known) => wanted.into_iter().filter(|trial| !trial.is_in(known)).collect(),
        None => wanted,
    };
    let measured = known.map_or(0, |known| known.mixes.len() as u64);
    let mixes = measured..arguments.mixes.max(measured);
    if !left.is_empty() || !mixes.is_empty() {
        let original = load(path, arguments.context as usize)?;
        let bar = bar(pieces.len(), "the original, {pos}/{len} pieces, {elapsed}")?;
        let reference = Reference::new(&original, pieces, original.kept_max(), &mut || bar.inc(1))?;
        bar.finish_and_clear();
        let header = Header { loss_nats: Some(reference.loss), ..header };
        measure(&reference, header, left, mixes, out)?;
    }
    let Some(sensed) = read_text(out).ok().map(|text| Sensed::parse(&shown(out), &text)) else {
        bail!("{}: nothing was measured", out.display());
    };
    Ok(reply(arguments, &spec, &sensed?))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn bar(length: usize, template: &str) -> Result<ProgressBar> {
    let bar = ProgressBar::new(length as u64);
    let template = format!("{{bar:30}} {template}");
    bar.set_style(ProgressStyle::with_template(&template).context("the progress bar")?);
    bar.tick();
    Ok(bar)
}

/// What is there already, if it is about the same.
fn read(out: &Path, header: &Header) -> Result<Option<Sensed>> {
    if !out.exists() {
        return Ok(None);
    }
    let sensed = Sensed::parse(&shown(out), &read_text(out)?)?;
    let there = Header { loss_nats: None, ..sensed.header.clone() };
    if there != *header {
        let problem = format!(
            "is about {} on {} tokens of {} in windows of {}; this is {} on {} of {} in {}",
            there.model,
            there.tokens,
            there.source,
            there.context,
            header.model,
            header.tokens,
            header.source,
            header.context
        );
        return Err(InputError::file(shown(out), problem).into());
    }
    Ok(Some(sensed))
}

/// A file that grows by whole lines.
struct Record {
    path: PathBuf,
    file: File,
}

impl Record {
    /// Opens a file, cuts off what is no whole line, and begins with the header.
    fn open(path: &Path, header: &Header) -> Result<Self, InputError> {
        let error = |error: std::io::Error| InputError::file(shown(path), error.to_string());
        let there = std::fs::read(path).unwrap_or_default();
        let whole = there.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(error)?;
        file.set_len(whole as u64).map_err(error)?;
        let mut record = Self { path: path.into(), file };
        if whole == 0 {
            record.add(header)?;
        }
        Ok(record)
    }

    fn add(&mut self, line: &impl serde::Serialize) -> Result<(), InputError> {
        let error = |error: String| InputError::file(shown(&self.path), error);
        let mut line = serde_json::to_vec(line).map_err(|e| error(e.to_string()))?;
        line.push(b'\n');
        // A line is minutes of work on a large model; it is to outlast a power cut.
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|e| error(e.to_string()))
    }
}

/// Measures what is left, a line each.
fn measure(
    reference: &Reference<'_>,
    header: Header,
    left: Vec<Trial>,
    mixes: std::ops::Range<u64>,
    out: &Path,
) -> Result<()> {
    let mut record = Record::open(out, &header)?;
    let steps = bar(left.len(), "{pos}/{len} tensors in a format, {elapsed} of {duration}")?;
    sense(reference, &left, &mut |row| {
        record.add(&Line::Row(row))?;
        steps.inc(1);
        Ok(())
    })?;
    steps.finish_and_clear();
    let sensed = Sensed::parse(&shown(out), &read_text(out)?)?;
    let steps = bar((mixes.end - mixes.start) as usize, "{pos}/{len} mixes, {elapsed}")?;
    for number in mixes {
        record.add(&Line::Mix(sense_mix(reference, &sensed, number)?))?;
        steps.inc(1);
    }
    steps.finish_and_clear();
    Ok(())
}

/// Sums over tensors by class and format, and how well they add up.
fn reply(arguments: &Arguments, spec: &ModelSpec, sensed: &Sensed) -> Reply {
    let mut formats: Vec<Format> = sensed.rows().iter().map(|row| row.format).collect();
    formats.sort();
    formats.dedup();
    let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
    let numbers: Vec<usize> = (1..=names.len()).collect();
    let mut rows = table(&[&["nats, summed over"][..], &names].concat(), &numbers);
    for class in model::TensorClass::MATRICES {
        let tensors: Vec<&str> = (spec.layers.iter().flat_map(|layer| &layer.tensors))
            .filter(|tensor| tensor.class == class && tensor.quantizable)
            .map(|tensor| tensor.name.as_str())
            .collect();
        if tensors.is_empty() {
            continue;
        }
        let sums = formats.iter().map(|&format| {
            let sum: Option<f64> = tensors.iter().map(|t| sensed.divergence(t, format)).sum();
            sum.map_or("-".into(), |sum| format!("{sum:.5}"))
        });
        rows.add_row([vec![class.name().to_owned()], sums.collect()].concat());
    }
    let pairs: Vec<(f64, f64)> = (sensed.mixes.iter())
        .filter_map(|mix| Some((predicted(sensed, &sense::mix(sensed, mix.mix))?, mix.kl_nats)))
        .collect();
    let found = Additivity::of(&pairs);
    let Header { model, source, tokens, loss_nats, .. } = &sensed.header;
    let loss = loss_nats.map(|loss| format!(", loss {loss:.4} nats")).unwrap_or_default();
    let mut text = format!("{model} on {tokens} tokens of {source}{loss}\n\n{rows}\n");
    if let Some(found) = &found {
        text += &format!(
            "\n{} random mixes, divergence predicted by adding up and measured:\n\
             rank correlation {:.4}, median error {:.1} %, calibrated ({:.3} sum^{:.3}) {:.1} %\n",
            found.mixes,
            found.rank_correlation,
            100.0 * found.error,
            found.scale,
            found.power,
            100.0 * found.calibrated_error
        );
    }
    let json = json!({
        "model": model,
        "rows": sensed.rows().len(),
        "mixes": pairs.iter().map(|(predicted, measured)| json!({
            "predicted_nats": predicted, "measured_nats": measured,
        })).collect::<Vec<_>>(),
        "rank_correlation": found.map(|found| found.rank_correlation),
        "median_error": found.map(|found| found.error),
        "calibrated_median_error": found.map(|found| found.calibrated_error),
        "scale": found.map(|found| found.scale),
        "power": found.map(|found| found.power),
    });
    Reply::either(arguments.json, &json, &text)
}
