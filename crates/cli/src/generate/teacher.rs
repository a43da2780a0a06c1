//! `edgeplan generate teacher`: train a small language model of bytes.

use std::path::PathBuf;

use anyhow::Result;
use clap::value_parser;
use edgeplan_files::{check_writable, write_atomic};
use edgeplan_quality::teacher::{Progress, Training, shape, shape_with_experts};

use crate::argument::learning_rate;
use crate::reply::{Reply, command_line};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Training text
    #[arg(long)]
    text: PathBuf,
    /// Held-out text, for the loss curve
    #[arg(long)]
    held_out: PathBuf,
    /// Optimizer steps
    #[arg(long, default_value_t = 2000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
    /// Context windows per step
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// Context window, in bytes (tokens)
    #[arg(long, default_value_t = 128, value_parser = value_parser!(u32).range(2..=4096))]
    context: u32,
    /// Peak learning rate
    #[arg(long, default_value_t = 3e-3, value_parser = learning_rate)]
    rate: f64,
    /// Random seed of weights and windows
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Experts in place of feed-forward networks, two of four for each token
    #[arg(long)]
    experts: bool,
    /// Write the loss curve to this CSV file
    #[arg(long)]
    losses: Option<PathBuf>,
    /// GGUF file to write
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { text, held_out, losses, out, .. } = arguments;
    [Some(out), losses.as_ref()].into_iter().flatten().try_for_each(|path| check_writable(path))?;
    let training = Training {
        shape: if arguments.experts { shape_with_experts() } else { shape() },
        steps: arguments.steps as usize,
        batch: arguments.batch as usize,
        context: arguments.context as usize,
        rate: arguments.rate,
        seed: arguments.seed,
    };
    let bar = watch::bar(training.steps as u64, "{pos}/{len} steps, {elapsed} of {duration} {msg}");
    let mut rows = format!("# {}\nstep,loss_nats,held_out_nats\n", command_line());
    watch::listen();
    let trained = training.run(text, held_out, out, &mut |step, seen| {
        bar.set_position(step as u64);
        if let Some(Progress { step, loss, held_out }) = seen {
            rows += &format!("{step},{loss:.4},{held_out:.4}\n");
            bar.set_message(format!("loss {loss:.3}, held out {held_out:.3} nats per byte"));
        }
        !watch::interrupted()
    });
    drop(bar);
    trained?;
    losses.as_ref().map(|path| write_atomic(path, &rows)).transpose()?;
    Ok(Reply::raw(String::new()))
}
