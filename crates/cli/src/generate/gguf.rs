//! `edgeplan generate gguf`: a llama of random weights, to measure and to test with.

use std::path::PathBuf;

use anyhow::Result;
use edgeplan_engine::random::Random;
use edgeplan_instances::file::check_writable;
use edgeplan_instances::model;
use edgeplan_instances::recipes::parse_label;
use indicatif::{ProgressBar, ProgressStyle};

use crate::reply::Reply;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Model with the shape to copy: `catalog:NAME`, a config.json or its folder
    #[arg(long)]
    like: String,
    /// Recipe of the matrices: a base format and exceptions by tensor class, such as
    /// `q4_K+ffn_down:q6_K,token_embd:q8_0`; vectors are f32
    #[arg(long, default_value = "q8_0", value_parser = recipe)]
    recipe: Recipe,
    /// Random seed of the weights
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// GGUF file to write
    #[arg(long)]
    out: PathBuf,
}

/// A recipe of an argument.
#[derive(Debug, Clone)]
pub(crate) struct Recipe(
    pub(crate) edgeplan_formats::Format,
    pub(crate) std::collections::BTreeMap<model::TensorClass, edgeplan_formats::Format>,
);

pub(crate) fn recipe(text: &str) -> Result<Recipe, String> {
    parse_label(text).map(|(format, exceptions)| Recipe(format, exceptions))
}

pub(super) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { like, recipe: Recipe(format, exceptions), seed, out } = arguments;
    let shape = model::shape(like)?;
    let name = like.trim_start_matches("catalog:").to_owned();
    let (format, exceptions, seed) = (*format, exceptions.clone(), *seed);
    let random = Random { name, shape, format, exceptions, seed };
    let bytes = random.bytes()?;
    check_writable(out)?;
    let bar = ProgressBar::new(bytes);
    bar.set_style(ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {elapsed}")?);
    let written = random.write(out, |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    written?;
    Ok(Reply::raw(String::new()))
}
