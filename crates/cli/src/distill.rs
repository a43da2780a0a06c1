//! `edgeplan distill`: a model teaches its quantized self.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use clap::value_parser;
use edgeplan_files::check_writable;
use edgeplan_quality::apply::{bytes, check, write};
use edgeplan_quality::distill::{Distillation, DistillationSettings, distill};
use edgeplan_quality::{Reference, Text, load};

use crate::argument::learning_rate;
use crate::quantize::Wanted;
use crate::reply::Reply;
use crate::watch;

/// Bytes of its logits that are kept.
const KEPT_MAX: usize = 32 << 20;
/// Whether some student is better than the undistilled one: Ctrl-C then writes the best of them.
static BETTER: AtomicBool = AtomicBool::new(false);

/// One part in so many is held out.
const PARTS: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    wanted: Wanted,
    /// Training text; the last tenth is held out
    #[arg(long)]
    text: PathBuf,
    /// Tokens of the training text
    #[arg(long, default_value_t = 65_536, value_parser = value_parser!(u32).range(2..))]
    tokens: u32,
    /// Tokens of the held-out text
    #[arg(long, default_value_t = 8192, value_parser = value_parser!(u32).range(2..))]
    held_out: u32,
    /// Context window, in tokens
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(2..=65_536))]
    context: u32,
    /// Maximum number of optimizer steps; ends early when the held-out divergence stops improving
    #[arg(long, default_value_t = 400, value_parser = value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
    /// Learning rate
    #[arg(long, default_value_t = 2e-3, value_parser = learning_rate)]
    rate: f64,
    /// Train matrices as well as norms and biases: better, slower, several times the memory
    #[arg(long)]
    matrices: bool,
    /// Random seed of the window order
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// GGUF file to write
    #[arg(long)]
    out: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { wanted, text, out, .. } = arguments;
    check_writable(out)?;
    let path = wanted.model()?;
    let spec = edgeplan_model::load(&path.display().to_string())?;
    let (formats, _) = wanted.formats(&spec)?;
    check(path, &formats)?;
    let context = arguments.context as usize;
    let mut words = Text::read(text, path)?;
    let held_out = words.hold_out(PARTS).pieces(arguments.held_out as usize, context)?;
    let pieces = words.pieces(arguments.tokens as usize, context)?.into_iter();
    let pieces: Vec<_> = pieces.map(|windows| windows.tokens).collect();
    let teacher = load(path, context)?;
    let reference = Reference::new(&teacher, held_out, KEPT_MAX, &mut || {})?;
    let settings = DistillationSettings {
        steps: arguments.steps as usize,
        rate: arguments.rate,
        layers: 0.1,
        matrices: arguments.matrices,
        every: 20,
        patience: 5,
        seed: arguments.seed,
    };
    watch::listen_once(&BETTER);
    let bar = watch::bar(settings.steps as u64, "{pos}/{len} steps, {elapsed} {msg}");
    let mut first = None;
    let distilled = distill(&reference, &formats, &pieces, &settings, &mut |step, seen| {
        bar.set_position(step as u64);
        if let Some(divergence) = seen {
            let undistilled = *first.get_or_insert(divergence);
            BETTER.fetch_or(divergence < undistilled, Ordering::Relaxed);
            bar.set_message(format!("divergence {divergence:.5} nats on held-out text"));
        }
        !watch::interrupted()
    });
    drop(bar);
    let distilled = distilled?;
    write(path, &formats, &distilled.values, out, |_| {})?;
    let distillation = Distillation {
        bytes: bytes(&spec, &formats),
        model: spec.name,
        kl_before_nats: distilled.before,
        kl_after_nats: distilled.after,
        recovered: distilled.recovered(),
        steps: distilled.steps,
        interrupted: watch::interrupted(),
    };
    Ok(Reply::shown(arguments.json, &distillation))
}
