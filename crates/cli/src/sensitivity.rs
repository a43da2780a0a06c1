//! `edgeplan sensitivity`: the KL divergence of each tensor of a model in each format.

use std::path::PathBuf;

use anyhow::Result;
use clap::value_parser;
use edgeplan_files::check_writable;
use edgeplan_pricing::workload::USUAL_FORMATS;
use edgeplan_problem::format::Format;
use edgeplan_quality::fidelity::Excerpt;
use edgeplan_quality::survey::{Progress, Survey};
use edgeplan_records::lock::Lock;

use crate::reply::Reply;
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
    let Arguments { model, text, out, .. } = arguments;
    check_writable(out)?;
    // From before it is read: what another process adds meanwhile would be measured again.
    let lock = Lock::hold(out)?;
    // Rows are in the file one by one; one of them may take minutes.
    let (file, owner) = (out.clone(), lock.file().to_owned());
    watch::end_after(move || {
        let lines = std::fs::read(&file).unwrap_or_default();
        let rows = lines.iter().filter(|&&byte| byte == b'\n').count().saturating_sub(1);
        let file = file.display();
        eprintln!("{file}: interrupted after {rows} rows; the same command goes on");
        let _ = std::fs::remove_file(&owner);
    });
    let mut bar = None;
    let survey = Survey {
        model,
        excerpt: Excerpt {
            text,
            tokens: arguments.tokens as usize,
            context: arguments.context as usize,
        },
        formats: &arguments.formats,
        probes: arguments.probes.as_ref().unwrap_or(&arguments.formats),
        mixes: arguments.mixes,
        out,
    };
    let surveyed = survey.run(&mut |progress| {
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
    });
    drop(bar);
    let surveyed = surveyed?;
    Ok(Reply::either(arguments.json, &surveyed.keys(), &surveyed.to_string()))
}
