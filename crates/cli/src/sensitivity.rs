//! `edgeplan sensitivity`: the KL divergence of each tensor of a model in each format.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::value_parser;
use edgeplan_files::{check_writable, read_text};
use edgeplan_model::ModelSpec;
use edgeplan_model::sensitivity::measured::{Header, Line, SCHEMA, Sensed};
use edgeplan_pricing::workload::USUAL_FORMATS;
use edgeplan_problem::format::Format;
use edgeplan_quality::additivity::Additivity;
use edgeplan_quality::journal::{self, Journal};
use edgeplan_quality::sense::{self, Trial, predicted, sense, sense_mix, trials};
use edgeplan_quality::{Reference, Text, load};
use edgeplan_records::lock::Lock;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::reply::Reply;
use crate::report::table;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Unquantized model: a GGUF file of the llama architecture, or a folder of safetensors (llama
    /// or OPT)
    model: PathBuf,
    /// Text to evaluate on
    #[arg(long)]
    text: PathBuf,
    /// Tokens of the text to evaluate
    #[arg(long, default_value_t = 4096, value_parser = value_parser!(u32).range(2..))]
    tokens: u32,
    /// Context window, in tokens
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(2..=65_536))]
    context: u32,
    /// Formats to measure, separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = USUAL_FORMATS)]
    formats: Vec<Format>,
    /// Formats in which the model is run, separated by commas; divergence in other formats is
    /// scaled from their error variance [default: all of --formats]
    #[arg(long, value_delimiter = ',')]
    probes: Option<Vec<Format>>,
    /// Random format mixes to run, to test how additive the divergence of tensors is
    #[arg(long, default_value_t = 0)]
    mixes: u64,
    /// Sensitivity file to write (JSON lines); an existing file is resumed
    #[arg(long)]
    out: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { model: path, text, out, .. } = arguments;
    check_writable(out)?;
    // From before it is read: what another process adds meanwhile would be measured again.
    let lock = Lock::hold(out)?;
    // Rows are in the file one by one; one of them may take minutes.
    let (file, owner) = (out.clone(), lock.file().to_owned());
    watch::end_after(move || {
        let lines = std::fs::read(&file).unwrap_or_default();
        let rows = lines.iter().filter(|&&byte| byte == b'\n').count().saturating_sub(1);
        eprintln!("{}: interrupted after {rows} rows; the same command goes on", shown(&file));
        let _ = std::fs::remove_file(&owner);
    });
    let file = path.display().to_string();
    let spec = edgeplan_model::load(&file)?;
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
    let known = journal::read(out, &header)?;
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

/// Measures what is left, a line each.
fn measure(
    reference: &Reference<'_>,
    header: Header,
    left: Vec<Trial>,
    mixes: std::ops::Range<u64>,
    out: &Path,
) -> Result<()> {
    let mut journal = Journal::open(out, &header)?;
    let steps = bar(left.len(), "{pos}/{len} tensors in a format, {elapsed} of {duration}")?;
    sense(reference, &left, &mut |row| {
        journal.add(&Line::Row(row))?;
        steps.inc(1);
        Ok(())
    })?;
    steps.finish_and_clear();
    let sensed = Sensed::parse(&shown(out), &read_text(out)?)?;
    let steps = bar((mixes.end - mixes.start) as usize, "{pos}/{len} mixes, {elapsed}")?;
    for number in mixes {
        journal.add(&Line::Mix(sense_mix(reference, &sensed, number)?))?;
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
    for class in edgeplan_model::TensorClass::MATRICES {
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
