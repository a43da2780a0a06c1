//! `edgeplan generate gguf`: a model of random weights, to measure and to test with.

use std::path::PathBuf;
use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use edgeplan_files::check_writable;
use edgeplan_model::gguf::draft::Draft;
use edgeplan_problem::recipe::FormatMix;
use edgeplan_reference_llama::random::Random;

use crate::reply::Reply;
use crate::watch;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Model with the shape to copy: `catalog:NAME`, a config.json or its folder
    #[arg(long)]
    like: String,
    /// Recipe of the matrices: a base format and exceptions by tensor class, such as
    /// `q4_K+ffn_down:q6_K,token_embd:q8_0`; vectors are f32
    #[arg(long, default_value = "q8_0", value_parser = FormatMix::from_str)]
    recipe: FormatMix,
    /// Header alone, and a hole as long as all weights: what dry runs of engines need
    #[arg(long)]
    header_only: bool,
    /// Seed of the weights
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// GGUF file to write
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Reply> {
    let Arguments { like, recipe, header_only, seed, out } = arguments;
    let shape = edgeplan_model::shape(like)?;
    let name = like.trim_start_matches("catalog:").to_owned();
    if *header_only {
        check_writable(out)?;
        let draft = Draft::stored(&name, &shape, recipe)?;
        draft.write_sparse(out).with_context(|| out.display().to_string())?;
        return Ok(Reply::raw(String::new()));
    }
    let random = Random { name, shape, recipe: recipe.clone(), seed: *seed };
    let bytes = random.bytes()?;
    check_writable(out)?;
    let bar = watch::bar(bytes, "{bytes}/{total_bytes} {elapsed}");
    let written = random.write(out, |bytes| bar.inc(bytes));
    drop(bar);
    written?;
    Ok(Reply::raw(String::new()))
}
