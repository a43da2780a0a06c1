//! `edgeplan sensitivity`: the KL divergence of each tensor of a model in each format.

use std::path::PathBuf;

use anyhow::Result;
use clap::value_parser;
use edgeplan_files::check_writable;
use edgeplan_pricing::workload::USUAL_FORMATS;
use edgeplan_problem::format::Format;
use edgeplan_quality::engine::survey::{EngineSurvey, EngineSurveyed, check_bits};
use edgeplan_quality::fidelity::Excerpt;
use edgeplan_quality::survey::{Progress, Survey};
use edgeplan_records::lock::Lock;

use crate::engine::Engine;
use crate::reply::Reply;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Unquantized model: a GGUF file (gemma3, llama, Mixtral, qwen2, qwen3 or qwen3moe; any with
    /// --engine), or a folder of safetensors (llama or OPT)
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
    #[command(flatten)]
    engine: Engine,
    /// engine: bits per weight of the random mixes, --mixes of each, separated by commas [default:
    /// any size]
    #[arg(long, value_delimiter = ',', requires = "engine")]
    bits: Vec<f64>,
    /// engine: formats of the KV cache to measure, separated by commas
    #[arg(long, value_delimiter = ',', requires = "engine")]
    kv: Vec<Format>,
    /// Sensitivity file to write (JSON lines); an existing file is resumed
    #[arg(long)]
    out: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { model, text, out, .. } = arguments;
    check_writable(out)?;
    // From before it is read: what another process adds meanwhile would be measured again.
    let lock = Lock::hold(out)?;
    check_bits(&arguments.bits)?;
    let engine = arguments.engine.open(model, text)?;
    // Rows are in the file one by one; one of them may take minutes.
    let (file, owner) = (out.clone(), lock.file().to_owned());
    let last_words = move || {
        let lines = std::fs::read(&file).unwrap_or_default();
        let rows = lines.iter().filter(|&&byte| byte == b'\n').count().saturating_sub(1);
        let file = file.display();
        eprintln!("{file}: interrupted after {rows} rows; the same command goes on");
        let _ = std::fs::remove_file(&owner);
    };
    if engine.is_none() {
        watch::end_after(last_words);
    }
    let excerpt =
        Excerpt { text, tokens: arguments.tokens as usize, context: arguments.context as usize };
    let (formats, mixes) = (&arguments.formats[..], arguments.mixes);
    let probes = arguments.probes.as_deref().unwrap_or(formats);
    let mut bar = None;
    let mut progress = |progress| {
        let (count, beside) = match progress {
            Progress::Original(count) => (count, "the original, {pos}/{len} pieces, {elapsed}"),
            Progress::Tensors(count) => {
                (count, "{pos}/{len} tensors in a format, {elapsed} of {duration}")
            }
            Progress::Mixes(count) => (count, "{pos}/{len} mixes, {elapsed}"),
            Progress::Done => return bar.iter().for_each(|bar: &watch::Bar| bar.inc(1)),
        };
        // The bar before is cleared first.
        drop(bar.take());
        bar = Some(watch::bar(count as u64, beside));
    };
    let surveyed = match engine {
        None => Survey { model, excerpt, formats, probes, mixes, out }.run(&mut progress)?,
        Some((programs, work, _lock)) => {
            let (programs, work, caches) = (&programs, &work, &arguments.kv[..]);
            let bits = &arguments.bits[..];
            let survey =
                EngineSurvey { programs, work, excerpt, formats, probes, caches, mixes, bits, out };
            let EngineSurveyed { surveyed, stopped } = survey.run(&mut progress)?;
            if stopped {
                eprintln!("{}: not all is measured; the same command goes on", out.display());
            }
            surveyed
        }
    };
    drop(bar);
    Ok(Reply::either(arguments.json, &surveyed.keys(), &surveyed.to_string()))
}
